"""How the files beside this one, and those of ../saved, were made, by the libraries themselves; tests only read them.

pip install scikit-learn==1.5.2 skops cloudpickle mlflow-skinny pandas xgboost-cpu
python tests/artifacts/make.py

../saved was made with scikit-learn==1.9.1 and mlflow-skinny==3.17.2 of Python 3.11.
"""

import json
import pickle
import shutil
import sys
import types
import zipfile
from pathlib import Path

import joblib
import mlflow.pyfunc
import mlflow.sklearn
import numpy as np
import pandas as pd
import skops.io
import xgboost
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

HERE = Path(__file__).parent
SAVED = HERE.parent / "saved"


class Mine(TransformerMixin, BaseEstimator):
    """Does nothing; defined in the script that saves it."""

    def fit(self, rows, wanted=None):
        return self

    def transform(self, rows):
        return rows


class Scaler(Mine):
    """As if it came from a module ``features``."""


Scaler.__module__ = "features"
sys.modules["features"] = module = types.ModuleType("features")
module.Scaler = Scaler


def fitted(first):
    return make_pipeline(first, Ridge()).fit(np.eye(3), np.arange(3.0))


class Doubling(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input):
        return model_input * 2


joblib.dump(fitted(Scaler()), HERE / "features.joblib")
(HERE / "main.pkl").write_bytes(pickle.dumps(fitted(Mine())))
skops.io.dump(fitted(Mine()), HERE / "whole.skops")
with zipfile.ZipFile(HERE / "whole.skops") as whole:
    schema = whole.read("schema.json")
with zipfile.ZipFile(HERE / "main.skops", "w", zipfile.ZIP_DEFLATED) as small:
    small.writestr("schema.json", schema)
(HERE / "whole.skops").unlink()
booster = xgboost.train({"max_depth": 1}, xgboost.DMatrix(np.eye(3), np.arange(3.0)), 1)
booster.save_model(HERE / "booster.json")
RIDGE = Ridge().fit(np.eye(3), np.arange(3.0))
for name, save in (
    ("sklearn", lambda path: mlflow.sklearn.save_model(RIDGE, path, pip_requirements=["scikit-learn"])),
    ("pyfunc", lambda path: mlflow.pyfunc.save_model(path, python_model=Doubling(), pip_requirements=["pandas"])),
):
    shutil.rmtree(HERE / "saved", ignore_errors=True)
    save(HERE / "saved")
    shutil.copy(HERE / "saved" / "MLmodel", HERE / f"{name}.MLmodel")
shutil.rmtree(HERE / "saved")
shutil.rmtree(SAVED / "linear", ignore_errors=True)
ROWS = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [0.0, 1.0, 0.0]})
LISTED = ["mlflow-skinny==3.17.2", "pandas==3.1.1", "scikit-learn==1.9.1", "skops==0.16.0"]
LINEAR = Ridge().fit(ROWS, np.arange(3.0))
mlflow.sklearn.save_model(LINEAR, SAVED / "linear", input_example=ROWS.head(2), pip_requirements=LISTED)
(SAVED / "linear.json").write_text(json.dumps(LINEAR.predict(ROWS.head(2)).tolist()) + "\n")
