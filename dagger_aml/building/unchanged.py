"""A push in which nothing has changed since the same call pushed the same: known without reading the project anew.

Reading a project, laying it out and looking at it by every rule takes most of the time of a push that has nothing to
send. So a call that found all in place is kept, with what it looked at, what it told and which image it pushed. The
next such call asks the registries what it would have asked, and gives the tag its manifest once more.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Iterable, Sequence
from typing import Any

from attrs import evolve, field

from ..data import frozen
from ..errors import DaggerAmlError
from ..fs.cache_folder import cache_folder
from ..fs.still import STILL_NS
from ..oci.content_store import ContentStore
from ..policy import DEFAULT, Policy
from .looked_at import Heard, Unclear, call_key, mark_of

_KIND = "calls"

_FORMAT = 1

_SHORT = evolve(DEFAULT, connect_timeout_seconds=2.0, answer_timeout_seconds=5.0)
"""Who does not answer soon is asked by the usual way, which tries again and tells of it."""


@frozen
class Ran:
    """What ran before for an image.

    :param document: where this machine keeps what it knows of it; and ``digest`` of that, empty of none.
    :param made: when, seconds since 1970.
    :param limit_seconds: for which it is taken; None for ever.
    """

    document: str
    digest: str
    made: float
    limit_seconds: float | None


@frozen
class Pushed:
    """A call that pushed an image of which the registry had every part already.

    :param base: reference as it was given; and ``base_digest``, empty where the reference has one.
    :param tags: each with its tag.
    :param digest: of the manifest.
    :param told: what it told, for who shows that.
    :param paths: files and folders that it looked at, and ``folders`` that the image is made of.
    """

    base: str
    base_digest: str
    tags: tuple[str, ...]
    digest: str
    told: Any = field(repr=False)
    paths: tuple[str, ...] = field(repr=False)
    folders: tuple[str, ...] = field(repr=False)
    ran: Ran | None = None


def keep(pushed: Pushed, words: Sequence[str], heard: Heard) -> None:
    """Keep a call, unless something was changed shortly before it or since, or that cannot be told.

    That it cannot be kept is no error.

    :param words: of the command line.
    """
    if heard.began_ns is None:
        return
    try:
        mark = _mark(words, pushed.paths, pushed.folders, heard.began_ns - STILL_NS)
    except Unclear:
        return
    ran = pushed.ran
    document = {
        "format": _FORMAT,
        "base": [pushed.base, pushed.base_digest],
        "tags": list(pushed.tags),
        "digest": pushed.digest,
        "told": pushed.told,
        "paths": list(pushed.paths),
        "folders": list(pushed.folders),
        "mark": mark,
        "ran": [ran.document, ran.digest, ran.made, ran.limit_seconds] if ran else None,
    }
    with contextlib.suppress(TypeError, ValueError):  # What is no JSON; the image is pushed already.
        ContentStore(cache_folder()).put_document(_KIND, call_key(words), document)


def kept(words: Sequence[str]) -> Pushed | None:
    """The same call of before, if all that it looked at on this machine is as it was."""
    try:
        store, key = ContentStore(cache_folder()), call_key(words)
        if not os.path.lexists(store.document_path(_KIND, key)):
            return None
        found = store.document(_KIND, key)
        if found["format"] != _FORMAT or _mark(words, found["paths"], found["folders"]) != found["mark"]:
            return None
        ran = Ran(*found["ran"]) if found["ran"] else None
        if ran and (document_digest(ran.document) != ran.digest or not _young(ran)):
            return None
        base, base_digest = found["base"]
        told, paths, folders = found["told"], tuple(found["paths"]), tuple(found["folders"])
        return Pushed(base, base_digest, tuple(found["tags"]), found["digest"], told, paths, folders, ran)
    except (Unclear, OSError, DaggerAmlError, TypeError, KeyError, ValueError):
        return None


def _mark(words: Sequence[str], paths: Iterable[str], folders: Iterable[str], before_ns: float = math.inf) -> str:
    """As :func:`~.looked_at.mark_of`, and where each word leads that names something here."""
    ends = [os.path.realpath(each) for each in words if os.path.lexists(each)]
    return f"{mark_of(paths, folders, before_ns)} {ends}"


def document_digest(path: str) -> str:
    """Digest of a small file; empty of none."""
    import hashlib

    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return ""


def _young(ran: Ran) -> bool:
    age = time.time() - ran.made
    return age >= 0 and (ran.limit_seconds is None or age <= ran.limit_seconds)


def pushed_again(pushed: Pushed, policy: Policy = _SHORT) -> bool:
    """Give the tags their manifest once more, if they name it now and the base is still the same.

    Nothing but that is sent, and nothing at all where it is not so, or a registry does not answer as it should.
    """
    from ..oci.push import PushClient
    from ..oci.reference import Reference

    try:
        tags = [Reference.parse(each) for each in pushed.tags]
        with PushClient(policy) as client:
            if pushed.base_digest and client.manifest_digest(Reference.parse(pushed.base)) != pushed.base_digest:
                return False
            manifests = [client.manifest(each) for each in tags]
            if any(each.digest != pushed.digest for each in manifests):
                return False
            # Registries that look for what a manifest names tell now if some of it has gone.
            for tag, manifest in zip(tags, manifests, strict=True):
                client.put_manifest(tag, manifest.raw, manifest.media_type, tag=tag.tag)
    except Exception:
        # Such as of a docker config that is none: the usual way meets it too, and tells.
        return False
    return True
