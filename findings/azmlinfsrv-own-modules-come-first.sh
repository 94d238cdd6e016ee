#!/usr/bin/env bash
#
# What: beside score.py lies utils.py with a function clean(). Started as Azure ML starts it, by `azmlinfsrv`, the
#   inference server answers `from utils import clean` with an ImportError at start: `utils` is then a module of the
#   server itself, whose folder comes before the code's on sys.path. So it is with config, and with whatever else that
#   folder holds. The same file as helpers.py is found. With `import utils` and a use later on, the start is fine and the
#   first request fails.
#   The same code under the same gunicorn, started without `azmlinfsrv`, imports its own utils.py.
#
# Seen with: azureml-inference-server-http 1.5.1 (the newest), gunicorn 27.0.1. Python 3.11; needs 3.9 to 3.13.
#
# Why one would guess otherwise: the server's modules live in a package, azureml_inference_server_http.server, and
#   nothing in the documentation takes names away from the code. A script's own folder is the first on sys.path.
#
# In whose way: whoever has a utils.py or a config.py, the two most usual names. `python -c "import score"` works, and so
#   do tests. The traceback names the server's file only where one looks for it.
#   Instead: other names, a package of one's own (mymodel/utils.py), or PYTHONPATH with the code's folder.

set -euo pipefail

if ! python3 -c 'import sys; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 13))'; then
    echo "this needs Python 3.9 to 3.13, for which these versions have wheels"
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache" PIP_DISABLE_PIP_VERSION_CHECK=1

cat >"$work/ask.py" <<'PYTHON'
"""Start the server on each small folder of code, wait until it listens or ends, ask it once, and end it."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.metadata import version
from pathlib import Path

BIN = Path(sys.executable).parent
HELPER = "def clean(text):\n    return text.strip()\n"
EARLY = "from {name} import clean\n\n\ndef init():\n    pass\n\n\ndef run(data):\n    return clean(' ours ')\n"
LATE = "import {name}\n\n\ndef init():\n    pass\n\n\ndef run(data):\n    return {name}.clean(' ours ')\n"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def asked(case, name, script, by="azmlinfsrv"):
    """What a request brings, or that the server ended at start, and with what exit code."""
    code = Path(case)
    code.mkdir()
    (code / f"{name}.py").write_text(HELPER)
    (code / "score.py").write_text(script.format(name=name))
    port = free_port()
    env = {
        key: value for key, value in os.environ.items() if not key.startswith(("AZUREML_", "AML_", "PYTHON"))
    } | {"AML_APP_ROOT": str(code.resolve()), "AZUREML_ENTRY_SCRIPT": "score.py", "PATH": f"{BIN}:{os.environ['PATH']}"}
    if by == "azmlinfsrv":
        words = [BIN / "azmlinfsrv", "--entry_script", "score.py", "--port", str(port)]
    else:
        words = [BIN / "gunicorn", "-b", f"127.0.0.1:{port}", "azureml_inference_server_http.server.entry:app"]
    with open(code / "log", "wb") as log:
        server = subprocess.Popen(words, cwd=code, env=env, stdout=log, stderr=log)
    try:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/score", b'{"data": 1}', {"Content-Type": "application/json"}
        )
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
                    return f"answers {answer.read().decode()}"
            except urllib.error.HTTPError as error:
                return f"answers {error.code}"
            except OSError:
                if server.poll() is not None:
                    lines = [line for line in (code / "log").read_text().splitlines() if "ImportError" in line]
                    print(f"    {lines[-1].partition(' (')[0] if lines else 'no ImportError'}")
                    return f"ends at start with {server.returncode}"
                time.sleep(0.2)
        return "no answer"
    finally:
        server.terminate()
        server.wait()


print(
    f"Python {sys.version.split()[0]}, azureml-inference-server-http {version('azureml-inference-server-http')}, "
    f"gunicorn {version('gunicorn')}"
)
different = []
for number, (name, script, by, before) in enumerate(
    (
        ("helpers", EARLY, "azmlinfsrv", 'answers "ours"'),
        ("utils", EARLY, "azmlinfsrv", "ends at start with 3"),
        ("config", EARLY, "azmlinfsrv", "ends at start with 3"),
        ("utils", LATE, "azmlinfsrv", "answers 500"),
        ("utils", EARLY, "gunicorn", 'answers "ours"'),
    )
):
    got = asked(f"case{number}", name, script, by)
    line = script.format(name=name).splitlines()[0]
    print(f"  {name}.py, `{line}`, started by {by}: {got}")
    if got != before:
        different.append(f"{name}.py by {by}: {got}")
print("changed: " + "; ".join(different) if different else "as described")
sys.exit(bool(different))
PYTHON

python3 -m venv "$work/env"
"$work/env/bin/pip" install -q --only-binary :all: azureml-inference-server-http==1.5.1 gunicorn==27.0.1
cd "$work"
"$work/env/bin/python" ask.py
