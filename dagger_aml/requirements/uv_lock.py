"""Reading ``uv.lock`` without uv: the packages that the project itself needs, as ``uv export`` would list them.

uv calls the file's layout its own and changes it only with the number in ``version``. It is a graph: each package
lists what it depends on, with markers.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from packaging.markers import InvalidMarker, Marker

from .lock import LockFile, Pin, as_requirements, checked_python, local_archive, read_toml, usable_hashes
from .model import LockedFile, Requirements
from .outdated import outdated

_VERSION: Final = 1


_MOST = 64
"""Ways to one package that are followed; real locks have a handful."""


_EXPORT = "Export a requirements file for pip: uv export --frozen --no-dev --no-emit-project -o requirements.txt"


_TREE = "Build a wheel from it (uv build --wheel), keep the wheel in the project, and depend on the wheel's path."


Condition = frozenset[frozenset[str]]
"""Markers: one of the inner sets must hold in all its members. Whatever holds an empty set holds always."""


Node = tuple[int, str | None]
"""A package's number in the file, and one of its extras or the package itself."""


def read_uv_lock(path: Path) -> Requirements:
    """Read a uv.lock: what the project depends on, without its extras and dependency groups.

    Every package is taken with the markers under which it is reached, whatever this machine is, and with the hashes
    of all its files. The project itself is not among them; its code is copied.

    :raises ProjectError: not such a file, or one of another version; older than the pyproject.toml beside it; a
        package from version control or a folder.
    """
    file = read_toml(path)
    if file.data.get("version") != _VERSION:
        raise file.error(f"version {file.data.get('version')!r} of uv.lock is not known", "version", hint=_EXPORT)
    try:
        return _Reader(file).read()
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise file.error(f"not a file that uv wrote ({type(error).__name__}: {error})", hint="Run: uv lock") from None


class _Reader:
    """Follows dependencies from the project's own package."""

    def __init__(self, file: LockFile) -> None:
        self.file = file
        self.packages: list[Mapping[str, Any]] = list(file.data.get("package", ()))
        self.reached: dict[Node, Condition] = {}
        self.archives: list[Path] = []

    def read(self) -> Requirements:
        own = self.own()
        self.check_age(self.packages[own])
        self.walk((own, None))
        pins = [
            self.pin(index, _text(condition))
            for (index, extra), condition in sorted(self.reached.items(), key=lambda item: item[0][0])
            if extra is None and not self.is_own(index)
        ]
        python = self.file.data.get("requires-python", "")
        python = checked_python(self.file, python)
        environments = self.environments()
        return as_requirements(self.file, pins, self.archives, python=python, environments=environments)

    def environments(self) -> list[str]:
        """The markers of the environments that uv solved the lock for; none where these are all that there are."""
        listed = self.file.data.get("supported-markers", ())
        for marker in listed:
            self.marker(marker, "supported-markers")
        return list(listed)

    def marker(self, text: object, *key: str | int) -> str:
        """A marker as packaging writes it."""
        try:
            return str(Marker(str(text))) if text else ""
        except InvalidMarker:
            raise self.file.error(f"not a marker: {text!r}", *key) from None

    def own(self) -> int:
        """The number of the project's own package."""
        found = [index for index in range(len(self.packages)) if self.is_own(index)]
        if len(found) != 1:
            raise self.file.error(
                "it locks a workspace whose root is not a project" if not found else "it has two roots",
                hint=f"Use one member of the workspace. {_EXPORT}",
            )
        return found[0]

    def is_own(self, index: int) -> bool:
        source = self.packages[index]["source"]
        return any(source.get(kind) == "." for kind in ("virtual", "editable", "directory"))

    def check_age(self, own: Mapping[str, Any]) -> None:
        """Whether the lock was made of what the pyproject.toml beside it depends on today."""
        beside = self.file.path.with_name("pyproject.toml")
        project = read_toml(beside).data.get("project") if beside.is_file() else None
        if project is None or "dependencies" in project.get("dynamic", ()):
            return
        reason = outdated(project.get("dependencies", ()), own.get("metadata", {}).get("requires-dist", ()))
        if reason:
            raise self.file.error(f"is older than pyproject.toml, which {reason}", hint="Run: uv lock")

    def walk(self, start: Node) -> None:
        """Find each package that is reached, and by what markers; again where a further way to it is found."""
        self.reached[start] = frozenset({frozenset()})
        waiting = [start]
        while waiting:
            node = waiting.pop()
            for target, marker in self.edges(node):
                ways = {way | {marker} if marker else way for way in self.reached[node]}
                before = self.reached.get(target, frozenset())
                now = _shortest(before | ways)
                if len(now) > _MOST:
                    name = self.packages[target[0]]["name"]
                    raise self.file.error(
                        f"there are too many dependency paths to {name}", "package", target[0], hint=_EXPORT
                    )
                if now != before:
                    self.reached[target] = now
                    waiting.append(target)

    def edges(self, node: Node) -> Iterator[tuple[Node, str]]:
        """What a package, or one of its extras, depends on, each with its marker."""
        index, extra = node
        package = self.packages[index]
        listed = (
            package.get("dependencies", ())
            if extra is None
            else package.get("optional-dependencies", {}).get(extra, ())
        )
        for dependency in listed:
            target = self.find(dependency, index)
            marker = self.marker(dependency.get("marker", ""), "package", index)
            for each in (None, *dependency.get("extra", ())):
                yield (target, each), marker

    def find(self, dependency: Mapping[str, Any], index: int) -> int:
        """The number of the package that a dependency names; with version and source where there are several."""
        found = [
            number
            for number, package in enumerate(self.packages)
            if all(package.get(key) == dependency[key] for key in ("name", "version", "source") if key in dependency)
        ]
        if len(found) != 1:
            raise self.file.error(
                f"{dependency['name']}, which {self.packages[index]['name']} needs, is listed {len(found)} times",
                "package",
                index,
                hint="Run: uv lock",
            )
        return found[0]

    def pin(self, index: int, marker: str) -> Pin:
        """A package as pip shall have it."""
        package, key = self.packages[index], ("package", index)
        name, source = package["name"], package["source"]
        files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ())]
        hashes = usable_hashes([each["hash"] for each in files if "hash" in each])
        if "registry" in source:
            wheels = tuple(self.locked(each) for each in package.get("wheels", ()))
            version, registry = package["version"], source["registry"]
            line, other = f"{name}=={version}", "sdist" in package
            return Pin(name, line, hashes, marker, registry, key, wheels, other, version=version)
        if "url" in source:
            part = f"#subdirectory={source['subdirectory']}" if "subdirectory" in source else ""
            wheels = self.wheel_of(package, url=source["url"])
            line, version = f"{name} @ {source['url']}{part}", package.get("version", "")
            return Pin(name, line, hashes, marker, None, key, wheels, not wheels, version=version)
        if "path" in source and "subdirectory" not in source:
            line, archive = local_archive(self.file, source["path"], *key)
            self.archives.append(archive)
            wheels, version = self.wheel_of(package, path=source["path"]), package.get("version", "")
            return Pin(name, line, hashes, marker, None, key, wheels, not wheels, version=version)
        kind = "git" if "git" in source else "a folder"
        raise self.file.error(f"{name} is from {kind}, and its source is not copied into the build", *key, hint=_TREE)

    def wheel_of(self, package: Mapping[str, Any], **place: str) -> tuple[LockedFile, ...]:
        """The wheel at a URL or path that a package is taken from; none where it is another archive."""
        if not _file_name(place).endswith(".whl"):
            return ()
        said: Mapping[str, Any] = next(iter(package.get("wheels", ())), {})
        return (self.locked({**said, **place}),)

    def locked(self, wheel: Mapping[str, Any]) -> LockedFile:
        """A wheel as a lock lists it."""
        algorithm, _, digest = wheel.get("hash", "").partition(":")
        path = str(self.file.path.parent / wheel["path"]) if "path" in wheel else ""
        sha256 = digest.lower() if algorithm == "sha256" else ""
        return LockedFile(_file_name(wheel), "" if path else wheel.get("url", ""), path, sha256, wheel.get("size"))


def _file_name(file: Mapping[str, Any]) -> str:
    """The name of a wheel, which uv writes where its URL or path does not end with it."""
    place = file.get("filename") or file.get("url") or file.get("path") or ""
    return unquote(posixpath.basename(urlsplit(place).path))


def _shortest(ways: Condition) -> Condition:
    """The same condition without those ways that another includes."""
    return frozenset(way for way in ways if not any(other < way for other in ways))


def _text(condition: Condition) -> str:
    """A condition as one marker; empty where it always holds."""
    if frozenset() in condition:
        return ""
    ways = sorted(" and ".join(_grouped(each) for each in sorted(way)) for way in condition)
    return ways[0] if len(ways) == 1 else " or ".join(f"({way})" for way in ways)


def _grouped(marker: str) -> str:
    return f"({marker})" if re.search(r"\bor\b", marker) else marker
