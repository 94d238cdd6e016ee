"""Facts of bases kept on this machine by the digest of the image, so that a known base is neither run nor read.

One small JSON file a base, in ``facts`` of the folder of all that is kept (:mod:`dagger_aml.fs.cache_folder`).
Whoever can write there decides what is built on, so the folder is the user's alone. The cache may be lost at any
time; whatever is wrong with it means only that the base is asked again.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from ..data import frozen
from ..errors import DaggerAmlError
from ..fs.atomic import replaced_file
from ..fs.cache_folder import cache_folder, is_own
from ..text import pattern
from .facts_json import number, read, read_known, written
from .facts_json import text as said
from .known import KnownFacts

_SCHEMA = 2
"""Changes with what the facts mean or how they are found out."""

_DIGEST = pattern(r"sha256:([0-9a-f]{64})\Z")

_MOST_BYTES = 16 * 1024 * 1024

_MOST_PATHS = 50_000
"""Of one base; beyond, only what was asked last is kept."""


@frozen
class _Kept:
    schema: int
    digest: str
    known: KnownFacts


def facts_folder() -> Path:
    """Where facts are kept."""
    return cache_folder() / "facts"


def known_facts(digest: str, folder: Path | None = None) -> KnownFacts | None:
    """All that is kept of a base; None where that is nothing, or cannot be relied on."""
    path = _path(digest, folder or facts_folder())
    if path is None or not is_own(path.parent):
        return None
    try:
        text = path.read_text(encoding="utf-8") if path.stat().st_size <= _MOST_BYTES else ""
        kept = read(_Kept, {"schema": number, "digest": said, "known": read_known}, json.loads(text))
    except (OSError, ValueError, RecursionError):
        return None
    # Exactly what would be written: no other keys, no text for a number.
    if (kept.schema, kept.digest) != (_SCHEMA, digest) or _text(kept) != text:
        return None
    return kept.known if kept.known.facts.source == "probed" else None


def keep_facts(digest: str, known: KnownFacts, folder: Path | None = None) -> None:
    """Keep what was found out about a base, together with what is kept of it already.

    Nothing is kept of an image without digest, of facts that are only assumed, or where the folder cannot be written.

    :param digest: of the manifest of one platform.
    :param folder: :func:`facts_folder` unless given.
    """
    folder = folder or facts_folder()
    path = _path(digest, folder)
    if path is None or known.facts.source != "probed":
        return
    before = known_facts(digest, folder)
    if before and len(before.asked | known.asked) <= _MOST_PATHS:
        known = before.merged(known)
    text = _text(_Kept(_SCHEMA, digest, known))
    if before and text == _text(_Kept(_SCHEMA, digest, before)):
        return
    with contextlib.suppress(OSError, DaggerAmlError):
        folder.mkdir(0o700, parents=True, exist_ok=True)
        if is_own(folder):
            with replaced_file(path) as new:
                new.write_text(text, encoding="utf-8")


def _path(digest: str, folder: Path) -> Path | None:
    match = _DIGEST.match(digest)
    return folder / f"{match[1]}.json" if match else None


def _text(kept: _Kept) -> str:
    return json.dumps(written(kept), sort_keys=True)
