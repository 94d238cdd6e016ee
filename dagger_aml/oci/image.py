"""Reading an image: tars of docker, podman, buildah, skopeo and Dagger, and OCI layout folders."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import field

from ..data import frozen
from ..graph.base import DEFAULT_PLATFORM, From
from . import layout as oci_layout
from .blobs import ImageFiles
from .layer import LayerContents, Node, flatten, read_layer
from .model import ImageError


@frozen
class Made:
    """One entry of an image's history.

    :param text: what made it, in its builder's words.
    :param layer: number of its layer, from 0; None where it made none.
    :param comment: what its builder noted of it.
    """

    text: str
    layer: int | None
    comment: str = ""


@frozen
class ImageContents:
    """An image: its files, all layers applied, and what its config says.

    :param config: one entry a value, named ``user``, ``workdir``, ``platform``, ``cmd``, ``entrypoint``,
        ``healthcheck``, ``env NAME``, ``label NAME``,
        ``port 5001/tcp``, ``volume PATH``; what is not said is not in it.
    :param layers: their digests, uncompressed, base first.
    :param labels: those of the config, by their own names.
    :param changed: number of the layer that last changed a path, from 0; of removed paths too.
    """

    files: Mapping[str, Node] = field(repr=False)
    config: Mapping[str, str]
    layers: tuple[str, ...] = ()
    changed: Mapping[str, int] = field(factory=dict, repr=False)
    history: tuple[Made, ...] = field(default=(), repr=False)
    labels: Mapping[str, str] = field(factory=dict, repr=False)


def read_image(
    path: Path | str, platform: str = DEFAULT_PLATFORM, known: dict[str, LayerContents] | None = None
) -> ImageContents:
    """Read an image from a tar or an OCI layout folder.

    :param known: layers read before, by their digests; this image's are added. Images that are compared share a base.
    :raises BaseError: not an image, none for the platform, several, or damaged.
    :raises ImageError: a layer is none, or is not the one that the config names.
    """
    return image_of(found_in(Path(path), platform), known)


def found_in(path: Path, platform: str) -> From:
    """The image in a tar or an OCI layout folder. Raises as :func:`dagger_aml.oci.layout.base`."""
    return oci_layout.base(f"{_kind(path)}:{path.absolute()}", platform, Path())


def image_of(archive: From, known: dict[str, LayerContents] | None = None) -> ImageContents:
    """Read an image that :func:`dagger_aml.oci.layout.base` found. Raises as :func:`read_image`."""
    seen: dict[str, LayerContents] = {} if known is None else known
    with oci_layout.opened(archive) as (document, layers):
        digests = tuple(map(str, document["rootfs"]["diff_ids"]))
        if len(digests) != len(layers):
            raise ImageError(
                f"the image has {len(layers)} layers, but its config lists {len(digests)}",
                location=str(archive.archive),
            )
        for digest, open_ in zip(digests, layers, strict=True):
            if digest in seen:
                continue
            with open_() as stream:
                layer, found = read_layer(stream)
            if found != digest:
                raise ImageError(
                    f"a layer has the digest {found}, but the config says {digest}", location=str(archive.archive)
                )
            seen[digest] = layer
    files, changed = flatten(seen[digest] for digest in digests)
    labels = (document.get("config") or {}).get("Labels") or {}
    return ImageContents(files, config_of(document), digests, changed, tuple(history_of(document)), labels)


def _kind(path: Path) -> str:
    if path.is_dir():
        return "oci"
    try:
        with tarfile.open(path, "r:") as tar:
            files = ImageFiles(path, tar)
            docker = "manifest.json" in files or "index.json" not in files
    except (OSError, tarfile.TarError):
        return "docker-archive"  # Whose reader says what is wrong with it.
    return "docker-archive" if docker else "oci-archive"


def history_of(document: Mapping[str, Any]) -> Iterator[Made]:
    """The entries of an image's history, oldest first."""
    number = 0
    for each in document.get("history") or ():
        empty = bool(each.get("empty_layer"))
        text, comment = (str(each.get(name) or "") for name in ("created_by", "comment"))
        yield Made(text, None if empty else number, comment)
        number += not empty


def config_of(document: Mapping[str, Any]) -> dict[str, str]:
    """What an image's config document says, one entry a value."""
    said = document.get("config") or {}
    found = {
        "user": said.get("User") or "",
        "workdir": said.get("WorkingDir") or "/",
        "platform": f"{document.get('os')}/{document.get('architecture')}",
        "stop signal": said.get("StopSignal") or "",
    }
    for key, name in (("Cmd", "cmd"), ("Entrypoint", "entrypoint"), ("Healthcheck", "healthcheck")):
        if said.get(key):
            found[name] = json.dumps(said[key])
    found |= {f"onbuild {index}": text for index, text in enumerate(said.get("OnBuild") or ())}
    for text in said.get("Env") or ():
        name, _, value = text.partition("=")
        found[f"env {name}"] = value
    found |= {f"label {name}": value for name, value in (said.get("Labels") or {}).items()}
    found |= {f"port {port}": "yes" for port in said.get("ExposedPorts") or ()}
    found |= {f"volume {path}": "yes" for path in said.get("Volumes") or ()}
    return found
