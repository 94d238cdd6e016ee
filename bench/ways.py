"""The ways to build and push one project that are set side by side."""

from __future__ import annotations

import os
import shutil
import tarfile
import time
from collections.abc import Callable, Mapping

from attrs import evolve, frozen

from bench.place import Place
from bench.runner import downloaded, locked

CODE = "code changed"

REQUIREMENT = "requirements changed"


def nothing(_: Place) -> None:
    """Some ways need nothing beforehand, and one case changes nothing."""


@frozen
class Way:
    """How a project is built and pushed.

    :param prepare: done before the time begins.
    :param first: how the first push is made, before any case; as the others unless given.
    :param only: the one case that it can do; all unless given.
    """

    push: Callable[[Place], None]
    prepare: Callable[[Place], None] = nothing
    first: Callable[[Place], None] | None = None
    only: str | None = None


def _direct(place: Place) -> None:
    place.ours("--push", "--layers", "direct")


def _builder(place: Place) -> None:
    place.ours("--push", "--layers", "builder")


def _files(place: Place) -> None:
    place.ours("--push", "--layers", "direct", "--packages-as", "files")


def _lock(place: Place) -> None:
    """What `requirements.txt` names, as a lock of wheels that lie in the project: to fetch them measures the line."""
    listed = place.project / "requirements.txt"
    if not listed.exists():
        return
    wheels = downloaded(place.folder / f"wheels-{time.time_ns()}", listed.read_text().split())
    listed.unlink()
    shutil.rmtree(place.project / "wheels", ignore_errors=True)
    locked(place, wheels)


def _first_of(place: Place) -> Place:
    """The same project under the tag of its first image."""
    return evolve(place, tag=f"{place.tag.rpartition(':')[0]}:first")


def _write_layer(place: Place) -> None:
    with tarfile.open(place.folder / "code.tar", "w") as tar:
        tar.add(place.project / "code", "var/azureml-app")


def _append(place: Place) -> None:
    """Put the code on the first image, which has the model."""
    crane = os.environ.get("BENCH_CRANE", "crane")
    layer = place.folder / "code.tar"
    place.run(crane, "append", "--base", _first_of(place).tag, "--new_layer", layer, "--new_tag", place.tag)


WAYS: Mapping[str, Way] = {
    "direct": Way(_direct),
    "direct, as files": Way(_files, _lock, _direct, REQUIREMENT),
    "builder (Dagger)": Way(_builder),
    "docker": Way(Place.docker, Place.dockerfile),
    "buildx": Way(Place.buildx, Place.dockerfile),
    "crane append": Way(_append, _write_layer, lambda place: _direct(_first_of(place)), CODE),
}

USUAL = ("direct", "builder (Dagger)", "docker")
"""Those that need nothing that most machines with docker and an engine lack."""
