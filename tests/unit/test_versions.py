"""Code is read as the base's Python reads it, whichever Python runs dagger-aml."""

from __future__ import annotations

import pytest
from attrs import evolve

from dagger_aml import FindingsError
from dagger_aml.base import catalog
from dagger_aml.check import facts
from dagger_aml.check.run import run
from dagger_aml.plan.make import plan as plan_of
from dagger_aml.pysource.entry_script import find
from dagger_aml.pysource.newer import NoPythonError, rewritten
from dagger_aml.pysource.reached import reached
from dagger_aml.pysource.source import parsed
from dagger_aml.pysource.versions import OURS, version_of
from tests.support.calls import short
from tests.support.cases import for_each
from tests.support.projects import SCORE, laid_out, make, planned

PYTHONS = [(3, minor) for minor in range(8, 14)]

PARSED_BY = {
    "match 1:\n case _: pass\n": "001111",
    "try: pass\nexcept* E: pass\n": "000111",
    "with (a as b, c as d):\n pass\n": "011111",
    "with (a as b,):\n pass\n": "011111",
    "(a := 1)\n": "111111",
    "def f(a, /): pass\n": "111111",
    "@a[0].b\ndef f(): pass\n": "011111",
    "@(a := b)\ndef f(): pass\n": "011111",
    "@a.b(c)\nclass d: pass\n": "111111",
    "a[*b]\n": "000111",
    "a[1:2, *b]\n": "000111",
    "a[(*b,)]\n": "111111",
    "a[*b] = 1\n": "000111",
    "def f(*args: *Ts): pass\n": "000111",
    "for x in *a, b: pass\n": "011111",
    "for x in (*a, b): pass\n": "111111",
    "def f():\n return *a, b\n": "111111",
    "f'{x=}'\n": "111111",
    "f'{a!=b} {a!r:>{w}}'\n": "111111",
    "f'{*a, b}'\n": "111111",
    "f'\\N{BULLET}{{}}{x}'\n": "111111",
    "f'''{'a'}{\"b\"}'''\n": "111111",
    "f'{x['a']}'\n": "000011",
    "f'{chr(10) + \"\\n\"}'\n": "000011",
    "f'''{x # hi\n}'''\n": "000011",
    "f'{\nx}'\n": "000011",
    "f'''{f'''{x}'''}'''\n": "000011",
    "f'{x:{y:{z}}}'\n": "000011",
    "type X = int\n": "000011",
    "type X[T] = list[T]; y = f'{x['a']}'\n": "000011",
    "def f[T: (int, str)](a: T) -> T: pass\n": "000011",
    "class A[*Ts,\n  **P](B): pass\n": "000011",
    "class A[T = int]: pass\n": "000001",
    "type = type(x); type in y; print(type[x])\n": "111111",
    "print 'x'\n": "000000",
    "def f(:\n": "000000",
    "x = f'{1 +}'\n": "000000",
    "x = f'{a'\n": "000000",
    "x = f'{a['b']}\n": "000000",
    "type X = int\nprint 'x'\n": "000000",
    "def f[T](: pass\n": "000000",
}
"""What Python 3.8, 3.9, … 3.13 parse of a text, each tried on 2026-11-29."""

LATER = {"class A[T = int]: pass\n": (3, 12)}
"""What Python 3.13 has more than 3.12 is not told apart by a Python that has neither."""


@for_each("text", PARSED_BY, ids=short)
def test_a_text_is_told_from_what_its_python_parses(text):
    for python, parses in zip(PYTHONS, PARSED_BY[text], strict=True):
        problem = parsed(text.encode(), "x", python).problem
        if parses == "1":
            assert problem is None or (problem.kind == "newer" and python > OURS), (python, problem)
        elif LATER.get(text) != python:
            assert problem is not None and problem.kind != "newer", python
            assert f"Python {python[0]}.{python[1]}" in problem.message or python > OURS
            assert problem.line is not None and 1 <= problem.line <= text.count("\n")


@pytest.mark.parametrize("python", [None, (3, 6), (3, 15), (4, 0)])
def test_a_python_that_is_not_known_is_no_reason_to_refuse(python):
    assert parsed(SCORE.encode(), "x", python).problem is None
    newer = parsed(b"type X = int\nx = f'{y['a']}'\n", "x", python).problem
    if OURS < (3, 12):
        assert newer is not None and newer.kind == ("broken" if python == (3, 6) else "newer")


def test_what_ours_cannot_parse_is_still_followed():
    """A file of a newer Python says what travels and which is the entry script."""
    text = b"import helper\ntype X = int\nopen('labels.json'), open(f'data/{x['a']}.csv')\n" + SCORE.encode()
    source = parsed(text, "x", (3, 13))
    assert source.functions == {"init", "run"} and [each.module for each in source.imports] == ["helper"]
    assert {"labels.json", "data"} <= source.paths


@for_each(
    "text",
    [
        "try: pass\nexcept A, B: pass\n",
        "try: pass\nexcept* (A), B.c(1): pass\n",
        "x = t'{a}' + tr'\\{a!r}'\n",
        "f'{'''\n'''}'",
        "rf'\\{a}\\'{b}'\n",
        "if x: type Y = int\n",
        "f'{(lambda x: 1)}{ {1: 2}[1] }{a:%Y-%m}'\n",
    ],
)
def test_what_is_new_is_rewritten_line_for_line(text):
    import ast

    done = rewritten(text, (3, 14))
    assert done.text.count("\n") == text.count("\n")
    ast.parse(done.text)


@for_each("text", ["'", "'''", "f'", "f'{", "f'{a", "f'}'", "f'\\N{", "class A[", "def f[(]): 1", "f'{a!'", "f'{{{'"])
def test_what_has_no_end_is_none(text):
    with pytest.raises(NoPythonError):
        rewritten(text, (3, 14))


@pytest.mark.parametrize(
    ("text", "version"), [("3.12", (3, 12)), ("3.12.4", (3, 12)), ("", None), (None, None), ("x", None)]
)
def test_a_version_is_read(text, version):
    assert version_of(text) == version


# --- as rules -------------------------------------------------------------------------------------------------------

OLD, NEW = "minimal-ubuntu20.04-py38-cpu-inference", "minimal-py312-inference"
MATCH = "match 1:\n    case _:\n        pass\n"


def told(folder, base: str) -> list[tuple[str | None, str | None]]:
    try:
        return [
            (each.id, each.location) for each in planned(folder, base=base).warnings if (each.id or "")[:5] == "AML51"
        ]
    except FindingsError as error:
        return [(each.id, each.location) for each in error.findings]


LATE = "    import helper\n"
TRIED = f"try:\n    import helper\nexcept ImportError:\n    pass\n{SCORE}"


@for_each(
    ("files", "base", "expected"),
    [
        ({"score.py": SCORE + MATCH}, OLD, [("AML510", "score.py:7")]),
        ({"score.py": "import helper\n" + SCORE, "helper.py": MATCH}, OLD, [("AML510", "helper.py:1")]),
        ({"score.py": "import helper\n" + SCORE, "helper.py": "\ndef (\n"}, NEW, [("AML510", "helper.py:2")]),
        ({"score.py": SCORE + MATCH}, NEW, []),
        ({"score.py": SCORE, "helper.py": "def (\n"}, NEW, []),
        ({"score.py": SCORE + LATE, "helper.py": "print 'x'\n"}, NEW, [("AML512", "helper.py:1")]),
        ({"score.py": TRIED, "helper.py": MATCH}, OLD, [("AML512", "helper.py:1")]),
        ({"score.py": TRIED, "helper.py": MATCH}, NEW, []),
    ],
    ids=short,
)
def test_code_of_another_python_is_told_with_its_line(tmp_path, files, base, expected):
    assert told(make(tmp_path, files), base) == expected


def test_code_is_followed_once_more_for_a_python_that_only_the_base_tells(tmp_path, monkeypatch):
    """Such as one that was probed, whose name tells none: by all rules of it together."""
    make(tmp_path, {"score.py": "import helper\n" + SCORE, "helper.py": MATCH})
    project, graph = laid_out(tmp_path, base="registry.example/own:1")
    plan = plan_of(graph, {project.base: evolve(catalog.assumed(project.base), python="3.8")})
    asked = []
    monkeypatch.setattr(facts, "reached", lambda *given: asked.append(given[2]) or reached(*given))
    found = run(facts.PlanFacts(project, stops=False, graph=graph, plan=plan))
    assert [each.location for each in found.told if each.id == "AML510"] == ["helper.py:1"]
    assert asked == [(3, 8)]


@pytest.mark.skipif(OURS >= (3, 12), reason="this Python parses what 3.12 has")
@pytest.mark.parametrize("base", [NEW, "registry.example/own:1"])
def test_code_of_a_newer_python_than_ours_is_a_warning(tmp_path, base):
    text = f"import helper\nrow = {{'a': 1}}\nx = f'{{row['a']}}'\n\n\n{SCORE}"
    make(tmp_path, {"serve.py": text, "helper.py": "type X = int\n", ".gitignore": "helper.py\n"})
    assert find(tmp_path) == ("serve.py",)
    assert told(tmp_path, base) == [("AML511", "serve.py:3"), ("AML511", "helper.py:1")]
    assert any(each.id == "AML502" for each in planned(tmp_path, base=base).warnings)
