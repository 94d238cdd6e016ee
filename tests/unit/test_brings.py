"""What packages bring by the table, what an entry script imports from elsewhere, and how the table is made."""

from __future__ import annotations

import datetime

from dagger_aml.pysource.needed import elsewhere
from dagger_aml.requirements.brings import brought_by, table
from tests.support.cases import for_each
from tests.support.projects import make
from tools.packages import NAMES, modules_of


def test_the_table_has_most_of_the_listed_packages_and_its_date():
    found, names = table(), [line for line in NAMES.read_text().splitlines() if line and not line.startswith("#")]
    assert datetime.date.fromisoformat(found.date) >= datetime.date(2026, 11, 29)
    assert found.listed >= 250 and found.listed <= len(names) == len(set(names))
    assert len(set(names) - found.packages.keys()) <= 25, sorted(set(names) - found.packages.keys())
    assert found.packages["scikit-learn"][0] == ("sklearn",)
    assert len(found.packages) > found.listed, "what they need is there too"


@for_each(
    ("listed", "module", "names"),
    [
        (["scikit-learn"], "numpy", ()),
        (["scikit-learn"], "joblib", ()),
        (["Scikit_Learn"], "sklearn.svm", ("SVC",)),
        (["pandas"], "dateutil.parser", ()),
        (["azure-identity"], "azure.core", ()),
        (["azure-identity"], "azure", ("identity",)),
        (["azure-storage-blob"], "azure.storage.blob", ("BlobClient",)),
        (["azure-storage-blob"], "azure", ()),
        (["google-cloud-storage"], "google.cloud", ("storage",)),
        (["protobuf"], "google.protobuf", ("message",)),
        (["azureml-inference-server-http"], "flask", ("Flask",)),
        (["azureml-inference-server-http"], "inference_schema.schema_decorators", ()),
        (["opencv-python-headless"], "cv2", ()),
        (["our-own_Models"], "our_own_models.churn", ()),
    ],
)
def test_what_is_brought(listed, module, names):
    assert brought_by(listed).missing(module, names) == ()


@for_each(
    ("listed", "module", "names", "missing"),
    [
        (["numpy"], "pandas", ("DataFrame",), ("pandas",)),
        (["azure-identity"], "azure.storage", ("blob",), ("azure.storage.blob",)),
        (["azure-identity"], "azure", ("identity", "cosmos"), ("azure.cosmos",)),
        (["azure-identity"], "azure.storage.blob", ("BlobClient",), ("azure.storage.blob",)),
        ([], "google.protobuf", ("message",), ("google.protobuf",)),
        (["azureml-inference-server-http"], "numpy", (), ("numpy",)),
        ([], "ourown", ("x",), ("ourown",)),
        ([], "azure", (), ("azure",)),
    ],
)
def test_what_is_not_brought(listed, module, names, missing):
    assert brought_by(listed).missing(module, names) == missing


def test_packages_that_are_not_in_the_table_are_told():
    assert brought_by(["numpy", "Our.Models"]).unknown == ("our-models",)
    assert brought_by(["numpy", "pandas"]).unknown == ()


# --- what an entry script imports from elsewhere ---


def found_in(tmp_path, files: dict[str, str]) -> set[tuple[str, str, bool]]:
    root = make(tmp_path / "p", files)
    return {(each.module, each.location, each.sure) for each in elsewhere(root, "score.py").imports}


def test_imports_have_their_place_and_whether_they_are_sure(tmp_path):
    text = (
        "import os, numpy\nfrom azure.identity import DefaultAzureCredential\n"
        "def run(data):\n    import pandas\n    return data\nif os.name:\n    import scipy\n"
    )
    assert found_in(tmp_path, {"score.py": text}) == {
        ("numpy", "score.py:1", True),
        ("azure.identity", "score.py:2", True),
        ("pandas", "score.py:4", False),
        ("scipy", "score.py:7", False),
    }


@for_each(
    "text",
    [
        "try:\n    import torch\nexcept ImportError:\n    torch = None\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\n",
        "if __name__ == '__main__':\n    import torch\n",
        "import importlib\nname = 'torch'\nimportlib.import_module(name)\n",
        "from . import torch\n",
        "import torch_helpers\n",
        "def init(:\nimport torch\n",
        "'import torch'\n",
    ],
)
def test_what_may_fail_or_is_the_projects_own_is_not_needed(tmp_path, text):
    files = {"score.py": text, "torch_helpers.py": "", "train.py": "import lightgbm\n"}
    assert found_in(tmp_path, files) == set()


def test_a_file_that_is_imported_in_a_function_needs_nothing_for_sure(tmp_path):
    files = {
        "score.py": "import first\ndef run(data):\n    import second\n",
        "first.py": "import numpy\n",
        "second.py": "import pandas\nimport third\n",
        "third.py": "import first\nimport scipy\n",
    }
    assert found_in(tmp_path, files) == {
        ("numpy", "first.py:1", True),
        ("pandas", "second.py:1", False),
        ("scipy", "third.py:2", False),
    }


def test_code_that_may_install_packages_itself_is_told(tmp_path):
    text = "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pip', 'install', 'lightgbm'])\n"
    assert elsewhere(make(tmp_path / "p", {"score.py": text}), "score.py").installs
    assert not elsewhere(make(tmp_path / "q", {"score.py": "import pipeline\n"}), "score.py").installs


# --- how the table is made ---


@for_each(
    ("files", "modules"),
    [
        (["six.py"], {"six"}),
        (["numpy/__init__.py", "numpy/core/x.py", "numpy.libs/y.so"], {"numpy"}),
        (["google/protobuf/__init__.py", "google/protobuf/a.py"], {"google.protobuf"}),
        (["azure/__init__.py", "azure/ai/ml/__init__.py"], {"azure.ai.ml"}),
        (["google/cloud/storage/__init__.py", "google/cloud/storage/x/__init__.py"], {"google.cloud.storage"}),
        (["_cffi_backend.cpython-311-x86_64-linux-gnu.so", "cffi/__init__.py"], {"cffi"}),
        (["orjson/orjson.cpython-311-x86_64-linux-gnu.so", "orjson/__init__.py"], {"orjson"}),
        (["fast.abi3.so"], {"fast"}),
        (["tests/__init__.py", "thing/__init__.py"], {"thing"}),
        (["thing/data.json", "my-dist.txt"], set()),
    ],
)
def test_modules_of_a_wheels_files(files, modules):
    assert modules_of(files) == modules
