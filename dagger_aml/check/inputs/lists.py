"""What is known of a list of packages that is checked by itself: a requirements file, a lock, a conda file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ...base import catalog
from ...base.facts import BaseFacts
from ...data import frozen
from ...graph.base import From
from ...project.load import chosen_bases
from ...project.settings import Options
from ...requirements.model import Requirements
from ..facts import Places
from ..known import Input, Known

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet


def read_list(text: str, options: Options) -> ListFacts:
    """The facts of a list, and of the base that it is meant for.

    :raises ProjectError: it cannot be read, or has a line that pip could not take. :raises UsageError: no such base.
    """
    from ...requirements.read import read_requirements

    path = Path(text).absolute()
    base = chosen_bases(path.parent, options)[0]
    return ListFacts(read_requirements(path), base, catalog.assumed(base))


@frozen(slots=False)
class ListFacts(Known):
    """A list of packages and its base, which pip is taken to install and nothing else is added to.

    :param requirements: what it says.
    :param reference: of the base. :param base: what is known of it.
    """

    requirements: Requirements | None = None
    reference: From | None = None
    base: BaseFacts | None = None

    installer: str | None = "pip"
    added: tuple[str, ...] | None = ()
    adds_server: bool | None = False

    @property
    def input(self) -> Input:
        """The kind of input."""
        return "list of packages"

    @cached_property
    def places(self) -> Places | None:
        """How files are named: relative to the list's folder."""
        return Places(self.requirements.path.parent) if self.requirements else None

    @cached_property
    def platform(self) -> str | None:
        """The base's, ``linux/amd64``."""
        return self.reference.platform if self.reference else None

    @cached_property
    def allowed(self) -> Mapping[str, SpecifierSet] | None:
        """The versions that the list allows, by normalised names."""
        if self.requirements is None:
            return None
        from ...requirements.versions import allowed

        return allowed(self.requirements)
