"""What MLflow writes of a model, ``MLmodel`` and the list of packages beside it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import field

from ..data import frozen
from ..errors import ProjectError

if TYPE_CHECKING:
    import yaml

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

_MOST, _MOST_LINES = 4 << 20, 50_000
"""Characters and lines of an ``MLmodel``; a signature of ten thousand columns takes 640,000 and 8,000 of them."""

_MOST_PARTS, _DEEPEST = 5_000, 32
"""Of keys and values; MLflow writes less than a hundred. PyYAML takes a quarter of a second for so many."""


@frozen
class MLmodel:
    """What an ``MLmodel`` says of what made the model.

    :param versions: of packages, by their names on an index.
    :param python: as ``3.11.7``.
    :param bytecode: whether cloudpickle wrote functions of the user's into it.
    """

    versions: Mapping[str, str] = field(factory=dict)
    python: str | None = None
    bytecode: bool = False


def read_mlmodel(path: Path) -> MLmodel:
    """What an ``MLmodel`` says of what made the model. Raises as :func:`read_document`."""
    said: dict[str, str] = {}
    for flavor in read_document(path)["flavors"].values():
        said |= {key: text_of(value) for key, value in mapping_of(flavor).items() if text_of(value)}
    versions = {package: said[key] for key, package in _PACKAGES.items() if key in said}
    return MLmodel(versions, said.get("python_version"), "cloudpickle_version" in said)


def read_document(path: Path) -> Mapping[str, Any]:
    """An ``MLmodel`` as data, of which ``flavors`` is a mapping of names. Numbers are text, as they are written:
    ``3.10`` is a version and no number.

    :raises ProjectError: it is no YAML, is longer or deeper than MLflow writes it, or is not MLflow's.
    :raises OSError: it cannot be read.
    """
    with path.open(encoding="utf-8", errors="replace") as file:
        text = file.read(_MOST + 1)
    if len(text) > _MOST or text.count("\n") > _MOST_LINES:
        raise ProjectError(
            f"is longer than {_MOST:,} characters, or {_MOST_LINES:,} lines, which no file of MLflow's is",
            location=str(path),
        )
    said: Mapping[str, Any] = _parsed(text, path)
    flavors = said.get("flavors") if isinstance(said, dict) else None
    if not isinstance(flavors, dict) or not all(isinstance(name, str) for name in flavors):
        raise ProjectError("is not MLflow's: it has no `flavors`", location=str(path))
    return said


@lru_cache(maxsize=4)
def _parsed(text: str, path: Path) -> Any:
    """The data of a file's text, which nobody changes: of one model it is asked for three times, for as many ends."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Ends where there is too much, and takes a node for what it is once, not wherever it is named again."""

        depth = parts = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.depth += 1
            self.parts += 1
            if self.parts > _MOST_PARTS:
                raise ProjectError(
                    f"has more than {_MOST_PARTS:,} keys and values, which no file of MLflow's has",
                    location=str(path),
                )
            if self.depth > _DEEPEST or self.check_event(yaml.AliasEvent):
                raise ProjectError("is nested too deep, or names a part of itself", location=str(path))
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

    for kind in ("int", "float", "timestamp", "binary"):
        Loader.add_constructor(f"tag:yaml.org,2002:{kind}", _as_written)
    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ProjectError(f"is not YAML: {str(error).splitlines()[0]}", location=str(path)) from None


def _as_written(loader: yaml.SafeLoader, node: Any) -> str:
    text: str = loader.construct_scalar(node)
    return text


def mapping_of(value: Any) -> Mapping[str, Any]:
    """A value that is a mapping; an empty one for any other."""
    return value if isinstance(value, dict) else {}


def text_of(value: Any) -> str:
    """A value that is text; empty for any other."""
    return value if isinstance(value, str) else ""
