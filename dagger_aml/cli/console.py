"""What the program says on a terminal, whose encoding need not be UTF-8."""

from __future__ import annotations

import contextlib
import sys
from typing import TextIO

import click


def tell(text: str) -> None:
    """Print to standard error.

    Where nobody takes it, as on a full disk, the exit code has to do.
    """
    with contextlib.suppress(OSError):
        click.echo(printable(f"dagger-aml: {text}", sys.stderr), err=True)


def printable(text: str, stream: TextIO) -> str:
    """The text, what the stream's encoding cannot show being escaped; click would send UTF-8 to an ASCII terminal."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
