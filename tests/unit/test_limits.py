"""Commands of podman's and buildah's builds stay within the limits of a root that may not raise them."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from dagger_aml.backends.local import limits
from dagger_aml.backends.local.buildah import Buildah
from dagger_aml.backends.local.limits import limit_flags
from dagger_aml.backends.local.podman import Podman
from tests.support.calls import await_

ALL, ALL_BUT_ONE = "000001ffffffffff", "000001fffeffffff"
"""What a status says of root with every capability, and of one without CAP_SYS_RESOURCE."""

NONE = resource.RLIM_INFINITY

Machine = Callable[..., None]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Sets who this process is and what it may have: its user, its capabilities, its files and processes.

    ``ids`` is how many processes the kernel can count.
    """

    def made(
        user: int = 0,
        capabilities: str = ALL_BUT_ONE,
        files: int = 20_000,
        processes: int = 900,
        ids: int = 4_194_304,
    ) -> None:
        status = tmp_path / "status"
        status.write_text(f"Name:\tpython\nCapPrm:\t{ALL}\nCapEff:\t{capabilities}\nCapBnd:\t{ALL}\n")
        monkeypatch.setattr(limits, "_STATUS", status)
        counted = tmp_path / "pid_max"
        counted.write_text(f"{ids}\n")
        monkeypatch.setattr(limits, "_PID_MAX", counted)
        monkeypatch.setattr(os, "geteuid", lambda: user)
        own = {resource.RLIMIT_NOFILE: files, resource.RLIMIT_NPROC: processes}
        monkeypatch.setattr(resource, "getrlimit", lambda which: (100, own[which]))

    return made


@pytest.mark.parametrize(
    ("said", "flags"),
    [
        ({}, ("--ulimit=nofile=20000:20000", "--ulimit=nproc=900:900")),
        ({"processes": NONE}, ("--ulimit=nofile=20000:20000",)),
        ({"processes": 96_365, "ids": 32_768}, ("--ulimit=nofile=20000:20000", "--ulimit=nproc=32768:32768")),
        ({"files": 1_048_576, "processes": 2_000_000}, ()),
        ({"capabilities": ALL}, ()),
        ({"user": 1000, "capabilities": "0000000000000000"}, ()),
    ],
    ids=["root of a container", "one without end", "few ids", "as much as is given", "may have more", "no root"],
)
def test_limits_are_those_of_a_root_that_has_less(machine: Machine, said: dict[str, int], flags: tuple[str]) -> None:
    machine(**said)
    assert limit_flags() == flags


def test_without_word_of_capabilities_nothing_is_limited(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine()
    assert limit_flags()
    monkeypatch.setattr(limits, "_STATUS", Path("/no/such/file"))
    assert limit_flags() == ()


@pytest.mark.parametrize("tool", [Buildah(), Podman()], ids=lambda tool: tool.name)
def test_builds_are_given_them(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: Buildah | Podman
) -> None:
    said = tmp_path / "said"
    program = tmp_path / tool.name
    program.write_text(f'#!/bin/sh\necho "$*" >>{said}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    machine()
    await_(tool.build_marked("context", work=tmp_path, cwd=tmp_path))
    if isinstance(tool, Buildah):
        await_(tool.probe("image", ["true"], ""))
    begun = [line for line in said.read_text().splitlines() if line.split()[0] in ("build", "from")]
    assert len(begun) == (2 if isinstance(tool, Buildah) else 1)
    for line in begun:
        assert "--ulimit=nofile=20000:20000 --ulimit=nproc=900:900" in line, line
