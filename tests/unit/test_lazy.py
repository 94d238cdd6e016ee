"""What is not needed is not imported: a Dockerfile is there before an engine's SDK would be."""

from __future__ import annotations

import subprocess
import sys

import pytest

import dagger_aml
from tests.support.direct import put_base
from tests.support.projects import SCORE, make
from tests.support.registry import fake_registry

HEAVY = ("dagger", "rich", "gql", "httpx", "pydantic", "yaml", "asyncio.subprocess")

_PRINT = "import sys; print(' '.join(n for n in sys.argv[1].split(',') if n in sys.modules))"
_RENDER = """
import anyio
from dagger_aml import Graph, dockerfile, load_project, load_recipe
project = load_project({root!r})
text = dockerfile(anyio.run(load_recipe(project.recipe), Graph(), project)).text
assert "FROM --platform" in text
dockerfile(anyio.run(load_recipe(project.recipe), Graph(), project)).save({out!r})
"""


def loaded(program: str) -> set[str]:
    """The heavy modules that a program loads."""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{_PRINT}", ",".join(HEAVY)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_loads_nothing():
    assert loaded("import dagger_aml, sys; assert not [n for n in sys.modules if n.startswith('dagger_aml.') "
                  "and n != 'dagger_aml.version']") == set()  # fmt: skip


def test_asking_a_registry_loads_no_other_client():
    assert loaded("import dagger_aml.oci.push, dagger_aml.oci.registry") == set()


def test_rendering_loads_no_engine_and_no_terminal(tmp_path):
    root = make(tmp_path / "p", {"code/score.py": SCORE, "model/m": "m", "requirements.txt": "numpy==1\n"})
    assert loaded(_RENDER.format(root=str(root), out=str(tmp_path / "out"))) <= {"asyncio.subprocess"}


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["dockerfile", "{root}"], ["plan", "{root}", "--json"]])
def test_commands_that_need_no_engine_load_none(tmp_path, words):
    root = make(tmp_path / "p", {"code/score.py": SCORE, "requirements.txt": "numpy==1\n"})
    argv = [word.format(root=root) for word in words]
    program = f"""
import contextlib, io, sys
names = sys.argv[1]
sys.argv = ["dagger-aml", *{argv!r}]
from dagger_aml.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
sys.argv = ["x", names]
"""
    assert loaded(program) <= {"asyncio.subprocess"}


def test_every_public_name_is_there():
    for name in dagger_aml.__all__:
        assert getattr(dagger_aml, name) is not None
    assert sorted(dagger_aml.__all__) == dir(dagger_aml)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = dagger_aml.nonsense


def test_a_direct_push_loads_no_engine_and_no_terminal(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    root = make(tmp_path / "p", {"code/score.py": SCORE, "model/m": "m"})
    with fake_registry() as registry:
        base = put_base(registry)
        words = ["build", str(root), "--base", base.reference, "-t", f"{registry.host}/app:1", "--push", "--no-smoke"]
        program = f"""
import contextlib, io
from dagger_aml.cli.main import cli
with contextlib.redirect_stdout(io.StringIO()):
    cli.main({[*words, "--quiet"]!r}, standalone_mode=False)
"""
        assert loaded(program) <= {"asyncio.subprocess"}
        assert "1" in registry.manifests["app"]
