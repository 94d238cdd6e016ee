"""``dagger-aml doctor`` on machines that have some programs and not others; the programs are shell scripts."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger_aml.backends.dagger import connect
from dagger_aml.cli import main
from dagger_aml.doctor import AREAS, Check, diagnose
from dagger_aml.doctor import builders as of_builders
from dagger_aml.policy import DEFAULT, Policy
from dagger_aml.project.settings import PROJECT_SETTINGS
from dagger_aml.text import redact_url
from tests.support.calls import await_
from tests.support.servers import greeting

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake programs are shell scripts")

ENGINE = (
    "DAGGER_SESSION_PORT",
    "DAGGER_SESSION_TOKEN",
    "_EXPERIMENTAL_DAGGER_RUNNER_HOST",
    "_EXPERIMENTAL_DAGGER_CLI_BIN",
)
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")

DOCKER = """
case "$1 $2" in
"version --format") case "$3" in
  *Server*) echo {server};;
  *) echo '{{"Client": {{"Version": "{client}"}}, "Server": {{"Version": "{server}", "ApiVersion": "1.47"}}}}';;
  esac;;
"buildx version") exit {buildx};;
"info --format") echo {root};;
esac
"""
PODMAN = """
case "$1" in
--version) echo podman version 4.3.1;;
info) echo '{{"host": {{"security": {{"rootless": {rootless}}}}},
  "store": {{"graphRoot": "{root}", "graphDriverName": "overlay"}}}}';;
esac
"""
BUILDAH = """
case "$1" in
--version) echo 'buildah version 1.28.2 (image-spec 1.1.0-rc2)';;
info) echo '{{"host": {{"rootless": false}}, "store": {{"GraphRoot": "{root}", "GraphDriverName": "vfs"}}}}';;
esac
"""


class Machine:
    """A machine that has nothing but what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "bin"
        self.home = folder / "home"
        self.store = folder / "store"
        for each in (self.programs, self.home / ".docker", self.store):
            each.mkdir(parents=True)

    def program(self, name: str, script: str, **words: object) -> None:
        """Put a program on PATH."""
        path = self.programs / name
        text = script.format(root=self.store, **words) if words else script.replace("{root}", str(self.store))
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def docker(self, *, client: str = "28.2.2", server: str = "28.2.2", buildx: bool = True) -> None:
        """Put a docker there whose daemon answers."""
        self.program("docker", DOCKER, client=client, server=server, buildx=0 if buildx else 1)

    def config(self, **keys: Any) -> None:
        """Write the docker config."""
        (self.home / ".docker/config.json").write_text(json.dumps(keys))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    for name in (*ENGINE, *PROXIES, *map(str.lower, PROXIES), *CERTIFICATES, "DOCKER_CONFIG", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    made = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(made.programs))
    monkeypatch.setenv("HOME", str(made.home))
    return made


def checks(area: str, policy: Policy = DEFAULT) -> dict[str, Check]:
    """What is found in one area, by name."""
    return {each.name: each for each in await_(diagnose(policy=policy)).of(area)}


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    before = signal.getsignal(signal.SIGTERM)

    def call(*words: str) -> tuple[Any, str]:
        monkeypatch.setattr(sys, "argv", ["dagger-aml", "doctor", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr().out

    yield call
    signal.signal(signal.SIGTERM, before)


# --- nothing there ------------------------------------------------------------------------------------------------


def test_where_there_is_nothing_each_thing_is_missing_and_says_what_to_do(machine: Machine, cli: Any) -> None:
    code, out = cli()
    assert code == 1 and "No builder works" in out
    found = checks("builders")
    assert list(found) == ["dagger", "docker", "podman", "buildah", "buildx"]
    for each in found.values():
        assert each.state == "missing" and each.hint and not each.facts["works"]
    assert "_EXPERIMENTAL_DAGGER_RUNNER_HOST" in (found["dagger"].hint or "")
    assert "apt-get install buildah" in (found["buildah"].hint or "")


def test_the_json_has_the_same_keys_with_and_without_builders(machine: Machine, cli: Any) -> None:
    code, out = cli("--json")
    bare = json.loads(out)
    machine.docker()
    machine.program("podman", PODMAN, rootless="false")
    full_code, out = cli("--json")
    full = json.loads(out)
    assert (code, full_code) == (1, 0) and full["working"] == ["docker", "podman", "buildx"] and bare["working"] == []
    assert list(bare) == list(full) == ["schema", "working", "versions", *AREAS]
    assert set(full["versions"]) == {"dagger-aml", "python", "dagger-io", "platform"}
    keys = {"name", "state", "says", "hint", "works", "version", "forms", "store", "free", "engine"}
    assert {frozenset(each) for read in (bare, full) for each in read["builders"]} == {frozenset(keys)}
    assert set(full["builders"][0]["engine"]) == {"sdk", "way", "attempts", "cache"}


# --- programs -----------------------------------------------------------------------------------------------------


def test_docker_s_forms_depend_on_buildx(machine: Machine) -> None:
    machine.docker()
    found = checks("builders")["docker"]
    assert (found.state, found.facts["forms"], found.facts["version"]) == ("ok", ["classic", "buildkit"], "28.2.2")
    assert found.facts["store"] == str(machine.store) and found.facts["free"] > 0
    machine.docker(buildx=False)
    found = checks("builders")["docker"]
    assert (found.state, found.facts["forms"], found.facts["works"]) == ("warning", ["classic"], True)
    assert "buildx" in (found.hint or "")


def test_with_docker_alone_the_engine_is_only_promised(machine: Machine, cli: Any) -> None:
    machine.docker()
    engine = checks("builders")["dagger"]
    assert (
        engine.state == "warning"
        and not engine.facts["works"]
        and "open_builder(engine_timeout=300)" in (engine.hint or "")
    )
    code, out = cli()
    assert code == 0 and "--with docker" in out


def test_a_program_that_does_not_answer_says_its_last_line(machine: Machine) -> None:
    machine.program("docker", "echo 'Cannot connect to tcp://me:hunter2@host:2375' >&2; exit 1")
    machine.program("podman", "echo 'no subuid ranges in /etc/subuid' >&2; exit 125")
    machine.program("buildah", "echo nonsense")
    found = checks("builders")
    assert "Cannot connect to tcp://***@host:2375" in found["docker"].says
    assert found["podman"].state == "missing" and "usermod --add-subuids" in (found["podman"].hint or "")
    assert found["buildah"].state == "missing" and "the check failed" in found["buildah"].says


def test_who_is_refused_by_docker_is_told_how_to_be_let_in(machine: Machine) -> None:
    said = "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
    machine.program("docker", f"echo '{said}' >&2; exit 1")
    hint = checks("builders")["docker"].hint or ""
    assert "usermod -aG docker" in hint and "Start the daemon" not in hint


def test_podman_and_buildah_tell_their_store(machine: Machine) -> None:
    machine.program("podman", PODMAN, rootless="false")
    machine.program("buildah", BUILDAH.replace("{{", "{").replace("}}", "}"))
    found = checks("builders")
    for name, version, driver in (("podman", "4.3.1", "overlay"), ("buildah", "1.28.2", "vfs")):
        assert (found[name].state, found[name].facts["version"]) == ("ok", version)
        assert driver in found[name].says and found[name].facts["store"] == str(machine.store)


def test_what_is_found_is_shown_line_by_line_whatever_is_in_it(machine: Machine, cli: Any) -> None:
    machine.store = machine.store.parent / "a; store"
    machine.store.mkdir()
    machine.program("podman", PODMAN, rootless="false")
    _, out = cli()
    lines = [line.strip() for line in out.splitlines()]
    assert "builds both Dockerfile formats" in lines
    assert next(line for line in lines if "a; store" in line).startswith(f"store {machine.store}, ")


def test_a_rootless_podman_without_ranges_is_noted(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.program("podman", PODMAN, rootless="true")
    monkeypatch.setattr(of_builders.getpass, "getuser", lambda: "nobody-of-this-name")
    monkeypatch.setattr(of_builders.os, "getuid", lambda: 4_000_000_000)
    found = checks("builders")["podman"]
    assert found.state == "warning" and found.facts["works"] and "/etc/subuid" in (found.hint or "")


def test_a_program_that_hangs_is_given_up(machine: Machine) -> None:
    machine.program("podman", "PATH=/bin:/usr/bin; exec sleep 600")
    begun = time.monotonic()
    found = checks("builders", Policy(doctor_check_deadline_seconds=0.5))["podman"]
    assert time.monotonic() - begun < 8
    assert found.state == "missing" and "does not answer within" in found.says


def test_an_engine_that_accepts_and_says_nothing_is_given_up(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        machine.program("dagger", "PATH=/bin:/usr/bin; exec sleep 600")
        monkeypatch.setenv("_EXPERIMENTAL_DAGGER_RUNNER_HOST", f"tcp://me:hunter2@127.0.0.1:{port}")
        begun = time.monotonic()
        found = checks("builders", Policy(engine_answer_timeout_seconds=0.5))["dagger"]
        assert time.monotonic() - begun < 8
        assert found.state == "missing" and "it does not answer within" in (found.hint or "")
        assert "hunter2" not in f"{found}"


def test_an_engine_that_makes_no_session_is_given_up(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    with greeting() as port:
        machine.program("dagger", "PATH=/bin:/usr/bin; exec sleep 600")
        monkeypatch.setenv("_EXPERIMENTAL_DAGGER_RUNNER_HOST", f"tcp://127.0.0.1:{port}")
        begun = time.monotonic()
        found = checks("builders", Policy(session_deadline_seconds=0.5))["dagger"]
        assert time.monotonic() - begun < 8
    assert found.state == "missing" and "no session within" in (found.hint or "")


@pytest.mark.parametrize(
    ("variable", "engine", "named_by"),
    [
        ("DAGGER_SESSION_PORT", None, "set by $DAGGER_SESSION_PORT"),
        ("_EXPERIMENTAL_DAGGER_RUNNER_HOST", None, "set by $_EXPERIMENTAL_DAGGER_RUNNER_HOST"),
        ("_EXPERIMENTAL_DAGGER_RUNNER_HOST", "kube-pod://the-session", "set by open_builder(engine=…)"),
    ],
)
def test_what_names_the_engine_is_told(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, variable: str, engine: str | None, named_by: str
) -> None:
    async def session(_: Any, __: str, way: str, *___: Any, **____: Any) -> Any:
        return connect._Session("1", "token", way, 60)

    async def answers(*_: Any, **__: Any) -> None:
        pass

    async def client(*_: Any, **__: Any) -> Any:
        return SimpleNamespace(version="v0.21.8")

    async def cache(_: Any) -> dict[str, int | None]:
        return {}

    monkeypatch.setenv(variable, "1" if variable == "DAGGER_SESSION_PORT" else "kube-pod://the-session")
    monkeypatch.setenv("DAGGER_SESSION_TOKEN", "token")
    monkeypatch.setenv("_EXPERIMENTAL_DAGGER_CLI_BIN", "/bin/true")
    monkeypatch.setattr(connect, "_answers", answers)
    monkeypatch.setattr(connect, "_spawned", session)
    monkeypatch.setattr(connect, "_client", client)
    monkeypatch.setattr(of_builders, "_cache", cache)
    (found, *_) = await_(diagnose(engine=engine)).of("builders")
    assert found.facts["works"] and f"({named_by})" in found.says


@pytest.mark.parametrize(
    ("version", "state", "hint"),
    [
        ("v0.21.8", "ok", ""),
        ("v1.0.0-beta.10", "warning", "get a newer base"),
        ("v0.20.1", "warning", "engine v0.21.x"),
    ],
)
def test_an_engine_of_another_version_is_told(version: str, state: str, hint: str) -> None:
    facts = {"sdk": "0.21.11", "cache": None}
    found = of_builders._engine_check("the engine", "set", version, facts)
    assert found.state == state and hint in (found.hint or "") and bool(found.hint) == bool(hint)


def test_an_engine_that_hangs_up_is_told_at_once(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a forwarded port does whose other end is gone."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("_EXPERIMENTAL_DAGGER_RUNNER_HOST", f"tcp://127.0.0.1:{server.getsockname()[1]}")
        thread = threading.Thread(target=lambda: server.accept()[0].close())
        thread.start()
        begun = time.monotonic()
        found = checks("builders")["dagger"]
        thread.join()
        assert time.monotonic() - begun < 5
    assert found.state == "missing" and "it closed the connection" in (found.hint or "")


def test_nothing_is_downloaded_or_started_unless_asked(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    with greeting() as port:
        monkeypatch.setenv("_EXPERIMENTAL_DAGGER_RUNNER_HOST", f"tcp://127.0.0.1:{port}")
        monkeypatch.setattr("dagger.provisioning._download.Downloader.get_sync", lambda _: pytest.fail("downloads"))
        found = checks("builders")["dagger"]
    assert found.state == "missing" and "Dagger CLI: not installed" in (found.hint or "")


# --- logins -------------------------------------------------------------------------------------------------------

SECRET = "hunter2-of-the-registry"
AUTH = base64.b64encode(f"me:{SECRET}".encode()).decode()


def test_logins_are_named_and_never_shown(machine: Machine, cli: Any) -> None:
    machine.config(
        auths={
            "https://index.docker.io/v1/": {"auth": AUTH},
            "example.azurecr.io": {"identitytoken": SECRET},
            f"https://me:{SECRET}@odd.example": {"auth": AUTH},
            "empty.example": {},
        },
        credHelpers={"here.example": "fake", "gone.example": "absent"},
        credsStore="fake",
        HttpHeaders={"Authorization": SECRET},
    )
    machine.program("docker-credential-fake", f"""echo '{{"https://kept.example": "me-{SECRET}"}}'""")
    found = checks("logins")
    assert {name: each.state for name, each in found.items()} == {
        "here.example": "ok",
        "gone.example": "missing",
        "kept.example": "ok",
        "docker.io": "ok",
        "example.azurecr.io": "ok",
        "***@odd.example": "ok",
    }
    assert found["kept.example"].facts["helper"] == "fake"
    for words in ((), ("--json",)):
        _, out = cli(*words)
        assert "example.azurecr.io" in out
        for secret in (SECRET, AUTH, AUTH.rstrip("=")):
            assert secret not in out


@pytest.mark.parametrize(
    "text", ["[]", "no json", '{"auths": [1], "credHelpers": 3, "credsStore": {}}', '{"auths": {"x": 1}}']
)
def test_a_docker_config_of_any_shape_is_no_fault_of_doctor_s(machine: Machine, text: str) -> None:
    (machine.home / ".docker/config.json").write_text(text)
    found = checks("logins")
    assert list(found) == ["none"] and found["none"].hint


def test_a_store_that_is_gone_hides_every_other_login(machine: Machine) -> None:
    machine.config(credsStore="desktop")
    found = checks("logins")["every other host"]
    assert found.state == "missing" and "docker-credential-desktop" in (found.hint or "")


# --- proxies and certificates -------------------------------------------------------------------------------------


@given(
    user=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=8),
    secret=st.text(st.sampled_from("abc:/@#?%&= "), min_size=3).filter(lambda text: len(text.strip()) > 2),
    scheme=st.sampled_from(["http://", "https://", "socks5://", ""]),
)
def test_a_proxy_s_password_is_never_shown(user: str, secret: str, scheme: str) -> None:
    shown = redact_url(f"{scheme}{user}:{secret}@proxy.example:3128")
    assert shown.endswith("***@proxy.example:3128") and "abc" not in shown
    assert len(shown) <= len(f"{scheme}***@proxy.example:3128")


@pytest.mark.parametrize(
    ("value", "loopback"),
    [
        ("http://localhost:3128", True),
        ("http://me:pass@127.0.0.1:3128", True),
        ("[::1]:3128", True),
        ("127.5.5.5", True),
        ("http://proxy.example:3128", False),
        ("http://[broken", False),
    ],
)
def test_a_proxy_of_this_machine_only_is_flagged(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, value: str, loopback: bool
) -> None:
    monkeypatch.setenv("https_proxy", value)
    found = checks("proxies")["https_proxy"]
    assert found.facts["loopback"] is loopback and (found.state == "warning") is loopback
    assert "pass" not in f"{found}"


def test_what_a_proxy_s_check_advises_is_a_flag(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.setenv(name, "http://localhost:3128")
    found = checks("proxies")
    flags = {record.flag for record in PROJECT_SETTINGS.values()}
    advised = {name: re.findall(r"--[a-z-]+", each.hint or "") for name, each in found.items()}
    assert advised == {
        "ALL_PROXY": [],
        "HTTPS_PROXY": ["--https-proxy"],
        "HTTP_PROXY": ["--http-proxy"],
        "NO_PROXY": [],
    }
    assert {flag for each in advised.values() for flag in each} <= flags


def test_a_bundle_that_is_not_there_is_missing(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle, empty = tmp_path / "ca.pem", tmp_path / "empty.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n" * 2)
    empty.touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "gone.pem"))
    monkeypatch.setenv("PIP_CERT", str(empty))
    found = checks("certificates")
    assert found["SSL_CERT_FILE"].facts["certificates"] == 2
    assert found["REQUESTS_CA_BUNDLE"].state == found["PIP_CERT"].state == "missing"
    assert "dagger-aml" not in found
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "SSL_CERT_FILE" in (checks("certificates")["dagger-aml"].hint or "")


def test_little_room_is_noted(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "gone"))
    assert checks("disk")["temporary files"].state == "missing"
    monkeypatch.setattr("dagger_aml.doctor.machine._LITTLE", 1 << 60)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    found = checks("disk")["temporary files"]
    assert found.state == "warning" and "TMPDIR" in (found.hint or "") and found.facts["path"] == os.fspath(tmp_path)
