"""``azureml:NAME:VERSION`` and the other texts that name what lies in a workspace or a registry."""

from __future__ import annotations

import re
from typing import Literal

from ...data import frozen

Asset = Literal["model", "environment"]

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"

_REGISTRY = re.compile(
    rf"(?:azureml:)?azureml://registries/(?P<registry>{_NAME})/(?P<of>\w+)/(?P<name>{_NAME})"
    rf"/(?:versions/(?P<version>{_NAME})|labels/(?P<label>{_NAME}))/?"
)

_RESOURCE = re.compile(
    r"azureml:/?subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.MachineLearningServices"
    rf"/workspaces/[^/]+/(?P<of>\w+)/(?P<name>{_NAME})/versions/(?P<version>{_NAME})"
)

_SHORT = re.compile(rf"azureml:(?P<name>{_NAME})(?::(?P<version>{_NAME})|@(?P<label>{_NAME}))?")

_CURATED = "AzureML-"
"""What the names of Microsoft's own environments begin with; they may stand without a version."""


@frozen
class Reference:
    """What such a text names; :class:`~.model.RegisteredModel` has the words."""

    name: str
    version: str | None
    label: str | None
    registry: str | None


class NotAReference(ValueError):
    """A text names nothing of that kind; the error's text says why, as half a sentence."""


def is_reference(text: str) -> bool:
    """Whether a text is meant to be a reference."""
    return text.startswith("azureml:")


def forms(asset: Asset) -> str:
    """How a reference is written."""
    return (
        f"azureml:NAME:VERSION, azureml:NAME@latest, or azureml://registries/REGISTRY/{asset}s/NAME/versions/VERSION"
    )


def parse_reference(text: str, asset: Asset) -> Reference:
    """What a text names.

    :raises NotAReference: it has none of the forms, names another kind of asset, or no version.
    """
    found = _REGISTRY.fullmatch(text) or _RESOURCE.fullmatch(text) or _SHORT.fullmatch(text)
    if found is None:
        raise NotAReference(f"is no name of {'a model' if asset == 'model' else 'an environment'} of Azure ML")
    said = found.groupdict()
    if said.get("of", f"{asset}s") != f"{asset}s":
        raise NotAReference(f"names one of the {said['of']}, not one of the {asset}s")
    version, label = said.get("version"), said.get("label")
    if version is None and label is None and not said["name"].startswith(_CURATED):
        raise NotAReference("names no version")
    return Reference(said["name"], version, label, said.get("registry"))
