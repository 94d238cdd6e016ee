"""A plan carried out by a Dagger engine, through dagger-io.

Copies use encoding K of the project's facts on builders: the contents first, then a *skeleton* of the destination and
its parents that takes the owners and modes of what lies beneath, all with one fixed time. So an existing folder keeps
its owner and mode, and the layer's bytes depend on its content and destination, not on what else lies beneath.
"""

from __future__ import annotations

import copy
import math
import os
import posixpath
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import cast

import anyio
import anyio.to_thread
import dagger
from attrs import evolve

from .. import contract, oci_layout
from ..content import is_file, unchanged
from ..errors import BuildError, DaggerAmlError, EngineGone, UsageError
from ..events import OnEvent, Said, Transferred, ignore
from ..exports import Export, as_export
from ..facts import BaseFacts, from_probe, of_config, prefixes, probe_argv, probe_stdin
from ..graph import Built, Copy, Empty, From, Given, Local, Run, Text
from ..plan import Plan, labels
from ..registry import image_config, manifest_layers, said_by_registry
from ..result import Layer, Result, Written
from ..retry import tried
from . import patience
from .builder import Image, cannot_run, has_no_shell
from .files import written
from .patience import moving, patient
from .process import workplace
from .secret_files import SecretFiles, secret_files
from .spans import Spans
from .tarball import name_in_tar, read_tar
from .timeline import Timeline, pushing
from .transfers import Reading, growing

_SKELETON_TIME = 315532800
"""1980-01-01: on the skeleton's folders only, never on the user's files."""

_CHUNK = 40
"""Calls in one query; the SDK's query text grows with the square of a chain."""


_NO_SESSION = (
    r"^(engine is shutting down|waiting for client session attachables"
    r'|(session|client) "[^"]*" not (found|initialized))'
)
"""What an engine says that ends, or was started anew since the session began, or has ended the session."""


class DaggerBuilder:
    """Carries plans out on a connected engine.

    :param client: of dagger-io; closing it is the caller's.
    :param no_cache: run every command again, whatever the engine remembers.
    :param given: what a base that is :class:`~dagger_aml.graph.Given` stands for.
    :param spans: of the client's session.
    :param sender: number of the process that reads this machine's files for the engine.
    """

    name = "dagger"

    def __init__(
        self,
        client: dagger.Client,
        *,
        version: str = "",
        no_cache: bool = False,
        on_event: OnEvent = ignore,
        given: dagger.Container | None = None,
        spans: Spans | None = None,
        sender: int | None = None,
    ) -> None:
        self.client = client
        self.given = given
        self.spans = spans
        self.sender = sender
        self.version = version
        self.on_event = on_event
        self._imported: dict[From, dagger.Container] = {}
        self._fresh = f"DAGGER_AML_BUILD={uuid.uuid4().hex}" if no_cache else None

    def with_events(self, on_event: OnEvent) -> DaggerBuilder:
        """The same session, whose work is told to another callback: one for each of several images."""
        made = copy.copy(self)
        made.on_event = on_event
        return made

    async def ask(self, base: From, paths: Iterable[str]) -> tuple[str | None, BaseFacts]:
        """Pull the base and ask it (see :class:`~dagger_aml.backends.builder.Builder`)."""
        self.on_event(Said(f"asking the base {base.pinned}"))
        container = await self._from(base)
        where = f"base {base.pinned}"

        async def reference() -> str:
            async with _translated(where):
                return "" if base.archive or isinstance(base, Given) else await container.image_ref()

        async def config() -> tuple[str | None, BaseFacts]:
            async with _translated(where):
                return await self._config(base, container, ref)

        async def answer() -> str:
            async with _translated(where):
                return await _probed(base, probe)

        async with self._waiting(base, patience.SMALL):
            ref = await tried(reference, self.on_event)
        # From here on the engine pulls the layers, whatever it is asked.
        async with self._waiting(base, patience.LARGE):
            digest, known = await tried(config, self.on_event)
            probe = (
                container.with_user("0:0")
                .with_workdir("/")
                .with_exec(list(probe_argv(known.user, known.environment)), stdin=probe_stdin(paths))
            )
            return digest, from_probe(await tried(answer, self.on_event), known)

    async def gone(self, step: str) -> EngineGone | None:
        """Why the engine cannot be reached any more, where it cannot.

        :param step: what needs it.
        """
        try:
            async with _translated(step):
                with anyio.fail_after(10):
                    await self.client.version()
        except EngineGone as error:
            return error
        except TimeoutError:
            return _gone(step, "no answer within 10 s")
        return None

    def _waiting(self, base: From, longest: float) -> AbstractAsyncContextManager[object]:
        """What ends the wait for a base's registry; of another base nobody knows how long it takes."""
        if base.archive or isinstance(base, Given):
            return nullcontext()
        return patient(f"base {base.pinned}", longest, self.on_event)

    async def _config(self, base: From, container: dagger.Container, ref: str) -> tuple[str | None, BaseFacts]:
        """The base's digest, and what its config says.

        :param ref: as the engine resolved it; empty for a base of no registry.
        """
        if base.archive:
            return base.digest, of_config(oci_layout.config(base))
        digest = "sha256:" + ref.partition("@sha256:")[2] if "@sha256:" in ref else base.digest
        env = {await each.name(): await each.value() for each in await container.env_variables()}
        onbuild, volumes = (None, None) if isinstance(base, Given) else await _triggers(base, digest)
        return digest, BaseFacts(
            source="asked",
            user=await container.user(),
            workdir=await container.workdir() or "/",
            environment=env.get(contract.ENVIRONMENT_PATH),
            env=env,
            entrypoint=tuple(await container.entrypoint()),
            cmd=tuple(await container.default_args()),
            onbuild=onbuild,
            volumes=volumes,
        )

    async def image(self, plan: Plan, *, title: str = "") -> DaggerImage:
        """Execute a plan, step by step."""
        return self._image(plan, [await self.container(plan)])

    def index(self, images: Sequence[Image]) -> DaggerImage:
        """Images for several platforms as one."""
        several = cast("Sequence[DaggerImage]", images)
        return self._image(several[0].plan, [each.container for each in several])

    def _image(self, plan: Plan, containers: Sequence[dagger.Container]) -> DaggerImage:
        return DaggerImage(plan, containers[0], containers[1:], spans=self.spans, on_event=self.on_event)

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
        timeline = Timeline(self.on_event, self.spans)
        with unchanged(plan.layers):
            with secret_files(plan.access) as files:
                container = await self._layers(await self._from(plan.base), plan.layers, files, timeline)
            said = await anyio.to_thread.run_sync(labels, plan)
        async with _translated("config"):
            container = await _configured(container, plan, said).sync()
        await timeline.settle()
        return container

    async def _from(self, base: From) -> dagger.Container:
        if self.given is not None and isinstance(base, Given):
            return self.given
        if base.archive:
            if base not in self._imported:
                self._imported[base] = await self._import(base)
            return self._imported[base]
        return self.client.container(platform=dagger.Platform(base.platform)).from_(base.pinned)

    async def _import(self, base: From) -> dagger.Container:
        """Send an image of this machine to the engine. It wants a tar: another is written unless the base is one."""
        self.on_event(Said(f"sending {base.archive} to the engine"))
        with workplace() as work:
            tar = oci_layout.whole_tar(base)
            if tar is None:
                tar = work / "base.tar"
                await anyio.to_thread.run_sync(oci_layout.write_tar, base, tar)
            async with _translated(f"base {base.archive}"):
                empty = self.client.container(platform=dagger.Platform(base.platform))
                return await empty.import_(self.client.host().file(str(tar))).sync()

    async def _layers(
        self,
        container: dagger.Container,
        layers: tuple[Run | Copy, ...],
        files: SecretFiles,
        timeline: Timeline,
    ) -> dagger.Container:
        for number, layer in enumerate(layers, 1):
            call = "Container.withExec" if isinstance(layer, Run) else "Container.withDirectory"
            step = timeline.step(layer.step, number, len(layers), call=call, sent=self._sent(layer))
            async with step, _translated(layer.step, files):
                if isinstance(layer, Run):
                    container = self._executed(container, layer, files)
                else:
                    container = await self._copied(container, layer, files, timeline)
                container = await container.sync()
        return container

    def _sent(self, layer: Run | Copy) -> Callable[[], Transferred | None]:
        """What tells how far a step's files have been sent to the engine."""
        if self.sender is None or isinstance(layer, Run) or not isinstance(layer.source, Local):
            return lambda: None
        return Reading(self.sender, layer.source.path, layer.step, layer.source.size).look

    def _executed(self, container: dagger.Container, run: Run, files: SecretFiles) -> dagger.Container:
        """A command, with the files and proxies that it alone sees. The engine remembers it by the files' names."""
        container = container.with_user(str(run.user)).with_workdir(run.workdir)
        for mount in run.mounts:
            value = self.client.secret(f"file://{files.path(mount)}", cache_key=f"dagger-aml {mount.name}")
            container = container.with_mounted_secret(mount.path, value, owner=str(run.user), mode=mount.mode)
        for name, value_ in files.proxies.items():
            container = container.with_volatile_variable(name, value_)
        container = container.with_exec(self._command(run))
        for mount in run.mounts:
            container = container.without_mount(mount.path)
        for name in files.proxies:
            container = container.without_volatile_variable(name)
        return container

    def _command(self, run: Run) -> list[str]:
        """What is executed; a variable of this build alone makes the engine run it again."""
        words = [str(word) for word in run.command]
        return ["/usr/bin/env", self._fresh, *words] if self._fresh else words

    async def _copied(
        self, container: dagger.Container, copy: Copy, files: SecretFiles, timeline: Timeline
    ) -> dagger.Container:
        owner = "" if copy.uid is None else f"{copy.uid}:{copy.gid}"
        contents = await self._contents(copy, owner, files, timeline)
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

    async def _contents(self, copy: Copy, owner: str, files: SecretFiles, timeline: Timeline) -> dagger.Directory:
        """A folder tree that holds what is copied at its destination."""
        source, nothing = copy.source, self.client.directory()
        if isinstance(source, Built):
            inner = source.graph
            stage = await self._layers(await self._from(inner.from_), inner.layers, files, timeline)
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
    """An image that the engine holds.

    :param variants: the images for further platforms; then it is an index.
    :param spans: of the session that made it.
    """

    id = None

    def __init__(
        self,
        plan: Plan,
        container: dagger.Container,
        variants: Sequence[dagger.Container] = (),
        *,
        spans: Spans | None,
        on_event: OnEvent,
    ) -> None:
        self.spans = spans
        self.on_event = on_event
        self.plan = plan
        self.container = container
        self.variants = list(variants)

    async def publish(self, reference: str) -> Result:
        """Push; tried up to three times where that may help. Layers that the registry has are not sent again."""
        where, spans, on_event = f"push {reference}", self.spans, self.on_event
        on_event(Said(f"pushing {reference}"))

        async def push() -> str:
            async with (
                # Without spans it cannot be seen whether anything moves.
                patient(where, patience.LARGE if spans else math.inf, on_event) as news,
                _translated(where),
                pushing(reference, spans, moving(on_event, news)),
            ):
                return await self.container.publish(reference, platform_variants=self.variants or None)

        pushed = await tried(push, on_event)
        digest = "sha256:" + pushed.rpartition("@sha256:")[2]
        image_id, layers = await manifest_layers(reference, digest)
        return Result(digest, image_id, (reference,), self._named(layers))

    async def export(self, output: Export | Path | str, references: Sequence[str] = ()) -> Result:
        """Write a tar in both Docker's and OCI's form, or of type ``oci`` in the latter alone."""
        output = as_export(output)
        self.on_event(Said(f"writing {output.path}"))
        return await self._written(output, references)

    async def _written(self, output: Export, references: Sequence[str]) -> Result:
        media = dagger.ImageMediaTypes.DOCKER if output.type == "docker" else dagger.ImageMediaTypes.OCI
        with written(output) as new:
            async with (
                _translated(f"export {output.path}"),
                growing(new, str(output.path), self.on_event),
            ):
                await self.container.export(str(new), platform_variants=self.variants or None, media_types=media)
            naming = partial(name_in_tar, new, references, docker=output.type != "oci")
            await anyio.to_thread.run_sync(naming)
            digest, image_id, layers = read_tar(new)
        file = Written(output.path, output.type or "tar", digest)
        return Result(digest, image_id, tuple(references), self._named(layers), outputs=(file,))

    def _named(self, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        """The layers with the steps that made them: the engine makes one of each, after the base's own."""
        steps = self.plan.layers
        if self.variants or not steps or len(layers) < len(steps):
            return layers
        last = zip(layers[-len(steps) :], steps, strict=True)
        return (*layers[: -len(steps)], *(evolve(layer, step=step.step) for layer, step in last))

    async def load(self, reference: str) -> Result:
        """Into docker's store, else podman's; an event says which."""
        from .store import image_store, load_tar

        store = await image_store()
        self.on_event(Said(f"loading {reference} into {store}"))
        with workplace() as work:
            tar = work / "image.tar"
            made = await self._written(Export(tar), (reference,))
            await load_tar(store, tar)
        return Result(made.digest, made.image_id, (reference,), made.layers)


async def given_base(container: dagger.Container) -> Given:
    """A container of the caller's as a base, for the platform that it says it is for."""
    async with _translated("the container given"):
        return Given(platform=await container.platform())


def _configured(container: dagger.Container, plan: Plan, said: Mapping[str, str]) -> dagger.Container:
    """The container with its config, and with the labels ``said``."""
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
    for name, value in sorted(said.items()):
        container = container.with_label(name, value)
    return container


async def _probed(base: From, probe: dagger.Container) -> str:
    try:
        return await probe.stdout()
    except dagger.ExecError as error:
        if "exec format error" in error.stderr:
            raise cannot_run(base) from None
        if "/bin/sh: no such file" in error.stderr:
            raise has_no_shell(base) from None
        raise


async def _triggers(base: From, digest: str | None) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """ONBUILD and VOLUME of a base, which the engine's API does not tell; None where this machine cannot ask."""
    try:
        with anyio.fail_after(10):
            config = await image_config(base.reference, digest, base.platform)
    except (DaggerAmlError, TimeoutError):
        return None, None
    return tuple(config.get("OnBuild") or ()), tuple(config.get("Volumes") or ())


@asynccontextmanager
async def _translated(step: str, files: SecretFiles | None = None) -> AsyncIterator[None]:
    """Turn the SDK's errors into ours: no GraphQL, no traceback, no secret, the step named."""
    try:
        yield
    except dagger.ExecError as error:
        output = "\n".join(part for part in (error.stdout, error.stderr) if part)
        raise BuildError(
            f"the command ended with exit code {error.exit_code}",
            step=step,
            command=tuple(error.command),
            output=files.hidden(output) if files else output,
            do=files.proxy_advice(output) if files else None,
        ) from None
    except dagger.QueryError as error:
        raise _from_engine(step, str(error)) from None
    except (dagger.ClientConnectionError, dagger.TransportError) as error:
        raise _gone(step, str(error)) from None


def _gone(step: str, reason: str) -> EngineGone:
    """The engine went away. Its session answers with an HTTP status; the rest of what it says is its own address."""
    status = re.search(r"'([45]\d\d [^']+)'", reason)
    return EngineGone(
        f"the Dagger engine went away ({status[1] if status else _first_line(reason)})",
        where=step,
        do="Run the same command again once an engine answers (`dagger-aml doctor` says which); steps that it still "
        "knows are not done again. Why it went, its log may say.",
        after=None,
    )


def _from_engine(step: str, message: str) -> DaggerAmlError:
    text = re.sub(r" \[traceparent:[^\]]*\]", "", message)
    if re.search(_NO_SESSION, text):
        return _gone(step, text)
    known = said_by_registry(text, step)
    if known:
        return known
    if re.search(r"no such file or directory|permission denied", text) and "/" in text:
        return UsageError(_first_line(text), where=step)
    return BuildError(_first_line(text), step=step, output=text if "\n" in text else "")


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")


def _pattern(path: str) -> str:
    """An include or exclude pattern that means exactly this path.

    The engine makes a regular expression of it, after taking white space off both ends.
    """
    plain = re.sub(r"[\\*?\[\]!+(){}|^$]", r"\\\g<0>", path.lstrip("/"))
    return re.sub(r"\s", r"[\g<0>]", plain)
