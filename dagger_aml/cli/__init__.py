"""The command line: one file a command, each of them parse, call, print."""

from .main import main

__all__ = ["main"]
