"""Answers requests with an MLflow model, as the script that Azure ML has for such models does.

dagger-aml put this here for a model that has no entry script; a score.py of your own takes its place. The inference
server calls init() once and run() for each request, with `input_data` and `params` of the request's JSON.
"""

import inspect
import json
import logging
import os
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
from inference_schema.parameter_types.abstract_parameter_type import AbstractParameterType
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema
from mlflow.models import Model
from mlflow.pyfunc import load_model
from mlflow.types.schema import ColSpec, DataType, Schema

log = logging.getLogger(__name__)

FOLDER = Path(os.environ["AZUREML_MODEL_DIR"], os.environ.get("MLFLOW_MODEL_FOLDER", ""))
ABOUT = Model.load(str(FOLDER))
TRANSFORMERS = "transformers" in ABOUT.flavors
LANGUAGE = not {"transformers", "langchain", "openai"}.isdisjoint(ABOUT.flavors)
AS_IT_IS = "hftransformersv2" in ABOUT.flavors
SAMPLES = {"boolean": True, "string": "sample string", "integer": 42, "long": 42, "float": 0.15, "double": 0.15}


class Anything(AbstractParameterType):
    """A parameter that is handed to run() as it comes."""

    def __init__(self):
        super().__init__(None)

    def deserialize_input(self, input_data):
        return input_data

    def input_to_swagger(self):
        return {"type": "object", "example": {}}


def sample_of(kind):
    """A value of one of MLflow's types; None for those that a sample in JSON cannot have."""
    return SAMPLES.get(kind.name) if isinstance(kind, DataType) else None


def frame_of(schema):
    """A frame without rows whose columns have the names and types of a schema."""
    types = dict(zip(schema.input_names(), schema.pandas_types(), strict=True))
    return pd.DataFrame(columns=list(types)).astype(types)


def frame_in(data):
    """A frame from its JSON in the form `split`, or from rows alone."""
    orient = "split" if "columns" in data else "values"
    return pd.read_json(StringIO(json.dumps(data)), orient=orient, dtype=False)


def tensor_type(schema):
    """The type of a tensor, or of tensors by their names."""
    types = {
        each.name: NumpyParameterType(
            np.zeros([1 if size == -1 else size for size in each.shape], each.type), enforce_shape=False
        )
        for each in schema.inputs
    }
    return StandardPythonParameterType(types) if schema.has_input_names() else types[None]


def example():
    """The kind of the input that was saved with the model, and the input without its parameters."""
    about = ABOUT.saved_input_example_info or {}
    try:
        saved = json.loads((FOLDER / about["artifact_path"]).read_text(encoding="utf-8"))
        return about["type"], saved["inputs"] if has_params() else saved
    except (KeyError, OSError, TypeError, ValueError):
        return None, None


def has_params():
    """Whether parameters were saved with the input."""
    return bool((ABOUT.saved_input_example_info or {}).get("params"))


def input_type():
    """What `input_data` becomes: by the input that was saved with the model, and by the model's signature."""
    schema = ABOUT.signature.inputs if ABOUT.signature else None
    first = schema.inputs[0] if schema else None
    kind, saved = example()
    if TRANSFORMERS and isinstance(first, ColSpec) and first.name is not None:
        samples = {each.name: sample_of(each.type) for each in schema.inputs}
        return StandardPythonParameterType({name: value for name, value in samples.items() if value is not None})
    if TRANSFORMERS and schema == Schema([ColSpec("string")]):
        return StandardPythonParameterType(["sample string"])
    if kind == "json_object" and (TRANSFORMERS or not isinstance(saved, dict)):
        return StandardPythonParameterType(saved) if TRANSFORMERS and isinstance(saved, (dict, list)) else Anything()
    if kind == "ndarray" and isinstance(saved, dict) and ("inputs" in saved or has_params()):
        return of_arrays(saved.get("inputs", saved))
    if schema and schema.is_tensor_spec():
        return tensor_type(schema)
    try:
        if schema or kind == "dataframe":
            frame = frame_of(schema) if schema else frame_in(saved)
            return PandasParameterType(frame, enforce_shape=False, orient="split")
    except Exception as error:
        log.warning("The columns have no types that a request could be read with: %s", error)
    return Anything()


def of_arrays(saved):
    """The type of arrays like those that were saved with the model."""
    if not isinstance(saved, dict):
        return NumpyParameterType(np.asarray(saved), enforce_shape=False)
    types = {name: NumpyParameterType(np.asarray(each), enforce_shape=False) for name, each in saved.items()}
    return StandardPythonParameterType(types)


def output_type():
    """What the answer is, for /swagger.json alone."""
    schema = ABOUT.signature.outputs if ABOUT.signature else None
    try:
        if schema and schema.is_tensor_spec():
            return tensor_type(schema)
        if schema:
            return PandasParameterType(frame_of(schema), enforce_shape=False, orient="records")
    except Exception as error:
        log.warning("The answer has no types that /swagger.json could show: %s", error)
    return Anything()


def params_type():
    """What `params` is: the model's parameters with their defaults, or samples of their types."""
    schema = getattr(ABOUT.signature, "params", None)
    if not schema:
        return Anything()
    samples = {each.name: sample_of(each.dtype) if each.default is None else each.default for each in schema.params}
    return StandardPythonParameterType({name: value for name, value in samples.items() if value is not None})


def init():
    """Load the model, and collect what it is asked and answers where Azure ML's package for that is installed."""
    global collectors, model, takes_params
    model = load_model(str(FOLDER))
    takes_params = "params" in inspect.signature(model.predict).parameters
    collectors = None
    try:
        from azureml.ai.monitoring import Collector

        collectors = Collector(name="model_inputs"), Collector(name="model_outputs")
    except ImportError:
        pass
    except Exception as error:
        log.error("Nothing is collected: %s", error)


@input_schema("input_data", input_type())
@input_schema("params", params_type(), optional=True)
@output_schema(output_type())
def run(input_data, params=None):
    """Answer one request."""
    if TRANSFORMERS and params is None and isinstance(input_data, dict) and "parameters" in input_data:
        params = input_data.pop("parameters")
        if list(input_data) == ["input_string"]:
            input_data = input_data["input_string"]
    if not is_converted(input_data):
        input_data = converted(input_data)
    context = collect(0, input_data)
    result = model.predict(input_data, params=params) if takes_params else model.predict(input_data)
    collect(1, result, context)
    if isinstance(result, pd.Series):
        result = result.to_frame()
    if isinstance(result, pd.DataFrame):
        return result.to_dict(orient="records")
    return result.tolist() if isinstance(result, np.ndarray) else result


def is_converted(data):
    """Whether a request's data is what models take already."""
    first = next(iter(data.values()), None) if isinstance(data, dict) else data
    return isinstance(first, np.ndarray) or isinstance(data, pd.DataFrame)


def converted(data):
    """What a model takes, of data whose type neither a signature nor a saved input tells."""
    if isinstance(data, str):
        try:
            data = json.loads(data)
        except ValueError:
            if not LANGUAGE:
                raise
    if (isinstance(data, dict) or not LANGUAGE) and "input_data" in data:
        data = data["input_data"]
    if AS_IT_IS or (LANGUAGE and is_text(data)):
        return data
    if isinstance(data, list):
        if LANGUAGE and all(isinstance(each, dict) for each in data):
            raise ValueError("In a list of dictionaries all values must be texts or lists of texts.")
        return np.asarray(data)
    if isinstance(data, dict) and {"columns", "index", "data"} <= data.keys():
        return frame_in(data)
    if isinstance(data, dict) or not LANGUAGE:
        return {name: np.asarray(value) for name, value in data.items()}
    return data


def is_text(data):
    """Whether data is text, texts, or dictionaries of such."""
    if isinstance(data, dict):
        split = {"columns", "index", "data"} <= data.keys()
        return not split and all(is_texts(each) or isinstance(each, str) for each in data.values())
    if isinstance(data, list) and data and all(isinstance(each, dict) for each in data):
        return all(is_texts(each) or isinstance(each, str) for one in data for each in one.values())
    return isinstance(data, str) or is_texts(data)


def is_texts(data):
    """Whether data is a list of texts."""
    return isinstance(data, list) and all(isinstance(each, str) for each in data)


def collect(which, data, context=None):
    """Hand data to Azure ML's collector; a request is answered whether that works or not."""
    if collectors is None:
        return None
    try:
        return collectors[which].collect(pd.DataFrame(data) if which else data, context)
    except Exception as error:
        log.error("Not collected: %s", error)
        return None
