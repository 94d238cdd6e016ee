"""A push in which nothing has changed since the same call pushed the same: known without reading the project anew.

Reading a project, laying it out and looking at it by every rule takes most of the time of a push that has nothing to
send. So a call that found all in place is kept, with what it looked at, what it told and which images it pushed. The
next such call asks the registries what it would have asked, and gives the tags their manifests once more.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import asdict, evolve, field

from ..data import frozen
from ..errors import DaggerAmlError
from ..fs.cache_folder import cache_folder
from ..fs.still import STILL_NS
from ..oci.content_store import ContentStore
from ..policy import DEFAULT, Policy
from .looked_at import Heard, Unclear, call_key, mark_of

if TYPE_CHECKING:
    from ..oci.client import Manifest
    from ..oci.reference import Reference

T = TypeVar("T")
R = TypeVar("R")

_KIND = "calls"

_FORMAT = 3

_AT_ONCE = 8

_LONG_SECONDS = 0.02
"""After an answer that took longer, the others are waited for at once."""

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
class Image:
    """One that was pushed, of which the registry had every part already.

    :param base: reference as it was given; and ``base_digest``, empty where the reference has one.
    :param tags: each with its tag.
    :param digest: of the manifest.
    """

    base: str
    base_digest: str
    tags: tuple[str, ...]
    digest: str
    ran: Ran | None = None


@frozen
class Pushed:
    """A call that pushed images, and nothing else.

    :param told: what it told, for who shows that.
    :param paths: files and folders that it looked at.
    :param folders: that each image is made of, its project first.
    """

    images: tuple[Image, ...]
    told: Any = field(repr=False)
    paths: tuple[str, ...] = field(repr=False)
    folders: tuple[tuple[str, ...], ...] = field(repr=False)


def keep(pushed: Pushed, words: Sequence[str], heard: Heard) -> None:
    """Keep a call, unless something was changed shortly before it or since, or that cannot be told.

    That it cannot be kept is no error.

    :param words: of the command line.
    """
    if heard.began_ns is None:
        return
    try:
        marks = [*_marks(words, pushed.paths, pushed.folders, heard.began_ns - STILL_NS)]
    except Unclear:
        return
    document = {
        "format": _FORMAT,
        "images": [asdict(each) for each in pushed.images],
        "told": pushed.told,
        "paths": list(pushed.paths),
        "folders": [list(each) for each in pushed.folders],
        "marks": marks,
    }
    with contextlib.suppress(TypeError, ValueError):  # What is no JSON; the images are pushed already.
        ContentStore(cache_folder()).put_document(_KIND, call_key(words), document)


def kept(words: Sequence[str]) -> Pushed | None:
    """The same call of before, if all that it looked at on this machine is as it was."""
    try:
        store, key = ContentStore(cache_folder()), call_key(words)
        if not os.path.lexists(store.document_path(_KIND, key)):
            return None
        found = store.document(_KIND, key)
        if found["format"] != _FORMAT:
            return None
        now = _marks(words, found["paths"], found["folders"])
        if not all(mark == before for mark, before in zip(now, found["marks"], strict=True)):
            return None
        images = tuple(map(_image, found["images"]))
        rans = [each.ran for each in images if each.ran]
        if any(document_digest(each.document) != each.digest or not _young(each) for each in rans):
            return None
        return Pushed(images, found["told"], tuple(found["paths"]), tuple(map(tuple, found["folders"])))
    except (Unclear, OSError, DaggerAmlError, TypeError, KeyError, ValueError):
        return None


def _image(found: dict[str, Any]) -> Image:
    return Image(**{**found, "tags": tuple(found["tags"]), "ran": Ran(**found["ran"]) if found["ran"] else None})


def _marks(
    words: Sequence[str], paths: Iterable[str], folders: Iterable[Sequence[str]], before_ns: float = math.inf
) -> Iterator[str]:
    """Where each word leads that names something here, and marks as of :func:`~.looked_at.mark_of`.

    First of the folders, in which most changes are: the paths are hundreds, most of them our own code.
    """
    yield str([os.path.realpath(each) for each in words if os.path.lexists(each)])
    for each in folders:
        yield mark_of((), each, before_ns)
    yield mark_of(paths, (), before_ns)


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
    """Give the tags their manifests once more, if all of them name these now and the bases are still the same.

    Nothing but that is sent, and nothing at all where it is not so, or a registry does not answer as it should.
    """
    from ..oci.push import PushClient
    from ..oci.reference import Reference

    try:
        bases = {(each.base, each.base_digest) for each in pushed.images if each.base_digest}
        tags = [(Reference.parse(tag), each.digest) for each in pushed.images for tag in each.tags]
        with PushClient(policy) as client:

            def stands(base: tuple[str, str]) -> bool:
                return client.manifest_digest(Reference.parse(base[0])) == base[1]

            def put(each: tuple[Reference, Manifest]) -> str:
                at, found = each
                return client.put_manifest(at, found.raw, found.media_type, tag=at.tag)

            if not all(_each(stands, bases)):
                return False
            manifests = _each(client.manifest, [tag for tag, _ in tags])
            if any(found.digest != digest for found, (_, digest) in zip(manifests, tags, strict=True)):
                return False
            # Registries that look for what a manifest names tell now if some of it has gone.
            _each(put, list(zip([tag for tag, _ in tags], manifests, strict=True)))
    except Exception:
        # Such as of a docker config that is none: the usual way meets it too, and tells.
        return False
    return True


def _each(work: Callable[[T], R], of: Collection[T]) -> list[R]:
    """What comes of each; some at once where one took long: to start threads takes longer than a near answer."""
    done: list[R] = []
    for number, each in enumerate(of):
        began = time.monotonic()
        done.append(work(each))
        if time.monotonic() - began > _LONG_SECONDS and len(of) > number + 1:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(_AT_ONCE) as pool:
                return [*done, *pool.map(work, list(of)[number + 1 :])]
    return done
