"""What all fast tests share: the same examples in every run, and no variable of the caller's."""

import os

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
