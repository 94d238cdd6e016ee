"""What is printed and written as JSON is what the schemas of docs/schemas say."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from tests.support.markdown import ROOT
from tests.support.projects import SCORE, make
from tests.unit.test_changed import Shelf, call, machine, shelf

__all__ = ["machine", "shelf"]


def check(name: str, text: str | Path) -> Any:
    """Hold a document against its schema; the document."""
    document = json.loads(text.read_text() if isinstance(text, Path) else text)
    validator(name).validate(document)
    return document


@functools.cache
def validator(name: str) -> Draft202012Validator:
    """What holds documents against a schema, which is one."""
    schema = json.loads((ROOT / f"docs/schemas/{name}.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_plans(shelf: Shelf, tmp_path: Path) -> None:
    a, b = shelf.project("a"), make(shelf.project("b"), {"apt.txt": "curl\n"})
    bad = make(tmp_path / "bad", {"dagger-aml.toml": "what = 1\n", "code/score.py": SCORE})
    shelf.build(a)
    check("plan", call("plan", a, "--json").stdout)
    check("plan", call("plan", a, b, "--json").stdout)
    check("plan", shelf.plan(a, "--json").stdout)
    assert len(check("plan", shelf.plan(a, b, bad, "--json").stdout)["projects"]) == 3
    assert len(check("plan", shelf.plan(a, b, bad, "--json", "--changed").stdout)["projects"]) == 2


def test_a_build(shelf: Shelf, tmp_path: Path) -> None:
    a = shelf.project("a")
    words = (
        "build",
        a,
        "-t",
        shelf.against,
        "--push",
        "--no-smoke",
        "--json",
        "--metadata-file",
        tmp_path / "m.json",
    )
    (first,) = check("build", call(*words).stdout)["projects"]
    assert (first["changed"], first["pushed"], first["error"]) == (True, True, None)
    assert first["refs"] == [f"{shelf.registry.host}/a@{first['digest']}"]
    assert first["bytes_sent"] > 2000 and first["seconds"] > 0
    assert [(each["kind"], each["cached"]) for each in first["ops"]] == [("copy", False), ("copy", False)]
    plan = json.loads(shelf.plan(a, "--json").stdout)
    assert [each["id"] for each in first["ops"]] == [f"copy-{each['inputs']}" for each in plan["ops"]]
    assert first["input_digest"] == plan["input_digest"]
    metadata = check("metadata", tmp_path / "m.json")
    assert metadata["dagger-aml.refs"] == first["refs"] and metadata["dagger-aml.changed"] is True
    (again,) = check("build", call(*words).stdout)["projects"]
    assert (again["changed"], again["bytes_sent"], again["digest"]) == (False, 0, first["digest"])
    assert [each["cached"] for each in again["ops"]] == [True, True]


def test_what_is_not_told_is_null_and_never_zero(shelf: Shelf, tmp_path: Path) -> None:
    a = shelf.project("a")
    done = call("build", a, "-t", "a:1", "-o", tmp_path / "a.tar", "--json")
    (found,) = check("build", done.stdout)["projects"]
    assert (found["changed"], found["pushed"], found["refs"], found["bytes_sent"]) == (None, False, [], None)
    assert [(each["cached"], each["seconds"]) for each in found["ops"]] == [(None, None)] * 2


def test_several_of_which_one_fails(shelf: Shelf, tmp_path: Path) -> None:
    a, b = shelf.project("a"), shelf.project("b")
    b.joinpath("dagger-aml.toml").write_text(f'base = "{shelf.base.replace("base:", "none:")}"\n')
    words = ("build", a, b, "-t", shelf.against, "--push", "--no-smoke", "--json", "--metadata-file", tmp_path / "m")
    with pytest.raises(Exception, match="1 of 2 projects failed") as caught:
        call(*words)
    assert caught.value
    assert check("metadata", tmp_path / "m")["b"]["dagger-aml.error"]


def test_one_that_fails_is_told_too(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    from click.testing import CliRunner

    from dagger_aml.cli.main import cli

    a = shelf.project("a")
    a.joinpath("dagger-aml.toml").write_text(f'base = "{shelf.base.replace("base:", "none:")}"\n')
    for words in ([str(a)], [str(a), str(shelf.project("b"))]):
        done = CliRunner().invoke(cli, ["build", *words, "-t", shelf.against, "--push", "--no-smoke", "--json"])
        first = check("build", done.stdout)["projects"][0]
        assert first["folder"] == str(a) and "no such image" in first["error"]["message"] and not first["pushed"]


@pytest.mark.parametrize("name", ["build", "metadata", "plan"])
def test_a_schema_refuses_what_is_not_there(name: str) -> None:
    with pytest.raises(ValidationError):
        check(name, '{"schema": 2, "projects": [{"folder": "x", "unknown": 1}], "dagger-aml.unknown": 0}')
