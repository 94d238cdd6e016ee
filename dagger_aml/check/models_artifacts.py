"""Rules about what the files of a model say of themselves. None of them is unpickled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..base.facts import BaseFacts
from ..finding import Finding, Fix
from ..project.model import Project
from .facts import Places
from .packages_server import shared_with_the_server
from .pins import is_published, pinned
from .rule import rule

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

    from ..artifacts.facts import Artifact
    from ..requirements.model import Requirements


@rule("AML415", "warning")
def from_main(project: Project, artifacts: tuple[Artifact, ...]) -> Iterator[Finding]:
    """A model needs classes or functions of the script that saved it.

    A pickle holds names, not code: what was defined in a notebook or a script is called `__main__.NAME`. In the image
    `__main__` is the server, which has no such name, so the model cannot be loaded.

    Bad `train.py`:

        joblib.dump(make_pipeline(Scaler(), Ridge()), "model.pkl")  # and this file has `class Scaler`

    Good `train.py`:

        from features import Scaler  # features.py lies beside score.py too

    Silent: an entry script that puts the name there itself (`__main__`, or `sys.modules`, stands in the code).
    """
    if project.used and project.used.puts_into_main:
        return
    for each in artifacts:
        if each.main:
            yield Finding(
                f"the model needs {', '.join(each.main)} of the script or notebook that saved it (__main__), which "
                "the server will not find",
                location=project.at(each.path),
                hint="Move it to a module beside the entry script, import it from there, and save the model again.",
            )


@rule("AML416", "warning")
def module_of_the_project(project: Project, code: Path, artifacts: tuple[Artifact, ...]) -> Iterator[Finding]:
    """A model needs a module of the project that is not in the code.

    Loading a pickle imports the modules of its classes. One that lies in the project, but not in the code folder, is
    not in the image.

    Bad `folder`:

        code/score.py  model/model.pkl   # of features.Scaler
        features.py

    Good `folder`:

        code/score.py  code/features.py  model/model.pkl

    Silent: modules that the code folder has, and those that are nowhere in the project's top folders.
    """
    for each in artifacts:
        for top in dict.fromkeys(module.partition(".")[0] for module in each.modules):
            if _has(code, top):
                continue
            place = next((place for place in (project.root, project.root / "src") if _has(place, top)), None)
            if place is not None and place != code:
                shown = "the project folder" if place == project.root else project.at(place)
                yield Finding(
                    f"the model needs the module {top}, which is in {shown}, not in the code folder: it will be "
                    "missing in the image if no package with that name is installed",
                    location=project.at(each.path),
                    hint=f"Move {top} into the code folder.",
                )


@rule("AML417", "warning")
def made_with_another_version(
    project: Project,
    requirements: Requirements,
    allowed: Mapping[str, SpecifierSet],
    artifacts: tuple[Artifact, ...],
    places: Places,
) -> Iterator[Finding]:
    """A model was made with another version of a package than the one that is listed.

    scikit-learn, xgboost and the like do not promise that one version loads what another saved: it fails, or predicts
    something else. It is told at the line that lists the package, where a comment silences it too: no model has room
    for one.

    Bad `requirements.txt`:

        scikit-learn==1.3.2   # the model was saved with 1.5.2

    Good `requirements.txt`:

        scikit-learn==1.5.2

    Silent: where only the last number differs, where the list allows the version, or does not name the package.
    """
    from packaging.utils import canonicalize_name

    taken, known = project.at(requirements.path), versions_of(artifacts)
    for each in artifacts:
        for name, made in each.versions.items():
            listed = allowed.get(canonicalize_name(name))
            if listed is not None and _excludes(listed, made):
                yield Finding(
                    f"{project.at(each.path)} was made with {name} {made}, but {taken} lists {name}{listed}",
                    location=_listed_at(requirements, canonicalize_name(name), places) or project.at(each.path),
                    hint=f"List {name}=={made}, or save the model again with the version that is listed.",
                    fixes=_fixes(requirements, canonicalize_name(name), listed, known),
                )
        numpy = allowed.get("numpy")
        if numpy is not None and _below_2(numpy) and any(name.startswith("numpy._core") for name in each.modules):
            yield Finding(
                f"{project.at(each.path)} was made with numpy 2 or later, but {taken} lists numpy{numpy}",
                location=_listed_at(requirements, "numpy", places) or project.at(each.path),
                hint="List numpy>=2, or save the model again with the version that is listed.",
            )


def _listed_at(requirements: Requirements, name: str, places: Places) -> str | None:
    """The line that says a version of a package, or else that lists it."""
    from packaging.utils import canonicalize_name

    lines = [each for each in requirements.listed if each.name and canonicalize_name(each.name) == name]
    said = [each for each in lines if any(sign in each.text for sign in "=<>~")]
    return next((places.near(each.location) for each in (*said, *lines)), None)


@rule("AML418", "warning")
def bytecode_of_another_python(
    project: Project, base: BaseFacts, artifacts: tuple[Artifact, ...]
) -> Iterator[Finding]:
    """A model holds functions of another Python than the base's.

    cloudpickle writes functions as bytecode, which each minor version of Python changes: such a model does not load,
    or crashes.

    Bad `model/MLmodel`:

        python_function:
          cloudpickle_version: 3.0.0
          python_version: 3.9.19   # and the base has Python 3.12

    Good `model/MLmodel`:

        python_function:
          cloudpickle_version: 3.0.0
          python_version: 3.12.4

    Silent: where the base's Python is not known, and where the model does not say its own.
    """
    for each in artifacts:
        if each.bytecode and _differ(each.python, base.python):
            yield Finding(
                f"the model holds functions of Python {each.python}, but the base image has Python {base.python}",
                location=project.at(each.path),
                hint=f"Save the model again with Python {base.python}, or choose a base with the model's Python.",
            )


@rule("AML419", "info")
def made_with_another_python(project: Project, base: BaseFacts, artifacts: tuple[Artifact, ...]) -> Iterator[Finding]:
    """A model was made with another Python than the base's.

    It often works. The packages' versions of then may not exist for the base's Python.

    Bad `model/MLmodel`:

        python_function:
          loader_module: mlflow.sklearn
          python_version: 3.9.19   # and the base has Python 3.12

    Good `model/MLmodel`:

        python_function:
          loader_module: mlflow.sklearn
          python_version: 3.12.4

    Silent: where the base's Python is not known; where functions lie in the model, which AML418 tells of.
    """
    for each in artifacts:
        if not each.bytecode and _differ(each.python, base.python):
            yield Finding(
                f"the model was made with Python {each.python}, and the base image has Python {base.python}",
                location=project.at(each.path),
                hint="If it does not load, save it again with the base's Python.",
            )


def versions_of(artifacts: tuple[Artifact, ...]) -> Mapping[str, str | None]:
    """The versions with which models were made, by normalised names; None where they are two."""
    from packaging.utils import canonicalize_name

    found: dict[str, str | None] = {}
    for name, made in ((canonicalize_name(name), made) for each in artifacts for name, made in each.versions.items()):
        found[name] = made if found.get(name, made) == made else None
    return found


def _fixes(
    requirements: Requirements, name: str, listed: SpecifierSet, known: Mapping[str, str | None]
) -> tuple[Fix, ...]:
    """The version with which all models were made, unless the server has a say in it too. An older one than is listed
    may not exist for the base's Python."""
    made = known.get(name)
    if made is None or not is_published(made) or shared_with_the_server(name) or not _newer(made, listed):
        return ()
    return pinned(requirements, name, f"=={made}")


def _newer(made: str, listed: SpecifierSet) -> bool:
    """Whether a version is newer than all that a list names."""
    from packaging.version import InvalidVersion, Version

    try:
        return all(Version(each.version.removesuffix(".*")) <= Version(made) for each in listed)
    except InvalidVersion:
        return False


def _has(folder: Path, top: str) -> bool:
    return (folder / f"{top}.py").is_file() or (folder / top / "__init__.py").is_file()


def _excludes(listed: SpecifierSet, made: str) -> bool:
    """Whether no version that is listed has the first two numbers of the one with which the model was made."""
    from packaging.version import InvalidVersion, Version

    try:
        version = Version(made)
    except InvalidVersion:
        return False
    if listed.contains(version, prereleases=True):
        return False
    exact = [each.version for each in listed if each.operator in ("==", "===")]
    try:
        return not any(Version(each.removesuffix(".*")).release[:2] == version.release[:2] for each in exact)
    except InvalidVersion:
        return False


def _below_2(listed: SpecifierSet) -> bool:
    """Whether a list allows no numpy from 2 on, whose pickles name ``numpy._core``, which numpy 1 has not."""
    from packaging.version import InvalidVersion, Version

    for each in listed:
        try:
            major = Version(each.version.removesuffix(".*")).major
        except InvalidVersion:
            continue
        if major < 2 and each.operator in ("==", "===", "~=", "<", "<="):
            return True
        if each.operator == "<" and Version(each.version) <= Version("2"):
            return True
    return False


def _differ(made: str | None, base: str | None) -> bool:
    if not made or not base:
        return False
    return made.split(".")[:2] != base.split(".")[:2]
