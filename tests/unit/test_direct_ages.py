"""How long what ran is taken, which of several counts, and that a builder does not give what it remembers."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from dagger_aml.backends.base import Opening
from dagger_aml.backends.direct.age import DAY_SECONDS, most_seconds
from dagger_aml.backends.local.builder import LocalBuilder
from dagger_aml.backends.local.docker import Docker
from dagger_aml.cli import target
from dagger_aml.cli.progress.words import ran_before
from dagger_aml.errors import UsageError
from dagger_aml.events import Event, Message, RanBefore
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Built, Copy, Graph, Run
from dagger_aml.steps import apt, pip, run
from dagger_aml.steps.packages import site_packages
from dagger_aml.text import age_text
from tests.support.direct import Runner, blobs_of, direct_builder, put_base
from tests.support.direct_push import RAN, changes_of, image_in, pushed, running
from tests.support.layers import file
from tests.support.projects import SCORE, make
from tests.support.registry import FakeRegistry

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cache")]

HASHED = f"idna==3.10 --hash=sha256:{'0' * 64}\n"


class Clock:
    """What time.time() says where ages are told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000_000_000.0
        monkeypatch.setattr("dagger_aml.backends.direct.runtime_image.time.time", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def texts(events: list[Event]) -> str:
    said = {Message: lambda each: each.text, RanBefore: ran_before}
    return "\n".join(said[type(each)](each) for each in events if type(each) in said)


@pytest.mark.parametrize(
    ("ages", "said", "days", "again"),
    [
        (True, None, 6.9, False),
        (True, None, 7.1, True),
        (False, None, 4000, False),
        (True, 30.0, 29, False),
        (True, 30.0, 31, True),
        (False, 0.5, 0.4, False),
        (False, 0.5, 0.6, True),
        (False, 0.0, 0.001, True),
    ],
)
async def test_what_ran_is_taken_for_as_long_as_is_said(
    registry: FakeRegistry, folder: Path, clock: Clock, ages: bool, said: float | None, days: float, again: bool
) -> None:
    base, tag, runner = put_base(registry), f"{registry.host}/app:1", Runner(blobs_of(), RAN)
    laid_out = running(base, folder, ages=ages)
    await pushed(laid_out, tag, direct_builder(runner, max_age_days=said))
    clock.now += days * DAY_SECONDS
    events: list[Event] = []
    await pushed(laid_out, tag, direct_builder(runner, events, max_age_days=said))
    assert len(runner.plans) == 1 + again
    age = age_text(days * DAY_SECONDS)
    if again:
        assert f"the commands run again: what they made {age} ago is in {tag}, and too old after" in texts(events)
    else:
        assert f"what they made {age} ago is in {tag}" in texts(events)


async def test_what_is_too_old_is_not_had_from_a_builder_that_remembers_it(
    registry: FakeRegistry, folder: Path, clock: Clock
) -> None:
    base, tag, runner = put_base(registry), f"{registry.host}/app:1", Runner(blobs_of(), RAN)
    await pushed(running(base, folder), tag, direct_builder(runner))
    clock.now += 8 * DAY_SECONDS
    await pushed(running(base, folder), tag, direct_builder(runner))
    assert runner.fresh == [False, True]
    # What it made then counts from then on.
    await pushed(running(base, folder), tag, direct_builder(runner))
    assert runner.fresh == [False, True]


@pytest.mark.parametrize("later", ["the same tag", "another tag", "no tag"])
async def test_after_no_cache_a_plain_build_gives_what_it_made(
    registry: FakeRegistry, folder: Path, clock: Clock, later: str
) -> None:
    base, runner = put_base(registry), Runner(blobs_of(), RAN)
    old = await pushed(running(base, folder), f"{registry.host}/app:1", direct_builder(runner))
    clock.now += 60
    runner.ran = {**RAN, "opt/newer": file("2")}
    tag = f"{registry.host}/app:{1 if later == 'the same tag' else 2}"
    anew = await pushed(running(base, folder), tag, direct_builder(runner, no_cache=True))
    clock.now += 60
    plain = await pushed(
        running(base, folder), f"{registry.host}/app:{3 if later == 'no tag' else 1}", direct_builder(runner)
    )
    assert len(runner.plans) == 2
    assert old.digest != anew.digest == plain.digest
    assert "/opt/newer" in changes_of(image_in(registry, "app", "1" if later != "no tag" else "3")[1][2])


async def test_of_two_machines_the_later_counts(
    registry: FakeRegistry, folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One has in its cache what the other has made anew since, and pushed."""
    base, runner = put_base(registry), Runner(blobs_of(), RAN)
    await pushed(running(base, folder), f"{registry.host}/app:1", direct_builder(runner))
    clock.now += 60
    runner.ran = {**RAN, "opt/newer": file("2")}
    with monkeypatch.context() as other:
        other.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "other"))
        anew = await pushed(running(base, folder), f"{registry.host}/app:1", direct_builder(runner, no_cache=True))
    plain = await pushed(running(base, folder), f"{registry.host}/app:1", direct_builder(runner))
    assert plain.digest == anew.digest and len(runner.plans) == 2


async def test_what_a_tag_has_too_old_is_taken_from_the_repository_for_it(
    registry: FakeRegistry, folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The trusted branch ran it anew in between; the image of another's tag is a week old."""
    base, runner, cache = put_base(registry), Runner(blobs_of(), RAN), f"{registry.host}/cache"
    await pushed(running(base, folder), f"{registry.host}/app:1", direct_builder(runner))
    clock.now += 8 * DAY_SECONDS
    runner.ran = {**RAN, "opt/newer": file("2")}
    with monkeypatch.context() as other:
        other.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "trusted"))
        await pushed(running(base, folder), f"{registry.host}/app:2", direct_builder(runner, cache_to=cache))
    clock.now += 60
    for machine in ("another", None):  # One that has nothing, and the first, which keeps what is too old.
        with monkeypatch.context() as other:
            if machine:
                other.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / machine))
            events: list[Event] = []
            builder = direct_builder(runner, events, cache_from=cache)
            await pushed(running(base, folder), f"{registry.host}/app:{'3' if machine is None else '1'}", builder)
            assert len(runner.plans) == 2, texts(events)
            assert "too old" not in texts(events)
    assert "/opt/newer" in changes_of(image_in(registry, "app", "1")[1][2])


async def test_what_a_clock_ahead_made_is_not_taken(registry: FakeRegistry, folder: Path, clock: Clock) -> None:
    base, tag, runner = put_base(registry), f"{registry.host}/app:1", Runner(blobs_of(), RAN)
    await pushed(running(base, folder, ages=False), tag, direct_builder(runner))
    clock.now -= 60
    await pushed(running(base, folder, ages=False), tag, direct_builder(runner))
    assert len(runner.plans) == 2


@pytest.mark.parametrize(
    ("listed", "more", "ages"), [("idna==3.10\n", (), True), (HASHED, (), False), (None, ("idna==3.10",), True)]
)
async def test_what_gets_newer_is_what_has_no_hash(
    tmp_path: Path, listed: str | None, more: tuple[str, ...], ages: bool
) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(listed or "")
    base = Graph(From.parse("b:1"))
    made = await pip(base, path if listed else None, more=more)
    assert [each.ages for each in made.layers if isinstance(each, Run)] == [ages]
    stage = Copy(site_packages(base, path if listed else None, more=more), "/a")
    assert most_seconds(None, made.layers) == most_seconds(None, [stage]) == (7 * DAY_SECONDS if ages else math.inf)


async def test_what_gets_newer_is_what_apt_installs_and_what_is_said_to() -> None:
    base = Graph(From.parse("b:1"))
    assert most_seconds(None, (await apt(base, ["curl"])).layers) == 7 * DAY_SECONDS
    own = await run(base, ["/bin/make"])
    assert most_seconds(None, own.layers) == math.inf
    assert most_seconds(None, (await run(base, ["/bin/make"], ages=True)).layers) == 7 * DAY_SECONDS
    inner = Graph(From.parse("b:1"), [Copy(Built(await apt(base, ["curl"]), "/x"), "/x")])
    assert most_seconds(None, [Copy(Built(inner, "/x"), "/x")]) == 7 * DAY_SECONDS
    assert most_seconds(0, own.layers) == 0


def test_builders_are_made_to_run_again() -> None:
    from dagger_aml.backends.dagger.builder import Engine

    builder = LocalBuilder(Docker("classic"))
    assert builder.afresh().no_cache and not builder.no_cache
    engine = Engine(None)  # type: ignore[arg-type]
    words = [made._command(Run(["/bin/true"])) for made in (engine, engine.afresh(), engine.afresh())]
    assert words[0] == ["/bin/true"] and words[1] != words[2]


@pytest.mark.parametrize("command", ["run", "score"])
def test_run_and_score_look_for_what_ran_as_build_does(
    cli: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    opened: list[Opening] = []

    def opening(name: str, progress: object, how: Opening) -> NoReturn:
        opened.append(how)
        raise UsageError("enough")

    monkeypatch.setattr(target, "opened", opening)
    root = make(tmp_path / "p", {"code/score.py": SCORE, "request.json": "{}"})
    code, _, err = cli(command, root, "--cache-from", "localhost:1/x", "--max-age", "3")
    assert code == 2 and "enough" in err
    assert (opened[0].cache_from, opened[0].cache_to, opened[0].max_age_days) == ("localhost:1/x", None, 3.0)
    code, _, err = cli(command, root, "--cache-from", "localhost:1/x", "--layers", "builder")
    assert code == 2 and "--cache-from does not work with --layers builder" in err
