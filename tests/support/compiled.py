"""Compiled files that hold nothing but what is read of them, made here."""

from __future__ import annotations

import struct

_MACHINES = {"x86_64": 0x3E, "aarch64": 0xB7}


def elf(
    machine: str = "x86_64", glibc: str = "2.17", *, needs: str = "libc.so.6", more: tuple[str, ...] = ()
) -> bytes:
    """A shared object for Linux.

    :param glibc: the newest version that it needs, and ``more`` other names of versions.
    :param needs: the C library's name; nothing is asked of another than glibc's.
    """
    versions = [f"GLIBC_{glibc}", *more] if needs == "libc.so.6" else []
    strings = b"\0"
    places = {}
    for text in (needs, *versions):
        places[text] = len(strings)
        strings += text.encode() + b"\0"
    size = 64 + 2 * 56
    table = b""
    if versions:
        table = struct.pack("<HHIII", 1, len(versions), places[needs], 16, 0)
        for number, text in enumerate(versions):
            following = 16 if number < len(versions) - 1 else 0
            table += struct.pack("<IHHII", 0, 0, number + 2, places[text], following)
    names, needed = size, size + len(strings)
    entries = [(1, places[needs]), (5, names), (10, len(strings))]
    entries += [(0x6FFFFFFE, needed), (0x6FFFFFFF, 1)] if versions else []
    dynamic = b"".join(struct.pack("<QQ", *each) for each in [*entries, (0, 0)])
    begin, whole = needed + len(table), needed + len(table) + len(dynamic)
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 3, _MACHINES[machine], 1, 0, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, whole, whole, 4096)
    return (
        head
        + load
        + struct.pack("<IIQQQQQQ", 2, 4, begin, begin, begin, *2 * (len(dynamic),), 8)
        + strings
        + table
        + dynamic
    )


def macho() -> bytes:
    """A library for macOS on arm64, as far as its head."""
    return b"\xcf\xfa\xed\xfe\x0c\x00\x00\x01" + bytes(24)


def pe() -> bytes:
    """A library for Windows, as far as its head."""
    return b"MZ" + bytes(62)
