"""What a user gets who says nothing of --layers: no builder where nothing runs, and what is said without one."""

from pathlib import Path

import pytest
from attrs import define, evolve, field

from dagger_aml import sync
from dagger_aml.backends.base import Capabilities, Opening
from dagger_aml.backends.dagger.capabilities import CAPABILITIES
from dagger_aml.backends.direct.builder import DirectBuilder
from dagger_aml.building.many import build_all
from dagger_aml.building.outputs import Registry
from dagger_aml.building.target import BuildTarget, tags_of
from dagger_aml.errors import BaseError, DaggerAmlError, EngineNotFound, UsageError
from dagger_aml.events import ignore
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Copy, Graph, Run
from dagger_aml.graph.source import Text
from dagger_aml.plan.model import Plan
from dagger_aml.project.build_settings import BUILD_SETTINGS
from tests.support.direct import SOON, put_base
from tests.support.projects import SCORE, make
from tests.support.registry import FakeRegistry

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cache")]


@define
class Nowhere:
    """A builder that is not there."""

    capabilities: Capabilities = CAPABILITIES
    opened: None = None
    asked: int = field(default=0)

    async def builder(self) -> None:
        """Never."""
        self.asked += 1
        raise EngineNotFound("no engine", hint="Start one.")


def graph(base: From, *runs: Run) -> Graph:
    """Code, and commands."""
    return Graph(base, [*runs, Copy(Text(b"x = 1\n"), "/var/app/score.py", kind="file", name="code")])


async def pushed(graph: Graph, tag: str, gate=None) -> Nowhere:
    """Build and push without any builder."""
    inner = Nowhere()
    builder = DirectBuilder(inner, Opening(policy=SOON), ignore)  # type: ignore[arg-type]
    try:
        await build_all([BuildTarget((graph,), "p", tags_of([tag]), (Registry(),), gate)], builder)
    finally:
        builder.close()
    return inner


def test_flag_variable_file_and_library_have_one_default() -> None:
    assert BUILD_SETTINGS["layers"].default == Opening().layers == "direct"


async def test_where_nothing_runs_no_builder_is_asked_for(registry: FakeRegistry) -> None:
    inner = await pushed(graph(put_base(registry)), f"{registry.host}/app:1")
    assert inner.asked == 0 and "1" in registry.manifests["app"]


async def test_what_a_missing_builder_is_needed_for_is_said(registry: FakeRegistry) -> None:
    base, tag = put_base(registry), f"{registry.host}/app:1"
    pip, mark = Run(["/bin/sh"], user="me", verb="pip", name="pip a.txt"), Run(["/bin/sh"], user="me", name="mark")
    for runs, says in (([pip], "pip a.txt; packages as files need none"), ([pip, mark], "pip a.txt, mark")):
        with pytest.raises(EngineNotFound) as caught:
            await pushed(graph(base, *runs), tag)
        assert caught.value.hint == f"A builder is needed to run: {says}.\nStart one."


async def test_nothing_is_sent_to_be_started_where_nothing_starts_it(registry: FakeRegistry) -> None:
    base = put_base(registry)

    async def gate(plan: Plan, image: object, builder: object) -> None:
        raise AssertionError("it is asked of no image")

    registry.asked.clear()
    with pytest.raises(EngineNotFound) as caught:
        await pushed(graph(base), f"{registry.host}/app:1", gate)
    assert caught.value.hint == "Start one.\nTo publish the image without starting it, add build(check=None)."
    assert not [each for each in registry.requests() if each.split()[0] in ("PUT", "POST", "PATCH")]


@pytest.mark.parametrize("command", ["plan", "dockerfile"])
def test_a_base_is_probed_from_its_layers_without_a_builder(cli, registry, tmp_path, monkeypatch, command) -> None:
    """As `build` does; and by the builder, which is not there, where that is to make everything."""
    monkeypatch.setenv("PATH", str(tmp_path))
    root = make(tmp_path / "p", {"code/score.py": SCORE})
    (tmp_path / "mine.py").write_text(
        "from dagger_aml.steps import base, code\n\n\n"
        "async def recipe(graph, project):\n"
        "    return await code(await base(graph, project.base), project.code)\n"
    )
    words = [command, root, "--base", put_base(registry).reference, "--recipe", tmp_path / "mine.py", "--probe"]
    status, out, err = cli(*words)
    assert status == 0 and "1000:1001" in out, err
    monkeypatch.setenv("DAGGER_AML_LAYERS", "builder")
    status, _, err = cli(*words, "--with", "buildah")
    assert status == 1 and "buildah is not installed" in err


def test_a_program_gets_what_the_command_builds_by(
    registry: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a builder as far as nothing runs, and without async."""
    monkeypatch.setenv("PATH", str(tmp_path))
    base = put_base(registry)
    with sync.open_builder("buildah", policy=SOON) as builder:
        result = builder.build(graph(base), tags=[f"{registry.host}/app:1"], push=True)
        assert [each.way for each in result.makings] == ["written"]
        plan = builder.probe(graph(base, Run(["/bin/sh"], name="mark")))
        assert [each.way for each in builder.makings(plan)] == ["runs", "written"]
        platforms = [graph(evolve(base, platform=each)) for each in ("linux/amd64", "linux/arm64")]
        with pytest.raises(BaseError, match="linux/arm64"):
            builder.build(platforms, tags=[f"{registry.host}/app:1"], push=True)
    with (
        pytest.raises(DaggerAmlError, match="buildah is not installed"),
        sync.open_builder(layers="builder", name="buildah"),
    ):
        pass
    with pytest.raises(UsageError, match="has a tag or a digest"), sync.open_builder(cache_to="r.example/c:1"):
        pass
