"""An image that this process offers to a store of this machine, and how a program is told of it."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import field

from ..data import frozen

TAG = "latest"
"""The one that an offered image has."""


@frozen
class OfferedBlob:
    """A blob that is made when somebody asks for it.

    :param size: bytes.
    :param chunks: makes it, from the first byte, each time it is called; by several threads at once.
    """

    size: int
    chunks: Callable[[], Iterable[bytes]] = field(repr=False)


@frozen
class Offer:
    """An image.

    :param config: digest of the config.
    :param blobs: by their digests: config and layers.
    """

    manifest: bytes = field(repr=False)
    media_type: str
    config: str
    blobs: Mapping[str, OfferedBlob] = field(repr=False)


@frozen(eq=False)
class Served:
    """An image that is served.

    :param host: with its port.
    :param digest: of the manifest, and ``config`` of the config.
    :param user: with the password; for who asks for one.
    :param password: without which nothing is answered; never for an argument of a program.
    :param asked: digests of the blobs that were asked for, in their order.
    :param failed: what hindered a blob from being made.
    :param moved: bytes that were sent of each blob; fewer than before where it is asked for again.
    """

    host: str
    repository: str
    digest: str
    config: str
    password: str = field(repr=False)
    asked: list[str] = field(factory=list)
    failed: list[Exception] = field(factory=list)
    moved: dict[str, int] = field(factory=dict)
    user: str = "dagger-aml"
    came: threading.Event = field(factory=threading.Event, repr=False)
    """Set by the first request."""

    @property
    def by_digest(self) -> str:
        """Its reference, by its manifest's digest."""
        return f"{self.host}/{self.repository}@{self.digest}"

    @property
    def by_tag(self) -> str:
        """Its reference, by the one tag."""
        return f"{self.host}/{self.repository}:{TAG}"

    @property
    def login(self) -> str:
        """User and password as ``auth`` of docker's config file has them."""
        return base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def login_file(served: Served, before: bytes | None = None) -> bytes:
    """A docker config with the login of a served image in it.

    :param before: a config whose other settings it keeps; its logins and helpers are left out.
    """
    config: dict[str, Any] = {}
    with contextlib.suppress(ValueError):
        found = json.loads(before) if before else {}
        config = found if isinstance(found, dict) else {}
    for name in ("credsStore", "credHelpers"):
        config.pop(name, None)
    config["auths"] = {served.host: {"auth": served.login}}
    return json.dumps(config).encode()
