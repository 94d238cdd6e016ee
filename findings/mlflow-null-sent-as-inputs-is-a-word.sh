#!/usr/bin/env bash
#
# What: a model is saved by MLflow with a signature whose column `city` is an optional string. A request to
#   `mlflow models serve` sends null there. Sent as `dataframe_split` or `dataframe_records`, the model is given a missing
#   value; sent as `inputs` or `instances`, it is given the text "None". Each is answered with 200. In a `double` column
#   null is NaN by all four ways.
#
# Seen with: mlflow-skinny 3.17.2, pandas 3.1.1, numpy 2.3.5. Needs Python 3.11 to 3.13.
#
# Why one would guess otherwise: the four are documented as forms of the same request, and "optional" is there so that a
#   value may be missing. But these two are made arrays of numpy's text type, column by column, which has no missing
#   value: it takes str() of what it gets, and str(None) is a word.
#
# In whose way: an imputer finds nothing to fill, an encoder gets a category that it never saw, and "None" may be a city's
#   name in the training data. Who changes the client from one form to the other gets other predictions.
#   Instead: dataframe_split or dataframe_records for models with columns; or leave the key out, in `inputs` of rows.

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
import urllib.request
import warnings
from importlib.metadata import version
from pathlib import Path

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

import mlflow.pyfunc
import numpy
import pandas
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

BIN = Path(sys.executable).parent
OPEN = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


class Telling(mlflow.pyfunc.PythonModel):
    """Answers with what it was given, and `missing` for what pandas takes for missing."""

    def predict(self, context, model_input, params=None):
        rows = model_input[["city", "size"]].astype(object).values.tolist()
        return [["missing" if pandas.isna(value) else str(value) for value in row] for row in rows]


def served(port, body):
    """What the model was given of the rows."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with OPEN(request, timeout=60) as answer:
        return json.load(answer)["predictions"]


columns = [ColSpec("string", "city", required=False), ColSpec("double", "size", required=False)]
mlflow.pyfunc.save_model(
    "model", python_model=Telling(), signature=ModelSignature(Schema(columns)), pip_requirements=["pandas"]
)
print(
    f"Python {sys.version.split()[0]}, mlflow-skinny {version('mlflow-skinny')}, pandas {version('pandas')}, "
    f"numpy {numpy.__version__}"
)
ROWS = [{"city": "Oslo", "size": 1.5}, {"city": None, "size": None}]
FORMS = {
    "dataframe_split": {"columns": ["city", "size"], "data": [list(row.values()) for row in ROWS]},
    "dataframe_records": ROWS,
    "inputs": {name: [row[name] for row in ROWS] for name in ("city", "size")},
    "instances": ROWS,
}

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
log = open("log", "wb")
words = [BIN / "uvicorn", "--host", "127.0.0.1", "--port", str(port), "mlflow.pyfunc.scoring_server.app:app"]
# This is what `mlflow models serve --env-manager local` starts, without the shells in between.
server = subprocess.Popen(words, env={**os.environ, "__pyfunc_model_path__": "model"}, stdout=log, stderr=log)
found = {}
try:
    until = time.monotonic() + 90
    while server.poll() is None and time.monotonic() < until:
        try:
            OPEN(f"http://127.0.0.1:{port}/ping", timeout=60).close()
            break
        except OSError:
            time.sleep(0.2)
    found = {form: served(port, {form: body}) for form, body in FORMS.items()}
finally:
    server.terminate()
    server.wait()
found["predict()"] = mlflow.pyfunc.load_model("model").predict(pandas.DataFrame(ROWS))

different = []
for form, rows in found.items():
    print(f"  {form:18} {rows}")
    before = [["Oslo", "1.5"], ["None" if form in ("inputs", "instances") else "missing", "missing"]]
    if rows != before:
        different.append(f"{form}: {rows}")
print("changed: " + "; ".join(different) if different else "as described")
sys.exit(bool(different))
PYTHON

python3 -m venv "$work/env"
"$work/env/bin/pip" install -q --only-binary :all: mlflow-skinny==3.17.2 pandas==3.1.1 numpy==2.3.5
cd "$work"
"$work/env/bin/python" ask.py 2>"$work/noise" || { status=$?; cat "$work/noise" "$work/log" >&2; exit "$status"; }
