"""The base of a graph, and what it must have."""

from __future__ import annotations

from typing import Any, Literal

from attrs import field

from ..data import frozen
from ..errors import GraphError
from .checks import DIGEST, check_platform, parse_reference, short
from .values import Value, valid_fact

DEFAULT_PLATFORM = "linux/amd64"


ARCHIVES = ("oci", "oci-archive", "docker-archive")
"""The words before the first colon of a base that lies on this machine; skopeo's and podman's own."""


@frozen
class Archive:
    """An image that lies on this machine as a folder or a tar; :mod:`dagger_aml.oci.layout` finds and reads it.

    :param kind: ``oci`` (an OCI layout), ``oci-archive`` (a tar of one) or ``docker-archive``.
    :param path: absolute path on the machine that runs dagger-aml.
    :param tag: which image, where the folder or tar holds several.
    :param image_id: digest of the image's config.
    """

    kind: Literal["oci", "oci-archive", "docker-archive"]
    path: str
    tag: str | None
    image_id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.path}" + (f":{self.tag}" if self.tag else "")


@frozen
class From:
    """The base image.

    :param reference: as the user wrote it, without a digest; of an image that lies on this machine, its name.
    :param digest: ``sha256:…``, or None while unpinned.
    :param platform: ``linux/amd64`` and the like.
    :param archive: where it lies, for an image that is taken from no registry.
    """

    reference: str = field()
    digest: str | None = field(default=None)
    platform: str = field(default=DEFAULT_PLATFORM)
    archive: Archive | None = None

    @reference.validator
    def _check_reference(self, _: Any, value: str) -> None:
        name, tag, digest = parse_reference(value, "base")
        if digest:
            raise GraphError("a From needs the digest as a separate value: use From.parse", location=f"{name}:{tag}")

    @digest.validator
    def _check_digest(self, _: Any, value: str | None) -> None:
        if value is not None and not DIGEST.match(value):
            raise GraphError(f"not a digest: {short(value)}")

    @platform.validator
    def _check_platform(self, _: Any, value: str) -> None:
        check_platform(value)

    @classmethod
    def parse(cls, text: str, platform: str = DEFAULT_PLATFORM) -> From:
        """Read ``NAME[:TAG][@DIGEST]``; a reference without a tag and a digest is ``:latest``.

        :raises GraphError: not a reference.
        """
        name, tag, digest = parse_reference(text, "base")
        if tag is None and digest is None:
            tag = "latest"
        return cls(f"{name}:{tag}" if tag else name, digest, platform)

    @property
    def pinned(self) -> str:
        """The reference as builders are given it: by its digest alone if there is one, since older ones refuse a tag
        beside it."""
        return f"{parse_reference(self.reference)[0]}@{self.digest}" if self.digest else self.reference


@frozen
class Given(From):
    """A base that is handed over when the graph is carried out: somebody's container, of which no name is known.

    It has neither reference nor digest, so a graph on it has no Dockerfile form. See :func:`dagger_aml.container`.
    """

    reference: str = field(default="", init=False)

    @property
    def pinned(self) -> str:
        """What messages call it."""
        return "the given container"


@frozen
class Need:
    """Something that the base must have, or be, for the graph to do what it promises.

    :param fact: a name in :data:`dagger_aml.graph.values.FACTS`; any other is refused.
    :param value: what it must be; of ``python``, also a range such as ``>=3.10``, or several versions of which it is
        one.
    :param why: what goes wrong otherwise; may hold a fact of the base.
    :param hint: what the user can do then.
    :param location: of what asks for it; the base's name unless given.
    """

    fact: str = field(validator=valid_fact)
    value: str | bool | tuple[str, ...]
    why: Value
    hint: str
    location: str | None = field(default=None, eq=False)
