"""A Dockerfile's instructions, and the plan's steps that they belong to."""

from __future__ import annotations

import json
import re

from attrs import frozen

from ...plan.model import Plan


@frozen
class Instruction:
    """One instruction of a Dockerfile.

    :param step: name of the step it belongs to; empty for FROM and for what the image says of itself.
    :param number: the plan's number of that step, from 1; 0 in a stage.
    """

    text: str
    step: str = ""
    number: int = 0

    @property
    def keyword(self) -> str:
        return self.text.partition(" ")[0]

    @property
    def makes_vertex(self) -> bool:
        """Whether BuildKit numbers it."""
        return self.keyword in ("FROM", "RUN", "COPY", "ADD") or (self.keyword == "WORKDIR" and self.text[8:] != "/")

    @property
    def command(self) -> tuple[str, ...]:
        """The argv of a RUN, without the variables that stand before it."""
        if self.keyword != "RUN":
            return ()
        words = [str(word) for word in json.loads(self.text[self.text.index("[") :])]
        if words[0] == "/usr/bin/env":
            words = words[1:]
            while len(words) > 1 and re.match(r"[A-Za-z_]\w*=", words[0]):
                words = words[1:]
        return tuple(words)


@frozen
class Stage:
    """A stage and its instructions, FROM first."""

    name: str
    instructions: tuple[Instruction, ...]


def stages(text: str, plan: Plan) -> tuple[Stage, ...]:
    """Read a Dockerfile that :func:`~dagger_aml.backends.dockerfile.render.render` wrote of a plan."""
    found: list[list[Instruction]] = []
    names: list[str] = []
    for block in text.split("\n\n")[1:]:
        title, lines = _block(block)
        if lines[0].startswith("FROM "):
            found.append([])
            names.append(lines[0].partition(" AS ")[2])
            title = ""
        found[-1] += [Instruction(line, title) for line in lines]
    found[-1] = _numbered(found[-1], text.split("\n\n")[1:], plan)
    return tuple(Stage(name, tuple(each)) for name, each in zip(names, found, strict=True))


def _block(block: str) -> tuple[str, list[str]]:
    lines = block.replace("\\\n", "").strip("\n").split("\n")
    title = " ".join(re.sub(r"^#:? ?", "", line) for line in lines if line.startswith("#"))
    return title, [line for line in lines if not line.startswith("#")]


def _numbered(last: list[Instruction], blocks: list[str], plan: Plan) -> list[Instruction]:
    """The final stage's instructions with the plan's names and numbers in place of the comments above them."""
    start = max(index for index, block in enumerate(blocks) if block.lstrip("\n").startswith("FROM "))
    made = [Instruction(_block(blocks[start])[1][0])]
    for number, block in enumerate(blocks[start + 1 :], 1):
        step = plan.steps[number - 1].name if number <= len(plan.steps) else ""
        made += [Instruction(line, step, number if step else 0) for line in _block(block)[1]]
    assert len(made) == len(last)
    return made
