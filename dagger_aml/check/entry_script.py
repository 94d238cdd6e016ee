"""Rules about the entry script."""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Finding
from ..project.model import Project
from .rule import rule


@rule("AML102", "info")
def found_by_content(project: Project) -> Iterator[Finding]:
    """The entry script was found by its init and run.

    No file is called `score.py`, and one file defines `init()` and `run()`, so it is the entry script. A second such
    file would make it ambiguous one day; saying which it is keeps the project as it is today.

    Bad `dagger-aml.toml`:

        name = "rates"

    Good `dagger-aml.toml`:

        name = "rates"

        [code]
        entry-script = "serve_rates.py"

    Silent: an entry script that is called `score.py`, or that a flag, a variable or the project file names.
    """
    if project.notes.script_by_content:
        yield Finding(
            f"the entry script is {project.entry_script}, found by its init() and run()",
            hint=f'To be sure that it stays, write `entry-script = "{project.entry_script}"` into [code].',
        )
