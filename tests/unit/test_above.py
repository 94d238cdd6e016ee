"""Which project lies above a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagger_aml.project.above import nearest_file
from tests.support.projects import make

ONLINE = "endpoint_name: shop\ninstance_type: Standard_DS3_v2\n"
KUBERNETES = "apiVersion: apps/v1\nkind: Deployment\n"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"a/deployment.yml": ONLINE}, "a/deployment.yml"),
        ({"a/deployment.yml": KUBERNETES}, None),
        ({"a/deployment.yml": KUBERNETES, "dagger-aml.toml": ""}, "dagger-aml.toml"),
        ({"a/deployment.yml": KUBERNETES, "a/deployment.yaml": ONLINE}, "a/deployment.yaml"),
        ({"a/dagger-aml.toml": "", "a/.git": "gitdir: elsewhere\n"}, "a/dagger-aml.toml"),
        ({"a/dagger-aml.toml": "", "a/b/.git": "gitdir: elsewhere\n"}, None),
    ],
    ids=["online", "kubernetes", "beside-a-project", "both", "repository", "own-repository"],
)
def test_the_nearest_project_file(tmp_path: Path, files: dict[str, str], found: str | None) -> None:
    root = make(tmp_path, {".git/HEAD": "", "a/b/w.onnx": "w", **files})
    assert nearest_file(root / "a/b") == (root / found if found else None)
