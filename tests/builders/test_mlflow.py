"""An MLflow model without an entry script: built, run as it is, its answer compared with the model's own prediction.

With `--depth nightly`, for scikit-learn, pandas and MLflow are large; tests/unit/test_mlflow.py has what is laid out.
"""

import json
import shutil
from pathlib import Path

import pytest

from dagger_aml import Options, build, lay_out, load_project, local_builder
from tests.support.builders import need_programs
from tests.support.depth import depth_of
from tests.support.scoring import score_image

pytestmark = [pytest.mark.builders, pytest.mark.anyio]

SAVED = Path(__file__).parents[1] / "saved"


async def test_a_model_answers_what_it_predicts(
    bases: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The input that MLflow saved with it is the request; no network, the image's own user and command."""
    if not depth_of(request.config).every_example:
        pytest.skip("--depth nightly: installs 500 MB of packages")
    need_programs("docker")
    root = tmp_path / "linear"
    shutil.copytree(SAVED / "linear", root)
    project = load_project(root, Options(base=bases["curated"]))
    assert project.mlflow and project.mlflow.sample
    image = (await build(await lay_out(project), local_builder("docker", format="classic"))).image_id
    assert image
    (tmp_path / "request.json").write_bytes(project.mlflow.sample)
    scored = score_image(image, tmp_path / "request.json", runtime="docker")
    assert scored.status == 200, scored.logs
    assert scored.json == pytest.approx(json.loads((SAVED / "linear.json").read_text()), rel=1e-9)
