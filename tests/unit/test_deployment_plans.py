"""A project, the deployment file that is written of it, and that file as a project: the same plan both times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dagger_aml.cli.main import cli
from dagger_aml.contract import APP_ROOT, EXTRA_REQUIREMENTS
from dagger_aml.graph.graph import Copy
from dagger_aml.plan.keys import op_keys
from dagger_aml.plan.model import Plan
from tests.support.projects import SCORE, make, planned

IMAGE = f"registry.example/shop@sha256:{'0' * 64}"

FILE = """\
name: blue
endpoint_name: shop
model: {model}
code_configuration: {{code: {code}, scoring_script: {script}}}
environment:
  conda_file: conda.yaml
  image: mcr.microsoft.com/azureml/minimal-py312-inference:latest
environment_variables: {{WORKER_COUNT: 2, NOTE: "yes"}}
instance_type: Standard_DS3_v2
instance_count: 1
"""

STYLES: dict[str, dict[str, str]] = {
    "as Azure's samples": {"model": "{path: ../model/}", "code": "../src", "script": "score.py"},
    "a name, a version": {"model": '{path: ../model, name: m, version: "3"}', "code": "../src", "script": "score.py"},
    "a model that is a file": {"model": "{path: ../model/m.bin}", "code": "../src", "script": "score.py"},
    "a script in a subfolder": {"model": "{path: ../model}", "code": "..", "script": "src/score.py"},
    "a model that is a link": {"model": "{path: ../newest}", "code": "../src", "script": "score.py"},
    "a folder for models": {"model": "{path: ../model}\nmodel_mount_path: /models", "code": "../src",
                            "script": "score.py"},
    "the model's folder is the file's": {"model": "{path: .}", "code": "../src", "script": "score.py"},
}  # fmt: skip


def project(root: Path, **style: str) -> Path:
    """A deployment file two folders deep, and what it names."""
    make(root, {
        "shop/src/score.py": SCORE, "shop/src/help.py": "x = 1\n", "shop/src/.amlignore": "*.log\n",
        "shop/src/a.log": "", "shop/model/m.bin": "weights", "shop/newest": "->model",
        "shop/deploy/conda.yaml": "dependencies:\n- python=3.12\n- pip:\n  - idna==3.10\n",
        "shop/deploy/blue.yml": FILE.format(**style)})  # fmt: skip
    return root / "shop/deploy/blue.yml"


def written(path: Path, *words: str) -> Path:
    """The deployment file that `deployment` writes of another one."""
    to = path.parents[2] / "out" / "azure"
    done = CliRunner().invoke(cli, ["deployment", str(path), "-o", str(to), *words])
    assert done.exit_code == 0, done.output
    return to / "deployment.yml"


def placed(plan: Plan) -> dict[str, str]:
    """What the plan puts where Azure ML mounts code and models, each with the digest of what it is made of."""
    found = {each.dest: each.digest for each in op_keys(plan) if each.dest}
    return {dest: digest for dest, digest in found.items() if dest.startswith((APP_ROOT, "/models"))}


def config(plan: Plan) -> dict[str, Any]:
    """What the image says, but for the labels, which name the base and dagger-aml."""
    said = plan.config
    return {"env": dict(said.env), "cmd": said.cmd, "user": said.user, "workdir": said.workdir, "ports": said.ports}


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_packages_alone(tmp_path: Path, style: dict[str, str]) -> None:
    """What Azure ML mounts lies where an image of the project has it, and nothing is installed any more."""
    path = project(tmp_path, **style)
    before, after = planned(path, base=IMAGE), planned(written(path, "--image", IMAGE, "--environment-only"))
    assert placed(after) == placed(before) and len(placed(after)) == 2
    assert config(after) == config(before)
    assert after.base == before.base and after.base.reference == IMAGE.partition("@")[0]
    assert all(isinstance(each, Copy) for each in after.layers)
    assert not all(isinstance(each, Copy) for each in before.layers)


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_everything_in_the_image(tmp_path: Path, style: dict[str, str]) -> None:
    """There is nothing to be done to the image, which says what the file says."""
    path = project(tmp_path, **style)
    before, after = planned(path, base=IMAGE), planned(written(path, "--image", IMAGE))
    assert after.layers == () and after.base == before.base
    own = {name: value for name, value in before.config.env.items() if not name.startswith(("AZUREML_", "AML_"))}
    assert after.config.env == own == {"WORKER_COUNT": "2", "NOTE": "yes"}


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_no_image(tmp_path: Path, style: dict[str, str]) -> None:
    """The code folder that is written, with the list of packages in it, is what the image would have of it."""
    path = project(tmp_path, **style)
    before = planned(path, recipe="dynamic")
    after = planned(written(path, "--without-image", "--recipe", "dynamic"))
    assert files(after) == files(before) and EXTRA_REQUIREMENTS in before.config.env
    assert config(after) == config(before) and after.base == before.base
    assert all(isinstance(each, Copy) for each in after.layers)


def files(plan: Plan) -> dict[str, bytes]:
    """Each file that the plan copies, by its place in the image: one folder or several are the same image."""
    found: dict[str, bytes] = {}
    for each in plan.layers:
        assert isinstance(each, Copy)
        source: Any = each.source
        if hasattr(source, "data"):
            found[each.dest] = source.data
        for entry in getattr(source, "entries", ()):
            if entry.type == "file":
                path = Path(source.path)
                path, below = (path / entry.path, entry.path) if path.is_dir() else (path, "")
                found["/".join(filter(None, (each.dest, below)))] = path.read_bytes()
    return found
