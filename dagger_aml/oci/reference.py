"""Names of images."""

from __future__ import annotations

import re

from ..data import frozen
from ..graph.checks import parse_reference


@frozen
class Reference:
    """The name of an image: parsed once, where it comes in.

    :param host: as in references; ``docker.io`` for Docker Hub.
    :param tag: None when the reference has none.
    :param name: host and repository as they were written, ``x`` for ``docker.io/library/x``.
    """

    host: str
    repository: str
    tag: str | None
    digest: str | None
    name: str

    @classmethod
    def parse(cls, text: str, what: str = "the reference") -> Reference:
        """Split a reference as docker does: a first part with a dot, a port or ``localhost`` is the host.

        :param what: what it is, for messages.
        :raises GraphError: not a reference.
        """
        name, tag, digest = parse_reference(text, what)
        first, slash, rest = name.partition("/")
        if not slash or not ("." in first or ":" in first or first == "localhost"):
            return cls("docker.io", name if slash else f"library/{name}", tag, digest, name)
        return cls(first, rest, tag, digest, name)

    @property
    def has_host(self) -> bool:
        """Whether it was written with a host; without one it is looked for in the local stores too."""
        return self.name.startswith(f"{self.host}/")

    def __str__(self) -> str:
        """As it was written."""
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @property
    def canonical(self) -> str:
        """The whole reference, with ``latest`` where no tag is said."""
        return f"{self.host}/{self.repository}:{self.tag or 'latest'}"

    @property
    def url(self) -> str:
        """Root of the repository's API."""
        host = "registry-1.docker.io" if self.host == "docker.io" else self.host
        return f"{'http' if self.is_here else 'https'}://{host}/v2/{self.repository}"

    @property
    def is_here(self) -> bool:
        """Whether it is one of this machine."""
        return is_here(self.host)


def is_image_id(text: str) -> bool:
    """Whether a word is the ID by which a local store has an image, or begins it as docker prints it."""
    return re.fullmatch(r"(sha256:)?[0-9a-f]{12,64}", text) is not None


def is_written_as_path(text: str) -> bool:
    """Whether a word that names nothing here is meant for a file or a folder, and for no image."""
    return text.startswith((".", "/", "~")) or text.endswith((".tar", "/"))


def is_here(host: str) -> bool:
    """Whether a host, with a port or without, is this machine: reached over plain HTTP, and by no proxy."""
    return bool(re.match(r"(localhost|127\.[0-9.]+|\[::1\])(:|$)", host))
