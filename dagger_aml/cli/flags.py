"""How the command line names a setting in a message: by its flag."""

from __future__ import annotations

from typing import Any, Final

from ..contract import SCORING_PORT

SPELT: Final = {
    "builder": "--with",
    "instance": "--builder",
    "kept_max_age": "$DAGGER_AML_MAX_AGE or max-age of [build]",
    "oci_output": "-o type=oci,dest=FILE",
    "output": "-o",
    "pin_or_probe": "--pin or --probe",
    "publish": "-p",
    "tag": "-t",
}
"""Flags that are not called as what they set, and what commands without the flag go by."""

_JOINED: Final = ("debug", "smoke")
"""Flags that take a value or none, so that it stands behind ``=``."""


_PLAIN: Final = frozenset("_@%+=:,./-~{}…")
"""What a shell leaves as it is, beside letters and digits; of braces and ``~`` not everywhere."""


def in_flags(setting: str, value: Any = None) -> str:
    """As it is typed in a shell: ``--entry-script 'my score.py'``; of a flag that takes no value the flag alone."""
    flag = SPELT.get(setting) or f"--{setting.replace('_', '-')}"
    if value is None or value is True:
        return flag
    if setting == "publish" and isinstance(value, int):
        value = f"{value}:{SCORING_PORT}"
    return f"{flag}{'=' if setting in _JOINED else ' '}{_word(str(value))}"


def _word(text: str) -> str:
    """A value as one word of a shell. Quoted where it must be; on others quotes would only be in the way."""
    plain = bool(text) and all(char.isalnum() or char in _PLAIN for char in text)
    if plain and not text.startswith("~") and not ("{" in text and ("," in text or ".." in text)):
        return text
    import shlex

    return shlex.quote(text)
