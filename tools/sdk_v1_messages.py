"""What azureml-core says of wrong scripts, and what dagger-aml says: ``python -m tools.sdk_v1_messages PYTHON``.

PYTHON is that of an environment with azureml-core (``./taskw oracles -- azureml-core``). Writes what it says to
``tests/unit/sdk_v1_messages.json``; ``./taskw golden`` puts ours beside it, in ``tests/golden/sdk_v1_messages.md``.
As a program in that environment it imports nothing of this project.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import logging
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RECORDED = ROOT / "tests" / "unit" / "sdk_v1_messages.json"
TABLE = ROOT / "tests" / "golden" / "sdk_v1_messages.md"

FILES = {
    "src/score.py": "def init():\n    pass\n\n\ndef run(data):\n    return data\n",
    "src/broken.py": "def init(:\n",
    "src/notes.txt": "",
    "src/2nd.py": "",
    "m.bin": "1",
    "env.yml": "dependencies:\n- python=3.12\n- pip:\n  - idna\n",
    "keys.yml": "packages: [idna]\n",
    "text.yml": "just a text\n",
    "broken.yml": "a: [\n",
    "list.yml": "dependencies: idna\n",
    "r.txt": "idna\n",
}
"""What lies where the scripts run."""

_CONFIG = 'InferenceConfig("score.py", source_directory="src"'

REFUSED = (
    'InferenceConfig("", source_directory="src")',
    'InferenceConfig("absent.py", source_directory="src")',
    'InferenceConfig("notes.txt", source_directory="src")',
    'InferenceConfig("2nd.py", source_directory="src")',
    'InferenceConfig("broken.py", source_directory="src")',
    'InferenceConfig("score.py", source_directory="absent")',
    f'{_CONFIG}, runtime="java")',
    f'{_CONFIG}, cuda_version="11.8")',
    f'{_CONFIG}, conda_file="absent.yml")',
    f'{_CONFIG}, extra_docker_file_steps="absent.txt")',
    f'{_CONFIG}, environment=Environment("e"), runtime="python")',
    f'{_CONFIG}, environment=Environment("e"), conda_file="env.yml", base_image="x")',
    f'{_CONFIG}, environment=both(Environment("e")))',
    "Environment(7)",
    'Environment("e").clone("")',
    'Environment("e").nmae = "x"',
    'Environment("e").docker.base_iamge = "x"',
    'Environment.from_docker_image("e", "x", conda_specification="env.yml", pip_requirements="r.txt")',
    'Environment.from_conda_specification("e", "absent.yml")',
    'Environment.from_pip_requirements("e", "absent.txt")',
    'CondaDependencies("absent.yml")',
    'CondaDependencies("keys.yml")',
    'CondaDependencies("text.yml")',
    'CondaDependencies("broken.yml")',
    'CondaDependencies("list.yml")',
    'CondaDependencies().add_pip_package("--pre")',
    'CondaDependencies().remove_pip_package("--pre")',
    'CondaDependencies().set_pip_option("idna")',
    'CondaDependencies().remove_pip_option("idna")',
    'CondaDependencies().add_conda_package("python")',
    'CondaDependencies().remove_conda_package("python=3.8.13")',
    'CondaDependencies().save(".")',
    'CondaDependencies().save("absent/env.yml")',
    f"Model.package(ws, [7], {_CONFIG}, environment=Environment('e')), generate_dockerfile=True)",
    "Model.package(ws, ['m.bin'], None, generate_dockerfile=True)",
    f"Model.package(ws, ['m.bin'], {_CONFIG}, extra_docker_file_steps='notes.txt'), generate_dockerfile=True)",
)
"""Wrong scripts of which both say something."""

ONLY_HERE = (
    f"Model.package(ws, ['absent.bin'], {_CONFIG}, environment=Environment('e')), generate_dockerfile=True)",
    "Model(ws, 'x', version=3)",
    "Model(ws)",
    "Model.list(ws, tags=['x'])",
    "Model.register(ws, 'm.bin', 'm')",
    "Model.deploy(ws, 'service', [], None)",
    "Workspace.create('w')",
    "Workspace.from_config('absent')",
    "Environment.get(ws, 'e')",
    "Environment('e').register(ws)",
    "Environment('e').build(ws)",
    f"Model.package(ws, ['m.bin'], {_CONFIG}, enable_gpu=True, runtime='python'), generate_dockerfile=True)",
    f"Model.package(ws, ['m.bin'], {_CONFIG}, environment=made()), generate_dockerfile=True)",
    f"Model.package(ws, ['m.bin'], {_CONFIG}, environment=variable()), generate_dockerfile=True)",
    f"Model.package(ws, ['m.bin'], {_CONFIG}, environment=off()), generate_dockerfile=True).pull()",
)
"""Those that azureml-core leaves to Azure, or takes; docs/sdk-v1.md says why they differ."""


def said(scripts: tuple[str, ...], package: str) -> list[dict[str, str]]:
    """The class and the words of the exception that each script ends with.

    :param package: ``azureml``, or ``dagger_aml.azureml``.
    """
    names: dict[str, Any] = {}
    core, model, conda = (
        importlib.import_module(f"{package}.core{each}") for each in ("", ".model", ".conda_dependencies")
    )
    names |= {"Environment": core.Environment, "Workspace": core.Workspace, "Model": model.Model}
    names |= {"InferenceConfig": model.InferenceConfig, "CondaDependencies": conda.CondaDependencies}
    exec(_HELPERS, names)  # noqa: S102 - it stands below
    if package == "azureml":
        model.upload_dependency = lambda *_, **__: ("url", "id")
    found = []
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as made:
        for name, text in FILES.items():
            (Path(made) / name).parent.mkdir(exist_ok=True)
            (Path(made) / name).write_text(text, encoding="utf-8")
        os.chdir(made)
        names["ws"] = None if package == "azureml" else core.Workspace.from_config()
        try:
            found = [_ended(script, names, os.path.realpath(made)) for script in scripts]
        finally:
            os.chdir(before)
    return found


_HELPERS = """
def both(made):
    made.docker._base_image, made.docker._base_dockerfile = "x", "FROM x"
    return made

def made():
    environment = Environment("e")
    environment.docker.base_image = None
    environment.docker.base_dockerfile = "FROM x\\nRUN y"
    return environment

def variable():
    environment = Environment("e")
    environment.environment_variables = {"DEBUG": True}
    return environment

def off():
    environment = Environment("e")
    environment.python.user_managed_dependencies = True
    return environment
"""


def _ended(script: str, names: dict[str, Any], folder: str) -> dict[str, str]:
    quiet = (contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()))
    with quiet[0], quiet[1], warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(compile(script, "script.py", "exec"), dict(names))  # noqa: S102 - it stands above
        except Exception as error:
            words = getattr(error, "message", None) or str(error)
            location, hint = getattr(error, "location", None), getattr(error, "hint", None)
            text = " – ".join(filter(None, (f"{location}: {words}" if location else words, hint)))
            return {"class": type(error).__name__, "words": " ".join(text.split()).replace(folder, ".")}
    return {"class": "", "words": ""}


def messages_table() -> str:
    """The page: each wrong script, what azureml-core said of it and what dagger-aml says."""
    theirs = json.loads(RECORDED.read_text(encoding="utf-8"))
    ours = said((*REFUSED, *ONLY_HERE), "dagger_aml.azureml")
    lines = [
        "# What is said of wrong scripts of SDK v1",
        "",
        "Classes are the same but where docs/sdk-v1.md has the difference. dagger-aml names the argument first, and "
        "what to do behind the dash. `./taskw golden` writes this page.",
        "",
        "| script | azureml-core 1.61 | dagger-aml |",
        "|---|---|---|",
    ]
    for script, here, there in zip((*REFUSED, *ONLY_HERE), ours, [*theirs, *[None] * len(ONLY_HERE)], strict=True):
        cells = [f"`{script}`", _cell(there) if there else "asks Azure, or takes it", _cell(here)]
        lines.append(f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |")
    return "\n".join(lines) + "\n"


def _cell(said: dict[str, str]) -> str:
    if not said["class"]:
        return "takes it"
    return f"{said['class']}: {said['words']}".replace("<", "&lt;")


def main() -> None:
    """Ask and write; in the other environment, answer."""
    if sys.argv[1:] == ["--answer"]:
        logging.disable(logging.CRITICAL)
        json.dump(said(REFUSED, "azureml"), sys.stdout)
        return
    command = [sys.argv[1], __file__, "--answer"]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    pairs = zip(REFUSED, json.loads(told.stdout), strict=True)
    text = json.dumps([{"script": script, **answer} for script, answer in pairs], indent=1)
    RECORDED.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
