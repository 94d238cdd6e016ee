"""Small project folders, one text file each, with what must be said of them. README.md has the form."""

from __future__ import annotations

import ast
import base64
import json
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

from attrs import evolve, frozen
from click.testing import CliRunner

from dagger_aml.base import catalog
from dagger_aml.building import plans
from dagger_aml.check.modules import rules
from dagger_aml.cli.main import cli
from dagger_aml.errors import DaggerAmlError, FindingsError
from dagger_aml.finding import Finding

HERE = Path(__file__).parent
KEYS = ("expect", "near", "says", "flags", "shell", "probed", "input")
NOTHING, ERROR = "nothing", "error"

_FILE = re.compile(r"^-- (?P<name>\S+)(?: (?P<form>->|!\S+)(?: (?P<more>.*\S))?)? --$")


@frozen
class File:
    """A file of a case.

    :param form: how its body is meant: empty for text, ``->`` a link, ``!base64``, ``!python``, ``!bytes``.
    :param more: where a link leads, or how many bytes.
    """

    name: str
    body: str
    form: str = ""
    more: str = ""

    def write(self, root: Path) -> None:
        """Make it below a folder."""
        path = root / self.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.name.endswith("/"):
            path.mkdir(exist_ok=True)
        elif self.form == "->":
            path.symlink_to(self.more)
        elif self.form == "!bytes":
            with path.open("wb") as file:
                file.truncate(int(self.more))
        elif self.form == "!base64":
            path.write_bytes(base64.b64decode(self.body))
        elif self.form == "!python":
            names: dict[str, Any] = {}
            exec(self.body, names)  # noqa: S102 - a case is code of ours, as any test
            path.write_bytes(names["data"])
        else:
            path.write_text(self.body, encoding="utf-8")


@frozen
class Case:
    """A folder and what must be said of it.

    :param kind: the folder of tests/corpus that has it.
    :param about: one sentence.
    :param expect: ids of the rules that say something, no others; ``error`` for a refusal by no rule.
    :param near: ids of the rules that say nothing, though the case looks like one that they are told of.
    :param says: each must stand in one of the findings, or in the error.
    :param flags: of ``dagger-aml plan``, or of ``check``.
    :param shell: variables.
    :param probed: facts of the base, as a probe would find them, in place of the catalog's.
    :param input: what ``dagger-aml check`` is given, relative to the folder; empty where the folder is planned.
    """

    path: Path
    about: str
    expect: frozenset[str]
    near: frozenset[str]
    says: tuple[str, ...]
    flags: tuple[str, ...]
    shell: Mapping[str, str]
    probed: Mapping[str, Any]
    files: tuple[File, ...]
    input: str = ""

    @property
    def kind(self) -> str:
        """Its group in the table."""
        return self.path.parent.name

    @property
    def name(self) -> str:
        """``variables/worker-count-auto``"""
        return f"{self.kind}/{self.path.stem}"

    @property
    def scored(self) -> bool:
        """Whether it says exactly what its image answers, with the request.json beside it."""
        there = any(file.name == "answer.json" for file in self.files)
        return there and not any("[score]" in file.body for file in self.files)


@frozen
class Outcome:
    """What was said.

    :param ids: of the rules that said something, and ``error`` for another refusal.
    :param text: all of it.
    """

    ids: frozenset[str]
    text: str

    def why_wrong(self, case: Case) -> str | None:
        """How it differs from what a case expects."""
        wrong = [f"not said: {each}" for each in sorted(case.expect - self.ids)]
        wrong += [f"said, and not expected: {each}" for each in sorted(self.ids - case.expect)]
        wrong += [f"nothing says {each!r}" for each in case.says if each not in self.text]
        return "\n".join([case.name, *wrong, self.text]) if wrong else None


def cases(kind: str = "*") -> list[Case]:
    """All of them, by kind and name; or those of one kind."""
    return [read(path) for path in sorted(HERE.glob(f"{kind}/*.case"))]


def kinds() -> list[str]:
    """The groups that there are."""
    return sorted({path.parent.name for path in HERE.glob("*/*.case")})


def read(path: Path) -> Case:
    """A case as its file says it.

    :raises ValueError: a line that is none, an id that no rule has, no files.
    """
    head: list[str] = []
    files: list[tuple[re.Match[str], list[str]]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        match = _FILE.match(line)
        if match:
            files.append((match, []))
        elif files:
            files[-1][1].append(line)
        else:
            head.append(line)
    said: dict[str, list[str]] = {key: [] for key in KEYS}
    about = ""
    for line in head:
        if line.startswith("# "):
            about += f" {line[2:]}"
        elif line.strip():
            key, colon, value = line.partition(": ")
            if not colon or key not in said:
                raise ValueError(f"{path}: no such line: {line}")
            said[key].append(value.strip())
    expected = {each for line in said["expect"] for each in re.split(r"[,\s]+", line)} - {NOTHING}
    near = {each for line in said["near"] for each in re.split(r"[,\s]+", line)}
    unknown = ((expected | near) - rules().keys() - {ERROR}) | (expected & near)
    if unknown or not said["expect"] or not about or not files:
        raise ValueError(f"{path}: unknown ids {sorted(unknown)}, or no `# about`, `expect` or files")
    return Case(
        path,
        about.strip(),
        frozenset(expected),
        frozenset(near),
        tuple(said["says"]),
        tuple(word for line in said["flags"] for word in shlex.split(line)),
        dict(word.split("=", 1) for line in said["shell"] for word in shlex.split(line)),
        {name: value for line in said["probed"] for name, value in _facts(line)},
        tuple(_file(match, lines) for match, lines in files),
        "".join(said["input"]),
    )


def _facts(line: str) -> Iterator[tuple[str, Any]]:
    """What ``uid=0, starts=False`` says."""
    call = ast.parse(f"dict({line})", mode="eval").body
    assert isinstance(call, ast.Call)
    for keyword in call.keywords:
        yield str(keyword.arg), ast.literal_eval(keyword.value)


def _file(match: re.Match[str], lines: list[str]) -> File:
    while lines and not lines[-1].strip():
        lines.pop()
    body = "".join(f"{line}\n" for line in lines)
    return File(match["name"], body, match["form"] or "", match["more"] or "")


def run(case: Case, folder: Path) -> Outcome:
    """Lay a case out in an empty folder, plan it as the command does, and tell what was said."""
    for file in case.files:
        file.write(folder)
    return said(case, folder)


def said(case: Case, folder: Path) -> Outcome:
    """Plan a case that is laid out, as the command does, and tell what was said."""
    shell: dict[str, str | None] = dict.fromkeys(_own_variables(), None)
    facts = dict(case.probed)
    if case.input:
        return _checked(case, folder / case.input, {**shell, **case.shell})

    def assumed(base: Any, *, plain: bool = False) -> Any:
        known = catalog.assumed(base, plain=plain)
        return evolve(known, **{"source": "probed", **facts}) if facts else known

    with patch.object(plans, "catalog", _Catalog(assumed)):
        words = ["plan", str(folder), "--json", *case.flags]
        result = CliRunner().invoke(cli, words, env={**shell, **case.shell})
    error = result.exception
    if isinstance(error, FindingsError):
        told = error.findings
    elif isinstance(error, DaggerAmlError):
        return Outcome(frozenset({ERROR}), str(error))
    elif error is not None and not isinstance(error, SystemExit):
        raise error
    elif result.exit_code:
        return Outcome(frozenset({ERROR}), result.output)
    else:
        told = tuple(Finding(**each) for each in json.loads(result.stdout)["warnings"])
    return Outcome(frozenset(each.id or "none" for each in told), "\n".join(each.titled for each in told))


def _checked(case: Case, path: Path, shell: Mapping[str, str | None]) -> Outcome:
    """Check an input of a case's, and tell what was said."""
    words = ["check", str(path), "--output-format", "json", *case.flags]
    result = CliRunner().invoke(cli, words, env=shell)
    if result.exit_code not in (0, 1) or (result.exception and not isinstance(result.exception, SystemExit)):
        return Outcome(frozenset({ERROR}), str(result.exception or "") + result.output)
    told = [{key: each[key] for key in _OF_FINDING} for each in json.loads(result.stdout)["findings"]]
    found = [Finding(**each) for each in told]
    return Outcome(frozenset(each.id or ERROR for each in found), "\n".join(each.titled for each in found))


_OF_FINDING = ("id", "severity", "message", "location", "hint")


@frozen
class _Catalog:
    assumed: Any


def _own_variables() -> Iterator[str]:
    """Variables of this machine that would count."""
    for name in os.environ:
        if name.startswith("DAGGER_AML_") or name.lower() in ("http_proxy", "https_proxy", "no_proxy"):
            yield name


def table(outcomes: Iterable[tuple[Case, Outcome]]) -> Iterator[str]:
    """By kind: how many cases, and how many were as expected. By rule: precision and recall."""
    found = list(outcomes)
    yield f"{'kind':24} {'cases':>6} {'right':>6}"
    for kind in sorted({case.kind for case, _ in found}):
        of_kind = [outcome.why_wrong(case) is None for case, outcome in found if case.kind == kind]
        yield f"{kind:24} {len(of_kind):6} {sum(of_kind):6}"
    right = sum(outcome.why_wrong(case) is None for case, outcome in found)
    yield f"{'all':24} {len(found):6} {right:6}"
    yield ""
    yield f"{'rule':8} {'expected':>9} {'told':>6} {'precision':>10} {'recall':>7} {'near':>6} {'silent':>7}"
    for each in figures(found):
        yield (
            f"{each.id:8} {each.expected:9} {each.told:6} {each.precision:>10} {each.recall:>7} {each.near:6} "
            f"{each.silent:7}"
        )


@frozen
class Figures:
    """How a rule does in the corpus, in numbers of cases.

    :param right: in which it is told and expected. :param near: that look like one of its own, and are none.
    :param silent: in which it says nothing.
    """

    id: str
    expected: int
    told: int
    right: int
    near: int
    silent: int

    @property
    def precision(self) -> str:
        """Of those in which it is told, how many are right; ``-`` of none."""
        return f"{self.right / self.told:.2f}" if self.told else "-"

    @property
    def recall(self) -> str:
        """Of those in which it must be told, in how many it is; ``-`` of none."""
        return f"{self.right / self.expected:.2f}" if self.expected else "-"


def figures(outcomes: Iterable[tuple[Case, Outcome]]) -> Iterator[Figures]:
    """The figures of each rule, and of refusals by none."""
    found = list(outcomes)
    for id in (*sorted(rules()), ERROR):
        expected = {case.name for case, _ in found if id in case.expect}
        told = {case.name for case, outcome in found if id in outcome.ids}
        near = sum(id in case.near for case, _ in found)
        yield Figures(id, len(expected), len(told), len(expected & told), near, len(found) - len(told))
