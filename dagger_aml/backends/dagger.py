"""A plan carried out by a Dagger engine, through dagger-io.

Copies use encoding K of the project's facts on builders: the contents first, then a *skeleton* of the destination and
its parents that takes the owners and modes of what lies beneath, all with one fixed time. So an existing folder keeps
its owner and mode, and the layer's bytes depend on its content and destination, not on what else lies beneath.
"""

from __future__ import annotations

import os
import posixpath
import re
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import dagger

from .. import contract
from ..content import is_file
from ..errors import BuildError, DaggerAmlError, TryAgain, UsageError
from ..events import OnEvent, Said, StepDone, StepStarted, ignore
from ..facts import BaseFacts, from_probe, prefixes, probe_argv, probe_stdin
from ..graph import Built, Copy, Empty, From, Local, Run, Text
from ..plan import Plan
from ..registry import Registry, image_config, manifest_layers, said_by_registry
from ..result import Result
from .files import replaced_file
from .tarball import name_in_tar, read_tar

_SKELETON_TIME = 315532800
"""1980-01-01: on the skeleton's folders only, never on the user's files."""

_PUSH_TRIES = 3
_CHUNK = 40
"""Calls in one query; the SDK's query text grows with the square of a chain."""


class DaggerBuilder:
    """Carries plans out on a connected engine.

    :param client: of dagger-io; closing it is the caller's.
    :param no_cache: run every command again, whatever the engine remembers.
    """

    name = "dagger"

    def __init__(
        self, client: dagger.Client, *, version: str = "", no_cache: bool = False, on_event: OnEvent = ignore
    ) -> None:
        self.client = client
        self.version = version
        self.on_event = on_event
        self._fresh = f"DAGGER_AML_BUILD={uuid.uuid4().hex}" if no_cache else None

    async def ask(self, base: From, paths: Iterable[str]) -> tuple[str | None, BaseFacts]:
        """Pull the base and ask it (see :class:`~dagger_aml.backends.builder.Builder`)."""
        self.on_event(Said(f"asking the base {base.pinned}"))
        container = self._from(base)
        async with _translated(f"base {base.pinned}"):
            ref = await container.image_ref()
            digest = "sha256:" + ref.partition("@sha256:")[2] if "@sha256:" in ref else base.digest
            env = {await each.name(): await each.value() for each in await container.env_variables()}
            user, workdir = await container.user(), await container.workdir()
            entrypoint, cmd = await container.entrypoint(), await container.default_args()
            environment = env.get(contract.ENVIRONMENT_PATH)
            probe = (
                container.with_user("0:0")
                .with_workdir("/")
                .with_exec(list(probe_argv(user, environment)), stdin=probe_stdin(paths))
            )
            answer = await probe.stdout()
        onbuild, volumes = await _triggers(base, digest)
        config = BaseFacts(
            source="asked",
            user=user,
            workdir=workdir or "/",
            environment=environment,
            env=env,
            entrypoint=tuple(entrypoint),
            cmd=tuple(cmd),
            onbuild=onbuild,
            volumes=volumes,
        )
        return digest, from_probe(answer, config)

    async def image(self, plan: Plan, *, title: str = "") -> DaggerImage:
        """Execute a plan, step by step."""
        return DaggerImage(self, plan, await self.container(plan))

    async def folder(self, plan: Plan, path: str, dest: Path) -> None:
        """Write one folder of a plan's image to this machine."""
        container = await self.container(plan)
        async with _translated("export"):
            await container.directory(path).export(str(dest))
        for root, folders, _ in os.walk(dest):
            Path(root).chmod(0o755)
            for name in folders:
                (Path(root) / name).chmod(0o755)

    async def container(self, plan: Plan) -> dagger.Container:
        """Execute a plan and give the container, config included; every step has then run."""
        container = await self._layers(self._from(plan.base), plan.layers)
        async with _translated("config"):
            return await _configured(container, plan).sync()

    def _from(self, base: From) -> dagger.Container:
        return self.client.container(platform=dagger.Platform(base.platform)).from_(base.pinned)

    async def _layers(self, container: dagger.Container, layers: tuple[Run | Copy, ...]) -> dagger.Container:
        for number, layer in enumerate(layers, 1):
            self.on_event(StepStarted(layer.step, number, len(layers)))
            begun = time.monotonic()
            async with _translated(layer.step):
                if isinstance(layer, Run):
                    container = (
                        container.with_user(str(layer.user))
                        .with_workdir(layer.workdir)
                        .with_exec(self._command(layer))
                    )
                else:
                    container = await self._copied(container, layer)
                container = await container.sync()
            self.on_event(StepDone(layer.step, number, len(layers), time.monotonic() - begun))
        return container

    def _command(self, run: Run) -> list[str]:
        """What is executed; a variable of this build alone makes the engine run it again."""
        words = [str(word) for word in run.command]
        return ["/usr/bin/env", self._fresh, *words] if self._fresh else words

    async def _copied(self, container: dagger.Container, copy: Copy) -> dagger.Container:
        owner = "" if copy.uid is None else f"{copy.uid}:{copy.gid}"
        contents = await self._contents(copy, owner)
        folder = posixpath.dirname(copy.dest) if copy.kind == "file" else copy.dest
        skeleton = self.client.directory()
        if folder != "/":
            skeleton = skeleton.with_new_directory(folder, permissions=0o755)
            if owner and copy.kind == "tree":
                skeleton = skeleton.chown(folder, owner)
        beneath = container.rootfs()
        kept = prefixes(folder)
        for prefix in kept[:-1] if copy.root else kept:
            pattern = _pattern(prefix)
            skeleton = skeleton.with_directory("/", beneath, include=[pattern], exclude=[f"{pattern}/*"])
        if copy.root:
            stated = self.client.directory().with_new_directory("/d", permissions=copy.root.mode)
            stated = stated.chown("/d", f"{copy.root.uid}:{copy.root.gid}").directory("/d")
            skeleton = skeleton.with_directory(folder, stated)
        whole = contents.with_directory("/", skeleton.with_timestamps(_SKELETON_TIME))
        return container.with_directory("/", whole)

    async def _contents(self, copy: Copy, owner: str) -> dagger.Directory:
        """A folder tree that holds what is copied at its destination."""
        source, nothing = copy.source, self.client.directory()
        if isinstance(source, Built):
            inner = source.graph
            stage = await self._layers(self._from(inner.from_), inner.layers)
            return nothing.with_directory(copy.dest, stage.directory(source.path), owner=owner)
        if isinstance(source, Empty):
            return nothing.with_directory(copy.dest, nothing, owner=owner)
        if isinstance(source, Text):
            mode = 0o755 if source.executable else 0o644
            made = nothing.with_new_file("/f", source.data.decode(), permissions=mode).file("/f")
            return nothing.with_file(copy.dest, made, owner=owner)
        if is_file(source):
            file, entry = self.client.host().file(source.path, no_cache=True), source.entries[0]
            if entry.mode == entry.disk_mode:
                return nothing.with_file(copy.dest, file, owner=owner)
            return nothing.with_file(copy.dest, file, permissions=entry.mode, owner=owner)
        return nothing.with_directory(copy.dest, await self._tree(source), owner=owner)

    async def _tree(self, source: Local) -> dagger.Directory:
        """A local folder with normalised modes: as it is where they are so already, else a copy in the engine."""
        only = [_pattern(each.path) for each in source.entries if each.type != "dir"] if source.partial else []
        found = self.client.host().directory(
            source.path, include=only, exclude=[_pattern(name) for name in source.left_out], no_cache=True
        )
        wrong = [each for each in source.entries if each.type != "link" and each.disk_mode != each.mode]
        if not wrong:
            return found
        tree = self.client.directory().with_directory("/", found, permissions=0o644)
        executable = [_pattern(each.path) for each in source.entries if each.type == "file" and each.mode == 0o755]
        if executable:
            tree = tree.with_directory("/", found, include=executable, permissions=0o755)
        return tree.with_directory("/", await self._folders(source))

    async def _folders(self, source: Local) -> dagger.Directory:
        """A tree of the source's folders alone, each 0755; laid over another it sets their modes."""
        made = self.client.directory()
        folders = [each.path for each in source.entries if each.type == "dir"]
        for begin in range(0, len(folders), _CHUNK):
            for folder in folders[begin : begin + _CHUNK]:
                made = made.with_new_directory(folder, permissions=0o755)
            made = await made.sync()
        return made


class DaggerImage:
    """An image that the engine holds."""

    id = None

    def __init__(self, builder: DaggerBuilder, plan: Plan, container: dagger.Container) -> None:
        self.builder = builder
        self.plan = plan
        self.container = container

    async def publish(self, reference: str) -> Result:
        """Push; tried up to three times where that may help. Layers that the registry has are not sent again."""
        self.builder.on_event(Said(f"pushing {reference}"))
        for attempt in range(1, _PUSH_TRIES + 1):
            try:
                async with _translated(f"push {reference}"):
                    pushed = await self.container.publish(reference)
                break
            except TryAgain as error:
                if attempt == _PUSH_TRIES:
                    raise
                self.builder.on_event(Said(f"{error.what}; trying again ({attempt + 1} of {_PUSH_TRIES})"))
                await anyio.sleep(2**attempt)
        digest = "sha256:" + pushed.rpartition("@sha256:")[2]
        image_id, layers = await manifest_layers(reference, digest)
        return Result(digest, image_id, (reference,), layers)

    async def export(self, path: Path, references: Sequence[str] = ()) -> Result:
        """Write a tar in both Docker's and OCI's form; the annotation gives ``docker load`` its tag."""
        self.builder.on_event(Said(f"writing {path}"))
        return await self._written(path, references)

    async def _written(self, path: Path, references: Sequence[str]) -> Result:
        container = self.container
        if references:
            name = Registry.of(references[0]).canonical
            container = container.with_annotation("io.containerd.image.name", name)
        with replaced_file(path) as new:
            async with _translated(f"export {path}"):
                await container.export(str(new))
            if len(references) > 1:
                await anyio.to_thread.run_sync(name_in_tar, new, references)
            digest, image_id, layers = read_tar(new)
        return Result(digest, image_id, tuple(references), layers, path)

    async def load(self, reference: str) -> Result:
        """Into docker's store, else podman's; an event says which."""
        from .store import image_store, load_tar

        store = await image_store()
        self.builder.on_event(Said(f"loading {reference} into {store}"))
        with tempfile.TemporaryDirectory(prefix="dagger-aml-") as folder:
            tar = Path(folder) / "image.tar"
            made = await self._written(tar, (reference,))
            await load_tar(store, tar)
        return Result(made.digest, made.image_id, (reference,), made.layers)


def _configured(container: dagger.Container, plan: Plan) -> dagger.Container:
    config, facts = plan.config, plan.facts
    user = facts.user if config.user is None else str(config.user)
    container = container.with_user(user) if user else container.without_user()
    container = container.with_workdir(config.workdir or facts.workdir)
    for name, value in config.env.items():
        container = container.with_env_variable(name, str(value))
    for port in config.ports:
        container = container.with_exposed_port(port)
    if config.entrypoint is not None:
        container = container.with_entrypoint(list(config.entrypoint), keep_default_args=True)
    if config.cmd is not None:
        container = container.with_default_args(list(config.cmd))
    for name, value in sorted(config.labels.items()):
        container = container.with_label(name, value)
    return container


async def _triggers(base: From, digest: str | None) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """ONBUILD and VOLUME of a base, which the engine's API does not tell; None where this machine cannot ask."""
    try:
        with anyio.fail_after(10):
            config = await image_config(base.reference, digest, base.platform)
    except (DaggerAmlError, TimeoutError):
        return None, None
    return tuple(config.get("OnBuild") or ()), tuple(config.get("Volumes") or ())


@asynccontextmanager
async def _translated(step: str) -> AsyncIterator[None]:
    """Turn the SDK's errors into ours: no GraphQL, no traceback, the step named."""
    try:
        yield
    except dagger.ExecError as error:
        output = "\n".join(part for part in (error.stdout, error.stderr) if part)
        raise BuildError(
            f"the command ended with exit code {error.exit_code}",
            step=step,
            command=tuple(error.command),
            output=output,
        ) from None
    except dagger.QueryError as error:
        raise _from_engine(step, str(error)) from None
    except (dagger.ClientConnectionError, dagger.TransportError) as error:
        raise TryAgain(
            f"the Dagger engine went away ({_first_line(str(error))})",
            where=step,
            do="Look at the engine's log, then run the same command again; finished steps are cached.",
        ) from None


def _from_engine(step: str, message: str) -> DaggerAmlError:
    text = re.sub(r" \[traceparent:[^\]]*\]", "", message)
    known = said_by_registry(text, step)
    if known:
        return known
    if re.search(r"no such file or directory|permission denied", text) and "/" in text:
        return UsageError(_first_line(text), where=step)
    return BuildError(_first_line(text), step=step, output=text if "\n" in text else "")


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")


def _pattern(path: str) -> str:
    """An include or exclude pattern that means exactly this path."""
    return re.sub(r"([\\*?\[\]!])", r"\\\1", path.lstrip("/"))
