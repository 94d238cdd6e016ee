"""What is known of a Dockerfile."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ...data import frozen
from ..facts import Sources, Variable
from ..known import Known

if TYPE_CHECKING:
    from .instructions import Dockerfile
    from .stages import Built

_AZUREML = re.compile(r"(^|/)azureml/(curated/)?[^:@]*inference", re.IGNORECASE)
"""Azure ML's images that serve, whatever registry has them."""


def read_dockerfile(text: str) -> DockerfileFacts:
    """The facts of a Dockerfile.

    :raises DaggerAmlError: as :func:`.instructions.read`.
    """
    from .instructions import read

    return DockerfileFacts(read(Path(text)))


@frozen(slots=False)
class DockerfileFacts(Known):
    """What is known of a Dockerfile that nobody builds.

    :param dockerfile: its instructions.
    """

    dockerfile: Dockerfile | None = None

    @cached_property
    def built(self) -> Built | None:
        """The image of its last stage."""
        from .stages import built

        return built(self.dockerfile) if self.dockerfile else None

    @cached_property
    def azureml(self) -> bool | None:
        """Whether the image serves on Azure ML, by its base or by what it sets; None where nothing says so."""
        if self.built is None:
            return None
        named = self.built.base is not None and _AZUREML.search(self.built.base) is not None
        return named or any(name.startswith(("AZUREML_", "AML_")) for name in self.built.variables) or None

    @cached_property
    def variables(self) -> Mapping[str, Variable] | None:
        """The image's own variables by name, as far as their values are known; None for one that does not serve on
        Azure ML."""
        if self.built is None or not self.azureml:
            return None
        return {
            name: Variable(each.text, each.location)
            for name, each in self.built.variables.items()
            if each.text is not None
        }

    @cached_property
    def sources(self) -> Sources | None:
        """The Python files beside it."""
        return Sources(self.dockerfile.path.parent) if self.dockerfile else None
