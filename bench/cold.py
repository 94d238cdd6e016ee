"""A first build of which nothing is known anywhere: `task bench:direct -- --cold` prints the table.

Every time there is a new project with a model and packages that pip installs, an empty repository, an empty home and
cache; **the Dagger engine's cache is emptied**, so name an engine of your own, of which nobody else needs it. buildx
has a BuildKit that has just been started on an empty folder. The base comes from the registry by both ways.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from attrs import evolve

from bench.loads import Seconds
from bench.place import Place
from bench.runner import WHEELS, begin_empty
from tests.support.buildkitd import RemoteBuilder, remote_builder

ROW = "first build, all cold"

_PRUNE = "{engine{localCache{prune}}}"


def measure(folder: Path, base: str, host: str, model: int, times: int) -> None:
    """Print how long both take.

    :param folder: where the projects are made.
    """
    found = Seconds()
    (folder / "buildkit").mkdir()
    with remote_builder(folder / "buildkit") as remote:
        os.environ.update(remote.env)
        for number in range(times):
            for name in ("direct, by the engine", "buildx"):
                tag = f"{host}/bench/cold-{len(name)}-{number}-{os.getpid()}:1"
                place = Place(folder / f"p{number}-{len(name)}", base, tag)
                place.write(model)
                (place.project / "requirements.txt").write_text("\n".join(WHEELS) + "\n")
                place.dockerfile()
                place.forget()
                prepared = _by_engine(place) if name != "buildx" else _by_buildx(place, remote)
                found.take(ROW, name, prepared)
                shutil.rmtree(place.folder)
    print(found.table(tuple(column for _, column in found.found)))


def _by_engine(place: Place) -> Callable[[], None]:
    """Empty the engine's cache and the home; the push."""
    dagger = os.environ.get("_EXPERIMENTAL_DAGGER_CLI_BIN") or "dagger"
    place.run("sh", "-c", 'echo "$1" | "$0" query --silent', dagger, _PRUNE)
    home = place.folder / "home"
    home.mkdir()
    words = "--push", "--layers", "direct", "--with", "dagger", *os.environ.get("BENCH_FLAGS", "").split()
    return lambda: evolve(place, home=home).ours(*words)


def _by_buildx(place: Place, remote: RemoteBuilder) -> Callable[[], None]:
    """Begin with nothing; the push."""
    begin_empty(remote)
    return lambda: place.buildx("--builder", remote.name)
