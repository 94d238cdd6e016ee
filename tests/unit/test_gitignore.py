"""Patterns of ignore files: each path by itself, as git asks. test_ignore.py compares generated sets with git."""

from __future__ import annotations

from dagger_aml.fs.gitignore import Patterns
from dagger_aml.fs.ignore import AML_IGNORE, GIT_IGNORE, ignore_files
from dagger_aml.fs.tree import local
from tests.support.cases import for_each
from tests.support.projects import SCORE, make


@for_each("name", [AML_IGNORE, GIT_IGNORE])
@for_each(
    "lines",
    [
        ("secrets/", "!/app"),
        ("secrets", "!app/"),
        ("*.key", "!/app"),
        ("/app/secrets/*", "!/app"),
        ("**/secrets/**", "!app"),
        ("key.key", "!*/secrets"),
    ],
)
def test_a_parent_that_is_taken_back_leaves_out_what_was_named_beneath_it(tmp_path, name, lines):
    root = make(tmp_path / "p", {"app/score.py": SCORE, "app/secrets/key.key": "x", name: "\n".join(lines)})
    found = local(root, ignore=ignore_files(root, root))
    assert {entry.path for entry in found.entries if entry.type == "file"} == {"app/score.py"}


@for_each(
    ("pattern", "path", "matches"),
    [
        ("a", "b/a", True),
        ("/a", "b/a", False),
        ("b/a", "c/b/a", False),
        ("a/**", "a/b/c", True),
        ("a/**", "a", False),
        ("**/c", "a/b/c", True),
        ("a/**/c", "a/c", True),
        ("a/b*", "a/b/c", False),
        ("a/b**", "a/b/c", True),
        ("a/***/c", "a/b/b/c", True),
        ("a/x**c", "a/x/c", False),
        ("a?c", "a/c", False),
        ("?", "é", False),
        ("??", "é", True),
        ("[a/]b", "/b", False),
        ("x[a/]b", "x/b", False),
        (r"[\]]", "]", True),
        (r"[a\-z]", "-", True),
        (r"[a\-z]", "b", False),
        ("[]-]", "-", True),
        ("[^a]", "a", False),
        ("[!a]", "b", True),
        ("[[:digit:]]", "7", True),
        ("[[:digits:]]", "7", False),
        ("[[:x]", ":", True),
        ("[z-a]", "a", False),
        ("[a", "[a", False),
        ("a\\", "a\\", False),
        (r"\#a", "#a", True),
        ("#a", "#a", False),
        (r"\!a", "!a", True),
        ("a ", "a", True),
        ("a\\ ", "a ", True),
        (r"a\\ ", "a\\", True),
        ("a\t", "a", False),
        ("a\r", "a", True),
        ("a\x0bb", "a\x0bb", True),
        ("a\x00b", "a", True),
        ("/", "a", False),
        ("!", "!", False),
        ("", "a", False),
        ("//", "a", False),
    ],
)
def test_a_pattern_matches_what_wildmatch_does(pattern, path, matches):
    said = Patterns(pattern.encode()).excludes(path.encode(), folder=False)
    assert said is (True if matches else None)


def test_the_last_pattern_decides_and_folders_have_their_own():
    patterns = Patterns("\ufeff*.log\n!keep.log\nkeep.log/\n".encode())
    assert patterns.excludes(b"a.log", folder=False) is True
    assert patterns.excludes(b"d/keep.log", folder=False) is False
    assert patterns.excludes(b"d/keep.log", folder=True) is True
    assert patterns.excludes(b"a.txt", folder=False) is None


def test_bytes_that_are_no_utf_8_are_patterns_too():
    assert Patterns(b"caf\xe9\n").excludes(b"caf\xe9", folder=False) is True


def test_a_range_that_runs_backwards_and_a_broken_set_stop_nothing(tmp_path):
    root = make(tmp_path / "p", {"a.py": "x", "b.log": "x", ".gitignore": "[z-a]\n[b-\nlast\\\n*.log\n"})
    assert {entry.path for entry in local(root, ignore=ignore_files(root, root)).entries} == {"a.py"}
