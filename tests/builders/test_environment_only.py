"""An image of packages alone by a real builder: what is in it, and that its packages are imported first."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagger_aml import Options, build, lay_out, load_project, local_builder
from dagger_aml.events import Event, Message
from dagger_aml.oci.image import read_image
from dagger_aml.serving.failure import StartFailed
from dagger_aml.serving.smoke import default_smoke
from tests.support.builders import need_programs
from tests.support.projects import SCORE, make

from .test_packages import wheel

pytestmark = [pytest.mark.builders, pytest.mark.anyio]


async def made(root: Path, base: str, tar: Path) -> list[str]:
    """Build a project of packages alone with docker, as `build --smoke` does; what was said."""
    told: list[Event] = []
    project = load_project(root, Options(base=base, environment_only=True))
    graph = await lay_out(project)
    smoke, _ = default_smoke(project, graph, "score", push=False)
    assert smoke
    await build(
        graph, local_builder("docker", on_event=told.append), tags=["packages:1"], output=tar, check=smoke.check
    )
    return [each.text for each in told if isinstance(each, Message)]


async def test_an_image_of_packages_alone_is_imported_and_written(bases: dict[str, str], tmp_path: Path) -> None:
    need_programs("docker")
    files = {"code/score.py": "import nowhere\n" + SCORE, "model/m.bin": "m"}
    root = make(tmp_path / "project", {**files, "requirements.txt": "./aml_fine-1.0-py3-none-any.whl\n"})
    wheel(root, "aml_fine", "1.0")
    said = await made(root, bases["curated"], tmp_path / "image.tar")
    (line,) = [each for each in said if each.startswith("smoke: ")]
    assert line.replace("_", "-") == "smoke: imported aml-fine, azureml-inference-server-http, uid 1000"
    image = read_image(tmp_path / "image.tar")
    assert not {"env AZUREML_ENTRY_SCRIPT", "env AZUREML_MODEL_DIR"} & image.config.keys()
    assert not [path for path in image.files if "azureml-app/" in path]
    assert [path for path in image.files if path.endswith("site-packages/aml_fine.py")]


async def test_a_package_that_cannot_be_imported_stops_it(bases: dict[str, str], tmp_path: Path) -> None:
    need_programs("docker")
    root = make(tmp_path / "project", {"requirements.txt": "./aml_broken-1.0-py3-none-any.whl\n"})
    wheel(root, "aml_broken", "1.0", "import ctypes\nctypes.CDLL('libGL.so.1')\n")
    with pytest.raises(StartFailed, match=r"aml.broken 1\.0 cannot be imported") as caught:
        await made(root, bases["curated"], tmp_path / "image.tar")
    assert "libgl1" in str(caught.value) and not (tmp_path / "image.tar").exists()
