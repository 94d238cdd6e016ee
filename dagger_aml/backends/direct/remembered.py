"""What layers of unchanged files became, kept on this machine, so that a model is not hashed at each push.

Files count as unchanged while the stamp of each is what it was when they were hashed, and digests are kept only of
files that lay still for a while before they were read (:mod:`dagger_aml.fs.still`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from attrs import field

from ...data import frozen
from ...fs.still import CHANGE_TIMES, lay_still, now_ns, stamp_of
from ...oci.content_store import ContentStore
from ...oci.entries import TarEntry
from ...oci.file_digests import FileDigests
from ...oci.layer_writer import FORMAT
from ...oci.manifest import BlobLayer
from .layers import Mark, OwnLayer


@frozen
class Remembered:
    """What layers became.

    :param fresh: whether digests of files that are kept are not taken, as with ``--no-cache``.
    """

    store: ContentStore = field(repr=False)
    fresh: bool = False

    def mark(self, layer: OwnLayer) -> Mark:
        """What tells the files of a layer as they are now; taken before they are read."""
        now, still, total = now_ns(), CHANGE_TIMES, hashlib.sha256(b"%d" % FORMAT)
        for each in layer.entries:
            total.update(f"{each.type} {each.mode:o} {each.uid}:{each.gid} {each.size} ".encode())
            total.update(f"{each.path}\0{each.target}\0".encode("utf-8", "surrogateescape"))
            if not isinstance(each.content, Path):
                total.update(each.content)
                continue
            try:
                stamp = stamp_of(os.stat(each.content))  # noqa: PTH116 - for each of thousands
            except OSError:
                return Mark("gone", still=False)
            still = still and lay_still(stamp, now)
            total.update(b"%d %d %d %d %d" % stamp)
        return Mark(total.hexdigest(), still)

    def seen(self, mark: Mark) -> bool:
        """Whether these files made a layer before."""
        return self.store.document("stamps", mark.name) is not None

    def diff_id(self, layer: OwnLayer, mark: Mark) -> str | None:
        """The digest of a layer's tar where its files were hashed before; the layer is then told those of the files.

        None where they were not, or what is kept cannot be read.
        """
        kept: Any = None if self.fresh else self.store.document("stamps", mark.name)
        try:
            digests = [bytes.fromhex(each) for each in kept["files"]]
            files, diff_id = list(_read(layer.entries)), kept["diff_id"]
            blob = self.blob(diff_id)
        except (TypeError, KeyError, ValueError, AttributeError):
            return None
        if len(digests) != len(files) or any(len(each) != 32 for each in digests):
            return None
        layer.known(diff_id, zip(files, digests, strict=True), blob.packing if blob else None)
        return str(diff_id)

    def blob(self, diff_id: str) -> BlobLayer | None:
        """What a tar of this digest became."""
        found: Any = self.store.document("layers", diff_id.removeprefix("sha256:"))
        try:
            return BlobLayer(diff_id, found["digest"], found["size"], found["packing"])
        except (TypeError, KeyError):
            return None

    def note(self, layer: OwnLayer, blob: BlobLayer, mark: Mark) -> None:
        """Keep what a layer became.

        :param mark: of before it was read.
        """
        name = blob.diff_id.removeprefix("sha256:")
        kept = {"digest": blob.digest, "size": blob.size, "packing": blob.packing}
        if self.store.document("layers", name) != kept:
            self.store.put_document("layers", name, kept)
        stamp: dict[str, Any] = {"diff_id": blob.diff_id}
        digests = [layer.files.get(each) for each in _read(layer.entries)]
        if mark.still and all(digests):
            stamp["files"] = [each.hex() for each in digests if each]
        if self.store.document("stamps", mark.name) == stamp:
            return
        with FileDigests.kept(self.store) as hashed:
            try:
                files = {each: stamp_of(os.stat(each)) for each in _read(layer.entries)} if "files" in stamp else {}  # noqa: PTH116
            except OSError:
                return  # One is gone, which is told of when all is sent.
            if self.mark(layer).name == mark.name:
                self.store.put_document("stamps", mark.name, stamp)
                for each, seen in files.items():
                    hashed.note(each, seen, layer.files[each])

    def forget(self, mark: Mark) -> None:
        """Take back what files became: it was not so."""
        self.store.drop_document("stamps", mark.name)


def _read(entries: Sequence[TarEntry]) -> Iterator[str]:
    """The paths of the files of this machine that entries hold."""
    return (str(each.content) for each in entries if each.type == "file" and isinstance(each.content, Path))
