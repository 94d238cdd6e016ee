"""A script in the names of SDK v1, start to end: its image, its Dockerfile, and a client that asks each."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

from tests.support.builders import Need
from tests.support.depth import depth_of
from tests.support.markdown import ROOT
from tests.support.oracles import oracle
from tests.support.sdk_v1_cases import FILES, cases, differences
from tools.sdk_v1 import asked
from tools.sdk_v1_case import folder, run

pytestmark = [pytest.mark.builders, pytest.mark.by_default]

SCRIPT = """
from dagger_aml.azureml.core import Environment, Workspace
from dagger_aml.azureml.core.conda_dependencies import CondaDependencies
from dagger_aml.azureml.core.model import InferenceConfig, Model

ws = Workspace.from_config()
model = Model(ws, "diabetes")
myenv = Environment(name="myenv")
myenv.python.conda_dependencies = CondaDependencies.create(pip_packages=["azureml-defaults", "six==1.17.0"])
inference_config = InferenceConfig(entry_script="score.py", source_directory="source_dir", environment=myenv)

package = Model.package(ws, [model], inference_config)
package.wait_for_creation(show_output=True)
package.pull()
print(package.location)

package = Model.package(ws, [model], inference_config, generate_dockerfile=True)
package.wait_for_creation(show_output=True)
# Download the package.
package.save("./imagefiles")
# Get the Azure container registry that the model/Dockerfile uses.
acr=package.get_container_registry()
print("Address:", acr.address)
print("Username:", acr.username)
print("Password:", acr.password)
"""

SCORE = """
import json, os, pathlib
import six

def init():
    global model
    model = json.loads((pathlib.Path(os.environ["AZUREML_MODEL_DIR"]) / "model.json").read_text())

def run(body):
    return {"sums": [model["times"] * sum(row) for row in json.loads(body)["data"]], "six": six.__version__}
"""


def _docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout.strip()


def _answer(image: str) -> str:
    """What the page's client gets of an image, at whatever port is free."""
    name = f"dagger-aml-test-{time.time_ns()}"
    _docker("run", "--detach", "--rm", "--publish", "127.0.0.1::5001", "--name", name, image)
    try:
        port = _docker("port", name, "5001").rpartition(":")[2]
        data = {"data": [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]]}
        input_data = json.dumps(data).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"http://localhost:{port}/score", input_data, headers)
        end = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    text: str = answer.read().decode()
                    return text
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.3)
    finally:
        _docker("kill", name)


def test_a_script_start_to_end(
    tmp_path: Path, bases: dict[str, str], need: Need, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("docker")
    (tmp_path / "source_dir").mkdir()
    (tmp_path / "source_dir" / "score.py").write_text(SCORE)
    (tmp_path / "model.json").write_text('{"times": 2}')
    (tmp_path / "dagger-aml.toml").write_text('[[models]]\npath = "model.json"\nname = "diabetes"\nversion = "3"\n')
    monkeypatch.setenv("DAGGER_AML_BASE", bases["classic"])
    monkeypatch.setenv("DAGGER_AML_WITH", "docker")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    ran = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    image = next(line for line in ran.stdout.splitlines() if re.fullmatch(r"package:\d{14}", line))
    wanted = {"sums": [110, 110], "six": "1.17.0"}
    try:
        assert f"Status: Image is up to date for {image}" in ran.stdout
        assert ran.stdout.endswith(f"Address: {bases['classic'].partition('/')[0]}\nUsername: None\nPassword: None\n")
        assert json.loads(_answer(image)) == wanted
        built = f"{image}-built"
        _docker("build", "--tag", built, str(tmp_path / "imagefiles"))
        assert json.loads(_answer(built)) == wanted
    finally:
        shutil.rmtree(tmp_path / "imagefiles", ignore_errors=True)
        subprocess.run(["docker", "rmi", "--force", image, f"{image}-built"], capture_output=True, check=False)


def test_2000_scripts_beside_azureml_core(pytestconfig: pytest.Config) -> None:
    """Others than those that are recorded, in each night; azureml-core in an environment of its own."""
    if not depth_of(pytestconfig).every_example:
        pytest.skip(
            "only with --depth nightly: it installs azureml-core (two minutes); 200 are recorded for the fast tests"
        )
    python = oracle("azureml-core", pytestconfig)
    some = list(cases(2000, time.time_ns()))
    tally: Counter[str] = Counter()
    unexplained = []
    answers = asked(str(python), some)["answers"]
    with folder(FILES):
        for case, theirs in zip(some, answers, strict=True):
            ours = run(case, "dagger_aml.azureml")
            why = "same" if ours == theirs else differences(case, theirs, ours)
            tally[why or "unexplained"] += 1
            unexplained += [] if why else [(case, theirs, ours)]
    assert not unexplained, tally
