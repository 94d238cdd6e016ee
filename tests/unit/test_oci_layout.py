"""Images that lie on this machine: hand-made layouts and tars, the odd and the broken ones included."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger_aml import BaseError, DaggerAmlError, Graph, Options, UsageError, dockerfile, load_project, make_plan
from dagger_aml.base.catalog import assumed, on_platform
from dagger_aml.base.catalog import base as base_named
from dagger_aml.building.graphs import lay_out_each
from dagger_aml.graph.base import From
from dagger_aml.graph.checks import parse_reference
from dagger_aml.graph.graph import Built, Copy, Run
from dagger_aml.oci import layout
from dagger_aml.oci.archive import image_name
from dagger_aml.oci.blobs import blob_name
from dagger_aml.plan.keys import runtime_key
from tests.support.calls import await_, error_of
from tests.support.projects import SCORE, make
from tests.support.users import as_nobody, linux_root, open_to_all

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
REF, CONTAINERD = "org.opencontainers.image.ref.name", "io.containerd.image.name"

Blobs = dict[str, bytes]


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def blob(blobs: Blobs, content: Any, media: str = "application/octet-stream", **more: Any) -> dict[str, Any]:
    """Put something among the blobs and describe it."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    blobs[f"blobs/sha256/{digest_of(data)[7:]}"] = data
    return {"mediaType": media, "digest": digest_of(data), "size": len(data), **more}


def image(
    blobs: Blobs, architecture: str = "amd64", *, layers: tuple[bytes, ...] = (b"one", b"two"), **config: Any
) -> dict[str, Any]:
    """An image's descriptor; its layers are no tars, since nobody here unpacks them."""
    details = {"os": "linux", "architecture": architecture, "config": {"User": "dockeruser", **config}}
    if architecture == "arm/v7":
        details |= {"architecture": "arm", "variant": "v7"}
    manifest = {
        "schemaVersion": 2,
        "config": blob(blobs, details, "application/vnd.oci.image.config.v1+json"),
        "layers": [blob(blobs, each, "application/vnd.oci.image.layer.v1.tar") for each in layers],
    }
    return blob(blobs, manifest, MANIFEST)


def tagged(descriptor: dict[str, Any], name: str, key: str = REF) -> dict[str, Any]:
    return {**descriptor, "annotations": {key: name}}


def files_of(blobs: Blobs, *listed: dict[str, Any]) -> Blobs:
    index = json.dumps({"schemaVersion": 2, "manifests": list(listed)}).encode()
    return {**blobs, "index.json": index, "oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}


def folder(path: Path, files: Mapping[str, bytes]) -> Path:
    return make(path, files)


def tar(path: Path, files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return path


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A layout with one image, tagged ``1``."""
    blobs: Blobs = {}
    return folder(tmp_path / "bases", files_of(blobs, tagged(image(blobs), "1")))


def read(text: str, platform: str = "linux/amd64", at: Path | None = None) -> From:
    return layout.base(text, platform, at or Path.cwd())


# --- finding ------------------------------------------------------------------------------------------------------


def test_a_folder_with_one_image_needs_no_tag(one: Path) -> None:
    manifest = json.loads((one / "index.json").read_bytes())["manifests"][0]["digest"]
    for text in (f"oci:{one}", f"oci:{one}:1"):
        found = read(text)
        assert (found.reference, found.digest, found.platform) == ("bases:1", manifest, "linux/amd64")
        assert found.archive and str(found.archive) == text and found.archive.path == str(one)
    assert read("oci:bases", at=one.parent) == read(f"oci:{one}")
    assert read("oci:../bases:1", at=one).archive == read(f"oci:{one}:1").archive


def test_a_tar_of_a_layout_is_read_as_the_folder(one: Path, tmp_path: Path) -> None:
    files = {str(each.relative_to(one)): each.read_bytes() for each in one.rglob("*") if each.is_file()}
    plain = tar(tmp_path / "bases.tar", files)
    dotted = tar(tmp_path / "dotted.tar", {f"./{name}": data for name, data in files.items()})
    for path in (plain, dotted):
        found = read(f"oci-archive:{path}:1")
        assert found.digest == read(f"oci:{one}").digest and layout.config(found) == {"User": "dockeruser"}
        assert layout.whole_tar(found) == path
    assert layout.whole_tar(read(f"oci:{one}")) is None


def test_the_platform_chooses_through_nested_indexes(tmp_path: Path) -> None:
    blobs: Blobs = {}
    amd, arm, armv7 = image(blobs), image(blobs, "arm64"), image(blobs, "arm/v7")
    attestation = {**image(blobs, "unknown"), "platform": {"os": "unknown", "architecture": "unknown"}}
    inner = blob(blobs, {"manifests": [arm, attestation]}, INDEX)
    outer = blob(blobs, {"manifests": [amd, inner, armv7]}, INDEX)
    path = folder(tmp_path / "bases", files_of(blobs, tagged(outer, "all")))
    assert read(f"oci:{path}").digest == amd["digest"]
    assert read(f"oci:{path}:all", "linux/arm64").digest == arm["digest"]
    for platform in ("linux/arm", "linux/arm/v7"):
        assert read(f"oci:{path}", platform).digest == armv7["digest"]
    error = error_of(read, f"oci:{path}", "linux/s390x")
    assert isinstance(error, BaseError) and "no image for linux/s390x" in error.message
    assert "linux/amd64, linux/arm/v7, linux/arm64" in str(error.hint) and "unknown" not in str(error.hint)
    assert isinstance(error_of(read, f"oci:{path}", "linux/arm/v6"), BaseError)
    other = on_platform(read(f"oci:{path}:all"), "linux/arm64")
    assert other == read(f"oci:{path}:all", "linux/arm64")


def test_a_tag_chooses_among_several(tmp_path: Path) -> None:
    blobs: Blobs = {}
    one, two = image(blobs), image(blobs, layers=(b"three",), User="root")
    whole = "mcr.microsoft.com/azureml/minimal-py312-inference:v2"
    path = folder(tmp_path / "bases", files_of(blobs, tagged(one, "1"), tagged(two, whole, CONTAINERD)))
    assert read(f"oci:{path}:1").digest == one["digest"]
    found = read(f"oci:{path}:{whole}")
    assert (found.digest, found.reference) == (two["digest"], whole)
    error = error_of(read, f"oci:{path}")
    assert "2 images for linux/amd64" in error.message and f"1, {whole}" in str(error.hint)
    error = error_of(read, f"oci:{path}:3")
    assert "no image tagged 3" in error.message and f"1, {whole}" in str(error.hint)


def test_the_same_image_under_two_tags_is_one(tmp_path: Path) -> None:
    blobs: Blobs = {}
    only = image(blobs)
    path = folder(tmp_path / "bases", files_of(blobs, tagged(only, "1"), tagged(only, "2")))
    assert read(f"oci:{path}").digest == only["digest"]


def docker_tar(path: Path, *, tags: tuple[str, ...] = ("example.org/a/b:3",), images: int = 1, **config: Any) -> Path:
    details = {"os": "linux", "architecture": "amd64", "config": {"User": "dockeruser", **config}}
    data = json.dumps(details).encode()
    name = f"{digest_of(data)[7:]}.json"
    entry = {"Config": name, "RepoTags": list(tags) or None, "Layers": ["a/layer.tar", "b/layer.tar"]}
    files = {name: data, "a/layer.tar": b"one", "manifest.json": json.dumps([entry] * images).encode()}
    return tar(path, files, {"b/layer.tar": "../a/layer.tar"})


def test_a_tar_in_dockers_form_has_an_image_and_no_digest(tmp_path: Path) -> None:
    path = docker_tar(tmp_path / "b.tar", OnBuild=["RUN id"])
    found = read(f"docker-archive:{path}")
    assert found.reference == "example.org/a/b:3" and found.digest is None and found.archive
    assert found.archive.image_id.startswith("sha256:") and layout.whole_tar(found) == path
    assert layout.config(found)["OnBuild"] == ["RUN id"]
    assert read(f"docker-archive:{docker_tar(tmp_path / 'My Base.TAR', tags=())}").reference == "my-base-tar:latest"
    error = error_of(read, f"docker-archive:{docker_tar(tmp_path / 'two.tar', images=2)}")
    assert "holds 2 images" in error.message and "skopeo copy" in str(error.hint)
    assert isinstance(error_of(read, f"docker-archive:{path}:3"), UsageError)
    assert "linux/amd64" in str(error_of(read, f"docker-archive:{path}", "linux/arm64").hint)


# --- what is wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("oci:", "no such folder"),
        ("oci:gone", "no such folder: {at}/gone"),
        ("oci:gone:1", "no such folder: {at}/gone"),
        ("oci-archive:gone.tar", "no such file: {at}/gone.tar"),
        ("oci-archive:bases", "{at}/bases is a folder"),
        ("oci:file", "{at}/file is a file"),
        ("oci:bases:", "a tag that is not allowed"),
        ("oci-archive:file", "not a tar"),
        ("docker-archive:file", "not a tar"),
        ("oci:empty", "has no index.json"),
    ],
)
def test_what_is_not_there_is_named(one: Path, text: str, what: str) -> None:
    make(one.parent, {"file": "no tar", "empty/": None})
    error = error_of(read, text, at=one.parent)
    assert isinstance(error, UsageError) and what.format(at=one.parent) in error.message and error.hint


@linux_root
def test_an_unreadable_file_is_named(one: Path) -> None:
    open_to_all(one)
    (one / "index.json").chmod(0o600)
    assert f"{one} cannot be read (Permission denied)" in as_nobody(lambda: error_of(read, f"oci:{one}").message)


def test_a_compressed_tar_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz"):
        pass
    error = error_of(read, f"docker-archive:{tmp_path / 'b.tar.gz'}")
    assert isinstance(error, BaseError) and "gunzip" in error.message


def blob_paths(root: Path) -> dict[str, Path]:
    """The files of a layout with one image, by what they are."""
    manifest_path = root / blob_name(json.loads((root / "index.json").read_bytes())["manifests"][0]["digest"])
    manifest = json.loads(manifest_path.read_bytes())
    config, layer = manifest["config"]["digest"], manifest["layers"][0]["digest"]
    return {"manifest": manifest_path, "config": root / blob_name(config), "layer": root / blob_name(layer)}


@pytest.mark.parametrize("which", ["manifest", "config", "layer"])
@pytest.mark.parametrize("how", ["changed", "missing"])
def test_a_digest_that_is_not_met_is_refused(one: Path, which: str, how: str) -> None:
    path = blob_paths(one)[which]
    if how == "missing":
        path.unlink()
    elif which == "layer":
        path.write_bytes(b"longer")
    else:
        path.write_bytes(path.read_bytes().replace(b" ", b"\t", 1))
    error = error_of(read, f"oci:{one}")
    assert isinstance(error, BaseError) and path.name in error.message


def test_an_image_that_changed_since_it_was_read_is_refused(one: Path, tmp_path: Path) -> None:
    found = read(f"oci:{one}")
    blobs: Blobs = {}
    folder(one, files_of(blobs, tagged(image(blobs, User="other"), "1")))
    for use in (layout.config, lambda base: layout.write_tar(base, tmp_path / "x.tar")):
        assert "a different image" in error_of(use, found).message


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["manifests", "digest", "size", "annotations", "platform", "os", "Config", "Layers"]),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(document=JSON, location=st.sampled_from(["index", "manifest", "config"]))
def test_whatever_stands_there_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, document: Any, location: str
) -> None:
    root = tmp_path_factory.mktemp("odd")
    blobs: Blobs = {}
    inner = blob(blobs, document, "application/vnd.oci.image.config.v1+json")
    listed = {
        "index": document,
        "manifest": {"manifests": [inner]},
        "config": {"manifests": [blob(blobs, {"config": inner, "layers": []}, MANIFEST)]},
    }[location]
    folder(root, {**blobs, "index.json": json.dumps(listed).encode()})
    tar(root / "docker.tar", {"manifest.json": json.dumps(document).encode()})
    for text in (f"oci:{root}", f"docker-archive:{root / 'docker.tar'}"):
        try:
            read(text)
        except DaggerAmlError as error:
            assert str(root) in error.message


def test_indexes_that_do_not_end_are_refused(tmp_path: Path) -> None:
    blobs: Blobs = {}
    inner = image(blobs)
    for _ in range(20):
        inner = blob(blobs, {"manifests": [inner]}, INDEX)
    assert "nested too deeply" in error_of(read, f"oci:{folder(tmp_path / 'b', files_of(blobs, inner))}").message


# --- names and paths ----------------------------------------------------------------------------------------------


@given(name=st.text(min_size=1, max_size=40).filter(lambda name: "/" not in name and "\0" not in name), tag=st.text())
def test_the_name_is_a_reference_and_no_path(name: str, tag: str) -> None:
    archive = layout.Archive("oci", f"/srv/secret-place/{name}", None, "")
    found = image_name(archive, [tag] if tag else [])
    assert parse_reference(found)[1] and "secret-place" not in found


@given(st.lists(st.sampled_from(["a", "b", ":", ".", "/", " ", "c:d"]), max_size=8).map("".join))
def test_any_text_behind_the_word_is_a_path_or_an_error(tmp_path_factory: pytest.TempPathFactory, rest: str) -> None:
    with pytest.raises(DaggerAmlError):
        read(f"oci:{rest}", at=tmp_path_factory.mktemp("none"))


def test_a_colon_may_stand_in_a_name(one: Path) -> None:
    odd = one.rename(one.parent / "a:b c")
    assert read(f"oci:{odd}").digest == read(f"oci:{odd}:1").digest
    assert read(f"oci:{odd}").reference == "a-b-c:1"


def test_a_relative_path_starts_where_it_is_said(one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = one.parent
    project = make(at / "p", {"code/score.py": SCORE, "dagger-aml.toml": "base = 'oci:../bases:1'\n"})
    monkeypatch.chdir(tmp_path)
    assert load_project(project).base.archive == read(f"oci:{one}:1").archive
    shared = make(at / "shared", {"company.toml": "base = 'oci:../bases:1'\n"})
    (project / "dagger-aml.toml").write_text("extends = '../shared/company.toml'\n")
    monkeypatch.chdir(shared)
    assert load_project(project).base.archive == read(f"oci:{one}:1").archive
    monkeypatch.chdir(at)
    assert load_project("p", Options(base="oci:bases")).base.digest
    monkeypatch.setenv("DAGGER_AML_BASE", "oci:bases:2")
    error = error_of(load_project, "p")
    assert error.location == "$DAGGER_AML_BASE" and "no image tagged 2" in error.message


# --- in a graph ---------------------------------------------------------------------------------------------------


def test_no_path_of_this_machine_is_in_the_plan_s_labels(one: Path) -> None:
    found = base_named(f"oci:{one}")
    planned = make_plan(Graph(found))
    assert planned.config.labels["org.opencontainers.image.base.name"] == "bases:1"
    assert planned.config.labels["org.opencontainers.image.base.digest"] == found.digest
    assert str(one.parent) not in repr(planned.config)


def test_the_config_is_known_without_asking(tmp_path: Path) -> None:
    blobs: Blobs = {}
    config = {
        "User": "0", "Env": ["AZUREML_CONDA_ENVIRONMENT_PATH=/opt/env", "A=b=c"], "WorkingDir": "/srv", "Cmd": ["x"],
    }  # fmt: skip
    path = folder(tmp_path / "b", files_of(blobs, image(blobs, **config)))
    known = assumed(base_named(f"oci:{path}"))
    assert (known.source, known.user, known.uid, known.environment) == ("assumed", "0", 0, "/opt/env")
    assert (known.workdir, known.cmd, known.env["A"], known.onbuild) == ("/srv", ("x",), "b=c", ())
    path = folder(tmp_path / "c", files_of(blobs := {}, image(blobs, OnBuild=["RUN id"], Volumes={"/v": {}})))
    base = base_named(f"oci:{path}")
    assert assumed(base).volumes == ("/v",)
    assert "ONBUILD" in error_of(make_plan, Graph(base)).message


def test_a_dockerfile_cannot_start_from_it(one: Path, tmp_path: Path) -> None:
    found = base_named(f"oci:{one}")
    stage = Graph(base_named("a:1")).add(Copy(Built(Graph(found).add(Run(["/bin/x"])), "/y"), "/z"))
    for graph in (Graph(found), stage):
        error = error_of(dockerfile, graph)
        assert isinstance(error, UsageError) and f"skopeo copy oci:{one} docker-daemon:bases:1" in str(error.hint)
    archive = base_named(f"docker-archive:{docker_tar(tmp_path / 'b.tar')}")
    assert f"docker load -i {tmp_path / 'b.tar'}" in str(error_of(dockerfile, Graph(archive)).hint)


def test_the_fingerprint_is_the_image_s(tmp_path: Path) -> None:
    one = base_named(f"docker-archive:{docker_tar(tmp_path / 'b.tar')}")
    same = base_named(f"docker-archive:{docker_tar(tmp_path / 'c.tar')}")
    other = base_named(f"docker-archive:{docker_tar(tmp_path / 'd.tar', A='b')}")
    prints = [runtime_key(make_plan(Graph(each))) for each in (one, same, other)]
    assert prints[0] == prints[1] != prints[2]


def test_each_platform_has_its_own_image(tmp_path: Path) -> None:
    blobs: Blobs = {}
    amd, arm = image(blobs), image(blobs, "arm64")
    folder(tmp_path / "bases", files_of(blobs, tagged(amd, "1"), tagged(arm, "1")))
    make(tmp_path / "p", {"code/score.py": SCORE})
    options = Options(base=f"oci:{tmp_path / 'bases'}", platform="linux/amd64,linux/arm64")
    project = load_project(tmp_path / "p", options)
    graphs = await_(lay_out_each(project))
    assert [graph.from_.digest for graph in graphs] == [amd["digest"], arm["digest"]]


# --- handed on ----------------------------------------------------------------------------------------------------


def contents(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member)
            assert file
            yield member.name, file.read()


def test_a_tar_holds_the_one_image_in_both_forms(tmp_path: Path) -> None:
    blobs: Blobs = {}
    wanted, other = image(blobs), image(blobs, "arm64", layers=(b"other",))
    path = folder(tmp_path / "bases", files_of(blobs, tagged(wanted, "1"), tagged(other, "1")))
    for number in (1, 2):
        layout.write_tar(read(f"oci:{path}:1"), tmp_path / f"{number}.tar", "localhost/own:1")
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    found = dict(contents(tmp_path / "1.tar"))
    (entry,) = json.loads(found["manifest.json"])
    assert entry["RepoTags"] == ["localhost/own:1"] and [found[name] for name in entry["Layers"]] == [b"one", b"two"]
    assert digest_of(found[entry["Config"]]) == entry["Config"].replace("blobs/sha256/", "sha256:")
    assert b"other" not in found.values()
    again = read(f"oci-archive:{tmp_path / '1.tar'}")
    assert (again.digest, again.reference) == (wanted["digest"], "localhost/own:1")
    assert read(f"docker-archive:{tmp_path / '1.tar'}").reference == "localhost/own:1"


def test_a_tar_of_a_tar_in_dockers_form_follows_its_links(tmp_path: Path) -> None:
    layout.write_tar(read(f"docker-archive:{docker_tar(tmp_path / 'b.tar')}"), tmp_path / "c.tar")
    found = dict(contents(tmp_path / "c.tar"))
    (entry,) = json.loads(found["manifest.json"])
    assert entry["RepoTags"] == [] and [found[name] for name in entry["Layers"]] == [b"one", b"one"]


@pytest.mark.parametrize("kind", ["oci", "oci-archive"])
def test_a_layout_holds_the_one_image(tmp_path: Path, kind: str) -> None:
    blobs: Blobs = {}
    wanted, other = image(blobs), image(blobs, "arm64", layers=(b"other",))
    files = files_of(blobs, tagged(wanted, "1"), tagged(other, "2"))
    path = folder(tmp_path / "b", files) if kind == "oci" else tar(tmp_path / "b.tar", files)
    found = read(f"{kind}:{path}:1")
    assert layout.whole_tar(found) is None
    (tmp_path / "out").mkdir()
    layout.write_layout(found, tmp_path / "out")
    again = read(f"oci:{tmp_path / 'out'}:base")
    assert again.digest == found.digest and len(list((tmp_path / "out/blobs/sha256").iterdir())) == 4
    assert all(each.is_symlink() == (kind == "oci") for each in (tmp_path / "out/blobs/sha256").iterdir())


def test_an_image_in_dockers_form_has_no_layout(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    found = read(f"docker-archive:{docker_tar(tmp_path / 'b.tar')}")
    assert "Docker's form" in error_of(layout.write_layout, found, tmp_path / "out").message
