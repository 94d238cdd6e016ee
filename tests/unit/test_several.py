"""`build` of several projects: what is refused before any is built, how many go at once, what is told of each."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st

from dagger_aml import Result, load_project
from dagger_aml.backends.local.buildah import Buildah
from dagger_aml.backends.local.builder import LocalBuilder
from dagger_aml.backends.result import Written
from dagger_aml.base.facts import BaseFacts
from dagger_aml.building.placeholders import filled, placeholders
from dagger_aml.cli import main, several
from dagger_aml.cli.commands import build as build_module
from dagger_aml.cli.progress import Progress
from dagger_aml.errors import BuildError, EngineGone, EngineNotFound, TransientError, UsageError
from dagger_aml.events import Event, Message, OpDone, OpStarted, Transferred, ignore
from dagger_aml.graph.base import From
from dagger_aml.plan.making import Making
from dagger_aml.plan.model import Plan
from dagger_aml.policy import Policy
from dagger_aml.project.model import Project
from tests.support.calls import error_of
from tests.support.cases import for_each
from tests.support.projects import SCORE, make

REG = "reg.example/{name}:1"


@define
class Fake:
    """A builder that runs nothing; a project's label `does` says what comes of it."""

    on_event: Any = ignore
    name: str = "fake"
    said: list[str] = field(factory=list)
    going: list[int] = field(factory=lambda: [0, 0])

    def with_events(self, on_event: Any) -> Fake:
        return evolve(self, on_event=on_event)

    def for_tags(self, tags: object) -> Fake:
        return self

    async def probe(self, base: From, paths: object) -> tuple[str, BaseFacts]:
        return "sha256:" + "0" * 64, BaseFacts(source="probed")

    async def image(self, plan: Plan, *, title: str = "") -> Any:
        self.said.append(title)
        self.going[0] += 1
        self.going[1] = max(self.going)
        does = str(plan.config.labels.get("does", ""))
        try:
            self.on_event(OpStarted("code", 1, 1))
            await anyio.sleep(float(does) if does[:1].isdigit() else 0.02)
            if does == "fail":
                raise BuildError("the command ended with exit code 3", location="pip", output="no such package")
            if does == "group":
                raise ExceptionGroup("tasks", [BuildError("in a group", location="serve")])
            if does == "later":
                raise TransientError("the builder went away", location="pip")
            if does == "gone":
                raise EngineGone("the engine went away", location="pip")
            if does == "bug":
                raise ZeroDivisionError
            if does == "signal":
                signal.raise_signal(signal.SIGINT)
                await anyio.sleep(30)
            self.on_event(OpDone("code", 1, 1, 0.5, False))
        finally:
            self.going[0] -= 1
        return _Image(self, None if does == "unnamed" else title)


@define
class _Image:
    builder: Fake
    id: str | None
    makings: tuple[Making, ...] = ()
    files: Mapping[str, bytes] = field(factory=dict)

    async def publish(self, reference: str) -> Result:
        return Result(f"sha256:{self.id}", f"sha256:config-{self.id}", (reference,))

    async def export(self, output: Any, references: object = ()) -> Result:
        output.path.write_text(str(self.id))
        return Result(f"sha256:{self.id}", None, outputs=(Written(output.path, "tar", None),))


@pytest.fixture
def fake(monkeypatch):
    """What builds, in place of an engine."""
    builder = Fake()

    @asynccontextmanager
    async def opened(name: str, progress: Progress, **_: Any) -> Any:
        progress.on_event(Message(f"opened {name}"))
        yield builder

    monkeypatch.setattr(build_module, "opened", opened)
    return builder


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where projects are made; the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def project(root: Path, name: str, does: str = "", **files: str) -> Path:
    toml = f'name = "{name}"\n' + (f'labels = {{ does = "{does}" }}\n' if does else "")
    return make(root / name, {"code/score.py": SCORE, "dagger-aml.toml": toml, **files})


# --- placeholders -------------------------------------------------------------------------------------------------


def of(name: str, version: str | None = None) -> Project:
    return Project(Path("/x"), name, From.parse("x:1"), version=version)


def test_placeholders_are_the_project_s():
    assert filled("r/{name}:{version}-{{1}}", of("a", "2.0"), "-t") == "r/a:2.0-{1}"
    assert filled("{{{name}}}", of("a"), "-t") == "{a}"
    assert placeholders("{name}{{version}}", "-t") == {"name"}


@given(st.text())
def test_every_text_can_be_said(text):
    escaped = text.replace("{", "{{").replace("}", "}}")
    assert not placeholders(escaped, "-o")
    assert filled(escaped, of("a"), "-o") == text


@for_each("text", ["{", "}", "a{b", "{nam}", "{}", "{name!r}", "{name.x}", "{0}", "{{}"])
def test_other_braces_are_refused(text):
    error = error_of(filled, text, of("a"), "-t")
    assert "{name} and {version}" in str(error) and "-t" in str(error)


def test_a_project_without_version_is_named():
    error = error_of(filled, "r/{name}:{version}", of("a"), "-t")
    assert "project a has no value for it" in error.message and 'version = "1.0" in /x/dagger-aml.toml' in (
        error.hint or ""
    )


@for_each(
    ("files", "version", "source"),
    [
        ({"dagger-aml.toml": 'version = "1.4.0"\n'}, "1.4.0", "dagger-aml.toml:1"),
        ({"pyproject.toml": "[project]\nname = 'x'\nversion = '2.0'\n"}, "2.0", "pyproject.toml"),
        ({"pyproject.toml": "[project]\nname = 'x'\ndynamic = ['version']\n"}, None, None),
        ({"pyproject.toml": "[project]\nversion = '../..'\n"}, None, None),
        ({"pyproject.toml": "[project]\nversion = 2\n"}, None, None),
        ({"pyproject.toml": "[tool.dagger-aml]\nversion = '3'\n[project]\nversion = '2'\n"}, "3", "pyproject.toml:2"),
        (
            {"dagger-aml.toml": 'version = "1+local"\n', "pyproject.toml": "[project]\nversion = '2'\n"},
            "1+local",
            "dagger-aml.toml:1",
        ),
    ],
)
def test_where_the_version_is_from(tmp_path, files, version, source):
    found = load_project(make(tmp_path / "p", {"code/score.py": SCORE, **files}))
    assert (found.version, found.origins.get("version")) == (version, source)


@for_each("version", ["", "../1", "1 2", "a/b", "-1", "1\\u0000"])
def test_a_version_is_one_word(tmp_path, version):
    root = make(tmp_path / "p", {"dagger-aml.toml": f'name = "x"\nversion = "{version}"\n'})
    assert "dagger-aml.toml:2: not a version" in str(error_of(load_project, root))


# --- one project --------------------------------------------------------------------------------------------------


def test_one_project_takes_placeholders_too(cli, fake, folders):
    project(folders, "a", **{"pyproject.toml": "[project]\nversion = '1.5'\n"})
    words = ["-t", "reg.example/{name}:{version}", "-o", "{name}-{version}.tar", "--metadata-file", "{name}.json"]
    code, out, err = cli("build", "a", *words, "--push")
    assert code == 0 and "tag reg.example/a:1.5" in out, err
    assert (folders / "a-1.5.tar").read_text() == "a"
    assert json.loads((folders / "a.json").read_text())["image.name"] == "reg.example/a:1.5"
    assert "a: " not in err, "of one project no line says which it is of"


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-t", "reg.example/x:1"], "-t: 'reg.example/x:1' would be the same for several projects"),
        (["-t", REG, "-t", "reg.example/x:{version}"], "{version}' would be the same"),
        (["-t", REG, "-o", "x.tar"], "-o: 'x.tar' would be the same"),
        (["-t", REG, "--iidfile", "x"], "--iidfile: 'x' would be the same"),
        (["-t", REG, "--metadata-file", "{version}.json"], "--metadata-file: '{version}.json' would be the same"),
        (["-t", REG, "-o", "-"], "only one image can go to standard output"),
        (["-t", REG, "--jobs", "0"], "--jobs"),
        (["-t", "reg.example/{nome}:1"], "unknown placeholder: {nome}"),
        (["-t", "reg.example/{name}:{version}"], "project a has no value for it"),
        (["-t", "reg.example/{name}:1", "-o", "gone/{name}.tar"], "a: gone/a.tar: is in a folder"),
        (["--push"], "--push needs a tag"),
        (
            ["-t", REG, "--metadata-file", "gone/x y.json"],
            "is in a folder that does not exist\n  Make it: mkdir -p gone\n",
        ),
        (["-t", REG, "--metadata-file", "a b/c/x.json"], "  Make it: mkdir -p 'a b/c'\n"),
        (["-t", REG, "--smoke", "--no-smoke"], "contradict"),
        (["-t", REG, "--with", "dagger", "--format", "classic"], "--format"),
    ],
)
def test_wrong_flags_build_nothing(cli, fake, folders, words, said):
    project(folders, "a"), project(folders, "b")
    code, out, err = cli("build", "a", "b", *words)
    assert (code, out, fake.said) == (2, "", []) and said in err


def test_what_is_wrong_with_all_projects_is_told_at_once(cli, fake, folders):
    project(folders, "good")
    make(folders / "broken", {"dagger-aml.toml": "bse = 'x'\n"})
    make(folders / "upper", {"code/score.py": SCORE, "dagger-aml.toml": 'name = "Upper"\n'})
    code, out, err = cli("build", "good", "broken", "upper", "absent", "-t", REG, "--push")
    assert (code, out, fake.said) == (2, "", [])
    assert err.splitlines() == [
        "dagger-aml: error: 3 problems to fix first; nothing is built",
        "  broken: dagger-aml.toml:1: unknown key 'bse'",
        "    Did you mean 'base'?",
        f"  upper: -t {REG}, project Upper: tag is not an image reference: 'reg.example/Upper:1'",
        "    Write [HOST[:PORT]/]REPOSITORY[:TAG][@sha256:DIGEST], the repository in lower case.",
        "  absent: the project folder does not exist",
        "  To build the others all the same: --keep-going",
    ]


# --- going on without those that are not in order -----------------------------------------------------------------


def some_in_order(folders: Path) -> tuple[str, ...]:
    """Four projects: the second and the last are not in order, the third is called as the second's folder."""
    project(folders, "a"), project(folders, "c")
    make(folders / "b", {"dagger-aml.toml": "bse = 'x'\n"})
    make(folders / "other", {"code/score.py": SCORE, "dagger-aml.toml": 'name = "b"\n'})
    return "a", "b", "other", "c", "absent"


@pytest.mark.parametrize("way", ["flag", "variable", "file"])
def test_those_in_order_are_built_and_the_others_told_at_the_end(cli, fake, folders, monkeypatch, way):
    named = some_in_order(folders)
    if way == "variable":
        monkeypatch.setenv("DAGGER_AML_KEEP_GOING", "yes")
    for each in named[:4] if way == "file" else ():
        with (folders / each / "dagger-aml.toml").open("a") as file:
            file.write("[build]\nkeep-going = true\n")
    more = ["--keep-going"] if way == "flag" else []
    code, out, err = cli("build", *named, "-t", REG, "--push", "--metadata-file", "all.json", *more)
    assert code == 1 and sorted(fake.said) == ["a", "b", "c"], err
    assert [re.sub(r" +(\d+\.\d +)?", " ", line) for line in out.splitlines()[1:]] == [
        "a ok sha256:a",
        "./b REFUSED dagger-aml.toml:1: unknown key 'bse'",
        "b ok sha256:b",
        "c ok sha256:c",
        "absent REFUSED absent: the project folder does not exist",
    ]
    assert err.index("b: dagger-aml.toml:1: unknown key 'bse'; the others are built") < err.index("opened dagger")
    assert err.endswith(
        "dagger-aml: error: 2 of 5 projects failed\n"
        "  ./b: dagger-aml.toml:1: unknown key 'bse'\n    Did you mean 'base'?\n"
        "  absent: the project folder does not exist\n"
    )
    made = json.loads((folders / "all.json").read_text())
    assert list(made) == ["a", "./b", "b", "c", "absent"] and made["b"]["containerimage.digest"] == "sha256:b"
    assert made["./b"] == {"dagger-aml.error": "dagger-aml.toml:1: unknown key 'bse'\n  Did you mean 'base'?"}


def test_programs_are_told_of_those_that_were_refused(cli, fake, folders):
    code, out, _ = cli("build", *some_in_order(folders), "-t", REG, "--push", "--keep-going", "--json")
    told = [(each["folder"], each["name"], each["error"] and each["error"]["message"], each["seconds"] is None)
            for each in json.loads(out)["projects"]]  # fmt: skip
    assert code == 1 and told == [
        ("a", "a", None, False),
        ("b", None, "unknown key 'bse'", True),
        ("other", "b", None, False),
        ("c", "c", None, False),
        ("absent", None, "the project folder does not exist", True),
    ]


def test_a_ci_system_is_told_of_those_that_were_refused(cli, fake, folders, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folders / "summary"))
    cli("build", *some_in_order(folders), "-t", REG, "--push", "--keep-going", "--ci", "github")
    summary = (folders / "summary").read_text()
    assert (
        "| b | failed | dagger-aml.toml:1: unknown key 'bse' Did you mean" in summary and "| a | built |" in summary
    )


def test_where_none_is_in_order_nothing_is_built(cli, fake, folders):
    make(folders / "b", {"dagger-aml.toml": "bse = 'x'\n"})
    code, out, err = cli("build", "b", "absent", "-t", REG, "--keep-going")
    assert (code, out, fake.said) == (2, "", []) and "2 problems to fix first; nothing is built" in err
    assert "--keep-going" not in err


def test_two_that_would_be_one_image_are_refused_all_the_same(cli, fake, folders):
    code, out, err = cli("build", "other", *some_in_order(folders)[:3], "-t", REG, "--keep-going")
    assert (code, out, fake.said) == (2, "", [])
    assert "other and other are both named b" in err and "b: dagger-aml.toml:1: unknown key" in err


def test_where_no_builder_is_found_that_is_what_is_told(cli, folders, monkeypatch):
    def opened(*_: Any, **__: Any) -> Any:
        raise EngineNotFound("no Dagger engine answers")

    monkeypatch.setattr(build_module, "opened", opened)
    code, out, err = cli("build", *some_in_order(folders), "-t", REG, "--keep-going")
    assert (code, out) == (1, "") and "b: dagger-aml.toml:1: unknown key 'bse'; the others are built" in err
    assert err.endswith("dagger-aml: error: no Dagger engine answers\n")


def test_one_that_is_refused_is_no_reason_to_try_again(cli, fake, folders):
    project(folders, "later", "later")
    code, _, err = cli("build", "later", "absent", "-t", REG, "--push", "--keep-going")
    assert code == 1 and "2 of 2 projects failed" in err


@pytest.mark.parametrize(
    ("names", "tag", "said"),
    [
        (("a", "a"), REG, "are both named a"),
        (("a-b", "a"), "reg.example/{name}-{version}", "would both be tagged reg.example/a-b-c:latest"),
    ],
)
def test_two_projects_are_not_one_image(cli, fake, folders, names, tag, said):
    for folder, name, version in zip(("one", "two"), names, ("c", "b-c"), strict=True):
        toml = f'name = "{name}"\nversion = "{version}"\n'
        make(folders / folder, {"code/score.py": SCORE, "dagger-aml.toml": toml})
    code, out, err = cli("build", "one", "two", "-t", tag)
    assert (code, out, fake.said) == (2, "", []) and f"one and two {said}" in err


def test_a_folder_twice_is_one_project(cli, fake, folders):
    project(folders, "a")
    code, _, err = cli("build", "a", "./a", "-t", REG)
    assert code == 2 and "a and ./a are both named a" in err


# --- what is built ------------------------------------------------------------------------------------------------


def test_one_that_fails_stops_no_other(cli, fake, folders):
    for name, does in [("a", ""), ("b", "fail"), ("c", "group"), ("d", "")]:
        project(folders, name, does)
    code, out, err = cli("build", *"abcd", "-t", REG, "--push", "--metadata-file", "all.json")
    assert code == 1 and fake.said == ["a", "b", "c", "d"]
    rows = [re.sub(r" +\d+\.\d+ +", " S ", line) for line in out.splitlines()]
    assert rows == [
        "project  result  seconds  digest",
        "a        ok S sha256:a",
        "b        FAILED S pip: the command ended with exit code 3",
        "c        FAILED S serve: in a group",
        "d        ok S sha256:d",
    ]
    assert "b: failed after 0." in err and err.count("opened dagger") == 1
    assert err.endswith(
        "dagger-aml: error: 2 of 4 projects failed\n"
        "  b: pip: the command ended with exit code 3\n    | no such package\n  c: serve: in a group\n"
    )
    made = json.loads((folders / "all.json").read_text())
    assert list(made) == list("abcd") and made["a"]["containerimage.digest"] == "sha256:a"
    assert made["b"] == {"dagger-aml.error": "pip: the command ended with exit code 3\n  | no such package"}


def test_what_is_wrong_with_several_is_read_once(cli, fake, folders):
    for name in "abcdef":
        project(folders, name, "group" if name == "c" else "fail")
    code, out, err = cli("build", *"abcdef", "-t", REG, "--push")
    assert code == 1 and out.count("FAILED") == 6
    assert err.endswith(
        "dagger-aml: error: 6 of 6 projects failed\n"
        "  a, b, d and 2 more: pip: the command ended with exit code 3\n    | no such package\n"
        "  c: serve: in a group\n"
    )


def test_an_image_that_goes_nowhere_is_told_before_it_is_built(cli, fake, folders):
    project(folders, "a")
    _, _, err = cli("build", "a")
    assert err.index("no output was requested, so no image is written") < err.index("opened dagger")
    assert err.count("no output was requested") == 1


@pytest.mark.parametrize(("other", "expected"), [("", 75), ("later", 75), ("fail", 1)])
def test_what_may_go_through_later_is_told_by_the_exit_code(cli, fake, folders, other, expected):
    for name, does in [("a", "later"), ("b", other), ("c", "")]:
        project(folders, name, does)
    code, out, err = cli("build", *"abc", "-t", REG, "--push")
    assert code == expected and "sha256:c" in out and f"{1 + bool(other)} of 3 projects failed" in err


GONE = "pip: the engine went away"


def test_an_engine_that_comes_back_builds_the_rest(cli, fake, folders):
    """Those that it was at work on fail alone."""
    for name, does in [("a", ""), ("b", ""), ("c", "gone"), ("d", "30"), ("e", "")]:
        project(folders, name, does)
    code, out, err = cli("build", *"abcde", "-t", REG, "--push", "--jobs", "2", "--metadata-file", "all.json")
    assert code == 75 and "2 of 5 projects failed" in err
    assert "the engine went away; connecting again for 1 project" in err
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [
        ["a", "ok"],
        ["b", "ok"],
        ["c", "FAILED"],
        ["d", "FAILED"],
        ["e", "ok"],
    ]
    assert sum(GONE in line for line in out.splitlines()) == 2
    metadata = json.loads((folders / "all.json").read_text())
    assert GONE in metadata["d"]["dagger-aml.error"] and metadata["e"]["containerimage.digest"]
    assert sorted(fake.said) == list("abcde"), "none twice"


def test_an_engine_that_went_away_with_the_last(cli, fake, folders):
    project(folders, "a"), project(folders, "b", "gone")
    code, out, err = cli("build", "a", "b", "-t", REG, "--push", "--jobs", "1")
    assert code == 75 and "1 of 2 projects failed" in err and "connecting again" not in err
    assert [line.split()[1] for line in out.splitlines()[1:]] == ["ok", "FAILED"]


@pytest.mark.parametrize("back", [0, 2])
def test_an_engine_that_is_waited_for(cli, fake, folders, monkeypatch, back):
    """Two tries find none; the third may."""
    opened, tries = build_module.opened, []

    @asynccontextmanager
    async def again(*words: Any, **named: Any) -> Any:
        tries.append(time.monotonic())
        if len(tries) > 1 and (not back or len(tries) <= 1 + back):
            raise EngineNotFound("no Dagger engine answers")
        async with opened(*words, **named) as builder:
            yield builder

    monkeypatch.setattr(build_module, "opened", again)
    monkeypatch.setattr(several, "_BETWEEN_TRIES", 0.01)
    monkeypatch.setattr(several, "policy_of_call", lambda: Policy(engine_return_deadline_seconds=30 if back else 0.1))
    for name, does in [("a", "fail"), ("b", ""), ("c", "gone"), ("d", "30"), ("e", "")]:
        project(folders, name, does)
    code, out, err = cli("build", *"abcde", "-t", REG, "--push", "--jobs", "2", "--metadata-file", "all.json")
    assert len(tries) == 2 + back if back else len(tries) > 2
    words = [line.split()[1] for line in out.splitlines()[1:]]
    if back:
        assert code == 1 and words == ["FAILED", "ok", "FAILED", "FAILED", "ok"] and "3 of 5 projects failed" in err
    else:
        assert code == 75 and err.endswith(f"dagger-aml: error: {GONE}\n")
        assert words == ["FAILED", "ok", "FAILED", "FAILED", "not"] and not (folders / "all.json").exists()


def test_what_is_no_build_s_failure_comes_out(fake, folders, monkeypatch):
    project(folders, "a", "bug"), project(folders, "b")
    monkeypatch.setattr(sys, "argv", ["dagger-aml", "build", "a", "b", "-t", REG])
    from dagger_aml.cli import main

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ExceptionGroup) as raised:
        main()
    signal.signal(signal.SIGTERM, before)
    assert raised.group_contains(ZeroDivisionError)


def test_without_a_builder_there_is_no_table(cli, folders, monkeypatch):
    project(folders, "a"), project(folders, "b")

    def opened(*_: Any, **__: Any) -> Any:
        raise EngineNotFound("no Dagger engine answers")

    monkeypatch.setattr(build_module, "opened", opened)
    code, out, err = cli("build", "a", "b", "-t", REG)
    assert (code, out) == (1, "") and err.endswith("dagger-aml: error: no Dagger engine answers\n")


@pytest.mark.parametrize(("jobs", "most"), [([], 4), (["--jobs", "2"], 2), (["-j", "1"], 1), (["-j", "99"], 6)])
def test_so_many_at_once(cli, fake, folders, jobs, most):
    for name in "abcdef":
        project(folders, name)
    code, out, _ = cli("build", *"abcdef", "-t", REG, *jobs)
    assert code == 0 and fake.going == [0, most]
    assert fake.said == list("abcdef"), "they begin in their order"
    assert [line.split()[0] for line in out.splitlines()[1:]] == list("abcdef")


@pytest.mark.parametrize("builder", ["podman", "buildah"])
def test_builders_with_one_store_build_one_at_a_time(cli, fake, folders, builder):
    project(folders, "a"), project(folders, "b")
    code, _, err = cli("build", "a", "b", "-t", REG, "--with", builder, "--jobs", "2")
    assert code == 0 and fake.going == [0, 1]
    assert f"warning: building one project at a time: {builder}'s store" in err
    _, _, err = cli("build", "a", "b", "-t", REG, "--with", builder)
    assert "building one project at a time" not in err, "nobody asked for more"


def test_quiet_is_a_name_and_a_digest(cli, fake, folders):
    project(folders, "b", "0.1"), project(folders, "a"), project(folders, "c", "fail")
    code, out, err = cli("build", "b", "a", "c", "-t", REG, "--push", "-q")
    assert (code, out) == (1, "b sha256:b\na sha256:a\n")
    assert err.startswith("dagger-aml: error: 1 of 3 projects failed")


def test_quiet_without_a_digest_is_silent(cli, fake, folders):
    """An engine tells none of an image that it only builds."""
    project(folders, "a", "unnamed")
    code, out, _ = cli("build", "a", "-q")
    assert (code, out) == (0, "")


def test_files_of_their_own(cli, fake, folders):
    project(folders, "a"), project(folders, "b")
    words = ["-o", "{name}.tar", "--metadata-file", "{name}.json", "--iidfile", "{name}.id"]
    code, _, err = cli("build", "a", "b", "-t", REG, *words, "--push")
    assert code == 0, err
    assert (folders / "b.tar").read_text() == "b" and (folders / "b.id").read_text() == "sha256:config-b"
    assert json.loads((folders / "a.json").read_text())["image.name"] == "reg.example/a:1"


def test_interrupted_it_tells_what_is_done(folders, fake):
    """In a process of its own, forked of this one: the signal is one to the whole."""
    project(folders, "a"), project(folders, "b", "signal"), project(folders, "c", "30"), project(folders, "d")
    words = ["build", *"abcd", "-t", REG, "--push", "--jobs", "2", "--metadata-file", "all.json"]
    out, err = folders / "out", folders / "err"
    child = os.fork()
    if not child:
        code = None
        try:
            sys.stdout, sys.stderr = out.open("w"), err.open("w")
            signal.signal(signal.SIGINT, signal.default_int_handler)
            sys.argv = ["dagger-aml", *words]
            main()
        except SystemExit as ended:
            code = ended.code
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 70)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    done = subprocess.CompletedProcess(words, code, out.read_text(), err.read_text())
    assert done.returncode == 130 and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.endswith("dagger-aml: interrupted\n")
    assert [line[9:19].strip() for line in done.stdout.splitlines()] == [
        "result",
        *("ok", "stopped", "stopped", "not begun"),
    ]
    assert not (folders / "all.json").exists()


def test_a_builder_tells_another_and_knows_its_bases():
    builder = LocalBuilder(Buildah("buildkit"))
    told: list[Event] = []
    other = builder.with_events(told.append)
    other.on_event(Message("x"))
    assert told == [Message("x")] and builder.on_event is not other.on_event
    assert other._bases is builder._bases


# --- how it is shown ----------------------------------------------------------------------------------------------


def test_quiet_without_an_output_prints_the_id_or_says_why_there_is_none(cli, fake, folders):
    project(folders, "a"), project(folders, "b", "unnamed")
    assert cli("build", "a", "--quiet", "--with", "podman", "--layers", "builder") == (0, "a\n", "")
    code, out, err = cli("build", "b", "--quiet")
    assert (code, out) == (0, "") and err.startswith("dagger-aml: no output was requested, so no image is written")
    code, out, err = cli("build", "b", "--quiet", "--layers", "builder")
    assert (code, out) == (0, "") and err.startswith("dagger-aml: no output was requested, so the image stays")
    code, out, err = cli("build", "b", "--quiet", "--with", "podman", "--layers", "builder")
    assert (code, out) == (0, "") and err.startswith("dagger-aml: no output was requested, so the image stays")
    _, out, err = cli("build", "b", "--quiet", "-o", "b.tar")
    assert "no output was requested" not in err


@pytest.mark.parametrize("names", [("a",), ("a", "absent")])
@pytest.mark.parametrize("quiet", [["-q"], [], ["-q", "--progress", "plain"]])
def test_that_an_image_goes_nowhere_is_told_once_and_before_anything_is_read(cli, fake, folders, names, quiet):
    make(folders / "a", {"dagger-aml.toml": "bse = 'x'\n"})
    code, out, err = cli("build", *names, *quiet)
    assert (code, out) == (2, "") and err.count("no output was requested, so no image is written; add --push") == 1
    assert err.index("no output was requested") < err.index("unknown key 'bse'")


def test_plain_lines_begin_with_the_project(cli, fake, folders):
    project(folders, "a"), project(folders, "b")
    _, _, err = cli("build", "a", "b", "--jobs", "1")
    lines = err.splitlines()
    assert lines[0].startswith("dagger-aml: warning: no output was requested")
    assert lines[1] == "opened dagger"
    assert [line for line in lines if line.startswith("a: ")] == [
        "a: [1/1] code ...",
        "a: [1/1] code  0.5 s",
        "a: 1 step, 0 of them reused",
    ]


def test_objects_have_the_project(cli, fake, folders):
    project(folders, "a"), project(folders, "b", "fail")
    code, _, err = cli("build", "a", "b", "-t", REG, "--progress", "json", "-o", "{name}.tar")
    read = [json.loads(line) for line in err.splitlines()]
    assert code == 1
    of_a = [each for each in read if each.get("project") == "a"]
    assert [each["event"] for each in of_a] == ["op_started", "op_done", "finished"]
    assert of_a[-1]["digest"] == "sha256:a"
    (failed,) = [each for each in read if each["event"] == "failed" and "project" in each]
    assert (failed["project"], failed["error"], failed["exit_code"]) == ("b", "BuildError", 1)
    assert read[-1]["event"] == "failed" and "1 of 2 projects failed" in read[-1]["text"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def screen(text: str) -> list[str]:
    """What a terminal shows in the end; knows what :mod:`dagger_aml.cli.progress.live` writes and no more."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\r|\n|\x1b\[\d*[AJK]|[^\r\n\x1b]+", text):
        if part == "\r":
            column = 0
        elif part == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif part.endswith("A") and part[0] == "\x1b":
            row -= int(part[2:-1])
        elif part == "\x1b[J":
            lines[row:] = [lines[row][:column]]
        elif part == "\x1b[K":
            lines[row] = lines[row][:column]
        else:
            lines[row] = lines[row][:column] + part + lines[row][column + len(part) :]
            column += len(part)
    return lines


def test_a_terminal_has_a_line_for_each_project(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress("tty") as progress:
        progress.on_event(Message("opened"))
        a, b = progress.of("a"), progress.of("b")
        a.on_event(OpStarted("apt", 1, 2))
        b.on_event(OpStarted("model", 2, 3))
        b.on_event(Transferred("sent", "model", 5_000_000, 9_000_000))
        progress.warn("worth knowing")
        shown = screen(terminal.getvalue())
        assert shown[:2] == ["opened", "dagger-aml: warning: worth knowing"]
        assert [re.sub(r" . \d s$", "", line) for line in shown[2:]] == [
            "a: [1/2] apt",
            "b: model: 5.0 MB of 9.0 MB sent",
        ]
        a.on_event(OpDone("apt", 1, 2, 1.0, True))
        assert [line.split(":")[0] for line in screen(terminal.getvalue())[2:]] == ["a", "b"]
        a.on_event(Message("pushing r/a:1"))
        time.sleep(0.5)
        shown = screen(terminal.getvalue())
        assert shown[2:4] == ["a: [1/2] apt  CACHED", "a: pushing r/a:1"]
        assert [line.split(":")[0] for line in shown[4:]] == ["b", "a"]
        a.stop()
        b.failed(BuildError("no", location="model"), 3.0)
        b.stop()
    assert screen(terminal.getvalue()) == [
        "opened",
        "dagger-aml: warning: worth knowing",
        "a: [1/2] apt  CACHED",
        "a: pushing r/a:1",
        "b: failed after 3.0 s: model: no",
        "",
    ]


def test_more_projects_than_the_terminal_has_lines(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress("tty") as progress:
        for number in range(40):
            progress.of(f"p{number}").on_event(OpStarted("x" * 200, 1, 1))
        progress.warn("n")
        shown = screen(terminal.getvalue())
        assert len(shown) == 1 + 23 and all(len(line) < 80 for line in shown)
    assert screen(terminal.getvalue())[1:] == [""]


def test_no_placeholder_s_error_is_about_the_wrong_flag():
    assert error_of(placeholders, "{x}", "iidfile").location == "iidfile=…"
    with pytest.raises(UsageError):
        placeholders("}", "output")
