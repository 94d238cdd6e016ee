#!/usr/bin/env bash
#
# What: a model is saved by MLflow with a signature: `id` is an `integer`, of 32 bits, `flag` a `boolean`. predict() refuses
#   a frame whose `id` has 3000000000 or 3.7, and gives the `flag` None as it is. `mlflow models serve`, asked with
#   `dataframe_split` or `dataframe_records`, answers 200 to each, and has given the model -1294967296, 3, and False.
#   Of the same numbers sent as `inputs`, 3000000000 is refused, with the reason.
#
# Seen with: mlflow-skinny 3.17.2, pandas 3.1.1. Needs Python 3.11 to 3.13.
#
# Why one would guess otherwise: a signature is documented to be enforced, with conversions that lose nothing and an error
#   for others; the same model in the same process keeps to that. The server puts a cast of its own before it, by
#   pandas' astype(), which goes round where 32 bits end; what is held against the signature then always fits it.
#
# In whose way: ids, bytes and milliseconds, whose type was `integer` because the training data had int32 (as Spark's
#   "int" is). It goes well until the first that is larger than 2147483647. Tests that call predict() see the error,
#   clients see an answer. Instead: `long` in the signature; or look at the JSON before it is handed on.

set -euo pipefail

if ! python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; then
    echo "this needs Python 3.11 to 3.13, for which all these versions have wheels"
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache" PIP_DISABLE_PIP_VERSION_CHECK=1

cat >"$work/ask.py" <<'PYTHON'
import json
import logging
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from importlib.metadata import version
from pathlib import Path

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

import mlflow.pyfunc
import pandas
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

BIN = Path(sys.executable).parent
OPEN = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


class Telling(mlflow.pyfunc.PythonModel):
    """Answers with what it was given."""

    def predict(self, context, model_input, params=None):
        return [[repr(value) for value in row] for row in model_input.astype(object).values.tolist()]


def served(port, form, row):
    """What the model was given of the row, sent in that form, or the status of the error."""
    body = {
        "dataframe_split": {"columns": list(row), "data": [list(row.values())]},
        "dataframe_records": [row],
        "inputs": {name: [value] for name, value in row.items()},
    }[form]
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations", json.dumps({form: body}).encode(), {"Content-Type": "application/json"}
    )
    try:
        with OPEN(request, timeout=60) as answer:
            return ", ".join(json.load(answer)["predictions"][0])
    except urllib.error.HTTPError as error:
        return str(error.code)


def predicted(model, row):
    """What the model was given of the row by predict(), in the smallest type that holds it, or that it was refused."""
    frame = pandas.DataFrame([row]).astype({"flag": object})
    frame["id"] = pandas.to_numeric(frame["id"], downcast="integer")
    try:
        return ", ".join(model.predict(frame)[0])
    except mlflow.exceptions.MlflowException:
        return "refused"


signature = ModelSignature(Schema([ColSpec("integer", "id"), ColSpec("boolean", "flag")]))
mlflow.pyfunc.save_model("model", python_model=Telling(), signature=signature, pip_requirements=["pandas"])
model = mlflow.pyfunc.load_model("model")
print(f"Python {sys.version.split()[0]}, mlflow-skinny {version('mlflow-skinny')}, pandas {version('pandas')}")

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
log = open("log", "wb")
words = [BIN / "uvicorn", "--host", "127.0.0.1", "--port", str(port), "mlflow.pyfunc.scoring_server.app:app"]
# This is what `mlflow models serve --env-manager local` starts, without the shells in between.
server = subprocess.Popen(words, env={**os.environ, "__pyfunc_model_path__": "model"}, stdout=log, stderr=log)
FORMS = "dataframe_split", "dataframe_records", "inputs"
found = {}
ROWS = {
    "2147483647, true": {"id": 2147483647, "flag": True},
    "3000000000, true": {"id": 3000000000, "flag": True},
    "3.7, true": {"id": 3.7, "flag": True},
    "1, null": {"id": 1, "flag": None},
}
try:
    until = time.monotonic() + 90
    while server.poll() is None and time.monotonic() < until:
        try:
            OPEN(f"http://127.0.0.1:{port}/ping", timeout=60).close()
            break
        except OSError:
            time.sleep(0.2)
    for name, row in ROWS.items():
        found[name] = {"predict()": predicted(model, row), **{form: served(port, form, row) for form in FORMS}}
finally:
    server.terminate()
    server.wait()

EXPECTED = {
    "2147483647, true": ("2147483647, True", "2147483647, True", "2147483647, True", "2147483647, True"),
    "3000000000, true": ("refused", "-1294967296, True", "-1294967296, True", "400"),
    "3.7, true": ("refused", "3, True", "3, True", "3, True"),
    "1, null": ("1, None", "1, False", "1, False", "1, False"),
}
different = []
for name, got in found.items():
    print(f"  {name}")
    for (way, given), before in zip(got.items(), EXPECTED[name]):
        print(f"    {way:18} {given}")
        if given != before:
            different.append(f"{name} by {way}: {given}")
print("changed: " + "; ".join(different) if different else "as described")
sys.exit(bool(different))
PYTHON

python3 -m venv "$work/env"
"$work/env/bin/pip" install -q --only-binary :all: mlflow-skinny==3.17.2 pandas==3.1.1 numpy==2.3.5
cd "$work"
"$work/env/bin/python" ask.py 2>"$work/noise" || { status=$?; cat "$work/noise" "$work/log" >&2; exit "$status"; }
