"""What `deployment` takes over of a file as it was written: comments, quotes and blank lines of what stays."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from dagger_aml.cli.main import cli
from dagger_aml.deploying.kept import taken_over
from dagger_aml.deploying.yaml_text import yaml_text
from tests.support.projects import SCORE, make
from tools import deployment_values

IMAGE = f"registry.example/shop:1@sha256:{'0' * 64}"

FILE = """\
# Ours, of the team Prices.

---
# What it is checked by.
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: blue  # the one before is green

endpoint_name: 'shop'
# Where the model is.
model:
  # as it was trained
  path: ./model  # a folder
  name: prices
  # no version: 1
code_configuration:
  code: code
  # in code
  scoring_script: score.py

# The packages.
environment:
  # changes monthly
  conda_file: conda.yaml
  image: mcr.microsoft.com/azureml/minimal-py312-inference:latest  # the default
environment_variables:
  WORKER_COUNT: 2  # cores
  NOTE: |
    two lines,
    # and this is none

# Sizes were measured in May.
instance_type: "Standard_DS3_v2"
instance_count: 1  # until autumn
# The end.
"""


def written(root: Path, *words: str, text: str = FILE, output: str = "out") -> tuple[str, str]:
    """The file that is written of another one, and what is said."""
    files = {"code/score.py": SCORE, "model/m.bin": "1", "conda.yaml": "dependencies: [python=3.12]\n"}
    make(root, {**files, "deployment.yml": text})
    to = str(root / output)
    done = CliRunner().invoke(
        cli, ["deployment", str(root / "deployment.yml"), "--image", IMAGE, "-o", to, "--force", *words]
    )
    assert done.exit_code == 0, done.output
    return (root / output / "deployment.yml").read_text(), done.stderr


def test_an_image_with_everything_keeps_the_comments_of_what_stays(tmp_path: Path):
    text, said = written(tmp_path)
    head, _, body = text.partition("\n")
    assert head.startswith("# Written by dagger-aml ") and "comments" not in said
    gone = slice(FILE.index("# Where the model is."), FILE.index("# The packages."))
    expected = FILE[: gone.start] + FILE[gone.stop :]
    start, end = expected.index("environment:\n"), expected.index("environment_variables:")
    routes = yaml.safe_load(text)["environment"]
    expected = expected[:start] + yaml_text({"environment": routes}) + expected[end:]
    assert body == expected
    assert list(routes) == ["image", "inference_config"] and "changes monthly" not in body


def test_packages_alone_keep_the_comments_of_code_and_model_too(tmp_path: Path):
    text, _ = written(tmp_path, "--environment-only")
    expected = FILE.replace("path: ./model  #", "path: ../model  #").replace("code: code\n", "code: ../code\n")
    start, end = expected.index("environment:\n"), expected.index("environment_variables:")
    image = IMAGE.replace(":1@", "@")
    assert text.partition("\n")[2] == f"{expected[:start]}environment:\n  image: {image}\n{expected[end:]}"


def test_flags_change_their_own_lines_alone(tmp_path: Path):
    text, _ = written(tmp_path, "--environment-only", "--name", "green", "--variable", "NEW=1e3", output=".")
    assert "\nname: green  # the one before is green\n\nendpoint_name: 'shop'\n" in text
    assert '    # and this is none\n\n  NEW: "1e3"\n' in text or '# and this is none\n  NEW: "1e3"\n' in text
    assert yaml.safe_load(text)["environment_variables"] == {
        "WORKER_COUNT": 2, "NOTE": "two lines,\n# and this is none\n", "NEW": "1e3"}  # fmt: skip


def test_a_written_file_that_is_read_keeps_one_head(tmp_path: Path):
    first, _ = written(tmp_path, output=".")
    again, _ = written(tmp_path, text=first, output=".")
    assert again == first and first.count("Written by dagger-aml") == 1


@pytest.mark.parametrize(
    "text",
    [
        FILE.replace("path: ./model  # a folder", "path: &here ./model").replace("NOTE: |", "HERE: *here\n  NOTE: |"),
        "# braces\n" + yaml.safe_dump(yaml.safe_load(FILE), default_flow_style=True, sort_keys=False),
    ],
    ids=["alias", "braces"],
)
def test_what_cannot_be_taken_over_is_said(tmp_path: Path, text: str):
    made, said = written(tmp_path, text=text)
    assert "the comments of deployment.yml are left out" in said
    assert yaml.safe_load(made)["name"] == "blue"


@pytest.mark.parametrize("end", ["\n", "\r\n", ""], ids=repr)
def test_ends_of_lines(tmp_path: Path, end: str):
    text = FILE.rstrip("\n") + end if end != "\r\n" else FILE.replace("\n", "\r\n")
    make(tmp_path, {"x": ""})
    (tmp_path / "deployment.yml").write_bytes(text.encode())
    data = yaml.safe_load(text)
    made = taken_over(text, data, {**data, "name": "green"})
    assert made and yaml.safe_load(made) == {**data, "name": "green"} and "# until autumn" in made


MORE: Any = st.dictionaries(st.sampled_from(["name", "instance_count", "tags", "new"]), st.just("x"), max_size=3)


@given(number=st.integers(0, 10_000), gone=st.sets(st.integers(0, 20)), more=MORE)
def test_whatever_is_taken_over_is_what_is_wanted(number: int, gone: set[int], more: dict[str, str]):
    """Of files of random keys and values, each with a comment at each of its lines that may have one."""
    before = deployment_values.document(random.Random(number))
    text = "".join(
        f"# c{at}\n{line}" if line[:1].isalpha() else line
        for at, line in enumerate(yaml_text(before).splitlines(keepends=True))
    )
    before = yaml.safe_load(text)
    after = {key: value for at, (key, value) in enumerate(before.items()) if at not in gone} | more
    made = taken_over(text, before, after)
    assert made is not None and yaml.safe_load(made) == after
    kept = [key for key in after if key in before]
    assert made.count("# c") >= len(kept) - 1


@pytest.mark.parametrize(("old", "new"), [(1, True), (0, False), (1, 1.0)], ids=str)
def test_a_number_is_another_value_than_what_python_has_as_equal(old: Any, new: Any):
    text = f"name: a  # its name\nproperties:\n  deep:\n  - {{x: {old}}}\n  x: {old}\n"
    data = yaml.safe_load(text)
    after = {**data, "properties": {"deep": [{"x": new}], "x": new}}
    made = taken_over(text, data, after)
    assert made and "# its name" in made
    read = yaml.safe_load(made)["properties"]
    assert [type(each) for each in (read["deep"][0]["x"], read["x"])] == [type(new)] * 2
