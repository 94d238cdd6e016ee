"""What an engine ran, and lines that tests leave for the end, with and without workers of pytest-xdist."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

ENGINE_VERSION = pytest.StashKey[str]()
"""Where the fixture that connects to an engine notes its version."""

SAID = pytest.StashKey[list[str]]()
"""Lines to print when all tests are through."""


ENGINE = "engine"
"""The mark of tests that need one; the only keyword of a report that is asked for."""

SHORT = 0.01
"""Seconds of a setup or a teardown of which nobody asks how long it took."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """In a worker, run a test as ever, and send nothing that nobody reads: it costs as much as a small test."""
    if not hasattr(item.config, "workerinput"):
        return None
    is_told = item.config.get_verbosity() > 0
    if is_told:
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in runtestprotocol(item, log=False, nextitem=nextitem):
        if report.when == "call" or not report.passed or report.sections or report.duration >= SHORT:
            report.keywords = {ENGINE: 1} if ENGINE in report.keywords else {}
            item.ihook.pytest_runtest_logreport(report=report)
    if is_told:
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the keyword where it is the mark alone: a parameter of that name is a keyword, too."""
    report = yield
    if item.get_closest_marker(ENGINE) is None and ENGINE in report.keywords:
        report.keywords = {key: value for key, value in report.keywords.items() if key != ENGINE}
    return report


class Report:
    """Counts the tests that an engine ran, and writes `N VERSION` for .ci/run when all are through.

    A worker hands its version and its lines to the process that started it, which sees every worker's tests.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._ran = 0
        config.stash[SAID] = []
        config.stash[ENGINE_VERSION] = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and ENGINE in report.keywords and not report.skipped:
            self._ran += 1

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        handed = getattr(node, "workeroutput", {})
        self._config.stash[SAID] += handed.get("said", [])
        self._config.stash[ENGINE_VERSION] = handed.get("engine") or self._config.stash[ENGINE_VERSION]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self._config.stash[SAID]:
            terminalreporter.write_line(line)

    def pytest_sessionfinish(self) -> None:
        version = self._config.stash[ENGINE_VERSION]
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output.update(said=self._config.stash[SAID], engine=version)

    def pytest_unconfigure(self) -> None:
        path = os.environ.get("DAGGER_AML_ENGINE_REPORT")
        if path and not hasattr(self._config, "workerinput"):
            Path(path).write_text(f"{self._ran} {self._config.stash[ENGINE_VERSION]}\n")
