"""The keys of Azure ML's online deployment files, as azure-ai-ml has them: writes ``keys.toml`` of the package.

azure-ai-ml is large and no part of the development environment, so this file imports nothing of ours and is run by
the Python of an environment that has it (docs/testing.md): ``PYTHON tools/deployment_keys.py``. It prints the table.
"""

from __future__ import annotations

import re
import sys
from typing import Any

HEAD = """\
# The keys of Azure ML's online deployment files and what each takes, as the schema of azure-ai-ml {version} has them.
# Written by tools/deployment_keys.py; do not edit.
#
# text, whole (number), number, flag (true or false), mapping, mapping by text, version, any, reference (azureml:…),
# "list of …", "lower: …" and "snake: …" (one of these words, compared so), a table's name, and "A | B".
# "!" marks a key that must be there, and "ignored" one that only the service writes.

source = "azure-ai-ml {version}"
"""


MORE = {("data_collector", "collections"): "!", ("data_collector", "sampling_rate"): " of 0 to 1"}
"""What is demanded of a key by code: by the class that is made of it, by a validator."""


def main() -> None:
    """Print the table."""
    from importlib.metadata import version

    sys.stdout.write(HEAD.format(version=version("azure-ai-ml")))
    tables = schema_tables()
    for name, keys in tables.items():
        sys.stdout.write(f"\n[{name}]\n")
        for key, takes in keys.items():
            shown = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'"{key}"'
            sys.stdout.write(f'{shown} = "{takes}"\n')


def schema_tables() -> dict[str, dict[str, str]]:
    """Each schema that a deployment file can reach, by name: its keys and what each takes."""
    from pathlib import Path

    from azure.ai.ml._schema._deployment.online import online_deployment as online

    context = {"context": {"base_path": Path()}}
    found: dict[str, dict[str, str]] = {}
    for schema in (online.ManagedOnlineDeploymentSchema, online.KubernetesOnlineDeploymentSchema):
        _table(schema(**context), found)
    return found


def _table(schema: Any, found: dict[str, dict[str, str]]) -> str:
    """Put a schema's keys among those found, and all that it reaches.

    :returns: its name.
    """
    name = _snake(type(schema).__name__.removesuffix("Schema"))
    if name not in found:
        keys = found[name] = {}
        for key, field in sorted(schema.fields.items()):
            keys[field.data_key or key] = _takes(field, found)
        for (table, key), more in MORE.items():
            if table == name:
                keys[key] += more
        if name == "resource_settings":
            # Its loader takes Kubernetes' own name for it, too.
            keys["nvidia.com/gpu"] = keys["gpu"]
    return name


def _takes(field: Any, found: dict[str, dict[str, str]]) -> str:
    if field.dump_only:
        return "ignored"
    return _kind(field, found) + ("!" if field.required else "")


def _kind(field: Any, found: dict[str, dict[str, str]]) -> str:
    from azure.ai.ml._schema.core import fields as own
    from azure.ai.ml._utils.utils import camel_to_snake
    from marshmallow import fields

    if isinstance(field, own.ExperimentalField):
        return _kind(field.experimental_field, found)
    if isinstance(field, own.UnionField):
        kinds = [_kind(each, found) for each in field.union_fields]
        return "any" if "any" in kinds else " | ".join(dict.fromkeys(kinds))
    if isinstance(field, (own.RegistryStr, own.ArmStr)):
        return "reference"
    if isinstance(field, own.StringTransformedEnum):
        how = "snake" if field.casing_transform is camel_to_snake else "lower"
        return f"{how}: {', '.join(field.allowed_values)}"
    if isinstance(field, fields.Nested):
        return _table(field.schema, found)
    if isinstance(field, fields.List):
        return f"list of {_kind(field.inner, found)}"
    if isinstance(field, fields.Dict):
        inner = field.value_field
        if isinstance(inner, fields.Nested):
            return f"mapping of {_table(inner.schema, found)}"
        return "mapping by text" if field.key_field else "mapping"
    for kind, word in (
        (own.VersionField, "version"),
        (fields.Bool, "flag"),
        (fields.Int, "whole"),
        (fields.Float, "number"),
        (fields.Str, "text"),
        (fields.Raw, "any"),
    ):
        if isinstance(field, kind):
            return word
    raise TypeError(f"no word for {type(field)}")


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


if __name__ == "__main__":
    main()
