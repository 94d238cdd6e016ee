"""What an image tells the next build: facts of its base, and which of its layers are what ran.

It stands in a label of the image, and beside the layers in the cache of this machine. Whoever may push to a
repository that is read can write one; with a key, a note without that key's mark counts as none.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from attrs import evolve

from ...base.facts_json import Reader, fraction, number, optional, read, read_known
from ...base.facts_json import text as said
from ...base.facts_json import written as plain
from ...base.known import KnownFacts
from ...data import frozen
from ...oci.manifest import BlobLayer

NOTE_LABEL = "io.dagger-aml.direct"

KEY_VARIABLE = "DAGGER_AML_CACHE_KEY"

Mark = Literal["right", "wrong", "missing", "no key"]
"""How the mark of a note stands to the key; ``no key``: it is set, but empty."""

_SCHEMA = 1

_LONGEST = 32 * 1024
"""Bytes of a note; a longer one leaves out what is known of paths, which is then read from layers."""


@frozen
class RuntimeNote:
    """What ran on a base.

    :param key: its runtime key.
    :param layers: how many of the image's layers, above those of the base, are what ran.
    :param made: when, seconds since 1970.
    :param after: what is at paths of the image then.
    """

    key: str
    layers: int
    made: float
    after: KnownFacts | None = None


@frozen
class Note:
    """What an image tells of what lies beneath our layers.

    :param base: digest of the base's own manifest.
    :param facts: of the base.
    :param runtime: None where nothing ran.
    """

    base: str
    facts: KnownFacts | None
    runtime: RuntimeNote | None = None


@frozen
class _Written:
    schema: int
    note: Note
    mark: str = ""


def write_note(note: Note, layers: Sequence[BlobLayer], base: int) -> str:
    """The note as text.

    :param layers: of the base and of what ran, lowest first; the mark is of them too.
    :param base: how many of them are the base's.
    """
    runtime = note.runtime
    if runtime and runtime.after:
        runtime = evolve(runtime, after=runtime.after.shortened())
    note = Note(note.base, note.facts and note.facts.shortened(), runtime)
    if len(_text(note)) > _LONGEST:
        note = Note(note.base, None, runtime and evolve(runtime, after=None))
    return json.dumps(plain(_Written(_SCHEMA, note, _mark(note, layers, base)), defaults=False), sort_keys=True)


def read_note(text: object, layers: Sequence[BlobLayer], base: int) -> Note | None:
    """A note; None where there is none, none that can be read, or one without the key's mark.

    :param layers: the image's, lowest first.
    :param base: how many layers the base has.
    """
    written = _read(text)
    return written.note if written and _checked(written, layers, base) == "right" else None


def _read(text: object) -> _Written | None:
    if not isinstance(text, str):
        return None
    try:
        written = read(_Written, _WRITTEN, json.loads(text))
    except (ValueError, RecursionError):
        return None
    return written if written.schema == _SCHEMA else None


def _checked(written: _Written, layers: Sequence[BlobLayer], base: int) -> Mark | None:
    """How a note stands to the key that the environment has; None where it is of other layers than there are."""
    note = written.note
    ran = note.runtime.layers if note.runtime else 0
    if not 0 <= ran <= len(layers) - base:
        return None
    if KEY_VARIABLE not in os.environ:
        return "right"
    # An empty key, as CI gives it to whom it does not trust, marks nothing and takes nothing.
    expected = _mark(note, layers[: base + ran], base)
    if not expected:
        return "no key"
    if not written.mark:
        return "missing"
    return "right" if hmac.compare_digest(expected.encode(), written.mark.encode()) else "wrong"


def plain_note(config: Mapping[str, Any]) -> Note | None:
    """The note of an image, whatever its mark: to tell people of it, and for nothing else."""
    written = _read(_label(config))
    return written.note if written else None


def mark_of(config: Mapping[str, Any], layers: Sequence[BlobLayer], base: int) -> Mark:
    """How the mark of an image's note stands to the key; ``right`` too where no key is set, or there is no note.

    :param layers: the image's, lowest first.
    :param base: how many layers the base has that it is held against.
    """
    written = _read(_label(config))
    return (written and _checked(written, layers, base)) or "right"


def told_mark(config: Mapping[str, Any]) -> Mark:
    """As :func:`mark_of`, as far as the label alone tells: ``right`` too of a mark, which only layers could check."""
    written = _read(_label(config))
    if written is None or KEY_VARIABLE not in os.environ:
        return "right"
    if not os.environ[KEY_VARIABLE]:
        return "no key"
    return "right" if written.mark else "missing"


def note_of(config: Mapping[str, Any], layers: Sequence[BlobLayer], base: int) -> Note | None:
    """The note of an image by its config document.

    :param layers: the image's, lowest first.
    :param base: how many layers the base has that it is held against.
    """
    return read_note(_label(config), layers, base)


def _label(config: Mapping[str, Any]) -> object:
    return ((config.get("config") or {}).get("Labels") or {}).get(NOTE_LABEL)


def _mark(note: Note, layers: Sequence[BlobLayer], base: int) -> str:
    """The mark of the key that the environment has, over all of a note and those layers; empty without a key.

    Of what ran the blobs count too: no config holds them, and a manifest of somebody else's could name others.
    """
    key = os.environ.get(KEY_VARIABLE, "")
    if not key:
        return ""
    said = json.dumps([_text(note), [each.diff_id for each in layers], [each.digest for each in layers[base:]]])
    return hmac.new(key.encode(), said.encode(), hashlib.sha256).hexdigest()


def _text(note: Note) -> str:
    return json.dumps(plain(note, defaults=False), sort_keys=True)


_RUNTIME: Mapping[str, Reader] = {"key": said, "layers": number, "made": fraction, "after": optional(read_known)}

_NOTE: Mapping[str, Reader] = {
    "base": said,
    "facts": optional(read_known),
    "runtime": optional(lambda data: read(RuntimeNote, _RUNTIME, data)),
}

_WRITTEN: Mapping[str, Reader] = {"schema": number, "note": lambda data: read(Note, _NOTE, data), "mark": said}
