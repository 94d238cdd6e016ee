"""The text of a conda environment file: what it lists, each with its line; and whether a file is one at all."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data import frozen
from ..errors import ProjectError
from ..finding import FileLocation
from .files import read_text
from .yaml_nodes import MOST_CHARACTERS, compose

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = (
    *("environment.yml", "environment.yaml", "conda.yml", "conda.yaml", "env.yml", "env.yaml", "myenv.yml"),
    *("myenv.yaml", "conda_dependencies.yml", "conda_dependencies.yaml", "conda_env.yml", "conda_env.yaml"),
)
"""What such files are called most, those that are taken first before the others."""


_LISTS = re.compile(
    r"""^["']?dependencies["']?[ \t]*:[ \t]*"""
    r"""(?:\[(?![ \t\n]*\])|(?:#.*)?\n(?:[ \t]*(?:#.*)?\n)*[ \t]*-[ \t])""",
    re.MULTILINE,
)
"""A list ``dependencies``, of lines or in brackets."""


_OWN = re.compile(r"""^(?:channels[ \t]*:|[ \t]*-[ \t]+["']?(?:python\b|pip["']?[ \t]*(?::|$)))""", re.MULTILINE)


_PYTHON = re.compile(r"\d+\.\d+(\.\d+)?")


_OF_MLFLOW = re.compile(r"^build_dependencies[ \t]*:", re.MULTILINE)
"""MLflow's python_env.yaml has a list of pip's lines under the same name."""


@frozen
class Entry:
    """A line of a list, and where it begins."""

    text: str
    line: int


@frozen
class CondaFile:
    """What an environment file says.

    :param dependencies: conda's packages.
    :param pip: the lines of its ``pip:`` parts, as a requirements file has them.
    :param variables: names of the variables that conda sets where the environment is activated.
    :param of_mlflow: whether it is MLflow's ``python_env.yaml``, which lists pip's lines alone.
    """

    dependencies: tuple[Entry, ...] = ()
    pip: tuple[Entry, ...] = ()
    variables: tuple[str, ...] = ()
    of_mlflow: bool = False


def is_conda(path: Path) -> bool:
    """Whether a file is an environment file by what it says, whatever its name is: it has a list ``dependencies``
    and either a name that is usual for them, or channels, python or pip among them. No YAML is read for that."""
    if path.suffix not in (".yml", ".yaml"):
        return False
    try:
        if path.stat().st_size > 4 * MOST_CHARACTERS:
            return False
        text = read_text(path).replace("\r\n", "\n")
    except (OSError, ProjectError):
        return False
    return (
        bool(_LISTS.search(text)) and not _OF_MLFLOW.search(text) and (path.name in NAMES or bool(_OWN.search(text)))
    )


def read_conda_file(path: Path) -> CondaFile:
    """Read an environment file, or what has its place: a file of Azure ML's, below ``conda_file``, or MLflow's
    ``python_env.yaml``.

    :raises ProjectError: missing, unreadable, no YAML, or none of conda's, with the line.
    """
    return _parsed(path, read_text(path))


@lru_cache(maxsize=16)
def _parsed(path: Path, text: str) -> CondaFile:
    """What a text says: a plan needs it for the list, for its rules and for what it shows.

    :param path: of which errors tell.
    """
    return _Reader(path).file(compose(path, text))


class _Reader:
    """Takes apart the nodes of one file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, root: Any) -> CondaFile:
        keys = dict(self.mapping(root, "the file")) if root is not None else {}
        for name in ("environment", "conda_file"):
            if "dependencies" not in keys and name in keys and keys[name].id == "mapping":
                keys = dict(self.mapping(keys[name], name))
        if "python" in keys or "build_dependencies" in keys:
            return self.of_mlflow(keys)
        if "dependencies" not in keys:
            raise ProjectError(
                "is no conda environment file: it has no list `dependencies`",
                location=str(self.path),
                hint="Name the conda file itself; it lists packages under `dependencies:`.",
            )
        conda: list[Entry] = []
        pip: list[Entry] = []
        for item in self.sequence(keys["dependencies"], "dependencies"):
            if item.id != "mapping":
                conda.append(self.text(item))
                continue
            for name, value in self.mapping(item, "dependencies"):
                if name != "pip":
                    raise self.error(item, f"{name!r} is not known here: only `pip:` has a list of its own")
                pip += map(self.text, self.sequence(value, "pip"))
        variables = [name for name, _ in self.mapping(keys["variables"], "variables")] if "variables" in keys else []
        return CondaFile(tuple(conda), tuple(pip), tuple(variables))

    def of_mlflow(self, keys: dict[str, Any]) -> CondaFile:
        """MLflow's file: one Python, and lines of pip's. What pip itself is built with has no place in an image."""
        python = keys.get("python")
        if python is not None and (python.id != "scalar" or not _PYTHON.fullmatch(python.value)):
            raise self.error(python, "`python` must be a version, such as 3.12.4")
        pip = (
            [self.text(item) for item in self.sequence(keys["dependencies"], "dependencies")]
            if ("dependencies" in keys)
            else []
        )
        line = [Entry(f"python={python.value}", python.start_mark.line + 1)] if python is not None else []
        return CondaFile(tuple(line), tuple(pip), of_mlflow=True)

    def mapping(self, node: Any, what: str) -> Iterator[tuple[str, Any]]:
        """The keys of a mapping, each once, and their values."""
        if node.id != "mapping":
            raise self.error(node, f"{what} must be a mapping of names to values")
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                raise self.error(key, f"the key {name!r} stands here twice")
            seen.add(name)
            yield name, value

    def sequence(self, node: Any, what: str) -> list[Any]:
        """The items of a list; none where nothing stands behind the key."""
        if node.id == "scalar" and node.tag == "tag:yaml.org,2002:null":
            return []
        if node.id != "sequence":
            raise self.error(node, f"`{what}` must be a list, one package a line, each behind a dash")
        items: list[Any] = node.value
        return items

    def text(self, node: Any) -> Entry:
        """An item that is text, as YAML reads it."""
        if node.id != "scalar" or node.tag != "tag:yaml.org,2002:str" or not node.value.strip():
            shown = f": {node.value!r}" if node.id == "scalar" and node.value else ""
            raise self.error(node, f"not a package{shown}")
        # A text of several lines begins behind its mark.
        return Entry(node.value, node.start_mark.line + (2 if node.style in ("|", ">") else 1))

    def error(self, node: Any, message: str) -> ProjectError:
        begin, end = node.start_mark, node.end_mark
        columns = (begin.column + 1, end.column + 1) if begin.line == end.line else None
        return ProjectError(message, location=FileLocation(str(self.path), self.path, begin.line + 1, columns))
