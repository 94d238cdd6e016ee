"""What of a project has changed since it was served: code, which can be put there, and what needs another image."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, TypeGuard

from attrs import evolve, field

from .. import contract
from ..data import frozen
from ..fs.stamps import stamps
from ..fs.tree import placed
from ..graph.graph import Copy, Graph, LayerOp
from ..graph.source import Local, Text
from ..pysource.pythons import Python
from ..pysource.versions import parse

LARGEST = 5_000_000
"""Bytes of one file that is put into a container that runs."""


@frozen
class CodeFile:
    """A path of the code, as the image has it.

    :param path: in the image. :param top: the folder or file that the copy goes to.
    :param content: sha256 of a file's bytes, the target of a link.
    :param data: the bytes of a file of at most :data:`LARGEST`; of a larger one nothing.
    :param owner: numbers, where the graph has them; else those of what lies beside it count.
    """

    path: str
    type: Literal["file", "dir", "link"]
    mode: int
    content: str
    top: str = field(eq=False)
    data: bytes = field(eq=False, repr=False)
    owner: tuple[int, int] | None = field(eq=False)
    large: bool = False


@frozen
class State:
    """A project at one moment.

    :param code: by path in the image.
    :param others: what else the image is made of, each with a name for people.
    """

    code: Mapping[str, CodeFile] = field(repr=False)
    others: tuple[tuple[object, str], ...] = field(repr=False)


@frozen
class Changes:
    """What is otherwise in a later state.

    :param put: code that is new or another, folders first. :param removed: paths, the deepest first.
    :param others: names of what a running server cannot be given.
    """

    put: tuple[CodeFile, ...]
    removed: tuple[str, ...]
    others: tuple[str, ...]


def state_of(graph: Graph) -> State:
    """A project as it lies there now.

    :raises OSError: a file has gone.
    """
    code: dict[str, CodeFile] = {}
    others: list[tuple[object, str]] = [(graph.base, "the base image")]
    for layer in graph.layers:
        if _is_code(layer, graph):
            code |= {each.path: each for each in _files(layer)}
        else:
            # Of what is large only size and time are looked at, as often as somebody saves a file.
            others.append(((layer, stamps([layer])), layer.name))
    others += [((name, value), f"the variable {name}") for name, value in graph.config.env.items()]
    others.append((evolve(graph.config, env={}), "what the image says of itself"))
    return State(code, tuple(others))


def changes(before: State, served: Mapping[str, CodeFile | None], now: State) -> Changes:
    """What is otherwise now.

    :param before: what the image was made of.
    :param served: the code that is there; None where only the path is known.
    """
    put = [each for path, each in now.code.items() if served.get(path) != each]
    others = [name for one, two in ((now, before), (before, now)) for key, name in one.others if _lacks(two, key)]
    large = [f"{each.path}, which is larger than {LARGEST // 1_000_000} MB" for each in put if each.large]
    return Changes(
        tuple(sorted((each for each in put if not each.large), key=lambda each: (each.type != "dir", each.path))),
        tuple(sorted(served.keys() - now.code.keys(), key=lambda path: (-path.count("/"), path))),
        tuple(dict.fromkeys((*sorted(others), *large))),
    )


def _lacks(state: State, key: object) -> bool:
    return all(key != other for other, _ in state.others)


def unsound(wanted: Changes, python: Python | None) -> str | None:
    """Why code surely cannot be loaded, by the first file that no Python of the image parses; None otherwise.

    :param python: of the image; None where it is not known.
    """
    for each in wanted.put:
        if each.type != "file" or not each.path.endswith(".py"):
            continue
        _, problem = parse(each.data, each.path, python)
        if problem and problem.kind in ("broken", "older"):
            return f"{each.path}{f':{problem.line}' if problem.line else ''}: {problem.message}"
    return None


def _is_code(layer: LayerOp, graph: Graph) -> TypeGuard[Copy]:
    """Whether a layer is code: files that change often, where the server starts, which install nothing there."""
    if not isinstance(layer, Copy) or layer.changes != "often" or not isinstance(layer.source, Local | Text):
        return False
    env = graph.config.env
    app = posixpath.join(contract.APP_ROOT, posixpath.dirname(str(env.get(contract.ENTRY_SCRIPT, ""))))
    at_start = {
        posixpath.normpath(posixpath.join(app, str(env[name]))) for name in contract.EXCLUSIVE_EXTRAS if name in env
    }
    return f"{layer.dest}/".startswith(f"{contract.APP_ROOT}/") and layer.dest not in at_start


def _files(copy: Copy) -> Iterator[CodeFile]:
    owner = (copy.uid, copy.gid) if isinstance(copy.uid, int) and isinstance(copy.gid, int) else None
    source = copy.source
    if isinstance(source, Text):
        yield _file(copy, copy.dest, 0o755 if source.executable else 0o644, source.data, owner)
        return
    assert isinstance(source, Local)
    for entry, here in placed(source):
        path = copy.dest if copy.kind == "file" else posixpath.join(copy.dest, entry.path)
        if entry.type != "file":
            yield CodeFile(path, entry.type, entry.mode, entry.target, copy.dest, b"", owner)
            continue
        if entry.size > LARGEST:
            stamp = Path(here).stat()
            content = f"{stamp.st_size} {stamp.st_mtime_ns}"
            yield CodeFile(path, "file", entry.mode, content, copy.dest, b"", owner, large=True)
            continue
        yield _file(copy, path, entry.mode, Path(here).read_bytes(), owner)


def _file(copy: Copy, path: str, mode: int, data: bytes, owner: tuple[int, int] | None) -> CodeFile:
    return CodeFile(path, "file", mode, hashlib.sha256(data).hexdigest(), copy.dest, data, owner)
