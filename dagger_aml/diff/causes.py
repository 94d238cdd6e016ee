"""Which step of a plan brought a path into an image.

An image that dagger-aml made names its steps in a label, and its history tells which layers a command made: the last
commands in it are the plan's, in order. A path that another layer brought is a copy's if it lies at or beneath the
copy's destination, or is a folder above it. A Dagger engine that was stopped and started forgets what made the layers
it had cached; of what lies in those and is no copy's, all commands are named that can have brought it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from attrs import field

from ..backends.direct.config import COMMENT
from ..backends.direct.note import plain_note
from ..data import frozen
from ..oci.image import ImageContents, Made
from ..plan.keys import ENCODING
from ..plan.label import OpKey, read_label

THE_BASE = "the base"

_NO_COMMAND = re.compile(
    r"(/bin/sh -c )?#\(nop\)|import image layer|Directory\.|"
    r"(ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR)\b"
)
"""What classic docker, buildah, Dagger and BuildKit write in the history where no command ran."""


_IMPORTED = "import image layer"
_FORGOTTEN = "rehydrated persisted snapshot"
"""What a Dagger engine of 0.21 says of any layer, a base's too, that it has from before its own start."""
_MOST_LAYERS = 3
"""That a copy makes in a Dockerfile: its parents, its contents, its stated root."""


@frozen
class _Told:
    """An image that tells of its steps.

    :param commands: names of commands, by the numbers of their layers.
    :param forgotten: names of the commands whose layers the history does not tell.
    :param base: so many layers are the base's; where the history does not tell exactly, fewer.
    """

    image: ImageContents
    ops: tuple[OpKey, ...]
    commands: Mapping[int, str]
    forgotten: tuple[str, ...]
    base: int

    @classmethod
    def of(cls, image: ImageContents) -> _Told | None:
        ops = read_label(image.labels, ENCODING)
        if not ops:
            return None
        made = making_of(image.history, len(image.layers), image.labels, ops)
        return cls(image, ops, made.commands, made.forgotten, made.base)

    def cause(self, path: str) -> str:
        layer = self.image.changed.get(path)
        if layer is None:
            return ""
        if layer in self.commands:
            return f"step {self.commands[layer]!r}"
        if layer < self.base:
            return THE_BASE
        copies = [each for each in self.ops if each.dest and (within(path, each.dest) or within(each.dest, path))]
        if not copies:
            forgotten = [repr(name) for name in self.forgotten]
            return f"step {' or '.join(forgotten)}" if forgotten else THE_BASE
        best = max(copies, key=lambda each: (within(path, each.dest), len(each.dest)))
        return f"step {best.name!r}"


@frozen
class Causes:
    """Names the step behind a path that differs between two images."""

    _told: tuple[_Told, ...]
    _shared: int

    @classmethod
    def of(cls, one: ImageContents, two: ImageContents) -> Causes:
        """For two images, of which either may tell nothing of its steps."""
        pairs = zip(one.layers, two.layers, strict=False)
        shared = next(
            (number for number, (a, b) in enumerate(pairs) if a != b), min(len(one.layers), len(two.layers))
        )
        return cls(tuple(each for each in (_Told.of(one), _Told.of(two)) if each), shared)

    def behind(self, path: str) -> str:
        """``step 'apt libgomp1'``, or ``the base``; empty where no image tells. A layer of both causes nothing."""
        causes = [each.cause(path) for each in self._told if each.image.changed.get(path, -1) >= self._shared]
        return next((each for each in causes if each not in ("", THE_BASE)), THE_BASE if THE_BASE in causes else "")


@frozen
class Making:
    """What an image's history tells of its layers.

    :param commands: names of commands, by the numbers of their layers.
    :param forgotten: names of the commands whose layers it does not tell.
    :param base: so many layers are the base's; where it does not tell exactly, fewer.
    :param exact: whether just so many are.
    :param copies: what is copied by the layers that dagger-aml wrote itself, by their numbers.
    """

    commands: Mapping[int, str]
    forgotten: tuple[str, ...]
    base: int
    exact: bool
    copies: Mapping[int, str] = field(factory=dict)


def making_of(history: tuple[Made, ...], layers: int, labels: Mapping[str, str], ops: tuple[OpKey, ...]) -> Making:
    """What made the layers of an image that dagger-aml made.

    :param layers: how many it has.
    :param ops: what its label tells of its steps; at least one.
    """
    ours = [(each.layer, each.text) for each in history if each.layer is not None and each.comment == COMMENT]
    note = plain_note({"config": {"Labels": labels}}) if ours else None
    if note:
        # The first of these is what ran; who writes layers directly has them counted in a note.
        ran = note.runtime.layers if note.runtime else 0
        return Making({}, tuple(op.name for op in ops if op.runs), ours[0][0], True, dict(ours[ran:]))
    commands, forgotten = _commands(history, ops)
    base = _base_layers(history, layers, ops, commands)
    exact = any(each.text.startswith(_IMPORTED) for each in history) or bool(commands and base == min(commands))
    return Making(commands, forgotten, base, exact)


def _commands(history: tuple[Made, ...], ops: tuple[OpKey, ...]) -> tuple[dict[int, str], tuple[str, ...]]:
    names = [op.name for op in ops if op.runs]
    told = [each for each in history if not _NO_COMMAND.match(each.text) and each.text != _FORGOTTEN]
    known = min(len(told), len(names))
    if known < len(names) and all(each.text != _FORGOTTEN for each in history):
        return {}, ()
    split = len(names) - known
    last = zip(told[len(told) - known :], names[split:], strict=True)
    return {each.layer: name for each, name in last if each.layer is not None}, tuple(names[:split])


def _base_layers(history: tuple[Made, ...], layers: int, ops: tuple[OpKey, ...], commands: Mapping[int, str]) -> int:
    imported = sum(each.text.startswith(_IMPORTED) for each in history)
    if imported:
        return imported
    if ops[0].runs and commands and not any(each.text == _FORGOTTEN for each in history):
        return min(commands)
    most = sum(1 if op.runs else _MOST_LAYERS for op in ops)
    return max(0, layers - most)


def within(path: str, folder: str) -> bool:
    """Whether a path is a folder, or lies in it."""
    return path == folder or path.startswith(posixpath.join(folder, ""))
