"""Deployment files as projects: what of them decides the image, what counts before them, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dagger_aml import DaggerAmlError, Graph, Options, load_project, make_plan
from dagger_aml.base import catalog
from dagger_aml.cli.main import cli
from dagger_aml.finding import FileLocation
from dagger_aml.graph.graph import Copy
from dagger_aml.graph.source import Text
from dagger_aml.init.draft import make_draft
from dagger_aml.plan.render import plan_json, plan_text
from dagger_aml.serving.local import _environment, _lay_out
from dagger_aml.serving.local_packages import Place
from dagger_aml.serving.smoke import _not_root
from tests.support.calls import error_of
from tests.support.cases import for_each
from tests.support.projects import SCORE, laid_out, make
from tests.support.users import as_nobody, linux_root, open_to_all, readable_package

APP = "/var/azureml-app"
OPENMPI = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"
PY312 = "mcr.microsoft.com/azureml/minimal-py312-inference:latest"

READS = """\
import os

def init():
    open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model/weights.json"))


def run(data):
    return data
"""


def conda(python: str = "3.12", *pip: str) -> str:
    """A conda file; pip's packages may have versions."""
    lines = ["channels: [conda-forge]", "dependencies:", f"  - python={python}", "  - pip"]
    return "\n".join([*lines, *(["  - pip:"] if pip else []), *(f"      - {each}" for each in pip), ""])


def deployment(*more: str, image: str | None = PY312, code: str | None = "code", name: str = "blue") -> str:
    """A deployment file; what is said besides comes last."""
    lines = [f"name: {name}", "endpoint_name: shop", "instance_type: Standard_DS3_v2", "instance_count: 1"]
    if code is not None:
        lines += ["code_configuration:", f"  code: {code}", "  scoring_script: score.py"]
    if image is not None:
        lines += ["environment:", f"  image: {image}"]
    return "\n".join([*lines, *more, ""])


MODEL = ("model:", "  path: model/")


def small(root: Path, text: str, **more: str | None) -> Path:
    """A folder with code, a model and a deployment file; its path."""
    files: dict[str, Any] = {"code/score.py": SCORE, "model/weights.json": "{}", "deployment.yml": text}
    return make(root, {**files, **{name.replace("__", "/"): each for name, each in more.items()}}) / "deployment.yml"


def copies(graph: Graph) -> dict[str, list[str]]:
    """What is copied by its place: files of folders, and what lists of packages say."""
    found: dict[str, list[str]] = {}
    for layer in graph.layers:
        if isinstance(layer, Copy):
            entries = getattr(layer.source, "entries", ())
            text = layer.source.data.decode().splitlines() if isinstance(layer.source, Text) else []
            found[layer.dest] = [each.path for each in entries if each.type == "file"] or text
    return found


def text_of(path: Path, **options: Any) -> str:
    """The plan of a project as a person reads it."""
    project, graph = laid_out(path, **options)
    return plan_text(make_plan(graph), project)


def refusal(path: Path, **options: Any) -> str:
    """What a project is refused with."""
    with pytest.raises(DaggerAmlError) as caught:
        laid_out(path, **options)
    assert caught.value.exit_code == 2
    return str(caught.value)


# --- what decides the image ---------------------------------------------------------------------------------------


def test_azures_main_sample_is_an_image_as_azure_lays_it_out(tmp_path: Path):
    make(
        tmp_path / "online",
        {
            "shared/onlinescoring/score.py": READS,
            "shared/onlinescoring/notes.log": "",
            "shared/onlinescoring/.amlignore": "*.log\n",
            "shared/model/weights.json": "{}",
            "shared/environment/conda.yaml": conda("3.12", "azureml-defaults", "joblib==1.5.2"),
            "managed/sample/score.py": "raise SystemExit",
            "managed/sample/requirements.txt": "numpy\n",
            "managed/sample/model.pkl": "",
            "managed/sample/sample-request.json": "{}",
            "managed/sample/blue.yml": "\n".join(
                [
                    *("name: blue", "endpoint_name: shop", "model:", "  path: ../../shared/model/"),
                    *("code_configuration:", "  code: ../../shared/onlinescoring/", "  scoring_script: score.py"),
                    *("environment:", "  conda_file: ../../shared/environment/conda.yaml", f"  image: {OPENMPI}"),
                    *("instance_type: Standard_DS3_v2", "instance_count: 1"),
                    *("environment_variables:", "  WORKER_COUNT: 2", ""),
                ]
            ),
        },
    )
    path = tmp_path / "online/managed/sample/blue.yml"
    project, graph = laid_out(path)
    found = copies(graph)
    assert found[f"{APP}/azureml-models/model/1/model"] == ["weights.json"]
    assert found[APP] == ["score.py"]
    assert "joblib==1.5.2" in found["/usr/share/dagger-aml/requirements.txt"]
    assert not any("azureml-defaults" in line for line in found["/usr/share/dagger-aml/requirements.txt"])
    assert dict(graph.config.env) == {
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "AZUREML_MODEL_DIR": f"{APP}/azureml-models/model/1",
        "WORKER_COUNT": "2",
    }
    assert project.name == "shop-blue" and project.base.reference == PY312 and project.request
    assert project.origins | {} == project.origins and project.origins["models"] == "blue.yml:4"
    assert project.origins["code"] == "blue.yml:5" and project.origins["requirements"] == "blue.yml:9"
    assert project.origins["base"] == "blue.yml:10" and project.origins["env.WORKER_COUNT"] == "blue.yml:14"
    (told,) = [each for each in graph.warnings if each.id == "AML606"]
    assert told.location == "blue.yml:10"
    text = plan_text(make_plan(graph), project)
    assert text.splitlines()[0].endswith("(linux/amd64), as blue.yml says")
    assert (
        f"in place of {OPENMPI}, which runs as root and has no inference server; Options(keep_base=…) keeps it"
        in text
    )
    assert "azureml-defaults is left out: the base image has the inference server" in text
    assert "../../shared/model as model, version 1  (blue.yml:4): named after its path" in text
    assert "of no meaning for an image: instance_count, instance_type" in text


def test_the_plan_as_json_has_what_the_file_gave(tmp_path: Path):
    project, graph = laid_out(small(tmp_path / "shop", deployment(*MODEL)))
    found = json.loads(json.dumps(plan_json(make_plan(graph), project)))["project"]["deployment"]
    assert (found["file"], found["found"], found["endpoint"], found["kind"]) == (
        *("deployment.yml", False, "shop", "managed"),
    )
    assert {"what": "model", "value": "model as model, version 1", "location": "deployment.yml:11"}.items() <= next(
        each for each in found["gives"] if each["what"] == "model"
    ).items()
    assert found["left"] == ["instance_count", "instance_type"]


def test_the_plan_lists_what_is_to_be_filled_in(tmp_path: Path):
    text = deployment("environment_variables:", "  URL: https://<host>/x").replace(": shop", ": <endpoint_name>")
    path = small(tmp_path / "shop", text)
    said = "endpoint_name <endpoint_name> (deployment.yml:2), environment_variables.URL <host> (deployment.yml:11)"
    assert f"  to be filled in: {said}\n" in text_of(path)
    project, graph = laid_out(path)
    found = plan_json(make_plan(graph), project)["project"]["deployment"]["to_fill_in"]
    assert found[0] == {"key": "endpoint_name", "value": "<endpoint_name>", "location": "deployment.yml:2"}
    assert "to be filled in" not in text_of(small(tmp_path / "filled", deployment(*MODEL)))


def test_a_script_in_a_subfolder_imports_its_siblings(tmp_path: Path):
    text = deployment().replace("scoring_script: score.py", "scoring_script: serving/score.py")
    files = {
        "app/serving/score.py": "import helper\n" + SCORE,
        "app/serving/helper.py": "",
        "app/shared/table.py": "",
        "deployment.yml": text.replace("code: code", "code: app"),
    }
    root = make(tmp_path / "shop", files)
    project, graph = laid_out(root / "deployment.yml")
    assert copies(graph)[APP] == ["serving/helper.py", "serving/score.py", "shared/table.py"]
    assert graph.config.env["AML_APP_ROOT"] == f"{APP}/serving"
    assert graph.config.env["AZUREML_ENTRY_SCRIPT"] == "score.py"
    assert not graph.warnings
    assert "code app, entry script serving/score.py" in plan_text(make_plan(graph), project)
    _, package = laid_out(root / "deployment.yml", recipe="package")
    assert package.config.env["AML_APP_ROOT"] == f"{APP}/app/serving" and f"{APP}/app" in copies(package)


def test_packages_beside_such_a_script_lie_where_the_start_script_looks(tmp_path: Path):
    text = deployment("  conda_file: conda.yml").replace("scoring_script: score.py", "scoring_script: in/score.py")
    root = make(
        tmp_path / "shop",
        {"code/in/score.py": SCORE, "conda.yml": conda("3.12", "joblib==1.5.2"), "deployment.yml": text},
    )
    _, graph = laid_out(root / "deployment.yml", recipe="dynamic")
    assert f"{APP}/in/requirements.txt" in copies(graph)
    assert graph.config.env["AZUREML_EXTRA_REQUIREMENTS_TXT"] == "requirements.txt"


def test_a_module_called_as_the_servers_own_is_found_beside_such_a_script(tmp_path: Path):
    text = deployment().replace("scoring_script: score.py", "scoring_script: in/score.py")
    files = {"code/in/score.py": "import utils\n" + SCORE, "code/in/utils.py": "", "deployment.yml": text}
    _, graph = laid_out(make(tmp_path / "shop", files) / "deployment.yml")
    assert make_plan(graph).config.env["PYTHONPATH"] == f"{APP}/in"


def test_conda_lines_may_stand_in_the_file_itself(tmp_path: Path):
    inner = ("  conda_file:", "    dependencies:", "      - python=3.12", "      - pip:", "          - joblib==1.5.2")
    project, graph = laid_out(small(tmp_path / "shop", deployment(*inner)))
    assert "joblib==1.5.2" in copies(graph)["/usr/share/dagger-aml/requirements.txt"]
    assert project.origins["requirements"] == "deployment.yml:10"


def test_an_environment_may_have_a_file_of_its_own(tmp_path: Path):
    own = f"name: e\nimage: {PY312}\nconda_file:\n  dependencies:\n    - pip:\n        - joblib==1.5.2\n"
    path = small(tmp_path / "shop", deployment("environment: file:env/environment.yml", image=None), env__e="")
    make(tmp_path / "shop/env", {"environment.yml": own})
    project, graph = laid_out(path)
    assert "joblib==1.5.2" in copies(graph)["/usr/share/dagger-aml/requirements.txt"]
    assert project.origins["base"] == "env/environment.yml:2"


def test_a_pin_of_the_server_is_kept(tmp_path: Path):
    path = small(
        tmp_path / "shop",
        deployment("  conda_file: conda.yml"),
        **{"conda.yml": conda("3.12", "azureml-defaults==1.60.0", "azureml-inference-server-http")},
    )
    lines = copies(laid_out(path)[1])["/usr/share/dagger-aml/requirements.txt"]
    assert "azureml-defaults==1.60.0" in lines and "azureml-inference-server-http" not in lines


def test_an_image_alone_is_the_base_as_it_is(tmp_path: Path):
    project, graph = laid_out(small(tmp_path / "shop", deployment(*MODEL, image="registry.example/own:3", code=None)))
    assert project.base.reference == "registry.example/own:3" and project.code is None
    assert list(copies(graph)) == [f"{APP}/azureml-models/model/1/model"]
    assert not [each for each in graph.warnings if each.id == "AML520"]


def test_models_go_to_the_mount_path(tmp_path: Path):
    _, graph = laid_out(small(tmp_path / "shop", deployment(*MODEL, "model_mount_path: /var/models/")))
    assert "/var/models/model/1/model" in copies(graph)
    assert graph.config.env["AZUREML_MODEL_DIR"] == "/var/models/model/1"


def test_a_model_file_keeps_its_name_and_takes_nothing_from_beside_it(tmp_path: Path):
    path = small(
        tmp_path / "shop", deployment("model:", "  path: model/weights.json", "  name: weights", "  version: 4")
    )
    make(tmp_path / "shop/model", {"config.json": "{}", "weights.json.data": ""})
    assert copies(laid_out(path)[1])[f"{APP}/azureml-models/weights/4/weights.json"] == ["weights.json"]


def test_the_folder_of_the_file_may_be_the_model_itself(tmp_path: Path):
    path = small(tmp_path / "shop", deployment("model:", "  path: ."))
    assert f"{APP}/azureml-models/shop/1/shop" in copies(laid_out(path)[1])


def test_a_link_of_a_model_may_not_lead_out_of_it(tmp_path: Path):
    path = small(tmp_path / "shop", deployment("model:", "  path: ../elsewhere"))
    make(tmp_path, {"elsewhere/m.bin": "m", "secret": "s", "elsewhere/out": "->../secret"})
    assert "a link points outside the folder" in refusal(path)


def test_a_model_among_code_that_looks_for_it_there_stays_there_too(tmp_path: Path):
    script = "from pathlib import Path\n\nmodel = Path(__file__).parent / 'm.pkl'\n\n" + SCORE
    text = deployment("model:", "  path: code/m.pkl")
    path = small(tmp_path / "shop", text, **{"code/score.py": script, "code/m.pkl": "m"})
    found = copies(laid_out(path)[1])
    assert found[APP] == ["m.pkl", "score.py"] and f"{APP}/azureml-models/m/1/m.pkl" in found
    make(tmp_path / "shop", {"code/score.py": READS})
    assert copies(laid_out(path)[1])[APP] == ["score.py"]


# --- registered models --------------------------------------------------------------------------------------------


def test_a_registered_model_is_refused_with_the_flag_and_the_download(tmp_path: Path):
    path = small(tmp_path / "shop", deployment("model: azureml:prices:3"))
    told = refusal(path).splitlines()
    assert told[0].startswith("deployment.yml:10: the model azureml:prices:3 is registered in Azure ML")
    assert "  az ml model download --name prices --version 3" in told
    assert '  Then add: Options(model="prices:3=prices")' in told


def test_a_label_tells_no_version_so_any_will_do(tmp_path: Path):
    path = small(tmp_path / "shop", deployment("model: azureml:prices@latest"))
    told = refusal(path)
    assert (
        "az ml model show --name prices --label latest" in told and 'Options(model="prices:VERSION=prices")' in told
    )
    _, graph = laid_out(path, model=f"prices:7={tmp_path / 'shop/model'}")
    assert f"{APP}/azureml-models/prices/7/model" in copies(graph)


def test_a_model_of_a_registry_is_downloaded_from_it(tmp_path: Path):
    text = deployment("model: azureml://registries/acme/models/prices/versions/3")
    assert "az ml model download --name prices --version 3 --registry-name acme" in refusal(small(tmp_path, text))


@pytest.mark.parametrize(
    ("given", "files", "dest"),
    [
        ("prices", {"prices/m.pkl": ""}, "prices/3 m.pkl"),
        ("prices", {"prices/model/m.pkl": "", "prices/model/MLmodel": ""}, "prices/3 model/MLmodel model/m.pkl"),
        ("model", {"model/m.pkl": ""}, "prices/3/model m.pkl"),
        ("prices", {"prices/a": "", "prices/b": ""}, "prices/3/prices a b"),
        ("m.pkl", {"m.pkl": ""}, "prices/3/m.pkl m.pkl"),
    ],
    ids=["downloaded file", "downloaded folder", "registered folder", "registered folder of its name", "file"],
)
def test_what_is_given_lies_as_azure_has_it(tmp_path: Path, given: str, files: dict[str, str], dest: str):
    path = small(tmp_path / "shop", deployment("model: azureml:prices:3"))
    make(tmp_path / "here", files)
    _, graph = laid_out(path, model=f"prices:3={tmp_path / 'here' / given}")
    place, *names = dest.split()
    assert copies(graph)[f"{APP}/azureml-models/{place}"] == names


def test_the_code_tells_whether_a_folder_keeps_its_name(tmp_path: Path):
    path = small(tmp_path / "shop", deployment("model: azureml:model:1"), code__score="")
    make(tmp_path / "shop", {"code/score.py": READS})
    _, graph = laid_out(path, model=f"model:1={tmp_path / 'shop/model'}")
    assert copies(graph)[f"{APP}/azureml-models/model/1/model"] == ["weights.json"]


@for_each(
    ("said", "model", "words"),
    [
        ("azureml:prices:3", "prices:4=model", "and Options(model=…) gives prices:4"),
        ("azureml:prices:3", "prices=model", "not NAME:VERSION=PATH"),
        ("azureml:prices:3", "prices:3=nowhere", "'nowhere' does not exist"),
        ("azureml:prices:3", ("prices:3=a", "prices:3=b"), "is given twice"),
        ("\n  path: model", "prices:3=model", "names no registered model"),
        (
            "azureml:prices:3",
            ("prices:3=model", "other:1=model"),
            'Options(model="other:1=model"): deployment.yml names one',
        ),
        ("azureml:prices@latest", ("prices:3=model", "prices:4=model"), "already: prices:3=model"),
    ],
)
def test_a_flag_that_gives_no_such_model_is_refused(tmp_path: Path, said: str, model: Any, words: str):
    assert words in refusal(small(tmp_path / "shop", deployment(f"model: {said}")), model=model)


def test_the_flag_means_nothing_without_a_deployment_file(tmp_path: Path):
    root = make(tmp_path / "shop", {"score.py": SCORE})
    assert "no deployment file names the models here" in refusal(root, model="a:1=b")


# --- environments -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "python", "base", "why"),
    [
        ("azureml/openmpi4.1.0-ubuntu22.04", "3.11", "curated/minimal-py311-inference", ""),
        ("azureml/openmpi4.1.0-ubuntu20.04:20230120.v1", "3.12", "minimal-py312-inference", ""),
        ("azureml/openmpi4.1.0-cuda11.8-cudnn8-ubuntu22.04", "3.12", "curated/minimal-py312-cuda12.4-inference", ""),
        ("azureml/openmpi4.1.0-ubuntu22.04@sha256:" + 64 * "0", "3.9", "minimal-ubuntu22.04-py39-cpu-inference", ""),
        ("azureml/openmpi3.1.2-ubuntu18.04", "3.8", "minimal-py312-inference", "no inference base has Python 3.8"),
    ],
)
def test_an_inference_base_takes_an_openmpi_images_place(tmp_path: Path, image, python, base, why):
    text = deployment("  conda_file: conda.yml", image=f"mcr.microsoft.com/{image}")
    project = load_project(small(tmp_path / "shop", text, **{"conda.yml": conda(python, "joblib==1.5.2")}))
    assert project.base.reference == f"mcr.microsoft.com/azureml/{base}:latest"
    assert project.deployment and why in project.deployment.why_base


def test_the_base_is_of_the_images_own_mirror(tmp_path: Path):
    path = small(tmp_path / "shop", deployment(image="registry.example/mcr/azureml/openmpi4.1.0-ubuntu22.04:1"))
    assert load_project(path).base.reference == "registry.example/mcr/azureml/minimal-py312-inference:latest"


def test_no_base_of_that_python_has_the_usual_ways_out(tmp_path: Path):
    text = deployment("  conda_file: conda.yml", image=OPENMPI)
    path = small(tmp_path / "shop", text, **{"conda.yml": conda("3.8", "joblib==1.2.0")})
    told = str(error_of(make_plan, laid_out(path)[1]))
    assert "conda.yml is for Python 3.8" in told and 'Options(python="base")' in told
    make_plan(laid_out(path, python="base")[1])


@pytest.mark.parametrize("pip", [(), ("azureml-defaults",), ("azureml-inference-server-http~=1.4",)])
def test_an_openmpi_image_that_is_kept_gets_the_server(tmp_path: Path, pip: tuple[str, ...]):
    text = deployment("  conda_file: conda.yml", image=OPENMPI)
    path = small(tmp_path / "shop", text, **{"conda.yml": conda("3.10", *pip)})
    project, graph = laid_out(path, keep_base=True)
    assert project.base.reference == OPENMPI
    assert project.pip == (() if pip else ("azureml-inference-server-http",))
    if pip:
        assert pip[0] in copies(graph)["/usr/share/dagger-aml/requirements.txt"]
    assert not [each for each in graph.warnings if each.id == "AML606"]
    facts = make_plan(graph).facts
    assert (facts.uid, facts.environment, facts.starts, facts.python) == (0, "/opt/miniconda", True, None)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("azureml://registries/azureml/environments/minimal-py311-inference/labels/latest", "latest"),
        ("azureml://registries/azureml/environments/minimal-py311-inference/versions/12", "12"),
        ("azureml:AzureML-minimal-py311-inference@latest", "latest"),
    ],
)
def test_a_curated_environment_is_the_catalogs_base(tmp_path: Path, text: str, reference: str):
    path = small(tmp_path / "shop", deployment(f"environment: {text}", image=None))
    project = load_project(path)
    assert project.base.reference == f"mcr.microsoft.com/azureml/curated/minimal-py311-inference:{reference}"
    assert catalog.find(project.base.reference) and project.origins["base"] == "deployment.yml:8"
    assert f"the image of the curated environment {text}" in text_of(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("azureml:own:1", "az ml environment show --name own --version 1"),
        (
            "azureml:minimal-py311-inference@latest",
            "az ml environment show --name minimal-py311-inference --label",
        ),
        (
            "azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
            'Options(base="mcr.microsoft.com/azureml/curated/sklearn-1.5:latest")',
        ),
    ],
)
def test_an_environment_that_nothing_here_tells_wants_a_base(tmp_path: Path, text: str, words: str):
    path = small(tmp_path / "shop", deployment(f"environment: {text}", image=None))
    told = refusal(path)
    assert told.startswith("deployment.yml:8: ") and words in told and "Options(base=" in told
    assert load_project(path, Options(base="minimal-py312-inference")).base.reference == PY312


def test_an_environment_to_be_built_is_told_how(tmp_path: Path):
    lines = ("environment:", "  build:", "    path: docker", "    dockerfile_path: serve.Dockerfile")
    path = small(tmp_path / "shop", deployment(*lines, image=None))
    told = refusal(path)
    assert "docker build -t environment:1 -f docker/serve.Dockerfile docker" in told
    assert 'Options(base="docker-archive:environment.tar")' in told
    assert load_project(path, Options(base="registry.example/e:1")).base.reference == "registry.example/e:1"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            (
                "  inference_config:",
                *("    liveness_route: { path: /, port: 5001 }", "    readiness_route: { path: /, port: 5001 }"),
                "    scoring_route: { path: /v1/models/hpt, port: 8501 }",
            ),
            "`scoring_route` is /v1/models/hpt at port 8501",
        ),
        (("model:", "  path: model", "  type: triton_model"), "a triton_model is served by NVIDIA's Triton"),
        (
            ("model:", "  path: model", "model_mount_path: models"),
            "yml:12: not an absolute path: 'models'",
        ),
        (("model:", "  path: nowhere"), "the model 'nowhere' does not exist"),
    ],
)
def test_what_is_no_image_of_this_kind_is_refused(tmp_path: Path, more: tuple[str, ...], words: str):
    assert words in refusal(small(tmp_path / "shop", deployment(*more)))


def test_a_file_that_names_nothing_is_refused(tmp_path: Path):
    assert "nothing to make an image of" in refusal(small(tmp_path, deployment(image=None, code=None)))


def test_code_that_is_not_there_is_refused_with_its_line(tmp_path: Path):
    told = refusal(small(tmp_path / "shop", deployment(code="../gone")))
    assert told.startswith("deployment.yml:5: the code folder '../gone' does not exist")


def test_a_script_that_is_not_there_is_refused_with_its_line(tmp_path: Path):
    path = small(tmp_path / "shop", deployment().replace("score.py", "sub/main.py"))
    told = refusal(path)
    assert told.startswith("deployment.yml:7: the entry script 'sub/main.py' does not exist")
    assert f"looked for at {path.parent}/code/sub/main.py" in told and "have init() and run(): score.py" in told


# --- what counts before it, and where it is found -----------------------------------------------------------------


def test_a_project_file_counts_before_it_and_what_is_found_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = small(
        tmp_path / "shop",
        deployment(*MODEL, "  name: a", "environment_variables:", '  A: "1"', '  B: "1"', '  C: "1"'),
        **{"dagger-aml.toml": 'base = "curated/minimal-py311-inference"\nenv = { B = "2", C = "2" }\n'},
    )
    make(tmp_path / "shop", {"requirements.txt": "numpy\n", "apt.txt": "libgomp1\n", "score.py": SCORE})
    project = load_project(path, Options(env=("C=3",)))
    assert project.env == {"A": "1", "B": "2", "C": "3"}
    assert project.origins["base"] == "dagger-aml.toml:1" and project.origins["env.B"] == "dagger-aml.toml:2"
    assert project.requirements is None and project.apt == ("libgomp1",)
    assert project.code == tmp_path / "shop/code" and [each.name for each in project.models] == ["a"]
    monkeypatch.setenv("DAGGER_AML_BASE", "minimal-py312-inference")
    assert load_project(path).origins["base"] == "$DAGGER_AML_BASE"
    assert load_project(path, Options(base="minimal-py312-inference")).origins["base"] == "Options(base=…)"


def test_code_and_models_of_a_project_file_count_before_its_own(tmp_path: Path):
    toml = '[code]\npath = "mine"\n[[models]]\npath = "other.bin"\n'
    path = small(tmp_path / "shop", deployment(*MODEL), mine__x="", **{"dagger-aml.toml": toml, "other.bin": "m"})
    make(tmp_path / "shop", {"mine/score.py": SCORE})
    project = load_project(path)
    assert project.code == tmp_path / "shop/mine" and [each.name for each in project.models] == ["other"]


def test_the_only_one_of_a_folder_is_used_and_said(tmp_path: Path):
    root = small(tmp_path / "shop", deployment(*MODEL)).parent
    make(root, {"endpoint.yml": "name: shop\nauth_mode: key\n", "conda.yml": conda("3.12", "joblib==1.5.2")})
    project, graph = laid_out(root)
    assert project.deployment and project.origins["deployment"] == "found" and project.requirements is None
    assert f"{APP}/azureml-models/model/1/model" in copies(graph)
    assert text_of(root).splitlines()[0].endswith(", as deployment.yml, found in the folder, says")


def test_of_several_none_is_used_and_each_has_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    make(Path("shop"), {"code/score.py": SCORE, "blue.yml": deployment(), "green.yml": deployment(name="green")})
    project, graph = laid_out(Path("shop"))
    assert project.deployment is None
    (told,) = graph.warnings
    assert (told.id, told.severity) == ("AML522", "info")
    assert told.hint == "Name one:\ndagger-aml plan shop/blue.yml\ndagger-aml plan shop/green.yml"
    make(Path("elsewhere"), {"blue.yml": deployment(code="../shop/code"), "green.yml": deployment()})
    assert "dagger-aml plan elsewhere/green.yml" in refusal(Path("elsewhere"))


@pytest.mark.parametrize("by", ["key", "variable", "flag"])
def test_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str):
    files = {"code/score.py": SCORE, "deploy/blue.yml": deployment(code="../code"), "green.yml": deployment()}
    root = make(tmp_path / "shop", files)
    options: dict[str, str] = {}
    if by == "key":
        make(root, {"dagger-aml.toml": 'deployment = "deploy/blue.yml"\n'})
    elif by == "variable":
        monkeypatch.setenv("DAGGER_AML_DEPLOYMENT", str(root / "deploy/blue.yml"))
    else:
        options["deployment"] = str(root / "deploy/blue.yml")
    project, _ = laid_out(root, **options)
    assert project.deployment and project.name == "shop-blue" and project.root == root
    assert project.origins["code"] == "deploy/blue.yml:5"


@pytest.mark.parametrize(("image", "words"), [(OPENMPI, "base image's own user is root"), (PY312, "Do not change")])
def test_an_image_that_runs_as_root_is_blamed_on_who_says_so(tmp_path: Path, image: str, words: str):
    _, graph = laid_out(small(tmp_path / "shop", deployment(*MODEL, image=image)), keep_base=True)
    with pytest.raises(DaggerAmlError, match=words):
        _not_root(0, make_plan(graph))


def test_a_project_file_keeps_one_that_is_only_found_out(tmp_path: Path):
    root = small(tmp_path / "shop", deployment(*MODEL)).parent
    make(root, {"dagger-aml.toml": ""})
    assert load_project(root).deployment is None


def test_one_that_runs_a_finished_image_is_not_taken_for_its_making(tmp_path: Path):
    files = {"score.py": SCORE, "deployment.yml": deployment(image="registry.example/shop:1", code=None)}
    assert load_project(make(tmp_path / "shop", files)).deployment is None


def test_one_that_cannot_be_read_is_refused_where_it_is_found_and_where_it_is_named(tmp_path: Path):
    files = {
        "score.py": SCORE,
        "deployment.yml": "endpoint_name: shop\nname: blue\nmodel: {path: m}\ninstance_typ: a\n",
    }
    root = make(tmp_path / "shop", files)
    named, found = refusal(root / "deployment.yml"), refusal(root)
    assert named.startswith("deployment.yml:4: unknown key 'instance_typ'") and found.startswith(named)
    assert "put an empty dagger-aml.toml beside it" in found.removeprefix(named)
    (root / "score.py").unlink()
    assert "instance_typ" in refusal(root)
    make(root, {"score.py": SCORE, "dagger-aml.toml": ""})
    assert load_project(root).deployment is None


def test_one_with_bytes_that_are_no_text_is_refused_where_it_is_found(tmp_path: Path):
    path = small(tmp_path / "shop", deployment(*MODEL))
    path.write_bytes(path.read_bytes().replace(b"blue", b"bl\xfcue"))
    told = refusal(path.parent)
    assert told.startswith("deployment.yml:1: is not a text file in UTF-8") and "put an empty dagger-aml.toml" in told


@linux_root
@readable_package
def test_one_that_another_user_cannot_read_is_refused_where_it_is_found(tmp_path: Path):
    """Passed over, it would give another image than it says. What is called otherwise may be anything."""
    path = small(tmp_path / "shop", deployment(*MODEL))
    open_to_all(path)
    make(path.parent, {"other.yml": "a: 1\n"})
    assert load_project(path.parent).deployment  # Loads what another user may not be able to.

    def told() -> str:
        try:
            return f"deployment: {load_project(path.parent).deployment}"
        except DaggerAmlError as error:
            return str(error)

    (path.parent / "other.yml").chmod(0o600)
    assert as_nobody(told).startswith("deployment: DeploymentFile")
    path.chmod(0o600)
    assert as_nobody(told).startswith("deployment.yml: cannot be read (permission denied)")
    assert "put an empty dagger-aml.toml beside it" in as_nobody(told)
    make(path.parent, {"dagger-aml.toml": ""})
    assert as_nobody(told) == "deployment: None"


@for_each(
    ("text", "line"),
    [
        (deployment("instance_typ: x"), 10),
        (deployment("name: green"), 10),
        (deployment("a: b: c"), 10),
        (deployment("model:", "  path: nowhere"), 11),
        (deployment("model_mount_path: here"), 10),
        (deployment("model: azureml:m:1"), 10),
        (deployment(code="nowhere"), 5),
        (deployment(image=None).replace("code", "#"), None),
        ("", None),
    ],
    ids=["key", "twice", "no YAML", "model", "mount", "registered", "code", "values", "empty"],
)
def test_places_in_the_file_are_typed_and_relative_to_the_project(tmp_path: Path, text: str, line: int | None):
    root = make(tmp_path / "shop", {"deploy/code/score.py": SCORE, "deploy/blue.yml": text})
    place = error_of(load_project, root, Options(deployment=str(root / "deploy/blue.yml"))).location
    assert isinstance(place, FileLocation) and place.path == root / "deploy/blue.yml"
    if line:
        assert (place, place.line) == (f"deploy/blue.yml:{line}", line)
    assert place.startswith("deploy/blue.yml")


def test_check_points_to_the_line_that_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = make(tmp_path / "shop", {"code/score.py": SCORE, "deployment.yml": deployment("instance_typ: x")})
    monkeypatch.chdir(root)

    def said(form: str) -> str:
        return CliRunner().invoke(cli, ["check", ".", "--output-format", form]).stdout

    assert said("github").startswith("::error file=deployment.yml,line=10,")
    assert "sourcepath=deployment.yml;linenumber=10;" in said("azure")
    (run,) = json.loads(said("sarif"))["runs"]
    (told,) = run["invocations"][0]["toolExecutionNotifications"]
    assert told["locations"][0]["physicalLocation"]["region"] == {
        "startLine": 10,
        "startColumn": 1,
        "endColumn": 16,
    }


def test_two_at_once_are_refused(tmp_path: Path):
    path = small(tmp_path / "shop", deployment())
    assert "two deployment files are named" in refusal(path, deployment=str(path))


def test_another_file_is_no_project(tmp_path: Path):
    make(tmp_path, {"notes.txt": "", "endpoint.yml": "name: shop\nauth_mode: key\n"})
    assert "is not a folder" in str(error_of(load_project, tmp_path / "notes.txt"))
    assert "is an endpoint" in str(error_of(load_project, tmp_path / "endpoint.yml"))


@pytest.mark.parametrize("name", ["sample-request.json", "sample_request.json", "request.json", "test.json"])
def test_sample_requests_have_several_names(tmp_path: Path, name: str):
    root = make(tmp_path / "shop", {"score.py": SCORE, name: "{}", "zest.json": "{}"})
    project, graph = laid_out(root)
    assert project.request == root / name and name not in copies(graph)[APP]
    make(root, {"request.json": "{}"})
    assert load_project(root).request == root / "request.json"


def test_what_the_code_reads_is_no_sample_request(tmp_path: Path):
    root = make(tmp_path / "shop", {"score.py": 'open("test.json")\n' + SCORE, "test.json": "{}"})
    project, graph = laid_out(root)
    assert project.request is None and "test.json" in copies(graph)[APP]


def test_packages_alone_need_no_model(tmp_path: Path):
    path = small(tmp_path / "shop", deployment("  conda_file: c.yml", "model: azureml:m:1"), **{"c.yml": conda()})
    project, graph = laid_out(path, environment_only=True)
    assert project.code is None and not project.models and "AZUREML_ENTRY_SCRIPT" not in graph.config.env


def test_code_that_names_another_path_is_told_where_azure_puts_the_model(tmp_path: Path):
    path = small(tmp_path / "shop", deployment("model:", "  path: weights", "model_mount_path: /models"))
    make(tmp_path / "shop", {"code/score.py": READS, "weights/weights.json": "{}"})
    (told,) = laid_out(path)[1].warnings
    assert told.id == "AML411" and "the model is at /models/weights/1/weights/" in told.message
    assert told.hint and told.hint.startswith("Azure ML puts it there too")


def test_init_names_the_file_and_leaves_to_it_what_it_says(tmp_path: Path):
    root = small(tmp_path / "shop", deployment(*MODEL)).parent
    before = copies(laid_out(root)[1])
    text = make_draft(root, Options()).files["dagger-aml.toml"]
    assert '\ndeployment = "deployment.yml"\n' in text and "\n[code]" not in text
    make(root, {"dagger-aml.toml": text})
    assert copies(laid_out(root)[1]) == before


# --- the command line ---------------------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a deployment file that names a registered model."""
    monkeypatch.chdir(tmp_path)
    small(tmp_path, deployment("model: azureml:prices:3"))
    return tmp_path


def said(*words: str) -> str:
    """What a command prints, or the error with which it ends."""
    done = CliRunner().invoke(cli, words)
    return str(done.exception) if isinstance(done.exception, DaggerAmlError) else done.output


def test_commands_take_the_file(shop: Path):
    model = ("--model", "prices:3=model")
    assert "\nCOPY " in said("dockerfile", "deployment.yml", *model)
    assert said("plan", "deployment.yml", *model).startswith("shop-blue: recipe extended on ")
    assert "two deployment files" in said("plan", "deployment.yml", "--deployment", "deployment.yml")
    for command in ("build", "run", "score"):
        assert "az ml model download" in said(command, "deployment.yml"), command
    assert "az ml model download" in said("diff", "deployment.yml", "registry.example/shop:1")


def test_a_flag_of_a_project_is_refused_with_an_image(shop: Path):
    assert "--model works only with a project" in said("run", "registry.example/shop:1", "--model", "prices:3=model")


def test_settings_of_the_build_are_those_of_its_folder(shop: Path):
    make(shop, {"up.toml": '[build]\nwith = "nobody"\n', "dagger-aml.toml": 'extends = "up.toml"\n'})
    told = said("build", "deployment.yml", "--model", "prices:3=model")
    assert "up.toml:2" in told and "nobody" in told


def test_several_are_built_in_one_call_each_under_its_name(shop: Path):
    make(shop, {"green.yml": deployment("model: azureml:prices:4", name="green")})
    told = said(
        "build", "deployment.yml", "green.yml", "-t", "registry.example/{name}:1", "--model", "prices:3=model"
    )
    assert "green.yml: green.yml:10: the model azureml:prices:4" in told and "deployment.yml:" not in told


def test_the_server_here_starts_where_the_image_s_does(tmp_path: Path):
    text = deployment().replace("scoring_script: score.py", "scoring_script: in/score.py")
    root = make(tmp_path / "shop", {"code/in/score.py": SCORE, "deployment.yml": text})
    _, graph = laid_out(root / "deployment.yml")
    place = Place(tmp_path / "place")
    _lay_out(graph, place.app, place.app / "in/score.py")
    assert _environment(graph, place)["AML_APP_ROOT"] == str(place.app / "in")
    script = place.app / "in/score.py"
    assert script.is_file() and not script.is_symlink()
