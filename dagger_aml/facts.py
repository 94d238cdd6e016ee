"""What must be known of a base image, and how a real one is asked.

Facts are *assumed* (from the catalog, by ``dockerfile``, ``plan`` and ``check``, which touch nothing) or *asked* (by
``build``, of the real base, before anything is executed). ``resolve`` reads nothing else.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from typing import Literal

from attrs import evolve, field, frozen

from . import contract
from .errors import BaseError


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

    :param source: ``catalog``, ``assumed`` (the base is in no catalog) or ``asked``.
    :param user: the config's user, as written there; empty means root.
    :param uid: that user's number.
    :param environment: prefix of the Python environment that runs the server, or None when there is none.
    :param environment_uid: owner of that prefix.
    :param python: ``3.12``, or None when unknown.
    :param extras: whether the start script honours AZUREML_EXTRA_*; None when unknown.
    :param env: the config's variables.
    :param onbuild: the config's ONBUILD triggers; None when they could not be asked.
    :param volumes: the config's VOLUME paths; None when they could not be asked.
    :param paths: existing paths, as far as asked or assumed; what is not in it does not exist.
    """

    source: Literal["catalog", "assumed", "asked"]
    user: str = "dockeruser"
    uid: int = 1000
    gid: int = 1000
    workdir: str = field(default="/", converter=_plain)
    environment: str | None = field(default=None, converter=_optional_plain)
    environment_uid: int = 0
    environment_gid: int = 0
    python: str | None = None
    extras: bool | None = None
    env: Mapping[str, str] = field(factory=dict)
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    onbuild: tuple[str, ...] | None = ()
    volumes: tuple[str, ...] | None = ()
    paths: Mapping[str, PathFact] = field(factory=dict)

    def literal(self, name: str) -> str | int | bool | None:
        """The value of a fact by the name that :class:`~dagger_aml.graph.FromBase` and ``Need`` use.

        :raises BaseError: the base has no such thing (no Python environment, say).
        """
        if name.startswith("environment") and self.environment is None:
            raise BaseError(
                f"the base names no Python environment (its config has no {contract.ENVIRONMENT_PATH})",
                do="Take one of Azure ML's prebuilt inference images: `dagger-aml images`.",
            )
        if name == "environment_owner":
            return f"{self.environment_uid}:{self.environment_gid}"
        if name == "user":
            return self.user or "0:0"
        if name == "pythonpath":
            before = self.env.get("PYTHONPATH", "")
            return f":{before}" if before else ""
        if name in (
            "environment",
            "environment_uid",
            "environment_gid",
            "uid",
            "gid",
            "python",
            "extras",
        ):
            value: str | int | bool | None = getattr(self, name)
            return value
        raise BaseError(f"no such fact of a base: {name}")

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
            + (f", Python {self.python}" if self.python else ""),
            f"start script honours {contract.EXTRAS}: {known[self.extras]}",
            f"working directory {self.workdir}; no ONBUILD, no VOLUME",
            *(
                f"{path} is a {fact.type} of {fact.uid}:{fact.gid}, mode {fact.mode:04o}"
                for path, fact in sorted(self.paths.items())
                if path.startswith("/var/azureml")
            ),
        )


def prefixes(path: str) -> tuple[str, ...]:
    """The path and all its parents but ``/``, outermost first."""
    found = []
    while path not in ("/", ""):
        found.append(path)
        path = posixpath.dirname(path)
    return tuple(reversed(found))


PROBE = r"""
set -u
user=$1; env=$2; start=$3
name=${user%%:*}; group=; case $user in *:*) group=${user#*:};; esac
if [ -z "$name" ]; then uid=0; else uid=$(id -u "$name" 2>/dev/null || echo "$name"); fi
if [ -n "$group" ]; then
  gid=$(getent group "$group" 2>/dev/null | cut -d: -f3); gid=${gid:-$group}
else
  gid=$(getent passwd "$uid" 2>/dev/null | cut -d: -f4); gid=${gid:-0}
fi
echo "user $uid $gid"
if [ -n "$env" ] && [ -x "$env/bin/python" ]; then
  echo "environment $(stat -L -c '%u %g' "$env") $("$env/bin/python" -I -S -c \
    'import sys; print("%d.%d" % sys.version_info[:2])')"
fi
if [ -f "$start" ]; then
  if grep -q AZUREML_EXTRA_ "$start"; then echo "extras yes"; else echo "extras no"; fi
else
  echo "extras none"
fi
tr '\n' '\0' | xargs -0 -r sh -c 'for p do
  [ -e "$p" ] || [ -L "$p" ] || continue
  if [ -L "$p" ]; then echo "link 777 0 0 $(readlink -e -- "$p" || true)"; else
  if [ -d "$p" ]; then t=dir; elif [ -f "$p" ]; then t=file; else t=other; fi
  echo "$t $(stat -c "%a %u %g" -- "$p") "; fi
  printf "path %s\n" "$p"
done' sh
"""
"""A POSIX shell script that runs in the base as root: ``sh -c PROBE sh USER ENVIRONMENT START_SCRIPT``, with the
paths to ask for on its standard input, one a line. :func:`from_probe` reads what it prints."""


def probe_argv(user: str, environment: str | None) -> tuple[str, ...]:
    """The command that asks a base, given its config's user and Python environment."""
    return ("/bin/sh", "-c", PROBE, "sh", user, environment or "", contract.START_SCRIPT)


def probe_stdin(paths: Iterable[str]) -> str:
    """What the probe reads: one path a line. A path with a line break in it is not asked for."""
    return "".join(f"{path}\n" for path in paths if "\n" not in path and path.isprintable())


def from_probe(output: str, config: BaseFacts) -> BaseFacts:
    """Facts from what the probe printed, on top of those that the base's config gave.

    :raises BaseError: the output is not the probe's.
    """
    paths: dict[str, PathFact] = {}
    found: dict[str, object] = {}
    last: PathFact | None = None
    for line in output.splitlines():
        word, _, rest = line.partition(" ")
        try:
            if word == "user":
                found["uid"], found["gid"] = (int(part) for part in rest.split())
            elif word == "environment":
                uid, gid, python = rest.split()
                found |= {"environment_uid": int(uid), "environment_gid": int(gid), "python": python}
            elif word == "extras":
                found["extras"] = rest == "yes"
            elif word in ("dir", "file", "other", "link"):
                mode, uid, gid, target = rest.split(" ", 3)
                last = PathFact(word, int(mode, 8), int(uid), int(gid), target)  # type: ignore[arg-type]
            elif word == "path" and last is not None:
                paths[rest] = last
        except ValueError:
            raise BaseError(f"the base's answer to the probe is not understood: {line!r}") from None
    if "uid" not in found:
        raise BaseError(
            "the base did not answer the probe",
            do="It needs a POSIX shell, id, getent, stat and xargs, as Debian and Ubuntu have them.",
        )
    if "python" not in found:
        found["environment"] = None
    return evolve(config, source="asked", paths=paths, **found)  # type: ignore[arg-type]
