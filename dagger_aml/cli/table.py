"""The table of what came of several projects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def table(rows: Sequence[tuple[str, str, float | None, str]]) -> Iterator[str]:
    """Its lines.

    :param rows: a project's name, what came of it, seconds, and its digest or why there is none.
    """
    cells = [("project", "result", "seconds", "digest")]
    cells += [(name, word, "" if took is None else f"{took:.1f}", said) for name, word, took, said in rows]
    first, second, third = (max(len(row[column]) for row in cells) for column in range(3))
    for name, word, took, said in cells:
        yield f"{name:{first}}  {word:{second}}  {took:>{third}}  {said}".rstrip()
