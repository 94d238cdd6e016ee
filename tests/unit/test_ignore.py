"""Ignore files against git itself: the same files stay out."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagger_aml.fs.ignore import GIT_IGNORE, IgnoreFiles, ignore_files
from dagger_aml.fs.tree import local
from tests.support.depth import depth_of
from tests.support.projects import SCORE, make

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")

FILES = (
    "a.py",
    "b.log",
    "keep.log",
    "data/x.bin",
    "data/deep/y.bin",
    "pkg/a.py",
    "pkg/b.log",
    "build/o.txt",
    "x y.txt",
)
PATTERNS = (
    "*.log",
    "!keep.log",
    "data/",
    "/build",
    "pkg/*.py",
    "data/deep",
    "**/deep/",
    "/a.py",
    "a.py",
    "x y.txt",
    "# comment",
    "",
    "!/pkg/b.log",
    "deep",
    "[ab].py",
    "?.log",
)


def taken(root, top=None) -> set[str]:
    found = local(root, ignore=ignore_files(top or root, root))
    return {entry.path for entry in found.entries if entry.type == "file"}


def by_git(root) -> set[str]:
    listed = subprocess.run(
        ["git", "-C", root, "ls-files", "--others", "--exclude-standard", "-z"],
        capture_output=True,
        check=True,
        text=True,
        env={"HOME": str(root), "PATH": "/usr/bin:/bin:/usr/local/bin", "GIT_CONFIG_NOSYSTEM": "1"},
    )
    return {name for name in listed.stdout.split("\0") if name and not name.endswith(".gitignore")}


@pytest.fixture
def repository(tmp_path):
    root = make(tmp_path / "r", dict.fromkeys(FILES, "x"))
    subprocess.run(["git", "init", "-q", str(root)], check=True, capture_output=True)
    return root


@settings(max_examples=30, deadline=None)
@given(top=st.lists(st.sampled_from(PATTERNS), max_size=5), deeper=st.lists(st.sampled_from(PATTERNS), max_size=3))
def test_gitignore_means_what_git_says(tmp_path_factory, top, deeper):
    root = make(tmp_path_factory.mktemp("git") / "r", dict.fromkeys(FILES, "x"))
    subprocess.run(["git", "init", "-q", str(root)], check=True, capture_output=True)
    (root / ".gitignore").write_text("\n".join(top) + "\n")
    (root / "pkg" / ".gitignore").write_text("\n".join(deeper) + "\n")
    assert taken(root) == by_git(root)


NAMES = ("a", "b", "app", "app", "secrets", "foo", "foobar", "key", "a.py", "x y", "#c", "!d", "a\\b", "k*", "é", "]")
PARTS = (
    *NAMES,
    *(
        "*",
        "*",
        "**",
        "**",
        "***",
        "?",
        "[ab]",
        "[!a]",
        "[a-c]",
        "[]]",
        "[a-",
        "[z-a]",
        r"[\]]",
        r"[a\-z]",
        "[[:alpha:]]",
    ),
    *("[[:punct:]]", "[[:no:]]", "\\", r"\*", r"\#", r"\ ", " ", "-", ".py", "\t"),
)
WHOLE = ("", "/", "//", "!", "!/", "\\", "**/", "/**", "*", "*/", "/*", "!/*/", "a//b", "secrets/", "!/app", "#x")


def drawn_pattern(source: random.Random) -> str:
    if source.random() < 0.1:
        return source.choice(WHOLE)
    parts = (
        "".join(source.choices(PARTS, k=source.choice((1, 1, 1, 2, 3)))) for _ in range(source.choice((1, 1, 2, 3)))
    )
    before = source.choice(("", "", "", "!", "!", "/", "!/"))
    return before + "/".join(parts) + source.choice(("", "", "", "/", "/", " ", "\r"))


def drawn_folder(source: random.Random, root: Path) -> Path:
    """A folder with a few files some folders down, and one or two ignore files."""
    folders = {root}
    for _ in range(source.randint(3, 7)):
        path = root.joinpath(*source.choices(NAMES, k=source.randint(1, 4)))
        if not any(above.is_file() for above in path.parents) and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
            folders.update(above for above in path.parents if above.is_relative_to(root))
    for folder in {root, source.choice(sorted(folders))}:
        lines = [drawn_pattern(source) for _ in range(source.randint(1, 4))]
        (folder / GIT_IGNORE).write_text("\n".join(lines), encoding="utf-8", newline="")
    return root


def patterns_of(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob(GIT_IGNORE)}


def test_generated_patterns_leave_out_what_git_leaves_out(tmp_path, pytestconfig):
    """Each set lies in a folder of its own of one repository, so that git is started once."""
    source = random.Random(2911)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True, capture_output=True)
    folders = [drawn_folder(source, tmp_path / f"set-{number}") for number in range(depth_of(pytestconfig).drawn)]
    wanted: dict[str, set[str]] = {folder.name: set() for folder in folders}
    for name in by_git(tmp_path):
        folder, _, path = name.partition("/")
        wanted[folder].add(path)
    for root in folders:
        found = local(root, ignore=IgnoreFiles(GIT_IGNORE, root))
        assert {entry.path for entry in found.entries if entry.type == "file"} == wanted[root.name], patterns_of(root)


def test_amlignore_comes_before_gitignore(repository):
    (repository / ".gitignore").write_text("*.py\n")
    (repository / ".amlignore").write_text("*.log\n")
    found = taken(repository)
    assert "a.py" in found and "b.log" not in found


def test_the_repository_above_counts_and_an_amlignore_above_the_project_does_not(repository):
    (repository / ".gitignore").write_text("*.bin\n")
    (repository / "data" / "z.py").write_text("x")
    assert taken(repository / "data") == {"z.py"}
    (repository / ".amlignore").write_text("*.py\n")
    assert taken(repository / "data") == {"z.py"}


def test_what_is_ignored_is_said_and_an_ignored_entry_script_refused(tmp_path):
    from dagger_aml import Graph, ProjectError, lay_out, load_project
    from dagger_aml.steps import base, code
    from tests.support.calls import await_, error_of

    root = make(
        tmp_path / "p", {"code/score.py": SCORE, "code/big.bin": "x", ".gitignore": "*.bin\n", ".dockerignore": ""}
    )
    graph = await_(base(Graph(), "minimal-py312-inference"))
    made = await_(code(graph, root / "code", root=root))
    assert made.layers[0].source.left_out == ("big.bin",)
    assert [each.id for each in await_(lay_out(load_project(root))).warnings] == ["AML504"]
    (root / ".gitignore").write_text("score.py\n")
    error = error_of(lambda: await_(code(graph, root / "code", root=root)))
    assert isinstance(error, ProjectError) and "excluded" in error.message
