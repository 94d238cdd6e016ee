"""``check`` of images that are made already: tars, layouts, and what a registry has."""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dagger_aml.backends.outputs import Export
from dagger_aml.building.plans import probe
from dagger_aml.check.inputs import image_code, image_read
from dagger_aml.check.inputs.kinds import IMAGE, LIST, PROJECT, SITE_PACKAGES, kind_of
from dagger_aml.cli.commands.check import _FORMATS
from dagger_aml.oci import layout
from dagger_aml.oci.image import found_in
from tests.support.checks import check
from tests.support.direct import direct_builder, put_base
from tests.support.direct_push import graph
from tests.support.images import SERVES, SITE, app, put_raw, put_tar
from tests.support.layers import Put, file, hard, link, put_image
from tests.support.projects import SCORE
from tests.support.registry import FakeRegistry
from tools.rules import applying

WRONG = "import numpy\n\n\nasync def init():\n    pass\n\n\ndef run(data):\n    return data\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "t").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "t"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(*words: str) -> dict[str, Any]:
    said = check(*words, "--output-format", "json")
    data: dict[str, Any] = json.loads(said.stdout)
    assert not data["errors"], data["errors"]
    return data


def ids(*layers: Mapping[str, Put], env: Mapping[str, str] | None = None, **said: Any) -> list[str]:
    """What is told of an image."""
    put_tar(Path("i.tar"), *layers, env=env, **said)
    return [each["id"] for each in found("i.tar")["findings"]]


def code_of(files: Mapping[str, Put | str] | str, **said: Any) -> list[str]:
    """What is told of an image that serves this code."""
    return ids(SERVES, app({"score.py": files} if isinstance(files, str) else files), **said)


# --- how it is named, and what is told ------------------------------------------------------------------------------


def test_images_are_told_apart(here: Path) -> None:
    put_tar(here / "i.tar")
    layout_of(here / "i.tar", here / "lay")
    (here / "requirements.tar.txt").write_text("six\n")
    (here / f"{SITE}").mkdir(parents=True)
    for word in ("i.tar", "lay", "oci:lay", "docker-archive:i.tar", "image:example.org/a:1", "gone.tar", "i.tar.gz"):
        assert kind_of(word) is IMAGE, word
    assert kind_of("requirements.tar.txt") is LIST and kind_of(SITE) is SITE_PACKAGES and kind_of("image") is PROJECT
    assert {"AML110", "AML201", "AML510", "AML540", "AML620", "AML741"} <= set(applying(IMAGE))
    assert not {"AML701", "AML710", "AML901"} & set(applying(IMAGE))


def test_a_finding_is_shown_with_its_line_in_the_image(here: Path) -> None:
    put_tar(here / "i.tar", SERVES, app({"score.py": WRONG}))
    said = check("i.tar")
    assert said.exit_code == 1
    assert said.stdout.startswith("i.tar:/var/azureml-app/score.py:4:1: error: init() is async")
    assert "\n  4 | async def init():\n    | ^^^^^^^^^^^^^^^^^\n" in said.stdout
    assert "checked as an image, by the rules" in said.stdout and said.stdout.endswith("Found 1 error.\n")


@pytest.mark.parametrize("form", _FORMATS)
def test_every_form_names_the_place_in_the_image_and_no_copy(here: Path, form: str) -> None:
    put_tar(here / "i.tar", SERVES, app({"score.py": WRONG}))
    text = check("i.tar", "--output-format", form).stdout
    assert "AML110" in text and "/var/azureml-app/score.py" in text and "dagger-aml-" not in text
    assert str(here) not in text


def test_nothing_is_left_of_the_copies(here: Path) -> None:
    put_tar(here / "i.tar", SERVES, app({"score.py": WRONG}))
    assert check("i.tar", "gone.tar").exit_code == 2
    gc.collect()  # The runner's result holds what the command held.
    assert os.listdir(here / "t") == []


def test_a_comment_in_the_image_silences_and_nothing_is_mended(here: Path) -> None:
    tar = put_tar(
        here / "i.tar", SERVES, app({"score.py": WRONG.replace("init():", "init():  # aml: ignore[AML110]")})
    )
    before = tar.read_bytes()
    data = found("i.tar", "--fix")
    assert (data["findings"], [each["id"] for each in data["silenced"]]) == ([], ["AML110"])
    assert tar.read_bytes() == before


def layout_of(tar: Path, folder: Path) -> None:
    """An image of Docker's form as an OCI layout."""
    folder.mkdir()
    config, blobs = {}, folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    with layout.opened(found_in(tar, "linux/amd64")) as (document, layers):
        raw = [each().read() for each in layers]
        config = dict(document)
    first = blob(blobs, json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json")
    described = [blob(blobs, each, "application/vnd.oci.image.layer.v1.tar") for each in raw]
    manifest = json.dumps({"schemaVersion": 2, "config": first, "layers": described}).encode()
    listed = blob(blobs, manifest, "application/vnd.oci.image.manifest.v1+json")
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [listed]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def blob(folder: Path, data: bytes, media: str) -> dict[str, Any]:
    from tests.support.registry import digest_of

    (folder / digest_of(data)[7:]).write_bytes(data)
    return {"mediaType": media, "digest": digest_of(data), "size": len(data)}


def test_a_layout_and_its_tags(here: Path) -> None:
    put_tar(here / "i.tar", SERVES, app({"score.py": SCORE}))
    layout_of(here / "i.tar", here / "lay")
    assert found("lay")["findings"] == []
    put_image(here / "lay", "two", app({"score.py": WRONG}))
    (only,) = found("oci:lay:two")["findings"]
    assert only["id"] == "AML110" and only["file"] == "oci:lay:two:/var/azureml-app/score.py"


# --- the rules ------------------------------------------------------------------------------------------------------


def test_a_right_image_is_right(here: Path) -> None:
    code = {
        "score.py": "import os\nimport _fast\nimport numpy.linalg\nfrom google.auth import x\nfrom pkg import y\n"
        + SCORE,
        "pkg/__init__.py": "y = 1\n",
        "azureml-models": Put(),
        "azureml-models/m/1/w.bin": file("w", 0o600),
    }
    assert code_of(code, env={"AZUREML_MODEL_DIR": "/var/azureml-app/azureml-models/m/1", "WORKER_COUNT": "2"}) == []


@pytest.mark.parametrize(
    ("files", "said", "told"),
    [
        ({"score.py": "def run(data):\n    return 1\n"}, {}, ["AML105"]),
        ({"score.py": "if __name__ == '__main__':\n    def init(): ...\ndef run(data): ...\n"}, {}, ["AML114"]),
        ({"score.py": "import pandas\nimport google.cloud.storage\n" + SCORE}, {}, ["AML350", "AML350"]),
        ({"score.py": "import utils\n" + SCORE, "utils.py": ""}, {}, ["AML541"]),
        ({"score.py": SCORE, "a.py": file("", 0o600)}, {}, ["AML540"]),
        ({"score.py": SCORE, "config.json": "[]"}, {}, ["AML555"]),
        ({"score.py": "type A = int\nmatch = 1\nprint 1\n" + SCORE}, {}, ["AML510"]),
        ({"src/score.py": SCORE}, {}, ["AML104"]),
        ({"score.py": SCORE}, {"env": {"WORKERS_COUNT": "2"}}, ["AML201"]),
        ({"score.py": SCORE}, {"env": {"WORKER_COUNT": "auto"}}, ["AML203"]),
        (
            {"score.py": SCORE, "azureml-models/m": "x"},
            {"env": {"AZUREML_MODEL_DIR": "/var/azureml-app/azureml-model"}},
            ["AML430"],
        ),
        (
            {"score.py": SCORE},
            {"env": {"AZUREML_EXTRA_PYTHON_LIB_PATH": "lib", "AZUREML_EXTRA_REQUIREMENTS_TXT": "r.txt"}},
            ["AML741"],
        ),
        (
            {"score.py": SCORE},
            {
                "env": {
                    "AZUREML_ENTRY_SCRIPT": "/var/azureml-app/score.py",
                    "AZUREML_EXTRA_REQUIREMENTS_TXT": "r.txt",
                }
            },
            ["AML740"],
        ),
        ({"score.py": SCORE}, {"env": {"AZUREML_EXTRA_REQUIREMENTS_TXT": "/r.txt"}}, ["AML742"]),
        ({"score.py": SCORE}, {"User": "root"}, ["AML610"]),
        ({"score.py": SCORE}, {"User": ""}, ["AML610"]),
        ({"score.py": SCORE}, {"Cmd": ["python", "score.py"]}, ["AML611"]),
        ({"score.py": SCORE}, {"Cmd": None}, ["AML611"]),
        ({"score.py": SCORE}, {"Cmd": None, "Entrypoint": ["bash", "-c", "azmlinfsrv --port 5001"]}, []),
        ({"score.py": SCORE}, {"Cmd": ["/start"]}, []),
        ({"score.py": "import utils\n" + SCORE, "utils.py": ""}, {"env": {"PYTHONPATH": "/var/azureml-app"}}, []),
        ({"score.py": "import pandas\n" + SCORE}, {"env": {"PYTHONPATH": "/opt/more"}}, []),
        ({"score.py": "def init():\n    import pandas\ndef run(data):\n    return 1\n"}, {}, []),
        ({"score.py": SCORE, "a.py": file("", 0o640, 0, 7)}, {}, []),
        ({}, {}, []),
        ({"score.py": SCORE}, {"env": {"AZUREML_MODEL_DIR": "/mnt/model"}}, []),
    ],
)
def test_what_is_told(here: Path, files: Mapping[str, Put | str], said: dict[str, Any], told: list[str]) -> None:
    assert code_of(files, **said) == told


def test_code_in_a_folder_of_its_own_is_found(here: Path) -> None:
    code = {
        "code/score.py": "from helper import run\nasync def init(): ...\n",
        "code/helper.py": "def run(data): ...\n",
    }
    below = {"AZUREML_ENTRY_SCRIPT": "code/score.py", "AZUREML_SOURCE_DIRECTORY": "code"}
    assert code_of(code, env=below) == ["AML110"]
    assert code_of(code, env={"AML_APP_ROOT": "/var/azureml-app/code"}) == ["AML110"]


def test_an_old_python_is_told(here: Path) -> None:
    old = {name.replace("3.12", "3.8"): each for name, each in SERVES.items()} | {
        "opt/py/bin/python": link("python3.8")
    }
    assert ids(old, app({"score.py": SCORE})) == ["AML620"]


def test_an_image_of_another_kind_is_not_for_azure(here: Path) -> None:
    env = {"AZUREML_CONDA_ENVIRONMENT_PATH": "", "AZUREML_ENTRY_SCRIPT": ""}
    put_tar(here / "i.tar", {"bin/sh": file("")}, env=env | {"WORKERS_COUNT": "2"}, User="root")
    data = found("i.tar")
    lacking = {each["id"]: each["lacks"] for each in data["not_checked"]}
    assert data["findings"] == [] and lacking["AML201"] == ["variables"] and lacking["AML110"] == ["script", "points"]
    assert "nothing says that this is an image for Azure ML" in check("i.tar").stdout


# --- layers ---------------------------------------------------------------------------------------------------------


def test_the_topmost_layer_counts_and_what_it_takes_away_is_gone(here: Path) -> None:
    right, wrong = app({"score.py": SCORE, "a.py": ""}), app({"score.py": WRONG, "a.py": ""})
    assert ids(SERVES, wrong, right) == [] and ids(SERVES, right, wrong) == ["AML110"]
    gone = {"var/azureml-app/.wh.a.py": file("")}
    assert "AML350" in ids(SERVES, app({"score.py": "import a\n" + SCORE, "a.py": ""}), gone)
    assert ids(SERVES, {"var/azureml-app/.wh..wh..opq": file("")}, right) == []


def test_links_lead_to_what_they_name_in_the_image_alone(here: Path) -> None:
    (here / "outside.py").write_text(WRONG)
    code = {
        "real.py": WRONG,
        "score.py": link("real.py"),
        "loop": link("."),
        "out": link("../../../../../../../../.."),
        "outside.py": link(f"../../..{here}/outside.py"),
        "again.py": hard("var/azureml-app/real.py", uid=1000, gid=1000),
    }
    assert code_of(code) == ["AML110"]


def test_names_that_lead_out_stay_inside(here: Path) -> None:
    assert ids(SERVES, app({"score.py": SCORE, "../../../../evil.py": "x"})) == []
    assert not list(here.rglob("evil.py")) and not (here.parent / "evil.py").exists()


def test_more_code_than_is_looked_at_is_not_checked(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_code, "_MOST_FILES", 2)
    put_tar(here / "i.tar", SERVES, app({"score.py": WRONG, "a.py": "", "b.py": ""}))
    data = found("i.tar")
    assert data["findings"] == [] and "AML110" in [each["id"] for each in data["not_checked"]]


@pytest.mark.parametrize(
    ("layer", "why"),
    [(b"no tar" * 200, "cannot be read"), (b"\x28\xb5\x2f\xfd" + bytes(600), "zstd")],
)
def test_a_layer_that_cannot_be_read_is_told(here: Path, layer: bytes, why: str) -> None:
    put_raw(here / "i.tar", [layer], {"User": "me"})
    said = check("i.tar")
    assert said.exit_code == 2 and why in said.stderr and "Traceback" not in said.stderr


@pytest.mark.parametrize("config", [{"Env": 3}, {"Env": [3]}, "x", {"Cmd": 3}])
def test_a_config_of_another_form_is_told(here: Path, config: object) -> None:
    put_raw(here / "i.tar", [], config)
    said = check("i.tar")
    assert said.exit_code == 2 and "does not follow the specification" in said.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
def test_a_pipe_is_not_waited_for(here: Path) -> None:
    os.mkfifo(here / "i.tar")
    said = check("i.tar")
    assert said.exit_code == 2 and "is a pipe" in said.stderr


# --- registries, and images of our own ------------------------------------------------------------------------------


def test_an_image_of_a_registry(here: Path, registry: FakeRegistry) -> None:
    put_base(registry, SERVES, {**app({"score.py": WRONG}), "etc/azure": file("x" * 9)}, user="dockeruser")
    name = f"image:{registry.host}/base:1"
    data = found(name, "--select", "AML61")
    assert data["findings"] == [] and data["kinds"] == {name: "image"}


def test_large_layers_of_a_registry_stay_there(
    here: Path, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = {"opt/big": file(os.urandom(60_000).hex())}
    put_base(registry, {**SERVES, **big}, app({"main.py": WRONG}), user="root")
    monkeypatch.setattr(image_read, "MOST_FETCHED", 10_000)
    data = found(f"image:{registry.host}/base:1")
    assert [each["id"] for each in data["findings"]] == ["AML110", "AML612"]
    assert "1 layer of the image is larger" in data["findings"][1]["message"]
    assert {"AML540", "AML620"} <= {each["id"] for each in data["not_checked"]}
    fetched = [each for each in registry.requests() if "/blobs/" in each]
    assert len(fetched) == 2, "the config and the small layer"


def test_an_image_that_the_registry_has_not_is_exit_code_2(here: Path, registry: FakeRegistry) -> None:
    said = check(f"image:{registry.host}/nothing:1")
    assert said.exit_code == 2 and "nothing" in said.stderr


@pytest.mark.anyio
async def test_an_image_that_is_written_directly(
    here: Path, registry: FakeRegistry, folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "code" / "score.py").write_text(WRONG)
    base = put_base(registry, SERVES, user="dockeruser")
    laid_out = graph(base, folder).configure(
        env={"AZUREML_ENTRY_SCRIPT": "score.py", "AML_APP_ROOT": "/var/app", "PATH": "/opt/py/bin:/bin"},
        user="dockeruser",
    )
    builder = direct_builder()
    try:
        image = await builder.image(await probe(laid_out, builder))
        await image.export(Export(here / "ours.tar"))
    finally:
        builder.close()
    found = [(each.id, each.location) for each in (await examined("ours.tar")).told if each.severity == "error"]
    assert found == [("AML110", "ours.tar:/var/app/score.py:4")]


async def examined(name: str) -> Any:
    from dagger_aml import Options
    from dagger_aml.building.examine import examine_input

    return await examine_input(name, IMAGE, Options())
