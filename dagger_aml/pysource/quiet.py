"""Parsing that warns nobody."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quietly() -> Iterator[None]:
    """Without the parser's warnings, such as of ``"\\d"``: nobody here is told, and no warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
