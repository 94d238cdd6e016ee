"""How long `check` takes, and how much memory: `python -m bench.check [--flake8 PROGRAM] [--rounds N]`.

A project of 2,000 Python files, 200 of them with a finding, by one process and by two, against what bare
``ast.parse`` over the same files takes in one process, and flake8 where a program is named; a small project; and 500
small projects in one call against as many calls, of which 20 are made. Commands run in turn, round after round, so
that a machine whose speed drifts slows all alike.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from attrs import frozen

from .machine import machine
from .place import SCORE

FILES, FINDINGS, PROJECTS, CALLS = 2000, 200, 500, 20

_PARSE = """
import ast, pathlib, sys
for path in pathlib.Path(sys.argv[1]).rglob("*.py"):
    ast.parse(path.read_bytes(), str(path))
"""

_MODULE = '''"""Features of group {number}."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable

LIMIT, NAMES = {number}, ("age", "income", "tenure", "region")


class Group{number}:
    """Rows of one kind."""

    def __init__(self, rows: Iterable[dict[str, float]], scale: float = 1.0) -> None:
        self.rows = [dict(row) for row in rows]
        self.scale = scale

    def mean(self, name: str) -> float:
        """Of a column, scaled."""
        values = [row[name] for row in self.rows if name in row]
        return self.scale * sum(values) / len(values) if values else math.nan

    def table(self) -> list[list[float]]:
        """The columns in order, what is missing as nothing."""
        found = []
        for row in self.rows[:LIMIT]:
            try:
                found.append([float(row.get(name, 0.0)) for name in NAMES])
            except (TypeError, ValueError) as error:
                raise ValueError(f"no number in {{row}}: {{error}}") from None
        return found


def score(rows: list[dict[str, float]], *, weight: float = 0.5) -> dict[str, float]:
    """Weighted means by column."""
    group = Group{number}(rows)
    return {{name: weight * group.mean(name) + (1 - weight) * LIMIT for name in NAMES}}
{more}'''


@frozen
class Spent:
    """What a command took: wall and processor seconds, and the most memory of its first process in MB."""

    wall: float
    processor: float
    memory: float


def large(root: Path) -> None:
    """The project of many files; the script imports them all."""
    names = [f"group_{number:04}" for number in range(FILES - 1)]
    (root / "features").mkdir(parents=True)
    for number, name in enumerate(names):
        more = '\n\ndef root() -> str:\n    return os.environ["AZUREML_APP_ROOT"]\n' if number < FINDINGS else ""
        (root / "features" / f"{name}.py").write_text(_MODULE.format(number=number, more=more))
    lines = "".join(f"from features import {name}\n" for name in names)
    (root / "score.py").write_text(f"{lines}\n\n{SCORE}")


def small(root: Path) -> None:
    """A script, a list, a project file."""
    root.mkdir(parents=True)
    (root / "score.py").write_text(f"import helper\n\n\n{SCORE}")
    (root / "helper.py").write_text("def clean(data):\n    return data\n")
    (root / "requirements.txt").write_text("six==1.17.0\n")
    (root / "dagger-aml.toml").write_text('[env]\nWORKER_COUNT = "2"\n')


def spent(words: list[str]) -> Spent:
    """Run a command to its end.

    :raises RuntimeError: it ended as none of these commands does.
    """
    begun = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise RuntimeError(f"{words[0]} ended with {os.waitstatus_to_exitcode(status)}")
    return Spent(time.perf_counter() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> None:
    """Print the medians and the ratios that the targets name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flake8", metavar="PROGRAM")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    check = [sys.executable, "-m", "dagger_aml", "check"]
    print(machine())
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        large(root / "large")
        several = [root / "several" / f"project-{number:03}" for number in range(PROJECTS)]
        for each in (root / "small", *several):
            small(each)
        commands = {
            "ast.parse": [sys.executable, "-c", _PARSE, str(root / "large")],
            "large": [*check, "--jobs", "1", str(root / "large")],
            "large, 2 jobs": [*check, "--jobs", "2", str(root / "large")],
            "small": [*check, str(root / "small")],
            "several": [*check, *map(str, several)],
        }
        if given.flake8:
            commands["flake8"] = [given.flake8, str(root / "large")]
        found: dict[str, list[Spent]] = {name: [] for name in commands}
        calls: list[Spent] = []
        for _ in range(given.rounds):
            for name, words in commands.items():
                found[name].append(spent(words))
            calls += [spent([*check, str(each)]) for each in several[: CALLS // given.rounds or 1]]
    _print(found, calls)


def _print(found: dict[str, list[Spent]], calls: list[Spent]) -> None:
    wall = {name: statistics.median(each.wall for each in taken) for name, taken in found.items()}
    processor = {name: statistics.median(each.processor for each in taken) for name, taken in found.items()}
    memory = {name: max(each.memory for each in taken) for name, taken in found.items()}
    for name in found:
        print(f"{name:14} {wall[name]:7.2f} s wall {processor[name]:7.2f} s processor {memory[name]:6.0f} MB")
    one = statistics.median(each.wall for each in calls)
    one_processor = statistics.median(each.processor for each in calls)
    print(f"{'one call':14} {one:7.2f} s wall {one_processor:7.2f} s processor")
    print(f"2,000 files / ast.parse: {wall['large'] / wall['ast.parse']:.2f} wall, ", end="")
    print(f"{processor['large'] / processor['ast.parse']:.2f} processor (target 2.0)")
    two = "large, 2 jobs"
    print(f"the same by 2 processes: {wall[two] / wall['ast.parse']:.2f} wall (target 1.2 on 2 cores), ", end="")
    print(f"{processor[two] / processor['ast.parse']:.2f} processor")
    if "flake8" in wall:
        by_two = wall[two] / wall["flake8"]
        print(f"2,000 files / flake8: {wall['large'] / wall['flake8']:.3f}, by 2 {by_two:.3f} (target {1 / 6:.3f})")
    print(f"a small project: {wall['small']:.2f} s wall (target 0.25), {memory['large']:.0f} MB at most (target 120)")
    print(
        f"{PROJECTS} projects in one call / {PROJECTS} calls: {wall['several'] / (PROJECTS * one):.3f} (target 0.125)"
    )


if __name__ == "__main__":
    main()
