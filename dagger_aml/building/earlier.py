"""Reading what a plan is held against: a plan's JSON, a tar, a layout, a store's or a registry's image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..graph.base import ARCHIVES
from ..oci.reference import Reference
from ..plan.compare import Earlier, of_image, of_json


async def read_earlier(text: str, platform: str, store: str | None = None) -> Earlier:
    """Read what ``--against`` names: a file that ``plan --json`` wrote, a tar, ``oci:FOLDER``, or an image.

    :param store: ``docker``, ``podman`` or ``buildah``: an image is taken from its store, else from its registry.
    :raises UsageError: it is none of these, or an image that tells nothing of its steps.
    :raises RegistryDenied, TransientError, BuildError: the registry has it not.
    """
    path = Path(text)
    if path.is_file() and _is_json(path):
        return of_json(text, path)
    if path.is_dir() and not (path / "oci-layout").is_file():
        raise UsageError(
            "this folder is neither a plan file nor an image", location=f"--against {text}",
            hint=f"Write its plan first: dagger-aml plan {text} --json > plan.json",
        )  # fmt: skip
    return of_image(text, platform, await _config(text, path, platform, store))


async def _config(text: str, path: Path, platform: str, store: str | None) -> Mapping[str, Any]:
    from ..oci import layout as oci_layout

    if path.exists():
        from ..oci.image import found_in

        return oci_layout.config(found_in(path, platform))
    if text.partition(":")[0] in ARCHIVES:
        return oci_layout.config(oci_layout.base(text, platform, Path()))
    if text.startswith((".", "/", "~")) or text.endswith((".tar", ".json")):
        raise UsageError("there is no such file", location=f"--against {text}")
    if store:
        from ..backends.local.find import local_builder

        return (await local_builder(store).stored(text)).config
    from ..oci.registry import image_config

    digest = Reference.parse(text, "the image").digest
    return await image_config(text, digest, platform)


def _is_json(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).lstrip()[:1] == b"{"
