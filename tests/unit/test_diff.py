"""The comparer of images finds each kind of difference, on images made here."""

import gzip
import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from dagger_aml.cli.main import cli
from dagger_aml.diff import NOISE, ImageContents, ImageError, Noise, compare, read_image
from dagger_aml.diff.noise import LONGEST
from dagger_aml.errors import BaseError, DaggerAmlError
from dagger_aml.oci.registry import download
from dagger_aml.plan.keys import ENCODING
from dagger_aml.plan.label import PLAN_LABEL, OpKey, write_label
from tests.support.calls import await_
from tests.support.cases import for_each
from tests.support.direct import Runner, blobs_of, direct_builder, put_base
from tests.support.direct_push import project, pushed, running
from tests.support.layers import Put, file
from tests.support.registry import FakeRegistry

CAPABILITY = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\xff\0\0\0".decode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Item:
    """One entry of a layer's tar."""

    path: str
    data: bytes = b""
    type: bytes = tarfile.REGTYPE
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    link: str = ""
    capability: str = ""


def folder(path: str, mode: int = 0o755, uid: int = 0) -> Item:
    return Item(path, type=tarfile.DIRTYPE, mode=mode, uid=uid, gid=uid)


def layer(*items: Item) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for item in items:
            member = tarfile.TarInfo(item.path)
            member.type, member.mode, member.uid, member.gid = item.type, item.mode, item.uid, item.gid
            member.linkname, member.size = item.link, len(item.data)
            if item.capability:
                member.pax_headers = {"SCHILY.xattr.security.capability": item.capability}
            tar.addfile(member, io.BytesIO(item.data))
    return out.getvalue()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def document(layers: list[bytes], config: dict[str, Any]) -> bytes:
    diff_ids = [f"sha256:{sha(each)}" for each in layers]
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    return json.dumps({"os": "linux", "architecture": "amd64", "config": config, "rootfs": rootfs}).encode()


CONFIG = {
    "User": "dockeruser",
    "Env": ["PATH=/usr/bin", "A=1=2"],
    "Cmd": ["runsvdir", "/var/runit"],
    "Labels": {"made.by": "hand"},
    "ExposedPorts": {"5001/tcp": {}},
    "WorkingDir": "/",
}

BASE = layer(
    folder("etc/"),
    folder("var/"),
    folder("var/app/", uid=1000),
    Item("etc/old", b"old"),
    Item("etc/gone", b"gone"),
    Item("var/app/a", b"one"),
)
TOP_ITEMS = (
    Item("var/app/b", b"two", mode=0o755, uid=1000, gid=1000),
    Item("var/app/c", type=tarfile.LNKTYPE, link="var/app/b"),
    Item("var/app/link", type=tarfile.SYMTYPE, link="../b"),
    Item("usr/bin/ping", b"\x7fELF", capability=CAPABILITY),
    Item("etc/.wh.gone"),
)


def docker_archive(path: Path, layers: list[bytes], config: dict[str, Any] | None = None) -> Path:
    """As `docker save` writes it: one folder a layer, a link where a layer is there already."""
    whole = document(layers, CONFIG if config is None else config)
    names, items, seen = [], [], dict[str, str]()
    for index, each in enumerate(layers):
        name = f"layer-{index}/layer.tar"
        known = seen.setdefault(sha(each), name)
        link = "" if known == name else f"../{known}"
        items.append(Item(name, type=tarfile.SYMTYPE, link=link) if link else Item(name, each))
        names.append(name)
    manifest = [{"Config": "config.json", "RepoTags": ["x:1"], "Layers": names}]
    items += [Item("config.json", whole), Item("manifest.json", json.dumps(manifest).encode())]
    path.write_bytes(layer(*items))
    return path


def oci_blobs(layers: list[bytes], config: dict[str, Any]) -> dict[str, bytes]:
    """As an OCI layout has it: gzipped layers, an index, the blobs by their digests."""
    blobs: dict[str, bytes] = {}

    def put(data: bytes) -> dict[str, Any]:
        blobs[f"blobs/sha256/{sha(data)}"] = data
        return {"digest": f"sha256:{sha(data)}", "size": len(data)}

    packed = [put(gzip.compress(each, mtime=0)) for each in layers]
    manifest = {"config": put(document(layers, config)), "layers": packed}
    described = {"mediaType": "application/vnd.oci.image.manifest.v1+json", **put(json.dumps(manifest).encode())}
    named = {**described, "annotations": {"org.opencontainers.image.ref.name": "latest"}}
    return {"index.json": json.dumps({"manifests": [named]}).encode(), **blobs}


@pytest.fixture
def image(tmp_path: Path) -> ImageContents:
    return read_image(docker_archive(tmp_path / "a.tar", [BASE, layer(*TOP_ITEMS)]))


def changed(tmp_path: Path, entry: str, **changes: Any) -> ImageContents:
    """The image with one entry of its upper layer changed."""
    assert any(item.path == entry for item in TOP_ITEMS)
    items = [replace(item, **changes) if item.path == entry else item for item in TOP_ITEMS]
    return read_image(docker_archive(tmp_path / "b.tar", [BASE, layer(*items)]))


def test_an_image_is_read(image: ImageContents) -> None:
    assert sorted(image.files) == [
        "/etc", "/etc/old", "/usr", "/usr/bin", "/usr/bin/ping", "/var", "/var/app",
        "/var/app/a", "/var/app/b", "/var/app/c", "/var/app/link",
    ]  # fmt: skip
    assert image.files["/var/app/b"] is image.files["/var/app/c"]
    assert image.files["/usr/bin"].mode == 0o755
    assert image.files["/var/app/a"].sha256 == sha(b"one")
    assert image.config["env A"] == "1=2"
    assert len(image.layers) == 2


@pytest.mark.parametrize(
    ("path", "changes", "subjects", "fields"),
    [
        ("var/app/b", {"data": b"twO"}, ["/var/app/b", "/var/app/c"], {"sha256"}),
        ("var/app/b", {"data": b"two!"}, ["/var/app/b", "/var/app/c"], {"sha256", "size"}),
        ("var/app/b", {"mode": 0o750}, ["/var/app/b", "/var/app/c"], {"mode"}),
        ("var/app/b", {"mode": 0o4755}, ["/var/app/b", "/var/app/c"], {"mode"}),
        ("var/app/b", {"uid": 1001}, ["/var/app/b", "/var/app/c"], {"uid"}),
        ("var/app/b", {"gid": 0}, ["/var/app/b", "/var/app/c"], {"gid"}),
        ("var/app/link", {"link": "/b"}, ["/var/app/link"], {"target"}),
        ("usr/bin/ping", {"capability": CAPABILITY[:-4] + "\1\0\0\0"}, ["/usr/bin/ping"], {"capability"}),
        ("usr/bin/ping", {"capability": ""}, ["/usr/bin/ping"], {"capability"}),
        (
            "var/app/c",
            {"type": tarfile.REGTYPE, "data": b"two", "mode": 0o755, "uid": 1000, "gid": 1000, "link": ""},
            ["/var/app/b", "/var/app/c"],
            {"hard links"},
        ),
        ("etc/.wh.gone", {"path": "etc/gone2"}, ["/etc/gone", "/etc/gone2"], {"presence"}),
    ],
)
def test_a_changed_entry_is_found(
    tmp_path: Path, image: ImageContents, path: str, changes: dict[str, Any], subjects: list[str], fields: set[str]
) -> None:
    report = compare(image, changed(tmp_path, path, **changes))
    assert not report.equal
    assert [each.subject for each in report.differences] == subjects
    assert all(each.fields.keys() == fields for each in report.differences)


def test_another_type_is_found(tmp_path: Path, image: ImageContents) -> None:
    (found,) = compare(image, changed(tmp_path, "var/app/link", type=tarfile.REGTYPE, link="")).differences
    assert found.subject == "/var/app/link"
    assert found.fields["type"] == ("link", "file")


@pytest.mark.parametrize(
    ("change", "subject", "field"),
    [
        ({"Env": ["PATH=/usr/bin", "A=1=3"]}, "config env A", "value"),
        ({"Env": ["PATH=/usr/bin"]}, "config env A", "presence"),
        ({"Labels": {"made.by": "Hand"}}, "config label made.by", "value"),
        ({"Labels": {"made.by": "hand", "x": ""}}, "config label x", "presence"),
        ({"User": "root"}, "config user", "value"),
        ({"WorkingDir": "/var"}, "config workdir", "value"),
        ({"Cmd": ["runsvdir /var/runit"]}, "config cmd", "value"),
        ({"Entrypoint": ["/bin/sh"]}, "config entrypoint", "presence"),
        ({"Healthcheck": {"Test": ["NONE"]}}, "config healthcheck", "presence"),
        ({"ExposedPorts": {"5001/udp": {}, "5001/tcp": {}}}, "config port 5001/udp", "presence"),
        ({"Volumes": {"/var": {}}}, "config volume /var", "presence"),
        ({"OnBuild": ["RUN x"]}, "config onbuild 0", "presence"),
    ],
)
def test_a_changed_config_is_found(
    tmp_path: Path, image: ImageContents, change: dict[str, Any], subject: str, field: str
) -> None:
    other = docker_archive(tmp_path / "b.tar", [BASE, layer(*TOP_ITEMS)], {**CONFIG, **change})
    (found,) = compare(image, read_image(other)).differences
    assert (found.subject, set(found.fields)) == (subject, {field})


def test_order_of_variables_and_an_unset_workdir_do_not_count(tmp_path: Path, image: ImageContents) -> None:
    config = {**CONFIG, "Env": CONFIG["Env"][::-1], "WorkingDir": "", "Entrypoint": None, "Volumes": {}}  # type: ignore[index]
    other = read_image(docker_archive(tmp_path / "b.tar", [BASE, layer(*TOP_ITEMS)], config))
    assert compare(image, other).equal


def test_one_layer_or_several_empty_ones_are_equal(tmp_path: Path, image: ImageContents) -> None:
    merged = layer(
        folder("etc"),
        folder("usr"),
        folder("usr/bin"),
        folder("var"),
        folder("var/app", uid=1000),
        Item("etc/old", b"old"),
        Item("var/app/a", b"one"),
        *(item for item in TOP_ITEMS if "gone" not in item.path),
    )
    one = read_image(docker_archive(tmp_path / "b.tar", [merged]))
    four = read_image(docker_archive(tmp_path / "c.tar", [BASE, layer(), layer(*TOP_ITEMS), layer()]))
    assert (len(one.layers), len(four.layers)) == (1, 4)
    assert compare(image, one).equal
    assert compare(image, four).equal


def test_docker_and_oci_forms_are_equal(tmp_path: Path, image: ImageContents) -> None:
    blobs = oci_blobs([BASE, layer(*TOP_ITEMS)], CONFIG)
    (tmp_path / "oci.tar").write_bytes(layer(*(Item(name, data) for name, data in blobs.items())))
    for name, data in blobs.items():
        (tmp_path / "oci" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "oci" / name).write_bytes(data)
    for path in (tmp_path / "oci.tar", tmp_path / "oci"):
        other = read_image(path)
        assert compare(image, other).equal


def files(tmp_path: Path, *layers: bytes) -> list[str]:
    return sorted(read_image(docker_archive(tmp_path / "w.tar", list(layers))).files)


def test_whiteouts(tmp_path: Path) -> None:
    base = layer(folder("a"), folder("a/b"), Item("a/b/c"), Item("a/b/d"), Item("e"))
    assert files(tmp_path, base, layer(Item("a/.wh.b"))) == ["/a", "/e"]
    assert files(tmp_path, base, layer(Item("a/b/.wh.c"), Item(".wh.e"))) == ["/a", "/a/b", "/a/b/d"]
    # An opaque folder loses what is beneath, and keeps what its own layer puts there, before or after the mark.
    opaque = layer(folder("a/b"), Item("a/b/new"), Item("a/b/.wh..wh..opq"), Item("a/b/newer"))
    assert files(tmp_path, base, opaque) == ["/a", "/a/b", "/a/b/new", "/a/b/newer", "/e"]
    # Removed and made anew in one layer.
    assert files(tmp_path, base, layer(Item("a/.wh.b"), Item("a/b"))) == ["/a", "/a/b", "/e"]
    assert files(tmp_path, base, layer(Item(".wh..wh.plnk"), Item(".wh.nothing"))) == files(tmp_path, base)


def test_a_file_takes_the_place_of_a_folder_and_back(tmp_path: Path) -> None:
    base = layer(folder("a"), folder("a/b"), Item("a/b/c"), Item("e"))
    assert files(tmp_path, base, layer(Item("a/b"))) == ["/a", "/a/b", "/e"]
    assert files(tmp_path, base, layer(folder("e"), Item("e/f"))) == ["/a", "/a/b", "/a/b/c", "/e", "/e/f"]
    again = read_image(docker_archive(tmp_path / "w.tar", [base, layer(folder("a", mode=0o700))]))
    assert again.files["/a"].mode == 0o700
    assert "/a/b/c" in again.files


def test_a_hard_link_is_to_the_file_of_that_moment(tmp_path: Path) -> None:
    base = layer(Item("a", b"1"), Item("b", type=tarfile.LNKTYPE, link="a"))
    image = read_image(docker_archive(tmp_path / "w.tar", [base, layer(Item("a", b"2"))]))
    assert image.files["/b"].sha256 == sha(b"1")
    assert image.files["/a"].sha256 == sha(b"2")


def test_names_that_are_not_text_are_compared(tmp_path: Path) -> None:
    odd = os.fsdecode(b"\xff\nx")
    one = read_image(docker_archive(tmp_path / "a.tar", [layer(Item(odd, b"1"))]))
    two = read_image(docker_archive(tmp_path / "b.tar", [layer(Item(odd, b"2"))]))
    (found,) = compare(one, two).differences
    assert found.subject == "/\\udcff\\nx".replace("udcff", "xff")


def test_noise_is_absorbed_for_its_builders_only(tmp_path: Path, image: ImageContents) -> None:
    config = {**CONFIG, "Labels": {"made.by": "hand", "io.buildah.version": "1.28.2"}}
    other = read_image(docker_archive(tmp_path / "b.tar", [BASE, layer(*TOP_ITEMS)], config))
    absorbed = compare(image, other, builders=["dagger", "buildah"])
    assert absorbed.equal
    assert [list(subjects) for subjects in absorbed.absorbed.values()] == [["config label io.buildah.version"]]
    assert "noise, 1: config label io.buildah.version" in str(absorbed)
    assert not compare(image, other, builders=["dagger", "docker"]).equal


def test_noise_allows_no_more_than_it_says(tmp_path: Path, image: ImageContents) -> None:
    def entry(may: Any) -> Noise:
        return Noise("/var/app/b", may, frozenset({"x"}), "a test")

    other_bytes = changed(tmp_path, "var/app/b", data=b"twO", mode=0o755)
    other_mode = changed(tmp_path, "var/app/b", data=b"twO", mode=0o700)
    for may, equal_bytes, equal_mode in (("content", True, False), ("any", True, True), ("presence", False, False)):
        # /var/app/c, the other name of the same file, is not in the pattern and still counts.
        for other, equal in ((other_bytes, equal_bytes), (other_mode, equal_mode)):
            found = [each.subject for each in compare(image, other, noise=[entry(may)]).differences]
            assert found == (["/var/app/c"] if equal else ["/var/app/b", "/var/app/c"])


def test_the_noise_list_is_short_and_gives_reasons() -> None:
    assert len(NOISE) <= LONGEST == 15
    assert all(entry.reason and entry.builders for entry in NOISE)


def test_differences_are_sorted_and_cut(tmp_path: Path) -> None:
    one = read_image(docker_archive(tmp_path / "a.tar", [layer(*(Item(f"f{n:03}") for n in range(99)))]))
    two = read_image(docker_archive(tmp_path / "b.tar", [layer()]))
    report = compare(one, two)
    assert [each.subject for each in report.differences] == [f"/f{n:03}" for n in range(99)]
    lines = report.text(limit=3).splitlines()
    assert lines[:2] == ["/f000: presence file 0644 0:0 | absent", "/f001: presence file 0644 0:0 | absent"]
    assert lines[3:] == ["... and 96 more", f"99 differences in {99 + len(one.config)} paths and values"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no tar at all", "not a tar"),
        (layer(Item("x")), "it has no manifest.json"),
        (layer(Item("manifest.json", b"[]")), "lists no image"),
        (layer(Item("manifest.json", b"{")), "does not follow the specification"),
        (layer(Item("manifest.json", b'[{"Config": "c", "Layers": []}]')), "it has no c"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "x.tar").write_bytes(data)
    with pytest.raises(BaseError, match=reason):
        read_image(tmp_path / "x.tar")


def test_damaged_layers_are_refused(tmp_path: Path) -> None:
    beneath_a_link = layer(Item("a", type=tarfile.SYMTYPE, link="/b"), Item("a/c"))
    with pytest.raises(ImageError, match="/a/c is inside /a, which is a link"):
        files(tmp_path, beneath_a_link)
    with pytest.raises(ImageError, match="hard link to /nothing"):
        files(tmp_path, layer(Item("a", type=tarfile.LNKTYPE, link="nothing")))
    other = document([layer(Item("a"))], {})
    manifest = json.dumps([{"Config": "c", "Layers": ["l"]}]).encode()
    items = (Item("c", other), Item("l", layer(Item("b"))), Item("manifest.json", manifest))
    (tmp_path / "x.tar").write_bytes(layer(*items))
    with pytest.raises(ImageError, match="the config says"):
        read_image(tmp_path / "x.tar")


# --- which step caused it ------------------------------------------------------------------------------------------

STEPS = (
    OpKey("apt libgomp1", "", "a" * 12),
    OpKey("copy requirements.txt", "/usr/share/dagger-aml/requirements.txt", "b" * 12),
    OpKey("pip requirements.txt", "", "c" * 12),
    OpKey("model m", "/var/app/models/m", "d" * 12),
    OpKey("code (2 files)", "/var/app", "e" * 12),
)
OWN = (
    layer(Item("usr/lib/apt"), Item("etc/.wh.gone")),
    layer(folder("usr"), folder("usr/share"), Item("usr/share/dagger-aml/requirements.txt")),
    layer(Item("opt/numpy"), Item("var/app/odd")),
    layer(folder("var"), folder("var/app", uid=1000), Item("var/app/models/m/weights")),
    layer(folder("var/app", uid=1000), Item("var/app/score.py")),
)
HISTORIES = {
    "dagger": (
        "import image layer sha256:1", "mount / from exec /bin/sh -euc apt", "Directory.withDirectory",
        "mount / from exec /opt/bin/python -m pip", "Directory.withDirectory", "Directory.withDirectory",
    ),
    "docker": (
        "/bin/sh -c echo base", "/bin/sh -c apt", "/bin/sh -c #(nop) COPY dir:1 in /usr ", "/opt/bin/python -m pip",
        "/bin/sh -c #(nop) COPY dir:2 in /var/app/models/m ", "/bin/sh -c #(nop) COPY dir:3 in /var/app ",
        "-/bin/sh -c #(nop)  ENV A=1",
    ),
    "buildah": (
        "tests", '/bin/sh -c ["/bin/sh", "-euc", "apt"]', "/bin/sh -c #(nop) COPY dir:1 in /usr/share ",
        '/bin/sh -c ["/opt/bin/python"]', "/bin/sh -c #(nop) COPY dir:2 in /var/app/models/m ",
        "/bin/sh -c #(nop) COPY dir:3 in /var/app ", "-/bin/sh -c #(nop) LABEL x",
    ),
    "buildkit": (
        "RUN /bin/sh -c base", "RUN /bin/sh -euc apt # buildkit", "COPY context/1/k /usr/share # buildkit",
        "RUN /opt/bin/python # buildkit", "COPY context/2/k /m # buildkit", "COPY context/3/k /var/app # buildkit",
        "-ENV A=1", "-USER dockeruser",
    ),
}  # fmt: skip
"""What the builders wrote in real images' histories, shortened; `-` is an entry without a layer."""


def labelled(
    path: Path,
    layers: tuple[bytes, ...],
    history: tuple[str, ...],
    base: bytes = BASE,
    ops: tuple[OpKey, ...] = STEPS,
) -> ImageContents:
    """An image that tells of its steps, with its builder's history."""
    config = {**CONFIG, "Labels": {PLAN_LABEL: write_label(ops, ENCODING)}}
    whole = json.loads(document([base, *layers], config))
    whole["history"] = [{"created_by": text.lstrip("-"), "empty_layer": text.startswith("-")} for text in history]
    named = [f"{number}.tar" for number in range(len(layers) + 1)]
    items = [Item(name, data) for name, data in zip(named, (base, *layers), strict=True)]
    manifest = json.dumps([{"Config": "c", "Layers": named}]).encode()
    path.write_bytes(layer(*items, Item("c", json.dumps(whole).encode()), Item("manifest.json", manifest)))
    return read_image(path)


@for_each("builder", HISTORIES)
@for_each(
    ("number", "entry", "subject", "cause"),
    [
        (0, Item("usr/lib/more"), "/usr/lib/more", "step 'apt libgomp1'"),
        (0, Item("etc/.wh.old"), "/etc/old", "step 'apt libgomp1'"),
        (1, Item("usr/share/dagger-aml/requirements.txt", b"x"), "", "step 'copy requirements.txt'"),
        (2, Item("opt/numpy", b"x"), "/opt/numpy", "step 'pip requirements.txt'"),
        (2, Item("var/app/models/more"), "/var/app/models/more", "step 'pip requirements.txt'"),
        (3, Item("var/app/models/m/weights", b"x"), "/var/app/models/m/weights", "step 'model m'"),
        (4, Item("var/app/score.py", b"x"), "/var/app/score.py", "step 'code (2 files)'"),
    ],
)
def test_a_difference_names_its_step(
    tmp_path: Path, builder: str, number: int, entry: Item, subject: str, cause: str
) -> None:
    other = list(OWN)
    with tarfile.open(fileobj=io.BytesIO(OWN[number])) as tar:
        kept = [Item(each.name, type=each.type, mode=each.mode, uid=each.uid, gid=each.gid) for each in tar]
    other[number] = layer(*(each for each in kept if each.path != entry.path), entry)
    one = labelled(tmp_path / "a.tar", OWN, HISTORIES[builder])
    two = labelled(tmp_path / "b.tar", tuple(other), HISTORIES[builder])
    (found,) = compare(one, two).differences
    assert (found.subject, found.cause) == (subject or f"/{entry.path}", cause)
    assert str(found).endswith(f"  ({cause})")


@pytest.mark.parametrize("builder", HISTORIES)
def test_a_difference_of_the_bases_is_the_base_s(tmp_path: Path, builder: str) -> None:
    more = layer(folder("etc/"), folder("var/"), folder("var/app/", uid=1000), Item("etc/old", b"newer"))
    one = labelled(tmp_path / "a.tar", OWN, HISTORIES[builder])
    two = labelled(tmp_path / "b.tar", OWN, HISTORIES[builder], more)
    causes = {each.subject: each.cause for each in compare(one, two).differences}
    assert causes == {"/etc/old": "the base", "/var/app/a": "the base"}


@pytest.mark.parametrize(
    ("kept", "number", "entry", "subject", "cause"),
    [
        (0, 4, Item("var/app/score.py", b"x"), "/var/app/score.py", "step 'code (2 files)'"),
        (0, 2, Item("opt/numpy", b"x"), "/opt/numpy", "step 'apt libgomp1' or 'pip requirements.txt'"),
        (3, 2, Item("opt/numpy", b"x"), "/opt/numpy", "step 'pip requirements.txt'"),
        (3, 0, Item("usr/lib/more"), "/usr/lib/more", "step 'apt libgomp1'"),
    ],
)
def test_an_engine_started_again_forgets_what_made_its_layers(
    tmp_path: Path, kept: int, number: int, entry: Item, subject: str, cause: str
) -> None:
    """``kept``: so many of the last entries are of what it made since its start."""
    whole = HISTORIES["dagger"]
    history = tuple(
        "rehydrated persisted snapshot" if place < len(whole) - kept else text for place, text in enumerate(whole)
    )
    other = list(OWN)
    with tarfile.open(fileobj=io.BytesIO(OWN[number])) as tar:
        items = [Item(each.name, type=each.type, mode=each.mode, uid=each.uid, gid=each.gid) for each in tar]
    other[number] = layer(*(each for each in items if each.path != entry.path), entry)
    one = labelled(tmp_path / "a.tar", OWN, history)
    two = labelled(tmp_path / "b.tar", tuple(other), history)
    (found,) = compare(one, two).differences
    assert (found.subject, found.cause) == (subject, cause)


def test_what_a_layer_of_both_brought_is_laid_to_no_copy(tmp_path: Path) -> None:
    """Where only copies are there, the history does not tell which layers are the base's."""
    ops = (OpKey("code (2 files)", "/var/app", "e" * 12), OpKey("rm", "", "f" * 12))
    history = ("tests", "/bin/sh -c #(nop) COPY dir:3 in /var/app ", "/bin/sh -c rm")
    one, two = (
        labelled(tmp_path / f"{number}.tar", (OWN[4], last), history, ops=ops)
        for number, last in enumerate((layer(), layer(Item("var/app/.wh.a"))))
    )
    (found,) = compare(one, two).differences
    assert (found.subject, found.cause) == ("/var/app/a", "step 'rm'")


# --- any one change is found ---------------------------------------------------------------------------------------

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8).filter(
    lambda name: name not in (".", "..") and not name.startswith(".wh.") and name == name.strip("/")
)
ENTRIES = st.dictionaries(
    NAMES,
    st.builds(
        Item,
        st.just(""),
        st.binary(min_size=1, max_size=20),
        mode=st.integers(0, 0o7777),
        uid=st.integers(0, 2**31),
        gid=st.integers(0, 2**31),
        capability=st.sampled_from(["", CAPABILITY]),
    ),
    min_size=1,
    max_size=5,
)
MUTATIONS: dict[str, Callable[[Item], Item]] = {
    "byte": lambda item: replace(item, data=bytes([item.data[0] ^ 1]) + item.data[1:]),
    "size": lambda item: replace(item, data=item.data + b"."),
    "mode": lambda item: replace(item, mode=item.mode ^ 0o1),
    "special bits": lambda item: replace(item, mode=item.mode ^ 0o4000),
    "owner": lambda item: replace(item, uid=item.uid + 1),
    "group": lambda item: replace(item, gid=item.gid + 1),
    "capability": lambda item: replace(item, capability="" if item.capability else CAPABILITY),
    "another capability": lambda item: replace(item, capability=CAPABILITY[:-1] + "\x7f"),
    "link": lambda item: replace(item, type=tarfile.SYMTYPE, data=b"", link="/x", capability=""),
    "fifo": lambda item: replace(item, type=tarfile.FIFOTYPE, data=b"", capability=""),
    "device": lambda item: replace(item, type=tarfile.CHRTYPE, data=b"", capability=""),
    "name": lambda item: replace(item, path=item.path + "~"),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
@given(entries=ENTRIES, data=st.data())
def test_any_one_change_is_found(mutation: str, entries: dict[str, Item], data: st.DataObject) -> None:
    items = {name: replace(item, path=name) for name, item in entries.items()}
    chosen = data.draw(st.sampled_from(sorted(items)))
    mutated = {**items, chosen: MUTATIONS[mutation](items[chosen])}
    with tempfile.TemporaryDirectory() as folder_:
        here = Path(folder_)
        one = read_image(docker_archive(here / "a.tar", [BASE, layer(*items.values())]))
        same = read_image(docker_archive(here / "b.tar", [BASE, layer(*reversed(items.values()))]))
        other = read_image(docker_archive(here / "c.tar", [BASE, layer(*mutated.values())]))
    assert compare(one, same).equal
    assert len(compare(one, other).differences) == (2 if mutation == "name" and f"{chosen}~" not in items else 1)


# --- the command ---------------------------------------------------------------------------------------------------


def diff(*words: object) -> Result:
    """The command, run in this process."""
    return CliRunner().invoke(cli, ["diff", *map(str, words)])


def test_the_command_line(tmp_path: Path) -> None:
    one = docker_archive(tmp_path / "a.tar", [BASE])
    two = docker_archive(tmp_path / "b.tar", [BASE, layer(Item("etc/new"))])
    (tmp_path / "oci").mkdir()
    for name, data in oci_blobs([BASE], CONFIG).items():
        (tmp_path / "oci" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "oci" / name).write_bytes(data)
    for a, b, code in (
        (one, one, 0),
        (one, f"docker-archive:{one}", 0),
        (one, f"oci:{tmp_path}/oci", 0),
        (f"oci:{tmp_path}/oci:latest", one, 0),
        (one, two, 1),
    ):
        done = diff(a, b)
        assert done.exit_code == code, done.output
        quiet = diff(a, b, "-q")
        assert (quiet.exit_code, quiet.stdout) == (code, "")
    assert "/etc/new: presence absent | file 0644 0:0" in diff(one, two).stdout
    said = json.loads(diff(one, two, "--json").stdout)
    assert said["equal"] is False
    assert said["differences"] == [
        {"subject": "/etc/new", "fields": {"presence": ["absent", "file 0644 0:0"]}, "cause": ""}
    ]
    assert said["a"] == {"what": str(one), "builder": None, "store": None}


def test_all_prints_all(tmp_path: Path) -> None:
    one = docker_archive(tmp_path / "a.tar", [layer(*(Item(f"f{n:03}") for n in range(99)))])
    two = docker_archive(tmp_path / "b.tar", [layer()])
    assert "... and 74 more" in diff(one, two).stdout
    assert "/f098: presence" in diff(one, two, "--all").stdout


@for_each(
    ("words", "said"),
    [
        (["{tar}", "{tar}.no.tar"], "no such folder or file"),
        (["{tar}", "{text}"], "not a tar"),
        (["{tar}", "Not A Name"], "not an image reference"),
        (["{tar}", "{tar}", "--with", "kaniko"], "expected one builder, or two"),
        (["{tar}", "{tar}", "--with", "dagger,docker,podman"], "expected one builder, or two"),
        (["{tar}", "{tar}", "--base", "x"], "--base works only with a project"),
        (["{tar}", "oci:{text}"], "is a file"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_read(tmp_path: Path, words: list[str], said: str) -> None:
    tar = docker_archive(tmp_path / "a.tar", [BASE])
    (tmp_path / "text").write_text("text")
    done = diff(*(word.format(tar=tar, text=tmp_path / "text") for word in words))
    assert isinstance(done.exception, DaggerAmlError)
    assert done.exception.exit_code == 2
    assert said in str(done.exception)


def test_what_dagger_aml_wrote_itself_is_laid_to_its_own_step(
    registry: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The history names such layers as steps are named; none of them is a command for that."""
    base, images = put_base(registry), []
    for number in "12":
        monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / f"cache{number}"))
        folder, image = project(tmp_path / number), tmp_path / f"image{number}"
        (folder / "code/score.py").write_text(f"x = {number}\n")
        image.mkdir()
        runner = Runner(blobs_of(), {"usr": Put(), "usr/new": file(number)})
        name = f"{registry.host}/p{number}:1"
        await_(pushed(running(base, folder), name, direct_builder(runner)))
        await_(download(name, "linux/amd64", image))
        images.append(read_image(image))
    causes = {each.subject: each.cause for each in compare(*images).differences if each.subject.startswith("/")}
    assert causes == {"/usr/new": "step 'run'", "/var/app/score.py": "step 'code'"}
