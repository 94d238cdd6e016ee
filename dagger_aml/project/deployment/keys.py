"""The keys that a deployment file may have, by a table made from azure-ai-ml's schema, and the kinds of values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ...errors import ProjectError
from ...toml import read
from .document import Document

TABLE = Path(__file__).with_name("keys.toml")

_TRUE = frozenset({"t", "T", "true", "True", "TRUE", "on", "On", "ON", "y", "Y", "yes", "Yes", "YES", "1"})
_FALSE = frozenset({"f", "F", "false", "False", "FALSE", "off", "Off", "OFF", "n", "N", "no", "No", "NO", "0"})

_WORDS = {
    "text": "a text",
    "whole": "a whole number",
    "number": "a number",
    "number of 0 to 1": "a number from 0 to 1",
    "flag": "true or false",
    "version": "a text or a number",
    "reference": "a text such as azureml:NAME:VERSION",
}


@cache
def tables() -> Mapping[str, Mapping[str, str]]:
    """Keys and what each takes, by the name of the mapping that they stand in."""
    found = read(TABLE.read_text(encoding="utf-8"))
    return {name: keys for name, keys in found.items() if isinstance(keys, dict)}


def check_keys(
    document: Document, table: str, at: tuple[str | int, ...] = (), optional: tuple[str, ...] = ()
) -> None:
    """See that a mapping has the keys of a table and no others, with values of their kinds, all the way down.

    :param at: the keys above the mapping.
    :param optional: keys that may be missing though the table demands them.
    :raises ProjectError: a key that is unknown, with the nearest one, or missing; a value of another kind.
    """
    _Checker(document).mapping(table, at, _value(document, at), optional)


def _value(document: Document, at: tuple[str | int, ...]) -> Any:
    value: Any = document.data
    for key in at:
        value = value[key]
    return value


class _Checker:
    """Goes through the values of one document."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def mapping(self, table: str, at: tuple[str | int, ...], value: Any, optional: tuple[str, ...] = ()) -> None:
        if not isinstance(value, Mapping):
            raise self.wrong(at, "a mapping of keys to values", value)
        known = tables()[table]
        for key, inner in value.items():
            takes = known.get(key) if isinstance(key, str) else None
            if takes is None:
                raise self.unknown(table, known, at, key)
            if takes != "ignored" or inner is None:
                self.value(takes.removesuffix("!"), (*at, key), inner)
        for key, takes in known.items():
            if takes.endswith("!") and key not in value and key not in optional:
                raise self.document.error(f"`{key}` is missing{_within(at)}", *at)

    def value(self, takes: str, at: tuple[str | int, ...], value: Any) -> None:
        """See that one value is of its kind."""
        kinds = takes.split(" | ")
        if value is None:
            raise self.document.error(
                f"`{_dotted(at)}` has no value", *at, hint="Give it one, or leave the key out; Azure ML refuses it."
            )
        if len(kinds) > 1:
            self.value(self.one_of(kinds, value), at, value)
        elif takes.startswith("list of "):
            if not isinstance(value, list):
                raise self.wrong(at, "a list", value)
            for index, item in enumerate(value):
                self.value(takes.removeprefix("list of "), (*at, index), item)
        elif takes.startswith("mapping"):
            self.any_mapping(takes, at, value)
        elif takes.startswith(("lower: ", "snake: ")):
            self.word(takes, at, value)
        elif takes in tables():
            self.mapping(takes, at, value)
        elif takes != "any" and not _is(takes, value):
            raise self.wrong(at, _WORDS[takes], value)

    def one_of(self, kinds: list[str], value: Any) -> str:
        """The kind, of several, that a value is meant to be."""
        if isinstance(value, str):
            return next((kind for kind in ("reference", "text") if kind in kinds), kinds[-1])
        inner = [kind for kind in kinds if kind in tables()]
        if isinstance(value, Mapping):
            for kind in inner:
                word = tables()[kind].get("type", "")
                if word.startswith("snake: ") and word_of("snake", value.get("type")) in _words(word):
                    return kind
        return inner[-1]

    def any_mapping(self, takes: str, at: tuple[str | int, ...], value: Any) -> None:
        if not isinstance(value, Mapping):
            raise self.wrong(at, "a mapping of names to values", value)
        if takes == "mapping":
            return
        for key, inner in value.items():
            if not isinstance(key, str):
                raise self.document.error(f"a name in `{_dotted(at)}` is no text: {key!r}", *at, hint=_QUOTE)
            if takes != "mapping by text":
                self.value(takes.removeprefix("mapping of "), (*at, key), inner)

    def word(self, takes: str, at: tuple[str | int, ...], value: Any) -> None:
        words = _words(takes)
        if word_of(takes[:5], value) not in words:
            quoted = f'"{str(value).lower()}"' if isinstance(value, bool) and str(value).lower() in words else None
            raise self.document.error(
                f"`{_dotted(at)}` must be {' or '.join(words)}, not {self.shown(at, value)}",
                *at,
                hint=f"Write it in quotes: {at[-1]}: {quoted}" if quoted else None,
            )

    def wrong(self, at: tuple[str | int, ...], words: str, value: Any) -> ProjectError:
        quoted = words == "a text" and isinstance(value, (int, float, bool)) and self.document.written(*at)
        return self.document.error(
            f"`{_dotted(at)}` must be {words}, not {self.shown(at, value)}",
            *at,
            hint=f'Write it in quotes: {at[-1]}: "{quoted}"' if quoted else None,
        )

    def shown(self, at: tuple[str | int, ...], value: Any) -> str:
        if isinstance(value, Mapping):
            return "a mapping"
        if isinstance(value, list):
            return "a list"
        written = self.document.written(*at)
        return repr(value) if isinstance(value, str) or written is None else written

    def unknown(self, table: str, known: Mapping[str, str], at: tuple[str | int, ...], key: object) -> ProjectError:
        import difflib

        near = difflib.get_close_matches(str(key), known, 1, 0.6)
        elsewhere = [name for name in tables()["managed_online_deployment"] if at and name == key]
        if table == "anonymous_environment" and key in ("channels", "dependencies", "prefix"):
            hint = "It belongs into a conda file. Put what that has below `conda_file:`."
        elif near:
            hint = f"Did you mean {near[0]!r}?"
        elif elsewhere:
            hint = f"{key!r} belongs to the deployment, not into `{_dotted(at)}`: look at its indent."
        else:
            hint = "Known: " + ", ".join(name for name, takes in known.items() if takes != "ignored") + "."
        return self.document.error(f"unknown key {str(key)!r}{_within(at)}", *at, str(key), hint=hint)


_QUOTE = "Write it in quotes."


def word_of(how: str, value: object) -> str | None:
    """A word as Azure ML compares it: in lower case, or with ``TargetUtilization`` as ``target_utilization`` too."""
    if not isinstance(value, str):
        return None
    if how == "lower":
        return value.lower()
    value = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", value)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", value).lower()


def _words(takes: str) -> list[str]:
    return takes.removesuffix("!").partition(": ")[2].split(", ")


def _is(kind: str, value: object) -> bool:
    """Whether a value is of a kind that is no mapping, as marshmallow has it: "3" and 3.0 are whole numbers."""
    if kind == "flag":
        return value in (0, 1) or (isinstance(value, str) and value in _TRUE | _FALSE)
    if kind == "version":
        return isinstance(value, (str, int, float))
    if (
        kind in ("whole", "number", "number of 0 to 1")
        and isinstance(value, (str, int, float))
        and not isinstance(value, bool)
    ):
        try:
            number = int(value) if kind == "whole" else float(value)
        except (ValueError, OverflowError):
            return False
        return kind == "whole" or (0 <= number <= 1 if "of" in kind else abs(number) < float("inf"))
    return kind in ("text", "reference") and isinstance(value, str)


def _dotted(at: tuple[str | int, ...]) -> str:
    return ".".join(map(str, at))


def _within(at: tuple[str | int, ...]) -> str:
    return f" in `{_dotted(at)}`" if at else ""
