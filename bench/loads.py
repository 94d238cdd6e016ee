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

    One store after the other, and tars once what these left to be written is on disk: what a podman of before still
    writes is no part of how long a tar takes. The stores' own builders have a project of their own: the context of a
    Dockerfile links the model, and a file that was linked anew is hashed anew.

    :param place: with a project.
    :param times: how often each is done; once more before, which is not counted.
    """
    loads, peer = Seconds(), Place(place.folder / "peer", place.base, place.tag)
    peer.write((place.project / "model/weights.bin").stat().st_size)
    for store in stores:
        _loaded(place, peer, store, Seconds())
        for _ in range(times):
            _loaded(place, peer, store, loads)
    tars, tar = Seconds(), place.folder / "image.tar"
    place.ours("-o", str(tar))
    os.sync()
    for _ in range(times):
        tars.take("`-o`", "direct", lambda: place.ours("-o", str(tar)))
        tars.take("`-o`", "copy of the tar", lambda: copied(tar))
    print("Code changed, into a store:\n\n" + loads.table(("direct", "dockerfile and build", "build alone")))
    print("\nNothing changed, a tar:\n\n" + tars.table(("direct", "copy of the tar")))
    print(f"\n{tar.stat().st_size / 1e6:.0f} MB are in the tar.")


def _loaded(place: Place, peer: Place, store: str, found: Seconds) -> None:
    """Change the code and load it, by us and by the store's own builder."""
    place.new_code()
    found.take(store, "direct", lambda: place.ours("--load", "--with", store))
    peer.new_code()
    begun = time.perf_counter()
    peer.dockerfile()
    written = time.perf_counter()
    built(store, peer)
    ended = time.perf_counter()
    found.add(store, "dockerfile and build", ended - begun)
    found.add(store, "build alone", ended - written)


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
