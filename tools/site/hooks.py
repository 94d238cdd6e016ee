"""MkDocs' hooks for the site of docs/."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # MkDocs loads this file by its path.

from tools.site.api import api_page  # noqa: E402
from tools.site.markdown import read_alike, slug  # noqa: E402
from tools.site.pages import OWN, linked, made_pages  # noqa: E402

MERMAID = ROOT / ".task" / "site" / "mermaid.min.js"
"""Where ./taskw docs puts it, if npm is there; else a picture is text, and no other host is asked for it."""

_SECTION = re.compile(r"^\*\*(.+)\*\*$", re.M)
_LINK = re.compile(r"\[(\w+)\]\((\w+\.md)\)")
_PAGE = re.compile(r"^- \[(.+?)\]\(([\w-]+\.md)\)", re.M)


def _title(name: str) -> str:
    """What the index calls a page, as the navigation has it."""
    words = name.replace("-", " ").replace("sdk v1", "SDK v1").replace("azureml", "Azure ML's")
    return words.upper() if words in ("cli", "ci") else words[0].upper() + words[1:]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The pages in the order and beneath the headings of docs/index.md; GitHub's anchors."""
    config.mdx_configs.setdefault("toc", {})["slugify"] = slug
    if MERMAID.is_file():
        config.extra_javascript = [*config.extra_javascript, "mermaid.min.js"]
    else:
        config.mdx_configs["pymdownx.superfences"] = {}
    parts = _SECTION.split((ROOT / "docs" / "index.md").read_text(encoding="utf-8"))
    config.nav = [{"dagger-aml": "index.md"}, {"README": "readme.md"}]
    config.nav += [{_title(name): page} for name, page in _LINK.findall(parts[0])]
    for title, text in zip(parts[1::2], parts[2::2], strict=True):
        pages: list[dict[str, str]] = [{_title(name): page} for name, page in _PAGE.findall(text)]
        if title.startswith("Reference"):
            title, pages = "Reference", [{"API": "api.md"}, *pages]
        config.nav.append({title: pages})
    config.nav.append({"Project": [{"Changelog": OWN["CHANGELOG.md"]}, {"Contributing": OWN["CONTRIBUTING.md"]}]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages that docs/ has no file for, the style, and Mermaid."""
    docs = [each.src_uri for each in files.documentation_pages()]
    for page, text in made_pages(docs).items():
        made = File.generated(config, page, content=text)
        if page not in OWN.values():
            made.inclusion = made.inclusion.NOT_IN_NAV
        files.append(made)
    files.append(File.generated(config, "api.md", content=api_page()))
    files.append(File.generated(config, "site.css", abs_src_path=str(Path(__file__).with_name("site.css"))))
    if MERMAID.is_file():
        files.append(File.generated(config, "mermaid.min.js", abs_src_path=str(MERMAID)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """What GitHub reads otherwise, and links into the repository."""
    if page.file.abs_src_path and page.file.generated_by is None:
        markdown = linked(markdown, f"docs/{page.file.src_uri}", page.file.src_uri)[0]
    return read_alike(markdown)
