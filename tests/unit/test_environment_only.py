"""Images of packages alone: what is in them, how they are tested, and what is refused without code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dagger_aml import FindingsError, Graph, Options, ProjectError, UsageError, load_project, make_plan
from dagger_aml.building.graphs import lay_out
from dagger_aml.contract import SERVER
from dagger_aml.serving.failure import StartFailed
from dagger_aml.serving.packages import Imported, import_packages
from dagger_aml.serving.smoke import _python, default_smoke
from tests.support.calls import await_, error_of
from tests.support.cases import for_each
from tests.support.projects import SCORE, make, planned

from .test_missing import OWN_RECIPE, findings, script, told


class Here:
    """A builder whose images are this machine, with packages of a folder."""

    def __init__(self, folder: Path) -> None:
        self.env = {**os.environ, "AZUREML_CONDA_ENVIRONMENT_PATH": sys.prefix, "PYTHONPATH": str(folder)}
        self.events: list[Any] = []
        self.on_event = self.events.append

    def runtime(self) -> Here:
        return self

    async def run_probe(self, image: object, argv: list[str], *, offline: bool) -> tuple[list[str], int]:
        assert offline
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, check=False)
        return [*done.stdout.splitlines(), *done.stderr.splitlines()], done.returncode


def installed(folder: Path, name: str, files: dict[str, str]) -> None:
    """Put a package into a site-packages folder."""
    make(folder, files)
    record = "".join(f"{file},,\n" for file in files)
    make(folder / f"{name.replace('-', '_')}-1.0.dist-info",
         {"METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", "RECORD": record})  # fmt: skip


def failure(folder: Path, name: str) -> str:
    with pytest.raises(StartFailed) as caught:
        imported(folder, name)
    return str(caught.value)


def imported(folder: Path, *names: str) -> Imported:
    return await_(import_packages(None, Here(folder), names, _python))  # type: ignore[arg-type]


def test_each_package_is_imported_by_whatever_modules_it_has(tmp_path):
    installed(tmp_path, "Fine-Thing", {"fine_thing/__init__.py": "print('loaded')", "tests/__init__.py": "1/0"})
    installed(tmp_path, "other-name", {"real.py": ""})
    installed(tmp_path, "two-halves", {"good.py": "", "optional.py": "import nowhere_at_all"})
    names = ("Fine-Thing", "other-name", "two-halves")
    found = imported(tmp_path, *names, "never-installed")
    assert found.imported == names and found.absent == ("never-installed",)
    assert found.uid == os.getuid()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nowhere_at_all", "raised ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("raise ImportError('libGL.so.1: cannot open shared object file')", "libGL.so.1"),
        ("import sys; sys.exit('no')", "raised SystemExit: no"),
    ],
)
def test_a_package_that_cannot_be_imported_fails_the_test(tmp_path, text, words):
    installed(tmp_path, "broken", {"broken/__init__.py": text})
    error = failure(tmp_path, "broken")
    assert "broken 1.0 cannot be imported" in error and words in error


def test_the_shared_library_that_is_missing_has_its_apt_package_told(tmp_path):
    text = "raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')"
    installed(tmp_path, "broken", {"broken.py": text})
    assert "Add libgl1 to apt.txt" in failure(tmp_path, "broken")


def test_a_python_that_ends_is_no_success(tmp_path):
    installed(tmp_path, "crash", {"crash.py": "import os; print('half way', flush=True); os._exit(7)"})
    error = failure(tmp_path, "crash")
    assert "Python ended" in error and "half way" in error


# --- nothing that serves ------------------------------------------------------------------------------------------

MLMODEL = "flavors:\n  python_function: {}\n"


@for_each(
    ("files", "words"),
    [
        ({"iris/MLmodel": MLMODEL, "iris/model.pkl": "x"}, ["an MLflow model (iris)", "Options(environment_only=…)"]),
        ({"model/model.pkl": "x"}, ["a model (model)"]),
        ({"model/model.py": "class Model: ...\n", "config.yaml": "x"}, ["Python code (model/model.py)"]),
        ({"model/model.py": "class Model: ...\n", "model/model.pkl": "x"}, ["a model (model)"]),
        ({"train.ipynb": "{}"}, ["a notebook (train.ipynb)"]),
        ({"work/train.ipynb": "{}", "requirements.txt": "idna\n"}, ["a notebook (work/train.ipynb)"]),
        ({"train.py": "print(1)"}, ["Python code (train.py)"]),
        ({"deploy/online/score.py": SCORE}, ["deploy/online/score.py", 'path = "deploy/online"']),
        ({"a/b/serve.py": SCORE, "requirements.txt": "idna\n"}, ["a/b/serve.py", "[code]"]),
        ({"deploy/online/score.py": "def main(): ...\n", "train.py": ""}, ["Python code (train.py)"]),
        ({"x/a/score.py": "def main(): ...\n", "x/b/serve.py": SCORE}, ["but there is x/b/serve.py", '"x/b"']),
        ({"x/a/score.py": "from common import *\n"}, ["but there is x/a/score.py"]),
        ({}, ["there is no entry script: nothing would be served"]),
        ({"README.md": "x"}, ["there is no entry script"]),
        ({"a/b/train.py": "print(1)"}, ["there is no entry script"]),
    ],
)
def test_a_project_of_which_nothing_is_served_is_refused(tmp_path, files, words):
    error = error_of(findings, tmp_path, files)
    assert isinstance(error, FindingsError) and "AML520" in str(error)
    for each in words:
        assert each in f"{error} {error.hint}"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a b/code", "c/code"], "build 'models/a b' models/c"),
        (["a/code", "b/code", "c/src/x", "d/code"], "build models/a models/b models/c …"),
        (["a/x", "a/y"], None),
    ],
)
def test_a_folder_of_projects_is_told_how_they_are_built(tmp_path, names, said, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "models", {f"{each}/score.py": SCORE for each in names})
    error = error_of(planned, Path("models"))
    told = "If each folder is a project of its own, name them: dagger-aml "
    assert (f"{told}{said}\n" in str(error)) if said else (told not in str(error))


@pytest.mark.parametrize(
    ("files", "options"),
    [
        ({"score.py": SCORE, "deploy/online/score.py": SCORE}, {}),
        ({"requirements.txt": "idna\n"}, {}),
        ({"apt.txt": "libgomp1\n"}, {}),
        ({"README.md": "x"}, {"pip": ("idna==3.10",)}),
        ({"m.pkl": "x", "dagger-aml.toml": '[[models]]\npath = "m.pkl"\n'}, {}),
        ({"train.ipynb": "{}", "requirements.txt": "idna\n"}, {"environment_only": True}),
        ({"iris/MLmodel": MLMODEL}, {"environment_only": True, "pip": ("idna==3.10",)}),
        ({"train.py": ""}, {"env": ("AZUREML_ENTRY_SCRIPT=../opt/score.py",)}),
        ({"train.py": ""}, {"ignore": ("AML520", "AML506")}),
        ({"r.py": OWN_RECIPE}, {"recipe": "./r.py"}),
    ],
)
def test_what_serves_or_is_meant_to_be_packages_alone_is_not_refused(tmp_path, files, options, monkeypatch):
    make(tmp_path / "p", files)
    monkeypatch.chdir(tmp_path / "p")
    assert findings(tmp_path, {}, **options) == []


@pytest.mark.parametrize(
    ("option", "flag"),
    [("entry_script", "Options(entry_script=…)"), ("model", "Options(model=…)")],
    ids=lambda each: each,
)
def test_what_packages_alone_have_not_is_not_named(tmp_path, option, flag):
    make(tmp_path, {"score.py": SCORE, "requirements.txt": "idna==3.10\n"})
    said: Any = {"entry_script": "score.py", "model": ("m:1=m",)}[option]
    error = error_of(load_project, tmp_path, Options(environment_only=True, **{option: said}))
    assert isinstance(error, UsageError) and error.location == "Options(environment_only=…)"
    assert "an image of packages alone has no" in error.message and flag in (error.hint or "")


BATCH = "def init():\n    pass\n\n\ndef run(mini_batch):\n"


@for_each(
    ("text", "line"),
    [
        (BATCH + "    return [path for path in mini_batch]\n", 5),
        (BATCH + "    for path in tqdm(mini_batch):\n        pass\n", 5),
        (BATCH + "    for i, row in mini_batch.iterrows():\n        pass\n", 5),
        ("from azureml_user.parallel_run import EntryScript\n" + SCORE, 1),
        (BATCH.replace("mini_batch", "miniBatch: list") + "    return [x for x in enumerate(miniBatch)]\n", 5),
        (BATCH + "    return list(map(len, mini_batch))\n", 5),
        (BATCH + "    return [x for x in filter(None, mini_batch)]\n", 5),
        (BATCH + "    print(len(mini_batch))\n    return join(mini_batch)\n", 5),
        (BATCH + "    return mini_batch['income'].sum()\n", 5),
        (BATCH.replace("mini_batch", "data, mini_batch_context") + "    return data\n", 5),
    ],
)
def test_a_script_for_batch_runs_is_told(tmp_path, text, line):
    # Its second parameter is refused by the server's contract too.
    found = findings(tmp_path, {"score.py": text}, ignore=("AML332", "AML112"))
    assert told(found) == {("AML521", f"score.py:{line}")} and "Options(environment_only=…)" in str(found[0].hint)


@for_each(
    "text",
    [
        BATCH + "    return mini_batch\n",
        BATCH + "    mini_batch = loads(mini_batch)\n    return [x for x in mini_batch]\n",
        BATCH + "    mini_batch: list = loads(mini_batch)\n    return len(mini_batch)\n",
        BATCH + "    return [x for x in json.loads(mini_batch)]\n",
        BATCH + "    return join(mini_batch), mini_batch[0]\n",
        BATCH.replace("mini_batch", "data, mini_batch_context=None") + "    return data\n",
        BATCH.replace("def run", "@decorated\ndef run") + "    return [x for x in mini_batch]\n",
        BATCH.replace("mini_batch", "data") + "    return [x for x in data]\n",
        SCORE + "\n\ndef other(mini_batch):\n    return list(mini_batch)\n",
        SCORE + "\n# for mini_batch in azureml_user\n",
    ],
)
def test_a_script_that_may_be_served_is_not_taken_for_one_of_batch_runs(tmp_path, text):
    assert findings(tmp_path, {"score.py": text}) == []


# --- packages alone -----------------------------------------------------------------------------------------------

WHOLE = {
    "code/score.py": script("import joblib"),
    "code/requirements.txt": "idna==3.10\n",
    "model/m.pkl": "x",
    "request.json": "{}",
}


@pytest.mark.parametrize(
    ("more", "options", "origin"),
    [
        ({}, {"environment_only": True}, "Options(environment_only=…)"),
        ({"dagger-aml.toml": "environment-only = true\n"}, {}, "dagger-aml.toml:1"),
    ],
)
def test_an_image_of_packages_alone_has_neither_code_nor_model(tmp_path, more, options, origin):
    project = load_project(make(tmp_path, {**WHOLE, **more}), Options(**options))
    plan = make_plan(await_(lay_out(project)))
    assert project.origins["environment_only"] == origin
    assert [op.name for op in plan.ops][:2] == ["copy requirements.txt", "pip requirements.txt (1 package)"]
    assert not [each for each in plan.layers if getattr(each, "dest", "").startswith("/var/azureml-app")]
    assert not {"AZUREML_ENTRY_SCRIPT", "AZUREML_MODEL_DIR"} & set(plan.config.env)


def test_an_image_of_packages_alone_is_not_served(tmp_path, cli):
    code, _, err = cli("run", make(tmp_path / "p", WHOLE), "--environment-only")
    assert code == 2 and "has nothing to serve" in err and "dagger-aml build --smoke" in err


@pytest.mark.parametrize(
    ("base", "asked", "push", "packages"),
    [
        (None, None, True, ("idna", "attrs", SERVER)),
        (None, "score", False, ("idna", "attrs", SERVER)),
        (None, None, False, None),
        ("curated/minimal-py312-cuda12.4-inference", None, True, None),
        ("curated/minimal-py312-cuda12.4-inference", "import", True, ("idna", "attrs", SERVER)),
    ],
)
def test_its_smoke_test_imports_what_is_required(tmp_path, base, asked, push, packages):
    options = Options(environment_only=True, base=base, pip=("attrs==24.2.0",))
    smoke, note = default_smoke(load_project(make(tmp_path, WHOLE), options), Graph(), asked, push=push)
    assert (smoke.packages if smoke else None) == packages
    assert smoke is None or smoke.mode == "packages"
    assert bool(note) == bool(push and smoke is None)


def test_two_candidates_for_the_code_do_not_matter_to_packages_alone(tmp_path):
    files = {"a.py": SCORE, "b.py": SCORE, "x.pkl": "", "y.pkl": "", "requirements.txt": "idna==3.10\n"}
    error_of(load_project, make(tmp_path, files))
    assert load_project(tmp_path, Options(environment_only=True)).requirements


@pytest.mark.parametrize(("text", "alone"), [("1", True), ("true", True), ("no", False), ("0", False), ("", False)])
def test_a_variable_says_it_as_a_text(tmp_path, monkeypatch, text, alone):
    monkeypatch.setenv("DAGGER_AML_ENVIRONMENT_ONLY", text)
    assert load_project(make(tmp_path, WHOLE)).environment_only is alone


def test_a_variable_that_is_neither_true_nor_false_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGGER_AML_ENVIRONMENT_ONLY", "perhaps")
    error = error_of(load_project, make(tmp_path, WHOLE))
    assert isinstance(error, UsageError) and error.location == "$DAGGER_AML_ENVIRONMENT_ONLY"


@pytest.mark.parametrize(
    ("options", "words"),
    [({"entry_script": "score.py"}, "no entry script"), ({"recipe": "dynamic"}, "beside the code")],
)
def test_what_needs_code_is_refused_with_packages_alone(tmp_path, options, words):
    error = error_of(load_project, make(tmp_path, WHOLE), Options(environment_only=True, **options))
    assert words in str(error) and not isinstance(error, ProjectError)
