"""Packages as files: wheels of a lock, each known by its digest, unpacked by us and run by nobody."""

from __future__ import annotations

import re
from typing import Any

from attrs import field, frozen

from ..errors import GraphError
from .checks import as_tuple, short

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*\.whl\Z")


_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z")


_PYTHON = re.compile(r"[0-9]+\.[0-9]+\Z")


_URL = re.compile(r"https?://[!-~]+\Z")


def _matching(pattern: re.Pattern[str], what: str, *, empty: bool = False) -> Any:
    """A validator of a text by a pattern."""

    def check(_: Any, attribute: Any, value: object) -> None:
        if empty and value == "":
            return
        if not isinstance(value, str) or not pattern.match(value):
            raise GraphError(f"not {what}: {short(str(value))}")

    return check


@frozen
class WheelFile:
    """One wheel: its name, its digest and where it is.

    :param filename: as wheels are called: ``idna-3.10-py3-none-any.whl``.
    :param sha256: of the file, 64 hexadecimal digits.
    :param url: http(s), where it is fetched from; empty for a file of this machine. Two wheels of one digest are one.
    :param path: of a file of this machine, absolute; empty for what is fetched.
    :param size: bytes; None where nobody says.
    """

    filename: str = field(validator=_matching(_FILE_NAME, "the name of a wheel"))
    sha256: str = field(validator=_matching(_SHA256, "a SHA-256 in hexadecimal"))
    url: str = field(default="", eq=False, validator=_matching(_URL, "an http or https URL", empty=True))
    path: str = field(default="", eq=False)
    size: int | None = field(default=None, eq=False)

    def __attrs_post_init__(self) -> None:
        if bool(self.url) == bool(self.path):
            raise GraphError(f"a wheel needs a URL or a path, and not both: {self.filename}")


@frozen
class Wheel:
    """The wheel that was chosen for a package.

    :param name: of the package.
    :param version: of the package; empty where its lock does not say.
    """

    name: str = field(validator=_matching(_NAME, "the name of a package"))
    version: str
    file: WheelFile


@frozen
class Wheels:
    """A tree of wheels, unpacked side by side: a source of every back end, fetched when one needs it.

    :param python: such as ``3.12``, whose packages they are.
    :param platform: such as ``linux/amd64``.
    :param wheels: in the order of their names.
    :param bytecode: whether their modules are compiled, which takes a Python of that version here.
    :param lock: name of the lock that they are of, for messages.
    :param checked: whether what they require is looked for among them and in the base.
    """

    python: str = field(validator=_matching(_PYTHON, "a version of Python such as 3.12"))
    platform: str
    wheels: tuple[Wheel, ...] = field(converter=as_tuple)
    bytecode: bool = False
    lock: str = field(default="", eq=False)
    checked: bool = field(default=True, eq=False)

    @property
    def size(self) -> int:
        """Bytes of the wheels, of those of which it is known."""
        return sum(each.file.size or 0 for each in self.wheels)


@frozen
class LockedPackage:
    """A package of a lock with all its wheels, of which ``resolve`` chooses one, or leaves the package out.

    :param marker: where it is to be installed; empty for everywhere.
    :param python: the Pythons that it is for; empty for any.
    :param source: whether there is a source archive too.
    :param location: ``file:line`` in the lock.
    """

    name: str = field(validator=_matching(_NAME, "the name of a package"))
    version: str
    marker: str
    python: str
    files: tuple[WheelFile, ...] = field(converter=as_tuple)
    source: bool = False
    location: str = field(default="", eq=False)


@frozen
class LockedWheels:
    """The wheels of a lock, for whatever Python and platform; ``resolve`` makes :class:`Wheels` of them.

    :param lock: its name, such as ``pylock.toml``.
    :param checked: as of :class:`Wheels`.
    """

    packages: tuple[LockedPackage, ...] = field(converter=as_tuple)
    lock: str = field(default="", eq=False)
    checked: bool = field(default=True, eq=False)
