"""Rules about models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..contract import MODEL_DIR
from ..finding import Finding
from ..project.model import Project
from ..pysource.reached import Reached
from .rule import rule


@rule("AML401", "warning")
def no_model(project: Project, code: Path, used: Reached) -> Iterator[Finding]:
    """The code reads AZUREML_MODEL_DIR, and the project has no model.

    Azure ML sets the variable to the folder of the model. Without a model it is not set, and `os.environ[…]` raises.

    Bad `folder`:

        code/score.py   # os.environ["AZUREML_MODEL_DIR"]

    Good `folder`:

        code/score.py  model/model.pkl

    Silent: where the project file has `[[models]]`, even an empty list, or `[env]` sets the variable.
    """
    if used.model_dir_read and "models" not in project.origins and MODEL_DIR not in project.env:
        file, line = used.model_dir_read
        yield Finding(
            f"the code reads {MODEL_DIR}, but no model was found",
            location=project.at(code / file, line),
            hint="Put it into the folder `model`, or list it under [[models]].",
        )


@rule("AML402", "info")
def model_with_code(project: Project) -> Iterator[Finding]:
    """A model is copied with the code.

    The code does not ask Azure ML for the folder of models, so the model stays where the code finds it: beside it.
    Each change of the code then brings the model's bytes again.

    Bad `score.py`:

        model = pickle.load(open("fraud.pkl", "rb"))

    Good `score.py`:

        model = pickle.load(open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "fraud.pkl"), "rb"))

    Silent: models in `model/` or `models/`, and those that the project file lists.
    """
    for path in project.notes.models_with_code:
        yield Finding(f"{path.name} is copied with the code, because the code does not read {MODEL_DIR}")
