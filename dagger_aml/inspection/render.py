"""What is told of an image, as people read it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from ..backends.direct.note import NOTE_LABEL
from ..plan.label import PLAN_LABEL
from ..text import human_size, redact_urls, visible
from .model import InspectedLayer, InspectedModel, InspectedPackage, Inspection

_WIDTH = 100
_LONGEST = 60
"""Characters of what the history says of a layer."""

_NOT_SAID = "not said"


def text(told: Inspection) -> str:
    """All of it, in sections."""
    return "\n".join(map(_printable, _lines(told))) + "\n"


def _lines(told: Inspection) -> Iterator[str]:
    where = {"file": "", "registry": " (in its registry)"}.get(told.place, f" (in {told.place}'s store)")
    yield f"{told.what}{where}: {told.platform}, {_count(len(told.layers), 'layer')}, {human_size(told.size)}"
    yield from _rows(
        [
            ("digest", told.digest or "none: the image is in Docker's form"),
            ("image ID", told.image_id),
            ("recipe", told.recipe or _no_recipe(told)),
            ("dagger-aml", told.made_by or "none: nothing says that dagger-aml made it"),
            ("server", told.server or _unknown(told)),
            ("Python", told.python or _unknown(told)),
            ("base", told.base or _NOT_SAID),
            ("base digest", told.base_digest or _NOT_SAID),
            ("entry script", told.entry_script or _NOT_SAID),
            ("user", told.user or "root"),
            ("working folder", told.workdir),
            ("ports", ", ".join(told.ports) or "none"),
            *([("entrypoint", " ".join(told.entrypoint))] if told.entrypoint else []),
            ("command", " ".join(told.cmd) or "none"),
        ]
    )
    yield from _models(told.models)
    yield from _packages(told)
    if told.env:
        yield f"\nVariables ({len(told.env)}):"
        yield from (f"  {name}={redact_urls(value)}" for name, value in sorted(told.env.items()))
    labels = {name: value for name, value in told.labels.items() if name not in (PLAN_LABEL, NOTE_LABEL)}
    if labels:
        yield f"\nLabels ({len(labels)}):"
        yield from (f"  {name}={_cut(redact_urls(value))}" for name, value in sorted(labels.items()))
    yield "\nLayers, the lowest first:"
    for number, each in enumerate(told.layers, 1):
        yield from _layer(number, each)
    if told.unread:
        unread = [told.layers[number] for number in told.unread]
        many = f"{_count(len(unread), 'layer')}, {human_size(sum(each.size for each in unread))}"
        yield f"\nNot read, since they are large: {many}. What they hold is not told above."


def _rows(rows: list[tuple[str, str]]) -> Iterator[str]:
    width = max(len(name) for name, _ in rows)
    yield from (f"  {name:{width}}  {value}" for name, value in rows)


def _no_recipe(told: Inspection) -> str:
    return "not said, as by dagger-aml before 0.2.0" if told.made_by else _NOT_SAID


def _unknown(told: Inspection) -> str:
    return "not known: not every layer was read" if told.unread else "none was found"


def _models(models: Iterable[InspectedModel]) -> Iterator[str]:
    models = tuple(models)
    if not models:
        return
    yield f"\nModels ({len(models)}):"
    for each in models:
        name = f"{each.name} version {each.version}, " if each.name else ""
        if each.files is None:
            held = "its layer was not read"
        elif len(each.files) == 1:
            held = (
                f"{each.files[0].path}, {human_size(each.files[0].size)}, sha256 {each.files[0].sha256 or 'not read'}"
            )
        else:
            held = f"{_count(len(each.files), 'file')}, {human_size(each.size or 0)}"
        yield f"  {each.path}: {name}{held}"
        digests = [f"inputs {each.inputs}"] if each.inputs else []
        digests += [f"layer {each.layer + 1}"] if each.layer is not None else []
        if digests:
            yield f"    {', '.join(digests)}"


def _packages(told: Inspection) -> Iterator[str]:
    sites: dict[str, list[InspectedPackage]] = {}
    for each in told.packages:
        sites.setdefault(each.site, []).append(each)
    for site, found in sites.items():
        own = [each for each in found if told.base_layers is not None and each.layer >= told.base_layers]
        based = [each for each in found if each not in own]
        for which, some in (
            ("added to the base", own),
            ("of the base" if told.base_layers is not None else "", based),
        ):
            if some:
                yield f"\nPackages in {site}{f', {which}' if which else ''} ({len(some)}):"
                words = ", ".join(f"{each.name} {each.version}".replace(" ", "\0") for each in some)
                for line in textwrap.wrap(words, _WIDTH - 2, break_long_words=False, break_on_hyphens=False):
                    yield f"  {line}".replace("\0", " ")
    if not sites:
        yield "\nPackages: none in the layers that were read" if told.unread else "\nPackages: none"


def _layer(number: int, each: InspectedLayer) -> Iterator[str]:
    made = {"base": "base", "run": f"step {each.op!r}, run", "copy": f"step {each.op!r}, copied", None: ""}[each.kind]
    if not made or (each.kind == "base" and each.made_by):
        said = _cut(" ".join(each.made_by.split()))
        made = f"{made}: {said}" if made and said else made or said or "nothing tells what made it"
    yield f"  {number:>3}. {human_size(each.size):>9}  {made}"
    if not each.read:
        yield "       not read"
        return
    parts = [_count(each.files or 0, "file"), human_size(each.file_bytes or 0)]
    if each.owners:
        parts.append(f"owner {', '.join(each.owners[:3])}{' and others' if len(each.owners) > 3 else ''}")
    if each.removed:
        parts.append(f"{_count(each.removed, 'name')} taken away")
    held = f" in {', '.join(each.holds)}" if each.holds else ""
    yield f"       {', '.join(parts)}{held}"


def _printable(line: str) -> str:
    """A line, which may begin with an empty one, without what a terminal takes for its own."""
    empty, rest = ("\n", line[1:]) if line.startswith("\n") else ("", line)
    return empty + visible(rest)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _cut(said: str) -> str:
    return said if len(said) <= _LONGEST else f"{said[: _LONGEST - 1]}…"
