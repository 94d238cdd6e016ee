"""How messages name what their reader can say: Python's words to a program, flags to who types."""

from __future__ import annotations

import ast
import copy
import functools
import inspect
import io
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest
from attrs import fields

import dagger_aml
from dagger_aml import Options, UsageError, load_project
from dagger_aml.cli.flags import SPELT, in_flags
from dagger_aml.cli.main import _COMMANDS, _errors_told
from dagger_aml.project.build_settings import BUILD_SETTINGS
from dagger_aml.project.settings import PROJECT_SETTINGS
from dagger_aml.serving.smoke import Smoke
from dagger_aml.text import ALONE, CALLS, Named, in_python, named, speaking
from tests.support.cases import for_each
from tests.support.projects import make
from tools import reference
from tools.messages import BARE

PACKAGE = Path(dagger_aml.__file__).parent

LIBRARY = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.relative_to(PACKAGE).parts[0] not in ("cli", "__main__.py", "text.py")
    and path.name not in ("settings.py", "build_settings.py")  # Help of flags, which stands where each is declared.
]

COMMANDS = re.compile(
    rf"""(?:\bdagger-aml|[`\s](?={"|".join(_COMMANDS)})|^(?=build|plan)|"""
    r"""\b(?:az|docker|pip|pip-compile|poetry|pdm|uv|skopeo|conda|apt-get|RUN|FROM|usermod|sh|grep|mkdir)\b)(?:[^.;`]|\.(?=\S)|\.\.\.)*\Z"""
)
"""What stands before a flag that is not said to us: a command line that somebody is to run, ours among them."""

OF_OTHERS = {
    ("azureml/core/conda_dependencies.py", "--extra-index-url"),
    ("azureml/core/conda_dependencies.py", "--find-links"),
    ("backends/dockerfile/render.py", "--secret"),
    ("backends/local/containers.py", "--force"),
    ("graph/access.py", "--find-links"),
    ("project/deployment/bases.py", "--label"),
    ("project/deployment/models.py", "--label"),
    ("requirements/conda.py", "--extra-index-url"),
    ("requirements/lock.py", "--extra-index-url"),
    ("requirements/lock.py", "--find-links"),
    ("requirements/lock.py", "--index-url"),
    ("requirements/requirements_txt.py", "--find-links"),
}
"""Flags of other programs in a text that names the program elsewhere: a part of a command line or requirements file,
of az or of docker."""


_MOST_LINES = 4
"""A text of more lines is no message."""

_MAY_BE = re.compile(r"""(?<![\w-])--?["'a-z]""")
"""What a file has that says a flag, in one part or in several: to read the others takes most of the time."""


@functools.cache
def our_flags() -> set[str]:
    options = [each for name in _COMMANDS for each in reference.options_of(reference.command_of(name))]
    return {spelt for each in options for spelt in (*each.opts, *each.secondary_opts)}


def texts(node: ast.AST, *, place: bool = False) -> Iterator[tuple[int, str]]:
    """Texts of several words, whole as they are put together, and what is a location by itself; no docstring.

    :param place: whether the node is said to be a location.
    """
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str) and (place or " " in node.value.strip()):
            yield node.lineno, node.value
        return
    if isinstance(node, ast.JoinedStr):
        parts = [each.value if isinstance(each, ast.Constant) else "{…}" for each in node.values]
        text = "".join(map(str, parts))
        if place or " " in text.strip():
            yield node.lineno, text
    place = isinstance(node, ast.keyword) and node.arg == "location"
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, BARE) and not (isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant)):
            yield from texts(child, place=place)


def flags_in(source: str) -> Iterator[tuple[int, str]]:
    """Our flags in the texts of a file, but those of a command line that is to be run."""
    if not _MAY_BE.search(source):
        return
    flags = our_flags()
    for line, text in texts(ast.parse(source)):
        if text.startswith("#") or text.count("\n") > _MOST_LINES:
            continue  # A script that an image runs.
        for found in re.finditer(r"(?<![\w-])--?[a-z][a-z-]*(?![\w-])", text):
            if found[0] in flags and not COMMANDS.search(text[: found.start()].rpartition("\n")[2]):
                yield line, found[0]


def test_a_message_of_the_library_speaks_of_no_flag():
    found = {
        (path.relative_to(PACKAGE).as_posix(), line, flag)
        for path in LIBRARY
        for line, flag in flags_in(path.read_text(encoding="utf-8"))
    }
    wrong = {each for each in found if (each[0], each[2]) not in OF_OTHERS}
    assert not wrong, "say named(…): " + ", ".join(f"{path}:{line} {flag}" for path, line, flag in sorted(wrong))
    assert {(path, flag) for path, _, flag in found} >= OF_OTHERS, "listed, and no longer there"


@for_each(
    ("source", "flags"),
    [
        ('E("x", location="--base")', ["--base"]),
        ('E("x", location=f"--ca {path}")', ["--ca"]),
        ('E(f"Choose {one}: --base {one}.")', ["--base"]),
        ('E("Remove -o: it stays.")', ["-o"]),
        ('E("Run it: dagger-aml build PROJECT --push")', []),
        ('E("See how: az ml model show --name x. Then add --base x.")', ["--base"]),
        ('run("docker", "--format", x)', []),
        ('"""As --base says."""', []),
    ],
)
def test_a_flag_in_a_text_is_found(source, flags):
    assert [flag for _, flag in flags_in(source)] == flags


def names_used() -> set[str]:
    sources = (path.read_text(encoding="utf-8") for path in LIBRARY)
    calls = (
        node
        for source in sources
        if "named" in source
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "named"
    )
    return {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)}


def test_what_messages_name_can_be_said_in_both_ways():
    known = {*PROJECT_SETTINGS, *CALLS, *ALONE}
    assert names_used() <= known and not set(PROJECT_SETTINGS) & (CALLS.keys() | ALONE)
    for name in known - {"kept_max_age"}:
        assert in_flags(name).partition(" ")[0] in our_flags(), name
    # Of plan, which has no flag for it.
    age = BUILD_SETTINGS["max_age"]
    assert in_flags("kept_max_age") == f"${age.variable} or {age.key[1]} of [{age.key[0]}]" and not age.unless_file


def test_flags_are_called_as_their_settings_say():
    for record in (*PROJECT_SETTINGS.values(), *BUILD_SETTINGS.values()):
        assert in_flags(record.name) == record.flag
    assert SPELT.keys() <= {*PROJECT_SETTINGS, *BUILD_SETTINGS, *CALLS}


@for_each("setting", [*CALLS, *PROJECT_SETTINGS])
def test_a_program_can_say_it_so(setting):
    """The function is public, and takes an argument of that name."""
    call = ast.parse(in_python(setting, "NAME"), mode="eval").body
    assert isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    function = getattr(dagger_aml, call.func.id)
    takes = inspect.signature(function).parameters
    assert {each.arg for each in call.keywords} <= takes.keys() and len(call.args) <= len(takes)
    if function is Options:
        assert setting in {each.name for each in fields(Options)}


def test_a_value_stands_as_each_says_it():
    said = [("entry_script", "my score.py"), ("no_pip_check", True), ("base", None), ("requirements", "FILE"),
            ("smoke", "import"), ("publish", 5002), ("tag", "NAME:TAG"), ("builder", "podman"),
            ("ca", Path("my ca.pem"))]  # fmt: skip
    assert [in_python(*each) for each in said] == [
        'Options(entry_script="my score.py")',
        "Options(no_pip_check=True)",
        "Options(base=…)",
        "Options(requirements=FILE)",
        'build(check=Smoke("import"))',
        "serve(published=Published(5002))",
        'build(tags=["NAME:TAG"])',
        'open_builder("podman")',
        'Options(ca="my ca.pem")',
    ]
    assert [in_flags(*each) for each in said] == [
        "--entry-script 'my score.py'",
        "--no-pip-check",
        "--base",
        "--requirements FILE",
        "--smoke=import",
        "-p 5002:5001",
        "-t NAME:TAG",
        "--with podman",
        "--ca 'my ca.pem'",
    ]
    assert Smoke("import").mode == "import"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "my score.py",
        "a'b",
        'a"b',
        "$HOME",
        "a;b",
        "a&b",
        "*.py",
        "~x",
        "a\\b",
        "{a,b}",
        "{a..b}",
        "#a",
        "ä b",
        "a\nb",
        "!x",
    ],
)
@pytest.mark.parametrize("setting", ["entry_script", "smoke", "tag"])
def test_what_a_hint_shows_is_one_word_of_a_shell(setting, value):
    shown = in_flags(setting, value)
    typed = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {shown}"], capture_output=True, text=True, check=True, cwd="/"
    ).stdout.split("\0")[:-1]
    flag = in_flags(setting)
    assert typed == ([f"{flag}={value}"] if setting == "smoke" else [flag, value])


@pytest.mark.parametrize(
    "value", ["score.py", "{name}:{version}", "id=netrc,src=~/.netrc", "FILE", "größe.py", "a@b:1/c"]
)
def test_a_value_that_a_shell_leaves_alone_has_no_quotes(value):
    assert in_flags("tag", value) == f"-t {value}"


def test_an_error_of_a_library_s_call_has_python_s_words(tmp_path):
    root = make(tmp_path, {"code/a.py": "", "code/b.py": ""})
    with pytest.raises(UsageError) as caught:
        load_project(root, Options(base="minimal-py31-inference"))
    assert caught.value.location == "Options(base=…)"
    assert isinstance(caught.value.location, Named) and caught.value.setting == "base"
    assert "Options(base=…): no prebuilt image" in str(caught.value) and "--" not in str(caught.value)


def test_the_same_error_of_a_command_has_its_flag(tmp_path):
    root = make(tmp_path, {"code/score.py": ""})
    with speaking(in_flags), pytest.raises(UsageError) as caught:
        load_project(root, Options(base="minimal-py31-inference"))
    assert (caught.value.location, caught.value.setting) == ("--base", "base")
    assert named("base") == "Options(base=…)", "only in the block"


@pytest.mark.anyio
async def test_each_task_and_its_threads_speak_as_who_called():
    said: dict[str, list[str]] = {}

    async def one(name: str) -> None:
        for _ in range(3):
            await anyio.sleep(0)
            said.setdefault(name, []).extend([named("base"), await anyio.to_thread.run_sync(named, "base")])

    async def typed() -> None:
        with speaking(in_flags):
            await one("typed")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one, "called")
        tasks.start_soon(typed)
    assert said == {"called": ["Options(base=…)"] * 6, "typed": ["--base"] * 6}


def test_threads_of_a_process_that_is_the_command_line_s_speak_as_it_does(monkeypatch):
    """Those that a server or a pool starts have no task that tells them."""

    def said() -> str:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(named, "base").result()

    main = sys.modules[_errors_told.__module__]
    monkeypatch.setattr(main, "cli", SimpleNamespace(main=lambda **_: print(said())))
    monkeypatch.setattr(main.signal, "signal", lambda *_: None)
    assert said() == "Options(base=…)"
    with redirect_stdout(io.StringIO()) as printed, pytest.raises(SystemExit):
        main.main()
    assert printed.getvalue() == "--base\n" and said() == "Options(base=…)"


def test_a_name_is_copied_and_pickled_whole():
    name = named("entry_script", "a.py")
    for other in (copy.copy(name), copy.deepcopy(name), pickle.loads(pickle.dumps(name))):
        assert (other, other.setting, type(other)) == (name, "entry_script", Named)
