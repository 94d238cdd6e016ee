"""How the command line ends when it is told to, in a process of its own: a new Python where the signal is SIGINT."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.cli import argv, shared_program

SLEEPING = """import sys
import anyio
async def recipe(graph, project):
    print("begun", file=sys.stderr, flush=True)
    await anyio.sleep(600)
"""


@pytest.mark.parametrize("ignored", [False, True], ids=["", "SIGINT is ignored"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_it_ends_when_told(tmp_path: Path, number: int, code: int, ignored: bool) -> None:
    """A script's background command starts with SIGINT ignored: then Ctrl-C is not meant for it, SIGTERM is."""
    (tmp_path / "score.py").write_text("def init(): pass\ndef run(data): return data\n")
    (tmp_path / "sleeping.py").write_text(SLEEPING)
    words = ["plan", tmp_path, "--recipe", tmp_path / "sleeping.py"]
    process = subprocess.Popen(
        argv(*words) if number == signal.SIGINT else [shared_program(), *words],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler),
    )
    try:
        assert process.stderr and process.stderr.readline() == "begun\n"
        process.send_signal(number)
        if ignored and number == signal.SIGINT:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1)
            process.send_signal(signal.SIGTERM)
            code = 143
        said = process.communicate(timeout=30)[1]
    finally:
        process.kill()
    assert process.returncode == code, said
    assert "Traceback" not in said
