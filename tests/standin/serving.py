"""Serves the stand-in images from Debian's docker-registry on this machine alone."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from email.message import Message
from http.client import HTTPException
from pathlib import Path

from .images import VARIANTS, ensure
from .tools import StandInError, cache_folder, call, lock, log, missing

OURS = "X-Dagger-Aml-Standin"
"""The header by which a registry that this module started tells which storage folder it serves."""

_MANIFESTS = ", ".join(
    f"application/vnd.{kind}+json" for kind in ("oci.image.manifest.v1", "docker.distribution.manifest.v2")
)


def reference(variant: str, registry: str = "localhost:5100") -> str:
    """Return the reference of a variant in a registry; its path is the path of the image it stands for."""
    return f"{registry}/{VARIANTS[variant]}:latest"


def push(variant: str, registry: str) -> str:
    """Build a variant if need be, put it into a registry (HOST:PORT), and return its reference there.

    A second tag keeps the cache key, so that a registry which already has this very image is left alone.
    """
    archive = ensure(variant)
    latest = reference(variant, registry)
    kept = latest.removesuffix("latest") + archive.stem
    there = _digest(kept)
    if there is None or there != _digest(latest):
        log.info("pushing %s", latest)
        plain = "false" if _is_local(registry) else "true"
        call("skopeo", "copy", f"--dest-tls-verify={plain}", f"oci-archive:{archive}", f"docker://{kept}")
        call(
            "skopeo", "copy", f"--src-tls-verify={plain}", f"--dest-tls-verify={plain}",
            f"docker://{kept}", f"docker://{latest}",
        )  # fmt: skip
    return latest


@contextlib.contextmanager
def registry(port: int = 5100) -> Iterator[str]:
    """Serve a registry on 127.0.0.1 while the block runs, and yield its name ("localhost:PORT").

    A registry that another process serves by this function from the same cache is shared; the last to leave
    stops it. Where something else has the port, a free one is taken.
    """
    import fcntl

    with lock("registry"):
        port = _start_or_join(port)
        user = open(_file(port, "users"), "w")  # noqa: SIM115
        fcntl.flock(user, fcntl.LOCK_SH)
    try:
        yield f"localhost:{port}"
    finally:
        with lock("registry"), user, contextlib.suppress(BlockingIOError):
            fcntl.flock(user, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _stop(port)


@contextlib.contextmanager
def own_registry(folder: Path, tls: Mapping[str, str] | None = None, **more: object) -> Iterator[str]:
    """Serve an empty registry on a free port while the block runs, and yield its name ("localhost:PORT").

    :param folder: where it keeps everything.
    :param tls: its ``certificate`` and ``key``, if it is to be in TLS.
    :param more: of docker-registry's configuration: ``auth=…``.
    :raises StandInError: docker-registry is missing or does not come up.
    """
    program = shutil.which("docker-registry")
    if program is None:
        raise StandInError("docker-registry is not installed (apt-get install docker-registry)")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"127.0.0.1:{port}"} | ({"tls": dict(tls)} if tls else {}),
        **more,
    }
    (folder / "config.yml").write_text(json.dumps(config))
    with registry_process([program, "serve", str(folder / "config.yml")], folder, port) as host:
        yield host


@contextlib.contextmanager
def registry_process(words: Sequence[str], folder: Path, port: int) -> Iterator[str]:
    """Run a registry's program while the block runs, and yield its name (``localhost:PORT``).

    :param words: the program and its arguments, by which it listens on the port.
    :param folder: where its log is written.
    :raises StandInError: it does not come up.
    """
    with (folder / "log").open("wb") as log_file:
        process = subprocess.Popen(words, stdout=log_file, stderr=log_file, env=_environment())
    try:
        give_up = time.monotonic() + 20
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > give_up:
                name = Path(words[0]).name
                raise StandInError(f"{name} did not come up: {(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        yield f"localhost:{port}"
    finally:
        process.terminate()
        process.wait()


def _start_or_join(port: int) -> int:
    if _serves(port):
        return port
    if not _is_free(port):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
    pid = _start(port)
    give_up = time.monotonic() + 20
    while not _serves(port):
        ended, _ = os.waitpid(pid, os.WNOHANG)
        if ended or time.monotonic() > give_up:
            last = "\n".join(_file(port, "log").read_text().splitlines()[-10:])
            raise StandInError(f"docker-registry did not come up on port {port}.\n{last}")
        time.sleep(0.05)
    return port


def _start(port: int) -> int:
    """Start docker-registry apart from this process's terminal, and return its process id."""
    program = shutil.which("docker-registry")
    if program is None:
        raise StandInError(missing() or "docker-registry was not found.")
    config = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(_storage())}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}", "headers": {OURS: [str(_storage())]}},
    }
    _file(port, "yml").write_text(json.dumps(config, indent=2) + "\n")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    pid = os.posix_spawn(
        program,
        [program, "serve", str(_file(port, "yml"))],
        _environment(),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(_file(port, "log")), flags, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    _file(port, "pid").write_text(str(pid))
    return pid


def _environment() -> dict[str, str]:
    """Without what would change the registry's configuration."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("REGISTRY_", "OTEL_"))}


def _stop(port: int) -> None:
    """Stop the registry on a port, provided that the process noted for it is still that registry."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(_file(port, "pid").read_text())
        if str(_file(port, "yml")).encode() not in Path(f"/proc/{pid}/cmdline").read_bytes():
            return
        os.kill(pid, signal.SIGTERM)
        give_up = time.monotonic() + 5
        while _serves(port) and time.monotonic() < give_up:
            time.sleep(0.05)
        _file(port, "pid").unlink()
        os.waitpid(pid, 0)


def _serves(port: int) -> bool:
    """Say whether a registry of ours, with this cache's storage, answers on a port."""
    headers = _headers(f"http://127.0.0.1:{port}/v2/")
    return headers is not None and headers.get(OURS) == str(_storage())


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _is_free(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
        return True
    return False


def _digest(ref: str) -> str | None:
    """Return the digest that a registry has for a tag, or None where it has none or won't say."""
    name, _, tag = ref.rpartition(":")
    host, _, repository = name.partition("/")
    scheme = "http" if _is_local(host) else "https"
    headers = _headers(f"{scheme}://{host}/v2/{repository}/manifests/{tag}")
    return headers.get("Docker-Content-Digest") if headers else None


def _headers(url: str) -> Message | None:
    """Return the headers that a HEAD request brings, or None where it fails (no proxy for this machine)."""
    request = urllib.request.Request(url, headers={"Accept": _MANIFESTS}, method="HEAD")
    proxies: dict[str, str] | None = {} if _is_local(request.host) else None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
    try:
        with opener.open(request, timeout=5) as answer:
            headers: Message = answer.headers
            return headers
    except (OSError, HTTPException):
        return None


def _is_local(host: str) -> bool:
    return host.partition(":")[0] in ("localhost", "127.0.0.1")


def _storage() -> Path:
    return cache_folder() / "registry"


def _file(port: int, kind: str) -> Path:
    return cache_folder() / f"registry-{port}.{kind}"
