"""Small scripts in the names of SDK v1, made at random: for azureml-core, and for us."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

SCORE = "def init(): ...\n\n\ndef run(body):\n    return body\n"

FILES = {
    "score.py": SCORE,
    "src/score.py": SCORE,
    "src/sub/main.py": SCORE,
    "src/empty.py": "",
    "src/class.py": SCORE,
    "src/my-score.py": SCORE,
    "src/2nd.py": SCORE,
    "src/broken.py": "def init(:\n",
    "src/tabs.py": "if 1:\n\tx = 1\n        y = 2\n",
    "src/notes.txt": "",
    "src/folder.py/inner.txt": "",
    "src/env.yml": "dependencies:\n- python=3.12\n- pip:\n  - requests\n",
    "env.yml": "name: e\nchannels:\n- conda-forge\ndependencies:\n- python=3.12.3\n- numpy\n- pip:\n  - requests\n",
    "plain.yml": "dependencies:\n- numpy\n",
    "none.yml": "name: e\nchannels: [conda-forge]\n",
    "odd.yml": "name: e\npackages: [x]\n",
    "list.yml": "- numpy\n",
    "text.yml": "numpy\n",
    "broken.yml": "dependencies: [numpy\n",
    "requirements.txt": "requests\n# a comment\n--pre\nidna==3.10\n",
    "Dockerfile": "FROM python:3.12\n",
    "model/m.bin": "1",
    "dagger-aml.toml": '[[models]]\npath = "model"\nname = "m"\n',
}  # fmt: skip
"""What lies in the folder of each script."""

DIFFERENCES = {
    "python": "conda's `python` without a version: azureml-core ends in a TypeError of its own",
    "names": "names of packages are compared as pip does: azureml-core takes `requests` and `Requests >=2` for two",
    "yaml": "a file that is no YAML: azureml-core raises an exception of its YAML reader",
    "variable": "a variable that is neither text nor a whole number is sent to Azure as it is",
    "dockerfile": "what a Dockerfile makes must be built before",
    "environment": "without an environment and a runtime, one is left to Azure",
    "gpu": "for CUDA a base must be named",
    "packages": "packages that pip cannot have, or not for the base's Python, are refused before anything is built",
    "outside": "an entry script outside of source_directory is refused",
}
"""In what we differ from azureml-core, and why; docs/sdk-v1.md has them."""

_Say = Callable[[random.Random], Any]


def cases(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Scripts, each another."""
    chance, seen = random.Random(seed), set()
    while len(seen) < count:
        case = _case(chance)
        text = json.dumps(case, sort_keys=True)
        if text not in seen:
            seen.add(text)
            yield case


def _case(chance: random.Random) -> dict[str, Any]:
    """A script: from packages to the package, or a part of that."""
    case: dict[str, Any] = {}
    stages = chance.choice(["conda", "environment", "config", "config", "package", "package"])
    if stages == "conda" or chance.random() < 0.4:
        case["conda"] = _conda(chance)
    if stages == "conda":
        return case
    case["environment"] = _environment(chance, told="conda" in case)
    if stages == "environment":
        return case
    case["config"] = _config(chance, good=stages == "package" and chance.random() < 0.8)
    if stages == "package":
        models = chance.choice([[], ["a model"], ["a model"], [3], ["a model", None]])
        case["package"] = {"models": models, "config": chance.random() < 0.9}
    return case


_PIP = (
    *("requests", "requests==2.32.5", "idna>=3", "requests[socks]", "azureml-defaults", "azureml-defaults>=1.45"),
    *(
        "https://example.com/wheels/requests-2.32.5-py3-none-any.whl",
        "--pre",
        "Requests >=2",
        "git+https://example.com/a.git",
    ),
)
_CONDA = (
    "numpy",
    "numpy=2.3",
    "python=3.12",
    "python=3.8.13",
    "python >=3.10",
    "python",
    "pip=24",
    "pip",
    "python-dateutil",
    "scipy>=1,<2",
)
_SPELT_OTHERWISE = ("Requests >=2", "python >=3.10")
_OPTIONS = ("--pre", "--find-links https://example.com/", "--extra-index-url https://example.com/simple", "requests")


def _conda(chance: random.Random) -> list[Any]:
    some = lambda these: chance.sample(these, chance.randint(0, 3))  # noqa: E731 - as short as it is meant
    arguments: dict[str, Any] = {}
    if chance.random() < 0.4:
        how = "CondaDependencies"
        if chance.random() < 0.6:
            files = (
                "env.yml",
                "plain.yml",
                "none.yml",
                "odd.yml",
                "list.yml",
                "text.yml",
                "broken.yml",
                "absent.yml",
            )
            arguments["conda_dependencies_file_path"] = chance.choice(files)
    else:
        how = "create"
        said = {
            "pip_packages": some(_PIP),
            "conda_packages": some(_CONDA),
            "python_version": chance.choice(["3.12", "3.10.18", "3.8"]),
            "pip_indexurl": "https://example.com/wheels/",
            "pin_sdk_version": chance.random() < 0.5,
        }
        arguments = {name: value for name, value in said.items() if chance.random() < 0.5}
    calls = []
    for _ in range(chance.randint(0, 4)):
        name = chance.choice(list(_CALLS))
        calls.append([name, [_CALLS[name](chance)]])
    return [[how, arguments], *calls]


_CALLS: dict[str, _Say] = {
    "add_pip_package": lambda chance: chance.choice(_PIP),
    "remove_pip_package": lambda chance: chance.choice(_PIP),
    "add_conda_package": lambda chance: chance.choice(_CONDA),
    "remove_conda_package": lambda chance: chance.choice(_CONDA),
    "set_python_version": lambda chance: chance.choice(["3.12", "3.11"]),
    "set_pip_option": lambda chance: chance.choice(_OPTIONS),
    "remove_pip_option": lambda chance: chance.choice(_OPTIONS),
    "set_pip_requirements": lambda chance: ["requests", "idna"],
    "add_channel": lambda chance: chance.choice(["conda-forge", "pytorch"]),
    "remove_channel": lambda chance: chance.choice(["conda-forge", "pytorch"]),
}


def _environment(chance: random.Random, *, told: bool) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if not told and chance.random() < 0.5:
        name = chance.choice(list(_MAKES))
        arguments = {key: value(chance) for key, value in _MAKES[name].items()}
        said["make"] = [name, {key: value for key, value in arguments.items() if value != "unsaid"}]
    elif chance.random() < 0.1:
        said["make"] = ["Environment", {"name": chance.choice(["env", "my env", "", None, 3])}]
    sets = {**_SETS, **(_UNKNOWN if chance.random() < 0.1 else {})}
    said["set"] = [[name, sets[name](chance)] for name in chance.sample(list(sets), chance.randint(0, 3))]
    if chance.random() < 0.1:
        said["clone"] = chance.choice(["other", ""])
    return said


def _of(*values: Any) -> _Say:
    return lambda chance: chance.choice(values)


_LISTS = {
    "conda_specification": _of("unsaid", "unsaid", "unsaid", "env.yml", "plain.yml", "absent.yml"),
    "pip_requirements": _of("unsaid", "unsaid", "unsaid", "requirements.txt", "absent.txt"),
}
_MAKES: dict[str, dict[str, _Say]] = {
    "from_conda_specification": {
        "name": _of("env"),
        "file_path": _of("env.yml", "plain.yml", "odd.yml", "absent.yml"),
    },
    "from_pip_requirements": {
        "name": _of("env"),
        "file_path": _of("requirements.txt", "absent.txt"),
        "pip_version": _of("unsaid", "24"),
    },
    "from_docker_image": {"name": _of("env"), "image": _of("python:3.12", "example.azurecr.io/a/b:1"), **_LISTS},
    "from_dockerfile": {
        "name": _of("env"),
        "dockerfile": _of("Dockerfile", "FROM python:3.12\nRUN true\n"),
        **_LISTS,
    },
}

_SETS: dict[str, _Say] = {
    "docker.enabled": _of(True),
    "docker.base_image": _of("mcr.microsoft.com/azureml/minimal-py312-inference:latest", "python:3.12", None, ""),
    "docker.base_dockerfile": _of("FROM python:3.12", "Dockerfile", None, "FROM a\nRUN b\n"),
    "python.user_managed_dependencies": _of(True, False),
    "environment_variables": _of({"A": "b"}, {"AZUREML_EXTRA_PYTHON_LIB_PATH": "lib"}, None, {"WORKER_COUNT": 2}),
    "inferencing_stack_version": _of("latest"),
    "python.conda_dependencies": _of(None),
}
_UNKNOWN: dict[str, _Say] = {"docker.base_imag": _of("python:3.12"), "pythons": _of(1)}


def _config(chance: random.Random, *, good: bool) -> dict[str, Any]:
    if good:
        return chance.choice(
            [
                {"entry_script": "score.py"},
                {"entry_script": "src/score.py"},
                {"entry_script": "score.py", "source_directory": "src"},
                {"entry_script": "sub/main.py", "source_directory": "./src"},
                {"entry_script": "main.py", "source_directory": "src/sub/"},
                {"entry_script": "score.py", "runtime": "python", "environment": False},
                {"entry_script": "score.py", "runtime": "python", "environment": False, "conda_file": "env.yml"},
            ]
        )
    scripts = ("score.py", "sub/main.py", "main.py", "", "absent.py", "empty.py", "class.py", "my-score.py", "2nd.py")
    more = ("broken.py", "tabs.py", "notes.txt", "folder.py", "../score.py", "src/score.py", None)
    said = {
        "source_directory": chance.choice(["src", "./src/", "src/sub", "absent", "score.py", ".", ""]),
        "runtime": chance.choice(["python", "spark-py", "Python", "java", ""]),
        "conda_file": chance.choice(["env.yml", "absent.yml"]),
        "extra_docker_file_steps": chance.choice(["notes.txt", "absent.txt"]),
        "enable_gpu": chance.choice([True, False]),
        "cuda_version": chance.choice(["9.0", "9.1", "11.8", "10.0"]),
        "base_image": chance.choice(["python:3.12", ""]),
        "environment": False,
    }
    likely = {"source_directory": 0.8, "environment": 0.4}
    kept = {name: value for name, value in said.items() if chance.random() < likely.get(name, 0.1)}
    return {"entry_script": chance.choice([*scripts, *more]), **kept}


def differences(case: dict[str, Any], theirs: dict[str, Any], ours: dict[str, Any]) -> str | None:
    """Which of :data:`DIFFERENCES` it is in which we differ; None where nothing explains it."""
    their, our = theirs.get("raises", {}), ours.get("raises", {})
    if (their.get("class"), our.get("of")) == ("TypeError", "conda_package"):
        return "python"
    if (their.get("class"), our.get("of")) == ("ParserError", "a file"):
        return "yaml"
    if (their.get("class"), our.get("of")) == ("ValueError", "inference_config.environment"):
        return "environment"
    if any(each in json.dumps(case) for each in _SPELT_OTHERWISE) and _lists(theirs) != _lists(ours):
        # What a later call finds in the list is another thing, too.
        same = _beside_lists(theirs) == _beside_lists(ours)
        if same or "conda" in (their.get("stage"), our.get("stage")):
            return "names"
        # Something else may differ besides.
        alike = {name: ours[name] for name in _LISTS_OF if name in ours}
        alike |= {"environment": _with_conda(theirs, ours)} if "environment" in theirs else {}
        return (
            "names"
            if _lists(changed := {**theirs, **alike}) == _lists(ours) and differences(case, changed, ours)
            else None
        )
    if _without(theirs, "raises", "package") != _without(ours, "raises", "package"):
        return None
    if their or our.get("stage") != "package":
        return None
    of = our["of"] or ""
    if our["class"] == "UserErrorException":
        known = {
            "docker.base_dockerfile": "dockerfile",
            "environment_variables": "variable",
            "entry_script": "outside",
        }
        return known.get(of, "gpu" if of in ("enable_gpu", "cuda_version") else None)
    lists = "conda" in case or "make" in case["environment"] or "conda_file" in case["config"]
    return "packages" if our["class"] in ("BaseError", "ProjectError", "UsageError") and lists else None


def _with_conda(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """Their environment, with the packages of ours."""
    return {**theirs["environment"], "conda": (ours.get("environment") or {}).get("conda")}


_LISTS_OF = ("conda", "packages", "python", "environment")


def _beside_lists(found: dict[str, Any]) -> Any:
    return _without(found, *_LISTS_OF), _without(found.get("environment") or {}, "conda")


def _lists(found: dict[str, Any]) -> list[Any]:
    return [found.get(name) for name in _LISTS_OF]


def _without(found: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in names}
