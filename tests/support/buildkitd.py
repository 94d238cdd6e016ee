"""A BuildKit of this machine that buildx reaches as one elsewhere: over TCP, with TLS on both sides."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import define, field

from tests.support.builders import required
from tests.support.faulty import closed_port

FOLDER = Path(os.environ.get("DAGGER_AML_NEWEST_BUILDERS", "/usr/local/lib/newest-builders"))
"""Where the newest builders are, beside which Debian's stay what they are."""

_PROGRAMS = ("buildkitd", "docker-buildx", "runc")

_NAME = "dagger-aml-remote"


@define
class RemoteBuilder:
    """A builder of buildx's that is a BuildKit elsewhere.

    :param name: as ``--builder`` takes it.
    :param env: with which buildx knows it.
    :param folder: of certificates, log and state.
    """

    name: str
    env: dict[str, str]
    folder: Path
    port: int
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        """Start it, on what state there is, and wait until it answers."""
        certificates = {"--tlscacert": "ca.pem", "--tlscert": "server.pem", "--tlskey": "server.key"}
        with (self.folder / "buildkitd.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    FOLDER / "buildkitd", "--root", self.folder / "state", "--addr", f"tcp://127.0.0.1:{self.port}",
                    *(word for flag, name in certificates.items() for word in (flag, self.folder / name)),
                    "--oci-worker-net", "host", "--oci-worker-binary", FOLDER / "runc", "--containerd-worker=false",
                ],
                stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **self.env}, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while True:
            try:
                self.buildx("inspect", "--bootstrap", self.name)
                return
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    said = (self.folder / "buildkitd.log").read_text(errors="replace")
                    raise AssertionError(f"buildkitd does not answer: {said[-2000:]} {error}") from None
                time.sleep(0.2)

    def end(self) -> None:
        """End it, with all that it mounted and kept."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for line in Path("/proc/self/mounts").read_text().splitlines():
            if (place := line.split()[1]).startswith(f"{self.folder}/"):
                subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)
        shutil.rmtree(self.folder / "state", ignore_errors=True)

    def buildx(self, *argv: str) -> None:
        """Call buildx."""
        subprocess.run(
            [FOLDER / "docker-buildx", *argv],
            env={**os.environ, **self.env},
            capture_output=True,
            check=True,
            timeout=60,
        )


def lacking() -> str | None:
    """Why there is none here, or None."""
    missing = [each for each in _PROGRAMS if not (FOLDER / each).is_file()]
    if missing:
        return f"{FOLDER} has no {', '.join(missing)}"
    return None if os.geteuid() == 0 else "BuildKit needs root here"


@contextmanager
def remote_builder(folder: Path) -> Iterator[RemoteBuilder]:
    """One, until the block ends; the test is skipped by name where it cannot be, or fails where it must.

    :param folder: empty; for certificates, BuildKit's state and buildx's own.
    """
    if why := lacking():
        end = pytest.fail if "buildx" in required() else pytest.skip
        end(f"there is no newest buildx: {why}")
    _certificates(folder)
    port = closed_port()
    path = f"{FOLDER}{os.pathsep}{os.environ['PATH']}"
    env = {"PATH": path, "BUILDX_CONFIG": str(folder / "buildx"), "BUILDX_BUILDER": ""}
    remote = RemoteBuilder(_NAME, env, folder, port)
    keys = f"cacert={folder}/ca.pem,cert={folder}/client.pem,key={folder}/client.key"
    remote.buildx("create", "--name", _NAME, "--driver", "remote", "--driver-opt", keys, f"tcp://127.0.0.1:{port}")
    try:
        remote.start()
        yield remote
    finally:
        remote.end()


def _certificates(folder: Path) -> None:
    """An authority, and by it a certificate for the server and one for the client."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _openssl(folder, "req", "-x509", *key, "-days", "2", "-subj", "/CN=authority",
             "-keyout", "ca.key", "-out", "ca.pem")  # fmt: skip
    for name in ("server", "client"):
        (folder / f"{name}.ext").write_text("subjectAltName=IP:127.0.0.1\n")
        _openssl(folder, "req", *key, "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                 "-out", f"{name}.csr")  # fmt: skip
        _openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2",
                 "-CAcreateserial", "-extfile", f"{name}.ext", "-out", f"{name}.pem")  # fmt: skip


def _openssl(folder: Path, *argv: str) -> None:
    subprocess.run(["openssl", *argv], cwd=folder, check=True, capture_output=True)
