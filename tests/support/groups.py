"""Which tests pytest-xdist keeps on one worker.

Not by its ``xdist_group`` marks: with pytest 9.2, xdist 3.8.0 groups nothing by them (pytest-xdist issue 1386).
"""

from __future__ import annotations

from pathlib import PurePosixPath

from xdist.scheduler import LoadScopeScheduling

TOGETHER = {
    "the bench": ("test_cases", "test_generated", "test_hostile"),
    # They count the containers that serving made, publish port 6789, and take bases out of docker's store.
    "served": (
        "test_bases",
        "test_debug",
        "test_docs",
        "test_environment_only",
        "test_init",
        "test_serve",
        "test_server_names",
    ),
    # One of them pulls the tiny base into docker's store for another platform.
    "tiny in docker": ("test_against", "test_diff", "test_machine_faults", "test_outputs"),
    # They assert seconds: of such files one at a time.
    "seconds": ("test_doctor", "test_engine", "test_engine_faults", "test_library", "test_registry_faults"),
}
"""Files whose tests one worker of pytest-xdist runs, one after the other; each other file is a group of its own."""

GROUPS = {name: group for group, names in TOGETHER.items() for name in names}


class Groups(LoadScopeScheduling):
    """Sends the tests of one group to one worker, in their order; each other test by itself."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """The group of a test: the file's of tests/builders, alone or together with others; else the test itself."""
    path = PurePosixPath(nodeid.partition("::")[0])
    return GROUPS.get(path.stem, path.stem) if "builders" in path.parts else nodeid
