"""Rules about packages and the files that list them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..base import catalog
from ..contract import EXTRA_REQUIREMENTS
from ..finding import FileLocation, Finding, Fix
from ..graph.graph import Graph
from ..project import discover
from ..project.model import Project
from ..text import listed_words, named
from .models_artifacts import versions_of
from .packages_server import shared_with_the_server
from .pins import locked_versions, pinned, version_of
from .rule import rule

if TYPE_CHECKING:
    from packaging.specifiers import Specifier, SpecifierSet

    from ..artifacts.facts import Artifact
    from ..requirements.model import Listed, Requirements


@rule("AML301", "warning")
def list_left(project: Project) -> Iterator[Finding]:
    """Another file lists packages too, and is not read.

    One file says which packages are installed, the first that there is of requirements.txt, pylock.toml, uv.lock and
    pyproject.toml. The others may say something else.

    Bad `folder`:

        score.py  requirements.txt  uv.lock

    Good `dagger-aml.toml`:

        requirements = "uv.lock"

    Silent: a `pyproject.toml` beside its own `uv.lock`, or without dependencies; and where a flag, a variable or the
    project file names the list.
    """
    if project.requirements and project.notes.lists_left:
        taken, left = project.at(project.requirements), map(project.at, project.notes.lists_left)
        yield Finding(
            f"{taken} is used for the packages; not used: {', '.join(left)}",
            hint=f'Remove what is not needed, or name the one to use: `requirements = "{taken}"`.',
        )


@rule("AML307", "info")
def lock_installed(project: Project) -> Iterator[Finding]:
    """The packages of a lock are installed, not copied.

    With the recipe `preinstalled` a lock that has a wheel of every package is copied
    [as files](packages-as-files.md), and nothing runs. Where a wheel is missing, pip or uv installs them in the base
    image.

    Bad `shell`:

        dagger-aml build --recipe preinstalled   # pylock.toml names a source archive alone

    Good `shell`:

        dagger-aml build --recipe preinstalled --packages-as installed

    Silent: where all are copied, where `--packages-as` or `--installer` says what is done, where packages are added,
    with another list than a lock, and with another recipe.
    """
    if why := project.notes.installed_since:
        yield Finding(
            f"the packages are installed and not copied: {why}",
            location=project.at(project.requirements) if project.requirements else None,
            hint=f"To install them in any case, and not be told: {named('packages_as', 'installed')}.",
        )


@rule("AML302", "warning")
def conda_file(project: Project) -> Iterator[Finding]:
    """A conda file is not read.

    One file says which packages are installed, and a [conda file](conda.md) does where there is no requirements.txt,
    lock or pyproject.toml that lists some. Of several in folders beside the code none is taken.

    Bad `folder`:

        score.py  requirements.txt  environment.yml

    Good `folder`:

        score.py  requirements.txt

    Silent: the conda file that is read, those inside a model folder, and those in folders that are never code.
    """
    listed = project.requirements
    taken = listed.resolve() if listed else None
    for path in discover.conda_files(project.root, project.code):
        if path.resolve() != taken and not discover.is_mlflow(path.parent):
            shown, hint = project.at(path), "List its packages in requirements.txt."
            if listed:
                hint = f"{listed.name} is read."
            elif _is_conda(path):
                hint = f"To use it: {named('requirements', shown)}."
            yield Finding("the conda file is not read", location=shown, hint=hint)


@rule("AML303", "warning")
def list_of_a_model(project: Project) -> Iterator[Finding]:
    """A model folder brings a list of packages that is not read.

    MLflow and others write a `requirements.txt` beside the model: what it needs to be loaded.

    Bad `folder`:

        score.py  iris-model/MLmodel  iris-model/requirements.txt

    Good `dagger-aml.toml`:

        requirements = "iris-model/requirements.txt"

    Silent: where the project has a list of its own, and for folders that are no saved model.
    """
    for model in project.models:
        listed = model.path / "requirements.txt"
        if not project.requirements and discover.model_kind(model.path) and listed.is_file():
            yield Finding(
                "the model's list of packages is not read",
                location=project.at(listed),
                hint=f"To use it: {named('requirements', project.at(listed))}.",
            )


@rule("AML304", "warning")
def installed_at_start(graph: Graph) -> Iterator[Finding]:
    """Packages are installed each time the container starts.

    Starts are slow and need the network, and replicas of one service can differ where a version is not pinned.

    Bad `shell`:

        dagger-aml build --recipe dynamic

    Good `shell`:

        dagger-aml build --recipe extended

    Silent: the recipes that install packages when the image is built.
    """
    name = graph.config.env.get(EXTRA_REQUIREMENTS)
    if name:
        yield Finding(
            f"the packages of {name} are installed at every start: starts are slower and need the network, and "
            "replicas can differ if a version is not pinned",
            hint="For production, use the `extended` or `preinstalled` recipe.",
        )


@rule("AML305", "warning")
def index_of_the_build(graph: Graph) -> Iterator[Finding]:
    """An index or a secret is given, and the packages are installed when the container starts.

    Indexes and secrets are of the build, in which this recipe installs nothing.

    Bad `shell`:

        dagger-aml build --recipe dynamic --index-url https://pypi.example.com/simple/

    Good `shell`:

        docker run -e PIP_INDEX_URL=https://pypi.example.com/simple/ IMAGE

    Silent: the recipes that install packages when the image is built.
    """
    if graph.config.env.get(EXTRA_REQUIREMENTS) and (graph.access.indexes or graph.access.secrets):
        yield Finding(
            "indexes and secrets are available only during the build, but this recipe installs packages when the "
            "container starts",
            hint="Set PIP_INDEX_URL where the container runs, or use the `extended` or `preinstalled` recipe.",
        )


@rule("AML306", "warning")
def without_version_at_start(
    project: Project,
    requirements: Requirements,
    allowed: Mapping[str, SpecifierSet],
    artifacts: tuple[Artifact, ...],
) -> Iterator[Finding]:
    """Packages without a version are installed each time the container starts.

    Each start takes what is newest then, so two replicas may run different versions, and a release of somebody
    else's can stop yours without a change of the image.

    Bad `requirements.txt`:

        pandas          # with the recipe dynamic

    Good `requirements.txt`:

        pandas==2.3.3

    Silent: recipes that install when the image is built, and packages of a URL or with a hash.
    """
    if project.recipe != "dynamic":
        return
    from packaging.utils import canonicalize_name

    loose = [
        each
        for each in requirements.listed
        if each.name and not each.url and not each.constraint and not each.hashed
        if not any(_is_exact(said) for said in allowed.get(canonicalize_name(each.name), ()))
    ]
    if loose:
        names = [str(each.name) for each in loose]
        first = loose[0].location
        yield Finding(
            f"{listed_words(names)} {'have' if len(names) > 1 else 'has'} no version, so each start installs what is "
            "newest then",
            location=project.at(first.path, first.line).of(names[0]) if isinstance(first, FileLocation) else first,
            hint="Say a version, as in NAME==1.2.3, or use a recipe that installs when the image is built.",
            fixes=_known_versions(project, requirements, loose, allowed, artifacts),
        )


def _known_versions(
    project: Project,
    requirements: Requirements,
    loose: Sequence[Listed],
    allowed: Mapping[str, SpecifierSet],
    artifacts: tuple[Artifact, ...],
) -> tuple[Fix, ...]:
    """The versions that a lock beside the list, or the models, tell of these packages, where they tell one; a model
    that was made with the base's Python, for which they exist."""
    from packaging.utils import canonicalize_name

    python = catalog.python(project.base)
    same = tuple(each for each in artifacts if python and (each.python or "").startswith(f"{python}."))
    found = dict(versions_of(same))
    for name, version in locked_versions(requirements.path, project.root).items():
        found[name] = version if found.get(name, version) == version else None
    fixes: list[Fix] = []
    for each in loose:
        name = canonicalize_name(str(each.name))
        version = version_of(each, found, allowed.get(name))
        if version and not shared_with_the_server(name):
            fixes += pinned(requirements, name, f"=={version}")
    return tuple(fixes)


def _is_exact(said: Specifier) -> bool:
    return said.operator in ("==", "===") and not said.version.endswith(".*")


@rule("AML390", "info")
def not_checked(project: Project) -> Iterator[Finding]:
    """The command pip check is not run.

    It finds packages whose versions contradict each other: those of the base image among them, which the inference
    server needs. Without it, such an image is built, and ends when it is started.

    Bad `dagger-aml.toml`:

        [pip]
        no-check = true

    Good `dagger-aml.toml`:

        [pip]
        no-check = false

    Silent: where no package is installed in the build.
    """
    if not project.pip_check and (project.requirements or project.pip) and project.recipe != "dynamic":
        yield Finding(
            "`pip check` is not run, so the build does not find packages whose versions contradict each other",
            location=project.origins.get("no_pip_check"),
            hint="`dagger-aml build --smoke` shows whether the image serves.",
        )


def _is_conda(path: Path) -> bool:
    from ..requirements.conda_yaml import is_conda

    return is_conda(path)
