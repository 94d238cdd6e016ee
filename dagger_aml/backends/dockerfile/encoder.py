"""The only code that writes Dockerfile text.

Each function gives one instruction that every builder reads back as exactly the strings it was given: the classic
builder, BuildKit and buildah. Rules tried on them (docs/builder-cases.md, cases 17, 18, 21 and 25): JSON forms, a
backslash before what the builders' word expansion would eat, lines below 65,535 bytes. A long value goes on over
several lines, which begin and end with characters that no builder trims or takes for a comment or a continuation.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from ...text import pattern

LONGEST_LINE = 32_000
"""Bytes; buildah silently drops a line over 65,535 and all after it, the others fail."""


_CHUNK = LONGEST_LINE // 8
"""Characters of a long value that stay together; none takes more than six bytes."""


_EXPANDED = pattern(r"""[\\$"'`]""")


_LINE_END = pattern(r"(?<=[!-\[\]-~])\n")
"""A line break after a character that no builder trims or reads together with the backslash of a continuation."""


_PLAIN = pattern(r"[A-Za-z0-9/._-]+\Z")


_DIRECTIVE = pattern(r"\s*[A-Za-z][A-Za-z0-9]*\s*=")


def comment(text: str) -> str:
    """Comment lines; no character in them can end a line or be read as a parser directive."""
    lines = []
    for line in text.split("\n"):
        clean = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
        lines.append(f"#{':' if _DIRECTIVE.match(clean) else ''} {clean}".rstrip())
    return "\n".join(lines)


def from_(reference: str, platform: str, stage: str | None = None) -> str:
    """``FROM``. The reference is one by grammar, so nothing in it can be expanded."""
    return f"FROM --platform={platform} {reference}" + (f" AS {stage}" if stage else "")


def user(name: str) -> str:
    """``USER``; the name is one by grammar."""
    return f"USER {name or '0:0'}"


def workdir(path: str) -> str:
    """``WORKDIR``; quoted unless plain, or a path's last blank or backslash would be lost."""
    return f"WORKDIR {path if _PLAIN.match(path) else _quoted(path)}"


def run(argv: Sequence[str], mounts: Iterable[str] = ()) -> str:
    """``RUN`` in exec form: no shell, nothing expanded. A script of several lines is written on as many."""
    return f"RUN {''.join(f'{mount} ' for mount in mounts)}{_json(argv)}"


def secret_mount(id: str, path: str, owner: tuple[int, int], mode: int) -> str:
    """A flag of ``RUN``; id and path are plain, so that nothing in them can end it."""
    target = f"type=secret,id={id},target={path},required=true"
    return f"--mount={target},uid={owner[0]},gid={owner[1]},mode={mode:04o}"


def copy(source: str, dest: str, *, owner: tuple[int, int] | None = None, stage: str | None = None) -> str:
    """``COPY`` of a folder's contents into a folder, both with a closing slash in the text."""
    flags = (f" --from={stage}" if stage else "") + (f" --chown={owner[0]}:{owner[1]}" if owner else "")
    paths = [_unexpanded(path.rstrip("/") + "/") for path in (source, dest)]
    return f"COPY{flags} {_json(paths)}"


def env(name: str, value: str) -> str:
    """``ENV``."""
    return f"ENV {name}={_quoted(value)}"


def label(name: str, value: str) -> str:
    """``LABEL``."""
    return f"LABEL {_quoted(name)}={_quoted(value)}"


def expose(port: int) -> str:
    """``EXPOSE``, TCP."""
    return f"EXPOSE {port}"


def cmd(argv: Sequence[str]) -> str:
    """``CMD`` in exec form."""
    return f"CMD {_json(argv)}"


def entrypoint(argv: Sequence[str]) -> str:
    """``ENTRYPOINT`` in exec form."""
    return f"ENTRYPOINT {_json(argv)}"


def _json(words: Sequence[str]) -> str:
    text = json.dumps(list(words), ensure_ascii=False)
    if len(text.encode()) <= LONGEST_LINE:
        return "[" + ", ".join(_by_lines(word) for word in words) + "]"
    pieces: list[str] = []
    for word in words:
        chunks = _chunks(word)
        last = len(chunks) - 1
        for index, chunk in enumerate(chunks):
            begin = _numbered(chunk[0]) if index else '"'
            end = _numbered(chunk[-1]) if index < last else '",'
            pieces.append(begin + _json_inner(chunk[bool(index) : len(chunk) - (index < last)]) + end)
    return _lines(["[" + pieces[0], *pieces[1:]]).removesuffix(",") + "]"


def _by_lines(word: str) -> str:
    """A word in JSON; each of its lines begins a line of the Dockerfile with its line break's ``\\n``."""
    return '"' + "\\\n\\n".join(_json_inner(line) for line in _LINE_END.split(word)) + '"'


def _json_inner(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _numbered(char: str) -> str:
    """A character in JSON by its number: ``\\u005c``."""
    units = char.encode("utf-16-be").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def _quoted(value: str) -> str:
    """Double quotes, which the builders' word expansion takes off again; adjacent ones read as one value."""
    text = _in_quotes(value)
    if len(text.encode()) <= LONGEST_LINE:
        return text
    return _lines([_in_quotes(chunk) for chunk in _chunks(value)])


def _in_quotes(text: str) -> str:
    return '"' + text.replace("\\", r"\\").replace("$", r"\$").replace('"', r"\"") + '"'


def _unexpanded(text: str) -> str:
    return _EXPANDED.sub(r"\\\g<0>", text)


def _chunks(text: str) -> list[str]:
    return [text[start : start + _CHUNK] for start in range(0, len(text), _CHUNK)] or [""]


def _lines(pieces: Sequence[str]) -> str:
    """Pieces put on as few lines of at most LONGEST_LINE bytes as there can be, joined by continuations."""
    lines, size = [pieces[0]], len(pieces[0].encode())
    for piece in pieces[1:]:
        more = len(piece.encode())
        if size + more > LONGEST_LINE:
            lines.append(piece)
            size = more
        else:
            lines[-1] += piece
            size += more
    return "\\\n".join(lines)
