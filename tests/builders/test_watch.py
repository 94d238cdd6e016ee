"""``run --watch`` with real servers: what is saved is served within two seconds, with an image and without one."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.builders import need_programs
from tests.support.cli import argv
from tests.support.projects import make

pytestmark = [pytest.mark.builders, pytest.mark.by_default]

SCORE = "import helper\n\n\ndef init():\n    pass\n\n\ndef run(data):\n    return {'value': helper.VALUE}\n"

WITHIN = 2.0
"""Seconds from a save to the first answer of the new code, on a machine that does nothing else."""

SHARE = {"docker": 1.0, "podman": 1.0, "local": 2.0}
"""Of the seconds of the first start, which tell how busy the machine is; the larger of the two holds."""


class Watched:
    """A project that is served and watched."""

    def __init__(self, process: subprocess.Popen[str], root: Path) -> None:
        self.process, self.root, self.lines = process, root, list[str]()
        self.url, self.ready_seconds = "", 0.0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        self.lines.extend(iter(self.process.stdout.readline, ""))

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def waits(self, found: Callable[[], bool], within: float = 60) -> float:
        """Wait for something; the seconds."""
        begun = time.monotonic()
        while not found():
            assert time.monotonic() - begun < within and self.process.poll() is None, self.text
            time.sleep(0.02)
        return time.monotonic() - begun

    def says(self, text: str) -> None:
        self.waits(lambda: text in self.text)

    def value(self) -> object:
        """What the code that is served now answers; None while it does not."""
        try:
            return httpx.post(f"{self.url}/score", json={}, timeout=20).json()["value"]
        except (httpx.HTTPError, ValueError, TypeError, KeyError):
            return None

    def saved(self, name: str, text: str) -> None:
        """Save a file as editors do: under another name first."""
        new = self.root / "code/.new~"
        new.write_text(text)
        new.replace(self.root / "code" / name)


@contextmanager
def watched(by: str, base: str, folder: Path) -> Iterator[Watched]:
    """Serve a project, and end it by Ctrl-C."""
    root = make(folder / "p", {"code/score.py": SCORE, "code/helper.py": "VALUE = 0\n"})
    words = ["--local"] if by == "local" else ["--with", by]
    command = argv("run", str(root), *words, "--base", base, "--watch")
    out = subprocess.PIPE
    with subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, text=True, cwd=folder) as process:
        made = Watched(process, root)
        try:
            made.waits(lambda: "watching the code" in made.text, 300)
            found = re.search(r"ready after ([\d.]+) s: (\S+)", made.text)
            assert found, made.text
            made.ready_seconds, made.url = float(found[1]), found[2]
            yield made
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
    assert process.returncode == 130, made.text


@pytest.mark.parametrize("by", ["docker", "podman", "local"])
def test_what_is_saved_is_served(by: str, bases: dict[str, str], tmp_path: Path) -> None:
    need_programs(*([] if by == "local" else [by]))
    with watched(by, bases["classic"], tmp_path) as run:
        assert run.value() == 0
        taken = []
        for number in (1, 2, 3):
            run.saved("helper.py", f"VALUE = {number}\n")
            taken.append(run.waits(lambda number=number: run.value() == number))  # type: ignore[misc]
        print(f"{by}: served after {', '.join(f'{each:.2f}' for each in taken)} s; ready after {run.ready_seconds} s")
        assert min(taken) <= max(WITHIN, SHARE[by] * run.ready_seconds), (taken, run.ready_seconds)

        run.saved("helper.py", "VALUE = (\n")
        run.says("not served, since it cannot be loaded: /var/azureml-app/helper.py:1: Python")
        assert run.value() == 3
        run.saved("helper.py", "VALUE = 1 / 0\n")
        run.says("save the code again to start the server")
        assert "the entry script raised ZeroDivisionError" in run.text
        (run.root / "code/pkg").mkdir()
        (run.root / "code/pkg/__init__.py").write_text("X = 5\n")
        run.saved("helper.py", "from pkg import X as VALUE\n")
        run.waits(lambda: run.value() == 5)
        if by != "local":
            _check_owners(by)
        (run.root / "requirements.txt").write_text("six==1.16.0\n")
        run.says("changed, and not served: copy requirements.txt, pip requirements.txt (1 package)")


def _check_owners(by: str) -> None:
    """What was put there is the user's who runs the server, with the modes that an image has."""
    asked = [by, "ps", "--quiet", "--filter", "label=io.dagger-aml.serve"]
    (container,) = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    paths = [f"/var/azureml-app/{each}" for each in ("pkg", "pkg/__init__.py", "helper.py", "score.py")]
    asked = [by, "exec", container, "stat", "--format=%a %u:%g", *paths]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said == ["755 1000:1000", *["644 1000:1000"] * 3]
