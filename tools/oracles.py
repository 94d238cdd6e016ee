"""Environments of what tests compare dagger-aml with: ``python -m tools.oracles [NAME]...`` makes them, or all.

azure-ai-ml, azureml-core and MLflow are large, and no part of the development environment. Each gets one of its own
below ``.task/oracles``, which is kept until its packages change; a variable names another Python in its place.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

from attrs import frozen

HERE = Path(__file__).parent.parent / ".task" / "oracles"


@frozen
class Oracle:
    """What tests ask.

    :param packages: of its environment.
    :param variable: that names a Python which has them.
    """

    packages: tuple[str, ...]
    variable: str


ORACLES = {
    "azure-ai-ml": Oracle(("azure-ai-ml==1.35.2",), "AZURE_AI_ML_PYTHON"),
    "azureml-core": Oracle(("azureml-core==1.61.0.post4",), "AZUREML_CORE_PYTHON"),
    "check-jsonschema": Oracle(("check-jsonschema==0.39.0",), "CHECK_JSONSCHEMA_PYTHON"),
    "mlflow": Oracle(
        (
            "mlflow-skinny==3.17.2",
            "scikit-learn==1.9.1",
            "pandas==3.1.1",
            "azureml-inference-server-http==1.5.1",
            "azureml-ai-monitoring==1.0.0",
        ),
        "MLFLOW_ORACLE_PYTHON",
    ),
}


@frozen
class Fetched:
    """A file of somebody else's, at a commit, that is fetched and not kept in git.

    :param name: of the file that is kept below ``.task/oracles``.
    :param variable: that names a copy. :param sha256: of the file.
    """

    name: str
    url: str
    variable: str
    sha256: str


_GITHUB = "https://raw.githubusercontent.com"

SCRIPT = Fetched(
    "mlflow_score_script.py",
    f"{_GITHUB}/Azure/azureml-assets/4b41f8ccbc01cf492767adc586ce1661c54c340a/assets/inference/environments/"
    "mlflow-py312-inference/context/mlflow_score_script.py",
    "MLFLOW_ORACLE_SCRIPT",
    "545b7be6f0d7526eb275560bc961198e4fbbd50a37e675f8aa33ed21dce55f1d",
)
"""Azure ML's own script for MLflow models, at the commit of docs/mlflow.md."""

SARIF = Fetched(
    "sarif-schema-2.1.0.json",
    f"{_GITHUB}/oasis-tcs/sarif-spec/e0583813964ec43cea53b6b531b402866095ed1f/sarif-2.1/schema/sarif-schema-2.1.0.json",
    "SARIF_SCHEMA",
    "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e",
)
"""OASIS's schema of SARIF 2.1.0, errata 01, whose terms do not let it be copied into git."""


FILES = {
    "mlflow": ((SCRIPT, "Azure ML's script"),),
    "check-jsonschema": ((SARIF, "the schema of SARIF"),),
}
"""What is fetched for an environment, beside its packages, and what it is."""


def main() -> None:
    """Make the environments that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(ORACLES)}")
    named = parser.parse_args().names
    if unknown := sorted(set(named) - set(ORACLES)):
        parser.error(f"not known: {', '.join(unknown)}")
    missing = []
    for name in named or ORACLES:
        print(f"oracles - {name}: {make(name)}")
        for file, what in FILES.get(name, ()):
            try:
                print(f"oracles - {what}: {fetch(file)}")
            except OSError as error:
                missing.append(f"{what}: {error}. Get {file.url} elsewhere, and name the copy by ${file.variable}.")
    if missing:
        sys.exit("\n".join(f"oracles - not fetched: {each}" for each in missing))


def found(name: str) -> Path | None:
    """The Python of an environment that is there: the one that a variable names, else the one that was made."""
    oracle = ORACLES[name]
    if said := os.environ.get(oracle.variable):
        return Path(said)
    ready = HERE / name / "ready"
    is_ready = ready.is_file() and ready.read_text(encoding="utf-8").split() == [*oracle.packages]
    return _python(name) if is_ready else None


def make(name: str) -> Path:
    """The same, made if it is not there.

    :raises subprocess.CalledProcessError: its packages cannot be had.
    """
    there = found(name)
    if there:
        return there
    python = _python(name)
    subprocess.run([sys.executable, "-m", "venv", "--clear", HERE / name], check=True)
    command = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", *ORACLES[name].packages]
    subprocess.run(command, check=True)
    # The last thing written, so an interrupted one is not taken for a complete one.
    (HERE / name / "ready").write_text("\n".join(ORACLES[name].packages), encoding="utf-8")
    return python


def fetch(file: Fetched) -> Path:
    """A file that is fetched, if it is not there.

    :raises OSError: it cannot be reached, or is another than it was.
    """
    if said := os.environ.get(file.variable):
        return Path(said)
    place = HERE / file.name
    if place.is_file():
        return place
    with urllib.request.urlopen(file.url, timeout=60) as answer:
        data = answer.read()
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise OSError(f"not the file that it was: {file.url}")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return place


def _python(name: str) -> Path:
    return HERE / name / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


if __name__ == "__main__":
    main()
