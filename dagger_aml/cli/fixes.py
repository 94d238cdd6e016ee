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
from ..fs.drafts import read_bytes
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
            before = read_bytes(path)
        except OSError as error:
            raise unreadable(error, path) from None
        file = TextFile.of(path, before)
        if file and not is_generated(path, file.text, root):
            found[path] = before, _changed(path, file, several)
    return {path: (before, after) for path, (before, after) in found.items() if before != after}


_MOST_TRIED = 100
"""Changes of one TOML file that are tried one by one, where not all of them can be made."""


def _changed(path: Path, file: TextFile, fixes: Sequence[Fix]) -> bytes:
    """A file's bytes with each text replaced; all else stays as it is."""
    placed = _apart([each for fix in fixes if (each := _placed(file, fix))])
    made = _made(file, placed)
    if path.suffix != ".toml" or _is_toml(made.text):
        return made.data
    # A table's key may be there already, written otherwise.
    kept: list[tuple[Fix, int]] = []
    for each in placed[:_MOST_TRIED]:
        if _is_toml(_made(file, [*kept, each]).text):
            kept.append(each)
    return _made(file, kept).data


def _made(file: TextFile, placed: Sequence[tuple[Fix, int]]) -> TextFile:
    """A file with each text replaced: from the last on, so that what stands before keeps its column."""
    lines = list(file.lines)
    for fix, begin in reversed(placed):
        line = lines[fix.line - 1]
        lines[fix.line - 1] = line[:begin] + fix.after + line[begin + len(fix.before) :]
    return file.having(lines)


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
    """Each once, in order, and none of those that would write otherwise at one place."""
    in_order = sorted(dict.fromkeys(placed), key=lambda each: (each[0].line, each[1]))
    apart, together, line, end = list[tuple[Fix, int]](), False, 0, 0
    for fix, begin in in_order:
        if (fix.line, begin) < (line, end):
            if not together:
                apart.pop()
            together, end = True, max(end, begin + len(fix.before))
        else:
            together, line, end = False, fix.line, begin + len(fix.before)
            apart.append((fix, begin))
    return apart


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


def unified(shown: str, path: Path, before: bytes, after: bytes) -> str:
    """What would change, as ``diff -u`` shows it, in the file's own encoding."""
    old, new = (_lines(path, each) for each in (before, after))
    lines = difflib.unified_diff(old, new, shown, shown)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(path: Path, data: bytes) -> list[str]:
    """The lines of a file, each with its line feed: other marks end none."""
    file = TextFile.of(path, data)
    text = file.text if file else data.decode("utf-8", "replace")
    return [f"{line}\n" for line in text.split("\n")[:-1]] + [each for each in text.split("\n")[-1:] if each]
