"""What the rules say of models: where they lie in the image, and what their files say. The artefacts are real."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import pytest

from dagger_aml import Options, load_project, make_plan
from dagger_aml.artifacts.facts import read_artifacts
from dagger_aml.artifacts.mlmodel import read_mlmodel
from dagger_aml.building.graphs import lay_out
from dagger_aml.finding import Finding
from dagger_aml.project.file import FILE_NAME
from tests.support.calls import await_
from tests.support.cases import for_each
from tests.support.projects import SCORE, make
from tests.unit.test_layout import opens

ARTIFACTS = Path(__file__).parent.parent / "artifacts"
"""make.py there says how they were made."""

PY312, PY39 = "minimal-py312-inference", "minimal-ubuntu22.04-py39-cpu-inference"


def told(root: Path, files: dict[str, str], *artifacts: str, **options: str) -> dict[str | None, Finding]:
    """What is told of a project by its rule.

    :param artifacts: real ones that lie in ``model/``.
    """
    make(root, {"code/score.py": opens(), **files})
    for name in artifacts:
        (root / "model").mkdir(exist_ok=True)
        shutil.copy(
            ARTIFACTS / name, root / "model" / name.partition(".")[2] if "MLmodel" in name else root / "model"
        )
    plan = make_plan(await_(lay_out(load_project(root, Options(**options)))))
    return {each.id: each for each in plan.warnings if each.id and each.id.startswith("AML41")}


# --- where a model lies ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"code/score.py": opens("outputs/a.pkl"), "model/a.pkl": ""}, "the code names outputs/a.pkl below"),
        ({"code/score.py": opens("b.pkl"), "model/a.pkl": ""}, "the code names b.pkl below"),
        ({"code/score.py": opens("a.pkl", "model/a.pkl"), "model/a.pkl": ""}, "names a.pkl and model/a.pkl below"),
    ],
)
def test_code_that_decides_nothing_hears_of_both_paths(tmp_path, files, message):
    found = told(tmp_path / "p", files)
    assert set(found) == {"AML410"} and message in found["AML410"].message
    root = "/var/azureml-app/azureml-models/p/1"
    assert f"{root}/; with" in found["AML410"].message and f"{root}/model/" in found["AML410"].message
    assert found["AML410"].location in ("code/score.py:10", "code/score.py:11")
    # The key helps only where one of its two layouts has a path that the code names.
    assert ("keep-folder" in str(found["AML410"].hint)) is (" and " in message)


@for_each(
    "files",
    [
        {"code/score.py": opens("a.pkl"), "model/a.pkl": ""},
        {"code/score.py": opens("model/a.pkl"), "model/a.pkl": ""},
        {"code/score.py": opens("model/a.pkl", "model/absent.pkl"), "model/a.pkl": ""},
        {"code/score.py": opens(), "model/a.pkl": ""},
        {"code/score.py": opens("*.onnx"), "model/a.pkl": ""},
        {"code/score.py": opens("**/b.pkl"), "model/a.pkl": ""},
        {"code/score.py": SCORE, "model/a.pkl": ""},
        {"code/score.py": opens("a.pkl"), "a.pkl": ""},
        {"code/score.py": opens("a.pkl", "b.pkl"), "a.pkl": ""},
        {"code/score.py": opens("one/1/a.pkl"), "models/one/a.pkl": "", "models/two.pkl": ""},
    ],
)
def test_code_that_finds_its_model_hears_nothing(tmp_path, files):
    assert told(tmp_path / "p", files) == {}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"code/score.py": opens("model/a.pkl"), "a.pkl": ""}, "is at /var/azureml-app/azureml-models/a/1/a.pkl"),
        (
            {
                "code/score.py": opens("m/a.pkl"),
                "m/a.pkl": "",
                FILE_NAME: "[[models]]\npath = 'm'\nkeep-folder = false\n",
            },
            "is at /var/azureml-app/azureml-models/m/1/, since keep-folder is false",
        ),
        (
            {
                "code/score.py": opens("a.pkl"),
                "m/a.pkl": "",
                FILE_NAME: "[[models]]\npath = 'm'\nkeep-folder = true\n",
            },
            "is at /var/azureml-app/azureml-models/m/1/m/, since keep-folder is true",
        ),
    ],
)
def test_a_path_that_is_not_in_the_image_is_told(tmp_path, files, said):
    found = told(tmp_path / "p", files)
    assert set(found) == {"AML411"} and said in found["AML411"].message


def test_files_that_are_taken_together_are_told(tmp_path):
    files = {"code/score.py": opens("a.onnx"), "a.onnx": "", "a.onnx.data": "", "tokenizer.json": ""}
    found = told(tmp_path / "p", files)
    assert found["AML413"].message == "a.onnx is taken as one model with a.onnx.data, tokenizer.json"
    assert told(tmp_path / "q", {"code/score.py": opens("a.onnx"), "a.onnx": ""}) == {}


# --- what the files say ---------------------------------------------------------------------------------------------


def test_real_artifacts_are_read():
    read = {each.path.name: each for name in ARTIFACTS.iterdir() for each in read_artifacts(name)}
    assert set(read) == {"booster.json", "features.joblib", "main.pkl", "main.skops"}
    assert read["main.pkl"].main == read["main.skops"].main == ("Mine",)
    assert "features" in read["features.joblib"].modules and read["features.joblib"].main == ()
    made = {name: each.versions.get("scikit-learn") for name, each in read.items()}
    assert made == {"booster.json": None, "features.joblib": "1.5.2", "main.pkl": "1.5.2", "main.skops": "1.5.2"}
    assert set(read["booster.json"].versions) == {"xgboost"}


@pytest.mark.parametrize("name", ["main.pkl", "main.skops"])
def test_classes_of_main_are_told(tmp_path, name):
    found = told(tmp_path / "p", {}, name)
    assert found["AML415"].location == f"model/{name}" and "needs Mine of the script" in found["AML415"].message


def test_code_that_puts_them_there_is_not_told(tmp_path):
    for text in ("import __main__\n", "import sys\nsys.modules['__main__'].Mine = 1\n"):
        assert "AML415" not in told(tmp_path / "p", {"code/score.py": text + opens()}, "main.pkl")
    assert "AML415" not in told(tmp_path / "q", {}, "features.joblib")


def torch_archive(*pickled: bytes) -> bytes:
    """As ``torch.save`` writes it: a pickle of protocol 2 and, apart, the numbers."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("net/data.pkl", b"\x80\x02" + b"".join(pickled) + b".")
        archive.writestr("net/data/0", bytes(64))
    return made.getvalue()


def test_a_whole_model_of_torch_is_told_and_its_numbers_alone_are_not(tmp_path):
    make(tmp_path / "p", {"model/net.pt": torch_archive(b"c__main__\nNet\n)\x81")})
    assert "needs Net of the script" in told(tmp_path / "p", {})["AML415"].message
    make(tmp_path / "q", {"model/net.pth": torch_archive(b"ccollections\nOrderedDict\n)R")})
    make(tmp_path / "q", {"model/old.bin": b"no archive", "model/other.pt": b"PK\x05\x06" + bytes(18)})
    assert told(tmp_path / "q", {}) == {}


@pytest.mark.parametrize("place", ["features.py", "src/features/__init__.py"])
def test_a_module_of_the_project_that_is_not_in_the_code_is_told(tmp_path, place):
    found = told(tmp_path / "p", {place: ""}, "features.joblib")
    assert "needs the module features" in found["AML416"].message


def test_a_module_that_the_code_has_or_nobody_has_is_not_told(tmp_path):
    assert "AML416" not in told(tmp_path / "p", {"code/features.py": "", "features.py": ""}, "features.joblib")
    assert "AML416" not in told(tmp_path / "q", {"sub/features.py": ""}, "features.joblib")
    assert "AML416" not in told(tmp_path / "r", {"features.txt": ""}, "features.joblib")


@for_each(
    ("listed", "said"),
    [
        ("scikit-learn==1.3.2", "made with scikit-learn 1.5.2, but requirements.txt lists scikit-learn==1.3.2"),
        ("scikit_learn<1.4  # old", "lists scikit-learn<1.4"),
        ("-r more.txt", "lists scikit-learn==1.2.0"),
        ("numpy==1.26.4", "made with numpy 2 or later, but requirements.txt lists numpy==1.26.4"),
        ("numpy~=1.26", "lists numpy~=1.26"),
        ("numpy<2", "lists numpy<2"),
    ],
)
def test_another_version_is_told(tmp_path, listed, said):
    files = {"requirements.txt": f"{listed}\n", "more.txt": "scikit-learn==1.2.0\n"}
    assert said in told(tmp_path / "p", files, "features.joblib")["AML417"].message


@for_each(
    "listed",
    [
        *("scikit-learn==1.5.2", "scikit-learn==1.5.0", "scikit-learn", "scikit-learn>=1.3", "scikit-learn~=1.5"),
        *("joblib==1.4.2", "numpy==2.1.0", "numpy>=1.20", "numpy>=2,<3", "scikit-learn==1.5.*"),
    ],
)
def test_a_version_that_fits_or_is_not_listed_is_not_told(tmp_path, listed):
    assert "AML417" not in told(tmp_path / "p", {"requirements.txt": f"{listed}\n"}, "features.joblib")


def test_another_python_is_told(tmp_path):
    old = {each: (ARTIFACTS / each).read_text() for each in ("sklearn.MLmodel", "pyfunc.MLmodel")}
    for name, id in (("sklearn.MLmodel", "AML419"), ("pyfunc.MLmodel", "AML418")):
        made = read_mlmodel(ARTIFACTS / name).python
        assert made and old[name].count(made) == 1
        root = tmp_path / name
        assert id in told(root, {"model/MLmodel": old[name].replace(made, "3.9.19")}, base=PY312)
        assert not {"AML418", "AML419"} & set(told(root, {}, base=PY39))
        make(root, {"model/MLmodel": old[name].replace(made, "3.12.1")})
        assert not {"AML418", "AML419"} & set(told(root, {}, base=PY312))


# --- how they are read ----------------------------------------------------------------------------------------------


@for_each(
    ("name", "data"),
    [
        ("a.skops", b"no zip"),
        ("a.skops", b"PK\x03\x04"),
        ("a.keras", b"PK\x05\x06" + bytes(18)),
        ("a.json", b"{"),
        ("a.json", b'{"learner": 1, "version": ["x"]}'),
        ("a.pkl", b"\x80\x04"),
        ("a.pkl", b"\x80\x04\xff\xff\xff"),
        ("a.joblib", b"\x78\x9cwhatever"),
        ("MLmodel", b"\xff\xfe: :\n\t"),
    ],
)
def test_what_is_broken_says_nothing(tmp_path, name, data):
    make(tmp_path, {name: data})
    assert all(not (each.modules or each.main or each.versions) for each in read_artifacts(tmp_path / name))


def test_of_a_large_file_only_the_begin_is_read(tmp_path, monkeypatch):
    path = tmp_path / "a.pkl"
    begun = (ARTIFACTS / "main.pkl").read_bytes()
    path.write_bytes(begun[:-1])
    with path.open("ab") as file:
        file.truncate(4 << 30)
    assert read_artifacts(path)[0].main == ("Mine",)
