"""What all tests share: the event loop, `--depth`, the engine, and the report of what an engine ran."""

import atexit
import gc
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support import engine
from tests.support.day import hold
from tests.support.depth import DEPTHS, depth_of
from tests.support.report import Report, pytest_runtest_makereport, pytest_runtest_protocol
from tests.support.scheduler import pytest_xdist_make_scheduler
from tests.support.scratch import MEMORY, are_fast, in_memory, own_root

__all__ = ["pytest_runtest_makereport", "pytest_runtest_protocol", "pytest_xdist_make_scheduler"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the flag."""
    parser.addoption(
        "--depth",
        choices=sorted(DEPTHS),
        default="ci",
        help="how many examples, graphs, strings, moments and files of one kind: docs/testing.md (ci)",
    )


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The only one that dagger-io runs on; for the session, so that one connection to the engine lasts as long."""
    return "asyncio"


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count, and note where it is to be said that an engine was started; keep off the user's own cache."""
    gc.disable()  # Nearly all that collecting makes stays: a seventh of its time goes into looking through it.
    atexit.register(gc.freeze)  # All memory is given back at once: Python need not look for cycles in it before.
    hold()
    os.environ["DAGGER_AML_CACHE_DIR"] = tempfile.mkdtemp(prefix="dagger-aml-tests-cache-")
    depth = depth_of(config)
    settings.register_profile(
        "graphs", max_examples=depth.graphs, deadline=None, database=None, derandomize=depth.same_graphs
    )
    settings.register_profile("strings", max_examples=depth.strings, deadline=None, database=None)
    settings.register_profile("fields", max_examples=depth.fields, deadline=None, database=None)
    config.pluginmanager.register(Report(config))
    if not hasattr(config, "workerinput"):
        place = MEMORY if in_memory(config.args) else Path(tempfile.gettempdir())
        if sys.platform != "win32" and "PYTEST_DEBUG_TEMPROOT" not in os.environ:
            os.environ["PYTEST_DEBUG_TEMPROOT"] = str(own_root(place))
        handle, path = tempfile.mkstemp(prefix="dagger-aml-tests-")
        os.close(handle)
        os.environ[engine.STARTED] = path
        if sys.platform != "win32":
            from tests.support.cli import address

            # Workers have it from here, and share what the tests' command lines are forked of.
            address(engine=not are_fast(config.args))


def pytest_collection_finish() -> None:
    """What was collected stays to the end: the garbage collector need not look through it again and again.

    A test makes thousands of objects and then drops them all: that is seldom worth a look, either. What is left of
    half of the fast tests are 65 MB.
    """
    gc.freeze()
    gc.set_threshold(1_000_000)
    gc.enable()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the engine where these tests started it; workers have ended by now."""
    shutil.rmtree(os.environ["DAGGER_AML_CACHE_DIR"], ignore_errors=True)
    if hasattr(config, "workerinput"):
        return
    note = Path(os.environ.pop(engine.STARTED))
    started = note.read_text()
    note.unlink()
    if started:
        engine.stop()
