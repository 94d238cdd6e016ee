"""The text of a first project file: what was found as keys, and a few others as comments to take the ``#`` from.

All keys would be 150 lines, in which the few that count are not seen.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import ProjectError
from ..project.file import FILE_NAME, looks_like_path
from ..project.keys import ARRAYS, KEYS
from ..project.model import Project
from ..project.settings import Options
from ..project.tables import TABLES
from ..version import __version__

Said = Mapping[str, str | bool]
"""Values by key, of one table."""

_ESCAPED = re.compile(r'[\x00-\x1f\x7f"\\]')
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_ESCAPES = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


_LIKELY = (
    *(("name",), ("version",), ("base",), ("recipe",), ("requirements",), ("apt",), ("env",)),
    ("pip", "index-url"),
)
"""Keys that are shown where the file has no value of them: those that most projects come to need."""


def toml_text(text: str) -> str:
    """A text as a TOML basic string, on one line.

    :raises ProjectError: a file name that is no text, which TOML cannot say.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ProjectError(
            f"a name that is not valid UTF-8 cannot be written in {FILE_NAME}: {text!r}", hint="Rename it."
        ) from None
    return '"' + _ESCAPED.sub(lambda match: _ESCAPES.get(match[0], f"\\u{ord(match[0]):04x}"), text) + '"'


def project_file_text(project: Project, options: Options, requirements: str | None) -> str:
    """The file for a project that was found without one.

    :param options: what flags said, which the file keeps.
    :param requirements: the requirements file, relative to the project, if there is or will be one.
    """
    apt = "apt.txt" if (project.root / "apt.txt").is_file() else None
    top = _only(
        base=options.base,
        deployment=_relative(project.deployment.deployment.path, project.root) if project.deployment else None,
        recipe=_recipe(options.recipe, project.root),
        apt=apt,
        requirements=requirements,
        request=_relative(project.request, project.root),
        answer=_relative(project.answer, project.root),
    )
    # A deployment file says the code and the models itself, and is read anew each time.
    tables: dict[str, list[Said]] = (
        {}
        if project.deployment
        else {
            "code": [_only(path=_relative(project.code, project.root), entry_script=project.entry_script)],
            "models": [
                _only(
                    path=_relative(model.path, project.root),
                    name=model.name,
                    version=model.version,
                    keep_folder=model.keep_folder if f"models.{model.name}.keep-folder" in project.origins else None,
                )
                for model in project.models
            ],
        }
    )
    parts = [
        [
            f"# Written by dagger-aml {__version__}. Lines without # were found here, or set by an option; without",
            "# such a line, dagger-aml looks for the value each time. Lines with # are examples of other settings.",
            "# All of these: docs/reference-file.md of dagger-aml.",
        ],
        list(_said(None, top)),
        list(_others(None, top)),
    ]
    for name in TABLES:
        for said in tables.get(name) or [{}]:
            header = f"[[{name}]]" if name in ARRAYS else f"[{name}]"
            others = list(_others(name, said))
            if said or others:
                parts.append([header if said else f"# {header}", *_said(name, said), *others])
    return "\n\n".join("\n".join(each) for each in parts if each) + "\n"


def _said(table: str | None, said: Said) -> Iterator[str]:
    """The keys of a table that have a value; None for the top level."""
    for record in KEYS:
        *within, name = record.key
        if within == ([table] if table else []) and name in said:
            yield f"{name} = {_value(said[name])}"


def _others(table: str | None, said: Said) -> Iterator[str]:
    """Likely keys of a table that have none, each a comment with an example and what it is for."""
    for record in KEYS:
        *within, name = record.key
        if within == ([table] if table else []) and name not in said and record.key in _LIKELY:
            yield f"# {name} = {record.example}  # {_short(record.says)}"


def _short(says: str) -> str:
    """The first sentence of what a key is for, without Markdown's marks."""
    return _LINK.sub(r"\1", says).partition(". ")[0].rstrip(".").replace("`", "")


def _value(said: str | bool) -> str:
    return str(said).lower() if isinstance(said, bool) else toml_text(said)


def _only(**said: str | bool | None) -> Said:
    return {name.replace("_", "-"): text for name, text in said.items() if text is not None}


def _relative(path: Path | None, root: Path) -> str | None:
    return None if path is None else Path(os.path.relpath(path, root)).as_posix()


def _recipe(said: str | None, root: Path) -> str | None:
    """A recipe as the file says it: a path is relative to the project there, and to the working folder in a flag."""
    if said is None or not looks_like_path(said):
        return said
    path = Path(said) if Path(said).is_file() else root / said
    relative = Path(os.path.relpath(path.resolve(), root)).as_posix()
    return relative if "/" in relative else f"./{relative}"
