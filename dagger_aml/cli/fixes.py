"""``check --fix`` and ``--diff``: what has one right answer, written into the project's own files."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .. import toml
from ..check.text_file import TextFile
from ..errors import unreadable
from ..finding import Fix
from ..fs.atomic import replaced_file
from .generated import is_generated


def fixed(root: Path, fixes: Iterable[Fix]) -> Mapping[Path, tuple[bytes, bytes]]:
    """The files below a project's folder that would change, each as it is and as it would be.

    Links, locks and generated files are none of them: a link's file may lie elsewhere and belong to others too, and
    what a program writes is written again.

    :raises ProjectError: one cannot be read.
    """
    by_file: dict[Path, list[Fix]] = {}
    for fix in fixes:
        if not fix.path.is_symlink() and fix.path.resolve().is_relative_to(root.resolve()):
            by_file.setdefault(fix.path, []).append(fix)
    found: dict[Path, tuple[bytes, bytes]] = {}
    for path, several in by_file.items():
        try:
            before = path.read_bytes()
        except OSError as error:
            raise unreadable(error, path) from None
        file = TextFile.of(path, before)
        if file and not is_generated(path, file.text, root):
            found[path] = before, _changed(path, file, several)
    return {path: (before, after) for path, (before, after) in found.items() if before != after}


def _changed(path: Path, file: TextFile, fixes: Sequence[Fix]) -> bytes:
    """A file's bytes with each text replaced; all else stays as it is."""
    placed = [each for fix in fixes if (each := _placed(file, fix))]
    # From the last on, so that what stands before keeps its column.
    for fix, begin in sorted(_apart(placed), key=lambda each: (each[0].line, each[1]), reverse=True):
        line = file.lines[fix.line - 1]
        changed = file.with_line(fix.line, line[:begin] + fix.after + line[begin + len(fix.before) :])
        # A table's key may be there already, written otherwise.
        if path.suffix != ".toml" or _is_toml(changed.text):
            file = changed
    return file.data


def _placed(file: TextFile, fix: Fix) -> tuple[Fix, int] | None:
    """A fix, and where on its line it begins, from 0; None where another text stands there."""
    line = file.line(fix.line)
    if line is None:
        return None
    if fix.column:
        return (fix, fix.column - 1) if line.startswith(fix.before, fix.column - 1) else None
    found = re.search(rf"""(?<![\w."'-])(["']?)(?P<key>{re.escape(fix.before)})\1(?=\s*=)""", line)
    return (fix, found.start("key")) if found else None


def _apart(placed: Sequence[tuple[Fix, int]]) -> list[tuple[Fix, int]]:
    """Each once, and none of those that would write otherwise at one place."""
    each_once = list(dict.fromkeys(placed))
    spans = [(fix.line, begin, begin + len(fix.before)) for fix, begin in each_once]
    return [
        each
        for number, each in enumerate(each_once)
        if not any(
            line == spans[number][0] and begin < spans[number][2] and spans[number][1] < end
            for other, (line, begin, end) in enumerate(spans)
            if other != number
        )
    ]


def _is_toml(text: str) -> bool:
    """Whether a changed file can still be read."""
    try:
        toml.read(text)
    except ValueError:
        return False
    return True


def write(path: Path, data: bytes) -> None:
    """Replace a file, whole or not at all; it keeps its mode.

    :raises UsageError: it cannot be written. :raises DaggerAmlError: its disk is full.
    """
    with replaced_file(path, path.stat().st_mode & 0o7777) as new:
        new.write_bytes(data)


def unified(shown: str, before: bytes, after: bytes) -> str:
    """What would change, as ``diff -u`` shows it."""
    old, new = (each.decode("utf-8", "replace").splitlines(keepends=True) for each in (before, after))
    lines = difflib.unified_diff(old, new, shown, shown)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
