"""Comparing an answer with the expected one, and saying where they part."""

from __future__ import annotations

import json
import math
from typing import Any

from ..data import define, frozen

_LONGEST = 120


@frozen
class Tolerance:
    """How far a number may lie from the expected one; as of :func:`math.isclose`.

    :param rtol: relative to the larger of the two.
    :param atol: absolute.
    """

    rtol: float = 0.0
    atol: float = 0.0

    def __str__(self) -> str:
        return f"rtol {self.rtol:g}" + (f", atol {self.atol:g}" if self.atol else "")


EXACT = Tolerance()


@frozen
class Comparison:
    """What came of comparing.

    :param difference: the first, with its path as jq and JSONPath write it; None where there is none.
    :param inexact: how many numbers are equal only since a tolerance was given.
    :param furthest: the one of them that lies furthest from what was expected, with its path.
    """

    difference: str | None = None
    inexact: int = 0
    furthest: str = ""


def compare(got: Any, expected: Any, tolerance: Tolerance = EXACT) -> Comparison:
    """Compare two JSON values.

    Two whole numbers are equal only exactly. Of other numbers 1 and 1.0 are equal, and what lies within the
    tolerance; NaN equals NaN, and infinity itself. A number is no text and no truth value.
    """
    walk = _Walk(tolerance)
    return Comparison(walk.difference(got, expected, "$"), walk.inexact, walk.furthest)


def compare_text(body: str, expected: str, tolerance: Tolerance = EXACT) -> Comparison:
    """Compare the text of an answer with the JSON text that it must be.

    :raises ValueError: ``expected`` is not JSON.
    """
    wanted = json.loads(expected)
    try:
        got = json.loads(body)
    except ValueError:
        return Comparison(f"the answer is not JSON: {_short(body)}")
    return compare(got, wanted, tolerance)


@define
class _Walk:
    """Two values, side by side."""

    tolerance: Tolerance
    inexact: int = 0
    furthest: str = ""
    _distance: float = 0.0

    def difference(self, got: Any, expected: Any, at: str) -> str | None:
        """The first difference, or None."""
        if isinstance(expected, dict) and isinstance(got, dict):
            return self._of_objects(got, expected, at)
        if isinstance(expected, list) and isinstance(got, list):
            for index, (one, two) in enumerate(zip(got, expected, strict=False)):
                found = self.difference(one, two, f"{at}[{index}]")
                if found:
                    return found
            if len(got) != len(expected):
                return f"{at} has {len(got)} items, expected {len(expected)}"
            return None
        if _kind(got) != _kind(expected) or (got != expected and not self._near(got, expected, at)):
            return f"{at} is {_short(got)}, expected {_short(expected)}"
        return None

    def _of_objects(self, got: dict[str, Any], expected: dict[str, Any], at: str) -> str | None:
        for key in expected:
            here = f"{at}.{key}" if key.isidentifier() else f"{at}[{json.dumps(key)}]"
            if key not in got:
                return f"{here} is missing, expected {_short(expected[key])}"
            found = self.difference(got[key], expected[key], here)
            if found:
                return found
        extra = [key for key in got if key not in expected]
        return f"{at} has {extra[0]!r}, which is not expected: {_short(got[extra[0]])}" if extra else None

    def _near(self, got: Any, expected: Any, at: str) -> bool:
        """Whether two numbers that are not equal may stand for each other."""
        if _kind(got) != "number" or (isinstance(got, int) and isinstance(expected, int)):
            return False
        try:
            one, two = float(got), float(expected)
        except OverflowError:
            return False
        if math.isnan(one) and math.isnan(two):
            return True
        if not math.isclose(one, two, rel_tol=self.tolerance.rtol, abs_tol=self.tolerance.atol):
            return False
        distance = abs(one - two) / max(abs(one), abs(two))
        self.inexact += 1
        if distance >= self._distance:
            self._distance, self.furthest = distance, f"{at} is {_short(got)}, expected {_short(expected)}"
        return True


def _kind(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number" if isinstance(value, int | float) else type(value).__name__


def _short(value: Any) -> str:
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
