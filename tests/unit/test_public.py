"""The public surface: what it is, that the docs name it, and that the library keeps to itself."""

from __future__ import annotations

import ast
import difflib
import inspect
import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

import dagger_aml
from dagger_aml import BaseFacts, Built, Copy, From, Graph, GraphError, events, sync
from dagger_aml.backends.dockerfile.render import render
from dagger_aml.graph.base import Given
from dagger_aml.graph.stages import based_on
from dagger_aml.plan.make import plan
from dagger_aml.serving.serve import serve
from tests.support.cases import for_each
from tests.support.markdown import ROOT, code_spans, prose
from tests.support.projects import SCORE, make

from ..golden import HERE
from ..golden.public import MODULES, public_text

LIBRARY = Path(dagger_aml.__file__).parent
ASYNC_ONLY = {"container"}
"""Async verbs without a twin in `dagger_aml.sync`: a dagger client belongs to the loop that it was made in."""


def test_type_checkers_see_the_names_that_are_loaded_when_used():
    tree = ast.parse((LIBRARY / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [each for each in tree.body if isinstance(each, ast.If)]
    seen = {
        (alias.name, each.module) for each in block.body if isinstance(each, ast.ImportFrom) for alias in each.names
    }
    assert seen == set(dagger_aml._MODULE_OF.items())


def test_the_public_surface_is_what_it_was():
    path = HERE / "public.txt"
    before, now = path.read_text(encoding="utf-8") if path.is_file() else "", public_text()
    if before != now:
        lines = difflib.unified_diff(before.splitlines(), now.splitlines(), "golden/public.txt", "now", lineterm="")
        pytest.fail(
            "\n".join(lines) + "\n\nIf this is meant: ./taskw golden (python -m tests.golden.regenerate), a line in "
            "CHANGELOG.md, and commit what it wrote.",
            pytrace=False,
        )


@for_each("module", MODULES, ids=lambda module: module.__name__)
def test_every_public_name_is_there_and_in_the_docs(module):
    said = set(code_spans(prose(ROOT / "docs" / "python.md")))
    said |= {name.partition("(")[0] for name in said}
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert hasattr(module, name)
        assert name == "__version__" or name in said, f"docs/python.md does not name {module.__name__}.{name}"


@for_each("module", MODULES, ids=lambda module: module.__name__)
def test_every_public_name_says_what_it_is(module):
    for name in module.__all__:
        found = getattr(module, name)
        if inspect.isclass(found) or inspect.isfunction(found):
            assert found.__doc__, name


# --- twins --------------------------------------------------------------------------------------------------------


def test_every_async_verb_has_a_twin():
    asynchronous = {
        name
        for name in dagger_aml.__all__
        if inspect.isfunction(found := getattr(dagger_aml, name))
        and (inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(inspect.unwrap(found)))
    }
    twins = {name for name in (*sync.__all__, *vars(sync.Builder)) if not name.startswith("_")}
    assert asynchronous - ASYNC_ONLY <= twins


def _parameters(function, *, without):
    found = inspect.signature(function).parameters.values()
    return {each.name: (each.kind, each.default) for each in found if each.name not in without}


@for_each(
    ("twin", "verb"),
    [
        (sync.Builder.probe, dagger_aml.probe),
        (sync.Builder.build, dagger_aml.build),
        (sync.Builder.image, dagger_aml.image),
        (sync.Builder.serve, serve),
        (sync.Endpoint.score, dagger_aml.Endpoint.score),
        (sync.Endpoint.healthy, dagger_aml.Endpoint.healthy),
        (sync.Image.publish, dagger_aml.Image.publish),
        (sync.Image.export, dagger_aml.Image.export),
        (sync.Image.load, dagger_aml.Image.load),
        (sync.connect, dagger_aml.connect),
        (sync.local_builder, dagger_aml.local_builder),
        (sync.open_builder, dagger_aml.open_builder),
        (sync.inspect, dagger_aml.inspect),
        (sync.lay_out, dagger_aml.lay_out),
        (sync.lay_out_each, dagger_aml.lay_out_each),
    ],
    ids=lambda each: each.__qualname__,
)
def test_a_twin_takes_what_its_verb_takes(twin, verb):
    assert _parameters(twin, without={"self"}) == _parameters(verb, without={"self", "builder"})


async def _nothing(_):
    raise AssertionError


@pytest.mark.anyio
async def test_laying_out_works_where_a_loop_runs(tmp_path):
    """As in a notebook cell."""
    root = make(tmp_path / "p", {"code/score.py": SCORE, "model/m": "m"})
    project = dagger_aml.load_project(root)
    assert sync.lay_out(project) == await dagger_aml.lay_out(project)


# --- manners ------------------------------------------------------------------------------------------------------

_MANNERS = re.compile(
    r"(?<![\w.])print\(|sys\.(stdout|stderr|exit|argv)|os\.(chdir|umask|_exit|putenv)\b"
    r"|os\.environ(\[[^]]*\]=(?!=)|\|=|\.(update|setdefault|pop)\b)|signal\.(signal|alarm)\("
)


def _program_text(path: Path) -> str:
    """A module's source without its string literals and comments."""
    source = path.read_text(encoding="utf-8")
    # From Python 3.12 on the text of an f-string is a token of its own.
    dropped = (tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", None))
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type not in dropped]
    return "".join(token.string for token in tokens)


def test_the_library_leaves_the_process_alone():
    """Only the command line prints, exits, listens to signals, or touches what all threads of a process share.

    SDK v1's names print where a script asks for that (``show_output=True``), all by one function; and our forks end
    themselves.
    """
    prints, forks = LIBRARY / "azureml" / "log.py", LIBRARY / "pysource" / "forks.py"
    assert {match[0] for match in _MANNERS.finditer(_program_text(forks))} == {"os._exit"}
    for path in LIBRARY.rglob("*.py"):
        if path.is_relative_to(LIBRARY / "cli") or path.name == "__main__.py" or path in (prints, forks):
            continue
        # Only where the bare text has something does it matter whether it stands in a string or a comment.
        if _MANNERS.search(re.sub(r"[ \t]|\\\n", "", path.read_text(encoding="utf-8"))):
            assert not _MANNERS.search(_program_text(path)), path


def test_planning_writes_to_nobody_and_leaves_the_process_alone(tmp_path):
    root = make(tmp_path / "p", {"code/score.py": SCORE, "model/m": "m", "requirements.txt": "numpy==1\n"})
    program = f"""
import logging, os, signal, threading
handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
place, variables, loggers = os.getcwd(), dict(os.environ), list(logging.root.handlers)
from dagger_aml import dockerfile, load_project, sync
dockerfile(sync.lay_out(load_project({str(root)!r}))).save({str(tmp_path / "out")!r})
assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
assert (os.getcwd(), dict(os.environ), logging.root.handlers) == (place, variables, loggers)
assert threading.active_count() == 1, threading.enumerate()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "out" / "Dockerfile").is_file()


# --- data and errors ----------------------------------------------------------------------------------------------


def test_what_is_handed_out_is_frozen():
    for module in (dagger_aml, events):
        for name in module.__all__:
            found = getattr(module, name)
            fields = getattr(found, "__attrs_attrs__", None)
            if fields and name != "Endpoint":
                with pytest.raises(AttributeError):
                    setattr(object.__new__(found), fields[0].name, 1)


def test_errors_have_one_parent():
    for name in dagger_aml.__all__:
        found = getattr(dagger_aml, name)
        if inspect.isclass(found) and issubclass(found, Exception):
            assert issubclass(found, dagger_aml.DaggerAmlError)


def test_a_graph_without_a_base_has_no_dockerfile_form():
    with pytest.raises(GraphError) as raised:
        dagger_aml.dockerfile(Graph())
    assert "container(graph, client, base=theirs)" in (raised.value.hint or "")


# --- a container given --------------------------------------------------------------------------------------------


def _graph(base):
    stage = Graph(base, (Copy(Built(Graph(From("other:1")), "/a"), "/b"), Copy(Built(Graph(base), "/c"), "/d")))
    return stage.add(Copy(Built(stage, "/e"), "/f"))


@pytest.mark.parametrize("own", [From("own:1"), None])
def test_a_graph_moves_with_its_stages_and_leaves_those_on_other_bases(own):
    given = Given(platform="linux/arm64")
    assert based_on(_graph(own), given) == _graph(given)


def test_a_plan_on_a_container_has_no_dockerfile_form_and_names_no_base():
    given = Given(platform="linux/amd64")
    made = plan(Graph(given), {given: BaseFacts("probed")})
    assert set(made.config.labels) == {"io.dagger-aml.version"}
    with pytest.raises(GraphError, match="cannot become a Dockerfile"):
        render(made)
