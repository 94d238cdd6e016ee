"""A picture as Mermaid's ``flowchart``, which GitHub and GitLab draw where a Markdown text has it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .picture import Box, Group, Kind, Picture, outline

_SHAPES: dict[Kind, tuple[str, str]] = {
    "base": ("[(", ")]"),
    "runs": ("[[", "]]"),
    "files": ("[", "]"),
    "kept": ("[", "]"),
    "image": ("([", "])"),
}

_STYLES: dict[Kind, str] = {
    "base": "fill:#f6f8fa,stroke:#57606a,color:#1f2328",
    "runs": "fill:#fff8c5,stroke:#9a6700,color:#1f2328",
    "files": "fill:#ddf4ff,stroke:#0969da,color:#1f2328",
    "kept": "fill:#dafbe1,stroke:#1a7f37,color:#1f2328,stroke-dasharray:4",
    "image": "fill:#f6f8fa,stroke:#57606a,color:#1f2328",
}
"""With colours of the text too, so that they can be read on a dark page."""

_MARKS = re.compile(
    r"""
    (?P<split> \\(?=n) | \$(?=\$) | :(?=fa-) | ﬂ | ¶)  # a line break, mathematics, an icon, its own escapes
    | [^\w\s./:,()=+·…-]                        # marks of Mermaid, Markdown and HTML
    | (?<![^\W_])_ | _(?![^\W_])                # emphasis
    | ^[-+=] | ^[0-9](?=[0-9]*[.)])              # lists, rules, headings
    | (?<=:)/(?=/) | (?<=[wW]{3})\.              # links
    | ^\s | \s$ | (?<=\s)\s                     # spaces that would be dropped
    | (?<=styl)e | (?<=classDe)f | (?<=directio)n
    """,
    re.VERBOSE,
)
"""What Mermaid reads within a label too. It looks for the words at the end wherever a line has them."""

NOTHING = "#8203;"
"""A space without width, between what Mermaid would read even where one is written by its number."""


HEAD = '%%{init: {"flowchart": {"wrappingWidth": 600}}}%%'
"""Lines of boxes are cut already, and need not be broken."""


def mermaid(picture: Picture) -> str:
    """The picture as a ``flowchart``, a statement a line."""
    return "\n".join(_statements(picture)) + "\n"


def _statements(picture: Picture) -> Iterator[str]:
    yield HEAD
    yield "flowchart TB"
    yield from (f"    {each}" for each in outline(picture, _box, _frame))
    for arrow in picture.arrows:
        label = f'|"{escaped(arrow.label)}"|' if arrow.label else ""
        yield f"    {arrow.start} {'-.->' if label else '-->'}{label} {arrow.end}"
    used = {each.kind for each in picture.bases} | {each.kind for group in picture.groups for each in _all(group)}
    yield from (f"    classDef {kind} {style}" for kind, style in _STYLES.items() if kind in used)


def _all(group: Group) -> Iterator[Box]:
    yield from group.boxes
    for each in group.groups:
        yield from _all(each)


def _frame(group: Group) -> tuple[str, ...]:
    return f'subgraph {group.id} ["{escaped(group.title)}"]', "end"


def _box(box: Box) -> str:
    begin, end = _SHAPES[box.kind]
    return f'{box.id}{begin}"{"<br/>".join(map(escaped, box.lines))}"{end}:::{box.kind}'


def escaped(line: str) -> str:
    """A line as a label has it: marks by their numbers, so that it is shown and not read."""
    return re.sub(_MARKS, _number, line)


def _number(mark: re.Match[str]) -> str:
    return f"#{ord(mark[0])};" + (NOTHING if mark["split"] else "")
