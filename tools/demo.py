"""`task demo`: the example planned, its Dockerfile written and, where something can build, built, run and scored.

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


async def _local() -> str:
    if await docker_answers():
        return "docker"
    for name in LOCAL[1:]:
        if shutil.which(name):
            return name
    raise NotScored("no Dagger engine, docker, podman or buildah to build with")


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
