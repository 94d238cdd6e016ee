"""The site's pages: those of docs/, and those made of files of the repository that they link to."""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path

from .markdown import with_links

ROOT = Path(__file__).parents[2]
OWN = {"README.md": "readme.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
LISTED = 40
"""Files of a folder that have a page each; of more of them, those beneath it are only named."""

_LANGUAGES = {".py": "python", ".yml": "yaml", ".yaml": "yaml", ".toml": "toml", ".json": "json", ".sh": "bash"}


def page_of(path: str) -> str:
    """The site's page of a path of the repository."""
    if path in OWN:
        return OWN[path]
    if path.startswith("docs/") and path.endswith(".md"):
        return path.removeprefix("docs/")
    return f"files/{path}/index.md" if (ROOT / path).is_dir() else f"files/{path}.md"


def linked(text: str, path: str, page: str) -> tuple[str, set[str]]:
    """A text of the repository with its links as the site has them, and the paths that it links to.

    :param path: of the text, in the repository.
    :param page: of the text, on the site.
    """
    found: set[str] = set()

    def change(target: str) -> str:
        if re.match(r"[a-z]+:|#", target):
            return target
        name, mark, anchor = target.partition("#")
        to = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
        found.add(to)
        return posixpath.relpath(page_of(to), posixpath.dirname(page)) + mark + anchor

    return with_links(text, change), found


def made_pages(docs: list[str]) -> dict[str, str]:
    """Every page that docs/ has no file for, and its text.

    :param docs: the names of the pages of docs/.
    """
    made: dict[str, str] = {}
    todo = set(OWN)
    for name in docs:
        todo |= linked((ROOT / "docs" / name).read_text(encoding="utf-8"), f"docs/{name}", name)[1]
    done: set[str] = set()
    while todo - done:
        path = sorted(todo - done)[0]
        done.add(path)
        page = page_of(path)
        if page in docs:
            continue
        made[page] = _text_of(path)
        if path.endswith(".md") or (ROOT / path).is_dir():
            source = f"{path}/-" if (ROOT / path).is_dir() else path
            made[page], more = linked(made[page], source, page)
            todo |= more
    return made


def _text_of(path: str) -> str:
    file = ROOT / path
    if file.is_dir():
        return _folder(path, file)
    if file.suffix == ".md":
        return file.read_text(encoding="utf-8")
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return f"# {path}\n\n{file.stat().st_size} bytes, no text.\n"
    fence = "`" * max([3, *(len(each) + 1 for each in re.findall("`+", text))])
    return f"# {path}\n\n{fence}{_LANGUAGES.get(file.suffix, 'text')}\n{text.rstrip()}\n{fence}\n"


def _folder(path: str, folder: Path) -> str:
    files = sorted(
        os.path.relpath(each, folder).replace(os.sep, "/")
        for each in folder.rglob("*")
        if each.is_file() and not {"__pycache__", ".git"} & set(each.parts)
    )
    if len(files) > LISTED:
        lines = [f"- `{each}`" for each in sorted({each.partition("/")[0] for each in files})]
    else:
        lines = [f"- [{each}]({each})" for each in files]
    readme = folder / "README.md"
    head = readme.read_text(encoding="utf-8") if readme.is_file() else f"# {path}\n"
    return "\n".join((head, "## Files\n" if readme.is_file() else "", *lines, ""))
