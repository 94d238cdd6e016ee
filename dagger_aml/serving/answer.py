"""Comparing an answer with the expected one, and saying where they part."""

from __future__ import annotations

import json
from typing import Any

_LONGEST = 120


def difference(got: Any, expected: Any, at: str = "$") -> str | None:
    """The first difference between two JSON values, or None. Numbers are equal only exactly; 1 and 1.0 are.

    :param at: the path of the values, as jq and JSONPath write it.
    """
    if isinstance(expected, dict) and isinstance(got, dict):
        for key in expected:
            here = f"{at}.{key}" if key.isidentifier() else f"{at}[{json.dumps(key)}]"
            if key not in got:
                return f"{here} is missing, expected {_short(expected[key])}"
            found = difference(got[key], expected[key], here)
            if found:
                return found
        extra = [key for key in got if key not in expected]
        return f"{at} has {extra[0]!r}, which is not expected: {_short(got[extra[0]])}" if extra else None
    if isinstance(expected, list) and isinstance(got, list):
        for index, (one, two) in enumerate(zip(got, expected, strict=False)):
            found = difference(one, two, f"{at}[{index}]")
            if found:
                return found
        if len(got) != len(expected):
            return f"{at} has {len(got)} items, expected {len(expected)}"
        return None
    if _kind(got) != _kind(expected) or got != expected:
        return f"{at} is {_short(got)}, expected {_short(expected)}"
    return None


def differs(body: str, expected: str) -> str | None:
    """The first difference between the text of an answer and the JSON text that it must be, or None.

    :raises ValueError: ``expected`` is not JSON.
    """
    wanted = json.loads(expected)
    try:
        got = json.loads(body)
    except ValueError:
        return f"the answer is not JSON: {_short(body)}"
    return difference(got, wanted)


def _kind(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number" if isinstance(value, int | float) else type(value).__name__


def _short(value: Any) -> str:
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
