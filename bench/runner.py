"""A runner that has nothing but the registry: `task bench:direct -- --runner` prints the table.

Each time its home and its caches are empty: what is known of the base, and what ran, comes from the registry alone.
Code that changed is pushed to a tag that there is. Where all is new the repository is empty, and the packages are a
lock's wheels, which lie in the project: to fetch them would measure the line. buildx reads a cache in the registry
that its first push wrote, and need not write it again. Its BuildKit has just been started on an empty folder, as a
runner's is that `docker buildx create` made; the time of that start is not counted. To empty a Docker daemon's build
cache would not do: its store of images keeps what was pushed, and the next build need not fetch it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from attrs import evolve

from bench.loads import Seconds
from bench.place import Place
from tests.support.buildkitd import RemoteBuilder, remote_builder

CODE, NEW = "code changed", "everything new, all wheels"

WHEELS = ("sympy==1.13.3", "mpmath==1.3.0", "networkx==3.4.2", "joblib==1.4.2", "packaging==24.2")
"""What is installed: wheels for any Python, as the stand-in bases have not that of the images they stand in for."""


def measure(folder: Path, base: str, host: str, model: int, times: int) -> None:
    """Print how long both take.

    :param folder: where the projects are made.
    """
    (folder / "buildkit").mkdir()
    with remote_builder(folder / "buildkit") as remote:
        os.environ.update(remote.env)
        _measured(folder, base, host, model, times, remote)


def _measured(folder: Path, base: str, host: str, model: int, times: int, remote: RemoteBuilder) -> None:
    found, ways = Seconds(), {"direct": partial(_direct, remote), "buildx": partial(_buildx, remote)}
    wheels = downloaded(folder / "wheels")
    places = {name: Place(folder / name, base, f"{host}/bench/runner-{name}:1") for name in ways}
    for place in places.values():
        place.write(model)
        place.new_requirement()
        place.dockerfile()
    ways["direct"](places["direct"])
    _buildx(remote, places["buildx"], "--cache-to", f"{_cache(places['buildx'])},mode=max")
    for number in range(times):
        for name, place in places.items():
            place.new_code()
            _emptied(place, remote)
            found.take(CODE, name, partial(ways[name], place))
        for name in ways:
            # Each in a folder of its own: after thousands of files were removed, ext4 is slow to make as many anew.
            new = Place(folder / f"{name}-new-{number}", base, f"{host}/bench/runner-{name}-{number}-{os.getpid()}:1")
            new.write(model)
            locked(new, wheels)
            _emptied(new, remote)
            found.take(NEW, name, partial(ways[name], new))
    print(found.table(tuple(ways)))


def _emptied(place: Place, remote: RemoteBuilder) -> None:
    """Make the machine one that has nothing of before, but the documented Dockerfile: pip installs the packages."""
    place.dockerfile()
    place.forget()
    shutil.rmtree(_home(place), ignore_errors=True)
    _home(place).mkdir()
    begin_empty(remote)


def begin_empty(remote: RemoteBuilder) -> None:
    """Start a BuildKit anew, on an empty folder."""
    remote.end()
    remote.start()


def _home(place: Place) -> Path:
    return place.folder / "home"


def _direct(remote: RemoteBuilder, place: Place) -> None:
    files = ["--packages-as", "files"] if (place.project / "pylock.toml").exists() else []
    words = "--push", "--layers", "direct", "--with", "buildx", "--builder", remote.name
    evolve(place, home=_home(place)).ours(*words, *files)


def _buildx(remote: RemoteBuilder, place: Place, *more: str) -> None:
    known = [] if (place.project / "pylock.toml").exists() else ["--cache-from", _cache(place)]
    place.buildx("--builder", remote.name, *known, *more)


def _cache(place: Place) -> str:
    return f"type=registry,ref={place.tag.rpartition(':')[0]}-cache"


def downloaded(folder: Path, wanted: Sequence[str] = WHEELS) -> list[Path]:
    """The wheels, by pip."""
    words = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--python-version",
    ]
    words += ["3.12", "--platform", "manylinux_2_17_x86_64", "--dest", str(folder), *wanted]
    done = subprocess.run(words, check=False)
    if done.returncode:
        sys.exit("bench: the wheels cannot be had")
    return sorted(folder.glob("*.whl"))


def locked(place: Place, wheels: list[Path]) -> None:
    """Give a project a lock of wheels, which lie in it."""
    lines = ['lock-version = "1.0"', 'created-by = "bench"']
    (place.project / "wheels").mkdir()
    for each in wheels:
        os.link(each, place.project / "wheels" / each.name)
        name, version = each.name.split("-")[:2]
        digest = hashlib.sha256(each.read_bytes()).hexdigest()
        file = f'name = "{each.name}", path = "wheels/{each.name}", hashes = {{ sha256 = "{digest}" }}'
        lines += ["", "[[packages]]", f'name = "{name.replace("_", "-")}"', f'version = "{version}"']
        lines += [f"wheels = [{{ {file} }}]"]
    (place.project / "pylock.toml").write_text("\n".join(lines) + "\n")
