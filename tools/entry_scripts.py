"""What Azure ML's real server makes of the entry scripts of `tests/support/entry_scripts.py`, asked and recorded.

    python -m venv /tmp/server && /tmp/server/bin/pip install azureml-inference-server-http==1.5.1
    python -m tools.entry_scripts /tmp/server/bin/python            # compares with tests/unit/entry_scripts.json
    python -m tools.entry_scripts /tmp/server/bin/python --write    # records

Each script gets a server of its own: the server's own program with its own options, but bound to 127.0.0.1.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.entry_scripts import VARIANTS
from tests.support.projects import make

RECORDED = Path(__file__).parent.parent / "tests" / "unit" / "entry_scripts.json"

_SERVE = """
import azureml_inference_server_http.amlserver as server
server.DEFAULT_HOST = "127.0.0.1"
server.run()
"""

_VERSIONS = """
import json, sys
from importlib.metadata import version
print(json.dumps(["%d.%d" % sys.version_info[:2], version("azureml-inference-server-http")]))
"""

_PATIENCE = 400.0
"""Seconds in which a server has started or ended, at a low priority too."""


def main() -> int:
    """Ask the servers of the given environments; 1 where one answers otherwise than recorded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", nargs="+", help="the Python of an environment that has the server")
    parser.add_argument("--only", action="append", help="one variant by its name")
    parser.add_argument("--write", action="store_true", help="record the answers")
    chosen = parser.parse_args()
    names = chosen.only or list(VARIANTS)
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    differences = 0
    for python in chosen.python:
        version, server = json.loads(subprocess.check_output([python, "-c", _VERSIONS], text=True))
        key = f"{server} on Python {version}"
        before = recorded.get(key, {}).get("answers", {})
        with ThreadPoolExecutor(2) as two:
            answers = dict(zip(names, two.map(partial(ask, python), (VARIANTS[name] for name in names)), strict=True))
        for name, answer in answers.items():
            if answer != before.get(name):
                differences += 1
                print(f"{key}: {name}: {answer}, recorded {before.get(name)}")
        if chosen.write:
            today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
            merged = {name: {**before, **answers}[name] for name in VARIANTS if name in before or name in answers}
            recorded[key] = {"python": version, "server": server, "date": today, "answers": merged}
            RECORDED.write_text(json.dumps(dict(sorted(recorded.items())), indent=1, ensure_ascii=False) + "\n")
    print(f"{len(names)} scripts, {len(chosen.python)} servers, {differences} answers other than recorded")
    return int(bool(differences) and not chosen.write)


def ask(python: str, files: Mapping[str, str]) -> dict[str, Any]:
    """``{"ends": last line of the traceback}``, or ``{"status": 200, "body": …}`` of one POST."""
    with tempfile.TemporaryDirectory(prefix="dagger-aml-scripts-") as work:
        app, port = make(Path(work) / "app", files), _free_port()
        (Path(work) / "bin").mkdir()
        program = Path(work) / "bin" / "serve"
        program.write_text(_SERVE)
        with (Path(work) / "log").open("w+b") as log:
            server = subprocess.Popen(
                [python, str(program), "--entry_script", "score.py", "--port", str(port)],
                cwd=app,
                env={"PATH": os.environ["PATH"], "HOME": work, "AML_APP_ROOT": str(app), "PYTHONUTF8": "1"},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: os.nice(10),
            )
            try:
                if not _is_ready(server, port):
                    log.seek(0)
                    return {"ends": _reason(log.read().decode(errors="replace"))}
                return _post(port)
            finally:
                if server.poll() is None:
                    os.killpg(server.pid, signal.SIGKILL)
                server.wait()


def _is_ready(server: subprocess.Popen[bytes], port: int) -> bool:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if server.poll() is not None:
            return False
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=_PATIENCE):
                return True
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"the server did not start in {_PATIENCE:g} s")


def _post(port: int) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/score", b'{"data": [1], "other": 1}', {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
            return {"status": answer.status, "body": json.loads(answer.read())}
    except urllib.error.HTTPError as error:
        return {"status": error.code}


def _reason(log: str) -> str:
    """The last line of the first exception that the log tells of the script."""
    found = re.findall(r"^(?:\S*[.])?[A-Z]\w*(?:Error|Exception|Exit)\b.*$", log, re.MULTILINE)
    lines = [re.sub(r"/\S*/app/", "", line) for line in found]
    return lines[0] if lines else log.strip().splitlines()[-1]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
