"""The packages of the environment in which the user works, and which of them gives an import."""

from __future__ import annotations

import inspect
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cached_property
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from ..data import define, frozen

_NO_MODULE = re.compile(r".*\.(dist-info|egg-info|data|libs|pth)\Z|__pycache__\Z|\.\.\Z|__editable__.*")


@frozen
class Package:
    """An installed package.

    :param source: where it is from when that is no index: ``a folder``, ``git`` or ``a URL``; else None.
    """

    name: str
    version: str
    source: str | None = None


@define(slots=False)
class Installed:
    """What is installed in some folders.

    :param python: ``3.11``, or None where it cannot be told.
    :param paths: ``site-packages`` folders.
    :param shown: how a person knows the environment.
    """

    python: str | None
    paths: tuple[str, ...]
    shown: str

    def has(self, top: str) -> bool:
        """Whether some package gives this top-level name."""
        return top in self._modules

    def find(self, module: str, names: Iterable[str] = ()) -> tuple[Package, ...]:
        """The packages that give a module: none, one, or several that cannot be told apart.

        :param names: what is imported from it: ``identity`` of ``azure`` is another package than ``azure`` alone.
        """
        top, *below = module.split(".")
        found = self._modules.get(top, ())
        if len(found) > 1:
            wanted = ["/".join([top, *below, name]) for name in names]
            for paths in (wanted, *(["/".join([top, *below[:end]])] for end in range(len(below), 0, -1))):
                some = [each for each in found if any(_gives(each, path) for path in paths)]
                if some:
                    found = tuple(some)
                    break
        made = {package.name: package for package in map(_package, found)}
        return tuple(sorted(made.values(), key=lambda each: each.name))

    @cached_property
    def _modules(self) -> Mapping[str, tuple[Distribution, ...]]:
        found: dict[str, list[Distribution]] = {}
        seen: set[str] = set()
        for each in distributions(path=list(self.paths)):
            try:
                said = each.metadata
            except FileNotFoundError:  # From Python 3.15 on, where there is none.
                continue
            name = said["Name"] if "Name" in said else None  # noqa: SIM401 - its type has no get
            # The first on the path is the one that Python imports; a half-removed one has no name.
            if not name or canonicalize_name(name) in seen:
                continue
            seen.add(canonicalize_name(name))
            for top in _tops(each):
                found.setdefault(top, []).append(each)
        return {top: tuple(each) for top, each in found.items()}


def here(environ: Mapping[str, str] = os.environ) -> Installed:
    """The environment that is activated (``$VIRTUAL_ENV``, else ``$CONDA_PREFIX``), else this program's own.

    dagger-aml is often installed in a place of its own, where the user's packages are not.
    """
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        text = environ.get(variable)
        if not text or Path(text).resolve() == Path(sys.prefix).resolve():
            continue
        folders = [*sorted(Path(text).glob("lib/python3*/site-packages")), Path(text) / "Lib" / "site-packages"]
        paths = tuple(str(folder) for folder in folders if folder.is_dir())
        if paths:
            python = re.search(r"python(3\.\d+)", paths[0])
            return Installed(python[1] if python else None, paths, f"the activated environment (${variable})")
        break
    own = ".".join(map(str, sys.version_info[:2]))
    return Installed(own, tuple(each for each in sys.path if each), "the Python that runs dagger-aml")


def _tops(each: Distribution) -> set[str]:
    """The top-level names that a package gives."""
    declared = set((each.read_text("top_level.txt") or "").split())
    for file in each.files or ():
        first = file.parts[0]
        name = first if len(file.parts) > 1 else inspect.getmodulename(first)
        if name and not _NO_MODULE.match(first):
            declared.add(name)
    if not declared & {name for name in declared if name.isidentifier()}:
        # An editable install lists only a .pth; its import has its name, as far as anybody can tell.
        declared.add(canonicalize_name(each.metadata["Name"]).replace("-", "_"))
    return declared


def _gives(each: Distribution, path: str) -> bool:
    """Whether a package has a module or package at a path such as ``azure/identity``."""
    return any(
        (text := file.as_posix()).startswith(f"{path}/") or text.startswith(f"{path}.") for file in each.files or ()
    )


def _package(each: Distribution) -> Package:
    return Package(each.metadata["Name"], each.version, _source(each))


def _source(each: Distribution) -> str | None:
    """Where a package was installed from by name of a place (PEP 610). conda leaves its build folder there."""
    try:
        said = json.loads(each.read_text("direct_url.json") or "{}")
    except ValueError:
        return None
    if not isinstance(said, dict) or "url" not in said or (each.read_text("INSTALLER") or "").strip() == "conda":
        return None
    if "dir_info" in said:
        return "a folder"
    return "git" if "vcs_info" in said else "a URL"
