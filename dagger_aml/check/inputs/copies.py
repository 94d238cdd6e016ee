"""What a Dockerfile copies out of its build context."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path

from ...data import frozen
from .stages import Built, Step, below


@frozen
class Copied:
    """A ``COPY`` or ``ADD``.

    :param sources: relative to the build's context; of another stage's and of URLs none.
    :param dest: absolute; a folder has no slash at its end. None where only the build knows it.
    :param context: the Dockerfile's folder, which is taken for the build's context.
    """

    step: Step
    sources: tuple[str, ...]
    dest: str | None
    context: Path


def copies(image: Built) -> Iterator[Copied]:
    """All of an image's, in order."""
    for step in image.steps:
        if step.instruction.keyword not in ("ADD", "COPY") or len(step.words) < 2:
            continue
        *sources, dest = step.words
        from_context = step.instruction.flag("from") is None
        own = tuple(
            _in_context(each) for each in sources if from_context and each and "://" not in each and "<<" not in each
        )
        yield Copied(step, own, below(step.workdir, dest or None), step.instruction.path.parent)


def _in_context(source: str) -> str:
    """A source below the context, which is all that a build sees: `/code` and `../code` are its `code`."""
    return posixpath.normpath(f"/{source}").lstrip("/")
