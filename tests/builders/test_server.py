"""A base with a Python and no server: a conda file of that Python, built, scored, and the same by two builders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dagger_aml import Options, build, lay_out, load_project, local_builder
from dagger_aml.backends.base import Builder, Opening
from dagger_aml.backends.direct.builder import DirectBuilder
from dagger_aml.backends.direct.inner import Opened
from dagger_aml.diff import compare, read_image
from dagger_aml.events import ignore
from tests.standin import StandInError, registry
from tests.standin.python_image import push_python, version_here
from tests.standin.tools import TOOLS
from tests.support.builders import need_programs, required
from tests.support.projects import make
from tests.support.scoring import score_tar

pytestmark = [pytest.mark.builders, pytest.mark.anyio, pytest.mark.engine]

SCORE = """\
import getpass
import json
import os
import sys

import idna


def init():
    global factor
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "factor.json")) as file:
        factor = json.load(file)


def run(data):
    version = "%d.%d" % sys.version_info[:2]
    return [factor * json.loads(data), version, idna.__version__, getpass.getuser(), os.getcwd()]
"""


@pytest.fixture(scope="module")
def slim() -> Iterator[tuple[str, str]]:
    """A version of Python, and the reference of an image that stands in for Docker's of that version."""
    need_programs(*TOOLS)
    try:
        with registry() as host:
            version = version_here()
            yield version, push_python(version, host)
    except StandInError as error:
        end = pytest.fail if required() & set(TOOLS) else pytest.skip
        end(f"there is no stand-in for an image of Python: {error}")


async def test_a_conda_file_of_another_python_is_built_and_scored(
    slim: tuple[str, str], engine: Builder, tmp_path: Path
) -> None:
    """Direct has the engine run what must run, and docker builds all of it."""
    need_programs("docker")
    version, reference = slim
    conda = f"dependencies:\n  - python={version}\n  - pip:\n      - idna==3.10\n"
    files = {"code/score.py": SCORE, "model/factor.json": "2", "environment/conda.yaml": conda, "request.json": "21"}
    root = make(tmp_path / "project", files)
    graph = await lay_out(load_project(root, Options(base=reference)))
    direct = DirectBuilder(Opened(engine), Opening(layers="direct"), ignore)  # type: ignore[arg-type]
    tars = [tmp_path / "direct.tar", tmp_path / "docker.tar"]
    try:
        for tar, builder in zip(tars, (direct, local_builder("docker", format="classic")), strict=True):
            await build(graph, builder, tags=["localhost/dagger-aml-test/server:1"], output=tar)
    finally:
        direct.close()
    ours, theirs = map(read_image, tars)
    report = compare(ours, theirs, builders=frozenset({"direct", "docker"}))
    assert report.equal, str(report)
    app = ours.files["/var/azureml-app"]
    assert (app.uid, app.gid, app.mode) == (1000, 1000, 0o755)
    assert ours.config["user"] == "1000:1000"
    scored = score_tar(tars[0], root / "request.json", runtime="docker")
    assert (scored.status, scored.json) == (200, [42, version, "3.10", "dockeruser", "/var/azureml-app"]), scored.logs
