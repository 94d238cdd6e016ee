"""Plans as pictures: an example, two of them together, a plan with stages, and one held against an earlier one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import anyio

from dagger_aml import Graph, Options, load_project, make_plan
from dagger_aml.cli.drawing import DRAWN
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Built, Copy, Run
from dagger_aml.graph.source import Text
from dagger_aml.plan.compare import against, of_json
from dagger_aml.plan.making import makings
from dagger_aml.plan.model import Plan
from dagger_aml.plan.picture import Drawn, Picture, picture
from dagger_aml.plan.render import plan_json
from dagger_aml.plan.verdict import standing
from dagger_aml.project.recipe import load_recipe

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[2] / "examples"
ENDINGS = {"mermaid": "mmd", "dot": "dot"}


@cache
def example(name: str, base: str | None = None) -> Plan:
    """The plan of an example by its recipe."""
    project = load_project(EXAMPLES / name, Options(base=base))
    return make_plan(anyio.run(load_recipe(project.recipe), Graph(), project))


def staged() -> Plan:
    """A plan that copies from a stage on another base, and that one from a stage of its own."""
    tools = Graph(From("debian:12")).add(Run(("/bin/make", "tools"), name="make tools"))
    build = Graph(From("python:3.12")).add(
        Copy(Built(tools, "/opt/tools"), "/opt/tools", name="tools"),
        Run(("/bin/sh", "-c", "build"), user="1000:1000", name="build the wheels"),
    )
    return make_plan(
        Graph(From("debian:12")).add(
            Run(("/bin/true",), name="apt libgomp1"),
            Copy(Built(build, "/wheels"), "/opt/wheels", name="wheels"),
            Copy(Text(b"x"), "/app/settings", kind="file", name='settings of "the [team]"', uid=5, gid=6),
        )
    )


def pictures() -> dict[str, Picture]:
    """Each by its name."""
    plan = example("diabetes")
    older = plan_json(example("diabetes"))
    older["ops"][-1]["inputs"] = "another"
    held = against(plan, of_json("plan.json", json.dumps(older)))
    stood = standing(held, asked=False)
    both = [Drawn("diabetes", plan, makings(plan)), Drawn("churn", example("churn"), makings(example("churn")))]
    return {
        "diabetes": picture(both[:1]),
        "two-projects": picture(both),
        "stages": picture([Drawn("staged", staged(), why=True)]),
        "against": picture([Drawn("diabetes", plan, makings(plan), held, stood)]),
    }


def texts() -> Iterator[tuple[Path, str]]:
    """Each file and what it must hold."""
    for name, drawn in pictures().items():
        for form, written in DRAWN.items():
            yield HERE / f"{name}.{ENDINGS[form]}", written(drawn)
