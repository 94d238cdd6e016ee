"""What a registry has: manifests, blobs, tags. Asked over plain HTTP on this machine alone, as docker does."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import IO, Any

from attrs import field

from ..data import frozen
from ..errors import BuildError
from ..text import named
from .blobs import blob_name, digest_of
from .exchange import Exchange
from .failures import NoImage, check_found, no_registry, other_content
from .reference import Reference
from .tokens import pull
from .wire import Answer, origin_of

ALL = tuple(
    f"application/vnd.{each}"
    for each in (
        "oci.image.index.v1+json",
        "oci.image.manifest.v1+json",
        "docker.distribution.manifest.list.v2+json",
        "docker.distribution.manifest.v2+json",
    )
)
"""The media types of manifests and indexes. A registry that is told none answers as if it had no OCI image."""

_LARGEST_MANIFEST = 16 << 20
"""Bytes; registries take 4 MiB."""

_NO_HEAD = (405, 501)
"""What is answered to HEAD where a registry, or what stands before it, takes none."""


@frozen
class Manifest:
    """A manifest or an index, as it is in its registry.

    :param raw: its bytes.
    :param document: what they say.
    :param digest: of the bytes.
    """

    raw: bytes = field(repr=False)
    media_type: str
    digest: str
    document: Mapping[str, Any] = field(repr=False)


class RegistryClient(Exchange):
    """Asks registries what they have.

    Every method raises :class:`~dagger_aml.errors.RegistryDenied` after 401 and 403, and
    :class:`~dagger_aml.errors.TransientError` where the registry cannot be reached or is busy; :func:`~.asking.ask`
    then tries again.
    """

    def manifest(self, ref: Reference, accept: tuple[str, ...] = ALL, *, location: str | None = None) -> Manifest:
        """What a tag or a digest names.

        :param ref: its digest counts, else its tag, else ``latest``.
        :param location: how errors call it.
        :raises BuildError: there is none, it is none, or its bytes are not those of the digest.
        """
        location = location or f"image {ref}"
        with self._asked("GET", ref, f"manifests/{_name(ref)}", location, accept) as answer:
            check_found(answer, ref, location)
            raw = answer.read(_LARGEST_MANIFEST + 1)
            digest = digest_of(raw)
            if ref.digest and digest != ref.digest:
                raise other_content(ref, ref.digest, location)
            try:
                document = json.loads(raw) if len(raw) <= _LARGEST_MANIFEST else None
            except ValueError:
                document = None
            if not isinstance(document, dict):
                raise no_registry(ref, location)
            kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        named = document.get("mediaType")
        return Manifest(raw, named if isinstance(named, str) else kind, digest, document)

    def manifest_digest(self, ref: Reference, *, location: str | None = None) -> str | None:
        """The digest that a tag has now; None where the repository has no such tag, or there is none such."""
        location = location or f"image {ref}"
        with self._asked("HEAD", ref, f"manifests/{_name(ref)}", location, ALL) as answer:
            if answer.status == 404:
                return None
            digest = None
            if answer.status not in _NO_HEAD:
                check_found(answer, ref, location)
                digest = answer.headers.get("Docker-Content-Digest")
        if digest:
            return digest
        try:
            return self.manifest(ref, location=location).digest
        except NoImage:
            return None

    @contextlib.contextmanager
    def blob(self, ref: Reference, digest: str, *, location: str | None = None) -> Iterator[IO[bytes]]:
        """A blob's bytes as they come; who reads them holds them against the digest. A cut raises TransientError.

        :raises BuildError: there is none.
        """
        location = location or f"image {ref}"
        with self._asked("GET", ref, _blob(ref, digest, location), location) as answer:
            if answer.status == 404:
                raise BuildError(
                    f"{ref.host} lacks a part of an image of {ref.repository}: {digest}",
                    location=location,
                    hint=f"Push that image again. If it is one that dagger-aml pushed, add {named('no_cache')}.",
                )
            check_found(answer, ref, location)
            yield answer.stream()

    def verified_blob(
        self, ref: Reference, digest: str, *, most: int = _LARGEST_MANIFEST, location: str | None = None
    ) -> bytes:
        """A small blob's bytes, such as a config's.

        :param most: bytes that it may have.
        :raises BuildError: there is none, it is larger, or it is not what its digest says.
        """
        with self.blob(ref, digest, location=location) as stream:
            data = stream.read(most + 1)
        if len(data) > most or digest_of(data) != digest:
            raise other_content(ref, digest, location or f"image {ref}")
        return data

    def has_blob(self, ref: Reference, digest: str, *, location: str | None = None) -> bool:
        """Whether a repository has a blob; not, where that cannot be asked, there or where it lies."""
        location = location or f"image {ref}"
        with self._asked("HEAD", ref, _blob(ref, digest, location), location) as answer:
            if answer.status in (404, *_NO_HEAD) or (
                answer.status != 200 and origin_of(answer.url) != origin_of(ref.url)
            ):
                return False
            check_found(answer, ref, location)
            return True

    def _asked(self, method: str, ref: Reference, path: str, location: str, accept: tuple[str, ...] = ()) -> Answer:
        headers = {"Accept": ", ".join(accept)} if accept else {}
        return self.ask(ref, method, f"{ref.url}/{path}", pull(ref.repository), location, headers=headers)


def _blob(ref: Reference, digest: str, location: str) -> str:
    """The path of a blob, whose digest may be what a registry has said.

    :raises BuildError: it is none.
    """
    try:
        blob_name(digest)
    except ValueError:
        raise no_registry(ref, location) from None
    return f"blobs/{digest}"


def _name(ref: Reference) -> str:
    return ref.digest or ref.tag or "latest"
