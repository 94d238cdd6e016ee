"""README.md and docs/: every command that needs no builder is run, every table of names is compared with the code.

How a block says what is done with it stands in tests/support/markdown.py.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from dagger_aml import errors
from dagger_aml.base import catalog
from dagger_aml.cli.main import _COMMANDS, INTERRUPTED, TERMINATED
from dagger_aml.cli.plans import CHANGED_EXIT_CODE
from dagger_aml.diff import NOISE
from dagger_aml.fs.tree import ALWAYS_LEFT_OUT
from dagger_aml.graph.base import DEFAULT_PLATFORM
from dagger_aml.project import discover as conventions
from dagger_aml.project.file import FILE_NAME, read_project_file
from dagger_aml.project.keys import KEYS
from dagger_aml.project.recipe import recipe_names
from dagger_aml.project.setting import Setting
from dagger_aml.serving import failure
from dagger_aml.serving.local_packages import _VERSIONS
from dagger_aml.version import __version__
from tests.support.cases import for_each
from tests.support.markdown import PAGES, ROOT, Block, Session, blocks, code_spans, commands, prose, table
from tests.support.projects import make
from tools import reference

DOCS = ROOT / "docs"
BLOCKS = [block for page in PAGES for block in blocks(page)]
KINDS = {"console": {"run", "builder", "skip:"}, "python": {"", "run", "builder", "file"}}

each_page = for_each("page", PAGES, ids=lambda page: page.name)


def _of(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages]


def _each(*languages: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return for_each("block", _of(*languages), ids=lambda block: block.location)


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_do_what_the_page_shows(page: Path, session: Session) -> None:
    if any(block.language == "console" for block in blocks(page)) and not shutil.which("bash"):
        pytest.skip("no bash")
    for block in blocks(page):
        session.play(block, "run")


@_each("console", "bash", "sh")
def test_a_console_block_says_whether_it_is_run(block: Block) -> None:
    assert block.language == "console", "one word for one thing: console"
    assert block.kind in KINDS["console"]
    assert commands(block)
    if block.kind == "skip:":
        assert len(block.words) > 2, "a skipped block says why"


@_each("python")
def test_python_compiles(block: Block) -> None:
    assert block.kind in KINDS["python"]
    compile(block.text, block.location, "exec")


@_each("toml")
def test_toml_is_a_project_file(block: Block, tmp_path: Path) -> None:
    name = "pyproject.toml" if block.kind == "pyproject" else FILE_NAME
    root = make(tmp_path / "project", {name: block.text})
    for extended in re.findall(r'^extends = "(.+)"$', block.text, flags=re.M):
        make(root, {extended: ""})
    if block.kind == "file" and not block.words[-1].endswith(FILE_NAME):
        make(root, {"extended.toml": block.text, name: 'extends = "extended.toml"\n'})
    tomllib.loads(block.text)
    read_project_file(root)


@pytest.mark.parametrize("block", _of("dockerfile"), ids=lambda block: block.location)
def test_dockerfile_is_what_is_printed(block: Block, session: Session) -> None:
    assert block.kind == "from"
    printed = iter(session.printed("dockerfile", *shlex.split(" ".join(block.words[1:]))).splitlines())
    for line in block.text.splitlines():
        pattern = ".*".join(re.escape(part) for part in line.split("…"))
        assert any(re.fullmatch(pattern, each) for each in printed), f"not there, or not there in this order: {line}"


# --- links --------------------------------------------------------------------------------------------------------


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        if anchor:
            assert anchor in _anchors(found), target


@functools.cache
def _anchors(page: Path) -> set[str]:
    """Of a page that a hundred links lead to."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


_CITED = re.compile(
    r'([\w./-]+\.md)\b(?:, (?:"([^"]+)"|(?:(?:cases?|laws?|sections?) )?(\d[\d.]*(?:(?:,| and| to) \d[\d.]*)*)))?'
)
"""A page, and the heading or the numbers that are cited of it."""

CITING = ("dagger_aml", "recipes", "bench", "tests/standin", "tests/builders", ".ci")
"""Folders whose files cite pages."""


def _cited(text: str) -> list[tuple[str, str, list[str]]]:
    """Pages that a file names, each with the heading, or the numbers, that it cites of it."""
    whole = re.sub(r"\s*\n[\s#]*", " ", text).replace("\\'", "'")
    found = _CITED.findall(whole)
    return [(page, title, re.findall(r"\d+(?:\.\d+)*", numbers)) for page, title, numbers in found]


def _numbered(page: str) -> set[str]:
    """The numbers of a page's headings and of its laws."""
    return set(re.findall(r"^(?:#+ (?:Case )?|(?=\d+\. \*\*))(\d+(?:\.\d+)*)", page, flags=re.M))


def test_citations_are_read() -> None:
    assert _cited(
        '(docs/a.md, cases 6 to 8\n    and 28; b.md 2.7). See c.md, 1.1 and 1.2.\n# d.md, "What it\n# is"'
    ) == [
        ("docs/a.md", "", ["6", "8", "28"]),
        ("b.md", "", []),
        ("c.md", "", ["1.1", "1.2"]),
        ("d.md", "What it is", []),
    ]
    assert _numbered("## 1 A\n### Case 2\n### 3.4 B\n5. **C**\n6. no\n") == {"1", "2", "3.4", "5"}


def test_what_is_cited_is_there() -> None:
    """A page that ships, and of it the heading, case, law or section."""
    wrong = []
    files = (path for folder in CITING for path in sorted((ROOT / folder).rglob("*")))
    for path in (path for path in files if path.suffix != ".pyc" and path.is_file()):
        for name, title, numbers in _cited(path.read_text(encoding="utf-8", errors="replace")):
            places = (folder / name for folder in (ROOT, DOCS, path.parent))
            page = next((place for place in places if place.is_file()), None)
            text = page.read_text(encoding="utf-8") if page else ""
            headings = re.findall(r"^#+ (.*)$", text, flags=re.M)
            if not page or (title and title not in headings) or not set(numbers) <= _numbered(text):
                wrong.append(f"{path.relative_to(ROOT)}: {name} {title} {numbers}")
    assert wrong == []


def test_a_number_is_cited_with_its_page() -> None:
    bare = re.compile(r"(?<!\.md, )\b(?:facts?|laws?|cases?|sections?) \d")
    for path in (ROOT / "dagger_aml").rglob("*.py"):
        whole = re.sub(r"\s*\n[\s#]*", " ", path.read_text(encoding="utf-8"))
        assert not bare.search(whole), path


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    for page in DOCS.glob("*.md"):
        assert page.name == "index.md" or f"({page.name})" in index, page.name


def test_every_recipe_has_a_page() -> None:
    for name in recipe_names():
        assert (DOCS / f"{name}.md").is_file()
        assert f"(docs/{name}.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


@each_page
def test_no_path_of_one_machine(page: Path) -> None:
    for each in ("/work/", "/root/", str(ROOT), str(Path.home()) + "/"):
        assert each not in page.read_text(encoding="utf-8")


# --- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", reference.PAGES, ids=lambda page: page.name)
def test_the_reference_is_made_from_the_code_as_it_is(page: Path) -> None:
    assert reference.held(page) == reference.PAGES[page](), f"docs/{page.name} is out of date: {reference.COMMAND}"


@for_each("record", KEYS, ids=lambda record: ".".join(record.key))
def test_every_key_says_what_it_is_for(record: Setting, tmp_path: Path) -> None:
    assert record.says and record.example, f"give the record of {record.key} its words"
    name = record.key
    first = 'path = "model"\n' if name[0] == "models" and name[-1] != "path" else ""
    header = reference.heading(name[0]).strip("`") + "\n" if len(name) > 1 else ""
    (tmp_path / "company.toml").touch()
    said = f"{header}{first}{name[-1]} = {record.example}\n"
    own = 'extends = "up.toml"\n' if record.unless_own else said
    root = make(tmp_path / "project", {"up.toml": said, FILE_NAME: own})
    read_project_file(root)


def test_every_option_that_a_key_says_too_is_beside_it() -> None:
    beside = {record.name for record in KEYS if record.flag}
    assert beside >= {"base", "recipe", "platform", "entry_script", "requirements", "via", "env", "label"}


def test_the_defaults_are_the_real_ones() -> None:
    unsaid = {".".join(record.key): record.otherwise for record in KEYS}
    assert unsaid["base"] == f"`{catalog.DEFAULT.name}`"
    assert unsaid["platform"] == f"`{DEFAULT_PLATFORM}`"
    assert unsaid["recipe"] == "`extended`"
    assert unsaid["preinstalled.via"] == "`start-script`"


def test_what_is_left_out_is_listed() -> None:
    said = set(code_spans(prose(DOCS / "project-file.md")))
    assert set(ALWAYS_LEFT_OUT) <= said
    assert set(conventions.NOT_CODE) <= said
    assert set(conventions.MODEL_SUFFIXES) <= said


def test_cli_names_no_flag_that_is_not() -> None:
    spans = code_spans(prose(DOCS / "cli.md"))
    said = {flag for span in spans if (flag := re.split(r"[ =\[]", span)[0]).startswith("-")}
    options = [option for name in _COMMANDS for option in reference.options_of(reference.command_of(name))]
    real = {flag for option in options for flag in option.opts}
    assert said <= real | {"--help"}


def test_every_command_has_its_part() -> None:
    headings = re.findall(r"^## dagger-aml (\S+)$", (DOCS / "cli.md").read_text(encoding="utf-8"), flags=re.M)
    assert headings == list(_COMMANDS)


@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "cli.md"], ids=lambda page: page.name)
def test_the_exit_codes_are_the_real_ones(page: Path) -> None:
    classes = [each for each in vars(errors).values() if isinstance(each, type) and hasattr(each, "exit_code")]
    real = {0, CHANGED_EXIT_CODE, INTERRUPTED, TERMINATED, *(each.exit_code for each in classes)}
    assert {int(row["code"]) for row in table(page, "Exit codes")} == real


def test_the_noise_is_the_real_one() -> None:
    for page in ("diff.md", "equality.md"):
        rows = [tuple(row.values()) for row in table(DOCS / page, "What may differ all the same")]
        assert rows == [(f"`{each.pattern}`", ", ".join(sorted(each.builders)), each.reason) for each in NOISE], page


def test_the_errors_are_the_real_ones() -> None:
    rows = {code_spans(row["error"])[0]: int(row["exit code"]) for row in table(DOCS / "python.md", "Errors")}
    known = {**vars(errors), **vars(failure)}
    assert rows == {name: each.exit_code for name, each in known.items() if hasattr(each, "exit_code")}


def test_the_catalog_is_the_real_one() -> None:
    words = {True: "yes", False: "no", None: "unknown"}
    rows = [tuple(row.values()) for row in table(DOCS / "bases.md", "The catalog")]
    assert rows == [
        (
            f"`{image.name}`",
            image.python,
            image.until,
            "GPU" if image.gpu else "CPU",
            f"`{image.facts.environment}`",
            words[image.facts.extras],
            "yes" if image.supported else "no longer",
        )
        for image in catalog.IMAGES
    ]


def test_the_version_is_the_real_one() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^Version (\S+), not released", text, flags=re.M) == [__version__]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (.*)$", changes, flags=re.M)
    assert parts[1] == f"{__version__}, unreleased"
    for version, text in zip(parts[1::2], parts[2::2], strict=True):
        headings = re.findall(r"^### .*$", text, flags=re.M)
        assert len(headings) == len(set(headings)) > 1, version


def test_the_tree_has_every_room() -> None:
    tree = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## The tree")[2].partition("```\n")[0]
    said = set(re.findall(r"\w+", tree))
    assert {path.parent.name for path in (ROOT / "dagger_aml").glob("*/__init__.py")} - said == set()


def test_the_commands_that_take_a_deployment_file_are_the_real_ones() -> None:
    takes = {
        name
        for name in _COMMANDS
        if any("--deployment" in option.opts for option in reference.options_of(reference.command_of(name)))
    }
    page = (DOCS / "deployment-files.md").read_text(encoding="utf-8")
    said = page.partition("## A deployment file as a project\n")[2].partition(" take it in a folder's place")[0]
    assert set(code_spans(said)) == takes


def test_sample_requests_are_named_alike() -> None:
    said = next(record.otherwise for record in KEYS if record.name == "request")
    assert [each for each in conventions.REQUESTS if f"`{each}`" not in said] == []
    assert set(conventions.REQUESTS) <= set(code_spans(prose(DOCS / "project-file.md")))


def test_the_servers_of_old_pythons_are_named() -> None:
    page = prose(DOCS / "serve.md")
    assert [each for each in _VERSIONS.values() if each.removeprefix("~=") not in page] == []
