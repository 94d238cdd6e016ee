"""What a call of the command line looked at on this machine, and whether all of that is as it was.

It is what Python's audit events tell of files and folders that were opened, the code of every module that was loaded,
and, entry by entry, the folders that an image is made of. A file counts as unchanged while device, number, mode, size
and both of its times are what they were: the time of the last change of its own record cannot be set back.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

_MOST_ENTRIES = 5000
"""Of all folders of an image: to look at more takes longer than it saves."""

_OF_THE_SYSTEM = ("/proc/", "/sys/", "/dev/")

_IN_MEMORY = "/dev/shm/"
"""Files like any others, in a folder of devices."""

_WRITES = os.O_WRONLY | os.O_RDWR

_NAMES, _LISTS = (str, bytes), frozenset(("os.listdir", "os.scandir"))

_UNSAID = frozenset(("_", "SHLVL", "OLDPWD"))
"""Variables that shells set, which differ from call to call and mean nothing to us."""


class Unclear(Exception):
    """It cannot be told whether something is as it was."""


class Heard:
    """The files and folders that this process opens from :meth:`begin` on; hearing has no end in Python."""

    def __init__(self) -> None:
        self.began_ns: int | None = None
        self._files: set[str | bytes] = set()
        self._folders: set[str | bytes] = set()
        self.hear: Callable[[str, tuple[Any, ...]], None] = _hearing(self._files, self._folders)

    def begin(self) -> None:
        """Hear from now on."""
        self.began_ns = time.time_ns()
        sys.addaudithook(self.hear)

    def paths(self, left_out: Iterable[str]) -> list[str]:
        """Every file that was opened, and every folder that was listed, but where modules are looked for.

        Of code that Python keeps compiled it is the source, as it is of each module.

        :param left_out: folders of which nothing is told.
        """
        found = {_source(os.path.abspath(os.fsdecode(each))) for each in self._files}  # noqa: PTH100 - hundreds
        modules = set(map(os.path.abspath, sys.path_importer_cache))
        found |= {os.path.abspath(os.fsdecode(each)) for each in self._folders} - modules  # noqa: PTH100
        found |= {each for module in list(sys.modules.values()) if (each := getattr(module, "__file__", None))}
        beneath = tuple(f"{each.rstrip(os.sep)}{os.sep}" for each in left_out)
        return sorted(
            each for each in found if not _is_of_the_system(each) and not f"{each}{os.sep}".startswith(beneath)
        )


def _hearing(files: set[str | bytes], folders: set[str | bytes]) -> Callable[[str, tuple[Any, ...]], None]:
    """A hook. No method: of one, Python raises an error and takes it back at each of some 3000 events, 2 ms in all.

    :param files: gets those that are opened; and ``folders`` those that are listed.
    """

    def hear(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, flags = args[0], args[-1]
            if isinstance(path, _NAMES) and isinstance(flags, int) and not flags & _WRITES:
                files.add(path)
        elif event in _LISTS and isinstance(args[0], _NAMES):
            folders.add(args[0])

    return hear


HEARD = Heard()
"""Of this process: hooks of audits are its own."""


def _is_of_the_system(path: str) -> bool:
    return path.startswith(_OF_THE_SYSTEM) and not path.startswith(_IN_MEMORY)


def _source(path: str) -> str:
    from importlib.util import source_from_cache

    try:
        return source_from_cache(path) if path.endswith(".pyc") else path
    except ValueError:
        return path


def call_key(words: Sequence[str]) -> str:
    """What tells a call from any other: its words, its folder, its environment, its user, and its Python.

    :param words: behind the program's name.
    """
    said = sorted((name, value) for name, value in os.environ.items() if name not in _UNSAID)
    user = os.geteuid() if hasattr(os, "geteuid") else ""
    parts = list(words), os.getcwd(), said, user, sys.executable, sys.version, __file__  # noqa: PTH109
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogateescape")).hexdigest()


def mark_of(paths: Iterable[str], folders: Iterable[str], before_ns: float = float("inf")) -> str:
    """What tells whether files and folders are as they were.

    :param paths: each looked at by itself; one that is not there counts too.
    :param folders: looked at with all that is in them, and what git ignores in them. The first is the project; each
        other lies in it, or a link in it leads there. By what other way it was found, over which links, is not known.
    :param before_ns: since 1970; all must have been changed before.
    :raises Unclear: one was changed later; there is too much; a link leads to another folder than these; one of these
        is not found so; something cannot be read.
    """
    total, folders, reached, passed = hashlib.sha256(), tuple(folders), set[str](), set[str]()

    def take(path: str, said: str) -> None:
        total.update(f"{path}\0{said}\0".encode("utf-8", "surrogateescape"))

    try:
        for path in paths:
            take(path, _stamp(path, before_ns))
        left = _MOST_ENTRIES
        for folder in folders:
            for path, said in _walked(folder, folders, reached, before_ns):
                left -= 1
                if left < 0:
                    raise Unclear(folder)
                take(path, said)
            for path, said in _above(folder, passed, before_ns):
                take(path, said)
        for folder in folders[1:]:
            if folder not in reached and not f"{folder}{os.sep}".startswith(f"{folders[0].rstrip(os.sep)}{os.sep}"):
                raise Unclear(folder)
    except OSError as error:
        raise Unclear(str(error)) from None
    return total.hexdigest()


def _stamp(path: str, before_ns: float) -> str:
    try:
        info = os.lstat(path)
        target = os.stat(path) if stat.S_ISLNK(info.st_mode) else None  # noqa: PTH116 - hundreds
    except (FileNotFoundError, NotADirectoryError):
        return "gone"
    return _said(info, before_ns) + (_said(target, before_ns) if target else "")


def _said(info: os.stat_result, before_ns: float) -> str:
    times = info.st_mtime_ns, info.st_ctime_ns
    if max(times) >= before_ns:
        raise Unclear
    return f"{info.st_mode:o} {info.st_dev} {info.st_ino} {info.st_size} {times[0]} {times[1]} "


def _walked(folder: str, known: Sequence[str], reached: set[str], before_ns: float) -> Iterator[tuple[str, str]]:
    """Each entry of a folder and of those in it; a file where a file is meant.

    :param known: folders that a link may lead to, since they are looked at themselves.
    :param reached: gets where links lead.
    """
    if not os.path.isdir(folder):  # noqa: PTH112
        yield folder, _stamp(folder, before_ns)
        return
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for each in entries:
        if each.is_dir(follow_symlinks=False):
            # Its own times tell no more than its entries do.
            yield each.path, f"{each.stat(follow_symlinks=False).st_mode:o}"
            yield from _walked(each.path, known, reached, before_ns)
            continue
        end = os.path.realpath(each.path) if each.is_symlink() else ""
        reached.add(end)
        if each.is_dir():
            if end not in known:
                raise Unclear(each.path)
            yield each.path, end
        else:
            yield each.path, _stamp(each.path, before_ns)


def _above(folder: str, passed: set[str], before_ns: float) -> Iterator[tuple[str, str]]:
    """What decides, above a folder, what git ignores in it.

    :param passed: folders of which that was said already; gets those of which it is said now.
    """
    while (above := os.path.dirname(folder)) != folder and above not in passed:  # noqa: PTH120
        folder = above
        passed.add(folder)
        yield folder, str(os.path.lexists(os.path.join(folder, ".git")))  # noqa: PTH118
        ignores = os.path.join(folder, ".gitignore")  # noqa: PTH118
        yield ignores, _stamp(ignores, before_ns)
