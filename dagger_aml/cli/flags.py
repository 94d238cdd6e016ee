"""How the command line names a setting in a message: by its flag."""

from __future__ import annotations

from typing import Any, Final

from ..contract import SCORING_PORT

SPELT: Final = {
    "builder": "--with",
    "instance": "--builder",
    "oci_output": "-o type=oci,dest=FILE",
    "output": "-o",
    "pin_or_probe": "--pin or --probe",
    "publish": "-p",
    "tag": "-t",
}
"""Flags that are not called as what they set."""

_JOINED: Final = ("debug", "smoke")
"""Flags that take a value or none, so that it stands behind ``=``."""


def in_flags(setting: str, value: Any = None) -> str:
    """As it is typed: ``--entry-script score.py``; of a flag that takes no value the flag alone."""
    flag = SPELT.get(setting) or f"--{setting.replace('_', '-')}"
    if value is None or value is True:
        return flag
    if setting == "publish" and isinstance(value, int):
        value = f"{value}:{SCORING_PORT}"
    return f"{flag}{'=' if setting in _JOINED else ' '}{value}"
