"""What a project says of how its conda file is read, and what its base says."""

from __future__ import annotations

from ..base import catalog
from ..errors import ProjectError
from ..graph.base import From
from ..requirements.conda_twins import CondaSettings
from .merge import Reading, chosen
from .origin import DEFAULT

_OF_CUDA = ("cuda", "gpu", "nvidia", "rocm")
"""Words in the name of an image that has CUDA, or the like."""


def conda_settings(reading: Reading, base: From) -> CondaSettings:
    """How a conda file is read, whether there is one or not.

    :raises UsageError: ``python`` is none of its choices. :raises ProjectError: a twin is no package's name.
    """
    for_base = chosen(reading, "python", "Python for a conda file") == "base"
    if reading.origins["python"] is DEFAULT:
        del reading.origins["python"]  # Of no concern where there is no conda file.
    said: dict[str, str] = reading.file.tables.conda.twins
    for name, twin in said.items():
        reading.origins[f"twins.{name}"] = reading.file.origin("conda", "twins", name)
        if not _is_name(twin):
            raise ProjectError(
                f"not the name of a package: {twin!r}",
                location=str(reading.origins[f"twins.{name}"]),
                hint='Write the name that it has on PyPI, without a version, or "" to leave the package out.',
            )
    server = reading.deployment is not None and catalog.find(base.reference) is not None
    return CondaSettings({name.lower(): twin for name, twin in said.items()}, for_base, not has_cuda(base), server)


def has_cuda(base: From) -> bool:
    """Whether a base has CUDA, as far as its name tells."""
    image = catalog.find(base.reference)
    return image.gpu if image else any(word in base.reference.lower() for word in _OF_CUDA)


def _is_name(text: str) -> bool:
    """Whether a text is empty, or a package's name with or without extras."""
    if not text:
        return True
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        wanted = Requirement(text)
    except InvalidRequirement:
        return False
    return not (wanted.specifier or wanted.url or wanted.marker) and text.isascii() and text.isprintable()
