"""MLflow models that are served without an entry script: which are, with what packages, Python and sample request."""

from __future__ import annotations

import re
from pathlib import Path

from ..artifacts.mlmodel import REQUIREMENTS
from ..artifacts.mlmodel_served import Served, read_served
from ..artifacts.names import MLMODEL
from ..data import frozen
from ..errors import ProjectError
from ..fs.lookup import is_there
from ..requirements.files import read_text
from .mlflow_sample import sample_request

_ELSEWHERE = {
    "databricks.": "its loader is Databricks' own and works only there",
    "mlflow.spark": "it needs Spark, and Java with it",
    "mlflow.mleap": "it needs Spark, and Java with it",
    "mlflow.h2o": "it needs Java, which no inference image has",
}
"""Why models are not served here, by the begin of their loader's name."""

_PYTHON = re.compile(r"""^python[ \t]*:[ \t]*["']?(\d+\.\d+(?:\.\d+)?)["']?[ \t]*(?:#.*)?$""", re.MULTILINE)


@frozen
class MLflowModel:
    """An MLflow model that is served by a script of dagger-aml's.

    :param path: its folder.
    :param folder: where it lies below ``AZUREML_MODEL_DIR`` in the image; empty where that is it.
    :param about: what its ``MLmodel`` says.
    :param packages: the list of packages in the folder; None where there is none.
    :param python: the Python that saved it, as ``3.12.3``, and ``python_file`` the file that says it; empty and None
        where none does.
    :param sample: a request made of the input that was saved with it, and ``sample_file`` where that lies.
    """

    path: Path
    folder: str
    about: Served
    packages: Path | None = None
    python: str = ""
    python_file: Path | None = None
    sample: bytes | None = None
    sample_file: Path | None = None


def mlflow_model(path: Path, *, folder: str = "") -> MLflowModel:
    """Read an MLflow model that is to be served without an entry script.

    :param folder: where it lies below ``AZUREML_MODEL_DIR`` in the image; empty where that is it.
    :raises ProjectError: its files are not MLflow's, or it cannot be served so, with the reason.
    """
    about = read_served(path)
    why = why_not(path, about)
    if why:
        raise ProjectError(
            f"this MLflow model cannot be served without an entry script: {why}",
            location=str(path / MLMODEL),
            hint="Write score.py with init() and run(data).",
        )
    lists = (path / name for name in (REQUIREMENTS, about.conda, about.python_env) if (path / name).is_file())
    packages = next((each for each in lists if each != path / about.python_env or _lists_packages(each)), None)
    python, file = _python(path, about)
    sample, sample_file = sample_request(path, about)
    return MLflowModel(path, folder, about, packages, python, file, sample, sample_file)


def why_not(path: Path, about: Served) -> str:
    """Why a model cannot be served without an entry script, half a sentence; empty where it can."""
    if "python_function" not in about.flavors:
        return f"Python cannot load it, since python_function is not among its flavors ({', '.join(about.flavors)})"
    if not about.loader:
        return "its MLmodel names no loader_module"
    for begin, why in _ELSEWHERE.items():
        if f"{about.loader}.".startswith(begin):
            return f"{why} ({about.loader})"
    if about.code and not (path / about.code).is_dir():
        return f"the code that was saved with it, {about.code}, is not in its folder"
    for each in about.files:
        if not is_there(path / each):
            return f"{each}, which it is loaded from, is not in its folder"
    return ""


def _lists_packages(file: Path) -> bool:
    """Whether a ``python_env.yaml`` names packages beside the Python; one that cannot be read does, and its reader
    tells of it."""
    from ..requirements.conda_yaml import read_conda_file

    try:
        return bool(read_conda_file(file).pip)
    except ProjectError:
        return True


def _python(path: Path, about: Served) -> tuple[str, Path | None]:
    """The Python that a model was saved with, and the file that says it."""
    file = path / about.python_env
    if file.is_file():
        found = _PYTHON.search(read_text(file))
        if found:
            return found[1], file
    return (about.python, path / MLMODEL) if re.fullmatch(r"\d+\.\d+(\.\d+)?", about.python) else ("", None)
