"""Packages as files: wheels of a lock, each known by its digest, unpacked by us and run by nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field

from ..data import frozen
from ..errors import GraphError
from ..text import pattern
from .checks import as_tuple, short

if TYPE_CHECKING:
    from .wheel_files import LockedPackage, Wheel

_PYTHON = pattern(r"[0-9]+\.[0-9]+\Z")


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

    python: str = field()
    platform: str
    wheels: tuple[Wheel, ...] = field(converter=as_tuple)
    bytecode: bool = False
    lock: str = field(default="", eq=False)
    checked: bool = field(default=True, eq=False)

    @python.validator
    def _check_python(self, _: Any, python: object) -> None:
        if not isinstance(python, str) or not _PYTHON.match(python):
            raise GraphError(f"not a version of Python such as 3.12: {short(str(python))}")

    @property
    def size(self) -> int:
        """Bytes of the wheels, of those of which it is known."""
        return sum(each.file.size or 0 for each in self.wheels)


@frozen
class LockedWheels:
    """The wheels of a lock, for whatever Python and platform; ``resolve`` makes :class:`Wheels` of them.

    :param lock: its name, such as ``pylock.toml``.
    :param checked: as of :class:`Wheels`.
    """

    packages: tuple[LockedPackage, ...] = field(converter=as_tuple)
    lock: str = field(default="", eq=False)
    checked: bool = field(default=True, eq=False)
