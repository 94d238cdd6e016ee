"""The deployment file of Azure ML's CLI v2 for an image that carries what it needs, wholly or in part.

Of a file that was read, everything stays as it was but what the image takes the place of. Without one, the keys that
the schema requires are said.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field

from .. import contract
from ..data import frozen
from ..errors import UsageError
from ..project.deployment.model import BAKED, Deployment, LocalModel
from ..text import listed_words, named

SCHEMA = "https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json"

_NAME = re.compile(r"[A-Za-z](?:[-A-Za-z0-9]{1,30}[A-Za-z0-9])")

ROUTES: Mapping[str, Mapping[str, Any]] = {
    name: {"port": contract.SCORING_PORT, "path": path} for name, path in contract.ROUTES.items()
}
"""Where the prebuilt images answer, which Azure ML must be told of an image for which it mounts nothing."""


@frozen
class Said:
    """What flags say of a deployment; it wins over a file.

    :param variables: set when the container starts, over those of the image.
    """

    name: str | None = None
    endpoint_name: str | None = None
    instance_type: str | None = None
    instance_count: int | None = None
    variables: Mapping[str, str] = field(factory=dict)


def baked(image: str, said: Said, read: Deployment | None) -> dict[str, Any]:
    """A deployment of an image with code, models and packages: Azure ML mounts nothing.

    :param image: with its digest.
    :raises UsageError: a required key is neither said nor read.
    """
    environment = {"image": image, "inference_config": {name: dict(route) for name, route in ROUTES.items()}}
    document = begun(said, read)
    for key in BAKED:
        document.pop(key, None)
    return with_environment(document, environment, said)


def environment_only(image: str, said: Said, read: Deployment | None, folder: Path) -> dict[str, Any]:
    """A deployment of an image with packages alone: Azure ML mounts code and model, as the file says them.

    :param folder: in which the file will lie; paths that were relative to the old one are rewritten.
    :raises UsageError: there is no file that was read, or it names neither code nor a model.
    """
    if read is None or (read.code is None and read.model is None):
        raise UsageError(
            "an image of packages alone needs a deployment file that names code or a model (`code_configuration`, "
            "`model`), which Azure ML mounts into it",
            location=str(read.path) if read else "PROJECT",
            hint="Name that file as PROJECT. Or build an image with code and model: without "
            f"{named('environment_only')}.",
        )
    return with_environment(moved(begun(said, read), read, folder), {"image": image}, said)


def moved(document: dict[str, Any], read: Deployment, folder: Path) -> dict[str, Any]:
    """A document whose paths lead to the same places from another folder."""
    if folder.resolve() == read.path.parent.resolve():
        return document
    if read.code and isinstance(document.get("code_configuration"), Mapping):
        document["code_configuration"] = {**document["code_configuration"], "code": relative(read.code, folder)}
    if isinstance(read.model, LocalModel) and isinstance(document.get("model"), Mapping):
        document["model"] = {**document["model"], "path": relative(read.model.path, folder)}
    return document


def relative(path: Path, folder: Path) -> str:
    """A path as a file in ``folder`` says it, with ``./`` before it where it does not lead upwards; one that is a
    link keeps the link's name, by which Azure ML mounts it."""
    found = Path(os.path.relpath(path.parent.resolve() / path.name, folder.resolve()))
    return found.as_posix() if found.parts[:1] == ("..",) else f"./{found.as_posix()}"


def begun(said: Said, read: Deployment | None) -> dict[str, Any]:
    """Everything of a deployment but what its image decides.

    :raises UsageError: a required key is neither said nor read; a name that Azure ML does not take.
    """
    document: dict[str, Any] = dict(read.document) if read else {"$schema": SCHEMA}
    flags: dict[str, str | int | None] = {
        "name": said.name,
        "endpoint_name": said.endpoint_name,
        "instance_type": said.instance_type,
        "instance_count": said.instance_count,
    }
    document.update({key: value for key, value in flags.items() if value is not None})
    for key in ("name", "endpoint_name"):
        text = document.get(key)
        if text is not None and not _NAME.fullmatch(str(text)):
            raise UsageError(
                f"`{key}` is not a name that Azure ML takes: {text!r}",
                location=_flag(key) if flags[key] is not None or not read else str(read.places.get(key, read.path)),
                hint="3 to 32 letters, digits and '-'; the first is a letter, the last is no '-'."
                + ("" if flags[key] is not None else f" {_flag(key)} says another."),
            )
    if read is None:
        document.setdefault("instance_count", 1)
    required = ["name", "endpoint_name", *(["instance_type"] if not read or read.kind == "managed" else [])]
    missing = [key for key in required if document.get(key) is None]
    if missing:
        raise UsageError(
            f"a deployment needs {listed_words([f'`{key}`' for key in missing])}",
            location=str(read.path) if read else "PROJECT",
            hint=f"Add {' '.join(f'{_flag(key)} {_SAMPLES[key]}' for key in missing)}"
            + ("." if read else ", or give the deployment file that you have as PROJECT."),
        )
    return document


_SAMPLES = {"name": "blue", "endpoint_name": "my-endpoint", "instance_type": "Standard_DS3_v2"}


def _flag(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def with_environment(document: dict[str, Any], environment: Mapping[str, Any], said: Said) -> dict[str, Any]:
    """The document with its environment, at the old one's place if there was one, and with the flags' variables."""
    if "environment" not in document:
        before = [key for key in _ORDER if key in document]
        rest = {key: document.pop(key) for key in list(document) if key not in before}
        document = {**document, "environment": environment, **rest}
    else:
        document["environment"] = environment
    if said.variables:
        document["environment_variables"] = {**(document.get("environment_variables") or {}), **said.variables}
    return document


_ORDER = ("$schema", "name", "endpoint_name", "type", "model", "code_configuration")
