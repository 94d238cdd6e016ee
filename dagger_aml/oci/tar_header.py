"""Headers of a layer's tar. They are written here because those of Python's tarfile differ between its versions."""

from __future__ import annotations

from .entries import TarEntry

MTIME = 315532800
"""Of every entry, in seconds since 1970: 1980-01-01, the first day that a zip knows."""


BLOCK = 512
"""Bytes. Headers and contents of a tar fill whole blocks."""


END = bytes(2 * BLOCK)
"""What a tar ends with."""


_NAME, _PREFIX = 100, 155
"""Bytes of a header's fields for a name and for the folders in front of it."""


_LARGEST_ID, _LARGEST_SIZE = 8**7 - 1, 8**11 - 1
"""What a header's octal digits can say; more stands in a PAX record."""


_TYPES = {"file": b"0", "hardlink": b"1", "link": b"2", "dir": b"5"}


def header(entry: TarEntry) -> bytes:
    """What stands in front of an entry's contents: one ustar block, PAX records before it where it cannot say all."""
    name, link = _name(entry), _link(entry)
    records = _records(entry, name, link)
    prefix = b""
    if b"path" not in records and len(name) > _NAME:
        prefix, name = _split(name)
    return _pax(records) + _block(
        _TYPES[entry.type],
        name=_shortened(name),
        mode=0o777 if entry.type == "link" else entry.mode,
        uid=_fitting(entry.uid, _LARGEST_ID),
        gid=_fitting(entry.gid, _LARGEST_ID),
        size=_fitting(entry.size, _LARGEST_SIZE),
        link=_shortened(link),
        prefix=prefix,
    )


def encoded(text: str) -> bytes:
    """A path's bytes, the same on every system.

    :raises UnicodeEncodeError: a surrogate in it that stands for no byte, as some names on Windows have.
    """
    return text.encode("utf-8", "surrogateescape")


def padding(size: int) -> int:
    """How many bytes are missing after ``size`` bytes to whole blocks."""
    return -size % BLOCK


def tar_size(entry: TarEntry) -> int:
    """Bytes of a tar that an entry takes: its header, its contents and what fills their last block."""
    records = _pax(_records(entry, _name(entry), _link(entry)))
    return len(records) + BLOCK + entry.size + padding(entry.size)


def _name(entry: TarEntry) -> bytes:
    return encoded(entry.path)[1:] + (b"/" if entry.type == "dir" else b"")


def _link(entry: TarEntry) -> bytes:
    return encoded(entry.target)[1:] if entry.type == "hardlink" else encoded(entry.target)


def _records(entry: TarEntry, name: bytes, link: bytes) -> dict[bytes, bytes]:
    records: dict[bytes, bytes] = {}
    if not name.isascii() or (len(name) > _NAME and not _split(name)[0]):
        records[b"path"] = name
    if not link.isascii() or len(link) > _NAME:
        records[b"linkpath"] = link
    if not (_is_utf8(name) and _is_utf8(link)):
        records = {b"hdrcharset": b"BINARY", **records}
    for key, value, largest in (
        (b"uid", entry.uid, _LARGEST_ID),
        (b"gid", entry.gid, _LARGEST_ID),
        (b"size", entry.size, _LARGEST_SIZE),
    ):
        if value > largest:
            records[key] = b"%d" % value
    return records


def _split(name: bytes) -> tuple[bytes, bytes]:
    """The folders in front of a long name, and the rest of it; no folders where both do not fit into a header."""
    at = name.rfind(b"/", 0, min(_PREFIX + 1, len(name) - 1))
    return (name[:at], name[at + 1 :]) if at > 0 and len(name) - at - 1 <= _NAME else (b"", name)


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _shortened(name: bytes) -> bytes:
    """A name as its field holds it. Where that is not all of it, a PAX record has it and nobody reads the field."""
    if len(name) > _NAME or not name.isascii():
        return bytes(byte if byte < 128 else ord("_") for byte in name[:_NAME]).rstrip(b"/")
    return name


def _fitting(number: int, largest: int) -> int:
    return number if number <= largest else 0


def _pax(records: dict[bytes, bytes]) -> bytes:
    if not records:
        return b""
    text = b"".join(_record(b"%s=%s\n" % record) for record in records.items())
    return _block(b"x", name=b"././@PaxHeader", mode=0o644, size=len(text)) + text + bytes(padding(len(text)))


def _record(text: bytes) -> bytes:
    """A PAX record, which begins with its own length: that counts its own digits too."""
    length = len(text) + 2
    while (whole := len(text) + 1 + len(str(length))) != length:
        length = whole
    return b"%d %s" % (length, text)


def _block(
    type_: bytes,
    *,
    name: bytes,
    mode: int,
    size: int,
    uid: int = 0,
    gid: int = 0,
    link: bytes = b"",
    prefix: bytes = b"",
) -> bytes:
    front = b"%s%07o\0%07o\0%07o\0%011o\0%011o\0" % (name.ljust(_NAME, b"\0"), mode, uid, gid, size, MTIME)
    # The names of owner and group stay empty: only their numbers count. The last numbers are those of devices.
    back = b"%s%sustar\x0000%s%07o\0%07o\0%s" % (type_, link.ljust(_NAME, b"\0"), bytes(64), 0, 0, prefix)
    checksum = sum(front) + sum(b" " * 8) + sum(back)
    return (front + b"%06o\0 " % checksum + back).ljust(BLOCK, b"\0")
