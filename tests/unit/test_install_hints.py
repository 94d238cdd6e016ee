"""What is told to do where pip or uv fails in a build: real outputs, which pip_output/regenerate.py makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagger_aml.backends.install_hints import install_hint
from tests.support.cases import for_each
from tests.unit.pip_output import regenerate

OUTPUTS = Path(regenerate.__file__).parent

TOLD = {
    "git": ("no git", 'Options(apt="git")'),
    "no-file": ("nothing of nowhere==1.0", "Options(index_url=…)"),
    "other-version": ("no version of plain==3.0", "only 1.0, 2.0"),
    "other-python": ("nothing of old==1.0", "no wheel for this Python"),
    "local-version": ("torch==2.3.1+cpu has a local version", "Options(extra_index_url=URL)"),
    "hash": ("other files than those that were locked", "Lock again"),
    "unpinned": ("a package that it brings is not in it", "--generate-hashes"),
    "conflict": ("exclude each other", "Loosen"),
    "option": ("does not know --no-such-option", "Remove it"),
    "not-supported": ("is for another Python or platform", "dagger-aml images"),
    "compiler-c": ("no compiler", 'Options(apt="g++")'),
    "compiler-cpp": ("no compiler", 'Options(apt="g++")'),
    "header": ("needs nosuchheader.h", "-dev"),
    "unreachable": ("cannot reach the package index", "docs/howto-proxy-ca.md"),
    "unresolved": ("cannot reach the package index", "docs/air-gap.md"),
    "login": ("nothing of plain", "where an index wants a login"),
    "certificate": ("does not trust", "Options(ca=FILE)"),
    "uv-git": ("no git", 'Options(apt="git")'),
    "uv-other-version": ("no version of plain==3.0", "Change the version"),
    "uv-other-python": ("old==1.0 is for another Python", "dagger-aml images"),
    "uv-local-version": ("torch==2.3.1+cpu has a local version", "Options(extra_index_url=URL)"),
    "uv-hash": ("other files than those that were locked", "Lock again"),
    "uv-conflict": ("exclude each other", "Loosen"),
    "uv-login": ("wants a login", 'Options(secret="id=pip,env=NAME")'),
    "uv-certificate": ("does not trust", "Options(ca=FILE)"),
}


@for_each("name", sorted(path.stem for path in OUTPUTS.glob("*.txt")))
def test_a_failure_of_pip_is_told_with_a_remedy(name):
    hint = install_hint((OUTPUTS / f"{name}.txt").read_text())
    assert hint is not None and all(each in hint for each in TOLD[name]), hint


def test_each_output_is_there():
    assert {path.stem for path in OUTPUTS.glob("*.txt")} == TOLD.keys()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Successfully installed plain-1.0\n",
        "ERROR: Exception:\nTraceback (most recent call last):\nRuntimeError: x\n",
        "requests 2.0 requires idna<3, but you have idna 3.10.\n",
        "/bin/sh: 1: nosuchprogram: not found\n",
    ],
)
def test_what_is_not_known_is_told_nothing(text):
    assert install_hint(text) is None


def test_an_engine_s_error_has_the_hint():
    import dagger
    from dagger._exceptions import QueryErrorValue
    from gql import GraphQLRequest

    from dagger_aml.backends.dagger.errors import meaning

    output = (OUTPUTS / "git.txt").read_text()
    known = {"cmd": ["pip"], "exitCode": 1, "stdout": "", "stderr": output, "_type": "EXEC_ERROR"}
    error = dagger.ExecError([QueryErrorValue("failed", extensions=known)], GraphQLRequest("{ version }"))
    made = meaning(error, "pip requirements.txt")
    assert made is not None and 'Options(apt="git")' in str(made.hint)
