"""The user's code."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from pathlib import Path

from .. import contract
from ..base import catalog
from ..errors import ProjectError
from ..fs.ignore import ignore_files
from ..fs.tree import check_pulled, local
from ..graph.graph import Copy, Graph
from ..pysource import entry_script
from ..pysource.versions import version_of
from .server import user_of
from .server_names import code_first


async def code(
    graph: Graph,
    path: str | Path,
    *,
    script: str = "score.py",
    below: str = "",
    of: Path | None = None,
    leave_out: Iterable[Path] = (),
    keep: Iterable[Path] = (),
    root: Path | None = None,
) -> Graph:
    """Copy the code folder's contents to ``/var/azureml-app``, owned by the image's user; name the entry script.

    Sets ``AZUREML_ENTRY_SCRIPT``. Needs no network. Version control, caches, ``.env`` and virtual environments stay
    out, and what ``.amlignore``, else ``.gitignore``, files say. The how-to's ``COPY`` makes files of root that the
    server's user cannot write beside; these are its own.

    Sets ``PYTHONPATH`` to the code's place if a module of it has the name of one of the server's own modules, such as
    ``utils``: the server's would be found in its place.

    :param script: the entry script, relative to the folder.
    :param below: a folder of ``/var/azureml-app`` to put it in; ``Model.package()`` uses the source folder's name,
        and then ``AZUREML_SOURCE_DIRECTORY`` names it too, so that modules beside the script can be imported.
    :param of: a folder that ``path`` lies in, to copy in its place. The server then starts in ``path``, of which
        ``AML_APP_ROOT`` is set to its place, as Azure ML's CLI v2 has it: modules beside the script can be imported.
    :param leave_out: paths in the folder that are other parts of the project.
    :param keep: paths in the folder's top that are taken whatever ignore files say, such as a model among the code.
    :param root: the project, from which on ignore files count; the folder itself unless given.
    :raises ProjectError: no such folder; no, or no proper, entry script; a Git LFS pointer.
    :raises GraphError: a special file, or a link that leaves the folder.
    """
    folder = Path(path)
    if not folder.is_dir():
        reason = "the code is a file, not a folder" if folder.exists() else "the code folder does not exist"
        raise ProjectError(reason, location=str(folder), hint="Name the folder that contains the entry script.")
    script = entry_script.check_relative(script, str(folder))
    entry_script.check(folder, script, version_of(catalog.python(graph.base) if graph.base else None))
    whole = Path(of) if of else folder
    within = folder.relative_to(whole).as_posix() if of else "."
    top = (root or whole).resolve()
    ignore = ignore_files(top, whole.resolve())
    source = local(whole, leave_out=leave_out, ignore=ignore, keep=keep, location="code")
    if posixpath.normpath(f"{within}/{script}") not in {entry.path for entry in source.entries}:
        raise ProjectError(
            "the entry script is excluded from the image",
            location=str(folder / script),
            hint="Check the project's ignore files. A line like `!score.py` includes the file again.",
        )
    check_pulled(source)
    dest = f"{contract.APP_ROOT}/{below}" if below else contract.APP_ROOT
    files = sum(entry.type == "file" for entry in source.entries)
    shown = f"code ({files} file{'s' if files != 1 else ''})"
    uid, gid = user_of(graph)
    graph = graph.add(Copy(source, dest, "tree", uid, gid, changes="often", name=shown))
    if within != ".":
        return code_first(graph.configure(env={contract.APP: f"{dest}/{within}", contract.ENTRY_SCRIPT: script}))
    graph = graph.configure(env={contract.ENTRY_SCRIPT: f"{below}/{script}" if below else script})
    if below:
        graph = graph.configure(env={contract.SOURCE_DIRECTORY: below})
    return code_first(graph)
