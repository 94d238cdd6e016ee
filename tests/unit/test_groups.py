"""Tests that share something stay on one worker of pytest-xdist: seen in what its workers run."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

import tests.conftest
import tests.support.scheduler
from tests.support.groups import ONCE, TOGETHER, group_of
from tests.support.markdown import ROOT


def test_a_group_has_its_files_and_each_other_test_is_its_own():
    assert group_of("tests/builders/test_serve.py::test_a[x@y]") == group_of("tests/builders/test_docs.py::test_b")
    assert group_of("tests/builders/test_local.py::test_a") == "test_local"
    assert group_of("tests/unit/test_a.py::test_b[1]") == "tests/unit/test_a.py::test_b[1]"
    whole = group_of("tests/unit/test_public.py::test_a[1]")
    assert whole == group_of("tests/unit/test_install_hints.py::test_an_engine_s_error_has_the_hint") in ONCE
    assert group_of("tests/unit/test_install_hints.py::test_b") == "tests/unit/test_install_hints.py::test_b"
    assert group_of("tests/builders/test_doctor.py::test_a") == "seconds"


def test_the_files_of_groups_are_there():
    names = [name for each in TOGETHER.values() for name in each]
    assert len(set(names)) == len(names)
    assert all((ROOT / "tests/builders" / f"{name}.py").is_file() for name in names)
    shared = [name for each in ONCE.values() for name in each]
    assert len(set(shared)) == len(shared)
    for name in shared:
        file, _, test = name.partition("::")
        assert f"def {test}(" in (ROOT / "tests/unit" / f"{file}.py").read_text(encoding="utf-8") or not test, name


def test_workers_run_groups_whole(tmp_path, request):
    pytest.importorskip("xdist")
    for name in ("test_serve", "test_docs"):
        (tmp_path / f"builders/{name}.py").parent.mkdir(exist_ok=True)
        (tmp_path / f"builders/{name}.py").write_text(
            "import pytest, time\n@pytest.mark.parametrize('n', range(4))\ndef test_a(n): time.sleep(0.05)\n"
        )
    (tmp_path / "test_free.py").write_text(
        "import pytest\n@pytest.mark.parametrize('n', range(8))\ndef test_b(n): pass\n"
    )
    hook = "pytest_xdist_make_scheduler"
    assert request.config.pluginmanager.hasplugin(tests.conftest.__file__)
    assert getattr(tests.conftest, hook) is getattr(tests.support.scheduler, hook)
    (tmp_path / "conftest.py").write_text(f"from tests.support.scheduler import {hook}  # noqa: F401\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "xdist.plugin",
        "-v",
        "-n",
        "2",
        "--dist",
        "loadscope",
        "--rootdir",
    ]
    done = subprocess.run(
        [*command, str(tmp_path), str(tmp_path)],
        capture_output=True, text=True, cwd=ROOT, check=False, timeout=120,
        # In the usual place it would close everybody's folder to another user, of whom a test may be just then.
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_DEBUG_TEMPROOT": str(tmp_path)},
    )  # fmt: skip
    ran = re.findall(r"\[(gw\d)\] \[ *\d+%\] PASSED (\S+)", done.stdout)
    assert len(ran) == 16, done.stdout + done.stderr
    assert len({worker for worker, test in ran if "builders/" in test}) == 1
