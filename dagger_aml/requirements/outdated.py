"""Whether what a lock was made of is what the project depends on today."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

_ELSEWHERE = ("url", "git", "path", "directory", "editable", "virtual")
"""Where [tool.uv.sources] takes a package from; its version is that place's then."""


def outdated(wanted: Iterable[object], recorded: Iterable[Mapping[str, Any]]) -> str | None:
    """The first difference between a project's dependencies and those that uv wrote into its lock; None without one.

    Names, extras and versions are compared. Markers are not: uv simplifies them by the Pythons of the project.

    :param wanted: ``dependencies`` of ``[project]``; what is no requirement is for others to tell.
    :param recorded: ``requires-dist`` of the project's own package in uv.lock, its extras' dependencies among them.
    :returns: half a sentence about pyproject.toml, such as ``requires idna``.
    """
    now: dict[str, list[Requirement]] = {}
    for text in wanted:
        try:
            each = Requirement(str(text))
        except InvalidRequirement:
            return None
        now.setdefault(canonicalize_name(each.name), []).append(each)
    then: dict[str, list[Mapping[str, Any]]] = {}
    for entry in recorded:
        if "extra ==" not in entry.get("marker", ""):
            then.setdefault(canonicalize_name(entry["name"]), []).append(entry)
    for name, requirements in now.items():
        if name not in then:
            return f"requires {name}"
        if any(key in entry for entry in then[name] for key in _ELSEWHERE):
            continue
        versions, before = {each.specifier for each in requirements}, {_said(entry) for entry in then[name]}
        if versions != before and None not in before and not any(each.url for each in requirements):
            return f"requires {requirements[0]}"
        if {extra for each in requirements for extra in _extras(each.extras)} != {
            extra for entry in then[name] for extra in _extras(entry.get("extras", ()))
        }:
            return f"requires {requirements[0]}"
    gone = sorted(then.keys() - now.keys())
    return f"no longer requires {gone[0]}" if gone else None


def _said(entry: Mapping[str, Any]) -> SpecifierSet | None:
    try:
        return SpecifierSet(entry.get("specifier", ""))
    except InvalidSpecifier:
        return None


def _extras(names: Iterable[str]) -> set[str]:
    return {canonicalize_name(each) for each in names}
