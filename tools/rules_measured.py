"""docs/rules-measured.md: for each rule its cases, its precision and recall in the corpus, and what a person judged.

Every case of the corpus has a test of its own, so the figures follow from what the cases expect.
"""

from __future__ import annotations

from collections.abc import Iterator

from dagger_aml.check.modules import rules
from tests import corpus
from tests.corpus.public import DAY, DEPLOYMENTS, DOCKERFILES, FOLDERS, JUDGED
from tests.corpus.traps import TRAPS

from .rules import anchor

_HEAD = f"""\
# How sure the rules are

<!-- Written by `./taskw reference` from tests/corpus, which is the place to change it. -->

`python -m tests.corpus` plans small projects, each wrong in one way, or right in a way that looks wrong, and prints
for each rule how often it is told where it must be, and only there. *fires* counts the cases that it must be told of,
and *near* those that look like them and are none; each case is a test. Who writes both rules and cases proves little:
on {DAY} the rules also ran over {FOLDERS} public folders with an entry script, and a person looked at each finding of
the newer rules, up to 40 of each; those on Dockerfiles ran over {DOCKERFILES} public Dockerfiles, and those on
deployment files over {DEPLOYMENTS} of these, likewise. A rule of which more than one in twenty is wrong there is off
by default; none is.
"""

_TRAPS = """
## Azure ML's traps

What people run into, by Microsoft's own pages and by runs of the server, and what has it here.

| trap | rules | else |
|---|---|---|"""

NOT_IN_THE_CORPUS = {
    "AML511": "needs code of a newer Python than the one that runs the tests",
    "AML604": "needs a recipe with thousands of steps",
    "AML612": "needs a registry",
    "AML821": "tells of files that no project can be made of",
    "AML913": "needs files of modes that git does not keep",
}
"""Rules without cases, and why; each has a test of its own."""


def measured_page() -> str:
    """The table, a line for each rule."""
    return "\n".join([_HEAD, *_table(), "", *_without(), _TRAPS, *_traps()]) + "\n"


def _table() -> Iterator[str]:
    yield "| rule | fires | near | precision | recall | found in public | looked at | wrong |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    cases = corpus.cases()
    as_expected = [(case, corpus.Outcome(case.expect, "")) for case in cases]
    titles = rules()
    for each in corpus.figures(as_expected):
        if each.id in titles:
            judged = JUDGED.get(each.id)
            public = (judged.found, judged.looked_at, judged.wrong) if judged else ("", "", "")
            link = f"[{each.id}](rules.md#{anchor(each.id, titles[each.id].title)})"
            cells = (link, each.expected, each.near, each.precision, each.recall, *public)
            yield f"| {' | '.join(map(str, cells))} |"


def _traps() -> Iterator[str]:
    for each in TRAPS:
        yield f"| {each.what} | {', '.join(each.rules)} | {each.otherwise} |"


def _without() -> Iterator[str]:
    for id, why in NOT_IN_THE_CORPUS.items():
        yield f"{id} {why}; it has tests of its own."
