"""``check --fix`` and ``--diff``: what has one right answer, written into the project's own files."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from .. import toml
from ..errors import unreadable
from ..finding import Fix
from ..fs.atomic import replaced_file


def fixed(root: Path, fixes: Iterable[Fix]) -> Mapping[Path, tuple[bytes, bytes]]:
    """The files below a project's folder that would change, each as it is and as it would be.

    :raises ProjectError: one cannot be read.
    """
    found: dict[Path, tuple[bytes, bytes]] = {}
    for fix in fixes:
        # A link's file may lie elsewhere, and belong to others too.
        if fix.path.is_symlink() or not fix.path.resolve().is_relative_to(root.resolve()):
            continue
        try:
            before, now = found.get(fix.path) or (fix.path.read_bytes(),) * 2
        except OSError as error:
            raise unreadable(error, fix.path) from None
        changed = _changed(now, fix)
        found[fix.path] = before, changed if fix.column or _is_toml(changed) else now
    return {path: (before, after) for path, (before, after) in found.items() if before != after}


def _changed(data: bytes, fix: Fix) -> bytes:
    """A file's bytes with a key's name or a text replaced on its line; all else stays as it is."""
    lines = data.split(b"\n")
    if not 0 < fix.line <= len(lines):
        return data
    if fix.column:
        lines[fix.line - 1] = _replaced(lines[fix.line - 1], fix)
        return b"\n".join(lines)
    key = rb"(?<![\w.\"'-])([\"']?)" + re.escape(fix.before.encode()) + rb"\1(?=\s*=)"
    after = fix.after.encode()
    lines[fix.line - 1] = re.sub(key, lambda match: match[1] + after + match[1], lines[fix.line - 1], count=1)
    return b"\n".join(lines)


def _replaced(line: bytes, fix: Fix) -> bytes:
    """A line with the text at the fix's column replaced; as it is where another text stands there."""
    mark = b"\xef\xbb\xbf" if line.startswith(b"\xef\xbb\xbf") else b""
    try:
        text = line.removeprefix(mark).decode()
    except UnicodeDecodeError:
        return line
    begin = (fix.column or 1) - 1
    if not text.startswith(fix.before, begin):
        return line
    return mark + (text[:begin] + fix.after + text[begin + len(fix.before) :]).encode()


def _is_toml(data: bytes) -> bool:
    """Whether a changed file can still be read: its key may be there already, written otherwise."""
    try:
        toml.read(data.decode("utf-8-sig"))
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
