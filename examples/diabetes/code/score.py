"""Score patients with the diabetes model.

Azure ML calls init() once in each worker, then run() for each request.
"""

import json
import logging
import os
from pathlib import Path

import joblib
import numpy as np
from azureml_inference_server_http.api.aml_response import AMLResponse

# The server prints the INFO lines of loggers below "azmlinfsrv"; of other loggers it prints warnings only.
log = logging.getLogger("azmlinfsrv.score")
LIMIT = 1e6  # NaN and infinity are not below it either
model = None


def init():
    """Load the model from AZUREML_MODEL_DIR."""
    global model
    path = Path(os.environ["AZUREML_MODEL_DIR"]) / "diabetes.joblib"
    model = joblib.load(path)
    log.info("loaded %s, which takes %d features", path, model.n_features_in_)


def run(body):
    """Predict the disease's progression for each row of ``{"data": [[age, sex, …], …]}``."""
    try:
        rows = parse(body)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        log.warning("refused a request: %r", error)
        message = f'expected {{"data": rows of {model.n_features_in_} numbers below a million}}'
        return AMLResponse({"message": message}, 400, json_str=True)
    predictions = model.predict(rows)
    log.info("scored %d rows", len(rows))
    return {"predictions": predictions.round(4).tolist()}


def parse(body):
    """Read the request's rows, or raise if they are not what the model takes."""
    rows = np.asarray(json.loads(body)["data"], dtype=float)
    if rows.ndim != 2 or rows.shape[1] != model.n_features_in_:
        raise ValueError(f"data has shape {rows.shape}")
    if not (np.abs(rows) < LIMIT).all():
        raise ValueError("data has numbers that are missing or too large")
    return rows
