"""Rules about the Python that the code is written for, and the one that the base image has."""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Finding
from ..pysource.reached import Reached
from ..pysource.versions import Problem
from .facts import Script
from .rule import rule


@rule("AML510", "error")
def not_of_this_python(script: Script, used_by_base: Reached) -> Iterator[Finding]:
    """The base image's Python cannot parse code that is loaded with the entry script.

    The container ends at its start with a SyntaxError.

    Bad `score.py`:

        match data:         # on a base image with Python 3.8
            case []: ...

    Good `score.py`:

        if data == []: ...

    Silent: files that the entry script does not import; AML512 has those that it may import.
    """
    for file, problem in used_by_base.problems:
        if file in used_by_base.loaded and problem.kind in _NOT_OF_IT:
            yield _finding(script, file, problem, "the container ends at its start")


@rule("AML511", "warning")
def newer_than_ours(script: Script, used_by_base: Reached) -> Iterator[Finding]:
    """The code is of a newer Python than the one that runs dagger-aml.

    The base image's Python seems to parse it. The other rules know nothing of such a file: its imports are followed,
    and no more.

    Bad `folder`:

        score.py    # type Row = list[float], where dagger-aml runs on Python 3.11 and the base image has 3.12

    Good `shell`:

        $ uvx --python 3.12 dagger-aml plan

    Silent: code that the Python of dagger-aml can parse too.
    """
    for file, problem in used_by_base.problems:
        if problem.kind == "newer":
            yield Finding(
                problem.message,
                location=script.at(file, problem.line),
                hint="Other rules know nothing of this file. Run dagger-aml on that Python to have it checked.",
            )


@rule("AML512", "warning")
def perhaps_not_of_this_python(script: Script, used_by_base: Reached) -> Iterator[Finding]:
    """The base image's Python cannot parse code that the entry script may load.

    As AML510, for files that are imported in a function, in a `try` or under a condition.

    Bad `folder`:

        score.py    # import helper, in run()
        helper.py   # print "loaded"

    Good `folder`:

        score.py    # import helper, in run()
        helper.py   # print("loaded")

    Silent: files that nothing imports from the entry script on.
    """
    for file, problem in used_by_base.problems:
        if file not in used_by_base.loaded and problem.kind in _NOT_OF_IT:
            yield _finding(script, file, problem, "importing it fails")


@rule("AML513", "warning")
def too_large_to_read(script: Script, used_by_base: Reached) -> Iterator[Finding]:
    """Code is too large, or nested too deep, to be read.

    Nothing is known of such a file: not what it imports, and not whether it is Python at all. It is copied all the
    same. What is read has at most 2,000,000 bytes, 100,000 words and signs, and 2,500 levels in one another.

    Bad `folder`:

        score.py    # from table import ROWS
        table.py    # ROWS = [ … ], 3 MB of it

    Good `folder`:

        score.py    # json.loads(Path(__file__).with_name("table.json").read_text())
        table.json

    Silent: files that nothing imports from the entry script on.
    """
    for file, problem in used_by_base.problems:
        if problem.kind == "large":
            yield Finding(
                problem.message,
                location=script.at(file),
                hint="Other rules know nothing of this file. Put data into a file of its own.",
            )


_NOT_OF_IT = ("broken", "older")
"""Kinds of problems that the base's Python has with a file too."""


def _finding(script: Script, file: str, problem: Problem, then: str) -> Finding:
    hint = "Write it for that Python, or choose a base image with a newer one." if problem.kind == "older" else None
    return Finding(f"{problem.message}; {then}", location=script.at(file, problem.line), hint=hint)
