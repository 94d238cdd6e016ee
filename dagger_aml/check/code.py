"""Rules about the code and the files that travel with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from ..finding import FileLocation, Finding
from ..fs.ignore import ignore_files
from ..fs.lookup import is_file, is_folder, is_there
from ..graph.graph import Copy, Graph
from ..graph.source import Local
from ..project import discover
from ..project.file import FILE_NAME
from ..project.model import Project
from ..pysource.reached import Reached
from ..steps.server_names import names_in
from ..text import human_size
from .rule import rule

_LARGE = 50_000_000
"""Bytes of code from which on it is large."""


@rule("AML501", "warning")
def module_elsewhere(project: Project, code: Path, used: Reached) -> Iterator[Finding]:
    """The code imports a module that lies outside the code folder.

    Only the code folder is copied, so the module will be missing in the image, unless a package with its name is
    installed.

    Bad `folder`:

        code/score.py   # import churn
        churn/__init__.py

    Good `folder`:

        code/score.py   # import churn
        code/churn/__init__.py

    Silent: an import in a `try` or a function, of the standard library, or of what the code folder has too; in other
    folders of the project than `src`, a module that a known package or one of the list's has too.
    """
    places = dict.fromkeys([(code / project.entry_script).parent, project.root, project.root / "src"])
    for name in used.absent:
        place = _place_of(name, (each for each in places if each != code)) or _in_another_folder(name, project, code)
        if place is not None:
            shown = "the project folder" if place == project.root else project.at(place)
            yield Finding(
                f"the code imports {name}, which is in {shown}, not in the code folder: it will be missing in "
                "the image if no package with that name is installed",
                hint=f"Move it into the code folder, or set `[code] path` in {FILE_NAME}.",
            )


def _place_of(name: str, places: Iterable[Path]) -> Path | None:
    """The first folder that has a module."""
    return next((each for each in places if is_file(each / f"{name}.py") or _has_python(each / name)), None)


def _in_another_folder(name: str, project: Project, code: Path) -> Path | None:
    """The folder beside the code that has a module which nothing is known to install."""
    from ..requirements.import_names import packages_of

    place = _place_of(name, (each for each in discover.folders(project.root) if each != code))
    if place is None or code.is_relative_to(place) or packages_of(name):
        return None
    listed = " ".join([*project.pip, _text_of(project.requirements)])
    return None if re.search(rf"(?i)\b{re.escape(name).replace('_', '[-_.]')}\b", listed) else place


@rule("AML502", "warning")
def used_and_ignored(project: Project, code: Path, used: Reached) -> Iterator[Finding]:
    """The code uses a file that an ignore file leaves out.

    `.gitignore` is written for git, and also keeps files out of the image that the code opens or imports.

    Bad `.gitignore`:

        labels.json     # and score.py opens labels.json

    Good `.amlignore`:

        data/

    Silent: what is given back by a line such as `!labels.json`, models, and parts that the project file names.
    """
    ignored = ignore_files(project.root, code.resolve())
    left_out = {
        path.name
        for path in (code.resolve() / each.name for each in code.iterdir())
        if is_there(path)
        and path not in (*project.kept, *project.other_parts)
        and ignored.ignores(path, folder=path.is_dir())
    }
    modules = {*used.modules, *(f"{name}.py" for name in used.modules)} & left_out
    for path in sorted(code.resolve() / name for name in modules | used.named_among(left_out - modules)):
        yield Finding(
            f"the code uses {path.name}, but {ignored.name} excludes it from the image",
            location=project.at(path),
            hint=f"Add `!{path.name}` to that file to include it.",
        )


@rule("AML503", "warning")
def much_code(graph: Graph) -> Iterator[Finding]:
    """The code is large.

    Code changes often, and each change brings all of it again to the registry and to every machine that serves.

    Bad `folder`:

        score.py  vectors.bin   # 80 MB

    Good `folder`:

        code/score.py  model/vectors.bin

    Silent: below 50 MB, and models.
    """
    copies = [each for each in graph.layers if isinstance(each, Copy) and each.changes == "often"]
    for source in (each.source for each in copies):
        if isinstance(source, Local) and source.size > _LARGE:
            yield Finding(
                f"the code is {human_size(source.size)}",
                hint="List the files that are not needed in .amlignore, or move models into `model`.",
            )


@rule("AML504", "warning")
def dockerignore(project: Project, code: Path) -> Iterator[Finding]:
    """A .dockerignore is not read.

    What it leaves out is copied, unless `.amlignore`, else `.gitignore`, leaves it out too.

    Bad `folder`:

        score.py  .dockerignore

    Good `folder`:

        score.py  .amlignore

    Silent: where there is an `.amlignore` too, which is written for these images.
    """
    if is_there(project.root / ".dockerignore") and not is_there(project.root / ".amlignore"):
        yield Finding(
            ".dockerignore is not read",
            location=project.at(project.root / ".dockerignore"),
            hint="List the files to exclude in .amlignore; without one, .gitignore is read.",
        )


@rule("AML505", "warning")
def dockerfile_left(project: Project) -> Iterator[Finding]:
    """A Dockerfile lies in the project, and is not read.

    What it installs or sets is not in the image.

    Bad `folder`:

        score.py  Dockerfile   # RUN apt-get install libgomp1

    Good `folder`:

        score.py  apt.txt      # libgomp1

    Silent: a Dockerfile inside a model folder, and in folders that are never code.
    """
    for path in discover.docker_files(project.root, project.code):
        yield Finding(
            "the Dockerfile is not read",
            location=project.at(path),
            hint=f"apt packages are listed in apt.txt, Python's in requirements.txt, variables in {FILE_NAME}.",
        )


@rule("AML506", "warning")
def nothing_found(project: Project, graph: Graph) -> Iterator[Finding]:
    """Nothing is put into the image.

    The image would be the base image with other labels.

    Bad `folder`:

        notebook.ipynb

    Good `folder`:

        score.py  model/model.pkl  requirements.txt

    Silent: any project of which something is copied or installed.
    """
    if not graph.layers:
        yield Finding(
            f"{project.root} has no code/, score.py, model/, requirements.txt or apt.txt: the image will be the base "
            "image with other labels",
        )


@rule("AML550", "warning")
def server_module(project: Project, code: Path, graph: Graph, used: Reached) -> Iterator[Finding]:
    """An imported module of the code has the name of one of the inference server's own modules.

    The server's program puts its own folder on `sys.path` before the code, so that `import utils` finds the server's
    `utils.py`. Therefore PYTHONPATH is set, which puts the code before all other modules. Where the image runs
    without it, as when Azure ML mounts the code into an image of packages alone, the entry script is not loaded.

    Bad `folder`:

        score.py    # from utils import clean
        utils.py

    Good `folder`:

        score.py    # from cleaning import clean
        cleaning.py

    Silent: other names, the same ones further down, as in `features/utils.py`, and a file that nothing imports which
    the entry script leads to.
    """
    for names in names_in(graph):
        imported = [each for each in names.shadowed if _module(each) in used.modules]
        if names.code_first and imported:
            yield Finding(
                f"the inference server has modules of its own called as {_listed(imported)} of the code, and "
                f"finds them first: PYTHONPATH is set to {names.folder}, so that the code's are found",
                location=project.at(code / imported[0]),
                hint="Rename them to do without PYTHONPATH.",
            )


@rule("AML551", "error")
def server_module_in_need(project: Project, code: Path, graph: Graph, used: Reached) -> Iterator[Finding]:
    """A module called as one of the server's own cannot be found, for another would stop the server.

    A module such as `utils.py` is found only if PYTHONPATH puts the code before all other modules (AML550). Then the
    server would also import `queue.py` or `flask.py` of the code, in place of those that it needs.

    Bad `folder`:

        score.py    # import utils
        utils.py
        queue.py

    Good `folder`:

        score.py    # import utils
        utils.py
        work_queue.py

    Silent: where the code imports no module of such a name, or only perhaps (AML554).
    """
    for names in names_in(graph):
        needed = [file for file in names.shadowed if _module(file) in used.certain]
        if names.in_the_way and needed:
            yield Finding(
                f"the code imports {_listed(needed)}, but the inference server has a module of its own with that "
                f"name and finds it first; PYTHONPATH cannot help, because the server would then import "
                f"{_listed(names.in_the_way)} of the code too, and not start",
                location=project.at(code / names.in_the_way[0]),
                hint=f"Rename {_listed(names.in_the_way)}, or {_listed(needed)}.",
            )


@rule("AML553", "error")
def server_module_folder(project: Project, code: Path, graph: Graph, used: Reached) -> Iterator[Finding]:
    """The code imports from a folder without `__init__.py` that has the name of a module of the server.

    Python takes a module, or a package with `__init__.py`, before such a folder, wherever on `sys.path` they are. So
    the server's own module is found, and the import fails.

    Bad `folder`:

        score.py            # from utils.text import clean
        utils/text.py

    Good `folder`:

        score.py            # from utils.text import clean
        utils/__init__.py
        utils/text.py

    Silent: a folder without Python files, and one that the code does not import, or only perhaps (AML554).
    """
    for names in names_in(graph):
        for folder in names.folders:
            if folder in used.certain:
                yield _without_init(folder, project, code)


@rule("AML554", "warning")
def server_module_perhaps(project: Project, code: Path, graph: Graph, used: Reached) -> Iterator[Finding]:
    """The code may import a module that the server's own is found in place of.

    As AML551 and AML553, but the import stands in a function, a `try` or a condition, and so may not be carried out.

    Bad `score.py`:

        def run(data):
            from utils.text import clean  # and utils/ has no __init__.py

    Good `score.py`:

        def run(data):
            from cleaning.text import clean

    Silent: where the import is carried out for certain, which is an error, and where there is none.
    """
    perhaps = used.modules - used.certain
    for names in names_in(graph):
        for folder in names.folders:
            if folder in perhaps:
                yield _without_init(folder, project, code)
        for file in names.shadowed if names.in_the_way else ():
            if _module(file) in perhaps:
                yield Finding(
                    f"the code may import {file}, but the inference server has a module of its own with that name "
                    "and finds it first",
                    location=project.at(code / file),
                    hint=f"Rename {file}, or rename {_listed(names.in_the_way)}: then PYTHONPATH is set for it.",
                )


def _without_init(folder: str, project: Project, code: Path) -> Finding:
    path = code / folder
    return Finding(
        f"the code imports {folder}, but the inference server has a module of its own with that name, which Python "
        f"takes before a folder without __init__.py",
        location=FileLocation(f"{project.at(path)}/", path),
        hint=f"Add an empty {folder}/__init__.py, or rename the folder.",
    )


def _module(file: str) -> str:
    """``utils`` of ``utils.py`` and of ``utils/__init__.py``."""
    return file.partition("/")[0].removesuffix(".py")


def _listed(files: Iterable[str]) -> str:
    return ", ".join(files)


def _text_of(path: Path | None) -> str:
    """A file's text; nothing of none."""
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace") if path else ""
    return ""


def _has_python(folder: Path) -> bool:
    return is_folder(folder) and next(folder.glob("*.py"), None) is not None
