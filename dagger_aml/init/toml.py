"""The text of a first project file: what was found as keys, every other key as a comment to take the ``#`` from."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import ProjectError
from ..project.file import FILE_NAME, looks_like_path
from ..project.keys import ARRAYS, KEYS
from ..project.model import Project
from ..project.setting import Setting
from ..project.settings import Options
from ..project.tables import TABLES
from ..version import __version__

Said = Mapping[str, str | bool]
"""Values by key, of one table."""

_ESCAPED = re.compile(r'[\x00-\x1f\x7f"\\]')
_SHORT = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


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
    return '"' + _ESCAPED.sub(lambda match: _SHORT.get(match[0], f"\\u{ord(match[0]):04x}"), text) + '"'


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
    lines = [
        f"# Written by dagger-aml {__version__}. Lines without # were found here, or set by an option; without",
        "# such a line, dagger-aml looks for the value each time. Lines with # are examples of other settings.",
        "",
        *_keys(None, top),
    ]
    for name in TABLES:
        for said in tables.get(name) or [{}]:
            header = f"[[{name}]]" if name in ARRAYS else f"[{name}]"
            lines += [header if said else f"# {header}", *_keys(name, said)]
    return "\n".join(lines[:-1]) + "\n"


def _keys(table: str | None, said: Said) -> Iterator[str]:
    """Each key of a table, None for the top level, below a line that says what it is for."""
    for record in KEYS:
        *within, name = record.key
        if within != ([table] if table else []) or record.unless_own:
            continue
        yield f"# {_help(record, default=name not in said)}"
        yield f"{name} = {_value(said[name])}" if name in said else f"# {name} = {record.example}"
        yield ""


def _help(record: Setting, *, default: bool) -> str:
    """What a key is for, without Markdown's marks, and what holds without it."""
    unsaid = record.otherwise
    text = f"{record.says} (default: {unsaid})" if default and unsaid else record.says
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("`", "")


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
