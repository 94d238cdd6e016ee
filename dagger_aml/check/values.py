"""What the server makes of the values of its variables (server 1.5.1, each tried)."""

from __future__ import annotations

from .. import contract

_TRUE = ("true", "t", "yes", "y", "on", "1")
_FALSE = ("false", "f", "no", "n", "off", "0", "")

_SWITCHES = ("AML_APP_INSIGHTS_ENABLED", "AML_MDC_STORAGE_ENABLED", "APP_INSIGHTS_LOG_RESPONSE_ENABLED")
"""What pydantic reads as yes or no; anything else ends the start."""

_EXACT = ("AML_APP_INSIGHTS_ENABLED", "SEPERATE_HEALTH_ENDPOINT")
"""Compared with ``true`` as it is written."""

_ANY_CASE = (contract.WORKER_PRELOAD, "SERVER_VERSION_LOG_RESPONSE_ENABLED")
"""Compared with ``true`` in any case."""

_LEAST = {contract.WORKER_COUNT: 1, contract.WORKER_TIMEOUT: 0}


def why_unreadable(name: str, value: str) -> tuple[str, str] | None:
    """Why the server does not start or serve with a value, and what to write; None where it does."""
    if name in (contract.WORKER_COUNT, contract.WORKER_TIMEOUT, "SCORING_TIMEOUT_MS", contract.DEBUG_PORT):
        number = _whole(value)
        if number is None:
            return "which is no whole number: the server will not start", "Write a whole number, such as 2."
        least = _LEAST.get(name)
        if least is not None and number < least:
            does = "listen and never answer" if number == 0 else "not start"
            return f"so the server will {does}", f"Write {least} or more."
    if name in _SWITCHES and value.lower() not in (*_TRUE, *_FALSE[:-1]):
        return "which is neither true nor false: the server will not start", "Write true or false."
    return None


def misread(name: str, value: str) -> bool:
    """Whether a value that says yes is taken for no."""
    if name in _EXACT:
        return says_yes(value) and value != "true"
    return name in _ANY_CASE and says_yes(value) and not is_true(value)


def is_true(value: str) -> bool:
    """Whether the server takes a value for yes that it compares in any case, such as that of ``WORKER_PRELOAD``."""
    return value.lower() == "true"


def says_yes(value: str) -> bool:
    """Whether a value says yes, in a word that the server takes for it of one variable or another."""
    return value.lower() in _TRUE


def _whole(value: str) -> int | None:
    try:
        return int(value)
    except ValueError:
        return None
