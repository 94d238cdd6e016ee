"""What a folder of installed packages holds, as data."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal

from attrs import field
from packaging.utils import NormalizedName, canonicalize_name

from ..base.facts import Distribution
from ..data import frozen


@frozen
class Binary:
    """A compiled file.

    :param path: below the folder, with slashes.
    :param kind: ``elf`` of Linux, ``macho`` of macOS, ``pe`` of Windows.
    :param machine: ``x86_64`` or ``aarch64``; empty where the file does not say it in a known way.
    :param glibc: the oldest C library that it can be loaded with; None where it needs none of a version.
    :param musl: whether it needs musl's C library.
    :param module: what Python imports it as, below the folder and with slashes, ``numpy/linalg/_umath_linalg``; empty
        for a library.
    :param python: the Python that alone imports it, ``3.12``, with a ``t`` behind it where that has no global lock;
        empty where its name tells none.
    """

    path: str
    kind: Literal["elf", "macho", "pe"]
    machine: str = ""
    glibc: tuple[int, int] | None = None
    musl: bool = False
    module: str = ""
    python: str = ""


@frozen
class Package:
    """What the metadata of one package says.

    :param folder: of its metadata, ``numpy-2.3.5.dist-info``.
    :param distribution: its name, its version and what it requires.
    :param python: the Pythons that it says it runs on, ``>=3.11``; empty where it says nothing.
    :param tags: of the wheel that it was installed from, ``cp312-cp312-manylinux_2_28_x86_64``.
    :param editable: where its code lies, if that is elsewhere.
    :param modules: the names at the top of the folder that it brought; empty where that is not recorded.
    :param binaries: compiled files that it brought.
    """

    folder: str
    distribution: Distribution
    python: str = ""
    tags: tuple[str, ...] = ()
    editable: str = ""
    modules: frozenset[str] = frozenset()
    binaries: tuple[Binary, ...] = ()

    @property
    def name(self) -> str:
        """As its metadata has it."""
        return self.distribution.name

    @property
    def key(self) -> NormalizedName:
        """Its name as it is compared."""
        return canonicalize_name(self.name)

    @property
    def title(self) -> str:
        """``numpy 2.3.5``"""
        return f"{self.name} {self.distribution.version}"


@frozen
class PathFile:
    """A ``.pth`` or ``.egg-link`` file.

    :param adds: the folders that it puts on ``sys.path``, as they are written.
    :param runs: whether it has a line of code.
    """

    name: str
    adds: tuple[str, ...] = ()
    runs: bool = False


@frozen(slots=False)
class PackagesFolder:
    """A folder of installed packages.

    :param path: absolute.
    :param packages: by the names of their metadata's folders.
    :param modules: what can be imported of it at the top, with the file or folder that gives it.
    :param path_files: that lie at the top.
    :param links: out of the folder, each with where it leads as it is written.
    :param unreadable: what others than its owner and group may not read, or enter.
    :param loose: compiled files that no package records.
    """

    path: Path
    packages: tuple[Package, ...] = ()
    modules: dict[str, str] = field(factory=dict)
    path_files: tuple[PathFile, ...] = ()
    links: dict[str, str] = field(factory=dict)
    unreadable: tuple[str, ...] = ()
    loose: tuple[Binary, ...] = ()
    files: frozenset[str] = field(factory=frozenset, repr=False)

    @cached_property
    def by_package(self) -> tuple[tuple[str, tuple[Binary, ...]], ...]:
        """The compiled files with the package that brought them, or the folder where none says so."""
        found = [(each.name, each.binaries) for each in self.packages if each.binaries]
        tops: dict[str, list[Binary]] = {}
        for binary in self.loose:
            tops.setdefault(binary.path.partition("/")[0].partition(".")[0], []).append(binary)
        return (*found, *((name, tuple(each)) for name, each in tops.items()))
