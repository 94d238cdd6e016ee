"""What a file of the ELF format needs of where it is loaded: its machine and its C library.

Read as the loader reads it, by program headers, since a file may come without sections. A few small pieces of the
file are read, whatever its size, and nothing that it says of itself is believed beyond the file's end.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from typing import IO, Final

from ..data import frozen

_MACHINES: Final = {0x03: "i686", 0x28: "armv7l", 0x3E: "x86_64", 0xB7: "aarch64", 0x15: "ppc64le", 0xF3: "riscv64"}

_LOAD, _DYNAMIC = 1, 2
_NEEDED, _STRTAB, _STRSZ, _VERNEED, _VERNEEDNUM = 1, 5, 10, 0x6FFFFFFE, 0x6FFFFFFF

_MOST_HEADERS, _MOST_DYNAMIC, _MOST_STRINGS, _MOST_VERSIONS = 64, 512, 16 * 1024 * 1024, 64 * 1024
"""Of program headers, of dynamic entries, and bytes of the tables of names and of versions."""

_LAST = 1 << 40
"""No compiled file is longer, and systems refuse to seek far behind what their file systems can have."""

_GLIBC: Final = re.compile(rb"GLIBC_(\d{1,3})\.(\d{1,3})(?:\.\d{1,3})?\Z")
_RELR: Final = b"GLIBC_ABI_DT_RELR"
"""What a file says that only glibc 2.36 and newer can relocate."""


@frozen
class Elf:
    """What one file says.

    :param machine: as ``uname -m`` has it; ``machine 62`` by number where that is not known here.
    :param glibc: the oldest C library that has all that it needs, ``(2, 28)``; None where it needs none of a version.
    :param musl: whether it needs musl's C library.
    """

    machine: str
    glibc: tuple[int, int] | None = None
    musl: bool = False


def read_elf(file: IO[bytes]) -> Elf | None:
    """Read a file that begins with the four bytes of the format.

    :returns: None where it contradicts itself, so that no loader would take it.
    :raises OSError: it cannot be read.
    """
    head = _at(file, 0, 64)
    if len(head) < 20 or head[:4] != b"\x7fELF":
        return None
    order = "<" if head[5] == 1 else ">"
    number = struct.unpack_from(f"{order}H", head, 18)[0]
    machine = _MACHINES.get(number, f"machine {number}")
    if head[4] != 2 or order != "<" or len(head) < 64:
        return Elf(machine)
    try:
        return _with_needs(file, head, machine)
    except (struct.error, OverflowError, ValueError):
        return None


def _with_needs(file: IO[bytes], head: bytes, machine: str) -> Elf:
    """The same with what it needs; of 64 bits, and the least byte first, as all that the images run on."""
    start, size, count = struct.unpack_from("<Q", head, 32)[0], *struct.unpack_from("<HH", head, 54)
    if size < 56 or count > _MOST_HEADERS:
        raise ValueError("no table of program headers")
    loads, dynamic = [], b""
    table = _at(file, start, size * count)
    for number in range(count):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", table, number * size)
        if kind == _LOAD:
            loads.append((address, offset, length))
        elif kind == _DYNAMIC:
            dynamic = _at(file, offset, min(length, _MOST_DYNAMIC * 16))
    entries = list(_entries(dynamic))
    known: Mapping[int, int] = dict(entries)
    if _STRTAB not in known:
        return Elf(machine)
    strings = _at(file, _offset(loads, known[_STRTAB]), min(known.get(_STRSZ, 0), _MOST_STRINGS))
    musl = any(_name(strings, value).startswith(b"libc.musl-") for tag, value in entries if tag == _NEEDED)
    if _VERNEED not in known:
        return Elf(machine, musl=musl)
    versions = _at(file, _offset(loads, known[_VERNEED]), _MOST_VERSIONS)
    found = _versions(versions, known.get(_VERNEEDNUM, 0), strings)
    return Elf(machine, max((each for name in found if (each := _glibc(name))), default=None), musl)


def _entries(dynamic: bytes) -> Iterator[tuple[int, int]]:
    for place in range(0, len(dynamic) - 15, 16):
        tag, value = struct.unpack_from("<QQ", dynamic, place)
        if tag == 0:
            return
        yield tag, value


def _versions(table: bytes, count: int, strings: bytes) -> Iterator[bytes]:
    """The names of all versions that are needed, of whatever library."""
    place, left = 0, len(table) // 16
    for _ in range(min(count, len(table) // 16)):
        _, names, _, first, following = struct.unpack_from("<HHIII", table, place)
        each = place + first
        for _ in range(names):
            left -= 1
            if left < 0:
                raise ValueError("entries that lie one over the other")
            _, _, _, name, step = struct.unpack_from("<IHHII", table, each)
            yield _name(strings, name)
            if not step:
                break
            each += step
        if not following:
            return
        place += following


def _glibc(name: bytes) -> tuple[int, int] | None:
    if name == _RELR:
        return 2, 36
    match = _GLIBC.match(name)
    return (int(match[1]), int(match[2])) if match else None


def _offset(loads: list[tuple[int, int, int]], address: int) -> int:
    """Where in the file lies what is loaded at an address."""
    for begin, offset, length in loads:
        if begin <= address < begin + length:
            return offset + address - begin
    raise ValueError("an address that nothing is loaded at")


def _name(strings: bytes, place: int) -> bytes:
    end = strings.find(b"\0", place)
    return strings[place:end] if end > place else b""


def _at(file: IO[bytes], place: int, size: int) -> bytes:
    if place > _LAST:
        raise ValueError("a place that no file has")
    file.seek(place)
    return file.read(size)
