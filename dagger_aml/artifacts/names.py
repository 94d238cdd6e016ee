"""By what names the files of models are known."""

from __future__ import annotations

MLMODEL = "MLmodel"
"""What MLflow writes into the folder of a model."""

PICKLES = frozenset({".pkl", ".pickle", ".joblib", ".sav", ".p", ".pck"})
"""Suffixes of pickled models, in lower case."""
