"""Wheels as a graph has them: each known by its digest."""

from __future__ import annotations

import re
from typing import Any

from attrs import field

from ..data import frozen
from ..errors import GraphError
from .checks import as_tuple, short

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*\.whl\Z")


_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z")


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
