"""Writes the logs anew: what the real inference server prints for entry scripts and files that fail.

    python -m venv /tmp/server && /tmp/server/bin/pip install azureml-inference-server-http==1.5.1
    /tmp/server/bin/python tests/unit/logs/make.py [NAME …]

The banner is left out but for two lines, and paths are those of an image. The last line is the exit code.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

HERE, PREFIX = Path(__file__).parent, Path(sys.prefix)
INIT, RUN = "def init():\n    pass\n", "def run(data):\n    return 1\n"
NO_MODEL = "def init():\n    raise ValueError('no model')\n"
GROUP = """def load(names):
    errors = []
    for name in names:
        try:
            open(f"/models/{name}")
        except OSError as error:
            errors.append(error)
    if errors:
        raise ExceptionGroup("models are missing", errors)
"""
TASKS = """import asyncio
async def one():
    raise ValueError('first')
async def all_of():
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(one())
def init():
    asyncio.run(all_of())
"""
CAUGHT = """import logging
def init():
    try:
        int('x')
    except ValueError:
        logging.exception('first try')
    raise KeyError('second')
"""
FETCH = "import urllib.request\ndef fetch():\n    urllib.request.urlopen('http://models.invalid/m')\n"


class Case(NamedTuple):
    """A folder and its variables.

    :param scored: whether it starts, and is asked.
    """

    script: str | None = INIT + RUN
    files: Mapping[str, str] = MappingProxyType({})
    env: Mapping[str, str] = MappingProxyType({})
    scored: bool = False


CASES = {
    "import-1": Case("import cv2\n" + INIT + RUN),
    "init-raises-2": Case("def init():\n    load()\ndef load():\n    raise ValueError('no model')\n" + RUN),
    "timeout-init-2": Case("def init():\n    raise TimeoutError('the feature store did not answer')\n" + RUN),
    "group-init-1": Case(GROUP + "def init():\n    load(['a', 'b'])\n" + RUN),
    "group-init-2": Case(GROUP + "def init():\n    load(['a', 'b'])\n" + RUN),
    "group-run-1": Case(GROUP + INIT + "def run(data):\n    load(['a', 'b'])\n", scored=True),
    "taskgroup-1": Case(TASKS + RUN),
    "config-list-1": Case(files={"config.json": "[1, 2]\n"}),
    "config-text-2": Case(files={"config.json": "not json\n"}),
    "config-value-1": Case(files={"config.json": '{"SCORING_TIMEOUT_MS": "soon"}\n'}),
    "logging-json-1": Case(files={"logging.json": "{}\n"}),
    "swagger-json-2": Case(files={"swagger2.json": "{\n"}),
    "no-run-1": Case(INIT),
    "no-run-2": Case(INIT),
    "bad-run-1": Case(INIT + "def run(*args):\n    return 1\n"),
    "timeout-run-1": Case(INIT + "def run(data):\n    raise TimeoutError('no answer')\n", scored=True),
    "timeout-real-1": Case(
        INIT + "import time\ndef run(data):\n    time.sleep(3)\n", env={"SCORING_TIMEOUT_MS": "300"}, scored=True
    ),
    "worker-count-1": Case(env={"WORKER_COUNT": "auto"}),
    "worker-timeout-1": Case(env={"WORKER_TIMEOUT": "never"}),
    "no-script-1": Case(None),
    "shadow-2": Case("from utils import clean\n" + INIT + RUN, {"utils.py": "def clean(x): return x\n"}),
    "local-class-1": Case("def init():\n    class Mine(Exception):\n        pass\n    raise Mine('odd')\n" + RUN),
    "network-1": Case(FETCH + "def init():\n    fetch()\n" + RUN),
    "network-run-1": Case(FETCH + INIT + "def run(data):\n    fetch()\n", scored=True),
    "not-json-1": Case(INIT + "def run(data):\n    return {1, 2}\n", scored=True),
    "caught-then-raise-1": Case(CAUGHT + RUN),
    "preload-1": Case(NO_MODEL + RUN, env={"WORKER_PRELOAD": "true"}),
}  # fmt: skip
"""By the log's name, which ends in the number of workers."""


def free_port() -> int:
    """A port that nothing listens at."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def ask(url: str, body: bytes | None = None) -> bool:
    """Whether something answers."""
    try:
        urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"}), timeout=20)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def printed(case: Case, workers: str) -> str:
    """What the server prints, and its exit code."""
    app = Path(tempfile.mkdtemp())
    files = {**({"score.py": case.script} if case.script else {}), **case.files}
    for name, text in files.items():
        (app / name).write_text(text)
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    env = {**kept, "AML_APP_ROOT": str(app), "AZUREML_ENTRY_SCRIPT": "score.py", "WORKER_COUNT": workers, **case.env}
    port = free_port()
    words = [str(PREFIX / "bin/azmlinfsrv"), "--entry_script", "score.py", "--port", str(port)]
    with subprocess.Popen(
        words, cwd=app, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as server:
        if case.scored:
            while not ask(f"http://127.0.0.1:{port}/"):
                time.sleep(0.1)
            ask(f"http://127.0.0.1:{port}/score", b"{}")
            time.sleep(1)
            os.killpg(server.pid, signal.SIGTERM)
        text = server.communicate(timeout=60)[0].decode()
    shutil.rmtree(app)
    for there, here in ((app, "/var/azureml-app"), (PREFIX, "/opt/miniconda/envs/amlenv")):
        text = text.replace(str(there), here)
    text = text.replace(sys.base_prefix, "/opt/miniconda").replace(str(Path.home()), "/home/dockeruser")
    return f"{text}[exit {server.returncode}]\n"


def without_banner(text: str) -> str:
    """But for the server's version and the entry script, once."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        inside |= line.startswith("The environment variable 'AZUREML_MODEL_DIR'")
        known = line.startswith(("Entry Script Name", "Azure ML Inferencing")) and line not in lines
        if not inside or known:
            lines.append(line)
        inside &= not line.startswith("Score:          POST")
    return re.sub(r"\n\n\n+", "\n\n", "\n".join(lines).strip()) + "\n"


if __name__ == "__main__":
    for name in sys.argv[1:] or CASES:
        (HERE / f"{name}.log").write_text(without_banner(printed(CASES[name], name[-1])))
