"""Which modules of a code folder are loaded with an entry script, come what may."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping

from .entry_points import is_own
from .source import Source


def loaded_with(script: str, read: Mapping[str, Source]) -> frozenset[str]:
    """The entry script and what it imports by statements of the top level, directly or through others.

    What changes ``sys.path`` may find other modules, and what does not parse imports nothing: nothing behind them is
    certain.

    :param script: relative to the code folder, which is on ``sys.path``.
    :param read: what was read of the folder's files.
    """
    waiting, found = [script], {script}
    tops = {each.partition("/")[0].removesuffix(".py") for each in read}
    while waiting:
        file = waiting.pop()
        source = read.get(file)
        if source is None or source.problem or source.changes_path:
            continue
        for other in _imported(file, source, read, tops, is_script=file == script):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return frozenset(found)


def _imported(
    file: str, source: Source, read: Mapping[str, Source], tops: Container[str], *, is_script: bool
) -> Iterator[str]:
    """The files that importing a file executes too.

    :param tops: what the names of ``read`` begin with.
    """
    folders = file.split("/")[:-1]
    for each in source.imports:
        if each.depth != 1 or each.by != "statement" or each.optional or each.typing:
            continue
        if each.level and (is_script or each.level > len(folders)):
            continue
        if not each.level and each.top not in tops:
            continue
        above = folders[: len(folders) - each.level + 1] if each.level else []
        parts = [*above, *(each.module.split(".") if each.module else [])]
        if not parts or not is_own(parts[0]):
            continue
        yield from (found for end in range(1, len(parts) + 1) if (found := _file("/".join(parts[:end]), read)))
        package = read.get(f"{'/'.join(parts)}/__init__.py")
        for name in each.names:
            if package is None or name not in package.names:
                found = _file("/".join([*parts, name]), read)
                if found:
                    yield found


def _file(module: str, read: Mapping[str, Source]) -> str | None:
    return next((each for each in (f"{module}/__init__.py", f"{module}.py") if each in read), None)
