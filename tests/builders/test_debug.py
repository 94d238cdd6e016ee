"""``run --debug`` for real: an editor attaches to the served image, stops in the entry script and goes on."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
from pathlib import Path
from typing import TextIO

import pytest

from dagger_aml.serving.local import free_port
from tests.builders.test_serve import containers, write
from tests.support.builders import need_programs
from tests.support.cli import argv, run
from tests.support.dap import Editor

pytestmark = pytest.mark.builders

CODE = "def init():\n    print('mine')\n\n\ndef run(data):\n    answer = 41 + 1\n    return {'ok': answer == 42}\n"
LINE = 7


def until(out: TextIO, wanted: str) -> str:
    """What is printed, up to a line that matches."""
    printed = ""
    for line in out:
        printed += line
        if re.match(wanted, line):
            return printed
    raise AssertionError(f"it ended without {wanted!r}:\n{printed}")


@pytest.mark.engine
@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("by", ["dagger", "docker"])
def test_an_editor_stops_in_the_entry_script(by: str, bases: dict[str, str], tmp_path: Path) -> None:
    need_programs(*({by} - {"dagger"}))
    root, before = write(tmp_path, CODE), containers()
    words = ["--debug=" + str(free_port()), "--pip", "debugpy", "--with", by, "--base", bases["classic"]]
    with subprocess.Popen(
        argv("run", str(root), *words),
        stdout=subprocess.PIPE,
        stderr=(tmp_path / "err").open("w"),
        text=True,
        cwd=tmp_path,
    ) as process:
        try:
            assert process.stdout
            printed = until(process.stdout, r"\}$")
            assert "mine" not in printed and "ready" not in printed, "init() waits for the debugger"
            told = json.loads(printed[printed.index("\n{") :])
            folders = [(each["localRoot"], each["remoteRoot"]) for each in told["pathMappings"]]
            assert folders == [(str(root / "code"), "/var/azureml-app")]
            with Editor(told["connect"]["port"], folders) as editor:
                assert editor.attach(str(root / "code/score.py"), LINE)
                url = until(process.stdout, "ready after").split()[-1]
                answers: list[subprocess.CompletedProcess[str]] = []
                asked = threading.Thread(target=lambda: answers.append(probe(url, root)))
                asked.start()
                where, found = editor.stopped()
                assert where == f"{root / 'code/score.py'}:{LINE}" and found["answer"] == "42"
                editor.go_on()
                asked.join(30)
            assert answers[0].returncode == 0, answers[0].stderr
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
    assert process.returncode == 130, (tmp_path / "err").read_text()
    assert containers() <= before


def probe(url: str, root: Path) -> subprocess.CompletedProcess[str]:
    """Post the project's request and compare with its answer."""
    words = ["score", url, "--request", str(root / "request.json"), "--expect", str(root / "answer.json")]
    return run(*words, timeout=60)


def test_without_debugpy_it_is_told_what_to_do(bases: dict[str, str], tmp_path: Path) -> None:
    need_programs("docker")
    root = write(tmp_path, CODE)
    words = ("run", root, "--debug", "--with", "docker", "--base", bases["classic"])
    done = run(*words, cwd=tmp_path, timeout=120)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "error: the debug port could not be set up: debugpy is not installed\n  exit code 94" in done.stderr
    assert "--pip debugpy" in done.stderr
