"""Rules about the entry script."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from .. import contract
from ..finding import Finding
from ..graph.graph import Graph
from ..graph.stages import copied_files
from ..project.model import Project
from ..steps.server_names import app_root
from .facts import Variable
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


@rule("AML103", "warning")
def named_by_a_variable(project: Project, graph: Graph, variables: Mapping[str, Variable]) -> Iterator[Finding]:
    """AZUREML_ENTRY_SCRIPT names a script that is not in the image.

    A variable that the project sets holds in place of the one that follows from the code. The server ends at once if
    there is no such file.

    Bad `dagger-aml.toml`:

        [env]
        AZUREML_ENTRY_SCRIPT = "main.py"   # and the code has score.py alone

    Good `dagger-aml.toml`:

        [code]
        entry-script = "score.py"

    Silent: a script that is copied, and an image without code of the project's, whose base may bring it.
    """
    found = variables.get(contract.ENTRY_SCRIPT)
    if found is None or found.location is None or project.code is None:
        return
    path = posixpath.normpath(f"{app_root(graph)}/{found.value}")
    if path not in copied_files(graph):
        yield Finding(
            f"{contract.ENTRY_SCRIPT} is {found.value!r}, and no such file is put into {contract.APP_ROOT}",
            location=found.location,
            hint="Remove the variable, and name the script with `entry-script` of [code].",
        )
