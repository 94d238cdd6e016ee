"""A large model pushed for the first time, and the bound of this machine: `task bench:direct -- --bound`.

The model holds normally distributed floats, so its layer is gzipped. The bound is what no push of it can be faster
than here: its bytes are read, hashed twice (tar and blob), compressed by igzip, sent, and hashed by the registry.
Each of these is measured alone; together they take at least the longest of them, and no less than all of them divided
by the processors. `crane append` ($BENCH_CRANE) gets a ready tar of the same model; where $BENCH_DOCKER_BUILD is set,
docker builds and pushes the Dockerfile.
"""

from __future__ import annotations

import array
import hashlib
import os
import random
import statistics
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import evolve

from bench.loads import Seconds
from bench.place import Place
from dagger_aml.oci.compression import gzipped
from dagger_aml.oci.push import PushClient
from dagger_aml.oci.reference import Reference

_CHUNK = 1 << 20
_BLOCK = 1 << 22
"""Floats that are made anew; farther than a gzip looks back, so that their repetition is not seen."""

ROW = "a first push"


def measure(folder: Path, base: str, host: str, model: int, times: int) -> None:
    """Print how long a first push takes, and the bound.

    :param folder: where the project is made; it takes four times the model.
    """
    found, parts = Seconds(), Seconds()
    for number in range(times):
        place = Place(folder / f"p{number}", base, f"{host}/bench/bound-{os.getpid()}-{number}:1")
        place.write(0)
        weights = place.project / "model/weights.bin"
        normal(weights, model)
        os.sync()
        found.take(ROW, "direct", lambda place=place: place.ours("--push", "--layers", "direct"))  # type: ignore[misc]
        if "BENCH_CRANE" in os.environ:
            _by_crane(place, weights, found)
        if "BENCH_DOCKER_BUILD" in os.environ:
            place.dockerfile()
            docker = evolve(place, tag=place.tag.replace(":1", "-docker:1"))
            found.take(ROW, "docker build and push", docker.docker)
        _parts(place, weights, parts)
        for each in (weights, place.folder / "model.tar.gz", place.folder / "model.tar"):
            each.unlink(missing_ok=True)
    print(found.table(tuple(dict.fromkeys(column for _, column in found.found))))
    alone = {name: statistics.median(parts.found["part", name]) for _, name in parts.found}
    cores = os.cpu_count() or 1
    bound = max(max(alone.values()), sum(alone.values()) / cores)
    print("\n" + parts.table(tuple(alone)))
    ours = statistics.median(found.found[ROW, "direct"])
    print(f"\nThe bound of {cores} processors is {bound:.2f} s: {bound / ours:.2f} of direct's {ours:.2f} s.")


def _by_crane(place: Place, weights: Path, found: Seconds) -> None:
    """`crane append` of a ready tar on the base's copy in another repository."""
    tar = place.folder / "model.tar"
    with tarfile.open(tar, "w") as file:
        file.add(weights, "var/azureml-app/weights.bin")
    words = (os.environ["BENCH_CRANE"], "append", "--base", place.base, "--new_layer", tar,
             "--new_tag", place.tag.replace(":1", "-crane:1"))  # fmt: skip
    found.take(ROW, "crane append", lambda: place.run(*words))
    tar.unlink()


def _parts(place: Place, weights: Path, parts: Seconds) -> None:
    """Each part of the work alone."""

    def read() -> Iterator[bytes]:
        with weights.open("rb") as file:
            yield from iter(lambda: file.read(_CHUNK), b"")

    def only_read() -> None:
        for _ in read():
            pass

    packed = place.folder / "model.tar.gz"
    reading = _timed(only_read)
    parts.add("part", "read", reading)

    def hash_all(path: Path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    parts.add("part", "hash the tar", max(_timed(lambda: hash_all(weights)) - reading, 0.0))
    blob: list[bytes] = []
    # What is compressed is held in memory, so that no disk is measured.
    parts.add("part", "igzip", max(_timed(lambda: blob.extend(gzipped(read()))) - reading, 0.0))
    with packed.open("wb") as file:
        file.writelines(blob)
    blob.clear()
    parts.add("part", "hash the blob", _timed(lambda: hash_all(packed)))
    digest, size, client = f"sha256:{hash_all(packed)}", packed.stat().st_size, PushClient()
    at = Reference.parse(place.tag.replace(":1", "-bound:1"))

    def stream() -> Iterator[bytes]:
        with packed.open("rb") as file:
            yield from iter(lambda: file.read(_CHUNK), b"")

    parts.add("part", "send, and the registry's hash", _timed(lambda: client.upload(at, stream, digest, size=size)))
    client.close()


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def normal(path: Path, size: int) -> None:
    """Write a file of normally distributed floats."""
    chance = random.Random(size)
    block = array.array("f", (chance.gauss(0, 1) for _ in range(min(_BLOCK, size // 4 + 1)))).tobytes()
    with path.open("wb") as file:
        for start in range(0, size, len(block)):
            file.write(block[: size - start])
