"""The store of this machine that images are loaded into, as an image written directly knows it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import field

from ...data import frozen
from ...policy import Policy

if TYPE_CHECKING:
    from ..local.program import ContainerCli


@frozen
class LocalStore:
    """The store of this machine that images are loaded into.

    :param cli: gives what drives it, for pulling from this process; None where there is none that can.
    :param load_tar: puts a tar into it under a name; gives the ID that it has the image by, if it tells.
    """

    cli: Callable[[], Awaitable[ContainerCli | None]] = field(repr=False)
    load_tar: Callable[[Path, str], Awaitable[str | None]] = field(repr=False)
    policy: Policy = field(repr=False)
