"""Images written directly and loaded into real stores: what is sent to them, and what stays."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.builders import need_programs
from tests.support.cli import argv, run
from tests.support.projects import small

pytestmark = [pytest.mark.builders]

STORES = ("docker", "podman", "buildah")


def asked(*words: str) -> str:
    """What a program prints."""
    return subprocess.run(words, capture_output=True, check=True).stdout.decode()


def image_id(builder: str, name: str) -> str:
    """The ID by which a store has an image."""
    if builder == "buildah":
        found: str = json.loads(asked("buildah", "inspect", "--type", "image", name))["FromImageID"]
        return found
    return asked(builder, "image", "inspect", "--format", "{{.Id}}", name).strip().removeprefix("sha256:")


def left(builder: str, *words: str) -> list[str]:
    """The images of the store in whose names, digests too, one of some words stands."""
    return [line for line in asked(builder, "images", "--digests").splitlines() if any(map(line.__contains__, words))]


def project(folder: Path, model: int) -> Path:
    """A project with a model of so many random bytes."""
    made = small(folder)
    (made / "model").mkdir()
    (made / "model/weights.bin").write_bytes(os.urandom(model))
    return made


def change(folder: Path) -> None:
    score = next(folder.rglob("score.py"))
    score.write_text(f"{score.read_text()}# {time.time_ns()}\n")


@pytest.mark.parametrize("builder", STORES)
def test_a_store_gets_only_what_it_lacks(tmp_path: Path, tiny: str, builder: str) -> None:
    need_programs(builder)
    folder, name = project(tmp_path / "p", 6_000_000), f"localhost/dagger-aml-test/load-{builder}:1"
    words = [folder, "--base", tiny, "--layers", "direct", "--with", builder, "-t", name, "--no-smoke"]
    try:
        said = []
        for _ in range(3):
            done = run("build", *words, "--load", "--progress", "plain")
            assert done.returncode == 0, done.stderr
            said.append(next(line for line in done.stderr.splitlines() if " lacked " in line))
            if len(said) == 2:
                change(folder)
        # What it has of the base and the code, others may have put there; never this model.
        assert ", 6.0 MB" in said[0] or ", 7.0 MB" in said[0], said
        total = said[0].partition(" of ")[2].split()[0]
        assert said[1] == f"{builder} lacked 0 of {total} layers, 0 B", said
        assert said[2].startswith(f"{builder} lacked 1 of {total} layers, "), said
        loaded = image_id(builder, name)
        assert not left(builder, "127.0.0.1")

        tar = tmp_path / "whole.tar"
        assert run("build", *words, "-o", tar).returncode == 0
        subprocess.run([builder, "rmi", name], capture_output=True, check=True)
        flags = ["pull", f"docker-archive:{tar}"] if builder == "buildah" else ["load", "-i", str(tar)]
        subprocess.run([builder, *flags], capture_output=True, check=True)
        assert image_id(builder, name) == loaded
    finally:
        subprocess.run([builder, "rmi", "--force", name], capture_output=True, check=False)


@contextmanager
def relayed(path: str) -> Iterator[int]:
    """A port of this machine that leads to a socket, as that of another machine would."""

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with source, sink:
            while data := source.recv(1 << 16):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        while True:
            try:
                client = server.accept()[0]
            except OSError:
                return
            daemon = socket.socket(socket.AF_UNIX)
            daemon.connect(path)
            for pair in ((client.dup(), daemon.dup()), (daemon, client)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_a_daemon_elsewhere_gets_the_whole_image(tmp_path: Path, tiny: str) -> None:
    need_programs("docker")
    name = "localhost/dagger-aml-test/load-far:1"
    words = [small(tmp_path / "p"), "--base", tiny, "--layers", "direct", "--with", "docker", "-t", name, "--load"]
    try:
        with relayed("/var/run/docker.sock") as port:
            host = f"tcp://127.0.0.1:{port}"
            done = run("build", *words, "--no-smoke", "--progress", "plain", env={"DOCKER_HOST": host})
        assert done.returncode == 0, done.stderr
        assert (
            f"docker gets the whole image, not only the layers that it lacks: docker's daemon is at {host}"
            in done.stderr
        )
        assert image_id("docker", name)
    finally:
        subprocess.run(["docker", "rmi", "--force", name], capture_output=True, check=False)


@pytest.mark.parametrize("builder", ["docker", "podman"])
def test_what_is_interrupted_leaves_nothing(tmp_path: Path, tiny: str, builder: str) -> None:
    need_programs(builder)
    folder, name = project(tmp_path / "p", 400_000_000), f"localhost/dagger-aml-test/load-cut-{builder}:1"
    words = [folder, "--base", tiny, "--layers", "direct", "--with", builder, "-t", name, "--load", "--no-smoke"]
    work = tmp_path / "work"
    work.mkdir()
    process = subprocess.Popen(
        argv("build", *words, "--progress", "json"), stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(work)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        assert process.stderr
        moved = next(line for line in process.stderr if '"kind": "loaded"' in line)
        assert json.loads(moved)["done"] < 400_000_000
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[1]
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert time.monotonic() - begun < 10 and not list(work.iterdir())
    assert not left(builder, "127.0.0.1", "load-cut")


@pytest.mark.parametrize("builder", ["docker", "podman"])
def test_what_is_started_is_sent_only_once(tmp_path: Path, bases: dict[str, str], builder: str) -> None:
    need_programs(builder)
    folder, name = project(tmp_path / "p", 6_000_000), f"localhost/dagger-aml-test/load-gate-{builder}:1"
    (tmp_path / "request.json").write_text("{}")
    words = [folder, "--base", bases["curated"], "--layers", "direct", "--with", builder, "--progress", "plain"]
    try:
        done = run("build", *words, "-t", name, "--load", "--smoke=import")
        assert done.returncode == 0, done.stderr
        first, second = [line for line in done.stderr.splitlines() if " lacked " in line]
        assert not first.startswith(f"{builder} lacked 0 ") and second.startswith(f"{builder} lacked 0 "), done.stderr
        before = set(left(builder, "localhost/dagger-aml-direct"))
        change(folder)
        for number in ("1", "0"):
            done = run("score", *words, "--request", tmp_path / "request.json")
            assert done.returncode == 0, done.stderr
            (line,) = [line for line in done.stderr.splitlines() if " lacked " in line]
            assert line.startswith(f"{builder} lacked {number} of "), line
            assert len(set(left(builder, "localhost/dagger-aml-direct")) - before) == 1
        assert not left(builder, "127.0.0.1", "-before")
    finally:
        for each in (name, *(line.split()[0] + ":" + line.split()[1] for line in left(builder, "dagger-aml-direct"))):
            subprocess.run([builder, "rmi", "--force", each], capture_output=True, check=False)
