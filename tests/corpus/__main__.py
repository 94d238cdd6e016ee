"""``python -m tests.corpus [NAME…]``: plan every folder of the corpus, and show what was said as a table by kind."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.support.day import hold

from . import cases, run, table


def main() -> int:
    """Run the cases whose names begin with one of the words, or all; 1 where one is not as expected."""
    hold()
    begun = time.monotonic()
    words = tuple(sys.argv[1:])
    found = []
    for case in cases():
        if not words or case.name.startswith(words):
            with tempfile.TemporaryDirectory() as folder:
                root = Path(folder) / "project"
                root.mkdir()
                found.append((case, run(case, root)))
                if len(words) == 1 and case.name == words[0]:
                    print(found[-1][1].text or "nothing is said")
    print("\n".join(table(found)))
    wrong = [why for case, outcome in found if (why := outcome.why_wrong(case))]
    print(*wrong, sep="\n\n")
    print(f"{len(found)} cases in {time.monotonic() - begun:.1f} s, {len(wrong)} not as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
