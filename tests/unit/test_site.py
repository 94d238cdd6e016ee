"""The site of docs/: what is made of Markdown and of links without MkDocs, and, by night, the site itself."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

from tests.golden.public import MODULES
from tests.support.cases import for_each
from tests.support.markdown import ROOT
from tools.site.api import api_page, public_names
from tools.site.markdown import read_alike, slug, with_links
from tools.site.pages import linked, made_pages, page_of

DOCS = sorted(path.name for path in (ROOT / "docs").glob("*.md"))


def test_every_public_name_is_on_the_page_of_the_api():
    page = api_page()
    wanted = [f"::: {module.__name__}.{name}" for module in MODULES for name in sorted(module.__all__)]
    assert re.findall(r"^::: \S+$", page, flags=re.M) == wanted


@for_each(
    ("text", "read"),
    [
        ("```console skip: it needs a registry\n$ a\n```", "```console\n$ a\n```"),
        ("text:\n- a\n- b", "text:\n\n- a\n- b"),
        ("- a\n  more\n- b", "- a\n    more\n- b"),
        ("1. a\n   more", "1. a\n    more"),
        (
            "- a\n\n  ```console run\n  $ x\n      y\n  ```\n\nb",
            "- a\n\n    ```console\n    $ x\n        y\n    ```\n\nb",
        ),
        ("- a\n  - b\n    more", "- a\n    - b\n      more"),
        ("| `a\\|b` | c \\| d |", "| `a|b` | c \\| d |"),
        ("```text\n- a\n| `x\\|y` |\n```\n- b", "```text\n- a\n| `x\\|y` |\n```\n\n- b"),
    ],
)
def test_markdown_is_read_as_github_reads_it(text: str, read: str):
    assert read_alike(text) == read


def test_links_are_changed_but_for_those_in_code():
    text = "[a](b) [`c`](d) `[e](f)`\n```text\n[g](h)\n```\n[i](j)"
    assert with_links(text, str.upper) == "[a](B) [`c`](D) `[e](f)`\n```text\n[g](h)\n```\n[i](J)"


def test_links_lead_to_the_site_s_pages():
    text = "[a](../README.md#install) [b](cli.md) [c](../examples/diabetes/) [d](../Taskfile.yml) [e](https://x/)"
    new, found = linked(text, "docs/index.md", "index.md")
    assert new == (
        "[a](readme.md#install) [b](cli.md) [c](files/examples/diabetes/index.md) [d](files/Taskfile.yml.md) "
        "[e](https://x/)"
    )
    assert found == {"README.md", "docs/cli.md", "examples/diabetes", "Taskfile.yml"}


def test_whatever_is_linked_is_a_page():
    made = made_pages(DOCS)
    sources = {f"docs/{name}": name for name in DOCS} | {
        "README.md": "readme.md",
        "CONTRIBUTING.md": "contributing.md",
    }
    for path, page in sources.items():
        for to in linked((ROOT / path).read_text(encoding="utf-8"), path, page)[1]:
            assert page_of(to) in made or page_of(to) in DOCS, f"{path} links to {to}"
    assert {"readme.md", "changelog.md", "contributing.md"} <= made.keys()
    assert not [page for page in made if page in DOCS or "__pycache__" in page]


def test_anchors_are_github_s():
    assert slug("dagger-aml plan") == "dagger-aml-plan" and slug("What's `x_y`, then?") == "whats-x_y-then"


def test_the_site_itself(request: pytest.FixtureRequest, tmp_path: Path):
    """Every public name has a heading; nothing is asked of another host; the search knows the pages."""
    if request.config.getoption("depth") != "nightly":
        pytest.skip("only with --depth nightly")
    words = [sys.executable, str(ROOT / "taskw"), "docs", "--", "--site-dir", str(tmp_path)]
    made = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=900)
    if "No matching distribution" in made.stderr:
        pytest.skip("the index has not what the site is made with")
    assert made.returncode == 0, made.stdout + made.stderr
    api = (tmp_path / "api.html").read_text(encoding="utf-8")
    headings = unescape(re.sub(r"<[^>]+>", "", " ".join(re.findall(r"<h3[^>]*>.*?</h3>", api, flags=re.S)))).split()
    for module, names in public_names().items():
        assert set(names) <= set(headings), module
    for page in tmp_path.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        asked = re.findall(
            r"<(?:script|img|iframe)[^>]* src=.?(https?:[^\s>]+)|<link[^>]* href=.?(https?:[^\s>]+)", text
        )
        assert not asked, f"{page.name}: {asked}"
    index = (tmp_path / "search" / "search_index.json").read_text(encoding="utf-8")
    assert all(f'"{Path(name).stem}.html' in index for name in DOCS)
