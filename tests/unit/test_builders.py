"""The list of builders: nothing else goes by their names, and another one is a file and a line."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import dagger_aml
from dagger_aml import DaggerAmlError, UsageError, local_builder
from dagger_aml.backends.builders import BUILDERS, DEFAULT, kind_of, kinds
from tests.support.cases import for_each
from tests.support.projects import SCORE, make
from tests.support.registry import SECRET

PACKAGE = Path(dagger_aml.__file__).parent

OWN = {"backends/builders.py", *(f"backends/local/{name}.py" for name in ("docker", "podman", "buildah"))}
"""The list, and each builder's own file."""

AFTER = '    "buildah": "local.buildah",'
"""A line of the list."""

TYPES = ("type", "type_")
"""What `-o type=docker` is kept in: buildx's word for a form of tar, and no builder."""


def named(node: ast.expr) -> bool:
    """Whether an expression is a builder's name, or a constant list that has one."""
    if isinstance(node, ast.Constant):
        return node.value in BUILDERS
    return isinstance(node, ast.Tuple | ast.List | ast.Set) and any(map(named, node.elts))


def by_name(source: str) -> Iterator[int]:
    """Lines in which something goes by a builder's name: a comparison, a match, a constant list."""
    if not any(f'"{name}"' in source for name in BUILDERS):
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            left = node.left.attr if isinstance(node.left, ast.Attribute) else getattr(node.left, "id", "")
            if any(map(named, [node.left, *node.comparators])) and left not in TYPES:
                yield node.lineno
        elif isinstance(node, ast.MatchValue) and named(node.value):
            yield node.lineno
        elif isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Tuple | ast.List | ast.Set):
            if sum(map(named, node.value.elts)) > 1:
                yield node.lineno
        elif isinstance(node, ast.Subscript) and getattr(node.value, "id", "") == "Literal":
            words = node.slice.elts if isinstance(node.slice, ast.Tuple) else []
            yield from [node.lineno] * (sum(map(named, words)) > 1)


def test_nothing_goes_by_a_builder_s_name():
    found = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).as_posix() not in OWN
        for line in by_name(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@for_each(
    "text",
    [
        'if builder.name == "docker": pass',
        'x = 1 if "dagger" != name else 2',
        'y = name in ("podman", "buildah")',
        'ONE_BY_ONE = ("podman", "buildah")',
        'Runtime = Literal["docker", "podman"]',
        'match name:\n    case "buildah": pass',
        'def f():\n    return "dagger" in names',
    ],
)
def test_what_goes_by_a_name_is_found(text):
    assert list(by_name(text))


def test_the_own_files_are_there_and_what_an_export_is_called_is_no_builder():
    assert all((PACKAGE / each).is_file() for each in OWN)
    assert not list(by_name('if output.type == "docker": pass\nx = y == "nerdctl"'))


# --- what they can ------------------------------------------------------------------------------------------------


def test_each_says_what_it_can():
    assert [kind.capabilities.name for kind in kinds()] == list(BUILDERS)
    can = {kind.capabilities.name: kind.capabilities for kind in kinds()}
    assert [name for name, each in can.items() if each.connects_to_engine] == [DEFAULT]
    assert [name for name, each in can.items() if not each.forms] == [DEFAULT]
    assert [name for name, each in can.items() if not each.pushes_index] == ["docker"]
    assert [name for name, each in can.items() if each.one_at_a_time] == ["podman", "buildah"]
    assert [name for name, each in can.items() if not each.serves] == ["buildah", "buildx"]
    assert [name for name, each in can.items() if not each.own_store] == [DEFAULT, "buildx"]
    assert [name for name, each in can.items() if each.has_instances] == ["buildx"]
    assert [name for name, each in can.items() if each.attests] == ["buildx"]


def test_what_serves_is_there_or_is_asked_for(monkeypatch):
    monkeypatch.setenv("PATH", "")
    for name in ("dagger", "docker", "podman"):
        kind_of(name).check_serves()
    with pytest.raises(UsageError, match="buildah cannot serve an image"):
        kind_of("buildah").check_serves()
    with pytest.raises(UsageError, match="neither docker nor podman answers here") as caught:
        kind_of("buildx").check_serves()
    assert "build(check=None)" in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["nerdctl", "dagger", ""])
def test_no_local_builder_of_that_name(name):
    with pytest.raises(UsageError, match="no such builder") as caught:
        local_builder(name)
    assert caught.value.hint == "Use docker, podman, buildah, buildx or dagger."


def test_one_that_is_not_installed_says_how_to_get_it(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DaggerAmlError, match="podman is not installed") as caught:
        local_builder("podman")
    assert "apt-get install podman" in (caught.value.hint or "")


# --- another one --------------------------------------------------------------------------------------------------

NERDCTL = """
from attrs import frozen

from ..base import Capabilities, Format, Runtime
from ...events import OnEvent
from ...policy import Policy
from .containers import Containers
from .docker_cli import DockerCli
from .kind import LocalKind
from .program import answer

CAPABILITIES = Capabilities(
    name="nerdctl",
    install="Install nerdctl",
    forms=("classic", "buildkit"),
    connects_to_engine=False,
    own_store=True,
    pushes_index=False,
    one_at_a_time=False,
    serves=True,
    leaves_containers=True,
)


@frozen
class Nerdctl(DockerCli):
    name: str = "nerdctl"

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def runtime(self) -> Runtime:
        return KIND.runtime()


def _found(format: Format | None, _: OnEvent, policy: Policy) -> Nerdctl:
    answer("nerdctl", "version", policy=policy)
    return Nerdctl(format or "buildkit")


KIND = LocalKind(CAPABILITIES, _found, lambda: Containers("nerdctl", KIND.tool))
"""

LINE = '    "nerdctl": "local.nerdctl",\n'

FAKE = """#!{python}
import json, pathlib, sys
words, image, base = sys.argv[1:], "sha256:" + "5" * 64, "sha256:" + "1" * 64
with open({log!r}, "a") as log:
    print(*words[:2], file=log)
if words[0] == "pull":
    print("Digest: " + base)
elif words[:2] == ["image", "inspect"]:
    print(json.dumps([{{"Id": base, "Os": "linux", "Architecture": "amd64", "Config": {{"User": "u"}}}}]))
elif words[0] == "run":
    sys.stdin.read()
    print("user 1000 1000\\nenvironment 0 0 3.11\\nprefix /env\\nextras none")
elif words[0] == "build":
    pathlib.Path(words[words.index("--iidfile") + 1]).write_text(image)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the fake program is a script")
def test_another_builder_is_a_file_and_a_line(tmp_path, registry):
    """A fake nerdctl on PATH builds, by a copy of the package with one file and one line more.

    The registry denies the base, so that nerdctl has to pull it; one that is nowhere is asked three times, in six
    seconds.
    """
    registry.login = ("me", SECRET)
    shutil.copytree(PACKAGE, tmp_path / "dagger_aml", ignore=shutil.ignore_patterns("*.pyc.*"))
    shutil.copytree(PACKAGE.parent / "recipes", tmp_path / "recipes")
    backends = tmp_path / "dagger_aml" / "backends"
    (backends / "local" / "nerdctl.py").write_text(NERDCTL)
    text = (backends / "builders.py").read_text()
    assert text.count(f"{AFTER}\n") == 1
    (backends / "builders.py").write_text(text.replace(f"{AFTER}\n", f"{AFTER}\n{LINE}"))
    log, bin = tmp_path / "log", tmp_path / "bin"
    bin.mkdir()
    (bin / "nerdctl").write_text(FAKE.format(python=sys.executable, log=str(log)))
    (bin / "nerdctl").chmod(0o755)
    make(tmp_path / "p", {"code/score.py": SCORE, "requirements.txt": "numpy==1.26.4\n"})

    def ran(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dagger_aml", *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={"PATH": f"{bin}{os.pathsep}{os.defpath}", "HOME": str(tmp_path)},
        )

    built = ran("build", "p", "--with", "nerdctl", "--load", "-t", "p:1", "--base", f"{registry.host}/b:1")
    assert built.returncode == 0, built.stderr
    assert "tag p:1" in built.stdout and f"image sha256:{'5' * 64}" in built.stdout
    asked = log.read_text().splitlines()
    assert [each.split()[0] for each in asked if each != "version"][-2:] == ["build", "tag"]
    refused = ran("build", "p", "--with", "nerdctl", "--engine", "tcp://127.0.0.1:1")
    assert refused.returncode == 2 and "--with nerdctl does not use a Dagger engine" in refused.stderr
    assert "nerdctl" in ran("run", "--help").stdout
