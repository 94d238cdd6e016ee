"""How azure-ai-ml reads deployment files: run by the Python of an environment that has it; imports nothing of ours.

Takes a list of texts as JSON on its standard input, and a folder to write them into, and prints the list of answers:
``{"refused": CLASS}``, or what the deployment is made of. ``tools/deployment_reading.py`` calls it.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Answer for each text."""
    from importlib.metadata import version

    from azure.ai.ml import load_online_deployment

    logging.disable(logging.CRITICAL)
    folder = Path(sys.argv[1])
    path = folder / "deployment.yml"
    answers: list[dict[str, Any]] = []
    for text in json.load(sys.stdin):
        path.write_text(text, encoding="utf-8")
        try:
            answers.append(read(load_online_deployment(path), folder))
        except Exception as error:  # Whatever it raises, it has not read the file.
            answers.append({"refused": type(error).__name__})
    json.dump({"azure-ai-ml": version("azure-ai-ml"), "answers": answers}, sys.stdout, default=repr)


def read(found: Any, folder: Path) -> dict[str, Any]:
    """What a deployment is made of, paths relative to the folder."""

    def beside(path: object) -> str | None:
        return None if path is None else os.path.relpath(folder / str(path), folder)

    def model(value: Any) -> Any:
        if value is None or isinstance(value, str):
            return value
        # One without a name is given the hash of its contents.
        named = value.name and not re.fullmatch("[0-9a-f]{64}", value.name)
        name, version = (value.name, value.version) if named else (None, None)
        return {"path": beside(value.path), "name": name, "version": version, "type": value.type}

    def environment(value: Any) -> Any:
        if value is None or isinstance(value, str):
            return value
        config = value.inference_config
        anonymous = value._is_anonymous
        names = ("liveness_route", "readiness_route", "scoring_route")
        return {
            "name": None if anonymous else value.name,
            "version": None if anonymous else value.version,
            "image": value.image,
            "conda": beside(value._conda_file_path) if value._conda_file_path else value.conda_file,
            "build": value.build and [beside(value.build.path), value.build.dockerfile_path],
            "routes": {name: [getattr(config, name).path, getattr(config, name).port] for name in names}
            if config
            else {},
        }

    code = found.code_configuration
    return {
        "kind": type(found).__name__.removesuffix("OnlineDeployment").lower(),
        "name": found.name,
        "endpoint_name": found.endpoint_name,
        "model": model(found.model),
        "model_mount_path": found.model_mount_path,
        "code": code and beside(code.code),
        "scoring_script": code and code.scoring_script,
        "environment": environment(found.environment),
        "variables": dict(found.environment_variables or {}),
    }


if __name__ == "__main__":
    main()
