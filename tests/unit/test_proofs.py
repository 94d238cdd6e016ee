"""Every law and every row of docs/faults.md names a test that there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.cases import for_each

TESTS = Path(__file__).parents[1]
DOCS = TESTS.parent / "docs"

_NAME = re.compile(r"`(test_\w+)(\.py)?`")
_HAVE = {
    name
    for folder in ("builders", "unit")
    for path in (TESTS / folder).glob("test_*.py")
    for name in (path.stem, *re.findall(r"^(?:async )?def (test_\w+)", path.read_text("utf-8"), re.M))
}


def _rows(page: str, first: str) -> Iterator[str]:
    """The rows of a page's tables whose first heading is given; tables end at a line that is no row."""
    inside = False
    for line in (DOCS / page).read_text("utf-8").splitlines():
        inside = line.startswith("|") and (inside or line.startswith(f"| {first} |"))
        if inside and not line.startswith((f"| {first} |", "|---")):
            yield line


FAULTS, LAWS = list(_rows("faults.md", "fault")), list(_rows("testing.md", "law"))


def test_no_law_and_no_table_is_left_out() -> None:
    assert [row.split(",")[0] for row in LAWS] == [f"| {number}" for number in range(1, 8)]
    assert len(FAULTS) >= 62


@for_each("row", [*LAWS, *FAULTS])
def test_a_row_names_tests_that_there_are(row: str) -> None:
    said = row.rstrip("| ").rpartition(" | ")[2]
    named = {name for name, _ in _NAME.findall(said)}
    assert named <= _HAVE
    assert named or said.startswith("the same") or "by hand" in said, said
