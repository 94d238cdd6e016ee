"""What came of a build, step by step, from the events that its builder told."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Literal

from attrs import evolve, field

from ..backends.base import Image
from ..backends.result import OpResult, Result
from ..data import define, frozen
from ..errors import ProjectError
from ..events import Event, Message, OnEvent, OpDone, Transferred
from ..fs.digest import Digests
from ..fs.stamps import Stamps, check_stamps
from ..graph.graph import Copy
from ..plan.inputs import InputDigest, input_digest
from ..plan.keys import op_keys
from ..plan.model import Plan


@define(eq=False)
class Record:
    """Hears the events of one build, and hands them on.

    :param on_event: who gets them.
    """

    on_event: OnEvent
    _begun: float = field(factory=time.monotonic, init=False)
    _done: dict[str, deque[OpDone]] = field(factory=dict, init=False)
    _sent: list[int] = field(factory=list, init=False)

    def hear(self, event: Event) -> None:
        """Note an event."""
        if isinstance(event, OpDone):
            self._done.setdefault(event.name, deque()).append(event)
        elif isinstance(event, Transferred) and event.kind == "pushed" and event.total is not None:
            self._sent.append(event.done)
        self.on_event(event)

    def told(
        self, result: Result, plans: Sequence[Plan], images: Sequence[Image], known: Digests, before: Stamps
    ) -> Result:
        """The result with all that was heard; what the builder did not tell is None.

        Of files that somebody wrote to since the build began nobody knows whether the image has them as they are now:
        what is made of their digests is not told then.

        :param known: digests of files that images do not tell.
        :param before: what tells that these were changed, from before the build.
        """
        made = evolve(
            result,
            bytes_sent=sum(self._sent) if self._sent and result.pushed else None,
            seconds=time.monotonic() - self._begun,
        )
        each = [(plan, image, _Files(image.files, known)) for plan, image in zip(plans, images, strict=True)]
        try:
            inputs = InputDigest.of_all([input_digest(plan, files) for plan, _, files in each])
            ops = tuple(op for plan, image, files in each for op in self._ops(plan, image, files))
            check_stamps(before)
        except ProjectError as error:
            self.on_event(Message(f"no input digest is told, since this file was changed: {error.location}"))
            return made
        return evolve(made, input_digest=inputs, ops=ops, seconds=time.monotonic() - self._begun)

    def _ops(self, plan: Plan, image: Image, files: Digests) -> list[OpResult]:
        found = []
        ran_before = {index for index, each in enumerate(image.makings) if each.way == "found"}
        for index, (op, key) in enumerate(zip(plan.ops, op_keys(plan, files), strict=True)):
            kind: Literal["copy", "run"] = "copy" if isinstance(op.layer, Copy) else "run"
            heard = self._done.get(op.name)
            done = heard.popleft() if heard else None
            cached = done.cached if done else True if index in ran_before else None
            found.append(OpResult(f"{kind}-{key.digest}", op.name, kind, cached, done.seconds if done else None))
        return found


@frozen
class _Files:
    """Digests of files: of those that an image was made of, else of what lies on this machine now."""

    of_image: Mapping[str, bytes]
    others: Digests

    def get(self, key: str, /) -> bytes | None:
        """The digest of a file; None where it must be read."""
        return self.of_image.get(key) or self.others.get(key)
