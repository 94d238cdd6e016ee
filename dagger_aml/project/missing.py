"""Imports that nothing gives: neither the base, as far as the catalog knows it, nor what lists the packages."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from .. import contract
from ..base import catalog
from ..data import frozen
from ..fs.tree import ALWAYS_LEFT_OUT
from ..pysource.needed import Elsewhere, Needed
from ..requirements.read import is_pylock
from .model import Project
from .recipe import recipe_names

if TYPE_CHECKING:
    from ..requirements.brings import Brought
    from ..requirements.model import Requirements

OF_ENVIRONMENTS = frozenset({"pip", "pkg_resources", "setuptools", "wheel"})
"""Modules that an environment is made with; which of them depends on the day."""

_SHIM = "azureml.contrib.services"
"""What the server answers an import of by itself."""

BRING_AT_START = (*contract.EXCLUSIVE_EXTRAS, "AZUREML_EXTRA_CONDA_YAML_ABS_PATH")
"""Variables of the image that bring packages as the container starts."""

_BRING = (*BRING_AT_START, "PYTHONPATH")
"""Variables of the image that bring packages which nobody here sees."""


@frozen
class Missing:
    """A module that is imported and that nothing is known to give.

    :param location: of the import, as the project has it.
    :param packages: that give it, the one to take first; empty where none is known.
    :param sure: whether starting the server runs the import and nothing catches its failure.
    """

    module: str
    location: str
    packages: tuple[str, ...]
    sure: bool


@frozen(slots=False)
class Wanted:
    """What the code imports, met with what is installed.

    :param listed: the packages that the project lists, in a file or by flags; None where nothing lists any.
    :param base: those of the base; None where they are not known.
    :param more: what the list has beside plain packages, which may bring any module: packages with extras, and such
        whose names nobody can tell.
    :param locked: whether the list has all packages that are installed, those that others need too.
    :param unsure: whether modules may come from where nobody here sees: the code installs packages itself.
    """

    project: Project
    found: Elsewhere
    listed: tuple[str, ...] | None
    base: tuple[str, ...] | None
    more: tuple[str, ...]
    locked: bool
    unsure: bool

    @cached_property
    def brought(self) -> Brought:
        """What base and list bring."""
        from ..requirements.brings import brought_by

        return brought_by((*(self.base or ()), *(self.listed or ())))

    @cached_property
    def missing(self) -> tuple[Missing, ...]:
        """The modules that nothing gives, each once, at its first import; those that are sure first."""
        if not self.found.imports:
            return ()
        from ..requirements.import_names import packages_of

        made: dict[str, Missing] = {}
        for each in sorted(self.found.imports, key=lambda each: not each.sure):
            for module in self.brought.missing(each.module, each.names):
                known = packages_of(module)
                name = module if known else module.partition(".")[0] if each.top not in _SHARED else module
                if name not in made and not self._is_own(each, known):
                    made[name] = Missing(name, self._at(each), known, each.sure)
        by_package = {each.packages or (each.module,): each for each in reversed(made.values())}
        return tuple(each for each in made.values() if by_package[each.packages or (each.module,)] is each)

    def may_bring(self, each: Missing) -> tuple[str, ...]:
        """What may bring a missing module all the same, as people call it."""
        if self.unsure:
            return ("what the code itself installs",)
        by_list = self.brought.unknown
        if self.locked and each.packages:
            # A lock names all that is installed: only another build of the same may do, as faiss-gpu for faiss-cpu.
            words = {
                word for name in (each.module, *each.packages) for word in re.findall(r"[a-z0-9]{3,}", name.lower())
            }
            by_list = tuple(name for name in by_list if any(word in name for word in words))
        return (*by_list, *self.more, *(("the base image",) if self.base is None else ()))

    def _at(self, each: Needed) -> str:
        path, _, line = each.location.rpartition(":")
        return self.project.at((self.project.code or self.project.root) / path, int(line))

    def _is_own(self, each: Needed, known: tuple[str, ...]) -> bool:
        """Whether the module lies in the project, where the code may find it by ways of its own."""
        # The server puts its own modules before all others: an import of such a name never fails.
        if each.top in contract.SERVER_MODULES | OF_ENVIRONMENTS or f"{each.module}.".startswith(f"{_SHIM}."):
            return True
        if self.project.preinstalled and _lies_beside(self.project.preinstalled, each.top):
            return True
        return each.top in self._modules if not known else _lies_beside(self.project.root, each.top)

    @cached_property
    def _modules(self) -> frozenset[str]:
        """The names of all modules and packages in the project."""
        return frozenset(_modules_in(self.project.root)) | frozenset(
            _modules_in(self.project.code) if self.project.code else ()
        )


_SHARED = frozenset({"azure", "azureml", "google"})
"""Top names that many packages share."""


def wanted(project: Project, found: Elsewhere | None, requirements: Requirements | None) -> Wanted | None:
    """What the code imports, met with what is installed; None where that cannot be told.

    :param found: what the code imports from elsewhere; None without code.
    :param requirements: what lists the packages, read.
    """
    if found is None or project.recipe not in recipe_names() or any(_set(project.env, name) for name in _BRING):
        return None
    if project.requirements and requirements is None:
        return None
    listed = [*_listed(requirements), *((_name(text), text) for text in project.pip)]
    image = catalog.find(project.base.reference)
    there = image.packages if image else catalog.SERVER if project.server else None
    return Wanted(
        project,
        found,
        tuple(name for name, _ in listed if name) if project.requirements or project.pip else None,
        there,
        tuple(text for name, text in listed if name is None or _has_extras(text)),
        requirements is not None and _is_lock(requirements),
        found.installs,
    )


def _listed(requirements: Requirements | None) -> list[tuple[str | None, str]]:
    """The packages of a list, each by its name, if it can be told, and as it is written."""
    if requirements is None:
        return []
    written = [(each.name, each.text) for each in requirements.listed if not each.constraint]
    return written or [(name, name) for name in requirements.names]


def _name(text: str) -> str | None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(text).name
    except InvalidRequirement:
        return None


def _has_extras(text: str) -> bool:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return bool(Requirement(text).extras)
    except InvalidRequirement:
        return False


def _is_lock(requirements: Requirements) -> bool:
    return requirements.hashes or requirements.path.name == "uv.lock" or is_pylock(requirements.path.name)


def _set(env: Mapping[str, str], name: str) -> bool:
    return bool(env.get(name))


def _lies_beside(folder: Path, top: str) -> bool:
    found = (folder / f"{top}.py").is_file() or (folder / top).is_dir()
    return found or next(folder.glob(f"{top}.*.so"), None) is not None


def _modules_in(root: Path) -> Iterator[str]:
    for _, folders, files in os.walk(root):
        folders[:] = [each for each in folders if not each.startswith(".") and each not in ALWAYS_LEFT_OUT]
        yield from folders
        yield from (each.removesuffix(".py") for each in files if each.endswith(".py"))
