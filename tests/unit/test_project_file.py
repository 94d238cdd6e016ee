"""The project file: what is taken, and for each mistake one error with file and line."""

from __future__ import annotations

import time
from operator import attrgetter
from pathlib import Path

import pytest

from dagger_aml import ProjectError, load_project
from dagger_aml.project import structure
from dagger_aml.project.file import FILE_NAME, read_project_file
from dagger_aml.project.keys import ARRAYS, KEYS, field_name
from dagger_aml.project.tables import CodeTable, ModelTable, PreinstalledTable, Tables
from dagger_aml.toml import lines_of
from tests.support.calls import error_of
from tests.support.cases import for_each
from tests.support.projects import SCORE, make

WHOLE = """\
# what the folder does not say
name = "demo"
base = "minimal-py312-inference"
recipe = "extended"
platform = "linux/arm64"
apt = ["libgomp1", "curl"]
requirements = "requirements.txt"
request = "request.json"
answer = "answer.json"
env = { WORKER_COUNT = "2" }

[labels]
team = "a = b"
"org.example.x" = "y"

[code]
path = "code"
entry-script = "score.py"

[[models]]
path = "model"
name = "diabetes"
version = "1"

[[models]]
path = "other"
flat = true
keep-folder = true

[preinstalled]
path = "libs"
via = "pythonpath"
"""


def read(tmp_path, text: str, name: str = FILE_NAME):
    return read_project_file(make(tmp_path, {name: text}))


def wrong(tmp_path, text: str, name: str = FILE_NAME):
    """The error of a file; it is no traceback, names the file and a line, and ends in exit code 2."""
    error = error_of(read, tmp_path, text, name)
    assert isinstance(error, ProjectError)
    return error


def test_every_key_is_read(tmp_path):
    found = read(tmp_path, WHOLE)
    tables = found.tables
    assert (tables.name, tables.base, tables.recipe) == ("demo", "minimal-py312-inference", "extended")
    assert (tables.platform, tables.apt) == ("linux/arm64", ("libgomp1", "curl"))
    assert (tables.requirements, tables.request, tables.answer) == ("requirements.txt", "request.json", "answer.json")
    assert tables.env == {"WORKER_COUNT": "2"} and tables.labels == {"team": "a = b", "org.example.x": "y"}
    assert tables.code == CodeTable("code", "score.py")
    assert tables.models == (ModelTable("model", "diabetes", "1"), ModelTable("other", None, "1", True, True))
    assert tables.preinstalled == PreinstalledTable("libs", "pythonpath")


@for_each(
    ("key", "line"),
    [
        (("name",), 2),
        (("apt",), 6),
        (("env",), 10),
        (("env", "WORKER_COUNT"), 10),
        (("labels",), 12),
        (("labels", "team"), 13),
        (("labels", "org.example.x"), 14),
        (("code", "entry-script"), 18),
        (("models",), 20),
        (("models", 0), 20),
        (("models", 0, "version"), 23),
        (("models", 1), 25),
        (("models", 1, "path"), 26),
        (("models", 1, "absent"), 25),
        (("preinstalled", "via"), 32),
        (("absent",), 1),
    ],
)
def test_every_key_has_its_line(tmp_path, key, line):
    assert read(tmp_path, WHOLE).location(*key) == f"{FILE_NAME}:{line}"


def test_pyproject_says_the_same(tmp_path):
    own = read(tmp_path / "own", WHOLE).tables
    text = '[project]\nname = "x"\n\n[tool.dagger-aml]\n' + WHOLE
    for table in ("labels", "code", "preinstalled"):
        text = text.replace(f"[{table}]", f"[tool.dagger-aml.{table}]")
    text = text.replace("[[models]]", "[[tool.dagger-aml.models]]") + "\n[tool.ruff]\nunknown-to-us = 1\n"
    found = read(tmp_path, text, "pyproject.toml")
    assert found.tables == own
    assert found.location("base") == "pyproject.toml:7" and found.location("models", 1, "path") == "pyproject.toml:30"
    assert found.location("labels", "team") == "pyproject.toml:17"


@pytest.mark.parametrize("text", ["", "[tool.ruff]\nx = 1\n", "tool = 3\n", "[project]\nname = 'x'\n"])
def test_a_pyproject_that_says_nothing_of_us_is_none_of_ours(tmp_path, text):
    found = read(tmp_path, text, "pyproject.toml")
    assert not found.files and found.location("base") == "default"


def test_no_file_is_an_empty_one(tmp_path):
    found = read_project_file(make(tmp_path, {}))
    assert not found.files and found.tables.models is None and found.tables.apt is None
    keys = {".".join(map(field_name, each.key)) if each.key[0] not in ARRAYS else each.key[0] for each in KEYS}
    of_all = attrgetter(*sorted(keys))
    assert of_all(read(tmp_path, "").tables) == of_all(found.tables) and len(of_all(found.tables)) > 50


def test_what_reads_a_table_is_made_of_those_that_the_file_has(tmp_path, monkeypatch):
    made = []

    def counted(cls, *given, make=structure.make_dict_structure_fn, **names):
        made.append(cls)
        return make(cls, *given, **names)

    monkeypatch.setattr(structure, "make_dict_structure_fn", counted)
    structure.converter.cache_clear()
    for _ in range(2):
        read(tmp_path, '[code]\npath = "src"\n[[models]]\npath = "m"\n[[models]]\npath = "n"\n')
    structure.converter.cache_clear()
    assert sorted(made, key=str) == sorted([CodeTable, ModelTable, Tables], key=str)


def test_both_files_are_two_candidates(tmp_path):
    make(tmp_path, {"pyproject.toml": "[tool.dagger-aml]\nbase = 'a:1'\n"})
    error = wrong(tmp_path, "base = 'b:1'\n")
    assert FILE_NAME in error.message and "pyproject.toml" in error.message and error.hint


# --- mistakes -------------------------------------------------------------------------------------------------------


@for_each(
    ("text", "line", "said", "do"),
    [
        ('bse = "a"\n', 1, "'bse'", "'base'"),
        ('\n\nrequirement = "r.txt"\n', 3, "'requirement'", "'requirements'"),
        ('[code]\npath = "c"\nentry_script = "s.py"\n', 3, "'entry_script' in code", "'entry-script'"),
        ('[code]\nscript = "s.py"\n', 2, "'script' in code", "'entry-script'"),
        ('[[models]]\npath = "m"\n[[models]]\npath = "n"\nverson = "1"\n', 5, "'verson' in models.1", "'version'"),
        ('[preinstalled]\nvai = "x"\n', 2, "'vai' in preinstalled", "'via'"),
        ('[model]\npath = "m"\n', 1, "'model'", "'models'"),
        ("zzzzzz = 1\n", 1, "'zzzzzz'", "Known: extends, name, version, base"),
    ],
)
def test_unknown_keys_are_told_with_the_nearest_known(tmp_path, text, line, said, do):
    error = wrong(tmp_path, text)
    assert error.location == f"{FILE_NAME}:{line}"
    assert f"unknown key {said}" in error.message and do in str(error.hint)


def test_unknown_keys_of_pyproject(tmp_path):
    error = wrong(tmp_path, "[tool.dagger-aml]\n\n[tool.dagger-aml.code]\npth = 'x'\n", "pyproject.toml")
    assert (
        error.location == "pyproject.toml:4"
        and error.message == "unknown key 'pth' in code"
        and "'path'" in str(error.hint)
    )


@for_each(
    ("text", "line", "said"),
    [
        ("base = 1\n", 1, 'base: must be text, not a number; write it in quotes: "1"'),
        ("python = 3.10\n", 1, "python: must be text, not a number; write it in quotes, as it stands there"),
        ("[env]\nA = 1.10\n", 2, "env.A: must be text, not a number; write it in quotes, as it stands there"),
        ("\nbase = true\n", 2, 'base: must be text, not true or false; write it in quotes: "true"'),
        ('base = ["a"]\n', 1, "base: must be text, not a list"),
        ("base = 1979-05-27\n", 1, "base: must be text, not date"),
        ("base = { a = 1 }\n", 1, "base: must be text, not a table"),
        ("apt = 3\n", 1, "apt: must be a list of package names, or the name of a file"),
        ('apt = ["a", 3]\n', 1, "apt: must be a list of package names, or the name of a file"),
        ("env = 3\n", 1, "env: must be a table, not a number"),
        ('env = ["A=1"]\n', 1, "env: must be a table, not a list"),
        (
            '[env]\nGOOD = "x"\nWORKERS = 2\n',
            3,
            'env.WORKERS: must be text, not a number; write it in quotes: "2"',
        ),
        ("[env]\nON = true\n", 2, 'env.ON: must be text, not true or false; write it in quotes: "true"'),
        ("[labels]\nx = []\n", 2, "labels.x: must be text, not a list"),
        ("code = 'src'\n", 1, "code: must be a table, not text"),
        ("[code]\npath = 3\n", 2, 'code.path: must be text, not a number; write it in quotes: "3"'),
        ("[code]\nentry-script = false\n", 2, "code.entry-script: must be text"),
        ("models = 'm'\n", 1, "models: must be an array of tables: [[models]]"),
        ("[models]\npath = 'm'\n", 1, "models: must be an array of tables: [[models]]"),
        ("models = ['m']\n", 1, "models.0: must be a table, not text"),
        ("[[models]]\nname = 'm'\n", 1, "models.0.path: the key 'path' is missing"),
        ("[[models]]\npath = 'm'\nversion = 3\n", 3, "models.0.version: must be text, not a number; write it in q"),
        (
            "[[models]]\npath = 'm'\n\n[[models]]\npath = 'n'\nflat = 'yes'\n",
            6,
            "models.1.flat: must be true or false",
        ),
        ("[[models]]\npath = 'm'\nflat = 1\n", 3, "models.0.flat: must be true or false, not a number"),
        ("preinstalled = 'x'\n", 1, "preinstalled: must be a table, not text"),
    ],
)
def test_wrong_types_are_told_with_their_line(tmp_path, text, line, said):
    error = wrong(tmp_path, text)
    assert error.location == f"{FILE_NAME}:{line}" and said in error.message


def test_wrong_types_of_pyproject(tmp_path):
    text = "[tool.dagger-aml]\nrecipe = 'extended'\n\n[tool.dagger-aml.env]\nA = 1\n"
    error = wrong(tmp_path, text, "pyproject.toml")
    assert (error.location, error.message.partition(":")[0]) == ("pyproject.toml:5", "env.A")
    error = wrong(tmp_path, "[tool]\ndagger-aml = 3\n", "pyproject.toml")
    assert error.location == "pyproject.toml:2" and "is not a table" in error.message


@for_each(
    ("text", "line"),
    [
        ("base = \n", 1),
        ('a = 1\nbase = "x\n', 2),
        ("base = 'a'\nbase = 'b'\n", 2),
        ("[code\npath = 'x'\n", 1),
        ("[env]\nA = 'x'\n[env]\nB = 'y'\n", 3),
        ("base 'x'\n", 1),
        ('x = """\nnever closed\n', 3),
        ("a = [1,\n2\n", 3),
    ],
)
def test_broken_toml_has_its_line(tmp_path, text, line):
    error = wrong(tmp_path, text)
    number = int(str(error.location).removeprefix(f"{FILE_NAME}:"))
    assert abs(number - line) <= (1 if line > 2 else 0) and error.message.startswith("broken TOML: ")
    assert "at line" not in error.message


def test_what_is_no_text_is_told(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"base = '\xff'\n")
    error = error_of(read_project_file, tmp_path)
    assert "UTF-8" in error.message and str(error.location).endswith(FILE_NAME)


def test_what_is_no_file_is_told(tmp_path):
    (tmp_path / "a" / FILE_NAME).mkdir(parents=True)
    assert str(error_of(read_project_file, tmp_path / "a").location).endswith(FILE_NAME)
    make(tmp_path / "b", {FILE_NAME: "->absent"})
    assert "cannot be read" in error_of(read_project_file, tmp_path / "b").message


def test_a_byte_order_mark_does_no_harm(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"\xef\xbb\xbfbase = 'a:1'\r\nrecipe = 'x'\r\n")
    found = read_project_file(tmp_path)
    assert found.tables.base == "a:1" and found.location("recipe") == f"{FILE_NAME}:2"


# --- lines ----------------------------------------------------------------------------------------------------------


def test_lines_are_found_in_every_way_of_writing():
    text = (
        'a.b = 1\n"q.r".s = 2\n\n[ t . u ]\n  v = 3 # x = 4\n[[w]]\n[[w]]\nx = """\ny = 1\u2028z = 2\n"""\n'
        "[w.z]\nk = 1\n'l' = 2\n"
    )
    assert lines_of(text).of(("a", "b")) == 1
    assert lines_of(text).of(("q.r", "s")) == 2
    assert lines_of(text).of(("t", "u", "v")) == 5
    assert lines_of(text).of(("w", 1, "x")) == 8
    assert lines_of(text).of(("w", 0)) == 6


@for_each("line", ["-" * 200, "a" * 5_000, "a." * 3_000, "a . " * 500 + "!", '"' * 400, "[" * 3_000])
def test_no_line_takes_long_to_read(line):
    begun = time.perf_counter()
    lines_of(f'd = """\n{line}\n"""\nbase = 1\n').of(("base",))
    assert time.perf_counter() - begun < 1


# --- files that are extended ----------------------------------------------------------------------------------------


def test_the_nearer_file_wins_and_each_value_knows_its_own(tmp_path):
    root = make(
        tmp_path,
        {
            "company.toml": "base = 'a:1'\nrecipe = 'package'\n[env]\nA = '1'\nB = '1'\n[labels]\nteam = 'x'\n",
            "p/dagger-aml.toml": "extends = '../company.toml'\nbase = 'b:1'\n\n[env]\nB = '2'\nC = '2'\n",
        },
    )
    found = read_project_file(root / "p")
    assert (found.tables.base, found.tables.recipe) == ("b:1", "package")
    assert found.tables.env == {"A": "1", "B": "2", "C": "2"} and found.tables.labels == {"team": "x"}
    places = {
        key: found.location(*key.split(".")) for key in ("base", "recipe", "env.A", "env.B", "env.C", "labels.team")
    }
    assert places == {
        "base": f"{FILE_NAME}:2",
        "recipe": "../company.toml:2",
        "env.A": "../company.toml:4",
        "env.B": f"{FILE_NAME}:5",
        "env.C": f"{FILE_NAME}:6",
        "labels.team": "../company.toml:7",
    }
    assert found.location("absent") == f"{FILE_NAME}:1"


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    root = make(
        tmp_path,
        {
            "a/c.toml": "[env]\nA = '1'\n",
            "b/c.toml": "[labels]\nteam = 'x'\n",
            "p/dagger-aml.toml": "extends = ['../a/c.toml', '../b/c.toml', 'c.toml']\n",
            "p/c.toml": "apt = ['curl']\n",
        },
    )
    found = read_project_file(root / "p")
    places = [found.location(*key.split(".")) for key in ("env.A", "labels.team", "apt")]
    assert places == ["../a/c.toml:2", "../b/c.toml:2", "c.toml:1"]


def test_tables_are_merged_and_lists_replaced(tmp_path):
    above = "apt = ['a', 'b']\n[code]\npath = 'c'\nentry-script = 's.py'\n[[models]]\npath = 'm'\n"
    own = "extends = 'x.toml'\napt = ['c']\ncode = { entry-script = 't.py' }\n[[models]]\npath = 'o'\n"
    found = read_project_file(make(tmp_path, {"x.toml": above, FILE_NAME: own}))
    assert found.tables.apt == ("c",) and found.tables.models == (ModelTable("o"),)
    assert found.tables.code == CodeTable("c", "t.py")
    assert found.location("models", 0, "path") == f"{FILE_NAME}:5" and found.location("code", "path") == "x.toml:3"


def test_paths_are_relative_to_the_file_that_says_them(tmp_path):
    above = (
        "apt = 'debian.txt'\nrequirements = 'r/base.txt'\nrecipe = './ours.py'\n"
        "request = 'q.json'\nanswer = 'a.json'\nbase = 'oci:images/base'\n"
        "[code]\npath = 'c'\nentry-script = 's.py'\n[[models]]\npath = 'm'\nname = 'n'\n"
        "[preinstalled]\npath = 'libs'\nvia = 'pythonpath'\n[network]\nca = 'ca.pem'\n"
        "[secrets]\npip = 'src=token'\napt = 'env=APT'\n"
    )
    root = make(tmp_path / "team/p", {FILE_NAME: "extends = '../../shared/company.toml'\n"})
    make(tmp_path / "shared", {"company.toml": above})
    tables = read_project_file(root).tables
    said = (tables.apt, tables.requirements, tables.recipe, tables.request, tables.answer, tables.code.path)
    said += (tables.models[0].path, tables.preinstalled.path, tables.network.ca)
    names = ("debian.txt", "r/base.txt", "ours.py", "q.json", "a.json", "c", "m", "libs", "ca.pem")
    assert [(root / path).resolve() for path in said] == [tmp_path / "shared" / name for name in names]
    assert (root / tables.base.removeprefix("oci:")).resolve() == tmp_path / "shared/images/base"
    assert (root / tables.secrets["pip"].removeprefix("src=")).resolve() == tmp_path / "shared/token"
    assert (tables.secrets["apt"], tables.code.entry_script, tables.models[0].name) == ("env=APT", "s.py", "n")


def test_what_an_extended_file_names_has_no_dots_in_its_path(tmp_path):
    shared = {
        "company.toml": "requirements = 'r.txt'\nanswer = 'a.json'\n[code]\npath = 'c'\n[[models]]\npath = 'm'\n"
    }
    make(
        tmp_path / "shared",
        {**shared, "r.txt": "six\n", "a.json": "1", "m/w": "", "c/score.py": f"import nope\n{SCORE}"},
    )
    root = make(tmp_path / "team/p", {FILE_NAME: "extends = '../../shared/company.toml'\n"})
    project = load_project(root)
    found = (project.requirements, project.answer, project.code, project.models[0].path)
    assert found == tuple(tmp_path / "shared" / name for name in ("r.txt", "a.json", "c", "m"))
    assert project.at(tmp_path / "shared/c/score.py", 1) == "../../shared/c/score.py:1"
    assert project.at(Path("/elsewhere/x"), 1) == "/elsewhere/x:1"


def test_dots_behind_a_link_stay(tmp_path):
    """There they lead above where the link leads, and not above where it lies."""
    make(tmp_path, {"real/deep/x": "", "real/r.txt": "six\n", "p/score.py": SCORE})
    (tmp_path / "p/link").symlink_to(tmp_path / "real/deep")
    make(tmp_path / "p", {FILE_NAME: "requirements = 'link/../r.txt'\n"})
    assert load_project(tmp_path / "p").requirements == tmp_path / "p/link/../r.txt"


def test_names_and_packages_of_an_extended_file_are_no_paths(tmp_path):
    above = "recipe = 'dynamic'\nbase = 'example.org/a:1'\napt = ['curl']\n"
    tables = read_project_file(
        make(tmp_path, {"up/c.toml": above, f"p/{FILE_NAME}": "extends = '../up/c.toml'\n"}) / "p"
    ).tables
    assert (tables.recipe, tables.base, tables.apt) == ("dynamic", "example.org/a:1", ("curl",))


def test_of_several_the_later_wins_and_each_before_what_it_extends(tmp_path):
    make(
        tmp_path,
        {
            "root.toml": "base = 'root:1'\nrecipe = 'root'\nname = 'root'\nplatform = 'root'\n",
            "a.toml": "extends = 'root.toml'\nbase = 'a:1'\nrecipe = 'a'\nname = 'a'\n",
            "b.toml": "extends = ['root.toml']\nbase = 'b:1'\nrecipe = 'b'\n",
            FILE_NAME: "extends = ['a.toml', 'b.toml']\nbase = 'own:1'\n",
        },
    )
    found = read_project_file(tmp_path)
    tables = found.tables
    assert (tables.base, tables.recipe, tables.name, tables.platform) == ("own:1", "b", "root", "root")
    assert [path.name for path in found.paths] == [FILE_NAME, "b.toml", "root.toml", "a.toml", "root.toml"]


def test_a_pyproject_may_extend_and_be_extended(tmp_path):
    make(tmp_path, {"pyproject.toml": "[project]\nname = 'x'\n[tool.dagger-aml]\nbase = 'a:1'\nname = 'up'\n"})
    make(tmp_path / "p", {"pyproject.toml": "[tool.dagger-aml]\nextends = '../pyproject.toml'\nname = 'own'\n"})
    found = read_project_file(tmp_path / "p")
    assert (found.tables.base, found.tables.name) == ("a:1", "own")
    assert found.location("base") == "../pyproject.toml:4" and found.location("name") == "pyproject.toml:3"


@for_each(
    ("files", "where", "said"),
    [
        ({FILE_NAME: "\nextends = 'absent.toml'\n"}, f"{FILE_NAME}:2", "does not exist: 'absent.toml'"),
        ({FILE_NAME: "extends = 'up'\n", "up/x": ""}, f"{FILE_NAME}:1", "does not exist: 'up'"),
        ({FILE_NAME: 'extends = "a\\u0000"\n'}, f"{FILE_NAME}:1", "does not exist"),
        ({FILE_NAME: "extends = ''\n"}, f"{FILE_NAME}:1", "does not exist: ''"),
        ({FILE_NAME: "base = 'a:1'\nextends = 'dagger-aml.toml'\n"}, f"{FILE_NAME}:2", "extends itself"),
        (
            {
                FILE_NAME: "extends = 'a.toml'\n",
                "a.toml": "\nextends = 'b.toml'\n",
                "b.toml": "extends = './a.toml'\n",
            },
            "b.toml:1",
            "'./a.toml' extends itself",
        ),
        ({FILE_NAME: "extends = 'a.toml'\n", "a.toml": "\nbse = 'x'\n"}, "a.toml:2", "unknown key 'bse'"),
        ({FILE_NAME: "extends = 'a.toml'\n", "a.toml": "\nbase = 1\n"}, "a.toml:2", "base: must be text"),
        ({FILE_NAME: "extends = 'a.toml'\n", "a.toml": "x\n"}, "a.toml:1", "broken TOML"),
        ({FILE_NAME: "extends = 'a.toml'\n", "a.toml": "[code]\nx = 1\n"}, "a.toml:2", "unknown key 'x' in code"),
        (
            {FILE_NAME: "extends = 'up/pyproject.toml'\n", "up/pyproject.toml": ""},
            f"{FILE_NAME}:1",
            "no [tool.dagger",
        ),
        ({FILE_NAME: "extends = 3\n"}, f"{FILE_NAME}:1", "extends: must be a file name, or a list of file names"),
        ({FILE_NAME: "extends = [3]\n"}, f"{FILE_NAME}:1", "extends: must be a file name, or a list of file names"),
    ],
)
def test_wrong_files_that_are_extended(tmp_path, files, where, said):
    error = error_of(read_project_file, make(tmp_path, files))
    assert isinstance(error, ProjectError) and error.location == where and said in error.message


def test_a_wrong_value_of_an_extended_file_is_told_with_its_line(tmp_path):
    from dagger_aml import load_project

    make(tmp_path, {"company.toml": "\nbase = 'UPPER'\n", f"p/{FILE_NAME}": "extends = '../company.toml'\n"})
    assert error_of(load_project, tmp_path / "p").location == "../company.toml:2"
