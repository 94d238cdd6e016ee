"""Reading ``dagger-aml.toml`` or ``[tool.dagger-aml]``: types checked, and the line of every key known."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import Attribute, field, fields, frozen
from cattrs import ClassValidationError, Converter, transform_error
from cattrs.gen import make_dict_structure_fn, override

from .errors import ProjectError

FILE_NAME = "dagger-aml.toml"


@frozen
class CodeTable:
    """``[code]``"""

    path: str | None = None
    entry_script: str | None = None


@frozen
class ModelTable:
    """``[[models]]``"""

    path: str
    name: str | None = None
    version: str = "1"
    flat: bool = False
    keep_folder: bool = False


@frozen
class PreinstalledTable:
    """``[preinstalled]``"""

    path: str | None = None
    via: str | None = None


@frozen
class Tables:
    """The whole file; every key is optional."""

    name: str | None = None
    base: str | None = None
    recipe: str | None = None
    platform: str | None = None
    apt: str | tuple[str, ...] | None = None
    requirements: str | None = None
    request: str | None = None
    answer: str | None = None
    env: dict[str, str] = field(factory=dict)
    labels: dict[str, str] = field(factory=dict)
    code: CodeTable = field(factory=CodeTable)
    models: tuple[ModelTable, ...] | None = None
    preinstalled: PreinstalledTable = field(factory=PreinstalledTable)


@frozen
class ProjectFile:
    """A project file as read; an absent one is empty.

    :param path: None when there is none.
    """

    path: Path | None
    tables: Tables
    text: str = field(default="", repr=False)
    prefix: tuple[str, ...] = ()

    def where(self, *key: str | int) -> str:
        """``dagger-aml.toml:7`` for a key such as ``("models", 0, "path")``."""
        if self.path is None:
            return "default"
        return f"{self.path.name}:{line_of(self.text, (*self.prefix, *key))}"


def read_project_file(root: Path) -> ProjectFile:
    """Read the project file of a folder.

    :raises ProjectError: both files declare the project; broken TOML; an unknown key, with the nearest known one; a
        value of a wrong type. Each with file:line.
    """
    own, shared = root / FILE_NAME, root / "pyproject.toml"
    found = None
    if shared.is_file():
        text, data = _parse(shared)
        tools = data.get("tool", {})
        table = tools.get("dagger-aml") if isinstance(tools, dict) else None
        if table is not None:
            found = ProjectFile(shared, _structure(table, shared, text, ("tool", "dagger-aml")), text, _PYPROJECT)
    if own.exists() or own.is_symlink():
        if found:
            raise ProjectError(
                f"two candidates for the project file: {FILE_NAME} and [tool.dagger-aml] of pyproject.toml",
                where=str(root),
                do="Keep one of them.",
            )
        text, data = _parse(own)
        found = ProjectFile(own, _structure(data, own, text, ()), text)
    return found or ProjectFile(None, Tables())


_PYPROJECT = ("tool", "dagger-aml")


def _parse(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return text, tomllib.loads(text)
    except OSError as error:
        raise ProjectError(f"cannot be read ({error.strerror})", where=str(path)) from None
    except UnicodeDecodeError:
        raise ProjectError("is not UTF-8", where=str(path)) from None
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        at = re.search(r"\s*\(at line (\d+), column \d+\)", message)
        line = at[1] if at else str(text.count("\n") + 1)
        reason = message.replace(at[0], "") if at else message.replace(" (at end of document)", "")
        raise ProjectError(f"broken TOML: {reason}", where=f"{path.name}:{line}") from None


def _structure(data: Any, path: Path, text: str, prefix: tuple[str, ...]) -> Tables:
    if not isinstance(data, dict):
        raise ProjectError("is not a table", where=f"{path.name}:{line_of(text, prefix)}")
    _check_keys(data, Tables, path, text, prefix)
    try:
        return _converter().structure(data, Tables)
    except ClassValidationError as error:
        message, _, at = transform_error(error, format_exception=_say)[0].rpartition(" @ $")
        key = tuple(int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]']+", at))
        renamed = tuple(part.replace("_", "-") if isinstance(part, str) else part for part in key)
        if item := _first_wrong_item(error):
            renamed = (*renamed, item.key)
        shown = ".".join(str(part) for part in renamed)
        raise ProjectError(f"{shown}: {message}", where=f"{path.name}:{line_of(text, (*prefix, *renamed))}") from None


def _check_keys(data: dict[str, Any], cls: type, path: Path, text: str, prefix: tuple[str | int, ...]) -> None:
    """Refuse unknown keys, at every level, with the nearest known one."""
    known = {_key(attribute): attribute for attribute in fields(cls)}
    for key, value in data.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, 0.5)
            table = ".".join(str(part) for part in prefix if part not in _PYPROJECT)
            raise ProjectError(
                f"unknown key {key!r}" + (f" in {table}" if table else ""),
                where=f"{path.name}:{line_of(text, (*prefix, key))}",
                do=f"Did you mean {near[0]!r}?" if near else "Known: " + ", ".join(known) + ".",
            )
        inner = {"code": CodeTable, "preinstalled": PreinstalledTable, "models": ModelTable}.get(key)
        if inner and isinstance(value, dict):
            _check_keys(value, inner, path, text, (*prefix, key))
        elif inner and isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    _check_keys(item, inner, path, text, (*prefix, key, index))


def _key(attribute: Attribute[Any]) -> str:
    return attribute.name.replace("_", "-")


def _converter() -> Converter:
    converter = Converter(detailed_validation=True, forbid_extra_keys=True)

    def strict(kind: type, words: str) -> None:
        def structure(value: Any, _: Any) -> Any:
            if type(value) is not kind:
                raise TypeError(f"must be {words}, not {_name(value)}{_in_quotes(value) if kind is str else ''}")
            return value

        converter.register_structure_hook(kind, structure)

    strict(str, "text")
    strict(bool, "true or false")

    def apt(value: Any, _: Any) -> Any:
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise TypeError("must be a list of package names, or the name of a file")

    converter.register_structure_hook_func(lambda kind: kind == str | tuple[str, ...] | None, apt)

    def mapping(value: Any, _: Any) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise TypeError(f"must be a table, not {_name(value)}")
        for key, item in value.items():
            if not isinstance(item, str):
                raise _WrongItem(key, f"must be text, not {_name(item)}{_in_quotes(item)}")
        return dict(value)

    converter.register_structure_hook_func(lambda kind: kind == dict[str, str], mapping)

    def models(value: Any, _: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, list):
            raise TypeError("must be an array of tables: [[models]]")
        return converter.structure(value, tuple[ModelTable, ...])

    converter.register_structure_hook_func(lambda kind: kind == tuple[ModelTable, ...] | None, models)
    for cls in (CodeTable, ModelTable, PreinstalledTable, Tables):
        names = {each.name: override(rename=_key(each)) for each in fields(cls)}
        generated = make_dict_structure_fn(cls, converter, **names)  # type: ignore[arg-type]

        def table(value: Any, type_: Any, generated: Any = generated) -> Any:
            if not isinstance(value, dict):
                raise TypeError(f"must be a table, not {_name(value)}")
            return generated(value, type_)

        converter.register_structure_hook(cls, table)
    return converter


def _say(error: BaseException, _: type | None) -> str:
    if isinstance(error, KeyError):
        return f"the key {str(error.args[0])!r} is missing"
    return str(error)


class _WrongItem(TypeError):
    """A value of a table whose keys are the user's own."""

    def __init__(self, key: str, what: str) -> None:
        super().__init__(what)
        self.key = key


def _first_wrong_item(group: BaseException) -> _WrongItem | None:
    """The wrong item that the first of a group's errors is, if it is one."""
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group if isinstance(group, _WrongItem) else None


def _in_quotes(value: Any) -> str:
    if type(value) not in (int, float, bool):
        return ""
    return f'; write it in quotes: "{str(value).lower() if isinstance(value, bool) else value}"'


def _name(value: Any) -> str:
    names = {str: "text", int: "a number", float: "a number", bool: "true or false", list: "a list", dict: "a table"}
    return names.get(type(value), type(value).__name__)


_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_ASSIGNMENT = re.compile(rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*=")


def line_of(text: str, key: tuple[str | int, ...]) -> int:
    """The line, from 1, on which a key stands, or the nearest enclosing one that has a line.

    Reads headers and ``key =`` at the beginning of lines, which is how people write these files; for a key within an
    inline table it is the line of the table.
    """
    best, best_length = 1, -1
    table: tuple[str | int, ...] = ()
    counts: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        header = re.match(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$", line)
        if header:
            names = _split_key(header[2])
            if header[1] == "[[":
                index = counts[names] = counts.get(names, -1) + 1
                table = (*names, index)
            else:
                table = names
            here: tuple[str | int, ...] = table
        else:
            assignment = _ASSIGNMENT.match(line)
            if not assignment:
                continue
            here = (*table, *_split_key(assignment[1]))
        shared = key[: len(here)]
        if shared == here and len(here) > best_length:
            best, best_length = number, len(here)
        elif header and here[: len(key)] == key and best_length < len(key):
            best, best_length = number, len(key)
    return best


def _split_key(text: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in re.findall(r'"[^"]*"|\'[^\']*\'|[^.]+', text))
