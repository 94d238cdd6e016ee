"""The tables of the project file as attrs classes, made from the records of the settings."""

from __future__ import annotations

import keyword
from typing import Any

import attrs

from ..data import frozen
from .build_settings import BUILD_SETTINGS
from .file_keys import FILE_KEYS, MORE_FILE_KEYS
from .setting import Auto, Setting
from .settings import PROJECT_SETTINGS

PYPROJECT = ("tool", "dagger-aml")
"""The table of a pyproject.toml that is a project file."""

ARRAYS = frozenset({"models"})
"""Tables of which the file may have several: ``[[models]]``."""

_ALL = (*FILE_KEYS, *PROJECT_SETTINGS.values(), *MORE_FILE_KEYS, *BUILD_SETTINGS.values())

KEYS: tuple[Setting, ...] = tuple(each for each in _ALL if each.key and not each.unless_file)
"""The record of every key that the file may have."""

REFUSED = {each.key: each for each in _ALL if each.unless_file}
"""Keys that it may not have, though there is such a setting."""

PATHS = frozenset(each.key for each in KEYS if each.path)
"""Keys whose texts are paths, relative to the folder of the file that says them; in tables, and in arrays of them."""


def field_name(key: str) -> str:
    """``entry_script`` for ``entry-script``, ``with_`` for ``with``."""
    return key.replace("-", "_") + ("_" if keyword.iskeyword(key) else "")


def key_name(field: str) -> str:
    """``entry-script`` for ``entry_script``, ``with`` for ``with_``."""
    return field.rstrip("_").replace("_", "-")


def _field(record: Setting) -> tuple[Any, Any]:
    """The type and the attrs field of a key."""
    unsaid: Any = (
        record.default if record.type in (str, bool, Auto) else () if record.type == tuple[str, ...] else None
    )
    metadata = {"setting": record}
    if record.required:
        return record.type, attrs.field(metadata=metadata)
    if record.type == dict[str, str]:
        return record.type, attrs.field(factory=dict, metadata=metadata)
    return record.type, attrs.field(default=unsaid, metadata=metadata)


def _class(name: str, doc: str, body: dict[str, tuple[Any, Any]]) -> type[Any]:
    types = {each: type_ for each, (type_, _) in body.items()}
    fields = {each: field for each, (_, field) in body.items()}
    return frozen(type(name, (), {"__doc__": doc, "__module__": __name__, "__annotations__": types, **fields}))


def _made() -> tuple[dict[str, type[Any]], type[Any]]:
    """The class of each table within the file by its name, and that of the whole file."""
    inner: dict[str, dict[str, tuple[Any, Any]]] = {}
    top: dict[str, tuple[Any, Any]] = {}
    for record in KEYS:
        body = top if len(record.key) == 1 else inner.setdefault(record.key[0], {})
        body[field_name(record.key[-1])] = _field(record)
    tables = {}
    for name, body in inner.items():
        header = f"``[[{name}]]``" if name in ARRAYS else f"``[{name}]``"
        tables[name] = made = _class(f"{name.removesuffix('s').capitalize()}Table", header, body)
        if name in ARRAYS:
            several: Any = tuple[made, ...] | None  # type: ignore[valid-type]
            top[name] = several, attrs.field(default=None)
        else:
            top[name] = made, attrs.field(factory=made)
    return tables, _class("Tables", "The whole file; every key is optional.", top)


TABLES: dict[str, type[Any]]
Tables: type[Any]
TABLES, Tables = _made()
"""The tables within the file by name, and the whole file."""

CodeTable: Any
ModelTable: Any
PreinstalledTable: Any
CodeTable, ModelTable, PreinstalledTable = TABLES["code"], TABLES["models"], TABLES["preinstalled"]
