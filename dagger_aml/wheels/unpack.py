"""From wheels to trees: unpacked by the wheel specification, compiled, recorded, and laid together by hard links."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from zlib import error as ZlibError

from ..errors import ProjectError
from ..fs.digest import UNPACKING
from ..graph.wheel_files import Wheel
from .archive import Contents, open_wheel, read_wheel
from .manifest import FIXED_TIME, Manifest, TreeFile

INSTALLER = "dagger-aml"

_CHUNK = 1 << 20

COMPILE = """\
import os, py_compile, sys
root = sys.argv[1]
for path in sys.stdin.read().split("\\0"):
    try:
        py_compile.compile(
            os.path.join(root, path), dfile=path, doraise=True, quiet=2,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    except Exception:
        pass
"""
"""What compiles the modules whose paths it reads, below the folder that it is told. One that cannot be compiled, such
as a template, is left alone, as pip does."""


_COMPILED_TOGETHER = 2 << 20
"""Bytes of modules that one process compiles; to start one costs as much as to compile a hundredth of that."""


def compile_argv(root: Path) -> tuple[str, ...]:
    """The command that compiles below a folder: a process of its own for each part of :func:`modules`, since the
    bytes depend on what a process has compiled before."""
    return (sys.executable, "-I", "-S", "-c", COMPILE, str(root))


def tree_key(wheel: Wheel, *, bytecode: bool) -> str:
    """What a wheel's own tree is kept by."""
    compiled = f"-{sys.implementation.cache_tag}-{sys.hexversion:x}" if bytecode else ""
    return f"{UNPACKING}-{wheel.file.sha256}{compiled}"


@contextlib.contextmanager
def opened(path: Path, wheel: Wheel, location: str) -> Iterator[tuple[zipfile.ZipFile, Contents]]:
    """A wheel's archive, and what of it goes into a folder.

    :param path: of the archive, whose digest was compared.
    :param location: the lock that names it, for messages.
    :raises ProjectError: it is no wheel, or one that cannot work from a folder of its own.
    """
    with open_wheel(path, wheel, location) as archive:
        yield archive, read_wheel(archive, wheel, location)


def unpack(
    archive: zipfile.ZipFile,
    contents: Contents,
    root: Path,
    title: str,
    location: str,
    on_part: Callable[[tuple[str, ...]], object],
) -> list[TreeFile]:
    """Unpack a wheel below a folder, each file with its mode and time; it is not whole before :func:`finish`.

    :param title: the archive's name, for messages.
    :param on_part: gets each of :func:`modules` as soon as it is there.
    :raises ProjectError: it cannot be unpacked.
    """
    files: list[TreeFile] = []
    parts = {part[-1]: part for part in modules(contents)}
    folders = set[str]()
    for member in contents.members:
        into = f"{root}/{member.place}"
        folder, mode = os.path.dirname(into), 0o755 if member.executable else 0o644  # noqa: PTH120 - for each of thousands
        try:
            if folder not in folders:
                os.makedirs(folder, exist_ok=True)  # noqa: PTH103
                folders.add(folder)
            with archive.open(member.info) as read:
                size, digest = _write_new(into, iter(lambda: read.read(_CHUNK), b""))
        except (zipfile.BadZipFile, NotImplementedError, ZlibError, FileExistsError, NotADirectoryError) as error:
            raise ProjectError(
                f"{title} cannot be unpacked ({error})",
                location=location,
                hint="Lock another version or file of the package.",
            ) from None
        _settle(into, mode)
        files.append(TreeFile(member.place, mode, size, digest))
        if member.place in parts:
            on_part(parts[member.place])
    return files


def compiled(root: Path, paths: Iterable[str]) -> list[TreeFile]:
    """What was made of some modules, where they could be compiled; each gets the mode and time of every tree."""
    files: list[TreeFile] = []
    for each in paths:
        path = _cached(each)
        with contextlib.suppress(FileNotFoundError):
            data = Path(root, path).read_bytes()
            _settle(f"{root}/{path}", 0o644)
            files.append(TreeFile(path, 0o644, len(data), hashlib.sha256(data).hexdigest()))
    return files


def _cached(module: str) -> str:
    """Where :data:`COMPILE` puts what it makes of a module, whatever this process was told: $PYTHONPYCACHEPREFIX and
    -O, which Python's own function goes by, do not reach a process with -I."""
    folder, slash, name = module.rpartition("/")
    return f"{folder}{slash}__pycache__/{name.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc"


def modules(contents: Contents) -> tuple[tuple[str, ...], ...]:
    """The Python files of a wheel that are compiled, sorted, in parts that are compiled at the same time.

    The wheel alone decides which are compiled together, never the machine.
    """
    parts: list[list[str]] = []
    size = 0
    for each in contents.members:
        if not each.place.endswith(".py") or each.data:
            continue
        size += each.info.file_size
        if not parts or size > _COMPILED_TOGETHER:
            parts.append([])
            size = each.info.file_size
        parts[-1].append(each.place)
    return tuple(map(tuple, parts))


def finish(work: Path, contents: Contents, files: Iterable[TreeFile]) -> Manifest:
    """Record what ``work/tree`` holds, give every folder its mode and time, and write ``work/manifest.json``.

    :param files: that were unpacked and compiled.
    """
    root, info = work / "tree", contents.dist_info
    all_ = sorted([*files, _text(root, f"{info}/INSTALLER", f"{INSTALLER}\n")], key=_as_walked)
    text = io.StringIO()
    import csv

    rows = csv.writer(text, lineterminator="\n")
    for each in all_:
        made = each.path.endswith(".pyc")
        rows.writerow([each.path, "" if made else _as_recorded(each.sha256), "" if made else each.size])
    record = f"{info}/RECORD"
    rows.writerow([record, "", ""])
    all_.append(_text(root, record, text.getvalue()))
    _settle_folders(root)
    manifest = Manifest((contents.package,), tuple(sorted(all_, key=lambda each: each.path)))
    manifest.write(work / "manifest.json")
    return manifest


def lay_together(trees: Sequence[tuple[Path, Manifest]], work: Path) -> Manifest:
    """Make ``work/tree`` of several trees, by hard links where the file system has them.

    That no two have a path of different bytes was looked at before.
    """
    root = work / "tree"
    root.mkdir()
    made: dict[str, TreeFile] = {}
    folders = set[str]()
    for path, manifest in trees:
        for each in manifest.files:
            if each.path in made:
                continue
            made[each.path] = each
            into = f"{root}/{each.path}"
            folder = os.path.dirname(into)  # noqa: PTH120 - for each of thousands
            if folder not in folders:
                os.makedirs(folder, exist_ok=True)  # noqa: PTH103
                folders.add(folder)
            try:
                os.link(f"{path}/{each.path}", into)
            except OSError:
                shutil.copy2(f"{path}/{each.path}", into)
    packages = tuple(each for _, manifest in trees for each in manifest.packages)
    _settle_folders(root)
    whole = Manifest(packages, tuple(made[path] for path in sorted(made)))
    whole.write(work / "manifest.json")
    return whole


def _as_walked(file: TreeFile) -> list[tuple[bool, str]]:
    """By which files are sorted as they are found: those of a folder before its folders."""
    folders = file.path.split("/")
    return [*((True, each) for each in folders[:-1]), (False, folders[-1])]


def _text(root: Path, path: str, text: str) -> TreeFile:
    """A text of ours, written."""
    data = text.encode("utf-8", "surrogateescape")
    size, digest = _write_new(f"{root}/{path}", [data])
    _settle(f"{root}/{path}", 0o644)
    return TreeFile(path, 0o644, size, digest)


def _write_new(path: str, chunks: Iterable[bytes]) -> tuple[int, str]:
    """Write a file that must not be there; its size, and its SHA-256 in hexadecimal."""
    size, total = 0, hashlib.sha256()
    with open(path, "xb", buffering=0) as file:  # noqa: PTH123 - for each of thousands
        for chunk in chunks:
            size += len(chunk)
            total.update(chunk)
            left = memoryview(chunk)
            while left:
                left = left[file.write(left) :]
    return size, total.hexdigest()


def _settle(path: str, mode: int) -> None:
    """Give a file the mode and time that it has in every tree."""
    os.chmod(path, mode)  # noqa: PTH101 - for each of thousands
    os.utime(path, (FIXED_TIME, FIXED_TIME))


def _settle_folders(root: Path) -> None:
    for folder, _, _ in os.walk(root, topdown=False):
        os.chmod(folder, 0o755)  # noqa: PTH101
        os.utime(folder, (FIXED_TIME, FIXED_TIME))


def _as_recorded(sha256: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(bytes.fromhex(sha256)).rstrip(b"=").decode()
