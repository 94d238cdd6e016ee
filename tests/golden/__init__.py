"""Golden files: what each example becomes by each recipe that applies, as a Dockerfile and as the plan's JSON; and
the library's public surface.

``python -m tests.golden.regenerate`` writes them anew; look at what changed with ``git diff`` before it is committed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
from attrs import frozen

from dagger_aml import Graph, Options, __version__, load_project, load_recipe, make_plan
from dagger_aml.backends.dockerfile.render import render
from dagger_aml.cli.flags import in_flags
from dagger_aml.plan.label import PLAN_LABEL
from dagger_aml.plan.render import plan_json
from dagger_aml.text import speaking
from tools import sdk_v1_messages
from tools.messages import messages_text
from tools.rules import inputs_text

from . import deployments, pictures
from .public import public_text

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "examples"
PROJECTS = HERE / "projects"
CURATED = "curated/minimal-py312-cuda12.4-inference"


@frozen
class Case:
    """An example, or a project beside these files that is none, and the way in which it is made.

    :param suffix: of the files' names, for other than the default base.
    :param packages_as: where it is said; a Dockerfile of packages as files would need the very wheels.
    """

    example: str
    recipe: str
    base: str | None = None
    suffix: str = ""
    packages_as: str | None = None

    @property
    def stem(self) -> str:
        """``diabetes/extended-curated``"""
        return f"{self.example}/{self.recipe}{self.suffix}"

    @property
    def folder(self) -> Path:
        """The project."""
        own = PROJECTS / self.example
        return own if own.is_dir() else EXAMPLES / self.example

    def files(self) -> dict[str, str]:
        """The golden files' names and what they must hold now, as the command writes it."""
        with speaking(in_flags):
            return self._files()

    def _files(self) -> dict[str, str]:
        project = load_project(self.folder, Options(base=self.base, recipe=self.recipe, packages_as=self.packages_as))
        plan = make_plan(anyio.run(load_recipe(project.recipe), Graph(), project))
        made = _without_digests(plan_json(plan, project))
        return {
            f"{self.stem}.Dockerfile": _without_inputs(_without_version(render(plan, title=project.name).text)),
            f"{self.stem}.plan.json": _without_version(json.dumps(made, indent=2, ensure_ascii=False) + "\n"),
        }


CASES = (
    *(Case("diabetes", recipe) for recipe in ("extended", "dynamic", "preinstalled", "package")),
    Case("diabetes", "extended", CURATED, "-curated"),
    *(Case("churn", recipe) for recipe in ("extended", "package")),
    *(Case("two-models", recipe) for recipe in ("extended", "dynamic", "preinstalled", "package")),
    *(Case("uv-lock", recipe) for recipe in ("extended", "dynamic")),
    Case("uv-lock", "preinstalled", packages_as="installed"),
    Case("pylock", "extended"),
)


def wanted() -> Iterator[tuple[Path, str]]:
    """Every golden file and what it must hold."""
    for case in CASES:
        for name, text in case.files().items():
            yield HERE / name, text
    yield from deployments.texts()
    yield from pictures.texts()
    yield HERE / "public.txt", public_text()
    yield HERE / "messages.txt", messages_text()
    yield HERE / "inputs.txt", inputs_text()
    yield sdk_v1_messages.TABLE, sdk_v1_messages.messages_table()


def present() -> set[Path]:
    """Every golden file that is there."""
    return {path for pattern in ("*/*.Dockerfile", "*/*.plan.json") for path in HERE.glob(pattern)}


def _without_version(text: str) -> str:
    return text.replace(f"dagger-aml {__version__}", "dagger-aml <version>").replace(
        f'"io.dagger-aml.version": "{__version__}"', '"io.dagger-aml.version": "<version>"'
    ).replace(f'"io.dagger-aml.version"="{__version__}"', '"io.dagger-aml.version"="<version>"')  # fmt: skip


def _without_inputs(text: str) -> str:
    """A Dockerfile with zeros for the digests in the label that tells of its steps."""
    lines = text.split("\n")
    return "\n".join(
        re.sub(r"[0-9a-f]{12}", "0" * 12, line) if line.startswith(f'LABEL "{PLAN_LABEL}"=') else line
        for line in lines
    )


def _without_digests(value: Any) -> Any:
    """The plan with ``<digest of PATH>`` for digests, and without what Python leaves where an example was run."""
    if isinstance(value, list):
        return [_without_digests(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {key: _without_digests(item) for key, item in value.items()}
    if "digest" in value and "local" in value:
        made["digest"] = f"<digest of {value['local']}>"
        made["left_out"] = [name for name in value["left_out"] if not name.endswith("__pycache__")]
    if "digest" in value and "text" in value:
        made["digest"] = "<digest of the text>"
    if "inputs" in value:
        made["inputs"] = "<digest of its inputs>"
    if "runtime_key" in value:
        made["runtime_key"] = "<digest of what runs>"
    if "input_digest" in value:
        made["input_digest"] = {**value["input_digest"], "digest": "<digest of all inputs>"}
    return made
