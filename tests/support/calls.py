"""Running coroutines, and catching the errors with which calls end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from dagger_aml import DaggerAmlError


def short(value: object) -> str:
    """A parameter in the name of a test; long ones would fill the terminal."""
    return str(value)[:40]


def await_(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine."""
    return asyncio.run(coroutine)


def error_of(function: Callable[..., Any], *args: Any, **kwargs: Any) -> DaggerAmlError:
    """The error with which a call ends: wrong use, and a message that says what to do with it."""
    with pytest.raises(DaggerAmlError) as caught:
        function(*args, **kwargs)
    assert caught.value.exit_code == 2, f"exit code {caught.value.exit_code}: {caught.value}"
    assert caught.value.message and not re.search(r"[a-z]\.$", caught.value.message)
    return caught.value
