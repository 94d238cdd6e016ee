"""What files are by their names alone."""

from __future__ import annotations

from pathlib import Path

_NAMES = ("dockerfile", "containerfile")


def is_dockerfile(text: str) -> bool:
    """Whether a path is that of a Dockerfile, by its name."""
    name = Path(text).name.lower()
    named = name in _NAMES or name.startswith("dockerfile.") or name.endswith(".dockerfile")
    return named and not name.endswith((".dockerignore", ".md", ".py")) and not Path(text).is_dir()
