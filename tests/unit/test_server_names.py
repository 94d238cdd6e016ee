"""Modules of the code called as the inference server's own: put first where that helps, and refused where not."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from dagger_aml import FindingsError, From, FromBase, Graph, contract, make_plan
from dagger_aml.base.facts import of_config
from dagger_aml.building.graphs import lay_out
from dagger_aml.plan.render import plan_text
from dagger_aml.project.load import load_project
from dagger_aml.project.settings import Options
from dagger_aml.steps import code, env
from dagger_aml.steps.server_names import behind_code, server_names
from tests.support.calls import await_
from tests.support.cases import for_each
from tests.support.projects import SCORE, make

APP = contract.APP_ROOT
UTILS = {"score.py": f"from utils import clean\n{SCORE}", "utils.py": "def clean(data):\n    return data\n"}


def laid_out(folder: Path, files: dict[str, str], **options: object) -> Graph:
    return await_(lay_out(load_project(make(folder / "p", {"score.py": SCORE, **files}), Options(**options))))


def found(graph: Graph, id: str) -> list[str]:
    return [each.message for each in graph.warnings if each.id == id]


# --- which names ----------------------------------------------------------------------------------------------------


@for_each(
    ("paths", "shadowed", "in_the_way", "folders"),
    [
        (["utils.py"], ("utils.py",), (), ()),
        (["config/__init__.py", "config/a.py"], ("config/__init__.py",), (), ()),
        (["utils/a.py", "utils/b.py"], (), (), ("utils",)),
        (["utils/a.py", "utils.py"], ("utils.py",), (), ()),
        (["config/settings.yaml", "entry/notes.txt"], (), (), ()),
        (["features/utils.py", "features/queue.py"], (), (), ()),
        (["utils.py", "queue.py", "flask/__init__.py"], ("utils.py",), ("flask/__init__.py", "queue.py"), ()),
        (["types/a.py", "webbrowser.py", "time.py", "my_queue.py"], (), (), ()),
        (["utils.pyi", "utils.txt", "Utils.py"], (), (), ()),
    ],
)
def test_what_bears_a_name_of_the_servers(paths, shadowed, in_the_way, folders):
    names = server_names(APP, paths)
    assert (names.shadowed, names.in_the_way, names.folders) == (shadowed, in_the_way, folders)
    assert names.code_first == bool(shadowed and not in_the_way)


def test_the_names_are_those_of_the_package_where_it_is_at_hand():
    """The stand-in has it always: tests/builders/test_server_names.py looks there."""
    try:
        files = importlib.metadata.files("azureml-inference-server-http") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    own = {path.stem for path in files if path.match("azureml_inference_server_http/server/*.py")} - {"__init__"}
    assert own in (set(), contract.SERVER_MODULES)
    assert len(contract.SERVER_MODULES) == 11 and not contract.SERVER_MODULES & contract.SERVER_NEEDS


# --- PYTHONPATH -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "files", [{}, {"helper.py": ""}, {"queue.py": ""}, {"sub/utils.py": ""}, {"utils/a.txt": ""}]
)
def test_a_project_without_such_names_is_as_before(tmp_path, files):
    graph = laid_out(tmp_path, files)
    assert "PYTHONPATH" not in graph.config.env and not graph.warnings


@for_each(
    ("options", "expected"),
    [
        ({}, FromBase("pythonpath", before=APP)),
        ({"recipe": "package"}, FromBase("pythonpath", before=f"{APP}/p")),
        ({"recipe": "dynamic", "pip": ("idna==3.10",)}, FromBase("pythonpath", before=APP)),
        ({"recipe": "preinstalled", "pip": ("idna",)}, FromBase("pythonpath", before=APP)),
        (
            {"recipe": "preinstalled", "pip": ("idna",), "via": "pythonpath"},
            FromBase("pythonpath", before=f"{APP}:{APP}/python-packages"),
        ),
        ({"env": ("PYTHONPATH=/opt/mine:/opt/more",)}, f"{APP}:/opt/mine:/opt/more"),
        ({"env": (f"PYTHONPATH=/opt/mine:{APP}",)}, f"/opt/mine:{APP}"),
        ({"env": ("PYTHONPATH=",)}, APP),
    ],
)
def test_the_code_comes_first_by_every_recipe_and_others_behind(tmp_path, options, expected):
    graph = laid_out(tmp_path, UTILS, **options)
    assert graph.config.env["PYTHONPATH"] == expected
    (said,) = found(graph, "AML550")
    assert "utils.py" in said and "PYTHONPATH" in said


def test_a_pythonpath_of_the_base_stays_behind_it(tmp_path):
    graph = laid_out(tmp_path, UTILS, base="example.org/base:1")
    facts = of_config({"User": "1000", "Env": ["PYTHONPATH=/base/one:/base/two"]})
    assert make_plan(graph, {graph.from_: facts}).config.env["PYTHONPATH"] == f"{APP}:/base/one:/base/two"
    assert make_plan(graph, {graph.from_: of_config({"User": "1000"})}).config.env["PYTHONPATH"] == APP


def test_recipes_of_ones_own_have_it_too(tmp_path):
    make(tmp_path, UTILS)
    graph = await_(code(Graph(From.parse("example.org/base:1")), tmp_path))
    assert await_(env(graph, {"PYTHONPATH": "/a"})).config.env["PYTHONPATH"] == f"{APP}:/a"
    assert behind_code(graph, f"{APP}:/a") == f"{APP}:/a", "not twice"
    again = await_(env(await_(env(graph, {"PYTHONPATH": "/a"})), {"OTHER": "1"}))
    assert again.config.env["PYTHONPATH"] == f"{APP}:/a"


def test_the_plan_says_why(tmp_path):
    project = load_project(make(tmp_path / "p", {"score.py": SCORE, **UTILS}))
    plan = make_plan(await_(lay_out(project)))
    lines = plan_text(plan, project, why=True).splitlines()
    at = lines.index(f"  PYTHONPATH={APP}")
    assert "utils.py" in lines[at + 1] and "server" in lines[at + 1]
    assert lines[at + 1] not in plan_text(plan, project)


# --- what is said, and refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "files",
    [
        UTILS,
        {"score.py": f"import config\n{SCORE}", "config/__init__.py": ""},
        {**UTILS, "score.py": f"import utils, exceptions\n{SCORE}", "exceptions.py": ""},
    ],
)
def test_a_name_of_the_servers_is_told(tmp_path, files):
    (said,) = found(laid_out(tmp_path, files), "AML550")
    assert all(name in said for name in files if name != "score.py")


def test_a_file_of_such_a_name_that_nothing_imports_is_not_told(tmp_path):
    graph = laid_out(tmp_path, {"utils.py": "", "train.py": "import utils\n"})
    assert not found(graph, "AML550")
    assert "PYTHONPATH" in graph.config.env


LATER = f"{SCORE}\ndef later():\n    from utils import clean\n"


@pytest.mark.parametrize("name", ["queue.py", "types.py", "flask.py", "calendar/__init__.py"])
def test_both_kinds_are_refused_and_the_file_named(tmp_path, name):
    with pytest.raises(FindingsError) as caught:
        laid_out(tmp_path, {**UTILS, name: ""})
    (error,) = caught.value.findings
    assert (error.id, error.location) == ("AML551", name) and f"Rename {name}, or utils.py" in str(error.hint)
    graph = laid_out(tmp_path / "2", {**UTILS, name: ""}, ignore=("AML551",))
    assert "PYTHONPATH" not in graph.config.env, "it would end the start"


@pytest.mark.parametrize(
    "files", [{"queue.py": ""}, {"utils.py": "", "queue.py": ""}, {**UTILS, "work_queue.py": "", "sub/queue.py": ""}]
)
def test_one_kind_is_not(tmp_path, files):
    assert not found(laid_out(tmp_path, files), "AML551")


@pytest.mark.parametrize("line", ["from utils.text import clean", "import utils.text", "from utils import text"])
def test_a_folder_without_init_is_refused(tmp_path, line):
    with pytest.raises(FindingsError) as caught:
        laid_out(tmp_path, {"score.py": f"{line}\n{SCORE}", "utils/text.py": ""})
    (error,) = caught.value.findings
    assert (error.id, error.location) == ("AML553", "utils/") and "utils/__init__.py" in str(error.hint)


@pytest.mark.parametrize(
    "files",
    [
        {"utils/text.py": ""},
        {"score.py": f"from utils.text import clean\n{SCORE}", "utils/text.py": "", "utils/__init__.py": ""},
        {"score.py": f"from tools.text import clean\n{SCORE}", "tools/text.py": ""},
    ],
)
def test_other_folders_are_not(tmp_path, files):
    assert not found(laid_out(tmp_path, files), "AML553") and not found(laid_out(tmp_path, files), "AML554")


@pytest.mark.parametrize(
    ("files", "location"),
    [
        ({"score.py": LATER, "utils/text.py": ""}, "utils/"),
        ({"score.py": LATER, "utils.py": "", "queue.py": ""}, "utils.py"),
    ],
)
def test_an_import_that_may_not_happen_is_a_warning(tmp_path, files, location):
    graph = laid_out(tmp_path, files)
    assert [each.location for each in graph.warnings if each.id == "AML554"] == [location]


@pytest.mark.parametrize("files", [{"score.py": LATER, "utils.py": ""}, {"utils.py": "", "queue.py": ""}])
def test_and_nothing_where_it_works_or_is_not_imported(tmp_path, files):
    assert not found(laid_out(tmp_path, files), "AML554")
