"""What the manifests of a cluster promise, on a stand-in started by docker: it serves within their limits, and ends
without losing a request."""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from dagger_aml import contract
from dagger_aml.deploying.kubernetes import drain_command
from tests.support.builders import need_programs
from tests.support.depth import depth_of

pytestmark = pytest.mark.builders

SCORE = """\
import json, time
def init(): pass
def run(data):
    time.sleep(json.loads(data)["seconds"])
    return {"done": True}
"""
LIMITS = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
REQUESTS = 50


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def image(bases: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    need_programs("docker")
    folder = tmp_path_factory.mktemp("image")
    (folder / "score.py").write_text(SCORE)
    (folder / "Dockerfile").write_text(
        f"FROM {bases['classic']}\nCOPY score.py /var/azureml-app/\nENV AZUREML_ENTRY_SCRIPT=score.py\n"
    )
    name = f"dagger-aml-test-deployment:{time.time_ns()}"
    docker("build", "-q", "-t", name, str(folder))
    yield name
    docker("rmi", "-f", name)


class Container:
    """A container that is removed at the end."""

    def __init__(self, *words: str) -> None:
        self.id = docker("run", "-d", "-p", "127.0.0.1::5001", *words)
        self.port = int(docker("port", self.id, "5001").splitlines()[0].rpartition(":")[2])

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_: object) -> None:
        docker("rm", "-f", self.id)

    def ask(self, method: str, path: str, body: str | None = None, *, timeout: float) -> tuple[int, str]:
        """Status and text; 0 where the connection broke."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json", "Connection": "close"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def serves(self, seconds: float) -> bool:
        """Whether it answers within so many seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.ask("GET", "/", timeout=2)[0] == 200:
                return True
            time.sleep(0.2)
        return False


def mounts(folder: Path, paths: Iterable[str]) -> list[str]:
    """An empty folder for each, as a cluster's emptyDir is: anybody may write in it."""
    words = []
    for number, path in enumerate(paths):
        own = folder / str(number)
        own.mkdir()
        own.chmod(0o777)
        words += ["-v", f"{own}:{path}"]
    return words


def test_it_serves_within_the_manifest_s_limits(image: str, tmp_path: Path) -> None:
    user = ("--user", ":".join(map(str, contract.ARBITRARY_USER)), "-e", f"HOME={contract.WRITABLE_HOME}")
    with Container(*LIMITS, *user, *mounts(tmp_path, contract.WRITABLE), image) as made:
        assert made.serves(60), docker("logs", made.id)
        assert made.ask("POST", "/score", '{"seconds": 0}', timeout=10) == (200, '{"done": true}')


def test_every_folder_of_the_manifest_is_needed(image: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    user = ("--user", ":".join(map(str, contract.ARBITRARY_USER)), "-e", f"HOME={contract.WRITABLE_HOME}")
    for without in contract.WRITABLE if depth_of(request.config).every_example else contract.WRITABLE[-1:]:
        folder = tmp_path / without.replace("/", "-")
        folder.mkdir()
        paths = [path for path in contract.WRITABLE if path != without]
        with Container(*LIMITS, *user, *mounts(folder, paths), image) as made:
            assert not made.serves(8), without


@pytest.mark.parametrize("drains", [True, False], ids=["preStop", "at once"])
def test_a_pod_s_end_loses_no_request(image: str, drains: bool) -> None:
    """Half a second each and four workers: 50 take more than six seconds, and the end comes after one."""
    with Container("-e", "WORKER_COUNT=4", image) as made:
        assert made.serves(60), docker("logs", made.id)
        answers: list[tuple[int, str]] = []

        def one() -> None:
            answers.append(made.ask("POST", "/score", json.dumps({"seconds": 0.5}), timeout=120))

        threads = [threading.Thread(target=one) for _ in range(REQUESTS)]
        for each in threads:
            each.start()
        time.sleep(1)
        before = len(answers)
        begun = time.monotonic()
        if drains:
            docker("exec", made.id, *drain_command(300))
        drained = time.monotonic() - begun
        assert drained < 60, "it waits for nobody"
        docker("stop", "-t", "10", made.id)
        for each in threads:
            each.join()
        held = sum(each == (200, '{"done": true}') for each in answers)
        assert len(answers) == REQUESTS and before < REQUESTS / 2
        lost = [each for each in answers if each != (200, '{"done": true}')]
        seen = (held, before, drained, lost, docker("logs", made.id))
        assert held == REQUESTS if drains else held < REQUESTS / 2, seen
