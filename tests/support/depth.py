"""How much of one kind the tests try: `--depth ci`, the default, and `--depth nightly` (docs/testing.md)."""

from __future__ import annotations

import pytest
from attrs import frozen


@frozen
class Depth:
    """Numbers of examples of one kind; no kind is left out of either depth.

    :param graphs: generated graphs that all builders build.
    :param same_graphs: they are the same ones in every run.
    :param strings: put through the encoder and BuildKit's parser; a twentieth of them, 10 at least and 500 at most,
        of each field into images.
    :param fields: strings given to each field.
    :param examples: of each property test of tests/unit that names no number of its own.
    :param orders: graphs whose order is looked at.
    :param drawn: sets of ignore patterns, stacks of layers, and Dockerfiles of each of four seeds.
    :param moments: at which a build is stopped.
    :param storms: of connections, in which serving ends.
    :param at_once: processes that build on one engine.
    :param every_example: each example by each recipe, on each base and builder, rather than a covering few; and each
        case of the corpus that has an answer.
    :param every_builder: the same by builders that share what is tried, rather than by one of them.
    :param every_block: all blocks of the docs' pages, not only the first of a kind (``builder nightly``).
    :param deployments: generated deployment files that azure-ai-ml reads beside us.
    :param files: in the tree of many files.
    :param models: of the monorepo whose CI job tests/unit runs.
    """

    graphs: int
    same_graphs: bool
    strings: int
    fields: int
    examples: int
    orders: int
    drawn: int
    moments: int
    storms: int
    at_once: int
    every_example: bool
    every_builder: bool
    every_block: bool
    deployments: int
    files: int
    models: int


DEPTHS = {
    "ci": Depth(
        graphs=6,
        same_graphs=True,
        strings=100,
        fields=15,
        examples=5,
        orders=20,
        drawn=40,
        moments=3,
        storms=1,
        at_once=5,
        every_example=False,
        every_builder=False,
        every_block=False,
        deployments=25,
        files=0,
        models=8,
    ),
    "nightly": Depth(
        graphs=500,
        same_graphs=False,
        strings=10_000,
        fields=500,
        examples=200,
        orders=2_000,
        drawn=2_000,
        moments=10,
        storms=10,
        at_once=10,
        every_example=True,
        every_builder=True,
        every_block=True,
        deployments=2_000,
        files=20_000,
        models=100,
    ),
}


def skip_twin(item: pytest.Item) -> None:
    """Skip by name a test with a parameter for which another stands, unless `--depth` has every one."""
    twin = item.get_closest_marker("twin")
    params = getattr(item, "callspec", None)
    if twin and params and twin.args[0] in params.params.values() and not depth_of(item.config).every_builder:
        pytest.skip(f"only with --depth nightly: {twin.kwargs['of']} stands for {twin.args[0]}, {twin.kwargs['why']}")


def depth_of(config: pytest.Config) -> Depth:
    """What `--depth` asks for."""
    return DEPTHS[config.getoption("depth")]
