#!/usr/bin/env bash
#
# What: run() catches what a function prints, `with contextlib.redirect_stdout(buffer): report(model)`, and returns it. In
#   the inference server buffer.getvalue() is "", and the lines are in the server's log. So it is with print() in
#   whatever module it stands, and even with print(…, file=buffer) within the `with`. sys.stdout.write() is caught.
#   `print("a", end="")` and `print("b")` are two lines of the log.
#
# Seen with: azureml-inference-server-http 1.5.1 (the newest), gunicorn 27.0.1. Needs Python 3.9 to 3.13.
#
# Why one would guess otherwise: that the server logs what is printed is known. But redirect_stdout is how Python says
#   that something else than stdout is meant, and `python -c "import score; …"`, tests and a notebook obey it. The server
#   puts a print() of its own in place of Python's; that one hands over what goes to sys.stdout, whatever it is now.
#
# In whose way: summaries of models, trees and tables that libraries can only print. The answer is empty and no error tells.
#   What was to be kept out of the log is in it.
#   Instead: a parameter of the function for the stream (file=, print_fn=), if it has one, and no redirect_stdout; or
#   `builtins.print = print.__wrapped__` in init(), which is Python's own, and then the log is plain.

set -euo pipefail

if ! python3 -c 'import sys; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 13))'; then
    echo "this needs Python 3.9 to 3.13, for which these versions have wheels"
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache" PIP_DISABLE_PIP_VERSION_CHECK=1

cat >"$work/score.py" <<'PYTHON'
import contextlib
import io
import json
import sys


def by_print(_):
    print("a", end="")
    print("b")


def by_write(_):
    sys.stdout.write("ab\n")


def by_file(buffer):
    print("a", end="", file=buffer)
    print("b", file=buffer)


by_file_alone = by_file


def by_pythons_own(_):
    getattr(print, "__wrapped__", print)("ab")


def init():
    pass


def run(data):
    buffer, case = io.StringIO(), json.loads(data)
    with contextlib.nullcontext() if case == "by_file_alone" else contextlib.redirect_stdout(buffer):
        globals()[case](buffer)
    return buffer.getvalue()
PYTHON

cat >"$work/ask.py" <<'PYTHON'
"""Call run() in a plain Python, then start the server and ask it for the same; read its log."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.metadata import version
from pathlib import Path

import score

BIN = Path(sys.executable).parent
OPEN = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
CASES = "by_print", "by_file", "by_file_alone", "by_write", "by_pythons_own"

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
given = {key: value for key, value in os.environ.items() if not key.startswith(("AZUREML_", "AML_", "PYTHON"))}
env = {**given, "AML_APP_ROOT": os.getcwd(), "PATH": f"{BIN}:{os.environ['PATH']}"}
found = {}
with open("log", "wb") as log:
    words = [BIN / "azmlinfsrv", "--entry_script", "score.py", "--port", str(port)]
    server = subprocess.Popen(words, env=env, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 60
        while server.poll() is None and time.monotonic() < until:
            try:
                OPEN(f"http://127.0.0.1:{port}/", timeout=60).close()
                break
            except OSError:
                time.sleep(0.2)
        for case in CASES:
            before = Path("log").stat().st_size
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/score", json.dumps(case).encode(), {"Content-Type": "application/json"}
            )
            with OPEN(request, timeout=60) as answer:
                caught = json.load(answer)
            time.sleep(0.2)
            found[case] = caught, re.findall(r"azmlinfsrv\.print - (.*)", Path("log").read_text()[before:])
    finally:
        server.terminate()
        server.wait()

print(
    f"Python {sys.version.split()[0]}, azureml-inference-server-http {version('azureml-inference-server-http')}, "
    f"gunicorn {version('gunicorn')}"
)
different = []
for case, (caught, logged) in found.items():
    plain = score.run(json.dumps(case))
    print(f"  {case}: caught in a plain Python {plain!r}, in the server {caught!r}; its log has {logged}")
    expected = ("", ["a", "b"]) if case in ("by_print", "by_file") else ("ab\n", [])
    if plain != "ab\n" or (caught, logged) != expected:
        different.append(f"{case}: {plain!r}, {caught!r}, {logged}")
print("changed: " + "; ".join(different) if different else "as described")
sys.exit(bool(different))
PYTHON

python3 -m venv "$work/env"
"$work/env/bin/pip" install -q --only-binary :all: azureml-inference-server-http==1.5.1 gunicorn==27.0.1
cd "$work"
"$work/env/bin/python" ask.py
