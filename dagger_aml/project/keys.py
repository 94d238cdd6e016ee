"""The keys of the project file, each by the record of its setting, and what holds where none is said."""

from __future__ import annotations

import keyword
from functools import cache
from types import SimpleNamespace
from typing import Any

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


def unsaid(record: Setting) -> Any:
    """What a table has where the file does not say a key that it need not have."""
    if record.type == dict[str, str]:
        return {}
    if record.type == tuple[str, ...]:
        return ()
    return record.default if record.type in (str, bool, Auto) else None


def nothing_said() -> Any:
    """The tables of a file that says nothing, without the classes of :mod:`.tables`: many projects have no file."""
    found = SimpleNamespace(**dict.fromkeys(ARRAYS))
    for table, name, value in _unsaid():
        there = vars(found).setdefault(table, SimpleNamespace()) if table else found
        setattr(there, name, {} if isinstance(value, dict) else value)
    return found


@cache
def _unsaid() -> tuple[tuple[str, str, Any], ...]:
    """Table, or an empty text at the top, field and value of each key of which there is one."""
    return tuple(
        (record.key[0] if len(record.key) > 1 else "", field_name(record.key[-1]), unsaid(record))
        for record in KEYS
        if record.key[0] not in ARRAYS
    )
