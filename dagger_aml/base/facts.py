"""What must be known of a base image, and how a real one is asked.

Facts are *assumed* (from the catalog, by ``dockerfile``, ``plan`` and ``check``, which touch nothing) or *probed* (by
``build``, and wherever ``--probe`` is said, of the real base, before anything is executed). ``resolve`` reads nothing
else.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any, Literal

from attrs import evolve, field

from .. import contract
from ..data import frozen
from ..errors import BaseError
from ..graph.values import FACTS
from ..text import named


@frozen
class Distribution:
    """A package that a base's Python environment has.

    :param name: as its metadata has it.
    :param requires: its ``Requires-Dist``, as they are written.
    """

    name: str
    version: str
    requires: tuple[str, ...] = ()


@frozen
class PathFact:
    """One existing path of a base.

    :param type: ``dir``, ``file``, ``link`` or ``other``.
    :param target: of a link, the path that it ends at, all links followed; empty when it dangles.
    """

    type: Literal["dir", "file", "link", "other"]
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    target: str = ""


def _plain(path: str) -> str:
    """A path of a base's config without the doubled and trailing slashes that such configs may have."""
    return posixpath.normpath("/" + path.lstrip("/")) if path.startswith("/") or not path else path


def _optional_plain(path: str | None) -> str | None:
    return _plain(path) if path else None


@frozen
class BaseFacts:
    """What is known of one base image.

    :param source: ``catalog``, ``assumed`` (the base is in no catalog) or ``probed``.
    :param user: the config's user, as written there; empty means root.
    :param uid: that user's number.
    :param environment: prefix of the Python environment that runs the server, or None when there is none. Of a base
        that names none in its config it is that of the first Python on its PATH.
    :param environment_uid: owner of that prefix.
    :param interpreter: that environment's program; ``bin/python`` in the prefix unless said.
    :param python: ``3.12``, or None when unknown.
    :param full_python: ``3.12.4``; empty when unknown.
    :param glibc: the version of its C library, ``2.35``; empty when unknown, or where that is another library.
    :param distributions: what that environment has; None when unknown.
    :param pip: whether that environment has pip.
    :param managed: whether it is its system's own, into which pip refuses to install (PEP 668).
    :param server: program of the inference server; empty where there is none, None when unknown.
    :param starts: whether the start script and ``runsvdir`` are there; None when unknown.
    :param extras: whether the start script honours AZUREML_EXTRA_*; None when unknown.
    :param env: the config's variables.
    :param onbuild: the config's ONBUILD triggers; None when they could not be asked.
    :param volumes: the config's VOLUME paths; None when they could not be asked.
    :param paths: existing paths, as far as asked or assumed; what is not in it does not exist.
    """

    source: Literal["catalog", "assumed", "probed"]
    user: str = "dockeruser"
    uid: int = 1000
    gid: int = 1000
    workdir: str = field(default="/", converter=_plain)
    environment: str | None = field(default=None, converter=_optional_plain)
    environment_uid: int = 0
    environment_gid: int = 0
    interpreter: str | None = None
    python: str | None = None
    pip: bool = True
    managed: bool = False
    server: str | None = None
    starts: bool | None = None
    extras: bool | None = None
    env: Mapping[str, str] = field(factory=dict)
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    onbuild: tuple[str, ...] | None = ()
    volumes: tuple[str, ...] | None = ()
    paths: Mapping[str, PathFact] = field(factory=dict)
    full_python: str = field(default="", eq=False)
    glibc: str = field(default="", eq=False)
    distributions: tuple[Distribution, ...] | None = field(default=None, eq=False, repr=False)

    @property
    def glibc_version(self) -> tuple[int, int] | None:
        """The version of its C library as numbers, ``(2, 35)``; None where ``glibc`` says none."""
        major, _, minor = self.glibc.partition(".")
        return (int(major), int(minor.partition(".")[0])) if major.isdigit() and minor[:1].isdigit() else None

    def literal(self, name: str) -> str | int | bool | None:
        """The value of a fact by the name that :class:`~dagger_aml.graph.values.FromBase` and ``Need`` use.

        :raises BaseError: the base has no such thing (no Python environment, say).
        """
        if (name.startswith("environment") or name in ("interpreter", "pip", "managed")) and self.environment is None:
            raise self._no_environment()
        if name == "extras" and self.starts is False and not self.extras:
            raise BaseError(
                f"the base has no start script ({contract.START_SCRIPT}), so nothing adds packages at start",
                hint="Use the `extended` recipe, or one of Azure ML's prebuilt inference images: "
                "`dagger-aml images`.",
            )
        if name == "interpreter":
            return self.interpreter or f"{self.environment}/bin/python"
        if name == "environment_owner":
            return f"{self.environment_uid}:{self.environment_gid}"
        if name == "user":
            return self.user or "0:0"
        if name in ("service_uid", "service_gid"):
            return getattr(self, name.removeprefix("service_")) if self.uid else contract.SERVICE_ID
        if name == "service_user":
            return self.user if self.uid else f"{contract.SERVICE_ID}:{contract.SERVICE_ID}"
        if name == "pythonpath":
            before = self.env.get("PYTHONPATH", "")
            return f":{before}" if before else ""
        if name not in FACTS:
            raise BaseError(f"unknown property of the base image: {name}")
        value: str | int | bool | None = getattr(self, name)
        return value

    def _no_environment(self) -> BaseError:
        place = self.env.get(contract.ENVIRONMENT_PATH)
        if place:
            return BaseError(
                f"the base image sets {contract.ENVIRONMENT_PATH} to {place}, but there is no Python in that folder",
                hint="In the base image's Dockerfile, set it to the prefix of an environment (the folder that "
                "contains bin/python).",
            )
        if self.source != "probed":
            return BaseError(
                f"the base image does not set {contract.ENVIRONMENT_PATH}; only a probe can find the Python on "
                "its PATH",
                hint=f"Add {named('probe')} to inspect the base image. `dagger-aml build` always does this.",
            )
        return BaseError(
            f"the base image has no Python: its config does not set {contract.ENVIRONMENT_PATH}, and there is "
            "no Python on its PATH",
            hint="Use one of Azure ML's prebuilt inference images: `dagger-aml images`.",
        )

    def path(self, path: str) -> PathFact | None:
        """The fact of one path, None when nothing is there."""
        return self.paths.get(path)

    def summary(self) -> tuple[str, ...]:
        """One line for each thing that a plan depends on, for the Dockerfile's head and ``plan``."""
        known = {True: "yes", False: "no", None: "unknown"}
        return (
            f"user {self.user or 'root'} is {self.uid}:{self.gid}",
            f"Python environment {self.environment or 'none'}"
            + (f", owner {self.environment_uid}:{self.environment_gid}" if self.environment else "")
            + (f", Python {self.python}" if self.python else "")
            + ("" if self.pip else ", without pip"),
            *(
                [f"{contract.ENVIRONMENT_PATH} is not set, so the environment of {self.interpreter} is used"]
                if self.interpreter
                else []
            ),
            f"start script supports {contract.EXTRAS}: {known[self.extras]}"
            if self.starts is not False
            else f"no start script: {contract.START_SCRIPT} or runsvdir is missing",
            f"working directory {self.workdir}; {_listed('ONBUILD', self.onbuild)}, "
            f"{_listed('VOLUME', self.volumes)}",
            *(
                f"{path} is a {fact.type}, owner {fact.uid}:{fact.gid}, mode {fact.mode:04o}"
                for path, fact in sorted(self.paths.items())
                if path.startswith("/var/azureml")
            ),
        )


def _listed(name: str, values: tuple[str, ...] | None) -> str:
    if values is None:
        return f"{name} unknown"
    return f"{name} {' '.join(values)}" if values else f"no {name}"


def of_config(config: Mapping[str, Any], known: BaseFacts | None = None) -> BaseFacts:
    """Facts from the ``config`` object of an image's config.

    :param known: what is assumed of what a config does not tell; the rest is to be asked unless given.
    """
    env = dict(pair.partition("=")[::2] for pair in config.get("Env") or ())
    user = config.get("User") or ""
    facts = known or BaseFacts("probed")
    if user in ("", "0", "root"):
        facts = evolve(facts, uid=0, gid=0)
    return evolve(
        facts,
        user=user,
        workdir=config.get("WorkingDir") or "/",
        environment=env.get(contract.ENVIRONMENT_PATH) or None,
        env=env,
        entrypoint=tuple(config.get("Entrypoint") or ()),
        cmd=tuple(config.get("Cmd") or ()),
        onbuild=tuple(config.get("OnBuild") or ()),
        volumes=tuple(config.get("Volumes") or ()),
    )


def prefixes(path: str) -> tuple[str, ...]:
    """The path and all its parents but ``/``, outermost first."""
    found = []
    while path not in ("/", ""):
        found.append(path)
        path = posixpath.dirname(path)
    return tuple(reversed(found))
