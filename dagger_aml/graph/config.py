"""What an image says of itself."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field

from ..data import frozen
from ..errors import GraphError
from .checks import (
    as_optional_tuple,
    as_tuple,
    check_text,
    frozen_mapping,
    no_mapping,
    valid_env,
    valid_labels,
    valid_optional_path,
    valid_user,
)
from .values import Value


@frozen
class Config:
    """What the image says of itself; None and absent names leave the base's own.

    :param user: ``NAME``, ``UID`` or ``UID:GID``.
    :param ports: TCP ports.
    """

    user: Value | None = field(default=None, validator=valid_user)
    env: Mapping[str, Value] = field(factory=no_mapping, converter=frozen_mapping, validator=valid_env)
    workdir: str | None = field(default=None, validator=valid_optional_path)
    labels: Mapping[str, str] = field(factory=no_mapping, converter=frozen_mapping, validator=valid_labels)
    ports: tuple[int, ...] = field(default=(), converter=as_tuple)
    cmd: tuple[str, ...] | None = field(default=None, converter=as_optional_tuple)
    entrypoint: tuple[str, ...] | None = field(default=None, converter=as_optional_tuple)

    def __attrs_post_init__(self) -> None:
        for port in self.ports:
            if type(port) is not int or not 0 < port < 65536:
                raise GraphError(f"not a TCP port: {port!r}")
        for name, argv in (("cmd", self.cmd), ("entrypoint", self.entrypoint)):
            for word in argv or ():
                check_text(name, word)
