"""The builders: whether each answers, its version, what it can build, where it keeps its images."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import re
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from ..backends.builders import kind_of
from ..backends.local.buildx_cli import found_buildx
from ..backends.local.docker import docker_form
from ..backends.local.find import local_kind
from ..backends.local.program import NEEDS_RANGES, hint_for
from ..backends.store import LET_IN, docker_answers, says_denied
from ..errors import DaggerAmlError, EngineNotFound
from ..policy import DEFAULT, Policy
from ..process import CompletedProcess, run
from ..text import human_size, named, redact_urls
from .check import Check, State

if TYPE_CHECKING:
    from ..backends.dagger.builder import Engine

_BOTH = ["classic", "buildkit"]


def _builder(
    name: str,
    state: State,
    says: str | Sequence[str],
    *,
    hint: str | None = None,
    version: str | None = None,
    forms: list[str] | None = None,
    store: str | None = None,
    free: int | None = None,
    engine: Mapping[str, Any] | None = None,
) -> Check:
    """A builder's check.

    :param forms: the Dockerfile forms that it takes, if it works; of the engine, which takes none, empty.
    :param free: bytes at its store, where that lies on this machine.
    """
    facts = {
        "works": forms is not None,
        "version": version,
        "forms": forms or [],
        "store": store,
        "free": free,
        "engine": dict(engine) if engine else None,
    }
    return Check("builders", name, state, says, hint, facts)


# --- the Dagger engine --------------------------------------------------------------------------------------------


async def dagger(address: str | None, engine_timeout: float, policy: Policy) -> tuple[Check, ...]:
    """The engine at an address, or the one that ``build`` would use, and why that one."""
    from ..backends.dagger.connect import RUNNER_HOST, SESSION_PORT, reach

    sdk = version_of("dagger-io")
    chosen = address or os.environ.get(RUNNER_HOST) or os.environ.get(SESSION_PORT)
    if not chosen and not engine_timeout and await docker_answers(policy):
        says = ["no engine runs", f"`build` would download one and start it in Docker, with dagger-io {sdk}"]
        hint = (
            f"doctor starts none to look at it; add {named('engine_timeout', 300)}, and it does. To build without an "
            f"engine, use {named('builder', 'docker')}."
        )
        return (_builder("dagger", "warning", says, hint=hint, engine=_engine_facts(sdk)),)
    try:
        async with reach(engine=address, engine_timeout=engine_timeout, policy=policy) as reached:
            cache = await _cache(reached.engine)
            facts = _engine_facts(sdk, way=reached.way, attempts=reached.attempts, cache=cache)
            why = f"set by {reached.named_by}" if reached.named_by else "no other engine is set"
            return (_engine_check(reached.way, why, reached.engine.version, facts),)
    except EngineNotFound as error:
        facts = _engine_facts(sdk, attempts=error.attempts)
        return (_builder("dagger", "missing", error.message, hint=error.hint, engine=facts),)


def _engine_facts(
    sdk: str,
    *,
    way: str | None = None,
    attempts: tuple[str, ...] = (),
    cache: Mapping[str, int | None] | None = None,
) -> dict[str, Any]:
    """What the JSON has of the engine; addresses without their passwords."""
    return {
        "sdk": sdk,
        "way": redact_urls(way) if way else None,
        "attempts": [redact_urls(each) for each in attempts],
        "cache": dict(cache) if cache else None,
    }


def _engine_check(way: str, why: str, version: str, facts: dict[str, Any]) -> Check:
    says = [f"{way} ({why}), {version}, dagger-io {facts['sdk']}"]
    cache = facts["cache"]
    if cache:
        limits = [
            f"{human_size(cache[key])} {words}"
            for key, words in (
                ("used", "used"),
                ("max_used_space", "at most"),
                ("reserved_space", "always kept in the cache"),
                ("min_free_space", "of free disk space always left"),
            )
            if cache[key]
        ]
        says += [f"cache: {', '.join(limits)}"] if limits else []
    hint = None
    if re.match(r"v?1\.0\.0-", version) and _minor(facts["sdk"]) == "0.21":
        hint = (
            "A beta of Dagger 1.0. With dagger-io 0.21 its beta 10 was seen to build, push, export and serve. A "
            "session of `dagger run` in a git clone takes each tag's digest from dagger.lock there: remove that file "
            "to get a newer base."
        )
    elif _minor(version) != _minor(facts["sdk"]):
        hint = f"Engine and dagger-io have different minor versions. Use an engine v{_minor(facts['sdk'])}.x."
    return _builder("dagger", "warning" if hint else "ok", says, hint=hint, version=version, forms=[], engine=facts)


def _minor(version: str) -> str:
    """``0.21`` of ``v0.21.8``."""
    found = re.search(r"\d+\.\d+", version)
    return found[0] if found else version


async def _cache(connected: Engine) -> dict[str, int | None]:
    """Bytes of the engine's cache: what it holds, and what the collector goes by; None for what it does not tell."""
    import dagger

    cache = connected.client.engine().local_cache()
    asked = {
        "used": cache.entry_set().disk_space_bytes,
        "max_used_space": cache.max_used_space,
        "reserved_space": cache.reserved_space,
        "min_free_space": cache.min_free_space,
        "target_space": cache.target_space,
    }
    found: dict[str, int | None] = dict.fromkeys(asked)
    with anyio.move_on_after(connected.policy.doctor_cache_deadline_seconds):
        for name in reversed(asked):  # What takes long, the counting, comes last.
            with contextlib.suppress(dagger.DaggerError):
                found[name] = await asked[name]()
    return found


# --- programs -----------------------------------------------------------------------------------------------------


async def docker() -> tuple[Check, ...]:
    """The docker command and its daemon."""
    if not shutil.which("docker"):
        return (_absent("docker"),)
    asked = await run(["docker", "version", "--format", "{{json .}}"])
    if asked.code:
        start = "Start the daemon, or set DOCKER_HOST to one that runs."
        return (_silent("docker", asked, LET_IN if says_denied(asked.err) else start),)
    version = json.loads(asked.out)
    buildx = not (await run(["docker", "buildx", "version"])).code
    root = (await run(["docker", "info", "--format", "{{.DockerRootDir}}"])).out.strip()
    form, why = docker_form(version, buildx)
    says = [why, f"builds {'both Dockerfile formats' if form == 'buildkit' else 'the classic format only'}"]
    hint = None if form == "buildkit" else "For BuildKit, which mounts secrets, install Docker's buildx plugin."
    store, free, location = _store(root)
    client = str(version["Client"].get("Version"))
    forms = _BOTH if form == "buildkit" else ["classic"]
    state: State = "warning" if hint else "ok"
    says += location
    return (_builder("docker", state, says, hint=hint, version=client, forms=forms, store=store, free=free),)


async def podman() -> tuple[Check, ...]:
    """The podman command and its store."""
    return (await _of_containers("podman", ["podman", "info", "--format", "json"]),)


async def buildah() -> tuple[Check, ...]:
    """The buildah command and its store."""
    return (await _of_containers("buildah", ["buildah", "info"]),)


async def buildx() -> tuple[Check, ...]:
    """Docker's buildx, and the builder that it has chosen; which others it has, `docker buildx ls` tells."""
    try:
        found, version = await anyio.to_thread.run_sync(found_buildx, None, DEFAULT)
    except DaggerAmlError as error:
        return (_builder("buildx", "missing", error.message, hint=error.hint),)
    asked = await run([*found.command, "inspect"])
    told = [line.partition(":") for line in asked.out.splitlines()]
    said = {key.strip(): value.strip() for key, colon, value in reversed(told) if colon}
    number = re.search(r"v?\d+(\.\d+)+", version)
    says = [version or "answers"]
    if asked.code or "Error" in said:
        why = said.get("Error") or (asked.err.strip() or f"exit code {asked.code}").splitlines()[-1]
        hint = f"Name another builder with {named('instance')}; `{' '.join(found.command)} ls` lists them."
        return (_builder("buildx", "missing", [*says, f"its builder does not answer: {why}"], hint=hint),)
    chosen = [f"builder {said['Name']}", f"driver {said.get('Driver')}"] if "Name" in said else []
    if "BuildKit version" in said:
        chosen.append(f"BuildKit {said['BuildKit version']}")
    says += [", ".join(chosen)] if chosen else []
    forms: list[str] = [*kind_of("buildx").capabilities.forms]
    return (_builder("buildx", "ok", says, version=number[0] if number else None, forms=forms),)


async def program(name: str) -> tuple[Check, ...]:
    """A command line of which no more is known than that it builds."""
    kind = local_kind(name)
    if not shutil.which(name):
        return (_absent(name),)
    try:
        await anyio.to_thread.run_sync(kind.tool)
    except DaggerAmlError as error:
        return (_builder(name, "missing", error.message, hint=error.hint),)
    return (_builder(name, "ok", "answers", forms=list(kind.capabilities.forms)),)


async def _of_containers(name: str, info: list[str]) -> Check:
    """podman and buildah, which share their store."""
    if not shutil.which(name):
        return _absent(name)
    asked = await run(info)
    if asked.code:
        return _silent(name, asked, hint_for(asked.err) or f"Run `{' '.join(info)}` for the whole message.")
    read = json.loads(asked.out)
    told = await run([name, "--version"])
    found = re.search(r"\d+(\.\d+)+", told.out)
    version = found[0] if found else "of an unknown version"
    kept = {key.lower(): value for key, value in read["store"].items()}
    store, free, location = _store(kept["graphroot"])
    host = read["host"]
    rootless = bool(host.get("rootless", host.get("security", {}).get("rootless")))
    hint = _ranges() if rootless else None
    driver = kept["graphdrivername"]
    says = [
        f"{name} {version}, {'rootless' if rootless else 'as root'}, {driver}",
        "builds both Dockerfile formats",
        *location,
    ]
    return _builder(
        name, "warning" if hint else "ok", says, hint=hint, version=version, forms=_BOTH, store=store, free=free
    )


LOCAL: Mapping[str, Callable[[], Awaitable[tuple[Check, ...]]]] = {
    "docker": docker,
    "podman": podman,
    "buildah": buildah,
    "buildx": buildx,
}
"""What looks closer at a local builder than :func:`program`."""


def _ranges() -> str | None:
    """What is to be done where a user without root has no numbers to give to an image's users."""
    names = {getpass.getuser(), str(os.getuid())}
    for path in (Path("/etc/subuid"), Path("/etc/subgid")):
        try:
            lines = path.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        if not any(line.partition(":")[0] in names for line in lines):
            return NEEDS_RANGES
    return None


def _store(root: str) -> tuple[str | None, int | None, list[str]]:
    """A store's folder, the bytes free there, and both in words; a daemon's folder may lie on another machine."""
    if not root:
        return None, None, []
    try:
        free = shutil.disk_usage(root).free
    except OSError:
        return root, None, [f"store {root}"]
    return root, free, [f"store {root}, {human_size(free)} free"]


def _absent(name: str) -> Check:
    return _builder(name, "missing", "not installed", hint=f"{local_kind(name).capabilities.install}.")


def _silent(name: str, asked: CompletedProcess, hint: str) -> Check:
    said = (asked.err.strip() or asked.out.strip() or f"exit code {asked.code}").splitlines()[-1]
    return _builder(name, "missing", f"installed, but does not answer: {said}", hint=hint)
