"""Forecast what a store sells on some days, by the model of that store."""

import json
import os
from pathlib import Path

import numpy as np
from azureml_inference_server_http.api.aml_response import AMLResponse

week = None


def init():
    """Load the model from AZUREML_MODEL_DIR."""
    global week
    model = Path(os.environ["AZUREML_MODEL_DIR"]) / "demand.json"
    week = np.asarray(json.loads(model.read_text())["week"])


def run(body):
    """The demand on some days: ``{"first": weekday, "days": number}``."""
    try:
        asked = json.loads(body)
        days = int(asked["first"]) + np.arange(int(asked["days"]))
    except (KeyError, TypeError, ValueError) as error:
        return AMLResponse({"message": f"expected first and days: {error!r}"}, 400, json_str=True)
    return {"demand": week[days % len(week)].tolist()}
