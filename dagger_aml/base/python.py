"""The Python that an image runs its entry script by."""

from __future__ import annotations

from .. import contract


def python_argv(*words: str) -> tuple[str, ...]:
    """A command that runs the Python of the environment that the image names, else any that it has."""
    script = 'p="${' + contract.ENVIRONMENT_PATH + ':-}/bin/python"; [ -x "$p" ] || p=python3; exec "$p" "$@"'
    return ("/bin/sh", "-c", script, "sh", *words)
