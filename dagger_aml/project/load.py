"""What the user declared, and what was found in the folder; each value knows where it is from.

Precedence: flag, environment variable, project file (``dagger-aml.toml``, else ``[tool.dagger-aml]`` of
``pyproject.toml``), what lies in the folder, default. :func:`~.origin.best` decides it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

from .. import contract
from ..base import catalog
from ..base.plain_python import is_plain
from ..errors import ProjectError, UsageError, unreadable
from ..fs.lookup import kind_at
from ..fs.nearby import meant
from ..graph.base import From
from ..graph.checks import check_platform
from ..pysource.reached import Reached, reached
from ..pysource.versions import version_of
from ..steps.packages_files import PackagesAs
from ..text import named, pattern
from .above import file_above, nearest_file
from .conda import conda_settings, with_server
from .deployment.place import folder_of, is_project_file, yaml_files
from .discover import RESULTS, SCRIPT, not_code, requests
from .file import looks_like_path, read_project_file
from .file_keys import ATOL, RTOL
from .merge import Reading, added, beside, chosen, pairs, said, stated, truth
from .model import Project, plain_name
from .models import Models, models
from .network import read_access
from .origin import DEFAULT, Origin, Rank, best
from .packages_way import way_of_lock
from .parts import (
    apt_packages,
    code,
    declared,
    environment_only,
    excluded,
    part,
    places_of_code,
    requirements,
    served_beside,
    started_in,
)
from .setting import typed
from .settings import APART, PROJECT_SETTINGS, Options

_VERSION = pattern(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")
"""What may be part of a tag or a file's name, and what Python's own versions are made of."""


def load_project(
    folder: str | os.PathLike[str] = ".", options: Options | None = None, *, preinstalled: bool = True
) -> Project:
    """Read a project.

    :param folder: the project's, or a deployment file in it.
    :param preinstalled: whether `[preinstalled] path` is looked at; the command that makes that folder does not.

    :raises ProjectError: missing or unreadable; a wrong file; two candidates for one part; a dangling part.
    :raises UsageError: an unknown base, platform or way; an empty text for a folder.
    """
    if folder == "":
        raise UsageError("an empty text names no project", hint="The current folder is `.`.")
    try:
        root, file = folder_of(Path(folder)), Path(folder).absolute() if is_project_file(Path(folder)) else None
        if kind_at(root) != "folder":
            raise _no_project(Path(folder))
        list(os.scandir(root))
        os.stat(os.path.join(root, "."))  # noqa: PTH116, PTH118 - whether what is in it may be looked at
    except PermissionError as error:
        raise unreadable(error, folder) from None
    try:
        root = root.resolve()
        reading = Reading(root, options or Options(), read_project_file(root))
        return read_project(_with_deployment(reading, file), preinstalled=preinstalled)
    except OSError as error:
        raise unreadable(error, error.filename or folder) from None


def _no_project(path: Path) -> ProjectError:
    """The error for a word that names neither a folder nor a deployment file."""
    there = kind_at(path)
    if path.suffix == ".py" and there:
        hint = f"Name its folder, and the script by {named('entry_script', path.name)}."
    elif there or path.suffix.lower() in (".yml", ".yaml"):
        hint = "A project is a folder, or a deployment file of Azure ML's CLI v2 (*.yml)."
    else:
        near = meant(path).rstrip() or None
        return ProjectError("the project folder does not exist", location=str(path), hint=near)
    if not there:
        return ProjectError("does not exist", location=str(path), hint=meant(path) + hint)
    return ProjectError("is not a folder", location=str(path), hint=hint)


def _with_deployment(reading: Reading, given: Path | None) -> Reading:
    """As :func:`.deployment.use.with_deployment`, which is loaded only where there may be such a file."""
    named = given is not None or stated(reading, "deployment").is_said
    if not named and (reading.file.files or not yaml_files(reading.root)):
        return reading
    from .deployment.use import with_deployment

    return with_deployment(reading, given)


def _check_something_serves(reading: Reading) -> None:
    if reading.notes.deployments:
        from .deployment.use import check_something_serves

        check_something_serves(reading)


def read_project(reading: Reading, *, preinstalled: bool = True) -> Project:
    """Put a project together of what is read; raises as :func:`load_project`, and OSError."""
    root, file = reading.root, reading.file.tables
    platforms, base = _base(reading)
    recipe = _recipe(reading)
    python = version_of(catalog.python(base))
    alone = environment_only(reading, recipe)
    code_folder, script = code(reading, python) if not alone else (None, SCRIPT)
    whole, (code_folder, script) = code_folder, started_in(reading, code_folder, script)
    used = reached(code_folder, script, python) if code_folder and code_folder.is_dir() else None
    found = models(reading, code_folder, used) if not alone else Models()
    mlflow = None
    if code_folder is None and found.layouts:
        from .mlflow_found import without_script

        found, mlflow = without_script(reading, found)
    if code_folder is None and mlflow is None and not alone:
        _check_something_serves(reading)
    via = chosen(reading, "via", "way")
    adds = _server(reading, recipe, base)
    way = _packages_as(reading, recipe, alone=alone, adds_server=adds)
    beside = places_of_code(reading) if alone else [code_folder] if code_folder else []
    apt, listed = apt_packages(reading), requirements(reading, beside)
    served = served_beside(reading, python, listed) if alone else [used] if used else []
    conda, more = conda_settings(reading, base, adds_server=adds, code=served), added(reading, "pip")
    more = (*more, *(reading.deployment.adds if reading.deployment else ()))
    if mlflow:
        from .mlflow_found import of_mlflow, packages_of

        listed, conda = packages_of(reading, mlflow, listed, conda)
        more = of_mlflow(reading, mlflow, listed, conda, more)
    more = with_server(root, listed, conda, more, recipe)
    installer = chosen(reading, "installer", "installer")
    if way == "installed" and not (alone or adds):
        way = way_of_lock(reading, recipe, listed if not more else None, base, platforms)
    ready = _preinstalled(reading, recipe) if preinstalled else None
    if not (reading.file.files or reading.deployment):
        reading.notes.above = file_above(root, python) if code_folder else nearest_file(root)
    access = read_access(reading)
    return Project(
        root=root,
        name=plain_name(file.name or (reading.deployment.name if reading.deployment else root.name)),
        base=base,
        platforms=platforms,
        recipe=recipe,
        apt=apt,
        requirements=listed,
        conda=conda,
        pip=more,
        env=pairs(reading, "env", file.env, "env"),
        labels=pairs(reading, "labels", file.labels, "label"),
        deployment=reading.deployment,
        code=code_folder,
        code_of=whole if whole != code_folder else None,
        entry_script=script,
        models=found.models,
        models_root=(reading.deployment.mount_path if reading.deployment else None) or contract.MODELS_ROOT,
        mlflow=mlflow,
        layouts=found.layouts,
        server=adds,
        environment_only=alone,
        preinstalled=ready,
        via="pythonpath" if via == "pythonpath" else "start-script",
        packages_as=way,
        request=part(reading, "request", file.request, requests(used if whole == root else None)),
        answer=part(reading, "answer", file.answer, ("answer.json",)),
        rtol=_tolerance(reading, "rtol", file.score.rtol, RTOL),
        atol=_tolerance(reading, "atol", file.score.atol, ATOL),
        excluded=_excluded(reading, recipe, whole, used, found.folder),
        kept=found.kept,
        version=_version(reading),
        access=access,
        installer="uv" if installer == "uv" else "pip",
        pip_check=not truth(reading, "no_pip_check"),
        used=used,
        notes=reading.notes,
        ignored=_rules(reading, "ignore"),
        selected=_rules(reading, "select"),
        extended=_rules(reading, "extend_select"),
        origins=reading.sources,
    )


def _excluded(
    reading: Reading, recipe: str, code_folder: Path | None, used: Reached | None, models_folder: Path | None
) -> tuple[Path, ...]:
    if not used or not code_folder:
        return ()
    if code_folder == reading.root:
        return excluded(reading, recipe, used, models_folder)
    return not_code(code_folder, used, RESULTS)


def _platforms(text: str) -> tuple[str, ...]:
    """Read ``linux/amd64,linux/arm64``; each once."""
    return tuple(dict.fromkeys(check_platform(each.strip()) for each in text.split(",")))


def _recipe(reading: Reading) -> str:
    """The recipe; a path in the project's file is relative to the project."""
    recipe = said(reading, "recipe")
    in_file = reading.origins["recipe"].rank is Rank.FILE and looks_like_path(recipe)
    return str(beside(reading.root, recipe)) if in_file else recipe


def _preinstalled(reading: Reading, recipe: str) -> Path | None:
    """The folder of preinstalled packages that the file names.

    :raises UsageError: packages are to be added to it.
    """
    path = declared(reading, "preinstalled", reading.file.tables.preinstalled.path, ("preinstalled", "path"))
    if path and recipe == "preinstalled" and reading.options.pip:
        raise UsageError(
            "packages cannot be added to a folder that already exists",
            location=named("pip"),
            hint=f"Install the package into {path}, or remove [preinstalled] path.",
        )
    return path


def _server(reading: Reading, recipe: str, base: From) -> bool:
    """Whether the inference server is added to the base.

    :raises UsageError: ``server`` is none of its choices, or a recipe cannot add one.
    """
    said = chosen(reading, "server", "source of the server")
    if reading.origins["server"] is DEFAULT:
        del reading.origins["server"]  # Of no concern where the base has a server.
    if said == "add" and recipe in APART:
        raise UsageError(
            f"the recipe {recipe} needs a base image that has the inference server, and adds none",
            location=str(reading.origins["server"]),
            hint="Use the recipe extended or package.",
        )
    return said == "add" or (said == "auto" and recipe not in APART and is_plain(base))


def _packages_as(reading: Reading, recipe: str, *, alone: bool, adds_server: bool) -> PackagesAs:
    """Whether packages are installed or copied.

    :param alone: whether the image is to have packages alone.
    :raises UsageError: neither, or copied by a recipe that cannot, or beside code that is not there, or in front of
        a server of which nobody knows what it will need.
    """
    if chosen(reading, "packages_as", "way") == "installed":
        return "installed"
    if recipe in ("dynamic", "package"):
        raise UsageError(
            f"the recipe {recipe} cannot have its packages as files",
            location=str(reading.origins["packages_as"]),
            hint="Use the recipe extended or preinstalled.",
        )
    if adds_server:
        raise UsageError(
            "packages as files go in front of the server's own packages, and which these will be is not known before "
            "the server is added to the base image",
            location=str(reading.origins["packages_as"]),
            hint=f"Have pip install the packages: {named('packages_as', 'installed')}. Or add the server in an "
            "image of its own first (`dagger-aml build --environment-only --push`), and take that as base.",
        )
    if alone:
        raise UsageError(
            "packages as files lie beside the code, and an image of packages alone has none",
            location=str(reading.origins["packages_as"]),
            hint=f"Have pip install the packages: {named('packages_as', 'installed')}.",
        )
    return "files"


def chosen_rules(folder: Path, options: Options) -> tuple[Mapping[str, tuple[str, ...]], Mapping[str, str]]:
    """What flags, variables and a folder's project file say of rules, by ``select``, ``extend_select`` and
    ``ignore``, and where each is said; for what is no project.

    :raises ProjectError: the file cannot be read.
    """
    reading = Reading(folder.resolve(), options, read_project_file(folder.resolve()))
    return {name: _rules(reading, name) for name in ("select", "extend_select", "ignore")}, reading.sources


def chosen_bases(folder: Path, options: Options) -> tuple[From, ...]:
    """The base that flags, variables and a folder's project file choose, for each platform; for what is no project.

    :raises ProjectError: the file cannot be read. :raises UsageError: there is no such base or platform.
    """
    platforms, base = _base(Reading(folder.resolve(), options, read_project_file(folder.resolve())))
    return tuple(catalog.on_platform(base, platform) for platform in platforms)


def _base(reading: Reading) -> tuple[tuple[str, ...], From]:
    """The platforms, and the base for the first of them."""
    platform = said(reading, "platform")
    platforms = reading.located("platform", lambda: _platforms(platform))
    text = said(reading, "base")
    beside_file = reading.root if reading.origins["base"].rank < Rank.VARIABLE else None
    return platforms, reading.located("base", lambda: catalog.base(text, platforms[0], folder=beside_file))


def _rules(reading: Reading, name: str) -> tuple[str, ...]:
    """The ids of rules that flag, variable and file say, all of them; whether there are such is not known here.

    Of `select` what wins alone: it says which rules there are to be, and the others add to that.
    """
    record = PROJECT_SETTINGS[name]
    said = [*reading.file.says(record), *typed(record, getattr(reading.options, name))]
    for each in [best(said)] if said and name == "select" else said:
        text = each.value if isinstance(each.value, str) else ",".join(each.value)
        reading.origins.update({f"{name}.{id.strip()}": each.origin for id in text.split(",") if id.strip()})
    return tuple(each.removeprefix(f"{name}.") for each in reading.origins if each.startswith(f"{name}."))


def _tolerance(reading: Reading, name: str, stated: float | None, default: float) -> float:
    """How far a number of the answer may lie from the expected one.

    :raises ProjectError: it is negative, infinite or no number.
    """
    if stated is None:
        return default
    origin = reading.origins[name] = reading.file.origin("score", name)
    if not 0 <= stated < math.inf:
        raise ProjectError(f"score.{name}: must be 0 or more, not {stated:g}", location=str(origin))
    return stated


def _version(reading: Reading) -> str | None:
    """The project's own, for names of images; of a pyproject.toml only one that is written there as such."""
    stated: str | None = reading.file.tables.version
    if stated is not None:
        origin = reading.origins["version"] = reading.file.origin("version")
        if not _VERSION.fullmatch(stated):
            raise ProjectError(
                f"not a version: {stated!r}",
                location=str(origin),
                hint="Write letters, digits and . _ - + !, beginning with a letter or digit.",
            )
        return stated
    path = reading.root / "pyproject.toml"
    if not path.is_file():
        return None
    from ..requirements.pyproject import stated_version

    found = stated_version(path)
    if found is None or not _VERSION.fullmatch(found):
        return None
    reading.origins["version"] = Origin(Rank.FILE, file=path.name)
    return found
