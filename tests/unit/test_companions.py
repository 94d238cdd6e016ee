"""Models whose files lie side by side travel together; folders that hold no model are none."""

from __future__ import annotations

import pytest

from dagger_aml import ProjectError
from dagger_aml.artifacts.onnx import external_data
from dagger_aml.project.file import FILE_NAME
from tests.support.calls import error_of
from tests.support.projects import laid_out, make
from tests.unit.test_folders import files, packaged
from tests.unit.test_layout import opens

ROOT = "/var/azureml-app/azureml-models/"


def location(name: str) -> bytes:
    """What a tensor of an ONNX file says of the file that holds it."""
    return b"j\x1c\x0a\x08location\x12" + bytes([len(name)]) + name.encode()


def models(root, said, **options) -> set[str]:
    found = files(packaged(make(root, said), **options))
    return {path.removeprefix(ROOT) for path in found if path.startswith(ROOT)}


def code(root) -> set[str]:
    return {path.rpartition("/")[2] for path in files(packaged(root)) if not path.startswith(ROOT)}


ONNX = {"model.onnx": "x", "model.onnx.data": "x", "tokenizer.json": "{}"}


@pytest.mark.parametrize("script", ["score.py", "code/score.py"])
def test_weights_and_tokenizer_travel_with_their_network(tmp_path, script):
    root = tmp_path / "p"
    found = models(root, {script: opens("model.onnx"), **ONNX})
    assert found == {"p/1/model.onnx", "p/1/model.onnx.data", "p/1/tokenizer.json"}
    assert not {"model.onnx", "model.onnx.data"} & code(root), "each large file travels once"


@pytest.mark.parametrize(
    "names",
    [
        ["a.onnx", "a.onnx_data", "a.onnx_data_1"],
        ["a.onnx", "a.onnx.data-2"],
        ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"],
        ["m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors", "m.safetensors.index.json"],
        ["a.safetensors", "special_tokens_map.json", "tokenizer.model", "tokenizer_config.json"],
    ],
)
def test_files_of_one_model(tmp_path, names):
    main = names[0].rpartition(".")[0]
    found = models(tmp_path / "p", {"code/score.py": opens(names[0]), **dict.fromkeys(names, "x")})
    assert found == {f"{main}/1/{name}" for name in names}


def test_an_onnx_file_says_where_its_weights_are(tmp_path):
    root = make(
        tmp_path / "p", {"a.onnx": b"\x08\x08" + location("weights.bin") + location("x/y") + b"\x0a\x08location"}
    )
    assert external_data(root / "a.onnx") == {"weights.bin"}
    assert external_data(root / "absent.onnx") == external_data(root / "weights.bin") == frozenset()
    found = models(root, {"code/score.py": opens("a.onnx"), "weights.bin": "x", "other.bin": "x"})
    assert found == {"a/1/a.onnx", "a/1/weights.bin"}


def test_what_the_code_opens_beside_the_model_travels_with_it(tmp_path):
    said = {"code/score.py": opens("a.pkl", "labels.txt", "*.csv"), "a.pkl": "x", "labels.txt": "x", "b.csv": "x"}
    assert models(tmp_path / "p", said) == {"a/1/a.pkl", "a/1/labels.txt"}


def test_a_model_that_the_file_names_is_not_torn_apart_either(tmp_path):
    said = {"code/score.py": opens("a.onnx"), "w/a.onnx": "x", "w/a.onnx.data": "x", "w/b.onnx": "x"}
    file = {FILE_NAME: "[[models]]\npath = 'w/a.onnx'\n"}
    assert models(tmp_path / "p", {**said, **file}) == {"a/1/a.onnx", "a/1/a.onnx.data"}


def test_in_models_each_network_has_its_own_weights(tmp_path):
    said = {"code/score.py": opens(), "models/a.onnx": "x", "models/a.onnx.data": "x", "models/b.pkl": "x"}
    said |= {"models/README.md": "x", "models/.gitkeep": ""}
    assert models(tmp_path / "p", said) == {"a/1/a.onnx", "a/1/a.onnx.data", "b/1/b.pkl"}


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a.pkl", "a.pkl.md5", "a.pkl.dvc", "notes.txt"], {"a/1/a.pkl"}),
        (["a.pkl", "tokenizer.json"], {"a/1/a.pkl"}),
        (["a.onnx", "a.onnx.md", "a.database"], {"a/1/a.onnx"}),
    ],
)
def test_other_files_do_not(tmp_path, names, said):
    assert models(tmp_path / "p", {"code/score.py": opens(names[0]), **dict.fromkeys(names, "x")}) == said


def test_two_models_are_two_candidates_as_before(tmp_path):
    root = make(tmp_path / "p", {"code/score.py": opens(), "a.onnx": "x", "b.onnx": "x", "b.onnx.data": "x"})
    assert error_of(laid_out, root).message == "several candidates for the model: a.onnx and b.onnx"


# --- folders that hold none -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (["model/.gitkeep"], "Put the model's files into it"),
        (["model/.gitignore", "model/README.md", "model/deeper/.gitkeep"], "Put the model's files into it"),
        (["models/.gitkeep"], "Put the model's files into it"),
        (["model/.gitignore", "model/a.pkl.dvc"], "dvc pull"),
    ],
)
def test_a_folder_without_a_model_is_empty(tmp_path, names, hint):
    root = make(tmp_path / "p", {"code/score.py": opens("a.pkl"), **dict.fromkeys(names, "x")})
    error = error_of(laid_out, root)
    assert isinstance(error, ProjectError) and error.message == "the model folder is empty"
    assert error.location == str(root / names[0].partition("/")[0]) and hint in error.hint


def test_another_model_is_taken_instead(tmp_path):
    said = {"code/score.py": opens("a.pkl"), "model/.gitkeep": "", "a.pkl": "x"}
    assert models(tmp_path / "p", said) == {"a/1/a.pkl"}


def test_code_that_asks_for_no_model_needs_none(tmp_path):
    root = make(tmp_path / "p", {"code/score.py": "def init():\n    pass\n\n\ndef run(data):\n    return 1\n"})
    make(root, {"model/.gitkeep": ""})
    assert laid_out(root)[0].models == ()


def test_a_folder_that_the_file_names_must_hold_a_model(tmp_path):
    root = make(tmp_path / "p", {"code/score.py": opens(), "m/x/": None, FILE_NAME: "[[models]]\npath = 'm'\n"})
    assert error_of(laid_out, root).message == "the model folder is empty"
