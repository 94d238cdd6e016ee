"""What others say of the golden deployment files: ``python -m tools.deployment_files``.

azure-ai-ml loads each, as ``az ml`` does, and those for a cluster are held against the schemas that Kubernetes
publishes, which the package kubernetes-validate has. Neither is part of the development environment: run this by hand
with a Python that has one of them, or both (``pip install azure-ai-ml kubernetes-validate``), when one has a new
version or a golden file changes. It writes ``tests/unit/deployment_files.json``, and keeps there what the other said.
"""

from __future__ import annotations

import datetime
import hashlib
import importlib.util
import json
import shutil
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden" / "deployments"
ANSWERS = ROOT / "tests" / "unit" / "deployment_files.json"

CLUSTERS = "cluster"
"""How the names of those for a cluster begin."""


def digest(path: Path) -> str:
    """Of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def azureml(path: Path) -> dict[str, Any]:
    """What azure-ai-ml reads in a file whose code and model are there."""
    from azure.ai.ml import load_online_deployment
    from azure.ai.ml.entities import Environment

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "below" / "golden"
        shutil.copytree(GOLDEN, place)
        for each in ("model", "code", "read/model", "read/code", "src"):
            (place / each).mkdir(parents=True)
        found = load_online_deployment(place / path.name)
        shape = found.environment
        assert isinstance(shape, Environment)
        said = {
            "class": type(found).__name__,
            "name": found.name,
            "endpoint_name": found.endpoint_name,
            "image": shape.image,
            "inference_config": shape.inference_config,
            "variables": dict(found.environment_variables or {}),
            "script": found.code_configuration.scoring_script if found.code_configuration else None,
            "model": str(getattr(found.model, "name", found.model)) if found.model else None,
        }
        return json.loads(json.dumps(said, default=str))  # type: ignore[no-any-return]


def kubernetes(path: Path) -> list[str]:
    """The versions of Kubernetes whose schemas take a file, strictly: no key that they do not know."""
    import kubernetes_validate
    import yaml

    taken = []
    for version in dict.fromkeys(kubernetes_validate.utils.all_versions()):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            kubernetes_validate.validate(document, version, strict=True)
        taken.append(version)
    return taken


def main() -> None:
    """Ask whichever is installed."""
    said = json.loads(ANSWERS.read_text(encoding="utf-8")) if ANSWERS.is_file() else {}
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    for package, module, ask, mine in (
        ("azure-ai-ml", "azure.ai.ml", azureml, False),
        ("kubernetes-validate", "kubernetes_validate", kubernetes, True),
    ):
        if _installed(module):
            answers = {path.stem: {"digest": digest(path), "said": ask(path)} for path in files(clusters=mine)}
            said[package] = {"version": metadata.version(package), "date": date, "answers": answers}
            print(f"{package} {metadata.version(package)} takes {len(answers)} files")
    ANSWERS.write_text(json.dumps(dict(sorted(said.items())), indent=1) + "\n", encoding="utf-8")


def files(*, clusters: bool) -> Iterator[Path]:
    """The golden files of one kind."""
    return (path for path in sorted(GOLDEN.glob("*.yml")) if path.name.startswith(CLUSTERS) is clusters)


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


if __name__ == "__main__":
    main()
