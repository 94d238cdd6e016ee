"""Generated graphs: each comes out the same by all builders, or is refused before anything runs.

A few by default, always the same ones; 500 others with `--depth nightly`. What was drawn, refused and equal is
printed at the end of the run.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from attrs import define, field
from hypothesis import example, given, settings

from dagger_aml import DaggerAmlError
from dagger_aml.diff import NOISE, ImageContents, compare
from dagger_aml.plan.label import PLAN_LABEL
from tests.builders.equality import Bench, unscheduled
from tests.support.graphs import CopyOp, Item, RunOp, Sketch, sketches
from tests.support.report import SAID

pytestmark = [pytest.mark.builders, pytest.mark.engine, pytest.mark.anyio]


@define
class Tally:
    """What became of the graphs."""

    drawn: int = 0
    equal: int = 0
    moved: int = 0
    refused: Counter[str] = field(factory=Counter)

    def lines(self, bench: Bench, seconds: float) -> Iterator[str]:
        """The report."""
        yield (
            f"graphs: {self.drawn} drawn, {self.refused.total()} refused, {self.equal} equal on "
            f"{', '.join(bench.builders)}; {self.moved} of them also in the order in which they were laid out; "
            f"{seconds:.0f} s ({', '.join(f'{name} {spent:.0f}' for name, spent in bench.seconds.items())})"
        )
        for reason, count in self.refused.most_common():
            yield f"refused, {count}: {reason}"


@pytest.fixture(scope="module")
def tally(bench: Bench, request: pytest.FixtureRequest) -> Iterator[Tally]:
    """Counts, and says so at the end of the run."""
    counts, begun = Tally(), time.monotonic()
    bench.seconds.clear()
    yield counts
    request.config.stash[SAID] += counts.lines(bench, time.monotonic() - begun)


THROUGH_A_LINK = Sketch(
    (
        CopyOp("/base/owned/a", b"", None, None, "rarely"),
        RunOp('rm -f "$D"; mkdir "$D"', "0:0", {"D": "/base/link/a"}, "/", ("/base/link/a",)),
    ),
)
"""A command that names by a link what a copy before it writes; found by 470 graphs."""


NO_TEXT = Sketch(
    (
        CopyOp(
            "/base/plain",
            {
                "\udcff\udcfe": Item("dir", mode=0o700),
                "\udcff\udcfe/in/\udcff": Item("file", "x", 0o700),
                "\udcff\udcfe/in/a": Item("file", "y", 0o600),
                "ab": Item("file", "z", 0o600),
            },
        ),
    ),
)
"""Names that are not UTF-8, of folders and files whose modes are set right; found by 500 graphs."""

ABOVE_A_LINK = Sketch((CopyOp("/base/plain", {}), CopyOp("/base/twice", {})))
"""A copy to a link that leads below a folder with an owner of its own; found by 500 graphs in direct's images."""


@settings(settings.get_profile("graphs"))
@given(sketch=sketches())
@example(THROUGH_A_LINK)
@example(NO_TEXT)
@example(ABOVE_A_LINK)
async def test_a_graph_is_equal_or_refused(bench: Bench, tally: Tally, sketch: Sketch) -> None:
    """On the engine, buildah, docker and its BuildKit; and in the order laid out as in the scheduled one."""
    tally.drawn += 1
    folder = bench.folder / f"sketch-{tally.drawn}"
    try:
        try:
            graph = sketch.graph(folder, bench.base)
            plan = await bench.plan(graph)
        except DaggerAmlError as error:
            tally.refused[re.sub(r"(?<![\w])/.*?(?= is | would | are |$)", "PATH", error.message)] += 1
            return
        # The classic form has no mounts.
        names = [name for name in bench.builders if not (sketch.mounts and name == "docker")]
        images = await bench.images(plan, names)
        bench.same(images)
        plain = unscheduled(graph, plan)
        if plain.layers != plan.layers:
            await _same_in_any_order(bench, images["dagger"], await bench.images(plain, ["dagger"]))
            tally.moved += 1
        tally.equal += 1
    finally:
        _remove(folder)


async def _same_in_any_order(
    bench: Bench, scheduled: ImageContents | str, images: dict[str, ImageContents | str]
) -> None:
    other = images["dagger"]
    assert isinstance(scheduled, ImageContents) and isinstance(other, ImageContents), other
    found = [each for each in compare(scheduled, other).differences if PLAN_LABEL not in each.subject]
    assert not found, "in the order laid out: " + "\n".join(map(str, found))


def _remove(folder: os.PathLike[str]) -> None:
    """Remove sources, among them folders that their owner may not read."""
    for root, folders, _ in os.walk(folder):
        for name in folders:
            if not os.path.islink(os.path.join(root, name)):
                os.chmod(os.path.join(root, name), 0o700)
    shutil.rmtree(folder, ignore_errors=True)


def test_each_noise_entry_is_needed(bench: Bench) -> None:
    """An entry that absorbs nothing, over all that was compared with those builders, hides something one day."""
    if not bench.reports:
        pytest.skip("no two images were compared")
    for noise in NOISE:
        reports = [report for names, report in bench.reports if names & noise.builders]
        assert not reports or any(noise in report.absorbed for report in reports), noise
