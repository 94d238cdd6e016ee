"""A file's text as its reader takes it, and its bytes again: encoding, byte order mark and line ends are kept."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from ..data import frozen
from ..fs.drafts import draft_of
from ..requirements.files import marked
from ..requirements.lines import coding


@frozen
class TextFile:
    """The text of a file.

    :param mark: the byte order mark, as bytes.
    :param lines: what stands between the line feeds; a carriage return before one is part of its line.
    """

    mark: bytes
    encoding: str
    lines: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> TextFile | None:
        """The text of a file; None of one that cannot be read, or is none."""
        draft = draft_of(path)
        if draft is not None:
            return _of(path, draft)
        try:
            found = path.stat()
            return _read(path, found.st_mtime_ns, found.st_size)
        except OSError:
            return None

    @classmethod
    def of(cls, path: Path, data: bytes) -> TextFile | None:
        """The text of a file's bytes; None where they are none, or could not be made of it again."""
        mark, encoding = marked(data) or (b"", _encoding(path, data))
        try:
            text = data[len(mark) :].decode(encoding)
            made = cls(mark, encoding, tuple(text.split("\n")))
            return made if made.data == data else None
        except (LookupError, ValueError):
            return None

    @property
    def text(self) -> str:
        """All of it, without the mark."""
        return "\n".join(self.lines)

    @property
    def data(self) -> bytes:
        """The bytes of the file.

        :raises ValueError: a letter is none of the encoding's.
        """
        return self.mark + self.text.encode(self.encoding)

    def line(self, number: int) -> str | None:
        """A line by its number, from 1; None where there is none."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else None

    def having(self, lines: Sequence[str]) -> TextFile:
        """The same with other lines."""
        return TextFile(self.mark, self.encoding, tuple(lines))


@lru_cache(4)
def _read(path: Path, _time: int, _size: int) -> TextFile | None:
    """A file as it is at a time: many findings may be of one."""
    return TextFile.of(path, path.read_bytes())


@lru_cache(4)
def _of(path: Path, data: bytes) -> TextFile | None:
    return TextFile.of(path, data)


def _encoding(path: Path, data: bytes) -> str:
    """That of a file without a byte order mark, by what it says of itself."""
    if path.suffix == ".py":
        import tokenize

        try:
            return tokenize.detect_encoding(io.BytesIO(data).readline)[0]
        except SyntaxError:
            return "utf-8"
    return coding(data) if path.suffix in (".txt", ".in") else "utf-8"
