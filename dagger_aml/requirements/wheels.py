"""Which wheel of each locked package a base takes: by its Python, its platform and its C library."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from ..data import frozen
from ..errors import ProjectError
from ..graph.wheel_files import LockedPackage, Wheel, WheelFile
from ..graph.wheels import LockedWheels, Wheels
from ..text import named
from .model import Locked, LockedFile, Requirements, as_a_secret, has_password
from .read import is_pylock
from .targets import MACHINES, PATCHES, marker_environment

ASSUMED_GLIBC = (2, 31)
"""Of a base that was not asked: that of Ubuntu 20.04, the oldest that the catalog's images are made of."""


@frozen
class Home:
    """Where wheels are to be used.

    :param python: such as ``3.12``.
    :param platform: ``linux/amd64`` or ``linux/arm64``.
    :param full_python: such as ``3.12.4``; empty where it is not known.
    :param glibc: the version of the C library; :data:`ASSUMED_GLIBC` where it is not known.
    """

    python: str
    platform: str
    full_python: str = ""
    glibc: tuple[int, int] = ASSUMED_GLIBC

    @property
    def versions(self) -> tuple[str, ...]:
        """What its Python may be, to the last number."""
        return (self.full_python,) if self.full_python else tuple(f"{self.python}.{each}" for each in PATCHES)

    def meets(self, marker: str) -> bool:
        """Whether a marker holds there, or may; an empty one does."""
        return not marker or any(Marker(marker).evaluate(each) for each in self._environments())

    def allowed(self, pythons: str) -> bool:
        """Whether its Python is, or may be, in a range."""
        return not pythons or any(SpecifierSet(pythons).contains(each, True) for each in self.versions)

    def _environments(self) -> Iterator[dict[str, str]]:
        for full in self.versions:
            yield {**marker_environment(self.python, full, self.platform), "extra": ""}


def locked_wheels(found: Requirements, *, checked: bool = True, python: str | None = None) -> LockedWheels:
    """The wheels of a lock, of whatever Python and platform.

    :param checked: whether what they require is to be looked for.
    :param python: the base's, as far as it is known, for the hint.
    :raises ProjectError: it is a list that names no files and digests; the hint has the lock that lies beside it, and
        the line that makes one.
    """
    if not found.locked:
        raise ProjectError(
            "does not name each wheel with its digest, so its packages cannot be copied as files",
            location=str(found.path),
            hint=_use_a_lock(found, python),
        )
    return LockedWheels([_package(each) for each in found.locked], found.path.name, checked)


def _use_a_lock(found: Requirements, python: str | None) -> str:
    line = lock_line(found, python)
    lock = next(iter(locks_beside(found.path)), None)
    if lock is None:
        return f"Make a lock of it, and use that as the list of packages:\n{line}"
    return f"{lock.name} beside it is a lock: use that, {named('requirements', lock)}. Or make one:\n{line}"


def locks_beside(listed: Path) -> tuple[Path, ...]:
    """The locks in a list's folder other than itself, in the order in which they would be taken for a project's."""
    found = sorted(each for each in listed.parent.glob("*.*") if is_pylock(each.name) and each.is_file())
    found.sort(key=lambda each: each.name != "pylock.toml")
    uv = listed.with_name("uv.lock")
    return tuple(each for each in (*found, *([uv] if uv.is_file() else [])) if each != listed)


def _package(locked: Locked) -> LockedPackage:
    for file in locked.files:
        if has_password(file.url):
            raise ProjectError("a URL has a password or token in it", location=locked.location, hint=as_a_secret())
    files = tuple(
        WheelFile(each.filename, each.sha256, each.url, each.path, each.size)
        for each in locked.files
        if each.sha256 and _is_wheel(each)
    )
    return LockedPackage(
        locked.name, locked.version, locked.marker, locked.python, files, locked.source, locked.location
    )


def _is_wheel(file: LockedFile) -> bool:
    try:
        parse_wheel_filename(file.filename)
    except InvalidWheelFilename:
        return False
    return bool(file.path) or file.url.startswith(("http://", "https://"))


def lock_line(found: Requirements, python: str | None = None) -> str:
    """The command that makes a lock of a list."""
    version = f"--python-version {python} " if python else ""
    return f"uv pip compile --format pylock.toml --universal {version}{shlex.quote(found.path.name)} -o pylock.toml"


def choose(locked: LockedWheels, home: Home) -> tuple[Wheel, ...]:
    """The wheels that a base is to have, one of each package that it needs, in the order of their names.

    :raises ProjectError: a package has no wheel that fits there.
    """
    if home.platform not in MACHINES:
        raise ProjectError(
            f"which wheels fit {home.platform} is not known",
            location=locked.lock,
            hint="Use linux/amd64 or linux/arm64, or have pip install the packages: "
            f"{named('packages_as', 'installed')}.",
        )
    found: dict[str, Wheel] = {}
    for package in locked.packages:
        if not home.meets(package.marker):
            continue
        wheel = _chosen(package, home)
        if found.setdefault(canonicalize_name(package.name), wheel) != wheel:
            raise ProjectError(
                f"the lock has two versions of {package.name} for Python {home.full_python or home.python}",
                location=package.location,
                hint=f"Lock again for the base image's Python; with {named('probe')} its last number is known too.",
            )
    return tuple(found[name] for name in sorted(found))


def _chosen(package: LockedPackage, home: Home) -> Wheel:
    title = f"{package.name} {package.version}".strip()
    if not home.allowed(package.python):
        raise ProjectError(
            f"{title} is for Python {package.python}, but the base image has {home.full_python or home.python}",
            location=package.location,
            hint="Lock again for the base image's Python.",
        )
    ranks = _ranks(home.python, home.platform, home.glibc)
    fitting = []
    for file in package.files:
        _, _, build, tags = parse_wheel_filename(file.filename)
        known = [ranks[tag] for tag in tags if tag in ranks]
        if known:
            # Of wheels for the same tag the later build counts, as for pip.
            fitting.append((-min(known), build, file))
    if fitting:
        return Wheel(package.name, package.version, max(fitting, key=lambda each: each[:2])[2])
    raise ProjectError(
        f"the lock has no wheel of {title} for Python {home.python} on {home.platform} with glibc "
        f"{home.glibc[0]}.{home.glibc[1]}: {_what_there_is(package)}",
        location=package.location,
        hint="Lock a version that has such a wheel; or build one (pip wheel --no-deps), keep it in the project and "
        f"lock it; or have pip install the packages: {named('packages_as', 'installed')}.",
    )


def _what_there_is(package: LockedPackage) -> str:
    if package.files:
        more = len(package.files) - 1
        return f"only {package.files[0].filename}" + (f" and {more} more" if more else "")
    return "only a source archive" if package.source else "no file with a SHA-256"


@lru_cache
def _ranks(python: str, platform: str, glibc: tuple[int, int]) -> dict[Tag, int]:
    """What fits, the best first, as the base's own pip would rank it."""
    machine, version = MACHINES[platform], [int(part) for part in python.split(".")]
    platforms = list(_platforms(machine, glibc))
    interpreter = f"cp{version[0]}{version[1]}"
    tags = [*cpython_tags(version, platforms=platforms), *compatible_tags(version, interpreter, platforms)]
    return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}


def _platforms(machine: str, glibc: tuple[int, int]) -> Iterator[str]:
    legacy = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    least = 5 if machine == "x86_64" else 17
    for minor in range(glibc[1], least - 1, -1):
        yield f"manylinux_2_{minor}_{machine}"
        if minor in legacy and (machine == "x86_64" or minor == 17):
            yield f"{legacy[minor]}_{machine}"
    yield f"linux_{machine}"


LARGE = 20_000_000
"""Bytes of a wheel that is a layer of its own."""

MOST_LAYERS = 60
"""Of packages, in one image: 125 are all that it may have."""


def in_layers(wheels: Sequence[Wheel]) -> tuple[tuple[Wheel, ...], ...]:
    """Wheels as the layers that they become: a large one alone, the others together, at most :data:`MOST_LAYERS`.

    The largest of the large ones are alone, so that a changed small package sends nothing of them. Where the lock
    does not say how large a wheel is, one that is for a platform counts as large.
    """
    large = sorted((each for each in wheels if _size(each) > LARGE), key=_size, reverse=True)
    alone = {each.name for each in large[: MOST_LAYERS - 1]}
    rest = tuple(each for each in wheels if each.name not in alone)
    return (*((each,) for each in wheels if each.name in alone), *((rest,) if rest else ()))


def _size(wheel: Wheel) -> int:
    if wheel.file.size is not None:
        return wheel.file.size
    return 0 if wheel.file.filename.endswith("-any.whl") else LARGE + 1


def make(locked: LockedWheels, wheels: Sequence[Wheel], home: Home, *, bytecode: bool) -> Wheels:
    """Chosen wheels as a source."""
    return Wheels(home.python, home.platform, wheels, bytecode, locked.lock, locked.checked)
