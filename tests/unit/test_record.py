"""The digests that the result of a build has: of what the image was made of, or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import frozen

from dagger_aml.backends.base import Image
from dagger_aml.backends.result import Result
from dagger_aml.building.record import Record
from dagger_aml.events import Event, Message
from dagger_aml.fs.digest import NOTHING
from dagger_aml.fs.stamps import stamps
from dagger_aml.plan.inputs import input_digest
from tests.support.projects import SCORE, make, planned


@frozen
class Made:
    """As much of an image as is asked for its digests."""

    files: Mapping[str, bytes]
    makings: tuple[Any, ...] = ()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make(tmp_path / "p", {"code/score.py": SCORE, "model/weights": b"m" * 100})


CHANGES: dict[str, Callable[[Path], object]] = {
    "the same size": lambda root: make(root, {"model/weights": b"n" * 100}),
    "another size": lambda root: make(root, {"model/weights": b"n" * 101}),
    "gone": lambda root: (root / "model/weights").unlink(),
}


@pytest.mark.parametrize("name", CHANGES)
def test_of_a_file_that_changed_since_the_build_began_no_digest_is_told(name: str, root: Path) -> None:
    plan = planned(root)
    before, heard = stamps(plan.layers), list[Event]()
    CHANGES[name](root)
    told = Record(heard.append).told(Result(None, None), [plan], [cast(Image, Made({}))], NOTHING, before)
    assert told.input_digest is None and told.ops == () and told.seconds is not None
    (said,) = heard
    assert isinstance(said, Message) and said.text.endswith(f"changed: {root / 'model/weights'}")


@pytest.mark.parametrize("name", ["the same size", "gone"])
def test_files_that_the_image_was_made_of_are_not_read_again(name: str, root: Path) -> None:
    plan = planned(root)
    right, weights = input_digest(plan), str(root / "model/weights")
    files = {weights: sha256(b"m" * 100).digest()}
    before = {path: stamp for path, stamp in stamps(plan.layers).items() if path not in files}
    CHANGES[name](root)
    told = Record([].append).told(Result(None, None), [plan], [cast(Image, Made(files))], NOTHING, before)
    assert told.input_digest == right and [each.kind for each in told.ops] == ["copy", "copy"]
