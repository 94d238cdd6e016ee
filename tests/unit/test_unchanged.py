"""A push of what has not changed since the same call pushed it: nothing is read anew, and only then."""

import io
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import define, evolve, field, fields

import dagger_aml.__main__ as start
from dagger_aml.building import looked_at, unchanged
from dagger_aml.building.looked_at import Heard, Unclear, call_key, mark_of
from dagger_aml.building.unchanged import Image, Pushed, Ran, document_digest, keep, kept
from dagger_aml.cli import common
from dagger_aml.cli import main as run
from dagger_aml.cli import unchanged as noting
from dagger_aml.cli.replay import _event
from dagger_aml.events import Warned
from dagger_aml.finding import FileLocation, Finding, Fix
from dagger_aml.fs.cache_folder import VARIABLE as CACHE
from dagger_aml.oci.content_store import ContentStore
from dagger_aml.oci.push import PushClient
from tests.support.cli import run_here
from tests.support.direct import LAYERS, put_base
from tests.support.layers import file
from tests.support.projects import SCORE, make
from tests.support.registry import FakeRegistry, digest_of, fake_registry

HEARING: list[Heard] = []
"""Who hears now. Python forgets no hook, so that all of these tests share one."""


@pytest.fixture(scope="module", autouse=True)
def hook() -> None:
    """The one hook."""

    def hear(event: str, args: tuple[object, ...]) -> None:
        for each in HEARING:
            each.hear(event, args)

    sys.addaudithook(hear)


class Hearing(Heard):
    """Hears while a call lasts."""

    def begin(self) -> None:
        self.began_ns = time.time_ns()
        HEARING.append(self)


@define(eq=False)
class Calls:
    """Calls of the command line, one after the other.

    :param read: of each project that was read.
    """

    registry: FakeRegistry
    root: Path
    words: list[str]
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    read: list[str] = field(factory=list)
    before: tuple[str, str] = ("", "")

    def __call__(self, *more: str, fails: int = 0) -> tuple[str, str]:
        """One more; what it printed, and told."""
        heard, words = Hearing(), [*self.words, *more]
        self.monkeypatch.setattr(looked_at, "HEARD", heard)
        self.monkeypatch.setattr(noting, "HEARD", heard)
        self.monkeypatch.setattr(sys, "argv", ["dagger-aml", *words])
        self.registry.asked.clear()
        self.read.clear()
        self.capsys.readouterr()
        try:
            with pytest.raises(SystemExit) as ended:
                run(pushed=start._pushed_again(words))
        finally:
            HEARING.clear()
        assert (ended.value.code or 0) == fails
        found = self.capsys.readouterr()
        return found.out, found.err

    @property
    def tag(self) -> str:
        """What is pushed."""
        return f"{self.registry.host}/app:1"


def project(folder: Path) -> Path:
    """A project; that of another name has another image."""
    score = f"# {folder.name}\n{SCORE}"
    return make(folder, {"code/score.py": score, "code/more.py": "x = 1\n", "model/m.bin": "m"})


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeRegistry, Path]]:
    """A registry to which other calls have pushed what the tests push, and their cache."""
    folder = tmp_path_factory.mktemp("pushed")
    roots, cache = [project(folder / name) for name in "pq"], folder / "cache"
    with fake_registry() as registry:
        base, host = put_base(registry).reference, registry.host
        for words in ([roots[0], "-t", f"{host}/app:1"], [*roots, "-t", f"{host}/{{name}}:1"]):
            more = ["--base", base, "--push", "--no-smoke"]
            done = run_here("build", *words, *more, env={CACHE: cache, "DOCKER_CONFIG": folder})
            assert done.returncode == 0, done.stderr
        yield registry, cache


@pytest.fixture
def registry(pushed: tuple[FakeRegistry, Path]) -> Iterator[FakeRegistry]:
    """That registry, which has what it had when the test is over."""
    found, before = pushed[0], FakeRegistry()
    before.host = found.host
    before.blobs = {name: dict(held) for name, held in found.blobs.items()}
    before.manifests = {name: dict(held) for name, held in found.manifests.items()}
    yield found
    for each in fields(FakeRegistry):
        setattr(found, each.name, getattr(before, each.name))


@pytest.fixture
def first(
    pushed: tuple[FakeRegistry, Path],
    registry: FakeRegistry,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> Iterator[Calls]:
    """A project whose image has been pushed, by no such call."""
    shutil.copytree(pushed[1], cache)
    monkeypatch.setattr(unchanged, "STILL_NS", -1_000_000_000_000)
    # Of the modules that pytest and other tests have loaded, each would be looked at in every call, as ours are.
    ours = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in ("dagger_aml", "click")}
    python = SimpleNamespace(
        **{name: getattr(sys, name) for name in ("path_importer_cache", "executable", "version")}, modules=ours
    )
    monkeypatch.setattr(looked_at, "sys", python)
    # It has another value while a test is set up.
    monkeypatch.setattr(looked_at, "_UNSAID", {"PYTEST_CURRENT_TEST", "SHLVL"})
    root = project(tmp_path / "work/p")
    host = registry.host
    words = ["build", str(root), "--base", f"{host}/base:1", "-t", f"{host}/app:1", "--push", "--no-smoke"]
    made = Calls(registry, root, words, monkeypatch, capsys)
    load = common.load_project

    def counted(folder: str, options: Any) -> Any:
        made.read.append(folder)
        return load(folder, options)

    monkeypatch.setattr(common, "load_project", counted)
    handler = signal.getsignal(signal.SIGTERM)
    yield made
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def calls(first: Calls) -> Calls:
    """A project that was pushed: the next such call need not read it."""
    first.before = first()
    assert first.read and kept(first.words)
    return first


ONCE_MORE = ["HEAD /v2/base/manifests/1", "GET /v2/app/manifests/1", "PUT /v2/app/manifests/1"]


def test_the_same_call_reads_nothing_asks_three_times_and_tells_the_same(calls: Calls) -> None:
    held = dict(calls.registry.manifests["app"])
    assert calls() == calls.before and not calls.read
    assert "nothing to push" in calls.before[1] and "digest sha256:" in calls.before[0]
    assert calls.registry.requests() == ONCE_MORE and calls.registry.manifests["app"] == held


def test_so_does_a_quiet_one_which_prints_the_digest_alone(calls: Calls) -> None:
    out, err = calls("--quiet")
    assert calls.read and calls("--quiet") == (out, err) == (f"{digest_of(*_named(calls))}\n", "") and not calls.read


def test_where_only_progress_is_not_shown_every_line_is_printed(calls: Calls) -> None:
    first = calls("--progress", "quiet")
    assert first == (calls.before[0], "") and calls.read
    assert calls("--progress", "quiet") == first and not calls.read


def _named(calls: Calls) -> tuple[bytes]:
    return (calls.registry.manifests["app"]["1"][0],)


def _set_back(root: Path) -> None:
    """Other bytes of the same size, with the time of the last change set back."""
    path, info = root / "code/more.py", (root / "code/more.py").stat()
    path.write_text("x = 2\n")
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def _replaced(root: Path) -> None:
    (root / "new").write_text("x = 1\n")
    (root / "new").replace(root / "code/more.py")


def _git_ignores(root: Path) -> None:
    (root.parent / ".git").mkdir()
    (root.parent / ".gitignore").write_text("more.py\n")


CHANGES: Mapping[str, Callable[[Path], object]] = {
    "other bytes": lambda root: (root / "code/score.py").write_text(f"{SCORE}# more\n"),
    "other bytes of the same size, its time set back": _set_back,
    "replaced by the same": _replaced,
    "a file more": lambda root: (root / "code/new.py").touch(),
    "a file less": lambda root: (root / "code/more.py").unlink(),
    "another mode": lambda root: (root / "code/more.py").chmod(0o755),
    "an empty folder": lambda root: (root / "model/empty").mkdir(),
    "a project file": lambda root: (root / "dagger-aml.toml").write_text('name = "p"\n'),
    "a link": lambda root: (root / "code/link.py").symlink_to("more.py"),
    "what git ignores, above the project": _git_ignores,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_project_that_changed_is_read(calls: Calls, change: str) -> None:
    CHANGES[change](calls.root)
    calls()
    assert calls.read


def test_where_the_project_changed_nothing_else_is_looked_at(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that was opened is hundreds of files, of the code that opened them too."""
    looked: list[int] = []

    def counted(paths: Iterable[str], *more: Any) -> str:
        looked.append(len(list(paths)))
        return mark_of(paths, *more)

    monkeypatch.setattr(unchanged, "mark_of", counted)
    assert kept(calls.words) and len(looked) == 2 and looked[-1] > 100
    looked.clear()
    _replaced(calls.root)
    assert kept(calls.words) is None and looked == [0]


def test_a_file_beside_the_project_is_no_change_of_it(calls: Calls) -> None:
    (calls.root.parent / "other").touch()
    assert calls() == calls.before and not calls.read


def test_one_with_another_environment_is_read_too(calls: Calls) -> None:
    calls.monkeypatch.setenv("ANY", "1")
    assert calls()[0] == calls.before[0] and calls.read


def test_other_words_another_folder_or_another_python_make_another_call(calls: Calls) -> None:
    first = call_key(calls.words)
    calls.monkeypatch.setenv("SHLVL", "9")
    assert call_key(calls.words) == first != call_key([*calls.words, "--label", "a=b"])
    calls.monkeypatch.chdir(calls.root)
    assert call_key(calls.words) != first
    calls.monkeypatch.undo()
    calls.monkeypatch.setattr(sys, "version", "4")
    assert call_key(calls.words) != first


def test_another_base_is_taken(calls: Calls) -> None:
    put_base(calls.registry, *LAYERS, {"opt": file("new")})
    before = _named(calls)
    calls()
    assert calls.read and _named(calls) != before


def test_a_tag_that_names_another_image_gets_ours_by_the_usual_way(calls: Calls) -> None:
    held, ours = calls.registry.manifests, _named(calls)
    for whole in (False, True):
        held["app"]["1"] = held["base"]["1"]
        if whole:  # Else the registry tells by itself, which looks for what it names.
            calls.registry.blobs["app"] |= calls.registry.blobs["base"]
        calls()
        assert calls.read and _named(calls) == ours
    del held["app"]["1"]
    calls()
    assert calls.read and _named(calls) == ours


def test_a_blob_that_has_gone_is_sent_again(calls: Calls) -> None:
    """The registry says so when it is given the manifest."""
    blobs = calls.registry.blobs["app"]
    gone = json.loads(_named(calls)[0])["layers"][-1]["digest"]
    del blobs[gone]
    calls()
    assert calls.read and gone in blobs


def test_what_the_registry_refuses_is_told_by_the_usual_way(calls: Calls) -> None:
    calls.registry.login = ("me", "x")
    _, err = calls(fails=1)
    assert calls.read and "refused" in err


def test_whatever_goes_wrong_is_the_usual_ways_to_tell(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = PushClient.put_manifest

    def once(client: PushClient, *words: Any, **more: Any) -> str:
        monkeypatch.setattr(PushClient, "put_manifest", asked)
        raise AttributeError("x")

    monkeypatch.setattr(PushClient, "put_manifest", once)
    assert calls()[0] == calls.before[0] and calls.read


@pytest.fixture
def several(first: Calls) -> Calls:
    """Two projects that were pushed by one call: the next need read neither."""
    roots = [first.root, project(first.root.parent / "q")]
    first.words[1:2] = map(str, roots)
    first.words[first.words.index("-t") + 1] = f"{first.registry.host}/{{name}}:1"
    first.before = first()
    assert first.read == list(map(str, roots)) and kept(first.words)
    return first


def _without_seconds(text: str) -> list[list[str]]:
    return sorted([word for word in line.split() if not re.fullmatch(r"\d+\.\d", word)] for line in text.splitlines())


def test_several_projects_are_pushed_again_without_reading_one(several: Calls) -> None:
    held = {name: dict(several.registry.manifests[name]) for name in "pq"}
    out, err = several()
    assert not several.read
    assert _without_seconds(out) == _without_seconds(several.before[0]) and out.count("sha256:") == 2
    assert _without_seconds(err) == _without_seconds(several.before[1]) and "q: " in err
    verbs = [f"{verb} /v2/{name}/manifests/1" for verb in ("GET", "PUT") for name in "pq"]
    assert sorted(several.registry.requests()) == sorted(["HEAD /v2/base/manifests/1", *verbs])
    assert {name: several.registry.manifests[name] for name in "pq"} == held


def test_several_tell_their_names_and_digests_alone(several: Calls) -> None:
    first = several("-q")
    assert several.read and several("-q") == first and not several.read
    assert [line.split()[0] for line in first[0].splitlines()] == ["p", "q"]


def test_one_of_several_that_changed_has_all_read(several: Calls) -> None:
    for change in ("other bytes of the same size, its time set back", "a link"):
        CHANGES[change](several.root.parent / "q")
        several()
        assert len(several.read) == 2
        several()
        several()
        assert not several.read


def test_several_are_not_pushed_by_halves(several: Calls) -> None:
    """Nothing is put anywhere unless every tag names what it did."""
    held = several.registry.manifests
    ours, held["q"]["1"] = held["q"]["1"], held["base"]["1"]
    several.registry.asked.clear()
    assert not unchanged.pushed_again(kept(several.words))
    assert not any(each.startswith("PUT") for each in several.registry.requests())
    several()
    assert several.read and held["q"]["1"] == ours


def test_another_base_of_several_is_taken(several: Calls) -> None:
    put_base(several.registry, *LAYERS, {"opt": file("new")})
    several()
    assert len(several.read) == 2


def test_several_that_ask_for_more_are_done_each_time(several: Calls, tmp_path: Path) -> None:
    several.monkeypatch.chdir(tmp_path)
    for more in (["--json"], ["--metadata-file", "m.json"], ["--no-cache"], ["--ci", "gitlab"]):
        for _ in range(2):
            several(*more)
            assert len(several.read) == 2, more


def test_where_one_of_several_fails_nothing_is_kept(several: Calls) -> None:
    make(several.root, {"dagger-aml.toml": f'base = "{several.registry.host}/none:1"\n'})
    at = several.words.index("--base")
    base = several.words[at + 1]
    del several.words[at : at + 2]
    make(several.root.parent / "q", {"dagger-aml.toml": f'base = "{base}"\n'})
    several.registry.login = ("me", "x")
    for _ in range(2):
        several(fails=1)
        assert len(several.read) == 2


def test_a_damaged_document_counts_as_none(calls: Calls, cache: Path) -> None:
    for each in (cache / "calls").iterdir():
        each.write_bytes(each.read_bytes().replace(b"app:1", b"app:2"))
    assert calls()[0] == calls.before[0] and calls.read


def test_one_that_lacks_a_mark_counts_as_none(calls: Calls, cache: Path) -> None:
    store, key = ContentStore(cache), call_key(calls.words)
    document = store.document("calls", key)
    for marks in (document["marks"][:-1], [], None):
        store.put_document("calls", key, {**document, "marks": marks})
        assert kept(calls.words) is None
    store.put_document("calls", key, document)
    assert kept(calls.words)


NOT_KEPT = (["--no-cache"], ["--pull"], ["--metadata-file", "m.json"], ["--iidfile", "i"], ["--progress", "json"],
            ["--cache-to", "{host}/kept"], ["-o", "x.tar"])  # fmt: skip


def test_what_asks_for_more_than_a_push_is_done_each_time(calls: Calls, tmp_path: Path) -> None:
    calls.monkeypatch.chdir(tmp_path)
    for more in NOT_KEPT:
        words = [each.format(host=calls.registry.host) for each in more]
        calls(*words)
        calls(*words)
        assert calls.read, more


def test_what_was_sent_is_kept_by_the_next_call_only(calls: Calls) -> None:
    """What it told is not what the next one has to tell."""
    (calls.root / "code/more.py").write_text("x = 3\n")
    read = []
    for _ in range(3):
        calls()
        read.append(bool(calls.read))
    assert read == [True, True, False]


def test_a_place_in_the_project_file_is_told_again_as_it_was(calls: Calls, cache: Path) -> None:
    """Beside it stands what ``check --fix`` would do, which is no JSON."""
    (calls.root / "dagger-aml.toml").write_text('[env]\nAZUREML_WORKER_COUNT = "2"\n')
    calls()
    told = calls()
    assert calls.read and "dagger-aml.toml:2: AZUREML_WORKER_COUNT is not" in told[1]
    assert calls() == told and not calls.read
    assert list(cache.rglob(".new-*")) == []


def test_a_finding_is_kept_whole_but_for_its_fix() -> None:
    path = Path("/p/score.py")
    for place in (FileLocation("score.py", path, 7), FileLocation("score.py", path, 7).hidden, "--base", None):
        finding = Finding("m", "AML201", "info", place, "h", sure=False, fixes=(Fix(path, 7, "a", "b"),))
        (name, fields) = json.loads(json.dumps(["Warned", noting._fields(Warned(finding))]))
        found = _event(name, fields).finding
        assert found == finding and found.sure is False and type(found.location) is type(place)
        if isinstance(place, FileLocation):
            parts = (found.location.path, found.location.line, found.location.quoted)
            assert parts == (place.path, place.line, place.quoted)


def test_what_is_no_json_is_not_kept_and_fails_nothing(cache: Path) -> None:
    heard = Hearing()
    heard.began_ns = time.time_ns()
    told = {"mode": "quiet", "lines": [Path("x")]}
    keep(Pushed((Image("base:1", "", ("app:1",), "sha256:2"),), told, (), ()), ["x"], heard)
    assert kept(["x"]) is None and [each for each in cache.rglob("*") if each.is_file()] == []


def test_files_that_changed_just_now_are_not_trusted(calls: Calls) -> None:
    calls.monkeypatch.setattr(unchanged, "STILL_NS", 2_000_000_000)
    calls("--quiet")
    calls("--quiet")
    assert calls.read


def test_a_link_to_a_folder_is_followed_where_that_is_looked_at_too(tmp_path: Path) -> None:
    root = make(tmp_path / "p", {"a": "1", "model": "->../weights"})
    make(tmp_path / "weights", {"w.bin": "w"})
    with pytest.raises(Unclear):
        mark_of([], [str(root)])
    both = [str(root), str(tmp_path / "weights")]
    first = mark_of([], both)
    assert mark_of([], both) == first
    (tmp_path / "weights/w.bin").write_text("v")
    assert mark_of([], both) != first
    # Whoever names it by another way may have come over links that nobody knows.
    (root / "model").unlink()
    with pytest.raises(Unclear):
        mark_of([], both)


def test_a_project_that_is_another_folder_behind_the_same_link_is_read(calls: Calls) -> None:
    link = calls.root.parent / "current"
    make(
        calls.root.parent / "q", {"code/score.py": f"{SCORE}# other\n", "code/more.py": "x = 1\n", "model/m.bin": "m"}
    )
    link.symlink_to(calls.root)
    calls.words[1] = str(link)
    calls()
    calls()
    assert not calls.read
    before = _named(calls)
    link.unlink()
    link.symlink_to(calls.root.parent / "q")
    calls()
    assert calls.read and _named(calls) != before


def test_a_model_of_elsewhere_is_read_each_time(calls: Calls) -> None:
    make(calls.root.parent / "weights", {"w.bin": "w"})
    make(calls.root, {"dagger-aml.toml": '[[models]]\nname = "m"\npath = "../weights"\n'})
    for _ in range(3):
        calls()
        assert calls.read


def test_too_many_files_are_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make(tmp_path / "p", {"a": "1", "b/c": "2"})
    monkeypatch.setattr(looked_at, "_MOST_ENTRIES", 3)
    assert mark_of([], [str(root)])
    (root / "d").touch()
    with pytest.raises(Unclear):
        mark_of([], [str(root)])


def test_what_is_opened_elsewhere_is_looked_at_and_that_it_is_not_there(tmp_path: Path) -> None:
    heard, there = Hearing(), make(tmp_path / "x", {"a": "1", "b": "2", "in/c": "3", "cache/d": "4"})
    heard.begin()
    try:
        (there / "a").read_bytes()
        with pytest.raises(FileNotFoundError):
            (there / "gone").read_bytes()
        (there / "b").write_bytes(b"3")
        list((there / "in").iterdir())
        (there / "cache/d").read_bytes()
    finally:
        HEARING.clear()
    paths = heard.paths([str(there / "cache")])
    assert [each for each in paths if each.startswith(str(there))] == [
        f"{there}/{name}" for name in ("a", "gone", "in")
    ]
    assert unchanged.__file__ in paths and not any(each.endswith(".pyc") for each in paths)
    first = mark_of(paths, [])
    (there / "b").write_text("unheard of")
    assert mark_of(paths, []) == first
    for change in (
        lambda: (there / "gone").touch(),
        lambda: (there / "in/new").touch(),
        lambda: (there / "a").touch(),
    ):
        change()
        assert mark_of(paths, []) != first
        first = mark_of(paths, [])


def test_what_ran_is_held_against_its_age_and_against_what_ran_since(cache: Path, tmp_path: Path) -> None:
    heard, note = Hearing(), tmp_path / "note"
    heard.began_ns = time.time_ns()
    note.write_text("1")
    ran = Ran(str(note), document_digest(str(note)), time.time() - 100, 200.0)
    image = Image("base:1", "sha256:1", ("app:1",), "sha256:2", ran)
    pushed = Pushed((image,), {"mode": "quiet"}, (), ())

    def with_ran(other: Ran) -> Pushed:
        return evolve(pushed, images=(evolve(image, ran=other),))

    keep(pushed, ["x"], heard)
    assert kept(["x"]) == pushed and kept(["y"]) is None
    keep(with_ran(evolve(ran, limit_seconds=50.0)), ["x"], heard)
    assert kept(["x"]) is None
    keep(with_ran(evolve(ran, limit_seconds=None)), ["x"], heard)
    assert kept(["x"]) is not None
    note.write_text("2")
    assert kept(["x"]) is None
    keep(with_ran(evolve(ran, made=time.time() + 50, digest=document_digest(str(note)))), ["x"], heard)
    assert kept(["x"]) is None


def test_nobody_who_takes_the_digest_is_the_command_lines_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"mode": "quiet", "lines": ["sha256:2"]}
    pushed = Pushed((Image("base:1", "sha256:1", ("app:1",), "sha256:2"),), told, (), ())
    taken = io.StringIO()
    monkeypatch.setattr(sys, "stdout", taken)
    assert start._printed(pushed) and taken.getvalue() == "sha256:2\n"
    monkeypatch.setattr(sys, "stdout", None)
    assert not start._printed(pushed)
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert not start._printed(pushed)
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())
