"""What an image can be made of, as frozen data.

A :class:`Graph` is a base, layer ops (:class:`Run` and :class:`Copy`, the only two things that make files) and a
:class:`Config` (what the image says of itself). It knows neither Azure ML nor Dagger nor Dockerfiles. Every string
is checked where the graph is made, so that a graph that exists can be carried out by every back end or is refused
by ``resolve`` for what its base holds (the design's law 2).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal

from attrs import evolve, field, frozen

from .access import Access, Mount
from .errors import GraphError

DEFAULT_PLATFORM = "linux/amd64"

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_LABEL_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?\Z")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\$?(?::[A-Za-z0-9_][A-Za-z0-9_.-]*\$?)?\Z")
_PLATFORM = re.compile(r"linux/[a-z0-9]+(?:/v[0-9]+)?\Z")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_LONGEST_PATH, _LONGEST_NAME = 4095, 255
"""Bytes of a path, and of one name in it, that Linux takes; the second also of the names of variables and labels."""
_LONGEST_WORD = 128 * 1024 - 1 - 256
"""Bytes of one word or ``NAME=value`` that Linux starts a program with (MAX_ARG_STRLEN), less the longest name."""
_REFERENCE = re.compile(
    r"(?P<name>(?:(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?\Z"
)


# --- values that the base decides ---------------------------------------------------------------------------------


@frozen
class FromBase:
    """A placeholder for a fact of the base image; ``resolve`` puts a literal in its place.

    :param fact: a name in :attr:`dagger_aml.facts.BaseFacts.literals`, such as ``environment``.
    :param before: text put before the fact's value.
    :param after: text put after it.
    """

    fact: str
    before: str = ""
    after: str = ""


Value = str | FromBase
Number = int | FromBase


def check_text(what: str, value: object, *, newline: bool = True) -> str:
    """Return ``value`` if it can stand in an image exactly as it is.

    :param what: the field's name, for the message.
    :param newline: whether CR and LF may be in it (argv: yes; env and label values: no, Dockerfiles eat them).
    :raises GraphError: not a string, NUL or a lone surrogate in it, or a newline where none may be.
    """
    if not isinstance(value, str):
        raise GraphError(f"{what} must be text, not {type(value).__name__}: {value!r}")
    if "\0" in value:
        raise GraphError(f"{what} holds a NUL character: {_short(value)}")
    if not newline and ("\n" in value or "\r" in value):
        raise GraphError(
            f"{what} holds a line break: {_short(value)}",
            do="A Dockerfile cannot carry one here; put the text in a file of the code folder instead.",
        )
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise GraphError(f"{what} is not valid UTF-8: {_short(value)}") from None
    return value


def check_path(what: str, value: object) -> str:
    """Return ``value`` if it is an absolute, normalised path of the image, without control characters.

    :raises GraphError: relative, ``..`` or ``.`` in it, doubled or trailing slashes, control characters, or longer
        than Linux takes.
    """
    text = check_text(what, value, newline=False)
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise GraphError(f"{what} holds a control character: {_short(text)}")
    if not text.startswith("/"):
        raise GraphError(f"{what} must be absolute: {_short(text)}")
    if text.startswith("//") or posixpath.normpath(text) != text:
        raise GraphError(f"{what} must be a plain path without '.', '..' or doubled slashes: {_short(text)}")
    if len(text.encode()) > _LONGEST_PATH or any(len(name.encode()) > _LONGEST_NAME for name in text.split("/")):
        raise GraphError(f"{what} is longer than a Linux path can be: {_short(text)}")
    return text


def parse_reference(text: str, what: str = "the reference") -> tuple[str, str | None, str | None]:
    """Split an image reference into name, tag and digest.

    :raises GraphError: the text is not one, by the grammar of the distribution project's ``reference`` package
        (host with optional port, lower-case repository, tag of at most 128 characters, sha256 digest).
    """
    match = _REFERENCE.match(check_text(what, text, newline=False))
    if not match or len(match["name"]) > 255:
        raise GraphError(
            f"{what} is not an image reference: {_short(text)}",
            do="Write [HOST[:PORT]/]REPOSITORY[:TAG][@sha256:DIGEST], the repository in lower case.",
        )
    return match["name"], match["tag"], match["digest"]


def check_platform(text: object) -> str:
    """Return ``text`` if it is a platform such as ``linux/amd64``.

    :raises GraphError: it is not.
    """
    found = check_text("platform", text, newline=False)
    if not _PLATFORM.match(found):
        raise GraphError(f"not a platform: {_short(found)}", do="Write linux/amd64 or linux/arm64.")
    return found


def _short(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= 80 else f"{shown[:70]}… ({len(text)} characters)"


def _value(what: str, value: Value, *, newline: bool = True) -> Value:
    parts = (value.before, value.after) if isinstance(value, FromBase) else (value,)
    if sum(len(check_text(what, part, newline=newline).encode()) for part in parts) > _LONGEST_WORD:
        raise GraphError(
            f"{what} is longer than the {_LONGEST_WORD:,} bytes with which Linux can start a program",
            do="Put the text in a file of the code folder instead.",
        )
    return value


def _env(_: Any, attribute: Any, env: Mapping[str, Value]) -> None:
    for name, value in env.items():
        if not isinstance(name, str) or not _ENV_NAME.match(name) or len(name) > _LONGEST_NAME:
            raise GraphError(f"{attribute.name}: not a variable name: {_short(str(name))}")
        _value(f"{attribute.name}.{name}", value, newline=False)


def _labels(_: Any, attribute: Any, labels: Mapping[str, str]) -> None:
    for name, value in labels.items():
        if not isinstance(name, str) or not _LABEL_NAME.match(name) or len(name) > _LONGEST_NAME:
            raise GraphError(f"not a label name: {_short(str(name))}")
        check_text(f"label {name}", value, newline=False)
        if len(value.encode()) > _LONGEST_WORD:
            # Docker's builders take time with the square of a value's length: half an hour for a mebibyte.
            raise GraphError(
                f"label {name} is longer than {_LONGEST_WORD:,} bytes",
                do="Put the text in a file of the code folder instead.",
            )


def _argv(_: Any, attribute: Any, argv: tuple[Value, ...]) -> None:
    if not argv:
        raise GraphError(f"{attribute.name} is empty")
    for index, word in enumerate(argv):
        _value(f"{attribute.name}[{index}]", word)
    if isinstance(argv[0], str):
        check_path("argv[0]", argv[0])


def _user(_: Any, attribute: Any, user: Any) -> None:
    if user is None or isinstance(user, FromBase):
        return
    if not _USER.match(check_text(attribute.name, user, newline=False)):
        raise GraphError(f"{attribute.name} is not a user: {_short(user)}", do="Write NAME, UID or UID:GID.")


def _path(_: Any, attribute: Any, path: Any) -> None:
    check_path(attribute.name, path)


def _optional_path(_: Any, attribute: Any, path: Any) -> None:
    if path is not None:
        check_path(attribute.name, path)


def _built_path(_: Any, attribute: Any, path: Any) -> None:
    if set(check_path(attribute.name, path)) & set("*?[]\\"):
        raise GraphError(f"{attribute.name} of a Built holds a character that builders take for a pattern: {path!r}")


def _touches(_: Any, attribute: Any, paths: tuple[Value, ...] | None) -> None:
    for index, path in enumerate(paths or ()):
        if isinstance(path, FromBase):
            _value(f"{attribute.name}[{index}]", path, newline=False)
        else:
            check_path(f"{attribute.name}[{index}]", path)


def _optional_id(_: Any, attribute: Any, number: Any) -> None:
    if number is not None and not isinstance(number, FromBase):
        _id(_, attribute, number)


def _id(_: Any, attribute: Any, number: Any) -> None:
    if type(number) is not int or not 0 <= number < 2**32 - 1:
        raise GraphError(f"{attribute.name} is not a user or group number: {number!r}")


def _mode(_: Any, attribute: Any, mode: Any) -> None:
    if type(mode) is not int or not 0 <= mode <= 0o777:
        raise GraphError(f"{attribute.name} is not a mode of permission bits alone: {mode!r}")


def _frozen_mapping(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(value))


def _tuple(value: Iterable[Any]) -> tuple[Any, ...]:
    if isinstance(value, str | bytes):
        raise GraphError(f"a list is wanted, not one text: {_short(str(value))}", do="Put it in brackets.")
    return tuple(value)


def _optional_tuple(value: Iterable[Any] | None) -> tuple[Any, ...] | None:
    return None if value is None else _tuple(value)


def _no_mapping() -> Mapping[str, Any]:
    return MappingProxyType({})


# --- where a Copy takes from --------------------------------------------------------------------------------------

EntryType = Literal["file", "dir", "link"]


@frozen
class Entry:
    """One path below a local tree, as it will be in the image.

    :param path: relative to the tree's root, posix separators; bytes that are not UTF-8 as surrogates.
    :param type: ``file``, ``dir`` or ``link``.
    :param mode: normalised: 0o755 for folders and executables, 0o644 for other files, 0o777 for links.
    :param size: bytes; 0 for folders and links.
    :param target: what a link points to, else empty.
    :param disk_mode: permission bits as found on disk, so that a back end knows whether it must change them.
    """

    path: str = field()
    type: EntryType
    mode: int
    size: int = 0
    target: str = ""
    disk_mode: int = field(default=0o644, eq=False)

    @path.validator
    def _check_path(self, _: Any, path: str) -> None:
        if not path or path[0] == "/" or "\0" in path or not {"", ".", ".."}.isdisjoint(path.split("/")):
            raise GraphError(f"not a path below a folder: {_short(path)}")


@frozen
class Local:
    """A file or a folder of the machine that runs dagger-aml.

    Made by :func:`dagger_aml.content.local`, which walks it and refuses what no builder copies alike.

    :param path: absolute path on that machine.
    :param entries: what is taken, sorted by path; a single file has one entry whose path is its own name.
    :param left_out: relative paths of what lies in the folder and is not taken.
    :param partial: only the entries are taken, whatever else lies there.
    """

    path: str
    entries: tuple[Entry, ...] = field(converter=_tuple)
    left_out: tuple[str, ...] = field(default=(), converter=_tuple)
    partial: bool = False

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries)


@frozen
class Text:
    """A file whose bytes stand in the graph; UTF-8, so that every back end can carry it (other bytes: Local)."""

    data: bytes = field()
    executable: bool = False

    @data.validator
    def _check_data(self, _: Any, data: bytes) -> None:
        if not isinstance(data, bytes):
            raise GraphError(f"a Text source is bytes, not {type(data).__name__}")
        if b"\0" in data:
            raise GraphError("a Text source holds a NUL character", do="Write it to a file and copy that.")
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            raise GraphError("a Text source is not UTF-8", do="Write it to a file and copy that.") from None


@frozen
class Empty:
    """A folder with nothing in it."""


@frozen
class Built:
    """A path of another graph's image (a stage of a multi-stage build); keeps its own owners and modes."""

    graph: Graph
    path: str = field(validator=_built_path)


Source = Local | Text | Empty | Built


# --- layer ops ----------------------------------------------------------------------------------------------------


@frozen
class Run:
    """Run a command in the image.

    :param argv: the command; no shell of its own, the first word absolute.
    :param user: ``UID:GID``.
    :param env: variables of this command only.
    :param workdir: where it runs.
    :param touches: absolute paths it may read or write (each with all beneath); None means anything.
    :param mounts: files that it sees and that no layer holds; owned by ``user``, which is numeric then.
    :param step: the name shown for it.
    """

    argv: tuple[Value, ...] = field(converter=_tuple, validator=_argv)
    user: Value = field(default="0:0", validator=_user)
    env: Mapping[str, Value] = field(factory=_no_mapping, converter=_frozen_mapping, validator=_env)
    workdir: str = field(default="/", validator=_path)
    touches: tuple[Value, ...] | None = field(default=None, converter=_optional_tuple, validator=_touches)
    mounts: tuple[Mount, ...] = field(default=(), converter=_tuple)
    step: str = field(default="run", eq=False)

    def __attrs_post_init__(self) -> None:
        for mount in self.mounts:
            check_path(f"the place of the mount {mount.id}", mount.path)
        if self.env and isinstance(self.argv[0], str) and "=" in self.argv[0]:
            raise GraphError(
                f"argv[0] holds '=', which /usr/bin/env takes for a variable: {_short(self.argv[0])}", where=self.step
            )

    @property
    def command(self) -> tuple[Value, ...]:
        """What both back ends execute: the argv behind ``/usr/bin/env`` where the command has variables.

        The image's own environment is thereby left alone in Dagger and in a Dockerfile alike.
        """
        paths = {name: mount.path for mount in self.mounts for name in mount.variables}
        if not self.env and not paths:
            return self.argv
        pairs: list[Value] = [f"{name}={path}" for name, path in paths.items()]
        for name, value in self.env.items():
            if isinstance(value, FromBase):
                pairs.append(evolve(value, before=f"{name}={value.before}"))
            else:
                pairs.append(f"{name}={value}")
        return ("/usr/bin/env", *pairs, *self.argv)


@frozen
class Root:
    """Owner and mode stated for the root of a copied tree."""

    uid: int = field(validator=_id)
    gid: int = field(validator=_id)
    mode: int = field(default=0o755, validator=_mode)


@frozen
class Copy:
    """Copy a file or a tree into the image.

    An existing destination root and existing parents keep their owner and mode; a new root gets the copy's owner and
    0755; new parents are 0:0 0755 (encoding K of the project's facts on builders).

    :param source: where from.
    :param dest: the exact final path: the file itself, or the folder that the tree's contents go into.
    :param kind: ``file`` or ``tree``.
    :param uid: owner of what is copied; None keeps the source's (0 for Local, Text and Empty).
    :param gid: group, likewise.
    :param root: owner and mode put on the destination root whatever was there; None leaves it to the law above.
    :param changes: ``rarely`` (models) or ``often`` (code): what the scheduler orders by.
    :param step: the name shown for it.
    """

    source: Source
    dest: str = field(validator=_path)
    kind: Literal["file", "tree"] = "tree"
    uid: Number | None = field(default=None, validator=_optional_id)
    gid: Number | None = field(default=None, validator=_optional_id)
    root: Root | None = None
    changes: Literal["rarely", "often"] = "rarely"
    step: str = field(default="copy", eq=False)

    def __attrs_post_init__(self) -> None:
        if self.dest == "/" and self.kind == "file":
            raise GraphError("dest of a file is '/'")
        if (self.uid is None) != (self.gid is None):
            raise GraphError("a copy's uid and gid are given together or not at all", where=self.step)
        if isinstance(self.source, Built) and self.kind != "tree":
            raise GraphError("a Built source is a folder", where=self.step, do="Copy the folder that holds the file.")
        if self.root is not None and (self.kind != "tree" or self.dest == "/"):
            raise GraphError("a root is stated of a copied tree other than '/'", where=self.step)
        if isinstance(self.source, Text) and self.kind != "file":
            raise GraphError("a Text source is a file", where=self.step)
        if isinstance(self.source, Empty) and self.kind != "tree":
            raise GraphError("an Empty source is a tree", where=self.step)


Layer = Run | Copy


# --- the graph ----------------------------------------------------------------------------------------------------


@frozen
class Config:
    """What the image says of itself; None and absent names leave the base's own.

    :param user: ``NAME``, ``UID`` or ``UID:GID``.
    :param ports: TCP ports.
    """

    user: Value | None = field(default=None, validator=_user)
    env: Mapping[str, Value] = field(factory=_no_mapping, converter=_frozen_mapping, validator=_env)
    workdir: str | None = field(default=None, validator=_optional_path)
    labels: Mapping[str, str] = field(factory=_no_mapping, converter=_frozen_mapping, validator=_labels)
    ports: tuple[int, ...] = field(default=(), converter=_tuple)
    cmd: tuple[str, ...] | None = field(default=None, converter=_optional_tuple)
    entrypoint: tuple[str, ...] | None = field(default=None, converter=_optional_tuple)

    def __attrs_post_init__(self) -> None:
        for port in self.ports:
            if type(port) is not int or not 0 < port < 65536:
                raise GraphError(f"not a TCP port: {port!r}")
        for name, argv in (("cmd", self.cmd), ("entrypoint", self.entrypoint)):
            for word in argv or ():
                check_text(name, word)


ARCHIVES = ("oci", "oci-archive", "docker-archive")
"""The words before the first colon of a base that lies on this machine; skopeo's and podman's own."""


@frozen
class Archive:
    """An image that lies on this machine as a folder or a tar; :mod:`dagger_aml.oci_layout` finds and reads it.

    :param kind: ``oci`` (an OCI layout), ``oci-archive`` (a tar of one) or ``docker-archive``.
    :param path: absolute path on the machine that runs dagger-aml.
    :param tag: which image, where the folder or tar holds several.
    :param image_id: digest of the image's config.
    """

    kind: Literal["oci", "oci-archive", "docker-archive"]
    path: str
    tag: str | None
    image_id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.path}" + (f":{self.tag}" if self.tag else "")


@frozen
class From:
    """The base image.

    :param reference: as the user wrote it, without a digest; of an image that lies on this machine, its name.
    :param digest: ``sha256:…``, or None while unpinned.
    :param platform: ``linux/amd64`` and the like.
    :param archive: where it lies, for an image that is taken from no registry.
    """

    reference: str = field()
    digest: str | None = field(default=None)
    platform: str = field(default=DEFAULT_PLATFORM)
    archive: Archive | None = None

    @reference.validator
    def _check_reference(self, _: Any, value: str) -> None:
        name, tag, digest = parse_reference(value, "base")
        if digest:
            raise GraphError("a From keeps the digest apart: use From.parse", where=f"{name}:{tag}")

    @digest.validator
    def _check_digest(self, _: Any, value: str | None) -> None:
        if value is not None and not _DIGEST.match(value):
            raise GraphError(f"not a digest: {_short(value)}")

    @platform.validator
    def _check_platform(self, _: Any, value: str) -> None:
        check_platform(value)

    @classmethod
    def parse(cls, text: str, platform: str = DEFAULT_PLATFORM) -> From:
        """Read ``NAME[:TAG][@DIGEST]``; a reference without a tag and a digest is ``:latest``.

        :raises GraphError: not a reference.
        """
        name, tag, digest = parse_reference(text, "base")
        if tag is None and digest is None:
            tag = "latest"
        return cls(f"{name}:{tag}" if tag else name, digest, platform)

    @property
    def pinned(self) -> str:
        """The reference as builders are given it: by its digest alone if there is one, since older ones refuse a tag
        beside it."""
        return f"{parse_reference(self.reference)[0]}@{self.digest}" if self.digest else self.reference


@frozen
class Given(From):
    """A base that is handed over when the graph is carried out: somebody's container, of which no name is known.

    It has neither reference nor digest, so a graph on it has no Dockerfile form. See :func:`dagger_aml.container`.
    """

    reference: str = field(default="", init=False)

    @property
    def pinned(self) -> str:
        """What messages call it."""
        return "the container given"


@frozen
class Need:
    """Something that the base must have, or be, for the graph to do what it promises.

    :param fact: a name in :attr:`dagger_aml.facts.BaseFacts.literals` or one of its capabilities.
    :param value: what it must be; of ``python``, also a range such as ``>=3.10``.
    :param why: what goes wrong otherwise; may hold a fact of the base.
    :param do: what the user can do then.
    """

    fact: str
    value: str | bool
    why: Value
    do: str


@frozen
class Graph:
    """A base, the layer ops on it, and what the image says of itself. Immutable: every method gives a new one.

    :param access: how its commands reach what they install from; never part of the image.
    :param needs: what the base must have; checked by ``resolve``, never part of the image.
    :param notes: what steps want the user to know; never part of the image.
    """

    base: From | None = None
    layers: tuple[Layer, ...] = field(default=(), converter=_tuple)
    config: Config = field(factory=Config)
    access: Access = field(factory=Access, eq=False)
    needs: tuple[Need, ...] = field(default=(), converter=_tuple)
    notes: tuple[str, ...] = field(default=(), converter=_tuple, eq=False)

    def add(self, *layers: Layer) -> Graph:
        """The graph with ops put on top."""
        return evolve(self, layers=(*self.layers, *layers))

    def configure(self, **changes: Any) -> Graph:
        """The graph with fields of its :class:`Config` replaced; ``env`` and ``labels`` are merged, ports added."""
        config = self.config
        for name in ("env", "labels"):
            if name in changes:
                changes[name] = {**getattr(config, name), **changes[name]}
        if "ports" in changes:
            changes["ports"] = tuple(dict.fromkeys((*config.ports, *changes["ports"])))
        return evolve(self, config=evolve(config, **changes))

    def need(self, need: Need) -> Graph:
        """The graph with something more asked of its base."""
        return evolve(self, needs=(*self.needs, need))

    def note(self, text: str) -> Graph:
        """The graph with something more to tell the user."""
        return evolve(self, notes=(*self.notes, text))

    @property
    def from_(self) -> From:
        """The base.

        :raises GraphError: no step has set one.
        """
        if self.base is None:
            raise GraphError(
                "the graph has no base",
                do="Call the base step first. A graph without it has no Dockerfile form; it can only be carried out "
                "on a container that is there already: container(graph, client, base=theirs).",
            )
        return self.base
