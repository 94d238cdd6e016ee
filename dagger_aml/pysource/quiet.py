"""Parsing that warns nobody."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


@contextmanager
def quietly() -> Iterator[None]:
    """Without the parser's warnings, such as of ``"\\d"``: nobody here is told, and no warning is an error.

    Within another such block it does nothing, which is what many files that are read together are spared.
    """
    if _QUIET.get():
        yield
        return
    token = _QUIET.set(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        _QUIET.reset(token)


_QUIET: ContextVar[bool] = ContextVar("_QUIET", default=False)
