"""The four recipes: what each makes of a whole project, and when it refuses."""

from __future__ import annotations

import pytest

from dagger_aml import BaseError, BaseFacts, Built, Copy, Graph, GraphError, ProjectError, Run, UsageError, make_plan
from dagger_aml.base.catalog import DEFAULT, assumed
from dagger_aml.plan.keys import config_digest
from dagger_aml.project.recipe import RECIPE_LABEL, label_of, load_recipe, recipe_folder
from tests.support.calls import await_, error_of
from tests.support.projects import SCORE, laid_out, make, planned

APP = "/var/azureml-app"
CURATED = "curated/minimal-py312-cuda12.4-inference"
OWN = """
from dagger_aml import Graph, Project, Run
from dagger_aml.steps import base, code


async def hello(graph: Graph) -> Graph:
    return graph.add(Run(("/bin/echo", "hello"), name="hello"))


async def recipe(graph: Graph, project: Project) -> Graph:
    graph = await base(graph, project.base)
    graph = await code(graph, project.code, script=project.entry_script)
    return await hello(graph)
"""


@pytest.fixture
def root(tmp_path):
    files = {"src/score.py": SCORE, "model/m.bin": "m", "requirements.txt": "numpy==1.0\n"}
    return make(tmp_path / "demo", {**files, "dagger-aml.toml": "[code]\npath = 'src'\n"})


def kinds(plan) -> list[str]:
    return [op.name.partition(" ")[0] for op in plan.ops]


# --- what each lays out ---------------------------------------------------------------------------------------------


def test_extended_installs_when_it_is_built(root):
    make(root, {"apt.txt": "libgomp1\n"})
    plan = planned(root)
    assert [op.name for op in plan.ops] == [
        "apt libgomp1",
        "copy requirements.txt",
        "pip requirements.txt (1 package)",
        "model demo 1 B",
        "code (1 file)",
    ]
    runs = [layer for layer in plan.layers if isinstance(layer, Run)]
    assert [run.user for run in runs] == ["0:0", "1000:1000"]
    assert runs[1].argv[0] == "/opt/miniconda/envs/amlenv/bin/python"
    assert dict(plan.config.env) == {
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "AZUREML_MODEL_DIR": f"{APP}/azureml-models/demo/1",
    }
    assert (plan.config.user, plan.config.cmd, plan.config.entrypoint, plan.config.workdir) == (None,) * 4
    assert plan.layers[-1].uid == 1000 and plan.layers[-2].uid is None


def test_extended_on_a_curated_base_installs_as_root(root):
    runs = [layer for layer in planned(root, base=CURATED).layers if isinstance(layer, Run)]
    assert {run.user for run in runs} == {"0:0"} and runs[0].argv[0] == "/azureml-envs/minimal/bin/python"


def test_dynamic_installs_nothing(root):
    (root / "requirements.txt").rename(root / "any name.txt")
    plan = planned(root, recipe="dynamic", requirements="any name.txt")
    assert kinds(plan) == ["model", "code", "copy"] and not any(isinstance(x, Run) for x in plan.layers)
    assert plan.layers[-1].dest == f"{APP}/any name.txt" and plan.layers[-1].uid == 0
    assert plan.config.env["AZUREML_EXTRA_REQUIREMENTS_TXT"] == "any name.txt"
    assert any("every start" in str(note) for note in plan.warnings)


def test_dynamic_finds_its_file_beside_a_nested_script(root):
    make(root, {"src/sub/score.py": SCORE})
    plan = planned(root, recipe="dynamic", entry_script="sub/score.py")
    assert plan.layers[-1].dest == f"{APP}/sub/requirements.txt"
    assert plan.config.env["AZUREML_EXTRA_REQUIREMENTS_TXT"] == "requirements.txt"


def test_preinstalled_makes_its_folder_in_a_stage_on_the_base(root):
    plan = planned(root, recipe="preinstalled")
    assert kinds(plan) == ["model", "packages", "code"] and not any(isinstance(x, Run) for x in plan.layers)
    made = plan.layers[1]
    assert isinstance(made.source, Built) and made.source.graph.base == plan.base
    assert made.dest == f"{APP}/python-packages"
    assert plan.config.env["AZUREML_EXTRA_PYTHON_LIB_PATH"] == "python-packages"


def test_preinstalled_takes_a_folder_of_the_users(root):
    make(root, {"myenv/lib/python3.12/site-packages/numpy/__init__.py": ""})
    make(root, {"dagger-aml.toml": "[code]\npath='src'\n[preinstalled]\npath='myenv/lib/python3.12/site-packages'\n"})
    plan = planned(root, recipe="preinstalled")
    made = next(layer for layer in plan.layers if layer.name.startswith("packages"))
    assert made.dest == f"{APP}/myenv/lib/python3.12/site-packages" and not isinstance(made.source, Built)
    assert plan.config.env["AZUREML_EXTRA_PYTHON_LIB_PATH"] == "myenv/lib/python3.12/site-packages"
    error = error_of(planned, root, recipe="preinstalled", base="minimal-py311-inference", via="pythonpath")
    assert isinstance(error, BaseError) and "Python 3.12" in error.message and "site-packages" in str(error.hint)


def test_preinstalled_packages_at_the_root_are_no_code(tmp_path):
    root = make(
        tmp_path / "flat",
        {"score.py": SCORE, "libs/numpy/__init__.py": "", "dagger-aml.toml": "[preinstalled]\npath = 'libs'\n"},
    )
    plan = planned(root, recipe="preinstalled")
    code = next(layer for layer in plan.layers if layer.name.startswith("code"))
    assert [entry.path for entry in code.source.entries] == ["score.py"]


def test_preinstalled_refuses_a_folder_outside_the_project(root, tmp_path):
    make(tmp_path, {"libs/numpy/__init__.py": ""})
    for path in ("../libs", str(tmp_path / "libs")):
        make(root, {"dagger-aml.toml": f"[code]\npath='src'\n[preinstalled]\npath='{path}'\n"})
        error = error_of(planned, root, recipe="preinstalled")
        assert "must lie in the project" in error.message and error.location


def test_package_keeps_the_source_folder(root):
    make(root, {"apt.txt": "libgomp1\n"})
    plan = planned(root, recipe="package")
    assert kinds(plan) == ["apt", "copy", "pip", "model", "code"]
    assert plan.layers[-1].dest == f"{APP}/src"
    assert dict(plan.config.env) == {
        "AZUREML_MODEL_DIR": f"{APP}/azureml-models/demo/1",
        "AZUREML_ENTRY_SCRIPT": "src/score.py",
        "AZUREML_SOURCE_DIRECTORY": "src",
    }


def test_package_of_several_models(root):
    make(root, {"b/x": "", "dagger-aml.toml": "[code]\npath='src'\n[[models]]\npath='model'\n[[models]]\npath='b'\n"})
    assert planned(root, recipe="package").config.env["AZUREML_MODEL_DIR"] == f"{APP}/azureml-models"


@pytest.mark.parametrize("recipe", ["extended", "dynamic", "preinstalled", "package"])
def test_an_environment_alone_is_an_image_too(tmp_path, recipe):
    root = make(tmp_path / "env", {"requirements.txt": "numpy==1.0\n"})
    plan = planned(root, recipe=recipe)
    assert plan.ops and not any(op.name.startswith(("code", "model")) for op in plan.ops)


@pytest.mark.parametrize("recipe", ["extended", "dynamic", "preinstalled", "package"])
def test_variables_labels_and_platform_are_everywhere(root, recipe):
    plan = planned(
        root, recipe=recipe, env=("A=1", "AZUREML_ENTRY_SCRIPT=other.py"), label=("a=b",), platform="linux/arm64"
    )
    assert plan.config.env["A"] == "1" and plan.config.labels["a"] == "b" and plan.base.platform == "linux/arm64"
    assert plan.config.env["AZUREML_ENTRY_SCRIPT"] == "other.py", "what the user says wins"


# --- what each refuses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["dynamic", "preinstalled"])
def test_apt_packages_need_a_recipe_that_installs(root, recipe):
    make(root, {"apt.txt": "libgomp1\ncurl\n"})
    error = error_of(laid_out, root, recipe=recipe)
    assert isinstance(error, ProjectError) and "libgomp1 curl" in error.message and "extended" in str(error.hint)


@pytest.mark.parametrize(
    ("recipe", "name"),
    [("dynamic", "AZUREML_EXTRA_PYTHON_LIB_PATH"), ("preinstalled", "AZUREML_EXTRA_REQUIREMENTS_TXT")],
)
def test_two_ways_of_adding_packages_are_refused(root, recipe, name):
    error = error_of(laid_out, root, recipe=recipe, env=(f"{name}=x",))
    assert isinstance(error, GraphError) and name in error.message and "both set" in error.message and error.hint


@pytest.mark.parametrize("recipe", ["dynamic", "preinstalled"])
def test_a_curated_base_has_lost_the_feature(root, recipe):
    error = error_of(planned, root, recipe=recipe, base=CURATED)
    assert (
        isinstance(error, BaseError) and "ignores AZUREML_EXTRA_" in error.message and "extended" in str(error.hint)
    )
    assert str(error.location).startswith("mcr.microsoft.com/azureml/curated/")
    assert ('Options(via="pythonpath")' in str(error.hint)) == (recipe == "preinstalled")


def test_pythonpath_works_on_a_curated_base(root):
    plan = planned(root, recipe="preinstalled", base=CURATED, via="pythonpath")
    assert plan.config.env["PYTHONPATH"] == f"{APP}/python-packages" and plan.warnings == ()
    assert "AZUREML_EXTRA_PYTHON_LIB_PATH" not in plan.config.env


@pytest.mark.parametrize("recipe", ["dynamic", "preinstalled"])
def test_where_it_is_not_known_it_is_a_note(root, recipe):
    warnings = planned(root, recipe=recipe).warnings
    assert any("only a probe of the base image" in note.message and "extended" in str(note.hint) for note in warnings)
    graph = laid_out(root, recipe=recipe)[1]
    asked = make_plan(graph, {graph.from_: BaseFacts("probed", environment="/e", python="3.12", extras=True)})
    assert not any("only a probe" in str(note) for note in asked.warnings)


def test_preinstalled_without_packages_in_the_file(root):
    (root / "requirements.txt").write_text("# none\n")
    assert "no packages" in error_of(laid_out, root, recipe="preinstalled").message


# --- the properties that the recipes are made for -------------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["extended", "dynamic", "preinstalled", "package"])
def test_what_runs_comes_first_and_code_after_models(root, recipe):
    layers = planned(root, recipe=recipe).layers
    runs = [n for n, layer in enumerate(layers) if isinstance(layer, Run)]
    model = next(n for n, layer in enumerate(layers) if layer.name.startswith("model"))
    code = next(n for n, layer in enumerate(layers) if layer.name.startswith("code"))
    assert model < code and all(n < model for n in runs)


@pytest.mark.parametrize("recipe", ["extended", "dynamic", "preinstalled", "package"])
def test_models_and_requirements_are_roots_and_code_the_users(root, recipe):
    for layer in planned(root, recipe=recipe).layers:
        if isinstance(layer, Copy):
            assert layer.uid in ((1000,) if layer.name.startswith("code") else (0, None)), layer.name


# --- recipes of the user's own --------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["cwd", "project", "absolute"])
def test_an_own_recipe_file(root, tmp_path, monkeypatch, where):
    folder = root if where == "project" else tmp_path / "elsewhere"
    make(folder, {"mine.py": OWN})
    monkeypatch.chdir(folder if where == "cwd" else tmp_path)
    name = str(folder / "mine.py") if where == "absolute" else "./mine.py"
    plan = planned(root, recipe=name)
    assert [op.name for op in plan.ops] == ["code (1 file)", "hello"]


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("def recipe(graph, project): return graph\n", "no `async def recipe", None),
        ("x = 1\n", "no `async def recipe", None),
        ("import dagger_aml.absent\n", "ModuleNotFoundError", 1),
        ("x = 1\ny = 1 / 0\n", "ZeroDivisionError", 2),
        ("x = 1\nasync def recipe(:\n", "SyntaxError", 2),
    ],
)
def test_an_own_recipe_that_cannot_be_loaded(tmp_path, text, said, line):
    path = make(tmp_path, {"mine.py": text}) / "mine.py"
    error = error_of(load_recipe, str(path))
    assert isinstance(error, UsageError) and said in error.message
    assert error.location == (f"{path}:{line}" if line else str(path))


def test_a_recipe_of_many_projects_is_compiled_once_until_it_changes(tmp_path):
    path = make(tmp_path, {"mine.py": OWN}) / "mine.py"
    first, again = load_recipe(str(path)), load_recipe(str(path))
    assert first is not again and first.__code__ is again.__code__
    path.write_text(OWN.replace("hello", "other"))
    assert load_recipe(str(path)).__code__ is not first.__code__
    assert not (tmp_path / "__pycache__").exists()


def test_an_own_recipe_that_is_not_there(tmp_path):
    for name in (str(tmp_path / "mine.py"), str(tmp_path), "no/such.py"):
        error = error_of(load_recipe, name)
        assert error.message == "the recipe file does not exist" and error.location == name


def test_built_in_recipes_are_what_a_user_may_copy(root, tmp_path):
    for path in recipe_folder().glob("*.py"):
        copy = make(tmp_path / "copies", {path.name: path.read_text()}) / path.name
        project, graph = laid_out(root, recipe=path.stem)
        made = await_(load_recipe(str(copy))(Graph(), project))
        assert made.configure(labels={RECIPE_LABEL: path.stem}) == graph


def test_the_default_base_is_in_the_catalog(root):
    project, graph = laid_out(root)
    assert project.base.reference == DEFAULT.reference and assumed(graph.from_) is DEFAULT.facts


def test_an_own_recipe_s_folder_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    make(tmp_path, {"mine.py": OWN})
    load_recipe("./mine.py", root=tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["mine.py"]


@pytest.mark.parametrize(
    ("name", "said"), [("./mine.py", "mine.py"), ("a/b/mine.py", "mine.py"), ("p.py\x1b", "p.py\x1b")]
)
def test_an_image_says_its_recipe_and_no_path_of_this_machine(name: str, said: str) -> None:
    assert label_of(name) == said.encode("unicode_escape").decode()


def test_what_a_recipe_is_called_is_no_reason_to_build(root, tmp_path):
    copy = make(tmp_path / "copies", {"mine.py": (recipe_folder() / "extended.py").read_text()}) / "mine.py"
    one, two = (laid_out(root, recipe=name)[1] for name in ("extended", str(copy)))
    assert [each.config.labels[RECIPE_LABEL] for each in (one, two)] == ["extended", "mine.py"]
    assert config_digest(one.config) == config_digest(two.config)


def test_a_recipe_that_there_is_not_is_told_with_its_line(root):
    make(root, {"dagger-aml.toml": '\nrecipe = "extendet"\n'})
    error = error_of(planned, root)
    assert error.location == "dagger-aml.toml:2" and "Did you mean extended?" in error.hint
    assert error_of(planned, root, recipe="extendet").location == "Options(recipe=…)"
