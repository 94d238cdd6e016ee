"""Settings from each origin, parametrized from their records."""

from __future__ import annotations

import itertools
import json
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest

from dagger_aml import Options, ProjectError, UsageError, load_project
from dagger_aml.backends.builders import BUILDERS
from dagger_aml.cli.commands import build as build_module
from dagger_aml.cli.options.build import setting_option, settled
from dagger_aml.project.build_settings import BUILD_SETTINGS
from dagger_aml.project.build_values import beaten
from dagger_aml.project.file import FILE_NAME, read_project_file
from dagger_aml.project.merge import Reading, listed, stated
from dagger_aml.project.origin import DEFAULT, FOUND, Origin, Rank, Stated, best
from dagger_aml.project.setting import Setting, spellings
from dagger_aml.project.settings import PROJECT_SETTINGS
from dagger_aml.text import named
from tests.support.calls import error_of
from tests.support.cases import for_each
from tests.support.projects import SCORE, make

ORIGINS = {
    Origin(Rank.FLAG, setting="base"): "Options(base=…)",
    Origin(Rank.VARIABLE, variable="DAGGER_AML_BASE"): "$DAGGER_AML_BASE",
    Origin(Rank.FILE, file="dagger-aml.toml", line=7): "dagger-aml.toml:7",
    Origin(Rank.FILE, file="pyproject.toml"): "pyproject.toml",
    FOUND: "found",
    DEFAULT: "default",
}


@for_each(("origin", "text"), ORIGINS.items(), ids=ORIGINS.values())
def test_an_origin_reads_as_people_know_it(origin, text):
    assert str(origin) == text


def test_the_highest_rank_wins_in_whatever_order_they_come():
    for count in range(1, 6):
        for some in itertools.permutations(Rank, count):
            assert best([Stated(rank.name, Origin(rank)) for rank in some]).value == max(some).name


def test_of_equal_ranks_the_first_wins():
    assert best([Stated(1, Origin(Rank.VARIABLE, variable="a")), Stated(2, Origin(Rank.VARIABLE, variable="b"))]) == (
        Stated(1, Origin(Rank.VARIABLE, variable="a"))
    )


RECORDS = (*PROJECT_SETTINGS.values(), *BUILD_SETTINGS.values())


# --- each setting from each origin --------------------------------------------------------------------------------

WAYS = list(itertools.product([False, True], repeat=3))
"""Whether flag, variable and file say it."""


def in_file(record: Setting) -> str:
    """A project file that says a record's example."""
    *table, name = record.key
    return (f"[{table[0]}]\n" if table else "") + f"{name} = {record.example}\n"


def example(record: Setting) -> Any:
    """The value of the record's example."""
    return tomllib.loads(f"x = {record.example}")["x"]


def said_by(monkeypatch: pytest.MonkeyPatch, folder: Path, variable: str | None, text: str | None) -> None:
    """Let only these say something: the variable, given as NAME=VALUE, and the file, by its text."""
    for record in RECORDS:
        for spelt in spellings(record.variable):
            monkeypatch.delenv(spelt, raising=False)
    if variable:
        monkeypatch.setenv(*variable.split("=", 1))
    extends = text and any(each.unless_own and text == in_file(each) for each in RECORDS)
    make(folder, {"up.toml": text, FILE_NAME: "extends = 'up.toml'"} if extends else {FILE_NAME: text or ""})


@pytest.mark.parametrize("name", [name for name, each in PROJECT_SETTINGS.items() if not each.repeatable])
def test_a_setting_of_a_project_from_each_origin(tmp_path, monkeypatch, name):
    record = PROJECT_SETTINGS[name]
    for flag, variable, file in WAYS:
        said_by(
            monkeypatch,
            tmp_path,
            f"{record.variable}=by-variable" if variable else None,
            in_file(record) if file else None,
        )
        reading = Reading(tmp_path, Options(**({name: "by-flag"} if flag else {})), read_project_file(tmp_path))
        found = stated(reading, name)
        expected = (
            ("by-flag", named(name))
            if flag
            else ("by-variable", f"${record.variable}")
            if variable
            else (example(record), f"{FILE_NAME}:{len(record.key)}")
            if file
            else (record.default, "default")
        )
        assert (found.value, str(found.origin)) == expected, (flag, variable, file)


@for_each("name", ["extra_index_url", "find_links"])
@for_each("flag", [False, True])
@for_each("file", [False, True])
def test_a_list_from_each_origin(tmp_path, name, flag, file):
    record = PROJECT_SETTINGS[name]
    make(tmp_path, {FILE_NAME: in_file(record)} if file else {})
    reading = Reading(tmp_path, Options(**({name: ["a", "b"]} if flag else {})), read_project_file(tmp_path))
    value = listed(reading, name)
    assert value == (("a", "b") if flag else tuple(example(record)) if file else ())
    said = {name: named(name)} if flag else {name: f"{FILE_NAME}:2"} if file else {}
    assert reading.sources == said


@pytest.mark.parametrize("name", ["pip", "apt", "env", "label", "secret"])
def test_what_flags_add_is_theirs_and_the_rest_the_file_s(tmp_path, name):
    record = PROJECT_SETTINGS[name]
    added = {"pip": "six", "apt": "curl", "env": "A=1", "label": "a=1", "secret": "id=netrc,env=A"}[name]
    text = in_file(record) if record.key else ""
    root = make(tmp_path, {"code/score.py": SCORE, FILE_NAME: text})
    sources = load_project(root, Options(**{name: (added,)})).origins
    begins = {"label": "labels", "secret": "secrets"}.get(name, name)
    ours = {key: value for key, value in sources.items() if key.partition(".")[0] == begins}
    values = [value for key, value in ours.items() if "." in key]
    assert values.count(named(name)) == 1
    assert [value for value in ours.values() if value != named(name)] == ([f"{FILE_NAME}:1"] if record.key else [])


_PLAIN = {
    "layers": "direct",
    "builder": "docker",
    "engine": "tcp://127.0.0.1:1",
    "format": "classic",
    "progress": "json",
    "fail_on": "info",
    "keep_going": "true",
}
_BY_FLAG = {name: _PLAIN.get(name, "7") for name in BUILD_SETTINGS}
_BY_VARIABLE = {
    **_BY_FLAG,
    "builder": "buildah",
    "engine": "unix:///run/x",
    "progress": "quiet",
    "fail_on": "error",
    "keep_going": "no",
} | {name: "5" for name in ("engine_timeout", "ready_timeout", "jobs")}


def probe() -> click.Command:
    """A command with the flag of every setting of a build that prints what reached its function."""

    @settled
    def command(**given: Any) -> None:
        click.echo(json.dumps(given))

    for name in BUILD_SETTINGS:
        command = setting_option(name, choices=BUILDERS if name == "builder" else ())(command)
    return click.command()(click.argument("projects", nargs=-1)(command))


def extending(root: Path, text: str, own: str = "") -> dict[str, str]:
    """A project's file that extends one beside the project, which says something."""
    make(root.parent, {f"{root.name}.up.toml": text})
    return {FILE_NAME: f"extends = '../{root.name}.up.toml'\n{own}"}


def said_of(*words: object) -> dict[str, Any]:
    """What the probe's function got, by the names of settings."""
    from click.testing import CliRunner

    done = CliRunner().invoke(probe(), [str(word) for word in words], standalone_mode=False)
    if done.exception:
        raise done.exception
    given = json.loads(done.stdout)
    return {"format": given.pop("form"), "progress": given.pop("mode"), **given}


@pytest.mark.parametrize("name", BUILD_SETTINGS)
def test_a_setting_of_a_build_from_each_origin(tmp_path, monkeypatch, name):
    record = BUILD_SETTINGS[name]
    read: Any = {float | None: float, int | None: int, bool | None: {"true": True, "no": False}.get}.get(
        record.type, str
    )
    typed = [record.flag] if record.type == bool | None else [record.flag, _BY_FLAG[name]]
    for flag, variable, file in WAYS:
        file = file and not record.unless_file
        said_by(
            monkeypatch,
            tmp_path,
            f"{record.variable}={_BY_VARIABLE[name]}" if variable else None,
            in_file(record) if file else None,
        )
        value = said_of(tmp_path, *(typed if flag else []))[name]
        expected = (
            read(_BY_FLAG[name])
            if flag
            else read(_BY_VARIABLE[name])
            if variable
            else example(record)
            if file
            else record.default
        )
        assert value == expected, (flag, variable, file)


@for_each("name", BUILD_SETTINGS)
def test_an_empty_variable_says_nothing(tmp_path, name):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(str(BUILD_SETTINGS[name].variable), "")
        assert said_of(tmp_path)[name] == BUILD_SETTINGS[name].default


def test_the_current_folder_s_file_counts_where_no_project_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(make(tmp_path, {FILE_NAME: "[build]\njobs = 3\n"}))
    assert said_of()["jobs"] == 3


@for_each(
    ("name", "value"),
    [
        ("builder", "kaniko"),
        ("builder", "Docker"),
        ("jobs", "0"),
        ("jobs", "many"),
        ("jobs", "1.5"),
        ("engine_timeout", "0.5"),
        ("engine_timeout", "soon"),
        ("ready_timeout", "-1"),
        ("ready_timeout", "inf"),
        ("max_age", "nan"),
        ("format", "moby"),
        ("progress", "loud"),
        ("progress", "tty"),
        ("engine", "localhost"),
        ("engine", "tcp://localhost"),
        ("keep_going", "maybe"),
    ],
)
def test_a_wrong_variable_is_told_by_its_name(tmp_path, name, value):
    variable = str(BUILD_SETTINGS[name].variable)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(variable, value)
        error = error_of(said_of, tmp_path)
    assert isinstance(error, UsageError) and error.location == f"${variable}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("with = 'kaniko'", "'kaniko' is not one of"),
        ("jobs = 0", "0 is not a whole number of at least 1"),
        ("engine-timeout = 0.5", "0.5 is not a number of at least 1"),
        ("max-age = nan", "nan is not a number of at least 0"),
        ("format = 'moby'", "'moby' is not one of"),
        ("progress = 'tty'", "not a terminal"),
    ],
)
def test_a_wrong_value_of_a_file_is_told_with_its_line(tmp_path, text, said):
    error = error_of(said_of, make(tmp_path / "p", extending(tmp_path / "p", f"[build]\n{text}\n")))
    assert isinstance(error, UsageError) and error.location == "../p.up.toml:2" and said in error.message


@for_each(
    ("text", "said"),
    [
        ("jobs = '2'", "build.jobs: must be a whole number, not text"),
        ("jobs = 1.5", "build.jobs: must be a whole number, not a number"),
        ("keep-going = 'yes'", "build.keep-going: must be true or false, not text"),
        ("jobs = true", "build.jobs: must be a whole number, not true or false"),
        ("engine-timeout = '600'", "build.engine-timeout: must be a number, not text"),
        ("ready-timeout = true", "build.ready-timeout: must be a number, not true or false"),
        ("with = 3", 'build.with: must be text, not a number; write it in quotes: "3"'),
        ("wiht = 'docker'", "unknown key 'wiht' in build"),
    ],
)
def test_a_wrong_type_is_told_with_its_line(tmp_path, text, said):
    error = error_of(read_project_file, make(tmp_path, {FILE_NAME: f"[build]\n{text}\n"}))
    assert isinstance(error, ProjectError) and (error.message, error.location) == (said, f"{FILE_NAME}:2")


# --- a project's file and the machine of its user -----------------------------------------------------------------


@pytest.mark.parametrize("name", [FILE_NAME, "pyproject.toml"])
def test_a_file_may_not_choose_the_engine_that_files_and_secrets_go_to(tmp_path, name):
    header = "[tool.dagger-aml.build]" if name == "pyproject.toml" else "[build]"
    root = make(tmp_path, {"code/score.py": SCORE, name: f"{header}\nengine = 'tcp://203.0.113.1:1'\n"})
    error = error_of(load_project, root)
    assert error.location == f"{name}:2" and "build.engine cannot stand in a file" in error.message
    assert error.hint == "Set it with open_builder(engine=…) or $DAGGER_AML_ENGINE."
    assert said_of(root)["engine"] is None


@pytest.mark.parametrize("name", [FILE_NAME, "pyproject.toml"])
def test_the_builder_is_of_a_machine_and_stands_in_no_project_s_own_file(cli, tmp_path, name):
    header = "[tool.dagger-aml.build]" if name == "pyproject.toml" else "[build]"
    root = make(tmp_path, {"code/score.py": SCORE, name: f"{header}\nwith = 'podman'\n"})
    error = error_of(load_project, root)
    assert error.location == f"{name}:2" and "build.with cannot stand in a project's own file" in error.message
    assert error.hint == "Set it with open_builder(…) or $DAGGER_AML_WITH, or in a file that this one extends."
    assert cli("build", root, "-t", "a:1")[0] == 2 and cli("plan", root)[0] == 2
    assert said_of(root)["builder"] == "dagger"


def test_nor_may_a_file_that_it_extends(tmp_path):
    make(tmp_path, {"up.toml": "[build]\nengine = 'tcp://203.0.113.1:1'\n"})
    root = make(tmp_path / "p", {FILE_NAME: "extends = '../up.toml'\n"})
    assert error_of(read_project_file, root).location == "../up.toml:2"


def test_every_key_of_a_build_but_the_engine_s_may_be_extended(tmp_path):
    make(tmp_path, {"up.toml": "[build]\nwith = 'podman'\njobs = 2\n"})
    root = make(tmp_path / "p", {FILE_NAME: "extends = '../up.toml'\n[build]\njobs = 3\n"})
    found = said_of(root)
    assert (found["builder"], found["jobs"]) == ("podman", 3)


@pytest.mark.parametrize(
    ("name", "value", "variable", "same"),
    [
        ("keep-going", "true", "yes", True),
        ("keep-going", "true", "TRUE", True),
        ("keep-going", "true", "0", False),
        ("jobs", "2", "2", True),
        ("jobs", "2", "3", False),
        ("engine-timeout", "300", "300", True),
        ("engine-timeout", "300.0", "300", True),
        ("ready-timeout", "60", "60.0", True),
        ("ready-timeout", "60", "61", False),
        ("ready-timeout", "60", "soon", False),
    ],
)
def test_a_variable_beats_a_file_that_says_otherwise(tmp_path, name, value, variable, same):
    file = read_project_file(make(tmp_path, {FILE_NAME: f"[build]\n{name} = {value}\n"}))
    record = BUILD_SETTINGS[name.replace("-", "_")]
    holds = Stated(variable, Origin(Rank.VARIABLE, variable=record.variable))
    assert (not list(beaten(record, holds, {"p": file}))) == same


# --- several projects ---------------------------------------------------------------------------------------------


def both(tmp_path: Path, one: str, two: str, own: str = "") -> tuple[Path, Path]:
    """Two projects, of which each extends a file that says something of its build.

    :param own: what the second says itself.
    """
    return (
        make(tmp_path / "one", {"code/score.py": SCORE, **extending(tmp_path / "one", one)}),
        make(tmp_path / "two", {"code/score.py": SCORE, **extending(tmp_path / "two", two, own)}),
    )


def test_files_that_agree_settle_it_for_all(tmp_path):
    text = "[build]\nwith = 'podman'\njobs = 2\n"
    found = said_of(*both(tmp_path, text, f"name = 'two'\n{text}"))
    assert (found["builder"], found["jobs"]) == ("podman", 2)


@pytest.mark.parametrize(
    ("other", "theirs"),
    [("\n\n[build]\nwith = 'docker'\n", ", ../two.up.toml:4)"), ("", "nothing (")],
    ids=["another", "none"],
)
@pytest.mark.parametrize("turned", [False, True])
def test_files_that_disagree_are_both_named(cli, tmp_path, other, theirs, turned):
    one, two = both(tmp_path, "[build]\nwith = 'podman'\n", other)
    code, out, err = cli("build", *((two, one) if turned else (one, two)), "-t", "x/{name}:1")
    assert (code, out) == (2, "") and "two projects say build.with differently" in err
    assert f"'podman' ({one}, ../one.up.toml:2)" in err and str(two) in err and theirs in err
    assert "--with or $DAGGER_AML_WITH" in err


def test_values_are_told_as_files_say_them(cli, tmp_path):
    one, two = both(tmp_path, "[build]\nkeep-going = true\n", "[build]\nkeep-going = false\n")
    assert "differently: true (" in cli("build", one, two, "-t", "x/{name}:1")[2]
    one, two = both(tmp_path / "more", "[build]\nengine-timeout = 60.0\n", "[build]\nengine-timeout = 61.5\n")
    err = cli("build", one, two, "-t", "x/{name}:1")[2]
    assert "differently: 60 (" in err and "and 61.5 (" in err


@pytest.mark.parametrize("by", ["flag", "variable"])
def test_what_is_typed_decides_between_files_that_disagree(tmp_path, monkeypatch, by):
    folders = both(tmp_path, "[build]\nwith = 'podman'\n", "[build]\nwith = 'docker'\n")
    if by == "variable":
        monkeypatch.setenv("DAGGER_AML_WITH", "buildah")
    assert said_of(*folders, *(["--with", "buildah"] if by == "flag" else []))["builder"] == "buildah"


def test_a_file_that_cannot_be_read_is_told_with_the_other_things_to_put_in_order(cli, tmp_path):
    one, two = both(tmp_path, "[build]\nwith = 'podman'\n", "[build\n")
    code, _, err = cli("build", one, two, tmp_path / "absent", "-t", "x/{name}:1")
    assert code == 2 and "2 problems to fix first" in err and "broken TOML" in err


# --- what is typed, and what only may hold for other commands -----------------------------------------------------


@pytest.mark.parametrize(
    ("words", "variable", "value", "refused"),
    [
        (["plan"], "DAGGER_AML_ENGINE", "tcp://127.0.0.1:1", ["--engine", "tcp://127.0.0.1:1"]),
        (["plan"], "DAGGER_AML_WITH", "podman", ["--with", "podman"]),
        (["dockerfile"], "DAGGER_AML_WITH", "podman", ["--with", "podman"]),
    ],
    ids=["plan-engine", "plan-with", "dockerfile-with"],
)
def test_a_flag_that_means_nothing_is_refused_and_a_variable_passed_over(
    cli, tmp_path, monkeypatch, words, variable, value, refused
):
    root = make(tmp_path, {"code/score.py": SCORE})
    monkeypatch.setenv(variable, value)
    plain = cli(*words, root)
    assert plain[0] == 0 and cli(*words, root, *refused)[0] == 2
    monkeypatch.delenv(variable)
    assert cli(*words, root) == plain


def test_a_form_and_an_engine_of_the_shell_s_do_not_stop_a_build(cli, tmp_path, monkeypatch):
    opened: list[tuple[str, Any]] = []

    def refuse(name: str, *_: Any, **more: Any) -> Any:
        opened.append((name, more["opening"].engine))
        raise UsageError("opened")

    monkeypatch.setattr(build_module, "opened", refuse)
    monkeypatch.setenv("DAGGER_AML_FORMAT", "classic")
    monkeypatch.setenv("DAGGER_AML_ENGINE", "tcp://127.0.0.1:1")
    root = make(tmp_path, {"code/score.py": SCORE})
    for words in ([], ["--with", "docker"]):
        assert "opened" in cli("build", root, *words)[2]
    make(root, extending(root, "[build]\nwith = 'podman'\n"))
    assert "opened" in cli("build", root)[2]
    assert opened == [("dagger", "tcp://127.0.0.1:1"), ("docker", None), ("podman", None)]


def test_the_form_of_a_dockerfile_may_be_the_project_s(cli, tmp_path):
    text = "[secrets]\npip = 'env=PIP_INDEX'\n"
    root = make(tmp_path, {"code/score.py": SCORE, "requirements.txt": "numpy==1.0\n", FILE_NAME: text})
    classic, buildkit = cli("dockerfile", root), cli("dockerfile", root, "--format", "buildkit")
    assert (classic[0], buildkit[0]) == (2, 0) and cli("dockerfile", root) == classic
    make(root, {FILE_NAME: f"{text}[build]\nformat = 'buildkit'\n"})
    assert cli("dockerfile", root) == buildkit and cli("dockerfile", root, "--format", "classic") == classic


def test_a_builder_that_serves_nothing_is_told_with_its_origin(cli, tmp_path):
    root = make(tmp_path / "p", {"code/score.py": SCORE, **extending(tmp_path / "p", "[build]\nwith = 'buildah'\n")})
    code, _, err = cli("run", root)
    assert code == 2 and "../p.up.toml:2: 'buildah' is not one of" in err


@for_each("name", ["pip", "apt", "env", "label", "extra_index_url", "find_links", "secret"])
def test_one_text_is_one_value_and_not_its_letters(name):
    assert getattr(Options(**{name: "idna"}), name) == ("idna",)
    assert getattr(Options(**{name: ["a", "b"]}), name) == ("a", "b")
