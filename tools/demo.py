"""`task demo`: the example planned, its Dockerfile written, and then its image built, run and scored.

Where neither an engine nor docker, podman or buildah is there, the image is written directly, its packages as files,
and the answer is that of the inference server in a throw-away environment.

The last line is `demo: scored …`, or `demo: NOT scored: <why>`. Exit code 1 only where a builder and a base are there
and the example was still not scored.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio

from dagger_aml import (
    DaggerAmlError,
    EngineNotFound,
    Graph,
    Options,
    build,
    connect,
    dockerfile,
    load_project,
    load_recipe,
    make_plan,
)
from dagger_aml.backends.base import Builder
from dagger_aml.backends.store import docker_answers
from dagger_aml.base.catalog import DEFAULT
from dagger_aml.building.build import image
from dagger_aml.cli.progress import Progress
from dagger_aml.plan.render import plan_text
from dagger_aml.project.model import Project

EXAMPLE = Path(__file__).parent.parent / "examples" / "diabetes"
LOCAL = ("docker", "podman", "buildah")

LOCK = Path(__file__).parent / "pylock.demo.toml"
"""The example's packages, each wheel by its digest."""


class NotScored(Exception):
    """Nothing to build with, or no base: said in the last line, exit code 0."""


def main() -> int:
    """Run the demonstration; returns the exit code."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    _say("the plan of examples/diabetes")
    project, graph = anyio.run(_read, None)
    print(plan_text(make_plan(graph), project, why=True))
    with tempfile.TemporaryDirectory(prefix="dagger-aml-demo-") as scratch:
        folder = dockerfile(graph, title=project.name).save(Path(scratch) / "imagefiles")
        _say("its Dockerfile, as written with a context folder that any builder takes")
        print((folder / "Dockerfile").read_text())
        try:
            line = anyio.run(_build_and_score, Path(scratch))
        except NotScored as why:
            print(f"demo: NOT scored: {why}")
            return 0
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            if not isinstance(error, DaggerAmlError):
                traceback.print_exc()
            print(f"demo: NOT scored: {str(error) or type(error).__name__}")
            return 1
    print(f"demo: scored {line}")
    return 0


async def _read(base: str | None) -> tuple[Project, Graph]:
    project = load_project(EXAMPLE, Options(base=base))
    return project, await load_recipe(project.recipe)(Graph(), project)


async def _build_and_score(scratch: Path) -> str:
    progress = Progress()
    try:
        async with connect(on_event=progress.on_event, engine_timeout=120) as engine:
            with _base() as base:
                return await _with_engine(engine, base)
    except EngineNotFound:
        _say("no Dagger engine answers; looking for docker, podman and buildah")
    from dagger_aml.backends.local.find import local_builder

    name = await _local()
    if name is None:
        _say("nothing to build with: the image is written directly, its packages as files")
        with _base() as base:
            return await _written_directly(base, scratch, progress)
    with _base() as base:
        return await _with_local(local_builder(name, on_event=progress.on_event), base, scratch)


async def _with_engine(engine: Any, base: str | None) -> str:
    from tests.support.engine_scoring import score_container

    _say(f"building with the Dagger engine {engine.version}")
    _, graph = await _read(base)
    _, made = await image(graph, engine)
    answer, seconds = await score_container(engine.client, made.container, EXAMPLE / "request.json")
    return _checked(answer, f"by Dagger {engine.version}, ready in {seconds:.1f} s")


async def _with_local(builder: Builder, base: str | None, scratch: Path) -> str:
    from tests.support.scoring import score_tar

    _say(f"building with {builder.name}")
    _, graph = await _read(base)
    tar = scratch / "diabetes.tar"
    await build(graph, builder, tags=["dagger-aml-demo:1"], output=tar)
    runtime = "docker" if await docker_answers() else "podman"
    if not shutil.which(runtime):
        raise NotScored(f"built with {builder.name}, but neither docker nor podman is there to run it")
    scored = await anyio.to_thread.run_sync(
        lambda: score_tar(tar, EXAMPLE / "request.json", runtime=runtime)  # type: ignore[arg-type]
    )
    return _checked(scored.json, f"by {builder.name}, run by {runtime}, ready in {scored.seconds_to_ready:.1f} s")


async def _written_directly(base: str | None, scratch: Path, progress: Progress) -> str:
    """A tar and a layout of the image, which nothing here can start; and what the server answers without it."""
    from dagger_aml import Export
    from dagger_aml.backends.base import Opening
    from dagger_aml.backends.builders import opened
    from dagger_aml.backends.runtime import Published
    from dagger_aml.serving.local import locally
    from dagger_aml.serving.log import Log
    from dagger_aml.serving.places import located
    from dagger_aml.serving.serve import ready

    options = Options(base=base, requirements=str(LOCK), packages_as="files")
    graph = await load_recipe("extended")(Graph(), load_project(EXAMPLE, options))
    async with opened("dagger", Opening(layers="direct"), progress.on_event) as builder:
        outputs = [Export(scratch / "diabetes.tar"), Export(scratch / "layout", "oci", folder=True)]
        made = await build(graph, builder, tags=["dagger-aml-demo:1"], output=outputs)
    _say(
        f"wrote image {made.config_digest}, {sum(each.size for each in made.layers) / 1e6:.0f} MB, as tar and layout"
    )
    project, plain = await _read(base)
    log, begun = Log(None), time.monotonic()
    serving = locally(project, plain, log, published=Published(), on_event=progress.on_event)
    async with serving as (endpoint, _):
        await ready(endpoint, begun, 300, located(plain.layers))
        body = (EXAMPLE / "request.json").read_bytes()
        scored = await endpoint.request("POST", "/score", body, content_type="application/json")
    return _checked(scored.json, "by the inference server, image written directly")


async def _local() -> str | None:
    if await docker_answers():
        return "docker"
    for name in LOCAL[1:]:
        if shutil.which(name):
            return name
    return None


@contextlib.contextmanager
def _base() -> Iterator[str | None]:
    """The registry's base where it can be pulled (None: the default), else the stand-in from our own registry."""
    if os.environ.get("DAGGER_AML_BASE"):
        yield None
        return
    if _can_pull():
        yield None
        return
    from tests.standin import missing, push, registry

    why_not = missing()
    if why_not:
        raise NotScored(f"no base to be had: {DEFAULT.reference} cannot be pulled, and {why_not}")
    _say(f"{DEFAULT.reference} cannot be pulled here; building the stand-in of the tests instead (a minute, once)")
    with registry() as host:
        yield push("classic", host)


def _can_pull() -> bool:
    """Whether Microsoft's registry answers for the default base, asked in a thread of its own event loop."""
    from concurrent.futures import ThreadPoolExecutor

    from dagger_aml.graph.base import From
    from dagger_aml.oci.registry import resolve_digest

    async def asked() -> bool:
        with anyio.move_on_after(10):
            try:
                return bool(await resolve_digest(From.parse(DEFAULT.reference)))
            except DaggerAmlError:
                return False
        return False

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(anyio.run, asked).result()


def _checked(answer: Any, how: str) -> str:
    expected = json.loads((EXAMPLE / "answer.json").read_text())
    assert answer == expected, f"the answer is {answer}, not {expected}"
    return f"examples/diabetes {how}: {json.dumps(answer)}"


def _say(text: str) -> None:
    print(f"demo: {text}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
