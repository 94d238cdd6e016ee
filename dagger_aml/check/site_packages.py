"""Rules about a folder of installed packages: whether what lies in it can be loaded on the base."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from ..finding import FileLocation, Finding
from ..requirements.targets import PATCHES
from ..text import listed_words
from .rule import rule

if TYPE_CHECKING:
    from ..sitepackages.model import Binary, Package, PackagesFolder

_MOST = 5
"""Names in one sentence."""

_MADE_ANEW = "Make the folder inside the base image: `dagger-aml site-packages PROJECT -o FOLDER`."

_SYSTEMS: Final = {"macho": "macOS", "pe": "Windows"}


@rule("AML901", "error")
def for_another_python(packages_folder: PackagesFolder, base_python: str) -> Iterator[Finding]:
    """Compiled modules of the folder are for another Python than the base's.

    A compiled module has the Python that it was made for in its name, `_multiarray_umath.cpython-311-….so`, and no
    other one finds it: the import ends with `No module named …`.

    Bad `shell`:

        pip install --target libs --python-version 3.11 --only-binary :all: numpy   # and the base has Python 3.12

    Good `shell`:

        pip install --target libs --python-version 3.12 --only-binary :all: numpy

    Silent: modules for the stable ABI (`.abi3.so`); a module that is there for the base's Python too, or in plain
    Python; libraries that are no modules; the name of the folder.
    """
    found: dict[str, list[str]] = {}
    first: Binary | None = None
    for name, binaries in packages_folder.by_package:
        fitting = {each.module for each in binaries if each.python in ("", base_python)}
        for each in binaries:
            plain = {f"{each.module}.py", f"{each.module}/__init__.py"} & packages_folder.files
            if each.python and each.module not in fitting and not plain:
                first = first or each
                found.setdefault(each.python, [])
                if name not in found[each.python]:
                    found[each.python].append(name)
    for python, names in found.items():
        yield Finding(
            f"the base image has Python {base_python}, which does not find the compiled modules that were made for "
            f"Python {python}: {named(names)}",
            location=at(packages_folder, first.path if first else ""),
            hint=_MADE_ANEW,
        )


@rule("AML902", "error")
def for_another_platform(packages_folder: PackagesFolder, machine: str) -> Iterator[Finding]:
    """Packages of the folder are for another system or processor than the base's.

    `pip install --target` on a Mac or on Windows takes the wheels of that system, and in an image of Linux their
    compiled files cannot be loaded. The same goes for wheels of arm64 on an image of amd64.

    Bad `shell`:

        pip install --target libs numpy   # on a Mac

    Good `shell`:

        pip install --target libs --platform manylinux_2_28_x86_64 --only-binary :all: numpy

    Silent: programs and libraries of other systems that a package for the base's own brings with it; wheels for any
    platform; packages of which some compiled file can be loaded.
    """
    found: dict[str, list[str]] = {}
    places: dict[str, str] = {}
    wheels = {each.name: each for each in packages_folder.packages}
    for name, binaries in packages_folder.by_package:
        foreign = _foreign(binaries, _platforms(wheels.get(name)), machine)
        if foreign:
            found.setdefault(_system(foreign), []).append(name)
            places.setdefault(_system(foreign), foreign.path)
    for system, names in found.items():
        yield Finding(
            f"the base image is for Linux on {machine}, which cannot load what was made for {system}: {named(names)}",
            location=at(packages_folder, places[system]),
            hint=_MADE_ANEW,
        )


def _foreign(binaries: Iterable[Binary], platforms: frozenset[str], machine: str) -> Binary | None:
    """The first compiled file of a package for other platforms alone; None where it is for this one too.

    :param platforms: of the tags of its wheel; none where there was no wheel.
    """
    if "any" in platforms or any(
        each.startswith(("manylinux", "linux")) and each.endswith(machine) for each in platforms
    ):
        return None
    told = [each for each in binaries if platforms or each.python]
    return None if any(_fits(each, machine) for each in told) else next(iter(told), None)


def _fits(binary: Binary, machine: str) -> bool:
    return binary.kind == "elf" and binary.machine == machine and not binary.musl


def _system(binary: Binary) -> str:
    if binary.kind == "elf":
        return f"Linux {'with musl ' if binary.musl else ''}on {binary.machine}"
    return _SYSTEMS[binary.kind]


def _platforms(package: Package | None) -> frozenset[str]:
    """The platforms of a wheel's tags."""
    tags = package.tags if package else ()
    return frozenset(each for tag in tags for each in tag.rpartition("-")[2].split("."))


@rule("AML903", "error")
def newer_c_library(packages_folder: PackagesFolder, machine: str, base_glibc: tuple[int, int]) -> Iterator[Finding]:
    """A compiled file of the folder needs a newer C library than the base has.

    What is compiled on a newer system asks for versions of glibc's functions that an older one does not have. The
    import ends with `version 'GLIBC_2.38' not found`. Read of the files themselves; a wheel's name says only what was
    promised.

    Bad `folder`:

        libs/ours/_fast.cpython-312-x86_64-linux-gnu.so   # compiled on Ubuntu 24.04, and the base is Ubuntu 22.04

    Good `shell`:

        dagger-aml site-packages PROJECT -o libs   # compiled in the base image

    Silent: where the base's C library is not known (`--probe` asks); files for another system or processor (AML902
    tells); programs, and libraries of which the package brings a module or file of the same name that can be loaded.
    """
    if base_glibc == (0, 0):
        return
    for name, binaries in packages_folder.by_package:
        newer = [
            each for each in binaries if _fits(each, machine) and each.module and (each.glibc or (0, 0)) > base_glibc
        ]
        if newer:
            needed = max(each.glibc for each in newer if each.glibc)
            yield Finding(
                f"{name} needs glibc {_version(needed)}, and the base image has {_version(base_glibc)}",
                location=at(packages_folder, next(each.path for each in newer if each.glibc == needed)),
                hint=f"Take a wheel for an older one (its name says manylinux_…), or compile it there. {_MADE_ANEW}",
            )


@rule("AML904", "warning")
def says_another_python(packages_folder: PackagesFolder, base_python: str) -> Iterator[Finding]:
    """A package of the folder says that it is not for the base's Python.

    Its metadata name the Pythons that it runs on (`Requires-Python`). pip holds them against the Python that it
    installs for, and nobody does when a folder is copied.

    Bad `folder`:

        libs/ours-2.0.dist-info/METADATA   # Requires-Python: >=3.13, and the base has Python 3.12

    Good `folder`:

        libs/ours-1.9.dist-info/METADATA   # Requires-Python: >=3.11

    Silent: packages that say nothing, and those that AML901 tells of.
    """
    compiled = {
        name
        for name, binaries in packages_folder.by_package
        if any(b.python not in ("", base_python) for b in binaries)
    }
    found = [
        each
        for each in packages_folder.packages
        if each.name not in compiled and each.python and not _allowed(each.python, base_python)
    ]
    if found:
        said = [f"{each.title} ({each.python})" for each in found]
        yield Finding(
            f"the base image has Python {base_python}, for which these packages say they are not made: {named(said)}",
            location=at(packages_folder, f"{found[0].folder}/METADATA"),
            hint=_MADE_ANEW,
        )


def _allowed(pythons: str, python: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        wanted = SpecifierSet(pythons)
    except InvalidSpecifier:
        return True
    return any(wanted.contains(f"{python}.{patch}", prereleases=True) for patch in PATCHES)


def _version(number: tuple[int, int]) -> str:
    return f"{number[0]}.{number[1]}"


def named(names: Iterable[str]) -> str:
    """Some names in a sentence, each once, the last of many by their number."""
    names = list(dict.fromkeys(names))
    more = [f"{len(names) - _MOST} more"] if len(names) > _MOST + 1 else []
    return listed_words([*(names[:_MOST] if more else names), *more])


def at(folder: PackagesFolder, path: str) -> FileLocation:
    """A place in the folder, as people read it: below the folder's own name."""
    return FileLocation(posixpath.join(folder.path.name, path), folder.path / path)
