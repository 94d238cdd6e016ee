"""Folders of many shapes, as people have them, without a file of ours: each is built, run as it is, and scores.

A few of them by the Dagger engine, the others by buildah; with `--depth nightly` every one by buildah.
"""

import json
from pathlib import Path

import pytest

from dagger_aml import Options, build, load_project
from dagger_aml.backends.base import Builder
from dagger_aml.backends.local.find import local_builder
from dagger_aml.building.graphs import lay_out
from tests.support.builders import need_programs
from tests.support.depth import depth_of
from tests.support.folders import FLAT, REPOSITORY, SRC_LAYOUT, TAKEN, Folder
from tests.support.scoring import score_image, score_tar

pytestmark = [pytest.mark.builders, pytest.mark.anyio]


async def _scores(folder: Folder, builder: Builder, base: str, above: Path) -> None:
    """Build and run: by podman, from its store, which is buildah's too, or from a tar of the engine's."""
    root, tar, request = folder.write(above), above / "image.tar", above / "posted.json"
    request.write_text(json.dumps(folder.request))
    graph = await lay_out(load_project(root, Options(base=base)))
    if builder.name == "buildah":
        image = (await build(graph, builder)).image_id
        assert image
        scored = score_image(image, request, runtime="podman")
    else:
        await build(graph, builder, tags=[f"localhost/dagger-aml-test/{folder.name}:{builder.name}"], output=tar)
        try:
            scored = score_tar(tar, request, runtime="podman")
        finally:
            tar.unlink()
    assert scored.status == 200, scored.logs
    assert scored.json == folder.answer


BY_THE_ENGINE = (FLAT, REPOSITORY, SRC_LAYOUT)


@pytest.mark.parametrize("folder", TAKEN, ids=lambda folder: folder.name)
async def test_a_folder_scores(
    folder: Folder, bases: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if (folder in BY_THE_ENGINE or TAKEN.index(folder) % 2) and not depth_of(request.config).every_builder:
        pytest.skip("only with --depth nightly: the engine builds this one, or its neighbours stand for it")
    need_programs("buildah", "podman")
    await _scores(folder, local_builder("buildah", format="classic"), bases["classic"], tmp_path)


@pytest.mark.engine
@pytest.mark.parametrize("folder", BY_THE_ENGINE, ids=lambda folder: folder.name)
async def test_a_folder_scores_by_the_engine(
    folder: Folder, bases: dict[str, str], engine: Builder, tmp_path: Path
) -> None:
    need_programs("podman")
    await _scores(folder, engine, bases["classic"], tmp_path)
