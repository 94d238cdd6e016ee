#!/usr/bin/env bash
#
# What: XGBClassifier(missing=-1) learns that -1 stands for "not known". Saved by save_model() and loaded again, it takes
#   -1 for a number: 1 in 3 of the rows here, each one with a -1, gets another answer. Nothing is said. So it is as JSON,
#   as UBJSON, and with mlflow.xgboost, which saves in this way. Pickled, it answers as it did.
#
# Seen with: xgboost 3.4.1 (the newest, for Python 3.12 on) and 3.2.0, mlflow-skinny 3.17.2, scikit-learn 1.9.1. Needs
#   Python 3.11 to 3.13.
#
# Why one would guess otherwise: the documentation says that what is not part of the model is not saved, "like metrics,
#   max_depth": what one needs to train. `missing` is needed to predict; trees without it are another function. The
#   classes, the objective and best_iteration are saved. MLflow keeps the class XGBClassifier, which looks like the rest.
#
# In whose way: data with -1, 0 or -999 for what is not known, as CSV files and feature stores have it. Metrics of the job
#   that trains are right, the service's answers are not, and only for such rows.
#   Instead: NaN in the data; or pickle, joblib, mlflow.sklearn; or loaded.set_params(missing=-1).

set -euo pipefail

if ! python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; then
    echo "this needs Python 3.11 to 3.13, for which all these versions have wheels"
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache" PIP_DISABLE_PIP_VERSION_CHECK=1

cat >"$work/ask.py" <<'PYTHON'
import logging
import pickle
import sys
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

import mlflow.pyfunc
import mlflow.xgboost
import numpy as np
from xgboost import XGBClassifier


def fitted(missing):
    """Trained on 600 rows of which a third lack the first number. Who does not give it, is of class 1."""
    random = np.random.default_rng(0)
    rows = random.uniform(0, 10, (600, 3)).astype("float32")
    labels = (rows[:, 0] > 5).astype(int)
    rows[::3, 0], labels[::3] = missing, 1
    return XGBClassifier(n_estimators=20, missing=missing).fit(rows, labels), rows


def by_file(kind):
    def again(model):
        model.save_model(f"model.{kind}")
        loaded = XGBClassifier()
        loaded.load_model(f"model.{kind}")
        return loaded

    return again


def by_mlflow(load):
    def again(model):
        folder = f"mlflow-{load.__module__}-{id(model)}"
        mlflow.xgboost.save_model(model, folder, pip_requirements=["xgboost"])
        return load(folder)

    return again


def by_file_and_set(model):
    return by_file("json")(model).set_params(missing=-1)


print(
    f"Python {sys.version.split()[0]}, xgboost {version('xgboost-cpu')}, mlflow-skinny {version('mlflow-skinny')}, "
    f"scikit-learn {version('scikit-learn')}"
)
WAYS = {
    "model.json": (by_file("json"), 200),
    "model.ubj": (by_file("ubj"), 200),
    "mlflow.xgboost.load_model": (by_mlflow(mlflow.xgboost.load_model), 200),
    "mlflow.pyfunc.load_model": (by_mlflow(mlflow.pyfunc.load_model), 200),
    "pickle": (lambda model: pickle.loads(pickle.dumps(model)), 0),
    "model.json, then set_params(missing=-1)": (by_file_and_set, 0),
}
different = []
for missing in -1, np.nan:
    model, rows = fitted(missing)
    before = model.predict(rows)
    for name, (again, expected) in WAYS.items():
        if missing is np.nan and name.endswith(")"):
            continue
        after = again(model).predict(rows)
        wrong, others = int((before != after)[::3].sum()), int((before != after).sum())
        print(f"  missing={missing}, by {name}: {wrong} of the 200 rows that lack a number answer otherwise")
        if wrong != (expected if missing == -1 else 0) or others != wrong:
            different.append(f"missing={missing} by {name}: {wrong}, {others} in all")
print("changed: " + "; ".join(different) if different else "as described")
sys.exit(bool(different))
PYTHON

python3 -m venv "$work/env"
newest=$("$work/env/bin/python" -c 'import sys; print("3.4.1" if sys.version_info >= (3, 12) else "3.2.0")')
"$work/env/bin/pip" install -q --only-binary :all: "xgboost-cpu==$newest" mlflow-skinny==3.17.2 scikit-learn==1.9.1 \
    pandas==3.1.1 numpy==2.3.5
cd "$work"
"$work/env/bin/python" ask.py 2>"$work/noise" || { status=$?; cat "$work/noise" >&2; exit "$status"; }
