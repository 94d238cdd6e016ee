"""The gate before an image goes anywhere: asked, or known to hold."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from ..backends.base import Builder, Image
from ..errors import DaggerAmlError
from ..events import Message
from ..fs.cache_folder import cache_folder
from ..oci.content_store import ContentStore
from ..plan.model import Plan
from ..text import age_text
from .outputs import Registry
from .target import BuildTarget

_KIND = "passed"


async def held(target: BuildTarget, planned: Plan, image: Image, builder: Builder) -> None:
    """Ask the gate; of an image that is pushed, where its registry has it, and before a tag names it.

    It is not asked where every tag names this very image already and it goes nowhere else, for then nothing is
    published; nor where this machine knows that this very image passed the same.

    :raises DaggerAmlError: it does not hold.
    """
    assert target.gate
    tags = [str(each) for each in target.tags]
    if _only_pushed(target) and await image.in_place(tags):
        builder.on_event(
            Message("smoke: not tested: every tag names this very image already, so nothing is published")
        )
        return
    staged = await image.stage(tags[0]) if target.pushes else None
    digest, key = staged.rpartition("@")[2] if staged else image.id, _key(target)
    passed = _Passed(digest, builder.name, key)
    before = passed.when()
    if before is not None:
        builder.on_event(Message(f"smoke: not tested again, since this very image passed {age_text(before)} ago"))
        return
    try:
        await target.gate(planned, image, builder)
    except DaggerAmlError as error:
        if staged:
            stays = f"No tag was moved. The image stays in the registry without one: {staged}"
            error.hint = f"{error.hint}\n{stays}" if error.hint else stays
        raise
    if _key(target) == key:  # Else a request or an answer was changed meanwhile, and nobody knows which was taken.
        passed.keep()


def _only_pushed(target: BuildTarget) -> bool:
    """Whether an image that its tags name already is published nowhere anew. In an index it would be."""
    alone = len(target.graphs) == 1 and target.gate_key is not None
    return alone and target.pushes and all(isinstance(each, Registry) for each in target.outputs)


def _key(target: BuildTarget) -> str:
    return target.gate_key() if target.gate_key else ""


class _Passed:
    """What this machine knows of an image that passed; no registry is told, where others could write it.

    :param digest: of the image; None where it is not known before it is started.
    :param builder: the name of what starts it.
    :param key: what was asked of it; nothing is kept without.
    """

    def __init__(self, digest: str | None, builder: str, key: str) -> None:
        self._name = hashlib.sha256(f"{digest} {builder} {key}".encode()).hexdigest() if digest and key else ""
        self._store = ContentStore(cache_folder())

    def when(self) -> float | None:
        """Seconds since it passed; None where that is not known."""
        found: Any = self._store.document(_KIND, self._name) if self._name else None
        return max(time.time() - found, 0) if isinstance(found, int | float) else None

    def keep(self) -> None:
        """Keep that it passed now."""
        if self._name:
            self._store.put_document(_KIND, self._name, time.time())
