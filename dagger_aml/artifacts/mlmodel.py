"""What MLflow writes of a model, ``MLmodel`` and the list of packages beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from attrs import field

from ..data import frozen

MLMODEL = "MLmodel"

REQUIREMENTS = "requirements.txt"

_PACKAGES = {
    "catboost_version": "catboost",
    "fastai_version": "fastai",
    "keras_version": "keras",
    "lgb_version": "lightgbm",
    "onnx_version": "onnx",
    "pytorch_version": "torch",
    "sklearn_version": "scikit-learn",
    "spacy_version": "spacy",
    "statsmodels_version": "statsmodels",
    "transformers_version": "transformers",
    "xgb_version": "xgboost",
}
"""Keys of MLflow's flavors that state a package's version."""

_LINE = re.compile(r"[ \t]+(\w+):[ \t]*['\"]?([\w.+!-]+)['\"]?[ \t]*")


@frozen
class MLmodel:
    """What an ``MLmodel`` says.

    :param versions: of packages, by their names on an index.
    :param python: as ``3.11.7``.
    :param bytecode: whether cloudpickle wrote functions of the user's into it.
    """

    versions: Mapping[str, str] = field(factory=dict)
    python: str | None = None
    bytecode: bool = False


def read_mlmodel(path: Path, most: int) -> MLmodel:
    """Read an ``MLmodel``, which is YAML of plain keys.

    :param most: bytes that are read of it.
    :raises OSError: it cannot be read.
    """
    with path.open("rb") as file:
        lines = file.read(most).decode("utf-8", "replace").splitlines()
    said = {found[1]: found[2] for found in map(_LINE.fullmatch, lines) if found}
    versions = {package: said[key] for key, package in _PACKAGES.items() if key in said}
    return MLmodel(versions, said.get("python_version"), "cloudpickle_version" in said)
