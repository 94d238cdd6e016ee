"""Whether a lock has something to install on a Python and a platform: its markers and its wheels, beside theirs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from ..data import frozen
from .model import Locked, Requirements

if TYPE_CHECKING:
    from packaging.tags import Tag

PYTHONS: Final = tuple(f"3.{minor}" for minor in range(8, 17))
"""Those that bases may have."""


MACHINES: Final = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}


_LAST_GLIBC: Final = 60
"""How new a base's C library may be is not known; a wheel for a newer one than there is can only be told by pip."""


PATCHES: Final = (0, 99)
"""A base's Python is known without its last number: what holds for one of these may hold."""


def is_known(platform: str) -> bool:
    """Whether it is known here what wheels and markers of a platform say."""
    return platform in MACHINES


def marker_environment(python: str, full: str, platform: str) -> dict[str, str]:
    """The variables of markers on a base.

    :param python: such as ``3.12``, and :param full: to its last number.
    :param platform: one that :func:`is_known`.
    """
    return {
        "implementation_name": "cpython",
        "implementation_version": full,
        "os_name": "posix",
        "platform_machine": MACHINES[platform],
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": full,
        "python_version": python,
        "sys_platform": "linux",
    }


@frozen
class Target:
    """What a base is.

    :param python: such as ``3.12``.
    :param platform: ``linux/amd64`` or ``linux/arm64``.
    """

    python: str
    platform: str

    def environments(self) -> Iterator[dict[str, str]]:
        """The variables of markers there, once for each last number that its Python may have."""
        for patch in PATCHES:
            yield marker_environment(self.python, f"{self.python}.{patch}", self.platform)

    def meets(self, marker: str) -> bool:
        """Whether a marker holds there, or may; an empty one does."""
        from packaging.markers import Marker

        return not marker or any(Marker(marker).evaluate(dict(each)) for each in self.environments())

    def allowed(self, pythons: str) -> bool:
        """Whether its Python, or one with another last number, is in a range."""
        from packaging.specifiers import SpecifierSet

        return not pythons or any(SpecifierSet(pythons).contains(f"{self.python}.{patch}") for patch in PATCHES)

    def takes(self, wheel: str) -> bool:
        """Whether pip there takes a wheel of this name; a name that is none of a wheel's is left to pip."""
        from packaging.utils import InvalidWheelFilename, parse_wheel_filename

        try:
            return not _tags(self).isdisjoint(parse_wheel_filename(wheel)[3])
        except InvalidWheelFilename:
            return True


@lru_cache
def _tags(target: Target) -> frozenset[Tag]:
    from packaging.tags import compatible_tags, cpython_tags

    machine = MACHINES[target.platform]
    glibc = ("manylinux1", "manylinux2010", "manylinux2014", *(f"manylinux_2_{n}" for n in range(5, _LAST_GLIBC)))
    musl = [f"musllinux_1_{n}" for n in range(1, 10)]
    platforms = [f"{each}_{machine}" for each in ("linux", *glibc, *musl)]
    version = tuple(int(part) for part in target.python.split("."))
    interpreter = f"cp{version[0]}{version[1]}"
    ours = cpython_tags(version, platforms=platforms)
    return frozenset((*ours, *compatible_tags(version, interpreter, platforms)))


@frozen
class Misfit:
    """Why a lock cannot be used somewhere.

    :param reason: half a sentence.
    :param location: of what it is about in the lock.
    """

    reason: str
    location: str


def misfit(found: Requirements, target: Target) -> Misfit | None:
    """The first reason for which a lock has not what a base needs; None where it has."""
    if found.environments and not any(map(target.meets, found.environments)):
        shown = ", ".join(found.environments)
        return Misfit(f"it was made for environments where {shown}", str(found.path))
    for each in found.locked:
        if not target.meets(each.marker):
            continue
        if not target.allowed(each.python):
            return Misfit(f"{each.name} in it is for Python {each.python}", each.location)
        if not each.source and each.wheels and not any(map(target.takes, each.wheels)):
            return Misfit(f"of {each.name} it has only {_wheels(each)}", each.location)
    return None


def _wheels(locked: Locked) -> str:
    more = len(locked.wheels) - 1
    return locked.wheels[0] + (f" and {more} other wheel{'s' if more > 1 else ''}" if more else "")


def fitting_pythons(found: Requirements, platform: str) -> tuple[tuple[str, ...], Misfit | None]:
    """The Pythons for which a lock has what is needed on a platform, and why it has not for the newest of the others.

    All of them for a platform that is not known here, and for what is no lock.
    """
    if platform not in MACHINES or not (found.environments or found.locked):
        return PYTHONS, None
    misfits = {python: misfit(found, Target(python, platform)) for python in PYTHONS}
    why = [each for each in misfits.values() if each is not None]
    return tuple(python for python, each in misfits.items() if each is None), (why[-1] if why else None)
