"""A folder of installed packages, read: names, metadata and the heads of compiled files; nothing is imported."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ..base.distributions import distribution_of
from ..errors import ProjectError
from .elf import read_elf
from .model import Binary, Package, PackagesFolder, PathFile

_MOST_FILES = 300_000
_MOST_METADATA, _MOST_RECORD, _MOST_PATH_FILE = 1024 * 1024, 32 * 1024 * 1024, 64 * 1024
"""Bytes of one file that are read."""

_EXTENSION: Final = re.compile(
    r"(?P<stem>.+?)\.(?:(?P<abi>abi3(?:t)?|cpython-(?P<v>3\d+t?)(?:-[\w-]+)?|cp(?P<w>3\d+t?)-win[\w-]*|pypy3\d+\S*)\.)?"
    r"(?P<end>so|pyd)\Z"
)
_LIBRARY: Final = re.compile(r"\.(?:so(?:\.[\d.]+)?|dylib|pyd|dll)\Z")
_MACHO: Final = {b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"}
_MACHO_MACHINES: Final = {b"\x07\x00\x00\x01": "x86_64", b"\x0c\x00\x00\x01": "aarch64"}
_MODULE: Final = (".py", ".pyc", ".so", ".pyd")


def read_folder(path: Path) -> PackagesFolder:
    """Read a folder of packages.

    :raises ProjectError: it has more files than any such folder.
    :raises OSError: it cannot be read.
    """
    root = path.resolve()
    files: dict[str, os.stat_result] = {}
    links: dict[str, str] = {}
    unreadable: list[str] = []
    for name, entry in _walk(root):
        if len(files) + len(links) > _MOST_FILES:
            raise ProjectError(f"has more than {_MOST_FILES} files", location=str(path))
        if entry.is_symlink():
            link = Path(entry.path)
            if _leaves(root, link):
                links[name] = str(link.readlink())
            elif link.is_file():
                files[name] = link.stat()
            continue
        found = entry.stat(follow_symlinks=False)
        folder = stat.S_ISDIR(found.st_mode)
        if not folder and not stat.S_ISREG(found.st_mode):
            continue  # A pipe would be waited for.
        wanted = stat.S_IROTH | (stat.S_IXOTH if folder else 0)
        if os.name == "posix" and found.st_mode & wanted != wanted:
            unreadable.append(name)
        if not folder:
            files[name] = found
    binaries = {name: each for name in files if _LIBRARY.search(name) and (each := _binary(root, name))}
    packages = []
    for name in sorted(each.name for each in root.iterdir()):
        if name.endswith((".dist-info", ".egg-info")) and (found_one := _package(root, name, files, binaries)):
            packages.append(found_one)
    recorded = {binary.path for package in packages for binary in package.binaries}
    return PackagesFolder(
        root,
        tuple(packages),
        dict(_modules(files)),
        tuple(_path_file(root, name) for name in sorted(files) if "/" not in name and _is_path_file(name)),
        links,
        tuple(sorted(unreadable)),
        tuple(each for name, each in sorted(binaries.items()) if name not in recorded),
        frozenset(files),
    )


def _walk(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """All that lies below, links not followed, compiled Python left out; each with its path below the folder."""
    waiting = [""]
    while waiting:
        below = waiting.pop()
        with os.scandir(root / below) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                name = f"{below}{entry.name}"
                if entry.name == "__pycache__":
                    continue
                yield name, entry
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{name}/")


def _leaves(root: Path, link: Path) -> bool:
    """Whether a link leads out of the folder, or would where the folder is copied to."""
    if link.readlink().is_absolute():
        return True
    ended = os.path.realpath(link)
    return ended != str(root) and not ended.startswith(f"{root}{os.sep}")


def _binary(root: Path, name: str) -> Binary | None:
    """A compiled file; None where it is none, whatever its name."""
    with (root / name).open("rb", buffering=0) as file:
        head = file.read(8)
        module, python = _module(name)
        if head[:4] == b"\x7fELF":
            elf = read_elf(file)
            return Binary(name, "elf", elf.machine, elf.glibc, elf.musl, module, python) if elf else None
    if head[:4] in _MACHO:
        return Binary(name, "macho", _MACHO_MACHINES.get(head[4:8], ""), module=module, python=python)
    if head[:2] == b"MZ":
        return Binary(name, "pe", module=module, python=python)
    return None


def _module(name: str) -> tuple[str, str]:
    """What a file is imported as, and the Python that alone does it."""
    match = _EXTENSION.match(name)
    if not match:
        return "", ""
    digits = match["v"] or match["w"] or ""
    return match["stem"], f"{digits[0]}.{digits[1:]}" if digits else ""


def _modules(files: dict[str, os.stat_result]) -> Iterator[tuple[str, str]]:
    for name in sorted(files):
        top, slash, _ = name.partition("/")
        if name.endswith(_MODULE):
            module = top if slash else top.partition(".")[0]
            if module.isidentifier():
                yield module, top


def _package(root: Path, name: str, files: dict[str, os.stat_result], binaries: dict[str, Binary]) -> Package | None:
    """The package of a folder or file of metadata; None where it names none."""
    told = next(
        (each for each in (f"{name}/METADATA", f"{name}/PKG-INFO", name) if each in files),
        None,
    )
    if told is None:
        return None
    lines = _text(root / told, _MOST_METADATA).replace("\r\n", "\n").partition("\n\n")[0].split("\n")
    distribution = distribution_of(lines)
    if distribution is None:
        return None
    wheel = _text(root / name / "WHEEL", _MOST_PATH_FILE).splitlines() if f"{name}/WHEEL" in files else []
    record = list(_record(root, name, files))
    return Package(
        name,
        distribution,
        _field(lines, "requires-python"),
        tuple(line.partition(":")[2].strip() for line in wheel if line.lower().startswith("tag:")),
        _editable(root, name, files),
        frozenset(each.partition("/")[0] for each in record if each.endswith(_MODULE)),
        tuple(binaries[each] for each in record if each in binaries),
    )


def _record(root: Path, name: str, files: dict[str, os.stat_result]) -> Iterator[str]:
    """The files that a package says it brought, below the folder."""
    if f"{name}/RECORD" in files:
        for line in _text(root / name / "RECORD", _MOST_RECORD).splitlines():
            # A name with a comma stands in quotes.
            path = line[1:].partition('",')[0] if line.startswith('"') else line.partition(",")[0]
            if not path.startswith(("../", "/")):
                yield path.replace("\\", "/")


def _field(lines: list[str], key: str) -> str:
    return next(
        (value.strip() for name, _, value in (line.partition(":") for line in lines) if name.lower() == key), ""
    )


def _editable(root: Path, name: str, files: dict[str, os.stat_result]) -> str:
    """Where the code of an editable install lies; empty for any other."""
    if f"{name}/direct_url.json" not in files:
        return ""
    try:
        said = json.loads(_text(root / name / "direct_url.json", _MOST_PATH_FILE))
        editable = said["dir_info"].get("editable") is True
        return str(said["url"]) if editable else ""
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""


def _is_path_file(name: str) -> bool:
    return name.endswith((".pth", ".egg-link"))


def _path_file(root: Path, name: str) -> PathFile:
    lines = [line.rstrip() for line in _text(root / name, _MOST_PATH_FILE).splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    runs = [line for line in lines if line.startswith(("import ", "import\t"))]
    adds = [line for line in lines if line not in runs]
    return PathFile(name, tuple(adds[:1] if name.endswith(".egg-link") else adds), bool(runs))


def _text(path: Path, most: int) -> str:
    with path.open("rb") as file:
        return file.read(most).decode("utf-8", "replace")
