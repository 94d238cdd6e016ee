"""What an entry script leads to, told from its text: the modules that it imports and the paths that it names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import field

from ..data import frozen
from ..text import pattern
from .ahead import LEAST, Read, read_each
from .loaded import loaded_with
from .model_paths import ModelPath
from .modules import Modules
from .pythons import Python
from .quiet import quietly
from .source import MOST_TREES, Source, read_quietly
from .texts import finder
from .unregistered import Relative, relative_imports
from .versions import Problem

_INTO_MAIN = pattern(rb"import\s+__main__|modules\s*\[\s*['\"]__main__")
"""What code says that puts names where a pickle looks for those of the script that saved it."""

_MODEL_DIR = (b"AZUREML_MODEL_DIR", b"get_model_path")


@frozen
class Reached:
    """What an entry script leads to, directly or through the modules of its code folder.

    :param modules: top-level names that are imported and lie in the folder.
    :param absent: top-level names that the entry script or such a module imports, come what may, and that lie neither
        in the folder nor in the standard library: packages, or modules from elsewhere.
    :param certain: those of ``modules`` that are imported come what may.
    :param model_dir_read: the first file and line that has AZUREML_MODEL_DIR, or SDK v1's ``get_model_path``.
    :param model_paths: what the texts name below the folder of the model, each with its file, relative to the folder.
    :param puts_into_main: whether one of them changes the module ``__main__``.
    :param python: the version for which the files were parsed.
    :param loaded: the entry script and the files that are loaded with it, come what may, relative to the folder.
    :param problems: files that are no Python of the version that is to run them, and why.
    :param relative: relative imports that cannot succeed, of files that are loaded with the entry script.
    :param environment: the variables that the texts read, each with its file and line.
    :param sources: what was read, by the paths of the files, for who asks something else of the same files.
    :param there: where imports lead in the folder, for who follows them too.
    """

    modules: frozenset[str]
    absent: tuple[str, ...]
    model_dir_read: tuple[str, int] | None
    model_paths: tuple[tuple[str, ModelPath], ...] = ()
    puts_into_main: bool = False
    certain: frozenset[str] = frozenset()
    python: Python | None = None
    loaded: frozenset[str] = frozenset()
    problems: tuple[tuple[str, Problem], ...] = ()
    relative: tuple[Relative, ...] = ()
    environment: tuple[tuple[str, str, int], ...] = ()
    sources: Mapping[str, Source] = field(factory=dict, eq=False, repr=False)
    there: Modules | None = field(default=None, eq=False, repr=False)
    _asked: dict[str, bool] = field(factory=dict, eq=False, repr=False)

    def named_among(self, names: Iterable[str]) -> frozenset[str]:
        """Those of some names that are the first part of a relative path in one of the texts."""
        wanted = frozenset(names)
        left = wanted - self._asked.keys()
        self._asked.update(dict.fromkeys(left, False))
        may_have = finder(left)
        for source in self.sources.values() if left else ():
            if may_have(source.data):
                self._asked.update(dict.fromkeys(left & source.paths, True))
        return frozenset(name for name in wanted if self._asked[name])

    @property
    def reads_model_dir(self) -> bool:
        """Whether the folder of the model is asked for."""
        return self.model_dir_read is not None


@quietly()
def reached(folder: Path, script: str, python: Python | None = None) -> Reached:
    """Follow an entry script's imports through its code folder, which is on ``sys.path`` in the image.

    What cannot be read or parsed leads nowhere; :func:`dagger_aml.pysource.entry_script.check` tells
    the user of that.

    :param script: relative to the folder.
    :param python: the version that is to run it; ours unless given.
    """
    seen: dict[str, Source | None] = {}
    waiting = [(folder / script).as_posix()]
    modules: set[str] = set()
    absent: dict[str, None] = {}
    reads: tuple[str, int] | None = None
    into_main = False
    model_paths: list[tuple[str, ModelPath]] = []
    environment: list[tuple[str, str, int]] = []
    certainly: set[str] = set()
    there = Modules(folder)
    met, fresh, ahead = set(waiting), dict[str, None](), Read()
    while waiting:
        if len(fresh) >= LEAST:
            ahead |= read_each(list(fresh), python)
            fresh = {}
        path = waiting.pop()
        if path in seen:
            continue
        fresh.pop(path, None)
        source = seen[path] = ahead.pop(path) if path in ahead else read_quietly(path, python)
        if source is None or source.is_broken:
            continue
        if reads is None and (word := next((each for each in _MODEL_DIR if each in source.data), None)):
            reads = there.within(path), source.data.count(b"\n", 0, source.data.index(word)) + 1
        into_main = into_main or (b"__main__" in source.data and _INTO_MAIN.search(source.data) is not None)
        model_paths += [(there.within(path), each) for each in source.model_paths]
        environment += [(path, name, line) for name, line in source.environment]
        if len(seen) > MOST_TREES:
            source.let_go()
        # What a `try` or a function guards may be missing.
        leads = [lead for lead in there.leads(path, source) if lead[1].here or lead[1].absent]
        needed = {top for each, ends in leads if each.depth == 1 for top in ends.tops}
        for _, ends in sorted(leads, key=lambda lead: lead[0].depth):
            if ends.here:
                modules.update(ends.here)
                certainly |= needed.intersection(ends.here)
                waiting += ends.files
                fresh |= dict.fromkeys(each for each in ends.files if each not in met)
                met.update(ends.files)
            absent |= dict.fromkeys(top for top in ends.absent if top in needed)
    read = {there.within(path): source for path, source in seen.items() if source}
    loaded = loaded_with(script, read)
    return Reached(
        frozenset(modules),
        tuple(absent),
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
        environment=tuple(environment),
        sources={path: source for path, source in seen.items() if source},
        there=there,
    )
