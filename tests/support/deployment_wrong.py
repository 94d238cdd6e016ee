"""What is wrong in deployment files made at random, and in what we read them otherwise than azure-ai-ml does."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from attrs import frozen

from dagger_aml.project.deployment.keys import tables

DIFFERENCES = {
    "variable": "a variable that is neither text nor a plain number is sent untyped to the service",
    "twice": "of a key that stands twice the last counts without a word",
    "endpoint_name": "`az` takes the endpoint by a flag too",
    "Kubernetes": "`type: Kubernetes` is read as a managed deployment",
    "schema": "a Kubernetes deployment's `$schema` without `type: kubernetes` is read as a managed deployment",
    "absent": "whether a model or a conda file exists is told where it is used, for it may come by a flag",
    "image": "neither `image` nor `build`, or both: refused by azure-ai-ml when it deploys",
    "pathless": "a model without a path is nothing to put into an image",
    "reference": "a reference without a version, or to what no workspace can have, finds nothing in the cloud",
    "placeholder": "what is to be filled in names no file, image or model",
    "empty": "an empty text names nothing",
    "windows": "no image for Windows can be built here",
    "script": "code without a script, or a script without code, is nothing that runs",
    "elsewhere": "a model or code that lies in a cloud cannot be copied into an image",
    "binary": "bytes (`!!binary`) are taken for text",
    "name": "an environment's name that is no text, or a version that is null, is dropped",
}
"""In what we differ from azure-ai-ml, and why; docs/deployment-files.md has them."""

TAKEN = frozenset({"endpoint_name", "absent"})
"""Of these, what we take and azure-ai-ml refuses; the others are refused here."""


@frozen
class Raw:
    """A value as it stands in the file, of whatever type YAML makes it."""

    text: str


_VARIABLES = ("yes", "010", "12:30", "0x10", "1.5", "null", "", "1_000", "2026-01-01", "[a]", "{a: b}", ".inf", "+1")

_WITH: dict[str, tuple[dict[str, Any], ...]] = {
    "variable": tuple({"environment_variables": {"A": Raw(value)}} for value in _VARIABLES),
    "twice": ({"name ": Raw("again")},),
    "endpoint_name": ({"endpoint_name": None},),
    "Kubernetes": ({"type": Raw("Kubernetes")}, {"type": Raw("KUBERNETES")}),
    "schema": ({"type": None, "$schema": Raw("https://x.example/kubernetesOnlineDeployment.schema.json")},),
    "absent": (
        {"model": {"path": Raw("absent")}},
        {"environment": {"image": Raw("i"), "conda_file": Raw("absent.yml")}},
        {"environment": {"build": {"path": Raw("absent")}}},
    ),
    "image": (
        {"environment": {"conda_file": Raw("conda.yml")}},
        {"environment": {"name": Raw("n")}},
        {"environment": {"image": Raw("i"), "build": {"path": Raw("docker")}}},
    ),
    "pathless": ({"model": {}}, {"model": {"name": Raw("m"), "version": Raw("1")}}),
    "reference": (
        {"model": Raw("azureml:m")},
        {"model": Raw("azureml:a:b:c")},
        {"model": Raw("azureml:a b:1")},
        {"model": Raw("azureml://datastores/d/paths/m")},
        {"environment": Raw("azureml:m")},
        {"environment": Raw("'azureml:'")},
    ),
    "placeholder": (
        {"model": Raw('"azureml:<m>:1"')},
        {"code_configuration": {"code": Raw("<dir>"), "scoring_script": Raw("s.py")}},
        {"environment": {"image": Raw("<acr>.azurecr.io/x")}},
    ),
    "empty": ({"model": {"path": Raw("''")}}, {"environment": {"image": Raw("i"), "conda_file": Raw("''")}}),
    "windows": ({"environment": {"image": Raw("i"), "os_type": Raw("Windows")}},),
    "script": tuple(
        {"code_configuration": each} for each in ({"code": Raw("src")}, {"scoring_script": Raw("s.py")}, {})
    ),
    "elsewhere": (
        {"model": {"path": Raw("azureml://datastores/d/paths/m")}},
        {"code_configuration": {"code": Raw("azureml:c:1"), "scoring_script": Raw("s.py")}},
    ),
    "binary": ({"description": Raw("!!binary aGVsbG8=")},),
    "name": tuple({"environment": {"image": Raw("i"), "name": Raw(value)}} for value in ("1", "yes", "[a]")),
}
"""Keys and values with which a file has a difference; None takes a key away."""

_WILD = (
    *("1", "0", "-3", "1.5", "1.0", "0x10", "010", "1e3", "1.0e+3", "12:30", "1_000", ".5", ".inf", ".nan", "+1"),
    *("yes", "no", "true", "False", "on", "~", "null", "", "2026-01-01", "2026-01-01T10:00:00Z", "a b", "é", "="),
    *("y", '"1"', "'yes'", '"true"', '"1.5"', '"x\\ty"', "'it''s'", "[]", "{}", "[a, 1]", "{a: 1}", "!!str 5"),
    *("!!int '7'", "!!float 3", "!!bool 'yes'", "!!null ''", "!!set {a}", "|\n{pad}  text\n"),
    ">-\n{pad}  folded\n{pad}  text\n",
)  # fmt: skip
"""Values of all of YAML's types, in many of their forms."""

_NO_KEYS = ("instance_cout", "colour", "path", "traffic", "1", "compute", "auth_mode", "channels", "Name", "null")
"""Keys that are wrong in most places."""

_NO_REFERENCES = (
    *("./model", "model.pkl", "file:model.yml", "azureml", "Azureml:m:1", "file:conda.yml", "file:envs/wrong.yml"),
    *("file:envs/list.yml", "file:envs/nameless.yml", "file:absent.yml", "conda.yml", "docker.io/library/python"),
)
"""What stands for a model or an environment and is refused; so is what a registry has, of Kubernetes."""

_NO_TEXTS = ("1", "1.5", "yes", "~", "2026-01-01", "[a]", "{a: b}", "[]", "{}", "0", "false")
"""In the place of what must be a text, or a mapping of some keys."""


_NULLS = ("~", "null", "", "!!null ''")


def differ(random: Random, value: dict[str, Any]) -> str:
    """Put something into a file that we read otherwise than azure-ai-ml.

    :returns: which of ``DIFFERENCES``.
    """
    difference = random.choice(tuple(DIFFERENCES))
    for key, said in random.choice(_WITH[difference]).items():
        if said is None:
            value.pop(key, None)
        else:
            value[key] = said
    return difference


def spoil(random: Random, value: dict[str, Any], table: str) -> str:
    """Put a value of any type in the place of one, add a key, or leave one out.

    :returns: which of ``DIFFERENCES`` the file has come to have; empty where none.
    """
    within, key = random.choice([(each, key) for each in _mappings(value) for key in each])
    how = random.random()
    if key in ("model", "environment") and how < 0.3:
        within[key] = Raw(random.choice((*_NO_REFERENCES, f"azureml://registries/azureml/{key}s/n/versions/1")))
    elif key == "model" and how < 0.5:
        within[key] = {"path": Raw("model"), "version": Raw("1")}
    elif how < 0.7:
        within[key] = Raw(random.choice(_NO_TEXTS if _decides(within, key) else _WILD))
    elif how < 0.85:
        within[random.choice(_NO_KEYS)] = Raw("1")
    elif key in tables()[table] and key not in ("endpoint_name", "type", "code", "scoring_script"):
        del within[key]
    return _met(value)


def _met(value: dict[str, Any]) -> str:
    """What of ``DIFFERENCES`` a spoilt file has come to have; empty where nothing."""
    variables = value.get("environment_variables")
    if isinstance(variables, dict) and any(key in ("1", "null") or _odd(each) for key, each in variables.items()):
        return "variable"
    if value.get("code_configuration") == Raw("{}"):
        return "script"
    if value.get("model") == Raw("{}"):
        return "pathless"
    environment = value.get("environment")
    if environment == Raw("{}"):
        return "image"
    if not isinstance(environment, dict):
        return ""
    if environment.get("build") == Raw("{}"):
        return "image"
    conda, name = environment.get("conda_file"), environment.get("name")
    if isinstance(conda, Raw) and conda.text in ("[]", "{}", "0", "false"):
        return "empty"
    dropped = isinstance(name, Raw) and name.text in _NO_TEXTS
    return "name" if dropped or environment.get("version") in map(Raw, _NULLS) else ""


def _odd(value: Any) -> bool:
    """Whether a variable's value is one that we refuse and azure-ai-ml takes."""
    if not isinstance(value, Raw):
        return True
    import yaml

    try:
        read = yaml.safe_load(value.text.replace("{pad}", ""))
    except (yaml.YAMLError, ValueError):
        return False
    return not isinstance(read, str) and not (type(read) is int and str(read) == value.text.strip("!int '"))


def _mappings(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if value:
            yield value
        for inner in value.values():
            yield from _mappings(inner)


def _decides(within: dict[str, Any], key: str) -> bool:
    """Whether a value names what must exist, or decides what we differ in; other texts are for ``differ``."""
    return key in ("type", "os_type", "$schema", "scoring_script", "code", "conda_file", "image", "build") or (
        key in ("path", "name") and ("path" in within or "image" in within or "build" in within)
    )
