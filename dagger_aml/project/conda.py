"""What a project says of how its conda file is read, and what its base says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from .. import contract
from ..base import catalog
from ..errors import DaggerAmlError, ProjectError
from ..graph.base import From
from ..pysource.import_statements import is_within
from ..pysource.reached import Reached
from ..requirements.conda_twins import CondaSettings
from ..requirements.read import is_yaml
from .merge import Reading, chosen
from .origin import DEFAULT
from .settings import APART

_OF_CUDA = ("cuda", "gpu", "nvidia", "rocm")
"""Words in the name of an image that has CUDA, or the like."""


_OF_SDK = ("azureml.core", "azureml.data", "azureml.dataprep", "azureml.exceptions", "azureml.history")
"""What ``azureml-defaults`` brings beside the server, as code imports it."""


def conda_settings(reading: Reading, base: From, *, adds_server: bool, code: Iterable[Reached]) -> CondaSettings:
    """How a conda file is read, whether there is one or not.

    :param adds_server: whether the inference server is added to the base.
    :param code: what is served with these packages, as far as it is known.
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
    brought = _brought(base, adds_server=adds_server, needs_sdk=any(map(imports_sdk, code)))
    return CondaSettings({name.lower(): twin for name, twin in said.items()}, for_base, not has_cuda(base), brought)


def _brought(base: From, *, adds_server: bool, needs_sdk: bool) -> Mapping[str, str]:
    """Packages that are listed for the server alone, which the image has without them, and why.

    :param needs_sdk: whether the code imports what ``azureml-defaults`` brings beside the server.
    """
    there = catalog.find(base.reference) is not None
    why = "the base image has the inference server" if there else "the inference server is added"
    found = {contract.SERVER: why} if there else {}  # One that is added is found together with what is listed.
    return found if needs_sdk or not (there or adds_server) else {**found, contract.DEFAULTS: why}


def with_server(
    root: Path, listed: Path | None, settings: CondaSettings, more: tuple[str, ...], recipe: str
) -> tuple[str, ...]:
    """What is installed beside a list of packages: the server too, where its line is left out of a conda file.

    pip then looks for versions that suit both. The base has the server, so it is not installed again where it does;
    packages that lie apart from the base's, as those of some recipes do, are none of the server's concern.

    :param more: what is to be installed beside it anyway.
    """
    if not settings.brought or listed is None or not is_yaml(listed.name) or recipe in APART:
        return more
    from ..requirements.files import read_text
    from ..requirements.read import read_requirements

    try:
        if "azureml" not in read_text(listed).lower():
            return more  # Of most lists that is all that is to be read here.
        found = read_requirements(listed, root=root, conda=settings)
    except DaggerAmlError:
        return more  # The step that installs it tells of it.
    from packaging.utils import canonicalize_name

    left = found.conda is not None and any(each.for_server for each in found.conda.lines)
    named = {str(canonicalize_name(name)) for name in found.names} | {*more}
    # Of nothing but the server there is nothing to suit; of a list with hashes pip takes what it says, or nothing.
    suits = found.listed and not found.hashes
    return (*more, contract.SERVER) if left and suits and contract.SERVER not in named else more


def imports_sdk(code: Reached) -> bool:
    """Whether code imports something of SDK v1, wherever it does."""
    return any(
        is_within(each.module, each.names, part)
        for source in code.sources.values()
        if b"azureml" in source.data
        for each in source.imports
        for part in _OF_SDK
    )


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
