"""One project with one mistake of each kind, found in one run (tests/corpus/one-of-each.case)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dagger_aml.check.inputs.kinds import DEPLOYMENT, PROJECT
from dagger_aml.check.modules import rules
from tests import corpus

CASE = corpus.read(corpus.HERE / "one-of-each.case")
"""Its ids are those that it says, in a list."""

NOT_TOGETHER: Mapping[str, str] = {
    "AML102": "the deployment file names the entry script, so it is not found by what it holds",
    "AML111": "run() is bound once; AML112 and AML120 tell of it",
    "AML114": "init() and run() are found; AML110 and AML112 tell of them",
    "AML115": "the same",
    "AML117": "the same: both are functions",
    "AML209": "all secrets that there are have a step: apt's (AML320), and pip's",
    "AML301": "the deployment file names the list of packages, so no other one is meant (AML302 has one)",
    "AML303": "there is a list of packages",
    "AML304": "packages are installed in the build",
    "AML305": "the same",
    "AML306": "the same",
    "AML307": "the list is no lock",
    "AML311": "something of the list is for the base",
    "AML312": "uv refuses such a line, which pip reads; AML313 and AML314 need uv",
    "AML315": "not every package has a hash; AML314 tells of the same indexes",
    "AML330": "a list of packages is read",
    "AML331": "it is no pyproject.toml",
    "AML332": "it lists some",
    "AML333": "one of them is fetched by git (AML310), and nobody knows what it brings: AML334",
    "AML335": "the deployment file names the list",
    "AML401": "there are models",
    "AML402": "the project file lists them",
    "AML506": "there is code",
    "AML511": "needs code of a newer Python than the one that runs the tests",
    "AML520": "there is an entry script",
    "AML521": "run() is for requests; AML120 says nothing of one for batch runs",
    "AML522": "the deployment file is used",
    "AML523": "the project is a folder with files of its own",
    "AML550": "PYTHONPATH cannot be set, which AML551 tells",
    "AML601": "the base is one of Azure ML's, as AML317 and AML320 need it, and has a user",
    "AML602": "the same, and it has a start script",
    "AML603": "packages are installed in the build, which needs nothing of the start script",
    "AML604": "needs a recipe with thousands of steps",
    "AML605": "`check` looks at all platforms",
    "AML606": "the project names its base, and not an image for training",
    "AML703": "the base's Python is known by its name (AML620), so the name is known",
    "AML741": "refused in a project",
    "AML802": "there are fewer workers than requests (AML801)",
    "AML821": "no project can be made of such a file",
    "AML822": "the image is no finished one",
    "AML823": "packages are installed in the build",
}
"""Rules of projects and deployment files that say nothing here, each with what of the project excludes it."""


def test_one_project_has_one_mistake_of_each_kind(tmp_path: Path) -> None:
    assert corpus.run(CASE, tmp_path).why_wrong(CASE) is None


def test_what_is_not_found_there_is_excluded_by_something_that_is() -> None:
    apply = {id for id, rule in rules().items() if rule.applies(PROJECT) or rule.applies(DEPLOYMENT)}
    assert CASE.expect & NOT_TOGETHER.keys() == set()
    assert CASE.expect | NOT_TOGETHER.keys() == apply
