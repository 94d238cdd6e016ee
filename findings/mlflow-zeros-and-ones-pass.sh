#!/usr/bin/env bash
#
# What: a model is saved by MLflow with a signature whose column `amount` is `double`. Asked with a frame in which that
#   column has whole numbers (int64, as pandas reads a CSV file without a decimal point), predict() refuses it: "Can not
#   safely convert int64 to float64". But not if each number is 0 or 1: then the same column of the same type is taken,
#   and cast. So it is the values that decide, not the type; one 2 in a thousand rows makes the whole frame an error.
#
# Seen with: mlflow-skinny 3.17.2, pandas 3.1.1. Needs Python 3.11 to 3.13.
#
# Why one would guess otherwise: a signature is a matter of types, and the error's words are of types alone. One expects
#   both frames to be refused, since int64 to double may lose digits, or both to be taken.
#
# In whose way: a test or a smoke test that asks with zeros or ones, such as np.zeros or a flag, passes; the first real
#   request fails. A column of 0 and 1 in the test data may be counts in production.
#   Instead: cast to float before predict(), or let the test send a whole number above 1.

set -euo pipefail

if ! python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; then
    echo "this needs Python 3.11 to 3.13, for which all these versions have wheels"
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache" PIP_DISABLE_PIP_VERSION_CHECK=1

cat >"$work/ask.py" <<'PYTHON'
import io
import logging
import sys
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

import mlflow.pyfunc
import pandas
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema


class Doubling(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return (2 * model_input["amount"]).tolist()


folder = sys.argv[1]
signature = ModelSignature(Schema([ColSpec("double", "amount")]))
mlflow.pyfunc.save_model(folder, python_model=Doubling(), signature=signature, pip_requirements=["pandas"])
model = mlflow.pyfunc.load_model(folder)
print(f"Python {sys.version.split()[0]}, mlflow-skinny {version('mlflow-skinny')}, pandas {version('pandas')}")

expected = {
    "0": [0.0],
    "1 0 1": [2.0, 0.0, 2.0],
    "2": "refused",
    "1 0 2": "refused",
    "-1": "refused",
    "2.0": [4.0],
    "1 0 2.5": [2.0, 0.0, 5.0],
}
different = []
for numbers, before in expected.items():
    frame = pandas.read_csv(io.StringIO("amount\n" + "\n".join(numbers.split())))
    try:
        got = model.predict(frame)
    except mlflow.exceptions.MlflowException as error:
        got = "refused" if "Can not safely convert int64 to float64" in str(error) else str(error)
    print(f"  {numbers:8} as {frame['amount'].dtype!s:8} -> {got}")
    if got != before:
        different.append(f"{numbers}: {got}")
print("changed: " + "; ".join(different) if different else "as described")
sys.exit(bool(different))
PYTHON

python3 -m venv "$work/env"
"$work/env/bin/pip" install -q --only-binary :all: mlflow-skinny==3.17.2 pandas==3.1.1 numpy==2.3.5
cd "$work"
"$work/env/bin/python" ask.py "$work/model" 2>"$work/noise" || { status=$?; cat "$work/noise" >&2; exit "$status"; }
