"""A first build of which nothing is known anywhere: `task bench:direct -- --cold` prints the table.

Every time there is a new project with a model and packages that pip installs, an empty repository, an empty home and
cache; **the Dagger engine's cache and that of buildx are emptied**, so name an engine and a docker (`$BENCH_DOCKER`)
of your own, of which nobody else needs the caches. The base comes from the registry by both ways.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from attrs import evolve

from bench.loads import Seconds
from bench.place import Place
from bench.runner import WHEELS

ROW = "first build, all cold"

_PRUNE = "{engine{localCache{prune}}}"


def measure(folder: Path, base: str, host: str, model: int, times: int, peers: list[str]) -> None:
    """Print how long each way takes.

    :param folder: where the projects are made.
    :param peers: ``buildx``, or none.
    """
    found = Seconds()
    ways: dict[str, Callable[[Place], None]] = {"direct, by the engine": _ours}
    if "buildx" in peers:
        ways["buildx"] = Place.buildx
    for number in range(times):
        for name, push in ways.items():
            tag = f"{host}/bench/cold-{len(name)}-{number}-{os.getpid()}:1"
            place = Place(folder / f"p{number}-{len(name)}", base, tag)
            place.write(model)
            (place.project / "requirements.txt").write_text("\n".join(WHEELS) + "\n")
            place.dockerfile()
            place.forget()
            home = place.folder / "home"
            home.mkdir()
            _emptied(place, name)
            # buildx's own settings lie in the home, and are no cache.
            used = place if name == "buildx" else evolve(place, home=home)
            found.take(ROW, name, lambda used=used, push=push: push(used))  # type: ignore[misc]
            shutil.rmtree(place.folder)
    print(found.table(tuple(ways)))


def _ours(place: Place) -> None:
    place.ours("--push", "--layers", "direct", "--with", "dagger", *os.environ.get("BENCH_FLAGS", "").split())


def _emptied(place: Place, name: str) -> None:
    """Empty the cache of what builds."""
    if name == "buildx":
        place.run(os.environ.get("BENCH_DOCKER", "docker"), "buildx", "prune", "--all", "--force")
        return
    dagger = os.environ.get("_EXPERIMENTAL_DAGGER_CLI_BIN") or "dagger"
    place.run("sh", "-c", 'echo "$1" | "$0" query --silent', dagger, _PRUNE)
