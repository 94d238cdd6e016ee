"""The C library of a base, as far as its name tells which system it is made of."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..graph.base import From
from ..graph.checks import parse_reference
from .plain_python import is_plain

_UBUNTU: Mapping[str, tuple[int, int]] = {"18.04": (2, 27), "20.04": (2, 31), "22.04": (2, 35), "24.04": (2, 39)}

_DEBIAN: Mapping[str, tuple[int, int]] = {
    "buster": (2, 28),
    "bullseye": (2, 31),
    "bookworm": (2, 36),
    "trixie": (2, 41),
}

_CURATED = (
    "curated/minimal-py311-inference",
    "curated/minimal-py312-cuda12.4-inference",
    "curated/mlflow-py312-inference",
)
"""Azure ML's images of which public Dockerfiles say that they are made of Ubuntu 22.04."""

_NAMED = re.compile(r"ubuntu(\d\d\.\d\d)")


def glibc_of(base: From) -> tuple[int, int] | None:
    """The version of a base's C library, ``(2, 35)``; None where its name does not tell it."""
    name, tag, _ = parse_reference(base.reference)
    if is_plain(base):
        return next((found for system, found in _DEBIAN.items() if system in re.split(r"[-.]", tag or "")), None)
    if any(name.endswith(f"/azureml/{each}") for each in _CURATED):
        return _UBUNTU["22.04"]
    match = _NAMED.search(name) if "azureml/" in name else None
    return _UBUNTU.get(match[1]) if match else None
