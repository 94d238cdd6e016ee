"""Destinations that builders treat differently, refused; and links in them, resolved."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from attrs import evolve

from ..base.facts import BaseFacts, prefixes
from ..errors import BaseError, GraphError
from ..fs.tree import is_file
from ..graph.base import From
from ..graph.graph import Built, Copy, LayerOp, Run
from ..graph.source import Empty, Local
from ..graph.wheels import Wheels
from ..graph.writes import written_paths
from .conflicts import touched_by
from .links import followed, link_ends, links_of, loops, overlap


def with_workdirs(layers: list[LayerOp], workdir: str | None, facts: BaseFacts) -> list[LayerOp]:
    """The layers, each working directory that the base lacks made first, as root's.

    Left to the builders, one makes it for root, another for the user of the moment, a third not at all
    (docs/builder-cases.md, case 15).
    """
    found: list[LayerOp] = []
    for layer in (*layers, workdir):
        path = layer.workdir if isinstance(layer, Run) else layer if isinstance(layer, str) else None
        there = facts.path(path) if path else None
        if there and (there.type in ("file", "other") or (there.type == "link" and not there.target)):
            raise GraphError(f"the working directory {path} is a {there.type} of the base, not a folder")
        if path and path != "/" and not there and not any(_makes_folder(each, path) for each in found):
            found.append(Copy(Empty(), path, "tree", name=f"working directory {path}"))
        if layer is not None and not isinstance(layer, str):
            found.append(layer)
    return found


def _makes_folder(layer: LayerOp, path: str) -> bool:
    if isinstance(layer, Run):
        return False
    return (path, "dir") in written_paths(layer) or path in prefixes(posixpath.dirname(layer.dest))


def freed_of_links(copy: Copy, links: Mapping[str, str]) -> Copy:
    """Resolve a destination through the base's links, or refuse it (docs/builder-cases.md, cases 7 and 28)."""
    folder, name = (copy.dest, "") if copy.kind == "tree" else posixpath.split(copy.dest)
    path, broken = followed(folder, links)
    if broken:
        raise GraphError(f"the destination path contains a broken link: {broken}", location=copy.name)
    return copy if path == folder else evolve(copy, dest=posixpath.join(path, name) if name else path)


def check_volumes(base: From, layers: list[LayerOp], facts: BaseFacts) -> None:
    """Refuse steps that may write where the base declares a VOLUME: some builders lose such writes.

    :raises BaseError: one does; one without ``touches`` may write anywhere.
    """
    if not facts.volumes:
        return
    links = links_of(layers, facts)
    for volume in facts.volumes:
        for layer in layers:
            touched = touched_by(layer, links) if isinstance(layer, Run) else ()
            if touched is None or any(overlap(volume, path) for path in touched):
                raise BaseError(
                    f"the base declares VOLUME {volume} and the step may write there; some builders lose such writes",
                    location=layer.name,
                    hint=f"Use a base image without that VOLUME ({base.pinned} has it), or remove the step.",
                )


def check_destinations(layers: list[LayerOp], facts: BaseFacts) -> None:
    """Refuse destinations that builders treat differently: a file where a folder is, and the reverse, and so on.

    :raises GraphError: one is so; the step is named.
    """
    seen: dict[str, str] = {path: fact.type for path, fact in facts.paths.items()}
    ends = links_of((), facts)
    stages: list[str] = []
    for layer in layers:
        if isinstance(layer, Run):
            continue
        if isinstance(layer.source, Local) and is_file(layer.source) != (layer.kind == "file"):
            raise GraphError(
                f"kind is {layer.kind!r}, but the source is a {'file' if layer.kind == 'tree' else 'folder'}",
                location=layer.name,
            )
        folder = layer.dest if layer.kind == "tree" else posixpath.dirname(layer.dest)
        _check_setgid(layer, folder, seen, facts)
        _check_stages(layer, seen, stages)
        for prefix in prefixes(posixpath.dirname(layer.dest)):
            if seen.setdefault(prefix, "dir") != "dir":
                raise GraphError(f"{prefix} is a {seen[prefix]}, not a folder", location=layer.name)
        links = link_ends(layer)
        for path, type_ in written_paths(layer):
            before = seen.get(path)
            if before == "link" and type_ != "dir" and (not ends.get(path) or loops(path, ends)):
                raise GraphError(
                    f"{path} is already a broken link and would become a {type_}; not all builders support this",
                    location=layer.name,
                    hint="Rename it, or copy it to another path.",
                )
            if before == "link" and type_ != "dir" and seen.get(ends.get(path, "")) == "dir":
                raise GraphError(
                    f"{path} is already a link to a folder and would become a {type_}; not all builders support this",
                    location=layer.name,
                    hint="Rename it, or copy it to another path.",
                )
            if before and before != type_ and ("dir" in (before, type_) or "other" in (before, type_)):
                raise GraphError(
                    f"{path} is already a {before} and would become a {type_}; builders handle this differently",
                    location=layer.name,
                    hint="Rename it, or copy it to another path.",
                )
            seen[path] = type_
        ends |= links
        if isinstance(layer.source, Built | Wheels):
            stages.append(layer.dest)


def _check_stages(copy: Copy, seen: Mapping[str, str], stages: list[str]) -> None:
    """Refuse what puts a stage's files, which nobody knows before they are made, over others, or others over them.

    A folder over a link, say, is written through it by one builder, replaces it by another, and is an error to a
    third (docs/builder-cases.md, case 8).
    """
    if isinstance(copy.source, Wheels) and copy.dest in stages:
        return  # More wheels of the same tree; that no two have one path is seen when they are unpacked.
    if isinstance(copy.source, Built | Wheels) and (copy.dest == "/" or copy.dest in seen):
        raise GraphError(
            f"{copy.dest} already exists, and the content that {_comes_from(copy)} would copy there is not known "
            "before the build",
            location=copy.name,
            hint="Copy it into a new folder. A command in the image can then move it.",
        )
    for path, _ in written_paths(copy):
        if any(path.startswith(f"{stage}/") for stage in stages):
            raise GraphError(
                f"{path} is in a folder that comes from a stage, and its content is not known before the build",
                location=copy.name,
                hint="Copy it elsewhere, or put it into the stage.",
            )


def _comes_from(copy: Copy) -> str:
    return "a stage" if isinstance(copy.source, Built) else "wheels"


def _check_setgid(copy: Copy, folder: str, seen: Mapping[str, str], facts: BaseFacts) -> None:
    """Refuse new folders in one with the setgid bit: some builders pass bit and group on to them."""
    new = next((prefix for prefix in prefixes(folder) if prefix not in seen), None)
    above = facts.path(posixpath.dirname(new)) if new else None
    if above and above.type == "dir" and above.mode & 0o2000:
        raise GraphError(
            f"{new} would be a new folder inside a folder with the setgid bit; some builders pass this bit "
            "on, others do not",
            location=copy.name,
            hint="Copy it to another path, or create the folder with a command first.",
        )
