"""What all fast tests share: the same examples in every run but the nightly one, nothing of the caller's settings."""

import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from dagger_aml.cli import main
from dagger_aml.fs.cache_folder import VARIABLE as CACHE
from tests.support.cli import TO_A_PROGRAM
from tests.support.depth import depth_of, skip_twin
from tests.support.faulty import Faulty, faulty
from tests.support.registry import FakeRegistry, fake_registry

_HERE = str(Path(__file__).parent) + os.sep


def pytest_configure(config: pytest.Config) -> None:
    """Say how many examples `--depth` has."""
    depth = depth_of(config)
    fast = settings(
        max_examples=depth.examples,
        deadline=None,
        database=None,
        derandomize=depth.same_graphs,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.register_profile("fast", fast)
    settings.register_profile("orders", fast, max_examples=depth.orders)
    settings.register_profile("drawn", fast, max_examples=depth.drawn)
    settings.load_profile("fast")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip by name that for which another parameter stands."""
    skip_twin(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """The tool's own variables, and the machine's proxies, are part of no test that does not set them; and new files
    have the modes that most machines give them.

    But for the cache of these tests, without which it would be the user's own. A hook, and no fixtures of every test:
    to set those up and take them down is a third of what a small test costs. pytest calls it for tests of other
    folders too, which need what the caller says: builders that may not be missing, and who makes the layers.
    """
    if not str(item.path).startswith(_HERE):
        return (yield)
    ours = [
        name
        for name in os.environ
        if (name.startswith("DAGGER_AML_") and name != CACHE) or name.lower().endswith("_proxy")
    ]
    kept = {name: os.environ.pop(name) for name in ours}
    umask = os.umask(0o022)
    try:
        return (yield)
    finally:
        os.umask(umask)
        os.environ.update(kept)


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache of the test's own, and no logins."""
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model and code, for an image that is written directly."""
    from tests.support.direct_push import project

    return project(tmp_path / "p")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeRegistry]:
    """A registry in this process, and no logins."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with fake_registry() as found:
        yield found


@pytest.fixture
def proxy(registry: FakeRegistry) -> Iterator[Faulty]:
    """That registry behind what breaks it."""
    with faulty(registry.host) as found:
        yield found


@pytest.fixture
def cli(monkeypatch, capsys):
    """Call the command line: exit code, standard output, standard error."""
    before = signal.getsignal(signal.SIGTERM)

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["dagger-aml", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err and not TO_A_PROGRAM.search(f"{out}{err}".encode())
        code = ended.value.code
        return (code if isinstance(code, int) else 0), out, err

    yield call
    signal.signal(signal.SIGTERM, before)
