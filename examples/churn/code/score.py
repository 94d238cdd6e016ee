"""Say how likely customers are to leave.

Azure ML calls init() once in each worker, then run() for each request.
"""

import json
import logging
import os
from pathlib import Path

import features
import lightgbm
from azureml_inference_server_http.api.aml_response import AMLResponse

# The server prints the INFO lines of loggers below "azmlinfsrv"; of other loggers it prints warnings only.
log = logging.getLogger("azmlinfsrv.score")
booster = None


def init():
    """Load the model from AZUREML_MODEL_DIR, and check that it was trained on the features we make."""
    global booster
    path = Path(os.environ["AZUREML_MODEL_DIR"]) / "churn.txt"
    booster = lightgbm.Booster(model_file=path)
    if booster.feature_name() != features.NAMES:
        raise RuntimeError(f"{path} takes {booster.feature_name()}, features.py makes {features.NAMES}")
    log.info("loaded %s, %d trees", path, booster.num_trees())


def run(body):
    """Give each customer of ``{"customers": [{…}, …]}`` a probability of leaving."""
    try:
        rows = parse(body)
    except ValueError as error:
        log.warning("refused a request: %s", error)
        return AMLResponse({"message": str(error)}, 400, json_str=True)
    probabilities = booster.predict(rows)
    log.info("scored %d customers", len(rows))
    return {"churn": probabilities.round(4).tolist()}


def parse(body):
    """Read the request's customers as rows of features, or raise ValueError."""
    request = json.loads(body)
    customers = request.get("customers") if isinstance(request, dict) else None
    if not isinstance(customers, list) or not customers:
        raise ValueError('expected {"customers": [{...}, ...]}')
    return [features.row(customer) for customer in customers]
