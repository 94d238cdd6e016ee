"""Markdown as GitHub reads it, for Python-Markdown to read alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_FENCE = re.compile(r"( *)(`{3,})(\w*).*")
_ITEM = re.compile(r"( *)([-*]|\d+\.) +")
_LINK = re.compile(r"(?<=\])\(([^)\s]+)\)")
_SPAN = re.compile(r"(`+)(.+?)\1(?!`)")


def slug(heading: str, separator: str = "-") -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", separator)


def read_alike(text: str) -> str:
    """The text with what Python-Markdown needs and GitHub does not.

    A fence says its language alone; a list has a blank line above it, and what is within an item stands four columns
    further in; a bar in code in a table needs no backslash.
    """
    return "\n".join(_lines(text.split("\n")))


def _lines(lines: list[str]) -> Iterator[str]:
    fence, further, before = "", 0, ""
    for line in lines:
        if fence:
            yield " " * further + line if line.strip() else line
            if line.strip() == fence:
                fence = ""
                before = line
            continue
        item, opened = _ITEM.match(line), _FENCE.fullmatch(line)
        indent = len(line) - len(line.lstrip(" "))
        if item:
            if before.strip() and not _ITEM.match(before) and not before.startswith(" "):
                yield ""
            further = 4 - len(item[2]) - 1
            line = " " * (indent * 2) + line.lstrip(" ")
        elif line.strip() and not indent:
            further = 0
        elif indent and further:
            line = " " * further + line
        if opened:
            fence = opened[2]
            line = " " * (further if indent else 0) + opened[1] + opened[2] + opened[3]
        elif line.startswith("|"):
            line = _SPAN.sub(lambda span: span[0].replace(r"\|", "|"), line)
        yield line
        before = line


def with_links(text: str, change: Callable[[str], str]) -> str:
    """The text with the target of each link changed, but for what is code."""
    parts = re.split(r"(^ *```.*?^ *```$|(?<!`)`[^`\n]+`(?!`))", text, flags=re.M | re.S)
    for number in range(0, len(parts), 2):
        parts[number] = _LINK.sub(lambda link: f"({change(link[1])})", parts[number])
    return "".join(parts)
