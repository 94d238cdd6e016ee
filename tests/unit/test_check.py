"""``dagger-aml check``: what is told, in each form, and how it ends; which rules are chosen; ``--no-check``."""

from __future__ import annotations

import copy
import errno
import json
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dagger_aml import FindingsError, Options, UsageError, load_project
from dagger_aml.building.examine import examine
from dagger_aml.check.selection import Selection
from dagger_aml.cli.commands.check import _FORMATS
from dagger_aml.cli.fixes import fixed
from dagger_aml.cli.main import cli
from dagger_aml.cli.reports.model import _columns
from dagger_aml.errors import BuildError
from dagger_aml.finding import FileLocation, Fix
from tests.support.calls import await_
from tests.support.checks import check, found, ids
from tests.support.markdown import ROOT
from tests.support.projects import SCORE, make

ASYNC = "async def init():\n    pass\n\n\ndef run(data):\n    return data\n"

WRONG = {
    "score.py": ASYNC,
    "requirements.txt": "six==1.17.0\n",
    "dagger-aml.toml": '[env]\nAZUREML_WORKER_COUNT = "2"\n',
}
"""An error, AML110, and a warning, AML201."""

CLEAN = {"score.py": SCORE, "requirements.txt": "six==1.17.0\n"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a project ``wrong`` and a project ``clean``."""
    make(tmp_path / "wrong", WRONG)
    make(tmp_path / "clean", CLEAN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- what is told -------------------------------------------------------------------------------------------------


def test_each_finding_has_its_line_and_carets(here: Path) -> None:
    text = check("wrong").stdout
    assert text.startswith(
        "wrong/score.py:1:1: error: init() is async: the server does not await it, so it never runs, and nothing "
        "tells you [AML110]\n    |\n  1 | async def init():\n    | ^^^^^^^^^^^^^^^^^\n  Write it"
    )
    assert "wrong/dagger-aml.toml:2:1: warning: AZUREML_WORKER_COUNT is not" in text
    assert text.endswith("Found 1 error and 1 warning.\n") and text.count("[AML110]") == 1


def test_carets_stand_below_what_is_not_white(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tabs take one column, as the carets do; what would move a cursor is shown as what it is not."""
    line = "\tasync def run(data):  # é\x1b[2J  "
    make(
        tmp_path,
        {"score.py": f"def init(): ...\r\nif init:\r\n{line}\r\n\t\tpass\r\nelse:\r\n{line}\r\n\t\tpass\r\n"},
    )
    monkeypatch.chdir(tmp_path)
    text = check("--select", "AML11").stdout
    shown = next(each for each in text.splitlines() if "async def" in each)
    carets = text.splitlines()[text.splitlines().index(shown) + 1]
    assert "\x1b" not in text and "\t" not in shown
    assert shown[carets.index("^")] == "a" and len(carets) == len(shown.rstrip())


def test_a_project_without_mistakes_is_told_so(here: Path) -> None:
    said = check("clean")
    assert (said.stdout, said.exit_code) == ("Nothing found.\n", 0)


def test_several_projects_are_told_together(here: Path) -> None:
    said = check("wrong", "clean", "nowhere")
    assert said.exit_code == 2 and "nowhere: the project folder does not exist" in said.stderr
    assert said.stdout.endswith("Found 1 error and 1 warning in 3 projects; 1 could not be checked.\n")


def test_all_phases_are_told_though_the_first_has_errors(here: Path) -> None:
    """`plan` stops at the first; so that one run shows it all, this does not."""
    make(here / "wrong", {"dagger-aml.toml": '[env]\nWORKER_COUNT = "auto"\n'})
    assert ids("wrong") == ["AML110", "AML203"]


def test_what_a_step_refuses_is_a_finding_and_the_rest_is_not_fine(here: Path) -> None:
    make(here / "clean", {"requirements.txt": "six==1.17.0\nsix @ ./six.whl\n", "score.py": ASYNC})
    data = found("clean")
    other, refused = data["findings"]
    assert (refused["id"], refused["file"], refused["line"]) == (None, "clean/requirements.txt", 2)
    assert other["id"] == "AML110"
    lacking = {each["id"]: each["lacks"] for each in data["not_checked"]}
    assert lacking["AML203"] == ["variables", "server"] and "AML110" not in lacking
    assert "not known" not in check("clean").stdout, "since it was refused, and nothing else"
    said = check("clean", "--ignore", "AML")
    assert said.exit_code == 1 and "not a URL that pip can fetch" in said.stdout, "no id, so nothing ignores it"


def test_a_rule_without_its_facts_is_not_checked(tmp_path: Path) -> None:
    make(tmp_path, {"score.py": SCORE})
    said = check(str(tmp_path), "--select", "AML31")
    assert re.search("^not checked, since no list of packages is read: AML310,", said.stdout, re.M)
    assert check(str(make(tmp_path, CLEAN)), "--select", "AML31").stdout == "Nothing found.\n"


@pytest.mark.parametrize("form", _FORMATS)
def test_a_secret_is_shown_nowhere(here: Path, form: str) -> None:
    token = "gh" + "p_" + "".join(chr(97 + each) for each in range(26)) + "0123456789"
    text = {"score.py": f'{SCORE}\n\nTOKEN = "{token}"\n', "dagger-aml.toml": f'[env]\nTOKEN = "{token}"\n'}
    said = check(str(make(here / "wrong", text)), "--output-format", form).output
    assert said.count("(ghp_") == 2 and token[4:12] not in said


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('[pip]\nindex-url = "https://user:hidden@[x/simple"\n', "dagger-aml.toml:2: not an http or https URL"),
        ('requirements = "pylock.toml"\n', "not a URL: 'https://[x/six.whl'"),
    ],
)
def test_what_is_no_url_at_all_is_told(here: Path, text: str, what: str) -> None:
    """Python's own reader of URLs raises of an open bracket."""
    package = '[[packages]]\nname = "six"\narchive = {url = "https://[x/six.whl", hashes = {sha256 = "aa"}}\n'
    make(
        here / "clean", {"dagger-aml.toml": text, "pylock.toml": f'lock-version = "1.0"\ncreated-by = "x"\n{package}'}
    )
    (here / "clean" / "requirements.txt").unlink()
    said = check("clean").output
    assert what in said and "hidden" not in said


def test_a_proxy_that_is_no_url_is_no_matter_of_the_check(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://[::1")
    assert check("clean").stdout == "Nothing found.\n"


def test_an_empty_project_is_told_of_once(tmp_path: Path) -> None:
    assert ids(str(make(tmp_path, {"notebook.ipynb": "{}"}))) == ["AML520"]


@pytest.mark.parametrize("words", [["--fix"], ["-o", "found.diff"], ["--output-format", "json"]])
def test_a_difference_has_one_form(here: Path, words: list[str]) -> None:
    said = check("wrong", "--diff", *words)
    assert isinstance(said.exception, UsageError) and words[0][:2] in str(said.exception.location)


def test_every_platform_is_checked_and_each_finding_told_once(here: Path) -> None:
    both = ("--platform", "linux/amd64,linux/arm64")
    assert ids("wrong", *both) == ids("wrong") == ["AML110", "AML201"]


def test_the_file_of_a_project_that_is_no_toml_is_an_error_of_its_own(here: Path) -> None:
    make(here / "wrong", {"dagger-aml.toml": "[env\n"})
    said = check("wrong", "clean", "--output-format", "json")
    assert said.exit_code == 2 and "dagger-aml.toml:1" in said.stderr
    (error,) = json.loads(said.stdout)["errors"]
    assert error["project"] == "wrong" and "broken TOML" in error["message"]


@pytest.mark.parametrize(
    ("files", "name", "place", "shown"),
    [
        ({"dagger-aml.toml": '[env]\nA = "1\n'}, ".", "dagger-aml.toml:2:7", ['A = "1', "      ^"]),
        ({"dagger-aml.toml": "[pip]\n  indx = 1\n"}, ".", "dagger-aml.toml:2:3", ["  indx = 1", "  ^^^^"]),
        ({"dagger-aml.toml": "platform = [1]\n"}, ".", "dagger-aml.toml:1:1", ["platform = [1]", "^^^^^^^^"]),
        ({"d.yml": "name: b\nx: [1\nb: {\n"}, "d.yml", "d.yml:3:2", ["b: {", " ^"]),
        ({"d.yml": "name: b\nname: c\n"}, "d.yml", "d.yml:2:1", ["name: c", "^^^^"]),
        ({"conda.yml": "dependencies:\n  - [a]\n"}, "conda.yml", "conda.yml:2:5", ["  - [a]", "    ^^^"]),
        ({"pylock.toml": "a = 1\nb =\n"}, "pylock.toml", "pylock.toml:2:4", ["b =", "   ^"]),
    ],
)
def test_an_error_has_its_line_and_caret_too(
    here: Path, files: dict[str, str], name: str, place: str, shown: list[str]
) -> None:
    root = make(here / "e", {"score.py": SCORE, **files})
    said = check(str(root / name))
    lines = said.stderr.splitlines()
    source, carets = (line[line.index("|") + 1 :].removeprefix(" ") for line in lines[2:4])
    assert said.exit_code == 2 and lines[0].startswith(f"dagger-aml: error: e/{place}: ")
    assert [source, carets] == shown
    path, line, column = place.split(":")
    (error,) = json.loads(check(str(root / name), "--output-format", "json").stdout)["errors"]
    assert (error["file"], error["line"], error["column"]) == (f"e/{path}", int(line), int(column))
    sarif = json.loads(check(str(root / name), "--output-format", "sarif").stdout)
    (notice,) = sarif["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    region = notice["locations"][0]["physicalLocation"]["region"]
    assert (region["startLine"], region["startColumn"]) == (int(line), int(column))
    (noted,) = json.loads(check(str(root / name), "--output-format", "gitlab").stdout)
    assert noted["location"]["positions"]["begin"] == {"line": int(line), "column": int(column)}
    assert f"file=e/{path},line={line},col={column}," in check(str(root / name), "--output-format", "github").stdout
    assert f"linenumber={line};columnnumber={column};" in check(str(root / name), "--output-format", "azure").stdout


def test_a_line_with_a_password_is_not_shown(here: Path) -> None:
    make(here / "clean", {"requirements.txt": "six @ https://user:hidden@x.example/six.whl\n"})
    for words in (["clean"], ["clean/requirements.txt"]):
        said = check(*words)
        assert "would stay in the image" in said.output and "hidden" not in said.output


def test_a_script_is_never_imported(tmp_path: Path) -> None:
    make(tmp_path, {"score.py": f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n{SCORE}"})
    assert check(str(tmp_path)).exit_code == 0 and not (tmp_path / "ran").exists()


# --- how it ends --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["wrong"], 1),
        (["wrong", "--ignore", "AML110"], 0),
        (["wrong", "--ignore", "AML110", "--fail-on", "warning"], 1),
        (["wrong", "--ignore", "AML110,AML201", "--fail-on", "info"], 0),
        (["clean", "--fail-on", "info"], 0),
        (["nowhere"], 2),
    ],
)
def test_the_exit_code_is_that_of_the_worst(here: Path, words: list[str], code: int) -> None:
    assert check(*words).exit_code == code


def test_the_project_file_says_from_where_on_it_fails(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(
        here / "wrong",
        {"score.py": SCORE, "dagger-aml.toml": WRONG["dagger-aml.toml"] + "[check]\nfail-on='warning'\n"},
    )
    assert check("wrong").exit_code == 1 and check("wrong", "--fail-on", "error").exit_code == 0
    monkeypatch.setenv("DAGGER_AML_FAIL_ON", "error")
    assert check("wrong").exit_code == 0


# --- which rules --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--select", "AML2"], ["AML201"]),
        (["--select", "AML2", "--select", "AML110"], ["AML110", "AML201"]),
        (["--select", "AML2,AML1"], ["AML110", "AML201"]),
        (["--select", "AML3", "--extend-select", "AML11"], ["AML110"]),
        (["--ignore", "AML1"], ["AML201"]),
        (["--ignore", "AML", "--extend-select", "AML2"], ["AML201"]),
        (["--ignore", "AML2", "--extend-select", "AML2"], ["AML110"]),
    ],
)
def test_flags_choose_by_ids_and_their_beginnings(here: Path, words: list[str], told: list[str]) -> None:
    assert ids("wrong", *words) == told


def test_the_file_chooses_and_a_flag_wins(here: Path) -> None:
    table = '[check]\nselect = ["AML2"]\nextend-select = ["AML1"]\nignore = ["AML11"]\n'
    make(here / "wrong", {"dagger-aml.toml": WRONG["dagger-aml.toml"] + table})
    assert ids("wrong") == ["AML201"]
    assert ids("wrong", "--select", "AML3") == []
    assert ids("wrong", "--extend-select", "AML110") == ["AML110", "AML201"]
    assert [each["id"] for each in found("wrong")["silenced"]] == ["AML110"]


@pytest.mark.parametrize("flag", ["--select", "--extend-select", "--ignore"])
@pytest.mark.parametrize("given", ["AML0", "AML1100", "E1", "aml1"])
def test_a_beginning_of_no_id_is_refused(here: Path, flag: str, given: str) -> None:
    said = check("clean", flag, given)
    assert said.exit_code == 2 and f"{flag}: no rule is called {given!r}" in said.stderr


def test_the_longest_decides() -> None:
    chosen = Selection(ignore=("AML2", "AML110"), extend=("AML201", "AML11"))
    assert [chosen.ignores(id) for id in ("AML201", "AML202", "AML110", "AML111")] == [False, True, True, False]
    assert not Selection(("AML1",)).runs("AML201")
    assert Selection(("AML1",), extend=("AML201",)).runs("AML201")
    assert Selection().runs("AML201")


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("score.py", ASYNC.replace("():\n", "():  # aml: ignore[AML110]\n", 1), ["AML201"]),
        ("score.py", ASYNC.replace("():\n", "():  # why not; # aml: ignore[AML5, AML1]\n", 1), ["AML201"]),
        ("score.py", ASYNC.replace("():\n", "():  # aml: ignore[AML111]\n", 1), ["AML110", "AML201"]),
        ("score.py", ASYNC.replace("():\n", "():  # aml: ignore\n", 1), ["AML110", "AML201"]),
        ("score.py", ASYNC.replace("():\n", "(a=' # aml: ignore[AML110]'):\n", 1), ["AML110", "AML201"]),
        ("score.py", "# aml: ignore[AML110]\n" + ASYNC, ["AML110", "AML201"]),
        ("dagger-aml.toml", '[env]\nAZUREML_WORKER_COUNT = "2"  # aml: ignore[AML201]\n', ["AML110"]),
    ],
)
def test_a_comment_silences_its_own_line(here: Path, file: str, text: str, told: list[str]) -> None:
    make(here / "wrong", {file: text})
    assert ids("wrong") == told


def test_a_comment_in_a_list_of_packages_silences(tmp_path: Path) -> None:
    git = "six @ git+https://example.com/six.git"
    root = str(make(tmp_path, {"score.py": SCORE, "requirements.txt": f"{git}\n"}))
    assert ids(root) == ["AML310"]
    make(tmp_path, {"requirements.txt": f"{git}  # aml: ignore[AML310]\n"})
    assert ids(root) == []


def test_a_comment_lets_the_build_go_on_too(here: Path) -> None:
    make(here / "wrong", {"score.py": ASYNC.replace("():\n", "():  # aml: ignore[AML110]\n", 1)})
    assert CliRunner().invoke(cli, ["dockerfile", "wrong"]).exit_code == 0


def test_a_rule_is_explained_from_its_docstring() -> None:
    text = check("--explain", "AML201").stdout
    assert text.startswith("AML201: A variable only looks like one of Azure ML's\n\nSeverity: warning.\n\nThe server")
    assert "\nSilent: names that the code itself has" in text
    assert check("--explain", "aml201").stdout == text
    said = check("--explain", "AML2O1")
    assert isinstance(said.exception, UsageError) and "Did you mean AML201?" in str(said.exception)


# --- forms --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", _FORMATS)
def test_a_file_has_what_would_be_printed(here: Path, form: str) -> None:
    printed = check("wrong", "--output-format", form)
    written = check("wrong", "--output-format", form, "-o", "found.out")
    assert (here / "found.out").read_text() == printed.stdout and written.stdout == ""
    assert written.exit_code == printed.exit_code == 1
    assert sorted(each.name for each in here.iterdir()) == ["clean", "found.out", "wrong"]


def test_a_file_that_cannot_be_written_stays_as_it_is(here: Path) -> None:
    for output in ("clean", "nowhere/found.txt"):
        assert isinstance(check("wrong", "-o", output).exception, UsageError)
    assert sorted(each.name for each in here.rglob("*")) == sorted(["clean", "wrong", *CLEAN, *WRONG])


def test_json_has_all_of_it(here: Path) -> None:
    data = found("wrong", "--ignore", "AML201")
    assert data["schema"] == 1 and data["projects"] == ["wrong"] and data["errors"] == []
    (finding,), (silenced,) = data["findings"], data["silenced"]
    assert (
        finding.items()
        >= {
            "id": "AML110",
            "severity": "error",
            "location": "score.py:1",
            "project": "wrong",
            "file": "wrong/score.py",
            "line": 1,
            "column": 1,
            "end_column": 18,
        }.items()
    )
    assert silenced["id"] == "AML201"


def test_sarif_names_each_rule_once_and_points_to_it(here: Path) -> None:
    """Its whole form a nightly test holds against OASIS's schema (tests/unit/test_sarif_schema.py)."""
    data = json.loads(check("wrong", "nowhere", "--output-format", "sarif").stdout)
    (run,) = data["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({each["id"] for each in rules}) == len(rules)
    assert all(rules[each["ruleIndex"]]["id"] == each["ruleId"] for each in run["results"])
    assert [each["ruleId"] for each in run["results"]] == ["AML110", "AML201"]
    assert [each["level"] for each in run["results"]] == ["error", "warning"]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place == {
        "artifactLocation": {"uri": "wrong/score.py"},
        "region": {"startLine": 1, "startColumn": 1, "endColumn": 18},
    }
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert "does not exist" in invocation["toolExecutionNotifications"][0]["message"]["text"]


def test_sarif_says_of_what_is_silenced_where_it_is(here: Path) -> None:
    """Of all results or of none, as the standard has it: of what is told, that nothing silences it."""
    make(here / "wrong", {"score.py": WRONG["score.py"].replace("():", "():  # aml: ignore[AML110]", 1)})

    def suppressed(*words: str) -> dict[str, list[dict[str, str]]]:
        (run,) = json.loads(check("wrong", *words, "--output-format", "sarif").stdout)["runs"]
        return {each["ruleId"]: each["suppressions"] for each in run["results"]}

    source, outside = ({"kind": kind, "status": "accepted"} for kind in ("inSource", "external"))
    assert suppressed() == {"AML110": [source], "AML201": []}
    assert suppressed("--ignore", "AML") == {"AML110": [source, outside], "AML201": [outside]}


def test_sarif_says_which_rules_could_not_be_checked_and_why(here: Path) -> None:
    make(here / "bare", {"score.py": SCORE})
    words = ("bare", "clean", "--select", "AML1,AML31,AML201")
    (run,) = json.loads(check(*words, "--output-format", "sarif").stdout)["runs"]
    rules, notices = run["tool"]["driver"]["rules"], run["tool"]["driver"]["notifications"]
    told = [
        (
            notices[each["descriptor"]["index"]]["id"],
            each["level"],
            rules[each["associatedRule"]["index"]]["id"],
            each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        )
        for each in run["invocations"][0]["toolExecutionNotifications"]
    ]
    lacking = found(*words)["not_checked"]
    assert told and told == [("rule-not-checked", "note", each["id"], each["project"]) for each in lacking]
    text = run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]
    assert text == f"{lacking[0]['id']} was not checked, since no list of packages is read."


def test_commands_of_services_hold_hostile_names_together(here: Path) -> None:
    """What ends a command or a property is written otherwise, and comes back when that is undone."""
    name = "a,b;c]100%:\n::error::d"
    (here / "wrong").rename(here / name)
    for form, begins, count in (("github", "::error file=", 2), ("azure", "##vso[task.logissue type=error;", 2)):
        lines = check(name, "--output-format", form).stdout.splitlines()
        assert len(lines) == count and lines[0].startswith(begins)
    said = re.fullmatch(
        r"::error file=([^,:]*),line=1,[^:]*::.*", check(name, "--output-format", "github").stdout.split("\n")[0]
    )
    assert said and said[1].replace("%2C", ",").replace("%3A", ":").replace("%0A", "\n").replace("%25", "%") == (
        f"{name}/score.py"
    )
    said = re.match(
        r"##vso\[task\.logissue type=error;sourcepath=([^;\]]*);linenumber=1;",
        check(name, "--output-format", "azure").stdout,
    )
    assert said and said[1].replace("%3B", ";").replace("%5D", "]").replace("%0A", "\n").replace("%AZP25", "%") == (
        f"{name}/score.py"
    )


def test_fingerprints_stay_when_lines_move_and_are_never_the_same(here: Path) -> None:
    def prints() -> list[str]:
        return [each["fingerprint"] for each in json.loads(check("wrong", "--output-format", "gitlab").stdout)]

    before = prints()
    make(here / "wrong", {"score.py": "\n\n" + ASYNC})
    assert prints() == before and len(set(before)) == 2


def test_the_matcher_of_the_page_reads_the_text(here: Path) -> None:
    page = (ROOT / "docs" / "check.md").read_text(encoding="utf-8")
    block = re.search(r"^```json\n(.*?)^```", page, re.M | re.S)
    assert block
    pattern = json.loads(block[1])["tasks"][0]["problemMatcher"]["pattern"]
    matched = [re.match(pattern["regexp"], line) for line in check("wrong").stdout.splitlines()]
    said = [(each[pattern["file"]], each[pattern["line"]], each[pattern["code"]]) for each in matched if each]
    assert said == [("wrong/score.py", "1", "AML110"), ("wrong/dagger-aml.toml", "2", "AML201")]


def test_a_deployment_file_is_checked_as_its_own_project(here: Path) -> None:
    variables = "environment_variables:\n  AZUREML_WORKER_COUNT: '2'\n"
    text = "code_configuration:\n  code: .\n  scoring_script: score.py\n"
    image = "environment:\n  image: mcr.microsoft.com/azureml/minimal-py312-inference:latest\n"
    make(
        here / "wrong",
        {"blue.yml": f"name: blue\nendpoint_name: rates\ninstance_type: Standard_DS3_v2\n{text}{image}{variables}"},
    )
    (here / "wrong" / "dagger-aml.toml").unlink()
    told = found("wrong/blue.yml", "--select", "AML201")["findings"]
    assert [(each["id"], each["file"], each["line"]) for each in told] == [("AML201", "wrong/blue.yml", 10)]


def test_the_hook_of_pre_commit_is_a_command() -> None:
    text = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    assert re.search("^  entry: dagger-aml check$", text, re.M) and "pass_filenames: false" in text


# --- the other commands -------------------------------------------------------------------------------------------


def test_dockerfile_goes_on_with_no_check_and_tells_each_finding_once(here: Path) -> None:
    stopped = CliRunner().invoke(cli, ["dockerfile", "wrong"])
    assert isinstance(stopped.exception, FindingsError)
    said = CliRunner().invoke(cli, ["dockerfile", "wrong", "--no-check", "-o", "out"])
    assert said.exit_code == 0 and (here / "out" / "Dockerfile").is_file()
    assert said.stderr.count("error: score.py:1: init() is async") == said.stderr.count("[AML201]") == 1


def test_build_goes_on_with_no_check(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Any] = []

    async def build(target: Any, _: Any) -> Any:
        built.append(target)
        raise KeyboardInterrupt

    monkeypatch.setattr("dagger_aml.cli.commands.build._build", build)
    assert isinstance(CliRunner().invoke(cli, ["build", "wrong"]).exception, FindingsError) and not built
    said = CliRunner().invoke(cli, ["build", "wrong", "--no-check", "--progress", "plain"])
    assert len(built) == 1 and said.stderr.count("[AML110]") == 1


IMAGE = f"registry.example/rates@sha256:{'0' * 64}"
DEPLOYED = ("--image", IMAGE, "--name", "blue", "--endpoint-name", "rates", "--instance-type", "Standard_DS3_v2")


def test_deployment_stops_at_an_error_and_goes_on_with_no_check(here: Path) -> None:
    stopped = CliRunner().invoke(cli, ["deployment", "wrong", *DEPLOYED])
    assert isinstance(stopped.exception, FindingsError) and stopped.stdout == ""
    said = CliRunner().invoke(cli, ["deployment", "wrong", *DEPLOYED, "--no-check"])
    assert said.exit_code == 0 and IMAGE in said.stdout
    assert said.stderr.count("error: score.py:1: init() is async") == 1 and "AML201" not in said.stderr


def test_deployment_of_what_is_right_says_nothing(here: Path) -> None:
    said = CliRunner().invoke(cli, ["deployment", "clean", *DEPLOYED])
    assert said.exit_code == 0 and said.stderr == ""


# --- as a library -------------------------------------------------------------------------------------------------


def test_a_caret_stands_below_the_word_that_is_meant(here: Path) -> None:
    make(here / "clean", {"requirements.txt": "six==1.17.0\npydantic==1.10.13  # old\n"})
    (finding,) = found("clean", "--select", "AML317")["findings"]
    assert (finding["line"], finding["column"], finding["end_column"]) == (2, 1, 9)
    make(here / "clean", {"requirements.txt": "", "score.py": 'open("logs/a.log", "w")\n' + SCORE})
    (finding,) = found("clean", "--select", "AML531")["findings"]
    assert (finding["line"], finding["column"], finding["end_column"]) == (1, 7, 17)


@pytest.mark.parametrize(
    ("source", "word", "columns"),
    [
        ("a = xa, x.a", "a", (1, 2)),
        ("xa = ax.a a", "a", (11, 12)),
        ("  x(1)  ", "y", (3, 7)),
        ("  x(1)  ", "", (3, 7)),
        ("é 'a.b'", "a.b", (4, 7)),
    ],
)
def test_a_word_is_found_by_itself(source: str, word: str, columns: tuple[int, int]) -> None:
    assert _columns(source, word) == columns


def test_places_are_typed(here: Path) -> None:
    error, warning = await_(examine(load_project("wrong"))).told
    assert isinstance(error.location, FileLocation) and isinstance(warning.location, FileLocation)
    assert (error.location.path, error.location.line) == (here.resolve() / "wrong/score.py", 1)
    assert (warning.location.path, warning.location.line) == (here.resolve() / "wrong/dagger-aml.toml", 2)


def test_a_place_is_copied_whole(tmp_path: Path) -> None:
    place = FileLocation("score.py", tmp_path / "score.py", 7).hidden
    for made in (copy.copy(place), pickle.loads(pickle.dumps(place))):
        assert (made, made.path, made.line, made.quoted) == ("score.py:7", tmp_path / "score.py", 7, False)


def test_a_file_that_is_extended_is_named_by_its_own_path(here: Path) -> None:
    make(here, {"company.toml": WRONG["dagger-aml.toml"]})
    make(here / "wrong", {"dagger-aml.toml": 'extends = "../company.toml"\n', "score.py": SCORE})
    (warning,) = found("wrong")["findings"]
    assert (warning["file"], warning["line"]) == ("company.toml", 2)


def test_each_file_is_parsed_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ast

    parsed: list[object] = []
    parse = ast.parse
    monkeypatch.setattr(
        ast, "parse", lambda source, *more, **by_name: (parsed.append(source), parse(source, *more, **by_name))[1]
    )
    make(here / "wrong", {"score.py": ASYNC + "# read by check\n"})
    await_(examine(load_project("wrong", Options())))
    assert sum(b"# read by check" in each for each in parsed if isinstance(each, bytes)) == 1


# --- what is mended -----------------------------------------------------------------------------------------------


MISSPELT = (
    b'\xef\xbb\xbf# WORKER_TIMEOUTS = "9" is said below\r\n[env]\r\n'
    b'WORKER_TIMEOUTS = "9"  # of WORKER_TIMEOUTS\r\nOTHER = "\xc3\xa9"'
)


@pytest.fixture
def misspelt(here: Path) -> Path:
    """A project file with a byte order mark, Windows' line ends, comments, and no end of its last line."""
    make(here / "wrong", {"dagger-aml.toml": MISSPELT, "score.py": SCORE})
    (here / "wrong" / "dagger-aml.toml").chmod(0o640)
    return here / "wrong" / "dagger-aml.toml"


def test_a_misspelt_variable_is_mended_and_nothing_else(misspelt: Path) -> None:
    said = check("wrong", "--fix", "--fail-on", "info")
    assert said.exit_code == 0 and said.stdout == "Nothing found.\n"
    assert said.stderr == "dagger-aml: mended wrong/dagger-aml.toml\n"
    assert misspelt.read_bytes() == MISSPELT.replace(b'\nWORKER_TIMEOUTS = "9"  #', b'\nWORKER_TIMEOUT = "9"  #')
    assert misspelt.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in misspelt.parent.iterdir() if each.name.startswith(".")] == []


def test_a_second_run_mends_nothing(misspelt: Path) -> None:
    check("wrong", "--fix")
    before = misspelt.stat()
    again = check("wrong", "--fix")
    assert again.stderr == "" and misspelt.stat().st_mtime_ns == before.st_mtime_ns
    assert misspelt.stat().st_ino == before.st_ino


def test_a_difference_is_shown_and_nothing_written(misspelt: Path) -> None:
    said = check("wrong", "clean", "--diff")
    lines = said.stdout.splitlines()
    assert said.exit_code == 1 and misspelt.read_bytes() == MISSPELT
    assert lines[:2] == ["--- wrong/dagger-aml.toml", "+++ wrong/dagger-aml.toml"]
    assert [each for each in lines[2:] if each[0] in "+-"] == [
        '-WORKER_TIMEOUTS = "9"  # of WORKER_TIMEOUTS',
        '+WORKER_TIMEOUT = "9"  # of WORKER_TIMEOUTS',
    ]
    assert check("clean", "--diff").exit_code == 0 and check("nowhere", "--diff").exit_code == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('env = { A = "1", WORKER_COUNTS = "2" }\n', 'env = { A = "1", WORKER_COUNT = "2" }\n'),
        ('[env]\n"WORKER_COUNTS" = "2"\n', '[env]\n"WORKER_COUNT" = "2"\n'),
        ('[env]\nA = "WORKER_COUNTS = 3"\nWORKER_COUNTS="2"\n', '[env]\nA = "WORKER_COUNTS = 3"\nWORKER_COUNT="2"\n'),
        ('[env]\nWORKER_COUNTS = "2"\nWORKER_COUNT = "3"\n', None),
        ('[env]\nWORKER_COUNTS = "2"\nAZUREML_WORKER_COUNT = "3"\n', None),
        ('[env]\nWORKER_COUNTS = "2"  # aml: ignore[AML201]\n', None),
    ],
)
def test_only_the_key_is_mended(here: Path, before: str, after: str | None) -> None:
    make(here / "wrong", {"dagger-aml.toml": before, "score.py": SCORE})
    check("wrong", "--fix")
    assert (here / "wrong" / "dagger-aml.toml").read_text() == (after or before)


def test_a_change_after_which_a_file_cannot_be_read_is_not_made(here: Path) -> None:
    text = '[env]\n"WORKER\\u005FCOUNT" = "2"\nWORKER_COUNTS = "3"\nWORKER_TIMEOUTS = "4"\n'
    path = make(here / "wrong", {"dagger-aml.toml": text}) / "dagger-aml.toml"
    fixes = [Fix(path, 3, "WORKER_COUNTS", "WORKER_COUNT"), Fix(path, 4, "WORKER_TIMEOUTS", "WORKER_TIMEOUT")]
    after = fixed(here / "wrong", fixes)[path][1]
    assert after.decode() == text.replace("TIMEOUTS", "TIMEOUT")


def test_a_file_has_its_mode_before_it_takes_its_place(misspelt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    replace = Path.replace

    def noted(new: Path, place: Path) -> Path:
        if place == misspelt.resolve():
            modes.append(new.stat().st_mode & 0o777)
        return replace(new, place)

    monkeypatch.setattr(Path, "replace", noted)
    check("wrong", "--fix")
    assert modes == [0o640]


def test_a_project_that_cannot_be_checked_is_no_difference(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise BuildError("not today")

    monkeypatch.setattr("dagger_aml.cli.commands.check.examined", fails)
    assert BuildError("").exit_code == 1 and check("clean", "--diff").exit_code == 2


def test_a_pyproject_is_mended_and_what_is_outside_is_not(here: Path) -> None:
    (here / "wrong" / "dagger-aml.toml").unlink()
    table = '[tool.dagger-aml]\nextends = "../company.toml"\n[tool.dagger-aml.env]\nWORKER_COUNTS = "2"\n'
    company = '[env]\nWORKER_TIMEOUTS = "9"\n'
    make(here, {"company.toml": company})
    make(here / "wrong", {"pyproject.toml": table, "score.py": SCORE})
    assert ids("wrong", "--fix") == ["AML201"]
    assert (here / "wrong" / "pyproject.toml").read_text() == table.replace("COUNTS", "COUNT")
    assert (here / "company.toml").read_text() == company


def test_a_link_is_not_mended(misspelt: Path) -> None:
    real = misspelt.rename(misspelt.parent.parent / "real.toml")
    misspelt.symlink_to(real)
    assert ids("wrong", "--fix") == ["AML201"] and misspelt.is_symlink() and real.read_bytes() == MISSPELT


def test_what_cannot_be_written_is_told_and_left(misspelt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    said = check("wrong", "--fix")
    assert said.exit_code == 2 and "no space" in said.stderr.lower() and misspelt.read_bytes() == MISSPELT
    assert sorted(each.name for each in misspelt.parent.iterdir()) == sorted(WRONG)
