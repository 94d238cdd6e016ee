"""The wheel of this checkout in an environment of its own, in which nothing of the checkout can be imported."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PIP = ["-m", "pip", "--disable-pip-version-check", "--quiet"]


def wheel_of_checkout(folder: Path) -> Path:
    """Build the wheel."""
    words = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    made = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    (wheel,) = folder.glob("dagger_aml-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "dagger_aml/recipes/extended.py" in names and "dagger_aml/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "docs/", "bench/"))]
    return wheel


def environment_with(folder: Path, *packages: str) -> Path:
    """The bin folder of a new environment with packages from the index, and nothing else."""
    venv.create(folder, with_pip=True)
    return with_packages(folder / "bin" / "python", *packages)


def with_packages(python: Path, *packages: str) -> Path:
    """The bin folder of an environment, with packages from the index in it; without the index, a skip."""
    got = subprocess.run(
        [str(python), *PIP, "install", *packages], capture_output=True, text=True, timeout=600, check=False
    )
    if got.returncode and "No matching distribution" in got.stderr:
        pytest.skip(f"the index has not what is needed: {got.stderr.strip().splitlines()[-1]}")
    assert got.returncode == 0, got.stderr
    return python.parent


def variables_for(programs: Path) -> dict[str, str]:
    """This process's variables without those of its Python, and with an environment's programs first on the PATH."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return {**env, "PATH": f"{programs}{os.pathsep}{env['PATH']}"}


def run(programs: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command of an environment, with nothing of this one's Python."""
    return subprocess.run(
        list(words), cwd=cwd, env=variables_for(programs), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
