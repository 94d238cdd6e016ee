"""Whether pip, or uv, will install a list at all: what it refuses whatever the base and the index have."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from ..errors import ProjectError
from ..graph.access import Access
from ..text import named
from .entries import is_archive
from .files import read_text
from .model import Listed, Option, Requirements

_NOT_OF_UV: Final = frozenset({"--all-releases", "--config-settings", "--no-require-hashes", "--only-final"})
"""Options that pip knows and uv 0.13 takes for an error; tests/unit/test_pip_forms.py asks uv itself."""


_SHORT: Final = frozenset({"-c", "-f", "-i", "-r"})


def check_installable(found: Requirements, installer: Literal["pip", "uv"]) -> None:
    """Refuse a list that the installer itself refuses.

    :raises ProjectError: some packages have hashes, and one that is always installed has none; an option or a text
        that only pip understands, for uv.
    """
    if installer == "uv":
        taken: set[str] = set()
        for option in found.options:
            _check_for_uv(option)
            if not option.listed and option.location in taken:
                raise ProjectError(
                    f"uv takes {option.written} for a part of the value before it",
                    location=option.location,
                    hint="Put it on a line of its own.",
                )
            if option.value:
                taken.add(option.location)
        for path in found.files if found.text is None else ():
            _check_text_for_uv(path)
    elif found.hashes:
        _check_hashes(found)


def needs_best_match(found: Requirements, access: Access) -> bool:
    """Whether uv must look in all indexes for each package, and may: there are several, and each package is pinned
    and has a hash.

    A list that comes from several indexes has no solution where uv takes the first that knows a package's name, as
    PyTorch's index knows some versions of numpy. What a secret pip.conf says is not known; it may name several.
    """
    return (has_several_indexes(found, access) or access.secret("pip") is not None) and _all_pinned(found)


def says_index(access: Access) -> bool:
    """Whether the user names an index, which counts in the place of those that a list names."""
    return access.index_url is not None or access.secret("pip") is not None


def has_several_indexes(found: Requirements, access: Access) -> bool:
    """Whether packages come from more than one index, as far as it is said in the open."""
    words = {option.word for option in found.options if not option.ignored}
    extra = not says_index(access) and any(line.startswith("--extra-index-url") for line in found.indexes)
    return extra or "--extra-index-url" in words or bool(access.extra_index_urls)


def _all_pinned(found: Requirements) -> bool:
    """Whether every package that is listed is one version or one file, and has a hash."""
    if found.text is not None:
        return found.hashes
    wanted = [each for each in found.listed if not each.constraint]
    return bool(wanted) and all(each.hashed and _pinned(each) for each in wanted)


def _pinned(listed: Listed) -> bool:
    if listed.tool:
        return False
    if listed.url or is_archive(listed.text.partition(";")[0].partition("[")[0].strip()):
        return True
    from packaging.requirements import Requirement

    operators = [(each.operator, each.version) for each in Requirement(listed.text).specifier]
    return len(operators) == 1 and operators[0][0] in ("==", "===") and not operators[0][1].endswith(".*")


def _check_hashes(found: Requirements) -> None:
    """pip counts hashes by a package's name, those in constraints files too. A marker may keep a package out."""
    from packaging.utils import canonicalize_name

    hashed = {canonicalize_name(each.name) for each in found.listed if each.hashed and each.name}
    for each in found.listed:
        if each.constraint or each.marker:
            continue
        if each.tool:
            raise ProjectError(
                f"{each.text!r} comes from {each.tool}, which has no hash, but pip takes only what has one here",
                location=each.location,
                hint="Build a wheel of it, and list the wheel with its hash (pip hash FILE).",
            )
        if not each.hashed and (each.name is None or canonicalize_name(each.name) not in hashed):
            raise ProjectError(
                f"{each.text!r} has no hash, but {found.path.name} uses hashes, so pip refuses packages without one",
                location=each.location,
                hint="Add its hash, or create the file again with all hashes (pip-compile --generate-hashes, "
                "uv pip compile --generate-hashes).",
            )


def _check_for_uv(option: Option) -> None:
    shortened = option.word.startswith("--") and option.written not in (option.word, *_SHORT)
    if option.word in _NOT_OF_UV or shortened or (option.listed and option.word != "--hash"):
        where = f" on the line of {option.listed!r}" if option.listed else ""
        raise ProjectError(
            f"uv does not take {option.written}{where}",
            location=option.location,
            hint=f"Write {option.word}, or use `{named('installer', 'pip')}`."
            if shortened
            else f"Use `{named('installer', 'pip')}`.",
        )


def _check_text_for_uv(path: Path) -> None:
    """uv reads UTF-8, and UTF-16 with a byte order mark; a coding line is nothing to it."""
    if not is_archive(path.name):
        read_text(path)
