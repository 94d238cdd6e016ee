"""What each step lays out, and what it refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dagger_aml import (
    Built,
    Copy,
    Empty,
    From,
    FromBase,
    Graph,
    GraphError,
    Local,
    Model,
    ProjectError,
    Run,
    Text,
    UsageError,
    contract,
    make_plan,
)
from dagger_aml.steps import (
    apt,
    base,
    code,
    copy,
    env,
    labels,
    model,
    no_apt,
    packages,
    packages_folder,
    pip,
    run,
    startup_packages,
)
from dagger_aml.steps.pip_check import checked
from tests.support.calls import await_, error_of
from tests.support.cases import for_each
from tests.support.projects import SCORE, make

HEAD = Graph(From.parse("example.org/base:1"))
APP = "/var/azureml-app"


def step(function, *args, graph: Graph = HEAD, **kwargs) -> Graph:
    return await_(function(graph, *args, **kwargs))


def wrong(function, *args, graph: Graph = HEAD, **kwargs):
    return error_of(step, function, *args, graph=graph, **kwargs)


# --- base -----------------------------------------------------------------------------------------------------------


def test_base():
    assert step(base, "ubuntu:22.04", graph=Graph()).base == From("ubuntu:22.04")
    assert step(base, "minimal-py312-inference", graph=Graph()).from_.reference.startswith(
        "mcr.microsoft.com/azureml/"
    )
    assert step(base, "a:1", platform="linux/arm64", graph=Graph()).from_.platform == "linux/arm64"
    own = From("a:1", None, "linux/arm64")
    assert step(base, own, graph=Graph()).base is own


def test_a_second_base_and_an_unknown_one_are_refused():
    error = wrong(base, "b:1")
    assert "already has a base" in error.message and "example.org/base:1" in str(error.hint)
    assert isinstance(wrong(base, "minimal-py3-inference", graph=Graph()), UsageError)
    assert isinstance(wrong(base, "a\nb", graph=Graph()), GraphError)


# --- apt ------------------------------------------------------------------------------------------------------------


def test_apt_installs_as_root_and_leaves_no_lists():
    (made,) = step(apt, ["libgomp1", "curl=7.88.1-10", "libgomp1"]).layers
    assert isinstance(made, Run) and made.user == "0:0" and made.touches is None
    assert made.argv[:2] == ("/bin/sh", "-euc") and made.argv[3:] == ("apt", "libgomp1", "curl=7.88.1-10")
    script = made.argv[2]
    assert "--no-install-recommends -- " in script and '"$@"' in script and "rm -rf /var/lib/apt/lists/*" in script
    assert dict(made.env) == {"DEBIAN_FRONTEND": "noninteractive"}
    assert made.name == "apt libgomp1 curl=7.88.1-10"


def test_no_packages_are_no_step():
    assert step(apt, []) == HEAD
    assert step(no_apt, []) == HEAD


@pytest.mark.parametrize("names", [["-o=x"], ["a b"], ["$(id)"], "curl", [3]])
def test_apt_refuses_what_is_no_package(names):
    assert "not an apt package" in wrong(apt, names).message


def test_no_apt_names_the_recipe_that_can():
    error = wrong(no_apt, ["libgomp1", "curl"])
    assert isinstance(error, ProjectError) and "libgomp1 curl" in error.message and "extended" in str(error.hint)


# --- pip ------------------------------------------------------------------------------------------------------------


def test_pip_installs_as_the_environments_owner_then_checks(tmp_path):
    make(tmp_path, {"requirements.txt": "numpy==1.0\nscipy==1.0\n"})
    file, install = step(pip, tmp_path / "requirements.txt").layers
    assert isinstance(file, Copy) and file.kind == "file"
    assert file.dest == "/usr/share/dagger-aml/requirements.txt" and file.uid is None
    python = FromBase("interpreter")
    assert install.argv == checked((python, "-m", "pip", "install", "--requirement", file.dest))
    assert install.argv[:2] == (python, "-c") and "'check'" in install.argv[2]
    assert install.user == FromBase("environment_owner")
    assert (
        install.env["PYTHONNOUSERSITE"] == "1"
        and install.env["PIP_USER"] == "0"
        and install.env["PIP_NO_CACHE_DIR"] == "1"
    )
    assert install.touches == (FromBase("environment"), "/usr/share/dagger-aml", "/tmp")
    assert install.name == "pip requirements.txt (2 packages)"


def test_two_requirements_files_have_a_place_each(tmp_path):
    make(tmp_path, {"a.txt": "numpy\n", "b.txt": "scipy\n"})
    graph = step(pip, tmp_path / "b.txt", graph=step(pip, tmp_path / "a.txt"))
    assert [layer.dest for layer in graph.layers if isinstance(layer, Copy)] == [
        "/usr/share/dagger-aml/requirements.txt",
        "/usr/share/dagger-aml/requirements-2.txt",
    ]
    names = [each.name for each in make_plan(graph).ops]
    assert names == [
        "copy a.txt", "pip a.txt (1 package)",
        "copy b.txt", "pip b.txt (1 package)",
    ]  # fmt: skip


def test_a_file_without_packages_is_no_step(tmp_path):
    make(tmp_path, {"requirements.txt": "# nothing yet\n"})
    assert step(pip, tmp_path / "requirements.txt") == HEAD


def test_pip_refuses_a_missing_file(tmp_path):
    error = wrong(pip, tmp_path / "absent.txt")
    assert "does not exist" in error.message and error.location == str(tmp_path / "absent.txt")


# --- code -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    return make(tmp_path / "src", {"score.py": SCORE, "lib/a.py": "", ".env": "S=1", "sub/score.py": SCORE})


def test_code_goes_to_the_app_root_as_the_bases_user(folder):
    graph = step(code, folder)
    (made,) = graph.layers
    assert (made.dest, made.kind, made.changes) == (APP, "tree", "often")
    assert (made.uid, made.gid) == (FromBase("uid"), FromBase("gid"))
    assert [entry.path for entry in made.source.entries] == ["lib", "lib/a.py", "score.py", "sub", "sub/score.py"]
    assert dict(graph.config.env) == {"AZUREML_ENTRY_SCRIPT": "score.py"}
    assert made.name == "code (3 files)"


def test_code_below_a_folder_names_it_for_imports(folder):
    graph = step(code, folder, script="sub/score.py", below="src")
    assert graph.layers[0].dest == f"{APP}/src"
    assert dict(graph.config.env) == {
        "AZUREML_ENTRY_SCRIPT": "src/sub/score.py",
        "AZUREML_SOURCE_DIRECTORY": "src",
    }


def test_code_takes_the_plain_form_of_a_script(folder):
    assert step(code, folder, script="./sub//score.py").config.env["AZUREML_ENTRY_SCRIPT"] == "sub/score.py"


def test_code_leaves_other_parts_out(folder):
    graph = step(code, str(folder), leave_out=[folder / "lib"])
    assert graph.layers[0].source.left_out == (".env", "lib")


def test_code_leaves_to_a_rule_what_cannot_be_told(folder):
    make(folder, {"score.py": "from lib.a import *\n"})
    assert step(code, folder).warnings == ()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("absent.py", "does not exist"),
        ("/score.py", "must be relative"),
        ("../src/score.py", "outside"),
        ("lib/a.py", "no init()"),
    ],
)
def test_code_refuses_a_wrong_script(folder, script, said):
    error = wrong(code, folder, script=script)
    assert isinstance(error, ProjectError) and said in error.message and error.location and error.hint


def test_code_refuses_what_is_no_folder(folder):
    assert "does not exist" in wrong(code, folder / "absent").message
    assert "a file, not a folder" in wrong(code, folder / "score.py").message


@pytest.mark.parametrize("below", ["../x", "/x", "a//b", "a\nb", ".", "a/"])
def test_code_refuses_to_leave_the_app_root(folder, below):
    assert isinstance(wrong(code, folder, below=below), GraphError)


# --- models ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def models(tmp_path):
    return make(
        tmp_path, {"m/a.bin": "x" * 1500, "m/deep/b": "", "one.joblib": "y", "two.joblib": "z", "empty/": None}
    )


def test_a_model_folder_goes_under_its_name_and_version(models):
    graph = step(model, Model(models / "m", "diabetes"))
    (made,) = graph.layers
    assert (made.dest, made.kind, made.uid, made.changes) == (
        f"{APP}/azureml-models/diabetes/1",
        "tree",
        None,
        "rarely",
    )
    assert made.name == "model diabetes 1.5 kB"
    assert graph.config.env["AZUREML_MODEL_DIR"] == f"{APP}/azureml-models/diabetes/1"


def test_a_model_file_keeps_its_name(models):
    graph = step(model, Model(models / "one.joblib", "price", "3"))
    assert graph.layers[0].dest == f"{APP}/azureml-models/price/3/one.joblib" and graph.layers[0].kind == "file"
    assert graph.config.env["AZUREML_MODEL_DIR"] == f"{APP}/azureml-models/price/3"


def test_a_folder_may_keep_its_name(models):
    graph = step(model, Model(models / "m", "price", keep_folder=True))
    assert graph.layers[0].dest == f"{APP}/azureml-models/price/1/m"
    assert graph.config.env["AZUREML_MODEL_DIR"] == f"{APP}/azureml-models/price/1"


def test_a_flat_model_goes_straight_in(models):
    for source, dest in (("m", "azureml-models"), ("one.joblib", "azureml-models/one.joblib")):
        graph = step(model, Model(models / source, "price", flat=True))
        assert graph.layers[0].dest == f"{APP}/{dest}"
        assert graph.config.env["AZUREML_MODEL_DIR"] == f"{APP}/azureml-models"


def test_several_models_have_one_root(models):
    graph = HEAD
    for each in (Model(models / "m", "a"), Model(models / "one.joblib", "b"), Model(models / "two.joblib", "b", "2")):
        graph = step(model, each, graph=graph)
    assert graph.config.env["AZUREML_MODEL_DIR"] == f"{APP}/azureml-models"
    assert [layer.dest for layer in graph.layers] == [
        f"{APP}/azureml-models/a/1",
        f"{APP}/azureml-models/b/1/one.joblib",
        f"{APP}/azureml-models/b/2/two.joblib",
    ]


@pytest.mark.parametrize("others", [[], ["other"]])
@pytest.mark.parametrize("source", ["m", "one.joblib"])
def test_two_models_in_one_place_are_refused(models, others, source):
    graph = step(model, Model(models / source, "same"))
    for name in others:
        graph = step(model, Model(models / "m", name), graph=graph)
    error = wrong(model, Model(models / "two.joblib", "same"), graph=graph)
    assert "two models go to" in error.message and error.location == "model same" and error.hint


@pytest.mark.parametrize("flat_first", [True, False])
@pytest.mark.parametrize("source", ["m", "one.joblib"])
def test_a_flat_model_is_alone(models, flat_first, source):
    first = Model(models / source, "a", flat=flat_first)
    second = Model(models / "two.joblib", "b", flat=not flat_first)
    error = wrong(model, second, graph=step(model, first))
    assert "must be the only one" in error.message and error.location == "model b" and error.hint


def test_a_model_that_is_missing_or_empty(models):
    error = wrong(model, Model(models / "empty", "x"))
    assert isinstance(error, ProjectError) and "empty" in error.message and error.location == str(models / "empty")
    assert "does not exist" in wrong(model, Model(models / "absent", "x")).message


@for_each("name", ["", "a/b", "..", ".a", "a b", "a\nb", "-a", "é", "a" * 256, "$x", None])
def test_model_names_and_versions(name):
    error = error_of(Model, Path("m"), name)
    assert isinstance(error, GraphError) and "model name" in error.message and error.hint
    assert "model version" in error_of(Model, Path("m"), "m", name).message


def test_a_model_with_a_hostile_file_name_is_refused_or_kept(tmp_path):
    (tmp_path / "a\nb").write_text("x")
    assert "line break" in wrong(model, Model(tmp_path / "a\nb", "m")).message
    (tmp_path / "m").mkdir()
    (tmp_path / "m/a\nb").write_text("x")
    assert step(model, Model(tmp_path / "m", "m")).layers[0].source.entries[0].path == "a\nb"


# --- variables and labels -------------------------------------------------------------------------------------------


def test_env_and_labels():
    graph = step(labels, {"a": "1"}, graph=step(env, {"WORKER_COUNT": "2", "OWN": "x"}))
    assert dict(graph.config.env) == {"WORKER_COUNT": "2", "OWN": "x"} and graph.config.labels == {"a": "1"}
    assert graph.warnings == () and graph.layers == ()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("AZUREML_EXTRA_REQUIRMENTS_TXT", "AZUREML_EXTRA_REQUIREMENTS_TXT"),
        ("AZUREML_ENTRYSCRIPT", "AZUREML_ENTRY_SCRIPT"),
        ("WORKER_COUNTS", "WORKER_COUNT"),
        ("SCORING_TIMEOUT", "SCORING_TIMEOUT_MS"),
        ("AML_APPROOT", "AML_APP_ROOT"),
    ],
)
def test_near_misses_of_azure_mls_names_are_noted(name, meant):
    (note,) = make_plan(step(env, {name: "x"})).warnings
    assert note.id == "AML201" and name in note.message and note.hint == f"Did you mean {meant}?"


@for_each("name", [*sorted(contract.VARIABLES), "MY_OWN", "AZUREML_SOMETHING_ELSE_ENTIRELY", "PATH"])
def test_other_names_are_not(name):
    found = make_plan(step(env, {name: "relative"})).warnings
    assert "AML201" not in [each.id for each in found]


def test_env_refuses_an_absolute_entry_script():
    error = wrong(env, {"AZUREML_ENTRY_SCRIPT": "/var/azureml-app/score.py"})
    assert "must be relative" in error.message and error.location == "env" and error.hint


@for_each("one", contract.EXCLUSIVE_EXTRAS)
@for_each("two", contract.EXCLUSIVE_EXTRAS)
def test_of_the_ways_to_add_packages_one_is_set(one, two):
    if one == two:
        assert step(env, {one: "x"}).config.env[one] == "x"
        return
    error = wrong(env, {one: "x"}, graph=step(env, {two: "y"}))
    first = min(one, two, key=contract.EXCLUSIVE_EXTRAS.index)
    assert one in error.message and two in error.message and f"reads only {first}" in error.message and error.hint


# --- packages -------------------------------------------------------------------------------------------------------


@pytest.fixture
def with_code(folder):
    return step(code, folder, script="sub/score.py")


def test_packages_are_made_inside_the_very_base(tmp_path, with_code):
    make(tmp_path, {"requirements.txt": "numpy==1.0\n"})
    graph = step(packages, tmp_path / "requirements.txt", graph=with_code)
    made = graph.layers[-1]
    assert isinstance(made.source, Built) and made.source.graph.base == HEAD.base
    assert made.dest == f"{APP}/sub/python-packages" and made.uid is None, "beside the entry script, as root's"
    assert graph.config.env["AZUREML_EXTRA_PYTHON_LIB_PATH"] == "python-packages"
    file, install, compiled = made.source.graph.layers
    assert file.dest in install.argv and "--ignore-installed" in install.argv and made.source.path in install.argv
    assert "--no-compile" in install.argv, "pip would compile in a folder of a random name"
    assert "compile_dir" in compiled.argv[2]
    assert compiled.argv[3] == made.source.path
    assert install.argv == checked(install.argv[4:], made.source.path), "pip check sees the folder"
    assert [need.fact for need in graph.needs] == ["extras"]


def test_packages_by_pythonpath_need_nothing_of_the_start_script(tmp_path, with_code):
    make(tmp_path, {"requirements.txt": "numpy==1.0\n"})
    graph = step(packages, tmp_path / "requirements.txt", graph=with_code, via="pythonpath")
    assert graph.needs == () and "AZUREML_EXTRA_PYTHON_LIB_PATH" not in graph.config.env
    assert graph.config.env["PYTHONPATH"] == FromBase("pythonpath", before=f"{APP}/sub/python-packages")
    assert "unknown value of `via`" in wrong(packages, tmp_path / "requirements.txt", via="magic").message


def test_packages_refuse_an_empty_file(tmp_path):
    make(tmp_path, {"requirements.txt": "\n"})
    error = wrong(packages, tmp_path / "requirements.txt")
    assert "no packages" in error.message and error.location == str(tmp_path / "requirements.txt")


_SITE = {
    "numpy/__init__.py": "",
    "numpy/core.cpython-312-x86_64-linux-gnu.so": "elf",
    "numpy/__pycache__/__init__.cpython-312.pyc": "",
    "numpy-1.0.dist-info/METADATA": "",
    "old-1.0.egg-info/PKG-INFO": "",
    "bin/f2py": "#!/home/me/venv/bin/python",
    "numpy/bin/tool.py": "",
}


def test_an_own_folder_is_taken_whole_without_scripts_and_caches(tmp_path, with_code):
    site = make(tmp_path / "env/lib/python3.12/site-packages", _SITE)
    graph = step(packages_folder, site, "env/lib/python3.12/site-packages", graph=with_code)
    made = graph.layers[-1]
    files = [entry.path for entry in made.source.entries if entry.type == "file"]
    assert files == [
        "numpy-1.0.dist-info/METADATA",
        "numpy/__init__.py",
        "numpy/bin/tool.py",
        "numpy/core.cpython-312-x86_64-linux-gnu.so",
        "old-1.0.egg-info/PKG-INFO",
    ]
    assert {"bin", "numpy/__pycache__"} == set(made.source.left_out), "every back end leaves out the same"
    assert not [entry for entry in made.source.entries if entry.path == "bin"]
    assert made.dest == f"{APP}/sub/env/lib/python3.12/site-packages"
    assert graph.config.env["AZUREML_EXTRA_PYTHON_LIB_PATH"] == "env/lib/python3.12/site-packages"
    assert [(need.fact, need.value) for need in graph.needs] == [("python", "3.12"), ("extras", True)]


def test_an_own_folder_for_two_pythons_can_please_neither(tmp_path):
    site = make(tmp_path / "lib/python3.11/site-packages", _SITE)
    needs = step(packages_folder, site, "libs").needs
    assert [need.value for need in needs if need.fact == "python"] == ["3.11", "3.12"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"mine.pth": "/home/me/src\n"}, "outside the folder"),
        ({"mine.egg-link": "/home/me/src\n"}, "outside the folder"),
        ({"a-1.dist-info/direct_url.json": '{"dir_info": {"editable": true}, "url": "file:///x"}'}, "editable"),
        ({"a-1.dist-info/direct_url.json": '{"dir_info":{"editable":true},"url":"file:///x"}'}, "editable"),
        ({"link": "->/usr/lib"}, "points outside"),
    ],
)
def test_an_own_folder_that_cannot_work_elsewhere_is_refused(tmp_path, files, said):
    error = wrong(packages_folder, make(tmp_path / "libs", {**_SITE, **files}), "libs")
    assert said in error.message and error.location


def test_harmless_hooks_are_no_reason_to_refuse(tmp_path):
    site = make(tmp_path / "libs", {**_SITE, "distutils-precedence.pth": "", "a-1.dist-info/direct_url.json": "{}"})
    assert step(packages_folder, site, "libs").layers


def test_a_windows_folder_is_refused(tmp_path):
    assert "Windows" in wrong(packages_folder, make(tmp_path / "Lib/site-packages", _SITE), "libs").message


@pytest.mark.parametrize("name", ["/libs", "../libs", "a/../../libs"])
def test_an_own_folder_stays_beside_the_script(tmp_path, name):
    assert "must lie in the project" in wrong(packages_folder, make(tmp_path / "libs", _SITE), name).message


def test_an_own_folder_that_is_missing(tmp_path):
    assert "does not exist" in wrong(packages_folder, tmp_path / "libs", "libs").message


def test_startup_packages_lie_beside_the_script_under_their_own_name(tmp_path, with_code):
    make(tmp_path, {"whatever.txt": "numpy==1.0\n"})
    graph = step(startup_packages, tmp_path / "whatever.txt", graph=with_code)
    made = graph.layers[-1]
    assert (made.dest, made.kind, made.uid, made.gid) == (f"{APP}/sub/whatever.txt", "file", 0, 0)
    assert graph.config.env["AZUREML_EXTRA_REQUIREMENTS_TXT"] == "whatever.txt"
    assert [need.fact for need in graph.needs] == ["extras"]
    assert [each.id for each in make_plan(graph).warnings] == ["AML304", "AML603"]
    assert not [layer for layer in graph.layers if isinstance(layer, Run)], "nothing is installed when it is built"


def test_startup_packages_that_the_code_brings_are_not_copied_twice(folder):
    make(folder, {"requirements.txt": "numpy==1.0\n", "sub/requirements.txt": "scipy==1.0\n"})
    graph = step(code, folder)
    assert len(step(startup_packages, folder / "requirements.txt", graph=graph).layers) == 1
    error = wrong(startup_packages, folder / "sub/requirements.txt", graph=graph)
    assert "a different file" in error.message and error.location == str(folder / "sub/requirements.txt")


def test_ways_to_add_packages_exclude_each_other(tmp_path, with_code):
    make(tmp_path, {"requirements.txt": "numpy==1.0\n"})
    for one, two in ((packages, startup_packages), (startup_packages, packages)):
        graph = step(one, tmp_path / "requirements.txt", graph=with_code)
        assert "both set" in wrong(two, tmp_path / "requirements.txt", graph=graph).message


# --- run and copy ---------------------------------------------------------------------------------------------------


def test_run():
    (made,) = step(run, ["/bin/sh", "-c", "a\nb"], user="5:5", env={"A": "1"}, workdir="/w", touches=["/w"]).layers
    assert made == Run(["/bin/sh", "-c", "a\nb"], "5:5", {"A": "1"}, "/w", ["/w"])
    assert made.name == "run /bin/sh -c a"
    assert step(run, ["/x"], name="mine").layers[0].name == "mine"
    assert isinstance(wrong(run, ["sh"]), GraphError)
    assert isinstance(wrong(run, "/bin/true"), GraphError)


def test_copy(tmp_path):
    make(tmp_path, {"d/a": "1", "f": "2"})
    assert step(copy, b"x", "/a/b").layers == (Copy(Text(b"x"), "/a/b", "file", 0, 0),)
    assert step(copy, None, "/a").layers == (Copy(Empty(), "/a", "tree", 0, 0),)
    tree, file = (step(copy, tmp_path / name, "/a", uid=5, gid=6).layers[0] for name in ("d", "f"))
    assert (tree.kind, file.kind, tree.uid, file.gid) == ("tree", "file", 5, 6)
    assert isinstance(tree.source, Local)
    assert "does not exist" in wrong(copy, tmp_path / "absent", "/a").message
    assert "absolute" in wrong(copy, b"", "a").message
    os.mkfifo(tmp_path / "d/pipe")
    error = wrong(copy, tmp_path / "d", "/a")
    assert "FIFO" in error.message and error.location == "copy /a"


def test_steps_leave_their_graph_alone(tmp_path, folder):
    before = repr(HEAD)
    step(code, folder)
    step(apt, ["curl"])
    step(env, {"A": "1"})
    assert repr(HEAD) == before
