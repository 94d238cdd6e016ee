"""The one reader of Python source: each text is parsed once, whoever asks of it and however often.

What is asked: whether a file is an entry script (:mod:`.entry_script`), what its imports lead to in the image
(:mod:`.reached`), and what packages a code folder needs (:mod:`.imports`). The last two follow imports by different
rules on purpose:

========================================  ==================================  ======================================
question                                  ``reached``: what is used          ``imports``: what packages are needed
========================================  ==================================  ======================================
where a module of the project's lies      at the top of the code folder       also beside the script or, unless it is
                                                                              installed, anywhere in the code
``if TYPE_CHECKING:``                     followed: a file may be used        passed over: no package is needed
``anything.import_module("x")``           followed                            only of ``importlib`` or by itself
a text that is no Python                  leads nowhere                       told, and an error of the entry script
========================================  ==================================  ======================================

What is asked of every file, its imports, is told as soon as it is parsed. All else is worked out when it is first
asked for, and that is best done at once: the syntax of few files is kept, and of others the text is parsed again.
"""

from __future__ import annotations

import ast
from functools import cached_property, lru_cache
from pathlib import Path

from attrs import field

from .. import contract
from ..data import frozen
from ..fs.drafts import read_bytes
from .bindings import Scope, scope_of
from .bounds import DEEPEST
from .calls import environment_reads
from .depth import is_too_deep
from .import_statements import Imported, imports_of
from .model_paths import ModelPath, model_paths
from .opened import Opened, opened
from .pythons import Python
from .texts import depth_of, every_node, paths_in
from .top_level import bound_at_top, declared_global, defined_at_top
from .versions import Problem, parse

_MOST, MOST_TREES = 256, 8
"""Texts of which it is remembered what stands in them, and those whose syntax is kept, which is much larger: where
more is kept than the processor's cache holds, each next text is slower to parse."""

_Parsed = tuple[ast.Module | None, Problem | None]

_TREES: dict[tuple[bytes, str, Python | None], _Parsed] = {}
"""The syntax that is kept, what was asked for last at the end."""


@frozen(slots=False)
class Source:
    """What stands in a Python file.

    :param name: of the file, for Python's own messages.
    :param python: the version that is to run it; None where that is not known.
    :param problem: why it is none of the Python that is to run it. Of a ``broken`` one all else is empty; of others
        the rest says what travels and which file is the entry script, and nothing else should be concluded of it.
    :param imports: all of them, in the order of the text.
    """

    data: bytes = field(repr=False)
    name: str = field(eq=False)
    python: Python | None = field(eq=False)
    problem: Problem | None = None
    imports: tuple[Imported, ...] = ()

    @property
    def is_broken(self) -> bool:
        """Whether no Python parses it."""
        return self.problem is not None and self.problem.kind == "broken"

    @property
    def tree(self) -> ast.Module | None:
        """Its syntax, of a rewritten text if need be; None of a broken one, and of one that is too deep."""
        if self.problem and self.problem.kind == "large":
            return None
        return _tree(self.data, self.name, self.python)[0]

    @cached_property
    def _bound(self) -> tuple[frozenset[str], str | None]:
        tree = self.tree
        return (frozenset(), None) if tree is None else bound_at_top(tree)

    @property
    def names(self) -> frozenset[str]:
        """The names that it may bind at its top level."""
        return self._bound[0]

    @property
    def star(self) -> str | None:
        """An import of everything at its top level, as written."""
        return self._bound[1]

    @cached_property
    def declared(self) -> frozenset[str]:
        """The names that a function in it declares ``global``."""
        tree = self.tree if b"global" in self.data else None
        return frozenset() if tree is None else declared_global(tree)

    @cached_property
    def functions(self) -> frozenset[str]:
        """The functions that are defined at its top level, under no condition."""
        tree = self.tree
        return frozenset() if tree is None else defined_at_top(tree)

    @cached_property
    def paths(self) -> frozenset[str]:
        """First parts of what look like relative paths among its texts."""
        tree = self.tree
        return frozenset() if tree is None else frozenset(paths_in(every_node(tree)))

    @cached_property
    def model_paths(self) -> tuple[ModelPath, ...]:
        """What it names below the folder of the model."""
        tree = None if self.problem or contract.MODEL_DIR.encode() not in self.data else self.tree
        return () if tree is None else model_paths(tree)

    @cached_property
    def environment(self) -> tuple[tuple[str, int], ...]:
        """Names of variables that it reads, with nothing to take in their place, each with its line."""
        tree = self.tree if b"environ" in self.data or b"getenv" in self.data else None
        return () if tree is None else tuple(environment_reads(tree, self.data))

    def look_ahead(self) -> None:
        """Work out what is asked of every file, while its syntax is at hand."""
        _ = self.model_paths, self.environment

    def let_go(self) -> None:
        """Keep its syntax no longer; who asks for it has the text parsed again."""
        _TREES.pop((self.data, self.name, self.python), None)

    @cached_property
    def scope(self) -> Scope:
        """What names it has once it has been loaded."""
        try:
            return scope_of(self.tree or ast.Module([], []))
        except RecursionError:  # Such as of some hundred `elif`, each in the `else` of the one before.
            return Scope({}, dynamic=True)

    @cached_property
    def opened(self) -> tuple[Opened, ...]:
        """The files that it opens by relative paths, come what may."""
        tree = self.tree
        return () if tree is None else tuple(opened(tree, self.data))

    @property
    def changes_path(self) -> bool:
        """Whether it may change where imports are looked for."""
        return b"sys" in self.data and (b".path" in self.data or b"import path" in self.data)


def read_source(path: Path | str, python: Python | None = None) -> Source:
    """Read a Python file; what it says is worked out once for the same text.

    :param python: the version that is to run it; ours unless given.
    :raises OSError: it cannot be read.
    """
    return parsed(read_bytes(path), str(path), python)


def read_quietly(path: Path | str, python: Python | None = None) -> Source | None:
    """As :func:`read_source`; None where the file cannot be read."""
    try:
        return read_source(path, python)
    except (OSError, ValueError):
        return None


def read_sound(path: Path | str, python: Python | None = None) -> Source | None:
    """The same; None also where the file is none of the Python that is to run it."""
    found = read_quietly(path, python)
    return None if found is None or found.problem else found


def _tree(data: bytes, name: str, python: Python | None) -> _Parsed:
    key = data, name, python
    found = _TREES.pop(key, None)
    if found is None:
        # Before, so that the next one gets the memory of those that go.
        for each in list(_TREES)[: 1 - MOST_TREES]:
            _TREES.pop(each, None)
        found = parse(*key)
    _TREES[key] = found
    return found


@lru_cache(maxsize=_MOST)
def parsed(data: bytes, name: str, python: Python | None = None) -> Source:
    """What stands in a text.

    :param name: for Python's own messages of it.
    :param python: as of :func:`read_source`.
    """
    tree, problem = _tree(data, name, python)
    if tree is None:
        return Source(data, name, python, problem)
    # Of a text that was written anew, the signs are others.
    if depth_of(tree) > DEEPEST if problem else is_too_deep(tree, data):
        return Source(
            data,
            name,
            python,
            Problem(f"cannot be read as Python: it is nested deeper than {DEEPEST} levels", None, "large"),
        )
    return Source(data, name, python, problem, tuple(imports_of(tree, data)))
