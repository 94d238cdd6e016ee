"""Entry scripts of many shapes, each a small project, and which rules speak of it on Python 3.11.

tests/unit/entry_scripts.json says what the real server makes of them; `python -m tools.entry_scripts` asks it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

HEAD = re.compile(r"^=== (.+?)(?: => (.+))?\n", re.MULTILINE)
"""The first line of each: its name, and what is told of it: ids, or ``refused`` where no rule is needed for that."""


def variants() -> Iterator[tuple[str, frozenset[str], Mapping[str, str]]]:
    """Names, what is told, and files; ``--- file`` stands before each file but a sole score.py."""
    parts = HEAD.split(Path(__file__).with_suffix(".txt").read_text(encoding="utf-8"))[1:]
    for name, told, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        first, *others = re.split(r"^--- (.+)\n", body, flags=re.MULTILINE)
        assert not (others and first), f"{name} has text before its files"
        files = dict(zip(others[::2], others[1::2], strict=True)) if others else {"score.py": first}
        yield name, frozenset((told or "").split()), files


VARIANTS = {name: files for name, _, files in variants()}
TOLD = {name: told for name, told, _ in variants()}
