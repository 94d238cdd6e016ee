"""What a change makes a builder do again, on real builders: never how long it takes, only what is done and sent.

The same code as `python -m bench.reuse`, with a small model. What local builders cannot do is in docs/reuse.md.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.standin.tools import TOOLS
from tests.support.builders import Need
from tests.support.depth import depth_of
from tests.support.reuse.changes import FIRST, Bench, Outcome, opened
from tests.support.reuse.ways import COMMANDS, ways

pytestmark = [pytest.mark.builders]

MODEL = 3_210_000
"""Bytes, more than everything else that is pushed here, the base excepted; no layer of that has this size."""
SMALL = 1_000
"""More bytes than a layer with one entry script has."""


def change(bench: Bench, names: list[str]) -> dict[str, Outcome]:
    """Make only some of the changes, by the only way; the outcomes by change."""
    (lane,) = bench.lanes
    kept = Bench(bench.wanted, {name: bench.changes[name] for name in names}, [lane])
    return {name: outcomes[lane.name] for name, outcomes in kept.run().items()}


def model_layer(outcome: Outcome) -> str:
    """The digest of the model's layer: the only one of its size."""
    (found,) = (digest for digest, size in outcome.layers.items() if MODEL <= size < MODEL * 1.01)
    return found


@pytest.mark.engine
def test_a_dagger_engine_makes_and_sends_only_what_changed(need: Need, tmp_path: Path) -> None:
    need("dagger", *TOOLS)
    with opened(ways(["dagger-aml"]), MODEL, tmp_path) as bench:
        names = ["nothing", "code", "one requirement", "one apt package", "an env value", "a label", "the model"]
        found = change(bench, names)
    first = found.pop(FIRST)
    assert first.ran == set(COMMANDS)
    model = model_layer(first)
    said = {name: (outcome.ran, outcome.again - outcome.ran) for name, outcome in found.items()}

    assert said["nothing"] == (set(), set())
    assert (found["nothing"].new, found["nothing"].sent) == ({}, 0)

    assert said["code"] == (set(), {"code"})
    assert [size < SMALL for size in found["code"].new.values()] == [True]

    assert found["one requirement"].ran == {"pip"}
    assert found["one apt package"].ran == set(COMMANDS)
    for name in ("one requirement", "one apt package"):
        assert model_layer(found[name]) == model, name
        assert found[name].sent < MODEL, name

    for name in ("an env value", "a label"):
        assert said[name] == (set(), set()), name
        assert found[name].new == {}, name
        assert 0 < found[name].sent < 10 * SMALL, f"{name}: a config"

    assert found["the model"].ran == set()
    assert list(found["the model"].new) == [model_layer(found["the model"])], "the code's layer is the same"


@pytest.mark.twin("buildah, ours", of="classic docker", why="with the same Dockerfile")
@pytest.mark.parametrize("way", ["classic, ours", "buildah, ours"])
def test_a_builder_of_our_dockerfile_runs_nothing_again(
    way: str, need: Need, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """For code, model, variables and labels. When a command runs again, these builders copy anew what follows."""
    need(*TOOLS, *(["docker"] if way.startswith("classic") else []))
    more = ["nothing", "an env value"] if depth_of(request.config).every_builder else []
    with opened(ways([way]), MODEL, tmp_path) as bench:
        found = change(bench, ["code", "a label", "the model", *more])
    first = found.pop(FIRST)
    assert first.ran == set(COMMANDS)
    assert [name for name, outcome in found.items() if outcome.ran] == []

    if more:
        assert (found["nothing"].new, found["nothing"].sent) == ({}, 0)
    assert found["code"].again == {"code"}
    assert [size < SMALL for size in found["code"].new.values()] == [True]
    for name in {"an env value", "a label"} & found.keys():
        assert (found[name].again, found[name].new) == (set(), {}), name
    assert model_layer(found["a label"]) == model_layer(first)
    assert model_layer(found["the model"]) in found["the model"].new
