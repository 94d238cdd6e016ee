"""What an entry script leads to: modules of its folder, names from elsewhere, paths."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger_aml.pysource import modules, source
from dagger_aml.pysource.entry_script import check, find
from dagger_aml.pysource.imports import read_code
from dagger_aml.pysource.reached import Reached, reached
from dagger_aml.pysource.source import parsed
from dagger_aml.pysource.texts import every_node
from tests.support.cases import for_each
from tests.support.projects import SCORE, make

TREE = {
    "a.py": "",
    "b/__init__.py": "",
    "b/c.py": "import a\n",
    "b/d/__init__.py": "from . import e\nfrom ..c import x\n",
    "b/d/e.py": "",
    "space/m.py": "import only_there\n",
    "loop.py": "import loop2\n",
    "loop2.py": "import loop, far\n",
    "far.py": "",
    "broken.py": "def (\n",
}


def test_folders_that_are_not_listed_are_looked_into_all_the_same(tmp_path, monkeypatch):
    make(tmp_path, {**TREE, "score.py": "import a, b.d, space.m, loop, nowhere.x\n"})
    listed = reached(tmp_path, "score.py")
    assert {"a", "b", "space", "loop"} <= listed.modules and "nowhere" in listed.absent
    monkeypatch.setattr(modules, "_listing", lambda folder: None)
    assert reached(tmp_path, "score.py") == listed


@for_each(
    ("text", "modules", "absent"),
    [
        ("", "", ""),
        ("import a", "a", ""),
        ("import a as z, b.c", "a b", ""),
        ("import b.d", "a b", ""),
        ("from b import d", "a b", ""),
        ("from b.d.e import x", "a b", ""),
        ("import space.m", "space", "only_there"),
        ("from space import m", "space", "only_there"),
        ("import loop", "loop loop2 far", ""),
        ("import broken", "broken", ""),
        ("import os, sys, json.decoder", "", ""),
        ("import numpy as np\nfrom sklearn.base import x", "", "numpy sklearn"),
        ("try:\n    import cupy\nexcept ImportError:\n    cupy = None", "", ""),
        ("def run():\n    import a, numpy", "a", ""),
        ("if x:\n    import a", "a", ""),
        ("import importlib\nimportlib.import_module('b.c')\n__import__('far')", "a b far", ""),
        ("from importlib import import_module as i\nimport_module(name)\nimport_module()", "", ""),
        ("from .. import a\nfrom ... import b", "", ""),
        ("from . import a", "a", ""),
    ],
)
def test_imports_are_followed(tmp_path, text, modules, absent):
    found = reached(make(tmp_path, {**TREE, "score.py": text}), "score.py")
    assert (found.modules, set(found.absent)) == (set(modules.split()), set(absent.split()))


@for_each(
    ("text", "named"),
    [
        ("open('data/x.csv')", "data"),
        ("open('labels.json')", "labels.json"),
        ("open('LICENSE')", "LICENSE"),
        ("x = './data/x.csv'", "data"),
        ("x = '../data/x.csv'", "data"),
        ("x = 'data\\\\x.csv'", "data"),
        ("x = f'{here}/data/x-{n}.csv'", "data .csv"),
        ("x = f'data/{n}'", "data"),
        ("x = here / 'data' / 'raw'", "data raw"),
        ("os.path.join(here, 'data', 'raw')", "data raw"),
        ("Path(here, 'data').glob('raw')", "data raw"),
        ("'''data/x is read here'''", ""),
        ("def f():\n    'data/x'", ""),
        ("x['data'], x.get('data'), {'data': 1}, f('data')", ""),
        ("x = 'data'", ""),
        ("x = ''; y = '/'; z = '..'", ""),
    ],
)
def test_paths_are_told_from_other_texts(tmp_path, text, named):
    assert _named(reached(make(tmp_path, {"score.py": text}), "score.py")) == set(named.split())


def _named(found: Reached) -> set[str]:
    """First parts of the relative paths that stand in the texts."""
    return {name for source in found.sources.values() for name in source.paths}


@pytest.mark.parametrize(
    ("files", "reads"),
    [
        ({"score.py": "import os\nos.environ['AZUREML_MODEL_DIR']"}, True),
        ({"score.py": "Model.get_model_path('x')"}, True),
        ({"score.py": "import helper", "helper.py": "D = 'AZUREML_MODEL_DIR'"}, True),
        ({"score.py": "", "helper.py": "D = 'AZUREML_MODEL_DIR'"}, False),
        ({"score.py": "MODEL_DIR = 1"}, False),
    ],
)
def test_whether_the_model_folder_is_read(tmp_path, files, reads):
    assert reached(make(tmp_path, files), "score.py").reads_model_dir == reads


def test_a_script_that_is_not_there_leads_nowhere(tmp_path):
    found = reached(tmp_path, "score.py")
    assert not found.modules and not found.absent and not _named(found) and not found.reads_model_dir


_PARTS = st.sampled_from(("out", "a", "b", "d", "code", ".", "..", "/", "", "*", "tmp", "x y", "é"))


@given(names=st.lists(st.lists(_PARTS, max_size=4).map("".join), max_size=4), texts=st.lists(st.text(max_size=9)))
def test_no_text_leads_out_of_the_folder(tmp_path_factory, names, texts):
    root = make(tmp_path_factory.mktemp("x") / "code", TREE)
    make(root.parent, {"out.py": "open('outside/x')\n", "__init__.py": "open('outside/x')\n"})
    names += [str(root.parent / "out"), "../out", f"{root.parent}.out"]
    lines = [f"import_module({name!r})" for name in names]
    lines += [f"from {name} import {what}" for name in names for what in ("out", "*")]
    lines = [*(line for line in lines if _parses(line)), *(f"x = {text!r}" for text in texts)]
    make(root, {"score.py": "\n".join(lines), "b/c.py": "\n".join(lines)})
    found = reached(root, "score.py")
    assert "outside" not in _named(found) and found.modules <= {path.stem for path in root.iterdir()}


def _parses(line: str) -> bool:
    try:
        compile(line, "line", "exec")
    except SyntaxError:
        return False
    return True


# --- one reader -----------------------------------------------------------------------------------------------------

_GUARDED = "if TYPE_CHECKING:\n    import a\n"


_NAMED = "import importlib as i\ni.import_module('a')\n"


@pytest.mark.parametrize(("text", "used", "needed"), [(_GUARDED, True, False), (_NAMED, True, False)])
def test_what_is_used_and_what_is_needed_follow_imports_by_rules_of_their_own(tmp_path, text, used, needed):
    """A file that only types name stays in the image; a package that only they name is not installed for it."""
    make(tmp_path, {"score.py": text, "a.py": "import numpy\n"})
    assert ("a" in reached(tmp_path, "score.py").modules) == used
    found = read_code(tmp_path, ["score.py", "a.py"], "score.py", installed=lambda _: True)
    assert [each.reached for each in found.imports if each.module == "numpy"] == [needed]


def test_an_expression_of_any_length_hides_no_import(tmp_path):
    long = "x = " + " + ".join(["1"] * 700) + "\n"
    make(tmp_path, {"score.py": f"{long}import a\n{SCORE}", "a.py": "import numpy\n"})
    check(tmp_path, "score.py")
    assert find(tmp_path) == ("score.py",)
    assert reached(tmp_path, "score.py").absent == ("numpy",)
    found = read_code(tmp_path, ["score.py", "a.py"], "score.py", installed=lambda _: True)
    assert [(each.module, each.reached) for each in found.imports] == [("numpy", True)] and not found.unread


def test_a_text_is_parsed_once_whoever_asks(tmp_path, monkeypatch):
    read: list[bytes] = []

    def parse(data: bytes, name: str, **more: Any) -> ast.Module:
        read.append(data)
        return real(data, name, **more)

    real = ast.parse
    monkeypatch.setattr(ast, "parse", parse)
    parsed.cache_clear()
    source._TREES.clear()
    make(tmp_path, {"score.py": f"import a\n{SCORE}", "a.py": "import numpy\n"})
    find(tmp_path)
    check(tmp_path, "score.py")
    reached(tmp_path, "score.py")
    read_code(tmp_path, ["score.py", "a.py"], "score.py", installed=lambda _: True)
    assert len(read) == len(set(read)) == 2
    make(tmp_path, {"a.py": "import pandas\n"})
    assert reached(tmp_path, "score.py").absent == ("pandas",) and len(read) == 3


def test_nodes_are_those_of_pythons_own_walk():
    tree = ast.parse(Path(__file__).read_bytes())
    small = (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)
    whole, ours = (
        [each for each in nodes if not isinstance(each, small)] for nodes in (ast.walk(tree), every_node(tree))
    )
    assert ours == whole


def test_files_have_the_same_names_however_the_folder_is_named(tmp_path, monkeypatch):
    """Each is read once: a module that imports the script finds the script."""
    make(tmp_path, {"src/score.py": "import a.b\n", "src/a/__init__.py": "from . import c\n", "src/a/c.py": ""})
    make(tmp_path, {"src/a/b.py": "import score\nfrom .c import x\n"})
    monkeypatch.chdir(tmp_path / "src")
    whole, here = reached(tmp_path / "src", "score.py"), reached(Path(), "score.py")
    assert here == whole == reached(Path("../src"), "score.py")
    assert here.loaded == {"score.py", "a/__init__.py", "a/b.py", "a/c.py"}
    assert list(here.sources) == ["score.py", "a/b.py", "a/c.py", "a/__init__.py"]
    assert [each.removeprefix(f"{tmp_path.as_posix()}/src/") for each in whole.sources] == list(here.sources)


def test_the_syntax_of_many_files_is_not_kept(tmp_path):
    names = [f"m{number}" for number in range(60)]
    make(tmp_path, {f"{name}.py": f"x = '{name}'\n" for name in names})
    make(tmp_path, {"score.py": "\n".join(f"import {name}" for name in names)})
    assert len(reached(tmp_path, "score.py").loaded) == 61
    assert len(source._TREES) <= 32
