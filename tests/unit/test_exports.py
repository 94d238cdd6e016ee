"""What ``-o`` says, what is refused of it, and the tars and layouts that come of it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import tarfile
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st

from dagger_aml import Graph, Options, Project, Result, UsageError, build, load_project
from dagger_aml.backends.base import Capabilities
from dagger_aml.backends.builders import kind_of
from dagger_aml.backends.outputs import STDOUT, Export, as_export, check_file, output_tar, parse_export
from dagger_aml.backends.result import Written
from dagger_aml.base.facts import BaseFacts
from dagger_aml.building.graphs import lay_out_each
from dagger_aml.building.metadata import metadata
from dagger_aml.building.outputs import outputs_of
from dagger_aml.building.target import BuildTarget, tags_of
from dagger_aml.errors import BuildError, TransientError
from dagger_aml.events import Event, Message
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Copy
from dagger_aml.graph.source import Text
from dagger_aml.oci.docker_archive import name_in_tar, read_tar, unpack_layout, write_layout
from dagger_aml.plan.making import Making
from dagger_aml.plan.model import Plan
from dagger_aml.policy import Policy, retry
from tests.support.calls import await_
from tests.support.cases import for_each
from tests.support.projects import SCORE, make


def _checked(
    tags: list[str],
    exports: list[Export],
    *,
    platforms: int,
    push: bool = False,
    load: bool = False,
    builder: str = "dagger",
) -> None:
    """Check a target, as `build` does before it builds."""
    outputs = outputs_of(exports, push=push, load=load)
    BuildTarget((Graph(),) * platforms, "p", tags_of(tags), outputs).check(kind_of(builder).capabilities)


# --- what is said -------------------------------------------------------------------------------------------------


@for_each(
    ("text", "means"),
    [
        ("x.tar", Export(Path("x.tar"))),
        ("a,b=c.tar", Export(Path("a,b=c.tar"))),
        ("my-type=1.tar", Export(Path("my-type=1.tar"))),
        ("dest=x", Export(Path("dest=x"))),
        ("-", Export(STDOUT)),
        ("./-", Export(Path("./-"))),
        ("type=docker,dest=x.tar", Export(Path("x.tar"), "docker")),
        ("dest=x.tar,type=oci", Export(Path("x.tar"), "oci")),
        ("type=oci,dest=x,tar=false", Export(Path("x"), "oci", folder=True)),
        ("type=oci,dest=x.tar,tar=true", Export(Path("x.tar"), "oci")),
        ("type=oci,dest=-", Export(STDOUT, "oci")),
        ('type=oci,"dest=a,b=c.tar"', Export(Path("a,b=c.tar"), "oci")),
        ("type=docker", "load"),
        ("type=registry", "push"),
        ("type=image,push=true", "push"),
    ],
)
def test_what_is_said(text: str, means: object) -> None:
    assert parse_export(text) == means


@given(st.text(min_size=1).filter(lambda text: "type=" not in text and text != "-" and "\0" not in text))
def test_anything_without_a_type_is_a_file(text: str) -> None:
    assert parse_export(text) == Export(Path(text))


@given(
    st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters='"'), min_size=1).filter(
        lambda text: text == text.strip() and text != "-"
    )
)
def test_any_dest_can_be_quoted(dest: str) -> None:
    assert parse_export(f'type=oci,"dest={dest}"') == Export(Path(dest), "oci")


@for_each(
    ("text", "said"),
    [
        ("", "is empty"),
        ("type=tar,dest=x.tar", 'build(output="FILE.tar")'),
        ("type=local,dest=x", "tar=false"),
        ("type=image", "build(load=…), or build(push=…)"),
        ("type=cacheonly", "Remove build(output=…)"),
        ("type=wat,dest=x", "unknown output type 'wat'"),
        ("type=,dest=x", "unknown output type ''"),
        ("type=oci", "dest is missing"),
        ("type=oci,dest=", "dest is missing"),
        ("type=docker,dest=x,tar=false", "tar=false works only with type=oci"),
        ("type=oci,dest=-,tar=false", "tar=false works only with type=oci"),
        ("type=oci,dest=x,tar=maybe", "tar=false works only with type=oci"),
        ("type=oci,dest=x,dest=y", "given twice"),
        ("type=oci,dest", "not KEY=VALUE"),
        ("type=oci,dest=x,compression=zstd,name=y", "unknown: compression, name"),
        ("type=registry,name=acme/x", "unknown: name"),
    ],
)
def test_what_cannot_be(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_export(text)
    assert said in str(caught.value) and caught.value.hint


def test_a_path_of_the_library_is_a_tar() -> None:
    assert as_export("type=oci,dest=x") == Export(Path("type=oci,dest=x"))
    assert as_export(Path("x")) == Export(Path("x"))
    assert as_export(Export(Path("x"), "oci")) == Export(Path("x"), "oci")


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    folder = tmp_path / "full"
    make(folder, {"x": "x"})
    for wrong, said in (
        (Export(tmp_path), "is a folder"),
        (Export(tmp_path / "no/x.tar"), "does not exist"),
        (Export(tmp_path / "file", "oci", True), "is not a folder"),
        (Export(folder, "oci", True), "is not empty"),
        (Export(tmp_path / "no/x", "oci", True), "does not exist"),
    ):
        with pytest.raises(UsageError, match=said):
            wrong.check()
    for right in (Export(tmp_path / "file"), Export(tmp_path / "empty", "oci", True), Export(tmp_path / "x.tar")):
        right.check()
    with pytest.raises(UsageError, match="two outputs"):
        _checked([], [Export(tmp_path / "a"), Export(tmp_path / "b"), Export(tmp_path / "a", "oci")], platforms=1)


@pytest.mark.skipif(sys.platform == "win32", reason="no device files on Windows")
def test_a_device_is_never_replaced() -> None:
    for device in ("/dev/null", "/dev/zero"):
        with pytest.raises(UsageError, match="not a regular file"):
            check_file(Path(device))


def test_several_platforms_where_one_can_be(tmp_path: Path) -> None:
    layout, tar = Export(tmp_path / "x.tar", "oci"), Export(tmp_path / "y.tar")
    right: dict[str, Any] = {"push": True, "load": False, "platforms": 2, "builder": "buildah"}
    _checked(["x:1"], [layout], **right)
    for changed, said in (
        ({"exports": [tar]}, "only one platform"),
        ({"exports": [evolve(tar, type="docker")]}, "only one platform"),
        ({"load": True}, "one platform"),
        ({"builder": "docker"}, "docker cannot push"),
        ({"tags": []}, "needs a tag"),
    ):
        given_: dict[str, Any] = {"tags": ["x:1"], "exports": [layout], **right, **changed}
        with pytest.raises(UsageError, match=said):
            _checked(given_.pop("tags"), given_.pop("exports"), **given_)
    _checked([], [layout], push=False, load=False, platforms=2, builder="docker")


# --- platforms ----------------------------------------------------------------------------------------------------


def test_a_project_for_several_platforms(tmp_path: Path) -> None:
    root = make(
        tmp_path / "p", {"code/score.py": SCORE, "dagger-aml.toml": 'platform = "linux/amd64, linux/arm64"\n'}
    )
    project = load_project(root)
    assert project.platforms == ("linux/amd64", "linux/arm64") and project.base.platform == "linux/amd64"
    assert [graph.from_.platform for graph in await_(lay_out_each(project))] == list(project.platforms)
    assert load_project(root, Options(platform="linux/arm64,linux/arm64")).platforms == ("linux/arm64",)
    with pytest.raises(UsageError, match="not a platform"):
        load_project(root, Options(platform="linux/amd64,"))
    alone = Project(root, "p", From.parse("x:1", "linux/arm64"))
    assert alone.platforms == ("linux/arm64",)


@define
class _Builder:
    """Notes what is asked of it, and runs nothing."""

    cannot: str = ""
    name: str = "fake"
    capabilities: Capabilities = field(factory=lambda: kind_of("podman").capabilities)
    said: list[str] = field(factory=list)

    def on_event(self, event: Event) -> None:
        if isinstance(event, Message):
            self.said.append(event.text)

    def for_tags(self, tags: object) -> Any:
        return self

    def with_events(self, on_event: object) -> Any:
        return self

    async def probe(self, base: From, paths: object) -> tuple[str, BaseFacts]:
        self.said.append(f"ask {base.platform}")
        if base.platform == self.cannot:
            raise UsageError("no emulation")
        return "sha256:" + "0" * 64, BaseFacts(source="probed")

    async def image(self, plan: Plan, *, title: str = "") -> Any:
        self.said.append(f"image {plan.base.platform}")
        return _Image(self, plan.base.platform)

    def index(self, images: list[Any]) -> Any:
        return _Image(self, "+".join(each.id for each in images))

    async def folder(self, plan: Plan, path: str, dest: Path) -> None:
        raise NotImplementedError


@define
class _Image:
    builder: _Builder
    id: str
    makings: tuple[Making, ...] = ()
    files: Mapping[str, bytes] = field(factory=dict)

    async def stage(self, reference: str) -> None:
        """It is started by what holds it."""

    async def publish(self, reference: str) -> Result:
        self.builder.said.append(f"push {self.id} {reference}")
        return Result("sha256:pushed", None, (reference,))

    async def export(self, output: Any, references: object = ()) -> Result:
        self.builder.said.append(f"export {self.id} {output.path.name}")
        digest = None if output.type is None else "sha256:written"
        return Result(digest, self.id, outputs=(Written(output.path, output.type or "tar", digest),))

    async def load(self, reference: str) -> Result:
        self.builder.said.append(f"load {self.id}")
        return Result(None, self.id, (reference,))


def _graphs(*platforms: str) -> list[Graph]:
    copy = Copy(Text(b"x"), "/x", "file")
    return [Graph(From.parse("example.org/x:1", each)).add(copy) for each in platforms]


def test_what_was_warned_of_is_in_the_result_and_its_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    async def root(self: _Builder, base: From, paths: object) -> tuple[str, BaseFacts]:
        return "sha256:" + "0" * 64, BaseFacts("probed", uid=0, gid=0)

    monkeypatch.setattr(_Builder, "probe", root)
    (graph,) = _graphs("linux/amd64")
    result = await_(build(graph.warn("mine"), _Builder(), tags=["h/x:1"], push=True))  # type: ignore[arg-type]
    assert [each.id for each in result.warnings] == ["AML601", None]
    assert metadata(result)["dagger-aml.warnings"][1] == {
        "id": None,
        "severity": "warning",
        "message": "mine",
        "location": None,
        "hint": None,
    }
    assert "dagger-aml.warnings" not in metadata(Result(None))


def test_every_platform_is_asked_before_any_is_built(tmp_path: Path) -> None:
    builder = _Builder()
    graphs = _graphs("linux/amd64", "linux/arm64")
    outputs = [Export(tmp_path / "a", "oci"), Export(tmp_path / "b", "oci", folder=True)]
    checked = []

    async def check(plan: Plan, image: Any, builder: Any) -> None:
        checked.append((plan.base.platform, image.id))

    result = await_(build(graphs, builder, tags=["h/x:1"], push=True, output=outputs, check=check))  # type: ignore[arg-type]
    both = "linux/amd64+linux/arm64"
    assert builder.said == [
        *("ask linux/amd64", "ask linux/arm64"),
        *("for linux/amd64", "image linux/amd64", "for linux/arm64", "image linux/arm64"),
        *(f"export {both} a", f"export {both} b", f"push {both} h/x:1"),
    ]
    assert checked == [("linux/amd64", "linux/amd64"), ("linux/arm64", "linux/arm64")]
    assert result.digest == "sha256:pushed" and [each.path.name for each in result.outputs] == ["a", "b"]
    assert result.runtime_key.count("sha256:") == 2 and result.base.count("@sha256:") == 1
    assert result.output == tmp_path / "a"
    said = metadata(result)["dagger-aml.outputs"]
    assert said[1] == {"dest": str(tmp_path / "b"), "type": "oci", "digest": "sha256:written"}

    missing = _Builder(cannot="linux/arm64")
    with pytest.raises(UsageError, match="no emulation"):
        await_(build(graphs, missing))  # type: ignore[arg-type]
    assert missing.said == ["ask linux/amd64", "ask linux/arm64"]


def test_one_graph_makes_no_index(tmp_path: Path) -> None:
    builder = _Builder()
    result = await_(build(_graphs("linux/amd64")[0], builder, tags=["x"], load=True, output=tmp_path / "x.tar"))  # type: ignore[arg-type]
    assert builder.said == ["ask linux/amd64", "image linux/amd64", "export linux/amd64 x.tar", "load linux/amd64"]
    assert result.outputs == (Written(tmp_path / "x.tar", "tar", None),)
    assert metadata(result)["dagger-aml.outputs"] == [{"dest": str(tmp_path / "x.tar"), "type": "tar"}]


# --- files --------------------------------------------------------------------------------------------------------


def _tar(path: Path, members: dict[str, bytes | str]) -> Path:
    """A tar; a text is a link to a member."""
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            if isinstance(data, str):
                entry.type, entry.linkname, data = tarfile.SYMTYPE, data, b""
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _saved(path: Path, *layers: bytes, compressed: bool = False, **said: str) -> Path:
    """A tar as ``docker save`` writes it; a layer that comes twice is a link the second time."""
    config = json.dumps({"os": "linux", **said, "rootfs": {"diff_ids": [_digest(each) for each in layers]}}).encode()
    members: dict[str, bytes | str] = {"config.json": config}
    for number, layer in enumerate(layers):
        first = layers.index(layer)
        stored = gzip.compress(layer) if compressed else layer
        members[f"{number}/layer.tar"] = stored if first == number else f"../{first}/layer.tar"
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    members["manifest.json"] = json.dumps([{"Config": "config.json", "RepoTags": None, "Layers": names}]).encode()
    return _tar(path, members)


def _read(path: Path) -> dict[str, bytes]:
    """The files of a tar, each once, blobs under their right names."""
    with tarfile.open(path) as tar:
        members = tar.getmembers()
        assert len({each.name for each in members}) == len(members)
        found = {each.name: tar.extractfile(each).read() for each in members if each.isfile()}  # type: ignore[union-attr]
    for name, data in found.items():
        if name.startswith("blobs/"):
            assert _digest(data) == f"sha256:{Path(name).name}"
    return found


@pytest.mark.parametrize("compressed", [False, True])
def test_what_docker_saved_becomes_a_layout(tmp_path: Path, compressed: bool) -> None:
    saved = _saved(
        tmp_path / "saved", b"one" * 999, b"two", b"one" * 999, compressed=compressed, architecture="amd64"
    )
    layout = tmp_path / "layout.tar"
    write_layout([saved], layout, ["acme/x:1", "acme/x"])
    parts = _read(layout)
    index = json.loads(parts["index.json"])
    assert "manifest.json" not in parts and json.loads(parts["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    said = [each["annotations"] for each in index["manifests"]]
    assert [each["org.opencontainers.image.ref.name"] for each in said] == ["1", "latest"]
    assert said[0]["io.containerd.image.name"] == "docker.io/acme/x:1"
    described = index["manifests"][0]
    manifest = json.loads(parts[f"blobs/sha256/{described['digest'][7:]}"])
    with tarfile.open(saved) as tar:
        config = tar.extractfile("config.json").read()  # type: ignore[union-attr]
    assert manifest["config"]["digest"] == _digest(config)
    kind = "application/vnd.oci.image.layer.v1.tar" + ("+gzip" if compressed else "")
    assert [each["mediaType"] for each in manifest["layers"]] == [kind] * 3
    assert manifest["layers"][0] == manifest["layers"][2]
    for each in manifest["layers"]:
        assert each["size"] == len(parts[f"blobs/sha256/{each['digest'][7:]}"])
    digest, image_id, layers = read_tar(layout)
    assert (digest, image_id, len(layers)) == (described["digest"], _digest(config), 3)


def test_several_platforms_become_an_index(tmp_path: Path) -> None:
    saved = [
        _saved(tmp_path / each, b"shared", each.encode(), architecture=each, **more)
        for each, more in (("amd64", {}), ("arm64", {"variant": "v8"}))
    ]
    layout = tmp_path / "layout.tar"
    write_layout(saved, layout, ["acme/x:1"])
    parts = _read(layout)
    (top,) = json.loads(parts["index.json"])["manifests"]
    assert top["annotations"]["org.opencontainers.image.ref.name"] == "1"
    index = json.loads(parts[f"blobs/sha256/{top['digest'][7:]}"])
    assert [each["platform"] for each in index["manifests"]] == [
        {"os": "linux", "architecture": "amd64"},
        {"os": "linux", "architecture": "arm64", "variant": "v8"},
    ]
    assert len([name for name in parts if name.startswith("blobs/")]) == 1 + 2 * 2 + 3
    assert read_tar(layout) == (top["digest"], None, ())


def test_a_tar_that_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="not an image"):
        write_layout([_tar(tmp_path / "x", {"nothing": b""})], tmp_path / "y", [])


def test_a_layout_loses_what_makes_it_a_tar_of_docker(tmp_path: Path) -> None:
    for names in ([], ["acme/x:1"]):
        write_layout([_saved(tmp_path / "saved", b"one")], tmp_path / "x.tar", [])
        both = {**_read(tmp_path / "x.tar"), "manifest.json": b"[{}]", "oci-layout": b"{}"}
        tar = _tar(tmp_path / "x.tar", dict(both))
        name_in_tar(tar, names, docker=False)
        parts = _read(tar)
        assert set(parts) == set(both) - {"manifest.json"}
        assert ("annotations" in json.loads(parts["index.json"])["manifests"][0]) == bool(names)


def test_a_layout_folder_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    saved = _saved(tmp_path / "saved", b"one", architecture="amd64")
    dest = tmp_path / "layout"
    with pytest.raises(RuntimeError), output_tar(Export(dest, "oci", folder=True)) as tar:
        write_layout([saved], tar, [])
        raise RuntimeError
    with pytest.raises(tarfile.ReadError), output_tar(Export(dest, "oci", folder=True)) as tar:
        write_layout([_saved(saved, b"one" * 9999, architecture="amd64")], tar, [])
        tar.write_bytes(tar.read_bytes()[:9999])
    assert {path.name for path in tmp_path.iterdir()} == {"saved"}
    dest.mkdir()
    with output_tar(Export(dest, "oci", folder=True)) as tar:
        write_layout([saved], tar, ["x:1"])
        expected = _read(tar)
    assert {path.name for path in tmp_path.iterdir()} == {"saved", "layout"}
    found = {path.relative_to(dest).as_posix(): path.read_bytes() for path in dest.rglob("*") if path.is_file()}
    assert found == expected


def test_a_layout_folder_that_another_call_wrote_meanwhile_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    export = Export(out, "oci", folder=True)
    export.check()
    with pytest.raises(UsageError) as caught, output_tar(export) as tar:
        write_layout([_saved(tmp_path / "saved", b"one", architecture="amd64")], tar, [])
        make(out, {"index.json": "theirs"})
    assert str(caught.value) == f"{out}: is not empty\n  Name a new folder for the layout."
    assert (out / "index.json").read_text() == "theirs" and len(list(tmp_path.iterdir())) == 2


def test_only_the_parts_of_a_layout_are_unpacked(tmp_path: Path) -> None:
    tar = _tar(tmp_path / "x", {"index.json": b"{}", "../out": b"x", "blobs/sha256/../../../out": b"x", "l": "/etc"})
    unpack_layout(tar, tmp_path / "layout")
    assert [path.name for path in (tmp_path / "layout").rglob("*")] == ["index.json"]
    assert not (tmp_path / "out").exists()


# --- a push is tried again ----------------------------------------------------------------------------------------


def test_a_push_is_tried_again() -> None:
    events: list[Event] = []
    policy, tries = Policy(retry_pauses_seconds=(0.51, 0.04)), list[float]()

    def failing(times: int, error: Exception | None = None) -> Any:
        tries.clear()

        async def push() -> str:
            tries.append(time.monotonic())
            if len(tries) <= times:
                raise error or TransientError("busy")
            return "done"

        return push

    def pauses() -> list[float]:
        return [after - before for before, after in pairwise(tries)]

    assert await_(retry(failing(2), events.append, policy)) == "done"
    first, second = pauses()
    assert first >= 0.51 and 0.04 <= second < 0.51
    assert [event.text for event in events if isinstance(event, Message)] == [
        "busy; retrying in 1 s (2 of 3)",
        "busy; retrying in 0 s (3 of 3)",
    ]
    with pytest.raises(TransientError):
        await_(retry(failing(3), events.append, policy.scaled(0.1)))
    assert len(tries) == 3
    for enough in (TransientError("busy", after=None), TransientError("busy", after=31), BuildError("refused")):
        with pytest.raises(type(enough)):
            await_(retry(failing(1, enough), events.append, policy))
        assert len(tries) == 1
    assert Policy().retry_pauses_seconds == (2, 4)
