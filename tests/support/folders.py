"""Project folders of many shapes, as people have them and with no file of ours, and what becomes of each.

All that are taken build on the base's packages and what a small requirements file adds; their models are a few bytes.
"""

import json
import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from tests.support.projects import make

APP = "/var/azureml-app"


@frozen
class Folder:
    """A folder, and what dagger-aml makes of it.

    :param name: the folder's own, which is the project's.
    :param files: for :func:`tests.support.projects.make`.
    :param travels: the files of the image that come from it, without requirements.
    :param env: AZUREML_ENTRY_SCRIPT and AZUREML_MODEL_DIR, as far as set.
    :param request: what is posted to the image, and ``answer`` what it gives.
    :param warnings: parts of what the plan's notes say.
    :param refused: parts of what the error says, instead of all that.
    """

    name: str
    files: Mapping[str, str | bytes | None]
    travels: tuple[str, ...] = ()
    env: Mapping[str, str] = field(factory=dict)
    request: Any = None
    answer: Any = None
    warnings: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    def write(self, above: Path) -> Path:
        """Write the folder below another."""
        return make(above / self.name, self.files)


def _linear(*coefficients: float) -> bytes:
    return pickle.dumps({"intercept": 1.0, "coefficients": list(coefficients)}, protocol=4)


def _safetensors(**tensors: list[float]) -> bytes:
    """A file of 32-bit floats in the safetensors format."""
    header: dict[str, Any] = {}
    body = b""
    for name, values in tensors.items():
        data = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": [len(values)], "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + body


_SCORE = '''\
"""Scores rows with a linear model."""

import json
import os
import pickle

model = None


def init():
    global model
    path = os.path.join(os.environ["AZUREML_MODEL_DIR"], "{file}")
    with open(path, "rb") as file:
        model = pickle.load(file)


def run(raw_data):
    rows = json.loads(raw_data)["data"]
    return [model["intercept"] + sum(c * x for c, x in zip(model["coefficients"], row)) for row in rows]
'''

_TRAIN = '''\
"""Fits the model. Run once, by hand."""

import csv
import pickle

with open("data/train.csv", newline="") as file:
    rows = [[float(cell) for cell in row] for row in csv.reader(file)]
mean = [sum(column) / len(rows) for column in zip(*rows)]
with open("model.pkl", "wb") as file:
    pickle.dump({"intercept": 1.0, "coefficients": mean}, file)
'''

_ROWS, _ANSWER = {"data": [[1, 2], [0, 0]]}, [9.0, 1.0]

_CONDA = """\
name: scoring
channels: [conda-forge]
dependencies:
  - python=3.12
  - pip
  - pip:
      - azureml-defaults
"""

_DEPLOYMENT = """\
name: blue
endpoint_name: my-endpoint
model:
  path: model/
code_configuration:
  code: onlinescoring/
  scoring_script: score.py
environment:
  conda_file: environment/conda.yaml
  image: mcr.microsoft.com/azureml/minimal-py312-inference:latest
instance_type: Standard_DS3_v2
instance_count: 1
"""

FLAT = Folder(
    "house-prices",
    {
        "score.py": _SCORE.replace("{file}", "model.pkl"),
        "model.pkl": _linear(2, 3),
        "requirements.txt": "# none of the base's\nidna==3.10\n",
        "train.py": _TRAIN,
        "data/train.csv": "2,3\n2,3\n",
        "README.md": "# House prices\n\n    python train.py\n",
    },
    (f"{APP}/score.py", f"{APP}/train.py", f"{APP}/azureml-models/house-prices/1/model.pkl"),
    {"AZUREML_ENTRY_SCRIPT": "score.py", "AZUREML_MODEL_DIR": f"{APP}/azureml-models/house-prices/1"},
    _ROWS,
    _ANSWER,
)

MODEL_AMONG_THE_CODE = Folder(
    "fraud_check",
    {
        ".gitignore": "__pycache__/\n*.pkl\n",
        "score.py": _SCORE.replace(
            'os.path.join(os.environ["AZUREML_MODEL_DIR"], "{file}")',
            'os.path.join(os.path.dirname(__file__), "fraud.pkl")',
        ),
        "fraud.pkl": _linear(2, 3),
        "__pycache__/score.cpython-312.pyc": b"\0",
    },
    (f"{APP}/score.py", f"{APP}/fraud.pkl"),
    {"AZUREML_ENTRY_SCRIPT": "score.py"},
    _ROWS,
    _ANSWER,
    warnings=("fraud.pkl is copied with the code, because the code does not read AZUREML_MODEL_DIR",),
)

NESTED = Folder(
    "sentiment",
    {
        "code/score.py": """\
import json
import os
from pathlib import Path

from preprocess import words

weights = {}


def init():
    folder = Path(os.environ["AZUREML_MODEL_DIR"])
    weights.update(json.loads((folder / "weights.json").read_text()))


def run(raw_data):
    texts = json.loads(raw_data)["texts"]
    return {"scores": [sum(weights.get(word, 0) for word in words(text)) for text in texts]}
""",
        "code/preprocess.py": ('import re\n\n\ndef words(text):\n    return re.findall(r"[a-z]+", text.lower())\n'),
        "code/requirements.txt": "idna==3.10\n",
        "model/weights.json": '{"good": 2, "bad": -3}\n',
        "model/about/card.md": "# Sentiment\n",
        "deployment.yml": "name: blue\nendpoint_name: sentiment\n",
    },
    (
        f"{APP}/score.py",
        f"{APP}/preprocess.py",
        f"{APP}/requirements.txt",
        f"{APP}/azureml-models/sentiment/1/weights.json",
        f"{APP}/azureml-models/sentiment/1/about/card.md",
    ),
    {"AZUREML_ENTRY_SCRIPT": "score.py", "AZUREML_MODEL_DIR": f"{APP}/azureml-models/sentiment/1"},
    {"texts": ["Good, good!", "not bad"]},
    {"scores": [4, -3]},
)

OTHER_NAME = Folder(
    "exchange",
    {
        "serve_rates.py": _SCORE.replace("{file}", "rates.pickle"),
        "test_serve_rates.py": "from serve_rates import init, run\n\n\ndef test_run():\n    init()\n    assert run\n",
        "helpers.py": "def chunks(items, n):\n    return [items[i : i + n] for i in range(0, len(items), n)]\n",
        "rates.pickle": _linear(2, 3),
    },
    (
        f"{APP}/serve_rates.py",
        f"{APP}/test_serve_rates.py",
        f"{APP}/helpers.py",
        f"{APP}/azureml-models/rates/1/rates.pickle",
    ),
    {"AZUREML_ENTRY_SCRIPT": "serve_rates.py", "AZUREML_MODEL_DIR": f"{APP}/azureml-models/rates/1"},
    _ROWS,
    _ANSWER,
    warnings=("the entry script is serve_rates.py, found by its init() and run() [AML102]",),
)

PACKAGE_BESIDE = Folder(
    "churn-service",
    {
        "score.py": """\
import json
import os
import pickle

from churn import label
from churn.features import vector

model = None


def init():
    global model
    with open(os.path.join(os.getenv("AZUREML_MODEL_DIR"), "model.pkl"), "rb") as file:
        model = pickle.load(file)


def run(raw_data):
    customers = json.loads(raw_data)["customers"]
    return [label(score(vector(each))) for each in customers]


def score(row):
    return model["intercept"] + sum(c * x for c, x in zip(model["coefficients"], row))
""",
        "churn/__init__.py": """\
import json
from pathlib import Path

NAMES = json.loads((Path(__file__).parent / "labels.json").read_text())


def label(score):
    return NAMES["leaves" if score > 5 else "stays"]
""",
        "churn/features.py": "def vector(customer):\n    return [customer['calls'], customer['months'] / 12]\n",
        "churn/labels.json": '{"leaves": "at risk", "stays": "fine"}\n',
        "churn/tests/test_features.py": "from churn.features import vector\n",
        "tests/test_score.py": "import score\n",
        "model.pkl": _linear(2, 3),
        "setup.py": "from setuptools import setup\n\nsetup(name='churn', packages=['churn'])\n",
    },
    (
        f"{APP}/score.py",
        f"{APP}/churn/__init__.py",
        f"{APP}/churn/features.py",
        f"{APP}/churn/labels.json",
        f"{APP}/churn/tests/test_features.py",
        f"{APP}/azureml-models/churn-service/1/model.pkl",
    ),
    {"AZUREML_ENTRY_SCRIPT": "score.py", "AZUREML_MODEL_DIR": f"{APP}/azureml-models/churn-service/1"},
    {"customers": [{"calls": 3, "months": 12}, {"calls": 0, "months": 0}]},
    ["at risk", "fine"],
)

SEVERAL_MODELS = Folder(
    "flats",
    {
        "score.py": """\
import json
import os
import pickle
from pathlib import Path

models = {}


def init():
    root = Path(os.environ["AZUREML_MODEL_DIR"])
    models["price"] = pickle.loads((root / "price" / "1" / "price.pkl").read_bytes())
    models["demand"] = json.loads((root / "demand" / "1" / "demand.json").read_text())


def run(raw_data):
    size = json.loads(raw_data)["size"]
    price = models["price"]["intercept"] + models["price"]["coefficients"][0] * size
    return {"price": price, "nights": models["demand"]["most"] - price}
""",
        "models/price.pkl": _linear(2),
        "models/demand/demand.json": '{"most": 30}\n',
        "models/.gitkeep": "",
    },
    (
        f"{APP}/score.py",
        f"{APP}/azureml-models/price/1/price.pkl",
        f"{APP}/azureml-models/demand/1/demand.json",
    ),
    {"AZUREML_ENTRY_SCRIPT": "score.py", "AZUREML_MODEL_DIR": f"{APP}/azureml-models"},
    {"size": 4},
    {"price": 9.0, "nights": 21.0},
)

_MLFLOW: Mapping[str, str | bytes] = {
    "MLmodel": "artifact_path: model\nflavors:\n  sklearn:\n    pickled_model: model.pkl\n",
    "conda.yaml": _CONDA,
    "python_env.yaml": "python: 3.12.3\ndependencies:\n- -r requirements.txt\n",
    "requirements.txt": "mlflow==2.17.0\nscikit-learn==1.5.2\n",
    "model.pkl": _linear(2, 3),
}

MLFLOW = Folder(
    "iris",
    {
        "score.py": _SCORE.replace("{file}", "model.pkl"),
        **{f"iris-model/{name}": data for name, data in _MLFLOW.items()},
    },
    (f"{APP}/score.py", *(f"{APP}/azureml-models/iris-model/1/{name}" for name in _MLFLOW)),
    {"AZUREML_ENTRY_SCRIPT": "score.py", "AZUREML_MODEL_DIR": f"{APP}/azureml-models/iris-model/1"},
    _ROWS,
    _ANSWER,
    warnings=("iris-model/requirements.txt: the model's list of packages is not read [AML303]",),
)

REPOSITORY = Folder(
    "support-bot",
    {
        ".git/HEAD": "ref: refs/heads/main\n",
        ".git/objects/pack/pack-1.pack": b"PACK" + bytes(500),
        ".github/workflows/ci.yml": "on: push\n",
        ".venv/pyvenv.cfg": "home = /usr/bin\n",
        ".venv/lib/python3.12/site-packages/requests/__init__.py": "",
        "env312/pyvenv.cfg": "home = /usr/bin\n",
        "env312/bin/activate": "",
        ".env": "OPENAI_API_KEY=sk-not-for-the-image\n",
        ".env.production": "OPENAI_API_KEY=sk-not-for-the-image-either\n",
        ".gitignore": "*.pkl\n*.log\n.venv\n.env*\n/scratch/\n",
        ".dockerignore": "labels.json\n",
        ".pre-commit-config.yaml": "repos: []\n",
        "node_modules/left-pad/index.js": "module.exports = 1\n",
        "package.json": "{}\n",
        "Dockerfile": "FROM python:3.12\nCOPY . /app\n",
        "docker-compose.yml": "services: {}\n",
        "Makefile": "test:\n\tpytest\n",
        "pyproject.toml": "[tool.ruff]\nline-length = 100\n",
        "README.md": "# Support bot\n",
        "LICENSE": "MIT License\n",
        "docs/index.md": "# Docs\n",
        "notebooks/explore.ipynb": "{}\n",
        "try.ipynb": "{}\n",
        "tests/test_score.py": "from score import init, run\n",
        "tests/conftest.py": "",
        "data/raw/tickets.csv": "id,text\n1,help\n",
        "scratch/old_score.py": "def init(): ...\ndef run(data): ...\n",
        "server.log": "started\n",
        "score.py": '''\
"""Answers support tickets."""

import json
import os
import pickle
from pathlib import Path

from features import length

HERE = Path(__file__).resolve().parent
LABELS = json.loads((HERE / "labels.json").read_text())
model = None


def init():
    global model
    model = pickle.loads(Path(os.environ["AZUREML_MODEL_DIR"], "model.pkl").read_bytes())


def run(data):
    ticket = json.loads(data).get("data", "")
    greeting = (HERE / "prompts" / "greeting.txt").read_text().strip()
    score = model["intercept"] + model["coefficients"][0] * length(ticket)
    return {"reply": f"{greeting} ({LABELS[str(score > 10)]})"}
''',
        "features.py": "def length(text):\n    return len(text.split())\n",
        "labels.json": '{"True": "long", "False": "short"}\n',
        "prompts/greeting.txt": "Hello\n",
        "train.py": _TRAIN,
        "model.pkl": _linear(2),
        "requirements.txt": "idna==3.10\n",
        "requirements-dev.txt": "pytest\nruff\n",
    },
    (
        f"{APP}/score.py",
        f"{APP}/features.py",
        f"{APP}/labels.json",
        f"{APP}/prompts/greeting.txt",
        f"{APP}/train.py",
        f"{APP}/azureml-models/support-bot/1/model.pkl",
    ),
    {"AZUREML_ENTRY_SCRIPT": "score.py", "AZUREML_MODEL_DIR": f"{APP}/azureml-models/support-bot/1"},
    {"data": "my printer is on fire"},
    {"reply": "Hello (long)"},
    warnings=(
        "Dockerfile: the Dockerfile is not read [AML505]",
        ".dockerignore is not read",
    ),
)

DATA_IN_USE = Folder(
    "geo",
    {
        "score.py": """\
import json

from lookup import name_of


def init():
    name_of("PT")


def run(raw_data):
    return [name_of(code) for code in json.loads(raw_data)["data"]]
""",
        "lookup.py": """\
import csv
import os

HERE = os.path.dirname(os.path.abspath(__file__))


def name_of(code):
    with open(os.path.join(HERE, "data", "countries.csv"), newline="") as file:
        return dict(csv.reader(file))[code]
""",
        "data/countries.csv": "PT,Portugal\nUG,Uganda\n",
        "docs/api.md": "# API\n",
    },
    (f"{APP}/score.py", f"{APP}/lookup.py", f"{APP}/data/countries.csv"),
    {"AZUREML_ENTRY_SCRIPT": "score.py"},
    {"data": ["UG", "PT"]},
    ["Uganda", "Portugal"],
)

SRC_LAYOUT = Folder(
    "demand-forecast",
    {
        "pyproject.toml": """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "demand-forecast"
version = "0.3.0"
requires-python = ">=3.10"
dependencies = ["idna==3.10"]
""",
        "src/forecast/__init__.py": '__version__ = "0.3.0"\n',
        "src/forecast/season.py": "def factor(month):\n    return 2 if month in (6, 7, 8) else 1\n",
        "src/forecast/score.py": """\
import json
import os
from pathlib import Path

import forecast
from forecast.season import factor

base = None


def init():
    global base
    base = json.loads((Path(os.environ["AZUREML_MODEL_DIR"]) / "base.json").read_text())["base"]


def run(raw_data):
    return {"version": forecast.__version__, "demand": [base * factor(m) for m in json.loads(raw_data)["months"]]}
""",
        "src/demand_forecast.egg-info/PKG-INFO": "Name: demand-forecast\n",
        "model/base.json": '{"base": 10}\n',
        "tests/test_season.py": "from forecast.season import factor\n",
    },
    (
        f"{APP}/forecast/__init__.py",
        f"{APP}/forecast/season.py",
        f"{APP}/forecast/score.py",
        f"{APP}/azureml-models/demand-forecast/1/base.json",
    ),
    {"AZUREML_ENTRY_SCRIPT": "forecast/score.py", "AZUREML_MODEL_DIR": f"{APP}/azureml-models/demand-forecast/1"},
    {"months": [1, 7]},
    {"version": "0.3.0", "demand": [10, 20]},
)

SRC_AS_A_PACKAGE = Folder(
    "spam",
    {
        "src/__init__.py": "",
        "src/score.py": """\
import json

from src.rules import is_spam


def init():
    pass


def run(raw_data):
    return [is_spam(text) for text in json.loads(raw_data)]
""",
        "src/rules.py": "def is_spam(text):\n    return 'free' in text.lower()\n",
        "README.md": "# Spam\n",
        "notebooks/rules.ipynb": "{}\n",
    },
    (f"{APP}/src/__init__.py", f"{APP}/src/score.py", f"{APP}/src/rules.py"),
    {"AZUREML_ENTRY_SCRIPT": "src/score.py"},
    ["Free money", "hello"],
    [True, False],
)

HUGGING_FACE = Folder(
    "reviews",
    {
        "code/score.py": """\
import json
import os
import struct
from pathlib import Path

weights, vocabulary = [], {}


def init():
    folder = Path(os.environ["AZUREML_MODEL_DIR"])
    data = (folder / "model.safetensors").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    about = json.loads(data[8 : 8 + size])["embeddings"]
    begin, end = (8 + size + offset for offset in about["data_offsets"])
    weights.extend(struct.unpack(f"<{about['shape'][0]}f", data[begin:end]))
    vocabulary.update({word: i for i, word in enumerate((folder / "vocab.txt").read_text().split())})


def run(raw_data):
    text = json.loads(raw_data)["inputs"]
    return {"score": sum(weights[vocabulary[word]] for word in text.split() if word in vocabulary)}
""",
        "distilbert-sst2/config.json": '{"model_type": "distilbert", "architectures": ["DistilBert"]}\n',
        "distilbert-sst2/model.safetensors": _safetensors(embeddings=[0.5, -1.5, 2.0]),
        "distilbert-sst2/tokenizer.json": "{}\n",
        "distilbert-sst2/tokenizer_config.json": "{}\n",
        "distilbert-sst2/special_tokens_map.json": "{}\n",
        "distilbert-sst2/vocab.txt": "fine\nawful\ngreat\n",
        "distilbert-sst2/.gitattributes": "*.safetensors filter=lfs\n",
    },
    (
        f"{APP}/score.py",
        *(
            f"{APP}/azureml-models/distilbert-sst2/1/{name}"
            for name in (
                "config.json",
                "model.safetensors",
                "tokenizer.json",
                "tokenizer_config.json",
                "special_tokens_map.json",
                "vocab.txt",
                ".gitattributes",
            )
        ),
    ),
    {"AZUREML_ENTRY_SCRIPT": "score.py", "AZUREML_MODEL_DIR": f"{APP}/azureml-models/distilbert-sst2/1"},
    {"inputs": "great but awful"},
    {"score": 0.5},
)

AZURE_SAMPLE = Folder(
    "blue-deployment",
    {
        "onlinescoring/score.py": _SCORE.replace("{file}", "model/regression.pkl"),
        "model/regression.pkl": _linear(2, 3),
        "environment/conda.yaml": _CONDA,
        "blue-deployment.yml": _DEPLOYMENT,
        "sample-request.json": '{"data": [[1, 2], [0, 0]]}\n',
    },
    (f"{APP}/score.py", f"{APP}/azureml-models/model/1/model/regression.pkl"),
    {"AZUREML_ENTRY_SCRIPT": "score.py", "AZUREML_MODEL_DIR": f"{APP}/azureml-models/model/1"},
    _ROWS,
    _ANSWER,
)

TWO_SCRIPTS = Folder(
    "routing",
    {
        "api.py": "def init():\n    pass\n\n\ndef run(data):\n    return data\n",
        "batch.py": "def init():\n    pass\n\n\ndef run(mini_batch):\n    return mini_batch\n",
        "model.pkl": _linear(1),
    },
    refused=("several candidates for the entry script: api.py and batch.py", 'Options(entry_script="api.py")'),
)

NO_SCRIPT = Folder(
    "just-trained",
    {
        "train.py": _TRAIN,
        "app.py": "from flask import Flask\n\napp = Flask(__name__)\n",
        "model.pkl": _linear(1),
        "requirements.txt": "idna==3.10\n",
    },
    refused=("no entry script: no file has init() and run()", "Write score.py", 'Options(entry_script="app.py")'),
)

TWO_MODEL_FILES = Folder(
    "with-scaler",
    {"score.py": _SCORE.replace("{file}", "model.pkl"), "model.pkl": _linear(1), "scaler.pkl": _linear(1)},
    refused=("several candidates for the model: model.pkl and scaler.pkl", "a folder `model`", "`models`"),
)

MODEL_IS_THE_FOLDER = Folder(
    "distilbert",
    {
        "score.py": _SCORE.replace("{file}", "model.safetensors"),
        "config.json": "{}\n",
        "model.safetensors": _safetensors(a=[1.0]),
        "tokenizer.json": "{}\n",
    },
    refused=("the project folder itself is a Hugging Face model", "into a folder `model`"),
)

DANGLING_LINK = Folder(
    "on-the-share",
    {"score.py": _SCORE.replace("{file}", "model.pkl"), "model.pkl": "->/mnt/models/not-mounted/model.pkl"},
    refused=("model.pkl is a broken link",),
)

LFS_POINTER = Folder(
    "cloned-without-lfs",
    {
        ".gitattributes": "*.onnx filter=lfs diff=lfs merge=lfs -text\n",
        "code/score.py": _SCORE.replace("{file}", "model.onnx"),
        "model/model.onnx": (
            "version https://git-lfs.github.com/spec/v1\n"
            "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 132735\n"
        ),
    },
    refused=("model/model.onnx: is a Git LFS pointer, not the file itself", "git lfs pull"),
)

TAKEN = (
    FLAT,
    MODEL_AMONG_THE_CODE,
    NESTED,
    OTHER_NAME,
    PACKAGE_BESIDE,
    SEVERAL_MODELS,
    MLFLOW,
    REPOSITORY,
    DATA_IN_USE,
    SRC_LAYOUT,
    SRC_AS_A_PACKAGE,
    HUGGING_FACE,
    AZURE_SAMPLE,
)
"""Those that are packaged; each has a request and the answer that its image must give."""

REFUSED = (TWO_SCRIPTS, NO_SCRIPT, TWO_MODEL_FILES, MODEL_IS_THE_FOLDER, DANGLING_LINK, LFS_POINTER)
