"""The exact versions of a base's Python and of its C library, where files leave no doubt."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import IO

from ..oci.layer_index import Unanswered
from ..oci.layer_tree import LayerTree
from ..text import pattern
from .python_files import PythonFacts

DPKG_STATUS = "/var/lib/dpkg/status"

PROGRAM_HEAD = 4096
"""Bytes of a program, with the name of its dynamic linker among them."""

_MOST_STATUS = 8 * 1024 * 1024

_BANNER = pattern(rb"GNU C Library [^\n]{0,200}? release version (\d+\.\d+(?:\.\d+)*)\.\n")
_LONGEST_BANNER, _CHUNK = 300, 256 * 1024

_LIBC = pattern(r"libc(?:\.so\.6|-\d+\.\d+\.so)\Z")
_TRIPLET = pattern(r"[a-z0-9_]+-linux-gnu[a-z0-9]*\Z")
_LIBRARIES = ("/lib64", "/lib", "/usr/lib64", "/usr/lib", "/usr/local/lib")

_CONDA = pattern(r"python-(\d+\.\d+\.\d+)-[^-]+\.json\Z")
_DEFINED = pattern(rb"^[ \t]*#[ \t]*define[ \t]+PY_(MAJOR|MINOR|MICRO)_VERSION[ \t]+(\d+)", re.M)
_FULL = pattern(r"\d+\.\d+\.\d+(?![\d.])")


def versions_of(tree: LayerTree, program: str, known: PythonFacts) -> tuple[str, str]:
    """The versions of a Python (``3.12.4``) and of glibc (``2.35``), each empty where it is not certain.

    A version of Python without one of glibc tells of another C library, so neither is told where that is not certain.
    """
    try:
        found = tree.real(program)
        assert found
        libc = _libc(tree, found[0])
        return "" if libc is None else _python(tree, found[0], known), libc or ""
    except Unanswered:
        return "", ""


# --- Python -------------------------------------------------------------------------------------------------------


def _python(tree: LayerTree, program: str, known: PythonFacts) -> str:
    """What all files that tell of it agree on; empty otherwise.

    :param program: the interpreter itself, not a link to it.
    """
    prefix = posixpath.dirname(posixpath.dirname(program))
    found = {*_of_prefix(tree, prefix, known.version)}
    own = tree.real(known.own)
    if known.settings and own and prefix == own[0]:
        # A copy of an interpreter, which stays what it was when that is replaced.
        found |= {*_of_settings(known.settings), *_of_prefix(tree, known.library.prefix, known.version)}
        program = f"{known.library.prefix}/bin/python{known.version}"
    if program == f"/usr/bin/python{known.version}":
        found |= {*_of_dpkg(tree, known.version)}
    version = found.pop() if len(found) == 1 else ""
    return version if _FULL.fullmatch(version) and version.startswith(f"{known.version}.") else ""


def _of_prefix(tree: LayerTree, prefix: str, version: str) -> Iterator[str]:
    """What conda's records and the header of an installed Python say."""
    for name in tree.names(f"{prefix}/conda-meta"):
        if match := _CONDA.match(name):
            yield match[1]
    header = tree.content(f"{prefix}/include/python{version}/patchlevel.h")
    if header is not None:
        numbers = dict(_DEFINED.findall(header))
        yield ".".join(numbers.get(each, b"").decode() for each in (b"MAJOR", b"MINOR", b"MICRO"))


def _of_settings(settings: Mapping[str, str]) -> Iterator[str]:
    for key in ("version", "version_info"):
        if match := _FULL.match(settings.get(key, "").removesuffix(".final.0")):
            yield match[0]


def _of_dpkg(tree: LayerTree, version: str) -> Iterator[str]:
    for line in (tree.told(DPKG_STATUS) or b"").decode().splitlines():
        name, _, of_package = line.partition(" ")
        if name == f"python{version}-minimal" and (match := _FULL.match(of_package)):
            yield match[0]


def pythons_of_dpkg(file: IO[bytes]) -> bytes | None:
    """Of dpkg's list of packages the installed Pythons, each as ``NAME VERSION``; None where it is very long."""
    data = file.read(_MOST_STATUS + 1)
    if len(data) > _MOST_STATUS:
        return None
    found = []
    for paragraph in data.split(b"\n\n"):
        if paragraph.startswith(b"Package: python3."):
            fields = dict(line.partition(b": ")[::2] for line in paragraph.split(b"\n"))
            if fields.get(b"Status") == b"install ok installed":
                found.append(fields[b"Package"] + b" " + fields.get(b"Version", b""))
    return b"\n".join(found)


# --- C library ----------------------------------------------------------------------------------------------------


def _libc(tree: LayerTree, program: str) -> str | None:
    """The version of glibc, empty where the program uses musl; None where that is not certain."""
    head = tree.head(program, PROGRAM_HEAD)
    if b"/ld-musl-" in head:
        return ""
    if b"/ld-linux" not in head and b"/ld64.so" not in head:
        return None
    folders = [*_LIBRARIES, posixpath.join(posixpath.dirname(posixpath.dirname(program)), "lib")]
    folders += [f"/lib/{name}" for name in sorted(tree.names("/lib")) if _TRIPLET.match(name)]
    found = {tree.told(f"{folder}/libc.so.6") for folder in folders} - {None}
    return found.pop().decode() or None if len(found) == 1 else None  # type: ignore[union-attr]


def is_libc(name: str) -> bool:
    """Whether a file of this name is glibc."""
    return bool(_LIBC.match(name))


def version_of_libc(file: IO[bytes]) -> bytes:
    """What glibc says of itself; empty where it is another library."""
    before = b""
    while data := file.read(_CHUNK):
        if match := _BANNER.search(before + data):
            return match[1]
        before = data[-_LONGEST_BANNER:]
    return b""
