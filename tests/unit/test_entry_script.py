"""What is told of an entry script without running it: only what is certain is an error."""

from __future__ import annotations

import sys

import pytest

from dagger_aml import ProjectError
from dagger_aml.errors import FindingsError
from dagger_aml.pysource.entry_script import check, check_relative
from tests.support.calls import error_of, short
from tests.support.cases import for_each
from tests.support.projects import SCORE, laid_out, make
from tests.support.users import as_nobody, linux_root, open_to_all

RUN = "def run(data): pass\n"


def says(tmp_path, text: str | bytes, script: str = "score.py"):
    check(make(tmp_path, {script: text}), script)
    return True


@for_each(
    "text",
    [
        SCORE,
        "async def init(): pass\nasync def run(x): pass\n",
        "init = lambda: None\nrun = print\n",
        "init, (run, other) = f()\n",
        "[init, *run] = f()\n",
        "init: object = None\nrun: object\n",
        "class init: pass\nclass run: pass\n",
        "from helper import init, run\n",
        "from helper import start as init, score as run\n",
        "import init, run.inner\n",
        "import a.b as init\n" + RUN,
        "if x:\n    def init(): pass\nelse:\n    init = None\n" + RUN,
        "try:\n    from fast import init\nexcept ImportError:\n    from slow import init\n" + RUN,
        "try:\n    pass\nexcept E:\n    init = 1\nelse:\n    run = 1\nfinally:\n    pass\n",
        "try:\n    pass\nfinally:\n    from a import init, run\n",
        "with a as init, b as (run, c):\n    pass\n",
        "for init in x:\n    run = 1\nelse:\n    pass\n",
        "while x:\n    init = 1\nelse:\n    run = 1\n",
        "match x:\n    case 1:\n        init = 1\n    case _:\n        init = 2\n" + RUN,
        "if (init := f()):\n    pass\n" + RUN,
        "def make():\n    global init, run\n    init = run = print\nmake()\n",
        "@decorated\ndef init(): pass\n\n@input_schema('x', y)\ndef run(data): pass\n",
        "# -*- coding: latin-1 -*-\n# \xe9\n".encode("latin-1") + SCORE.encode(),
        b"\xef\xbb\xbf" + SCORE.encode(),
        SCORE.replace("\n", "\r\n"),
    ],
)
def test_what_may_be_one_is_taken(tmp_path, text):
    assert says(tmp_path, text)


@for_each(
    ("text", "missing"),
    [
        ("", "no init() and no run()"),
        ("def init(): pass\n", "no run()"),
        (RUN, "no init()"),
        ("def Init(): pass\n" + RUN, "no init()"),
        ("class Model:\n    def init(self): pass\n    def run(self): pass\n", "no init() and no run()"),
        ("def f():\n    def init(): pass\n" + RUN, "no init()"),
        ("def f():\n    init = 1\n" + RUN, "no init()"),
        ("'def init(): pass'\n# def init(): pass\n" + RUN, "no init()"),
        ("print(init)\n" + RUN, "no init()"),
        ("x.init = 1\nx['init'] = 1\n" + RUN, "no init()"),
        ("import a.init\n" + RUN, "no init()"),
        ("from a import init as start\n" + RUN, "no init()"),
    ],
)
def test_what_cannot_be_one_is_refused(tmp_path, text, missing):
    error = error_of(says, tmp_path, text)
    assert isinstance(error, ProjectError) and missing in error.message
    assert error.location == str(tmp_path / "score.py") and "init() once" in str(error.hint)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("from helper import *\n", "() may come from `from helper import *`"),
        ("from .helper import *\n" + RUN, "init() may come from `from .helper import *`"),
        ("try:\n    from a import *\nexcept E:\n    pass\n", "may come from"),
        ("globals()['init'] = f\nexec('def run(x): pass')\n", "() may come from code that binds names as it runs"),
        ("def __getattr__(name): pass\n", "() may come from code that binds names as it runs"),
    ],
)
def test_what_may_come_from_elsewhere_is_a_warning(tmp_path, text, named):
    assert says(tmp_path, text)
    # What else is said of these: relative imports (AML11x), and modules that nothing brings (AML33x).
    found = laid_out(tmp_path, ignore=("AML119", "AML113"))[1].warnings
    told = [each for each in found if not (each.id or "").startswith("AML33")]
    assert told and all(named in each.message and each.id == "AML115" for each in told)


def test_relative_imports_of_one_file_are_one_finding(tmp_path):
    make(tmp_path, {"score.py": "from .a import x\nfrom .b import y\n\nfrom .c import z\n" + SCORE})
    with pytest.raises(FindingsError) as caught:
        laid_out(tmp_path)
    (found,) = caught.value.findings
    assert (found.id, found.location) == ("AML113", "score.py:1")
    assert "`from .a import x` fails" in found.message and "(and 2 more, at lines 2, 4)" in found.message


def test_a_star_does_not_matter_where_both_are_there(tmp_path):
    assert says(tmp_path, "from numpy import *\n" + SCORE)


@for_each(
    ("text", "line"),
    [
        ("def init(:\n", ":1"),
        ("x = 1\n\nprint 'x'\n", ":3"),
        ("def init():\npass\n", ":2"),
        ("(" * 1000, ""),
        ("x = \u201chi\u201d\n", ":1"),
        (b"x = '\xff'\n", ""),
        (b"# coding: nonsense\n", ""),
        (b"x = '\0'\n", ""),
        ("a = " + "-" * 200_000 + "1\n", ""),
    ],
    ids=short,
)
def test_what_does_not_parse_is_told_with_its_line(tmp_path, text, line):
    error = error_of(says, tmp_path, text)
    assert isinstance(error, ProjectError) and str(error.location).startswith(str(tmp_path / "score.py"))
    assert str(error.location).endswith(line) and not str(error.location).endswith("None")
    assert f"Python {sys.version_info[0]}.{sys.version_info[1]}" in error.message or "cannot be read" in error.message


@pytest.mark.parametrize(
    "script", ["/score.py", "/var/azureml-app/score.py", "\\score.py", "C:\\score.py", "C:/x.py"]
)
def test_an_absolute_one_is_refused(tmp_path, script):
    error = error_of(check, tmp_path, script)
    assert (
        "must be relative" in error.message
        and script in error.message
        and error.location == str(tmp_path)
        and error.hint
    )


@for_each("script", ["../score.py", "a/../../score.py", "..", ".", "", "a/../b.py"])
def test_one_outside_is_refused(tmp_path, script):
    make(tmp_path, {"score.py": SCORE, "code/x": ""})
    error = error_of(check, tmp_path / "code", script)
    assert "outside the code folder" in error.message and error.location == str(tmp_path / "code") and error.hint


def test_one_that_is_a_link_out_is_refused(tmp_path):
    make(tmp_path, {"elsewhere/score.py": SCORE, "code/score.py": "->../elsewhere/score.py"})
    assert "points outside" in error_of(check, tmp_path / "code", "score.py").message
    make(tmp_path, {"linked/sub": "->../elsewhere"})
    assert "points outside" in error_of(check, tmp_path / "linked", "sub/score.py").message


def test_one_that_is_a_link_within_is_taken(tmp_path):
    check(make(tmp_path, {"real.py": SCORE, "score.py": "->real.py"}), "score.py")


@pytest.mark.parametrize("name", ["score.txt", "score", "score.pyc", "score.ipynb"])
def test_it_must_be_python(tmp_path, name):
    assert "must end in .py" in error_of(says, tmp_path, SCORE, name).message


def test_a_missing_one_names_those_that_could_be_meant(tmp_path):
    make(tmp_path, {"main.py": SCORE, "helper.py": "x = 1\n", "broken.py": "def (", "b.py": SCORE})
    error = error_of(check, tmp_path, "score.py")
    assert error.message == "the entry script does not exist" and error.location == str(tmp_path / "score.py")
    assert "b.py, main.py" in str(error.hint) and "helper" not in str(error.hint)
    assert "Options(entry_script=…)" in str(error_of(check, make(tmp_path / "none", {}), "score.py").hint)
    assert "does not exist" in error_of(check, make(tmp_path / "folder", {"score.py/": None}), "score.py").message


@linux_root
def test_one_that_cannot_be_read(tmp_path):
    make(tmp_path, {"score.py": SCORE})
    open_to_all(tmp_path)
    (tmp_path / "score.py").chmod(0o600)

    def attempt() -> str:
        try:
            return repr(check(tmp_path, "score.py"))
        except ProjectError as error:
            return str(error)

    def cannot_read() -> str:
        try:
            return (tmp_path / "score.py").read_text()
        except PermissionError:
            return "denied"

    assert as_nobody(cannot_read) == "denied"
    said = as_nobody(attempt)
    assert said.startswith(f"{tmp_path}/score.py: cannot be read") and "permission denied" in said


def test_plain_form():
    assert check_relative("./a//b.py", "x") == "a/b.py"
