"""What all fast tests share: the same examples in every run, nothing of the caller's settings."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "fast",
    max_examples=60,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("fast")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tool's own variables are part of no test that does not set them."""
    for name in list(os.environ):
        if name.startswith("DAGGER_AML_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """New files have the modes that most machines give them."""
    before = os.umask(0o022)
    yield
    os.umask(before)
