"""A repository with two projects, and the machine on which a CI system runs scripts in it."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from attrs import define, field

from tests.support.builders import need_programs
from tests.support.cli import address, program, shared_program
from tests.support.direct import put_base
from tests.support.projects import SCORE, make
from tests.support.registry import FakeRegistry
from tests.support.task import Recorded
from tests.support.users import NOBODY, linux_root, open_to_all, readable_package

USERS = [None, pytest.param(NOBODY, marks=[linux_root, readable_package])]
"""Whose a job is: this user's, and that of one without any rights."""

STOOD_IN = ("az", "syft", "cosign", "pip", "apt-get")


@define
class Job:
    """A repository with two projects, and the machine of a job.

    :param env: what the CI system sets, and what its file says that it is to set.
    :param user: the number of the one whose processes it has; None for the one that runs this.
    """

    root: Path
    bin: Path
    registry: FakeRegistry = field(repr=False)
    env: dict[str, str] = field(factory=dict)
    user: int | None = None

    def done(self, script: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a script as runners do; both streams in one.

        :param env: variables besides the machine's.
        """
        return subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script], cwd=self.root, env={**self.env, **env},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            user=self.user, group=self.user, extra_groups=None if self.user is None else [],
        )  # fmt: skip

    def run(self, script: str, **more: str) -> str:
        """As :meth:`done`; what was printed. It must go well."""
        done = self.done(script, more)
        assert done.returncode == 0, f"{script}\n{done.stdout}"
        return done.stdout

    def file(self, name: str) -> Path:
        """An empty file of the system's, such as the one that takes outputs, for the job's user to write to."""
        path = self.root.parent / name
        path.write_text("")
        path.chmod(0o666)
        return path

    @property
    def summary(self) -> Path:
        """The file that takes GitHub's summary."""
        return self.root.parent / "summary"

    def on_github(self) -> dict[str, str]:
        """What GitHub sets: that it is there, and an empty file for outputs."""
        outputs = str(self.file("outputs"))
        return {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": outputs, "GITHUB_STEP_SUMMARY": str(self.summary)}

    def called(self, name: str) -> list[str]:
        """What a stand-in was called with since this was asked last."""
        log = self.bin / f"{name}.calls"
        calls = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return calls

    def ref(self, name: str) -> str:
        """What the registry has under the tag ``main``."""
        held = self.registry.manifests[name]
        (digest,) = [each for each in held if each.startswith("sha256:") and held[each] == held["main"]]
        return f"{self.registry.host}/{name}@{digest}"

    def change(self) -> None:
        """Change one project, both of which are deployed now."""
        make(self.root, {"models/price/code/more.py": "x = 1\n"})
        (self.bin / "az.there").touch()

    def deployed(self, *names: str) -> None:
        """See that these were signed and deployed by their digests, and nothing else was."""
        verb = "update" if (self.bin / "az.there").exists() else "create"
        refs = [self.ref(name) for name in names]
        assert [call.split()[1] for call in self.called("syft")] == [f"registry:{ref}" for ref in refs]
        signed = [call.split() for call in self.called("cosign")]
        assert [(words[0], words[-1]) for words in signed] == [
            (what, ref) for ref in refs for what in ("sign", "attest")
        ]
        done = [call for call in self.called("az") if re.match("ml online-deployment (?!show)", call)]
        assert done == [
            f"ml online-deployment {verb} -f deploy/{name}/deployment.yml --endpoint-name {name} --name blue "
            f"--set environment.image={ref}"
            for name, ref in zip(names, refs, strict=True)
        ]


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Where it is there, the one in C: a tenth of the time for the same data."""


def document(path: Path) -> dict[str, Any]:
    """A file of a CI system."""
    found: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), _LOADER)
    return found


def filled(text: str, value: Callable[[str], object]) -> str:
    """A text of GitHub's, with what each expression in it comes to."""
    return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: str(value(found[1])), text)


def written(path: Path | str) -> dict[str, str]:
    """What was written to a file that takes outputs or variables, NAME=VALUE on each line."""
    return dict(line.split("=", 1) for line in Path(path).read_text().splitlines())


def made(tmp_path: Path, registry: FakeRegistry, user: int | None = None) -> Job:
    """A job.

    :param user: of another one, who owns the repository, a home and the folder of the cache, and has no other rights.
    """
    need_programs("bash", "python3")
    path, python = shared_program(), sys.executable
    if user is not None:
        python = _python_of_nobody()
        socket = Path(address())
        socket.parent.chmod(0o711)
        socket.chmod(0o666)  # Who asks gets a process of its own user, and so nothing that it has not.
        path = program(tmp_path / "theirs", python=python)
    base = put_base(registry).reference
    for name in ("churn", "price"):
        code = f"# {name}\n{SCORE}"
        make(tmp_path / "repo/models" / name, {"dagger-aml.toml": f'base = "{base}"\n', "code/score.py": code})
    recorded = Recorded(tmp_path / "bin", path)
    # The machine's own may be a script that looks for a Python, which takes longer than what it is called for.
    (recorded.folder / "python3").symlink_to(python)
    for name in STOOD_IN:
        path = recorded.folder / name
        # Nothing is deployed yet unless a test says so: `az … show` fails then.
        path.write_text('#!/bin/sh\necho "$*" >> "$0.calls"\ncase "$*" in *" show "*) [ -e "$0.there" ] ;; esac\n')
        path.chmod(0o755)
    (tmp_path / "home").mkdir()
    env = {
        "CI": "true",
        "HOME": str(tmp_path / "home"),
        "PATH": os.pathsep.join([str(recorded.folder), os.environ.get("PATH", os.defpath)]),
        "DAGGER_AML_CACHE_DIR": str(tmp_path / "cache"),
    }
    if user is not None:
        open_to_all(tmp_path)
        subprocess.run(["chown", "-R", f"{user}:{user}", tmp_path], check=True)
    return Job(tmp_path / "repo", recorded.folder, registry, env, user)


@functools.cache
def _python_of_nobody() -> str:
    """A Python that another user can start; the tests' own may lie in a folder that only root may enter."""
    for each in (sys.executable, "/usr/bin/python3"):
        asked = [each, "-IS", "-c", "import _socket, marshal"]
        with contextlib.suppress(OSError):
            if not subprocess.run(asked, user=NOBODY, group=NOBODY, extra_groups=[], check=False, cwd="/").returncode:
                return each
    pytest.skip("no Python here can be started by another user")
