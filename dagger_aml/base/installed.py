"""What a base's Python has installed, read from its files, where these leave no doubt."""

from __future__ import annotations

import io
import posixpath
from collections.abc import Iterator

from ..oci.layer_index import Unanswered
from ..oci.layer_tree import LayerTree
from .distributions import distribution_of
from .facts import Distribution
from .python_files import HARMLESS_PTH, PythonFacts, every_site

_INFO = ".dist-info"

_DEBIANS = b"dist-packages"
"""In a ``site.py``, tells that Debian changed it."""

_NAMESPACE = "import sys, types, os;"
"""Starts the line by which setuptools made namespace packages."""


def distributions_of(tree: LayerTree, program: str, known: PythonFacts) -> tuple[Distribution, ...] | None:
    """The packages with a ``.dist-info`` on a Python's ``sys.path``, in its order; None where that is not certain.

    :param program: as it is started, with ``-I``.
    """
    try:
        return tuple(_found(tree, program, known))
    except Unanswered:
        return None


def _found(tree: LayerTree, program: str, known: PythonFacts) -> Iterator[Distribution]:
    for site in sites_of(tree, program, known):
        for name in sorted(tree.names(site)):
            if name.endswith(_INFO):
                lines = tree.told(f"{site}/{name}/METADATA")
                each = distribution_of(lines.decode("utf-8", "surrogateescape").split("\n")) if lines else None
                if each:
                    yield each


def sites_of(tree: LayerTree, program: str, known: PythonFacts) -> list[str]:
    """The folders for packages that a Python looks into.

    :raises Unanswered: something may change which they are.
    """
    library = known.library
    standard = (library.folder, f"{library.folder}/lib-dynload")
    own = tree.content(f"{library.folder}/site.py")
    stock = posixpath.basename(posixpath.dirname(library.folder)) == "lib" and not library.doubtful
    if own is None or not stock or not tree.names(standard[1]):
        raise Unanswered(f"where {program} of the base image looks for packages depends on how it was built")
    real = tree.real(program)
    assert real
    for folder in {posixpath.dirname(program), posixpath.dirname(real[0])}:
        if any(name.endswith("._pth") for name in tree.names(folder)):
            raise Unanswered(f"a file in {folder} of the base image tells Python where to look")
    if tree.real(f"{library.folder}/orig-prefix.txt"):
        raise Unanswered(f"{library.folder} of the base image belongs to an old virtual environment")
    sites, doubtful = [], [*standard]
    for prefix in known.prefixes:
        if _DEBIANS in own:
            sites += _debians(prefix, known)
            doubtful += every_site(prefix, known.version)
        else:
            sites += _plain(prefix, known)
            doubtful += [each for each in every_site(prefix, known.version) if each.endswith("site-packages")]
    for folder in (*standard, *sites):
        _check_customised(tree, folder)
    looked_into = {tree.real(site) for site in sites}
    for folder in doubtful:
        if tree.real(folder) not in looked_into:  # A virtual environment's lib64 is a link to lib.
            _check_without_packages(tree, folder)
    for site in sites:
        for name in tree.names(site):
            if name.endswith(".pth"):
                _check_pth(tree, site, name)
    return sites


def _plain(prefix: str, known: PythonFacts) -> list[str]:
    return [f"{prefix}/lib/python{known.version}/site-packages"]


def _debians(prefix: str, known: PythonFacts) -> list[str]:
    shared = [f"{prefix}/local/lib/python{known.version}/dist-packages", f"{prefix}/lib/python3/dist-packages"]
    return [*(_plain(prefix, known) if known.settings else []), *shared]


def _check_customised(tree: LayerTree, folder: str) -> None:
    """Refuse what runs as Python starts and may change where it looks."""
    for name in tree.names(folder):
        if name.partition(".")[0] == "sitecustomize":
            path = f"{folder}/{name}"
            if name != "sitecustomize.py" or b"path" in (tree.content(path) or b""):
                raise Unanswered(f"{path} of the base image may change where Python looks for packages")


def _check_without_packages(tree: LayerTree, folder: str) -> None:
    """Refuse packages in a folder of which it is not certain whether Python looks into it."""
    if any(name.endswith((_INFO, ".pth")) for name in tree.names(folder)):
        raise Unanswered(f"whether Python looks into {folder} of the base image depends on how it was built")


def _check_pth(tree: LayerTree, site: str, name: str) -> None:
    """Refuse a ``.pth`` file that brings other packages, or may."""
    text = (tree.content(f"{site}/{name}") or b"").decode("utf-8", "surrogateescape")
    refused = Unanswered(f"{site}/{name} of the base image changes where Python looks for packages")
    if name.startswith(".") or not text.isascii():
        raise refused  # Not every version reads these alike.
    if name in HARMLESS_PTH:
        return
    for line in io.StringIO(text, newline=None):
        if line.startswith("#") or not line.strip():
            continue
        if line.startswith(("import ", "import\t")):
            if not (name.endswith("-nspkg.pth") and line.startswith(_NAMESPACE) and "sys.path" not in line):
                raise refused
            continue
        added = posixpath.normpath(posixpath.join(site, line.rstrip()))
        if added != site:
            _check_customised(tree, added)
            _check_without_packages(tree, added)
