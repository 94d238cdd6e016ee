"""Many projects on one base, the code of each changed: built in one command, and one after the other by docker."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.place import Place

_MODEL = 20_000_000


def measure(folder: Path, base: str, host: str, projects: int, times: int) -> None:
    """Print how long each way takes for all of them.

    :param folder: where the projects are made.
    :param times: how often each is done; once more before, which is not counted.
    """
    places = [Place(folder / f"p{number}", base, f"{host}/bench/several-{number}:1") for number in range(projects)]
    for number, each in enumerate(places):
        each.write(_MODEL)
        (each.project / "dagger-aml.toml").write_text(f'name = "several-{number}"\n')
    seconds: dict[str, list[float]] = {}
    ways: dict[str, Callable[[], None]] = {
        f"direct, {projects} projects, --jobs 4": lambda: _together(places, host),
        f"docker, {projects} Dockerfiles that are there": lambda: _one_by_one(places, Place.docker),
    }
    if "BENCH_BUILDX" in os.environ:
        ways["buildx, the same"] = lambda: _one_by_one(places, Place.buildx)
    for number in range(times + 1):
        for name, push in ways.items():
            for each in places:
                each.new_code()
                each.dockerfile()
            begun = time.perf_counter()
            push()
            if number:
                seconds.setdefault(name, []).append(time.perf_counter() - begun)
                print(f"{name}: {seconds[name][-1]:.2f} s", file=sys.stderr)
    print("| way | seconds |\n|---|---|")
    for name, took in seconds.items():
        print(f"| {name} | {statistics.median(took):.2f} |")


def _together(places: list[Place], host: str) -> None:
    projects = [each.project for each in places]
    names = f"{host}/bench/{{name}}:1"
    places[0].run(sys.executable, "-m", "dagger_aml", "build", *projects, "--base", places[0].base, "-t", names,
                  "--push", "--no-smoke", "--quiet", "--jobs", "4")  # fmt: skip


def _one_by_one(places: list[Place], push: Callable[[Place], None]) -> None:
    for each in places:
        push(each)
