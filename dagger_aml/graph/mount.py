"""Files that a command sees and no layer holds, and the secrets among them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, NoReturn

from attrs import field

from ..data import frozen
from ..errors import UsageError
from ..text import expanded, named, pattern
from .checks import as_tuple

SECRET_IDS: Final[Mapping[str, str]] = {
    "pip": "a pip.conf, or an index URL with its credentials",
    "netrc": "a .netrc file",
    "azure-artifacts": "a token for Azure Artifacts feeds",
    "apt": "an apt auth.conf file (apt_auth.conf(5))",
}
"""The secrets that steps know, and what each holds; any other id is for commands of a recipe's own."""


LARGEST_SECRET: Final = 500 * 1024
"""Bytes; BuildKit takes no larger one."""


_ID = pattern(r"[a-z0-9][a-z0-9._-]{0,63}\Z")


_PATH = pattern(r"(?:/[A-Za-z0-9._-]+)+\Z")


class Secret:
    """A value that is mounted where a command needs it and shown nowhere.

    It cannot be printed, pickled or written as JSON; the value is read when a builder needs it.

    :param id: names it, for messages.
    :param read: gives the value; raises UsageError where it cannot.
    """

    __slots__ = ("_read", "id")

    id: str
    _read: Callable[[], bytes]

    def __init__(self, id: str, read: Callable[[], bytes]) -> None:
        if not _ID.match(id):
            raise UsageError(
                f"not a secret id: {id!r}",
                location=named("secret"),
                hint="Use only lower-case letters, digits, dots and dashes.",
            )
        self.id = id
        self._read = read

    @classmethod
    def of(cls, id: str, value: str | bytes) -> Secret:
        """A secret whose value is at hand."""
        data = value.encode() if isinstance(value, str) else value
        return cls(id, lambda: data)

    @classmethod
    def parse(cls, text: str, *, location: str | None = None, root: Path | None = None) -> Secret:
        """Read ``id=ID,env=NAME`` or ``id=ID,src=FILE``, as buildx has it.

        :param location: where the text stands, for messages.
        :param root: what a relative file is relative to; the working directory unless given.
        :raises UsageError: something else; the value itself is not looked at yet.
        """
        location = location or named("secret")
        said: dict[str, str] = {}
        for part in text.split(","):
            key, equals, value = part.partition("=")
            if not equals or not value or key in said:
                raise _not_a_secret(location)
            said[key] = value
        id, type_ = said.pop("id", ""), said.pop("type", None)
        source, variable = said.pop("src", None) or said.pop("source", None), said.pop("env", None)
        if said or not id or type_ not in (None, "file", "env") or (source is None) == (variable is None):
            raise _not_a_secret(location)
        if variable is not None:
            return cls(id, lambda: _from_variable(id, variable, location))
        assert source is not None
        path = (root or Path()) / expanded(source)
        return cls(id, lambda: _from_file(id, path, location))

    def reveal(self) -> bytes:
        """The value, for a builder alone.

        :raises UsageError: it cannot be read, or is larger than builders take.
        """
        value = self._read()
        if len(value) > LARGEST_SECRET:
            raise UsageError(
                f"the secret {self.id} is larger than {LARGEST_SECRET // 1024} KiB", location=named("secret")
            )
        return value

    def __repr__(self) -> str:
        return f"Secret({self.id!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"the secret {self.id} cannot be serialized")


def _not_a_secret(location: str) -> UsageError:
    # The text is not shown: it may be the value itself, given by mistake.
    return UsageError(
        "expected id=ID,env=NAME or id=ID,src=FILE for a secret",
        location=location,
        hint="Do not write the value on the command line. Write for example "
        f"`{named('secret', 'id=pip,env=PIP_INDEX')}`.",
    )


def _from_variable(id: str, name: str, location: str) -> bytes:
    value = os.environ.get(name)
    if not value:
        raise UsageError(f"the secret {id} comes from ${name}, which is not set", location=location)
    return value.encode()


def _from_file(id: str, path: Path, location: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the secret {id} cannot be read from {path} ({error.strerror})", location=location
        ) from None


def _strings(values: Iterable[str]) -> tuple[str, ...]:
    return as_tuple(values)


def _pairs(values: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((what, url) for what, url in values)


@frozen
class Mount:
    """A file that a command sees and that no layer holds.

    :param id: names it among a build's files.
    :param path: where the command sees it: a new file in ``/run``.
    :param value: what it holds.
    :param key: what else of it decides the result; empty for proxies, CAs and the like.
    :param variables: of the command, each set to the path.
    :param mode: 0o400, owned by the command's user; 0o444 for what is no secret.
    :param holds: what the file is, for whoever has to give it.
    :param secrets: ids of the secrets that it is made of.
    :param sources: URLs of indexes in it, each after what it is: ``("index-url", "https://…")``.
    """

    id: str = field()
    path: str = field()
    value: Secret = field(eq=False)
    _key: str = ""
    variables: tuple[str, ...] = ()
    mode: int = 0o400
    holds: str = "a file"
    secrets: tuple[str, ...] = field(default=(), converter=_strings)
    sources: tuple[tuple[str, str], ...] = field(default=(), converter=_pairs)

    def __attrs_post_init__(self) -> None:
        if not _ID.match(self.id) or not _PATH.match(self.path):
            raise UsageError(f"not the id and path of a mount: {self.id!r}, {self.path!r}", location="Mount")

    @property
    def keys(self) -> tuple[str, ...]:
        """What of it decides the result, a line each: what was said so, the sources, the secrets' ids."""
        return (*self._key.splitlines(), *self._typed)

    @property
    def key(self) -> str:
        """The same in one text, for digests; empty where nothing of it decides the result."""
        return "\n".join(each for each in (self._key, *self._typed) if each)

    @property
    def _typed(self) -> tuple[str, ...]:
        secrets = (" ".join(("secret", *self.secrets)),) if self.secrets else ()
        return (*(f"{what} {url}" for what, url in self.sources), *secrets)

    @property
    def contents(self) -> tuple[str, str, str]:
        """Which file it is: mounts of one build with the same are one file, wherever commands see it."""
        return self.id, self.key, self.holds

    @property
    def cache_key(self) -> str:
        """A name of that file, for who keeps files of several mounts and builds apart."""
        return f"{self.id}-{_short_digest(*self.contents)}"


def mount_ids(mounts: Iterable[Mount]) -> dict[Mount, str]:
    """The id of each mount among a build's secrets: its own; ``ID-2`` and so on where another file took that before.

    The ids depend on the mounts' order and on nothing that may change from build to build, so that a person can type
    them, and a cache finds them again.
    """
    mounts = list(dict.fromkeys(mounts))
    files: dict[tuple[str, str, str], str] = {}
    own = {mount.id for mount in mounts}
    for mount in mounts:
        name, number = mount.id, 1
        while name in files.values() or (number > 1 and name in own):
            number += 1
            name = f"{mount.id}-{number}"
        files.setdefault(mount.contents, name)
    return {mount: files[mount.contents] for mount in mounts}


def seen_by(mounts: Iterable[Mount]) -> str:
    """A short digest of what a command's mounts say beside their ids, such as the URLs of indexes; empty for nothing.

    Builders remember a command by its words and the ids of its mounts, and never look at a mount's value.
    """
    keys = [mount.key for mount in mounts if mount.key and mount.key != f"secret {mount.id}"]
    return _short_digest(*keys) if keys else ""


def _short_digest(*texts: str) -> str:
    import hashlib

    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]
