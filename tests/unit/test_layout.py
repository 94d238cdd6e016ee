"""A model's folder keeps its name where the code names files below it, and only there."""

from __future__ import annotations

from dagger_aml.contract import MODELS_ROOT
from dagger_aml.graph.graph import Copy
from dagger_aml.project.file import FILE_NAME
from tests.support.cases import for_each
from tests.support.projects import laid_out, make

BEGUN = "import os\n\n\ndef run(data):\n    return data\n\n\ndef init():\n    os.environ['AZUREML_MODEL_DIR']\n"


def opens(*paths: str) -> str:
    return BEGUN + "".join(f'    open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "{path}"))\n' for path in paths)


def dests(root, files, **options) -> list[str]:
    """Where the models go, below ``azureml-models``."""
    graph = laid_out(make(root, files), **options)[1]
    copies = [layer.dest for layer in graph.layers if isinstance(layer, Copy)]
    return [dest.removeprefix(MODELS_ROOT) for dest in copies if dest.startswith(MODELS_ROOT)]


@for_each(
    ("paths", "files", "dest"),
    [
        (["model/regression.pkl"], ["model/regression.pkl"], "/p/1/model"),
        (["regression.pkl"], ["model/regression.pkl"], "/p/1"),
        (["model/regression.pkl"], ["model/model/regression.pkl"], "/p/1"),
        (["model"], ["model/MLmodel"], "/p/1/model"),
        (["model/*.pkl"], ["model/a.pkl"], "/p/1/model"),
        (["*/a.pkl"], ["model/a.pkl"], "/p/1/model"),
        (["*.pkl"], ["model/a.pkl"], "/p/1"),
        (["**/a.pkl"], ["model/a.pkl"], "/p/1"),
        (["model/absent.pkl", "model/a.pkl"], ["model/a.pkl"], "/p/1/model"),
        # The text decides neither: as without the setting.
        (["absent.pkl"], ["model/a.pkl"], "/p/1"),
        (["model/a.pkl", "a.pkl"], ["model/a.pkl"], "/p/1"),
        ([], ["model/a.pkl"], "/p/1"),
    ],
)
def test_the_code_decides(tmp_path, paths, files, dest):
    assert dests(tmp_path / "p", {"code/score.py": opens(*paths), **dict.fromkeys(files, "x")}) == [dest]


def test_the_project_file_says_it_whatever_the_code_names(tmp_path):
    for said, code, dest in (
        ("true", "a.pkl", "/m/1/m"),
        ("false", "m/a.pkl", "/m/1"),
        ('"auto"', "m/a.pkl", "/m/1/m"),
    ):
        file = f"[[models]]\npath = 'm'\nkeep-folder = {said}\n"
        files = {"code/score.py": opens(code), "m/a.pkl": "x", FILE_NAME: file}
        assert dests(tmp_path / "p", files) == [dest]


def test_of_several_models_each_is_asked_below_its_name_and_version(tmp_path):
    code = opens("one/1/one/a.pkl", "two/1/a.pkl")
    files = {"code/score.py": code, "models/one/a.pkl": "x", "models/two/a.pkl": "x"}
    assert dests(tmp_path / "p", files) == ["/one/1/one", "/two/1"]


def test_a_module_that_the_entry_script_imports_decides_too(tmp_path):
    code = {"code/score.py": "import weights\n" + BEGUN, "code/weights.py": opens("model/a.pkl")}
    assert dests(tmp_path / "p", {**code, "model/a.pkl": "x"}) == ["/p/1/model"]


def test_a_folder_that_is_given_as_a_link_keeps_the_links_name(tmp_path):
    files = {"code/score.py": opens("model/a.pkl"), "store/v7/a.pkl": "x", "model": "->store/v7"}
    assert dests(tmp_path / "p", files) == ["/p/1/model"]


def test_where_it_is_from_is_told(tmp_path):
    project = laid_out(make(tmp_path / "p", {"code/score.py": opens("model/a.pkl"), "model/a.pkl": "x"}))[0]
    assert project.origins["models.p.keep-folder"] == "code/score.py:10"


def test_a_name_too_long_for_a_file_and_a_wild_pattern_are_no_error(tmp_path):
    code = opens("x" * 300 + "/a.pkl", "[", "[a", "**x/**", "*" * 50)
    assert dests(tmp_path / "p", {"code/score.py": code, "model/a.pkl": "x"}) == ["/p/1"]
