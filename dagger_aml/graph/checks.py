"""What may stand in a graph: every string is checked where the graph is made (docs/design.md, law 2)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from ..errors import GraphError
from ..text import pattern
from .values import FromBase, Value

_CONTROL = pattern(r"[\x00-\x1f\x7f]")
ENV_NAME = pattern(r"[A-Za-z_][A-Za-z0-9_]*\Z")


LABEL_NAME = pattern(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?\Z")


_USER = pattern(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\$?(?::[A-Za-z0-9_][A-Za-z0-9_.-]*\$?)?\Z")


_PLATFORM = pattern(r"linux/[a-z0-9]+(?:/v[0-9]+)?\Z")


DIGEST = pattern(r"sha256:[0-9a-f]{64}\Z")


_LONGEST_PATH, _LONGEST_NAME = 4095, 255
"""Bytes of a path, and of one name in it, that Linux takes; the second also of the names of variables and labels."""


_LONGEST_WORD = 128 * 1024 - 1 - 256
"""Bytes of one word or ``NAME=value`` that Linux starts a program with (MAX_ARG_STRLEN), less the longest name."""


_REFERENCE = pattern(
    r"(?P<name>(?:(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?\Z"
)


def check_text(what: str, value: object, *, newline: bool = True) -> str:
    """Return ``value`` if it can stand in an image exactly as it is.

    :param what: the field's name, for the message.
    :param newline: whether CR and LF may be in it (argv: yes; env and label values: no, Dockerfiles eat them).
    :raises GraphError: not a string, NUL or a lone surrogate in it, or a newline where none may be.
    """
    if not isinstance(value, str):
        raise GraphError(f"{what} must be text, not {type(value).__name__}: {value!r}")
    if "\0" in value:
        raise GraphError(f"{what} holds a NUL character: {short(value)}")
    if not newline and ("\n" in value or "\r" in value):
        raise GraphError(
            f"{what} holds a line break: {short(value)}",
            hint="A Dockerfile cannot contain it here. Put the text in a file of the code folder instead.",
        )
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise GraphError(f"{what} is not valid UTF-8: {short(value)}") from None
    return value


def check_path(what: str, value: object) -> str:
    """Return ``value`` if it is an absolute, normalised path of the image, without control characters.

    :raises GraphError: relative, ``..`` or ``.`` in it, doubled or trailing slashes, control characters, or longer
        than Linux takes.
    """
    text = check_text(what, value, newline=False)
    if _CONTROL.search(text):
        raise GraphError(f"{what} holds a control character: {short(text)}")
    if not text.startswith("/"):
        raise GraphError(f"{what} must be absolute: {short(text)}")
    if text.startswith("//") or posixpath.normpath(text) != text:
        raise GraphError(f"{what} must be a plain path without '.', '..' or doubled slashes: {short(text)}")
    if len(text.encode()) > _LONGEST_PATH or any(len(name.encode()) > _LONGEST_NAME for name in text.split("/")):
        raise GraphError(f"{what} is longer than a Linux path can be: {short(text)}")
    return text


def parse_reference(text: str, what: str = "the reference") -> tuple[str, str | None, str | None]:
    """Split an image reference into name, tag and digest.

    :raises GraphError: the text is not one, by the grammar of the distribution project's ``reference`` package
        (host with optional port, lower-case repository, tag of at most 128 characters, sha256 digest).
    """
    match = _REFERENCE.match(check_text(what, text, newline=False))
    if not match or len(match["name"]) > 255:
        raise GraphError(
            f"{what} is not an image reference: {short(text)}",
            hint="Write [HOST[:PORT]/]REPOSITORY[:TAG][@sha256:DIGEST], the repository in lower case.",
        )
    return match["name"], match["tag"], match["digest"]


def check_platform(text: object) -> str:
    """Return ``text`` if it is a platform such as ``linux/amd64``.

    :raises GraphError: it is not.
    """
    found = check_text("platform", text, newline=False)
    if not _PLATFORM.match(found):
        raise GraphError(f"not a platform: {short(found)}", hint="Write linux/amd64 or linux/arm64.")
    return found


def short(text: str) -> str:
    """A text as messages show it: quoted, and cut beyond 80 characters."""
    shown = repr(text)
    return shown if len(shown) <= 80 else f"{shown[:70]}… ({len(text)} characters)"


def valid_value(what: str, value: Value, *, newline: bool = True) -> Value:
    """Return a value of which a program is started with: a word of a command, or a variable's.

    :param newline: whether it may hold line ends.
    :raises GraphError: it is no text that every builder keeps, or is longer than Linux takes.
    """
    parts = (value.before, value.after) if isinstance(value, FromBase) else (value,)
    if sum(len(check_text(what, part, newline=newline).encode()) for part in parts) > _LONGEST_WORD:
        raise GraphError(
            f"{what} is longer than {_LONGEST_WORD:,} bytes, Linux's limit for one argument of a program",
            hint="Put the text in a file of the code folder instead.",
        )
    return value


def valid_env(_: Any, attribute: Any, env: Mapping[str, Value]) -> None:
    """Refuse names that are no variables', and values as :func:`valid_value` does. Raises GraphError."""
    for name, value in env.items():
        if not isinstance(name, str) or not ENV_NAME.match(name) or len(name) > _LONGEST_NAME:
            raise GraphError(f"{attribute.name}: not a variable name: {short(str(name))}")
        valid_value(f"{attribute.name}.{name}", value, newline=False)


def valid_labels(_: Any, attribute: Any, labels: Mapping[str, str]) -> None:
    """Refuse names that are no labels', and values with line ends or too long for builders. Raises GraphError."""
    for name, value in labels.items():
        if not isinstance(name, str) or not LABEL_NAME.match(name) or len(name) > _LONGEST_NAME:
            raise GraphError(f"not a label name: {short(str(name))}")
        check_text(f"label {name}", value, newline=False)
        if len(value.encode()) > _LONGEST_WORD:
            # Docker's builders take time with the square of a value's length: half an hour for a mebibyte.
            raise GraphError(
                f"label {name} is longer than {_LONGEST_WORD:,} bytes",
                hint="Put the text in a file of the code folder instead.",
            )


def valid_argv(_: Any, attribute: Any, argv: tuple[Value, ...]) -> None:
    """Refuse an empty command, one whose first word is no absolute path, and words that no program takes.

    :raises GraphError: it is one of these.
    """
    if not argv:
        raise GraphError(f"{attribute.name} is empty")
    for index, word in enumerate(argv):
        valid_value(f"{attribute.name}[{index}]", word)
    if isinstance(argv[0], str):
        check_path("argv[0]", argv[0])


def valid_user(_: Any, attribute: Any, user: Any) -> None:
    """Refuse what is not ``NAME``, ``UID`` or ``UID:GID``; None and a placeholder pass. Raises GraphError."""
    if user is None or isinstance(user, FromBase):
        return
    if not _USER.match(check_text(attribute.name, user, newline=False)):
        raise GraphError(f"{attribute.name} is not a user: {short(user)}", hint="Write NAME, UID or UID:GID.")


def valid_path(_: Any, attribute: Any, path: Any) -> None:
    """Refuse what :func:`check_path` refuses. Raises GraphError."""
    check_path(attribute.name, path)


def valid_optional_path(_: Any, attribute: Any, path: Any) -> None:
    """The same; None passes."""
    if path is not None:
        check_path(attribute.name, path)


def valid_built_path(_: Any, attribute: Any, path: Any) -> None:
    """The same, and characters that builders take for a pattern in a COPY from a stage."""
    if set(check_path(attribute.name, path)) & set("*?[]\\"):
        raise GraphError(
            f"{attribute.name} of a Built contains a character that builders read as a pattern: {path!r}"
        )


def valid_touches(_: Any, attribute: Any, paths: tuple[Value, ...] | None) -> None:
    """Refuse paths as :func:`check_path` does; None and placeholders pass. Raises GraphError."""
    for index, path in enumerate(paths or ()):
        if isinstance(path, FromBase):
            valid_value(f"{attribute.name}[{index}]", path, newline=False)
        else:
            check_path(f"{attribute.name}[{index}]", path)


def valid_optional_id(_: Any, attribute: Any, number: Any) -> None:
    """Refuse what :func:`valid_id` refuses; None and a placeholder pass. Raises GraphError."""
    if number is not None and not isinstance(number, FromBase):
        valid_id(_, attribute, number)


def valid_id(_: Any, attribute: Any, number: Any) -> None:
    """Refuse what is no number of a user or a group. Raises GraphError."""
    if type(number) is not int or not 0 <= number < 2**32 - 1:
        raise GraphError(f"{attribute.name} is not a user or group number: {number!r}")


def valid_mode(_: Any, attribute: Any, mode: Any) -> None:
    """Refuse a mode of more than permission bits, 0 to 0o777. Raises GraphError."""
    if type(mode) is not int or not 0 <= mode <= 0o777:
        raise GraphError(f"{attribute.name} must be a mode with permission bits only: {mode!r}")


def frozen_mapping(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """A copy that cannot be changed."""
    return MappingProxyType(dict(value))


def as_tuple(value: Iterable[Any]) -> tuple[Any, ...]:
    """A tuple of what was given.

    :raises GraphError: it is one text, whose letters nobody means.
    """
    if isinstance(value, str | bytes):
        raise GraphError(f"expected a list, not a single text: {short(str(value))}", hint="Put it in brackets.")
    return tuple(value)


def as_optional_tuple(value: Iterable[Any] | None) -> tuple[Any, ...] | None:
    """The same; None stays None."""
    return None if value is None else as_tuple(value)


def no_mapping() -> Mapping[str, Any]:
    """An empty mapping that cannot be changed."""
    return MappingProxyType({})
