"""attrs' decorators, with functions for all classes where attrs would compile some for each.

To compile how a class is shown, compared and hashed is more than half of the time in which it is made, and over a
hundred are made whenever a command starts: some 40 ms of a push. What they do is what attrs' own do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # As attrs' own to a type checker, which knows these by their names.
    from attrs import define, frozen
else:
    from operator import attrgetter
    from reprlib import recursive_repr

    import attrs

    def define(cls: type | None = None, **said: Any) -> Any:
        """As :func:`attrs.define`."""
        return _made(attrs.define, None, cls, said)

    def frozen(cls: type | None = None, **said: Any) -> Any:
        """As :func:`attrs.frozen`."""
        return _made(attrs.frozen, _hashed, cls, said)

    def _made(decorator: Any, hashed: Any, cls: type | None, said: dict[str, Any]) -> Any:
        """A class by one of attrs' decorators, which leaves alone what the class has already."""
        if cls is None:
            return lambda cls: _made(decorator, hashed, cls, said)
        if said.get("repr", True) and "__repr__" not in vars(cls):
            cls.__repr__ = _shown
        if said.get("order") or not said.get("eq", True) or {"__eq__", "__hash__"} & vars(cls).keys():
            return decorator(cls, **said)
        cls.__eq__, cls.__hash__ = _equal, hashed
        made = decorator(cls, **said)
        names = [each.name for each in attrs.fields(made) if each.eq]
        made._compared = staticmethod(attrgetter(*names) if names else lambda _: ())
        return made

    def _equal(self: Any, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return self._compared(self) == self._compared(other)

    def _hashed(self: Any) -> int:
        return hash((self.__class__, self._compared(self)))

    @recursive_repr()
    def _shown(self: Any) -> str:
        said = (
            f"{each.name}={each.repr(value) if callable(each.repr) else repr(value)}"
            for each in attrs.fields(self.__class__)
            if each.repr
            for value in (getattr(self, each.name, attrs.NOTHING),)
        )
        return f"{self.__class__.__qualname__.rpartition('>.')[2]}({', '.join(said)})"


__all__ = ["define", "frozen"]
