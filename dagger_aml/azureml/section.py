"""What settings of the SDK are: attributes that may be set at any time, and no others."""

from __future__ import annotations

from typing import Any


class Section:
    """An object whose attributes are those that it was made with: a misspelt one is refused, not set."""

    _made = False

    def __setattr__(self, name: str, value: Any) -> None:
        # Looked up on the class: hasattr(self, …) would run a property, which may ask a credential helper.
        if self._made and name not in vars(self) and not hasattr(type(self), name):
            import difflib

            near = difflib.get_close_matches(name, [each for each in dir(self) if not each.startswith("_")], 1)
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}" + (f"; did you mean {near[0]}?" if near else "")
            )
        super().__setattr__(name, value)
