"""Reading an image: a tar, an OCI layout, or what a registry has, of which large layers are left there."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from attrs import evolve

from ... import contract
from ...base.facts import BaseFacts, of_config
from ...base.from_layers import Unanswered, facts_in, sites_in
from ...base.python_files import HARMLESS_PTH
from ...errors import BaseError, ProjectError
from ...fs.lookup import is_file, is_there
from ...graph.base import ARCHIVES, DEFAULT_PLATFORM
from ...oci import layout
from ...oci.image import found_in
from ...oci.layer_tree import LayerTree, empty
from ...oci.manifest import BlobLayer
from ...oci.reference import Reference
from ...oci.registry import download_partly
from ...project.settings import Options
from .image import ImageFacts, ImageRead
from .image_code import Aside, Copies, entries_below, put_aside
from .names import IN_REGISTRY

MOST_FETCHED = 64 * 1024 * 1024
"""Bytes of a layer's blob above which it stays in its registry."""

Opener = Callable[[], IO[bytes]]


def read_image(text: str, options: Options) -> ImageFacts:
    """The facts of an image on this machine.

    :raises UsageError: no such file. :raises ProjectError: a pipe.
    :raises BaseError: not an image, several, or none for the platform.
    :raises Unanswered: a layer cannot be read.
    """
    platform = _platform(options)
    if text.partition(":")[0] in ARCHIVES and not Path(text).exists():
        base = layout.base(text, platform, Path())
    else:
        if is_there(Path(text)) and not is_file(Path(text)) and not Path(text).is_dir():
            raise ProjectError("is a pipe or a device", location=text)
        base = found_in(Path(text), platform)
    with layout.opened(base) as (document, layers):
        return ImageFacts(_read(text, document, layers, (), Aside()))


async def fetch_image(text: str, options: Options) -> ImageFacts:
    """The facts of an image of a registry, ``image:NAME[:TAG]``.

    :raises GraphError: not a reference. :raises BuildError: no such image, or none for the platform.
    :raises RegistryDenied: 401 or 403. :raises TransientError: unreachable or busy.
    :raises Unanswered: a layer cannot be read.
    """
    reference, aside = Reference.parse(text.removeprefix(IN_REGISTRY), "the image"), Aside()
    found = await download_partly(reference, _platform(options), aside.folder, MOST_FETCHED)
    layers = [each or empty for each in found.openers]
    unread = tuple(layer for layer, file in zip(found.layers, found.files, strict=True) if file is None)
    made = ImageFacts(_read(text, found.config, layers, unread, aside))
    for file in {file for file in found.files if file}:
        file.unlink()
    return made


def _platform(options: Options) -> str:
    return str(options.platform or DEFAULT_PLATFORM).partition(",")[0].strip()


def _read(
    name: str, document: Mapping[str, Any], layers: Sequence[Opener], unread: tuple[BlobLayer, ...], aside: Aside
) -> ImageRead:
    said = document.get("config") or {}
    try:
        config = of_config(said)
    except (AttributeError, TypeError, ValueError):
        raise BaseError("its config does not follow the specification", location=name) from None
    top = posixpath.normpath(config.env.get(contract.APP) or contract.APP_ROOT)
    copies = Copies(top, aside)
    tree = LayerTree(layers, copies.keep)
    tree.names("/")  # Reads all layers, so that one that cannot be read is an error here, and nowhere below.
    made = ImageRead(name, config, unread=unread, aside=aside)
    if not unread:
        base = _facts(tree, said)
        made = evolve(made, base=base, tree=tree, sites=_sites(tree, base))
    try:
        entries = entries_below(tree, top, frozenset({contract.MODELS_ROOT})) if _is_plain(top) else ()
        folder = put_aside(tree, top, entries, copies, aside) if entries else None
    except Unanswered:
        return made
    return evolve(made, top=top, folder=folder, entries=entries)


def _is_plain(top: str) -> bool:
    """Whether a folder is one that code may lie in."""
    return top.startswith("/") and top.strip("/") != ""


def _facts(tree: LayerTree, said: Mapping[str, Any]) -> BaseFacts | None:
    """What the files of an image tell; None where they leave a doubt."""
    try:
        return facts_in(tree, said)
    except (Unanswered, BaseError):
        return None


def _sites(tree: LayerTree, facts: BaseFacts | None) -> tuple[str, ...] | None:
    """The folders for packages into which its Python surely looks, and into no others."""
    if facts is None or facts.environment is None:
        return None
    try:
        found = sites_in(tree, facts)
        added = [name for each in found for name in tree.names(each) if name.endswith(".pth")]
    except Unanswered:
        return None
    return found if set(added) <= HARMLESS_PTH else None
