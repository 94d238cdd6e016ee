"""Modules of the code that have the name of one of the inference server's own modules, and what is done for them.

The server's program puts its own folder of modules on ``sys.path`` before the code, so that ``import utils`` finds
its ``utils.py`` and not the code's (docs/azureml-images.md, 3.8). PYTHONPATH with the code's folder turns that round,
and puts the code before Python's standard library and the packages too. So it is set where it is needed, and nowhere
else.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from attrs import evolve

from .. import contract
from ..data import frozen
from ..graph.graph import Copy, Graph
from ..graph.source import Local
from ..graph.values import FromBase, Value

PYTHONPATH = "PYTHONPATH"


@frozen
class ServerNames:
    """Entries at the top of the code whose names matter to the server.

    :param folder: where they are in the image.
    :param shadowed: files of modules that the server's own come before.
    :param in_the_way: files of modules that the server would get in place of those that it needs, if the code came
        before them.
    :param folders: of modules that the server's own come before in any case: they have no ``__init__.py``.
    """

    folder: str
    shadowed: tuple[str, ...] = ()
    in_the_way: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    @property
    def code_first(self) -> bool:
        """Whether the code is to come first on ``sys.path``."""
        return bool(self.shadowed) and not self.in_the_way


def server_names(folder: str, paths: Iterable[str]) -> ServerNames:
    """What of a copied folder of code bears such names.

    :param folder: where it goes in the image.
    :param paths: of all that is copied, relative to it.
    """
    modules: dict[str, str] = {}
    parts: dict[str, str] = {}
    for path in sorted(paths):
        top, _, rest = path.partition("/")
        if not rest and top.endswith(".py"):
            modules.setdefault(top.removesuffix(".py"), path)
        elif rest == "__init__.py":
            modules[top] = path
        elif rest.endswith(".py"):
            parts.setdefault(top, top)
    return ServerNames(
        folder,
        tuple(modules[name] for name in sorted(modules) if name in contract.SERVER_MODULES),
        tuple(modules[name] for name in sorted(modules) if name in contract.SERVER_NEEDS),
        tuple(name for name in sorted(parts) if name in contract.SERVER_MODULES and name not in modules),
    )


def names_in(graph: Graph) -> Iterator[ServerNames]:
    """The names in each folder of code that a graph copies to where the server looks for modules."""
    env, root = graph.config.env, app_root(graph)
    places = dict.fromkeys((root, posixpath.normpath(f"{root}/{env.get(contract.SOURCE_DIRECTORY, '')}")))
    for layer in graph.layers:
        if not isinstance(layer, Copy) or layer.kind != "tree":
            continue
        entries = layer.source.entries if isinstance(layer.source, Local) else ()
        for place in places:
            if place == layer.dest or (place == root and place.startswith(f"{layer.dest}/")):
                start = "" if place == layer.dest else f"{posixpath.relpath(place, layer.dest)}/"
                files = (each.path for each in entries if each.type != "dir" and each.path.startswith(start))
                yield server_names(place, (path.removeprefix(start) for path in files))


def app_root(graph: Graph) -> str:
    """The folder in the image that the server starts in."""
    said = graph.config.env.get(contract.APP, contract.APP_ROOT)
    return (
        said.rstrip("/") if isinstance(said, str) and said.startswith(f"{contract.APP_ROOT}/") else contract.APP_ROOT
    )


def code_first(graph: Graph) -> Graph:
    """The graph with its code before the server's modules on ``sys.path``, if it has modules of the same names."""
    before = graph.config.env.get(PYTHONPATH, FromBase("pythonpath"))
    after = behind_code(graph, before)
    return graph if after == before else graph.configure(env={PYTHONPATH: after})


def behind_code(graph: Graph, value: Value) -> Value:
    """A PYTHONPATH with the folders of the code before it that are to come first, unless it has them already."""
    for names in names_in(graph):
        text = value.before if isinstance(value, FromBase) else value
        if not names.code_first or names.folder in text.split(":"):
            continue
        text = f"{names.folder}:{text}" if text else names.folder
        value = evolve(value, before=text) if isinstance(value, FromBase) else text
    return value
