"""taskfiles/aml.yml in a second project that includes it, and the Makefile of docs/tasks.md."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from attrs import define, field

from tests.support.builders import need_programs
from tests.support.cli import shared_program
from tests.support.direct import put_base
from tests.support.markdown import ROOT, Block, blocks
from tests.support.projects import SCORE, make
from tests.support.registry import FakeRegistry
from tests.support.task import Recorded, task_program

PAGE = ROOT / "docs" / "tasks.md"


@define
class Repository:
    """A repository that is not this one, with two projects, a Taskfile and a Makefile as the page shows them."""

    root: Path
    recorded: Recorded = field(repr=False)
    registry: FakeRegistry = field(repr=False)

    def call(self, *words: object) -> subprocess.CompletedProcess[str]:
        env = self.recorded.environment(
            DAGGER_AML_CACHE_DIR=self.root / "cache", DOCKER_CONFIG=self.root, HOME=self.root, CI="true", NO_COLOR=1,
            GOGC="off",  # Task ends long before its memory is worth a look: a third of its time.
        )  # fmt: skip
        return subprocess.run(
            list(map(str, words)), cwd=self.root, env=env, capture_output=True, text=True, check=False, timeout=100
        )

    def task(self, name: str, *words: object) -> subprocess.CompletedProcess[str]:
        return self.call(task_program(), "--exit-code", f"aml:{name}", *words)

    def did(self, name: str, *words: object) -> list[str]:
        """The commands that a task has called; it must go well."""
        done = self.task(name, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return self.recorded.commands()

    def change(self, name: str) -> None:
        make(self.root / "models" / name, {"code/more.py": f"x = {self.recorded!r}"})


@pytest.fixture
def repository(tmp_path: Path, registry: FakeRegistry) -> Repository:
    need_programs("sh")
    root = tmp_path / "theirs"
    base = put_base(registry).reference
    for folder, name in (("a b", "ab"), ("price", "price")):
        said = f'base = "{base}"\nname = "{name}"\n'
        make(root / "models" / folder, {"dagger-aml.toml": said, "code/score.py": SCORE, "model/weights": b"m" * 99})
    make(root, {_named(block.words): block.text.replace("registry.example", registry.host) for block in _shown()})
    (root / "tools").mkdir()
    shutil.copy(ROOT / "taskfiles" / "aml.yml", root / "tools")
    return Repository(root, Recorded(tmp_path / "bin", shared_program()), registry)


def _shown() -> list[Block]:
    return [block for block in blocks(PAGE) if "file" in block.words]


def _named(words: tuple[str, ...]) -> str:
    return words[words.index("file") + 1]


def test_nothing_runs_where_nothing_changed(repository: Repository) -> None:
    tars = ("OUTPUT=-o ./{name}.tar", "BUILT=./{name}.tar")
    assert repository.did("build", *tars) == ["plan", "plan", "build"]
    assert repository.did("build", *tars) == ["plan"], "only the question"
    repository.change("price")
    assert repository.task("build", *tars).returncode == 0
    assert repository.recorded.taken()[-1].startswith("build models/price --tag {name}:local"), "and no other"
    (repository.root / "ab.tar").unlink()
    assert repository.task("build", *tars).returncode == 0
    assert repository.recorded.taken()[-1].startswith("build models/a b --tag"), "what is gone is built again"
    assert repository.did("build", *tars) == ["plan"]


def test_a_push_is_of_what_changed_or_has_a_base_that_moved(repository: Repository) -> None:
    assert repository.task("changed").stdout == "models/a b\nmodels/price\n"
    repository.recorded.taken()
    assert repository.did("push") == ["plan", "plan", "build"]
    assert repository.registry.manifests.keys() >= {"ab", "price"}
    assert repository.did("push") == ["plan"]
    assert repository.task("changed").stdout == ""
    repository.change("a b")
    told = repository.task("status").stdout
    assert "models/a b    no " in told and "models/price  yes" in told
    held = dict(repository.registry.manifests["ab"]), dict(repository.registry.manifests["price"])
    assert repository.task("push").returncode == 0
    assert repository.registry.manifests["ab"]["main"] != held[0]["main"]
    assert repository.registry.manifests["price"] == held[1]
    # One whose base has moved is pushed too.
    put_base(repository.registry, user="1000:1000")
    assert repository.did("push")[-1] == "build"
    assert repository.did("push") == ["plan"]


def test_a_dockerfile_is_written_where_it_would_be_another(repository: Repository) -> None:
    words = ("PROJECT=models/price", "CONTEXT=out/price")
    (repository.root / "out").mkdir()
    assert repository.did("dockerfile", *words) == ["plan", "dockerfile"]
    assert (repository.root / "out/price/Dockerfile").is_file()
    assert repository.did("dockerfile", *words) == ["plan"]
    repository.change("price")
    assert repository.did("dockerfile", *words) == ["plan", "plan", "dockerfile"]
    said = (*words, "DOCKERFILE_OPTIONS=--format buildkit")
    assert repository.did("dockerfile", *said)[-1] == "dockerfile", "another form of it"
    assert repository.did("dockerfile", *said) == ["plan"]
    (repository.root / "out/price/Dockerfile").unlink()
    assert repository.did("dockerfile", *said, "--", "--force")[-1] == "dockerfile"


def test_what_is_wrong_ends_a_task_with_its_code(repository: Repository) -> None:
    make(repository.root / "models/price", {"dagger-aml.toml": "what = 1\n"})
    for name in ("check", "push", "build"):
        done = repository.task(name)
        assert done.returncode in (1, 2), name
        place = "models/price/dagger-aml.toml:1:1" if name == "check" else "models/price: dagger-aml.toml:1"
        assert f"{place}: unknown key 'what'" in done.stderr, name
        assert "build" not in repository.recorded.commands(), name


def test_run_and_score_are_of_one_project(repository: Repository) -> None:
    make(repository.root / "models/price", {"dagger-aml.toml": "what = 1\n"})
    for name in ("run", "score"):
        done = repository.task(name, "PROJECT=models/price", "--", "--with", "docker")
        assert done.returncode == 2, done.stderr
        assert repository.recorded.taken() == [f"{name} models/price --with docker"]


def test_the_tasks_of_the_page_are_those_of_the_file(repository: Repository) -> None:
    listed = repository.call(task_program(), "--list").stdout
    names = ["build", "changed", "check", "dockerfile", "push", "run", "score", "status"]
    assert [line.split()[1] for line in listed.splitlines()[1:]] == [f"aml:{name}:" for name in names]
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"| `aml:{name}` |" in page for name in names)


def test_the_makefile_builds_what_changed(repository: Repository) -> None:
    need_programs("make")
    shutil.move(repository.root / "models/a b", repository.root / "models/ab")  # make knows no names with spaces
    for wanted in (["check", "plan", "build"], ["check", "plan"]):
        done = repository.call("make", "push")
        assert done.returncode == 0, done.stderr
        assert repository.recorded.commands() == wanted
    make(repository.root / "models/price", {"dagger-aml.toml": "what = 1\n"})
    assert repository.call("make", "push").returncode == 2
    assert repository.recorded.commands() == ["check"]
