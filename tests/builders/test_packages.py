"""What pip really installs from each kind of file that lists packages, asked of the image's own Python."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from dagger_aml import Graph
from dagger_aml.backends.local.find import local_builder
from dagger_aml.building.plans import probe
from dagger_aml.steps import base, pip, run
from dagger_aml.steps.installer import PYTHON
from tests.golden import PROJECTS
from tests.support.builders import Need

pytestmark = [pytest.mark.builders, pytest.mark.anyio]

ASK = """
import json, importlib.metadata as m, os, sys
os.mkdir("/found")
found = {each.metadata["Name"]: each.version for each in m.distributions()}
json.dump(found, open("/found/versions.json", "w"))
"""

INICONFIG = "9deba5723312380e77435581c6bf4935c94cbfab9b1ed33ef8d238ea168eb760"

PYLOCK = """
lock-version = "1.0"
created-by = "the test"
default-groups = ["main"]

[[packages]]
name = "iniconfig"
version = "2.1.0"
marker = "'main' in dependency_groups"
wheels = [{{ url = "https://example.invalid/iniconfig-2.1.0-py3-none-any.whl", hashes = {{ sha256 = "{0}" }} }}]

[[packages]]
name = "aml-beside"
version = "1.0"
wheels = [{{ path = "dist/aml_beside-1.0-py3-none-any.whl", hashes = {{ sha256 = "{1}" }} }}]

[[packages]]
name = "aml-alone"
archive = {{ path = "dist/aml_alone-2.0-py3-none-any.whl", hashes = {{ sha256 = "{2}" }} }}

[[packages]]
name = "aml-never"
version = "1.0"
marker = "sys_platform == 'win32'"
wheels = [{{ url = "https://example.invalid/aml_never-1.0-py3-none-any.whl", hashes = {{ sha256 = "{0}" }} }}]
"""


def wheel(folder: Path, name: str, version: str, more: str = "") -> str:
    """Make a wheel with one module, and return its SHA-256.

    :param more: lines of the module.
    """
    folder.mkdir(exist_ok=True, parents=True)
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n{more}",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{each},,\n" for each in (*files, f"{info}/RECORD"))
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in files.items():
            archive.writestr(zipfile.ZipInfo(each), text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """One file of each kind: uv.lock, pylock.toml, pyproject.toml, requirements.txt."""
    names = ("pylock", "pyproject", "requirements")
    pylock, pyproject, requirements = (tmp_path / name for name in names)
    beside = wheel(pylock / "dist", "aml_beside", "1.0")
    alone = wheel(pylock / "dist", "aml_alone", "2.0")
    (pylock / "pylock.toml").write_text(PYLOCK.format(INICONFIG, beside, alone))

    pyproject.mkdir()
    (pyproject / "pyproject.toml").write_text(
        '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.10"\n'
        'dependencies = ["toml==0.10.2", "aml-no-such-package; sys_platform == \'win32\'"]\n'
    )

    wheel(requirements / "wheels", "aml_linked", "1.0")
    wheel(requirements / "wheels", "aml_linked", "1.5")
    wheel(requirements / "reqs" / "near", "aml_near", "3.0")
    wheel(requirements, "aml_listed", "4.0")
    (requirements / "reqs" / "more.txt").write_text("--find-links near\naml-near\n")
    (requirements / "requirements.txt").write_bytes(
        b"\xef\xbb\xbf--find-links ./wheels\r\n-r reqs/more.txt\r\n./aml_listed-4.0-py3-none-any.whl # mine\r\n"
        b"aml-linked \\\r\n  <2\r\n"
    )
    paths = [PROJECTS / "uv-lock" / "uv.lock", pylock / "pylock.toml", pyproject / "pyproject.toml"]
    return [*paths, requirements / "requirements.txt"]


async def installed(base_image: str, builder: Any, files: list[Path], dest: Path) -> dict[str, str]:
    """The packages of an image into which all the files were installed, and one more."""
    graph = await base(Graph(), base_image)
    for file in files[:-1]:
        graph = await pip(graph, file)
    graph = await pip(graph, files[-1], more=["zipp==3.21.0", "aml-no-such-package; sys_platform == 'win32'"])
    graph = await run(graph, [PYTHON, "-c", ASK], name="probe")
    dest.mkdir()
    await builder.folder(await probe(graph, builder), "/found", dest)
    found: dict[str, str] = json.loads((dest / "versions.json").read_text())
    return found


WANTED = {
    "idna": "3.10",
    "six": "1.17.0",
    "colorama": None,
    "iniconfig": "2.1.0",
    "aml-beside": "1.0",
    "aml-alone": "2.0",
    "aml-never": None,
    "toml": "0.10.2",
    "aml-no-such-package": None,
    "aml-linked": "1.5",
    "aml-near": "3.0",
    "aml-listed": "4.0",
    "zipp": "3.21.0",
}


async def test_buildah_installs_what_each_file_says(
    need: Need, bases: dict[str, str], files: list[Path], tmp_path: Path
) -> None:
    need("buildah")
    found = await installed(bases["classic"], local_builder("buildah"), files, tmp_path / "out")
    assert {name: found.get(name) for name in WANTED} == WANTED


@pytest.mark.engine
async def test_the_engine_installs_what_each_file_says(
    engine: Any, bases: dict[str, str], files: list[Path], tmp_path: Path
) -> None:
    found = await installed(bases["curated"], engine, files, tmp_path / "out")
    assert {name: found.get(name) for name in WANTED} == WANTED
