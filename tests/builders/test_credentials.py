"""A registry that wants a login: credentials come from the docker config and its helpers, and are never asked for."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standin import own_registry
from tests.support.builders import Need
from tests.support.cli import run as cli
from tests.support.projects import small

pytestmark = [pytest.mark.anyio, pytest.mark.builders]

USER, PASSWORD = "bob", "s3cret"
HTPASSWD = "bob:$2y$05$/4ND15ZIlMOG7G6FZZQ2i.arOafABslTBfbxSyHrrGmxLuCYDV2cm\n"
"""USER and PASSWORD, as `htpasswd -Bbn` writes them."""


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory, need: Need) -> Iterator[str]:
    """Debian's docker-registry with basic auth, on a free port."""
    need("docker-registry")
    folder = tmp_path_factory.mktemp("private")
    (folder / "htpasswd").write_text(HTPASSWD)
    with own_registry(folder, auth={"htpasswd": {"realm": "private", "path": str(folder / "htpasswd")}}) as host:
        yield host


def build(tmp_path: Path, base: str, tag: str, builder: str, config: object) -> subprocess.CompletedProcess[str]:
    """Build and push a small project with a docker config of its own, and a helper on PATH that knows the login."""
    folder = tmp_path / "project"
    small(folder)
    home = tmp_path / "docker"
    home.mkdir(exist_ok=True)
    (home / "config.json").write_text(json.dumps(config))
    helper = tmp_path / "docker-credential-mine"
    helper.write_text(f"#!/bin/sh\necho '{json.dumps({'Username': USER, 'Secret': PASSWORD})}'\n")
    helper.chmod(0o755)
    env = {"DOCKER_CONFIG": home, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    return cli("build", folder, "--base", base, "-t", tag, "--push", "--with", builder, env=env)


def check(tmp_path: Path, base: str, private: str, builder: str) -> None:
    """Without a login 1 and what to do; with one in the config, or a helper's, pushed; as a base, pulled."""
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    refused = build(tmp_path, base, f"{private}/no:1", builder, {})
    assert refused.returncode == 1 and "docker login" in refused.stderr, refused.stderr
    assert "Traceback" not in refused.stderr
    for name, config in (
        ("auths", {"auths": {private: {"auth": auth}}}),
        ("helper", {"credHelpers": {private: "mine"}}),
    ):
        done = build(tmp_path, base, f"{private}/{builder}-{name}:1", builder, config)
        assert done.returncode == 0, done.stderr
        assert PASSWORD not in done.stdout + done.stderr and auth not in done.stdout + done.stderr
        again = build(tmp_path, f"{private}/{builder}-{name}:1", f"{private}/{builder}-again:1", builder, config)
        assert again.returncode == 0, again.stderr


@pytest.mark.twin("buildah", of="podman", why="with the same library")
@pytest.mark.parametrize("builder", ["docker", "podman", "buildah"])
async def test_local_builders_log_in(tmp_path: Path, tiny: str, private: str, need: Need, builder: str) -> None:
    need(builder)
    assert shutil.which(builder)
    check(tmp_path, tiny, private, builder)


@pytest.mark.engine
async def test_the_engine_logs_in(tmp_path: Path, tiny: str, private: str, engine: object) -> None:
    check(tmp_path, tiny, private, "dagger")
