"""Digests of files, kept on this machine, so that a model is hashed once and not at each plan.

One small document for each folder that has files worth it. What is kept of a file counts while its stamp is the same
(:mod:`dagger_aml.fs.still`); whatever is wrong with what is kept only means that files are hashed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import field

from ..data import define
from ..fs.cache_folder import cache_folder
from ..fs.digest import file_digest
from ..fs.still import CHANGE_TIMES, Stamp, lay_still, now_ns, stamp_of
from .content_store import ContentStore

_KIND = "files"

_WORTH_IT = 64 * 1024
"""Bytes of a file from which on it is kept: a smaller one is read as fast as what is kept of it."""


@define(eq=False)
class FileDigests:
    """Raw sha256 of files, hashed where they are not known; several threads may ask.

    :param store: where they are kept.
    """

    store: ContentStore
    _folders: dict[str, dict[str, Any]] = field(factory=dict, init=False, repr=False)
    _now: dict[str, tuple[Stamp, bytes]] = field(factory=dict, init=False, repr=False)
    """What was hashed by this process, whether it is kept or not."""
    _new: set[str] = field(factory=set, init=False, repr=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    @classmethod
    @contextlib.contextmanager
    def kept(cls, store: ContentStore | None = None) -> Iterator[FileDigests]:
        """Those of this machine; what is found out meanwhile is kept at the block's end, however it ends."""
        made = cls(store or ContentStore(cache_folder()))
        try:
            yield made
        finally:
            made.save()

    def get(self, key: str, /) -> bytes | None:
        """The digest of a file, which is hashed where that is not known; None of a small one.

        :raises ProjectError: it has gone, or changes while it is read.
        """
        now, stamp = now_ns(), _stamp(key)
        if stamp is None or stamp[2] < _WORTH_IT or not CHANGE_TIMES:
            return None
        before = self._now.get(key)
        if before and before[0] == stamp:
            return before[1]
        folder, name = os.path.split(key)
        found = self._of(folder).get(name)
        if isinstance(found, list) and found[:-1] == list(stamp):
            with contextlib.suppress(ValueError, TypeError):
                if len(raw := bytes.fromhex(found[-1])) == 32:
                    return raw
        raw = file_digest(Path(key), stamp[2])
        if _stamp(key) == stamp:
            self._now[key] = stamp, raw
            if lay_still(stamp, now):
                self.note(key, stamp, raw)
        return raw

    def note(self, path: str, stamp: Stamp, raw: bytes) -> None:
        """Keep the digest of a file that lay still.

        :param stamp: of before it was read, and after.
        """
        if stamp[2] < _WORTH_IT:
            return
        folder, name = os.path.split(path)
        kept = self._of(folder)
        with self._lock:
            kept[name] = [*stamp, raw.hex()]
            self._new.add(folder)

    def save(self) -> None:
        """Keep what was found out; that it cannot be kept is no error."""
        with self._lock:
            # Copies: where a command is stopped, threads may still hash.
            new, self._new = {folder: dict(self._folders[folder]) for folder in self._new}, set()
        for folder, kept in new.items():
            files = {name: each for name, each in kept.items() if os.path.lexists(f"{folder}/{name}")}
            self.store.put_document(_KIND, _name(folder), files)

    def _of(self, folder: str) -> dict[str, Any]:
        """What is kept of a folder's files."""
        with self._lock:
            found = self._folders.get(folder)
            if found is None:
                kept = self.store.document(_KIND, _name(folder))
                found = self._folders[folder] = kept if isinstance(kept, dict) else {}
            return found


def _name(folder: str) -> str:
    return hashlib.sha256(os.fsencode(folder)).hexdigest()[:40]


def _stamp(path: str) -> Stamp | None:
    try:
        return stamp_of(os.stat(path))  # noqa: PTH116 - for each of thousands
    except OSError:
        return None
