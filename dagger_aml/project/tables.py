"""The tables of the project file as attrs classes, made from the records of the settings."""

from __future__ import annotations

from typing import Any

import attrs

from ..data import frozen
from .keys import ARRAYS, KEYS, field_name, unsaid
from .setting import Setting


def _field(record: Setting) -> tuple[Any, Any]:
    """The type and the attrs field of a key."""
    metadata = {"setting": record}
    if record.required:
        return record.type, attrs.field(metadata=metadata)
    if record.type == dict[str, str]:
        return record.type, attrs.field(factory=dict, metadata=metadata)
    return record.type, attrs.field(default=unsaid(record), metadata=metadata)


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
