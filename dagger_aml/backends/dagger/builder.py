"""A plan carried out by a Dagger engine, through dagger-io.

Copies are keeping copies (docs/builder-cases.md): the contents first, then a *skeleton* of the destination and
its parents that takes the owners and modes of what lies beneath, all with one fixed time. So an existing folder keeps
its owner and mode, and the layer's bytes depend on its content and destination, not on what else lies beneath.
"""

from __future__ import annotations

import copy
import os
import posixpath
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import dagger
from attrs import evolve

from ... import contract
from ...base.facts import BaseFacts, of_config, prefixes
from ...base.probe import from_probe, probe_argv, probe_stdin
from ...errors import EngineGone
from ...events import Message, OnEvent, Transferred, ignore
from ...fs.stamps import unchanged
from ...fs.temporary import temporary_directory
from ...fs.tree import is_file
from ...graph.base import From, Given
from ...graph.graph import Built, Copy, Run
from ...graph.source import Empty, Local, Text
from ...oci import layout as oci_layout
from ...oci.messages import Peer
from ...oci.reference import Reference
from ...plan.keys import labels
from ...plan.making import Making, makings
from ...plan.model import Plan
from ...policy import DEFAULT, Policy
from ..base import Capabilities, Image, Runtime, own_image
from ..conversation import Conversation, News
from ..secret_files import SecretFiles, secret_files
from ..store import load_file
from ..transfers import ReadPosition
from .capabilities import CAPABILITIES
from .copies import check_told_apart, exact_pattern, is_text
from .errors import engine_gone, meaning, translated
from .image import DaggerImage
from .probe import probe_answer, triggers_of
from .service import Services
from .spans import Spans
from .timeline import Timeline

_SKELETON_TIME = 315532800
"""1980-01-01: on the skeleton's folders only, never on the user's files."""


_CHUNK = 40
"""Calls in one query; the SDK's query text grows with the square of a chain."""


class Engine:
    """Carries plans out on a connected engine.

    :param client: of dagger-io; closing it is the caller's.
    :param no_cache: run every command again, whatever the engine remembers.
    :param given: what a base that is :class:`~dagger_aml.graph.base.Given` stands for.
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
        policy: Policy = DEFAULT,
    ) -> None:
        self.client = client
        self.given = given
        self.spans = spans
        self.sender = sender
        self.policy = policy
        self.version = version
        self.on_event = on_event
        self._imported: dict[From, dagger.Container] = {}
        self._fresh = _another_time() if no_cache else None

    @property
    def capabilities(self) -> Capabilities:
        """What an engine can."""
        return CAPABILITIES

    def runtime(self) -> Runtime:
        """Services of the engine."""
        return Services(self.name, self.client, self.gone, self.policy)

    def with_events(self, on_event: OnEvent) -> Engine:
        """The same session, whose work is told to another callback: one for each of several images."""
        made = copy.copy(self)
        made.on_event = on_event
        return made

    def for_tags(self, tags: Sequence[Reference]) -> Engine:
        """Itself: what earlier images tell is of no use to it."""
        return self

    def for_packages(self) -> Engine:
        """Itself: it always asks."""
        return self

    def afresh(self) -> Engine:
        """The same session, in which every command runs again."""
        made = copy.copy(self)
        made._fresh = _another_time()
        return made

    async def probe(self, base: From, paths: Iterable[str]) -> tuple[str | None, BaseFacts]:
        """Pull the base and ask it (see :class:`~dagger_aml.backends.base.Builder`)."""
        self.on_event(Message(f"probing the base image {base.pinned}"))
        container = await self._from(base)
        if base.archive or isinstance(base, Given):
            # Of no registry, so nobody knows how long it takes.
            async with translated(Peer("base", base.pinned)):
                digest, known = await self._config(base, container, "")
                return digest, from_probe(await probe_answer(base, _probe(container, known, paths)), known)
        talk = self._talk(Peer("base", base.pinned))

        async def reference(_: News) -> str:
            return await container.image_ref()

        async def config(_: News) -> tuple[str | None, BaseFacts]:
            return await self._config(base, container, ref)

        async def answer(_: News) -> str:
            return await probe_answer(base, probe)

        ref = await talk.call(reference, idle_timeout_seconds=self.policy.manifest_timeout_seconds)
        # From here on the engine pulls the layers, whatever it is asked.
        idle = self.policy.layer_idle_timeout_seconds
        digest, known = await talk.call(config, idle_timeout_seconds=idle)
        probe = _probe(container, known, paths)
        return digest, from_probe(await talk.call(answer, idle_timeout_seconds=idle), known)

    async def gone(self, location: str) -> EngineGone | None:
        """Why the engine cannot be reached any more, where it cannot.

        :param location: what needs it.
        """
        try:
            async with translated(location):
                with anyio.fail_after(self.policy.liveness_timeout_seconds):
                    await self.client.version()
        except EngineGone as error:
            return error
        except TimeoutError:
            return engine_gone(location, f"no answer within {self.policy.liveness_timeout_seconds:.0f} s")
        return None

    def _talk(self, peer: Peer) -> Conversation:
        """With a registry, through the engine."""
        return Conversation(
            peer, self.policy, self.on_event, partial(meaning, peer=peer), partial(self.gone, peer.location)
        )

    async def _config(self, base: From, container: dagger.Container, ref: str) -> tuple[str | None, BaseFacts]:
        """The base's digest, and what its config says.

        :param ref: as the engine resolved it; empty for a base of no registry.
        """
        if base.archive:
            return base.digest, of_config(oci_layout.config(base))
        digest = "sha256:" + ref.partition("@sha256:")[2] if "@sha256:" in ref else base.digest
        env = {await each.name(): await each.value() for each in await container.env_variables()}
        onbuild, volumes = (None, None) if isinstance(base, Given) else await triggers_of(base, digest, self.policy)
        return digest, BaseFacts(
            source="probed",
            user=await container.user(),
            workdir=await container.workdir() or "/",
            environment=env.get(contract.ENVIRONMENT_PATH),
            env=env,
            entrypoint=tuple(await container.entrypoint()),
            cmd=tuple(await container.default_args()),
            onbuild=onbuild,
            volumes=volumes,
        )

    async def makings(self, plan: Plan) -> tuple[Making, ...]:
        """By this builder, all of them."""
        return makings(plan, "builder")

    async def image(self, plan: Plan, *, title: str = "") -> DaggerImage:
        """Execute a plan, step by step."""
        return self._image(plan, [await self.container(plan)])

    def index(self, images: Sequence[Image]) -> DaggerImage:
        """Images for several platforms as one."""
        several = [own_image(each, DaggerImage, self.name, "index") for each in images]
        return self._image(several[0].plan, [each.container for each in several])

    def _image(self, plan: Plan, containers: Sequence[dagger.Container]) -> DaggerImage:
        return DaggerImage(
            plan,
            containers[0],
            containers[1:],
            spans=self.spans,
            on_event=self.on_event,
            policy=self.policy,
            gone=self.gone,
        )

    async def load_tar(self, tar: Path, reference: str) -> str | None:
        """Into docker's store, else podman's; an event says which."""
        return await load_file(tar, reference, self.on_event, self.policy)

    async def folder(self, plan: Plan, path: str, dest: Path) -> None:
        """Write one folder of a plan's image to this machine."""
        container = await self.container(plan)
        async with translated("export"):
            await container.directory(path).export(_absolute(dest))
        for root, folders, _ in os.walk(dest):
            Path(root).chmod(0o755)
            for name in folders:
                (Path(root) / name).chmod(0o755)

    async def container(self, plan: Plan) -> dagger.Container:
        """Execute a plan and give the container, config included; every step has then run."""
        timeline = Timeline(self.on_event, self.spans, self.policy)
        with unchanged(plan.layers):
            with secret_files(plan.access) as files:
                container = await self._layers(await self._from(plan.base), plan.layers, files, timeline)
            said = await anyio.to_thread.run_sync(labels, plan)
        async with translated("config"):
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
        self.on_event(Message(f"sending {base.archive} to the engine"))
        with temporary_directory() as work:
            tar = oci_layout.whole_tar(base)
            if tar is None:
                tar = work / "base.tar"
                await anyio.to_thread.run_sync(oci_layout.write_tar, base, tar)
            async with translated(Peer("base", str(base.archive))):
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
            op = timeline.op(layer.name, number, len(layers), call=call, sent=self._sent(layer))
            async with op, translated(layer.name, files):
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
        return ReadPosition(self.sender, layer.source.path, layer.name, layer.source.size).look

    def _executed(self, container: dagger.Container, run: Run, files: SecretFiles) -> dagger.Container:
        """A command, with the files and proxies that it alone sees. The engine remembers it by the files' names."""
        container = container.with_user(str(run.user)).with_workdir(run.workdir)
        for mount in run.mounts:
            file = _absolute(files.path(mount))
            value = self.client.secret(f"file://{file}", cache_key=f"dagger-aml {mount.cache_key}")
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
            pattern = exact_pattern(prefix)
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
        if not isinstance(source, Local):
            raise TypeError("wheels are copied as a tree of this machine")
        if is_file(source):
            file, entry = self.client.host().file(_absolute(source.path), no_cache=True), source.entries[0]
            if entry.mode == entry.disk_mode:
                return nothing.with_file(copy.dest, file, owner=owner)
            return nothing.with_file(copy.dest, file, permissions=entry.mode, owner=owner)
        return nothing.with_directory(copy.dest, await self._tree(source), owner=owner)

    async def _tree(self, source: Local) -> dagger.Directory:
        """A local folder with normalised modes: as it is where they are so already, else a copy in the engine.

        In the place of a link of a Hugging Face snapshot it has the file that the link leads to.
        """
        elsewhere = [each for each in source.entries if each.at]
        if elsewhere:
            kept = [each for each in source.entries if not each.at]
            tree = await self._tree(
                evolve(source, entries=kept, left_out=[*source.left_out, *(each.path for each in elsewhere)])
            )
            for each in elsewhere:
                file = self.client.host().file(each.at, no_cache=True)
                tree = tree.with_file(each.path, file, permissions=each.mode)
            return tree
        wrong = [each for each in source.entries if each.type != "link" and each.disk_mode != each.mode]
        if wrong or source.partial or source.left_out:
            check_told_apart((*(each.path for each in source.entries), *source.left_out), source.path)
        only = [exact_pattern(each.path) for each in source.entries if each.type != "dir"] if source.partial else []
        found = self.client.host().directory(
            _absolute(source.path),
            include=only,
            exclude=[exact_pattern(name) for name in source.left_out],
            no_cache=True,
        )
        if not wrong:
            return found
        tree = self.client.directory().with_directory("/", found, permissions=0o644)
        executable = [
            exact_pattern(each.path) for each in source.entries if each.type == "file" and each.mode == 0o755
        ]
        if executable:
            tree = tree.with_directory("/", found, include=executable, permissions=0o755)
        return tree.with_directory("/", await self._folders(source, found))

    async def _folders(self, source: Local, found: dagger.Directory) -> dagger.Directory:
        """A tree of the source's folders alone, each 0755; laid over another it sets their modes.

        :param found: the source in the engine, from which folders are taken whose names are no text.
        """
        made = self.client.directory()
        folders = [each.path for each in source.entries if each.type == "dir"]
        for pattern in [exact_pattern(each) for each in folders if not is_text(each)]:
            made = made.with_directory("/", found, include=[pattern], exclude=[f"{pattern}/*"], permissions=0o755)
        folders = [each for each in folders if is_text(each)]
        for begin in range(0, len(folders), _CHUNK):
            for folder in folders[begin : begin + _CHUNK]:
                made = made.with_new_directory(folder, permissions=0o755)
            made = await made.sync()
        return made


def _absolute(path: str | Path) -> str:
    """The engine's command line works in another folder than this process."""
    return str(Path(path).absolute())


def _another_time() -> str:
    """A variable by which an engine remembers none of the commands that it stands before."""
    return f"DAGGER_AML_BUILD={uuid.uuid4().hex}"


def _probe(container: dagger.Container, known: BaseFacts, paths: Iterable[str]) -> dagger.Container:
    """A container in which the probe's script runs."""
    return (
        container.with_user("0:0")
        .with_workdir("/")
        .with_exec(list(probe_argv(known.user, known.environment)), stdin=probe_stdin(paths))
    )


async def given_base(container: dagger.Container) -> Given:
    """A container of the caller's as a base, for the platform that it says it is for."""
    async with translated("the given container"):
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
