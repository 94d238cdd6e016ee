"""What the entrypoint and the command of an image start, by their words."""

from __future__ import annotations

from collections.abc import Sequence

from ..facts import Server
from .shell import SHELLS

_SERVERS = ("runsvdir", "azmlinfsrv", "gunicorn", "azureml_inference_server_http")
"""What starts Azure ML's server."""

_MANAGERS = ("supervisord", "s6-svscan", "runsv", "honcho", "circusd")
"""Programs that start what a file of theirs names."""


def started(texts: Sequence[str]) -> Server | None:
    """Whether it is Azure ML's server; None where there are no words."""
    if not texts:
        return None
    if any(server in text for text in texts for server in _SERVERS):
        return "azureml"
    return "perhaps" if any(_is_script(text) for text in texts) else "another"


def _is_script(text: str) -> bool:
    """Whether a word of a command is a script of a shell, or holds what is not known."""
    name = text.rpartition("/")[2]
    bare = "/" in text and "." not in name and name not in SHELLS and not name.startswith("python")
    parts = text.split()
    return bare or any(each.endswith((".sh", ".bash", *_MANAGERS)) or each.startswith("$") for each in parts)
