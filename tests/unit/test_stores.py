"""Images by a name without a host, looked for in local stores first; and why something does not answer."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import anyio
import pytest

from dagger_aml import DaggerAmlError, EngineNotFound, connect, local_builder
from dagger_aml.backends.dagger.connect import CLI_BIN, RUNNER_HOST, SESSION_PORT
from dagger_aml.backends.local.stores import find_stored, is_local_name
from dagger_aml.backends.store import image_store
from dagger_aml.building.earlier import read_earlier
from dagger_aml.plan.keys import labels
from tests.support.calls import await_
from tests.support.cases import for_each
from tests.support.projects import SCORE, make, planned

from .test_diff import BASE, docker_archive

DENIED = "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"

VERSION = json.dumps({"Client": {"Version": "20.10.0"}, "Server": {"Version": "20.10.0", "ApiVersion": "1.41"}})


@pytest.fixture
def path(tmp_path, monkeypatch) -> Path:
    """A folder that has all programs there are."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "cat"):
        (folder / name).symlink_to(f"/bin/{name}")
    monkeypatch.setenv("PATH", str(folder))
    for name in (SESSION_PORT, RUNNER_HOST, CLI_BIN, "DOCKER_HOST"):
        monkeypatch.delenv(name, raising=False)
    return folder


def program(
    folder: Path, name: str, images: dict[str, dict[str, str]], *, denied: bool = False, tar: Path | None = None
) -> None:
    """A container CLI that knows some images by their names, with their labels, and saves each as one tar."""
    lines = ["#!/bin/sh", f'echo "$@" >>{folder}/{name}.asked']
    if denied:
        lines += [f'echo "{DENIED}" >&2', "exit 1"]
    lines += ['if [ "$1" = version ]; then echo \'' + VERSION + "'; exit 0; fi", '[ "$1" = buildx ] && exit 0']
    if tar:
        lines += [f'[ "$1" = save ] && exec cat {tar}']
    for image, said in images.items():
        data = [{"Id": "sha256:" + "a" * 64, "Os": "linux", "Architecture": "amd64", "Config": {"Labels": said}}]
        lines += [f"case \"$*\" in *'inspect {image}') cat <<'END'\n{json.dumps(data)}\nEND\nexit 0;; esac"]
    (folder / name).write_text("\n".join([*lines, "exit 1", ""]))
    (folder / name).chmod(0o755)


@for_each(
    ("text", "local"),
    [
        ("credit:1", True),
        ("acme/credit:1", True),
        ("credit@sha256:" + "a" * 64, True),
        ("53bad507aa7b", True),
        ("sha256:" + "a" * 64, True),
        ("docker.io/library/credit:1", False),
        ("localhost:5000/credit:1", False),
        ("localhost/credit:1", False),
        ("registry.example/credit:1", False),
    ],
)
def test_names_that_are_looked_for_here(text, local):
    assert is_local_name(text) is local


@pytest.mark.parametrize(
    ("docker", "podman", "found"),
    [({"credit:1": {}}, {"credit:1": {}}, "docker"), ({}, {"docker.io/library/credit:1": {}}, "podman"),
     ({}, {}, None), (None, {"credit:1": {}}, "podman"), (None, None, None)],
)  # fmt: skip
def test_the_first_store_that_has_it(path, docker, podman, found):
    for name, images in (("docker", docker), ("podman", podman)):
        if images is not None:
            program(path, name, images)
    stored = await_(find_stored("credit:1"))
    assert (stored.store if stored else None) == found


def test_a_store_that_refuses_is_passed_over(path):
    program(path, "docker", {"credit:1": {}}, denied=True)
    program(path, "podman", {"credit:1": {}})
    stored = await_(find_stored("credit:1"))
    assert stored and stored.store == "podman"


def test_a_name_with_a_host_is_asked_of_no_store(path):
    program(path, "docker", {"registry.example/credit:1": {}})
    assert await_(find_stored("registry.example/credit:1")) is None
    assert not (path / "docker.asked").exists()


def test_an_id_that_no_store_has_is_told_at_once(path):
    program(path, "docker", {})
    with pytest.raises(DaggerAmlError, match="no local store has an image 53bad507aa7b"):
        await_(find_stored("53bad507aa7b"))


def test_a_plan_is_held_against_the_image_in_a_store(path, tmp_path, cli):
    root = make(tmp_path / "p", {"score.py": SCORE})
    program(path, "docker", {"credit:1": labels(planned(root))})
    assert await_(read_earlier("credit:1", "linux/amd64")).name == "credit:1 in docker's store"
    begun = time.monotonic()
    code, out, err = cli("plan", root, "--against", "credit:1")
    assert code == 0, err
    assert "Compared with credit:1 in docker's store:" in out and time.monotonic() - begun < 5


def test_an_image_in_a_store_is_compared(path, tmp_path, cli):
    tar = docker_archive(tmp_path / "a.tar", [BASE])
    program(path, "docker", {"credit:1": {}}, tar=tar)
    code, out, err = cli("diff", "credit:1", tar)
    assert code == 0, (out, err)
    assert f"comparing credit:1 in docker's store with {tar}" in err
    _, out, _ = cli("diff", "credit:1", tar, "--json")
    assert json.loads(out)["a"] == {"what": "credit:1", "builder": None, "store": "docker"}


def test_an_image_that_is_nowhere_is_said_to_be_in_no_store_either(path, monkeypatch):
    async def nowhere(*_: object) -> None:
        raise DaggerAmlError("the registry docker.io has no such image")

    monkeypatch.setattr("dagger_aml.oci.registry.image_config", nowhere)
    program(path, "docker", {})
    with pytest.raises(DaggerAmlError) as caught:
        await_(read_earlier("credit:1", "linux/amd64"))
    assert "No local store has it either (docker)." in str(caught.value)


# --- what only the config changes ---------------------------------------------------------------------------------


def test_a_changed_variable_is_in_the_sum(tmp_path, cli):
    root = make(tmp_path / "p", {"score.py": SCORE})
    _, text, _ = cli("plan", root, "--json")
    (tmp_path / "plan.json").write_text(text)
    _, out, _ = cli("plan", root, "--against", tmp_path / "plan.json")
    assert out.endswith("Expected: nothing runs, no layer is new\n")
    _, out, _ = cli("plan", root, "--against", tmp_path / "plan.json", "--env", "WORKER_COUNT=2")
    assert out.endswith("Expected: nothing runs, no layer is new, only the config changes\n")


# --- headlines ----------------------------------------------------------------------------------------------------


def engine_error(**options) -> EngineNotFound:
    async def connected() -> None:
        async with connect(**options):
            pass

    with pytest.raises(EngineNotFound) as caught:
        anyio.run(connected)
    return caught.value


def test_a_command_line_that_cannot_be_had_is_the_headline(path, monkeypatch):
    def fails(_: object) -> str:
        raise OSError("Network is unreachable")

    monkeypatch.setattr("dagger.provisioning._download.Downloader.get_sync", fails)
    program(path, "docker", {})
    (path / "docker").write_text("#!/bin/sh\necho 20.10\n")
    error = engine_error()
    assert error.message == "no Dagger engine could be asked, because Dagger's command line is missing"
    assert "Dagger CLI: Network is unreachable" in str(error) and CLI_BIN in str(error.hint)
    assert "does not answer" not in str(error)


def test_a_daemon_that_refuses_the_user_is_told_as_such(path):
    program(path, "docker", {}, denied=True)
    program(path, "podman", {})
    error = engine_error()
    assert "an engine in Docker: the Docker daemon refuses this user: permission denied" in str(error)
    assert "usermod -aG docker" in str(error) and "(installed here: podman)" in str(error)
    assert "start Docker:" not in str(error) and "no Docker daemon answers" not in str(error)


def test_no_daemon_at_all_reads_as_before(path):
    (path / "docker").write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
    os.chmod(path / "docker", 0o755)
    assert "an engine in Docker: no Docker daemon answers" in str(engine_error())


def test_the_builder_docker_says_that_it_may_not(path):
    program(path, "docker", {}, denied=True)
    program(path, "podman", {})
    with pytest.raises(DaggerAmlError, match="refused by its daemon: permission denied") as caught:
        local_builder("docker")
    assert 'open_builder("podman")' in str(caught.value.hint) and "Start the Docker daemon" not in str(
        caught.value.hint
    )


def test_a_store_to_load_into_is_refused_for_its_reason(path):
    program(path, "docker", {}, denied=True)
    with pytest.raises(DaggerAmlError, match="refuses this user: permission denied, and podman is not installed"):
        await_(image_store())
    program(path, "podman", {})
    assert await_(image_store()) == "podman"
