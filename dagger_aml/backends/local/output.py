"""What builders print while they carry a Dockerfile out, read as the plan's steps.

The classic builder, BuildKit and buildah number instructions each in its own way; which step of the plan an
instruction belongs to is known from the list that the Dockerfile was written of.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from itertools import takewhile
from typing import TypeVar

from attrs import field

from ...data import define, frozen
from ...errors import BuildError
from ...events import Message, OnEvent, OpDone, OpStarted, Output
from ...plan.model import Plan
from ...text import pattern
from ..dockerfile.instructions import Instruction, Script
from ..install_hints import install_hint
from .program import hint_for

_CLASSIC = pattern(r"Step (?P<number>\d+)/\d+ : ")


_BUILDAH = pattern(r"(?:\[(?P<stage>\d+)/\d+\] )?STEP (?P<number>\d+)(?:/\d+)?: ")


_BUILDKIT = pattern(r"#(?P<vertex>\d+) \[\s*(?:(?P<stage>[^\]]*?)\s+)?(?P<number>\d+)/\d+\] ")


_BUILDKIT_END = pattern(r"#(?P<vertex>\d+) (?:(?P<cached>CACHED)|DONE (?P<seconds>\d+(?:\.\d+)?)s)$")


_USING_CACHE = pattern(r" ?-{2,3}> Using cache\b")


_BUILDKIT_ERROR = pattern(r"#(?P<vertex>\d+) ERROR:? ")


_BUILDKIT_OUTPUT = pattern(r"#(?P<vertex>\d+) \d+\.\d+ (?P<text>.*)")


_EXIT = pattern(r"(?:non-zero code: |exit code: |exit status )(\d+)")


_NOISE = pattern(
    r" ---> |--> |Removing intermediate container|STEP |#\d+ |DEPRECATED: |subprocess exited with "
    r"|container exited (?:with|on) "
)


_ENDED = pattern(r"The command '|Error: (?:error )?building |executor failed running")
"""The line with which a builder says that a command failed. The command stands in it whole, with its own lines."""


_Item = TypeVar("_Item")


KEPT_LINES = 100
"""Lines of output that an error can show."""


@frozen
class _End:
    """How an instruction ended.

    :param cached: None where the builder has not said.
    :param seconds: as BuildKit tells, whose instructions overlap.
    """

    cached: bool | None = None
    seconds: float | None = None


@define
class OutputReader:
    """Takes a builder's lines; tells the steps, and knows in the end which instruction failed."""

    stages: tuple[tuple[Instruction, ...], ...]
    total: int
    names: tuple[str, ...]
    on_event: OnEvent
    _current: Instruction | None = None
    _failed: str | None = None
    _vertices: dict[str, Instruction] = field(factory=dict)
    _lines: dict[str, deque[str]] = field(factory=dict)
    _at: str = ""
    _op: int = 0
    _since: dict[int, float] = field(factory=dict)
    _done: set[int] = field(factory=set)
    _any_order: bool = False
    _said: set[str] = field(factory=set)
    _ends: dict[int, dict[str, _End]] = field(factory=dict)
    _is_new: bool = False

    @classmethod
    def of(cls, script: Script, plan: Plan, on_event: OnEvent) -> OutputReader:
        """Of a build of what a plan's Dockerfile was written of; events go to ``on_event``."""
        names = tuple(op.name for op in plan.ops)
        return cls(script.stages, len(names), names, on_event)

    def line(self, text: str) -> None:
        """Take one line of a builder's output."""
        if not self._recognise(text):
            output = _BUILDKIT_OUTPUT.match(text)
            key, kept = (output["vertex"], output["text"]) if output else (self._at, text)
            self._lines.setdefault(key, deque(maxlen=KEPT_LINES)).append(kept)
        self.on_event(Output(text))

    def finish(self) -> None:
        """The build went well: every step is done."""
        self._reach(self.total + 1)
        for number in range(1, self.total + 1):
            self._close(number)

    def error(self, code: int, builder: str, *, takes_isolation: bool = False) -> BuildError:
        """The error of a build that went wrong: the step, its command, its last lines.

        :param takes_isolation: see :attr:`~dagger_aml.backends.local.program.ContainerCli.takes_isolation`.
        """
        key = self._failed or self._at
        everything = [line for each in self._lines.values() for line in each]
        # What fails may have no lines of its own, such as BuildKit's export.
        lines = list(self._lines.get(key, ())) or everything
        printed = "\n".join(everything)
        hint = hint_for(printed, takes_isolation) or install_hint(printed)
        failed = self._vertices.get(key) if key else None
        if failed is None or failed.keyword != "RUN":
            op = failed.op if failed else ""
            return BuildError(
                f"{builder} could not build the image", location=op or None, output=_join(lines), hint=hint
            )
        said = _EXIT.findall("\n".join(everything))
        own = takewhile(lambda line: not _ENDED.match(line), lines)
        shown = [line for line in own if not _NOISE.match(line)]
        message = f"the command ended with exit code {said[-1] if said else code}"
        return BuildError(message, location=failed.op, command=failed.argv, output=_join(shown or lines), hint=hint)

    def _recognise(self, text: str) -> bool:
        """Take a line that tells of an instruction; False for any other."""
        if match := _CLASSIC.match(text):
            every = [each for stage in self.stages for each in stage]
            self._begin(f"{match['number']}", _nth(every, match["number"]), _End(cached=False))
        elif match := _BUILDAH.match(text):
            stage = _nth(self.stages, match["stage"] or str(len(self.stages)))
            if stage:
                instruction = _nth(stage, match["number"])
                self._begin(f"{match['stage']}/{match['number']}", instruction, _End(cached=False))
        elif match := _BUILDKIT.match(text):
            self._any_order = True
            instruction = self._vertex(match["stage"] or "", match["number"], text[match.end() :])
            self._begin(match["vertex"], instruction, _End())
            self._at = ""
        elif match := _BUILDKIT_END.match(text):
            seconds = float(match["seconds"]) if match["seconds"] else 0.0
            self._end(match["vertex"], _End(bool(match["cached"]), seconds))
        elif self._is_new and _USING_CACHE.match(text):
            self._end(self._at, _End(cached=True))
            self._is_new = False
        elif match := _BUILDKIT_ERROR.match(text):
            self._failed = match["vertex"]
            return False
        else:
            self._is_new = False
            return False
        return True

    def _vertex(self, name: str, number: str, text: str) -> Instruction | None:
        """The instruction of a vertex, by its text or else its number.

        BuildKit calls the last stage by its index, as an earlier one may be named.
        """
        word = name.split()[-1] if name else ""
        likely = [stage for stage in self.stages[:-1] if stage[0].stage == word] + [self.stages[-1]]
        numbered = [_nth([each for each in stage if each.makes_vertex], number) for stage in likely]
        every = [*numbered, *(each for stage in likely for each in stage)]
        return next((each for each in every if each and each.line[:200] == text[:200]), numbered[0])

    def _begin(self, key: str, instruction: Instruction | None, end: _End) -> None:
        """An instruction begins.

        :param end: how it will have ended unless a line says something else.
        """
        self._at = key
        self._is_new = end.cached is False
        if instruction is None:
            return
        self._vertices[key] = instruction
        if instruction.stage:
            if instruction.keyword == "RUN" and instruction.op and instruction.op not in self._said:
                self._said.add(instruction.op)
                self.on_event(Message(instruction.op))
        elif instruction.number:
            if self._any_order:
                self._open(instruction.number)
            else:
                self._reach(instruction.number)
            self._ends.setdefault(instruction.number, {}).setdefault(key, end)
        elif instruction.keyword != "FROM":
            self._reach(self.total + 1)

    def _end(self, key: str, end: _End) -> None:
        """A line tells how an instruction ended."""
        instruction = self._vertices.get(key)
        if instruction and instruction.number and not instruction.stage:
            ends = self._ends[instruction.number]
            ends[key] = end
            own = [each for each in self.stages[-1] if each.number == instruction.number and each.makes_vertex]
            if self._any_order and sum(each.cached is not None for each in ends.values()) >= len(own):
                self._close(instruction.number)

    def _end_of(self, number: int, seconds: float) -> OpDone:
        """The end of a step: cached if all of its instructions were, and not if one was not."""
        ends = list(self._ends.get(number, {}).values())
        told = [each.seconds for each in ends if each.seconds is not None]
        cached = None
        if any(each.cached is False for each in ends):
            cached = False
        elif ends and all(each.cached for each in ends):
            cached = True
        return OpDone(self.names[number - 1], number, self.total, sum(told) if told else seconds, cached)

    def _reach(self, number: int) -> None:
        """A builder that goes by order has come to a step, or past the last: those before it are done."""
        while self._op < number and not self._any_order:
            if self._op:
                self._close(self._op)
            self._op += 1
            if self._op <= self.total:
                self._open(self._op)

    def _open(self, number: int) -> None:
        if number not in self._since:
            self._since[number] = time.monotonic()
            self.on_event(OpStarted(self.names[number - 1], number, self.total))

    def _close(self, number: int) -> None:
        """A step is done. BuildKit tells of what it had from before in any order, the last first if it likes."""
        if number not in self._done:
            self._open(number)
            self._done.add(number)
            self.on_event(self._end_of(number, time.monotonic() - self._since[number]))


def _join(lines: list[str]) -> str:
    return "\n".join(line for line in lines if line.strip())


def _nth(items: Sequence[_Item], number: str) -> _Item | None:
    index = int(number) - 1
    return items[index] if 0 <= index < len(items) else None
