"""The packages that a script names, as a file that the reader of conda files takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..requirements.conda_spec import NotASpec, name_of, parse_spec

if TYPE_CHECKING:
    from .core.environment import Environment


def conda_file(environment: Environment, folder: Path) -> Path | None:
    """The conda file of an environment's packages; None where nothing is to be installed.

    One that the script did not change is taken itself; else what it says is written into a folder. A Python that only
    SDK v1 says, where the script says none, is left out.
    """
    said = environment.python.conda_dependencies
    if environment.python.user_managed_dependencies or said is None:
        return None
    listed: list[Any] = said.as_dict().get("dependencies") or []
    if not said.names_python:
        listed = [each for each in listed if not _is_python(each)]
    if not listed:
        return None
    if said.names_python and said.unchanged_file:
        return said.unchanged_file.absolute()
    import yaml

    path = folder / "conda_dependencies.yml"
    path.write_text(yaml.safe_dump({"dependencies": listed}, sort_keys=False, width=10_000), encoding="utf-8")
    return path


def python_of(environment: Environment) -> str:
    """The Pythons that an environment's packages are for, such as ``==3.11.*``; empty for any."""
    said = environment.python.conda_dependencies
    if environment.python.user_managed_dependencies or said is None or not said.names_python:
        return ""
    line = next(each for each in said.conda_packages if _is_python(each))
    return parse_spec(line).versions


def _is_python(line: Any) -> bool:
    """Whether a line of conda's is for Python."""
    try:
        return isinstance(line, str) and name_of(line) == "python"
    except NotASpec:
        return False
