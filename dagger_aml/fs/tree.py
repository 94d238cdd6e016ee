"""Local files and folders: what of them is taken, and what is refused."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import evolve

from ..errors import GraphError, ProjectError, unreadable
from ..graph.source import Entry, Local
from ..text import pattern
from .ignore import IgnoreFiles

ALWAYS_LEFT_OUT = frozenset(
    {
        ".git",
        ".gitignore",
        ".amlignore",
        ".dockerignore",
        ".hg",
        ".svn",
        ".env",
        ".venv",
        ".tox",
        ".nox",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".ipynb_checkpoints",
        ".DS_Store",
        "node_modules",
        "__pycache__",
    }
)
"""Names that are never taken from a code folder."""


ENVIRONMENT = ("pyvenv.cfg", "conda-meta/history")
"""Files by which a folder is known to be an environment of Python's packages, of venv or of conda."""


MARKER = ".dagger-aml"
"""A file that marks a folder as written by dagger-aml: it may be replaced, and is never taken as code."""


def local(
    path: Path,
    *,
    leave_out: Iterable[Path] = (),
    caches: bool = False,
    whole: bool = False,
    ignore: IgnoreFiles | None = None,
    keep: Iterable[Path] = (),
    location: str = "copy",
) -> Local:
    """Walk a file or a folder and say what of it goes into the image.

    The part given may itself be a link, which is followed. Modes are normalised (0755 for folders and what anyone
    may execute, 0644 for the rest).

    :param leave_out: paths in the folder that are other parts of the project.
    :param caches: take also what :data:`ALWAYS_LEFT_OUT` names, as of a model folder.
    :param whole: take everything. Else ``.cache/huggingface`` is not: times of downloads stand in it, which would
        make each of them a new layer.
    :param ignore: ignore files to follow.
    :param keep: paths in the folder's top that ignore files say nothing of, nor of what lies beneath.
    :param location: named in errors.
    :raises ProjectError: missing or unreadable.
    :raises GraphError: a FIFO, socket or device; a link that leaves the folder.
    """
    try:
        root = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise unreadable_part(error, path) from None
    # As texts, as os.scandir has them: of each of thousands a Path would be made for this alone.
    kept_apart = set(map(str, _places(leave_out)))
    spared = {str(each.parent.resolve() / each.name) for each in keep}
    mode = root.stat().st_mode
    if stat.S_ISREG(mode):
        _must_read(root)
        return Local(str(root), (_file(root.name, root.stat()),))
    if not stat.S_ISDIR(mode):
        raise GraphError(f"{_kind(mode)} cannot be put into an image: {root}", location=location)
    entries: list[Entry] = []
    left_out: list[str] = []

    def walk(folder: Path, prefix: str, ignore: IgnoreFiles | None) -> None:
        try:
            names = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise unreadable(error, folder) from None
        for item in names:
            name = prefix + item.name
            ours = not caches and _is_left_out(item)
            if ours or item.path in kept_apart or (not whole and _of_download(item, folder)):
                left_out.append(name)
                continue
            try:
                info = item.stat(follow_symlinks=False)
            except OSError as error:
                raise unreadable_part(error, item.path) from None
            rules = None if item.path in spared else ignore
            if rules and rules.ignores(Path(item.path), folder=stat.S_ISDIR(info.st_mode)):
                left_out.append(name)
                continue
            if stat.S_ISLNK(info.st_mode) and (blob := _blob(root, item)):
                entries.append(evolve(blob, path=name))
            elif stat.S_ISLNK(info.st_mode):
                entries.append(_link(root, Path(item.path), name, location))
            elif stat.S_ISDIR(info.st_mode):
                entries.append(Entry(name, "dir", 0o755, disk_mode=stat.S_IMODE(info.st_mode)))
                walk(Path(item.path), name + "/", rules)
            elif stat.S_ISREG(info.st_mode):
                _must_read(item.path)
                entries.append(_file(name, info))
            else:
                raise GraphError(f"{_kind(info.st_mode)} cannot be put into an image: {item.path}", location=location)

    walk(root, "", ignore)
    return Local(str(root), sorted(entries, key=lambda entry: entry.path), left_out)


def _places(paths: Iterable[Path]) -> set[Path]:
    """Where they lie, and where they lead: a part that is given as a link is another part at both places."""
    folders: dict[Path, Path] = {}
    found = set()
    for each in paths:
        if each.parent not in folders:
            folders[each.parent] = each.parent.resolve()
        found.add(place := folders[each.parent] / each.name)
        # Few are links, and each call of resolve looks at every folder above.
        if each.name in ("", "..") or os.path.islink(place):  # noqa: PTH114 - quiet of a folder that is closed to us
            found.add(each.resolve())
    return found


def some_files(root: Path, files: Iterable[Path], *, location: str = "copy") -> Local:
    """Some files of a folder, at the places that they have in it, and nothing else that lies there.

    :param files: in ``root``, none of them a link.
    :raises ProjectError: missing or unreadable.
    """
    top = root.resolve()
    entries: dict[str, Entry] = {}
    for file in files:
        place = (file.parent.resolve() / file.name).relative_to(top)
        for folder in reversed(place.parents[:-1]):
            mode = stat.S_IMODE((top / folder).stat().st_mode)
            entries[folder.as_posix()] = Entry(folder.as_posix(), "dir", 0o755, disk_mode=mode)
        found = local(file, location=location).entries[0]
        entries[place.as_posix()] = evolve(found, path=place.as_posix())
    return Local(str(top), sorted(entries.values(), key=lambda entry: entry.path), partial=True)


_POINTER, _LARGEST_POINTER = b"version https://git-lfs.github.com/spec/", 1024


def check_pulled(source: Local) -> None:
    """Refuse files that Git LFS left as pointers: small texts in place of the files that are meant.

    :raises ProjectError: there is one.
    """
    single = is_file(source)
    for entry in source.entries:
        if entry.type != "file" or not len(_POINTER) < entry.size < _LARGEST_POINTER:
            continue
        path = Path(source.path) / ("" if single else entry.path)
        try:
            with path.open("rb") as file:
                begun = file.read(len(_POINTER))
        except OSError as error:
            raise unreadable_part(error, path) from None
        if begun == _POINTER:
            raise ProjectError(
                "is a Git LFS pointer, not the file itself", location=str(path), hint="Fetch the file: git lfs pull"
            )


def is_file(source: Local) -> bool:
    """Whether a Local source is a single file."""
    return (
        not source.partial
        and len(source.entries) == 1
        and source.entries[0].type == "file"
        and source.entries[0].path == Path(source.path).name
        and Path(source.path).is_file()
    )


def placed(source: Local) -> Iterator[tuple[Entry, str]]:
    """Each entry of a source, and where it lies on this machine."""
    root, single = source.path, is_file(source)
    for entry in source.entries:
        yield entry, root if single else entry.at or os.path.join(root, entry.path)  # noqa: PTH118 - of thousands


def _file(name: str, info: os.stat_result) -> Entry:
    executable = bool(info.st_mode & 0o111)
    return Entry(name, "file", 0o755 if executable else 0o644, info.st_size, disk_mode=stat.S_IMODE(info.st_mode))


def _link(root: Path, path: Path, name: str, location: str) -> Entry:
    target = os.readlink(path)  # noqa: PTH115 - the text itself, not a Path made of it
    ends = Path(os.path.normpath(path.parent / target)), Path(os.path.realpath(path))
    if Path(target).is_absolute() or not all(end.is_relative_to(root) for end in ends):
        raise GraphError(
            f"a link points outside the folder: {path} -> {target}",
            location=location,
            hint="Copy the target into the folder, or give the target as a separate part.",
        )
    return Entry(name, "link", 0o777, target=target, disk_mode=0o777)


_COMMIT = pattern(r"[0-9a-f]{40}")


def _blob(root: Path, item: os.DirEntry[str]) -> Entry | None:
    """What a link of a Hugging Face snapshot leads to, as a file; None for any other link.

    The cache of Hugging Face has ``snapshots/COMMIT`` with links into the folder ``blobs`` beside ``snapshots``.
    """
    blobs = root.parent.parent / "blobs"
    if root.parent.name != "snapshots" or not _COMMIT.fullmatch(root.name) or not blobs.is_dir():
        return None
    end = Path(os.path.realpath(item.path))
    if end.parent != blobs or not end.is_file():
        return None
    _must_read(end)
    return evolve(_file(item.name, end.stat()), at=str(end))


def _is_left_out(item: os.DirEntry[str]) -> bool:
    if item.name in ALWAYS_LEFT_OUT or item.name == MARKER or item.name.endswith((".pyc", ".egg-info")):
        return True
    if item.name.startswith(".env."):
        return True
    if not item.is_dir(follow_symlinks=False):
        return False
    return any(os.path.isfile(f"{item.path}/{name}") for name in (*ENVIRONMENT, MARKER))  # noqa: PTH113 - no error


def _of_download(item: os.DirEntry[str], folder: Path) -> bool:
    """Whether this is ``.cache/huggingface``, or ``.cache`` with nothing else in it."""
    if item.name == "huggingface":
        return folder.name == ".cache"
    if item.name != ".cache" or not item.is_dir(follow_symlinks=False):
        return False
    return [each.name for each in os.scandir(item.path)] == ["huggingface"]


def _must_read(path: Path | str) -> None:
    if not os.access(path, os.R_OK):
        raise unreadable(PermissionError(), Path(path))


def _kind(mode: int) -> str:
    names = {
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return names.get(stat.S_IFMT(mode), "a special file")


def unreadable_part(error: OSError | RuntimeError, path: str | Path) -> ProjectError:
    if isinstance(error, FileNotFoundError):
        return ProjectError("does not exist", location=str(path))
    if isinstance(error, RuntimeError):
        return ProjectError(f"cannot be read ({error})", location=str(path))
    return unreadable(error, path)
