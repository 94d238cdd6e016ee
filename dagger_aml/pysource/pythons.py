"""Which Pythons there are, for whoever only compares them."""

from __future__ import annotations

Python = tuple[int, int]
"""A Python's version, ``(3, 12)``."""

KNOWN: Python = (3, 14)
"""The newest Python whose syntax is known here."""
