"""The input digest: of all that an image is made of (docs/changed.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..data import frozen
from ..fs.digest import NOTHING, Digests
from ..graph.graph import Run
from ..graph.stages import stages, walk
from .keys import ENCODING, base_key, canonical, config_inputs, sha256_of
from .model import Plan

_FORM = 1
"""Number of what is digested; raised when that changes its meaning."""


@frozen
class InputDigest:
    """What an image is made of, in one digest.

    :param digest: ``sha256:…``, the same on every machine.
    :param reasons: why the image may be another though the digest is the same; none where it is complete.
    """

    digest: str
    reasons: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything that the image is made of is in the digest."""
        return not self.reasons

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"digest": self.digest, "complete": self.complete, "reasons": list(self.reasons)}

    @classmethod
    def of_all(cls, each: Sequence[InputDigest]) -> InputDigest:
        """Of an image for several platforms, in their order; of one platform that one itself."""
        if len(each) == 1:
            return each[0]
        reasons = tuple(dict.fromkeys(reason for one in each for reason in one.reasons))
        return cls(sha256_of([one.digest for one in each]), reasons)


def input_digest(plan: Plan, known: Digests = NOTHING) -> InputDigest:
    """The digest of all inputs of a plan's image; reads every byte that is copied (docs/design.md, law 7).

    In it are the base, the platform, each command and each copy with what it copies, and what the image says of
    itself; neither times nor secrets, nor who reads the project or where it lies, nor dagger-aml's version.

    :param known: digests of files, as :func:`dagger_aml.fs.digest.digest` takes them.
    :raises ProjectError: a file that has gone or changed its size since it was walked.
    """
    inputs = {
        "form": _FORM,
        "encoding": ENCODING,
        "base": base_key(plan.base),
        "platform": plan.base.platform,
        "ops": list(canonical(plan.layers, known)),
        "config": config_inputs(plan.config),
    }
    return InputDigest(sha256_of(inputs), tuple(dict.fromkeys(_reasons(plan))))


def input_digest_of(plans: Sequence[Plan], known: Digests = NOTHING) -> InputDigest:
    """The same of an image for several platforms, by the plan of each. Raises as :func:`input_digest`."""
    return InputDigest.of_all([input_digest(plan, known) for plan in plans])


def _reasons(plan: Plan) -> Iterator[str]:
    """Why the same inputs may give another image later."""
    for base in dict.fromkeys((plan.base, *(stage.from_ for stage in stages(plan.layers)))):
        if base.digest is None and not (base.archive and base.archive.image_id):
            yield f"the base {base.reference} is not pinned by a digest"
    for op in walk(plan.layers):
        if isinstance(op.layer, Run) and op.layer.ages:
            yield f"step {op.layer.name!r} may install newer packages when it runs again"
