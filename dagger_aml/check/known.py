"""What is common to the facts of every kind of input."""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any, Literal, TypeVar

from attrs import fields

from ..data import frozen

_Grown = TypeVar("_Grown", bound="Known")


Input = Literal["project", "deployment file", "Dockerfile", "folder of packages", "list of packages", "image"]
"""The kinds of input, as messages and tables have them."""


@frozen(slots=False)
class Known:
    """What a rule may know of an input, each fact by its name: a field, or a property that finds it once when a rule
    first asks. What does not hold for an input is None, and the rules that take it are silent."""

    @property
    def input(self) -> Input:
        """The kind of input of which these are the facts."""
        raise NotImplementedError

    def grown(self, kind: type[_Grown], **more: Any) -> _Grown:
        """These facts and more; what was found already is kept."""
        given = {each.name: getattr(self, each.name) for each in fields(type(self))}
        made = kind(**{**given, **more})
        vars(made).update({name: value for name, value in vars(self).items() if name not in vars(made)})
        return made

    @classmethod
    @cache
    def names(cls) -> frozenset[str]:
        """The facts that a rule may take of this kind."""
        found = {each.name for each in fields(cls)}
        return frozenset(found | {name for name in dir(cls) if isinstance(getattr(cls, name), cached_property)})

    @classmethod
    @cache
    def are_first(cls, takes: tuple[str, ...]) -> bool:
        """Whether facts of this class have all that a rule takes, and those with which they began did not yet."""
        needs = set(takes)
        return [each for each in cls.__mro__ if issubclass(each, Known) and each.names() >= needs] == [cls]
