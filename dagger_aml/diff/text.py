"""A report as people read it: packages first, then what the images say, then paths, of many only how many."""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from ..text import named
from .compare import Difference, Report, printable
from .packages import PackageChange

_DEEPEST = 3
"""Names of a path by which paths are counted together."""


def report_text(report: Report, *, every_path: bool = False, most: int = 25) -> str:
    """All lines.

    :param every_path: whether each path is told, those in folders of changed packages too.
    :param most: paths that are told by themselves otherwise.
    """
    return "\n".join(_lines(report, every_path, most))


def _lines(report: Report, every_path: bool, most: int) -> Iterator[str]:
    yield from _packages(report.packages)
    config = [each for each in report.differences if not each.is_path]
    paths = [each for each in report.differences if each.is_path]
    yield from map(str, config)
    sites = {f"{each.site}/" for each in report.packages}
    own = [each for each in paths if every_path or not any(each.subject.startswith(site) for site in sites)]
    shown = own if every_path else own[:most]
    yield from map(str, shown)
    chosen = set(map(id, shown))
    left = [each for each in paths if id(each) not in chosen]
    if left:
        yield f"... and {len(left)} more{'' if len(left) == 1 else ', by folder'} ({named('paths')} prints them):"
        yield from _folders(left, sites)
    yield from report.sums()


def _packages(changes: Sequence[PackageChange]) -> Iterator[str]:
    by_site: defaultdict[str, list[PackageChange]] = defaultdict(list)
    for each in changes:
        by_site[each.site].append(each)
    for site, found in by_site.items():
        yield f"packages in {printable(site)}:"
        yield from (f"  {printable(str(each))}" for each in found)


def _folders(paths: Iterable[Difference], sites: Iterable[str]) -> Iterator[str]:
    """How many paths differ in each folder, and what caused that, most first."""
    counts: Counter[tuple[str, str]] = Counter()
    for each in paths:
        site = next((site for site in sites if each.subject.startswith(site)), None)
        counts[site or _folder(each.subject), each.cause] += 1
    for (folder, cause), count in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
        yield f"  {count} in {folder}" + (f"  ({cause})" if cause else "")


def _folder(path: str) -> str:
    """The folder by which a path is counted: no more than so many names of it."""
    parts = posixpath.dirname(path).split("/")[1 : _DEEPEST + 1]
    return "/".join(("", *parts, "")) if parts != [""] else "/"
