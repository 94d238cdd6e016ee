"""What is known of a folder of installed packages that is checked by itself, and of the base it is meant for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ...base import catalog
from ...base.facts import BaseFacts
from ...base.glibc import glibc_of
from ...data import frozen
from ...graph.base import From
from ...project.load import chosen_bases
from ...project.settings import Options
from ...requirements.targets import MACHINES
from ..known import Input, Known
from .names import in_environment

if TYPE_CHECKING:
    from ...sitepackages.model import PackagesFolder


def read_packages_folder(text: str, options: Options) -> FolderFacts:
    """The facts of a folder of packages, and of the base that it is meant for.

    :raises ProjectError: as :func:`~dagger_aml.sitepackages.read.read_folder`. :raises UsageError: no such base.
    """
    from ...sitepackages.read import read_folder

    path = Path(text).absolute()
    base = chosen_bases(path.parent, options)[0]
    return FolderFacts(read_folder(in_environment(path) or path), base, catalog.assumed(base))


@frozen(slots=False)
class FolderFacts(Known):
    """A folder of packages and its base.

    :param packages_folder: what lies in it.
    :param reference: of the base. :param base: what is known of it.
    """

    packages_folder: PackagesFolder | None = None
    reference: From | None = None
    base: BaseFacts | None = None

    @property
    def input(self) -> Input:
        """The kind of input."""
        return "folder of packages"

    @cached_property
    def base_python(self) -> str | None:
        """The base's Python, ``3.12``."""
        return self.base.python if self.base else None

    @cached_property
    def machine(self) -> str | None:
        """The base's, as ``uname -m`` has it."""
        platform = "/".join(self.reference.platform.split("/")[:2]) if self.reference else ""
        return MACHINES.get(platform)

    @cached_property
    def base_glibc(self) -> tuple[int, int] | None:
        """The version of the base's C library; (0, 0) where that is another one."""
        if self.base is None or self.reference is None:
            return None
        if self.base.full_python and not self.base.glibc:
            return 0, 0
        return self.base.glibc_version or glibc_of(self.reference)

    @cached_property
    def base_packages(self) -> Mapping[str, str] | None:
        """The versions of the base's packages by their normalised names; empty ones where only names are known."""
        if self.base is None or self.reference is None:
            return None
        from packaging.utils import canonicalize_name

        from ...requirements.brings import with_needs

        if self.base.distributions is not None:
            return {canonicalize_name(each.name): each.version for each in self.base.distributions}
        image = catalog.find(self.reference.reference)
        return dict.fromkeys(with_needs(image.packages), "") if image and image.packages is not None else None
