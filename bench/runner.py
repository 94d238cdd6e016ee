"""A runner that has nothing but the registry: `task bench:direct -- --runner` prints the table.

Each time its home and its caches are empty: what is known of the base, and what ran, comes from the registry alone.
Code that changed is pushed to a tag that there is. Where all is new the repository is empty, and the packages are a
lock's wheels, which lie in the project: to fetch them would measure the line. buildx gets a cache in the registry, as
its documentation has it, and **its build cache is emptied each time** (`docker buildx prune --all`), so name a docker
of your own with `$BENCH_DOCKER`. `$BENCH_FLAGS` has flags of ours, such as `--with docker`, and `$BENCH_BUILDX_FLAGS`
of buildx, such as `--network host`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import evolve

from bench.loads import Seconds
from bench.place import Place

CODE, NEW = "code changed", "everything new, all wheels"

WHEELS = ("sympy==1.13.3", "mpmath==1.3.0", "networkx==3.4.2", "joblib==1.4.2", "packaging==24.2")
"""What is installed: wheels for any Python, as the stand-in bases have not that of the images they stand in for."""


def measure(folder: Path, base: str, host: str, model: int, times: int, peers: list[str]) -> None:
    """Print how long each way takes.

    :param folder: where the projects are made.
    :param peers: of :data:`PEERS`; besides ours.
    """
    found, ways = Seconds(), {"direct": _direct, **{name: PEERS[name] for name in peers}}
    wheels = downloaded(folder / "wheels")
    places = {name: Place(folder / name, base, f"{host}/bench/runner-{name}:1") for name in ways}
    for name, place in places.items():
        place.write(model)
        place.new_requirement()
        ways[name](place)
    for number in range(times):
        for name, place in places.items():
            place.new_code()
            found.take(CODE, name, _cold(place, ways[name]))
        for name in ways:
            # Each in a folder of its own: after thousands of files were removed, ext4 is slow to make as many anew.
            new = Place(folder / f"{name}-new-{number}", base, f"{host}/bench/runner-{name}-{number}-{os.getpid()}:1")
            new.write(model)
            locked(new, wheels)
            found.take(NEW, name, _cold(new, ways[name]))
    print(found.table(tuple(ways)))


def _cold(place: Place, push: Callable[[Place], None]) -> Callable[[], None]:
    """The push of a machine that has nothing of before; what makes it so is not measured."""
    place.forget()
    home = place.folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    if push is not _direct:
        _prepared(place)
        place.run(os.environ.get("BENCH_DOCKER", "docker"), "buildx", "prune", "--all", "--force")
    return lambda: push(evolve(place, home=home) if push is _direct else place)


def _direct(place: Place) -> None:
    files = ["--packages-as", "files"] if (place.project / "pylock.toml").exists() else []
    place.ours("--push", "--layers", "direct", *files, *os.environ.get("BENCH_FLAGS", "").split())


def _prepared(place: Place) -> None:
    """The Dockerfile as documented: pip installs the packages."""
    place.dockerfile()


def _buildx(place: Place) -> None:
    if not (place.folder / "files").exists():
        _prepared(place)
    cache = f"type=registry,ref={place.tag.rpartition(':')[0]}-cache"
    place.buildx("--cache-from", cache, "--cache-to", f"{cache},mode=max")


PEERS: Mapping[str, Callable[[Place], None]] = {"buildx": _buildx}


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
