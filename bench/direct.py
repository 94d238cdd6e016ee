"""Pushes with `--layers direct` beside `--layers builder` and docker: `task bench:direct` prints a table in Markdown.

Every case is done by every way in turn, so that what else the machine does meets all alike; the figures are medians.
Docker builds the Dockerfile that `dagger-aml dockerfile` writes, which lies there before the time begins. `crane
append` puts a layer that lies there as a tar on the image that the first push made: what transport alone can take.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import bound, cold, facts, runner, several
from bench.loads import here, measure
from bench.machine import machine
from bench.place import Place
from bench.ways import CODE, REQUIREMENT, USUAL, WAYS, nothing
from tests.standin import StandInError, push, registry
from tests.support.reuse.changes import size


def cases(model: int) -> Mapping[str, Callable[[Place], None]]:
    """What is changed before each push."""
    return {
        "nothing changed": nothing,
        CODE: Place.new_code,
        "code changed, nothing kept on this machine": lambda place: (place.new_code(), place.forget())[0],
        "model changed": lambda place: place.new_model(model),
        REQUIREMENT: Place.new_requirement,
    }


def main() -> None:
    """Print the table; each single figure goes to standard error."""
    parser = argparse.ArgumentParser(prog="python -m bench.direct", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model-size", type=size, default=size("200MB"), metavar="SIZE", help="of the model (200MB)")
    parser.add_argument("--times", type=int, default=7, metavar="N", help="of each (7)")
    parser.add_argument("--way", action="append", choices=WAYS, help="only these (direct, builder, docker)")
    parser.add_argument("--load", action="store_true", help="into stores of this machine and a tar, not a registry")
    parser.add_argument("--runner", action="store_true", help="a machine with nothing but the registry")
    parser.add_argument("--cold", action="store_true", help="a first build with every cache empty; empties them")
    parser.add_argument("--bound", action="store_true", help="a first push beside what this machine can do at best")
    parser.add_argument("--facts", action="store_true", help="of a base with one more layer, as large as the model")
    parser.add_argument("--projects", type=int, metavar="N", help="so many small projects, their code changed")
    words = parser.parse_args()
    on = machine()
    try:
        with tempfile.TemporaryDirectory(prefix="dagger-aml-bench-") as folder, registry() as host:
            base = push("classic", host)
            if words.projects:
                several.measure(Path(folder), base, host, words.projects, words.times)
                return
            _measured(words, Path(folder), base, host)
    except StandInError as error:
        sys.exit(f"bench.direct: {error}")
    print(f"\nMedians of {words.times}; a model of {words.model_size / 1e6:.0f} MB; {on}; "
          f"load {os.getloadavg()[0]:.1f} at the end.")  # fmt: skip


def _measured(words: argparse.Namespace, folder: Path, base: str, host: str) -> None:
    """Measure what was asked for, and print its table."""
    given = folder, base, host, words.model_size, words.times
    if words.runner:
        runner.measure(*given)
    elif words.facts:
        facts.measure(*given)
    elif words.cold:
        cold.measure(*given)
    elif words.bound:
        bound.measure(*given)
    elif words.load:
        place = Place(folder, base, "localhost/bench/direct-load:1")
        place.write(words.model_size)
        measure(place, words.times, here())
    else:
        _pushes(*given, words.way or list(USUAL))


def _pushes(folder: Path, base: str, host: str, model: int, times: int, chosen: list[str]) -> None:
    """Every case by every way that was chosen."""
    seconds: dict[tuple[str, str], list[float]] = {}
    places = {
        way: Place(folder / str(number), base, f"{host}/bench/direct-{number}:1") for number, way in enumerate(chosen)
    }
    for way, place in places.items():
        place.write(model)
        WAYS[way].prepare(place)
        (WAYS[way].first or WAYS[way].push)(place)
    for name, change in cases(model).items():
        for _ in range(times):
            for way, place in places.items():
                if WAYS[way].only not in (None, name):
                    continue
                change(place)
                WAYS[way].prepare(place)
                begun = time.perf_counter()
                WAYS[way].push(place)
                seconds.setdefault((name, way), []).append(time.perf_counter() - begun)
                print(f"{name} - {way}: {seconds[name, way][-1]:.2f} s", file=sys.stderr)
    print("| case | " + " | ".join(chosen) + " |")
    print("|---" * (len(chosen) + 1) + "|")
    for name in cases(0):
        cells = (f"{statistics.median(took):.2f} s" if (took := seconds.get((name, way))) else "" for way in chosen)
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
