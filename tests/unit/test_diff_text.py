"""``diff`` as people read it: packages, then what the images say, then paths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dagger_aml.base.distributions import of_folder
from dagger_aml.cli.main import cli
from tests.support.cases import for_each
from tests.support.images import SERVES, SITE, app, put_tar
from tests.support.layers import Put, file, package
from tests.support.projects import SCORE

LIBS = "var/azureml-app/libs"


def wheel(name: str, version: str, files: int = 3, site: str = SITE) -> dict[str, Put]:
    """A package with some modules."""
    modules = {f"{site}/{name}/m{number:02}.py": file(version) for number in range(files)}
    return {**modules, **package(site, name, version)}


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two images."""
    one = {**wheel("pandas", "2.2.2", 30), **wheel("Removed_Pkg", "0.9"), **wheel("same", "1")}
    two = {**wheel("pandas", "2.2.3", 30), **wheel("added", "1.0"), **wheel("same", "1")}
    in_libs = [wheel("pandas", version, 1, LIBS) for version in ("1", "2")]
    return (
        put_tar(tmp_path / "a.tar", {**SERVES, **one}, {**app({"score.py": SCORE}), **in_libs[0]}, env={"A": "1"}),
        put_tar(tmp_path / "b.tar", {**SERVES, **two}, {**app({"score.py": "x"}), **in_libs[1]}, env={"A": "2"}),
    )


def diff(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["diff", *map(str, words)])
    return done.exit_code, done.stdout


GOLDEN = f"""\
packages in /{SITE}:
  + added 1.0
  pandas 2.2.2 → 2.2.3
  - removed-pkg 0.9
packages in /{LIBS}:
  pandas 1 → 2
config env A: value '1' | '2'
/var/azureml-app/score.py: size {len(SCORE)} | 1, sha256 … | …
... and 51 more, by folder (--paths prints them):
  46 in /{SITE}/
  5 in /{LIBS}/
53 differences in {{}} paths and values
"""


def without_digests(text: str) -> str:
    """A report with no digests of files."""
    import re

    return re.sub(r"sha256 [0-9a-f]{16} \| [0-9a-f]{16}", "sha256 … | …", text)


def test_packages_come_first_and_paths_are_counted(pair: tuple[Path, Path]) -> None:
    code, text = diff(*pair)
    total = text.rpartition(" in ")[2].split()[0]
    assert (code, without_digests(text)) == (1, GOLDEN.format(total))


def test_every_path_is_told_where_it_is_asked_for(pair: tuple[Path, Path]) -> None:
    _, text = diff(*pair, "--paths")
    lines = text.splitlines()
    assert len(lines) == 6 + 53 + 1 and lines[:5] == GOLDEN.splitlines()[:5]
    assert f"/{SITE}/added/m00.py: presence absent | file 0644 0:0" in lines
    assert diff(*pair, "--all") == diff(*pair, "--paths")


def test_json_carries_both(pair: tuple[Path, Path]) -> None:
    found: dict[str, Any] = json.loads(diff(*pair, "--json")[1])
    assert found["packages"][:2] == [
        {"name": "added", "site": f"/{SITE}", "before": None, "after": "1.0"},
        {"name": "pandas", "site": f"/{SITE}", "before": "2.2.2", "after": "2.2.3"},
    ]
    assert len(found["differences"]) == 53


def test_paths_outside_packages_are_told_as_long_as_they_are_few(tmp_path: Path) -> None:
    one = put_tar(tmp_path / "a.tar", {f"d{n % 3}/e/f/g/{n:02}": file() for n in range(30)})
    two = put_tar(tmp_path / "b.tar", {"top": file()})
    lines = diff(one, two)[1].splitlines()
    # The folders themselves differ too: four for each of the three.
    assert len([each for each in lines if each.startswith("/")]) == 25
    assert lines[25] == "... and 18 more, by folder (--paths prints them):"
    assert [each.strip() for each in lines[26:-1]] == [
        "11 in /d2/e/f/",
        "3 in /d1/e/f/",
        "2 in /",
        "1 in /d2/",
        "1 in /d2/e/",
    ]
    assert diff(two, two)[0] == 0 and diff(two, two)[1].startswith("0 differences in")


@for_each(
    ("name", "said"),
    [
        ("scikit_learn-1.5.2.dist-info", ("scikit-learn", "1.5.2")),
        ("PyYAML-6.0.dist-info", ("pyyaml", "6.0")),
        ("zope.interface-7.0.dist-info", ("zope-interface", "7.0")),
        ("torch-2.5.1+cu121.dist-info", ("torch", "2.5.1+cu121")),
        ("dist-info", None),
        ("x.dist-info", None),
        ("a-1.egg-info", None),
        ("-1.dist-info", None),
    ],
)
def test_a_folder_of_metadata_names_its_package(name: str, said: tuple[str, str] | None) -> None:
    assert of_folder(name) == said
