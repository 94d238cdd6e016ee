"""From the keys of a project file to typed tables: unknown keys and wrong types are told with their line."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from attrs import fields
from cattrs import ClassValidationError, Converter, transform_error
from cattrs.gen import make_dict_structure_fn, override

from ..errors import ProjectError
from ..finding import FileLocation
from ..text import named
from ..toml import lines_of
from .keys import PYPROJECT, REFUSED, key_name
from .setting import Auto
from .tables import TABLES, ModelTable, Tables


def structure(data: Any, file: FileLocation, text: str, prefix: tuple[str, ...]) -> Any:
    """The typed tables of a file's keys.

    :param file: that has them; ``text`` and ``prefix`` tell the line of a key.
    :raises ProjectError: an unknown key, a value of a wrong type, a key that no file may have. With file:line.
    """
    if not isinstance(data, dict):
        raise ProjectError("is not a table", location=_at(file, text, prefix))
    _check_keys(data, Tables, file, text, prefix)
    try:
        return converter().structure(data, Tables)
    except ClassValidationError as error:
        message, _, at = transform_error(error, format_exception=_say)[0].rpartition(" @ $")
        key = tuple(int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]']+", at))
        renamed = tuple(key_name(part) if isinstance(part, str) else part for part in key)
        if item := _first_wrong_item(error):
            renamed = (*renamed, item.key)
        dotted = ".".join(str(part) for part in renamed)
        raise ProjectError(f"{dotted}: {message}", location=_at(file, text, (*prefix, *renamed))) from None


def _at(file: FileLocation, text: str, key: tuple[str | int, ...]) -> FileLocation:
    """The place of a key: its name, where its line has it."""
    name = next((str(part) for part in reversed(key) if isinstance(part, str)), "")
    return FileLocation(str(file), file.path, lines_of(text).of(key)).of(name)


def _check_keys(
    data: dict[str, Any], cls: type, file: FileLocation, text: str, prefix: tuple[str | int, ...]
) -> None:
    """Refuse unknown keys, at every level, with the nearest known one."""
    known = {key_name(attribute.name): attribute for attribute in fields(cls)}
    for key, value in data.items():
        within = tuple(part for part in prefix if part not in PYPROJECT)
        if refused := REFUSED.get((*within, key)):  # type: ignore[arg-type]
            raise ProjectError(
                f"{'.'.join(refused.key)} cannot stand in a file: {refused.unless_file}",
                location=_at(file, text, (*prefix, key)),
                hint=f"Set it with {named(refused.name)} or ${refused.variable}.",
            )
        if key not in known:
            import difflib

            near = difflib.get_close_matches(key, known, 1, 0.5)
            table = ".".join(str(part) for part in within)
            raise ProjectError(
                f"unknown key {key!r}" + (f" in {table}" if table else ""),
                location=_at(file, text, (*prefix, key)),
                hint=f"Did you mean {near[0]!r}?" if near else "Known: " + ", ".join(known) + ".",
            )
        inner = TABLES.get(key)
        if inner and isinstance(value, dict):
            _check_keys(value, inner, file, text, (*prefix, key))
        elif inner and isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    _check_keys(item, inner, file, text, (*prefix, key, index))


@functools.cache
def converter() -> Converter:
    """What makes tables of plain data; strict, so that a text is not taken for a number."""
    converter = Converter(detailed_validation=True, forbid_extra_keys=True)

    def strict(kind: type, words: str) -> None:
        def structure(value: Any, _: Any) -> Any:
            if type(value) is not kind:
                raise TypeError(f"must be {words}, not {_name(value)}{_in_quotes(value) if kind is str else ''}")
            return value

        converter.register_structure_hook(kind, structure)

    strict(str, "text")
    strict(bool, "true or false")
    strict(int, "a whole number")

    def number(value: Any, _: Any) -> float:
        if type(value) not in (int, float):
            raise TypeError(f"must be a number, not {_name(value)}")
        return float(value)

    converter.register_structure_hook(float, number)

    def auto(value: Any, _: Any) -> Any:
        if value != "auto" and type(value) is not bool:
            raise TypeError(
                f'must be true, false or "auto", not {repr(value) if type(value) is str else _name(value)}'
            )
        return value

    converter.register_structure_hook_func(lambda kind: kind == Auto, auto)

    def apt(value: Any, _: Any) -> Any:
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise TypeError("must be a list of package names, or the name of a file")

    converter.register_structure_hook_func(lambda kind: kind == str | tuple[str, ...] | None, apt)

    def extends(value: Any, kind: Any) -> Any:
        try:
            return apt(value, kind)
        except TypeError:
            raise TypeError("must be a file name, or a list of file names") from None

    def texts(value: Any, _: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise TypeError("must be a list of strings")
        return tuple(value)

    converter.register_structure_hook_func(lambda kind: kind == tuple[str, ...], texts)

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

    @functools.cache
    def of_table(cls: Any) -> Any:
        """What makes a table; most files have a few of the tables, and to make each of these takes half a
        millisecond."""
        names = {each.name: override(rename=key_name(each.name)) for each in fields(cls)}
        if cls is Tables:
            names["extends"] = override(struct_hook=extends)
        return make_dict_structure_fn(cls, converter, **names)  # type: ignore[arg-type]

    def table(value: Any, cls: Any) -> Any:
        if not isinstance(value, dict):
            raise TypeError(f"must be a table, not {_name(value)}")
        return of_table(cls)(value, cls)

    for cls in (*TABLES.values(), Tables):
        converter.register_structure_hook(cls, table)
    return converter


def _say(error: BaseException, _: type | None) -> str:
    if isinstance(error, KeyError):
        return f"the key {str(error.args[0])!r} is missing"
    return str(error)


class _WrongItem(TypeError):
    """A value of a table whose keys are the user's own."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def _first_wrong_item(group: BaseException) -> _WrongItem | None:
    """The wrong item that the first of a group's errors is, if it is one."""
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group if isinstance(group, _WrongItem) else None


def _in_quotes(value: Any) -> str:
    if isinstance(value, float):
        return "; write it in quotes, as it stands there"  # The number that TOML makes of 3.10 is 3.1.
    if type(value) not in (int, bool):
        return ""
    return f'; write it in quotes: "{str(value).lower() if isinstance(value, bool) else value}"'


def _name(value: Any) -> str:
    names = {str: "text", int: "a number", float: "a number", bool: "true or false", list: "a list", dict: "a table"}
    return names.get(type(value), type(value).__name__)
