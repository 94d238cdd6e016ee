"""examples/monorepo as a repository of its own, with as many models as a test needs, and what its CI job runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.ci_jobs import document
from tests.support.markdown import ROOT

EXAMPLE = ROOT / "examples" / "monorepo"


def copied(root: Path, number: int, base: str) -> Path:
    """The example with models that its script has written, on another base."""
    shutil.copytree(EXAMPLE, root, ignore=shutil.ignore_patterns("models", "__pycache__"))
    subprocess.run([sys.executable, root / "make.py", str(number)], check=True, capture_output=True)
    assert len(list((root / "models").iterdir())) == number
    common = root / "common" / "common.toml"
    text = common.read_text(encoding="utf-8")
    assert '"minimal-py312-inference"' in text
    common.write_text(text.replace('"minimal-py312-inference"', f'"{base}"'), encoding="utf-8")
    return root


def scripts(root: Path, job: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The scripts of a job of its workflow, each with the variables that the workflow sets."""
    workflow = document(root / "github.yml")
    for step in workflow["jobs"][job]["steps"]:
        if "run" in step:
            assert "${{" not in step["run"], "an expression in a script is a way in for whoever writes its value"
            yield step["run"], workflow["env"]
