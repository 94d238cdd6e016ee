"""MLflow models served without an entry script: what their images get, and with which words others are refused."""

from __future__ import annotations

import ast
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dagger_aml import DaggerAmlError, Options, ProjectError, dockerfile, load_project, make_plan
from dagger_aml.artifacts import mlmodel
from dagger_aml.artifacts.mlmodel import read_mlmodel
from dagger_aml.artifacts.mlmodel_served import read_served
from dagger_aml.cli.commands.run import _of_saved
from dagger_aml.cli.commands.score import _Asked
from dagger_aml.cli.target import Target
from dagger_aml.graph.graph import Copy
from dagger_aml.graph.source import Text
from dagger_aml.init.draft import make_draft
from dagger_aml.plan.model import Plan
from dagger_aml.plan.render import plan_json, plan_text
from dagger_aml.project.mlflow import mlflow_model
from dagger_aml.serving.answer import Tolerance
from dagger_aml.serving.local import _lay_out
from dagger_aml.serving.smoke import default_smoke
from dagger_aml.steps.mlflow_script import DEST, SCRIPT
from tests.support.calls import error_of
from tests.support.cases import for_each
from tests.support.projects import SCORE, laid_out, make, planned

LINEAR = Path(__file__).parents[1] / "saved" / "linear"
"""A scikit-learn model as MLflow 3.17.2 saved it with Python 3.11 (tests/artifacts/make.py)."""

PY311 = "curated/minimal-py311-inference"
MODELS = "/var/azureml-app/azureml-models"
ABOUT = "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    python_version: 3.12.3\n"
SERVER = "azureml-inference-server-http"


def words_of(call: Callable[[], object]) -> str:
    """What an error says."""
    return str(error_of(call))


def copied(plan: Plan) -> dict[str, Any]:
    """Where each copy goes, and its source."""
    return {layer.dest: layer.source for layer in plan.layers if isinstance(layer, Copy)}


@pytest.fixture
def linear(tmp_path: Path) -> Path:
    """A project folder with that model and nothing else."""
    shutil.copytree(LINEAR, tmp_path / "p" / "linear")
    return tmp_path / "p"


# --- what the image gets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["", "linear"])
def test_a_model_alone_is_a_project(linear, below):
    plan = planned(linear / below, base=PY311)
    found = copied(plan)
    model = found[f"{MODELS}/linear/1/linear"]
    assert {entry.path for entry in model.entries} == {path.name for path in LINEAR.iterdir()}
    assert found[DEST] == Text(SCRIPT.read_bytes())
    assert plan.config.env["AZUREML_ENTRY_SCRIPT"] == DEST.rpartition("/")[2]
    assert plan.config.env["AZUREML_MODEL_DIR"] == f"{MODELS}/linear/1"
    assert plan.config.env["MLFLOW_MODEL_FOLDER"] == "linear"
    assert found["/usr/share/dagger-aml/requirements.txt"].path == str(linear / "linear" / "requirements.txt")
    assert [op.name for op in plan.ops if op.name.startswith("pip")] == [
        f"pip requirements.txt (4 packages) and {SERVER}"
    ]
    assert not plan.warnings


def test_a_folder_called_model_and_code_of_training_beside_it(linear):
    (linear / "linear").rename(linear / "model")
    make(linear, {"train.py": "import mlflow\n", "mlruns/0/meta.yaml": ""})
    plan = planned(linear, base=PY311)
    assert f"{MODELS}/p/1/model" in copied(plan) and plan.config.env["MLFLOW_MODEL_FOLDER"] == "model"


@pytest.mark.parametrize("recipe", ["dynamic", "extended", "package", "preinstalled"])
def test_each_recipe_has_the_script(linear, recipe):
    base = "minimal-py312-inference" if recipe == "dynamic" else PY311
    plan = planned(linear, base=base, recipe=recipe, via="pythonpath", python="base")
    assert copied(plan)[DEST] == Text(SCRIPT.read_bytes())
    assert plan.config.env["AZUREML_ENTRY_SCRIPT"] == "mlflow_score.py"


def test_an_mlmodel_is_parsed_once_for_all_that_asks_for_it(linear):
    mlmodel._parsed.cache_clear()
    planned(linear, base=PY311)
    known = mlmodel._parsed.cache_info()
    assert known.misses == 1 and known.hits
    with (linear / "linear/MLmodel").open("a") as file:
        file.write("more: 1\n")
    planned(linear, base=PY311)
    assert mlmodel._parsed.cache_info().misses == 2


def test_a_dockerfile_has_the_same_script(linear, tmp_path):
    graph = laid_out(linear, base=PY311)[1]
    dockerfile(graph).save(tmp_path / "out")
    assert SCRIPT.read_bytes() in [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_a_script_of_ones_own_takes_its_place(linear):
    make(linear, {"score.py": SCORE})
    project = load_project(linear)
    assert project.mlflow is None and project.code == linear
    plan = planned(linear, ignore=("AML303", "AML419"))
    assert DEST not in copied(plan) and "MLFLOW_MODEL_FOLDER" not in plan.config.env


def test_a_list_of_the_projects_own_counts_and_says_no_python(linear):
    make(linear, {"requirements.txt": "mlflow==3.17.2\n"})
    project, graph = laid_out(linear)
    assert project.requirements == linear / "requirements.txt" and project.pip == ()
    assert make_plan(graph).config.env["AZUREML_ENTRY_SCRIPT"] == "mlflow_score.py"


def test_without_requirements_txt_the_conda_file_lists_the_packages(linear):
    (linear / "linear" / "requirements.txt").unlink()
    project, _ = laid_out(linear, base=PY311)
    assert project.requirements == linear / "linear" / "conda.yaml" and project.pip == (SERVER,)
    assert "conda.yaml is for Python 3.11" in words_of(lambda: planned(linear))


def python_env(folder: Path, text: str) -> None:
    """Leave ``python_env.yaml`` alone to say what is installed."""
    for name in ("requirements.txt", "conda.yaml"):
        (folder / name).unlink()
    (folder / "python_env.yaml").write_text(text)


ENV = 'python: "3.11.7"\nbuild_dependencies:\n- pip==24.0\n- setuptools\ndependencies:\n'


def test_without_both_python_env_lists_them(linear):
    python_env(linear / "linear", ENV + "- mlflow==3.17.2\n- -r more.txt\n- 'scikit-learn==1.9.1'\n")
    (linear / "linear" / "more.txt").write_text("idna==3.10\n")
    project, graph = laid_out(linear, base=PY311)
    assert project.requirements == linear / "linear" / "python_env.yaml" and project.pip == (SERVER,)
    plan = make_plan(graph)
    text = copied(plan)["/usr/share/dagger-aml/requirements/requirements.txt"].data.decode()
    assert text.splitlines()[1:] == ["mlflow==3.17.2", "-r more.txt", "scikit-learn==1.9.1"]
    assert "python_env.yaml" in text.splitlines()[0] and "setuptools" not in text
    shown = plan_text(plan, project)
    assert "Packages of linear/python_env.yaml" in shown and "the pip part, as it is written: 3 packages" in shown
    assert "python_env.yaml is for Python 3.11.7" in words_of(lambda: planned(linear))
    assert [each.id for each in planned(linear, python="base").warnings if each.id == "AML340"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ENV + "- mlflow==3.17.2\n- 7\n", "python_env.yaml:7: not a package: '7'"),
        ("python: [3]\ndependencies:\n- idna\n", "python_env.yaml:1: `python` must be a version"),
        (ENV + "- -r nowhere.txt\n", "nowhere.txt"),
        ("python: 3.11.7\ndependencies: idna\n", "`dependencies` must be a list"),
        ("python: 3.11.7\n\tdependencies: x\n", "is not YAML"),
    ],
)
def test_a_python_env_that_is_none(linear, text, words):
    python_env(linear / "linear", text)
    assert words in words_of(lambda: planned(linear, base=PY311))


def test_a_python_env_without_packages_lists_none(linear):
    python_env(linear / "linear", "python: 3.11.7\nbuild_dependencies:\n- pip==24.0\n")
    assert load_project(linear, Options(base=PY311)).requirements is None


def test_a_list_that_names_the_server_has_it_once(linear):
    with (linear / "linear" / "requirements.txt").open("a") as file:
        file.write(f"\n{SERVER}==1.5.1\n")
    assert load_project(linear).pip == ()


@pytest.mark.parametrize(
    ("line", "added"),
    [
        (f"# {SERVER} is in the base", (SERVER,)),
        (f"six  # not {SERVER}", (SERVER,)),
        ("AzureML_Inference_Server_HTTP", ()),
        ("azureml-defaults==1.60.0", ()),
    ],
)
def test_a_list_names_the_server_by_a_line_of_its_own(linear, line, added):
    with (linear / "linear" / "requirements.txt").open("a") as file:
        file.write(f"\n{line}\n")
    assert load_project(linear).pip == added


def test_another_python_is_refused_with_both_ways_out(linear):
    error = words_of(lambda: planned(linear))
    assert "python_env.yaml is for Python 3.11, but the base image has another version: 3.12" in error
    assert 'Options(python="base")' in error and "Python 3.11" in error
    warnings = planned(linear, python="base").warnings
    assert [(each.id, each.location) for each in warnings if each.id == "AML340"] == [
        ("AML340", "linear/python_env.yaml")
    ]


def test_of_a_list_that_pins_nothing_any_python_is_taken(linear):
    make(linear / "linear", {"requirements.txt": "mlflow\nscikit-learn>=1.5\n"})
    assert "AML340" in {each.id for each in planned(linear).warnings}


def test_the_python_of_an_mlmodel_alone(tmp_path):
    make(tmp_path / "p", {"iris/MLmodel": ABOUT, "iris/requirements.txt": "mlflow==3.17.2\n"})
    assert not planned(tmp_path / "p").warnings
    assert "MLmodel is for Python 3.12" in words_of(lambda: planned(tmp_path / "p", base=PY311))


@pytest.mark.parametrize(
    ("table", "dest", "folder", "models"),
    [
        ('name = "n"\nversion = "7"\n', f"{MODELS}/n/7/linear", "linear", f"{MODELS}/n/7"),
        ("keep-folder = false\n", f"{MODELS}/linear/1", None, f"{MODELS}/linear/1"),
        ("flat = true\n", f"{MODELS}/linear", "linear", MODELS),
    ],
)
def test_a_model_that_the_project_file_names(linear, table, dest, folder, models):
    make(linear, {"dagger-aml.toml": f'[[models]]\npath = "linear"\n{table}'})
    plan = planned(linear, base=PY311)
    assert dest in copied(plan) and plan.config.env["AZUREML_MODEL_DIR"] == models
    assert plan.config.env.get("MLFLOW_MODEL_FOLDER") == folder


def test_what_is_for_dagger_aml_is_not_part_of_a_model(linear):
    names = {
        "dagger-aml.toml": 'name = "served"\n',
        "request.json": "{}",
        "answer.json": "[]",
        "apt.txt": "libgomp1\n",
    }
    root = make(linear / "linear", names)
    project, graph = laid_out(root, base=PY311)
    source = copied(make_plan(graph))[f"{MODELS}/linear/1/linear"]
    assert set(source.left_out) == set(names) and project.name == "served" and project.apt == ("libgomp1",)


def test_modules_that_were_saved_with_a_model_are_the_models(tmp_path):
    files = {"MLmodel": f"{ABOUT}    code: code\n", "code/features.py": SCORE, "requirements.txt": "mlflow\n"}
    root = make(tmp_path / "iris", files)
    project, graph = laid_out(root)
    assert project.code is None and project.mlflow
    assert "code/features.py" in {each.path for each in copied(make_plan(graph))[f"{MODELS}/iris/1/iris"].entries}
    make(root, {"MLmodel": ABOUT})
    assert "the project folder itself is an MLflow model" in words_of(lambda: load_project(root))


def deployment(root: Path, model: str) -> Path:
    make(root, {"deployment.yml": f"name: blue\nendpoint_name: e\ninstance_type: Standard_DS3_v2\n{model}"})
    return root / "deployment.yml"


def test_a_deployment_file_without_code(linear):
    file = deployment(linear, "model:\n  name: iris\n  version: 3\n  path: linear\n  type: mlflow_model\n")
    plan = planned(file, base=PY311)
    assert f"{MODELS}/iris/3/linear" in copied(plan) and DEST in copied(plan)
    assert plan.config.env["AZUREML_MODEL_DIR"] == f"{MODELS}/iris/3"
    assert plan.config.env["MLFLOW_MODEL_FOLDER"] == "linear"
    assert f"pip requirements.txt (4 packages) and {SERVER}" in [op.name for op in plan.ops]


def test_a_registered_model_as_it_is_downloaded(linear, tmp_path):
    (tmp_path / "iris").mkdir()
    (linear / "linear").rename(tmp_path / "iris" / "linear")
    file = deployment(linear, "model: azureml:iris:3\n")
    plan = planned(file, base=PY311, model=(f"iris:3={tmp_path / 'iris'}",))
    assert {each.path.partition("/")[0] for each in copied(plan)[f"{MODELS}/iris/3"].entries} == {"linear"}
    assert plan.config.env["MLFLOW_MODEL_FOLDER"] == "linear"


def test_a_deployment_file_whose_model_is_none_or_cannot_be_served(linear):
    model = "model:\n  path: linear\n  type: mlflow_model\n"
    (linear / "linear" / "MLmodel").write_text("flavors:\n  mleap: {}\n")
    assert "cannot be served without an entry script" in words_of(lambda: planned(deployment(linear, model)))
    (linear / "linear" / "MLmodel").unlink()
    error = words_of(lambda: planned(deployment(linear, model)))
    assert "its type is mlflow_model, and linear has no MLmodel" in error and "deployment.yml:" in error


def test_init_says_that_nothing_needs_to_be_written(linear):
    error = words_of(lambda: make_draft(linear, Options()))
    assert "the MLflow model linear is served without an entry script" in error and "plan --why" in error


# --- what is not served so ----------------------------------------------------------------------------------------


@for_each(
    ("text", "words"),
    [
        ("flavors:\n  mleap: {}\n", "python_function is not among its flavors (mleap)"),
        ("flavors:\n  python_function: {}\n", "its MLmodel names no loader_module"),
        (ABOUT.replace("sklearn", "spark"), "it needs Spark, and Java with it (mlflow.spark)"),
        (ABOUT.replace("sklearn", "h2o"), "it needs Java, which no inference image has (mlflow.h2o)"),
        (ABOUT.replace("mlflow.sklearn", "databricks.feature_store.mlflow_model"), "works only there (databricks."),
        (f"{ABOUT}    code: src\n", "the code that was saved with it, src, is not in its folder"),
        *(
            (f"{ABOUT}    {key}: a/model.pkl\n", "a/model.pkl, which it is loaded from, is not in its folder")
            for key in ("data", "model_path", "python_model")
        ),
    ],
)
def test_a_model_that_cannot_be_served_is_refused_with_the_reason(tmp_path, text, words):
    root = make(tmp_path / "p", {"iris/MLmodel": text, "iris/model.pkl": "x"})
    error = words_of(lambda: planned(root))
    assert "[AML520]" in error and words in error and "an MLflow model (iris)" in error
    with pytest.raises(ProjectError, match="cannot be served without an entry script") as caught:
        mlflow_model(root / "iris")
    assert words in str(caught.value)


@for_each(
    ("text", "words"),
    [
        ("", "it has no `flavors`"),
        ("[]", "it has no `flavors`"),
        ("flavors: [python_function]\n", "it has no `flavors`"),
        ("flavors: {true: {}}\n", "it has no `flavors`"),
        ("flavors: {", "is not YAML"),
        ("\tflavors: {}", "is not YAML"),
        ("flavors: !!python/object:os.system {}\n", "is not YAML"),
        ("flavors: " + "[" * 40 + "]" * 40, "nested too deep"),
        ("a: &a [x]\nflavors: {b: *a}\n", "names a part of itself"),
        (f"{ABOUT}    env: ../../conda.yaml\n", "a file outside the model's folder: '../../conda.yaml'"),
        (f"{ABOUT}saved_input_example_info: {{artifact_path: /etc/passwd}}\n", "outside the model's folder"),
    ],
)
def test_an_mlmodel_that_is_none_is_refused_with_its_place(tmp_path, text, words):
    root = make(tmp_path / "p", {"iris/MLmodel": text})
    error = words_of(lambda: load_project(root))
    assert words in error and "iris/MLmodel" in error


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("#" * (4 << 20), "is longer than"),
        ("\n" * 50_001, "is longer than"),
        ("k: v\n" * 5_000, "has more than 5,000 keys and values"),
    ],
    ids=["characters", "lines", "parts"],
)
def test_an_mlmodel_that_is_too_long_is_refused(tmp_path, more, words):
    root = make(tmp_path / "p", {"iris/MLmodel": ABOUT + more})
    assert words in words_of(lambda: load_project(root))


@pytest.mark.parametrize("python", ["3.10", "'3.10'", "3.10.14", "!!float 3.10"])
def test_a_python_is_no_number(tmp_path, python):
    """YAML reads 3.10 as 3.1, and there is no such Python."""
    make(tmp_path, {"MLmodel": ABOUT.replace("3.12.3", python)})
    about = read_served(tmp_path)
    assert about.python == read_mlmodel(tmp_path / "MLmodel").python == python.removeprefix("!!float ").strip("'")


@pytest.mark.parametrize("file", ["python_env.yaml", "conda.yaml"])
def test_a_python_of_a_file_beside_it_is_no_number(linear, file):
    (linear / "linear/requirements.txt").unlink()
    text = {"python_env.yaml": "python: 3.10\ndependencies:\n- mlflow==3.17.2\n",
            "conda.yaml": "dependencies:\n- python=3.10\n- pip:\n  - mlflow==3.17.2\n"}[file]  # fmt: skip
    for each in ("python_env.yaml", "conda.yaml"):
        (linear / "linear" / each).unlink()
    (linear / "linear" / file).write_text(text)
    assert f"{file} is for Python 3.10" in words_of(lambda: planned(linear))


def test_a_number_of_sixty_s_takes_no_longer_than_other_text(tmp_path):
    """As numbers with colons are in YAML 1.1: PyYAML takes the square of their digits."""
    make(tmp_path, {"MLmodel": f"{ABOUT}x: {'1:' * 200_000}1\n"})
    begun = time.process_time()
    assert read_served(tmp_path).loader == "mlflow.sklearn"
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    ("files", "options"),
    [
        ({"models/a/MLmodel": ABOUT, "models/b/MLmodel": ABOUT}, {"ignore": ("AML520",)}),
        ({"iris/MLmodel": ABOUT}, {"env": ("AZUREML_ENTRY_SCRIPT=../opt/score.py",)}),
        ({"iris/MLmodel": ABOUT, "dagger-aml.toml": '[env]\nAZUREML_ENTRY_SCRIPT = "x.py"\n'}, {}),
        ({"iris/MLmodel": ABOUT}, {"environment_only": True, "pip": ("idna",)}),
        ({"model.pkl": "x"}, {"ignore": ("AML520",)}),
    ],
)
def test_where_no_script_is_added(tmp_path, files, options):
    root = make(tmp_path / "p", files)
    assert load_project(root, Options(**options)).mlflow is None
    assert DEST not in copied(planned(root, **options))


def test_a_script_where_none_is_looked_for_is_told(linear):
    make(linear, {"deploy/online/score.py": SCORE})
    error = words_of(lambda: planned(linear, base=PY311))
    assert 'path = "deploy/online"' in error and 'To serve linear without it: Options(ignore="AML520")' in error
    assert DEST in copied(planned(linear, base=PY311, ignore=("AML520",)))


# --- the sample request -------------------------------------------------------------------------------------------

SPLIT = {"columns": ["a", "b"], "index": [0, 1], "data": [[1.0, 0.0], [2.0, 1.0]]}
COLUMNS = '[{"type": "double", "name": "a"}, {"type": "double", "name": "b"}]'
TENSOR = '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2]}}]'


def sample(root: Path, kind: str, saved: Any, *, inputs: str = "", params: bool = False, more: str = "") -> Any:
    about = f"{ABOUT}{more}saved_input_example_info:\n  artifact_path: input_example.json\n  type: {kind}\n"
    about += "  serving_input_path: serving_input_example.json\n" + ("  params: 'true'\n" if params else "")
    about += f"signature:\n  inputs: '{inputs}'\n" if inputs else ""
    make(root / "iris", {"MLmodel": about, "input_example.json": json.dumps(saved)})
    made = load_project(root).mlflow
    assert made
    return None if made.sample is None else json.loads(made.sample)


@for_each(
    ("kind", "saved", "inputs", "made"),
    [
        ("dataframe", {"columns": ["a", "b"], "data": SPLIT["data"]}, COLUMNS, SPLIT),
        ("dataframe", {**SPLIT, "index": [7, 8]}, COLUMNS, {**SPLIT, "index": [7, 8]}),
        ("dataframe", {**SPLIT, "index": [7]}, COLUMNS, SPLIT),
        ("dataframe", {"data": [[1], [2]]}, "", {"columns": [0], "index": [0, 1], "data": [[1], [2]]}),
        ("ndarray", [[1.0, 2.0]], TENSOR, [[1.0, 2.0]]),
        ("ndarray", {"inputs": [[1.0, 2.0]]}, "", [[1.0, 2.0]]),
        ("ndarray", {"x": [[1.0]], "y": [1]}, "", {"x": [[1.0]], "y": [1]}),
        ("json_object", {"b": 0.0, "a": 1.0}, COLUMNS, {**SPLIT, "index": [0], "data": [[1.0, 0.0]]}),
        ("json_object", [{"a": 1.0}, {"b": 1.0}], COLUMNS, {**SPLIT, "data": [[1.0, None], [None, 1.0]]}),
        ("json_object", ["a", "b"], '[{"type": "string"}]', ["a", "b"]),
        ("json_object", "text", "", "text"),
        ("json_object", {"messages": [{"role": "user"}]}, "", {"messages": [{"role": "user"}]}),
    ],
)
def test_a_saved_input_becomes_a_request(tmp_path, kind, saved, inputs, made):
    assert sample(tmp_path, kind, saved, inputs=inputs) == {"input_data": made}


def test_a_saved_input_with_parameters(tmp_path):
    both = {"inputs": {"columns": ["a", "b"], "data": SPLIT["data"]}, "params": {"top": 3}}
    assert sample(tmp_path, "dataframe", both, params=True) == {"input_data": SPLIT, "params": {"top": 3}}


def test_the_input_for_mlflows_own_server_where_the_saved_one_is_of_no_use(tmp_path):
    make(tmp_path / "iris", {"serving_input_example.json": '{"inputs": [[0.0, 1.0]]}'})
    saved = {"data": [1.0], "indices": [1], "indptr": [0, 1], "shape": [1, 2]}
    assert sample(tmp_path, "sparse_matrix_csr", saved) == {"input_data": [[0.0, 1.0]]}


@pytest.mark.parametrize("saved", ["no object", [1], {"inputs": 1}])
def test_what_is_not_as_the_mlmodel_says_is_no_sample(tmp_path, saved):
    assert sample(tmp_path, "sparse_matrix_csr", saved) is None
    (tmp_path / "iris" / "input_example.json").write_text("{")
    assert (made := load_project(tmp_path).mlflow) and made.sample is None


def test_the_gate_and_score_post_the_saved_input_unless_there_is_a_request(linear):
    project, graph = laid_out(linear, base=PY311)
    gate, said = default_smoke(project, graph, None, push=True)
    assert gate and gate.request is None and json.loads(gate.sample or b"") == {"input_data": SPLIT} and said is None
    asked = _Asked.of(Target(project, graph), None, None, 1, 1, None, Tolerance())
    assert json.loads(asked.body) == {"input_data": SPLIT} and asked.content_type == "application/json"
    assert asked.shown.endswith("linear/input_example.json")
    make(linear, {"request.json": '{"input_data": []}'})
    project, graph = laid_out(linear, base=PY311)
    gate, _ = default_smoke(project, graph, None, push=True)
    assert gate and gate.request == linear / "request.json" and gate.sample is None
    assert _Asked.of(Target(project, graph), None, None, 1, 1, None, Tolerance()).body == b'{"input_data": []}'


def test_that_nothing_was_saved_with_a_model_is_said(tmp_path):
    project, graph = laid_out(make(tmp_path, {"MLmodel": ABOUT, "requirements.txt": "mlflow==3.17.2\n"}))
    gate, said = default_smoke(project, graph, None, push=True)
    assert gate is None and said and "such as request.json, and no input was saved with its model (" in said
    posted = error_of(_Asked.of, Target(project=project), None, None, 1, 1, None, Tolerance())
    assert str(posted.hint).endswith("into the project, or save its model with an input.")


@pytest.mark.parametrize(
    ("sample", "shown"),
    [
        (b'{"input_data": ["it\'s"]}\n', """'{"input_data": ["it'"'"'s"]}'"""),
        (None, "'{\"input_data\": []}'"),
        (b"x" * 500, "'{\"input_data\": []}'"),
    ],
)
def test_what_curl_is_told_to_post(sample, shown):
    assert _of_saved(sample) == shown


# --- as it is shown -----------------------------------------------------------------------------------------------


def test_the_plan_says_how_the_model_is_served(linear):
    project, graph = laid_out(linear, base=PY311)
    plan = make_plan(graph)
    text = plan_text(plan, project)
    assert f"The MLflow model linear has no entry script. dagger-aml adds one, {DEST}:\n" in text
    assert "  the model is loaded by mlflow.sklearn, saved with Python 3.11.7\n" in text
    assert "  a request has `input_data` with the columns a, b\n" in text
    assert "  sample request: made of linear/input_example.json\n" in text
    assert "def run(input_data, params=None):" not in text
    assert "    def run(input_data, params=None):\n" in plan_text(plan, project, why=True)
    shown = plan_json(plan, project)
    assert shown["project"]["mlflow"]["columns"] == ["a", "b"] and shown["project"]["mlflow"]["model"] == "linear"
    assert SCRIPT.read_text() in [each.get("source", {}).get("text") for each in shown["ops"]]


def test_local_serving_lays_the_script_beside_the_model(linear, tmp_path):
    graph = laid_out(linear, base=PY311)[1]
    _lay_out(graph, tmp_path / "app", "mlflow_score.py")
    assert (tmp_path / "app" / "mlflow_score.py").read_bytes() == SCRIPT.read_bytes()
    assert (tmp_path / "app" / "azureml-models/linear/1/linear/MLmodel").is_file()


# --- the script ---------------------------------------------------------------------------------------------------


def test_the_script_imports_what_the_server_and_every_such_model_bring():
    tops = set()
    for node in ast.walk(ast.parse(SCRIPT.read_text())):
        if isinstance(node, ast.Import):
            tops |= {each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            tops.add((node.module or "").partition(".")[0])
    # `azureml`, of the collector, is imported within init(), which does without.
    assert tops - sys.stdlib_module_names == {"azureml", "inference_schema", "mlflow", "numpy", "pandas"}


def test_what_the_record_was_made_with_is_read_as_mlflow_wrote_it():
    about = read_served(LINEAR)
    assert about.loader == "mlflow.sklearn" and about.columns == ("a", "b") and about.python == "3.11.7"
    assert about.example and about.example.kind == "dataframe" and about.code == "" and not about.tensors


def test_a_model_folder_of_any_bytes_ends_in_words(tmp_path):
    for text in (b"\xff\xfe\x00", b"flavors: \x00", b"flavors:\n  python_function:\n    loader_module: [1]\n"):
        make(tmp_path / "p", {"iris/MLmodel": text})
        with pytest.raises(DaggerAmlError):
            planned(tmp_path / "p")
