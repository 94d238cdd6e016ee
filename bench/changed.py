"""What needs doing of many unchanged projects, beside a builder that looks for itself: `task bench:changed`.

All projects are built and pushed once. Then each way runs in turn: `plan --changed` with what this machine keeps, the
same with nothing kept, one process that reads and hashes the same bytes and does nothing else, and, with `--buildx`,
`docker buildx build` of each project's Dockerfile, one after the other.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.machine import machine
from bench.place import Place
from tests.standin import StandInError, push, registry
from tests.support.reuse.changes import size

_HASH = """
import hashlib, sys
for name in sys.argv[1:]:
    with open(name, "rb") as file:
        hashlib.file_digest(file, "sha256")
"""


def main() -> None:
    """Print the table; each single figure goes to standard error."""
    parser = argparse.ArgumentParser(prog="python -m bench.changed", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--projects", type=int, default=100, metavar="N", help="so many (100)")
    parser.add_argument("--model-size", type=size, default=size("20MB"), metavar="SIZE", help="of each model (20MB)")
    parser.add_argument("--times", type=int, default=5, metavar="N", help="of each way but buildx, which is once (5)")
    parser.add_argument("--buildx", action="store_true", help="also docker buildx build, which takes minutes")
    words = parser.parse_args()
    on = machine()
    try:
        with tempfile.TemporaryDirectory(prefix="dagger-aml-bench-") as folder, registry() as host:
            places = _made(Path(folder), push("classic", host), host, words.projects, words.model_size)
            took = {
                name: [_timed(name, way) for _ in range(words.times)] for name, way in _ways(places, host).items()
            }
            if words.buildx:
                for each in places:
                    each.dockerfile()
                    _buildx(each)
                took["docker buildx build of each"] = [_timed("buildx", lambda: _all(places))]
    except StandInError as error:
        sys.exit(f"bench.changed: {error}")
    print("| way | seconds | of the processor |\n|---|---|---|")
    for name, each in took.items():
        print(f"| {name} | {' | '.join(f'{statistics.median(one):.2f}' for one in zip(*each, strict=True))} |")
    print(f"\nMedians of {words.times}, buildx once; {words.projects} projects with models of "
          f"{words.model_size / 1e6:.0f} MB; {on}; load {os.getloadavg()[0]:.1f} at the end.")  # fmt: skip


def _made(folder: Path, base: str, host: str, projects: int, model: int) -> list[Place]:
    """The projects, each pushed once; all share a cache and a folder."""
    places = [Place(folder / f"p{number}", base, f"{host}/bench/changed-{number}:main") for number in range(projects)]
    for number, each in enumerate(places):
        each.write(model)
        (each.project / "dagger-aml.toml").write_text(f'name = "changed-{number}"\nbase = "{base}"\n')
    time.sleep(2.5)  # What was changed just now is not kept.
    _ours(places, "build", "-t", f"{host}/bench/{{name}}:main", "--push", "--no-smoke", "--quiet", "--jobs", "4")
    return places


def _ways(places: list[Place], host: str) -> Mapping[str, Callable[[], None]]:
    against = ("--changed", "--exit-code", "--against", f"{host}/bench/{{name}}:main")

    def cold() -> None:
        places[0].forget()
        _ours(places, "plan", *against)

    models = [each.project / "model/weights.bin" for each in places]
    return {
        "plan --changed": lambda: _ours(places, "plan", *against),
        "plan --changed, nothing kept": cold,
        "reading and hashing the models": lambda: places[0].run(sys.executable, "-c", _HASH, *models),
    }


def _ours(places: list[Place], command: str, *words: str) -> None:
    """A command of ours for all projects; it ends the benchmark where one of them has changed."""
    places[0].run(sys.executable, "-m", "dagger_aml", command, *(each.project for each in places), *words)


def _all(places: list[Place]) -> None:
    for each in places:
        _buildx(each)


def _buildx(place: Place) -> None:
    docker = os.environ.get("BENCH_DOCKER", "docker")
    subprocess.run([docker, "buildx", "build", "--quiet", place.folder / "files"], check=True, capture_output=True)


def _timed(name: str, way: Callable[[], None]) -> tuple[float, float]:
    """Seconds of a way by the clock, and of the processor's in what it ran."""
    used, begun = _used(), time.perf_counter()
    way()
    took, of_processor = time.perf_counter() - begun, _used() - used
    print(f"{name}: {took:.2f} s, {of_processor:.2f} s of the processor", file=sys.stderr)
    return took, of_processor


def _used() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


if __name__ == "__main__":
    main()
