"""uv itself, by the very command of the step, from two indexes of PyTorch's shape.

It needs no builder: an environment of this machine stands for the base's.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dagger_aml.graph.access import Access
from dagger_aml.steps.installer import PYTHON, UV_VERSION, install
from tests.support import package_index


@pytest.fixture(scope="module")
def uv_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uv")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    subprocess.run([*pip, f"uv=={UV_VERSION}"], check=True, capture_output=True, timeout=300)
    return next(folder.iterdir())


def digest(path: Path) -> str:
    return f"--hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


@pytest.mark.parametrize("best_match", [True, False])
def test_a_lock_of_two_indexes(best_match: bool, uv_wheel: Path, tmp_path: Path) -> None:
    """The extra index has the package with a local version, and an old version of what both have; the lock wants the
    new one of that. uv asks the extra index first, and finds no solution where that is the only one it looks in."""
    main, extra = tmp_path / "main", tmp_path / "extra"
    main.mkdir()
    extra.mkdir()
    (main / uv_wheel.name).symlink_to(uv_wheel)
    new = package_index.wheel(main, "arrays", "2.0", "new")
    package_index.wheel(extra, "arrays", "1.0", "old")
    heavy = package_index.wheel(extra, "heavy", "1.0+cpu", "cpu", ("arrays",))
    target = tmp_path / "target"
    (tmp_path / "lock.txt").write_text(f"heavy==1.0+cpu {digest(heavy)}\narrays==2.0 {digest(new)}\n")
    with package_index.index(main) as one, package_index.index(extra) as two:
        access = Access(index_url=one.url, extra_index_urls=(two.url,))
        made = install("uv", access, target=str(target), best_match=best_match)
        paths = {}
        for mount in made.mounts:
            path = tmp_path / mount.cache_key
            path.write_bytes(mount.value.reveal())
            paths.update(dict.fromkeys(mount.variables, str(path)))
        words = [sys.executable if each == PYTHON else str(each) for each in made.argv]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
        done = subprocess.run(
            [*words, "--requirement", str(tmp_path / "lock.txt")],
            env={**environment, **made.env, **paths},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    if best_match:
        assert done.returncode == 0, done.stderr
        assert {path.name for path in target.glob("*.py")} == {"arrays.py", "heavy.py"}
        assert "new" in (target / "arrays.py").read_text()
    else:
        assert done.returncode != 0 and "No solution found" in done.stderr, done.stderr
