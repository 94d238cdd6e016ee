"""What an entry script leads to, told from its text: the modules that it imports and the paths that it names."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from attrs import field

from ..data import frozen
from ..fs.lookup import is_file, is_folder
from .loaded import loaded_with
from .model_paths import ModelPath
from .pythons import Python
from .source import Imported, Source, read_source
from .unregistered import Relative, relative_imports
from .versions import Problem

_INTO_MAIN = re.compile(rb"import\s+__main__|modules\s*\[\s*['\"]__main__")
"""What code says that puts names where a pickle looks for those of the script that saved it."""

_MODEL_DIR = (b"AZUREML_MODEL_DIR", b"get_model_path")


@frozen
class Reached:
    """What an entry script leads to, directly or through the modules of its code folder.

    :param modules: top-level names that are imported and lie in the folder.
    :param absent: top-level names that the entry script or such a module imports, come what may, and that lie neither
        in the folder nor in the standard library: packages, or modules from elsewhere.
    :param named: first parts of the relative paths that stand in the texts.
    :param certain: those of ``modules`` that are imported come what may.
    :param model_dir_read: the first file and line that has AZUREML_MODEL_DIR, or SDK v1's ``get_model_path``.
    :param model_paths: what the texts name below the folder of the model, each with its file, relative to the folder.
    :param puts_into_main: whether one of them changes the module ``__main__``.
    :param python: the version for which the files were parsed.
    :param loaded: the entry script and the files that are loaded with it, come what may, relative to the folder.
    :param problems: files that are no Python of the version that is to run them, and why.
    :param relative: relative imports that cannot succeed, of files that are loaded with the entry script.
    :param sources: what was read, for who asks something else of the same files.
    """

    modules: frozenset[str]
    absent: tuple[str, ...]
    named: frozenset[str]
    model_dir_read: tuple[str, int] | None
    model_paths: tuple[tuple[str, ModelPath], ...] = ()
    puts_into_main: bool = False
    certain: frozenset[str] = frozenset()
    python: Python | None = None
    loaded: frozenset[str] = frozenset()
    problems: tuple[tuple[str, Problem], ...] = ()
    relative: tuple[Relative, ...] = ()
    sources: Mapping[Path, Source] = field(factory=dict, eq=False, repr=False)

    @property
    def reads_model_dir(self) -> bool:
        """Whether the folder of the model is asked for."""
        return self.model_dir_read is not None


def reached(folder: Path, script: str, python: Python | None = None) -> Reached:
    """Follow an entry script's imports through its code folder, which is on ``sys.path`` in the image.

    What cannot be read or parsed leads nowhere; :func:`dagger_aml.pysource.entry_script.check` tells
    the user of that.

    :param script: relative to the folder.
    :param python: the version that is to run it; ours unless given.
    """
    seen: dict[Path, Source | None] = {}
    waiting = [folder / script]
    modules: set[str] = set()
    absent: dict[str, None] = {}
    named: set[str] = set()
    reads: tuple[str, int] | None = None
    into_main = False
    model_paths: list[tuple[str, ModelPath]] = []
    certainly: set[str] = set()
    # Most names are imported by many files.
    found = cache(lambda name: tuple(files_of(folder, name)))
    is_there = cache(lambda top: is_folder(folder / top))
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        source = seen[path] = _read(path, python)
        if source is None or source.is_broken:
            continue
        if reads is None and (word := next((each for each in _MODEL_DIR if each in source.data), None)):
            reads = path.relative_to(folder).as_posix(), source.data.count(b"\n", 0, source.data.index(word)) + 1
        into_main = into_main or _INTO_MAIN.search(source.data) is not None
        named.update(source.paths)
        model_paths += [(path.relative_to(folder).as_posix(), each) for each in source.model_paths]
        # What a `try` or a function guards may be missing.
        certain = [each for each in source.imports if each.depth == 1]
        needed = {name.partition(".")[0] for each in certain for name in names_of(each, path, folder)}
        for name in _all_names(source, path, folder):
            if not is_module_name(name):
                continue
            top = name.partition(".")[0]
            files = found(name)
            if files or is_there(top):
                modules.add(top)
                certainly |= {top} & needed
                waiting += files
            elif top in needed and top not in sys.stdlib_module_names:
                absent[top] = None
    read = {path.relative_to(folder).as_posix(): source for path, source in seen.items() if source}
    loaded = loaded_with(script, read)
    return Reached(
        frozenset(modules),
        tuple(absent),
        frozenset(named),
        reads,
        tuple(model_paths),
        into_main,
        certain=frozenset(certainly),
        python=python,
        loaded=loaded,
        problems=tuple((file, source.problem) for file, source in read.items() if source.problem),
        relative=tuple(
            each
            for file, source in read.items()
            if file in loaded and not source.problem
            for each in relative_imports(file, source, is_script=file == script)
        ),
        sources={path: source for path, source in seen.items() if source},
    )


def _read(path: Path, python: Python | None) -> Source | None:
    try:
        return read_source(path, python)
    except (OSError, ValueError):
        return None


def _all_names(source: Source, path: Path, folder: Path) -> Iterator[str]:
    """What the imports of a file may import, those of its top level first."""
    for each in sorted(source.imports, key=lambda each: each.depth):
        yield from names_of(each, path, folder)


def names_of(each: Imported, path: Path, folder: Path) -> Iterator[str]:
    """Dotted names, as seen from the folder, that an import may import."""
    if each.by != "statement":
        if each.module.strip("."):
            yield each.module.strip(".")
        return
    above = _package(path, folder, each.level) if each.level else ""
    if above is None:
        return
    module = ".".join(part for part in (above, each.module) if part)
    if module:
        yield module
    yield from (".".join(part for part in (module, name) if part) for name in each.names)


def _package(path: Path, folder: Path, level: int) -> str | None:
    """The package that a relative import starts from; None where it leaves the folder."""
    parts = path.relative_to(folder).parts[:-1]
    kept = len(parts) - (level - 1)
    return ".".join(parts[:kept]) if kept >= 0 else None


def is_module_name(name: str) -> bool:
    """Whether a text can be a module's dotted name."""
    return all(part.isidentifier() for part in name.split("."))


def files_of(folder: Path, name: str) -> Iterator[Path]:
    """The files that importing a dotted name executes, as far as they lie in the folder."""
    here = folder
    for part in name.split("."):
        module, here = here / f"{part}.py", here / part
        yield from (each for each in (module, here / "__init__.py") if is_file(each))
        if not is_folder(here):
            break
