"""What each change of a project makes a builder do again, and send: `task bench:reuse` prints tables in Markdown.

How that is found out is in tests/support/reuse.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.machine import machine
from tests.standin import StandInError
from tests.support.reuse.changes import FIRST, Outcome, news, opened, shown, size, steps
from tests.support.reuse.ways import WayError, ways

TABLES: dict[str, Callable[[Outcome], str]] = {
    "Done again (commands in bold, the others are copies)": steps,
    "New layers: how many, compressed bytes": news,
    "Bytes pushed": lambda outcome: shown(outcome.sent),
    "Seconds, build and push": lambda outcome: f"{outcome.seconds:.1f}",
}


def table(title: str, cell: Callable[[Outcome], str], found: dict[str, dict[str, Outcome]]) -> str:
    """A table of all changes and ways, in Markdown."""
    names = list(next(iter(found.values())))
    lines = [f"**{title}**\n", "| changed | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for change, outcomes in found.items():
        lines.append(f"| {change} | " + " | ".join(cell(outcomes[name]) for name in names) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the tables; what goes on meanwhile goes to standard error."""
    parser = argparse.ArgumentParser(prog="python -m bench.reuse", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model-size", type=size, default=size("200MB"), metavar="SIZE", help="of the model (200MB)")
    parser.add_argument("--way", action="append", default=[], help="only this one; may be given several times")
    words = parser.parse_args()
    on = machine()

    def told(change: str, way: str, outcome: Outcome) -> None:
        said = f"{steps(outcome)}; new {news(outcome)}; pushed {shown(outcome.sent)}; {outcome.seconds:.1f} s"
        print(f"{change} - {way}: {said}", file=sys.stderr)

    try:
        chosen = ways(words.way)
        with (
            tempfile.TemporaryDirectory(prefix="dagger-aml-bench-") as folder,
            opened(chosen, words.model_size, Path(folder)) as bench,
        ):
            found = bench.run(told)
    except (WayError, StandInError, RuntimeError) as error:
        sys.exit(f"bench.reuse: {error}")
    del found[FIRST]
    for title, cell in TABLES.items():
        print(table(title, cell, found))
    print(f"A model of {shown(words.model_size)}; {on}; load {os.getloadavg()[0]:.1f} at the end.")


if __name__ == "__main__":
    main()
