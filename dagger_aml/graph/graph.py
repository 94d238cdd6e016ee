"""What an image can be made of, as frozen data.

A :class:`Graph` is a base, layer ops (:class:`Run` and :class:`Copy`, the only two things that make files) and a
:class:`~dagger_aml.graph.config.Config` (what the image says of itself). It knows neither Azure ML nor Dagger nor
Dockerfiles. Every string is checked where the graph is made, so that a graph that exists can be carried out by every
back end or is refused by ``resolve`` for what its base holds (docs/design.md, law 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from attrs import evolve, field

from ..data import frozen
from ..errors import GraphError
from ..finding import Finding, as_findings
from .access import Access
from .base import From, Need
from .checks import (
    as_optional_tuple,
    as_tuple,
    check_path,
    frozen_mapping,
    no_mapping,
    short,
    valid_argv,
    valid_built_path,
    valid_env,
    valid_id,
    valid_mode,
    valid_optional_id,
    valid_path,
    valid_touches,
    valid_user,
)
from .config import Config
from .source import Empty, Local, Text
from .values import FromBase, Number, Value
from .wheels import LockedWheels, Wheels

if TYPE_CHECKING:
    from .mount import Mount


@frozen
class Built:
    """A path of another graph's image (a stage of a multi-stage build); keeps its own owners and modes."""

    graph: Graph
    path: str = field(validator=valid_built_path)


Source = Local | Text | Empty | Built | Wheels | LockedWheels


SEEN: Final = "DAGGER_AML_MOUNTS"
"""Variable of a command whose mounts decide its result: another value makes every builder run it again."""


@frozen
class Run:
    """Run a command in the image.

    :param argv: the command; no shell of its own, the first word absolute.
    :param user: ``UID:GID``.
    :param env: variables of this command only.
    :param workdir: where it runs.
    :param touches: absolute paths it may read or write (each with all beneath); None means anything.
    :param mounts: files that it sees and that no layer holds; owned by ``user``, which is numeric then.
    :param name: shown for it, such as ``apt libgomp1``.
    :param verb: the step that added it, such as ``apt``; nothing is told from the name.
    :param ages: whether it may make something newer when it runs later, as what installs packages without hashes.
    """

    argv: tuple[Value, ...] = field(converter=as_tuple, validator=valid_argv)
    user: Value = field(default="0:0", validator=valid_user)
    env: Mapping[str, Value] = field(factory=no_mapping, converter=frozen_mapping, validator=valid_env)
    workdir: str = field(default="/", validator=valid_path)
    touches: tuple[Value, ...] | None = field(default=None, converter=as_optional_tuple, validator=valid_touches)
    mounts: tuple[Mount, ...] = field(default=(), converter=as_tuple)
    name: str = field(default="run", eq=False)
    verb: str = field(default="run", eq=False)
    ages: bool = field(default=False, eq=False)

    def __attrs_post_init__(self) -> None:
        for mount in self.mounts:
            check_path(f"the path of the mount {mount.id}", mount.path)
        if self._pairs and isinstance(self.argv[0], str) and "=" in self.argv[0]:
            raise GraphError(
                f"argv[0] contains '=', so /usr/bin/env reads it as a variable: {short(self.argv[0])}",
                location=self.name,
            )

    @property
    def command(self) -> tuple[Value, ...]:
        """What both back ends execute: the argv behind ``/usr/bin/env`` where the command has variables.

        The image's own environment is thereby left alone in Dagger and in a Dockerfile alike.
        """
        return ("/usr/bin/env", *self._pairs, *self.argv) if self._pairs else self.argv

    @property
    def _pairs(self) -> list[Value]:
        """The command's variables: what tells a builder that its mounts changed, paths of mounts, its own."""
        pairs: list[Value] = []
        if self.mounts:
            from .mount import seen_by

            seen = seen_by(self.mounts)
            pairs += [f"{SEEN}={seen}"] if seen else []
        paths = {name: mount.path for mount in self.mounts for name in mount.variables}
        pairs += [f"{name}={path}" for name, path in paths.items()]
        for name, value in self.env.items():
            if isinstance(value, FromBase):
                pairs.append(evolve(value, before=f"{name}={value.before}"))
            else:
                pairs.append(f"{name}={value}")
        return pairs


@frozen
class Root:
    """Owner and mode stated for the root of a copied tree."""

    uid: int = field(validator=valid_id)
    gid: int = field(validator=valid_id)
    mode: int = field(default=0o755, validator=valid_mode)


@frozen
class Copy:
    """Copy a file or a tree into the image.

    An existing destination root and existing parents keep their owner and mode; a new root gets the copy's owner and
    0755; new parents are 0:0 0755 (docs/builder-cases.md, "The keeping copy").

    :param source: where from.
    :param dest: the exact final path: the file itself, or the folder that the tree's contents go into.
    :param kind: ``file`` or ``tree``.
    :param uid: owner of what is copied; None keeps the source's (0 for Local, Text and Empty).
    :param gid: group, likewise.
    :param root: owner and mode put on the destination root whatever was there; None leaves it to the law above.
    :param changes: ``rarely`` (models) or ``often`` (code): what the scheduler orders by.
    :param name: shown for it, such as ``apt libgomp1``.
    """

    source: Source
    dest: str = field(validator=valid_path)
    kind: Literal["file", "tree"] = "tree"
    uid: Number | None = field(default=None, validator=valid_optional_id)
    gid: Number | None = field(default=None, validator=valid_optional_id)
    root: Root | None = None
    changes: Literal["rarely", "often"] = "rarely"
    name: str = field(default="copy", eq=False)

    def __attrs_post_init__(self) -> None:
        if self.dest == "/" and self.kind == "file":
            raise GraphError("the dest of a file cannot be '/'")
        if (self.uid is None) != (self.gid is None):
            raise GraphError("a copy needs both uid and gid, or neither", location=self.name)
        if isinstance(self.source, Built) and self.kind != "tree":
            raise GraphError(
                "a Built source must be copied as a tree",
                location=self.name,
                hint="Copy the folder that holds the file.",
            )
        if self.root is not None and (self.kind != "tree" or self.dest == "/"):
            raise GraphError("root can be set only for a tree with a dest other than '/'", location=self.name)
        if isinstance(self.source, Text) and self.kind != "file":
            raise GraphError("a Text source must be copied as a file", location=self.name)
        if isinstance(self.source, Empty) and self.kind != "tree":
            raise GraphError("an Empty source must be copied as a tree", location=self.name)
        if isinstance(self.source, Wheels | LockedWheels) and self.kind != "tree":
            raise GraphError("wheels must be copied as a tree", location=self.name)


LayerOp = Run | Copy


@frozen
class Graph:
    """A base, the layer ops on it, and what the image says of itself. Immutable: every method gives a new one.

    :param access: how its commands reach what they install from; never part of the image.
    :param needs: what the base must have; checked by ``resolve``, never part of the image.
    :param warnings: what the user should know; never part of the image. A plain sentence will do.
    :param silenced: what was found by rules that are ignored.
    :param subject: what the rules know of whom it is laid out for; of no meaning here, and no back end sees it.
    """

    base: From | None = None
    layers: tuple[LayerOp, ...] = field(default=(), converter=as_tuple)
    config: Config = field(factory=Config)
    access: Access = field(factory=Access, eq=False)
    needs: tuple[Need, ...] = field(default=(), converter=as_tuple)
    warnings: tuple[Finding, ...] = field(default=(), converter=as_findings, eq=False)
    silenced: tuple[Finding, ...] = field(default=(), converter=as_tuple, eq=False)
    subject: object = field(default=None, eq=False, repr=False)

    def add(self, *layers: LayerOp) -> Graph:
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

    def warn(self, text: str, *, location: str | None = None, hint: str | None = None) -> Graph:
        """The graph with something more to tell the user: what will happen, where that is decided, and what to do.

        :param text: without a full stop at its end.
        :param location: ``file:line``, a key or a flag.
        :param hint: a sentence or more of its own; shown on the next line.
        """
        return evolve(self, warnings=(*self.warnings, Finding(text, location=location, hint=hint)))

    @property
    def from_(self) -> From:
        """The base.

        :raises GraphError: no step has set one.
        """
        if self.base is None:
            raise GraphError(
                "the graph has no base",
                hint="Call the base step first. A graph without a base cannot become a Dockerfile; it can only run "
                "on an existing container: container(graph, client, base=theirs).",
            )
        return self.base
