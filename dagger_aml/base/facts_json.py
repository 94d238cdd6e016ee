"""Facts of bases as JSON, and back: every push reads and writes some, so without what a library loads for that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import attrs

from .facts import BaseFacts, Distribution, PathFact
from .known import KnownFacts

T = TypeVar("T")

Reader = Callable[[Any], Any]
"""Gives the value of a field from what JSON has in its place, or raises a ValueError."""


def written(value: object, *, defaults: bool = True) -> Any:
    """An object as what JSON knows: fields by their names, sets as sorted lists, tuples as lists.

    :param defaults: whether fields are there whose value is the one that they have unless given.
    """
    if attrs.has(value.__class__):
        return {
            each.name: written(found, defaults=defaults)
            for each in attrs.fields(value.__class__)
            for found in (getattr(value, each.name),)
            if defaults or found != _default(each)
        }
    if isinstance(value, Mapping):
        return {name: written(each, defaults=defaults) for name, each in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    return [written(each, defaults=defaults) for each in value] if isinstance(value, tuple) else value


def read(kind: type[T], fields: Mapping[str, Reader], data: object) -> T:
    """An object of a class that attrs made, from what JSON has of it.

    :param fields: what reads each field. One that is not there gets its default.
    :raises ValueError: there is another field, one of the wrong kind, or one is missing.
    """
    found = _object(data)
    if not found.keys() <= fields.keys():
        raise ValueError(sorted(found.keys() - fields.keys()))
    try:
        return kind(**{name: fields[name](each) for name, each in found.items()})
    except TypeError as error:
        raise ValueError(kind) from error


def read_known(data: object) -> KnownFacts:
    """What was found out about a base. Raises as :func:`read`."""
    return read(KnownFacts, _KNOWN, data)


def text(data: object) -> str:
    """A text."""
    return _plain(str, data)


def number(data: object) -> int:
    """A whole number."""
    return _plain(int, data)


def fraction(data: object) -> float:
    """A number."""
    return data if isinstance(data, float) else float(_plain(int, data))


def optional(reader: Reader) -> Reader:
    """Reads what may be nothing."""
    return lambda data: None if data is None else reader(data)


def _plain(kind: type[T], data: object) -> T:
    if type(data) is not kind:
        raise ValueError(kind)
    return data


def _flag(data: object) -> bool:
    return _plain(bool, data)


def _one_of(*words: str) -> Reader:
    def reader(data: object) -> object:
        if data not in words:
            raise ValueError(words)
        return data

    return reader


def _object(data: object) -> Mapping[str, Any]:
    return _plain(dict, data)


def _tuple_of(reader: Reader) -> Reader:
    return lambda data: tuple(reader(each) for each in _plain(list, data))


def _mapping_of(reader: Reader) -> Reader:
    return lambda data: {name: reader(each) for name, each in _object(data).items()}


def _set(data: object) -> frozenset[str]:
    return frozenset(map(text, _plain(list, data)))


def _default(of: Any) -> object:
    factory = getattr(of.default, "factory", None)
    return factory() if factory else of.default


_texts = _tuple_of(text)

_DISTRIBUTION: Mapping[str, Reader] = {"name": text, "version": text, "requires": _texts}

_PATH: Mapping[str, Reader] = {
    "type": _one_of("dir", "file", "link", "other"),
    "mode": number,
    "uid": number,
    "gid": number,
    "target": text,
}

_FACTS: Mapping[str, Reader] = {
    "source": _one_of("catalog", "assumed", "probed"),
    "user": text,
    "uid": number,
    "gid": number,
    "workdir": text,
    "environment": optional(text),
    "environment_uid": number,
    "environment_gid": number,
    "interpreter": optional(text),
    "python": optional(text),
    "pip": _flag,
    "managed": _flag,
    "server": optional(text),
    "starts": optional(_flag),
    "extras": optional(_flag),
    "env": _mapping_of(text),
    "entrypoint": _texts,
    "cmd": _texts,
    "onbuild": optional(_texts),
    "volumes": optional(_texts),
    "paths": _mapping_of(lambda data: read(PathFact, _PATH, data)),
    "full_python": text,
    "glibc": text,
    "distributions": optional(_tuple_of(lambda data: read(Distribution, _DISTRIBUTION, data))),
}

_KNOWN: Mapping[str, Reader] = {
    "facts": lambda data: read(BaseFacts, _FACTS, data),
    "asked": _set,
    "listed": _mapping_of(_set),
}
