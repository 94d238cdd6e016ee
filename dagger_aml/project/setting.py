"""One record for a setting: its flag, variable and file key, and every word about it.

A record stands in the metadata of the attrs field that holds the flag's value (:class:`~.settings.Options`,
:class:`~.build_settings.BuildOptions`), or in :data:`~.settings.FILE_KEYS` where only a file says it. Flags, tables
of the project file, ``init`` and the reference pages are made from it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from attrs import fields

from ..data import frozen
from .origin import Origin, Rank, Stated

Scope = Literal["project", "build"]

Auto = bool | Literal["auto"]
"""The type of a key that is ``true``, ``false`` or decided by what is found."""

_SETTING = "setting"


@frozen(kw_only=True)
class Setting:
    """What can be set.

    :param name: of the field that holds it, as ``entry_script``.
    :param scope: ``project`` for what decides the image, ``build`` for how a command makes it.
    :param flag: as ``--entry-script``; None for what only a file says. ``short`` as ``-j``.
    :param variable: that says the same; None for none.
    :param key: of the project file, its table first; empty for none.
    :param type: of the key's value in the file.
    :param required: whether a table of the file must have the key.
    :param default: what holds where nothing says it; None where that is found or nothing.
    :param choices: all that it may be; empty for anything.
    :param least: the least number that it may be.
    :param repeatable: whether the flag may be given several times.
    :param help: of the flag. ``says`` the same for the file's key, in Markdown.
    :param example: a value of the key, as TOML.
    :param unsaid: what holds without the key, in Markdown, where ``default`` does not tell.
    :param unless_file: why a file may not say it, for what is set by flag and variable alone.
    :param unless_own: why a project's own file may not say it, but only one that it extends.
    :param path: whether the key's text is a path, relative to the folder of the file that says it.
    """

    name: str = ""
    scope: Scope = "project"
    flag: str | None = None
    short: str | None = None
    variable: str | None = None
    key: tuple[str, ...] = ()
    type: Any = str | None
    required: bool = False
    default: str | float | bool | None = None
    choices: tuple[str, ...] = ()
    least: float | None = None
    repeatable: bool = False
    help: str = ""
    says: str = ""
    metavar: str | None = None
    example: str = ""
    unsaid: str | None = None
    unless_file: str | None = None
    unless_own: str | None = None
    path: bool = False

    @property
    def otherwise(self) -> str | None:
        """What holds where nothing says it, in Markdown; None for nothing."""
        if self.unsaid or self.default is None:
            return self.unsaid
        return f"`{as_said(self.default)}`"


def setting(**said: Any) -> dict[str, dict[str, Any]]:
    """The metadata of a field, what its record says; the names of flag and variable follow from the field's."""
    return {_SETTING: said}


def settings_of(cls: type, scope: Scope) -> dict[str, Setting]:
    """The records of a class's fields by name, with their flags and variables."""
    found = {}
    for each in fields(cls):
        said: dict[str, Any] = each.metadata[_SETTING]
        flag = "--" + each.name.replace("_", "-")
        variable = None if said.get("repeatable") else f"DAGGER_AML_{each.name.upper()}"
        found[each.name] = Setting(**{"name": each.name, "scope": scope, "flag": flag, "variable": variable, **said})
    return found


def spellings(variable: str | None) -> tuple[str, ...]:
    """A variable's name as programs look for it: those of proxies in lower case first."""
    if variable is None or variable.startswith("DAGGER_AML_"):
        return (variable,) if variable else ()
    return (variable.lower(), variable)


_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


def truth_of(said: object) -> bool:
    """What is true or false, which a variable says as a text.

    :raises ValueError: neither.
    """
    word = str(said).lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(f"neither true nor false: {said!r}")
    return word in _TRUE


def says_same(variable: str, value: object) -> bool:
    """Whether a variable's text says what a file's value does."""
    try:
        if isinstance(value, bool):
            return truth_of(variable) == value
        return float(variable) == value if isinstance(value, int | float) else variable == str(value)
    except ValueError:
        return False


def as_said(value: object) -> str:
    """A value as variables and files say it: ``true`` for True, ``300`` for 300.0."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def typed(record: Setting, flag: Any, environ: Mapping[str, str] = os.environ) -> Iterator[Stated]:
    """What the flag and the variable say of a setting; empty texts say nothing.

    :param flag: the flag's value.
    """
    if flag is not None and flag not in ("", ()):
        yield Stated(flag, Origin(Rank.FLAG, setting=record.name))
    for spelt in spellings(record.variable):
        if environ.get(spelt):
            yield Stated(environ[spelt], Origin(Rank.VARIABLE, variable=spelt))
