"""Modules called as the inference server's own, in real images of the real server: they are found, and score."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dagger_aml import Options, build, contract, load_project, serve
from dagger_aml.backends.local.find import local_builder
from dagger_aml.building.graphs import lay_out
from dagger_aml.diff import read_image
from tests.support.builders import Need
from tests.support.projects import make

pytestmark = [pytest.mark.builders, pytest.mark.anyio]

CODE = {
    "score.py": "from config import WORD\nfrom utils.text import clean\n\n\ndef init():\n    pass\n\n\n"
    "def run(data):\n    return clean(data) + WORD\n",
    "config.py": "WORD = ' by config'\n",
    "utils/__init__.py": "",
    "utils/text.py": "def clean(data):\n    return 'cleaned'\n",
}


@pytest.mark.parametrize(
    ("base", "recipe", "options"),
    [
        ("classic", "package", {"env": ("PYTHONPATH=/opt/mine",)}),
        ("curated", "preinstalled", {"via": "pythonpath", "pip": ("idna==3.10",)}),
    ],
)
async def test_they_are_found_and_score(
    bases: dict[str, str], need: Need, tmp_path: Path, base: str, recipe: str, options: dict[str, object]
) -> None:
    need("docker")
    project = load_project(make(tmp_path / "p", CODE), Options(base=bases[base], recipe=recipe, **options))  # type: ignore[arg-type]
    graph = await lay_out(project)
    async with serve(graph, local_builder("docker"), offline=True) as endpoint:
        answer = await endpoint.score(b"{}")
        assert (answer.status, answer.json) == (200, "cleaned by config")


async def test_the_names_are_those_of_the_servers_package(bases: dict[str, str], need: Need, tmp_path: Path) -> None:
    """As the stand-in has it: the real package, of the version that the tests are for."""
    need("docker")
    graph = await lay_out(load_project(make(tmp_path / "p", CODE), Options(base=bases["classic"])))
    await build(graph, local_builder("docker"), tags=["names:1"], output=tmp_path / "image.tar")
    files = read_image(tmp_path / "image.tar").files
    own = {
        match[1] for each in files if (match := re.search(r"/azureml_inference_server_http/server/(\w+)\.py\Z", each))
    }
    assert own - {"__init__"} == contract.SERVER_MODULES
