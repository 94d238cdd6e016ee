"""Packages that will be missing in the image, and lists of packages that nobody reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagger_aml import Options, load_project, make_plan
from dagger_aml.building.graphs import lay_out
from dagger_aml.finding import Finding
from tests.support.calls import await_
from tests.support.cases import for_each
from tests.support.projects import SCORE, make

CURATED = "curated/minimal-py311-inference"

OWN_BASE = "example.org/base:1"

OWN_RECIPE = (
    "from dagger_aml.steps import base\n\n\n"
    "async def recipe(graph, project):\n    return await base(graph, project.base)\n"
)

OURS = ("AML33", "AML52")


def findings(root: Path, files: dict[str, str | bytes | None], **options) -> list[Finding]:
    """What our rules say of a folder."""
    graph = await_(lay_out(load_project(make(root / "p", files), Options(**options))))
    return [each for each in make_plan(graph).warnings if each.id and each.id.startswith(OURS)]


def told(found: list[Finding]) -> set[tuple[str | None, str | None]]:
    return {(each.id, each.location) for each in found}


def script(*lines: str) -> str:
    return "\n".join((*lines, SCORE))


# --- no list at all -----------------------------------------------------------------------------------------------


@for_each(
    ("files", "options", "place", "words"),
    [
        ({"score.py": script("import numpy, joblib")}, {}, "score.py:1", "numpy and joblib"),
        ({"code/score.py": script("", "from sklearn import svm")}, {}, "code/score.py:2", "scikit-learn"),
        ({"score.py": script("import churn"), "churn.py": "import pandas"}, {}, "churn.py:1", "pandas"),
        ({"score.py": script("import pandas")}, {"base": CURATED}, "score.py:1", "pandas"),
        ({"score.py": script("from azure.storage.blob import BlobClient")}, {}, "score.py:1", "azure-storage-blob"),
        ({"score.py": script("import our_company_models")}, {}, "score.py:1", "Perhaps packages of other names"),
        ({"score.py": script("from google.protobuffers import x")}, {}, "score.py:1", "google.protobuffers"),
        ({"score.py": script("import numpy"), "environment.yml": "dependencies: numpy"}, {}, "score.py:1", "numpy"),
    ],
)
def test_imports_without_any_list_are_told(tmp_path, files, options, place, words):
    (found,) = findings(tmp_path, files, **options)
    assert (found.id, found.severity, found.location) == ("AML332", "warning", place)
    assert words in str(found)


def test_no_name_to_install_is_made_up(tmp_path):
    (found,) = findings(tmp_path, {"score.py": script("import google.protobuffers, numpy")})
    assert "google-protobuffers" not in str(found) and "Add to requirements.txt, with their versions: numpy." in str(
        found
    )


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("requirements-prod.txt", "six==1.17.0\n", "requirements-prod.txt"),
        ("conda.yaml", "dependencies:\n- python=3.12\n- six=1.17\n", "the `pip:` part of conda.yaml"),
        ("pyproject.toml", "[project]\nname = 'x'\nversion = '1'\ndependencies = ['six']\n", "pyproject.toml"),
        (
            "pylock.toml",
            "lock-version = '1.0'\ncreated-by = 'x'\n[[packages]]\nname = 'six'\nversion = '1.17.0'\n"
            "wheels = [{url = "
            f"'https://x.example/six-1.17.0-py2.py3-none-any.whl', hashes = {{sha256 = '{'0' * 64}'}}}}]\n",
            "what pylock.toml is made of",
        ),
    ],
)
def test_what_is_missing_is_to_be_written_where_packages_are_listed(tmp_path, name, text, where):
    files = {"score.py": script("import numpy"), name: text}
    found = findings(tmp_path, files, requirements=name)
    (told,) = (each for each in found if each.id == "AML333")
    assert told.hint == f"Add to {where}, with their versions: numpy."


@pytest.mark.parametrize(
    ("files", "options"),
    [
        ({"score.py": SCORE}, {}),
        ({"score.py": script("import os, json, azureml_inference_server_http, flask, inference_schema")}, {}),
        ({"score.py": script("from azureml.contrib.services.aml_response import AMLResponse")}, {}),
        ({"score.py": script("import numpy, joblib", "from azure.identity import X")}, {"base": CURATED}),
        ({"score.py": script("import mine"), "lib/mine.py": ""}, {}),
        ({"score.py": script("import mine"), "src/deep/mine/__init__.py": ""}, {}),
        ({"score.py": script("import pack.a"), "pack/a.py": "from . import mine", "pack/mine.py": ""}, {}),
        ({"score.py": script("import pkg_resources, setuptools, pip")}, {}),
        ({"score.py": script("try:", "    import torch", "except ImportError:", "    torch = None")}, {}),
        ({"score.py": script("import typing", "if typing.TYPE_CHECKING:", "    import torch")}, {}),
        ({"score.py": SCORE, "train.py": "import lightgbm"}, {}),
        ({"score.py": script("import numpy")}, {"env": ("PYTHONPATH=/opt/libs",)}),
        ({"score.py": script("import numpy"), "r.py": OWN_RECIPE},
         {"recipe": "./r.py"}),
        ({"score.py": script("import utils"), "data/utils.py": ""}, {}),
    ],
)  # fmt: skip
def test_what_is_there_or_may_be_is_not_told(tmp_path, files, options, monkeypatch):
    (tmp_path / "p").mkdir()
    monkeypatch.chdir(tmp_path / "p")
    assert findings(tmp_path, files, **options) == []


# --- with a list --------------------------------------------------------------------------------------------------


@for_each(
    ("listed", "lines", "id", "words"),
    [
        ("numpy==2.3.5\n", "import numpy, pandas", "AML333", "pandas"),
        ("pandas\n", "import numpy, pandas, sklearn", "AML333", "scikit-learn"),
        ("azure-identity\n", "from azure.cosmos import CosmosClient", "AML333", "azure-cosmos"),
        ("azure-identity\n", "from azure import identity, cosmos", "AML333", "azure.cosmos"),
        ("numpy\n", "import our_company_models", "AML333", "Perhaps"),
        ("our-models==1.0\n", "import pandas", "AML334", "may come with our-models"),
        ("transformers[torch]\n", "import datasets", "AML334", "may come with transformers[torch]"),
        ("git+https://example.org/ours.git@v1\n", "import pandas", "AML334", "git+https://example.org/ours.git@v1"),
        ("numpy\n", "def init2():\n    import pandas\n", "AML334", "in a function"),
        (
            "numpy\n",
            "import os\nos.system('pip install pandas')\nimport pandas",
            "AML334",
            "the code itself installs",
        ),
    ],
)
def test_imports_that_the_list_does_not_bring(tmp_path, listed, lines, id, words):
    (found,) = findings(tmp_path, {"score.py": script(lines), "requirements.txt": listed})
    assert found.id == id and words in str(found) and "numpy" not in found.message


@for_each(
    ("listed", "lines"),
    [
        ("scikit-learn\n", "import numpy, scipy, joblib, sklearn"),
        ("Scikit_Learn>=1.4\n", "from sklearn import svm"),
        ("mlflow\n", "import pandas, flask, sklearn"),
        ("opencv-python-headless\n", "import cv2, numpy"),
        ("our-models\n", "import our_models.churn"),
        ("azureml-defaults\n", "from azureml.core import Model"),
        ("google-cloud-storage\n", "from google.cloud import storage"),
        ("-r base.txt\n", "import pandas"),
    ],
)
def test_what_a_list_brings_is_not_told(tmp_path, listed, lines):
    files = {"score.py": script(lines), "requirements.txt": listed, "base.txt": "pandas\n"}
    assert findings(tmp_path, files) == []


def test_in_a_lock_nothing_comes_with_another_package(tmp_path):
    digest = "0" * 64
    locked = f"our-models==1.0 --hash=sha256:{digest}\n"
    (found,) = findings(tmp_path, {"score.py": script("import pandas"), "requirements.txt": locked})
    assert found.id == "AML333" and "pandas" in found.message


@pytest.mark.parametrize(
    ("name", "module"), [("faiss-gpu", "faiss"), ("pillow-simd", "PIL"), ("tensorflow-gpu", "tensorflow")]
)
def test_in_a_lock_another_build_of_a_package_may_bring_its_module(tmp_path, name, module):
    locked = f"{name}==1.0 --hash=sha256:{'0' * 64}\n"
    (found,) = findings(tmp_path, {"score.py": script(f"import {module}"), "requirements.txt": locked})
    assert found.id == "AML334" and name in found.message


def test_flags_are_a_list_too(tmp_path):
    (found,) = findings(tmp_path, {"score.py": script("import pandas, numpy")}, pip=("numpy==2.3.5",))
    assert found.id == "AML333" and "Options(pip=…)" in found.message
    assert findings(tmp_path / "2", {"score.py": script("import pandas, numpy")}, pip=("pandas==2.3.3",)) == []


def test_of_a_base_that_nobody_knows_only_a_hint_is_given(tmp_path):
    (found,) = findings(tmp_path, {"score.py": script("import numpy")}, base=OWN_BASE)
    assert (found.id, found.severity) == ("AML334", "info") and "the base image" in found.message


# --- lists that nobody reads --------------------------------------------------------------------------------------


@for_each(
    ("name", "text", "hint"),
    [
        ("Pipfile", "[packages]\n", "pipenv lock"),
        ("Pipfile.lock", "{}", "pipenv requirements > requirements.txt"),
        ("poetry.lock", "", "poetry export"),
        ("pdm.lock", "", "pdm export"),
        ("setup.py", "setup(install_requires=['numpy'])", "install_requires"),
        ("setup.cfg", "[options]\ninstall_requires = numpy\n", "install_requires"),
        ("requirements-prod.txt", "numpy\n", 'Options(requirements="requirements-prod.txt")'),
        ("prod-requirements.txt", "numpy\n", 'Options(requirements="prod-requirements.txt")'),
        ("requirements/prod.txt", "numpy\n", 'Options(requirements="requirements/prod.txt")'),
        ("deploy/requirements.txt", "numpy\n", 'Options(requirements="deploy/requirements.txt")'),
        ("requirements.in", "numpy\n", "uv pip compile requirements.in"),
        ("pyproject.toml", "[dependency-groups]\nserve = ['numpy']\n", "uv export --only-group serve"),
        ("pyproject.toml", "[project]\n[project.optional-dependencies]\nserve = ['numpy']\n", "--extra serve"),
        ("requirements-dev.txt", "pytest\n", 'Options(requirements="requirements-dev.txt")'),
    ],
)  # fmt: skip
def test_a_list_of_another_tool_is_named_where_none_is_read(tmp_path, name, text, hint):
    (found,) = findings(tmp_path, {"score.py": SCORE, name: text})
    assert (found.id, found.location) == ("AML330", name) and hint in str(found.hint)


def test_the_command_that_locks_a_list_is_quoted(tmp_path):
    (found,) = findings(tmp_path, {"score.py": SCORE, "requirements-a b.in": "numpy\n"})
    assert "uv pip compile 'requirements-a b.in' -o" in str(found.hint)


def test_the_list_for_serving_is_named_and_not_that_for_tests(tmp_path):
    files = {"score.py": SCORE, "requirements-test.txt": "pytest\n", "requirements-prod.txt": "numpy\n"}
    assert told(findings(tmp_path, files)) == {("AML330", "requirements-prod.txt")}


@pytest.mark.parametrize("lock", ["poetry.lock", "pdm.lock"])
def test_a_lock_beside_pyproject_is_named(tmp_path, lock):
    files = {"score.py": SCORE, "pyproject.toml": "[project]\nname = 'x'\ndependencies = ['idna']\n", lock: ""}
    (found,) = findings(tmp_path, files)
    assert (found.id, found.location) == ("AML331", lock) and "versions" in found.message


def test_lists_beside_the_one_that_is_read_are_named_by_the_way(tmp_path):
    files = {
        "score.py": SCORE,
        "requirements.txt": "idna\n",
        "requirements-prod.txt": "numpy\n",
        "Pipfile.lock": "{}",
    }
    (found,) = findings(tmp_path, files)
    assert (found.id, found.severity) == ("AML335", "info")
    assert "requirements-prod.txt" in found.message and "Pipfile.lock" in found.message


@pytest.mark.parametrize(
    ("files", "options"),
    [
        (
            {"requirements.txt": "idna\n", "requirements-dev.txt": "", "requirements/test.txt": "", "setup.py": "x"},
            {},
        ),
        ({"requirements.txt": "-r requirements/prod.txt\n", "requirements/prod.txt": "idna\n"}, {}),
        ({"requirements.txt": "idna\n", "requirements.in": "idna\n"}, {}),
        ({"requirements-prod.txt": "idna\n", "Pipfile": ""}, {"requirements": "requirements-prod.txt"}),
        ({"setup.py": "from setuptools import setup\nsetup()\n"}, {}),
        ({"notes.txt": "", "tests/requirements.txt": "pytest\n"}, {}),
        ({"Pipfile": ""}, {"pip": ("idna==3.10",)}),
        ({"pyproject.toml": "[tool.ruff]\n"}, {}),
    ],
)
def test_lists_that_matter_to_nobody_are_not_named(tmp_path, files, options, monkeypatch):
    make(tmp_path / "p", {"score.py": SCORE, **files})
    monkeypatch.chdir(tmp_path / "p")
    assert findings(tmp_path, {}, **options) == []
