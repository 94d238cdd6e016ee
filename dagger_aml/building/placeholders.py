"""``{name}`` and ``{version}`` in what the command line takes: the project's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ..errors import UsageError
from ..project.file import FILE_NAME
from ..project.model import Project
from ..text import named, pattern

_PART = pattern(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")

_VALUES: Mapping[str, Callable[[Project], str | None]] = {
    "name": lambda project: project.name,
    "version": lambda project: project.version,
}


def placeholders(text: str, setting: str) -> frozenset[str]:
    """The names that a text has in braces; ``{{`` and ``}}`` are braces themselves.

    :param setting: the name of what has the text.
    :raises UsageError: an unknown name, or a brace alone.
    """
    found = set()
    for part in _PART.finditer(text):
        if part[0] in ("{{", "}}"):
            continue
        if part[1] not in _VALUES:
            known = " and ".join(f"{{{name}}}" for name in _VALUES)
            what = "unmatched brace" if part[1] is None else f"unknown placeholder: {part[0]}"
            raise UsageError(
                f"{what} in {text!r}",
                location=named(setting),
                hint=f"Known: {known}. To get a literal brace, write it twice.",
            )
        found.add(part[1])
    return frozenset(found)


def filled(text: str, project: Project, setting: str) -> str:
    """The text with the project's values.

    :raises UsageError: the project has none; and as :func:`placeholders`.
    """
    for name in placeholders(text, setting):
        if _VALUES[name](project) is None:
            raise UsageError(
                f"{{{name}}} is used, but the project {project.name} has no value for it",
                location=named(setting),
                hint=f"Set {name} = \"1.0\" in {project.root / FILE_NAME}, or in [project] of its pyproject.toml. A "
                    "dynamic value cannot be used here.",
            )  # fmt: skip

    def value(part: re.Match[str]) -> str:
        return part[0][0] if part[1] is None else _VALUES[part[1]](project) or ""

    return _PART.sub(value, text)
