"""``inspect``: what is told of an image, wherever it lies, and what is not told."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import evolve

import dagger_aml
from dagger_aml import sync
from dagger_aml.errors import DaggerAmlError, UsageError
from dagger_aml.inspection import parts, sources
from dagger_aml.plan.keys import ENCODING
from dagger_aml.plan.label import PLAN_LABEL, OpKey, write_label
from dagger_aml.policy import DEFAULT
from dagger_aml.text import human_size
from tests.support.faulty import Answer, Fault, faulty
from tests.support.images import SERVES, SITE, app, put_tar
from tests.support.layers import file, package
from tests.support.projects import SCORE
from tests.support.registry import digest_of
from tests.unit.test_changed import Shelf, call, machine, shelf
from tests.unit.test_json_schemas import check

__all__ = ["machine", "shelf"]

MODELS = "azureml-models"
STEPS = (
    OpKey("pip requirements.txt", "", "a" * 12),
    OpKey("model rates 3 B", f"/var/azureml-app/{MODELS}/rates/2", "b" * 12),
    OpKey("code (1 file)", "/var/azureml-app", "c" * 12),
)
OWN = (
    {**package(SITE, "pandas", "2.2.3"), f"{SITE}/.wh.numpy-1.dist-info": file()},
    app({f"{MODELS}/rates/2/w.bin": file("abc")}),
    app({"score.py": SCORE}),
)
BASE = {
    **SERVES,
    **package(SITE, "numpy"),
    **package(SITE, "azureml_inference_server_http", "1.4.1"),
    "opt/py/lib/python3.12/patchlevel.h": file('#define PY_VERSION "3.12.4"\n'),
}
HISTORY = (
    "RUN /bin/sh -c base", "RUN /opt/py/bin/python -m pip # buildkit", "COPY context/2 /m # buildkit",
    "COPY context/3 /var # buildkit",
)  # fmt: skip


def put_digest(shelf: Shelf) -> str:
    """The digest of the base's manifest."""
    return digest_of(shelf.registry.manifests["base"]["1"][0])


def told(*words: object) -> Any:
    """What ``--json`` prints, held against its schema."""
    return check("inspect", call("inspect", *words, "--json").stdout)


def made(path: Path, *layers: Any, history: tuple[str, ...] = HISTORY, labels: Any = None, **said: Any) -> Path:
    """An image as 0.1.0 made it by a builder: its label tells of the steps, and nothing of a recipe."""
    plan = {PLAN_LABEL: write_label(STEPS, ENCODING), "io.dagger-aml.version": "0.1.0"}
    named = {"org.opencontainers.image.base.name": "example.org/base:1"}
    env = {"AZUREML_MODEL_DIR": f"/var/azureml-app/{MODELS}/rates/2", "TOKEN_URL": "https://me:pass@example.org/x"}
    return put_tar(
        path,
        *(layers or (BASE, *OWN)),
        env=env,
        history=history,
        Labels={**plan, **named} if labels is None else labels,
        **said,
    )


TEXT = """\
{tar}: linux/amd64, 4 layers, {size}
  digest          none: the image is in Docker's form
  image ID        {id}
  recipe          not said, as by dagger-aml before 0.2.0
  dagger-aml      0.1.0
  server          1.4.1
  Python          3.12
  base            example.org/base:1
  base digest     not said
  entry script    /var/azureml-app/score.py
  user            dockeruser
  working folder  /
  ports           none
  command         runsvdir /var/runit

Models (1):
  /var/azureml-app/azureml-models/rates/2: rates version 2, w.bin, 3 B, sha256 {abc}
    inputs bbbbbbbbbbbb, layer 3

Packages in /opt/py/lib/python3.12/site-packages, added to the base (1):
  pandas 2.2.3

Packages in /opt/py/lib/python3.12/site-packages, of the base (1):
  azureml-inference-server-http 1.4.1

Variables (5):
  AZUREML_CONDA_ENVIRONMENT_PATH=/opt/py
  AZUREML_ENTRY_SCRIPT=score.py
  AZUREML_MODEL_DIR=/var/azureml-app/azureml-models/rates/2
  PATH=/usr/bin:/bin
  TOKEN_URL=https://***@example.org/x

Labels (2):
  io.dagger-aml.version=0.1.0
  org.opencontainers.image.base.name=example.org/base:1

Layers, the lowest first:
    1. {s[0]:>9}  base: RUN /bin/sh -c base
       {files} files, {bytes}, owner 0:0 in /bin, /etc, /opt, /usr, /var
    2. {s[1]:>9}  step 'pip requirements.txt', run
       1 file, {pandas}, owner 0:0, 1 name taken away in /{site}/pandas-2.2.3.dist-info/METADATA
    3. {s[2]:>9}  step 'model rates 3 B', copied
       1 file, 3 B, owner 0:0 in /var/azureml-app/azureml-models/rates/2/w.bin
    4. {s[3]:>9}  step 'code (1 file)', copied
       1 file, {code} B, owner 1000:1000 in /var/azureml-app/score.py
"""
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_an_image_of_0_1_0_as_text(tmp_path: Path) -> None:
    tar = made(tmp_path / "i.tar")
    data = told(tar)
    layers = data["layers"]
    assert call("inspect", tar).stdout == TEXT.format(
        tar=tar,
        site=SITE,
        id=data["image_id"],
        size=human_size(sum(each["size"] for each in layers)),
        s=[human_size(each["size"]) for each in layers],
        abc=ABC,
        files=sum(put.data is not None for put in BASE.values()),
        bytes=human_size(sum(len(put.data or b"") for put in BASE.values())),
        pandas=human_size(layers[1]["file_bytes"]),
        code=len(SCORE),
    )
    assert data["base"] == {"name": "example.org/base:1", "digest": None, "layers": 1}
    assert [each["kind"] for each in layers] == ["base", "run", "copy", "copy"] and data["unread"] == []
    assert data["recipe"] is None and data["packages"]["complete"]


def test_what_dagger_aml_wrote_itself(shelf: Shelf) -> None:
    shelf.build(shelf.project("a"))
    data = told(f"{shelf.registry.host}/a:main")
    assert (data["place"], data["recipe"], data["base"]["layers"]) == ("registry", "extended", 2)
    assert data["base"]["name"] == shelf.base and data["base"]["digest"] == put_digest(shelf)
    assert [(each["kind"], each["op"], each["files"]) for each in data["layers"]] == [
        ("base", None, 3),
        ("base", None, 1),
        ("copy", "code (1 file)", 1),
        ("copy", "model a 70.0 kB", 1),
    ]
    (model,) = data["models"]
    assert (model["name"], model["version"], model["size"], model["layer"]) == ("a", "1", 70_000, 3)
    assert model["inputs"] == data["steps"][1]["inputs"] and len(model["files"][0]["sha256"]) == 64
    assert data["env"]["A"] == "1" and data["labels"]["c"] == "3"


def test_large_layers_stay_where_they_are(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not read is said; what label and history tell of it is told."""
    monkeypatch.setattr(sources, "MOST_FETCHED", 400)
    shelf.project("a").joinpath("model/weights").write_bytes(os.urandom(70_000))
    shelf.build(shelf.root / "a")
    shelf.registry.asked.clear()
    name = f"image:{shelf.registry.host}/a:main"
    data = told(name)
    large = data["layers"][3]
    assert data["unread"] == [3] and large["size"] > 70_000
    assert (large["read"], large["files"], large["owners"], large["holds"]) == (False, None, None, None)
    assert (large["kind"], large["op"]) == ("copy", "model a 70.0 kB")
    assert not any(large["digest"] in each for each in shelf.registry.requests())
    (model,) = data["models"]
    assert (model["files"], model["size"], model["layer"], len(model["inputs"])) == (None, None, 3, 12)
    assert not data["packages"]["complete"] and data["versions"]["server"] is None
    text = call("inspect", name).stdout
    assert "server          not known: not every layer was read" in text and "its layer was not read" in text
    size = human_size(large["size"])
    assert text.endswith(f"Not read, since they are large: 1 layer, {size}. What they hold is not told above.\n")


def test_an_image_of_others(tmp_path: Path) -> None:
    """Nothing is made up: no recipe, no base, no steps; what is in its layers is told."""
    flat = app({f"{MODELS}/m.pkl": "x", f"{MODELS}/a/1/b": "y", f"{MODELS}/a/1/c": "z"})
    data = told(made(tmp_path / "i.tar", BASE, flat, labels={}, history=(), User="", Cmd=None))
    assert (data["recipe"], data["versions"]["dagger_aml"], data["base"]["name"], data["steps"]) == (None,) * 4
    assert [each["kind"] for each in data["layers"]] == [None, None] and data["base"]["layers"] is None
    assert [(each["path"].rpartition("models/")[2], each["name"], len(each["files"])) for each in data["models"]] == [
        ("a/1", "a", 2),
        ("m.pkl", None, 1),
    ]
    assert data["versions"]["server"] == "1.4.1"


def test_a_label_that_contradicts_its_layers_names_no_step(tmp_path: Path) -> None:
    """One layer more than there are steps: what it holds belongs to none of them."""
    odd = {"srv/odd": file("x")}
    data = told(made(tmp_path / "i.tar", BASE, odd, *OWN, history=()))
    assert [each["op"] for each in data["layers"]] == [None, None, None, "model rates 3 B", "code (1 file)"]


def test_a_model_that_is_taken_away_is_none(tmp_path: Path) -> None:
    gone = {f"var/azureml-app/{MODELS}/.wh.old": file()}
    old = app({f"{MODELS}/old/1/w": "x"})
    data = told(made(tmp_path / "i.tar", BASE, old, gone, labels={}, history=()))
    assert data["models"] == []


def test_of_many_models_each_file_is_placed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    place = parts._place
    monkeypatch.setattr(parts, "_place", lambda root, path: asked.append(path) or place(root, path))
    flat = app({f"{MODELS}/{number:03}.pkl": "x" for number in range(200)})
    data = told(made(tmp_path / "i.tar", BASE, flat, labels={}, history=()))
    assert [each["path"][-7:] for each in data["models"]] == [f"{number:03}.pkl" for number in range(200)]
    assert len(asked) == 200


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("nowhere.tar", "there is no such folder or file"),
        ("./nowhere", "there is no such folder or file"),
        ("folder", "the folder is not an OCI layout"),
        ("pipe", "is a pipe or a device"),
        ("Not A Name", "not an image reference"),
        ("text", "not a tar"),
        ("broken.tar", "cannot be read"),
        ("odd.tar", "does not follow the specification"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("text")
    os.mkfifo(tmp_path / "pipe")
    from tests.support.images import put_raw

    put_raw(tmp_path / "broken.tar", [b"no tar" * 200], {})
    put_raw(tmp_path / "odd.tar", [], {"Env": 7})
    with pytest.raises(DaggerAmlError) as caught:
        call("inspect", word)
    assert said in str(caught.value)


def test_a_platform_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DaggerAmlError, match="no image for linux/arm64"):
        call("inspect", made(tmp_path / "i.tar"), "--platform", "linux/arm64")


def test_that_a_registry_is_asked_again_is_told(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.build(shelf.project("a"))
    policy = evolve(DEFAULT, retry_pauses_seconds=(0.01, 0.02))
    monkeypatch.setattr("dagger_aml.cli.commands.inspect.policy_of_call", lambda: policy)
    with faulty(shelf.registry.host) as proxy:
        proxy.breaks(Fault("GET ", Answer(503), times=1))
        done = call("inspect", f"{proxy.host}/a:main", "--json")
    assert json.loads(done.stdout)["recipe"] == "extended"
    assert done.stderr == (
        f"dagger-aml: the registry {proxy.host} cannot be reached or is busy: it answered 503; "
        "retrying in 0 s (2 of 3)\n"
    )


def test_the_library_tells_what_the_command_prints(shelf: Shelf, tmp_path: Path) -> None:
    """Of a file and of a registry, with and without ``await``, as data and as the command's JSON."""
    tar = made(tmp_path / "i.tar")
    found = sync.inspect(tar)
    assert found.as_json() == told(tar) and found == anyio.run(dagger_aml.inspect, str(tar))
    assert [(each.name, each.version, each.layer) for each in found.packages][-1] == ("pandas", "2.2.3", 1)
    assert found.models[0].files == (dagger_aml.InspectedFile("w.bin", 3, ABC),) and found.models[0].size == 3
    assert (found.place, found.made_by, found.unread) == ("file", "0.1.0", ())
    assert found.env["TOKEN_URL"].startswith("https://me:pass@"), "as data nothing is masked"
    shelf.build(shelf.project("a"))
    name = f"{shelf.registry.host}/a:main"
    pulled = sync.inspect(name)
    assert pulled.as_json() == told(name) and pulled.place == "registry"


@pytest.mark.parametrize("store", ["dagger", "buildx", "nothing"])
def test_what_keeps_no_images_is_no_store(store: str) -> None:
    with pytest.raises(UsageError, match="no store of images") as caught:
        sync.inspect("diabetes:1", store=store)
    assert caught.value.hint == "Use docker or podman or buildah."


def test_a_config_of_others_is_hostile(tmp_path: Path) -> None:
    """What a terminal would take for its own is escaped."""
    tar = made(tmp_path / "i.tar", labels={"a": "b\x1b[2Jc\nd"}, history=("RUN \x1b]0;x\x07", *HISTORY[1:]))
    text = call("inspect", tar).stdout
    assert "  a=b\\x1b[2Jc\\nd\n" in text and text.replace("\n", "").isprintable()
