"""The house rule of the package: who may import whom (docs/design.md), function-level imports included."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import dagger_aml
from tests.support.cases import for_each

PACKAGE = Path(dagger_aml.__file__).parent

FLOORS = (
    {
        "data",
        "errors",
        "events",
        "finding",
        "contract",
        "text",
        "toml",
        "process",
        "tasks",
        "version",
        "policy",
    },
    {"graph"},
    {"fs"},
    {"requirements", "network"},
    {"oci", "pysource", "artifacts"},
    {"base"},
    {"steps"},
    {"project"},
    {"plan"},
    {"sitepackages", "wheels"},
    {"backends"},
    {"diff", "doctor", "check"},
    {"building", "inspection"},
    {"api"},
    {"serving", "deploying"},
    {"sync"},
    {"azureml", "init"},
    {"cli"},
)
"""The rooms from the ground up. A room imports what lies on a lower floor, and itself; the leaves of the ground floor
import each other."""

FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def module_of(path: Path, package: Path) -> tuple[str, ...]:
    """``("plan", "make")`` of plan/make.py, ``("plan",)`` of plan/__init__.py."""
    parts = path.relative_to(package).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports_of(path: Path, package: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Lines and modules of the package that a file imports, wherever in it, each as its parts."""
    own = path.relative_to(package).parts[:-1]
    for node in import_statements(path.read_bytes()):
        if isinstance(node, ast.ImportFrom):
            name = node.module or ""
            if node.level:
                start = own[: len(own) - node.level + 1]
            elif name.partition(".")[0] == package.name:
                start, name = (), name.partition(".")[2]
            else:
                continue
            base = (*start, *(name.split(".") if name else ()))
            for alias in node.names:
                inner = (*base, alias.name)
                yield node.lineno, inner if exists(inner, package) else base
        else:
            for alias in node.names:
                top, _, rest = alias.name.partition(".")
                if top == package.name and rest:
                    yield node.lineno, tuple(rest.split("."))


STATEMENTS = ("body", "orelse", "finalbody", "handlers", "cases")
"""The fields of a node that have statements, or what has such fields."""


@functools.cache
def import_statements(text: bytes) -> list[ast.Import | ast.ImportFrom]:
    """Those of a file, wherever in it."""
    found, left = [], list[ast.AST](ast.parse(text).body)
    while left:
        node = left.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.append(node)
        elif not isinstance(node, ast.expr):  # No expression has one; a lambda's body is no list.
            left += [each for name in STATEMENTS for each in getattr(node, name, ())]
    return sorted(found, key=lambda node: node.lineno)


@functools.cache
def exists(module: tuple[str, ...], package: Path) -> bool:
    """Whether the package has such a module."""
    place = package.joinpath(*module)
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


def violations(package: Path) -> list[str]:
    """Imports that lead up or sideways, as ``file:line``, and rooms that no floor has."""
    found = []
    for path in sorted(package.rglob("*.py")):
        module = module_of(path, package)
        if not module or module == ("__main__",) or module[0] == "recipes":
            continue  # Lazy names only; and recipes are the users' side of the library.
        where = path.relative_to(package)
        if module[0] not in FLOOR_OF:
            found.append(f"{where}: no floor has {module[0]}")
            continue
        for line, other in imports_of(path, package):
            if not other or other[0] == module[0]:
                continue
            mine, theirs = FLOOR_OF[module[0]], FLOOR_OF.get(other[0], len(FLOORS))
            if theirs > mine or (theirs == mine and mine > 0):
                found.append(f"{where}:{line}: {module[0]} imports {'.'.join(other)}")
    return found


def cycles(package: Path) -> list[str]:
    """Modules that import each other, in whatever many steps, type checkers' imports included."""
    graph = {
        module_of(path, package): {other for _, other in imports_of(path, package) if exists(other, package)}
        for path in package.rglob("*.py")
        if module_of(path, package) not in ((), ("__main__",))
    }
    found, state = [], dict.fromkeys(graph, 0)

    def visit(module: tuple[str, ...], way: tuple[tuple[str, ...], ...]) -> None:
        state[module] = 1
        for other in sorted(graph[module]):
            if state.get(other) == 1:
                found.append(" > ".join(".".join(each) for each in (*way[way.index(other) :], other)))
            elif state.get(other) == 0:
                visit(other, (*way, other))
        state[module] = 2

    for module in sorted(graph):
        if not state[module]:
            visit(module, (module,))
    return found


def test_a_room_imports_only_what_lies_below_it():
    assert violations(PACKAGE) == []


def test_no_modules_import_each_other():
    assert cycles(PACKAGE) == []


@for_each(
    "text",
    [
        "from ..cli import main\n",
        "def f():\n    from ..backends.base import Builder\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from dagger_aml.project.model import Project\n",
        "import dagger_aml.plan.make\n",
        "from ..network import ca\n",
        "from .. import nowhere\n",
    ],
)
def test_a_deliberate_upward_import_is_found(tmp_path, text):
    package = tmp_path / "dagger_aml"
    for module in ("fs/tree", "cli/main", "backends/base", "project/model", "plan/make", "network/ca", "nowhere"):
        path = package / f"{module}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert [each for each in violations(package) if "no floor" not in each] == []
    (package / "fs/tree.py").write_text(text)
    assert [each for each in violations(package) if each.startswith("fs/tree.py:")]


def test_few_files_lie_beside_the_rooms_and_none_is_long():
    assert len(list(PACKAGE.glob("*.py"))) <= 14
    for path in PACKAGE.rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 450, path


def test_the_design_page_has_the_rooms_and_the_rule():
    page = (PACKAGE.parent / "docs" / "design.md").read_text(encoding="utf-8")
    texts = re.findall(r"^```text\n(.*?)^```", page, flags=re.M | re.S)
    tree, rule = [text for text in texts if "graph" in text and "cli" in text]
    floors = [set(line.removeprefix("< ").split(", ")) for line in rule.splitlines()]
    assert floors == [{"leaves"}, *FLOORS[1:]]
    named = set(re.findall(r"(\w+)/", tree)) - {"dagger_aml", "recipes", "dagger", "dockerfile", "local"}
    assert named == {each.parent.name for each in PACKAGE.glob("*/__init__.py")}
