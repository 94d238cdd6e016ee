"""The page of the API: a directive of mkdocstrings for each public name, in the order of tests/golden/public.txt."""

from __future__ import annotations

import re
from pathlib import Path

PUBLIC = Path(__file__).parents[2] / "tests" / "golden" / "public.txt"

_NAME = re.compile(r"(?:class |await |async with |with )?(\w+)")

_TITLES = {
    "dagger_aml": "The library: projects, recipes, plans, builders and images.",
    "dagger_aml.sync": "The same verbs for programs without an event loop.",
    "dagger_aml.steps": "What recipes are made of: each step takes a graph and gives a graph.",
    "dagger_aml.events": "What is told while something is built.",
}


def public_names() -> dict[str, list[str]]:
    """The public names of each module."""
    found: dict[str, list[str]] = {}
    module = ""
    for line in PUBLIC.read_text(encoding="utf-8").splitlines()[1:]:
        if line.startswith("# "):
            module = line.removeprefix("# ")
            found[module] = []
        elif (name := _NAME.match(line)) and module:
            found[module].append(name[1])
    return found


def api_page() -> str:
    """Each module and each of its names, with signature, types, errors and source."""
    parts = [
        "# API\n",
        "Made from the docstrings. [python](python.md) has the library by example, [embedding](embedding.md) whole "
        "programs, and [errors](reference-errors.md) the exit code of each error.\n",
    ]
    for module, names in public_names().items():
        parts.append(f"## `{module}`\n")
        parts.append(f"{_TITLES.get(module, 'Names of the SDK v1, for scripts that call `Model.package()`.')}\n")
        parts += [f"::: {module}.{name}\n" for name in names]
    return "\n".join(parts)
