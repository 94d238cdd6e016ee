"""Scripts in the names of SDK v1: they run here as they are, but for their imports."""

from __future__ import annotations

import copy
import json
import os
import re
import stat
import sys

import pytest

from dagger_aml import sync
from dagger_aml.azureml import core
from dagger_aml.azureml.conda import conda_file, python_of
from dagger_aml.azureml.core.conda_dependencies import CondaDependencies
from dagger_aml.azureml.core.container_registry import ContainerRegistry
from dagger_aml.azureml.core.environment import Environment
from dagger_aml.azureml.core.model import InferenceConfig, Model, ModelPackage
from dagger_aml.azureml.core.webservice import AciWebservice, Webservice
from dagger_aml.azureml.core.workspace import Workspace
from dagger_aml.azureml.exceptions import AzureMLException, UserErrorException, WebserviceException
from dagger_aml.azureml.section import Section
from dagger_aml.errors import BaseError, BuildError, DaggerAmlError, FindingsError, ProjectError, UsageError
from dagger_aml.events import Message, OpDone, OpStarted, Output, Transferred
from tests.support.projects import SCORE, make
from tests.unit.test_lazy import HEAVY, UNASKED, loaded

BASE = "mcr.microsoft.com/azureml/minimal-py312-inference:latest"
FILES = {"source_dir/score.py": SCORE, "model/m.bin": "1"}

_HEAD = """
from azureml.core import Environment, Workspace
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.model import InferenceConfig, Model

ws = Workspace.from_config()
model = Model(ws, name="regression")
"""


def script(text: str) -> dict[str, object]:
    """Run a script with its imports changed; what it named."""
    names: dict[str, object] = {}
    changed = re.sub(r"\bfrom azureml\b", "from dagger_aml.azureml", text)
    exec(compile(changed, "script.py", "exec"), names)  # noqa: S102 - it is a script of ours
    return names


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with code and a model, in which the script runs."""
    monkeypatch.delenv("DAGGER_AML_BASE", raising=False)
    monkeypatch.chdir(make(tmp_path / "p", FILES))
    return tmp_path / "p"


def packaged(environment: Environment | None = None, models=("m",), **config) -> ModelPackage:
    """A Dockerfile package of the project here."""
    config = {"entry_script": "score.py", "source_directory": "source_dir", **config}
    ws = Workspace.from_config()
    named = [Model(ws, each) for each in models]
    inference = InferenceConfig(environment=environment or Environment("env"), **config)
    return Model.package(ws, named, inference, generate_dockerfile=True)


def text_of(package: ModelPackage, folder) -> str:
    package.save(folder)
    return (folder / "Dockerfile").read_text()


# --- scripts ------------------------------------------------------------------------------------------------------


def test_a_dockerfile_package(project, capsys):
    script(
        _HEAD
        + """
env = Environment(name="env")
env.python.conda_dependencies = CondaDependencies.create(pip_packages=["azureml-defaults", "idna==3.10"])
inference_config = InferenceConfig(entry_script="score.py", source_directory="./source_dir", environment=env)
package = Model.package(ws, [model], inference_config, generate_dockerfile=True)
package.wait_for_creation(show_output=True)
package.save("./imagefiles")
acr = package.get_container_registry()
print("Address:", acr.address)
print("Username:", acr.username)
print("Password:", acr.password)
"""
    )
    printed = capsys.readouterr().out
    assert "azureml-defaults is left out" in printed and "Package creation Succeeded" in printed
    assert "Address: mcr.microsoft.com\nUsername: None\nPassword: None\n" in printed
    saved = project / "imagefiles"
    assert (saved / "azureml-app/source_dir/score.py").read_text() == SCORE
    assert (saved / "azureml-app/azureml-models/regression/1/m.bin").read_text() == "1"
    text = (saved / "Dockerfile").read_text()
    assert f"FROM --platform=linux/amd64 {BASE}" in text
    assert 'ENV AZUREML_ENTRY_SCRIPT="source_dir/score.py"' in text
    assert 'ENV AZUREML_SOURCE_DIRECTORY="source_dir"' in text
    assert 'ENV AZUREML_MODEL_DIR="/var/azureml-app/azureml-models/regression/1"' in text
    assert (
        'COPY ["azureml-app/azureml-models/regression/1/", "/var/azureml-app/azureml-models/regression/1/"]' in text
    )
    assert 'COPY --chown=1000:1000 ["azureml-app/source_dir/", "/var/azureml-app/source_dir/"]' in text
    listed = next(path.read_text() for path in saved.rglob("requirements.txt"))
    assert listed.splitlines()[1:] == ["idna==3.10"]


def test_a_script_with_packages_at_start(project):
    make(project, {"source_dir/requirements.txt": "idna==3.10\n"})
    names = script(
        _HEAD
        + f"""
myenv = Environment(name="my_azureml_env")
myenv.docker.enabled = True
myenv.docker.base_image = "{BASE}"
myenv.python.user_managed_dependencies = True

myenv.environment_variables = {{
    "AZUREML_EXTRA_REQUIREMENTS_TXT": "requirements.txt"
}}
inference_config = InferenceConfig(entry_script="score.py", source_directory="source_dir", environment=myenv)
package = Model.package(ws, [model], inference_config, generate_dockerfile=True)
"""
    )
    text = text_of(names["package"], project / "out")
    assert 'ENV AZUREML_EXTRA_REQUIREMENTS_TXT="requirements.txt"' in text and "pip" not in text.partition("FROM")[2]
    assert (project / "out/azureml-app/source_dir/requirements.txt").exists()


def test_a_script_with_preinstalled_packages(project):
    make(
        project,
        {"source_dir/myenv/lib/python3.12/site-packages/idna/__init__.py": "", "source_dir/.gitignore": "myenv"},
    )
    names = script(
        _HEAD
        + f"""
myenv = Environment(name='my_azureml_env')
myenv.docker.enabled = True
myenv.docker.base_image = "{BASE}"
myenv.python.user_managed_dependencies = True

myenv.environment_variables = {{
    "AZUREML_EXTRA_PYTHON_LIB_PATH": "myenv/lib/python3.12/site-packages"
}}
inference_config = InferenceConfig(entry_script="score.py", source_directory="source_dir", environment=myenv)
package = Model.package(ws, [model], inference_config, generate_dockerfile=True)
"""
    )
    text = text_of(names["package"], project / "out")
    assert 'ENV AZUREML_EXTRA_PYTHON_LIB_PATH="myenv/lib/python3.12/site-packages"' in text
    assert (project / "out/azureml-app/source_dir/myenv/lib/python3.12/site-packages/idna/__init__.py").exists()


def test_an_older_script_without_an_environment(project):
    make(project, {"source_dir/myenv.yml": "dependencies:\n- python=3.6.2\n- pip:\n  - idna\n"})
    names = script(
        _HEAD
        + f"""
inference_config = InferenceConfig(
    runtime="python", entry_script="score.py", source_directory="source_dir", conda_file="myenv.yml",
    base_image="{BASE}",
)
package = Model.package(ws, [model], inference_config, generate_dockerfile=True)
"""
    )
    package = names["package"]
    assert "source_dir/myenv.yml:2: it names Python 3.6.2" in package.get_logs()
    assert "pip myenv.yml (1 package)" in text_of(package, project / "out")


class _Builder:
    """Takes the place of a builder."""

    error: DaggerAmlError | None = None
    built: tuple = ()

    def __init__(self, on_event):
        self.on_event = on_event

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def build(self, graphs, **said):
        self.on_event(OpStarted("pip", 1, 2))
        self.on_event(Output("Collecting idna"))
        self.on_event(OpDone("pip", 1, 2, 1.25))
        self.on_event(OpDone("code", 2, 2, 0.1, cached=True))
        self.on_event(Message("loading"))
        self.on_event(Transferred("pushed", "x", 3, 9))
        self.on_event(Transferred("pushed", "x", 9, 9))
        if type(self).error:
            raise type(self).error
        type(self).built = (graphs, said)
        from dagger_aml import Result

        return Result("sha256:" + "1" * 64 if said["push"] else None)


@pytest.fixture
def builder(monkeypatch):
    """What ``open_builder`` was told, and the stand-in that it gave."""
    asked = {}

    class Stand(_Builder):
        pass

    def opened(name, **said):
        asked.update(said, name=name)
        return Stand(said["on_event"])

    monkeypatch.setattr(sync, "open_builder", opened)
    Stand.asked = asked
    return Stand


_IMAGE = (
    _HEAD
    + """
inference_config = InferenceConfig("score.py", source_directory="source_dir", environment=Environment("env"))
package = Model.package(ws, [model], inference_config)
package.wait_for_creation(show_output=True)
package.pull()
"""
)


def test_an_image_package(project, builder, capsys):
    package = script(_IMAGE)["package"]
    graphs, said = builder.built
    assert re.fullmatch(r"package:20\d{12}", package.location)
    assert (said["tags"], said["push"], said["load"]) == ([package.location], False, True)
    assert graphs[0].config.env["AZUREML_ENTRY_SCRIPT"] == "source_dir/score.py"
    assert package.serialize() == {"generateDockerfile": False, "state": "Succeeded", "location": package.location}
    assert package.location in repr(package) and package.error is None
    lines = capsys.readouterr().out.splitlines()
    assert lines[-9:] == [
        "[1/2] pip ...",
        "  | Collecting idna",
        "[1/2] pip  1.2 s",
        "[2/2] code  cached",
        "loading",
        "x: 9 bytes pushed",
        f"Loaded {package.location}",
        "Package creation Succeeded",
        f"Status: Image is up to date for {package.location}",
    ]
    logs = package.get_logs()
    assert logs.encode() == package.get_logs(decode=False) and logs.endswith(f"Loaded {package.location}\n")
    assert package.get_logs(offset=len(logs) - 2) == f"{logs[-2:]}"
    assert package.get_container_registry().address is None


def test_an_image_package_is_silent_unless_output_is_wanted(project, builder, capsys):
    script(_IMAGE.replace("show_output=True", "show_output=False").replace("package.pull()", ""))
    assert capsys.readouterr().out == ""


def test_an_image_for_a_registry_is_pushed(project, builder, capfd, monkeypatch, tmp_path):
    text = _IMAGE.replace("inference_config)\n", 'inference_config, image_name="r.example/a/b", image_label="7")\n')
    docker = make(tmp_path / "bin", {"docker": '#!/bin/sh\necho "docker $*"\n'}) / "docker"
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}{os.pathsep}{os.environ['PATH']}")
    package = script(text)["package"]
    assert (
        builder.built[1]["push"] and not builder.built[1]["load"] and builder.built[1]["tags"] == ["r.example/a/b:7"]
    )
    assert package.location == f"r.example/a/b@sha256:{'1' * 64}"
    assert "docker pull r.example/a/b:7" in capfd.readouterr().out
    assert package.get_container_registry().address == "r.example"
    docker.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(WebserviceException, match="docker could not pull"):
        package.pull()


def test_a_build_that_fails(project, builder):
    builder.error = BuildError("the step failed", location="pip")
    with pytest.raises(WebserviceException) as raised:
        script(_IMAGE)
    assert raised.value.__cause__ is builder.error and "the step failed" in str(raised.value)
    ws = Workspace.from_config()
    config = InferenceConfig("score.py", source_directory="source_dir", environment=Environment("env"))
    package = Model.package(ws, [Model(ws, "m")], config)
    assert package.state == "NotStarted"
    with pytest.raises(WebserviceException, match="package"):
        package.wait_for_creation()
    assert (package.state, package.error) == ("Failed", "pip: the step failed")
    with pytest.raises(WebserviceException, match="the step failed"):
        package.wait_for_creation()
    with pytest.raises(WebserviceException, match="the step failed"):
        package.pull()
    builder.error = KeyboardInterrupt()
    package = Model.package(ws, [], config)
    with pytest.raises(KeyboardInterrupt):
        package.wait_for_creation()
    assert package.state == "NotStarted", "it may be tried again"


def test_the_builder_is_that_of_the_project(project, builder, monkeypatch):
    make(project, {"up.toml": '[build]\nwith = "podman"\n'})
    make(project, {"dagger-aml.toml": 'extends = "up.toml"\n[build]\nmax-age = 3\n'})
    script(_IMAGE)
    assert (builder.asked["name"], builder.asked["layers"]) == ("podman", "direct")
    assert builder.asked["max_age_days"] == 3.0
    monkeypatch.setenv("DAGGER_AML_WITH", "docker")
    monkeypatch.setenv("DAGGER_AML_LAYERS", "builder")
    script(_IMAGE)
    assert (builder.asked["name"], builder.asked["layers"]) == ("docker", "builder")
    monkeypatch.setenv("DAGGER_AML_LAYERS", "neither")
    with pytest.raises(UsageError, match="not one of"):
        script(_IMAGE)
    monkeypatch.delenv("DAGGER_AML_LAYERS")
    for wrong in ("nan", "inf", "-1", "soon"):
        monkeypatch.setenv("DAGGER_AML_MAX_AGE", wrong)
        with pytest.raises(UsageError, match=f"MAX_AGE: not a number of at least 0: '{wrong}'"):
            script(_IMAGE)


def test_what_ran_is_looked_for_where_the_project_says(project, builder):
    make(project, {"dagger-aml.toml": '[build]\ncache-repo = "r.example/cache"\ncache-to = "r.example/mine"\n'})
    script(_IMAGE)
    assert (builder.asked["cache_from"], builder.asked["cache_to"]) == ("r.example/cache", "r.example/mine")
    make(project, {"dagger-aml.toml": '[build]\nlayers = "builder"\ncache-repo = "r.example/cache"\n'})
    script(_IMAGE)
    assert (builder.asked["cache_from"], builder.asked["cache_to"]) == (None, None)
    make(project, {"dagger-aml.toml": '[build]\ncache-repo = "r.example/cache:1"\n'})
    with pytest.raises(UsageError, match="has a tag or a digest"):
        script(_IMAGE)


@pytest.mark.parametrize(("name", "program"), [("dagger", "docker"), ("podman", "podman"), ("buildah", "docker")])
def test_an_image_is_pulled_into_the_builders_own_store(
    project, builder, capfd, monkeypatch, tmp_path, name, program
):
    for each in ("docker", "podman"):
        (make(tmp_path / "bin", {each: f"#!/bin/sh\necho {each} said $*\n"}) / each).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin-of-none")
    monkeypatch.setenv("DAGGER_AML_WITH", name)
    script(_IMAGE.replace("inference_config)\n", 'inference_config, image_name="r.example/a", image_label="7")\n'))
    assert f"{program} said pull r.example/a:7" in capfd.readouterr().out


# --- models -------------------------------------------------------------------------------------------------------

TWO = {"a/m.bin": "1", "b.bin": "2"}
DECLARED = (
    '[[models]]\npath = "a"\nname = "x"\nversion = "{}"\n\n[[models]]\npath = "b.bin"\nname = "x"\nversion = "{}"\n'
)


def test_a_model_is_one_of_the_projects(project):
    make(project, {**TWO, "dagger-aml.toml": DECLARED.format(9, 10)})
    ws = Workspace.from_config()
    assert (Model(ws, "x").version, Model(ws, "x", version=9).id, Model(ws, id="x:9").version) == (10, "x:9", 9)
    assert repr(Model(ws, "x", version="9")) == "Model(name='x', version=9)"
    for wrong in ({"name": "y"}, {"name": "x", "version": 3}, {"id": "x:3"}, {}):
        with pytest.raises(WebserviceException) as raised:
            Model(ws, **wrong)
        assert raised.value.location == "name"
    with pytest.raises(
        WebserviceException, match=r"(?s)ModelNotFound.*\n  It has x:9, x:10\..*dagger-aml\.toml"
    ) as raised:
        Model(ws, "y", version=2)
    assert '[[models]]\n  path = "y"\n  name = "y"\n  version = "2"' in str(raised.value)
    assert "az ml model download --name y --version 2\n" in str(raised.value)
    text = text_of(packaged(models=["x"]), project / "out")
    assert 'COPY ["azureml-app/azureml-models/x/10/", "/var/azureml-app/azureml-models/x/10/"]' in text


def test_the_models_of_a_workspace_are_the_projects(project):
    make(project, {**TWO, "c.bin": "3", "dagger-aml.toml": DECLARED.format(10, 9) + '[[models]]\npath = "c.bin"\n'})
    ws = Workspace.from_config()
    assert [each.id for each in Model.list(ws)] == ["c:1", "x:9", "x:10"]
    assert [each.id for each in Model.list(ws, "x")] == ["x:9", "x:10"]
    assert [each.id for each in Model.list(ws, name="x", latest=True)] == ["x:10"]
    assert {name: each.id for name, each in ws.models.items()} == {"c": "c:1", "x": "x:10"}
    assert "y" not in ws.models and ws.models.get("y") is None
    for wrong in (lambda: ws.models["y"], lambda: Model.list(ws, "y")):
        with pytest.raises(WebserviceException, match="az ml model download --name y --version VERSION"):
            wrong()
    for argument in ("tags", "properties", "run_id", "dataset_id", "model_framework"):
        with pytest.raises(UserErrorException, match="only the workspace knows") as raised:
            Model.list(ws, **{argument: ["x"]})
        assert raised.value.location == argument
    text = text_of(Model.package(ws, [ws.models["x"]], InferenceConfig("score.py", source_directory="source_dir",
                   environment=Environment("env")), generate_dockerfile=True), project / "out")  # fmt: skip
    assert "azureml-models/x/10/" in text


def test_a_project_without_models_has_none_to_list(tmp_path, monkeypatch):
    monkeypatch.chdir(make(tmp_path, {"source_dir/score.py": SCORE}))
    ws = Workspace.from_config()
    with pytest.raises(UserErrorException, match=r"lie in Azure\n.*az ml model download --name NAME"):
        _ = ws.models


def test_a_model_that_nothing_declares_is_listed_by_the_name_of_the_script(project):
    assert [each.id for each in Model.list(Workspace.from_config(), "regression")] == ["regression:1"]
    assert Workspace.from_config().models["regression"].id == "regression:1"


def test_a_model_that_nothing_declares_has_the_name_of_the_script(project):
    ws = Workspace.from_config()
    assert (Model(ws, "any").id, Model(ws, "any", version=3).id) == ("any:1", "any:3")
    make(project, {"model/": None, "models/a.bin": "1", "models/b.bin": "2"})
    (project / "model/m.bin").rename(project / "models/c.bin")
    (project / "model").rmdir()
    assert Model(ws, "a").name == "a"
    with pytest.raises(WebserviceException, match="It has a:1, b:1, c:1"):
        Model(ws, "any")


def test_models_by_name_and_by_path(project):
    make(project, {**TWO, "dagger-aml.toml": DECLARED.format(9, 10)})
    ws, environment = Workspace.from_config(), Environment("env")
    config = InferenceConfig("score.py", source_directory="source_dir", environment=environment)
    package = Model.package(ws, ["x:9", "./b.bin"], config, generate_dockerfile=True)
    text = text_of(package, project / "out")
    assert "/var/azureml-app/azureml-models/x/9/" in text and "/var/azureml-app/azureml-models/b.bin/1/" in text
    assert 'ENV AZUREML_MODEL_DIR="/var/azureml-app/azureml-models"' in text
    assert "AZUREML_MODEL_DIR" not in text_of(
        Model.package(ws, [], config, generate_dockerfile=True), project / "none"
    )
    with pytest.raises(WebserviceException, match="no model 'z:1', and there is no such file"):
        Model.package(ws, ["z:1"], config)
    with pytest.raises(WebserviceException, match="neither a Model nor a text: int"):
        Model.package(ws, [3], config)
    with pytest.raises(UserErrorException, match=r"score\.py"):
        Model.package(ws, [])
    with pytest.raises(UserErrorException, match="MLflow"):
        Model.package(ws, ["x"])


# --- environments -------------------------------------------------------------------------------------------------


def test_a_base_image_of_the_script_of_the_project_and_of_a_variable(project, monkeypatch):
    def base_of(environment):
        package = packaged(environment)
        return re.search(r"^FROM --platform=\S+ (\S+)", package._dockerfile.text, re.M)[1]

    ours = Environment.from_docker_image("env", "r.example/base:1")
    assert (base_of(Environment("env")), base_of(ours)) == (BASE, "r.example/base:1")
    make(project, {"dagger-aml.toml": 'base = "r.example/project:1"\n[env]\nA = "1"\nB = "1"\n'})
    assert (base_of(Environment("env")), base_of(ours)) == ("r.example/project:1", "r.example/base:1")
    ours.environment_variables = {"A": "2", "WORKER_COUNT": 2}
    assert {**packaged(ours).variables}.items() >= {"A": "2", "B": "1", "WORKER_COUNT": "2"}.items()
    monkeypatch.setenv("DAGGER_AML_BASE", "r.example/variable:1")
    assert base_of(ours) == "r.example/variable:1"
    assert "docker.base_image of Environment 'env'" in packaged(ours).get_logs(), "that a variable holds is told"


@pytest.mark.parametrize(
    ("python", "image", "taken"),
    [
        ("3.12", "openmpi4.1.0-ubuntu22.04", "azureml/minimal-py312-inference"),
        ("3.11", "openmpi4.1.0-ubuntu22.04", "azureml/curated/minimal-py311-inference"),
        ("3.12", "openmpi4.1.0-cuda11.8-cudnn8-ubuntu22.04", "azureml/curated/minimal-py312-cuda12.4-inference"),
    ],
)
def test_an_inference_base_takes_the_place_of_one_for_training(project, python, image, taken):
    environment = Environment.from_docker_image("env", f"mcr.microsoft.com/azureml/{image}:20250101.v1")
    environment.python.user_managed_dependencies = False
    environment.python.conda_dependencies = CondaDependencies.create(pip_packages=["idna"], python_version=python)
    package = packaged(environment)
    assert f" mcr.microsoft.com/{taken}:latest\n" in package._dockerfile.text
    assert f"{taken}:latest, in place of mcr.microsoft.com/azureml/{image}" in package.get_logs()


@pytest.mark.parametrize(
    ("image", "base"),
    [
        ("r.example/mcr/azureml/openmpi4.1.0-ubuntu22.04:1", "r.example/mcr/azureml/minimal-py312-inference:latest"),
        ("azureml/openmpi4.1.0-ubuntu22.04", BASE),
    ],
)
def test_that_base_is_of_the_images_own_mirror(project, image, base):
    package = packaged(Environment.from_docker_image("env", image))
    assert f"FROM --platform=linux/amd64 {base}\n" in package._dockerfile.text


def test_what_is_told_of_base_and_packages(project):
    environment = Environment("env")
    environment.python.conda_dependencies = CondaDependencies.create(
        conda_packages=["scikit-learn=1.9"], pip_packages=["azureml-defaults"], python_version="3.12"
    )
    assert packaged(environment).get_logs().splitlines() == [
        f"Base image: {BASE}",
        "Packages of conda_dependencies.yml, which pip installs from PyPI:",
        "  Python 3.12",
        "  scikit-learn=1.9 is scikit-learn==1.9.*",
        "  azureml-defaults is left out: the base image has the inference server",
        "Dockerfile made.",
    ]
    environment.python.user_managed_dependencies = True
    assert packaged(environment).get_logs().splitlines()[1:] == ["No packages are installed.", "Dockerfile made."]


def test_a_registry_of_a_base_image(project, monkeypatch, tmp_path):
    docker = make(tmp_path / "docker", {"config.json": json.dumps({"auths": {}})})
    monkeypatch.setenv("DOCKER_CONFIG", str(docker))
    environment = Environment.from_docker_image("env", "a/b:1")
    environment.docker.base_image_registry.address = "r.example"
    package = packaged(environment)
    assert "FROM --platform=linux/amd64 r.example/a/b:1" in package._dockerfile.text
    assert package.get_container_registry().address == "r.example"
    environment.docker.base_image = "r.example/a/b:1"
    assert "FROM --platform=linux/amd64 r.example/a/b:1" in packaged(environment)._dockerfile.text
    environment.docker.base_image_registry.password = "hidden"
    with pytest.raises(UserErrorException, match=r"docker login r\.example") as raised:
        packaged(environment)
    assert "hidden" not in str(raised.value) + repr(environment) + repr(environment.docker.base_image_registry)
    make(docker, {"config.json": json.dumps({"auths": {"r.example": {"auth": "dTpw"}}})})
    assert packaged(environment).state == "Succeeded"


def test_the_login_of_a_registry_is_read_when_it_is_asked(project, monkeypatch, tmp_path):
    asked = tmp_path / "asked"
    helper = f'#!/bin/sh\ncat >> {asked}\necho \'{{"Username": "<token>", "Secret": "s3cret"}}\'\n'
    program = make(tmp_path / "bin", {"docker-credential-test": helper}) / "docker-credential-test"
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    docker = make(tmp_path / "docker", {"config.json": json.dumps({"credHelpers": {"mcr.microsoft.com": "test"}})})
    monkeypatch.setenv("DOCKER_CONFIG", str(docker))
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    registry = packaged().get_container_registry()
    assert repr(registry) == "ContainerRegistry(address='mcr.microsoft.com')" and "s3cret" not in str(vars(registry))
    assert copy.copy(registry).address == registry.address and not asked.exists()
    assert registry.password == "s3cret" and asked.read_text() == "mcr.microsoft.com"
    assert registry.username == "0" * 8 + "-0000-0000-0000-" + "0" * 12, "as whom Azure's registries take a token"
    assert "s3cret" not in repr(registry) + str(registry) + str(vars(registry))
    registry.password = "mine"
    assert registry.password == "mine"
    ours = ContainerRegistry()
    assert (ours.address, ours.username, ours.password) == (None, None, None)


@pytest.mark.parametrize(
    "text", ["FROM r.example/a:1", "# a comment\n\nfrom --platform=linux/amd64 r.example/a:1 AS x\n"]
)
def test_a_dockerfile_that_only_names_a_base(project, text):
    assert " r.example/a:1\n" in packaged(Environment.from_dockerfile("env", text))._dockerfile.text


@pytest.mark.parametrize("text", ["FROM a\nRUN b", "ARG A\nFROM $A", "RUN a", "FROM ${A}", "FROM a\nFROM b"])
def test_a_dockerfile_that_does_more_must_be_built_first(project, text):
    with pytest.raises(UserErrorException, match="docker build -t NAME") as raised:
        packaged(Environment.from_dockerfile("env", text))
    assert raised.value.location == "docker.base_dockerfile"


def test_a_base_image_and_a_dockerfile_take_each_others_place():
    docker = Environment("env").docker
    with pytest.warns(UserWarning, match="base_image, which is reset"):
        docker.base_dockerfile = "FROM a"
    assert (docker.base_image, docker.base_dockerfile) == (None, "FROM a")
    with pytest.warns(UserWarning, match="base_dockerfile, which is reset"):
        docker.base_image = "b"
    assert (docker.base_image, docker.base_dockerfile) == ("b", None)


def test_what_is_misspelt_is_not_set():
    environment = Environment("env")
    with pytest.raises(AttributeError, match="did you mean base_image"):
        environment.docker.base_imag = "x"
    with pytest.raises(AttributeError, match="Environment has no attribute 'pythons'; did you mean python"):
        environment.pythons = 1
    environment.docker.base_image = "x"
    other = environment.clone("other")
    environment.docker.base_image = "y"
    assert (other.name, other.docker.base_image) == ("other", "x")


def test_setting_an_attribute_reads_none():
    class Asked(Section):
        def __init__(self) -> None:
            self._made = True

        @property
        def password(self) -> str:
            raise AssertionError("a helper would run")

        @password.setter
        def password(self, value: str) -> None:
            self.__dict__["given"] = value

    asked = Asked()
    asked.password = "mine"
    assert asked.given == "mine"


# --- packages -----------------------------------------------------------------------------------------------------


def installed(conda: CondaDependencies, tmp_path) -> list[str]:
    """What pip is told of packages."""
    environment = Environment("env")
    environment.python.conda_dependencies = conda
    package = packaged(environment)
    package.save(tmp_path / "saved")
    found = [path.read_text().splitlines()[1:] for path in (tmp_path / "saved").rglob("requirements.txt")]
    return found[0] if found else []


def test_packages_of_conda_and_of_pip(project, tmp_path):
    conda = CondaDependencies.create(conda_packages=["scikit-learn=1.7", "pip"], pip_packages=["idna"])
    conda.set_pip_option("--pre")
    conda.add_pip_package("joblib==1.5.2")
    assert installed(conda, tmp_path) == [
        "scikit-learn==1.7.*  # conda: scikit-learn=1.7",
        "idna",
        "--pre",
        "joblib==1.5.2",
    ]


def test_names_of_packages_are_compared_as_pip_does():
    conda = CondaDependencies.create(
        pip_packages=["numpy >=2", "scikit_learn==1.7.2", "Pillow", "idna @ https://e.example/i.zip"]
    )
    for name in ("numpy", "scikit-learn==1.9.1", "pillow[x]", "idna"):
        conda.remove_pip_package(name)
    assert list(conda.pip_packages) == []
    conda.add_pip_package("scikit_learn==1.7.2")
    conda.add_pip_package("scikit-learn==1.9.1")
    assert list(conda.pip_packages) == ["scikit-learn==1.9.1"]


def test_a_range_of_pythons_stays_one(project):
    conda = CondaDependencies.create(python_version="3.8", pip_packages=["joblib==1.5.2"])
    for text in ("python>=3.10", "python >=3.10", "python >=3.10"):
        conda.add_conda_package(text)
        assert list(conda.conda_packages) == [text] and conda.get_python_version() == "3.10"
    environment = Environment("env")
    environment.python.conda_dependencies = conda
    assert packaged(environment).state == "Succeeded", "the base has one of them"


def test_what_the_base_has_is_left_out(project, tmp_path):
    assert installed(CondaDependencies(), tmp_path) == []
    assert installed(CondaDependencies.create(pip_packages=["azureml_defaults", "idna"]), tmp_path) == ["idna"]
    kept = installed(CondaDependencies.create(pip_packages=["azureml-inference-server-http==1.5.1"]), tmp_path)
    assert kept == ["azureml-inference-server-http==1.5.1"]


def test_a_base_of_ones_own_gets_the_server(project, tmp_path, monkeypatch):
    monkeypatch.setenv("DAGGER_AML_BASE", "r.example/mine:1")
    assert installed(CondaDependencies.create(python_version="3.12"), tmp_path) == ["azureml-defaults"]


def test_a_plain_python_gets_the_server_by_a_step(project, tmp_path):
    environment = Environment.from_docker_image("env", "python:3.10-slim")
    environment.python.user_managed_dependencies = False
    environment.python.conda_dependencies = CondaDependencies.create(
        pip_packages=["azureml-defaults", "idna==3.10"], python_version="3.10"
    )
    package = packaged(environment)
    assert "azureml-defaults is left out" in package.get_logs()
    assert "azureml-inference-server-http" in text_of(package, tmp_path / "out")
    assert package.variables["AZUREML_ENTRY_SCRIPT"] == "source_dir/score.py"


def test_the_recipe_is_the_scripts(project, monkeypatch):
    make(project, {"dagger-aml.toml": 'recipe = "dynamic"\nenvironment-only = true\n'})
    monkeypatch.setenv("DAGGER_AML_RECIPE", "preinstalled")
    assert packaged().variables["AZUREML_SOURCE_DIRECTORY"] == "source_dir"
    assert (
        "AZUREML_SOURCE_DIRECTORY"
        not in packaged(entry_script="source_dir/score.py", source_directory=None).variables
    )


def test_a_python_that_the_script_names(project, tmp_path):
    pinned = ["joblib==1.5.2"]
    assert installed(CondaDependencies.create(pip_packages=pinned), tmp_path) == pinned, "SDK v1's default names none"
    begin = r"^conda_dependencies\.yml:2: conda_dependencies\.yml is for Python 3\.8"
    with pytest.raises(BaseError, match=begin) as raised:
        installed(CondaDependencies.create(pip_packages=pinned, python_version="3.8"), tmp_path)
    assert "/tmp" not in str(raised.value)


def test_a_conda_file_is_named_as_it_is(project, tmp_path):
    make(
        project,
        {"env/conda.yml": "dependencies:\n- python=3.12\n- pip:\n  - -r more.txt\n", "env/more.txt": "idna\n"},
    )
    assert "-r more.txt" in installed(CondaDependencies("env/conda.yml"), tmp_path)[0]
    make(project, {"env/conda.yml": "dependencies:\n- python=3.12\n- nothing-that-is-known\n"})
    with pytest.raises(ProjectError, match=r"env/conda.yml:3: it is not certain"):
        installed(CondaDependencies("env/conda.yml"), tmp_path)


@pytest.mark.parametrize(
    ("line", "version", "versions"),
    [
        ("python=3.8.*", "3.8", "==3.8.*"),
        ("python=3", "3", "==3.*"),
        ("conda-forge::python=3.8", "3.8", "==3.8.*"),
        ("python=3.8.13=h12_0", "3.8.13", "==3.8.13"),
        ("python[version='>=3.8,<3.11']", "3.8", ">=3.8,<3.11"),
        ("python", None, ""),
    ],
)
def test_the_python_of_a_file_is_read_as_the_files_reader_does(project, tmp_path, line, version, versions):
    make(project, {"env.yml": f'dependencies:\n- "{line}"\n- pip:\n  - idna\n'})
    environment = Environment.from_conda_specification("env", "env.yml")
    conda = environment.python.conda_dependencies
    assert (conda.get_python_version(), list(conda.conda_packages)) == (version, [line])
    assert python_of(environment) == versions
    conda.add_pip_package("six")
    made = CondaDependencies(conda_file(environment, tmp_path))
    assert list(made.conda_packages) == [line] and list(made.pip_packages) == ["idna", "six"]
    conda.set_python_version("3.12")
    assert list(conda.conda_packages) == ["python=3.12"]


def test_a_python_that_nothing_reads_is_refused_by_its_line(project, tmp_path):
    make(project, {"env.yml": "dependencies:\n- python=three\n- pip:\n  - idna\n"})
    environment = Environment.from_conda_specification("env", "env.yml")
    assert python_of(environment) == ""
    environment.python.conda_dependencies.add_pip_package("six")
    with pytest.raises(ProjectError, match="python=three"):
        packaged(environment)


FILES_NAMED = {
    "env/conda.yml": "dependencies:\n- pip:\n  - -r more.txt\n  - ./wheels/idna-3.10-py3-none-any.whl\n",
    "env/more.txt": "six\n-c sub/limits.txt\n",
    "env/sub/limits.txt": "six<2\n",
    "env/wheels/idna-3.10-py3-none-any.whl": "",
    "env/list.txt": "-r more.txt\n\n# a comment\n./wheels/idna-3.10-py3-none-any.whl\n",
}


@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize(
    ("make_of", "file"), [("conda_specification", "conda.yml"), ("pip_requirements", "list.txt")]
)
def test_files_that_a_list_names_are_found_beside_it(project, tmp_path, changed, make_of, file):
    make(project, FILES_NAMED)
    environment = getattr(Environment, f"from_{make_of}")("env", f"env/{file}")
    if changed:
        environment.python.conda_dependencies.add_pip_package("joblib==1.5.2")
    package = packaged(environment)
    package.save(tmp_path / "saved")
    there = {path.name: path for path in (tmp_path / "saved").rglob("*") if path.is_file()}
    assert {"more.txt", "limits.txt", "idna-3.10-py3-none-any.whl"} <= set(there)
    listed = there["requirements.txt"].read_text()
    assert "-r more.txt" in listed and ("joblib==1.5.2" in listed) is changed


def test_a_changed_list_names_no_file_elsewhere(project):
    make(project, {"more.txt": "six\n", "env/conda.yml": "dependencies:\n- pip:\n  - -r ../more.txt\n"})
    environment = Environment.from_conda_specification("env", "env/conda.yml")
    assert packaged(environment).state == "Succeeded", "the file is taken as it is"
    environment.python.conda_dependencies.add_pip_package("joblib==1.5.2")
    with pytest.raises(ProjectError, match="outside the project") as raised:
        packaged(environment)
    assert str(raised.value.location).startswith("env/") and "/tmp" not in str(raised.value.location)


def test_what_stands_behind_no_key_of_a_file_is_an_empty_list(project):
    make(project, {"env.yml": "channels:\ndependencies:\n", "pip.yml": "dependencies:\n- python=3.12\n- pip:\n"})
    conda = CondaDependencies("env.yml")
    assert [*conda.conda_channels, *conda.conda_packages, *conda.pip_packages] == []
    conda.add_channel("conda-forge")
    conda.add_pip_package("idna")
    assert conda.as_dict() == {"channels": ["conda-forge"], "dependencies": [{"pip": ["idna"]}]}
    assert list(CondaDependencies("pip.yml").pip_options) == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("dependencies: numpy\n", "'numpy' cannot stand under `dependencies`"),
        ("dependencies:\n- 3\n", "3 cannot stand under `dependencies`"),
        ("dependencies:\n-\n", "None cannot stand under `dependencies`"),
        ("channels: 3\n", "3 cannot stand under `channels`"),
        ("dependencies:\n- pip: idna\n", "'idna' cannot stand under `pip`"),
        ("dependencies:\n- pip:\n  - 3\n", "3 cannot stand under `pip`"),
    ],
)
def test_a_file_that_lists_no_texts_is_refused(project, text, wrong):
    make(project, {"env.yml": text})
    with pytest.raises(UserErrorException, match=wrong) as raised:
        CondaDependencies("env.yml")
    assert raised.value.location == "env.yml"


def test_an_error_names_no_temporary_file(project, tmp_path):
    conda = CondaDependencies.create(conda_packages=["graphviz"])
    with pytest.raises(ProjectError, match="graphviz") as raised:
        installed(conda, tmp_path)
    assert raised.value.location == "conda_dependencies.yml:4"


def test_a_requirements_file(project, tmp_path):
    make(project, {"r.txt": "idna==3.10\n# a comment\n"})
    environment = Environment.from_pip_requirements("env", "r.txt")
    assert installed(environment.python.conda_dependencies, tmp_path)[0] == "idna==3.10"


def test_lines_of_a_requirements_file_that_are_continued_are_one(project, tmp_path):
    digest = "--hash=sha256:" + "a" * 64
    make(project, {"r.txt": f"idna==3.10 \\\n    {digest} \\\n    {digest[:-1]}b\nsix==1.17.0 {digest}  # why\n"})
    environment = Environment.from_pip_requirements("env", "r.txt")
    assert list(environment.python.conda_dependencies.pip_packages) == [
        f"idna==3.10     {digest}     {digest[:-1]}b", f"six==1.17.0 {digest}  # why"]  # fmt: skip
    lines = installed(environment.python.conda_dependencies, tmp_path)
    assert lines == [f"idna==3.10     {digest}     {digest[:-1]}b", f"six==1.17.0 {digest}"]


def test_a_list_of_packages_beside_the_code_is_not_taken(project, tmp_path):
    make(project, {"requirements.txt": "idna\n", "source_dir/requirements.txt": "idna\n", "environment.yml": "x"})
    assert "pip" not in packaged()._dockerfile.text.partition("FROM")[2]


def test_a_conda_file_is_written(tmp_path):
    conda = CondaDependencies.create(pip_packages=["idna"], python_version="3.12")
    conda.save(tmp_path / "env.yml")
    assert CondaDependencies(tmp_path / "env.yml").as_dict() == conda.as_dict()
    assert conda.serialize_to_string() == (tmp_path / "env.yml").read_text()
    for wrong in (tmp_path, tmp_path / "absent" / "env.yml"):
        with pytest.raises(UserErrorException):
            conda.save(wrong)


# --- code ---------------------------------------------------------------------------------------------------------


def test_an_entry_script_alone(project):
    make(project, {"source_dir/big.bin": "x", "source_dir/helper.py": ""})
    package = packaged(entry_script="source_dir/score.py", source_directory=None)
    text = text_of(package, project / "out")
    assert 'ENV AZUREML_ENTRY_SCRIPT="score.py"' in text and "AZUREML_SOURCE_DIRECTORY" not in text
    found = sorted(path.name for path in (project / "out").rglob("*.*") if path.is_file())
    assert found == [".dagger-aml", "m.bin", "score.py"] and "warning" not in package.get_logs()


def test_an_entry_script_alone_that_imports_what_lies_beside_it(project):
    make(project, {"source_dir/score.py": f"import helper\n{SCORE}", "source_dir/helper.py": ""})
    logs = packaged(entry_script="source_dir/score.py", source_directory=None).get_logs()
    assert "score.py alone goes into the image, and not what it imports: helper.py" in logs
    assert "warning" not in packaged().get_logs()


def test_an_entry_script_outside_of_its_folder(project):
    make(project, {"score.py": SCORE})
    with pytest.raises(UserErrorException, match="lies outside of source_directory") as raised:
        packaged(entry_script="../score.py")
    assert raised.value.location == "entry_script"
    whole = packaged(entry_script=str(project / "source_dir/score.py"))
    assert whole.variables["AZUREML_ENTRY_SCRIPT"] == "source_dir/score.py"


def test_what_cannot_work_is_refused(project):
    make(project, {"source_dir/score.py": "def init():\n    pass\n"})
    with pytest.raises((FindingsError, ProjectError), match="run"):
        packaged()


def test_a_folder_that_is_not_ours_is_not_replaced(project):
    package = packaged()
    make(project, {"mine/file": "", "file": ""})
    with pytest.raises(UsageError):
        package.save("mine")
    with pytest.raises(WebserviceException, match="not a folder"):
        package.save("file")
    package.save("out")
    package.save("out")
    assert package.location == "out"
    with pytest.raises(WebserviceException, match=r"Use save\(\)"):
        package.pull()


def test_an_image_is_not_saved(project):
    config = InferenceConfig("score.py", source_directory="source_dir", environment=Environment("env"))
    with pytest.raises(WebserviceException, match=r"Use pull\(\)"):
        Model.package(Workspace.from_config(), [], config).save("out")


# --- what only Azure can do ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda ws: Model.register(ws, "model", "m"), "az ml model create"),
        (lambda ws: Model(ws, "m").download("."), "az ml model download"),
        (lambda ws: Model.deploy(ws, "s", [], None, AciWebservice.deploy_configuration(cpu_cores=1)), "docker run"),
        (lambda ws: Workspace.create("w"), "az ml workspace create"),
        (lambda ws: ws.get_default_datastore(), "azcopy"),
        (lambda ws: Environment.get(ws, "AzureML-Minimal"), "dagger-aml images"),
        (lambda ws: Environment("env").register(ws), "nothing is registered"),
        (lambda ws: Webservice(ws, "s"), "dagger-aml run"),
    ],
)
def test_what_would_reach_azure_says_where_to_do_it(project, call, words):
    with pytest.raises(UserErrorException, match="would reach Azure") as raised:
        call(Workspace.from_config())
    assert words in str(raised.value) and isinstance(raised.value, AzureMLException | UsageError)


def test_a_workspace_asks_none(project, tmp_path):
    ws = Workspace.from_config()
    assert (ws.name, ws.subscription_id, ws.project) == ("p", None, project)
    said = {"subscription_id": "s", "resource_group": "g", "workspace_name": "w"}
    make(project, {".azureml/config.json": json.dumps(said), "odd.json": "[]"})
    ws = Workspace.from_config()
    assert (ws.name, ws.subscription_id, ws.resource_group) == ("w", "s", "g")
    assert Workspace.from_config(".azureml/config.json").project == project
    assert Workspace.from_config(project / "source_dir").project == project / "source_dir"
    assert (Workspace.get("w").name, Workspace("s", "g", "w").resource_group) == ("w", "g")
    for wrong in ("absent", "odd.json"):
        with pytest.raises(UserErrorException):
            Workspace.from_config(wrong)


# --- imports ------------------------------------------------------------------------------------------------------


def test_the_names_of_the_core_are_loaded_when_they_are_used():
    assert sorted(core.__all__) == dir(core)
    assert {name: getattr(core, name).__name__ for name in core.__all__} == {name: name for name in core.__all__}
    with pytest.raises(ImportError):
        from dagger_aml.azureml.core import Experiment  # noqa: F401


def test_importing_the_names_is_lean():
    program = "from dagger_aml.azureml.core import *\nfrom dagger_aml.azureml.core.webservice import Webservice"
    assert loaded(program, (*HEAVY, *UNASKED, "asyncio", "anyio", "dagger_aml.sync", "dagger_aml.project")) == set()
    assert "dagger_aml.azureml" in sys.modules
    assert loaded("import dagger_aml", ("dagger_aml.azureml",)) == set()
