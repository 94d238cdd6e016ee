"""Which tests pytest-xdist keeps on one worker.

Not by its ``xdist_group`` marks: with pytest 9.2, xdist 3.8.0 groups nothing by them (pytest-xdist issue 1386).
"""

from __future__ import annotations

import functools
from pathlib import PurePosixPath
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

TOGETHER = {
    "the bench": ("test_cases", "test_generated", "test_hostile"),
    # They count the containers that serving made, publish port 6789, and take bases out of docker's store.
    "served": (
        "test_bases",
        "test_debug",
        "test_deployment_files",
        "test_docs",
        "test_environment_only",
        "test_init",
        "test_restricted",
        "test_serve",
        "test_server",
        "test_server_names",
        "test_watch",
    ),
    # One of them pulls the tiny base into docker's store for another platform.
    "tiny in docker": ("test_against", "test_diff", "test_machine_faults", "test_outputs"),
    # They share the environment that the wheel is installed in.
    "the wheel": ("test_second_repository", "test_wheel"),
    # They assert seconds: of such files one at a time.
    "seconds": ("test_doctor", "test_engine", "test_engine_faults", "test_library", "test_registry_faults"),
}
"""Files of tests/builders whose tests one worker of pytest-xdist runs, one after the other; each other file
there is a group of its own."""

ONCE = {
    # It takes a second to import, which of the fast tests these do.
    "the engine's SDK": (
        "test_direct_ages::test_builders_are_made_to_run_again",
        "test_doctor::test_nothing_is_downloaded_or_started_unless_asked",
        "test_doctor::test_what_names_the_engine_is_told",
        "test_engine_gone",
        "test_install_hints::test_an_engine_s_error_has_the_hint",
        "test_lazy::test_every_public_name_is_there",
        "test_public",
        "test_stores::test_a_command_line_that_cannot_be_had_is_the_headline",
    ),
    # What a fixture of the file makes, or a cache of it holds.
    "a Python that has planned": ("test_lazy",),
    "images that have been pushed": ("test_unchanged",),
    "imports of every module": ("test_layers",),
    "a project served from a private index": ("test_local",),
    "a pip that is loaded": ("test_pip_check", "test_pip_forms"),
    "a registry that has been waited for": (
        "test_registry::test_it_waits_as_long_as_it_is_asked_to",
        "test_registry::test_one_that_asks_twice_to_wait_is_asked_a_third_time",
    ),
}
"""Tests of tests/unit, or files of them, that share what is made once by each worker: one worker is enough."""

GROUPS = {name: group for group, names in TOGETHER.items() for name in names}
ONCE_GROUPS = {name: group for group, names in ONCE.items() for name in names}


MOST, SHARE = 16, 64
"""So many single tests are sent to a worker at once, and no more than this part of those that are left."""


class Groups(LoadScopeScheduling):
    """Sends the tests of one group to one worker, in their order; each other test to whichever is free.

    Of those some go together: a message to a worker takes as long as a small test.
    """

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        self._indices: dict[WorkerController, dict[str, int]] = {}

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """As it is, and a group that is done is forgotten: else all of them are looked through after each test."""
        super().mark_test_complete(node, item_index, duration)
        group = self._split_scope(self.registered_collections[node][item_index])
        if all(self.assigned_work[node][group].values()):
            del self.assigned_work[node][group]

    def _assign_work_unit(self, node: WorkerController) -> None:
        most = max(1, min(MOST, len(self.workqueue) // SHARE))
        sent: list[str] = []
        while self.workqueue and len(sent) < most:
            group, tests = next(iter(self.workqueue.items()))
            alone = group in tests
            if sent and not alone:
                break
            self.assigned_work.setdefault(node, {})[group] = self.workqueue.pop(group)
            sent += [test for test, done in tests.items() if not done]
            if not alone:
                break
        node.send_runtest_some([self._index_in(node)[test] for test in sent])

    def _index_in(self, node: WorkerController) -> dict[str, int]:
        if node not in self._indices:
            self._indices[node] = {test: index for index, test in enumerate(self.registered_collections[node])}
        return self._indices[node]

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@functools.cache
def group_of(nodeid: str) -> str:
    """The group of a test: the file's of tests/builders, alone or together with others; else the test itself.

    Or what it shares with others of tests/unit.
    """
    file, _, test = nodeid.partition("::")
    path = PurePosixPath(file)
    if "builders" in path.parts:
        return GROUPS.get(path.stem, path.stem)
    return ONCE_GROUPS.get(f"{path.stem}::{test.partition('[')[0]}") or ONCE_GROUPS.get(path.stem) or nodeid
