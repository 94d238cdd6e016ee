"""The only code that writes Dockerfile text.

Each function gives one instruction that every builder reads back as exactly the strings it was given: the classic
builder, BuildKit and buildah. Rules tried on them (builders' facts 17, 18, 21 and 25): JSON forms throughout, a
backslash before what the builders' word expansion would eat, lines below 65,535 bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

LONGEST_LINE = 32_000
"""Bytes; buildah silently drops a line over 65,535 and all after it, the others fail."""

_EXPANDED = re.compile(r"""[\\$"'`]""")


def comment(text: str) -> str:
    """Comment lines; no character in them can end a line or be read as a parser directive."""
    lines = []
    for line in text.split("\n"):
        clean = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
        lines.append(f"#: {clean}".rstrip() if "=" in clean.split(" ")[0] else f"# {clean}".rstrip())
    return "\n".join(lines)


def from_(reference: str, platform: str, stage: str | None = None) -> str:
    """``FROM``. The reference is one by grammar, so nothing in it can be expanded."""
    return f"FROM --platform={platform} {reference}" + (f" AS {stage}" if stage else "")


def user(name: str) -> str:
    """``USER``; the name is one by grammar."""
    return f"USER {name or '0:0'}"


def workdir(path: str) -> str:
    """``WORKDIR``."""
    return _folded(f"WORKDIR {_unexpanded(path)}")


def run(argv: Sequence[str]) -> str:
    """``RUN`` in exec form: no shell, nothing expanded."""
    return _folded(f"RUN {_json(argv)}")


def copy(source: str, dest: str, *, owner: tuple[int, int] | None = None, stage: str | None = None) -> str:
    """``COPY`` of a folder's contents into a folder, both with a closing slash in the text."""
    flags = (f" --from={stage}" if stage else "") + (f" --chown={owner[0]}:{owner[1]}" if owner else "")
    paths = [_unexpanded(path.rstrip("/") + "/") for path in (source, dest)]
    return _folded(f"COPY{flags} {_json(paths)}")


def env(name: str, value: str) -> str:
    """``ENV``."""
    return _folded(f"ENV {name}={_quoted(value)}")


def label(name: str, value: str) -> str:
    """``LABEL``."""
    return _folded(f"LABEL {_quoted(name)}={_quoted(value)}")


def expose(port: int) -> str:
    """``EXPOSE``, TCP."""
    return f"EXPOSE {port}"


def cmd(argv: Sequence[str]) -> str:
    """``CMD`` in exec form."""
    return _folded(f"CMD {_json(argv)}")


def entrypoint(argv: Sequence[str]) -> str:
    """``ENTRYPOINT`` in exec form."""
    return _folded(f"ENTRYPOINT {_json(argv)}")


def _json(words: Sequence[str]) -> str:
    return json.dumps(list(words), ensure_ascii=False)


def _unexpanded(text: str) -> str:
    return _EXPANDED.sub(r"\\\g<0>", text)


def _quoted(value: str) -> str:
    return '"' + re.sub(r'[\\$"]', r"\\\g<0>", value) + '"'


def _folded(line: str) -> str:
    """Break a long line with continuations, at places where the parts read back as the whole.

    A part may not end in a backslash (it would hide the continuation's own), nor the next begin with ``#`` (a
    comment) or white space, nor may one end in white space.
    """
    data, parts = line, []
    while len(data.encode()) > LONGEST_LINE:
        cut = LONGEST_LINE // 4
        while data[cut - 1] in "\\ \t" or data[cut] in "# \t\\" or data[cut].isspace() or data[cut - 1].isspace():
            cut -= 1
            if cut <= 1:
                raise ValueError("no place to break a long Dockerfile line")
        parts.append(data[:cut])
        data = data[cut:]
    return "\\\n".join([*parts, data])
