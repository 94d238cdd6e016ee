"""The input that MLflow saved with a model, as a request that the script takes which serves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..artifacts.mlmodel_served import Served

_MOST = 4 << 20
"""Bytes of a saved input; a larger one is no sample."""


def sample_request(folder: Path, about: Served) -> tuple[bytes | None, Path | None]:
    """A request, and the file that it is made of; None and None without a saved input that can be one."""
    if about.example is None:
        return None, None
    for name, make in ((about.example.file, _of_example), (about.example.serving, _of_serving)):
        path = folder / name
        if not name or not path.is_file() or path.stat().st_size > _MOST:
            continue
        try:
            made = make(json.loads(path.read_text(encoding="utf-8")), about)
        except (ValueError, KeyError, RecursionError):
            continue
        if made is not None:
            return (json.dumps(made, ensure_ascii=False) + "\n").encode(), path
    return None, None


def _of_example(saved: Any, about: Served) -> dict[str, Any] | None:
    """``input_example.json``, which has the input alone, or input and parameters where both were saved.

    :raises KeyError: it is not as the ``MLmodel`` says.
    """
    assert about.example is not None
    kind, params = about.example.kind, None
    if about.example.params:
        saved, params = saved["inputs"], saved["params"]
    if kind.startswith("sparse_matrix"):
        return None
    if kind == "ndarray" and isinstance(saved, dict) and list(saved) == ["inputs"]:
        saved = saved["inputs"]
    return _request(saved, params, about)


def _of_serving(saved: Any, about: Served) -> dict[str, Any] | None:
    """``serving_input_example.json``: the same as MLflow's own server takes it, such as a dense array of a sparse."""
    if not isinstance(saved, dict):
        return None
    for key in ("dataframe_split", "inputs", "instances", "dataframe_records"):
        if key in saved:
            return _request(saved[key], saved.get("params"), about)
    return _request(saved, None, about)


def _request(data: Any, params: Any, about: Served) -> dict[str, Any]:
    """The body of a request with this input."""
    made = {"input_data": _input(data, about)}
    return {**made, "params": params} if params else made


def _input(data: Any, about: Served) -> Any:
    """An input: columns in the form ``split``, which the script reads them in, and all else as it is."""
    kind = about.example.kind if about.example else ""
    if kind == "dataframe" and isinstance(data, dict) and isinstance(data.get("data"), list):
        return _split(data.get("columns"), data["data"], data.get("index"))
    texts = not {"transformers", "langchain", "openai", "hftransformersv2"}.isdisjoint(about.flavors)
    if about.columns is None or texts:
        return data
    rows = data if isinstance(data, list) else [data]
    if rows and all(isinstance(row, dict) for row in rows):
        return _split(list(about.columns), [[row.get(name) for name in about.columns] for row in rows], None)
    return data


def _split(columns: Any, rows: list[Any], index: Any) -> dict[str, Any]:
    if not isinstance(columns, list):
        width = len(rows[0]) if rows and isinstance(rows[0], list) else 1
        columns = list(range(width))
    whole = isinstance(index, list) and len(index) == len(rows)
    return {"columns": columns, "index": index if whole else list(range(len(rows))), "data": rows}
