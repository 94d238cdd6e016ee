"""A Hugging Face snapshot: its links into the blobs beside it travel as the files that they lead to; no others do."""

from __future__ import annotations

import pytest

from dagger_aml import GraphError
from dagger_aml.backends.dockerfile.context import fill
from dagger_aml.fs.digest import digest
from dagger_aml.fs.stamps import stamps
from dagger_aml.fs.tree import local
from dagger_aml.graph.graph import Copy
from dagger_aml.project.file import FILE_NAME
from tests.support.calls import error_of
from tests.support.projects import laid_out, make
from tests.unit.test_layout import dests, opens

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def snapshot(tmp_path):
    """What ``huggingface_hub`` leaves in its cache."""
    root = make(
        tmp_path / "models--x--y",
        {
            "blobs/aa11": "{}",
            "blobs/bb22": "weights",
            f"snapshots/{COMMIT}/config.json": "->../../blobs/aa11",
            f"snapshots/{COMMIT}/onnx/model.onnx": "->../../../blobs/bb22",
            f"snapshots/{COMMIT}/plain.txt": "plain",
        },
    )
    return root / "snapshots" / COMMIT


def test_links_into_the_blobs_are_files(snapshot, tmp_path):
    source = local(snapshot)
    assert [(each.path, each.type, each.size) for each in source.entries] == [
        ("config.json", "file", 2),
        ("onnx", "dir", 0),
        ("onnx/model.onnx", "file", 7),
        ("plain.txt", "file", 5),
    ]
    plain = make(tmp_path / "plain", {"config.json": "{}", "onnx/model.onnx": "weights", "plain.txt": "plain"})
    assert digest(source) == digest(local(plain))


def test_a_dockerfiles_context_holds_the_files(snapshot, tmp_path):
    for changes in ("rarely", "often"):
        folder = tmp_path / changes
        folder.mkdir()
        fill(folder, Copy(local(snapshot), "/m", "tree", changes=changes))
        made = folder / "k" / "onnx" / "model.onnx"
        assert not made.is_symlink() and made.read_text() == "weights"


def test_a_blob_that_changes_meanwhile_is_noticed(snapshot):
    copies = [Copy(local(snapshot), "/m", "tree")]
    before = stamps(copies)
    (snapshot.parent.parent / "blobs" / "bb22").write_text("other weights")
    assert stamps(copies) != before


def test_it_is_a_model_wherever_it_lies(snapshot, tmp_path):
    files = {"code/score.py": opens("config.json"), FILE_NAME: f"[[models]]\npath = '{snapshot}'\nname = 'm'\n"}
    assert dests(tmp_path / "p", files) == ["/m/1"]
    link = {"code/score.py": opens("config.json"), "model": f"->{snapshot}"}
    assert dests(tmp_path / "q", link) == ["/q/1"]


@pytest.mark.parametrize(
    ("name", "target"),
    [
        (f"snapshots/{COMMIT}/a", "../../../secret"),
        (f"snapshots/{COMMIT}/a", "../../blobs/deeper/x"),
        (f"snapshots/{COMMIT}/a", "../../blobs"),
        (f"snapshots/{COMMIT}/a", "../../blobs/absent"),
        (f"snapshots/{COMMIT}/a", "../../blobs/leads-out"),
        ("snapshots/main/a", "../../blobs/aa11"),
        (f"others/{COMMIT}/a", "../../blobs/aa11"),
    ],
)
def test_other_links_are_refused_as_everywhere(snapshot, tmp_path, name, target):
    root = snapshot.parent.parent
    make(root, {"blobs/deeper/x": "x", "blobs/leads-out": "->../../secret", name: f"->{target}"})
    make(tmp_path, {"secret": "x"})
    error = error_of(local, (root / name).parent)
    assert isinstance(error, GraphError) and "a link points outside the folder" in error.message


def test_code_is_no_snapshot(snapshot, tmp_path):
    root = make(tmp_path / "p", {"code/score.py": opens(), "code/x": f"->{snapshot.parent.parent}/blobs/aa11"})
    assert "a link points outside" in error_of(laid_out, root).message
