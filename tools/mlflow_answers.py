"""What two scripts answer that serve MLflow models: ours, and the one that Azure ML's image for them has.

``python -m tools.mlflow_answers THEIRS [FILE]``, THEIRS being ``mlflow_score_script.py`` of Azure/azureml-assets
(``assets/inference/environments/mlflow-py312-inference/context``), which is read and not kept. What was found goes to
FILE, else to ``tests/unit/mlflow_answers.json``, with the digest of the script of ours that gave them.

It is run by hand, after each change of our script, in an environment that has what both need and the development
environment has not: ``pip install mlflow-skinny==3.17.2 scikit-learn pandas azureml-inference-server-http``
``azureml-ai-monitoring``. It imports nothing of this project.
"""

from __future__ import annotations

import copy
import datetime
import hashlib
import importlib.metadata
import importlib.util
import io
import json
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
OURS = ROOT / "dagger_aml" / "steps" / "_scripts" / "mlflow_score.py"
ANSWERS = ROOT / "tests" / "unit" / "mlflow_answers.json"
PACKAGES = ("mlflow-skinny", "pandas", "numpy", "inference-schema", "azureml-ai-monitoring", "scikit-learn")

SPLIT = {"columns": ["a", "b"], "index": [0, 1], "data": [[1.5, "x"], [2, "y"]]}
"""Two rows in the form that Azure ML's page on MLflow models shows."""

FORMS: tuple[Any, ...] = (
    {"input_data": SPLIT},
    {"input_data": {**SPLIT, "columns": ["b", "a"], "data": [["x", 1.5], ["y", 2]]}},
    {"input_data": {**SPLIT, "columns": ["a"], "data": [[1], [2]]}},
    {"input_data": {**SPLIT, "columns": ["a", "b", "c"], "data": [[1.5, "x", 1], [2, "y", 1]]}},
    {"input_data": {**SPLIT, "data": [[None, "x"], [2, None]]}},
    {"input_data": {**SPLIT, "data": [["1.5", "x"], ["no number", "y"]]}},
    {"input_data": {**SPLIT, "data": [[1.5], [2, "y"]]}},
    {"input_data": {"columns": ["a", "b"], "data": [[1.5, "x"]]}},
    {"input_data": {"data": [[1.5, "x"]]}},
    {"input_data": [{"a": 1.5, "b": "x"}, {"a": 2, "b": "y"}]},
    {"input_data": {"a": [1.5, 2], "b": ["x", "y"]}},
    {"input_data": {"a": 1.5, "b": "x"}},
    {"input_data": {"dataframe_split": {"columns": ["a", "b"], "data": [[1.5, "x"]]}}},
    {"input_data": [[1, 2, 3], [4, 5, 6]]},
    {"input_data": [[1.25, 2, 3]]},
    {"input_data": [1, 2, 3]},
    {"input_data": [[1, 2], [3]]},
    {"input_data": [["1", "2", "3"]]},
    {"input_data": [[None, 2, 3]]},
    {"input_data": []},
    {"input_data": {}},
    {"input_data": {"x": [[1, 2, 3]], "y": [1]}},
    {"input_data": {"x": [[1, 2, 3]]}},
    {"input_data": {"x": [[1, 2, 3]], "y": [1], "z": [1]}},
    {"input_data": {"inputs": [[1, 2, 3]]}},
    {"input_data": "a text"},
    {"input_data": "a text on parameters"},
    {"input_data": "[[1, 2, 3]]"},
    {"input_data": '{"input_data": [[1, 2, 3]]}'},
    {"input_data": json.dumps(SPLIT)},
    {"input_data": {"input_data": [[1, 2, 3]]}},
    {"input_data": {"input_data": SPLIT}},
    {"input_data": ["a text", "another"]},
    {"input_data": [{"role": "user", "content": "hi"}]},
    {"input_data": [{"role": "user", "content": 1}]},
    {"input_data": {"role": "user", "content": ["hi", "there"]}},
    {"input_data": {"question": "why", "context": 1}},
    {"input_data": ["a", 1]},
    {"input_data": 5},
    {"input_data": 1.5},
    {"input_data": True},
    {"input_data": None},
    {"input_data": SPLIT, "params": {"top": 3}},
    {"input_data": [[1, 2, 3]], "params": {"top": 3}},
    {"input_data": [[1, 2, 3]], "params": {"top": "many"}},
    {"input_data": [[1, 2, 3]], "params": {"unknown": 3}},
    {"input_data": [[1, 2, 3]], "params": {}},
    {"input_data": [[1, 2, 3]], "params": [3]},
    {"input_data": [[1, 2, 3]], "params": "top"},
    {"input_data": {"input_string": ["a", "b"], "parameters": {"top": 3}}},
    {"input_data": {"input_string": ["a"], "parameters": {"top": 3}, "more": ["x"]}},
    {"input_data": ["a text"], "params": {"top": 3}},
    {"input_data": {"columns": ["t"], "index": [0], "data": [["2026-01-01T00:00:00"]]}},
    {"input_data": {"columns": [0, 1], "index": [0], "data": [[1, 2]]}},
    {"params": {"top": 3}},
    {"data": [[1, 2, 3]]},
    {},
)
"""Bodies of requests: each goes to each model, the wrong ones too."""


def models() -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Names of models, and what saves each into a folder."""
    import mlflow.pyfunc
    import numpy as np
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
    from mlflow.types.schema import Array

    class Echo(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        """Answers what it was given, so that two scripts that hand a model the same give the same answer."""

        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
            import numpy
            import pandas

            def told(data):  # type: ignore[no-untyped-def]
                if isinstance(data, pandas.DataFrame):
                    return {"frame": json.loads(data.to_json(orient="split")), "types": list(map(str, data.dtypes))}
                if isinstance(data, numpy.ndarray):
                    return {"array": data.tolist(), "type": str(data.dtype)}
                if isinstance(data, dict):
                    return {"dict": {str(name): told(value) for name, value in data.items()}}
                return {type(data).__name__: data}

            return {"input": told(model_input), "params": params}

    class As(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        """Answers in a form of its own."""

        def __init__(self, form: str) -> None:
            self.form = form

        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
            import numpy
            import pandas

            made = pandas.DataFrame({"y": [1.5, 2.5], "z": ["u", None]})
            return {
                "frame": made, "series": made["y"], "nameless": pandas.Series([1, 2]), "array": numpy.ones((2, 2)),
                "list": [1, 2], "text": "yes", "number": 1.5, "dict": {"a": [1]}, "scalar": numpy.float64(2.5),
                "arrays": {"a": numpy.ones(2)}, "none": None,
            }[self.form]  # fmt: skip

    columns = Schema([ColSpec("double", "a"), ColSpec("string", "b")])
    whole = Schema([ColSpec("long", "a"), ColSpec("string", "b", required=False)])
    tensor = Schema([TensorSpec(np.dtype("float32"), (-1, 3))])
    named = Schema([TensorSpec(np.dtype("float32"), (-1, 3), "x"), TensorSpec(np.dtype("int64"), (-1,), "y")])
    answer = Schema([ColSpec("double", "y")])
    params = ParamSchema([ParamSpec("top", DataType.integer, 1), ParamSpec("words", DataType.string, "a")])
    frame = pd.DataFrame({"a": [1.5], "b": ["x"]})

    def of(signature: Any = None, example: Any = None, flavor: str = "", model: Any = None) -> Callable[[Path], None]:
        def save(folder: Path) -> None:
            about = mlflow.models.Model()
            if flavor:
                about.add_flavor(flavor)
            mlflow.pyfunc.save_model(
                folder, python_model=model or Echo(), mlflow_model=about, input_example=example,
                signature=signature, pip_requirements=["pandas"],
            )  # fmt: skip
            if signature is None and example is not None:
                _forget_signature(folder)

        return save

    yield "columns", of(ModelSignature(columns, answer))
    yield "columns and params", of(ModelSignature(columns, answer, params))
    yield "whole numbers, one column optional", of(ModelSignature(whole))
    yield "columns, with a frame saved", of(ModelSignature(columns), frame)
    yield "columns, with a frame and params saved", of(ModelSignature(columns, None, params), (frame, {"top": 2}))
    yield "no signature", of()
    yield "no signature, with a frame saved", of(None, frame)
    yield "no signature, with an array saved", of(None, np.ones((1, 3), "float32"))
    yield "a tensor", of(ModelSignature(tensor, tensor))
    yield "a tensor and params", of(ModelSignature(tensor, None, params))
    yield "a tensor, with an array saved", of(ModelSignature(tensor), np.ones((1, 3), "float32"))
    yield "tensors by name", of(ModelSignature(named, named))
    yield (
        "tensors by name, with arrays saved",
        of(ModelSignature(named), {"x": np.ones((1, 3), "float32"), "y": np.ones(1, "int64")}),
    )
    yield "columns without names", of(ModelSignature(Schema([ColSpec("double"), ColSpec("double")])))
    yield "texts", of(ModelSignature(Schema([ColSpec("string")])))
    yield "texts, with a list saved", of(ModelSignature(Schema([ColSpec("string")])), ["a", "b"])
    yield "a tensor of two unknown sizes", of(ModelSignature(Schema([TensorSpec(np.dtype("float32"), (-1, -1))])))
    yield "a column of lists", of(ModelSignature(Schema([ColSpec("double", "a"), ColSpec(Array("string"), "b")])))
    yield "a list for an answer", of(ModelSignature(columns, Schema([ColSpec(Array("double"))])))
    yield "columns, with a dictionary saved", of(ModelSignature(columns), {"a": 1.5, "b": "x"})
    yield (
        "columns, with a frame of whole numbers saved",
        of(ModelSignature(columns), pd.DataFrame({"a": [1], "b": ["x"]})),
    )
    yield "times", of(ModelSignature(Schema([ColSpec("datetime", "t")])))
    for flavor in ("transformers", "langchain", "openai", "hftransformersv2"):
        yield f"{flavor}, no signature", of(flavor=flavor)
        yield f"{flavor}, texts", of(ModelSignature(Schema([ColSpec("string")])), flavor=flavor)
        yield f"{flavor}, columns", of(ModelSignature(columns), flavor=flavor)
    yield (
        "transformers, texts and params",
        of(ModelSignature(Schema([ColSpec("string")]), None, params), flavor="transformers"),
    )
    for form in (
        "frame",
        "series",
        "nameless",
        "array",
        "list",
        "text",
        "number",
        "dict",
        "scalar",
        "arrays",
        "none",
    ):
        yield f"answers: {form}", of(ModelSignature(columns), model=As(form))
    yield "scikit-learn", _sklearn


def _sklearn(folder: Path) -> None:
    import mlflow.sklearn
    import numpy as np
    import pandas as pd
    from sklearn.linear_model import Ridge

    rows = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [0.0, 1.0, 0.0]})
    model = Ridge().fit(rows, np.arange(3.0))
    mlflow.sklearn.save_model(model, folder, input_example=rows.head(1), pip_requirements=["scikit-learn"])


def _forget_signature(folder: Path) -> None:
    """Take out what MLflow makes of a saved input, as older versions of it left it."""
    import yaml

    path = folder / "MLmodel"
    about = yaml.safe_load(path.read_text(encoding="utf-8"))
    about.pop("signature", None)
    path.write_text(yaml.safe_dump(about), encoding="utf-8")


class Served:
    """A script that serves a model, as the inference server loads and calls it."""

    def __init__(self, script: Path, folder: Path, number: int) -> None:
        os.environ |= {"AZUREML_MODEL_DIR": str(folder.parent), "MLFLOW_MODEL_FOLDER": folder.name}
        spec = importlib.util.spec_from_file_location(f"entry_module_{script.stem}_{number}", script)
        assert spec and spec.loader
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        self.module.init()

    def answer(self, body: Any) -> Any:
        """What a body is answered: ``{"answer": …}`` or ``{"error": …}``."""
        body = copy.deepcopy(body)
        if "input_data" not in body:
            return {"error": "the server: no input_data"}
        try:
            result = self.module.run(input_data=body["input_data"], params=body.get("params"))
            return {"answer": json.loads(json.dumps(result))}
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"[:400]}

    def swagger(self) -> Any:
        """What ``/swagger.json`` shows of ``run``."""
        from inference_schema.schema_util import get_input_schema, get_output_schema

        run = self.module.run
        return {"input": get_input_schema(run), "output": get_output_schema(run)}


def compared(theirs: Path) -> dict[str, Any]:
    """The answers of both scripts, by models."""
    import pandas as pd

    found: dict[str, Any] = {}
    literal = pd.read_json

    def of_pandas_2(data: Any, **how: Any) -> Any:
        return literal(io.StringIO(data) if isinstance(data, str) else data, **how)

    with tempfile.TemporaryDirectory() as place:
        for number, (name, save) in enumerate(models()):
            folder = Path(place) / str(number) / "model"
            folder.parent.mkdir()
            save(folder)
            found[name] = made = {}
            for title, script in (("ours", OURS), ("theirs", theirs), ("theirs, pandas 2", theirs)):
                pd.read_json = of_pandas_2 if title.endswith("pandas 2") else literal
                try:
                    served = Served(script, folder, 2 * number + title.endswith("2"))
                except BaseException as error:
                    made[title] = {"start": f"{type(error).__name__}: {error}"[:400]}
                else:
                    made[title] = {"answers": [served.answer(each) for each in FORMS], "swagger": served.swagger()}
                pd.read_json = literal
    return found


def differing(found: dict[str, Any]) -> Iterator[tuple[str, Any, Any, Any]]:
    """Where ours does what theirs does neither with this pandas nor with pandas 2: the model, the body, what ours and
    what theirs gives.

    With pandas 3 theirs cannot read JSON that it has as a text: it answers requests to models without a signature by
    500, and passes over a frame that was saved with a model.
    """
    for name, each in found.items():
        ours, theirs = each["ours"], (each["theirs, pandas 2"], each["theirs"])
        if "start" in ours or "start" in theirs[0]:
            if ours.get("start") not in [other.get("start") for other in theirs]:
                yield name, "start", ours.get("start"), theirs[0].get("start")
            continue
        others = [other for other in theirs if "start" not in other]
        if ours["swagger"] not in [other["swagger"] for other in others]:
            yield name, "swagger", ours["swagger"], theirs[0]["swagger"]
        for number, body in enumerate(FORMS):
            mine, said = ours["answers"][number], [other["answers"][number] for other in others]
            if mine not in said:
                yield name, body, mine, said[0]


def main() -> None:
    """Ask both, and write what they said."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    theirs = Path(sys.argv[1])
    found = compared(theirs)
    differ = list(differing(found))
    started = [each for each in found.values() if "start" not in each["theirs"]]
    both = [each for each in found.values() if "answers" in each["ours"] and "answers" in each["theirs, pandas 2"]]
    record = {
        "date": str(datetime.date.today()),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "ours": hashlib.sha256(OURS.read_bytes()).hexdigest(),
        "theirs": hashlib.sha256(theirs.read_bytes()).hexdigest(),
        "models": list(found),
        "bodies": len(FORMS),
        "compared": len(both) * len(FORMS),
        "answered": sum("answer" in one for each in found.values() for one in each["ours"].get("answers", ())),
        "only theirs fails, with pandas 3": sum(
            "error" in new and "answer" in old
            for each in started
            for new, old in zip(each["theirs"]["answers"], each["theirs, pandas 2"]["answers"], strict=True)
        ),
        "differ": [dict(zip(("model", "body", "ours", "theirs"), each, strict=True)) for each in differ],
    }
    path = Path(sys.argv[2]) if len(sys.argv) > 2 else ANSWERS
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for name, body, ours, other in differ:
        print(name, "|", json.dumps(body)[:100], "\n   ours  ", str(ours)[:260], "\n   theirs", str(other)[:260])


if __name__ == "__main__":
    main()
