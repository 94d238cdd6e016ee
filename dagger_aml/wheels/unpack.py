"""From wheels to trees: unpacked by the wheel specification, compiled, recorded, and laid together by hard links."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import sys
import zipfile
from collections.abc import Iterable, Sequence
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


def unpack(path: Path, wheel: Wheel, work: Path, location: str) -> Contents:
    """Unpack a wheel into ``work/tree``; it is not whole before :func:`finish`.

    :param path: of the archive, whose digest was compared.
    :param location: the lock that names it, for messages.
    :raises ProjectError: it is no wheel, or one that cannot work from a folder of its own.
    """
    root = work / "tree"
    root.mkdir()
    with open_wheel(path, wheel, location) as archive:
        contents = read_wheel(archive, wheel, location)
        for member in contents.members:
            into = root / member.place
            into.parent.mkdir(parents=True, exist_ok=True)
            try:
                with archive.open(member.info) as read, into.open("xb") as written:
                    shutil.copyfileobj(read, written, _CHUNK)
            except (zipfile.BadZipFile, NotImplementedError, ZlibError, FileExistsError, NotADirectoryError) as error:
                raise ProjectError(
                    f"{wheel.file.filename} cannot be unpacked ({error})",
                    location=location,
                    hint="Lock another version or file of the package.",
                ) from None
            into.chmod(0o755 if member.executable else 0o644)
    return contents


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


def finish(work: Path, contents: Contents) -> None:
    """Record what ``work/tree`` holds, give every file its mode and time, and write ``work/manifest.json``."""
    root = work / "tree"
    info = root / contents.dist_info
    (info / "INSTALLER").write_text(f"{INSTALLER}\n", encoding="utf-8")
    files = list(_files(root))
    record = f"{contents.dist_info}/RECORD"
    text = io.StringIO()
    import csv

    rows = csv.writer(text, lineterminator="\n")
    for each in files:
        compiled = each.path.endswith(".pyc")
        rows.writerow([each.path, "" if compiled else _as_recorded(each.sha256), "" if compiled else each.size])
    rows.writerow([record, "", ""])
    data = text.getvalue().encode("utf-8", "surrogateescape")
    (info / "RECORD").write_bytes(data)
    files.append(TreeFile(record, 0o644, len(data), hashlib.sha256(data).hexdigest()))
    _settle(root, files)
    Manifest((contents.package,), tuple(sorted(files, key=lambda each: each.path))).write(work / "manifest.json")


def lay_together(trees: Sequence[tuple[Path, Manifest]], work: Path) -> None:
    """Make ``work/tree`` of several trees, by hard links where the file system has them.

    That no two have a path of different bytes was looked at before.
    """
    root = work / "tree"
    root.mkdir()
    made: dict[str, TreeFile] = {}
    for path, manifest in trees:
        for each in manifest.files:
            if each.path in made:
                continue
            made[each.path] = each
            into = f"{root}/{each.path}"
            os.makedirs(os.path.dirname(into), exist_ok=True)  # noqa: PTH103, PTH120 - for each of thousands
            try:
                os.link(f"{path}/{each.path}", into)
            except OSError:
                shutil.copy2(f"{path}/{each.path}", into)
    packages = tuple(each for _, manifest in trees for each in manifest.packages)
    _settle(root, ())
    Manifest(packages, tuple(made[path] for path in sorted(made))).write(work / "manifest.json")


def _files(root: Path) -> Iterable[TreeFile]:
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            info = path.stat()
            mode = 0o755 if info.st_mode & 0o111 else 0o644
            yield TreeFile(path.relative_to(root).as_posix(), mode, info.st_size, digest)


def _settle(root: Path, files: Iterable[TreeFile]) -> None:
    """Give files and folders the mode and time that they have in every tree."""
    for each in files:
        path = root / each.path
        path.chmod(each.mode)
        os.utime(path, (FIXED_TIME, FIXED_TIME))
    for folder, _, _ in os.walk(root, topdown=False):
        Path(folder).chmod(0o755)
        os.utime(folder, (FIXED_TIME, FIXED_TIME))


def _as_recorded(sha256: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(bytes.fromhex(sha256)).rstrip(b"=").decode()
