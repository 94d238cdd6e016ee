"""What an ``MLmodel`` says of how its model is served: by which loader, with which input, in which environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ..data import frozen
from ..errors import ProjectError
from .mlmodel import mapping_of, read_document, text_of
from .names import MLMODEL

_READ = ("data", "model_path", "python_model")
"""Keys of ``python_function`` that name a file, or a folder, without which no loader loads the model."""


@frozen
class Example:
    """The input that was saved with a model.

    :param file: relative to the model's folder; ``serving`` the same input as MLflow's own server takes it, or empty.
    :param kind: ``dataframe``, ``ndarray``, ``json_object`` or a sparse matrix.
    :param params: whether parameters were saved with it.
    """

    file: str
    serving: str
    kind: str
    params: bool


@frozen
class Served:
    """What an ``MLmodel`` says of how its model is served.

    :param flavors: their names, ``python_function`` among them where Python can load it.
    :param loader: the module that loads it; empty where none is named.
    :param code: the folder of modules that were saved with it, relative to its own; empty where there is none.
    :param files: what the loader reads, each relative to the folder.
    :param conda: the conda file, relative to the folder; ``python_env`` the same of MLflow's own file of Python.
    :param python: the Python that saved it, as ``3.12.3``; empty where it does not say.
    :param columns: the names of the columns that it takes; None where it takes tensors, texts or nobody knows what.
    :param tensors: whether it takes tensors.
    """

    flavors: tuple[str, ...]
    loader: str
    code: str
    files: tuple[str, ...]
    conda: str
    python_env: str
    python: str
    columns: tuple[str, ...] | None
    tensors: bool
    example: Example | None


def read_served(folder: Path) -> Served:
    """Read the ``MLmodel`` of a folder.

    :raises ProjectError: it is not as MLflow writes it, or names a file outside the folder.
    :raises OSError: it cannot be read.
    """
    path = folder / MLMODEL
    said = read_document(path)
    flavors = said["flavors"]
    function = mapping_of(flavors.get("python_function"))
    env = function.get("env")
    files = env if isinstance(env, dict) else {"conda": env}
    columns, tensors = _inputs(said)
    return Served(
        tuple(flavors),
        text_of(function.get("loader_module")),
        _inside(function.get("code"), path),
        tuple(text for key in _READ if _is_inside(text := text_of(function.get(key)))),
        _inside(files.get("conda"), path) or "conda.yaml",
        _inside(files.get("virtualenv"), path) or "python_env.yaml",
        text_of(function.get("python_version")),
        columns,
        tensors,
        _example(mapping_of(said.get("saved_input_example_info")), path),
    )


def _inputs(said: Mapping[str, Any]) -> tuple[tuple[str, ...] | None, bool]:
    """The names of the columns that a model takes, if it takes such, and whether it takes tensors."""
    try:
        inputs = json.loads(text_of(mapping_of(said.get("signature")).get("inputs")) or "[]")
        tensors = any(each.get("type") == "tensor" for each in inputs)
        named = inputs and not tensors and all(isinstance(each.get("name"), str) for each in inputs)
        return (tuple(each["name"] for each in inputs) if named else None), tensors
    except (AttributeError, TypeError, ValueError):
        return None, False


def _example(info: Mapping[str, Any], path: Path) -> Example | None:
    file = _inside(info.get("artifact_path"), path)
    if not file:
        return None
    serving = _inside(info.get("serving_input_path"), path)
    return Example(file, serving, text_of(info.get("type")), bool(info.get("params")))


def _is_inside(text: str) -> bool:
    """Whether a text is a path in the model's folder."""
    return bool(text) and not (PurePosixPath(text).is_absolute() or ".." in PurePosixPath(text).parts or "\\" in text)


def _inside(value: Any, path: Path) -> str:
    """A path in the model's folder; empty where none is said.

    :raises ProjectError: it leads out of the folder.
    """
    text = text_of(value)
    if text and not _is_inside(text):
        raise ProjectError(f"names a file outside the model's folder: {text!r}", location=str(path))
    return text
