"""``run --debug``: the flag, what an editor is told, and the program that comes before the image's own command."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from dagger_aml import Options, UsageError, lay_out, load_project, serve
from dagger_aml.backends.runtime import Published
from dagger_aml.cli.commands.run import command as run_command
from dagger_aml.cli.debug import debug_port, how_to_attach
from dagger_aml.cli.target import Target
from dagger_aml.serving import local
from dagger_aml.serving.causes import Cause, why_not_ready, why_not_started
from dagger_aml.serving.debug import CANNOT, WAITS, debugged
from dagger_aml.serving.log import Log, Reader
from tests.support.projects import SCORE, make

DEBUGPY = {
    "debugpy/__init__.py": "",
    "debugpy/adapter/__init__.py": "",
    "debugpy/adapter/clients.py": """
import os, socket
def serve(host, port):
    open(os.environ["TOLD"], "w").write(f"{host} {port} {os.getpid()}")
    global listener
    listener = socket.create_server((host, port))
""",
    "debugpy/adapter/servers.py": "def serve(host, port):\n    return host, 4321\n",
}
"""Stands for debugpy: as much of it as is called."""

SHOW = "import os; print(os.getcwd(), os.environ['AZUREML_DEBUG_PORT'])"


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """A project with two folders with code, and a model."""
    files = {"code/score.py": SCORE, "code/lib/more.py": "", "model/m.bin": "m", "requirements.txt": "numpy==1\n"}
    project = load_project(make(tmp_path / "named", files))
    return Target(project, anyio.run(lay_out, project))


def first(
    *command: str, port: int | None = None, path: Path | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a command as a served image does its own, with a folder on the module path."""
    words = [sys.executable, *debugged(command, host="127.0.0.1", port=port or local.free_port())]
    environment = {**os.environ, "PYTHONPATH": str(path or ""), **env}
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environment, timeout=30)


def runs(pid: int) -> bool:
    """Whether a process has not ended yet; one of which nobody has taken the end has."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")


def ends(pid: int) -> bool:
    """Whether a process ends soon."""
    for _ in range(100):
        if not runs(pid):
            return True
        time.sleep(0.05)
    return False


# --- the program --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="looks at processes with ps")
def test_the_command_gets_the_adapters_port_and_the_adapter_ends_with_it(tmp_path: Path) -> None:
    lib, told = make(tmp_path / "lib", DEBUGPY), tmp_path / "told"
    done = first(
        sys.executable, "-c", f"{SHOW}; raise SystemExit(7)", path=lib, TOLD=str(told), AZUREML_DEBUG_PORT="1"
    )
    assert done.returncode == 7 and done.stdout.splitlines() == [WAITS, f"{Path.cwd()} 4321"]
    host, _, pid = told.read_text().split()
    assert host == "127.0.0.1" and ends(int(pid))


@pytest.mark.skipif(sys.platform == "win32", reason="looks at processes with ps")
def test_the_adapter_lives_as_long_as_the_command(tmp_path: Path) -> None:
    lib, told = make(tmp_path / "lib", DEBUGPY), tmp_path / "told"
    words = [sys.executable, *debugged(["sleep", "20"], host="127.0.0.1", port=local.free_port())]
    env = {**os.environ, "PYTHONPATH": str(lib), "TOLD": str(told)}
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline().strip() == WAITS
        adapter = int(told.read_text().split()[2])
        time.sleep(0.3)
        assert runs(adapter)
        process.send_signal(signal.SIGTERM)
    assert process.returncode == -signal.SIGTERM, "the command has the process of the program before it"
    assert ends(adapter)


def test_without_debugpy_it_is_exit_code_94(tmp_path: Path) -> None:
    (tmp_path / "debugpy.py").write_text("raise ModuleNotFoundError('as if it were not there')\n")
    done = first(sys.executable, "-c", "print('started')", path=tmp_path)
    assert done.returncode == 94 and done.stdout.strip() == f"{CANNOT}debugpy is not installed"


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    lib = make(tmp_path / "lib", DEBUGPY)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = first(sys.executable, "-c", "print('started')", port=port, path=lib, TOLD=str(tmp_path / "told"))
    assert done.returncode == 94 and f"{CANNOT}port {port}: " in done.stdout and "started" not in done.stdout


def test_debugpy_is_found_among_preinstalled_packages(tmp_path: Path) -> None:
    make(tmp_path / "app/code/libs", DEBUGPY)
    said = {"AML_APP_ROOT": str(tmp_path / "app"), "AZUREML_ENTRY_SCRIPT": "code/score.py",
            "AZUREML_EXTRA_PYTHON_LIB_PATH": "libs", "TOLD": str(tmp_path / "told")}  # fmt: skip
    assert first(sys.executable, "-c", SHOW, **said).stdout.splitlines()[0] == WAITS


def test_files_beside_the_code_stand_in_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lib = make(tmp_path / "lib", DEBUGPY)
    monkeypatch.chdir(make(tmp_path / "app", {"subprocess.py": "raise OSError", "debugpy.py": "raise OSError"}))
    assert first(sys.executable, "-I", "-c", SHOW, path=lib, TOLD=str(tmp_path / "told")).returncode == 0


# --- locally ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="the fake environment is a link")
def test_locally(target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lib, wanted = make(tmp_path / "lib", DEBUGPY), []

    async def install(_: Any, __: Any, place: Any, ___: Any, more: list[str]) -> None:
        wanted.extend(more)
        place.bin.mkdir(parents=True)
        (place.bin / "python").write_text(f'#!/bin/sh\nPYTHONPATH={lib} exec {sys.executable} "$@"\n')
        (place.bin / "python").chmod(0o755)

    monkeypatch.setenv("TOLD", str(tmp_path / "told"))
    monkeypatch.setattr(local, "install", install)
    monkeypatch.setattr(local, "_command", lambda *_, **more: [sys.executable, "-c", f"{SHOW}; print({more})"])

    async def main() -> None:
        log, port = Log(), local.free_port()
        served = local.locally(
            target.project, target.graph, log, published=Published(), on_event=lambda _: None, debug=Published(port)
        )  # type: ignore[arg-type]
        async with served as (_, app):
            await log.ended.wait()
            assert list(log.lines) == [WAITS, f"{app} 4321", "{'debugged': True}"], log.text
        assert (tmp_path / "told").read_text().startswith(f"127.0.0.1 {port} ")
        with socket.create_server(("127.0.0.1", port)), pytest.raises(UsageError, match="debug=Published"):
            async with local.locally(
                target.project, target.graph, log, published=Published(), on_event=lambda _: None,
                debug=Published(port),
            ):  # type: ignore[arg-type]  # fmt: skip
                pass

    anyio.run(main)
    assert "debugpy" in wanted


# --- the flag -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "value"),
    [(["--debug", "P"], ""), (["--debug=7", "P"], "7"), (["P", "--debug"], ""), (["P"], None), (["--", "P"], None)],
)
def test_it_stands_alone_or_has_a_value(words: list[str], value: str | None) -> None:
    read = run_command.make_context("run", words).params
    assert (read["debug"], read["target"]) == (value, "P")


def test_ports(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    free = local.free_port()
    assert debug_port(None, target, local=False) is None
    assert debug_port(str(free), target, local=False) == Published(free, "127.0.0.1", 5678)
    assert debug_port(f"0.0.0.0:{free}", target, local=False) == Published(free, "0.0.0.0", 5678)
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = str(server.getsockname()[1])
        with pytest.raises(UsageError, match=f"debug.*: port {taken} of this machine is in use"):
            debug_port(taken, target, local=False)


def test_the_usual_port_or_another(
    target: Target, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "is_free", lambda _: True)
    assert debug_port("", target, local=False) == Published(5678, "127.0.0.1", 5678)
    monkeypatch.setattr(local, "is_free", lambda _: False)
    other = debug_port("", target, local=False)
    assert other and other.port not in (0, 5678)
    assert "port 5678 is in use; using another" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["x", "0", "70000", "1:2", ":5", "5678:5678", "-1", "127.0.0.1:"])
def test_what_is_no_port(text: str, target: Target, cli: Any) -> None:
    assert target.project
    code, _, err = cli("run", target.project.root, f"--debug={text}")
    assert code == 2 and "--debug: not a port" in err


def test_what_is_installed_at_start_comes_too_late(target: Target) -> None:
    assert target.project
    project = load_project(target.project.root, Options(recipe="dynamic"))
    dynamic = Target(project, anyio.run(lay_out, project))
    with pytest.raises(UsageError, match="only when it starts"):
        debug_port("", dynamic, local=False)
    assert debug_port(str(local.free_port()), dynamic, local=True)


def test_not_without_network() -> None:
    async def main() -> None:
        async with serve("image", "docker", offline=True, debug=Published(5678, inner=5678)):
            pass

    with pytest.raises(UsageError, match="without network"):
        anyio.run(main)


# --- what an editor is told ---------------------------------------------------------------------------------------


def configuration(text: str) -> dict[str, Any]:
    """The JSON object in a text."""
    found = re.search(r"^\{$.*^\}$", text, re.M | re.S)
    assert found
    return json.loads(found[0])  # type: ignore[no-any-return]


def test_how_to_attach(target: Target) -> None:
    assert target.project
    text = how_to_attach(Published(7000, "0.0.0.0"), target, everywhere=False)
    found = configuration(text)
    assert "127.0.0.1:7000" in text and "tunnel" not in text
    assert found["connect"] == {"host": "127.0.0.1", "port": 7000} and found["request"] == "attach"
    here = str(target.project.root / "code")
    assert found["pathMappings"] == [{"localRoot": here, "remoteRoot": "/var/azureml-app"}], "and not of the model"
    moved = configuration(how_to_attach(Published(7000), target, everywhere=False, app="/tmp/x/azureml-app"))
    assert moved["pathMappings"] == [{"localRoot": here, "remoteRoot": "/tmp/x/azureml-app"}]
    assert "tunnel" in how_to_attach(Published(7000), target, everywhere=True)


def test_of_an_image_the_folder_is_a_guess() -> None:
    found = configuration(how_to_attach(Published(7000), Target(image="diabetes:1"), everywhere=False))
    assert found["pathMappings"] == [{"localRoot": "${workspaceFolder}/code", "remoteRoot": "/var/azureml-app"}]


# --- what is said -------------------------------------------------------------------------------------------------


def nowhere(_: str) -> None:
    """Locate nothing."""


@pytest.mark.parametrize(
    ("lines", "code", "said", "do"),
    [
        ([f"{CANNOT}debugpy is not installed"], 94, "debugpy is not installed", 'Options(pip="debugpy")'),
        ([f"{CANNOT}port 5678: in use"], 94, "port 5678: in use", "debug=Published(PORT)"),
        (
            ["told why", "Exit code 94 is not normal. Killing image."],
            111,
            "could not be set up",
            'Options(pip="debugpy")',
        ),
        (
            ["** Cannot connect to a debugger because debugpy is not installed.",
             "Worker (pid:9) exited with code 255"],
            None, "debugpy is not installed", "requirements.txt",
        ),
        (
            ["Traceback (most recent call last):", '  File "/x/server/entry.py", line 20, in <module>',
             "    debugpy.connect(debug_port)", "ConnectionRefusedError: [Errno 111] Connection refused",
             "Exit code 3 is not normal. Killing image."],
            111, "no debugger listens on that port", "run --debug",
        ),
    ],
)  # fmt: skip
def test_why_no_debugger_can_attach(lines: list[str], code: int | None, said: str, do: str) -> None:
    causes: list[Cause] = [why_not_started(lines, code, nowhere)]
    if code is None:
        causes.append(why_not_ready(lines, 5, nowhere))
    for cause in causes:
        assert cause.message.startswith("the debug port could not be set up") and said in cause.message
        assert cause.kind == "contract" and do in cause.hint


def test_the_servers_words_about_it_are_no_lines_of_the_user() -> None:
    reader = Reader()
    reader.read("2026-11-21 10:30:04,123 I [23] gunicorn.error - Starting gunicorn 27.0.1")
    for line in (
        WAITS,
        "!! Starting the inference server in DEBUGGING mode because AZUREML_DEBUG_PORT is set.",
        "!! This environment variable should not be set in a production environment.",
        "** Connecting to debugger at port 43055...",
    ):
        assert reader.read(line).kind == "server", line
    assert reader.read("** mine").kind == "user"
