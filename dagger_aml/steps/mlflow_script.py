"""A script that serves an MLflow model which has none."""

from __future__ import annotations

from pathlib import Path

from .. import contract
from ..graph.graph import Copy, Graph
from ..graph.source import Text
from .server import user_of

SCRIPT = Path(__file__).parent / "_scripts" / "mlflow_score.py"
"""The script, as it goes into images. It imports what the model's own packages and the server bring."""

DEST = f"{contract.APP_ROOT}/{SCRIPT.name}"


async def mlflow_script(graph: Graph, folder: str = "") -> Graph:
    """Put a script to ``/var/azureml-app`` that answers with an MLflow model, and name it as the entry script.

    It takes and answers what Azure ML's own script for such models does (docs/mlflow.md). Sets
    ``AZUREML_ENTRY_SCRIPT`` and, as Azure ML does, ``MLFLOW_MODEL_FOLDER``. Needs no network.

    :param folder: the folder below ``AZUREML_MODEL_DIR`` that has the ``MLmodel``; empty where that is the folder.
    """
    source = Text(SCRIPT.read_bytes())
    uid, gid = user_of(graph)
    copied = Copy(source, DEST, "file", uid, gid, changes="often", name="entry script for an MLflow model")
    graph = graph.add(copied).configure(env={contract.ENTRY_SCRIPT: SCRIPT.name})
    return graph.configure(env={contract.MLFLOW_MODEL_FOLDER: folder}) if folder else graph
