"""Whether projects need to be built: held against images of a registry, and against plans."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dagger_aml.backends.direct import push
from dagger_aml.backends.direct.note import NOTE_LABEL, Note, RuntimeNote, write_note
from dagger_aml.building import changed
from dagger_aml.cli.flags import in_flags
from dagger_aml.cli.main import cli
from dagger_aml.errors import UsageError
from dagger_aml.fs import still
from dagger_aml.oci import file_digests
from dagger_aml.oci.manifest import INDEXES, index_document
from dagger_aml.plan.compare import Earlier, run_again
from dagger_aml.plan.compare import against as compare
from dagger_aml.plan.keys import op_keys
from dagger_aml.plan.verdict import Standing, not_told, together
from dagger_aml.text import speaking
from tests.support.cli import run_here
from tests.support.direct import put_base
from tests.support.projects import SCORE, make, planned
from tests.support.registry import FakeRegistry, digest_of

FILES: dict[str, str | bytes | None] = {
    "dagger-aml.toml": '[env]\nA = "1"\nB = "2"\n[labels]\nc = "3"\n',
    "code/score.py": SCORE,
    "model/weights": b"m" * 70_000,
}


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cache of the test's own, files still at once, no login."""
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(still, "STILL_NS", -1_000_000_000)


def call(*words: object) -> Result:
    """What a command prints; its own errors come out."""
    done = CliRunner().invoke(cli, [str(each) for each in words])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def put_index(registry: FakeRegistry, repository: str, digest: str, tag: str, *platforms: str) -> None:
    """Have a tag name an index in which one image stands for each platform."""
    each = [dict(zip(("os", "architecture"), platform.split("/"), strict=True)) for platform in platforms]
    manifests = [{"digest": digest, "size": 1, "platform": platform} for platform in each]
    kind = "application/vnd.oci.image.index.v1+json"
    document = {"schemaVersion": 2, "mediaType": kind, "manifests": manifests}
    raw = json.dumps(document).encode()
    registry.manifests[repository] |= dict.fromkeys((tag, digest_of(raw)), (raw, kind))


class Shelf:
    """Projects, and a registry that has their base and their images."""

    def __init__(self, registry: FakeRegistry, root: Path) -> None:
        self.registry, self.root = registry, root
        self.base = put_base(registry).reference
        self.against = f"{registry.host}/{{name}}:main"

    def project(self, name: str) -> Path:
        return make(
            self.root / name, {**FILES, "dagger-aml.toml": f'base = "{self.base}"\n{FILES["dagger-aml.toml"]}'}
        )

    def build(self, *folders: Path) -> None:
        done = call("build", *folders, "-t", self.against, "--push", "--no-smoke", "-q")
        assert done.exit_code == 0, done.output

    def plan(self, *words: object) -> Result:
        return call("plan", *words, "--against", self.against)

    def verdict(self, folder: Path, *words: object) -> dict[str, Any]:
        found = json.loads(self.plan(folder, "--changed", "--json", *words).stdout)["projects"]
        if not found:
            return {"up_to_date": True}
        verdict: dict[str, Any] = found[0]["verdict"]
        return verdict


@pytest.fixture
def shelf(registry: FakeRegistry, tmp_path: Path) -> Shelf:
    return Shelf(registry, tmp_path / "models")


def toml(old: str, new: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        path = root / "dagger-aml.toml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return change


CHANGES: dict[str, tuple[Callable[[Path], object], str, int | None]] = {
    "code": (lambda root: make(root, {"code/score.py": SCORE + "#\n"}), "code (1 file): ", 56),
    "model": (lambda root: make(root, {"model/weights": b"n" * 70_000}), "model a 70.0 kB: ", 70_000),
    "more code": (lambda root: make(root, {"code/more.py": "x"}), "code (2 files): ", 55),
    "a variable": (toml('A = "1"', 'A = "2"'), "image config: env A", 0),
    "a variable more": (toml('A = "1"', 'A = "1"\nD = "2"'), "image config: env D", 0),
    "a variable less": (toml('B = "2"\n', ""), "image config: ", 0),
    "a label": (toml('c = "3"', 'c = "4"'), "image config: label c", 0),
    "a label less": (toml('c = "3"\n', ""), "image config: ", 0),
    "a command": (lambda root: make(root, {"apt.txt": "curl\n"}), "apt curl: it is new", None),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changed_is_told(name: str, shelf: Shelf) -> None:
    change, reason, size = CHANGES[name]
    root = shelf.project("a")
    shelf.build(root)
    assert shelf.plan(root, "--changed").stdout == ""
    change(root)
    verdict = shelf.verdict(root)
    assert verdict["up_to_date"] is False and verdict["base"] == "same" and verdict["bytes"] == size, verdict
    assert any(each.startswith(reason) for each in verdict["reasons"]), verdict
    assert shelf.plan(root, "--changed").stdout == f"{root}\n"


def test_it_is_told_as_text_as_json_and_by_the_exit_code(shelf: Shelf) -> None:
    a, b, c = (shelf.project(name) for name in "abc")
    shelf.build(a, b)
    make(b, {"code/score.py": SCORE + "#\n"})
    text = shelf.plan(a, b, c)
    assert text.stdout == (
        f"project{' ' * (len(str(a)) - 7)}  up to date  to send  why\n"
        f"{a}  yes\n"
        f"{b}  no          56 B     code (1 file): it changed\n"
        f"{c}  no                   there is no such image yet\n"
    )
    assert text.exit_code == 0
    assert shelf.plan(a, b, c, "--exit-code").exit_code == 3
    assert shelf.plan(a, "--exit-code").exit_code == 0
    listed = shelf.plan(a, b, c, "--changed", "--exit-code")
    assert (listed.stdout, listed.exit_code) == (f"{b}\n{c}\n", 3)
    data = json.loads(shelf.plan(a, b, c, "--json").stdout)
    assert [each["verdict"]["up_to_date"] for each in data["projects"]] == [True, False, False]
    assert [each["folder"] for each in data["projects"]] == [str(a), str(b), str(c)]
    assert all(each["ops"] and each["input_digest"]["complete"] for each in data["projects"])
    few = json.loads(shelf.plan(a, b, c, "--json", "--changed").stdout)
    assert [(each["folder"], each["name"]) for each in few["projects"]] == [(str(b), "b"), (str(c), "c")]
    assert [each["input_digest"] for each in few["projects"]] == [
        each["input_digest"] for each in data["projects"][1:]
    ]


def test_one_project_is_told_beside_its_plan(shelf: Shelf) -> None:
    root = shelf.project("a")
    missing = shelf.plan(root, "--exit-code")
    assert "\nUp to date: no\n  there is no such image yet\n" in missing.stdout and missing.exit_code == 3
    shelf.build(root)
    done = shelf.plan(root, "--exit-code")
    assert "\nUp to date: yes\n" in done.stdout and "  base: the same\n" in done.stdout and done.exit_code == 0
    data = json.loads(shelf.plan(root, "--json").stdout)
    assert data["verdict"] == {
        "name": shelf.against.replace("{name}", "a"), "up_to_date": True, "reasons": [], "base": "same", "bytes": 0,
    }  # fmt: skip
    assert data["base"]["digest"] and data["facts"]["source"] == "probed"


def test_the_program_ends_with_the_code_too(tmp_path: Path) -> None:
    """In a process of its own: click tells its runner for tests of an exit that the program would not see."""
    folders = [make(tmp_path / name, FILES) for name in "ab"]
    file = tmp_path / "plans.json"
    file.write_text(call("plan", *folders, "--json").stdout)
    words = ("--against", file, "--exit-code")
    assert run_here("plan", *folders, *words).returncode == 0
    make(folders[0], {"code/more.py": "x"})
    assert run_here("plan", *folders, *words).returncode == 3
    assert run_here("plan", folders[0], *words).returncode == 3
    wrong = make(tmp_path / "wrong", {"dagger-aml.toml": "what = 1\n", "code/score.py": SCORE})
    assert run_here("plan", folders[0], wrong, *words).returncode == 1


def test_a_cache_that_cannot_be_made_hides_nothing(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shelf.project("a")
    shelf.build(folder)
    (tmp_path / "a-file").write_text("")
    for place in (tmp_path / "a-file", tmp_path / "a-file" / "below"):
        monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(place))
        assert shelf.verdict(folder) == {"up_to_date": True}
    make(folder, {"code/score.py": SCORE + "#\n"})
    assert "code (1 file)" in shelf.verdict(folder)["reasons"][0]


def test_a_base_that_moved_is_seen(shelf: Shelf) -> None:
    root = shelf.project("a")
    shelf.build(root)
    assert put_base(shelf.registry, user="1000:1000").reference == shelf.base
    verdict = shelf.verdict(root)
    assert (verdict["up_to_date"], verdict["base"], verdict["bytes"]) == (False, "changed", None)
    assert verdict["reasons"][0] == "the base changed"


def test_a_base_of_another_name_is_seen(shelf: Shelf) -> None:
    root = shelf.project("a")
    shelf.build(root)
    shelf.registry.manifests["other"] = dict(shelf.registry.manifests[shelf.base.partition("/")[2].partition(":")[0]])
    shelf.registry.blobs["other"] = dict(shelf.registry.blobs[shelf.base.partition("/")[2].partition(":")[0]])
    toml(shelf.base, f"{shelf.registry.host}/other:{shelf.base.rpartition(':')[2]}")(root)
    assert shelf.verdict(root)["reasons"] == [f"the base has another name now, and was {shelf.base}"]


def test_what_cannot_be_asked_is_unknown_and_counts_as_changed(shelf: Shelf) -> None:
    root = shelf.project("a")
    shelf.build(root)
    repository = shelf.base.partition("/")[2].partition(":")[0]
    shelf.registry.manifests[repository].clear()
    verdict = shelf.verdict(root)
    assert (verdict["up_to_date"], verdict["base"]) == (None, "unknown")
    assert "the base could not be asked: " in verdict["reasons"][0]
    done = shelf.plan(root, "--changed", "--exit-code")
    assert done.exit_code == 3
    assert f"warning: {root}: cannot be told: the base could not be asked: " in done.stderr
    shelf.registry.login, shelf.registry.closed = ("u", "p"), frozenset({"a"})
    closed = shelf.verdict(root)
    assert closed["up_to_date"] is None and closed["reasons"] != verdict["reasons"]
    assert "access" in closed["reasons"][0]


def test_an_image_of_others_is_unknown(shelf: Shelf) -> None:
    root = shelf.project("a")
    name, tag = shelf.base.partition("/")[2].split(":")
    shelf.registry.manifests["a"] = {"main": shelf.registry.manifests[name][tag]}
    shelf.registry.blobs["a"] = shelf.registry.blobs[name]
    assert shelf.verdict(root)["up_to_date"] is None


def test_an_update_of_ours_is_no_change(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    root = shelf.project("a")
    shelf.build(root)
    for module in ("compare", "keys", "resolve"):
        monkeypatch.setattr(f"dagger_aml.plan.{module}.__version__", "9.9")
    assert shelf.verdict(root) == {"up_to_date": True}
    assert "image config changes, without a new layer: label io.dagger-aml.version" in shelf.plan(root).stdout


def test_an_error_of_one_stops_no_other(shelf: Shelf, tmp_path: Path) -> None:
    a, b = shelf.project("a"), shelf.project("b")
    shelf.build(a)
    bad = make(tmp_path / "bad", {"dagger-aml.toml": "what = 1\n", "code/score.py": SCORE})
    done = shelf.plan(a, bad, b, "--changed", "--exit-code")
    assert done.stdout == f"{bad}\n{b}\n" and done.exit_code == 1
    assert done.stderr.count("error: ") == 1 and str(bad) in done.stderr
    data = json.loads(shelf.plan(a, bad, b, "--json").stdout)["projects"]
    assert data[1]["error"]["exit_code"] == 2 and data[1]["verdict"]["up_to_date"] is None
    assert data[2]["verdict"]["up_to_date"] is False


def test_models_are_hashed_once_and_bases_asked_once(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(push, "SMALL", 0)
    folders = [shelf.project(f"p{number}") for number in range(5)]
    shelf.build(*folders)
    read: list[str] = []
    real = file_digests.file_digest
    monkeypatch.setattr(file_digests, "file_digest", lambda path, size: read.append(path.name) or real(path, size))
    shelf.registry.asked.clear()
    assert shelf.plan(*folders, "--changed").stdout == ""
    assert read == [], "the push has kept them"
    assert len(shelf.registry.asked) == 1 + len(folders), "the base's tag, and each image's manifest"
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "new"))
    assert shelf.plan(*folders, "--changed").stdout == ""
    assert len(read) == len(folders)
    assert shelf.plan(*folders, "--changed").stdout == ""
    assert len(read) == len(folders)


def test_a_plan_file_says_that_the_base_is_not_asked(shelf: Shelf, tmp_path: Path) -> None:
    a, b = shelf.project("a"), shelf.project("b")
    file = tmp_path / "plans.json"
    file.write_text(call("plan", a, b, "--json").stdout)
    shelf.registry.asked.clear()
    same = call("plan", a, b, "--against", file)
    assert [line.split()[1:] for line in same.stdout.splitlines()[1:]] == [["yes", "base:", "not", "asked"]] * 2
    toml('B = "2"\n', "")(b)
    assert call("plan", a, b, "--against", file, "--changed").stdout == f"{b}\n"
    assert shelf.registry.asked == []
    one = json.loads(call("plan", a, "--against", file, "--json").stdout)["verdict"]
    assert (one["up_to_date"], one["base"]) == (True, "not asked")
    c = shelf.project("c")
    assert "it has no plan of a project named 'c'" in call("plan", a, c, "--against", file).stdout


def test_a_plan_file_has_the_inputs_of_all_platforms(shelf: Shelf, tmp_path: Path) -> None:
    root, file = make(tmp_path / "two", FILES), tmp_path / "plan.json"
    both = ("--platform", "linux/amd64,linux/arm64")

    def verdicts() -> list[dict[str, Any]]:
        one = json.loads(call("plan", root, *both, "--json", "--against", file).stdout)["verdict"]
        each = json.loads(call("plan", root, root, *both, "--json", "--against", file).stdout)["projects"][0][
            "verdict"
        ]
        assert one == each
        return [one, each]

    file.write_text(call("plan", root, *both, "--json").stdout)
    assert "AML605" in call("plan", root, *both, "--against", file).stdout
    assert [each["up_to_date"] for each in verdicts()] == [True, True]
    several = json.loads(call("plan", root, root, *both, "--json").stdout)["projects"]
    assert several[0]["input_digest"] == json.loads(file.read_text())["input_digest"]
    file.write_text(call("plan", root, "--json").stdout)
    why = "linux/arm64: the file has the plan for linux/amd64 alone, and another digest of all inputs"
    assert [(each["up_to_date"], each["reasons"]) for each in verdicts()] == [(None, [why])] * 2
    make(root, {"code/score.py": SCORE + "#\n"})
    assert [each["up_to_date"] for each in verdicts()] == [False, False]


def test_of_two_projects_of_one_name_a_file_of_plans_takes_neither_for_the_other(
    shelf: Shelf, tmp_path: Path
) -> None:
    a, b = shelf.project("x/a"), shelf.project("y/a")
    make(b, {"code/score.py": SCORE + "#\n"})
    file = tmp_path / "plans.json"
    file.write_text(call("plan", a, b, "--json").stdout)
    several = f"it has several plans of projects named 'a': {a} and {b}"
    assert call("plan", a, b, "--against", file).stdout.count(several) == 2
    with pytest.raises(UsageError, match=several):
        call("plan", b, "--against", file)
    file.write_text(call("plan", b, b, "--json").stdout)
    assert call("plan", b, "--against", file, "--exit-code").exit_code == 0


def test_an_image_for_a_platform_that_the_project_is_not_for_any_more_is_not_up_to_date(shelf: Shelf) -> None:
    root = shelf.project("a")
    shelf.build(root)
    held = shelf.registry.manifests["a"]
    (digest,) = [each for each in held if each.startswith("sha256:")]

    index = partial(put_index, shelf.registry, "a", digest)
    index("main", "linux/amd64", "unknown/unknown")
    assert shelf.verdict(root)["up_to_date"] is True
    index("main", "linux/amd64", "unknown/unknown", "linux/arm64")
    why = "the image is for linux/arm64 too, and the project is not"
    verdict = shelf.verdict(root)
    assert (verdict["up_to_date"], verdict["reasons"]) == (False, [why])
    assert why in shelf.plan(root).stdout


BOTH = ("linux/amd64", "linux/arm64")


def put_bases(registry: FakeRegistry) -> None:
    """Have the base be for both platforms."""
    held = registry.manifests["base"]
    each = []
    for platform in BOTH:
        put_base(registry, architecture=platform.partition("/")[2])
        each.append((held["1"][0], platform))
    raw = index_document("oci", each)
    held |= dict.fromkeys(("1", digest_of(raw)), (raw, INDEXES["oci"]))


@pytest.mark.parametrize("how", ["tar", "folder", "tag", "plan", "plans", "image", "pinned"])
def test_a_platform_that_went_is_told_whatever_it_is_held_against(how: str, shelf: Shelf, tmp_path: Path) -> None:
    root, file = shelf.project("a"), tmp_path / "it"
    put_bases(shelf.registry)
    against, more, what = str(file), tuple[str, ...](), "plan" if "plan" in how else "image"
    both = ("--platform", ",".join(BOTH))
    if how in ("plan", "plans"):
        file.write_text(call("plan", root, *[root][: how == "plans"], *both, "--json").stdout)
    elif how in ("image", "pinned"):
        against, more = shelf.against, ("--pin",) if how == "pinned" else ()
        assert call("build", root, *both, "-t", against, "--push", "--no-smoke", "-q").exit_code == 0
    else:
        form = f"type=oci,dest={file}{'' if how == 'tar' else ',tar=false'}"
        assert call("build", root, *both, "-o", form, *(("-t", "a:7") if how == "tag" else ()), "-q").exit_code == 0
        against = f"oci:{file}:7" if how == "tag" else str(file)

    def verdict(*words: object) -> tuple[bool | None, str]:
        told = json.loads(call("plan", root, "--json", "--against", against, *more, *words).stdout)["verdict"]
        return told["up_to_date"], "; ".join(told["reasons"])

    assert f"the {what} is for linux/arm64 too" not in verdict(*both)[1]
    if how != "pinned":  # What --pin assumes of the base is not what it is, which is a difference too.
        assert verdict(*both)[0] is True
    up_to_date, why = verdict()
    assert up_to_date is False and f"the {what} is for linux/arm64 too, and the project is not" in why


def test_what_else_lies_in_a_layout_is_no_platform_of_the_image(shelf: Shelf, tmp_path: Path) -> None:
    root, folder = shelf.project("a"), tmp_path / "it"
    put_bases(shelf.registry)
    for platform, tag in zip(BOTH, "12", strict=True):
        words = ("--platform", platform, "-t", f"a:{tag}", "-o", f"type=oci,dest={tmp_path / tag},tar=false", "-q")
        assert call("build", root, *words).exit_code == 0
    shutil.copytree(tmp_path / "1", folder)
    shutil.copytree(tmp_path / "2/blobs", folder / "blobs", dirs_exist_ok=True)
    index, other = (json.loads((tmp_path / each / "index.json").read_text()) for each in "12")
    index["manifests"] += other["manifests"]
    (folder / "index.json").write_text(json.dumps(index))
    for against in (folder, f"oci:{folder}:1"):
        told = json.loads(call("plan", root, "--json", "--against", against).stdout)["verdict"]
        assert told["up_to_date"] is True, told


def test_probed_each_platform_is_compared(shelf: Shelf) -> None:
    root, both = shelf.project("a"), ("--platform", ",".join(BOTH))
    put_bases(shelf.registry)
    assert call("build", root, *both, "-t", shelf.against, "--push", "--no-smoke", "-q").exit_code == 0

    def told() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(shelf.plan(root, *both, "--json", "--probe").stdout)
        assert found["base"]["platform"] == "linux/amd64"
        return found

    done = told()
    assert (done["verdict"]["up_to_date"], done["verdict"]["base"]) == (True, "same")
    built = call("build", root, *both, "-t", shelf.against, "--push", "--no-smoke", "--json", "-q").stdout
    assert done["input_digest"] == json.loads(built)["projects"][0]["input_digest"]
    make(root, {"code/score.py": SCORE + "#\n"})
    why = "code (1 file): it changed"
    assert told()["verdict"]["reasons"] == [f"{each}: {why}" for each in BOTH]


def test_probed_a_platform_whose_base_does_not_answer_is_told(shelf: Shelf) -> None:
    """The base's index has an image for it that is for another."""
    root, both = shelf.project("a"), ("--platform", ",".join(BOTH))
    (digest,) = [each for each in shelf.registry.manifests["base"] if each.startswith("sha256:")]
    put_index(shelf.registry, "base", digest, "1", *BOTH)
    shelf.build(root)
    (digest,) = [each for each in shelf.registry.manifests["a"] if each.startswith("sha256:")]
    put_index(shelf.registry, "a", digest, "main", *BOTH)
    done = shelf.plan(root, *both, "--json", "--probe", "--exit-code")
    verdict = json.loads(done.stdout)["verdict"]
    (why,) = verdict["reasons"]
    assert (verdict["up_to_date"], done.exit_code) == (None, 3)
    assert why.startswith("linux/arm64: its plan could not be made: ") and "not for linux/arm64" in why


def test_pinned_each_platform_is_compared(shelf: Shelf) -> None:
    root, both = shelf.project("a"), ("linux/amd64", "linux/arm64")

    def share(name: str, tag: str) -> None:
        (digest,) = [each for each in shelf.registry.manifests[name] if each.startswith("sha256:")]
        put_index(shelf.registry, name, digest, tag, *both)

    share("base", "1")
    shelf.build(root)
    share("a", "main")
    words = ("plan", root, "--platform", ",".join(both), "--json", "--pin", "--against")
    told = json.loads(call(*words, f"{shelf.registry.host}/a:main").stdout)["verdict"]
    # What --pin assumes of the base is not what it is: a difference, and the same for each platform.
    assert (told["up_to_date"], told["base"]) == (False, "same")
    amd, arm = ({why.partition(": ")[2] for why in told["reasons"] if why.startswith(each)} for each in both)
    assert amd == arm and "code (1 file): it is new" in amd
    file = root.parent / "plan.json"
    file.write_text(call(*words[:-1]).stdout)
    (why,) = json.loads(call(*words, file).stdout)["verdict"]["reasons"]
    assert why == "linux/arm64: the file has the plan for linux/amd64 alone, and another digest of all inputs"


def test_offline_asks_nobody(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    root = shelf.project("a")
    shelf.build(root)
    shelf.registry.asked.clear()
    verdict = shelf.verdict(root, "--offline")
    assert verdict["up_to_date"] is None and "--offline" in verdict["reasons"][0]
    assert shelf.registry.asked == []


def test_a_tar_is_held_against_without_asking_the_base(shelf: Shelf, tmp_path: Path) -> None:
    root = shelf.project("a")
    assert call("build", root, "-o", tmp_path / "a.tar", "-t", "a:1", "-q").exit_code == 0
    shelf.registry.asked.clear()
    words = ("plan", root, "--json", "--against", tmp_path / "a.tar")
    verdict = json.loads(call(*words).stdout)["verdict"]
    assert (verdict["up_to_date"], verdict["base"]) == (True, "not asked")
    toml('B = "2"\n', "")(root)
    assert json.loads(call(*words).stdout)["verdict"]["up_to_date"] is False
    assert shelf.registry.asked == []


@pytest.mark.parametrize(
    ("days", "most", "said"),
    [
        (1, None, ""),
        (9, None, "what ran is 9 days old, and is taken for 7 days"),
        (9, 30, ""),
        (0.01, 0.00001, "what ran is 14 minutes old, and is taken for 1 second"),
        (0.01, 0, "what ran is 14 minutes old, and is taken for less than a second"),
        (1.5, 0.5, "what ran is 36 hours old, and is taken for 12 hours"),
    ],
)
def test_what_ran_too_long_ago_would_run_again(days: float, most: float | None, said: str, tmp_path: Path) -> None:
    plan = planned(make(tmp_path / "p", {**FILES, "apt.txt": "curl\n"}))
    ran = RuntimeNote("key", 0, time.time() - days * 86400)
    labels = {NOTE_LABEL: write_note(Note("sha256:0", None, ran), [], 0)}
    earlier = Earlier("IT", "", None, "linux/amd64", (), {}, complete=False, labels=labels)
    assert changed._too_old(plan, earlier, most) == (said and f"{said} (open_builder(max_age_days=…))")
    with speaking(in_flags):  # plan has no such flag.
        told = said and f"{said} ($DAGGER_AML_MAX_AGE or max-age of [build])"
        assert changed._too_old(plan, earlier, most) == told


def test_what_is_expected_where_what_ran_is_too_old_is_that_it_runs(tmp_path: Path) -> None:
    plan = planned(make(tmp_path / "p", {**FILES, "apt.txt": "curl\n"}))
    earlier = Earlier("IT", plan.base.reference, None, "linux/amd64", op_keys(plan), {}, complete=True)
    held = compare(plan, earlier)
    assert "Expected: nothing runs, no layer is new" in held.text("docker")
    text = run_again(held, plan, "what ran is 9 days old").text("docker")
    assert "1. apt curl: runs again: what ran is 9 days old\n" in text and "2. model p 70.0 kB: reused\n" in text
    assert "Expected: 1 step runs, no copied layer is new\n" in text


def test_the_plan_shows_it_so(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root, file = make(shelf.project("a"), {"apt.txt": "curl\n"}), tmp_path / "plan.json"
    file.write_text(call("plan", root, "--json").stdout)
    assert "1. apt curl: reused\n" in call("plan", root, "--against", file).stdout
    monkeypatch.setattr(changed, "_too_old", lambda *_: "it is too old")
    assert "1. apt curl: runs again: it is too old\n" in call("plan", root, "--against", file).stdout
    told = json.loads(call("plan", root, "--against", file, "--json").stdout)
    assert [each["dagger"] for each in told["against"]["ops"]] == ["runs", "reused", "reused"], told["against"]


def test_of_several_platforms_one_that_changed_is_enough() -> None:
    same, moved = (
        Standing("a", up_to_date=True, base="same", bytes=0),
        Standing("a", False, ("why",), "changed", None),
    )
    unknown = not_told("a", "what")
    names = ["linux/amd64", "linux/arm64"]
    assert together([same, moved], names) == Standing("a", False, ("linux/arm64: why",), "changed", None)
    assert together([unknown, same], names) == Standing("a", None, ("linux/amd64: what",), "unknown", None)
    assert together([unknown, moved], names).up_to_date is False
    assert together([same, same], names) == same


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--changed",), "--changed works only with --against"),
        (("--exit-code",), "--exit-code works only with --against"),
        (("--offline",), "--offline works only with --against"),
        (("--changed", "--pin", "--against", "registry.example/{name}:1"), "--pin works only with one project"),
        (("p", "q", "--against", "registry.example/a:1"), "would be the same image for several projects"),
        (("p", "q", "--changed", "--against", "missing.json"), "--against missing.json: there is no such file"),
    ],
)
def test_what_cannot_be_asked(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(Exception, match=said):
        call("plan", *words)
