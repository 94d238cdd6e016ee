"""How long the command line takes before it does anything: `task bench`.

Commands run in turn, round after round, so that a machine whose speed drifts slows all alike. What matters is the
last column: the time beyond a bare Python, as a share of what `import dagger` costs in the same run.

`python bench/startup.py --beside CHECKOUT` runs each command of another checkout in turn with this one's, and tells
the processor's time of both, which other work on the machine changes less than the clock's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 15
HERE = Path(__file__).parent.parent
EXAMPLE = str(HERE / "examples" / "diabetes")
TOOL = [sys.executable, "-m", "dagger_aml"]
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import dagger": [sys.executable, "-c", "import dagger"],
    "import dagger_aml": [sys.executable, "-c", "import dagger_aml"],
    "dagger-aml --version": [*TOOL, "--version"],
    "dagger-aml --help": [*TOOL, "--help"],
    "dagger-aml build --help": [*TOOL, "build", "--help"],
    "dagger-aml plan": [*TOOL, "plan", EXAMPLE],
    "dagger-aml dockerfile": [*TOOL, "dockerfile", EXAMPLE],
    "dagger-aml check": [*TOOL, "check", EXAMPLE],
}


def seconds(command: list[str]) -> float:
    """Wall time of one run.

    :raises subprocess.CalledProcessError: it failed.
    """
    begun = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def processor_seconds(command: list[str], tree: Path) -> float:
    """Of the processor's time in one run of a checkout's command.

    :raises RuntimeError: it failed.
    """
    env = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": ""}
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=nowhere, stderr=nowhere, cwd=tree, env=env)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)} in {tree}")
    return used.ru_utime + used.ru_stime


def beside(other: Path, rounds: int) -> None:
    """Print the medians of the processor's time of both checkouts' commands."""
    ours = {name: command for name, command in COMMANDS.items() if "dagger-aml" in name}
    found: dict[tuple[str, Path], list[float]] = {}
    for number in range(rounds + 1):
        for name, command in ours.items():
            for tree in (other, HERE) if number % 2 else (HERE, other):
                took = processor_seconds(command, tree)
                if number:  # The first writes what Python compiles.
                    found.setdefault((name, tree), []).append(took)
    print(f"{rounds} runs of each in turn, medians of the processor's seconds: {other}, here, here / there")
    for name in ours:
        there, here = (statistics.median(found[name, tree]) for tree in (other, HERE))
        print(f"{name:26} {there:.4f} {here:.4f}  {here / there:.2f}")


def main() -> None:
    """Print the median, the least and the most of each command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--beside", type=Path, metavar="CHECKOUT", help="compare with another checkout's")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help=f"runs of each ({ROUNDS})")
    words = parser.parse_args()
    if words.beside:
        beside(words.beside.resolve(), words.rounds)
        return
    for command in COMMANDS.values():
        seconds(command)
    found: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(words.rounds):
        for name, command in COMMANDS.items():
            found[name].append(seconds(command))
    median = {name: statistics.median(times) for name, times in found.items()}
    bare, dagger = median["python -c pass"], median["import dagger"] - median["python -c pass"]
    print(f"{words.rounds} interleaved runs, seconds: median (least to most), and beyond bare Python / import dagger")
    for name, times in found.items():
        share = (median[name] - bare) / dagger
        print(f"{name:26} {median[name]:.3f} ({min(times):.3f} to {max(times):.3f})  {share:.2f}")


if __name__ == "__main__":
    main()
