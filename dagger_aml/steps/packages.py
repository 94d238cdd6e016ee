"""Python packages that the image's start script adds: the two ways of "Python package extensibility"."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from attrs import evolve

from .. import contract
from ..errors import GraphError, ProjectError
from ..fs.tree import is_file, local
from ..graph.base import Need
from ..graph.graph import Built, Copy, Graph, Run
from ..graph.source import Local, Text
from ..graph.values import FromBase, Value
from ..text import named, pattern
from .env import check_extras
from .pip import HAS_PIP, ages, as_text, needing_python, title, wanted
from .server_names import PYTHONPATH, app_root, code_first

if TYPE_CHECKING:
    from ..graph.wheels import LockedWheels
    from ..requirements.conda_twins import CondaSettings
    from ..requirements.model import Requirements
    from .installer import Installer

Via = Literal["start-script", "pythonpath"]

FOLDER = "python-packages"
"""Name of the folder beside the entry script that preinstalled packages go to."""

_TARGET = "/usr/share/dagger-aml/site-packages"
_WITHOUT_SCRIPTS = '"$@"; rm -rf -- "$0/bin"'
"""Scripts name the Python they were made by with its absolute path, so they do not travel."""

_COMPILE = "import compileall, sys; compileall.compile_dir(sys.argv[1], maxlevels=100, quiet=2)"
"""As pip compiles, a file that cannot be is left alone; but pip with ``--target`` does it in a temporary folder whose
random name then stands in every compiled file, so that no two builds are the same."""

_TAGGED = pattern(r"\.cpython-(\d)(\d+)-.*\.so\Z")
_EDITABLE = pattern(rb'"editable"\s*:\s*true')
_IN_PATH = pattern(r"(?:^|/)python(\d+\.\d+)/site-packages\Z")


def site_packages(
    graph: Graph,
    requirements: str | Path | None = None,
    *,
    more: Iterable[str] = (),
    root: Path | None = None,
    installer: Installer = "pip",
    check: bool = True,
    conda: CondaSettings | None = None,
) -> Built:
    """A stage on a graph's own base in which a requirements file is installed, complete, into a folder of its own.

    Runs as root in the stage only. Everything is installed anew, whatever the base has, so that the folder needs
    nothing from elsewhere. Fails where ``pip check`` then finds, in the folder and the base together, what it did not
    find in the base alone, if the inference server needs a package that complains. Needs the network.

    :param requirements: a requirements file, pylock.toml, uv.lock, pyproject.toml or a conda file.
    :param more: requirements to install beside those of the file.
    :param root: the project, outside of which no included file may lie; the file's own folder unless given.
    :param check: whether ``pip check`` is asked, before and after.
    :param conda: how a conda file is read.
    :raises ProjectError: the file is missing, unreadable, empty or not a requirements file.
    :raises UsageError: one of ``more`` is no requirement, or lacks the hash that the file's own have.
    """
    from ..requirements.installable import check_installable, needs_best_match
    from ..requirements.read import read_requirements
    from ..requirements.requirements_txt import check_added
    from .installer import PIP_ENV, PYTHON, install
    from .pip_check import checked

    found = read_requirements(Path(requirements), root=root, conda=conda) if requirements else None
    added = check_added(more, found)
    if not added and not (found and found.titles):
        raise ProjectError("lists no packages to preinstall", location=str(found.path) if found else None)
    if found:
        check_installable(found, installer)
    stage, words, workdir = wanted(Graph(graph.base, access=graph.access).need(HAS_PIP), found, added)
    best_match = found is not None and not added and needs_best_match(found, graph.access)
    made = install(installer, graph.access, target=_TARGET, best_match=best_match)
    argv: tuple[Value, ...] = ("/bin/sh", "-euc", _WITHOUT_SCRIPTS, _TARGET, *made.argv, *words)
    if check:
        argv = checked(argv, _TARGET)
    shown = f"{installer} {title(found, added)} into {_TARGET}"
    stage = stage.add(
        Run(argv, env=made.env, workdir=workdir, mounts=made.mounts, name=shown, verb="packages", ages=ages(found)),
        Run((PYTHON, "-c", _COMPILE, _TARGET), env=PIP_ENV, name="compile", verb="packages"),
    )
    return Built(stage, _TARGET)


async def packages(
    graph: Graph,
    requirements: str | Path | None = None,
    *,
    more: Iterable[str] = (),
    via: Via = "start-script",
    root: Path | None = None,
    installer: Installer = "pip",
    check: bool = True,
    conda: CondaSettings | None = None,
) -> Graph:
    """Preinstall a requirements file into a folder beside the entry script; the base's environment stays as it is.

    The packages are installed inside the very base image, in a stage, and copied to ``python-packages`` as root's.
    Needs the network when it is built, none when it starts. Call it after ``code``.

    :param requirements: a requirements file, pylock.toml, uv.lock, pyproject.toml or a conda file.
    :param more: requirements to install beside those of the file.
    :param via: ``start-script`` sets ``AZUREML_EXTRA_PYTHON_LIB_PATH``, which the base's start script must honour;
        ``pythonpath`` sets ``PYTHONPATH`` and works on any base.
    :param root: the project, outside of which no included file may lie; the file's own folder unless given.
    :param check: whether ``pip check`` is asked, before and after.
    :param conda: how a conda file is read.
    :raises ProjectError: the file is missing, unreadable, empty or not a requirements file.
    :raises UsageError: one of ``more`` is no requirement, or lacks the hash that the file's own have.
    :raises GraphError: another way of adding packages at start is set.
    """
    added = tuple(more)
    built = site_packages(graph, requirements, more=added, root=root, installer=installer, check=check, conda=conda)
    step = f"packages of {Path(requirements).name}" if requirements else f"packages {', '.join(added)}"
    return in_front(graph, built, FOLDER, via, step)


async def packages_folder(graph: Graph, path: str | Path, name: str, *, via: Via = "start-script") -> Graph:
    """Take a site-packages folder that the user made; as :func:`packages` otherwise.

    :param path: the folder on this machine, such as ``myenv/lib/python3.12/site-packages``.
    :param name: where it goes, relative to the entry script's folder.
    :raises ProjectError: missing, or a folder that cannot work elsewhere: ``.pth`` or ``.egg-link`` files, editable
        installs, a Windows layout.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ProjectError("the folder of preinstalled packages does not exist", location=str(folder))
    parts = posixpath.normpath(name).split("/")
    if name.startswith("/") or ".." in parts:
        raise ProjectError("the folder of preinstalled packages must lie in the project", location=name)
    source = _without_scripts(local(folder, caches=True, whole=True, location="packages"))
    _check_portable(folder, source)
    for version in sorted(_python_versions(source, str(folder))):
        why = f"{folder} was made for Python {version}, but the base image has another version"
        graph = graph.need(
            Need("python", version, why, "Create it with the base image's Python: `dagger-aml site-packages`.")
        )
    return in_front(graph, source, posixpath.normpath(name), via, f"packages {name}")


async def startup_packages(
    graph: Graph,
    requirements: str | Path | None = None,
    *,
    more: Iterable[str] = (),
    conda: CondaSettings | None = None,
) -> Graph:
    """Have the image's start script install a requirements file each time the container starts.

    Nothing is installed when it is built. The file goes beside the entry script, as root's, under its own name, and
    ``AZUREML_EXTRA_REQUIREMENTS_TXT`` names it; what stands for a lock or pyproject.toml, and a file to which
    packages are added, goes as ``requirements.txt``. Needs the network at every start. Call it after ``code``.

    :param requirements: a requirements file, pylock.toml, uv.lock, pyproject.toml or a conda file.
    :param more: requirements to install beside those of the file.
    :param conda: how a conda file is read.
    :raises ProjectError: the file is missing, unreadable or not a requirements file.
    :raises UsageError: one of ``more`` is no requirement, or lacks the hash that the file's own have.
    :raises GraphError: another file of that name lies there, or another way of adding packages is set.
    """
    from ..requirements.installable import check_installable
    from ..requirements.read import read_requirements
    from ..requirements.requirements_txt import check_added

    found = read_requirements(Path(requirements), conda=conda) if requirements else None
    added = check_added(more, found)
    if found is None and not added:
        return graph
    if found and len(found.files) > 1:
        raise ProjectError(
            f"refers to other files ({found.files[1].name}), but the image's start script reads only this one",
            location=str(found.path),
            hint="List all packages in this one file, or use the `extended` recipe.",
        )
    if found:
        check_installable(found, "pip")
        graph = needing_python(graph, found)
    graph, name = _beside_script(graph, found, added)
    graph = _needs_extras(graph.configure(env={contract.EXTRA_REQUIREMENTS: name}), contract.EXTRA_REQUIREMENTS)
    check_extras(graph)
    return graph


def script_folder(graph: Graph) -> str:
    """The entry script's folder in the image, which AZUREML_EXTRA_* are relative to."""
    script = graph.config.env.get(contract.ENTRY_SCRIPT, "")
    return posixpath.normpath(posixpath.join(app_root(graph), posixpath.dirname(str(script))))


def in_front(graph: Graph, source: Built | Local | LockedWheels, name: str, via: Via, shown: str) -> Graph:
    """Copy packages beside the entry script, and have them found before the base's.

    :param name: of their folder, relative to the entry script's.
    :param shown: of the copy.
    :raises GraphError: another way of adding packages at start is set.
    """
    dest = f"{script_folder(graph)}/{name}"
    graph = graph.add(Copy(source, dest, "tree", changes="rarely", name=shown))
    if via == "pythonpath":
        graph = code_first(graph.configure(env={PYTHONPATH: FromBase("pythonpath", before=dest)}))
    elif via == "start-script":
        graph = _needs_extras(graph.configure(env={contract.EXTRA_LIB_PATH: name}), contract.EXTRA_LIB_PATH)
        check_extras(graph)
    else:
        raise GraphError(
            f"unknown value of `via` for adding packages: {via!r}", hint="Use start-script or pythonpath."
        )
    return graph


def _needs_extras(graph: Graph, variable: str) -> Graph:
    hint = "Use the `extended` recipe"
    if variable == contract.EXTRA_LIB_PATH:
        hint += f", or `{named('via', 'pythonpath')}`, which does not need the start script"
    return graph.need(
        Need(
            "extras",
            True,
            f"the base image's start script ({contract.START_SCRIPT}) ignores {variable}: today's curated "
            "images no longer support it, so the packages would be missing without an error",
            hint + ".",
        )
    )


def _beside_script(graph: Graph, found: Requirements | None, more: tuple[str, ...]) -> tuple[Graph, str]:
    """Put a requirements file beside the entry script, under the name that is returned.

    A file of the user's own goes as it is, and where the code brings it already, it is not copied again.
    """
    from ..requirements.lines import has_coding_line, requirements_text

    folder = script_folder(graph)
    if found and found.text is None and not more:
        dest = f"{folder}/{found.path.name}"
        if not _lies_there(graph, found.path, dest):
            source = local(found.path, location="requirements")
            graph = graph.add(Copy(source, dest, "file", 0, 0, changes="often", name=f"copy {found.path.name}"))
        return graph, found.path.name
    name, number, taken = "requirements.txt", 1, _code_files(graph)
    while f"{folder}/{name}" in taken:
        number += 1
        name = f"requirements-{number}.txt"
    text = ""
    if found:
        text = requirements_text(found.path) if found.text is None else as_text(graph, found)
    # A backslash that ends the file would join what is added to its last line.
    lines = [*text.rstrip("\\\r\n").splitlines(), *more]
    # The byte order mark wins over a coding line, which the text may have from another encoding.
    made = Text("".join(f"{line}\n" for line in lines).encode("utf-8-sig" if has_coding_line(text) else "utf-8"))
    return graph.add(Copy(made, f"{folder}/{name}", "file", 0, 0, changes="often", name=f"write {name}")), name


def _lies_there(graph: Graph, path: Path, dest: str) -> bool:
    """Whether the code that is copied already brings this very file to its place."""
    there = _code_files(graph).get(dest)
    if there is not None and not there.samefile(path):
        raise GraphError(f"the code folder already puts a different file at {dest}", location=str(path))
    return there is not None


def _code_files(graph: Graph) -> dict[str, Path]:
    """What the copied folders bring, by its place in the image."""
    return {
        f"{layer.dest}/{entry.path}": Path(layer.source.path) / entry.path
        for layer in graph.layers
        if isinstance(layer, Copy) and isinstance(layer.source, Local) and not is_file(layer.source)
        for entry in layer.source.entries
    }


def _without_scripts(source: Local) -> Local:
    """A site-packages folder without ``bin`` and compiled files; all else that belongs to a package stays."""
    dropped = {
        entry.path
        for entry in source.entries
        if entry.path == "bin" or posixpath.basename(entry.path) == "__pycache__" or entry.path.endswith(".pyc")
    }
    kept = [entry for entry in source.entries if dropped.isdisjoint((entry.path, *_parents(entry.path)))]
    roots = sorted(path for path in dropped if dropped.isdisjoint(_parents(path)))
    return evolve(source, entries=kept, left_out=(*source.left_out, *roots))


def _parents(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path


def _check_portable(folder: Path, source: Local) -> None:
    if folder.parts[-2:] == ("Lib", "site-packages"):
        raise ProjectError("is from a Windows environment, but the image runs Linux", location=str(folder))
    for entry in source.entries:
        if "/" not in entry.path and entry.path.endswith((".pth", ".egg-link")):
            if entry.path.startswith(("distutils-precedence", "_virtualenv")):
                continue
            raise ProjectError(
                "points to packages outside the folder, which will be missing in the image",
                location=str(folder / entry.path),
                hint="Install those packages into the folder itself, not as editable.",
            )
        if entry.path.endswith(".dist-info/direct_url.json") and _EDITABLE.search((folder / entry.path).read_bytes()):
            raise ProjectError(
                "is an editable install, whose code is in another folder", location=str(folder / entry.path)
            )


def _python_versions(source: Local, path: str) -> set[str]:
    found = {f"{match[1]}.{match[2]}" for entry in source.entries if (match := _TAGGED.search(entry.path))}
    in_path = _IN_PATH.search(path.replace("\\", "/"))
    return found | ({in_path[1]} if in_path else set())
