"""How each layer came to be, and what a plan can tell of that beforehand; and what is said meanwhile."""

import json
import re
from pathlib import Path

import pytest
from attrs import evolve

from dagger_aml.backends.direct.builder import DirectBuilder
from dagger_aml.backends.direct.note import KEY_VARIABLE
from dagger_aml.backends.direct.telling import said_once
from dagger_aml.building.many import Outcome, build_all
from dagger_aml.building.metadata import metadata
from dagger_aml.building.outputs import Registry
from dagger_aml.building.target import BuildTarget, tags_of
from dagger_aml.cli.progress.words import summary
from dagger_aml.errors import BaseError, BuildError, TransientError
from dagger_aml.events import Event, Message, OpDone, RanBefore, Transferred
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Graph, Run
from dagger_aml.plan.making import Making
from tests.support.direct import Runner, blobs_of, direct_builder, put_base
from tests.support.direct_push import RAN, pushed, running
from tests.support.projects import SCORE, make
from tests.support.registry import FakeRegistry

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cache")]

RECIPE = """
from dagger_aml.steps import base, code, run

async def recipe(graph, project):
    graph = await run(await base(graph, project.base), ["/bin/sh", "-c", "true"], name="mark")
    return await code(graph, project.code)
"""


def texts(events: list[Event]) -> list[str]:
    return [each.text for each in events if isinstance(each, Message)]


def ways(makings: tuple[Making, ...]) -> list[str]:
    return [each.way for each in makings]


async def test_what_was_done_is_in_the_result_its_metadata_and_the_summary(
    registry: FakeRegistry, folder: Path
) -> None:
    base, tag, runner = put_base(registry), f"{registry.host}/app:1", Runner(blobs_of(), RAN)
    first = await pushed(running(base, folder), tag, direct_builder(runner))
    assert ways(first.makings)[0] == "runs" and set(ways(first.makings)[1:]) == {"written"}
    events: list[Event] = []
    second = await pushed(running(base, folder), tag, direct_builder(runner, events))
    found = second.makings[0]
    assert (found.op, found.way, found.place, found.made) == ("run", "found", tag, first.makings[0].made)
    assert metadata(second)["dagger-aml.made"][0]["place"] == tag
    assert [each.op for each in second.layers[:3]] == ["", "", "run"]
    lines = summary(second, [each for each in events if isinstance(each, OpDone)])
    count = len(second.makings)
    ran = f"1 not run again (from {tag}, made AGE ago)"
    said = re.sub("less than a second|[0-9]+ seconds?", "AGE", lines[0])
    assert said == f"{count} steps: {ran}, {count - 1} written directly"
    rows = [line.split() for line in lines[1:]]
    assert rows[0][:3] == ["base", "2", "layers"] and rows[1][:2] == ["run", "found"]
    assert sum(1 for line in lines[1:]) == 1 + count
    exported = await direct_summary(base, folder, runner)
    assert "written directly" in exported[0] and len(exported) == 2 + count


async def direct_summary(base: From, folder: Path, runner: Runner) -> list[str]:
    """Of a tar, of whose steps no events come."""
    from dagger_aml.backends.outputs import Export
    from dagger_aml.building.outputs import of_export

    builder = direct_builder(runner)
    target = BuildTarget((running(base, folder),), "p", outputs=(of_export(Export(folder / "x.tar")),))
    try:
        (result,) = await build_all([target], builder)
    finally:
        builder.close()
    return summary(result, [])


async def test_what_a_builder_makes_is_told_as_before(registry: FakeRegistry) -> None:
    from dagger_aml.backends.result import Result
    from dagger_aml.oci.model import Layer

    made = Result("sha256:d", layers=(Layer("sha256:1", 5, "a"),), makings=(Making("a", "builder"),))
    assert summary(made, [OpDone("a", 1, 1, 2.0, cached=True)])[0] == "1 step, 1 of them reused:"
    assert summary(made, []) == []


async def test_makings_before_a_build_are_those_of_the_build(registry: FakeRegistry, folder: Path) -> None:
    base, tag, runner = put_base(registry), f"{registry.host}/app:1", Runner(blobs_of(), RAN)
    laid_out = running(base, folder)

    async def before() -> tuple[Making, ...]:
        from dagger_aml.building.plans import probe

        builder = direct_builder(runner).for_tags(tags_of([tag]))
        try:
            return await builder.makings(await probe(laid_out, builder))
        finally:
            builder.close()

    assert ways(await before())[0] == "runs" and not runner.plans
    await pushed(laid_out, tag, direct_builder(runner))
    assert (await before())[0].place == tag and len(runner.plans) == 1


def recipe(tmp_path: Path, registry: FakeRegistry) -> list[object]:
    root = make(tmp_path / "project", {"code/score.py": SCORE})
    (tmp_path / "mine.py").write_text(RECIPE)
    return [root, "--base", put_base(registry).reference, "--recipe", tmp_path / "mine.py"]


def made(out: str) -> list[str]:
    return [each["way"] for each in json.loads(out)["made"]]


def test_a_plan_tells_what_it_may_know(cli, registry: FakeRegistry, tmp_path: Path) -> None:
    """Offline as far as it goes, and nothing is asked; with --layers builder nothing is said."""
    words = recipe(tmp_path, registry)
    registry.asked.clear()
    _, out, _ = cli("plan", *words)
    lines = [line.strip() for line in out.splitlines()]
    assert lines.count("runs (or a runtime image, if one is found)") == lines.count("written directly") == 1
    _, out, _ = cli("plan", *words, "--json")
    assert made(out) == ["runs or found", "written"]
    assert not registry.requests()
    _, out, _ = cli("plan", *words, "--layers", "builder")
    assert "directly" not in out and "runtime image" not in out
    _, out, _ = cli("plan", *words, "--layers", "builder", "--json")
    assert made(out) == ["builder", "builder"]


def test_against_an_image_a_plan_tells_what_is_in_it(
    cli, registry: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, tag = recipe(tmp_path, registry), f"{registry.host}/app:1"
    runner = Runner(blobs_of(), RAN)

    async def other(self: DirectBuilder) -> Runner:
        return runner.with_events(self.on_event)

    monkeypatch.setattr(DirectBuilder, "_other", other)
    status, _, err = cli("build", *words, "-t", tag, "--push", "--no-smoke")
    assert status == 0, err
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "another"))
    for more in ([], ["--pin"], ["--probe"]):
        status, out, err = cli("plan", *words, "--against", tag, "--json", *more)
        assert status == 0 and made(out) == ["found", "written"], err
        assert json.loads(out)["made"][0]["place"] == tag
    assert f"does not run again: it is in {tag}, made" in cli("plan", *words, "--against", tag)[1]
    (tmp_path / "mine.py").write_text(RECIPE.replace('"true"', '"false"'))
    for more in ([], ["--probe"]):
        assert made(cli("plan", *words, "--against", tag, "--json", *more)[1]) == ["runs", "written"]
    assert made(cli("plan", *words, "--probe", "--json")[1]) == ["runs", "written"]
    monkeypatch.setenv("DAGGER_AML_CACHE_FROM", f"{registry.host}/cache")
    assert made(cli("plan", *words, "--against", tag, "--json")[1]) == ["runs or found", "written"]
    assert len(runner.plans) == 1


@pytest.mark.parametrize("key", ["s", ""])
def test_what_is_expected_against_an_image_without_the_key_s_mark(
    cli, registry: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    words, tag = recipe(tmp_path, registry), f"{registry.host}/project:1"
    runner = Runner(blobs_of(), RAN)

    async def other(self: DirectBuilder) -> Runner:
        return runner.with_events(self.on_event)

    monkeypatch.setattr(DirectBuilder, "_other", other)
    status, _, err = cli("build", *words, "-t", tag, "--push", "--no-smoke")
    assert status == 0, err
    words += ["--against", f"{registry.host}/{{name}}:1"]
    another = make(tmp_path / "another", {"code/score.py": SCORE})
    nothing = "Expected: nothing runs, no layer is new"
    assert nothing in cli("plan", *words)[1]
    monkeypatch.setenv(KEY_VARIABLE, key)
    _, out, _ = cli("plan", *words)
    why = f"it has no mark of a ${KEY_VARIABLE}" if key else f"${KEY_VARIABLE} is empty, and then nothing is taken"
    assert f"runs again: what ran is not taken: {why}\n" in out
    assert "Expected: 1 step runs" in out and "runs (or a runtime image, if one is found)" in out
    for projects in (words, [*words, another]):
        told = json.loads(cli("plan", *projects, "--json")[1])
        (first, *_) = told.get("projects", [told])
        assert first["against"]["ops"][0]["dagger"] == "runs" and first["verdict"]["up_to_date"] is True
    assert nothing in cli("plan", *words, "--layers", "builder")[1], "which asks for no mark"


@pytest.mark.parametrize(
    ("before", "now", "says"),
    [
        (None, "s", f"it has no mark of a ${KEY_VARIABLE}"),
        ("r", "s", f"its mark is not that of ${KEY_VARIABLE}"),
        ("s", "", f"${KEY_VARIABLE} is empty, and then nothing is taken"),
    ],
)
async def test_why_what_a_tag_has_is_not_taken(
    registry: FakeRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch, before: str | None, now: str, says: str
) -> None:
    base, tag, runner = put_base(registry), f"{registry.host}/app:1", Runner(blobs_of(), RAN)
    if before is not None:
        monkeypatch.setenv(KEY_VARIABLE, before)
    await pushed(running(base, folder), tag, direct_builder(runner))
    monkeypatch.setenv(KEY_VARIABLE, now)
    events: list[Event] = []
    await pushed(running(base, folder), tag, direct_builder(runner, events))
    assert texts(events).count(f"what ran is not taken from {tag}: {says}") == 1
    assert len(runner.plans) == 2


async def test_other_commands_and_another_base_are_told_and_the_same_is_not(
    registry: FakeRegistry, folder: Path
) -> None:
    base, tag, runner = put_base(registry), f"{registry.host}/app:1", Runner(blobs_of(), RAN)
    laid_out = running(base, folder)
    await pushed(laid_out, tag, direct_builder(runner))
    other = Graph(base, [Run(["/bin/false"], name="other"), *laid_out.layers[1:]])
    events: list[Event] = []
    await pushed(other, tag, direct_builder(runner, events))
    assert f"what ran is not taken from {tag}: it ran other commands, or on other files" in texts(events)
    events.clear()
    await pushed(other, tag, direct_builder(runner, events))
    assert not [each for each in texts(events) if "not taken" in each]
    assert [each.place for each in events if isinstance(each, RanBefore)]


async def test_what_would_make_the_next_build_fast_is_told_once(registry: FakeRegistry, folder: Path) -> None:
    base, runner = put_base(registry), Runner(blobs_of(), RAN)
    events: list[Event] = []
    await pushed(running(base, folder), f"{registry.host}/app:1", direct_builder(runner, events, no_cache=True))
    assert sum("add open_builder(cache_to=REPOSITORY)" in each for each in texts(events)) == 1
    events.clear()
    again = direct_builder(runner, events, no_cache=True)
    await pushed(running(base, folder), f"{registry.host}/app:1", again)
    assert not any("open_builder(cache_to" in each for each in texts(events))


async def test_the_gate_is_asked_before_a_tag_is_told(registry: FakeRegistry, folder: Path) -> None:
    base, tag = put_base(registry), f"{registry.host}/app:1"
    events: list[Event] = []

    async def gate(plan, image, builder) -> None:
        said = [*texts(events), *(each.name for each in events if isinstance(each, Transferred))]
        assert f"pushing {registry.host}/app" in said and not [each for each in said if tag in each]

    await pushed(running(base, folder), tag, direct_builder(Runner(blobs_of(), RAN), events), gate)
    assert texts(events)[-1] == f"tagging {tag}"


async def test_no_file_of_ours_is_told_while_what_ran_is_handed_over(registry: FakeRegistry, folder: Path) -> None:
    """As a builder tells of the layout that it writes for us."""
    events: list[Event] = []
    runner = Runner(blobs_of(), RAN)
    await pushed(running(put_base(registry), folder), f"{registry.host}/app:1", direct_builder(runner, events))
    assert [each for each in events if each == Transferred("written", "what ran", 1, 1)]
    assert not [each for each in events if "layout" in str(each) or "dagger-aml-" in str(each)]


async def test_builds_at_once_that_need_the_same_to_run_have_it_run_once(
    registry: FakeRegistry, folder: Path
) -> None:
    """With no_cache too, which is for a session."""
    base, runner = put_base(registry), Runner(blobs_of(), RAN)
    builder = direct_builder(runner, no_cache=True)
    targets = [
        BuildTarget((running(base, folder),), name, tags_of([f"{registry.host}/{name}:1"]), (Registry(),))
        for name in "abc"
    ]
    outcomes: dict[str, Outcome] = {}
    try:
        await build_all(targets, builder, jobs=3, listener=lambda _: Nobody(), outcomes=outcomes)
        assert [each.word for each in outcomes.values()] == ["ok"] * 3
        assert len(runner.plans) == 1
    finally:
        builder.close()


class Nobody:
    """Who is told of a target and does nothing."""

    def on_event(self, event: Event) -> None:
        """Nothing."""

    warn = failed = finish = on_event  # type: ignore[assignment]

    def stop(self) -> None:
        """Nothing."""


async def test_a_message_of_several_at_once_is_told_once() -> None:
    told: list[Event] = []
    tell = said_once(told.append)
    for event in (Message("again"), Message("again"), OpDone("a", 1, 1, 0.0), Message("other"), Message("again")):
        tell(event)
    assert told == [Message("again"), OpDone("a", 1, 1, 0.0), Message("other")]


async def test_layers_that_meet_the_same_trouble_say_so_once(
    registry: FakeRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dagger_aml.oci.push import PushClient

    base, met = put_base(registry), set()
    upload = PushClient.upload

    def busy(self: PushClient, ref, stream, digest, **kwargs):
        """Each layer meets it once: if chance decided, one could meet it until it gives up."""
        if digest not in met:
            met.add(digest)
            raise TransientError("the registry is busy", after=0)
        return upload(self, ref, stream, digest, **kwargs)

    monkeypatch.setattr(PushClient, "upload", busy)
    events: list[Event] = []
    await pushed(running(base, folder), f"{registry.host}/app:1", direct_builder(Runner(blobs_of(), RAN), events))
    lines = [each for each in texts(events) if "busy" in each]
    assert lines and len(lines) == len(set(lines)) and len(met) > 1


async def test_a_base_of_another_platform_is_refused(registry: FakeRegistry, folder: Path) -> None:
    base = evolve(put_base(registry), platform="linux/arm64")
    with pytest.raises(BaseError, match="the image is for linux/amd64, not for linux/arm64"):
        await pushed(running(base, folder), f"{registry.host}/app:1")


async def test_a_gate_that_fails_leaves_the_tag_untold(registry: FakeRegistry, folder: Path) -> None:
    events: list[Event] = []

    async def gate(plan, image, builder) -> None:
        raise BuildError("no")

    tag = f"{registry.host}/app:1"
    with pytest.raises(BuildError):
        await pushed(running(put_base(registry), folder), tag, direct_builder(Runner(blobs_of(), RAN), events), gate)
    assert not [each for each in texts(events) if each in (f"tagging {tag}", f"pushing {tag}")]
