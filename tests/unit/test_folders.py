"""Folders of many shapes, without a file of ours: what travels and where to, or the words of the refusal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from dagger_aml import Model, Options, load_project, make_plan
from dagger_aml.building.graphs import lay_out
from dagger_aml.fs.tree import is_file
from dagger_aml.graph.graph import Copy
from dagger_aml.graph.source import Local
from dagger_aml.plan.model import Plan
from dagger_aml.project.discover import MODEL_SUFFIXES
from dagger_aml.project.recipe import recipe_folder
from tests.support.calls import await_, error_of
from tests.support.cases import for_each
from tests.support.folders import APP, REFUSED, TAKEN, Folder
from tests.support.projects import SCORE, make

taken = pytest.mark.parametrize("folder", TAKEN, ids=lambda folder: folder.name)


def packaged(root, **options) -> Plan:
    """The plan of a folder."""
    return make_plan(await_(lay_out(load_project(root, Options(**options)))))


def files(plan: Plan) -> set[str]:
    """The image's files that are copied from this machine, below the folder of the app."""
    found: set[str] = set()
    for layer in plan.layers:
        if isinstance(layer, Copy) and layer.dest.startswith(APP) and isinstance(layer.source, Local):
            if is_file(layer.source):
                found.add(layer.dest)
            else:
                found |= {f"{layer.dest}/{entry.path}" for entry in layer.source.entries if entry.type != "dir"}
    return found


@taken
def test_what_is_used_travels_and_nothing_else(tmp_path, folder: Folder):
    plan = packaged(folder.write(tmp_path))
    assert files(plan) == set(folder.travels)
    names = ("AZUREML_ENTRY_SCRIPT", "AZUREML_MODEL_DIR")
    assert {name: plan.config.env[name] for name in names if name in plan.config.env} == folder.env
    for note in folder.warnings:
        assert any(note in str(each) for each in plan.warnings), plan.warnings
    assert len(plan.warnings) == len(folder.warnings), "nothing else is said"


@taken
def test_what_travels_scores(tmp_path, folder: Folder):
    """The image's files, laid out as in the image, loaded as the server does it."""
    plan = packaged(folder.write(tmp_path))
    image = tmp_path / "image"
    for layer in plan.layers:
        if isinstance(layer, Copy) and layer.dest.startswith(APP) and isinstance(layer.source, Local):
            single = is_file(layer.source)
            for entry in layer.source.entries:
                if entry.type == "file":
                    to = image / (layer.dest if single else f"{layer.dest}/{entry.path}").removeprefix("/")
                    to.parent.mkdir(parents=True, exist_ok=True)
                    from_ = layer.source.path if single else f"{layer.source.path}/{entry.path}"
                    with open(from_, "rb") as file:
                        to.write_bytes(file.read())
    app = image / APP.removeprefix("/")
    env = {name: value.replace(APP, str(app)) for name, value in plan.config.env.items()}
    done = subprocess.run(
        [sys.executable, "-c", _SERVE, str(app / env["AZUREML_ENTRY_SCRIPT"]), json.dumps(folder.request)],
        cwd=tmp_path,
        env={**os.environ, **env, "PYTHONPATH": str(app), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == folder.answer


_SERVE = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("entry_module", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.init()
print(json.dumps(module.run(sys.argv[2])))
"""


@for_each("folder", REFUSED, ids=lambda folder: folder.name)
def test_what_cannot_be_told_is_refused(tmp_path, folder: Folder):
    root = folder.write(tmp_path)
    error = error_of(packaged, root)
    for words in folder.refused:
        assert words in str(error), str(error)
    assert str(error.location).startswith(str(root))


# --- which entry script ---------------------------------------------------------------------------------------------

RUN_ALONE = "def run(data): pass\n"
BOUND = "from worker import init, run\n"


def code_of(root, **options) -> tuple[str, str]:
    """The code folder, relative to the project, and the entry script."""
    found = load_project(root, Options(**options))
    assert found.code is not None
    return found.code.relative_to(root).as_posix(), found.entry_script


@for_each(
    ("files", "code", "script"),
    [
        ({"code/score.py": SCORE, "main.py": SCORE, "src/other.py": SCORE}, "code", "score.py"),
        ({"score.py": "", "main.py": SCORE}, ".", "score.py"),
        ({"src/score.py": SCORE, "scoring/score.py": SCORE}, "src", "score.py"),
        ({"code/readme.txt": "", "score.py": SCORE}, ".", "score.py"),
        ({"code/": None, "main.py": SCORE}, ".", "main.py"),
        ({"main.py": SCORE, "scoring/score.py": SCORE}, ".", "main.py"),
        ({"main.py": SCORE, "app.py": BOUND, "half.py": RUN_ALONE}, ".", "main.py"),
        ({"app.py": BOUND, "half.py": RUN_ALONE}, ".", "app.py"),
        ({"main.py": "async def init(): ...\nasync def run(data): ...\n"}, ".", "main.py"),
        ({"main.py": SCORE, "test_main.py": SCORE, "main_test.py": SCORE, "conftest.py": SCORE}, ".", "main.py"),
        ({"main.py": SCORE, "broken.py": "def init(:\ndef run(\n"}, ".", "main.py"),
        ({"scoring/score.py": SCORE, "tests/score.py": SCORE, ".old/score.py": SCORE}, "scoring", "score.py"),
        ({"scoring/serve.py": SCORE, "docs/serve.py": SCORE}, "scoring", "serve.py"),
        (
            {"scoring/score.py": SCORE, "node_modules/score.py": SCORE, "__pycache__/score.py": SCORE},
            "scoring",
            "score.py",
        ),
        ({"scoring/score.py": SCORE, "venv/pyvenv.cfg": "", "venv/score.py": SCORE}, "scoring", "score.py"),
        ({"scoring/score.py": SCORE, "made/.dagger-aml": "", "made/score.py": SCORE}, "scoring", "score.py"),
        ({"churn/__init__.py": "", "churn/score.py": SCORE}, ".", "churn/score.py"),
        ({"churn/__init__.py": BOUND, "churn/api.py": SCORE}, ".", "churn/api.py"),
        ({"src/churn/__init__.py": "", "src/churn/score.py": SCORE}, "src", "churn/score.py"),
        ({"src/score.py": "from src import a\n" + SCORE, "src/a.py": ""}, ".", "src/score.py"),
        ({"src/score.py": "from a import b\n" + SCORE, "src/a.py": ""}, "src", "score.py"),
    ],
)
def test_the_entry_script_that_ranks_first_is_taken(tmp_path, files, code, script):
    assert code_of(make(tmp_path / "p", files)) == (code, script)


@for_each(
    ("files", "part", "listed"),
    [
        ({"code/score.py": SCORE, "src/score.py": SCORE}, "the code", "code/score.py and src/score.py"),
        ({"score.py": SCORE, "src/score.py": SCORE}, "the code", "score.py and src/score.py"),
        ({"code/a.py": SCORE, "b.py": SCORE}, "the code", "code/a.py and b.py"),
        ({"a.py": SCORE, "b.py": SCORE}, "the entry script", "a.py and b.py"),
        ({"one/score.py": SCORE, "two/score.py": SCORE}, "the code", "one/score.py and two/score.py"),
        (
            {"one/__init__.py": "", "one/score.py": SCORE, "two/__init__.py": "", "two/score.py": SCORE},
            "the entry script",
            "one/score.py and two/score.py",
        ),
    ],
)
def test_two_entry_scripts_of_one_rank_are_an_error(tmp_path, files, part, listed):
    error = error_of(code_of, make(tmp_path / "p", files))
    assert error.message == f"several candidates for {part}: {listed}"
    assert ("Options(entry_script=" if part == "the entry script" else "[code] path") in str(error.hint)


def test_what_is_said_of_the_script_settles_it(tmp_path):
    root = make(tmp_path / "p", {"a.py": SCORE, "b.py": SCORE, "jobs/c.py": SCORE, "pkg/d.py": SCORE})
    assert code_of(root, entry_script="b.py") == (".", "b.py")
    assert code_of(root, entry_script="c.py") == ("jobs", "c.py")
    assert code_of(root, entry_script="pkg/d.py") == (".", "pkg/d.py")
    make(root, {"dagger-aml.toml": "[code]\npath = 'jobs'\n"})
    assert code_of(root) == ("jobs", "c.py")


# --- which model ----------------------------------------------------------------------------------------------------

READS = "import os\nMODEL = os.environ['AZUREML_MODEL_DIR']\n" + SCORE


@for_each("suffix", sorted(MODEL_SUFFIXES))
def test_files_that_are_models_by_their_names(tmp_path, suffix):
    root = make(tmp_path / "p", {"code/score.py": SCORE, f"price.v2{suffix}": "m", f"notes{suffix}.txt": ""})
    assert load_project(root).models == (Model(root / f"price.v2{suffix}", "price.v2"),)


@pytest.mark.parametrize(
    "files",
    [
        {"net/MLmodel": ""},
        {"net/saved_model.pb": "", "net/variables/variables.index": ""},
        {"net/config.json": "", "net/model-00001-of-00002.safetensors": ""},
        {"net/config.json": "", "net/pytorch_model.bin": ""},
    ],
)
def test_folders_that_are_models_by_what_lies_in_them(tmp_path, files):
    root = make(tmp_path / "p", {"code/score.py": SCORE, "plain/config.json": "", **files})
    assert load_project(root).models == (Model(root / "net", "net"),)


def test_names_of_single_models(tmp_path):
    for name in ("model.pkl", "model.onnx"):
        root = make(tmp_path / name / "my project", {"code/score.py": SCORE, name: "m"})
        assert [model.name for model in load_project(root).models] == ["my-project"]


def test_a_folder_called_model_ranks_before_other_names(tmp_path):
    root = make(tmp_path / "p", {"score.py": READS, "model/m": "", "other.pkl": "", "net/MLmodel": ""})
    assert [model.path.name for model in load_project(root).models] == ["model"]


def test_code_that_a_helper_reads_the_model_folder_for(tmp_path):
    root = make(tmp_path / "p", {"score.py": "from helper import *\n" + SCORE, "helper.py": READS, "m.pkl": "m"})
    assert [model.path.name for model in load_project(root).models] == ["m.pkl"]
    make(root, {"score.py": SCORE})
    assert load_project(root).models == () and load_project(root).kept == (root / "m.pkl",)


def test_a_model_that_is_not_there_is_noted_unless_that_is_said(tmp_path):
    root = make(tmp_path / "p", {"score.py": READS})
    (note,) = packaged(root).warnings
    assert note.id == "AML401" and "reads AZUREML_MODEL_DIR, but no model was found" in note.message
    assert re.fullmatch(r"score\.py:\d+", note.location or "")
    make(root, {"dagger-aml.toml": "models = []\n"})
    assert packaged(root).warnings == ()


def test_an_image_without_code_may_be_said(tmp_path):
    root = make(tmp_path / "p", {"train.py": "", "model/m": "m"})
    assert "no entry script" in error_of(packaged, root).message
    make(root, {"dagger-aml.toml": "[[models]]\npath = 'model'\n"})
    assert files(packaged(root)) == {f"{APP}/azureml-models/model/1/m"}


def test_a_pointer_among_the_code_is_refused_too(tmp_path):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    root = make(tmp_path / "p", {"score.py": SCORE, "words/vectors.txt": pointer})
    error = error_of(packaged, root)
    assert error.location == str(root / "words/vectors.txt") and error.hint and "git lfs pull" in error.hint
    make(root, {"words/vectors.txt": pointer + "x" * 1024})
    assert f"{APP}/words/vectors.txt" in files(packaged(root)), "pointers are smaller than 1024 bytes"


# --- what travels from a folder that is the code --------------------------------------------------------------------


def names(root, **options) -> set[str]:
    """The code's files."""
    return {name.removeprefix(f"{APP}/") for name in files(packaged(root, **options))}


def test_what_the_code_uses_is_taken_whatever_it_is_called(tmp_path):
    script = (
        "import tests.fake\nfrom docs import pages\nimport importlib\nimportlib.import_module('build.tool')\n"
        "'''data/ is told of here'''\nfrom pathlib import Path\nPath(__file__).parent / 'logs' / 'x'\n"
        "open('README.md')\nx = f'outputs/{1}.csv'\n"
        "print({'dist': 1}['dist'], {}.get('wandb'), 'notebooks')\n" + SCORE
    )
    used = ("tests/fake.py", "docs/pages.py", "build/tool.py", "logs/x", "README.md", "outputs/1.csv")
    unused = ("data/x", "dist/x", "wandb/x", "notebooks/x", "LICENSE", "setup.py")
    root = make(tmp_path / "p", {"score.py": script, **dict.fromkeys((*used, *unused), "")})
    assert names(root) == {"score.py", *used}


def test_a_model_among_the_code_is_taken_whole_whatever_ignore_files_say(tmp_path):
    model = {"net/config.json": "{}", "net/model.safetensors": "m", "net/deep/x.bin": "x"}
    root = make(tmp_path / "p", {"score.py": SCORE, "x.bin": "", ".gitignore": "*.safetensors\n*.bin\n", **model})
    assert names(root) == {"score.py", *model}


def test_files_of_secrets_never_travel(tmp_path):
    secrets = (".env", ".env.local", "pkg/.env.production", "pkg/.env")
    root = make(tmp_path / "p", {"code/score.py": SCORE, **{f"code/{name}": "KEY=1" for name in secrets}})
    assert names(root) == {"score.py"}


def test_names_count_in_the_project_folder_alone(tmp_path):
    below = ("pkg/data/x.json", "pkg/tests/a.py", "pkg/README.md", "pkg/.hidden")
    root = make(tmp_path / "p", {"score.py": SCORE, **dict.fromkeys(below, "")})
    assert names(root) == {"score.py", *below}
    root = make(tmp_path / "q", {"code/score.py": SCORE, "code/data/x": "", "code/README.md": "", "README.md": ""})
    assert names(root) == {"score.py", "data/x", "README.md"}


def test_files_of_the_project_are_no_code(tmp_path):
    root = make(
        tmp_path / "p",
        {
            "score.py": SCORE,
            "helper.py": "",
            "ours.py": "from recipes.extended import recipe\n",
            "dagger-aml.toml": "extends = 'company.toml'\nrecipe = 'ours.py'\n",
            "company.toml": "apt = 'debian.txt'\n",
            "models/a": "a",
            "models/.gitkeep": "",
        },
    )
    make(root, {"ours.py": (recipe_folder() / "extended.py").read_text(), "debian.txt": "curl\n"})
    assert names(root) == {"score.py", "helper.py", "azureml-models/a/1/a"}


def test_what_ignore_files_leave_out_though_it_is_used_is_noted(tmp_path):
    script = "import helper, json\nopen('labels.json')\n" + SCORE
    root = make(
        tmp_path / "p",
        {
            "score.py": script,
            "helper.py": "",
            "labels.json": "",
            "m.pkl": "",
            ".gitignore": "*.json\nhelper.py\n*.pkl\n",
        },
    )
    plan = packaged(root)
    assert files(plan) == {f"{APP}/score.py", f"{APP}/m.pkl"}
    said = [note for note in plan.warnings if "excludes" in note.message]
    assert [note.message.split(",")[0] for note in said] == ["the code uses helper.py", "the code uses labels.json"]
    assert [note.location for note in said] == ["helper.py", "labels.json"]
    assert all(".gitignore" in note.message and "!" in str(note.hint) for note in said)


@for_each(
    ("files", "said"),
    [
        (
            {"code/score.py": "import churn\n" + SCORE, "churn/__init__.py": ""},
            "imports churn, which is in the proj",
        ),
        ({"score.py": "from churn import x\n" + SCORE, "src/churn/x.py": ""}, "imports churn, which is in src, not"),
        (
            {"sub/score.py": "import inner\n" + SCORE, "sub/inner.py": "", "sub/__init__.py": ""},
            "is in sub, not",
        ),
        ({"code/score.py": "try:\n    import churn\nexcept E:\n    pass\n" + SCORE, "churn.py": ""}, None),
        ({"code/score.py": "import json, idna\n" + SCORE, "json.py": "", "requirements.txt": "idna==3.10\n"}, None),
        ({"code/score.py": "import helper\n" + SCORE, "code/helper.py": "", "helper.py": ""}, None),
    ],
)
def test_modules_that_the_image_will_lack_are_noted(tmp_path, files, said):
    warnings = packaged(make(tmp_path / "p", files)).warnings
    assert (len(warnings) == 1 and said in warnings[0].message) if said else warnings == ()


def test_much_code_is_noted(tmp_path):
    root = make(tmp_path / "p", {"score.py": SCORE})
    with open(root / "vectors.bin", "wb") as file:
        file.truncate(50_000_000)
    (note,) = packaged(root).warnings
    assert "the code is 50.0 MB" in str(note) and ".amlignore" in str(note)


@pytest.mark.parametrize(
    "name", ["conda.yml", "conda_dependencies.yaml", "environment.yml", "environment/conda.yaml"]
)
def test_conda_files_are_noted(tmp_path, name):
    root = make(tmp_path / "p", {"code/score.py": SCORE, name: "dependencies: []\n"})
    assert [str(each) for each in packaged(root).warnings] == [
        f"{name}: the conda file is not read [AML302]\n  List its packages in requirements.txt."
    ]
    make(root, {"requirements.txt": "idna==3.10\n"})
    assert [each.hint for each in packaged(root).warnings] == ["requirements.txt is read."]


# --- what flags add -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["extended", "package", "preinstalled", "dynamic"])
def test_packages_may_be_added(tmp_path, recipe):
    root = make(tmp_path / "p", {"score.py": SCORE})
    plan = packaged(root, recipe=recipe, pip=("six==1.17.0", "idna==3.10"))
    assert "six==1.17.0" in repr(plan.layers) and "idna==3.10" in repr(plan.layers)


def test_apt_packages_may_be_added(tmp_path):
    root = make(tmp_path / "p", {"score.py": SCORE, "apt.txt": "curl\n"})
    found = load_project(root, Options(apt=("libgomp1", "curl")))
    assert found.apt == ("curl", "libgomp1")
    assert (found.origins["apt"], found.origins["apt.libgomp1"]) == ("found", "Options(apt=…)")
    error = error_of(load_project, root, Options(apt=("Not A Package",)))
    assert error.location == "Options(apt=…)" and "not an apt package" in error.message


def test_a_folder_that_is_made_takes_no_more_packages(tmp_path):
    text = "recipe = 'preinstalled'\n[preinstalled]\npath = 'libs'\n"
    root = make(tmp_path / "p", {"score.py": SCORE, "libs/six.py": "", "dagger-aml.toml": text})
    assert error_of(load_project, root, Options(pip=("six",))).location == "Options(pip=…)"


# --- what travels by mistake ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["", "code/"])
def test_what_training_leaves_behind_is_left_out_and_said(tmp_path, code):
    left = ("mlflow.db", "mlartifacts/0/x", "catboost_info/x", "lightning_logs/x")
    results = {f"{code}{name}": "x" for name in left}
    environment = {f"{code}env-of-conda/conda-meta/history": "", f"{code}env-of-conda/lib/x.py": ""}
    root = make(tmp_path / "p", {f"{code}score.py": SCORE, f"{code}helper.py": "", **results, **environment})
    plan = packaged(root)
    assert {path.removeprefix(f"{APP}/") for path in files(plan)} == {"score.py", "helper.py"}
    said = {name for layer in plan.layers for name in getattr(layer.source, "left_out", ())}
    assert said == {"mlflow.db", "mlartifacts", "catboost_info", "lightning_logs", "env-of-conda"}


def test_what_the_code_uses_or_the_file_names_is_taken_whatever_it_is_called(tmp_path):
    script = "import os\nopen('catboost_info/x')\nD = os.environ['AZUREML_MODEL_DIR']\n" + SCORE
    file = "[[models]]\npath = 'mlartifacts/0/model'\nname = 'm'\n"
    said = {"code/score.py": script, "code/catboost_info/x": "", "mlartifacts/0/model/x": "", "dagger-aml.toml": file}
    root = make(tmp_path / "p", said)
    assert names(root) == {"score.py", "catboost_info/x", "azureml-models/m/1/x"}


def test_what_a_download_leaves_beside_a_model_is_left_out(tmp_path):
    beside = (".cache/huggingface/download/a.metadata", "x/.cache/huggingface/y")
    kept = ("a.bin", "x/.cache/own", ".hidden", "y/huggingface/z")
    said = {f"model/{each}": "x" for each in (*beside, *kept)}
    root = make(tmp_path / "p", {"code/score.py": SCORE, **said})
    plan = packaged(root)
    taken = {path.rpartition("/p/1/")[2] for path in files(plan) if "azureml-models" in path}
    assert taken == set(kept)
    said_of = [layer.source.left_out for layer in plan.layers if "azureml-models" in layer.dest]
    assert said_of == [(".cache", "x/.cache/huggingface")]
