"""Price holiday flats, then say how many nights a month each is let at that price: two models, one request.

With several models AZUREML_MODEL_DIR is the folder that holds them all, as NAME/VERSION.
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
FEATURES = ["bedrooms", "km_to_beach", "rating"]
LIMIT = 1e6  # NaN and infinity are not below it either
price = None
demand = None


class Demand:
    """Nights let in a month, log-linear in the flat's features and its price. Needs nothing but numpy."""

    def __init__(self, folder):
        """Read the model from its folder."""
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        if about["inputs"] != [*FEATURES, "price"]:
            raise RuntimeError(f"{folder} takes {about['inputs']}")
        self.most = about["most_nights"]
        self.intercept, *self.coefficients = np.load(folder / "coefficients.npy")

    def predict(self, rows, prices):
        """Return the nights for each row of features and its price."""
        inputs = np.column_stack([rows, prices])
        return np.exp(self.intercept + inputs @ self.coefficients).clip(0, self.most)


def init():
    """Load both models."""
    global price, demand
    models = Path(os.environ["AZUREML_MODEL_DIR"])
    price = joblib.load(models / "price" / "3" / "price.joblib")
    demand = Demand(models / "demand" / "1")
    log.info("loaded price 3 and demand 1 from %s", models)


def run(body):
    """Give a price and the nights let at it for each row of ``{"data": [[bedrooms, …], …]}``."""
    try:
        rows = parse(body)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        log.warning("refused a request: %r", error)
        message = f'expected {{"data": rows of {", ".join(FEATURES)}, each below a million}}'
        return AMLResponse({"message": message}, 400, json_str=True)
    prices = price.predict(rows)
    nights = demand.predict(rows, prices)
    log.info("scored %d flats", len(rows))
    return {"price": prices.round(2).tolist(), "nights": nights.round(2).tolist()}


def parse(body):
    """Read the request's rows, or raise if they are not what the models take."""
    rows = np.asarray(json.loads(body)["data"], dtype=float)
    if rows.ndim != 2 or rows.shape[1] != len(FEATURES):
        raise ValueError(f"data has shape {rows.shape}")
    if not (np.abs(rows) < LIMIT).all():
        raise ValueError("data has numbers that are missing or too large")
    return rows
