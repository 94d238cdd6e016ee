"""One plan by every builder of this machine, and the images compared."""

from __future__ import annotations

import asyncio
import json
import os
import posixpath
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import anyio
from attrs import define, evolve, field, frozen

from dagger_aml.backends.base import Builder, Opening
from dagger_aml.backends.base import Image as BuiltImage
from dagger_aml.backends.direct.builder import DirectBuilder
from dagger_aml.backends.direct.image import DirectImage
from dagger_aml.backends.direct.inner import Opened
from dagger_aml.backends.local.buildah import Buildah
from dagger_aml.backends.local.builder import LocalBuilder
from dagger_aml.backends.local.buildx import BuildxBuilder
from dagger_aml.backends.local.buildx_cli import Buildx
from dagger_aml.backends.local.docker import Docker, docker_form
from dagger_aml.backends.local.find import local_builder
from dagger_aml.backends.local.program import no_other_names
from dagger_aml.base.facts import BaseFacts, PathFact
from dagger_aml.building.plans import probe
from dagger_aml.diff import ImageContents, Report, compare, read_image
from dagger_aml.errors import BuildError, DaggerAmlError
from dagger_aml.events import ignore
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Graph
from dagger_aml.graph.stages import pin
from dagger_aml.oci.layer import LayerContents, Node
from dagger_aml.plan.model import Op, Plan
from dagger_aml.plan.resolve import resolve
from dagger_aml.process import run
from tests.support.builders import lacking
from tests.support.buildkitd import FOLDER, remote_builder

OLD_DOCKER = "/usr/bin/docker"
"""Debian's client, which does BuildKit by itself up to version 20.10."""


class _OldDocker(Docker):
    """Docker's BuildKit by a client that is not the first on the PATH."""

    async def build(self, build, on_line):  # type: ignore[no-untyped-def]
        flags = ["--progress", "plain", "--platform", build.platform]
        env = {"DOCKER_BUILDKIT": "1", **build.env}
        return await run([OLD_DOCKER, "build", *build.flags, *flags, str(build.context)], on_line=on_line, env=env)


@frozen(kw_only=True)
class _OwnStore(Buildah):
    """buildah with a store of its own: each step looks through all images that a store has.

    :param layers: make one for each step, as dagger-aml has it.
    """

    config: Path
    layers: bool = True

    async def run(self, *argv, env=None, **more):  # type: ignore[no-untyped-def]
        if not self.layers:
            argv = tuple("--layers=false" if each == "--layers" else each for each in argv)
        return await super().run(*argv, env={**(env or {}), "CONTAINERS_STORAGE_CONF": str(self.config)}, **more)


def local_builders(folder: Path) -> dict[str, LocalBuilder]:
    """The builders beside an engine that can be used here: buildah, docker and docker's BuildKit.

    They use no cache, so that what one graph leaves cannot help another.
    """
    found: dict[str, LocalBuilder] = {}
    if not lacking("buildah"):
        store = folder / "storage.conf"
        places = "".join(f'{name} = "{folder / name}"\n' for name in ("graphroot", "runroot"))
        store.write_text(f'[storage]\ndriver = "overlay"\n{places}')
        found["buildah"] = LocalBuilder(_OwnStore(form="buildkit", config=store), no_cache=True)
    if not lacking("docker"):
        found["docker"] = local_builder("docker", format="classic", no_cache=True)
        if buildkit := _buildkit():
            found["buildkit"] = buildkit
    return found


def _buildkit() -> LocalBuilder | None:
    try:
        return local_builder("docker", format="buildkit", no_cache=True)
    except DaggerAmlError:
        pass
    if not Path(OLD_DOCKER).exists():
        return None
    asked = subprocess.run([OLD_DOCKER, "version", "--format", "{{json .}}"], capture_output=True, check=False)
    if asked.returncode or docker_form(json.loads(asked.stdout), buildx=False)[0] == "classic":
        return None
    return LocalBuilder(_OldDocker("buildkit"), no_cache=True)


@define
class Known:
    """Answers what a builder would be asked of a base, from the base's files."""

    asked: BaseFacts
    digest: str | None
    files: Mapping[str, Node] = field(repr=False)

    async def probe(self, base: From, paths: Iterable[str]) -> tuple[str | None, BaseFacts]:
        """As :meth:`dagger_aml.backends.base.Builder.probe`."""
        found = {path: fact for path in paths if path.isprintable() and (fact := self.fact(path))}
        return self.digest, evolve(self.asked, paths=found)

    def fact(self, path: str) -> PathFact | None:
        """What ``test`` and ``stat`` say of a path."""
        parent = self._end(posixpath.dirname(path), 0)
        place = parent and posixpath.join(parent, posixpath.basename(path))
        node = self.files.get(place or "")
        if node is None:
            return None
        if node.type == "link":
            return PathFact("link", 0o777, target=self._end(str(place), 0) or "")
        kind = node.type if node.type in ("dir", "file") else "other"
        return PathFact(kind, node.mode, node.uid, node.gid)

    def _end(self, path: str, hops: int) -> str | None:
        """Where a path ends, links followed; None where nothing is."""
        if path == "/":
            return path
        parent = self._end(posixpath.dirname(path), hops)
        place = parent and posixpath.join(parent, posixpath.basename(path))
        node = self.files.get(place or "")
        if node is None or hops > 40:
            return None
        if node.type != "link":
            return place
        return self._end(posixpath.normpath(posixpath.join(str(parent), node.target)), hops + 1)


@define
class Bench:
    """Builds plans by every builder and compares what comes out.

    :param builders: by name; the first is what the others are compared with.
    :param base: the odd base's reference.
    """

    builders: dict[str, Builder]
    base: From
    known: Known
    folder: Path
    reports: list[tuple[frozenset[str], Report]] = field(factory=list)
    seconds: Counter[str] = field(factory=Counter)
    made: int = 0
    layers: dict[str, LayerContents] = field(factory=dict, repr=False)

    def for_many_steps(self) -> Bench:
        """The engine, and buildah without a layer for each step; the others take minutes for hundreds of them."""
        few = {"dagger": self.builders["dagger"]}
        if isinstance(buildah := self.builders.get("buildah"), LocalBuilder):
            few["buildah"] = evolve(buildah, tool=evolve(buildah.tool, layers=False))
        return evolve(self, builders=few)

    async def plan(self, graph: Graph) -> Plan:
        """The plan on what is known of the base. Raises what ``ask`` raises."""
        return await probe(graph, self.known)  # type: ignore[arg-type]

    async def images(self, plan: Plan, names: Sequence[str] | None = None) -> dict[str, ImageContents | str]:
        """The plan's image by each builder, or the error with which it failed, two at a time."""
        found: dict[str, ImageContents | str] = {}
        limit = anyio.CapacityLimiter(2)

        async def one(name: str) -> None:
            async with limit:
                begun = time.monotonic()
                found[name] = await self._image(name, plan)
                self.seconds[name] += time.monotonic() - begun

        async with anyio.create_task_group() as tasks:
            for name in names or self.builders:
                tasks.start_soon(one, name)
        return {name: found[name] for name in names or self.builders}

    async def _image(self, name: str, plan: Plan) -> ImageContents | str:
        self.made += 1
        tar, builder = self.folder / f"{self.made}-{name}.tar", self.builders[name]
        try:
            image = await self._built(builder, plan)
            assert name != "direct" or isinstance(image, DirectImage), "left to the engine"
            await image.export(tar)
            read = await asyncio.to_thread(read_image, tar, known=self.layers)
        except DaggerAmlError as error:
            return f"{error}"
        finally:
            tar.unlink(missing_ok=True)
        if isinstance(builder, LocalBuilder) and image.id:
            await self._removed(builder, image.id)
        return read

    async def _removed(self, builder: LocalBuilder, image: str) -> None:
        """Take an image out of the store again."""
        env = {"CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf")} if builder.name == "buildah" else {}
        await run([builder.name, "rmi", "--force", image], env=env)

    async def closed(self) -> None:
        """Leave no connection, and nothing of buildah's store, whose folder cannot go while anything is mounted."""
        if isinstance(direct := self.builders.get("direct"), DirectBuilder):
            direct.close()
        if "buildah" in self.builders:
            env = {"CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf")}
            await run(["buildah", "rm", "--all"], env=env)
            await run(["buildah", "rmi", "--all", "--force"], env=env)

    async def _built(self, builder: Builder, plan: Plan) -> BuiltImage:
        """The image; tried again where somebody else removed images from buildah's store meanwhile."""
        try:
            return await builder.image(plan)
        except BuildError as error:
            if "layer not known" not in f"{error}":
                raise
            return await builder.image(plan)

    async def differences(self, plan: Plan, names: Sequence[str] | None = None) -> list[str]:
        """Build by all and say how they differ; nothing is said where all are equal."""
        found = await self.images(plan, names)
        first, *others = names or list(self.builders)
        return [text for other in others for text in self.compared(first, found[first], other, found[other])]

    def same(self, images: Mapping[str, ImageContents | str]) -> None:
        """Fail unless the images by all builders are equal to the first."""
        first, *others = images
        said = [text for other in others for text in self.compared(first, images[first], other, images[other])]
        assert not said, "\n".join(said)

    def compared(self, first: str, one: ImageContents | str, other: str, two: ImageContents | str) -> list[str]:
        """How two builders' images differ."""
        if isinstance(one, str) or isinstance(two, str):
            both = ((first, one), (other, two))
            # The one thing that newer versions of BuildKit cannot, and say so (docs/equality.md).
            return [
                f"{name} failed: {image}"
                for name, image in both
                if isinstance(image, str) and no_other_names() not in image
            ]
        names = frozenset({first, other})
        report = compare(one, two, builders=["docker" if name in ("buildkit", "buildx") else name for name in names])
        self.reports.append((names, report))
        return [] if report.equal else [f"{first} | {other}\n{report}"]


@contextmanager
def asked_for(folder: Path) -> Iterator[dict[str, Builder]]:
    """What $DAGGER_AML_BENCH names besides, for a block: ``buildx``, a BuildKit elsewhere."""
    if "buildx" not in os.environ.get("DAGGER_AML_BENCH", "").split(","):
        yield {}
        return
    with ExitStack() as stack:
        remote = stack.enter_context(remote_builder(folder))
        os.environ["BUILDX_CONFIG"] = remote.env["BUILDX_CONFIG"]
        stack.callback(os.environ.pop, "BUILDX_CONFIG")
        buildx = Buildx((str(FOLDER / "docker-buildx"),), remote.name)
        yield {"buildx": BuildxBuilder(buildx, stack, no_cache=True)}


async def opened(engine: Builder, reference: str, folder: Path, more: Mapping[str, Builder]) -> Bench:
    """A bench on a base, which each builder is made to have; its files are read once.

    :param more: builders besides those that are here.

    Where a builder's answers about some of them are not what is read, that is an error.
    """
    direct = DirectBuilder(Opened(engine), Opening(layers="direct"), ignore)
    base, builders = From.parse(reference), {"dagger": engine, "direct": direct, **local_builders(folder), **more}
    bench = Bench(builders, base, Known(BaseFacts("probed"), None, {}), folder)
    _, plain = await engine.probe(base, [])
    bench.known = Known(plain, None, {})
    image = (await bench.images(await bench.plan(Graph(base)), ["dagger"]))["dagger"]
    assert isinstance(image, ImageContents), image
    paths = sorted(path for path in image.files if path.startswith("/base/") or path in ("/tmp", "/base"))
    for name, builder in builders.items():
        digest, facts = await builder.probe(base, paths)
        bench.known = Known(evolve(facts, paths={}), digest, image.files)
        expected = {path: fact for path in paths if path.isprintable() and (fact := bench.known.fact(path))}
        assert facts.paths == expected, name
    bench.seconds.clear()
    return bench


def unscheduled(graph: Graph, plan: Plan) -> Plan:
    """The plan with its steps in the order in which the graph has them; only its label may tell that of the image."""
    layers = resolve(pin(graph, {graph.from_: plan.base.digest}), {plan.base: plan.facts}).layers
    return evolve(plan, ops=tuple(Op(layer, "as laid out") for layer in layers))
