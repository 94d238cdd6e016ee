"""What can build here: programs that may be missing, and tests of several builders."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Callable

import pytest

from tests.support import engine

Need = Callable[..., None]


@functools.cache
def lacking(program: str) -> str | None:
    """Why a builder or another program cannot be used here, or None. Docker's daemon must answer too.

    Of Dagger it is an engine that counts, which is started where one is installed and none is named.
    """
    if program == "dagger":
        return engine.lacking()
    if not shutil.which(program):
        return f"{program} is not installed"
    if program == "docker":
        try:
            asked = subprocess.run(
                ["docker", "version", "--format={{.Server.Version}}"], capture_output=True, timeout=10, check=False
            )
        except subprocess.TimeoutExpired:
            return "the Docker daemon does not answer within 10 s"
        if asked.returncode:
            return "no Docker daemon answers"
    return None


def required() -> frozenset[str]:
    """The programs that $DAGGER_AML_REQUIRE says may not be missing."""
    return frozenset(os.environ.get("DAGGER_AML_REQUIRE", "").replace(",", " ").split())


def need_programs(*programs: str) -> None:
    """Skip the test when a program cannot be used; fail it when that program may not be missing."""
    reasons = {program: reason for program in programs if (reason := lacking(program))}
    if reasons:
        end = pytest.fail if reasons.keys() & required() else pytest.skip
        end("; ".join(reasons.values()))


@functools.cache
def docker_keeps_manifests() -> bool:
    """Whether docker has containerd's image store, as it does by default since version 29.

    It calls an image by its manifest then, not by its config.
    """
    asked = subprocess.run(
        ["docker", "info", "--format", "{{json .DriverStatus}}"], capture_output=True, text=True, check=False
    )
    return "io.containerd.snapshotter" in asked.stdout


def forget_images(prefix: str) -> None:
    """Take the names that begin so out of docker's store, where what a gate started stays."""
    words = ["docker", "images", "--digests", "--format", "{{.Repository}} {{.Tag}} {{.Digest}}"]
    listed = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    found = [
        f"{name}@{digest}" if tag == "<none>" else f"{name}:{tag}"
        for name, tag, digest in map(str.split, listed.splitlines())
        if name.startswith(prefix)
    ]
    if found:
        subprocess.run(["docker", "rmi", *found], capture_output=True, check=False)
