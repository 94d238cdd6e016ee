"""Classes by our own decorators do what attrs' own do."""

from __future__ import annotations

import copy
import math
import pickle
import re
from pathlib import Path
from typing import Any

import attrs
import pytest

from dagger_aml import data
from tests.support.cases import for_each

FIELDS: dict[str, Any] = {
    "plain": attrs.field(),
    "_private": attrs.field(default=2, alias="private"),
    "unseen": attrs.field(default=3, repr=False),
    "masked": attrs.field(default=4, repr=lambda value: f"<{value}>"),
    "aside": attrs.field(default=5, eq=False),
}


def made(decorator: Any, fields: dict[str, Any] | None = None, *bases: type, **said: Any) -> Any:
    """A class of these fields."""
    body = FIELDS if fields is None else fields
    cls = type("Thing", bases, {**body, "__annotations__": dict.fromkeys(body, "Any"), "__module__": __name__})
    return decorator(**said)(cls) if said else decorator(cls)


PAIRS = [(data.frozen, attrs.frozen), (data.define, attrs.define)]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_they_are_shown_and_compared_as_attrs_has_it(ours: Any, theirs: Any) -> None:
    mine, other = made(ours), made(theirs)
    for cls in (mine, other):
        assert repr(cls(1)) == "Thing(plain=1, _private=2, masked=<4>, aside=5)"
        assert cls(1) == cls(1)
        assert cls(1) != cls(2) and cls(1) != cls(1, private=0) and cls(1) != cls(1, unseen=0)
        assert cls(1) == cls(1, aside=0)
        assert cls(1) != made(ours)(1) and cls(1) != (1, 2, 3, 4) and cls(1) != 1
        assert attrs.evolve(cls(1), plain=2) == cls(2) and copy.deepcopy(cls(1)) == cls(1)
        assert not hasattr(cls(1), "__dict__")
    frozen = theirs is attrs.frozen
    for cls in (mine, other):
        assert frozen == (cls.__hash__ is not None)
        if frozen:
            assert hash(cls(1)) == hash(cls(1, aside=0)) and {cls(1): "x"}[cls(1)] == "x"
            with pytest.raises(attrs.exceptions.FrozenInstanceError):
                cls(1).plain = 2


@for_each(("ours", "theirs"), PAIRS)
@for_each("said", [{"eq": False}, {"repr": False}, {"slots": False}, {"kw_only": True}])
def test_what_is_said_of_a_class_holds(ours: Any, theirs: Any, said: dict[str, Any]) -> None:
    values = {"plain": 1}
    mine, other = made(ours, **said), made(theirs, **said)
    assert (mine(**values) == mine(**values)) == (other(**values) == other(**values))
    assert (mine.__hash__ is None) == (other.__hash__ is None)
    assert repr(mine(**values)).partition(" at 0x")[0] == repr(other(**values)).partition(" at 0x")[0]
    assert hasattr(mine(**values), "__dict__") == hasattr(other(**values), "__dict__")


def test_ordered_ones_are_ordered() -> None:
    for cls in (
        made(data.frozen, {"a": attrs.field()}, order=True),
        made(attrs.frozen, {"a": attrs.field()}, order=True),
    ):
        assert sorted([cls(2), cls(1)]) == [cls(1), cls(2)] and cls(1) <= cls(1)


@pytest.mark.parametrize("decorator", [data.frozen, attrs.frozen])
def test_what_a_class_has_of_its_own_stays(decorator: Any) -> None:
    @decorator
    class Own:
        a: int = 1

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    @decorator
    class Hashed:
        a: int = 1

        def __hash__(self) -> int:
            return 8

    assert repr(Own()) == "own" and Own(1) == Own(2) and hash(Own()) == 7
    assert hash(Hashed()) == 8 and Hashed(1) != Hashed(2)


@pytest.mark.parametrize("decorator", [data.frozen, attrs.frozen])
def test_without_fields_and_with_those_of_a_base(decorator: Any) -> None:
    empty = made(decorator, {})
    assert empty() == empty() and hash(empty()) == hash(empty()) and repr(empty()) == "Thing()"
    base = made(decorator, {"a": attrs.field()})
    below = made(decorator, {"b": attrs.field()}, base)
    assert below(1, 2) != below(1, 3) and below(1, 2) != below(0, 2) and below(1, 2) == below(1, 2)
    assert base(1) != below(1, 2) and repr(below(1, 2)) == "Thing(a=1, b=2)"
    with pytest.raises(TypeError):
        hash(base([]))


@data.define
class Loop:
    """One that may hold itself."""

    inner: Any = None


def test_one_within_itself_is_shown() -> None:
    loop = Loop()
    loop.inner = loop
    assert repr(loop) == "Loop(inner=...)"
    assert pickle.loads(pickle.dumps(Loop(3))) == Loop(3)
    assert Loop(math.nan) != Loop(1)


def test_every_class_of_the_package_is_made_so() -> None:
    theirs = re.compile(r"from attrs? import .*\b(frozen|define)\b|@attrs?\.")
    files = [each for each in Path(data.__file__).parent.rglob("*.py") if each.name != "data.py"]
    assert [str(each) for each in files if theirs.search(each.read_text(encoding="utf-8"))] == []
