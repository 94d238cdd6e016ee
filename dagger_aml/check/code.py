"""Rules about the code and the files that travel with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..finding import Finding
from ..fs.ignore import ignore_files
from ..fs.lookup import is_file, is_folder, is_there
from ..graph.graph import Graph
from ..project import discover
from ..project.file import FILE_NAME
from ..project.model import Project
from ..pysource.reached import Reached
from .rule import rule


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

    Silent: an import in a `try` or a function, of the standard library, or of what the code folder has too.
    """
    places = dict.fromkeys([(code / project.entry_script).parent, project.root, project.root / "src"])
    for name in used.absent:
        for place in places:
            if place != code and (is_file(place / f"{name}.py") or _has_python(place / name)):
                shown = "the project folder" if place == project.root else project.at(place)
                yield Finding(
                    f"the code imports {name}, which is in {shown}, not in the code folder: it will be missing in "
                    "the image if no package with that name is installed",
                    hint=f"Move it into the code folder, or set `[code] path` in {FILE_NAME}.",
                )
                break


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
    names = {*used.named, *used.modules, *(f"{name}.py" for name in used.modules)}
    for path in sorted(code.resolve() / name for name in names.intersection(each.name for each in code.iterdir())):
        if not is_there(path) or path in (*project.kept, *project.other_parts):
            continue
        if ignored.ignores(path, folder=path.is_dir()):
            yield Finding(
                f"the code uses {path.name}, but {ignored.name} excludes it from the image",
                location=project.at(path),
                hint=f"Add `!{path.name}` to that file to include it.",
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


def _has_python(folder: Path) -> bool:
    return is_folder(folder) and next(folder.glob("*.py"), None) is not None
