"""README.md and docs/: every command that needs no builder is run, every table of names is compared with the code.

How a block says what is done with it stands in tests/pages.py.
"""

from __future__ import annotations

import importlib
import os
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import click
import pytest
from attrs import NOTHING, fields

from dagger_aml import catalog, errors
from dagger_aml.cli.main import _COMMANDS, INTERRUPTED, TERMINATED
from dagger_aml.content import ALWAYS_LEFT_OUT
from dagger_aml.graph import DEFAULT_PLATFORM
from dagger_aml.project import Options, option_flag, option_variable
from dagger_aml.project_file import FILE_NAME, CodeTable, ModelTable, PreinstalledTable, Tables, read_project_file
from dagger_aml.recipe import recipe_names

from ..pages import PAGES, ROOT, Block, Session, blocks, code_spans, commands, prose, table

DOCS = ROOT / "docs"
BLOCKS = [block for page in PAGES for block in blocks(page)]
KINDS = {"console": {"run", "builder", "skip:"}, "python": {"", "run", "builder", "file"}}

by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def _of(*languages: str) -> pytest.MarkDecorator:
    chosen = [block for block in BLOCKS if block.language in languages]
    return pytest.mark.parametrize("block", chosen, ids=lambda block: block.where)


def _environment(home: Path) -> dict[str, str]:
    """This process's, without what leads to an engine and without settings of dagger-aml's own."""
    hidden = ("DAGGER", "_EXPERIMENTAL_DAGGER")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    return {**kept, "HOME": str(home)}


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A folder for one page's blocks, with no engine to be found."""
    folder, home = tmp_path / "folder", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    return Session(folder, _environment(home))


# --- blocks -------------------------------------------------------------------------------------------------------


@by_page
def test_blocks_do_what_the_page_shows(page: Path, session: Session) -> None:
    if any(block.language == "console" for block in blocks(page)) and not shutil.which("bash"):
        pytest.skip("no bash")
    for block in blocks(page):
        session.play(block, "run")


@_of("console", "bash", "sh")
def test_a_console_block_says_whether_it_is_run(block: Block) -> None:
    assert block.language == "console", "one word for one thing: console"
    assert block.kind in KINDS["console"]
    assert commands(block)
    if block.kind == "skip:":
        assert len(block.words) > 2, "a skipped block says why"


@_of("python")
def test_python_compiles(block: Block) -> None:
    assert block.kind in KINDS["python"]
    compile(block.text, block.where, "exec")


@_of("toml")
def test_toml_is_a_project_file(block: Block, tmp_path: Path) -> None:
    name = "pyproject.toml" if block.kind == "pyproject" else FILE_NAME
    (tmp_path / name).write_text(block.text, encoding="utf-8")
    tomllib.loads(block.text)
    read_project_file(tmp_path)


@_of("dockerfile")
def test_dockerfile_is_what_is_printed(block: Block, session: Session) -> None:
    assert block.kind == "from"
    printed = iter(session.printed("dockerfile", *shlex.split(" ".join(block.words[1:]))).splitlines())
    for line in block.text.splitlines():
        pattern = ".*".join(re.escape(part) for part in line.split("…"))
        assert any(re.fullmatch(pattern, each) for each in printed), f"not there, or not there in this order: {line}"


# --- links --------------------------------------------------------------------------------------------------------


@by_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), flags=re.M)
            assert anchor in {_anchor(heading) for heading in headings}, target


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    for page in DOCS.glob("*.md"):
        assert page.name == "index.md" or f"({page.name})" in index, page.name


def test_every_recipe_has_a_page() -> None:
    for name in recipe_names():
        assert (DOCS / f"{name}.md").is_file()
        assert f"(docs/{name}.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


@by_page
def test_no_path_of_one_machine(page: Path) -> None:
    for each in ("/work/", "/root/", str(ROOT), str(Path.home()) + "/"):
        assert each not in page.read_text(encoding="utf-8")


# --- names --------------------------------------------------------------------------------------------------------

_TABLES = {"": Tables, "code.": CodeTable, "models.": ModelTable, "preinstalled.": PreinstalledTable}


def _keys() -> dict[str, object]:
    """Every key of the project file, as `code.entry-script`, and its default in the file's own terms."""
    return {
        prefix + field.name.replace("_", "-"): field.default
        for prefix, cls in _TABLES.items()
        for field in fields(cls)
        if prefix or field.name not in ("code", "models", "preinstalled")
    }


def test_the_keys_are_the_real_ones() -> None:
    rows = {code_spans(row["key"])[0]: row for row in table(DOCS / "project-file.md", "Keys")}
    assert set(rows) == set(_keys())
    for key, default in _keys().items():
        shown = rows[key]["default"]
        if default is NOTHING:
            assert shown == "must be given", key
        elif isinstance(default, str | bool):
            assert code_spans(shown) == [str(default).lower()], key


def test_the_flags_and_variables_of_the_keys_are_the_real_ones() -> None:
    rows = table(DOCS / "project-file.md", "Keys")
    said = {
        span for row in rows for column in ("flag", "variable") for span in code_spans(row[column].replace("|", ""))
    }
    real = {option_flag(option) for option in fields(Options)}
    real |= {variable for option in fields(Options) if (variable := option_variable(option))}
    assert {span.split(" ")[0] for span in said} == real


def test_the_defaults_are_the_real_ones() -> None:
    rows = {code_spans(row["key"])[0]: row["default"] for row in table(DOCS / "project-file.md", "Keys")}
    assert code_spans(rows["base"]) == [catalog.DEFAULT.name]
    assert code_spans(rows["platform"]) == [DEFAULT_PLATFORM]
    assert code_spans(rows["recipe"]) == ["extended"]
    assert code_spans(rows["preinstalled.via"]) == ["start-script"]


def test_what_is_left_out_is_listed() -> None:
    assert set(ALWAYS_LEFT_OUT) <= set(code_spans(prose(DOCS / "project-file.md")))


def _flags(command: click.Command) -> set[str]:
    return {flag for param in command.params if isinstance(param, click.Option) for flag in param.opts}


@pytest.mark.parametrize("name", _COMMANDS)
def test_the_flags_of_a_command_are_the_real_ones(name: str) -> None:
    command: click.Command = importlib.import_module(f"dagger_aml.cli.{name.replace('-', '_')}").command
    shared = {option_flag(option) for option in fields(Options)}
    own = _flags(command) - shared
    said = set()
    if own:
        for row in table(DOCS / "cli.md", f"dagger-aml {name}"):
            said |= {span.split(" ")[0] for span in code_spans(row["flag"])}
    assert said == own


def test_the_shared_flags_are_the_real_ones() -> None:
    rows = table(DOCS / "cli.md", "Flags of every command that reads a project")
    said = {code_spans(row["flag"])[0].split(" ")[0] for row in rows}
    assert said == {option_flag(option) for option in fields(Options)}


def test_every_command_has_its_part() -> None:
    headings = re.findall(r"^## dagger-aml (\S+)$", (DOCS / "cli.md").read_text(encoding="utf-8"), flags=re.M)
    assert headings == list(_COMMANDS)


@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "cli.md"], ids=lambda page: page.name)
def test_the_exit_codes_are_the_real_ones(page: Path) -> None:
    classes = [each for each in vars(errors).values() if isinstance(each, type) and hasattr(each, "exit_code")]
    real = {0, INTERRUPTED, TERMINATED, *(each.exit_code for each in classes)}
    assert {int(row["code"]) for row in table(page, "Exit codes")} == real


def test_the_errors_are_the_real_ones() -> None:
    rows = {code_spans(row["error"])[0]: int(row["exit code"]) for row in table(DOCS / "python.md", "Errors")}
    real = {name: each.exit_code for name, each in vars(errors).items() if hasattr(each, "exit_code")}
    assert rows == real


def test_the_catalog_is_the_real_one() -> None:
    words = {True: "yes", False: "no", None: "unknown"}
    rows = [tuple(row.values()) for row in table(DOCS / "bases.md", "The catalog")]
    assert rows == [
        (
            f"`{image.name}`",
            image.python,
            "GPU" if image.gpu else "CPU",
            f"`{image.facts.environment}`",
            words[image.facts.extras],
            "yes" if image.supported else "no longer",
        )
        for image in catalog.IMAGES
    ]
