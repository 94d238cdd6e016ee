"""examples/dagger-module on a real engine: its types, and its function as a module's entry point calls it.

``dagger call`` makes the module's own container of images of the SDK, which are not everywhere. What runs in it is
`dagger.mod` of dagger-io: it registers the types of the classes, and calls a function with ids of what it is given.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from dagger_aml import sync
from tests.support.markdown import ROOT

pytestmark = [pytest.mark.builders, pytest.mark.engine]

MODULE = ROOT / "examples" / "dagger-module"

PROGRAM = """\
import json
import sys

import anyio
import dagger
from dagger import dag

from aml import Aml

folder, base, reference = sys.argv[1:]


async def main():
    async with dagger.connection():
        module = Aml.__dagger_module__
        types = dag.load_module_from_id(dagger.ModuleID(await module._typedefs()))
        (described,) = await types.objects()
        (function,) = await described.as_object().functions()
        args = [await each.name() for each in await function.args()]
        theirs = dag.container().from_(base).with_new_file("/etc/company.conf", "region = north")
        given = {"project": await dag.host().directory(folder).id(), "base": await theirs.id(), "recipe": "package"}
        given_back = await module.get_result("Aml", {}, "image", given)
        image = dag.load_container_from_id(dagger.ContainerID(given_back))
        print(
            json.dumps(
                {
                    "name": await function.name(),
                    "args": args,
                    "described": await function.description(),
                    "company": await image.file("/etc/company.conf").contents(),
                    "ran": await image.with_exec(["python", "-c", "import six; print(six.__version__)"]).stdout(),
                    "published": await image.publish(reference),
                }
            )
        )


anyio.run(main)
"""


def test_the_function_of_the_module(bases: dict[str, str], tmp_path: Path) -> None:
    """On a container of the caller's; what it gives is published, and is an image as any other of ours."""
    folder = tmp_path / "rates"
    (folder / "code").mkdir(parents=True)
    (folder / "code/score.py").write_text("import six\n\n\ndef init(): ...\n\n\ndef run(data):\n    return data\n")
    (folder / "requirements.txt").write_text("six==1.17.0\n")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    reference = f"{bases['classic'].partition('/')[0]}/module-{os.getpid()}:1"
    env = {**os.environ, "DAGGER_MAIN_OBJECT": "Aml", "PYTHONPATH": os.pathsep.join([str(MODULE / "src"), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, program, folder, bases["classic"], reference],
        env=env, capture_output=True, text=True, check=False, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["name"], told["args"]) == ("image", ["project", "base", "recipe"])
    assert told["described"].startswith("The project's image")
    assert (told["company"], told["ran"].strip()) == ("region = north", "1.17.0")
    found = sync.inspect(told["published"])
    assert (found.recipe, found.user) == ("package", "dockeruser")
    assert found.entry_script and found.entry_script.endswith("score.py")


def test_the_module_takes_the_sdk_of_its_engine() -> None:
    """Whose version, 0.0.0, is in no range: it is not asked for one."""
    project = tomllib.loads((MODULE / "pyproject.toml").read_text())
    assert project["tool"]["uv"]["override-dependencies"] == ["dagger-io"]
    assert json.loads((MODULE / "dagger.json").read_text())["name"] == project["project"]["name"]
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (asked,) = [each for each in map(Requirement, ours) if each.name == "dagger-io"]
    version = json.loads((MODULE / "dagger.json").read_text())["engineVersion"].removeprefix("v")
    assert version in asked.specifier and "0.0.0" not in asked.specifier
