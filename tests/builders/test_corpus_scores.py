"""Cases of the corpus that are fine serve too: built on both stand-ins, run as they are, with the case's own answer.

Which: those below tests/corpus/fine that have an answer.json. By default two of them, all with `--depth nightly`.
"""

import itertools
import json
from pathlib import Path

import pytest
from attrs import fields_dict

from dagger_aml import Options, build, lay_out, load_project
from dagger_aml.backends.base import Builder
from dagger_aml.backends.local.find import local_builder
from dagger_aml.cli.commands.plan import command as plan
from dagger_aml.project.model import Project
from tests import corpus
from tests.support.builders import need_programs
from tests.support.depth import depth_of
from tests.support.scoring import Runtime, Scored, score_image, score_tar

pytestmark = [pytest.mark.builders, pytest.mark.anyio]

RUNTIMES: dict[str, Runtime] = {"dagger": "podman", "docker": "docker", "buildah": "podman"}
"""The builders by turns, and what runs the images of each: those of the engine from a tar, others from the store."""

BY_DEFAULT = {("fine/rawhttp", "classic"), ("fine/two-models", "curated")}


def _installs(case: corpus.Case) -> bool:
    texts = [file.name in ("requirements.txt", "pyproject.toml") for file in case.files]
    return any(texts) or "--pip" in case.flags


def _scored() -> list[corpus.Case]:
    """Those that install no packages first."""
    return sorted((case for case in corpus.cases() if case.kind == "fine" and case.scored), key=_installs)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Spread the builders over the cases: one case has another on the second stand-in."""
    pairs = itertools.product(("classic", "curated"), _scored())
    triples = [(case, base, name) for (base, case), name in zip(pairs, itertools.cycle(RUNTIMES), strict=False)]
    if not depth_of(metafunc.config).every_example:
        triples = [each for each in triples if (each[0].name, each[1]) in BY_DEFAULT]
        assert len(triples) == len(BY_DEFAULT)
    metafunc.parametrize(
        ("case", "base", "builder"),
        [pytest.param(*each, id=f"{each[0].path.stem}-{each[1]}-{each[2]}") for each in triples],
        indirect=["builder"],
    )


@pytest.fixture
def builder(request: pytest.FixtureRequest) -> Builder:
    """The builder that the parameter names."""
    if request.param == "dagger":
        engine: Builder = request.getfixturevalue("engine")
        return engine
    need_programs(request.param)
    return local_builder(request.param, format="classic")


def _project(case: corpus.Case, base: str, root: Path) -> Project:
    """The case's folder, with its flags."""
    root.mkdir()
    for file in case.files:
        file.write(root)
    given = plan.make_context("plan", [*case.flags, f"--base={base}"]).params
    return load_project(root, Options(**{name: given[name] for name in fields_dict(Options)}))


async def _score(project: Project, builder: Builder, request: Path, tar: Path) -> Scored:
    runtime = RUNTIMES[builder.name]
    need_programs(runtime)
    graph = await lay_out(project)
    if builder.name != "dagger":
        image = (await build(graph, builder)).image_id
        assert image
        return score_image(image, request, runtime=runtime)
    await build(graph, builder, tags=["localhost/dagger-aml-test/corpus:dagger"], output=tar)
    try:
        return score_tar(tar, request, runtime=runtime)
    finally:
        tar.unlink()


async def test_a_case_scores(
    case: corpus.Case, base: str, builder: Builder, bases: dict[str, str], tmp_path: Path
) -> None:
    """Without network, as the image's own user and command."""
    assert not case.shell
    root = tmp_path / "project"
    project = _project(case, bases[base], root)
    scored = await _score(project, builder, root / "request.json", tmp_path / "image.tar")
    assert scored.status == 200, scored.logs
    assert scored.json == json.loads((root / "answer.json").read_text())
