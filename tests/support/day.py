"""The day on which every test runs: what ends one day has ended, or has not, in each run alike."""

from __future__ import annotations

from datetime import date

from dagger_aml.check import base

DAY = date(2026, 11, 28)


def hold() -> None:
    """Let the rules judge by that day in this process, and in those that are forked of it."""
    base.today = lambda: DAY
