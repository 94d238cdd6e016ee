"""Two images' differences, what caused each, and how many of them are noise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import field, fields

from ..data import frozen
from ..oci.image import ImageContents
from ..oci.layer import Node
from ..plan.label import PLAN_LABEL
from ..text import visible
from .causes import Causes
from .noise import NOISE, Noise
from .packages import PackageChange, package_changes

_FIELDS = [each.name for each in fields(Node)]
_LONGEST = 100
"""Characters of a config's value that are shown."""


@frozen(order=True)
class Difference:
    """One path, or one thing that the config says, and the fields in which it differs.

    :param fields: the two values of each; a path or value that one image lacks has the single field ``presence``.
    :param cause: the step whose layer brought it, or ``the base``; empty where that is not known.
    """

    subject: str
    fields: Mapping[str, tuple[str, str]] = field(eq=False)
    cause: str = field(default="", eq=False)

    @property
    def is_path(self) -> bool:
        """Whether it is a path's, and not of what the images say."""
        return self.subject.startswith("/")

    def __str__(self) -> str:
        shown = ", ".join(f"{name} {_cut(a)} | {_cut(b)}" for name, (a, b) in self.fields.items())
        return f"{self.subject}: {shown}" + (f"  ({self.cause})" if self.cause else "")


@frozen
class Report:
    """What differs beyond the noise, sorted, and the subjects that each entry of the noise list absorbed.

    :param compared: how many paths and values there are.
    :param packages: the Python packages that differ; their files are among the differences.
    """

    differences: Sequence[Difference]
    absorbed: Mapping[Noise, Sequence[str]]
    compared: int
    packages: tuple[PackageChange, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether nothing differs but noise."""
        return not self.differences

    def text(self, limit: int | None = 25) -> str:
        """The report as people read it, with at most ``limit`` differences."""
        lines = [f"{each}" for each in self.differences[:limit]]
        if limit is not None and len(self.differences) > limit:
            lines.append(f"... and {len(self.differences) - limit} more")
        return "\n".join((*lines, *self.sums()))

    def sums(self) -> Iterator[str]:
        """How many differences there are, and what was allowed for."""
        count = len(self.differences)
        yield f"{count} difference{'' if count == 1 else 's'} in {self.compared} paths and values"
        for noise, subjects in self.absorbed.items():
            yield f"noise, {len(subjects)}: {noise.pattern} ({noise.reason})"

    def __str__(self) -> str:
        return self.text()


def compare(
    a: ImageContents, b: ImageContents, *, builders: Iterable[str] | None = None, noise: Sequence[Noise] = NOISE
) -> Report:
    """Compare two images.

    :param builders: names of those that made them; only their noise is allowed for. None means any builder's.
    """
    made_by = None if builders is None else frozenset(builders)
    entries = [each for each in noise if made_by is None or each.builders & made_by]
    differences: list[Difference] = []
    absorbed: dict[Noise, list[str]] = defaultdict(list)
    for found in (*_files(a, b), *_configs(a, b)):
        for each in entries:
            if each.allows(found.subject, found.fields):
                absorbed[each].append(found.subject)
                break
        else:
            differences.append(found)
    compared = len(a.files.keys() | b.files.keys()) + len(a.config.keys() | b.config.keys())
    return Report(sorted(differences), dict(absorbed), compared, package_changes(a.files, b.files))


def _files(a: ImageContents, b: ImageContents) -> Iterator[Difference]:
    links_a, links_b = _hard_links(a.files), _hard_links(b.files)
    causes = Causes.of(a, b)
    for path in sorted(a.files.keys() | b.files.keys()):
        one, two = a.files.get(path), b.files.get(path)
        if one is None or two is None:
            yield Difference(printable(path), {"presence": (_kind(one), _kind(two))}, causes.behind(path))
            continue
        differing = {
            name: (_shown(name, one), _shown(name, two))
            for name in _FIELDS
            if getattr(one, name) != getattr(two, name)
        }
        if links_a.get(path) != links_b.get(path):
            differing["hard links"] = (_group(links_a.get(path)), _group(links_b.get(path)))
        if differing:
            yield Difference(printable(path), differing, causes.behind(path))


def _configs(a: ImageContents, b: ImageContents) -> Iterator[Difference]:
    for name in sorted(a.config.keys() | b.config.keys()):
        one, two = a.config.get(name), b.config.get(name)
        if one == two:
            continue
        if one is None or two is None:
            differing = {"presence": ("absent" if one is None else repr(one), "absent" if two is None else repr(two))}
        else:
            differing = {"value": (repr(one), repr(two))}
        cause = "the steps differ" if name == f"label {PLAN_LABEL}" else ""
        yield Difference(f"config {name}", differing, cause)


def _hard_links(files: Mapping[str, Node]) -> dict[str, tuple[str, ...]]:
    """For each path with hard links, all the paths of its group."""
    groups: dict[int, list[str]] = defaultdict(list)
    for path, node in files.items():
        if node.type != "dir":
            groups[id(node)].append(path)
    return {path: tuple(sorted(group)) for group in groups.values() if len(group) > 1 for path in group}


def _kind(node: Node | None) -> str:
    if node is None:
        return "absent"
    return f"{node.type} {node.mode:04o} {node.uid}:{node.gid}"


def _shown(name: str, node: Node) -> str:
    value = getattr(node, name)
    if name == "mode":
        return f"{value:04o}"
    if name == "sha256":
        return str(value)[:16] or "none"
    return repr(value) if name == "target" else str(value) or "none"


def _group(paths: tuple[str, ...] | None) -> str:
    return " = ".join(map(printable, paths)) if paths else "none"


def printable(path: str) -> str:
    """A path without what a terminal takes for its own, and bytes that are no text by their numbers."""
    return visible(path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
