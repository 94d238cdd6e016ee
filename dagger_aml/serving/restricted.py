"""What stops an image that is started within the limits of a restricted pod."""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import evolve

from .. import contract
from ..text import named
from .cause import Cause

_STOPPED = re.compile(r"Read-only file system|Permission denied|Operation not permitted", re.I)

_USER = ":".join(map(str, contract.ARBITRARY_USER))

_LIMITS = (
    f"In a restricted pod the image runs as any user (here {_USER}), and can write only in "
    f"{', '.join(contract.WRITABLE)}."
)


def _without() -> str:
    return f"Without {named('restricted')} it is started as the image says."


def limited(cause: Cause, lines: Sequence[str]) -> Cause:
    """A cause as it is told where the image was started so: what the limits stop is told as that.

    :param lines: what the image printed.
    """
    if cause.kind == "write":
        return evolve(cause, hint=f"{_LIMITS} Write to {contract.WRITABLE_HOME} (`tempfile` does this).")
    line = next((line.strip() for line in lines if _STOPPED.search(line)), None)
    if cause.kind not in ("timeout", "unknown"):
        return cause if line is None else evolve(cause, hint=f"{cause.hint} {_LIMITS}".strip())
    if line is None and any(each.strip() for each in lines):
        return cause
    why = f": {line}" if line else ", without a word of its own"
    return evolve(
        cause, message=f"the limits of a restricted pod stop the image{why}", hint=f"{_LIMITS} {_without()}",
        kind="restricted",
    )  # fmt: skip
