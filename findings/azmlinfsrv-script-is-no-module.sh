#!/usr/bin/env bash
#
# What: score.py defines a dataclass and begins with `from __future__ import annotations`. Started by `azmlinfsrv` the
#   server ends at start: "AttributeError: 'NoneType' object has no attribute '__dict__'", raised by the standard
#   library's dataclasses. Without the __future__ line it serves; with it and the class in a module of its own, too.
#   An object of a class of score.py cannot be pickled in run() either: "import of module 'entry_module' failed".
#
# Seen with: azureml-inference-server-http 1.5.1 (the newest), gunicorn 27.0.1, Python 3.11. Needs 3.9 to 3.13.
#
# Why one would guess otherwise: the __future__ line is to change nothing but when annotations are read, and
#   `python score.py` and `import score` do well. The server runs the script under the name entry_module, and never puts
#   that name into sys.modules, where dataclasses looks up what a text such as "ClassVar[int]" means, and pickle the class.
#
# In whose way: typed entry scripts; many linters add the __future__ line by themselves. Nothing in the message speaks of
#   the server or of modules. Whoever caches results by pickle, or hands them to a process pool.
#   Instead: classes in a module beside score.py, or no __future__ line in score.py.

set -euo pipefail

if ! python3 -c 'import sys; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 13))'; then
    echo "this needs Python 3.9 to 3.13, for which these versions have wheels"
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache" PIP_DISABLE_PIP_VERSION_CHECK=1

cat >"$work/ask.py" <<'PYTHON'
"""Start the server on each folder of code, ask it once or see how it ended."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.metadata import version
from pathlib import Path

BIN = Path(sys.executable).parent
LATER = "from __future__ import annotations\n"
ROW = "from dataclasses import dataclass\n\n\n@dataclass\nclass Row:\n    amount: float\n"
SERVE = "\n\ndef init():\n    pass\n\n\ndef run(data):\n    return {result}\n"
PICKLED = "len(pickle.dumps(Row(2.5))) > 0"


def asked(case, files):
    """What score.py's run() answers, or the last error that the server logged before it ended."""
    code = Path(case)
    code.mkdir()
    for name, text in files.items():
        (code / name).write_text(text)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    given = {key: value for key, value in os.environ.items() if not key.startswith(("AZUREML_", "AML_", "PYTHON"))}
    env = given | {"AML_APP_ROOT": str(code.resolve()), "PATH": f"{BIN}:{os.environ['PATH']}"}
    with open(code / "log", "wb") as log:
        words = [BIN / "azmlinfsrv", "--entry_script", "score.py", "--port", str(port)]
        server = subprocess.Popen(words, cwd=code, env=env, stdout=log, stderr=log)
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/score", b'{"data": 1}', {"Content-Type": "application/json"}
    )
    answer = None
    try:
        until = time.monotonic() + 90
        while answer is None and server.poll() is None and time.monotonic() < until:
            try:
                with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as found:
                    answer = found.read().decode()
            except urllib.error.HTTPError as error:
                answer = str(error.code)
            except OSError:
                time.sleep(0.2)
    finally:
        server.terminate()
        server.wait()
    errors = re.findall(r"^(?:AttributeError|_pickle\.PicklingError): .*", (code / "log").read_text(), re.MULTILINE)
    return "; ".join([answer or f"ended with {server.returncode}", *errors[:1]])


print(
    f"Python {sys.version.split()[0]}, azureml-inference-server-http {version('azureml-inference-server-http')}, "
    f"gunicorn {version('gunicorn')}"
)
cases = {
    "a dataclass in score.py": ({"score.py": ROW + SERVE.format(result="Row(2.5).amount")}, "2.5"),
    "with the __future__ line": (
        {"score.py": LATER + ROW + SERVE.format(result="Row(2.5).amount")},
        "ended with 3; AttributeError: 'NoneType' object has no attribute '__dict__'",
    ),
    "with it, the class in rows.py": (
        {"rows.py": LATER + ROW, "score.py": LATER + "from rows import Row\n" + SERVE.format(result="Row(2.5).amount")},
        "2.5",
    ),
    "pickled, of score.py": (
        {"score.py": "import pickle\n" + ROW + SERVE.format(result=PICKLED)},
        "500; _pickle.PicklingError: Can't pickle <class 'entry_module.Row'>: import of module 'entry_module' failed",
    ),
    "pickled, of rows.py": (
        {"rows.py": ROW, "score.py": "import pickle\nfrom rows import Row\n" + SERVE.format(result=PICKLED)},
        "true",
    ),
}
different = []
for number, (what, (files, before)) in enumerate(cases.items()):
    got = asked(f"case{number}", files)
    print(f"  {what}: {got}")
    if got != before:
        different.append(f"{what}: {got}")
print("changed: " + "; ".join(different) if different else "as described")
sys.exit(bool(different))
PYTHON

python3 -m venv "$work/env"
"$work/env/bin/pip" install -q --only-binary :all: azureml-inference-server-http==1.5.1 gunicorn==27.0.1
cd "$work"
"$work/env/bin/python" ask.py
