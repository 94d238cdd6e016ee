"""What each change of a project makes a builder do again, and send: the changes, made for real, way by way.

One project with a model, an apt package and a requirements file is built and pushed by every way of `ways.py`; then
one thing after another is changed for real, and each way builds and pushes again before the next change. Another way
begins each time, so that a machine whose speed drifts slows all alike. Every way pushes through a door of its own
(`counted.py`), which counts the bytes. The base is made for the run, so that nothing is known of it beforehand.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attrs import evolve, field, frozen

from tests.standin import own_registry, push
from tests.standin import registry as standins
from tests.support.reuse.bases import bases
from tests.support.reuse.counted import Door, door, layers
from tests.support.reuse.ways import COMMANDS, ORDER, Wanted, Way, removed

CODE = "def init():\n    pass\n\n\ndef run(data):\n    return {mark!r}\n"
REQUIREMENTS = "idna==3.10\n"
FIRST = "first build"
_UNITS = {"B": 1, "kB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
_CHUNK = 1 << 20


def write(folder: Path, model_bytes: int) -> None:
    """Write the project."""
    (folder / "code").mkdir(parents=True)
    (folder / "model").mkdir()
    new_code(folder)
    new_model(folder, model_bytes)
    (folder / "requirements.txt").write_text(REQUIREMENTS)
    (folder / "apt.txt").write_text("libgomp1\n")


def new_code(folder: Path) -> None:
    """An entry script that nobody has seen."""
    (folder / "code/score.py").write_text(CODE.format(mark=secrets.token_hex(8)))


def new_model(folder: Path, size: int) -> None:
    """A model of random bytes, which cannot be compressed."""
    with (folder / "model/weights.bin").open("wb") as file:
        for begin in range(0, size, _CHUNK):
            file.write(os.urandom(min(_CHUNK, size - begin)))


def unchanged(wanted: Wanted) -> Wanted:
    """The same once more."""
    return wanted


@frozen
class Changes:
    """What can be changed; each gives what is wanted afterwards.

    :param other: another base.
    :param model: bytes of the model.
    """

    other: str
    model: int

    def all(self) -> dict[str, Callable[[Wanted], Wanted]]:
        """By name, in the order in which they are made."""
        return {
            "nothing": unchanged,
            "code": self._code,
            "one requirement": self._requirement,
            "one apt package": self._apt,
            "the model": self._model,
            "an env value": lambda wanted: evolve(wanted, env={**wanted.env, "LOG_LEVEL": "debug"}),
            "a label": lambda wanted: evolve(wanted, labels={**wanted.labels, "team": "one"}),
            "the base": lambda wanted: evolve(wanted, base=self.other),
        }

    def _code(self, wanted: Wanted) -> Wanted:
        new_code(wanted.folder)
        return wanted

    def _requirement(self, wanted: Wanted) -> Wanted:
        with (wanted.folder / "requirements.txt").open("a") as file:
            file.write("six==1.17.0\n")
        return wanted

    def _apt(self, wanted: Wanted) -> Wanted:
        with (wanted.folder / "apt.txt").open("a") as file:
            file.write("libpng16-16\n")
        return wanted

    def _model(self, wanted: Wanted) -> Wanted:
        new_model(wanted.folder, self.model)
        return wanted


@frozen
class Outcome:
    """What one change cost one way.

    :param again: names of `ORDER`: commands carried out, copies made.
    :param seconds: of building and pushing.
    :param layers: of the image, by digest, with their compressed bytes.
    :param new: those that the image before did not have.
    :param sent: bytes of layers and configs that came to the registry.
    """

    again: set[str]
    seconds: float
    layers: dict[str, int]
    new: dict[str, int]
    sent: int

    @property
    def ran(self) -> set[str]:
        """The commands among `again`."""
        return self.again & set(COMMANDS)


@frozen
class Lane:
    """A way with its door, repository and folder, and the layers of what it pushed last."""

    name: str
    way: Way
    door: Door
    repository: str
    work: Path
    built: list[str] = field(factory=list)
    last: dict[str, int] = field(factory=dict)

    def build(self, wanted: Wanted) -> Outcome:
        """Build, push, and see what came. The image before it leaves the builder's store, for the disk's sake.

        :raises WayError: it failed.
        """
        tag = f"{len(self.built)}"
        reference = f"{self.door.name}/{self.repository}:{tag}"
        self.door.taken()
        begun = time.perf_counter()
        self.built.append(reference)
        again = self.way(wanted, reference, self.work)
        seconds = time.perf_counter() - begun
        removed(self.name, self.built[-2:-1], self.work)
        found = layers(self.door.registry, self.repository, tag)
        new = {digest: size for digest, size in found.items() if digest not in self.last}
        self.last.clear()
        self.last.update(found)
        return Outcome(again, seconds, found, new, self.door.taken())


@frozen
class Bench:
    """Everything that a run needs: the project as it is at first, what can be changed, and the ways."""

    wanted: Wanted
    changes: dict[str, Callable[[Wanted], Wanted]]
    lanes: list[Lane]

    def run(self, told: Callable[[str, str, Outcome], None] = lambda *_: None) -> dict[str, dict[str, Outcome]]:
        """Build once, then make every change; the outcomes by change and way.

        :param told: is called with each, the first builds' too, whose change is called `FIRST`.
        :raises WayError: a way failed.
        """
        found: dict[str, dict[str, Outcome]] = {}
        wanted = self.wanted
        for number, (name, change) in enumerate([(FIRST, unchanged), *self.changes.items()]):
            wanted = change(wanted)
            begin = number % len(self.lanes)
            for lane in (*self.lanes[begin:], *self.lanes[:begin]):
                outcome = lane.build(wanted)
                told(name, lane.name, outcome)
                found.setdefault(name, {})[lane.name] = outcome
        names = [lane.name for lane in self.lanes]
        return {change: {name: outcomes[name] for name in names} for change, outcomes in found.items()}


@contextlib.contextmanager
def opened(chosen: dict[str, Way], model: int, folder: Path) -> Iterator[Bench]:
    """A bench in an empty folder, and nothing left in docker's store afterwards.

    :raises StandInError: a base cannot be made.
    """
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(standins())
        (folder / "registry").mkdir()
        port = int(stack.enter_context(own_registry(folder / "registry")).rpartition(":")[2])
        one, two = bases(push("classic", host), port)
        write(folder / "p", model)
        lanes = []
        for number, (name, way) in enumerate(chosen.items()):
            work = folder / f"way-{number}"
            work.mkdir()
            lanes.append(Lane(name, way, stack.enter_context(door(port)), f"bench/{number}", work))
        stack.callback(cleared, lanes, [one, two])
        yield Bench(Wanted(folder / "p", one), Changes(two, model).all(), lanes)


def cleared(lanes: Sequence[Lane], others: Sequence[str]) -> None:
    """Remove from docker's store, and from the bench's own, what was built."""
    for lane in lanes:
        everything = ["--all"] if lane.name.startswith("buildah") else [*lane.built[-1:], *others]
        removed(lane.name, everything, lane.work)


def size(text: str) -> int:
    """Bytes of `200MB`.

    :raises argparse.ArgumentTypeError: it is none.
    """
    match = re.fullmatch(r"(\d+)\s*(B|kB|MB|GB)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"not a size: {text!r}; say 200MB, 5GB")
    return int(match[1]) * _UNITS[match[2]]


def shown(count: int) -> str:
    """Bytes in the largest unit that leaves a whole one."""
    unit = next((unit for unit in ("GB", "MB", "kB") if count >= _UNITS[unit]), "B")
    number = count / _UNITS[unit]
    return f"{number:.0f} {unit}" if unit == "B" or number >= 10 else f"{number:.1f} {unit}"


def steps(outcome: Outcome) -> str:
    """What was done again, commands in bold."""
    names = [f"**{name}**" if name in COMMANDS else name for name in ORDER if name in outcome.again]
    return ", ".join(names) or "-"


def news(outcome: Outcome) -> str:
    """How many layers are new, and their bytes."""
    return f"{len(outcome.new)}: {shown(sum(outcome.new.values()))}" if outcome.new else "-"
