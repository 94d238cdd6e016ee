"""The hook by which pytest-xdist, where it is there, keeps what shares something on one worker."""

from __future__ import annotations

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Keep what shares something on one worker."""
    from tests.support.groups import Groups

    return Groups(config, log)
