"""The stand-in for Azure ML's images for training, ``azureml/openmpi…``: what online deployments name all the same.

It is made beside the two of :mod:`.images`, so that an edit here makes neither of these anew.
"""

from __future__ import annotations

import os
from pathlib import Path

from . import images
from .serving import _digest, _is_local
from .tools import cache_folder, call, lock, log

REPOSITORY = "azureml/openmpi4.1.0-ubuntu22.04"


def push_training(registry: str) -> str:
    """Put the image into a registry (HOST:PORT), built if need be, and return its reference there."""
    archive = _ensure()
    reference = f"{registry}/{REPOSITORY}:latest"
    kept = reference.removesuffix("latest") + archive.stem
    there = _digest(kept)
    if there is None or there != _digest(reference):
        log.info("pushing %s", reference)
        plain = "false" if _is_local(registry) else "true"
        call("skopeo", "copy", f"--dest-tls-verify={plain}", f"oci-archive:{archive}", f"docker://{kept}")
        call("skopeo", "copy", f"--dest-tls-verify={plain}", f"oci-archive:{archive}", f"docker://{reference}")
    return reference


def _ensure() -> Path:
    images.ensure("classic")
    base, own = images._base_context(), images._variant_context("training")
    key = images._key(base, {**own, Path(__file__).name: Path(__file__).read_bytes()})
    archive = cache_folder() / f"training-{key}.tar"
    if not archive.exists():
        with lock("build"):
            if not archive.exists():
                beneath = cache_folder() / f"base-{images._key(base)}.tar"
                log.info("making the training stand-in")
                with images._workshop(own) as folder:
                    options = (f"--from=oci-archive:{beneath}", f"--timestamp={images.EPOCH}")
                    images._buildah(folder, archive, REPOSITORY, *options)
    os.utime(archive)
    return archive
