"""How programs may give settings: mappings, paths and secrets at hand, where a command line has texts alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..text import texts
from .origin import located

if TYPE_CHECKING:
    from ..graph.mount import Secret

_ELSEWHERE = ("env=", "src=", "source=")
"""How a text begins that says where a secret is."""


def path_text(path: str | os.PathLike[str] | None) -> str | None:
    """A path as a flag says it."""
    return None if path is None else os.fspath(path)


def pair_texts(pairs: Mapping[str, str] | str | Iterable[str]) -> tuple[str, ...]:
    """``NAME=VALUE`` for each pair; texts are such already.

    :raises UsageError: a name that is empty or has a ``=``, or a value that is no text.
    """
    if not isinstance(pairs, Mapping):
        return texts(pairs)
    for name, value in pairs.items():
        if not isinstance(name, str) or not name or "=" in name:
            raise UsageError(f"not the name of a variable or label: {name!r}", location="Options")
        if not isinstance(value, str):
            raise UsageError(f"the value of {name} is no text: {value!r}", location="Options")
    return tuple(f"{name}={value}" for name, value in pairs.items())


def model_texts(models: Mapping[str, str | os.PathLike[str]] | str | Iterable[str]) -> tuple[str, ...]:
    """``NAME:VERSION=PATH`` for each pair; raises as :func:`pair_texts`."""
    return pair_texts(
        {name: os.fspath(path) for name, path in models.items()} if isinstance(models, Mapping) else models
    )


def secrets_given(
    secrets: Mapping[str, str | bytes | Secret] | str | Secret | Iterable[str | Secret],
) -> tuple[str | Secret, ...]:
    """Secrets by their values or as they are, and texts that say where others are.

    :raises UsageError: an id that is none, or no value; the value is not shown.
    """
    if secrets == ():
        return ()
    from ..graph.mount import Secret

    if isinstance(secrets, str | Secret):
        return (secrets,)
    if not isinstance(secrets, Mapping):
        return tuple(secrets)
    return tuple(_secret(id, value) for id, value in secrets.items())


def _secret(id: str, value: str | bytes | Secret) -> Secret:
    from ..graph.mount import Secret

    where = f"Options(secret={{{id!r}: …}})"
    if isinstance(value, Secret):
        if value.id != id:
            raise UsageError(f"the secret {value.id} is given as {id}", location=where)
        return value
    if not isinstance(value, str | bytes) or not value:
        raise UsageError("neither text nor bytes, or empty", location=where)
    if isinstance(value, str) and value.startswith(_ELSEWHERE):
        raise UsageError(
            "this says where the secret is, and a mapping has its value",
            location=where,
            hint=f"Write Options(secret=['id={id},env=NAME']). If it is the value, give it as bytes.",
        )
    with located(where, always=True):
        return Secret.of(id, value)
