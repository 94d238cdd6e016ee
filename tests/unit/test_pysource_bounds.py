"""What is told of a text without a look at its syntax: it must never be less than what the syntax says."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger_aml.pysource import depth
from dagger_aml.pysource.batch import batch_sign
from dagger_aml.pysource.depth import is_too_deep, most_levels
from dagger_aml.pysource.import_statements import imports_of
from dagger_aml.pysource.reached import reached
from dagger_aml.pysource.source import parsed
from dagger_aml.pysource.texts import depth_of, every_node, finder, paths_in
from dagger_aml.pysource.unregistered import models_of_texts
from tests.support.cases import for_each

_WRAPPED = (
    "(yield {})", "[{} or a and not b in {}]", "lambda a={}: {}", "f(k={})", "a[{}:{}]", "{{{}: {}}}",
    "a if b else {}",
    "-{}", "not {}", "a ** {}", "[a for a in {} if {}]", "f'{{a}}' + {}", "(a := {})", "{}.b", "{} < a", "(*{},)",
    "(await {})", "f(*{}, **{})", "f'{{a:{{b}}}}'[{}]",
)  # fmt: skip
"""Expressions around another one, each of which is a level or several."""

_NESTED = (
    "if a:",
    "try:\n {}\nexcept A as b:",
    "with a as b, c:",
    "for a in b:",
    "class A(b, k=c):",
    "async def f(a: b = c):",
)


@st.composite
def _texts(draw: st.DrawFn) -> str:
    text = "a"
    for form in draw(st.lists(st.sampled_from(_WRAPPED), max_size=12)):
        text = form.replace("{}", f"({text})" if draw(st.booleans()) else text, 1).replace("{}", "z")
        text = text.replace("{{", "{").replace("}}", "}")
    lines = ["async def f():", f" {text}"]
    for form in draw(st.lists(st.sampled_from(_NESTED), max_size=5)):
        lines = [*form.replace("{}", "pass").split("\n"), *(f" {line}" for line in lines)]
    return "\n".join(lines)


@given(_texts())
def test_signs_tell_of_no_fewer_levels_than_there_are(text: str) -> None:
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return
    assert depth_of(tree) <= most_levels(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "-" * 40 + "1",
        "x = 1\n\n\nclass A:\n    @a" + ".b" * 60 + "\n    def f(self): ...\n",
        "x = 1\r\nif a:\r\n  y = " + "a." * 60 + "b\r\n",
        "x = 1\rif a:\r  y = " + "a." * 60 + "b\r",
        "if a: pass\n" + "".join(f"elif b{n}: pass\n" for n in range(40)),
        "# coding: utf-7\nx = +" + "AC0ALQAt" * 4 + "-1\n" + "y = " + "a." * 60 + "b\n",
        "@a" + ".b" * 60 + "\ndef f(): ...\n",
    ],
)
def test_what_is_too_deep_is_found_wherever_it_stands(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = text.encode()
    tree = ast.parse(data)
    for bound in range(10, 80, 3):
        monkeypatch.setattr(depth, "DEEPEST", bound)
        assert is_too_deep(tree, data) == (depth_of(tree) > bound)


@for_each(
    ("text", "name"),
    [
        ("open('data/x')", "data"),
        ("x = './data/x'", "data"),
        ("x = f'{here}data/x'", "data"),
        ("x = f'data{n}/x'", "data"),
        ("x = 'data\\\\x'", "data"),
        ("open('''data''')", "data"),
        ("x = 'd\\x61ta/x'", "data"),
        ("x = 'd\\141ta/x'", "data"),
        ("x = '\\N{LATIN SMALL LETTER D}ata/x'", "data"),
        ("x = '\\\ndata/x'", "data"),
        ("x = 'donn\\u00e9es/x'", "données"),
        ("x = 'données/x'", "données"),
        ("# coding: latin-1\nx = 'donn\xe9es/x'", "données"),
        ("open('it\\'s')", "it's"),
        ("open('c:')", "c:"),
    ],
)
def test_a_text_that_names_a_path_is_looked_at(text: str, name: str) -> None:
    assert finder({name, "other"})(text.encode("latin-1" if "latin-1" in text else "utf-8"))


def test_a_text_that_names_none_is_not_looked_at() -> None:
    assert not finder({"data", "labels.json"})(b"# coding: utf-8\n'''Of data.'''\ndata = load(data, r'\\d', '\\n')\n")


def test_names_that_files_have_are_found_in_their_order(tmp_path: Path) -> None:
    for name, text in {"score.py": "import a\nopen('data/x')", "a.py": "open('labels.json'), b.get('logs')"}.items():
        (tmp_path / name).write_text(text)
    found = reached(tmp_path, "score.py")
    assert found.named_among(["data", "labels.json", "logs", "a.py"]) == {"data", "labels.json"}
    assert found.named_among(["labels.json", "b"]) == {"labels.json"} and found.named_among([]) == frozenset()
    assert {name for source in found.sources.values() for name in source.paths} == {"data", "labels.json"}


@for_each("path", sorted(Path(__file__).parent.glob("test_[a-i]*.py"))[::4], ids=lambda path: path.name)
def test_all_of_a_file_is_told_as_by_its_whole_syntax(path: Path) -> None:
    data = path.read_bytes()
    tree = ast.parse(data)
    # A sentence may be put together of neighbouring texts.
    paths = {each for each in paths_in(every_node(tree)) if " " not in each}
    assert all(finder({name})(data) for name in paths)
    assert depth_of(tree) <= most_levels(data)
    lines = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert sorted({each.line for each in imports_of(tree, data) if each.by == "statement"}) == sorted(set(lines))


def test_imports_are_all_found_though_the_word_stands_elsewhere() -> None:
    text = b"import a\n# import\ndef f():\n    x = 'import'\n    if x:\n        import b as importer\n"
    assert [each.module for each in parsed(text + b"    from c import d\n", "x").imports] == ["a", "b", "c"]


def test_the_parser_warns_nobody(recwarn: pytest.WarningsRecorder) -> None:
    """What it thinks odd in a user's code is not told a second time, beside what is found."""
    odd = b"x = '\\d'\ndef run(mini_batch):\n    return [1if x else 2 for x in mini_batch]\n"
    assert batch_sign(odd) is not None
    model = b"from pydantic import BaseModel\nclass A(BaseModel):\n    b: '1if C else D'\n"
    assert [each.type for each in models_of_texts(parsed(odd + model, "x"))] == ["1if C else D"]
    newer = b"type X = int\nx = f'{1if a else b}'\n"
    assert parsed(newer, "x").tree is not None and parsed(newer, "x", (3, 13)).tree is not None
    assert not recwarn.list
