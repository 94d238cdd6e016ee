"""The parts of a project folder: what its file and flags name, else what is found there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ProjectError, UsageError
from ..fs.lookup import kind_at
from ..fs.nearby import meant
from ..graph.checks import check_text
from ..pysource.entry_script import check_relative, check_there
from ..pysource.pythons import Python
from ..pysource.reached import Reached, reached
from ..requirements.discover import find_requirements
from ..requirements.read import is_yaml
from ..text import named
from . import discover as conventions
from .deployment.place import shown
from .file import FILE_NAME, looks_like_path
from .merge import Reading, added, beside, stated, truth
from .origin import DEFAULT, FOUND, Origin
from .settings import APART

if TYPE_CHECKING:
    from .deployment.taken import DeploymentFile


def inside(reading: Reading, text: str, origin: Origin) -> Path:
    """A path that the project's file or a flag names; it must exist.

    :raises ProjectError: it does not.
    """
    check_text(str(origin), text, newline=False)
    path = beside(reading.root, text)
    if not kind_at(path):
        reason = "is a broken link" if path.is_symlink() else "does not exist"
        # A deployment file's paths come with their folder, which says nothing to who wrote them.
        told = shown(path, reading.root) if Path(text).is_absolute() and path.is_relative_to(reading.root) else text
        hint = f"{meant(path, reading.root)}Paths are relative to {reading.root}."
        raise ProjectError(f"{told!r} {reason}", location=str(origin), hint=hint)
    return path


def declared(reading: Reading, name: str, text: str | None, key: tuple[str | int, ...]) -> Path | None:
    """A path that the file names by a key; None where it does not."""
    if text is None:
        return None
    origin = reading.origins[name] = reading.file.origin(*key)
    return inside(reading, text, origin)


def one_of(reading: Reading, name: str, candidates: Sequence[Path]) -> Path | None:
    """The one that exists.

    :raises ProjectError: several do, or one is a dangling link.
    """
    there = [path for path in candidates if path.exists() or path.is_symlink()]
    if len(there) > 1:
        listed = " and ".join(str(path.relative_to(reading.root)) for path in there)
        raise ProjectError(
            f"several candidates for {name}: {listed}",
            location=str(reading.root),
            hint=f"Remove one, or name the one to use in {FILE_NAME}.",
        )
    if there and not there[0].exists():
        raise ProjectError(f"{there[0].name} is a broken link", location=str(there[0]))
    if there:
        reading.origins[name] = FOUND
    return there[0] if there else None


def part(reading: Reading, name: str, text: str | None, names: tuple[str, ...]) -> Path | None:
    """A part that the file names by the key of its name, else the first of some names that the folder has."""
    if text is not None:
        return declared(reading, name, text, (name,))
    there = [path for each in names if (path := reading.root / each).exists() or path.is_symlink()]
    return one_of(reading, name, there[:1])


def code(reading: Reading, python: Python | None) -> tuple[Path | None, str]:
    """The code folder and the entry script in it.

    :param python: the version that is to run it; None where that is not known.
    :raises ProjectError: several candidates; a script is named and there is no code.
    """
    said = stated(reading, "entry_script")
    script: str | None = None
    if said.is_said:
        reading.origins["entry_script"] = said.origin
        script = check_relative(check_text("the entry script", said.value, newline=False), str(said.origin))
    folder = declared(reading, "code", reading.file.tables.code.path, ("code", "path"))
    if folder is None and reading.deployment:
        folder = _deployed_code(reading, reading.deployment)
        if folder is None and script is None:
            return None, conventions.SCRIPT
    if script is None and folder is None and conventions.is_mlflow_alone(reading.root, python):
        return None, conventions.SCRIPT
    if script is None:
        found = (
            conventions.scripts(reading.root, python) if folder is None else conventions.scripts_in(folder, python)
        )
        if found:
            return _found_script(reading, conventions.only(found, reading.root), folder)
        reading.origins["entry_script"] = DEFAULT
    elif folder is None:
        found = conventions.scripts_called(reading.root, script)
        if found:
            folder, reading.origins["code"] = conventions.only(found, reading.root).folder, FOUND
    if folder is None:
        folder = one_of(reading, "code", [reading.root / "code"])
    if folder is None:
        del reading.origins["entry_script"]
        if script:
            raise ProjectError(
                "an entry script is named, but there is no code",
                location=str(said.origin),
                hint=f"Put it into {reading.root / 'code'} or beside the project file.",
            )
    elif script and reading.deployment and folder.is_dir():
        check_there(folder, script, said_at=said.origin.location)
    return folder, script or conventions.SCRIPT


def _deployed_code(reading: Reading, file: DeploymentFile) -> Path | None:
    """The code folder of a deployment file; nothing is looked for in its place."""
    folder = file.deployment.code
    if folder is None:
        return None
    origin = reading.origins["code"] = file.origin("code_configuration")
    if not folder.is_dir():
        raise ProjectError(
            f"the code folder {shown(folder, reading.root)!r} {'is a file' if folder.exists() else 'does not exist'}",
            location=origin.location,
            hint=f"{meant(folder, reading.root)}Paths in this file are relative to {file.deployment.path.parent}.",
        )
    return folder


def started_in(reading: Reading, folder: Path | None, script: str) -> tuple[Path | None, str]:
    """The folder in which the server starts, and the script there: with a deployment file it is the script's own, as
    Azure ML's CLI v2 has it, so that what lies beside the script can be imported."""
    place, _, name = script.rpartition("/")
    if folder is None or reading.deployment is None or not place:
        return folder, script
    return folder / place, name


def environment_only(reading: Reading, recipe: str) -> bool:
    """Whether the image is to have packages alone.

    :raises UsageError: an entry script or a model is named for this very call, or the recipe brings packages beside
        the code.
    """
    alone, origin = truth(reading, "environment_only"), str(reading.origins["environment_only"])
    if not alone:
        return False
    check_packages_alone(reading, origin)
    if recipe in APART:
        raise UsageError(
            f"the recipe {recipe} puts packages beside the code, and an image of packages alone has none",
            location=origin,
            hint="Use the recipe `extended`.",
        )
    return True


def check_packages_alone(reading: Reading, origin: str) -> None:
    """Refuse flags that say what an image of packages alone has not.

    :param origin: of what says that it is one.
    :raises UsageError: there is such a flag.
    """
    options = reading.options
    for setting, what, said in (
        ("entry_script", "entry script", options.entry_script),
        ("model", "model", options.model),
    ):
        if said:
            raise UsageError(
                f"an image of packages alone has no {what}",
                location=origin,
                hint=f"Remove {named(setting)}, or {origin}.",
            )


def places_of_code(reading: Reading) -> list[Path]:
    """Folders in which the code may lie that the image does not get: its list of packages may lie there too."""
    folder = reading.file.tables.code.path
    if reading.deployment:
        return []
    if folder is not None:
        return [inside(reading, folder, reading.file.origin("code", "path"))]
    return list(dict.fromkeys(each.folder for each in conventions.scripts(reading.root)))


def served_beside(reading: Reading, python: Python | None, listed: Path | None) -> list[Reached]:
    """What the code leads to that will be served with an image of packages alone, as far as it lies here.

    Only how a conda file is read depends on it, so with another list, or none, it is not looked for.

    :param python: as of :func:`code`.
    """
    if listed is None or not is_yaml(listed.name):
        return []
    if reading.deployment:
        said = reading.deployment.deployment
        there = [(said.code, said.scoring_script)] if said.code and said.scoring_script else []
    else:
        there = [(each.folder, each.name) for each in conventions.scripts(reading.root, python)]
    return [reached(folder, script, python) for folder, script in there if folder.is_dir()]


def _found_script(reading: Reading, script: conventions.Script, folder: Path | None) -> tuple[Path, str]:
    if folder is None:
        reading.origins["code"] = FOUND
    reading.origins["entry_script"] = DEFAULT if script.name == conventions.SCRIPT else FOUND
    if not script.by_name:
        reading.notes.script_by_content = True
    return script.folder, script.name


def excluded(reading: Reading, recipe: str, used: Reached, models_folder: Path | None) -> tuple[Path, ...]:
    """What lies in a project folder that is the code, and is not taken as code."""
    root, apt = reading.root, reading.file.tables.apt
    own = [path for path in reading.file.paths if path.is_relative_to(root)]
    own += [reading.deployment.deployment.path] if reading.deployment else []
    if looks_like_path(recipe):
        own += [path for path in (Path(recipe).absolute(), root / recipe) if path.is_relative_to(root)]
    own += [models_folder] if models_folder else []
    own += [root / apt] if isinstance(apt, str) else []
    return tuple(dict.fromkeys((*conventions.not_code(root, used), *own)))


def apt_packages(reading: Reading) -> tuple[str, ...]:
    """The file's Debian packages or those of ``apt.txt``, and what ``--apt`` adds.

    :raises ProjectError, UsageError: a name that is no package's.
    """
    said: Any = reading.file.tables.apt
    listed = isinstance(said, tuple)
    path, more = None if listed else part(reading, "apt", said, ("apt.txt",)), reading.options.apt
    if not (listed or path or more):
        return ()
    from ..requirements.apt import check_apt, read_apt

    found: tuple[str, ...] = ()
    if listed:
        reading.origins["apt"] = reading.file.origin("apt")
        found = reading.located("apt", lambda: check_apt(said))
    elif path:
        found = read_apt(path)
    for package in added(reading, "apt"):
        reading.located(f"apt.{package}", lambda package=package: check_apt((package,)))  # type: ignore[misc]
    return tuple(dict.fromkeys((*found, *more)))


def requirements(reading: Reading, code: Sequence[Path]) -> Path | None:
    """What lists the packages: as flag, variable or file say, else as found.

    :param code: the folders of the code, in which it may lie too.

    :raises ProjectError: it does not exist; two candidates of the same rank.
    """
    said = stated(reading, "requirements")
    if said.is_said:
        reading.origins["requirements"] = said.origin
        return inside(reading, said.value, said.origin)
    if reading.deployment:
        return None
    folders = [reading.root, *(each for each in code if each.is_dir())]
    found = find_requirements(folders, root=reading.root)
    if found is None:
        below = _conda_below(reading, folders)
        if below:
            reading.origins["requirements"] = FOUND
        return below
    reading.origins["requirements"] = FOUND
    reading.notes.lists_left = found.others
    return found.path


def _conda_below(reading: Reading, looked_at: Sequence[Path]) -> Path | None:
    """The conda file in another folder of the project, such as ``environment/conda.yaml``, if it is the only one that
    lists what serves."""
    there = [
        path
        for folder in conventions.folders(reading.root)
        if folder not in looked_at and not conventions.model_kind(folder)
        for path in sorted(folder / name for name in os.listdir(folder) if is_yaml(name))  # noqa: PTH208 - few of many
    ]
    if not there:
        return None
    from ..requirements.conda_yaml import is_conda
    from ..requirements.unread import is_for_developers

    found = [path for path in there if not any(map(is_for_developers, (path, path.parent))) and is_conda(path)]
    return found[0] if len(found) == 1 else None
