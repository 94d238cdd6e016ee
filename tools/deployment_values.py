"""Deployments by the hundred, for azure-ai-ml to load: ``python -m tools.deployment_values write FOLDER NUMBER``.

Each has some of the keys that a file may have, with values that are easily spoilt, and is what ``deployment`` writes
of it. ``python -m tools.deployment_values load FOLDER``, run by a Python that has azure-ai-ml, loads and compares.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TEXTS = (
    *(
        "010",
        "0o17",
        "1e3",
        "12:30",
        "yes",
        "No",
        "null",
        "~",
        "",
        " x ",
        "a: b",
        "a #b",
        "- x",
        "[x]",
        "{x}",
        "'",
        '"',
    ),
    *(
        "$(HOME)",
        "$$",
        "\\",
        "line\nbreak",
        "tab\t",
        "é",
        "\u2028",
        "🦋",
        "x" * 200,
        "%",
        "@x",
        "&a",
        "*a",
        "!t",
        "|",
        ">",
    ),
)
IMAGE = f"registry.example/churn@sha256:{'0' * 64}"


def document(dice: random.Random) -> dict[str, Any]:
    """A deployment file's content."""

    def text() -> str:
        return dice.choice(TEXTS) + dice.choice(("", "", dice.choice(TEXTS)))

    def some(**all: Any) -> dict[str, Any]:
        return {key: value for key, value in all.items() if dice.random() < 0.6}

    probe = some(initial_delay=dice.randint(1, 99), period=dice.randint(1, 99), timeout=dice.randint(1, 9))
    kubernetes = dice.random() < 0.3
    common = some(
        description=text(),
        tags={f"t{number}": text() for number in range(dice.randint(1, 3))},
        properties={"p": text()},
        environment_variables={f"V{number}": text() for number in range(dice.randint(1, 5))},
        instance_count=dice.randint(1, 9),
        app_insights_enabled=dice.choice((True, False)),
        request_settings=some(request_timeout_ms=dice.randint(1, 180000), max_concurrent_requests_per_instance=2),
        liveness_probe=probe,
        readiness_probe=probe,
        scale_settings=dice.choice(({"type": "default"}, {"type": "target_utilization", "min_instances": 1})),
    )
    own: dict[str, Any] = {"type": "kubernetes"} if kubernetes else {"instance_type": "Standard_DS3_v2"}
    if kubernetes:
        own["resources"] = {"requests": {"cpu": dice.choice(("0.5", "1", "100m")), "memory": "1Gi"}}
    elif dice.random() < 0.5:
        own["egress_public_network_access"] = dice.choice(("enabled", "disabled"))
    pairs = [
        ("name", "blue"),
        ("endpoint_name", "my-endpoint"),
        ("environment", {"image": "mcr.microsoft.com/azureml/minimal-py312-inference:latest"}),
        ("code_configuration", {"code": "./code", "scoring_script": dice.choice(("score.py", "api/score.py"))}),
        (
            "model",
            dice.choice(("azureml:m:1", {"path": "./model"}, {"path": "model", "name": "m", "version": "010"})),
        ),
        *common.items(),
        *own.items(),
    ]
    dice.shuffle(pairs)
    return dict(pairs)


def as_yaml(document: Mapping[str, Any]) -> str:
    """As JSON that is YAML too: no halves of characters, and no line separator, which YAML folds."""
    return json.dumps(document, ensure_ascii=False).replace("\u2028", "\\u2028")


def write(folder: Path, number: int) -> None:
    """Write so many deployments, and what is meant by each."""
    from dagger_aml.deploying.azureml import Said, baked, environment_only
    from dagger_aml.deploying.yaml_text import yaml_text
    from dagger_aml.project.deployment.read import read_deployment

    for name in ("old/code", "old/model", "new"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for each in range(number):
        before = document(random.Random(each))
        (folder / "old" / "d.yml").write_text(as_yaml(before), encoding="utf-8")
        read = read_deployment(folder / "old" / "d.yml")
        alone = each % 2 == 0
        made = environment_only(IMAGE, Said(), read, folder / "new") if alone else baked(IMAGE, Said(), read)
        (folder / "new" / f"{each}.yml").write_text(yaml_text(made), encoding="utf-8")
        (folder / "new" / f"{each}.json").write_text(as_yaml(before), encoding="utf-8")


def load(folder: Path) -> None:
    """Load each, and compare it with what was meant."""
    from azure.ai.ml import load_online_deployment

    differ, number = {}, 0
    for path in sorted((folder / "new").glob("*.yml"), key=lambda path: int(path.stem)):
        meant = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        number += 1
        try:
            found = load_online_deployment(path)
            before = load_online_deployment(_as_before(folder, meant))
        except Exception as error:
            differ[path.stem] = str(error)[:500]
            continue
        for field in ("name", "description", "tags", "properties", "environment_variables", "instance_count"):
            if getattr(found, field) != getattr(before, field):
                differ[path.stem] = f"{field}: {getattr(found, field)!r}"
        for field in ("request_settings", "liveness_probe", "readiness_probe", "scale_settings", "resources"):
            if _plain(getattr(found, field, None)) != _plain(getattr(before, field, None)):
                differ[path.stem] = field
        if found.environment.image != IMAGE or bool(found.model) is bool(found.environment.inference_config):
            differ[path.stem] = "the image, or what is mounted into it"
        if dict(found.environment_variables or {}) != meant.get("environment_variables", {}):
            differ[path.stem] = "the variables"
    print(f"{number} loaded, {len(differ)} differ")
    for name, why in list(differ.items())[:10]:
        print(name, why)
    sys.exit(bool(differ))


def _plain(value: Any) -> Any:
    """An entity as data, since entities compare by what they are and not by what they hold."""
    return {name: _plain(each) for name, each in vars(value).items()} if hasattr(value, "__dict__") else value


def _as_before(folder: Path, meant: dict[str, Any]) -> Path:
    path = folder / "old" / "d.yml"
    path.write_text(as_yaml(meant), encoding="utf-8")
    return path


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        load(Path(sys.argv[2]))
