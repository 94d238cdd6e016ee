"""Where a value is from, as data, and which of several values wins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any

from attrs import field

from ..data import frozen
from ..errors import GraphError, UsageError
from ..finding import FileLocation
from ..text import named


class Rank(IntEnum):
    """The kinds of origins; what is higher wins."""

    DEFAULT = 0
    FOUND = 1
    DEPLOYMENT = 2
    FILE = 3
    VARIABLE = 4
    FLAG = 5


@frozen
class Origin:
    """Where a value is from; its text is for people alone, and nothing reads it back.

    :param setting: its name, as ``base``, of a flag or of an argument.
    :param variable: its name without ``$``, of an environment variable.
    :param file: how messages name it, of a file; ``line`` from 1, None where the whole file says it.
    :param path: where that file is.
    """

    rank: Rank
    setting: str | None = None
    variable: str | None = None
    file: str | None = None
    line: int | None = None
    path: Path | None = field(default=None, eq=False, repr=False)

    @property
    def location(self) -> str:
        """As a finding's location: of a file, with where it is; of a setting, with its name."""
        if self.setting:
            return named(self.setting)
        return FileLocation(self.file, self.path, self.line) if self.file and self.path else str(self)

    def __str__(self) -> str:
        if self.setting:
            return named(self.setting)
        if self.variable:
            return f"${self.variable}"
        if self.file:
            return self.file if self.line is None else f"{self.file}:{self.line}"
        return self.rank.name.lower()


DEFAULT, FOUND = Origin(Rank.DEFAULT), Origin(Rank.FOUND)


@frozen
class Stated:
    """A value and where it is from."""

    value: Any
    origin: Origin

    @property
    def is_said(self) -> bool:
        """Whether a flag, a variable or a file says it; else it is found, or a default."""
        return self.origin.rank >= Rank.DEPLOYMENT

    @property
    def is_typed(self) -> bool:
        """Whether a flag or a variable says it: paths are then relative to the working directory."""
        return self.origin.rank >= Rank.VARIABLE


def best(stated: Iterable[Stated]) -> Stated:
    """What wins: the highest rank, of equal ones the first. This is the one place that decides precedence."""
    return max(stated, key=lambda each: each.origin.rank)


@contextmanager
def located(origin: Origin | str | None, *, always: bool = False) -> Iterator[None]:
    """Give an error of the block the origin as its place, unless it has a nearer one.

    :param always: even if it has one, as where a check knows only the name of a field.
    """
    try:
        yield
    except (UsageError, GraphError) as error:
        if origin is not None and (always or not error.location):
            error.location = origin.location if isinstance(origin, Origin) else origin
        raise
