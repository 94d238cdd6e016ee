"""What is at the paths that copies go to, once the commands of an image have run."""

from __future__ import annotations

from collections.abc import Mapping

from ...base.facts import BaseFacts, PathFact
from ...base.known import KnownFacts
from ...errors import GraphError
from ...oci.layer_index import IMPLIED, LayerIndex, read_index
from ...text import named
from .beneath import Beneath
from .facts import opened
from .runtime_image import RuntimeImage


def known_after(
    runtime: RuntimeImage,
    beneath: Beneath,
    base: BaseFacts,
    listed: Mapping[str, frozenset[str]],
    asked: Mapping[str, str],
) -> KnownFacts:
    """The facts of paths after what ran, read from its layers unless it tells them.

    :param base: facts of the base, the paths among them.
    :param listed: folders of the base with every name in them, as far as known.
    :param asked: the paths, and the step that asks for each.
    :raises GraphError: a folder became a link, so that the destination is elsewhere now.
    """
    if runtime.after and runtime.after.for_paths(asked) is not None:
        return runtime.after
    paths: dict[str, PathFact] = dict(base.paths)
    names = {folder: set(found) for folder, found in listed.items()}
    for layer in runtime.layers:
        with opened(beneath, layer) as stream:
            index = read_index(stream, lambda _path, _size: 0)
        for path in asked:
            before = paths.pop(path, None)
            now = _after(index, path, before)
            if now is not None:
                paths[path] = now
                if now.type == "dir" and before is None:
                    names[path] = set()
        for folder in list(names):
            if index.hides_inside(folder):
                names[folder].clear()
            names[folder] -= index.removed.get(folder, set())
            names[folder] |= index.folders.get(folder, {}).keys()
    for path, step in asked.items():
        fact = paths.get(path)
        if fact and fact.type == "link" and base.paths.get(path) != fact:
            raise GraphError(
                f"{path} is a link once the commands of the image have run",
                location=step,
                hint=f"Copy it to where the link leads, or add {named('layers', 'builder')}.",
            )
    found = {path: fact for path, fact in paths.items() if path in asked}
    kept = {folder: frozenset(found) for folder, found in names.items() if folder in asked or folder == "/"}
    return KnownFacts(BaseFacts("probed", paths=found), frozenset(asked), kept)


def _after(index: LayerIndex, path: str, before: PathFact | None) -> PathFact | None:
    entry = index.get(path)
    if entry is None:
        return None if index.hides(path) else before
    if entry is IMPLIED:
        return before if before and before.type == "dir" and not index.hides(path) else PathFact("dir")
    return PathFact(entry.type, entry.mode, entry.uid, entry.gid)
