"""The environments with which dagger-aml is compared, where a test needs one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.depth import depth_of
from tools import oracles


def oracle(name: str, config: pytest.Config) -> Path:
    """The Python of an environment that has it. A nightly run makes it; another is skipped by its name."""
    if depth_of(config).every_example:
        return oracles.make(name)
    there = oracles.found(name)
    if there is None:
        pytest.skip(f"{name}: no environment has it (./taskw oracles -- {name})")
    return there


def fetched(file: oracles.Fetched) -> Path:
    """A file of somebody else's; skipped by its name where it is not here and cannot be fetched."""
    try:
        return oracles.fetch(file)
    except OSError as error:
        pytest.skip(f"{file.name} ({error}): {file.variable} names a copy")
