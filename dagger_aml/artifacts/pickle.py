"""What a pickled model needs of Python's packages: read from its opcodes, never unpickled.

Loading a pickle imports the modules that it names, and runs whatever it says; this only lists the names. Plain
pickles are followed opcode by opcode (``pickletools.genops``). joblib writes arrays' bytes between the opcodes, so
behind the first array only the byte patterns of names are looked for.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

from ..data import frozen
from ..errors import ProjectError
from ..text import pattern
from .names import PICKLES

LONGEST = 256 << 20
"""Bytes that are read of one file."""


MOST = 2_000_000
"""Opcodes that are followed in one file; a second or two."""


_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ": "xz",
    b"\x5d\x00\x00": "lzma",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x78\x01": "zlib",
    b"\x78\x5e": "zlib",
    b"\x78\x9c": "zlib",
    b"\x78\xda": "zlib",
}


_NAME = rb"[A-Za-z_][\w.]{1,200}"


_STACK_GLOBAL = pattern(rb"\x8c.(" + _NAME + rb")\x94\x8c.([A-Za-z_]\w*)\x94\x93", re.S)


_GLOBAL = pattern(rb"c(" + _NAME + rb")\n([A-Za-z_]\w*)\n")


_SKLEARN = pattern(rb"_sklearn_version(?:\x94|q.|r....)(?:\x8c|X(?=.\x00\x00\x00))(.)(?:\x00\x00\x00)?", re.S)


_MODULE = pattern(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z")


@frozen
class Pickled:
    """What one file says.

    :param modules: that its objects are of, in their order; ``__main__`` may be among them.
    :param main: the classes and functions that it takes from ``__main__``.
    :param sklearn: the version of scikit-learn that wrote it, which its estimators state.
    :param unread: why it was not read, or not to its end.
    """

    modules: tuple[str, ...] = ()
    sklearn: str | None = None
    unread: str | None = None
    main: tuple[str, ...] = ()


def read_pickle(path: Path, *, longest: int = LONGEST, most: int = MOST) -> Pickled | None:
    """Read a file's opcodes; None when it is no pickle by its name or its first bytes.

    :param longest: bytes that are read of it.
    :param most: opcodes that are followed; behind them only the byte patterns of names are looked for.
    :raises ProjectError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
            known = path.suffix.lower() in PICKLES
            packed = next((name for start, name in _COMPRESSED.items() if head.startswith(start)), None)
            if known and packed:
                return Pickled(unread=f"compressed with {packed}, so its contents were not inspected")
            if not (head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05") and not (known and head):
                return None
            data = head + file.read(longest - len(head))
            return read_opcodes(data, longest=longest, most=most, cut=bool(file.read(1)))
    except OSError as error:
        raise ProjectError(f"cannot be read ({error.strerror})", location=str(path)) from None


def read_opcodes(data: bytes, *, longest: int = LONGEST, most: int = MOST, cut: bool = False) -> Pickled:
    """As :func:`read_pickle`, of bytes.

    :param cut: whether more bytes follow.
    """
    import pickletools

    stream = io.BytesIO(data)
    reader = _Reader()
    unread = f"longer than {longest >> 20} MB, so only the first {longest >> 20} MB were inspected" if cut else None
    try:
        for count, (opcode, value, position) in enumerate(pickletools.genops(stream)):
            reader.take(opcode.name, value)
            if reader.joblib:
                reader.scan(data[position or 0 :])
                break
            if count > most:
                unread = f"very long: only its first {most:,} opcodes were looked at"
                reader.scan(data[position or 0 :])
                break
    except ValueError as error:
        # genops says of a cut file that it ends too early, which is no news then.
        if not cut:
            unread = f"an incomplete pickle ({str(error)[:80]})" if reader.modules else "not a readable pickle"
    return Pickled(tuple(reader.modules), reader.sklearn, unread, tuple(reader.main))


class _Reader:
    """Follows just enough of a pickle's stack and memo to know the two texts before a ``STACK_GLOBAL``."""

    def __init__(self) -> None:
        self.modules: dict[str, None] = {}
        self.main: dict[str, None] = {}
        self.sklearn: str | None = None
        self.joblib = False
        self._texts: list[object] = []
        self._memo: dict[int, object] = {}
        self._last: object = None

    def take(self, name: str, value: object) -> None:
        if name in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
            self._memo[value if isinstance(value, int) else len(self._memo)] = self._last
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self._push(self._memo.get(value) if isinstance(value, int) else None)
        elif name in ("GLOBAL", "INST") and isinstance(value, str):
            self._add(*value.partition(" ")[::2])
        elif name == "STACK_GLOBAL":
            if len(self._texts) == 2 and all(isinstance(each, str) for each in self._texts):
                self._add(str(self._texts[0]), str(self._texts[1]))
        elif name not in ("PROTO", "FRAME"):
            self._push(value if "UNICODE" in name or "STRING" in name else None)

    def scan(self, data: bytes) -> None:
        """Look for names in what has arrays' bytes between the opcodes."""
        for names in (_STACK_GLOBAL, _GLOBAL):
            for match in names.finditer(data):
                self._add(match[1].decode("ascii", "replace"), match[2].decode("ascii", "replace"))
        said = _SKLEARN.search(data)
        if said and not self.sklearn:
            self.sklearn = data[said.end() : said.end() + said[1][0]].decode("ascii", "replace")

    def _push(self, value: object) -> None:
        if self._texts[-1:] == ["_sklearn_version"] and isinstance(value, str) and not self.sklearn:
            self.sklearn = value
        self._texts = [*self._texts[-1:], value]
        self._last = value

    def _add(self, module: str, name: str) -> None:
        self.joblib = self.joblib or (module == "joblib.numpy_pickle" and name == "NumpyArrayWrapper")
        if _MODULE.match(module):
            self.modules[module] = None
            if module == "__main__":
                self.main[name] = None
        self._last = None
        self._texts = []


def model_files(path: Path) -> Iterator[Path]:
    """The files of a model, which is a file or a folder, in a fixed order."""
    if path.is_file():
        yield path
    else:
        yield from sorted(each for each in path.rglob("*") if each.is_file())
