"""Values that stand for others, such as ``<endpoint_name>``: templates that are to be filled in first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .document import Document

_PLACEHOLDER = re.compile(r"<[A-Za-z][\w .-]*>|\{\{.*?\}\}|\$\{\{.*?\}\}|\$\{\w+\}|\$\([\w.]+\)")


def placeholder_in(text: object) -> str | None:
    """The first part of a text that is to be filled in; None where there is none."""
    found = _PLACEHOLDER.search(text) if isinstance(text, str) else None
    return found[0] if found else None


def refuse_placeholder(document: Document, *keys: str | int) -> None:
    """See that a value is filled in, where the image depends on it.

    :raises ProjectError: it is not.
    """
    value: Any = document.data
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    if found := placeholder_in(value):
        raise document.error(
            f"`{'.'.join(map(str, keys))}` is not filled in: {found}",
            *keys,
            hint=f"Put a value in the place of {found} first.",
        )


def placeholders(value: object, *keys: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """All that are to be filled in within a value, each with its keys."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from placeholders(inner, *keys, str(key))
    elif found := placeholder_in(value):
        yield keys, found
