"""What the user should know of a project that was read: what will be missing in the image, and what was not read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..contract import MODEL_DIR
from ..fs.ignore import ignore_files
from ..fs.lookup import is_file, is_folder, is_there
from . import discover as conventions
from .file import FILE_NAME

if TYPE_CHECKING:
    from ..pysource.reached import Reached
    from .model import Project


def warnings_on(project: Project, used: Reached | None) -> Iterator[str]:
    """The notes on a project, one sentence each.

    :param used: what its entry script leads to; None without code.
    """
    if project.code and used:
        yield from _unreachable(project, project.code, used)
        yield from _ignored(project, project.code, used)
        if used.reads_model_dir and "models" not in project.origins and MODEL_DIR not in project.env:
            yield (
                f"the code reads {MODEL_DIR}, but no model was found: put it into `model`, or list it under "
                "[[models]]"
            )
    for path, hint in conventions.unread(project.root, project.code, project.requirements):
        yield f"{_shown(path, project.root)} is not read; {hint}"
    for model in project.models:
        listed = model.path / "requirements.txt"
        if not project.requirements and conventions.model_kind(model.path) and listed.is_file():
            yield f"{_shown(listed, project.root)} is not read; to use it, give it with --requirements"


def _unreachable(project: Project, code: Path, used: Reached) -> Iterator[str]:
    """Modules of the project that the code imports and will not find in the image."""
    places = dict.fromkeys([(code / project.entry_script).parent, project.root, project.root / "src"])
    for name in used.absent:
        for place in places:
            if place != code and (is_file(place / f"{name}.py") or _has_python(place / name)):
                location = "the project folder" if place == project.root else _shown(place, project.root)
                yield (
                    f"the code imports {name}, which is in {location}, not in the code folder: it will be "
                    "missing in the image if no package with that name is installed. Move it into the code "
                    f"folder, or set `[code] path` in {FILE_NAME}"
                )
                break


def _ignored(project: Project, code: Path, used: Reached) -> Iterator[str]:
    """What lies in the code folder, is used, and is left out by ignore files."""
    rules = ignore_files(project.root, code.resolve())
    names = {*used.named, *used.modules, *(f"{name}.py" for name in used.modules)}
    for path in sorted(code.resolve() / name for name in names.intersection(each.name for each in code.iterdir())):
        if not is_there(path) or path in (*project.kept, *project.other_parts):
            continue
        if rules.ignores(path, folder=path.is_dir()):
            back = f"add `!{path.name}` to that file to include it"
            yield f"the code uses {path.name}, but {rules.name} excludes it from the image; {back}"


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _has_python(folder: Path) -> bool:
    return is_folder(folder) and next(folder.glob("*.py"), None) is not None
