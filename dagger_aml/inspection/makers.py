"""Which step of a plan made each layer of an image, as far as label, history and what the layers hold tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import evolve

from ..diff.causes import Making, within
from ..oci.image import Made
from ..plan.label import OpKey
from .layers import Contents
from .model import InspectedLayer, Kind


def attributed(
    contents: Contents,
    layers: Sequence[InspectedLayer],
    history: Sequence[Made],
    ops: tuple[OpKey, ...],
    making: Making | None,
) -> tuple[InspectedLayer, ...]:
    """The layers, each with what made it where that is certain.

    :param ops: the steps, of an image that tells of them, and ``making``: what its history tells of its layers.
    """
    texts = {each.layer: each.text for each in history if each.layer is not None}
    told = [evolve(each, made_by=texts.get(number, "")) for number, each in enumerate(layers)]
    if making is None:
        return tuple(told)
    named: dict[int, tuple[Kind, str]] = {
        **{number: ("run", name) for number, name in making.commands.items()},
        **{number: ("copy", name) for number, name in making.copies.items()},
    }
    open_ = [number for number in range(making.base, len(told)) if number not in named]
    copies = [op for op in ops if not op.runs]
    for number in list(open_):
        if contents.is_read(number) and (op := _copy_of(contents, number, copies)):
            named[number] = ("copy", op.name)
            open_.remove(number)
    used = {name for _, name in named.values()}
    runs = [op.name for op in ops if op.runs and op.name not in used]
    left = [op.name for op in copies if op.name not in used]
    if making.exact and len(open_) == len(runs) and not left:
        named |= {number: ("run", name) for number, name in zip(open_, runs, strict=True)}
    elif making.exact and len(open_) == len(left) == 1 and not runs:
        named[open_[0]] = ("copy", left[0])
    for number, (kind, name) in named.items():
        told[number] = evolve(told[number], kind=kind, op=name)
    if making.exact:
        told[: making.base] = [evolve(each, kind="base") for each in told[: making.base]]
    return tuple(told)


def _copy_of(contents: Contents, number: int, copies: Sequence[OpKey]) -> OpKey | None:
    """The copy to whose place all files of a layer go; None of one that has others too, or no files."""
    files: Mapping[str, int] = contents.files(number)
    fitting = [op for op in copies if files and all(within(path, op.dest) for path in files)]
    return max(fitting, key=lambda op: len(op.dest), default=None)
