"""The label in which an image says what it was made of, so that a later plan can be held against it.

It has, for each step of the plan, the name, the destination of a copy, and twelve digits of the digest of its inputs;
and twelve digits of the digest of what the image says of itself, so that a variable that is gone is missed.
It derives from the plan alone, so that every back end writes the same. It has no secret, no path of the machine that
made the image, and no base, of which other labels tell.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from attrs import evolve, field

from ..data import frozen

PLAN_LABEL = "io.dagger-aml.plan"


_SCHEMA = 1


_LONGEST = 4096
"""Bytes of the label."""


_LONGEST_NAME = 60
"""Characters of a step's name in it."""


_DIGITS = 12


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."


def _digits(digest: str) -> str:
    return digest.removeprefix("sha256:")[:_DIGITS]


@frozen
class OpKey:
    """What a plan or an image tells of one step.

    :param name: its first sixty characters.
    :param dest: of a copy; empty of a command.
    :param digest: the first twelve hexadecimal digits of its inputs'.
    :param verb: of a command, the step that added it; None where a label tells of it, which does not say.
        Not compared.
    """

    name: str = field(converter=_short)
    dest: str
    digest: str = field(converter=_digits)
    verb: str | None = field(default=None, eq=False)

    @property
    def runs(self) -> bool:
        """Whether it is a command."""
        return not self.dest

    def is_like(self, other: OpKey) -> bool:
        """Whether both are the same op, changed or not: copies to one place, commands of one verb.

        The label says nothing of verbs, nor did plan files of 0.1.0. In their form the first word of a command's name
        stands for it, on both sides.
        """
        if not (self.runs and other.runs):
            return self.dest == other.dest
        if self.verb is None or other.verb is None:
            return self.name.partition(" ")[0] == other.name.partition(" ")[0]
        return self.verb == other.verb


def write_label(keys: Iterable[OpKey], encoding: int, config: str = "") -> str | None:
    """The label's text; None where it would be longer than 4 KiB.

    :param encoding: the number of the way in which back ends carry steps out.
    :param config: the digest of what the image says of itself; its first twelve digits are written.
    """
    ops = [[key.name, key.dest, key.digest] for key in keys]
    said = {"schema": _SCHEMA, "encoding": encoding, **({"config": _digits(config)} if config else {}), "steps": ops}
    text = json.dumps(said, separators=(",", ":"))
    return text if len(text) <= _LONGEST else None


def fits(keys: Iterable[OpKey], encoding: int) -> bool:
    """Whether the label is short enough to be written; the keys' digests do not matter."""
    zeros = "0" * _DIGITS
    return write_label((evolve(key, digest=zeros) for key in keys), encoding, zeros) is not None


def read_label(labels: Mapping[str, str], encoding: int) -> tuple[OpKey, ...] | None:
    """What an image's label says; None where it has none, or one of another form or encoding."""
    try:
        read = json.loads(labels.get(PLAN_LABEL, ""))
        if (read["schema"], read["encoding"]) != (_SCHEMA, encoding):
            return None
        return tuple(OpKey(str(name), str(dest), str(digest)) for name, dest, digest in read["steps"])
    except (ValueError, TypeError, KeyError):
        return None


def read_config_key(labels: Mapping[str, str]) -> str | None:
    """Twelve digits of the digest of what the image says of itself; None where its label does not tell."""
    try:
        found = json.loads(labels.get(PLAN_LABEL, "")).get("config")
    except (ValueError, AttributeError):
        return None
    return found if isinstance(found, str) else None


def config_key(digest: str) -> str:
    """The digits of a digest that the label has."""
    return _digits(digest)
