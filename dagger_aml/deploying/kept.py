"""What a deployment file that was read said, as it was written: comments, quotes and blank lines of what stays.

A value that is the same stands in the new file as the old one has it, with the comments above, behind and within it;
only what changed is written anew. PyYAML drops comments and knows where each value stands, which is all that this
takes. Whatever cannot be taken over so, aliases and ``{…}`` in place of lines, has the whole written anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..data import frozen
from ..project.deployment.document import document_text
from ..project.deployment.model import Deployment
from .yaml_text import yaml_text

WRITTEN_BY = "Written by dagger-aml "
"""How the first line of a written file begins, which is not taken over into the next."""

_REPLACED = ("environment",)
"""Keys whose value is another altogether, so that comments within it say nothing of the new one."""

_COMMENT = re.compile(r"(?m)(?:^|\s)#")


def deployment_text(document: Mapping[str, Any], read: Deployment | None, head: str) -> tuple[str, bool]:
    """A document as the text of a file, and whether comments of the file that was read are lost.

    :param read: the file whose values it carries over.
    :param head: comment lines above it, without their ``#``.
    :raises UsageError: a text that YAML cannot say. :raises ProjectError: the file cannot be read any more.
    """
    if read is None:
        return yaml_text(document, head=head), False
    source = document_text(read.path)
    body = taken_over(source, read.document, document)
    if body is None:
        return yaml_text(document, head=head), _COMMENT.search(source) is not None
    return "".join(f"# {line}".rstrip() + "\n" for line in head.splitlines()) + body, False


def taken_over(source: str, before: Mapping[Any, Any], after: Mapping[Any, Any]) -> str | None:
    """The text of a document, with the lines of an older one where it says the same; None where that cannot be.

    :param before: what the source holds, in its order.
    """
    import yaml

    source = source if source.endswith("\n") else source + "\n"
    root: Any = yaml.compose(source, Loader=yaml.SafeLoader)
    aliases = any(isinstance(each, yaml.AliasEvent) for each in yaml.parse(source, Loader=yaml.SafeLoader))
    if aliases or not _is_block(root):
        return None
    end = _above(source, len(source), 0)
    first = source.rfind("\n", 0, root.value[0][0].start_mark.index) + 1
    start = _above(source, first, 0, blank=False)
    made = _mapping(source, root, (start, end), before, after)
    if made is None:
        return None
    text = _without_ours(source[:start] + made) + source[end:]
    try:
        read = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    wanted = yaml.safe_load(yaml_text(after))
    return text if _same(read, wanted) and list(read) == list(wanted) else None


def _same(old: Any, new: Any) -> bool:
    """Whether a file says the same: ``1`` is another value than ``true`` or ``1.0``, also deep inside."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return old.keys() == new.keys() and all(_same(old[key], new[key]) for key in old)
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        return len(old) == len(new) and all(map(_same, old, new))
    return old is new or (type(old) is type(new) and bool(old == new))


@frozen
class _Entry:
    """A key of a mapping in the source.

    :param start: where its lines begin, the comments above it included; ``own`` where the key's own line does.
    :param end: behind its last line.
    """

    start: int
    own: int
    end: int
    value: Any


def _mapping(
    source: str, node: Any, region: tuple[int, int], before: Mapping[Any, Any], after: Mapping[Any, Any]
) -> str | None:
    """The lines of a mapping that becomes another one; None where they cannot be told apart."""
    column = node.value[0][0].start_mark.column
    if len(node.value) != len(before) or any(key.start_mark.column != column for key, _ in node.value):
        return None
    owns = [source.rfind("\n", 0, key.start_mark.index) + 1 for key, _ in node.value]
    starts = [region[0], *(_above(source, own, column) for own in owns[1:])]
    ends = [*starts[1:], region[1]]
    values = [value for _, value in node.value]
    entries = dict(zip(before, map(_Entry, starts, owns, ends, values), strict=True))
    made = []
    for key, value in after.items():
        if key not in entries:
            made.append(_indented({key: value}, column))
            continue
        entry, old = entries[key], before[key]
        if _same(old, value):
            made.append(source[entry.start : entry.end])
            continue
        lines = _changed(source, entry, key, old, value, column)
        made.append(source[entry.start : entry.own] + lines)
    return "".join(made)


def _changed(source: str, entry: _Entry, key: Any, old: Any, value: Any, column: int) -> str:
    """The lines of a key whose value changed, from its own line on."""
    line_end = source.index("\n", entry.own) + 1
    if isinstance(old, Mapping) and isinstance(value, Mapping) and key not in _REPLACED and _is_block(entry.value):
        begins = entry.value.value[0][0].start_mark.index
        if begins >= line_end:
            inner = _mapping(source, entry.value, (line_end, entry.end), old, value)
            if inner is not None:
                return source[entry.own : line_end] + inner
    made = _indented({key: value}, column)
    behind = entry.value.end_mark.index
    if entry.value.id == "scalar" and entry.own < behind < line_end and made.count("\n") == 1:
        return made[:-1] + source[behind : entry.end]
    blank = re.search(r"(?:^[ \t]*\n)*\Z", source[entry.own : entry.end], re.MULTILINE)
    return made + (blank[0] if blank else "")


def _above(source: str, line: int, column: int, *, blank: bool = True) -> int:
    """Where the comments begin that stand above a line and are indented as it is, or less.

    :param line: where the line begins.
    :param blank: whether there may be blank lines between them.
    """
    found = at = line
    for text in _backwards(source, line):
        at -= len(text)
        stripped = text.strip()
        if stripped.startswith("#") and len(text) - len(text.lstrip()) <= column:
            found = at
        elif stripped or not blank:
            break
    return found


def _backwards(source: str, end: int) -> Iterator[str]:
    """The lines before a place, the last first."""
    while end > 0:
        start = source.rfind("\n", 0, end - 1) + 1
        yield source[start:end]
        end = start


def _indented(data: Mapping[Any, Any], column: int) -> str:
    return "".join(" " * column + line for line in yaml_text(data).splitlines(keepends=True))


def _is_block(node: Any) -> bool:
    """Whether a node is a mapping of which each key has a line of its own."""
    return node is not None and node.id == "mapping" and not node.flow_style and bool(node.value)


def _without_ours(text: str) -> str:
    """A text without the first line that dagger-aml wrote above an older one."""
    return "".join(each for each in text.splitlines(keepends=True) if not each.startswith(f"# {WRITTEN_BY}"))
