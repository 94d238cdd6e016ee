"""Runs an image as it is and has it score a request: what a test of a built image ends with.

The image's own user and command are kept. Without network the container has its loopback alone, and the request is
made inside it by the image's own Python, so that a start which needs the network fails here. With network, a port is
published on 127.0.0.1 and the request comes from outside.
"""

import contextlib
import json
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

Runtime = Literal["podman", "docker"]

DEADLINE = 120.0
"""Seconds that a container has to answer `GET /` with 200."""

_ASK = """
import json, sys, time, urllib.error, urllib.request
url, deadline, body = sys.argv[1], time.monotonic() + float(sys.argv[2]), sys.stdin.buffer.read()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
def ask(request):
    try:
        with opener.open(request, timeout=60) as answer:
            return answer.status, answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace")
    except Exception as error:
        return 0, repr(error)
while (healthy := ask(url + "/"))[0] != 200:
    if time.monotonic() > deadline:
        sys.exit("GET / gave %d %s" % healthy)
    time.sleep(0.1)
ready = time.time()
status, answer = ask(urllib.request.Request(url + "/score", body, {"Content-Type": "application/json"}))
json.dump({"status": status, "body": answer, "ready": ready}, sys.stdout)
"""
"""What asks, inside or outside the container: `python -c _ASK URL SECONDS` with the request on standard input."""


class ScoringError(AssertionError):
    """The image could not be loaded, or its container ended or did not become ready."""


@dataclass(frozen=True)
class Scored:
    """What `POST /score` gave, the seconds from the container's start to readiness, and what it printed."""

    status: int
    body: str
    seconds_to_ready: float
    logs: str

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


def score_tar(
    tar: Path,
    request: Path,
    *,
    runtime: Runtime,
    network: bool = False,
    env: Mapping[str, str] | None = None,
    deadline: float = DEADLINE,
) -> Scored:
    """Load a tar, run its image, and POST the file `request`; image and container are removed again.

    :raises ScoringError: not loaded, or not ready before the deadline, with the container's exit code and output.
    """
    with _loaded(tar, runtime) as image:
        return score_image(image, request, runtime=runtime, network=network, env=env, deadline=deadline)


def score_image(
    image: str,
    request: Path,
    *,
    runtime: Runtime,
    network: bool = False,
    env: Mapping[str, str] | None = None,
    deadline: float = DEADLINE,
) -> Scored:
    """Run an image of a runtime's store and POST the file `request`; the container is removed again.

    :raises ScoringError: as `score_tar`.
    """
    container = f"dagger-aml-score-{uuid.uuid4().hex[:12]}"
    options = ["--publish=127.0.0.1::5001"] if network else ["--network=none"]
    options += [f"--env={name}={value}" for name, value in (env or {}).items()]
    if runtime == "podman":
        # Its own defaults are above what a root without CAP_SYS_RESOURCE may set.
        options += ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]
    started = time.time()
    try:
        _call(runtime, "run", "--detach", f"--name={container}", *options, image)
        try:
            answer = _ask(runtime, container, request.read_bytes(), network=network, deadline=deadline)
        except ScoringError as error:
            raise ScoringError(f"{error}\n{_state(runtime, container)}") from None
        logs = _logs(runtime, container)
        return Scored(answer["status"], answer["body"], answer["ready"] - started, logs)
    finally:
        _try(runtime, "rm", "--force", "--volumes", container)


def _ask(runtime: Runtime, container: str, body: bytes, *, network: bool, deadline: float) -> Any:
    if network:
        published = _call(runtime, "port", container, "5001/tcp").split()[0]
        command = [sys.executable, "-I", "-c", _ASK, f"http://{published}", str(deadline)]
    else:
        inside = ("python", "-I", "-c", _ASK, "http://127.0.0.1:5001", str(deadline))
        command = [runtime, "exec", "--interactive", container, *inside]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as asking:
        data: bytes | None = body
        while True:
            try:
                out, err = asking.communicate(data, timeout=1)
                break
            except subprocess.TimeoutExpired:
                data = None
                if _call(runtime, "inspect", "--format={{.State.Running}}", container).strip() != "true":
                    asking.kill()
    if asking.returncode:
        raise ScoringError(f"the container of {runtime} did not become ready: {err.decode(errors='replace').strip()}")
    return json.loads(out)


def _state(runtime: Runtime, container: str) -> str:
    """What became of a container, for an error message."""
    found = _try(runtime, "inspect", "--format={{.State.Running}} {{.State.ExitCode}}", container).split()
    ended = f"It ended with exit code {found[1]}" if found and found[0] == "false" else "It still runs"
    return f"{ended}; its last lines:\n" + "\n".join(_logs(runtime, container).splitlines()[-40:])


def _logs(runtime: Runtime, container: str) -> str:
    return _try(runtime, "logs", container)


@contextlib.contextmanager
def _loaded(tar: Path, runtime: Runtime) -> Iterator[str]:
    """Load a tar and yield a name of its own for the image; the tar's own tags go again unless one was there."""
    name = f"localhost/dagger-aml-score:{uuid.uuid4().hex[:12]}"
    ours = not any(_try(runtime, "image", "inspect", "--format=known", tag).strip() == "known" for tag in _tags(tar))
    printed = _call(runtime, "load", f"--input={tar}")
    loaded = [line.partition(":")[2].strip() for line in printed.splitlines() if line.startswith("Loaded image")]
    if not loaded:
        raise ScoringError(f"{runtime} load printed no image: {printed}")
    try:
        _call(runtime, "tag", loaded[0], name)
        yield name
    finally:
        _try(runtime, "rmi", name, *(loaded if ours else ()))


def _tags(tar: Path) -> list[str]:
    """The names that loading a tar gives its image."""
    try:
        with tarfile.open(tar) as opened, cast(IO[bytes], opened.extractfile("manifest.json")) as file:
            return [tag for image in json.load(file) for tag in image.get("RepoTags") or ()]
    except (OSError, KeyError, ValueError, tarfile.TarError) as error:
        raise ScoringError(f"{tar} is not a tar of an image: {error}") from None


def _call(*command: str) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ScoringError(f"exit code {done.returncode} of {' '.join(command)}\n{done.stderr.strip()}")
    return done.stdout


def _try(*command: str) -> str:
    """Run a command that may fail, and return all that it printed."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return done.stdout.decode("utf-8", "replace")
