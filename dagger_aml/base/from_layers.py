"""Facts of a base, read from its layers: what the probe's script would answer in a container, without one.

Each question is answered as :data:`~dagger_aml.base.probe.PROBE` asks it. Of a base that lacks the programs of that
script the facts are told too.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, Any

from attrs import evolve

from .. import contract
from ..oci.layer_index import MOST_KEPT, Entry, Read, Unanswered
from ..oci.layer_tree import LayerTree
from ..text import pattern
from .distributions import lines_of_metadata
from .facts import BaseFacts, PathFact, of_config
from .installed import distributions_of, sites_of
from .known import KnownFacts, only_in_containers
from .probe import probe_stdin
from .python_files import python_facts
from .users import numbers_of
from .versions import DPKG_STATUS, PROGRAM_HEAD, is_libc, pythons_of_dpkg, version_of_libc, versions_of

__all__ = ["Unanswered", "facts_from_layers", "facts_in", "kept", "known_from_layers", "sites_in"]

_MOST_LISTED = 500
"""Names in a folder that is remembered with all of them."""

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What containers have where the config names none."""

_EXECUTABLE = 0o111

_KEPT = {"/etc/passwd", "/etc/group", "/etc/nsswitch.conf", contract.START_SCRIPT}

_KEPT_NAMES = {"pyvenv.cfg", "sitecustomize.py", "patchlevel.h"}

_PROGRAM = pattern(r"python[0-9.]*\Z")


def facts_from_layers(
    config: Mapping[str, Any],
    layers: Sequence[Callable[[], IO[bytes]]],
    paths: Iterable[str],
    *,
    packages: bool = False,
) -> BaseFacts:
    """The facts of a base after its layers were read, the same as a probe of it gives.

    :param config: the ``config`` object of the image's config.
    :param layers: what opens each layer's blob, lowest first, as it is or gzipped. They are read from the topmost
        down, each to its end; what a stream raises passes through, so a stream may check its digest or end all.
    :param paths: to be asked for, absolute.
    :param packages: whether to tell ``full_python``, ``glibc`` and ``distributions`` too, which only packages as
        files need; that takes every layer. What files leave a doubt about stays unknown:
        :attr:`~dagger_aml.base.known.KnownFacts.tells_packages`.
    :raises BaseError: the base does not know its own user.
    :raises Unanswered: something cannot be told for certain from files; the probe in a container can tell it.
    """
    return known_from_layers(config, layers, paths, packages=packages).facts


def known_from_layers(
    config: Mapping[str, Any],
    layers: Sequence[Callable[[], IO[bytes]]],
    paths: Iterable[str],
    *,
    packages: bool = False,
) -> KnownFacts:
    """As :func:`facts_from_layers`, with what the same reading settles of other paths."""
    asked = frozenset(paths)
    tree = LayerTree(layers, kept)
    facts = facts_in(tree, config, asked, packages=packages)
    at = facts.paths
    return KnownFacts(facts, asked, _listed(tree, at) if tree.layers_read == len(layers) else {})


def facts_in(
    tree: LayerTree, config: Mapping[str, Any], paths: Iterable[str] = (), *, packages: bool = False
) -> BaseFacts:
    """As :func:`facts_from_layers`, of layers that are read for other questions too.

    :param tree: that keeps what :func:`kept` says at least.
    """
    facts = of_config(config)
    uid, gid = numbers_of(facts.user, tree)
    found = {**_python(tree, facts, packages=packages), **_start(tree, facts)}
    at = _paths(tree, paths, facts.volumes or ())
    return evolve(facts, source="probed", uid=uid, gid=gid, **found, paths=at)


def sites_in(tree: LayerTree, facts: BaseFacts) -> tuple[str, ...]:
    """The folders for packages into which the Python of an image looks.

    :param facts: of the image, whose environment is known.
    :raises Unanswered: something may change which they are.
    """
    program = facts.interpreter or f"{facts.environment}/bin/python"
    return tuple(sites_of(tree, program, python_facts(tree, program)))


def _listed(tree: LayerTree, paths: Iterable[str]) -> dict[str, frozenset[str]]:
    """The folders among some paths, by their real ones, but for those of very many names."""
    found = {}
    for path in ("/", *paths):
        ended = tree.real(path)
        if ended and ended[1].type == "dir" and ended[0] not in found:
            names = tree.names(ended[0])
            if len(names) <= _MOST_LISTED:
                found[ended[0]] = names
    return found


def kept(path: str, size: int) -> int | Read:
    """What is kept of a file while its layer is read, for these questions."""
    folder, name = posixpath.split(path)
    if name == "METADATA":
        return lines_of_metadata if folder.endswith(".dist-info") else 0
    if path in _KEPT or name in _KEPT_NAMES or name.endswith(".pth"):
        return size if size <= MOST_KEPT else 0
    if name == "site.py" and _PROGRAM.match(posixpath.basename(folder)):
        return size if size <= MOST_KEPT else 0
    if path == DPKG_STATUS:
        return pythons_of_dpkg
    if is_libc(name):
        return version_of_libc
    return PROGRAM_HEAD if _PROGRAM.match(name) else 0


def _python(tree: LayerTree, facts: BaseFacts, *, packages: bool) -> dict[str, Any]:
    """The environment that the config names, else that of the first Python on PATH, and the server beside it."""
    named = facts.environment
    if named and not named.startswith("/"):
        raise Unanswered(f"the base image sets {contract.ENVIRONMENT_PATH} to a relative path")
    program: str | None
    if named:
        beside = f"{named}/bin/python"
        program = beside if _is_executable(tree, beside) else None
    else:
        program = _on_path(tree, facts, "python3") or _on_path(tree, facts, "python")
    server = f"{posixpath.dirname(program)}/azmlinfsrv" if program else ""
    if not program or not _is_executable(tree, server):
        server = _on_path(tree, facts, "azmlinfsrv") or ""
    if not program:
        return {"environment": None, "server": server}
    known = python_facts(tree, program)
    prefix = named or known.prefix
    found = tree.real(prefix) if prefix else None
    if found is None:
        raise Unanswered(f"which folder is the prefix of {program} in the base image depends on how it was built")
    _check_owner(prefix, found[1])
    more: dict[str, Any] = {} if named else {"environment": prefix, "interpreter": program}
    if packages:
        more["full_python"], more["glibc"] = versions_of(tree, program, known)
        more["distributions"] = distributions_of(tree, program, known)
    return {
        "environment_uid": found[1].uid,
        "environment_gid": found[1].gid,
        "python": known.version,
        "pip": known.pip,
        "managed": known.managed,
        "server": server,
        **more,
    }


def _start(tree: LayerTree, facts: BaseFacts) -> dict[str, Any]:
    """Whether the start script can be started, and whether it knows the variables for packages."""
    script = tree.content(contract.START_SCRIPT)
    if script is None:
        return {"starts": False, "extras": False}
    starts = bool(_on_path(tree, facts, "runsvdir"))
    if not starts and (shell := tree.real("/bin/sh")) and "busybox" in shell[0]:
        raise Unanswered("the base image's busybox may have a runsvdir of its own")
    return {"starts": starts, "extras": b"AZUREML_EXTRA_" in script}


def _is_executable(tree: LayerTree, path: str) -> bool:
    """What root may run; ``[ -x PATH ]``.

    :raises Unanswered: a folder or the like, of which that is true too.
    """
    found = tree.real(path)
    if found is None:
        return False
    if found[1].type != "file":
        raise Unanswered(f"{path} of the base image is not a file")
    return bool(found[1].mode & _EXECUTABLE)


def _on_path(tree: LayerTree, facts: BaseFacts, name: str) -> str | None:
    """What ``command -v`` finds for a program.

    :raises Unanswered: shells differ in whether they take it.
    """
    for folder in facts.env.get("PATH", _DEFAULT_PATH).split(":"):
        path = f"{folder or '.'}/{name}"
        found = tree.real(path if folder.startswith("/") else f"/{path}")
        if found is None:
            continue
        executable = found[1].type == "file" and found[1].mode & _EXECUTABLE
        if not executable or posixpath.normpath(path) != path or not path.startswith("/"):
            raise Unanswered(f"shells differ in whether {path} on the base image's PATH is a program")
        return path
    return None


def _paths(tree: LayerTree, paths: Iterable[str], volumes: Iterable[str]) -> dict[str, PathFact]:
    """The facts of those that are there. What cannot be asked in a container is left out here too."""
    found = {}
    for path in probe_stdin(paths).splitlines():
        ended = tree.real(path, follow=False)
        if special := only_in_containers(path, volumes, there=ended is not None):
            raise Unanswered(f"{path} may be another one in a container of the base image, because of {special}")
        if ended is not None:
            found[path] = _fact(tree, path, ended[1])
    return found


def _check_owner(path: str | None, entry: Entry) -> None:
    if not entry.sure:
        raise Unanswered(f"owner and mode of {path} in the base image depend on who unpacks its layers")


def _fact(tree: LayerTree, path: str, entry: Entry) -> PathFact:
    if entry.type != "link":
        _check_owner(path, entry)
        return PathFact(entry.type, entry.mode, entry.uid, entry.gid)
    end = tree.real(path)
    if end and not end[0].isprintable():
        raise Unanswered(f"{path} of the base image is a link to an unprintable path")
    return PathFact("link", 0o777, 0, 0, end[0] if end else "")
