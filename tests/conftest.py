"""What all tests share: the event loop, the flag for the long run, and the report of what an engine ran."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

ENGINE_VERSION = pytest.StashKey[str]()
"""Where the fixture that connects to an engine notes its version."""

SAID = pytest.StashKey[list[str]]()
"""Lines to print when all tests are through."""

ENGINE_RAN = pytest.StashKey[int]()
"""How many tests marked `engine` ran, whether they passed or failed."""

FEW_GRAPHS = 6
"""How many generated graphs are compared by default, always the same ones."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the flags."""
    parser.addoption(
        "--all-examples",
        action="store_true",
        default=os.environ.get("DAGGER_AML_ALL_EXAMPLES") == "1",
        help="build and score every example by every recipe, on every base and builder, not a covering few "
        "(also: DAGGER_AML_ALL_EXAMPLES=1)",
    )
    parser.addoption(
        "--graphs", type=int, default=FEW_GRAPHS, metavar="N", help="compare N generated graphs on all builders (6)"
    )
    parser.addoption(
        "--strings",
        type=int,
        default=200,
        metavar="N",
        help="put N generated strings through the encoder and BuildKit's parser (200), and up to 500 of each field "
        "into images (a twentieth of N)",
    )
    parser.addoption("--moments", type=int, default=3, metavar="N", help="stop a build at N random moments (3)")
    parser.addoption("--many-files", action="store_true", help="build a tree of 20,000 files on each builder")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The only one that dagger-io runs on; for the session, so that one connection to the engine lasts as long."""
    return "asyncio"


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count."""
    config.stash[ENGINE_RAN] = 0
    config.stash[SAID] = []
    graphs, strings = config.getoption("graphs"), config.getoption("strings")
    settings.register_profile(
        "graphs", max_examples=graphs, deadline=None, database=None, derandomize=graphs == FEW_GRAPHS
    )
    settings.register_profile("strings", max_examples=strings, deadline=None, database=None)
    settings.register_profile("fields", max_examples=min(strings, 500), deadline=None, database=None)
    config.pluginmanager.register(_EngineReport(config))


class _EngineReport:
    """Counts the tests that an engine ran, and writes `N VERSION` for .ci/run when all are through."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and "engine" in report.keywords and not report.skipped:
            self._config.stash[ENGINE_RAN] += 1

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self._config.stash[SAID]:
            terminalreporter.write_line(line)

    def pytest_sessionfinish(self) -> None:
        path = os.environ.get("DAGGER_AML_ENGINE_REPORT")
        if path:
            version = self._config.stash.get(ENGINE_VERSION, "")
            Path(path).write_text(f"{self._config.stash[ENGINE_RAN]} {version}\n")
