"""Images put into a store of this machine, and into a tar: `task bench:direct -- --load` prints the tables.

The code is changed before each. Docker and podman build the Dockerfile that `dagger-aml dockerfile` writes: with the
seconds that this takes, and without. A tar is held against a copy of itself.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import define, field

from bench.place import Place

STORES = ("docker", "podman")


@define
class Seconds:
    """What was measured, by row and column."""

    found: dict[tuple[str, str], list[float]] = field(factory=dict)

    def take(self, row: str, column: str, work: Callable[[], None]) -> None:
        """Measure something once more."""
        begun = time.perf_counter()
        work()
        self.add(row, column, time.perf_counter() - begun)

    def add(self, row: str, column: str, seconds: float) -> None:
        """Note something that was measured."""
        self.found.setdefault((row, column), []).append(seconds)
        print(f"{row} - {column}: {seconds:.2f} s", file=sys.stderr)

    def table(self, columns: Sequence[str]) -> str:
        """Medians, in Markdown."""
        rows = dict.fromkeys(row for row, _ in self.found)
        lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
        for row in rows:
            cells = [
                f"{statistics.median(self.found[row, column]):.2f} s" if (row, column) in self.found else ""
                for column in columns
            ]
            lines.append(f"| {row} | " + " | ".join(cells) + " |")
        return "\n".join(lines)


def measure(place: Place, times: int, stores: Sequence[str]) -> None:
    """Print the tables.

    :param place: with a project.
    :param times: how often each is done; once more before, which is not counted.
    """
    loads, tars = Seconds(), Seconds()
    tar = place.folder / "image.tar"
    for number in range(times + 1):
        if number == 1:
            loads, tars = Seconds(), Seconds()
        for store in stores:
            place.new_code()
            loads.take(store, "direct", lambda store=store: place.ours("--load", "--with", store))  # type: ignore[misc]
            place.new_code()
            begun = time.perf_counter()
            place.dockerfile()
            written = time.perf_counter()
            built(store, place)
            ended = time.perf_counter()
            loads.add(store, "dockerfile and build", ended - begun)
            loads.add(store, "build alone", ended - written)
        tars.take("`-o`", "direct", lambda: place.ours("-o", str(tar)))
        tars.take("`-o`", "copy of the tar", lambda: copied(tar))
    print("Code changed, into a store:\n\n" + loads.table(("direct", "dockerfile and build", "build alone")))
    print("\nNothing changed, a tar:\n\n" + tars.table(("direct", "copy of the tar")))
    print(f"\n{tar.stat().st_size / 1e6:.0f} MB are in the tar.")


def built(store: str, place: Place) -> None:
    """Build the Dockerfile that is there."""
    program = os.environ.get("BENCH_DOCKER", "docker") if store == "docker" else store
    plain = [] if store == "docker" else ["--tls-verify=false"]
    place.run(program, "build", "--quiet", *plain, "-t", f"{place.tag}-built", place.folder / "files")


def copied(tar: Path) -> None:
    """Copy a file, and remove the copy."""
    copy = tar.with_suffix(".copy")
    subprocess.run(["cp", str(tar), str(copy)], check=True)
    copy.unlink()


def here() -> list[str]:
    """The stores whose programs are installed."""
    return [each for each in STORES if shutil.which(each)]
