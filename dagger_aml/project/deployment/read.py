"""A deployment file of Azure ML's CLI v2, read into a frozen record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ...text import named
from .document import Document, read_document
from .environment import read_environment
from .keys import check_keys
from .kinds import DEPLOYMENTS, FileKind, kind_of
from .model import Deployment, Kind, LocalModel, Placeholder, RegisteredModel
from .placeholders import placeholders, refuse_placeholder
from .references import NotAReference, forms, is_reference, parse_reference

_WHAT_FOR: Mapping[FileKind, tuple[str, str]] = {
    "batch deployment": (
        "is a batch deployment, whose images Azure ML's batch service makes",
        "dagger-aml makes images for online endpoints.",
    ),
    "endpoint": (
        "is an endpoint, not a deployment",
        "Name the file of one of its deployments, such as deployment.yml.",
    ),
    "environment": (
        "is an environment, not a deployment",
        "Name the deployment file that uses it, with `environment: file:{name}`.",
    ),
    "model": ("is a model, not a deployment", "Name the deployment file that uses it."),
    "component": ("is a component of a pipeline, not a deployment", "Name the file of an online deployment."),
    "job": ("is a job, not a deployment", "Name the file of an online deployment."),
    "data": ("is a data asset, not a deployment", "Name the file of an online deployment."),
    "model package": ("is a model package, not a deployment", "Name the file of an online deployment."),
    "conda file": (
        "is a conda file, not a deployment",
        "Name the folder of the project, in which a conda file is found, or give it by {requirements}.",
    ),
}

_ELSEWHERE = re.compile(r"azureml:|[A-Za-z][A-Za-z0-9+.-]+:/")
"""How paths begin that are none of this machine's."""

_DECIMAL = re.compile(r"0|-?[1-9][0-9]*")
"""Numbers that are the same text whoever writes them."""


_LOOKED_INTO = (
    *("code_configuration", "environment_variables"),
    *("request_settings", "liveness_probe", "readiness_probe"),
)
"""Keys of which each inner key's place is kept."""


def read_deployment(path: Path) -> Deployment:
    """Read a deployment file.

    :raises ProjectError: it cannot be read, or is another kind of file, or has a key or a value that Azure ML or this
        package does not take; with file and line, and what to write instead.
    """
    document = read_document(path.absolute())
    kind = _kind(document)
    data = document.data
    check_keys(document, f"{kind}_online_deployment", optional=("endpoint_name",))
    _check_registries(document, kind)
    code, script = _code(document)
    variables = _variables(document)
    model_mount_path = data.get("model_mount_path")
    places = {str(key): document.place(key) for key in data}
    places |= {
        f"{key}.{inner}": document.place(key, inner)
        for key in _LOOKED_INTO
        if isinstance(data.get(key), Mapping)
        for inner in data[key]
    }
    return Deployment(
        path=document.path,
        kind=kind,
        name=data["name"].lower(),  # As azure-ai-ml has it.
        endpoint_name=data.get("endpoint_name"),
        model=_model(document),
        model_mount_path=model_mount_path,
        code=code,
        scoring_script=script,
        environment=read_environment(document),
        variables=variables,
        document=data,
        places=places,
        placeholders=tuple(
            Placeholder(".".join(keys), text, document.place(*keys)) for keys, text in placeholders(data)
        ),
    )


def _kind(document: Document) -> Kind:
    """Which of the two kinds of online deployments a file is; ``type`` counts, as for azure-ai-ml, not the schema."""
    found = kind_of({str(key): value for key, value in document.data.items()})
    if found == "other" and {"dependencies", "channels"} & document.data.keys():
        found = "conda file"
    if found not in (*DEPLOYMENTS, "other"):
        message, hint = _WHAT_FOR[found]
        raise document.error(message, hint=hint.format(name=document.path.name, requirements=named("requirements")))
    said = document.data.get("type")
    if said == "kubernetes":
        return "kubernetes"
    if isinstance(said, str) and said.lower() == "kubernetes":
        raise document.error(
            f"`type` must be kubernetes, not {said}", "type", hint="Azure ML takes it for a managed deployment so."
        )
    if said is None and found == "kubernetes deployment":
        raise document.error(
            "`type: kubernetes` is missing, though `$schema` is that of a Kubernetes deployment",
            "$schema",
            hint="Add `type: kubernetes`: Azure ML goes by it, and reads a managed deployment without.",
        )
    return "managed"


def _check_registries(document: Document, kind: Kind) -> None:
    """Kubernetes deployments know no registries."""
    for key in ("model", "environment"):
        value = document.data.get(key)
        if kind == "kubernetes" and isinstance(value, str) and value.startswith("azureml://registries/"):
            raise document.error(
                f"`{key}` of a registry cannot be used by a Kubernetes deployment",
                key,
                hint="Azure ML refuses it. Register it in the workspace, and write azureml:NAME:VERSION.",
            )


def _model(document: Document) -> LocalModel | RegisteredModel | None:
    value = document.data.get("model")
    if value is None:
        return None
    place = document.place("model")
    if isinstance(value, str):
        refuse_placeholder(document, "model")
        if not is_reference(value):
            raise document.error(
                f"`model` is a bare text, {value!r}, which Azure ML refuses",
                "model",
                hint=f"Of a file or folder write `model:`, and below it, indented, `path: {value}`; "
                f"of a registered model {forms('model')}.",
            )
        try:
            found = parse_reference(value, "model")
        except NotAReference as error:
            raise document.error(f"{value!r} {error}", "model", hint=f"Write {forms('model')}.") from None
        return RegisteredModel(value, found.name, found.version, found.label, found.registry, place)
    for key in ("path", "name", "version"):
        refuse_placeholder(document, "model", key)
    named, version, path = value.get("name"), value.get("version"), value.get("path")
    if not path:
        raise document.error(
            "`model` has no `path`",
            "model",
            hint=f"Add one; of a registered model write `model: {_short(named, version)}`.",
        )
    if version is not None and not named:
        raise document.error("`model` has a `version` and no `name`", "model", "version", hint="Add its name.")
    if _ELSEWHERE.match(path):
        raise document.error(
            f"the model lies elsewhere: {path}",
            "model",
            "path",
            hint="Download it, and write the file or folder that you get in its place.",
        )
    return LocalModel(
        path=document.beside(path),
        name=named or None,
        version=None if version is None else str(version),
        type=str(value.get("type", "custom_model")).lower(),
        place=document.place("model", "path"),
    )


def _short(name: str | None, version: object) -> str:
    return f"azureml:{name or 'NAME'}:{'VERSION' if version is None else version}"


def _code(document: Document) -> tuple[Path | None, str | None]:
    """The code folder and the entry script in it."""
    said = document.data.get("code_configuration")
    if said is None:
        return None, None
    for key in ("code", "scoring_script"):
        refuse_placeholder(document, "code_configuration", key)
    code, script = said.get("code"), said.get("scoring_script")
    if not code or not script:
        missing = "scoring_script" if code else "code"
        raise document.error(f"`{missing}` is missing in `code_configuration`", "code_configuration")
    if _ELSEWHERE.match(code):
        raise document.error(
            f"the code lies elsewhere: {code}",
            "code_configuration",
            "code",
            hint="Write the folder on this machine that holds it.",
        )
    return document.beside(code), script


def _variables(document: Document) -> dict[str, str]:
    """The variables, all of them texts."""
    key = "environment_variables"
    found: dict[str, str] = {}
    for name, value in document.data.get(key, {}).items():
        if not isinstance(name, str):
            raise document.error(f"a name in `{key}` is no text: {name!r}", key, hint="Write it in quotes.")
        if isinstance(value, str):
            found[name] = value
            continue
        written = document.written(key, name)
        if type(value) is not int or not _DECIMAL.fullmatch(str(written)):
            raise document.error(
                f"the variable {name} is no text{f': {written}' if written else ''}",
                key,
                name,
                hint=f'Write it in quotes: {name}: "{written or ""}"',
            )
        found[name] = str(written)
    return found
