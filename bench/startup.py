"""How long the command line takes before it does anything: `task bench`.

Commands run in turn, round after round, so that a machine whose speed drifts slows all alike. What matters is the
last column: the time beyond a bare Python, as a share of what `import dagger` costs in the same run.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 15
EXAMPLE = str(Path(__file__).parent.parent / "examples" / "diabetes")
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
}


def seconds(command: list[str]) -> float:
    """Wall time of one run.

    :raises subprocess.CalledProcessError: it failed.
    """
    begun = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def main() -> None:
    """Print the median, the least and the most of each command."""
    for command in COMMANDS.values():
        seconds(command)
    found: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            found[name].append(seconds(command))
    median = {name: statistics.median(times) for name, times in found.items()}
    bare, dagger = median["python -c pass"], median["import dagger"] - median["python -c pass"]
    print(f"{ROUNDS} interleaved runs, seconds: median (least to most), and beyond bare Python / import dagger")
    for name, times in found.items():
        share = (median[name] - bare) / dagger
        print(f"{name:26} {median[name]:.3f} ({min(times):.3f} to {max(times):.3f})  {share:.2f}")


if __name__ == "__main__":
    main()
