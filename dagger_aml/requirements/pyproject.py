"""Reading what a ``pyproject.toml`` depends on: the packages as they are written there, not locked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from ..errors import ProjectError
from .entries import FileURL, check_fetched, tool_of
from .lock import LockFile, checked_python, read_toml
from .model import Listed, Requirements, as_a_secret, has_password

_POETRY = (
    "Export them: poetry export -f requirements.txt -o requirements.txt (this needs the plugin poetry-plugin-export)."
)


_DYNAMIC = "Lock them (uv lock, or pip lock for a pylock.toml), or list them in requirements.txt."


def read_pyproject(path: Path) -> Requirements:
    """Read the dependencies of ``[project]``, without optional ones and dependency groups.

    :raises ProjectError: none are stated; they are computed by a build back end, or are Poetry's own; one is no
        requirement, or a path.
    """
    file = read_toml(path)
    project = _table(file.data, "project")
    if "dependencies" in project.get("dynamic", ()):
        hint = _DYNAMIC
        raise file.error(
            "its dependencies are dynamic: they are known only when it is built", "project", "dynamic", hint=hint
        )
    if "project" not in file.data and _poetry(file.data):
        raise file.error(
            "its dependencies are in Poetry's own format, which pip cannot read", "tool", "poetry", hint=_POETRY
        )
    listed = project.get("dependencies", [])
    if not isinstance(listed, list):
        raise file.error("project.dependencies must be a list", "project", "dependencies")
    found = [_listed(file, text) for text in listed]
    lines = [f"# dagger-aml made this from {path.name}.", *(str(text).strip() for text in listed)]
    python = checked_python(file, project.get("requires-python", ""), "project")
    names = tuple(each.name for each in found if each.name)
    text = "\n".join(lines) + "\n"
    return Requirements(path, names, (path,), text=text, python=python, listed=tuple(found))


def has_dependencies(path: Path) -> bool:
    """Whether a pyproject.toml says what its project depends on, in whatever way; False for what is not TOML, which
    is for others to tell.

    Poetry's own dependencies count too: they cannot be read, and :func:`read_pyproject` says so.
    """
    try:
        data = read_toml(path).data
    except ProjectError:
        return False
    project = _table(data, "project")
    if "project" in data:
        return bool(project.get("dependencies")) or "dependencies" in project.get("dynamic", ())
    return _poetry(data)


def stated_version(path: Path) -> str | None:
    """The version that ``[project]`` states; None where it is dynamic or not text, or the file is not TOML."""
    try:
        found = _table(read_toml(path).data, "project").get("version")
    except ProjectError:
        return None
    return found if isinstance(found, str) else None


def _poetry(data: Mapping[str, Any]) -> bool:
    listed = _table(_table(_table(data, "tool"), "poetry"), "dependencies")
    return any(name != "python" for name in listed)


def _table(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name, {})
    return found if isinstance(found, Mapping) else {}


def _listed(file: LockFile, text: object) -> Listed:
    """What an entry of the list names."""
    key = ("project", "dependencies")
    if not isinstance(text, str) or not text.strip().isprintable():
        raise file.error(f"not a requirement: {text!r}", *key)
    if has_password(text):
        raise file.error("a URL with a password or token in it would stay in the image", *key, hint=as_a_secret())
    try:
        wanted = Requirement(text)
    except InvalidRequirement as error:
        raise file.error(f"not a requirement: {text!r} ({str(error).splitlines()[0]})", *key) from None
    url = wanted.url or ""
    if wanted.url is not None:
        if "://" not in url:
            raise FileURL(text, file.location(*key))
        check_fetched(url, text, file.location(*key))
    return Listed(text.strip(), file.location(*key), wanted.name, tool_of(url), url, str(wanted.marker or ""))
