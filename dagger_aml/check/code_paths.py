"""Rules about files that the entry script opens by relative paths."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ..contract import MODEL_DIR
from ..finding import Finding
from ..fs.lookup import is_file
from ..graph.graph import Copy, Graph
from ..graph.source import Local
from ..graph.stages import copied_files
from ..project.model import Project
from ..project.recipe import recipe_names
from ..pysource.opened import Opened
from ..pysource.reached import Reached
from ..pysource.source import Source
from ..steps.server_names import app_root
from .rule import rule


@rule("AML531", "warning")
def writes_to_no_folder(
    project: Project, code: Path, entry: Source, used: Reached, graph: Graph
) -> Iterator[Finding]:
    """The code writes a file into a folder that the image does not have.

    A relative path begins at the code's folder, in which the server runs. A folder that the code does not bring is
    not there, and writing ends with `FileNotFoundError`. What is written beside the code is lost with the container,
    and cannot be written where it runs read-only or as another user: `/tmp` is there for it.

    Bad `score.py`:

        logging.basicConfig(filename="logs/score.log")

    Good `score.py`:

        logging.basicConfig(stream=sys.stderr)

    Silent: a folder that the code has or makes, a file at the top of the code, what a condition or a `try` decides,
    and names that are put together while the code runs.
    """
    written = [each for each in _relative(project, entry) if each.writes and posixpath.dirname(each.path)]
    makes = any(word in source.data for source in used.sources.values() for word in (b"mkdir", b"makedirs"))
    if not written or makes:
        return
    folders = _folders(graph)
    for each in written:
        folder = posixpath.dirname(each.path)
        if _place(graph, folder) not in folders:
            yield Finding(
                f"{each.by} writes {each.path}, and the image has no folder {folder}",
                location=project.at(code / project.entry_script, each.line).of(each.path),
                hint="Write to /tmp, and logs to standard error.",
            )


@rule("AML532", "warning")
def opens_what_is_elsewhere(project: Project, code: Path, entry: Source, graph: Graph) -> Iterator[Finding]:
    """The code opens a file by a relative path, and the file is elsewhere in the image, or left out of it.

    A relative path begins at the code's folder, in which the server runs: not at the script's own folder, and not at
    the project's. A model is in a folder of its own.

    Bad `folder`:

        model/model.pkl
        score.py            # joblib.load("model/model.pkl")

    Good `folder`:

        model/model.pkl
        score.py            # joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "model.pkl"))

    Silent: a file that is there, and one that is nowhere in the project; what a condition or a `try` decides.
    """
    paths = _relative(project, entry)
    if all(each.writes for each in paths):
        return
    copied, told = copied_files(graph), set[str]()
    written = {each.path for each in paths if each.writes}
    for each in paths:
        place = _place(graph, each.path)
        there = place in copied or any(path.startswith(f"{place}/") for path in copied)
        if each.writes or there or each.path in (*written, *told):
            continue
        found = _elsewhere(project, code, each.path)
        if found is not None:
            told.add(each.path)
            where, hint = found
            yield Finding(
                f"{each.by} opens {each.path}, which is not in the image's code folder, where relative paths begin",
                location=project.at(code / project.entry_script, each.line).of(each.path),
                hint=f"{where}. {hint}",
            )


def _relative(project: Project, entry: Source) -> list[Opened]:
    """What the entry script opens below the folder of an image whose code nobody else brings."""
    own = project.recipe in recipe_names() and not project.environment_only
    return [each for each in entry.opened if not each.path.startswith("..")] if own else []


def _elsewhere(project: Project, code: Path, path: str) -> tuple[str, str] | None:
    """Where a file is that the code looks for beside itself, and what to write; None where it is nowhere."""
    for model in project.models:
        near = model.path.parent / path
        if near == model.path or is_file(model.path / path) or (near.is_relative_to(model.path) and is_file(near)):
            return f"It is a model's: {project.at(model.path)}", f"Its folder in the image is ${MODEL_DIR}."
    if is_file(code / path):
        return None  # An ignore file leaves it out, which AML502 tells.
    beside = PurePosixPath(project.entry_script).parent / path
    if str(beside) != path and is_file(code / beside):
        return f"It is {beside} there", 'Write `Path(__file__).parent / "…"`, which is right wherever the code runs.'
    if code != project.root and is_file(project.root / path):
        return f"It is {path} of the project, which is not copied", "Move it into the code folder."
    return None


def _place(graph: Graph, path: str) -> str:
    return posixpath.normpath(f"{app_root(graph)}/{path}")


def _folders(graph: Graph) -> frozenset[str]:
    """The folders in the image that are copied, or that hold what is."""
    found = {str(each) for path in copied_files(graph) for each in PurePosixPath(path).parents}
    for layer in graph.layers:
        if isinstance(layer, Copy) and layer.kind == "tree":
            found.add(layer.dest)
            entries = layer.source.entries if isinstance(layer.source, Local) else ()
            found.update(f"{layer.dest}/{each.path}" for each in entries if each.type == "dir")
    return frozenset(found)
