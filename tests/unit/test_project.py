"""What is found in a folder, what the file, variables and flags say of it, and where each value is from."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from attrs import fields

from dagger_aml import From, GraphError, Model, Options, ProjectError, UsageError, load_project
from dagger_aml.base.catalog import DEFAULT, IMAGES, assumed, find
from dagger_aml.base.catalog import base as base_named
from dagger_aml.project.recipe import load_recipe, recipe_names
from dagger_aml.project.settings import PROJECT_SETTINGS
from tests.support.calls import error_of, short
from tests.support.cases import for_each
from tests.support.projects import SCORE, laid_out, make, planned
from tests.support.users import as_nobody, linux_root, open_to_all

FILE = "dagger-aml.toml"


def load(root: Path, **options):
    return load_project(root, Options(**options))


def wrong(root: Path, **options):
    """The error of laying a project out, wherever it is noticed."""
    return error_of(laid_out, root, **options)


@pytest.fixture
def root(tmp_path):
    return make(tmp_path / "demo", {"code/score.py": SCORE})


# --- conventions ----------------------------------------------------------------------------------------------------


def test_a_folder_needs_no_file_of_ours(tmp_path):
    root = make(
        tmp_path / "demo",
        {
            "code/score.py": SCORE,
            "model/m.bin": "m",
            "requirements.txt": "numpy==1.0\n",
            "apt.txt": "libgomp1 # for lightgbm\ncurl\n",
            "request.json": "{}",
            "answer.json": "{}",
        },
    )
    found = load(root)
    assert found.root == root and found.name == "demo"
    assert (found.code, found.entry_script) == (root / "code", "score.py")
    assert found.models == (Model(root / "model", "demo", "1"),)
    assert found.requirements == root / "requirements.txt" and found.apt == ("libgomp1", "curl")
    assert (found.request, found.answer) == (root / "request.json", root / "answer.json")
    assert found.base == From.parse(DEFAULT.reference) and found.base.platform == "linux/amd64"
    assert (found.recipe, found.via, found.preinstalled, found.env, found.labels) == (
        "extended", "start-script", None, {}, {}
    )  # fmt: skip
    assert found.origins == {
        "base": "default",
        "platform": "default",
        "recipe": "default",
        "environment_only": "default",
        "packages_as": "default",
        "via": "default",
        "installer": "default",
        "no_pip_check": "default",
        "entry_script": "default",
        "code": "found",
        "models": "found",
        "requirements": "found",
        "apt": "found",
        "request": "found",
        "answer": "found",
    }


@pytest.mark.parametrize("parts", [(), ("code",), ("model",), ("requirements.txt",), ("apt.txt",)])
def test_any_part_may_be_absent(tmp_path, parts):
    files = {"code/score.py": SCORE, "model/m": "m", "requirements.txt": "numpy==1\n", "apt.txt": "curl\n"}
    root = make(tmp_path / "p", {name: text for name, text in files.items() if name.split("/")[0] in parts})
    found = load(root)
    assert bool(found.code) == ("code" in parts) and bool(found.models) == ("model" in parts)
    assert bool(found.requirements) == ("requirements.txt" in parts) and bool(found.apt) == ("apt.txt" in parts)
    made = planned(root, ignore=("AML520",))
    assert ("AZUREML_ENTRY_SCRIPT" in made.config.env) == ("code" in parts)
    assert ("AZUREML_MODEL_DIR" in made.config.env) == ("model" in parts)


def test_code_may_lie_at_the_root(tmp_path):
    files = {
        "score.py": SCORE,
        "helper.py": "",
        "model/m": "m",
        "requirements.txt": "numpy==1\n",
        "apt.txt": "curl\n",
        "request.json": "{}",
        "answer.json": "{}",
        FILE: "",
    }
    root = make(tmp_path / "demo", files)
    assert load(root).code == root and load(root).origins["code"] == "found"
    code = next(layer for layer in planned(root).layers if layer.name.startswith("code"))
    assert [entry.path for entry in code.source.entries] == ["helper.py", "score.py"]


def test_requirements_may_lie_beside_the_code(root):
    make(root, {"code/requirements.txt": "numpy==1\n"})
    assert load(root).requirements == root / "code/requirements.txt"


def test_several_models_have_a_folder_each(root):
    make(root, {"models/price.v2.joblib": "p", "models/my demand/a": "a", "models/.gitkeep": ""})
    models = load(root).models
    assert [(model.path.name, model.name) for model in models] == [
        ("my demand", "my-demand"),
        ("price.v2.joblib", "price.v2"),
    ]


def test_a_single_model_may_be_a_file_or_a_link(root, tmp_path):
    make(tmp_path, {"elsewhere/weights": "w"})
    (root / "model").write_text("m")
    assert load(root).models == (Model(root / "model", "demo"),)
    (root / "model").unlink()
    (root / "model").symlink_to(tmp_path / "elsewhere")
    copy = next(layer for layer in planned(root).layers if layer.name.startswith("model"))
    assert copy.source.path == str(tmp_path / "elsewhere") and copy.dest.endswith("/azureml-models/demo/1")


def test_a_linked_model_beside_code_at_the_root_is_no_part_of_the_code(tmp_path):
    make(tmp_path, {"elsewhere/weights": "w", "demo/score.py": SCORE, "demo/model": "->../elsewhere"})
    code, model = (layer.source for layer in reversed(planned(tmp_path / "demo").layers))
    assert [entry.path for entry in code.entries] == ["score.py"]
    assert [entry.path for entry in model.entries] == ["weights"]


@pytest.mark.parametrize(
    ("name", "shown"), [("My Project", "My-Project"), ("_v1_", "v1"), ("проект", "project"), ("a..b", "a..b")]
)
def test_names_are_made_of_the_folders(tmp_path, name, shown):
    found = load(make(tmp_path / name, {"model/m": "m"}))
    assert (found.name, found.models[0].name) == (shown, shown)


# --- two candidates -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "listed"),
    [
        ({"score.py": SCORE}, ("code/score.py", "score.py")),
        ({"model/a": "", "models/b": ""}, ("model", "models")),
        ({"requirements.txt": "", "code/requirements.txt": ""}, ("requirements.txt", "code/requirements.txt")),
        ({FILE: "", "pyproject.toml": "[tool.dagger-aml]\n"}, (FILE, "pyproject.toml")),
    ],
)
def test_two_candidates_are_an_error_that_lists_both(root, files, listed):
    error = error_of(load, make(root, files))
    assert isinstance(error, ProjectError) and error.location == str(root) and error.hint
    assert "candidates for" in error.message and all(name in error.message for name in listed)


def test_the_file_settles_two_candidates(root):
    make(
        root, {"score.py": SCORE, "model/a": "", "models/b": "", "requirements.txt": "", "code/requirements.txt": ""}
    )
    make(root, {FILE: "requirements = 'requirements.txt'\n[code]\npath = 'code'\n[[models]]\npath = 'model'\n"})
    found = load(root)
    assert (found.code, found.requirements) == (root / "code", root / "requirements.txt")
    assert [model.path for model in found.models] == [root / "model"]
    assert (found.origins["code"], found.origins["models"], found.origins["requirements"]) == (
        f"{FILE}:3", f"{FILE}:4", f"{FILE}:1"
    )  # fmt: skip


def test_no_models_may_be_said(root):
    assert load(make(root, {"model/m": "", FILE: "models = []\n"})).models == ()


# --- precedence and provenance --------------------------------------------------------------------------------------

_SAID = {
    "base": ("base = '{}'\n", lambda p: p.base.reference, [f"example.org/{name}:1" for name in "abcd"]),
    "recipe": ("recipe = '{}'\n", lambda p: p.recipe, ["dynamic", "package", "preinstalled", "./mine.py"]),
    "platform": (
        "platform = '{}'\n",
        lambda p: p.base.platform,
        ["linux/arm64", "linux/arm/v7", "linux/s390x", "linux/ppc64le"],
    ),
    "entry_script": (
        "[code]\npath = 'code'\nentry-script = '{}'\n",
        lambda p: p.entry_script,
        ["a.py", "b.py", "c.py", "d.py"],
    ),
    "requirements": ("requirements = '{}'\n", lambda p: p.requirements.name, ["a.txt", "b.txt", "c.txt", "d.txt"]),
    "packages_as": ("[packages]\nas = '{}'\n", lambda p: p.packages_as, ["files", "installed"] * 2),
    "via": ("[preinstalled]\nvia = '{}'\n", lambda p: p.via, ["pythonpath", "start-script"] * 2),
}
_WAYS = list(itertools.product([False, True], repeat=3))


@for_each("name", _SAID)
@for_each("ways", _WAYS, ids=lambda ways: "".join("-+"[way] for way in ways))
def test_flag_then_variable_then_file_then_default(tmp_path, name, ways):
    text, value, (by_flag, by_variable, by_file, _) = _SAID[name]
    root = make(tmp_path / "demo", {each: "" for each in ("a.txt", "b.txt", "c.txt")} | {"code/score.py": SCORE})
    flag, variable, file = ways
    if file:
        make(root, {FILE: text.format(by_file)})
    with pytest.MonkeyPatch.context() as patch:
        if variable:
            patch.setenv(f"DAGGER_AML_{name.upper()}", by_variable)
        found = load(root, **({name: by_flag} if flag else {}))
    line = text.count("\n")
    expected = (
        (by_flag, f"Options({name}=…)")
        if flag
        else (by_variable, f"$DAGGER_AML_{name.upper()}")
        if variable
        else (by_file, f"{FILE}:{line}")
        if file
        else None
    )
    if expected:
        assert (value(found), found.origins[name]) == expected
    elif name == "requirements":
        assert found.requirements is None and "requirements" not in found.origins
    else:
        assert found.origins[name] == "default"


@pytest.mark.parametrize(
    ("flag", "variable", "file", "checks", "origin"),
    [
        (None, None, None, True, "default"),
        (None, None, "true", False, f"{FILE}:2"),
        (None, None, "false", True, f"{FILE}:2"),
        (None, "0", "true", True, "$DAGGER_AML_NO_PIP_CHECK"),
        (None, "True", "false", False, "$DAGGER_AML_NO_PIP_CHECK"),
        (None, "yes", None, False, "$DAGGER_AML_NO_PIP_CHECK"),
        (True, "no", "false", False, "Options(no_pip_check=…)"),
    ],
)
def test_what_holds_or_does_not(root, monkeypatch, flag, variable, file, checks, origin):
    if file:
        make(root, {FILE: f"[pip]\nno-check = {file}\n"})
    if variable:
        monkeypatch.setenv("DAGGER_AML_NO_PIP_CHECK", variable)
    found = load(root, no_pip_check=flag)
    assert (found.pip_check, found.origins["no_pip_check"]) == (checks, origin)


def test_a_variable_that_says_neither_is_refused(root, monkeypatch):
    monkeypatch.setenv("DAGGER_AML_NO_PIP_CHECK", "maybe")
    error = error_of(load, root)
    assert (
        "'maybe'" in error.message and error.location == "$DAGGER_AML_NO_PIP_CHECK" and "true or false" in error.hint
    )


def test_empty_flags_and_variables_say_nothing(root, monkeypatch):
    make(root, {FILE: "base = 'a:1'\n"})
    monkeypatch.setenv("DAGGER_AML_BASE", "")
    assert load(root, base="").base.reference == "a:1"


def test_variables_and_labels_add_to_the_files(root):
    make(root, {FILE: "[env]\nA = '1'\nB = '2'\n\n[labels]\nx = '1'\n"})
    found = load(root, env=("B=3", "C=x=y", "D="), label=("y=2",))
    assert found.env == {"A": "1", "B": "3", "C": "x=y", "D": ""} and found.labels == {"x": "1", "y": "2"}
    places = {name: found.origins[name] for name in ("env.A", "env.B", "env.C", "labels.x", "labels.y")}
    assert places == {
        "env.A": f"{FILE}:2",
        "env.B": "Options(env=…)",
        "env.C": "Options(env=…)",
        "labels.x": f"{FILE}:6",
        "labels.y": "Options(label=…)",
    }


def test_every_option_has_its_flag_variable_and_help():
    for option in fields(Options):
        record = PROJECT_SETTINGS[option.name]
        assert record.flag == "--" + option.name.replace("_", "-") and record.repeatable == (option.default == ())
        own = {f"{name}_proxy": f"{name}_proxy".upper() for name in ("http", "https", "no")}
        variable = own.get(option.name, "DAGGER_AML_" + option.name.upper())
        assert record.variable == (None if record.repeatable and option.name != "ignore" else variable)
        assert record.help.endswith(".") and (record.type == bool | None or str(record.metavar).isupper())


def test_pyproject_may_say_it(root):
    make(root, {"pyproject.toml": "[project]\nname = 'x'\n[tool.dagger-aml]\nrecipe = 'package'\n"})
    found = load(root)
    assert found.recipe == "package" and found.origins["recipe"] == "pyproject.toml:4"


def test_models_of_the_file(root):
    make(root, {"a/m": "", "b.bin": ""})
    make(root, {FILE: "[[models]]\npath = 'a'\nversion = '7'\nkeep-folder = true\n[[models]]\npath = 'b.bin'\n"})
    assert load(root).models == (Model(root / "a", "a", "7", False, True), Model(root / "b.bin", "b"))


def test_apt_may_be_a_list_or_a_file(root):
    assert load(make(root, {FILE: "apt = ['curl', 'libgomp1=12.2.0-14', 'curl']\n"})).apt == (
        "curl",
        "libgomp1=12.2.0-14",
    )
    make(root, {FILE: "apt = 'debian.txt'\n", "debian.txt": "# tools\ncurl\n"})
    assert load(root).apt == ("curl",) and load(root).origins["apt"] == f"{FILE}:1"


# --- bad input ------------------------------------------------------------------------------------------------------


def test_a_missing_project(tmp_path):
    error = error_of(load, tmp_path / "absent")
    assert isinstance(error, ProjectError) and error.location == str(tmp_path / "absent")
    assert "does not exist" in error.message
    make(tmp_path, {"file": "", "dangling": "->absent"})
    assert "not a folder" in error_of(load, tmp_path / "file").message
    assert "does not exist" in error_of(load, tmp_path / "dangling").message


@linux_root
@pytest.mark.parametrize("mode", [0o000, 0o444, 0o311])
def test_an_unreadable_project(root, mode):
    open_to_all(root)
    make(root, {"model/m": ""})
    root.chmod(mode)

    def cannot_read() -> str:
        try:
            return f"{sorted(root.iterdir())}{(root / 'code/score.py').read_text()}"
        except PermissionError:
            return "denied"

    def attempt() -> str:
        try:
            return repr(load(root))
        except ProjectError as error:
            return f"refused {error}"

    assert as_nobody(cannot_read) == "denied", "the test's own user can read it: nothing below means anything"
    said = as_nobody(attempt)
    root.chmod(0o755)
    assert said.startswith(f"refused {root}") and "permission denied" in said.lower() and "Traceback" not in said


@linux_root
@pytest.mark.parametrize("name", [FILE, "pyproject.toml", "apt.txt", "models"])
def test_an_unreadable_part(root, name):
    open_to_all(root)
    make(root, {f"{name}/": None} if name == "models" else {name: ""})
    (root / name).chmod(0)

    def attempt() -> str:
        try:
            return repr(load(root))
        except ProjectError as error:
            return f"refused {error}"

    said = as_nobody(attempt)
    assert said.startswith(f"refused {root / name}") and "permission denied" in said.lower()


@for_each(
    ("text", "where", "said", "do"),
    [
        ("base = 'minimal-py313-inference'\n", f"{FILE}:1", "minimal-py313-inference", "minimal-py312-inference"),
        ("base = 'curated/minimal-py31-inference'\n", f"{FILE}:1", "curated/minimal-py31", "curated/minimal-py311"),
        ("\nbase = 'UPPER'\n", f"{FILE}:2", "not an image reference", "lower case"),
        ("base = ''\n", f"{FILE}:1", "not an image reference", "REPOSITORY"),
        ('base = "a\\nRUN id"\n', f"{FILE}:1", "line break", ""),
        ('base = "a\\u0000"\n', f"{FILE}:1", "NUL", ""),
        ("platform = 'windows/amd64'\n", f"{FILE}:1", "platform", "linux/amd64"),
        ("\n[preinstalled]\nvia = 'magic'\n", f"{FILE}:3", "'magic'", "pythonpath"),
        ("requirements = 'absent.txt'\n", f"{FILE}:1", "'absent.txt' does not exist", "relative to"),
        ('requirements = "a\\u0000"\n', None, "NUL", ""),
        ("apt = 'absent.txt'\n", f"{FILE}:1", "'absent.txt' does not exist", "relative to"),
        ("apt = ['Bad Name']\n", f"{FILE}:1", "not an apt package: 'Bad Name'", "NAME=VERSION"),
        ("apt = ['-o=x']\n", f"{FILE}:1", "not an apt package: '-o=x'", "NAME"),
        ("apt = ['libfoo-']\n", f"{FILE}:1", "not an apt package: 'libfoo-'", "NAME"),
        ("request = 'absent.json'\n", f"{FILE}:1", "does not exist", "relative to"),
        ("[code]\npath = 'absent'\n", f"{FILE}:2", "'absent' does not exist", "relative to"),
        ("[[models]]\npath = 'absent'\n", f"{FILE}:2", "'absent' does not exist", "relative to"),
        ("[[models]]\npath = 'gone'\n", f"{FILE}:2", "'gone' is a broken link", "relative to"),
        ("[[models]]\npath = 'code'\nname = 'a b'\n", f"{FILE}:3", "not a model name: 'a b'", "Use only letters"),
        ("[[models]]\npath = 'code'\nname = ''\n", f"{FILE}:3", "not a model name: ''", "Use only letters"),
        ("[[models]]\npath = 'code'\nversion = '../1'\n", f"{FILE}:3", "not a model version: '../1'", "number"),
        ("models = [{ path = 'code', name = 'a b' }]\n", f"{FILE}:1", "not a model name: 'a b'", "Use only letters"),
        (
            "[[models]]\npath = 'code'\n\n[[models]]\nversion = '1'\nname = 'a b'\npath = 'code'\n",
            f"{FILE}:6",
            "not a model name: 'a b'",
            "Use only letters",
        ),
        ("[preinstalled]\npath = 'absent'\n", f"{FILE}:2", "'absent' does not exist", "relative to"),
        ("[env]\nGOOD = 'x'\n'A B' = 'x'\n", f"{FILE}:3", "variable name", ""),
        ('[env]\nA = """x\ny"""\n', f"{FILE}:2", "env.A holds a line break", "file"),
        ('[labels]\na = "x\\ny"\n', f"{FILE}:2", "label a holds a line break", "file"),
        ("[labels]\n'a b' = 'x'\n", f"{FILE}:2", "label name", ""),
        ("[code]\nentry-script = '/score.py'\n", f"{FILE}:2", "relative to the code folder", "absolute"),
        ("[code]\nentry-script = '../score.py'\n", f"{FILE}:2", "outside the code folder", "code folder"),
        ("[code]\nentry-script = 'a/../../score.py'\n", f"{FILE}:2", "outside the code folder", "code folder"),
        ("[code]\nentry-script = ''\n", f"{FILE}:2", "outside the code folder", "code folder"),
        ("requirements = '" + "x" * 5000 + "'\n", None, "cannot be read", ""),
    ],
    ids=short,
)
def test_a_wrong_value_is_told_with_its_line(tmp_path, text, where, said, do):
    error = error_of(load, make(tmp_path / "demo", {"code/score.py": SCORE, FILE: text, "gone": "->nowhere"}))
    assert said in error.message and do in str(error.hint)
    assert where is None or error.location == where


@for_each(
    ("options", "where", "said"),
    [
        ({"base": "minimal-py313-inference"}, "Options(base=…)", "no prebuilt image is called"),
        ({"base": "a b"}, "Options(base=…)", "not an image reference"),
        ({"base": "a\nb"}, None, "Options(base=…) holds a line break"),
        ({"platform": "linux"}, "Options(platform=…)", "not a platform"),
        ({"via": "x"}, "Options(via=…)", "no such way"),
        ({"requirements": "absent.txt"}, "Options(requirements=…)", "does not exist"),
        ({"env": ("A",)}, "Options(env=…)", "not NAME=VALUE: 'A'"),
        ({"env": ("=x",)}, "Options(env=…)", "not NAME=VALUE: '=x'"),
        ({"env": ("A B=x",)}, "Options(env=…)", "variable name"),
        ({"env": ("A=x\ny",)}, "Options(env=…)", "line break"),
        ({"label": ("a",)}, "Options(label=…)", "not NAME=VALUE"),
        ({"label": ("a=\0",)}, "Options(label=…)", "NUL"),
        ({"entry_script": "/x.py"}, "Options(entry_script=…)", "must be relative"),
        ({"entry_script": "a\0.py"}, None, "NUL"),
        ({"recipe": "a\0"}, None, "NUL"),
        ({"base": "\udcff"}, None, "UTF-8"),
    ],
)
def test_a_wrong_flag_is_told_by_its_name(root, options, where, said):
    error = error_of(load, root, **options)
    assert said in error.message and (where is None or error.location == where)


def test_an_empty_text_is_not_the_current_folder():
    with pytest.raises(UsageError, match="an empty text names no project"):
        load_project("")


def test_a_wrong_variable_is_told_by_its_name(root, monkeypatch):
    monkeypatch.setenv("DAGGER_AML_BASE", "no such thing")
    assert error_of(load, root).location == "$DAGGER_AML_BASE"
    monkeypatch.delenv("DAGGER_AML_BASE")
    monkeypatch.setenv("DAGGER_AML_ENTRY_SCRIPT", "/abs.py")
    assert error_of(load, root).location == "$DAGGER_AML_ENTRY_SCRIPT"


@pytest.mark.parametrize("name", ["code", "model", "requirements.txt", "apt.txt", "request.json"])
def test_a_dangling_part_is_told(tmp_path, name):
    root = make(tmp_path / "p", {name: "->nowhere"})
    error = error_of(load, root)
    assert "broken link" in error.message and error.location == str(root / name)


def test_a_dangling_model_among_several_is_told(root):
    make(root, {"models/good": "x", "models/gone": "->nowhere"})
    error = wrong(root)
    assert "does not exist" in error.message and error.location == str(root / "models/gone")


def test_parts_of_a_wrong_kind(tmp_path):
    cases = {
        "models": ({"models": "x"}, "is a file", "models"),
        "code": ({"code": SCORE}, "a file, not a folder", "code"),
        "requirements": ({"requirements.txt/": None}, "a folder, not a file", "requirements.txt"),
        "apt": ({"apt.txt/": None}, "a folder, not a file", "apt.txt"),
        "model": ({"model/": None}, "empty", "model"),
    }
    for name, (files, said, where) in cases.items():
        root = make(tmp_path / name, files)
        error = wrong(root, ignore=("AML520",))
        assert isinstance(error, ProjectError) and said in error.message and error.location == str(root / where), name


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("numpy==1.0\n<html>\n", 2, "not a requirement"),
        ("[packages]\n", 1, "not a requirement"),
        ("-r other.txt\n", 1, "does not exist"),
        ("numpy==1.0\nscipy=1.2\n", 2, "not a requirement"),
        ("./local.whl\n", 1, "does not exist"),
        ("--index-url https://me:hunter2@pypi.example/simple\n", 1, "password"),
    ],
)
def test_a_requirements_file_that_is_none(root, text, line, said):
    error = wrong(make(root, {"requirements.txt": text}))
    assert said in error.message and error.location == f"{root}/requirements.txt:{line}" and error.hint
    assert "hunter2" not in str(error)


@pytest.mark.parametrize("text", ["curl\n\nBad_Name!\n", "ok\nok\n--allow-downgrades\n", "a b\nc d\n$(id)\n"])
def test_an_apt_file_that_is_none(root, text):
    error = error_of(load, make(root, {"apt.txt": text}))
    assert "not an apt package" in error.message and str(error.location).startswith(f"{root}/apt.txt:") and error.hint


@pytest.mark.parametrize("data", [b"\xff\xfe\0", b"a\0b", b"\x89PNG\r\n\x1a\n\0"])
def test_files_that_are_no_text(root, data):
    for name in ("requirements.txt", "apt.txt"):
        (root / name).write_bytes(data)
        error = wrong(root)
        assert "not a text file" in error.message and error.location == str(root / name)
        (root / name).unlink()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("code/score.py", 'is not a folder|Name its folder, and the script by Options(entry_script="score.py").'),
        (
            "model/weights",
            "is not a folder|A project is a folder, or a deployment file of Azure ML's CLI v2 (*.yml).",
        ),
        ("blue.yml", "does not exist|A project is a folder, or a deployment file of Azure ML's CLI v2 (*.yml)."),
        ("nowhere", "the project folder does not exist|"),
    ],
)
def test_what_is_no_project_is_told_what_is(root, name, said):
    make(root, {"model/weights": "w"})
    error = error_of(load, root / name)
    assert error.location == str(root / name) and f"{error.message}|{error.hint or ''}" == said


@pytest.mark.parametrize(
    ("files", "options", "said", "where"),
    [
        ({"code/score.py": None}, {}, "does not exist", "code/score.py"),
        ({}, {"entry_script": "absent.py"}, "does not exist", "code/absent.py"),
        ({"code/score.txt": SCORE}, {"entry_script": "score.txt"}, ".py", "code/score.txt"),
        ({"code/score.py": "def init(:\n"}, {}, "cannot parse", "code/score.py:1"),
        ({"code/score.py": "def init(): pass\n"}, {}, "no run()", "code/score.py"),
        ({"code/score.py": "x = 1\n"}, {}, "no init() and no run()", "code/score.py"),
    ],
)
def test_wrong_entry_scripts(root, files, options, said, where):
    (root / "code/score.py").unlink()
    make(root, {name: text for name, text in files.items() if text is not None})
    error = wrong(root, **options)
    assert (
        isinstance(error, ProjectError)
        and said in error.message
        and error.location == str(root / where)
        and (error.hint or "parse" in said or ".py" in said)
    )


def test_an_entry_script_without_code(tmp_path):
    root = make(tmp_path / "p", {"model/m": "", FILE: "[code]\nentry-script = 'score.py'\n"})
    error = error_of(load, root)
    assert "no code" in error.message and error.location == f"{FILE}:2" and error.hint


def test_an_entry_script_outside_is_not_taken_for_a_second_candidate(root, tmp_path):
    make(tmp_path, {"outside.py": SCORE})
    for script in (str(tmp_path / "outside.py"), "../outside.py"):
        error = error_of(load, root, entry_script=script)
        assert "candidates" not in error.message and error.location == "Options(entry_script=…)"


def test_plain_forms_of_an_entry_script(root):
    make(root, {"code/sub/score.py": SCORE})
    for said, meant in (("./score.py", "score.py"), ("sub//score.py", "sub/score.py"), ("./sub/./score.py", None)):
        found = load(root, entry_script=said)
        assert found.entry_script == (meant or "sub/score.py")
        made = planned(root, entry_script=said)
        assert made.config.env["AZUREML_ENTRY_SCRIPT"] == (meant or "sub/score.py")


def test_an_entry_script_that_is_left_out(root):
    make(root, {"code/.env": SCORE, "code/__pycache__/score.py": SCORE})
    error = wrong(root, entry_script="__pycache__/score.py")
    assert "excluded" in error.message and error.location == str(root / "code/__pycache__/score.py")


def test_both_ways_of_adding_packages(root):
    text = "[env]\nAZUREML_EXTRA_PYTHON_LIB_PATH = 'libs'\nAZUREML_EXTRA_REQUIREMENTS_TXT = 'r.txt'\n"
    error = wrong(make(root, {FILE: text}))
    assert isinstance(error, GraphError) and error.hint
    assert "AZUREML_EXTRA_PYTHON_LIB_PATH and AZUREML_EXTRA_REQUIREMENTS_TXT" in error.message


# --- recipes by name ------------------------------------------------------------------------------------------------


def test_recipe_names():
    assert recipe_names() == ("dynamic", "extended", "package", "preinstalled")


@pytest.mark.parametrize(
    ("name", "near"),
    [("extend", "extended"), ("packages", "package"), ("preinstaled", "preinstalled"), ("zzz", "Known")],
)
def test_an_unknown_recipe_names_the_nearest(root, name, near):
    error = wrong(root, recipe=name)
    assert isinstance(error, UsageError) and repr(name) in error.message and near in str(error.hint)
    assert all(known in str(error.hint) for known in recipe_names())


@pytest.mark.parametrize("name", ["_extended", "../recipes/extended", "extended.py", "Extended", "", "a b", "sys"])
def test_only_names_of_recipes_are_recipes(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert isinstance(error_of(load_recipe, name), UsageError)


# --- the catalog ----------------------------------------------------------------------------------------------------


def test_every_prebuilt_image_is_found_by_name_reference_and_mirror():
    for image in IMAGES:
        for text in (image.name, image.reference, image.reference.replace(":latest", ":20250506.v1")):
            assert find(base_named(text).reference) is image
        assert find(f"mirror.example:5000/proxy/{image.repository}:1") is image
        facts = assumed(base_named(image.name))
        assert facts is image.facts and facts.source == "catalog" and facts.python == image.python
    assert len({image.name for image in IMAGES}) == len(IMAGES)


def test_a_short_name_of_a_curated_image_is_known():
    assert base_named("minimal-py311-inference").reference.endswith("/curated/minimal-py311-inference:latest")
    assert base_named("minimal-py312-inference").reference.endswith("azureml/minimal-py312-inference:latest")


def test_any_other_reference_is_taken_as_it_is():
    for text in ("ubuntu", "pythons:3.12", "localhost:5000/x", "my/image", "a.io/b@sha256:" + "0" * 64):
        found = base_named(text)
        assert found == From.parse(text) and find(found.reference) is None
        assert assumed(found).source == "assumed" and assumed(found).extras is None and assumed(found).python is None


@pytest.mark.parametrize("text", ["minimal-py312-inferense", "curated/nothing", "my-own-inference", "minimal-py31"])
def test_a_word_like_a_prebuilt_images_is_not_sent_to_docker_hub(text):
    error = error_of(base_named, text)
    assert (
        repr(text) in error.message
        and "Similar names: " in str(error.hint)
        and "tag or a registry" in str(error.hint)
    )
