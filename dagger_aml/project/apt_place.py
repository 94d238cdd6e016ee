"""Where a project says that it needs a Debian package."""

from __future__ import annotations

from ..finding import FileLocation
from .model import Project


def place_of_apt(project: Project, package: str) -> str | None:
    """The flag, the key of the project's file, or the line of ``apt.txt`` that says a package."""
    said = project.origins.get(f"apt.{package}") or project.origins.get("apt")
    if isinstance(said, FileLocation) or (said and said.startswith("-")):
        return said
    path = project.root / "apt.txt"
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError:
        return said
    numbers = (number for number, line in enumerate(lines, 1) if package in line.partition("#")[0].split())
    return project.at(path, next(numbers, None))
