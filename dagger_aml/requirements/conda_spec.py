"""Reading one line of a conda file: a package, and the versions that conda would take for it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.version import InvalidVersion, Version

from ..data import frozen

_SPEC = re.compile(r"(?:[^\s\[\]=<>!~]+::)?(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)(?P<rest>.*)\Z", re.DOTALL)


_BRACKETS = re.compile(r"(?P<before>[^\[\]]*)\[(?P<inside>[^\[\]]*)\]\s*\Z")


_PAIR = re.compile(r"""\s*([a-z_0-9]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^,'"]*))\s*(?:,|\Z)""")


_WITH_BUILD = re.compile(r"(?P<version>.*[^=!<>~|,])=(?P<build>[^=].*)\Z")


_ATOM = re.compile(r"(?P<operator>==|!=|<=|>=|~=|=|<|>|)(?P<version>[^=!<>~][^=<>~]*)\Z")


_BRACKET_KEYS = frozenset({"build", "build_number", "channel", "name", "subdir", "version"})
"""What brackets may say that either counts here or only chooses among conda's own files."""


class NotASpec(ValueError):
    """A line is none of conda's, or says what pip has no words for; the reason is half a sentence."""


@frozen
class Spec:
    """What a line wants.

    :param name: of conda's package, in small letters.
    :param versions: as pip writes them, such as ``==2.3.*``; empty for any.
    :param build: the build string, which only chooses among conda's own files.
    :param chosen: the one of several alternatives (``1.8|1.9``) that ``versions`` stands for; empty where there is
        but one.
    """

    name: str
    versions: str = ""
    build: str = ""
    chosen: str = ""


def parse_spec(text: str) -> Spec:
    """Read a line as conda reads it.

    ``=2.3`` is every 2.3.x, ``==2.3`` and a version after a blank are 2.3 itself, so is ``=2.3=BUILD``. pip cannot be
    told of alternatives (``|``): the one with the newest versions is taken, which conda would try first too.

    :raises NotASpec: it is none, or has no form that pip knows.
    """
    name, rest, inside = _taken_apart(text)
    keys = _pairs(inside)
    versions, build = _version_and_build(rest)
    if "version" in keys:
        versions = keys["version"].strip()
    build = keys.get("build", build)
    alternatives = [each.strip() for each in versions.split("|")]
    found = [_together(each, exact=bool(build) and versions == each) for each in alternatives]
    newest = max(range(len(found)), key=lambda at: (_newest(found[at]), -at))
    written = ",".join(operator + version for operator, version in found[newest])
    return Spec(name, written, build, alternatives[newest] if len(found) > 1 else "")


def name_of(text: str) -> str:
    """The package that a line names, in small letters, whatever stands behind it.

    :raises NotASpec: it names none.
    """
    return _taken_apart(text)[0]


def _taken_apart(text: str) -> tuple[str, str, str]:
    """The name, what stands behind it, and what stands in brackets after that."""
    said = text.partition("#")[0].strip()
    if "://" in said or said.endswith((".tar.bz2", ".conda")):
        raise NotASpec("a file of conda's, which pip cannot install")
    inside = ""
    if brackets := _BRACKETS.match(said):
        said, inside = brackets["before"].strip(), brackets["inside"]
    match = _SPEC.match(said)
    if match is None:
        raise NotASpec("no package of conda is called so")
    return match["name"].lower(), match["rest"], inside


def _pairs(inside: str) -> dict[str, str]:
    """``{"version": ">=1.8,<2"}`` of ``version='>=1.8,<2'``."""
    found, at = {}, 0
    while at < len(inside.rstrip()):
        match = _PAIR.match(inside, at)
        if match is None or match[1] not in _BRACKET_KEYS:
            raise NotASpec(f"[{inside}] is not read here")
        found[match[1]] = next((each for each in match.groups()[1:] if each is not None), "")
        at = match.end()
    return found


def _version_and_build(rest: str) -> tuple[str, str]:
    """The versions and the build string behind a name; conda lets a blank or ``=`` stand before the build."""
    if rest and rest[0] not in " \t=<>!~":
        raise NotASpec(f"{rest[:20]!r} stands behind the name")
    said = re.sub(r"\s*([,|])\s*", r"\1", rest.strip())
    said = re.sub(r"([<>=!~])\s+", r"\1", said)
    version, *builds = said.split() or [""]
    if match := _WITH_BUILD.match(version):
        version, builds = match["version"], [match["build"], *builds]
    if len(builds) > 1 or any(each[0] in "<>=!~" for each in builds):
        raise NotASpec("conda takes what stands behind the blank for a build; between versions there must be a comma")
    return version, builds[0] if builds else ""


def _together(text: str, *, exact: bool) -> list[tuple[str, str]]:
    """Conditions that hold together, as pip writes them: operators and versions.

    :param exact: whether a single ``=`` means this very version, as it does before a build.
    """
    found: list[tuple[str, str]] = []
    for each in text.split(",") if text else ():
        atom = _ATOM.match(each.strip())
        if atom is None:
            raise NotASpec(f"{each!r} is no version that is read here")
        found += _atom(atom["operator"], atom["version"].strip(), exact=exact)
    return found


def _atom(operator: str, written: str, *, exact: bool) -> Iterator[tuple[str, str]]:
    if written == "*":
        if operator not in ("", "=", "==", ">="):
            raise NotASpec(f"'{operator}*' names no version")
        return
    version = written.removesuffix("*").removesuffix(".")
    starred = version != written
    try:
        read = Version(version)
    except InvalidVersion:
        raise NotASpec(f"{written!r} is no version on PyPI") from None
    if operator == ">" and starred:
        raise NotASpec(f"'>{written}' is >{version} to conda and >={version} to mamba")
    plain = not (read.is_prerelease or read.is_postrelease or read.local)
    if operator in ("", "=", "=="):
        starts = (starred or (operator == "=" and not exact)) and plain
        yield "==", f"{version}.*" if starts else version
    elif operator == "!=":
        yield "!=", f"{version}.*" if starred and plain else version
    elif operator == "~=":
        if len(read.release) < 2:
            raise NotASpec(f"'~={written}' needs a second number, as in ~={version}.0")
        yield "~=", version
    elif operator == "<" and (read.pre == ("a", 0) or read.dev == 0):
        # conda's way to keep out pre-releases of 2.0. pip does so by itself, and takes all pre-releases for this.
        yield "<", read.base_version
    else:
        yield operator, version


def _newest(conditions: list[tuple[str, str]]) -> tuple[bool, Version]:
    """How new a version may be: without a limit, else the newest that is named."""
    limits = [Version(version.removesuffix(".*")) for operator, version in conditions if operator in _LIMITS]
    return not limits, min(limits, default=Version("0"))


_LIMITS = ("==", "<", "<=", "~=")
