"""Entries of layers, generated with the names that disks really hold, and tars as other readers see them."""

from __future__ import annotations

import hashlib
import io
import posixpath
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from dagger_aml.oci.entries import TarEntry
from dagger_aml.oci.tar_header import encoded

ODD_NAMES = (
    b"-rf",
    b"a b",
    b"a\nb",
    b'tab\t"quoted"\'',
    b"\\",
    b"%s%%",
    b"...",
    b" ",
    b"\xff\xfe",
    b"\xe4",
    "é".encode(),
    "日本語🦊".encode(),
    b"n" * 100,
    b"n" * 101,
    b"l" * 255,
    b"wh.file",
    b"=x",
    b"1 path=y",
    b"\x7f\x01",
)
"""Names of files that Linux takes and programs trip over."""

_bytes = st.binary(min_size=1, max_size=40).map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"_"))
names = st.one_of(st.sampled_from([b"a", b"b", b"a-", b"a0"]), st.sampled_from(ODD_NAMES), _bytes).filter(
    lambda name: name not in (b".", b"..") and not name.startswith(b".wh.")
)

_ids = st.sampled_from([0, 1, 1000, 65534, 2097151, 2097152, 3_000_000, 4_000_000_000])
_modes = st.sampled_from([0o755, 0o644, 0o600, 0o777, 0o1777, 0o2755, 0o4755])
_folder_modes = st.sampled_from([0o755, 0o700, 0o1777, 0o2775])
_sizes = st.sampled_from([0, 1, 511, 512, 513, 5000])


def text(name: bytes) -> str:
    """A name as Python has it."""
    return name.decode("utf-8", "surrogateescape")


@st.composite
def trees(draw: st.DrawFn) -> list[TarEntry]:
    """A layer's entries in any order: folders, files, links, hard links; each with its parents."""
    found: dict[str, TarEntry] = {}
    for parts in draw(st.lists(st.lists(names, min_size=1, max_size=4), max_size=8)):
        path = ""
        for part in parts[:-1]:
            path += "/" + text(part)
            if path not in found:
                found[path] = TarEntry(path, "dir", draw(_folder_modes), draw(_ids), draw(_ids))
            if found[path].type != "dir":
                break
        else:
            path += "/" + text(parts[-1])
            if path in found:
                continue
            owner = draw(_modes), draw(_ids), draw(_ids)
            files = [each.path for each in found.values() if each.type == "file"]
            match draw(st.sampled_from(["dir", "file", "file", "link", "hardlink"])):
                case "hardlink" if files:
                    found[path] = TarEntry(path, "hardlink", *owner, target=draw(st.sampled_from(files)))
                case "link":
                    target = b"/".join(draw(st.lists(names, min_size=1, max_size=4)))
                    found[path] = TarEntry(path, "link", *owner, target=text(target))
                case "dir":
                    found[path] = TarEntry(path, "dir", draw(_folder_modes), *owner[1:])
                case _:
                    data = bytes([len(found)]) * draw(_sizes)
                    found[path] = TarEntry(path, "file", *owner, len(data), data)
    return draw(st.permutations(list(found.values())))


def members(tar: bytes) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """What Python's tarfile reads, each with its bytes."""
    with tarfile.open(fileobj=io.BytesIO(tar), mode="r:", encoding="utf-8", errors="surrogateescape") as opened:
        for member in opened:
            data = opened.extractfile(member) if member.isreg() else None
            yield member, data.read() if data else b""


def in_order(entries: Iterable[TarEntry]) -> list[TarEntry]:
    """Entries as they should stand in a layer, said in another way than the writer does it."""
    entries = list(entries)
    by_path = {encoded(each.path): each for each in entries}
    paths = sorted(by_path)
    return [by_path[path] for path in paths if by_path[path].type != "hardlink"] + [
        by_path[path] for path in paths if by_path[path].type == "hardlink"
    ]


def parents(path: str) -> list[TarEntry]:
    """The folders above a path, root's."""
    above: list[TarEntry] = []
    while (path := posixpath.dirname(path)) != "/":
        above.insert(0, TarEntry(path, "dir", 0o755, 0, 0))
    return above


FOLDER = TarEntry("/m", "dir", 0o755, 0, 0)


def file(path: str, data: bytes | Path, **more: Any) -> TarEntry:
    """A file of a layer, of root's unless said."""
    size = data.stat().st_size if isinstance(data, Path) else len(data)
    return TarEntry(path, "file", **{"mode": 0o644, "uid": 0, "gid": 0, "size": size, "content": data, **more})


def sha256(data: bytes) -> str:
    """A digest as registries write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
