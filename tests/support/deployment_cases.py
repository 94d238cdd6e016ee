"""Deployment files made at random, for azure-ai-ml and for us: by the table of keys, right and wrong in many ways."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from attrs import frozen

from dagger_aml.project.deployment.keys import tables

from .deployment_wrong import Raw, differ, spoil

BESIDE = {
    "model/weights.bin": "1",
    "model.pkl": "1",
    "src/score.py": "def init(): ...\n",
    "docker/Dockerfile": "FROM scratch\n",
    "conda.yml": "dependencies:\n  - python=3.12\n",
    "envs/conda.yml": "dependencies:\n  - python=3.11\n",
    "envs/named.yml": "name: env\nversion: 2\nimage: docker.io/library/python:3.12\nconda_file: conda.yml\n",
    "envs/nameless.yml": "image: docker.io/library/python:3.12\n",
    "envs/wrong.yml": "name: env\nimage: docker.io/library/python:3.12\nconda: conda.yml\n",
    "envs/list.yml": "- name: env\n",
    "nameless.yml": "image: docker.io/library/python:3.12\nconda_file: envs/conda.yml\n",
}
"""What lies beside each deployment file."""


@frozen
class Case:
    """A deployment file.

    :param text: of ``deployment.yml``; ``BESIDE`` lies beside it.
    :param difference: a key of ``DIFFERENCES`` where it has what we read otherwise; empty where not.
    """

    text: str
    difference: str = ""


_TEXTS = ("blue", "Standard_DS3_v2", "a text", "'quoted'", '"double"', "x-y_z", "v1.2", "ünï", "a#b", "'#'", "key:x")

_WHOLES = ("1", "3", '"2"', "90", "1.0", "0x1F")
_NUMBERS = ("0.5", "1", '"0.25"', "1.0e-1")
_FLAGS = ("true", "false", "yes", "'no'", "on", "1", "T")


_OWN = ("type", "$schema", "model", "environment", "environment_variables", "code_configuration")
"""Keys whose values are made in a way of their own."""


class _Maker:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def chance(self, of: float) -> bool:
        return self.random.random() < of

    def pick(self, values: Any) -> Any:
        return self.random.choice(tuple(values))

    # --- the file

    def case(self) -> Case:
        kind = self.pick(("managed", "managed", "kubernetes"))
        value = self.deployment(kind)
        difference = ""
        if self.chance(0.25):
            difference = differ(self.random, value)
        elif self.chance(0.6):
            difference = spoil(self.random, value, f"{kind}_online_deployment")
        text = self.emitted(value)
        if self.chance(0.02) and not difference:
            text += self.pick(("---\nname: second\n", "\tx: 1\n", "name blue\n", "{{PLACE}}: 1\n", "%\n", "  - a\n"))
        return Case(text, difference)

    def deployment(self, kind: str) -> dict[str, Any]:
        value: dict[str, Any] = {}
        if self.chance(0.5):
            value["$schema"] = Raw(f"https://azuremlschemas.azureedge.net/latest/{kind}OnlineDeployment.schema.json")
        value |= {"name": Raw(self.pick(_TEXTS)), "endpoint_name": Raw(self.pick(_TEXTS))}
        if kind == "kubernetes":
            value["type"] = Raw("kubernetes")
        elif self.chance(0.2):
            value["type"] = Raw(self.pick(("managed", "Managed", "MANAGED")))
        for key, make in (
            ("model", self.model),
            ("environment", self.environment),
            ("code_configuration", self.code),
            ("environment_variables", self.variables),
        ):
            if self.chance(0.7):
                value[key] = make(kind)
        if kind == "managed" or self.chance(0.3):
            value["instance_type"] = Raw("Standard_F2s_v2")
        known = tables()[f"{kind}_online_deployment"]
        for key in self.random.sample(sorted(known), self.random.randrange(5)):
            if key not in value and key not in _OWN:
                value[key] = self.of(known[key].removesuffix("!"))
        if self.chance(0.1):
            value = {key: each for key, each in value.items() if key not in ("description", "tags")}
            value |= {"description": Raw("&text of both"), "tags": {"a": Raw("*text"), "b": Raw("*text")}}
            return value
        if self.chance(0.05):
            value |= {"properties": {"<<": Raw("{a: b, c: d}"), "c": Raw("1")}, "<<": Raw("{instance_count: 2}")}
        items = list(value.items())
        if self.chance(0.3):
            self.random.shuffle(items)
        return dict(items)

    def model(self, kind: str) -> Any:
        if self.chance(0.4):
            return Raw(self.reference("models", kind))
        value: dict[str, Any] = {
            "path": Raw(self.pick(("model", "./model/", "model.pkl", "'model'", "envs/../model")))
        }
        chosen = self.random.sample(("name", "version", "type", "description", "tags", "flavors", "stage"), 2)
        if "version" in chosen:
            chosen.append("name")
        for key in chosen:
            value[key] = {
                "name": Raw(self.pick(_TEXTS)),
                "version": Raw(self.pick(("1", "'2'", "1.10", "1.0", "v3", "010", "yes"))),
                "type": Raw(self.pick(("custom_model", "mlflow_model", "Triton_Model"))),
            }.get(key) or self.of(tables()["anonymous_model"][key])
        return value

    def reference(self, of: str, kind: str) -> str:
        short = (f"azureml:{of[:3]}:1", f"azureml:{of[:3]}@latest", f'"azureml:{of}.x-y_z:2026-01-01"')
        long = (
            f"azureml:/subscriptions/0/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/{of}"
        )
        registry = f"azureml://registries/azureml/{of}/n"
        several = (*short, f"{long}/n/versions/1")
        of_registry = (f"{registry}/versions/1", f"{registry}/labels/latest")
        return str(self.pick(several if kind == "kubernetes" else (*several, *of_registry)))

    def environment(self, kind: str) -> Any:
        if self.chance(0.3):
            return Raw(self.reference("environments", kind))
        if self.chance(0.2):
            return Raw(self.pick(("file:envs/named.yml", "file:nameless.yml", "file:./envs/named.yml")))
        value: dict[str, Any] = {}
        if self.chance(0.85):
            value["image"] = Raw(self.pick(("docker.io/library/python:3.12", "'mcr.microsoft.com/azureml/x:latest'")))
        else:
            value["build"] = {"path": Raw(self.pick(("docker", "./docker")))}
            if self.chance(0.5):
                value["build"]["dockerfile_path"] = Raw("Dockerfile")
        if self.chance(0.6):
            value["conda_file"] = self.pick(
                (Raw("conda.yml"), Raw("./envs/conda.yml"), {"dependencies": [Raw("python=3.12"), Raw("pip")]})
            )
        if self.chance(0.3):
            value["inference_config"] = {
                route: {
                    "path": Raw(self.pick(("/", "/score", "'/v1'"))),
                    "port": Raw(self.pick(("5001", '"8080"', "80.0"))),
                }
                for route in ("liveness_route", "readiness_route", "scoring_route")
            }
        known = tables()["anonymous_environment"]
        for key in self.random.sample(("name", "version", "description", "tags", "os_type", "datastore"), 2):
            value[key] = Raw("Linux") if key == "os_type" else self.of(known[key])
        return value

    def code(self, kind: str) -> Any:
        del kind
        return {
            "code": Raw(self.pick(("src", "./src/", ".", "absent/src"))),
            "scoring_script": Raw(self.pick(("score.py", "a/score.py"))),
        }

    def variables(self, kind: str) -> Any:
        del kind
        values = (
            "text",
            "'1'",
            "1",
            "0",
            "-5",
            '"yes"',
            "a b",
            "1e3",
            "https://x.example/a=b",
            "''",
            "''''",
            "08",
            "0o7",
        )
        return {self.pick(("A", "WORKER_COUNT", "x", "B_2", "'quoted'")): Raw(self.pick(values)) for _ in range(3)}

    def of(self, takes: str) -> Any:
        """A value of a kind, as the table has them."""
        takes = takes.removesuffix("!")
        if " | " in takes:
            return self.of(self.pick(takes.split(" | ")))
        if takes.startswith("list of "):
            return [self.of(takes.removeprefix("list of ")) for _ in range(self.random.randrange(3))]
        if takes.startswith("mapping of "):
            return {"a": self.of(takes.removeprefix("mapping of "))}
        if takes.startswith("mapping"):
            return {self.pick(("a", "b-c")): Raw(self.pick(("1", "x", "yes", "[a]", "{b: c}", "null")))}
        if takes.startswith(("lower: ", "snake: ")):
            word = self.pick(takes.partition(": ")[2].split(", "))
            return Raw(self.pick((f"'{word}'", f'"{word.capitalize()}"')))
        if takes in tables():
            known = tables()[takes]
            chosen = [key for key, inner in known.items() if inner.endswith("!") or self.chance(0.5)]
            return {key: self.of(known[key]) for key in chosen}
        forms = {
            "whole": _WHOLES,
            "number": _NUMBERS,
            "number of 0 to 1": _NUMBERS,
            "flag": _FLAGS,
            "version": ("1", "'2'", "1.5"),
        }
        return Raw(self.pick(forms.get(takes, _TEXTS)))

    # --- how it is written

    def emitted(self, value: dict[str, Any]) -> str:
        head = self.pick(("", "", "# a comment\n", "---\n", "%YAML 1.1\n---\n", "\ufeff"))
        step = self.pick((2, 2, 4))
        return head + "".join(self.block(value, 0, step))

    def block(self, value: Any, depth: int, step: int) -> Iterator[str]:
        pad = " " * depth * step
        for key, inner in value.items():
            shown = (
                self.pick((key, key, key, f'"{key}"'))
                if key[0] not in "'\"$<1" and key not in ("name ", "null")
                else key.strip()
            )
            if isinstance(inner, Raw):
                text = inner.text.replace("{pad}", pad)
                yield f"{pad}{shown}: {text}" + (
                    "" if text.endswith("\n") else self.pick(("\n", "\n", "  # why\n")) if text else "\n"
                )
            elif isinstance(inner, dict) and inner and self.chance(0.85):
                yield f"{pad}{shown}:\n"
                yield from self.block(inner, depth + 1, step)
            else:
                yield f"{pad}{shown}: {self.flow(inner)}\n"

    def flow(self, value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{key}: {self.flow(inner)}" for key, inner in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(self.flow, value)) + "]"
        text: str = value.text
        return json.dumps("a") if "\n" in text else text


def cases(seed: int, count: int) -> Iterator[Case]:
    """So many files, the same for the same seed."""
    for number in range(count):
        yield _Maker(seed * 1_000_003 + number).case()
