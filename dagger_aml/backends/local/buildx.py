"""Any builder of docker's buildx: the default one, a container, a BuildKit elsewhere, a farm of them.

BuildKit keeps what it built in its cache, and this machine has no image. So the image is built again, from that
cache, for each place that it goes to; of its context nothing is sent twice. Bases come from registries, never from a
store of this machine.
"""

from __future__ import annotations

import copy
import json
import shlex
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from anyio import to_thread
from attrs import evolve, field

from ...base.facts import BaseFacts, of_config
from ...base.probe import from_probe, probe_argv, probe_stdin
from ...data import define, frozen
from ...errors import DaggerAmlError
from ...events import Message, OnEvent, ignore
from ...fs.temporary import temporary_directory
from ...graph.base import From
from ...graph.graph import Graph
from ...graph.stages import bases
from ...oci import layout as oci_layout
from ...oci.docker_archive import unpack_layout, write_layout
from ...oci.messages import Peer
from ...oci.reference import Reference
from ...oci.registry import image_config, resolve_digest
from ...plan.making import Making, makings
from ...plan.model import Plan
from ...policy import DEFAULT, Policy
from ...process import CompletedProcess
from ..base import Builder, Capabilities, Image, Opening, Runtime, own_image
from ..dockerfile.instructions import Script
from ..dockerfile.render import rendered
from ..secret_files import secret_files
from .bases import in_store, not_probed, own_name
from .buildx_call import Call
from .buildx_cli import INSTALL, Buildx, found_buildx, gone
from .buildx_image import BuildxImage
from .buildx_runtime import BuildxRuntime, container_runtime
from .moved import move_as_own
from .output import OutputReader
from .program import failed, refused

CAPABILITIES = Capabilities(
    name="buildx",
    install=INSTALL,
    forms=("buildkit",),
    connects_to_engine=False,
    own_store=False,
    pushes_index=True,
    one_at_a_time=False,
    serves=False,
    leaves_containers=True,
    has_instances=True,
    attests=True,
)

_LAST = "dagger-aml-image"
"""A name that no stage of ours has."""

_ASK = """FROM --platform={platform} {base} AS base
USER 0:0
WORKDIR /
RUN --network=none --mount=type=bind,target=/.dagger-aml-ask ["/bin/sh", "/.dagger-aml-ask/ask.sh"]
FROM scratch
COPY --from=base /.dagger-aml-answer /
"""


@define(eq=False)
class BuildxBuilder:
    """Has a builder of buildx's build; see :class:`~dagger_aml.backends.base.Builder`.

    :param stack: ends what is kept as long as this builder.
    :param attestations: flags that ask for them.
    """

    buildx: Buildx
    stack: ExitStack
    no_cache: bool = False
    on_event: OnEvent = ignore
    policy: Policy = DEFAULT
    attestations: tuple[str, ...] = ()
    name: str = field(default=CAPABILITIES.name, init=False)
    _contexts: dict[From, Path] = field(factory=dict, init=False, repr=False)
    """Bases of this machine as folders with an OCI layout."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can."""
        return CAPABILITIES

    def runtime(self) -> Runtime:
        """docker's or podman's, which pull what was pushed, and load the rest.

        :raises UsageError: neither is here.
        """
        return BuildxRuntime(container_runtime())

    def with_events(self, on_event: OnEvent) -> BuildxBuilder:
        """The same builder, told to another callback."""
        made = copy.copy(self)
        made.on_event = on_event
        return made

    def for_tags(self, tags: Sequence[Reference]) -> BuildxBuilder:
        """Itself: what earlier images tell is of no use to it."""
        return self

    def for_packages(self) -> BuildxBuilder:
        """Itself: it always asks."""
        return self

    def afresh(self) -> BuildxBuilder:
        """The same builder; every step runs again."""
        made = copy.copy(self)
        made.no_cache = True
        return made

    async def probe(self, base: From, paths: Iterable[str]) -> tuple[str | None, BaseFacts]:
        """A base's digest and config from its registry, and its facts by a small build.

        :raises RegistryDenied: the registry wants a login. :raises TransientError: it, or BuildKit, is unreachable.
        :raises BuildError: there is no such image, or nothing can be run in it.
        :raises BaseError: it has no shell, or is not for a processor that the builder can run.
        """
        digest: str | None
        if base.archive:
            digest, facts = base.digest, of_config(await to_thread.run_sync(oci_layout.config, base))
        else:
            digest = await resolve_digest(base, self.on_event, self.policy)
            config = await image_config(base.reference, digest, base.platform, self.on_event, self.policy)
            facts = of_config(config)
        if facts.onbuild:
            # It is refused for them, and each FROM runs them.
            return digest, facts
        return digest, from_probe(await self._asked(evolve(base, digest=digest), facts, paths), facts)

    async def _asked(self, base: From, facts: BaseFacts, paths: Iterable[str]) -> str:
        with temporary_directory() as work:
            context, out = work / "context", work / "out"
            context.mkdir()
            name = own_name(base).reference if base.archive else base.pinned
            (context / "Dockerfile").write_text(_ASK.format(platform=base.platform, base=name))
            (context / "paths").write_text(probe_stdin(paths))
            argv = shlex.join(probe_argv(facts.user, facts.environment))
            (context / "ask.sh").write_text(f"{argv} </.dagger-aml-ask/paths >/.dagger-aml-answer\n")
            flags = await self._named_contexts([base])
            done, _ = await self.buildx.build(
                context, work, platform=base.platform, output="type=local,dest=out", flags=flags
            )
            if done.code:
                raise self._not_probed(base, done)
            return (out / ".dagger-aml-answer").read_text(errors="replace")

    def _not_probed(self, base: From, done: CompletedProcess) -> DaggerAmlError:
        location = f"base {base.pinned}"
        if away := gone(done, self.buildx, location):
            return away
        if "failed to resolve source metadata" in (done.err or done.out):
            return refused(done, Peer("base", base.pinned), ["buildx", "build"])
        return not_probed(base, done, self.name)

    async def makings(self, plan: Plan) -> tuple[Making, ...]:
        """By this builder, all of them."""
        return makings(plan, "builder")

    async def image(self, plan: Plan, *, title: str = "") -> BuildxImage:
        """Build a plan's Dockerfile; what comes of it stays in BuildKit's cache.

        :raises BuildError: a step failed; it is named where that can be told from the output.
        :raises TransientError: BuildKit is not there, or went away.
        """
        return await self._image(plan, title)

    async def _image(self, plan: Plan, title: str = "", only: str | None = None) -> BuildxImage:
        """The image of a plan, or one that has what a folder of it holds and nothing else."""
        flags = await self._named_contexts(bases(Graph(plan.base, plan.layers)))
        plan = await to_thread.run_sync(in_store, plan, {})
        dockerfile, script = rendered(plan, format="buildkit", title=title)
        if only is not None:
            dockerfile = evolve(dockerfile, text=_only(dockerfile.text, script, only))
        # As long as this builder: for the same folder BuildKit asks only for what has changed.
        context = self.stack.enter_context(temporary_directory())
        await to_thread.run_sync(dockerfile.write, context)
        call = Call(self.buildx, plan, context, dockerfile.mounts, tuple(flags), self.attestations)
        progress, lines = OutputReader.of(script, plan, self.on_event), list[str]()
        with temporary_directory() as work, secret_files(plan.access) as files:

            def line(text: str) -> None:
                lines.append(text)
                progress.line(files.redact(text))

            done, _ = await call(work, "type=cacheonly", on_line=line, fresh=self.no_cache)
            if done.code:
                said = CompletedProcess(done.code, files.redact("\n".join(lines[-200:])))
                if away := gone(said, self.buildx, title or None):
                    raise away
                error = progress.error(done.code, self.name)
                error.hint = files.proxy_advice(error.output) or error.hint
                raise error
        progress.finish()
        return BuildxImage((call,), self.on_event, self.policy)

    def index(self, images: Sequence[Image]) -> BuildxImage:
        """Images for several platforms as one."""
        own = [own_image(each, BuildxImage, self.name, "index") for each in images]
        # What a gate saw is what is published: it is not built again for a repository that has all of it.
        places = set.intersection(*(set(each.sent) for each in own))
        sent = {place: tuple(digest for each in own for digest in each.sent[place]) for place in places}
        calls = tuple(call for each in own for call in each.calls)
        return BuildxImage(calls, self.on_event, self.policy, sent=sent)

    async def load_tar(self, tar: Path, reference: str) -> str | None:
        """Into docker's store, else podman's."""
        from ..store import load_file

        return await load_file(tar, reference, self.on_event, self.policy)

    async def folder(self, plan: Plan, path: str, dest: Path) -> None:
        """Build a plan and write what one folder of it holds to a folder; as the caller's own files."""
        made = await self._image(plan, only=path)
        with temporary_directory() as work:
            done, _ = await made.calls[0](work, "type=local,dest=out")
            if done.code:
                raise gone(done, self.buildx, f"copy {path}") or failed(done, f"copy {path}", ["buildx", "build"])
            await to_thread.run_sync(move_as_own, work / "out", dest)

    async def _named_contexts(self, found: Iterable[From]) -> list[str]:
        """Flags that give BuildKit the bases that lie on this machine, under their own names."""
        flags = []
        for base in found:
            if base.archive:
                if base not in self._contexts:
                    folder = self.stack.enter_context(temporary_directory())
                    await to_thread.run_sync(_layout, base, folder)
                    self._contexts[base] = folder
                flags += ["--build-context", f"{own_name(base).reference}=oci-layout://{self._contexts[base]}:base"]
        return flags


def _only(text: str, script: Script, path: str) -> str:
    """A Dockerfile with one more stage, which has what a folder of the image holds."""
    last = script.stages[-1][0].text
    before, _, after = text.rpartition(f"{last}\n")
    copied = json.dumps([f"{path.rstrip('/')}/", "/"])
    return f"{before}{last} AS {_LAST}\n{after}FROM scratch\nCOPY --from={_LAST} {copied}\n"


def _layout(base: From, folder: Path) -> None:
    """Make a folder an OCI layout of a base of this machine, tagged ``base``."""
    if base.digest:
        oci_layout.write_layout(base, folder)
        return
    with temporary_directory() as work:
        oci_layout.write_tar(base, work / "docker.tar")
        write_layout([work / "docker.tar"], work / "oci.tar", ["localhost/dagger-aml-base:base"])
        unpack_layout(work / "oci.tar", folder)


@frozen
class _BuildxKind:
    """The kind of builder that buildx's are; see :class:`~dagger_aml.backends.base.Kind`."""

    capabilities: Capabilities = CAPABILITIES

    @asynccontextmanager
    async def opened(self, opening: Opening, on_event: OnEvent) -> AsyncIterator[Builder]:
        """The builder, for a block; its contexts go with it."""
        buildx, version = await to_thread.run_sync(found_buildx, opening.instance, opening.policy)
        on_event(Message(f"{version}; builder {opening.instance or 'as buildx has chosen it'}"))
        asked = {"--provenance": opening.provenance, "--sbom": opening.sbom}
        flags = tuple(f"{flag}={value}" for flag, value in asked.items() if value is not None)
        with ExitStack() as stack:
            yield BuildxBuilder(buildx, stack, opening.no_cache, on_event, opening.policy, flags)

    def check_serves(self) -> None:
        """Raise unless docker or podman is here to start what was pushed.

        :raises UsageError: neither is.
        """
        container_runtime()


KIND = _BuildxKind()
