"""What a base's Python says of itself, read from its files, where these leave no doubt."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from attrs import evolve

from ..data import frozen
from ..oci.layer_index import Unanswered
from ..oci.layer_tree import LayerTree
from ..text import pattern

_NAME = pattern(r"python(?:(\d)(?:\.(\d+))?)?\Z")

_LIBRARY = pattern(r"python(\d\.\d+)\Z")

HARMLESS_PTH = {"distutils-precedence.pth", "_virtualenv.pth"}
"""Files of code in site-packages that bring no packages: setuptools' and virtualenv's."""

_LIBS = ("lib", "lib64")


@frozen
class Library:
    """A standard library.

    :param prefix: what it lies below.
    :param folder: itself.
    :param only_so_called: whether no other text names the same prefix.
    :param doubtful: whether the interpreter may find another one, or none.
    """

    prefix: str
    folder: str
    version: str
    only_so_called: bool = True
    doubtful: bool = False


@frozen
class PythonFacts:
    """What the probe's script prints of a Python.

    :param prefix: ``sys.prefix``; None where only the interpreter itself can tell.
    :param version: ``3.12``.
    :param pip: whether it can import pip.
    :param managed: whether pip refuses to install into it.
    :param library: its standard library.
    :param own: the prefix of its own packages.
    :param prefixes: of all its packages, the first first.
    :param settings: what its ``pyvenv.cfg`` says; None where it has none.
    """

    prefix: str | None
    version: str
    pip: bool
    managed: bool
    library: Library
    own: str
    prefixes: tuple[str, ...]
    settings: Mapping[str, str] | None


def python_facts(tree: LayerTree, program: str) -> PythonFacts:
    """What a Python says, started as ``PROGRAM -I``.

    :param program: an absolute path at which an executable file lies.
    :raises Unanswered: it is no plain CPython, venv or conda environment, or its files contradict each other.
    """
    program = posixpath.normpath(program)
    found = tree.real(program)
    assert found
    if tree.head(found[0], 4) != b"\x7fELF":
        raise Unanswered(f"{program} of the base image is a script")
    named = _NAME.match(posixpath.basename(found[0]))
    if not named:
        raise Unanswered(f"{program} of the base image ends at {found[0]}, which may be another kind of Python")
    version = f"{named[1]}.{named[2]}" if named[2] else None
    settings = _venv(tree, program)
    starts = [settings["home"]] if settings else [_after_links(tree, program), posixpath.dirname(found[0])]
    if settings:
        real_home = tree.real(starts[0])
        starts += [real_home[0]] if real_home else []
    library = _standard_library(tree, starts, version)
    version = library.version
    if settings and _version_of(settings) not in (None, version):
        raise Unanswered(f"the environment of {program} was made for another Python than {version}")
    own = posixpath.dirname(posixpath.dirname(program)) if settings else library.prefix
    bases = [library.prefix] if not settings or settings["include-system-site-packages"] == "true" else []
    if bases and library.doubtful:
        raise Unanswered(f"where the standard library of {program} is depends on how it was built")
    prefixes = list(dict.fromkeys([own, *bases]))
    return PythonFacts(
        prefix=own if settings or library.only_so_called else None,
        version=version,
        pip=any(_has_pip(tree, prefix, library) for prefix in prefixes) or _may_have_pip(tree, prefixes, library),
        managed=not settings and tree.real(f"{library.folder}/EXTERNALLY-MANAGED") is not None,
        library=library,
        own=own,
        prefixes=tuple(prefixes),
        settings=settings,
    )


def _venv(tree: LayerTree, program: str) -> dict[str, str] | None:
    """What ``pyvenv.cfg`` says, where the program is a virtual environment's."""
    folder = posixpath.dirname(program)
    if tree.is_file(f"{folder}/pyvenv.cfg"):
        raise Unanswered(f"{folder} of the base image has a pyvenv.cfg beside the interpreter")
    text = tree.content(f"{posixpath.dirname(folder)}/pyvenv.cfg")
    if text is None:
        return None
    settings = {}
    for line in text.decode("utf-8", "replace").splitlines():
        key, equals, value = line.partition("=")
        if equals:
            settings[key.strip().lower()] = value.strip()
    settings["include-system-site-packages"] = settings.get("include-system-site-packages", "true").lower()
    if not settings.get("home", "").startswith("/"):
        raise Unanswered(f"pyvenv.cfg of {program} does not say where its Python comes from")
    return settings


def _version_of(settings: dict[str, str]) -> str | None:
    said = settings.get("version") or settings.get("version_info") or ""
    return ".".join(said.split(".")[:2]) or None


def _after_links(tree: LayerTree, program: str) -> str:
    """The folder of a program after the links that it is itself; links among its folders stay, as for Python."""
    for _ in range(40):
        found = tree.real(program, follow=False)
        if not found or found[1].type != "link":
            break
        program = posixpath.normpath(posixpath.join(posixpath.dirname(program), found[1].target))
    return posixpath.dirname(program)


def _standard_library(tree: LayerTree, starts: list[str], version: str | None) -> Library:
    """The first one above a folder, as Python looks for it; ``/`` itself is not looked into.

    :raises Unanswered: there is none, or it cannot be told of which of several.
    """
    found = [each for start in starts if (each := _above(tree, start, version))]
    if not found:
        raise Unanswered(f"there is no standard library of Python above {starts[0]} in the base image")
    if {each.version for each in found} != {found[0].version}:
        raise Unanswered(f"{starts[0]} in the base image leads to several versions of Python")
    prefixes = {each.prefix for each in found}
    real = {tree.real(each) for each in prefixes}
    return evolve(found[0], only_so_called=len(prefixes) == 1, doubtful=len(real) > 1 or len(found) < len(starts))


def _above(tree: LayerTree, start: str, version: str | None) -> Library | None:
    prefix = posixpath.normpath(start)
    while prefix != "/":
        found: dict[object, Library] = {}
        for lib in _LIBS:
            for each in [version] if version else _versions(tree, f"{prefix}/{lib}"):
                folder = f"{prefix}/{lib}/python{each}"
                if tree.is_file(f"{folder}/os.py"):
                    found.setdefault(tree.real(folder), Library(prefix, folder, each))
        if len(found) > 1:
            raise Unanswered(f"{prefix} of the base image has several standard libraries of Python")
        if found:
            return next(iter(found.values()))
        prefix = posixpath.dirname(prefix)
    return None


def _versions(tree: LayerTree, lib: str) -> list[str]:
    return [match[1] for name in sorted(tree.names(lib)) if (match := _LIBRARY.match(name))]


def _has_pip(tree: LayerTree, prefix: str, library: Library) -> bool:
    """Whether pip lies in what surely is on ``sys.path``."""
    return any(_pip_in(tree, folder) for folder in _sites(tree, prefix, library))


def _pip_in(tree: LayerTree, folder: str) -> bool:
    found = tree.real(f"{folder}/pip")
    return (found is not None and found[1].type == "dir") or tree.is_file(f"{folder}/pip.py")


def _may_have_pip(tree: LayerTree, prefixes: list[str], library: Library) -> bool:
    """False, where nothing else can bring pip.

    :raises Unanswered: something may.
    """
    on_path = [site for prefix in prefixes for site in _sites(tree, prefix, library)]
    for prefix in prefixes:
        for site in every_site(prefix, library.version):
            if _pip_in(tree, site):
                raise Unanswered(
                    f"whether Python takes pip from {site} in the base image depends on how it was built"
                )
    for site in on_path:
        for name in sorted(tree.names(site)):
            if name.endswith(".pth") and name not in HARMLESS_PTH and _adds(tree, site, name):
                raise Unanswered(f"{site}/{name} of the base image changes where Python looks for packages")
    for folder in (*on_path, library.folder):
        if b"path" in (tree.content(f"{folder}/sitecustomize.py") or b""):
            raise Unanswered(
                f"{folder}/sitecustomize.py of the base image may change where Python looks for packages"
            )
    return False


def _sites(tree: LayerTree, prefix: str, library: Library) -> list[str]:
    """The folders for packages that are surely on ``sys.path``. Debian's own Python has others, below ``/usr``."""
    if prefix == "/usr" and tree.real("/usr/lib/python3/dist-packages"):
        return [site for site in every_site(prefix, library.version) if site.endswith("dist-packages")]
    libs = _LIBS if posixpath.basename(posixpath.dirname(library.folder)) == "lib64" else _LIBS[:1]
    return [f"{prefix}/{lib}/python{library.version}/site-packages" for lib in libs]


def every_site(prefix: str, version: str) -> Iterator[str]:
    yield f"{prefix}/local/lib/python{version}/dist-packages"
    yield f"{prefix}/lib/python3/dist-packages"
    for top in (prefix, f"{prefix}/local"):
        for lib in _LIBS:
            yield f"{top}/{lib}/python{version}/site-packages"
    yield f"{prefix}/lib/python{version}/dist-packages"


def _adds(tree: LayerTree, site: str, name: str) -> bool:
    """Whether a ``.pth`` file runs code or adds something that is there."""
    for line in (tree.content(f"{site}/{name}") or b"").decode("utf-8", "surrogateescape").splitlines():
        if line.startswith(("import ", "import\t")):
            return True
        at = line.rstrip()
        if at and not at.startswith("#") and tree.real(posixpath.join(site, at)):
            return True
    return False
