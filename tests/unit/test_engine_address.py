"""``--engine``: which addresses are taken, by which commands, and what Dagger's command line is started with."""

from __future__ import annotations

import os
import re
import socket
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger_aml import EngineNotFound, UsageError, connect
from dagger_aml.backends.dagger.address import TESTED, check_address, untested
from dagger_aml.backends.dagger.connect import CLI_BIN, RUNNER_HOST, SESSION_PORT, SESSION_TOKEN
from dagger_aml.text import redact_url
from tests.support.cases import for_each
from tests.support.projects import SCORE, make
from tests.support.servers import greeting

ADDRESS = "tcp://192.0.2.1:1234"


@for_each(
    "address",
    ["unix:///run/dagger/engine.sock", ADDRESS, "tcp://[::1]:1234", "tcp://engine.example:1", "docker-container://mine",
     "ssh://me@host", "kube-pod://pod?context=c&namespace=n", "image://registry.example/engine:v0.21.8"],
)  # fmt: skip
def test_addresses_that_are_taken(address: str) -> None:
    check_address(address)
    assert (untested(address) is None) == address.startswith(("unix:", "tcp:"))


@for_each(
    "address",
    ["", "engine", "localhost:1234", "/run/dagger/engine.sock", "unix:/run/e.sock", "unix://run/e.sock", "unix://",
     "unix:///", "tcp://", "tcp://host", "tcp://:1234", "tcp://host:0", "tcp://host:65536", "tcp://host:x",
     "tcp://host:1/path", "tcp://me:hunter2@host:1", "tcp://[::1:1234", "tcp://h\n:1", "tcp://h\0:1", "://h", "9p://h"],
)  # fmt: skip
def test_addresses_that_are_refused(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_address(address)
    assert (caught.value.location, caught.value.setting) == ("open_builder(engine=…)", "engine") and caught.value.hint
    assert "hunter2" not in str(caught.value)


@given(st.text())
def test_any_text_is_taken_or_refused(text: str) -> None:
    try:
        check_address(text)
    except UsageError:
        return
    assert "://" in text and text.isprintable() and text.split() == [text]


@given(st.text(st.characters(exclude_characters="@/")), st.sampled_from([*TESTED, "ssh"]))
def test_no_password_is_shown(password: str, scheme: str) -> None:
    assert redact_url(f"{scheme}://me:{password}@host:1") == f"{scheme}://***@host:1"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make(
        tmp_path / "project", {"code/score.py": SCORE, "requirements.txt": "numpy==1\n", "request.json": "{}"}
    )


@pytest.mark.parametrize(
    "words",
    [["build"], ["run"], ["score"], ["plan", "--probe"], ["dockerfile", "--probe"], ["site-packages", "-o", "libs"]],
    ids=lambda words: words[0],
)
def test_commands_take_it_and_refuse_it_beside_other_builders(words: list[str], project: Path, cli: Any) -> None:
    name, *rest = words
    code, _, err = cli(name, project, *rest, "--engine", "localhost:1")
    assert code == 2 and "--engine: not an engine address" in err
    code, _, err = cli(name, project, *rest, "--engine", ADDRESS, "--with", "podman")
    assert code == 2 and "--engine: --with podman does not use a Dagger engine" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan", "{project}"], "only --probe"),
        (["dockerfile", "{project}"], "only --probe"),
        (["run", "{project}", "--local"], "--local does not use"),
        (["score", "http://127.0.0.1:9", "--request", "{project}/request.json"], "a request to a URL"),
        (["diff", "{project}", "{project}", "--with", "docker,podman"], "neither"),
        (["doctor"], None),
        (["diff", "{project}", "{project}", "--with", "docker,dagger"], None),
    ],
)
def test_it_is_refused_where_nothing_would_use_it(
    words: list[str], said: str | None, project: Path, cli: Any
) -> None:
    code, _, err = cli(*(word.format(project=project) for word in words), "--engine", ADDRESS if said else "engine")
    assert code == 2 and f"--engine: {said or 'not an'}" in err


def test_a_closed_port_is_told_at_once(project: Path, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a session nor another engine is tried in its place."""
    monkeypatch.setenv(SESSION_PORT, "1")
    monkeypatch.setenv(RUNNER_HOST, "unix:///nowhere")
    monkeypatch.setenv("DAGGER_AML_LAYERS", "builder")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    begun = time.monotonic()
    code, _, err = cli("plan", project, "--probe", "--engine", address)
    assert time.monotonic() - begun < 5
    assert code == 1 and "the engine that --engine names does not answer" in err
    assert f"the engine at {address}: Connection refused" in err
    assert "session" not in err and "/nowhere" not in err


@pytest.mark.parametrize("builder", ["dagger", "docker", "podman"])
def test_run_without_a_builder_names_what_needs_none(
    cli: Any, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, builder: str
) -> None:
    for name in (SESSION_PORT, RUNNER_HOST):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    words = ["run", project, "--with", builder, "--layers", "builder"]
    said = "\n  Or serve the code without an image: add --local.\n"
    for more in ([], *([["--watch"]] if builder != "dagger" else [])):
        code, _, err = cli(*words, *more)
        assert code == 1 and err.endswith(said), more
    for more in (["--restricted"], *([["-d"], ["--name", "a"]] if builder != "dagger" else [])):
        code, _, err = cli(*words, *more)
        assert code != 0 and "Or serve" not in err, more
    code, _, err = cli("run", "acme/x:1", *words[2:])
    assert code == 1 and "Or serve" not in err


def test_without_one_the_error_names_the_flag(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (SESSION_PORT, RUNNER_HOST):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    async def main() -> None:
        async with connect():
            pass

    with pytest.raises(EngineNotFound, match=re.escape('open_builder(engine="tcp://HOST:PORT")')) as error:
        anyio.run(main)
    assert '`open_builder("docker")`, `open_builder("podman")` or `open_builder("buildah")`; or' in (
        error.value.hint or ""
    )
    for name in ("docker", "buildah"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(EngineNotFound) as error:
        anyio.run(main)
    assert 'or `open_builder("buildah")` (installed here: docker, buildah); or' in (error.value.hint or "")


@pytest.mark.skipif(sys.platform == "win32", reason="the fake program is a shell script")
def test_dagger_is_started_with_the_address_and_without_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "dagger"
    program.write_text(f"#!/bin/sh\nenv >{tmp_path}/env\nexit 1\n")
    program.chmod(0o755)
    said = {CLI_BIN: str(program), RUNNER_HOST: "tcp://192.0.2.9:9", SESSION_PORT: "9", SESSION_TOKEN: "t"}
    for name, value in said.items():
        monkeypatch.setenv(name, value)

    async def main(address: str) -> None:
        async with connect(engine=address):
            pass

    with greeting() as port:
        address = f"tcp://127.0.0.1:{port}"
        with pytest.raises(EngineNotFound):
            anyio.run(main, address)
    got = dict(line.partition("=")[::2] for line in (tmp_path / "env").read_text().splitlines())
    assert got[RUNNER_HOST] == address
    assert SESSION_PORT not in got and SESSION_TOKEN not in got
    assert {name: os.environ[name] for name in said} == said, "this process's environment is as it was"


@pytest.mark.skipif(sys.platform == "win32", reason="the fake program is a shell script")
@pytest.mark.parametrize("named", ["by a path", "on the PATH"])
def test_dagger_is_started_outside_every_clone(named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a git clone Dagger 1.0 keeps to the digests of a dagger.lock. Paths that hold here hold there."""
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "bin" / "dagger"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\npwd >{tmp_path}/pwd\nenv >{tmp_path}/env\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv(CLI_BIN, "bin/dagger" if named == "by a path" else "dagger")
    monkeypatch.setenv("PATH", f"bin:{os.environ['PATH']}")
    for name, value in {"DOCKER_CONFIG": "logins", "KUBECONFIG": "one::/two", "SSL_CERT_FILE": ""}.items():
        monkeypatch.setenv(name, value)

    async def main(address: str) -> None:
        async with connect(engine=address):
            pass

    with greeting() as port, pytest.raises(EngineNotFound):
        anyio.run(main, f"tcp://127.0.0.1:{port}")
    assert (tmp_path / "pwd").read_text() == "/\n"
    got = dict(line.partition("=")[::2] for line in (tmp_path / "env").read_text().splitlines())
    assert got["DOCKER_CONFIG"] == f"{tmp_path}/logins"
    assert (got["KUBECONFIG"], got["SSL_CERT_FILE"]) == (f"{tmp_path}/one::/two", "")


def test_other_schemes_are_said_to_be_untested(
    project: Path, cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CLI_BIN, str(tmp_path / "no-dagger"))
    monkeypatch.setenv("DAGGER_AML_LAYERS", "builder")
    code, _, err = cli("plan", project, "--probe", "--engine", "ssh://me@host")
    assert code == 1 and err.count("dagger-aml is not tested with ssh:// engines") == 1
    assert "the engine at ssh://***@host: the Dagger CLI" in err
