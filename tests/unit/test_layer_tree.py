"""Asking layers for single paths: what lies on top of what, links within the image's own root, damaged blobs."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from typing import IO, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagger_aml.errors import UsageError
from dagger_aml.oci.layer import ImageError, LayerContents, flatten, read_layer
from dagger_aml.oci.layer_index import Unanswered, read_index
from dagger_aml.oci.layer_tree import LayerTree
from tests.support.cases import for_each
from tests.support.layers import Opener, Put, file, hard, layers, link, tar_of


def keep_all(_: str, size: int) -> int:
    return size


def tree_of(*each: dict[str, Put], zipped: bool = False) -> LayerTree:
    return LayerTree(layers(*each, zipped=zipped), keep_all)


def seen(tree: LayerTree, path: str) -> str | None:
    found = tree.real(path)
    return found[0] if found else None


# --- one on top of the other --------------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [False, True])
def test_the_topmost_layer_that_lists_a_path_says_what_it_is(zipped):
    tree = tree_of({"a": Put(0o700, 1, 1), "a/f": file("low")}, {"./a/f": file("high", 0o600, 2, 3)}, zipped=zipped)
    assert tree.lstat("/a/f") == ("file", 0o600, 2, 3, "", True) and tree.layers_read == 1
    assert tree.content("/a/f") == b"high"
    assert tree.lstat("/a") == ("dir", 0o700, 1, 1, "", False), "or root's, which the upper layer implies"
    assert tree.lstat("/a/g") is None and tree.content("/a/g") is None


def test_a_whiteout_takes_away_what_lies_below_and_nothing_of_its_own_layer():
    low = {"a": Put(), "a/f": file(), "a/g": file(), "b": Put(), "b/f": file()}
    tree = tree_of(low, {"a/.wh.f": file(), ".wh.b": file(), "b": Put(0o700), "b/new": file(), ".wh..wh.plnk": Put()})
    assert (seen(tree, "/a/f"), seen(tree, "/a/g")) == (None, "/a/g")
    assert (seen(tree, "/b/f"), seen(tree, "/b/new")) == (None, "/b/new")
    assert (tree.names("/a"), tree.names("/b"), tree.names("/")) == ({"g"}, {"new"}, {"a", "b"})


def test_an_opaque_folder_shows_nothing_of_below():
    tree = tree_of(
        {"a": Put(0o711), "a/b": Put(), "a/b/f": file(), "a/g": file()},
        {"a/b/h": file(), "a/.wh..wh..opq": file(), "a/new": file()},
    )
    assert [seen(tree, f"/a/{name}") for name in ("b/f", "g", "b/h", "new")] == [None, None, "/a/b/h", "/a/new"]
    assert tree.names("/a") == {"b", "new"} and tree.lstat("/a").mode == 0o711


def test_what_once_was_no_folder_hides_what_was_in_it():
    tree = tree_of({"a": Put(), "a/f": file()}, {"a": file()}, {"a": Put(0o700)})
    assert tree.lstat("/a").mode == 0o700 and seen(tree, "/a/f") is None and tree.names("/a") == set()


def test_parents_that_no_layer_lists_are_folders_of_root():
    tree = tree_of({"a/b/c": file()}, {"x/y/z": file()})
    assert tree.lstat("/a") == tree.lstat("/a/b") == tree.lstat("/x") == ("dir", 0o755, 0, 0, "", True)
    assert tree.names("/") == {"a", "x"}


def test_a_folder_that_an_upper_layer_only_implies_has_no_sure_owner():
    low = {"own": Put(0o700, 1, 1), "own/f": file(), "plain": Put(), "plain/f": file()}
    for upper in ({"own/g": file(), "plain/g": file()}, {"own/.wh.f": file(), "plain/.wh..wh..opq": file()}):
        tree = tree_of(low, upper)
        assert not tree.lstat("/own").sure and tree.lstat("/plain").sure
        assert tree_of(low, upper, {"own": Put(0o711)}).lstat("/own").sure
    tree = tree_of({"a": Put()}, {"b/c/.wh.f": file(), "b/f": file(), "a/.wh.x": file()})
    assert tree.lstat("/b").sure and seen(tree, "/b/f")
    with pytest.raises(Unanswered, match="takes something away from /b/c"):
        tree.lstat("/b/c")


@pytest.mark.parametrize("below", [file(), link("elsewhere")])
def test_a_parent_that_is_no_folder_below_is_not_guessed_at(below):
    tree = tree_of({"a": below, "elsewhere": Put()}, {"a/b": file()})
    with pytest.raises(Unanswered, match="something in /a"):
        tree.real("/a/b")
    with pytest.raises(Unanswered, match="something in /a"):
        tree_of({"a": below, "a/b": file()}).real("/a/c")
    # A folder above it does not tell what was left of the one in whose place it came.
    tree = tree_of({"a/b": Put(), "a": below}, {"a": Put()})
    for ask in (tree.names, lambda path: tree.real(f"{path}/b")):
        with pytest.raises(Unanswered, match="something in /a"):
            ask("/a")


def test_a_hard_link_is_its_target():
    tree = tree_of({"f": file("text", 0o640, 1, 2), "a/g": hard("./f", 0o640, 1, 2), "a/h": hard("a/g", 0o640, 1, 2)})
    assert tree.lstat("/a/g") == tree.lstat("/a/h") == ("file", 0o640, 1, 2, "", True)
    assert tree.content("/a/h") == b"text"
    unlike = tree_of({"f": file("text", 0o600), "g": hard("f", 0o644)})
    assert not unlike.lstat("/f").sure and not unlike.lstat("/g").sure
    with pytest.raises(Unanswered, match="not in the layer"):
        tree_of({"f": file()}, {"g": hard("f")}).lstat("/g")


# --- links --------------------------------------------------------------------------------------------------------


def test_links_are_followed_within_the_images_own_root():
    tree = tree_of(
        {
            **{"usr/bin/sh": file(), "bin": link("usr/bin"), "lib": link("/usr/lib"), "usr/lib": Put()},
            **{
                "usr/lib/up": link("../../../../bin/sh"),
                "one": link("two"),
                "two": link("one"),
                "gone": link("nowhere"),
            },
            **{
                "usr/bin/self": link("."),
                "through": link("usr/bin/sh/x"),
                "slash": link("usr/bin/"),
                "own": link("/"),
            },
        }
    )
    assert seen(tree, "/bin/sh") == seen(tree, "/lib/up") == seen(tree, "/slash/self/self/sh") == "/usr/bin/sh"
    assert seen(tree, "/lib/../bin/sh") == seen(tree, "/own/own/bin/sh") == "/usr/bin/sh", "`..` of the folder itself"
    assert seen(tree, "/own") == "/" and seen(tree, "/bin/sh/") is None and seen(tree, "/slash") == "/usr/bin"
    assert [seen(tree, path) for path in ("/one", "/gone", "/through", "/one/x", "/bin/sh/..")] == [None] * 5
    assert tree.real("/bin", follow=False) == ("/bin", ("link", 0o777, 0, 0, "usr/bin", True))
    assert tree.real("/lib/up", follow=False)[0] == "/usr/lib/up"


def test_a_link_may_lead_into_a_lower_layer_and_is_read_again_there():
    low = {"etc/real": file("low"), "big": file(b"x" * 100)}
    tree = LayerTree(layers(low, {"etc/link": link("real")}), lambda path, size: 0)
    assert tree.content("/etc/link") == b"low" and tree.head("/big", 4) == b"xxxx"
    kept = LayerTree(layers(low), lambda path, size: 4)
    assert kept.head("/big", 4) == b"xxxx" and kept.content("/big") == b"x" * 100


def test_what_is_read_of_files_while_their_layer_is():
    def keep(path: str, size: int) -> Any:
        return {"read": lambda file: file.read().upper(), "not": lambda file: None}.get(path.split("/")[-1], 0)

    low = {
        "a/read": file("low"),
        "a/hard": hard("a/read"),
        "to": link("a/hard"),
        "not": file("x"),
        "b/read": file("x"),
    }
    tree = LayerTree(layers(low, {"b": Put(), "b/read": file("b" * 5_000_000), "a": Put()}), keep)
    assert tree.told("/a/read") == tree.told("/to") == b"LOW"
    assert tree.told("/gone") is None is tree.told("/a")
    for path in ("/not", "/b/read"):
        with pytest.raises(Unanswered, match="larger than what is looked at"):
            tree.told(path)
    again = LayerTree(layers(low, {"a/read": file("new"), "a/.wh.hard": file()}), keep)
    assert again.told("/a/read") == b"NEW" and again.told("/to") is None


# --- blobs --------------------------------------------------------------------------------------------------------


class Noted(io.BytesIO):
    """A blob that tells how far it was read."""

    ends: list[int]

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.ends.append(self.tell())
        return data


def test_each_blob_is_read_to_its_end_once_and_no_lower_than_needed():
    blobs = [
        gzip.compress(tar_of({"low": file()})) + gzip.compress(b"\0" * 9999),
        tar_of({"f": file()}) + b"\0" * 9999,
    ]
    opened: list[Noted] = []

    def open_(number: int) -> Opener:
        def noted() -> Noted:
            blob = Noted(blobs[number])
            blob.ends = []
            opened.append(blob)
            return blob

        return noted

    tree = LayerTree([open_(0), open_(1)], keep_all)
    assert seen(tree, "/f") and len(opened) == 1
    assert seen(tree, "/low") and seen(tree, "/low") and seen(tree, "/gone") is None and len(opened) == 2
    assert [blob.ends[-1] for blob in opened] == [len(blobs[1]), len(blobs[0])]
    assert all(blob.closed for blob in opened)


@for_each(
    "damage",
    [
        lambda tar: b"\x28\xb5\x2f\xfd" + tar,
        lambda tar: tar[:1000],
        lambda tar: tar[:1600],
        lambda tar: tar[:514],
        lambda tar: gzip.compress(tar[:514])[:-9],
        lambda tar: tar[:1024] + b"x" * 512 + tar[1536:],
        lambda tar: gzip.compress(tar)[:-12],
        lambda tar: gzip.compress(tar)[:-8] + b"\0" * 8,
        lambda tar: b"",
        lambda tar: b"no tar" * 200,
    ],
    ids=[
        "zstd",
        "cut after a file",
        "cut in a header",
        "cut in a file",
        "gzip cut in a file",
        "no header",
        "cut gzip",
        "wrong sum",
        "empty",
        "no tar",
    ],
)
def test_a_damaged_blob_answers_nothing(damage):
    tar = tar_of({"a": file("text"), "b": file("text")})
    assert set(read_index(io.BytesIO(tar), keep_all).folders["/"]) == {"a", "b"}

    def whole(opened: IO[bytes]) -> bytes:
        return opened.read()

    for keep in (keep_all, lambda path, size: whole):
        with pytest.raises(Unanswered, match="a layer of the image"):
            read_index(io.BytesIO(damage(tar)), keep)


def test_what_the_stream_raises_passes_through():
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise UsageError("another digest")
            return super().read(size)

    with pytest.raises(UsageError, match="another digest"):
        read_index(Broken(tar_of({"a": file("text")})), keep_all)


def test_many_files_need_little_memory():
    count = 2000
    tar = tar_of({f"lib/package{number // 20}/module{number}.py": file() for number in range(count)})
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    index = read_index(io.BytesIO(tar), keep_all)
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert sum(map(len, index.folders.values())) > count and used / count < 300


# --- the same as all layers put on top of each other --------------------------------------------------------------

_NAMES = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map("/".join)
_PUTS = st.one_of(
    st.builds(Put, mode=st.sampled_from([0o700, 0o755])),
    st.builds(file, st.sampled_from(["one", "two"])),
    st.builds(link, st.sampled_from(["a", "../b", "/c"])),
)
_WHITED = _NAMES.map(lambda name: (f"{name.rpartition('/')[0]}/.wh.{name.rpartition('/')[2]}".lstrip("/"), file()))
_OPAQUE = _NAMES.map(lambda name: (f"{name}/.wh..wh..opq", file()))
_LAYER = st.lists(st.one_of(st.tuples(_NAMES, _PUTS), st.tuples(_NAMES, _PUTS), _WHITED, _OPAQUE), max_size=6)


@settings(settings.get_profile("drawn"))
@given(st.lists(_LAYER.map(dict), min_size=1, max_size=3))
def test_single_paths_are_as_the_whole_image_has_them(stack):
    def content(each: dict[str, Put]) -> LayerContents:
        return read_layer(io.BytesIO(tar_of(each)))[0]

    try:
        paths, _ = flatten(map(content, stack))
    except ImageError:
        return  # Something within what is no folder.
    tree = tree_of(*stack)
    for parts in (("a", "b", "c"), ("a", "a", "b"), ("b", "c"), ("c",)):
        path = ""
        for part in parts:
            path += f"/{part}"
            node = paths.get(path)
            wanted = (node.type, node.mode, node.uid, node.gid, node.target) if node else None
            try:
                found = tree.lstat(path)
                names = {name for name in tree.names(path) if tree.lstat(f"{path}/{name}")}
            except Unanswered:
                return  # A file over a folder in one layer, or a whiteout in nothing: who unpacks them decides.
            assert (found[:5] if found else None) == wanted, path
            if node and node.type == "dir":
                assert names == {each.rpartition("/")[2] for each in paths if each.rpartition("/")[0] == path}
