#!/usr/bin/env bash
#
# What: run() returns AMLResponse(body, 200, headers) with the header Last-Modified: "Mon, 30 Nov 2026 09:00:00 GMT". The
#   client gets two headers, "Last-Modified: Mon" and "Last-Modified: 30 Nov 2026 09:00:00 GMT". Each value is cut at
#   each comma: a Content-Disposition whose file name has one, an Expires, a Set-Cookie with a date, a header of JSON.
#   Flask's own Response, returned by the same run(), is sent as it is.
#
# Seen with: azureml-inference-server-http 1.5.1 (the newest), gunicorn 27.0.1, Flask 3.1.3. Needs Python 3.9 to 3.13.
#
# Why one would guess otherwise: headers are given as a dictionary of name and value, as everywhere, and AMLResponse is a
#   subclass of Flask's Response, to which the same dictionary can be given. A comment in its source says that it is a
#   way to send a header twice; HTTP allows two only where the value is a list, and a date, a cookie and a file name are
#   none.
#
# In whose way: entry scripts that answer with files. Whether it is seen depends on who asks: `requests` and fetch() put the
#   parts together with ", " again, so that tests pass; Python's urllib and Node's http take the first, "Mon", curl
#   shows two, and Chrome refuses a download with two Content-Disposition.
#   Instead: flask.Response(body, 200, headers), which the server takes as well.

set -euo pipefail

if ! python3 -c 'import sys; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 13))'; then
    echo "this needs Python 3.9 to 3.13, for which these versions have wheels"
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache" PIP_DISABLE_PIP_VERSION_CHECK=1

cat >"$work/score.py" <<'PYTHON'
import json

from azureml_inference_server_http.api.aml_response import AMLResponse
from flask import Response

KINDS = {"AMLResponse": AMLResponse, "Response": Response}


def init():
    pass


def run(data):
    asked = json.loads(data)
    return KINDS[asked["kind"]](b"a,b\n1,2\n", 200, asked["headers"])
PYTHON

cat >"$work/ask.py" <<'PYTHON'
"""Start the server, and ask it for each header, once by each kind of response."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.metadata import version
from pathlib import Path

BIN = Path(sys.executable).parent
OPEN = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
HEADERS = {
    "Content-Type": "text/csv; charset=utf-8",
    "X-Trace": "a; b=c",
    "Last-Modified": "Mon, 30 Nov 2026 09:00:00 GMT",
    "Content-Disposition": 'attachment; filename="rates, new.csv"',
    "Set-Cookie": "seen=1; Expires=Mon, 30 Nov 2026 09:00:00 GMT; Path=/",
    "X-Model": '{"name": "rates", "version": 3}',
}


def answered(port, kind):
    """The values of each of these headers, as they come."""
    text = json.dumps({"kind": kind, "headers": HEADERS}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/score", text, {"Content-Type": "application/json"})
    with OPEN(request, timeout=60) as answer:
        return {name: answer.headers.get_all(name) for name in HEADERS}


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
        found = {kind: answered(port, kind) for kind in ("AMLResponse", "Response")}
    finally:
        server.terminate()
        server.wait()

print(
    f"Python {sys.version.split()[0]}, azureml-inference-server-http {version('azureml-inference-server-http')}, "
    f"gunicorn {version('gunicorn')}, Flask {version('flask')}"
)
different = []
for kind, values in found.items():
    print(f"  by {kind}:")
    for name, value in HEADERS.items():
        for part in values[name]:
            print(f"    {name}: {part}")
        before = [part.strip() for part in value.split(",")] if kind == "AMLResponse" else [value]
        if values[name] != before:
            different.append(f"{name} by {kind}: {values[name]}")
print("changed: " + "; ".join(different) if different else "as described")
sys.exit(bool(different))
PYTHON

python3 -m venv "$work/env"
"$work/env/bin/pip" install -q --only-binary :all: azureml-inference-server-http==1.5.1 gunicorn==27.0.1 flask==3.1.3
cd "$work"
"$work/env/bin/python" ask.py
