"""What tests/support does for a run of pytest-xdist: one count, one version, the lines of all workers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PLUGIN = """
import pytest
from tests.support.report import ENGINE_VERSION, SAID, Report

def pytest_configure(config):
    config.addinivalue_line("markers", "engine: x")
    config.pluginmanager.register(Report(config))

@pytest.fixture(autouse=True)
def told(request):
    request.config.stash[SAID].append(f"told by {request.node.name}")
    request.config.stash[ENGINE_VERSION] = "v1"
"""
TESTS = """
import pytest

@pytest.mark.engine
@pytest.mark.parametrize("number", range(4))
def test_engine(number):
    assert number < 3

@pytest.mark.engine
def test_skipped():
    pytest.skip("none")

def test_other():
    pass
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_report_counts_the_tests_of_all_workers(workers: str, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(PLUGIN)
    (tmp_path / "test_some.py").write_text(TESTS)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-n",
        workers,
        "--rootdir",
        tmp_path,
        tmp_path,
    ]
    environment = {"PATH": "", "PYTHONPATH": str(ROOT), "DAGGER_AML_ENGINE_REPORT": str(tmp_path / "report")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert done.returncode == 1 and "1 failed, 4 passed, 1 skipped" in done.stdout, done.stdout + done.stderr
    assert (tmp_path / "report").read_text() == "4 v1\n"
    said = [line for line in done.stdout.splitlines() if line.startswith("told by ")]
    assert len(said) == 6 and len(set(said)) == 6
