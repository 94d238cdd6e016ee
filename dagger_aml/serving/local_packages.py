"""The virtual environment of ``run --local``: the server, then the project's packages, as the image gets them.

Packages come from where the build would take them: the same indexes, secrets, certificates and proxies. Where a
project says nothing of that, this machine's own settings of pip count, and that is told.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path

from ..backends.secret_files import secret_files
from ..base import catalog
from ..contract import SERVER
from ..data import frozen
from ..events import Message, OnEvent
from ..graph.graph import Graph, Run
from ..process import run
from ..project.model import Project
from ..project.recipe import recipe_names
from ..requirements.entries import is_archive
from ..requirements.model import Requirements
from ..requirements.read import read_requirements
from ..requirements.requirements_txt import check_added
from ..steps.pip import as_text, beside_files
from ..text import named
from .local_pip import LocalPip, says_sources

_NEWEST = "~=1.4"
_VERSIONS: Mapping[str, str] = {"3.6": "~=0.7.7", "3.7": "~=0.8.4", "3.8": "~=1.3.4"}
"""The versions of the server that images with a Python have; with any other Python, :data:`_NEWEST`."""

_OF_PACKAGES = frozenset({"pip", "netrc", "azure-artifacts"})
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@frozen
class Place:
    """A throw-away folder.

    :param app: stands for ``/var/azureml-app``.
    :param bin: programs of the virtual environment.
    """

    root: Path

    @property
    def app(self) -> Path:
        return self.root / "azureml-app"

    @property
    def bin(self) -> Path:
        return self.root / "venv" / ("Scripts" if os.name == "nt" else "bin")

    @property
    def python(self) -> str:
        return str(self.bin / "python")


@frozen
class Wanted:
    """What a project wants of pip.

    :param words: what the installer is told; none where there is nothing to install.
    :param folder: to run it in, which archives are relative to.
    :param title: for people: the requirements file's name, and the packages beside it.
    """

    words: tuple[str, ...]
    folder: Path
    title: str


async def install(project: Project, graph: Graph, place: Place, on_event: OnEvent, more: Sequence[str] = ()) -> None:
    """Make the environment: the server first, as the base has it, then what the project lists.

    :param more: what is to be there beside the server.
    :raises BuildError: something cannot be installed here.
    :raises UsageError: a secret cannot be read.
    """
    for text in left_out(project, graph):
        on_event(Message(text))
    needed, of_base = wanted(project, graph, place), catalog.python(project.base)
    python = await _python(of_base, on_event)
    server = SERVER + _VERSIONS.get(of_base or "", _NEWEST)
    hint = (
        f"{named('local')} takes all packages from the index that the project names, as the build does. The base "
        f"image has {SERVER} already; here it must come from that index, too."
    )
    with secret_files(graph.access) as files:
        do = LocalPip(place.python, place.root, graph.access, files, on_event)
        await do.run([python, "-I", "-m", "venv", str(place.root / "venv")], "no environment can be made here")
        await do.tell_own_settings()
        on_event(Message(f"installing {' '.join([server, *more])} into a temporary environment"))
        await do.run(
            [*do.pip, "install", server, *more], "the inference server cannot be installed here",
            hint=hint if says_sources(graph.access) else None,
        )  # fmt: skip
        if not needed.words:
            return
        on_event(Message(f"installing {needed.title}"))
        before, argv = _versions(place), [*do.pip, "install"]
        if project.installer == "uv":
            argv = [*await do.uv(), "install", "--python", place.python]
        await do.run([*argv, *needed.words], "the requirements cannot be installed here", cwd=needed.folder)
        for text in changes(before, _versions(place), needed.title):
            on_event(Message(text))
        await do.check()


def wanted(project: Project, graph: Graph, place: Place) -> Wanted:
    """What pip is told of a project's packages: its requirements file, or the lines that stand for a lock."""
    if not project.requirements:
        return Wanted(added := check_added(project.pip), place.root, ", ".join(added))
    found = read_requirements(project.requirements, root=project.root, conda=project.conda)
    file = found.path.resolve()
    if found.text is not None:
        file = place.root / "requirements.txt"
        if not all(is_archive(each.name) for each in found.files[1:]):
            file = _beside_copies(found, place.root / "listed")
        file.write_text(as_text(graph, found), encoding="utf-8")
    added = check_added(project.pip, found)
    title = " and ".join(filter(None, [found.path.name, ", ".join(added)]))
    return Wanted(("--requirement", str(file), *added), found.path.parent.resolve(), title)


def _beside_copies(found: Requirements, folder: Path) -> Path:
    """Copy the files that the text made of a list names by paths relative to its own.

    :returns: where the text is to lie.
    """
    root, name = beside_files(found)
    for other in found.files[1:]:
        copy = folder / (other.parent.resolve() / other.name).relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(other, copy)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    return folder / name


def left_out(project: Project, graph: Graph) -> Iterator[str]:
    """What an image has, or its build takes, and this machine's environment has not: a sentence each."""
    if project.apt:
        yield f"apt packages are not installed without a container: {' '.join(project.apt)}"
    steps = [str(layer.name or layer.argv[0]) for layer in graph.layers if isinstance(layer, Run)]
    if steps and project.recipe not in recipe_names():
        yield f"commands of the recipe {project.recipe} do not run without a container: {', '.join(steps)}"
    unused = [secret.id for secret in graph.access.secrets if secret.id not in _OF_PACKAGES]
    if unused:
        yield f"{named('local')} does not use the secret{'s' if len(unused) > 1 else ''} {', '.join(unused)}"
    machine = platform.machine().lower()
    here = f"{platform.system().lower()}/{_MACHINES.get(machine, machine)}"
    if not f"{project.base.platform}/".startswith(f"{here}/"):
        yield f"the image is for {project.base.platform}; pip chooses packages for this machine, which is {here}"


def changes(before: Mapping[str, str], after: Mapping[str, str], title: str) -> Iterator[str]:
    """What the project's packages changed of those that the server came with: at most one sentence.

    :param before: versions by name, and after.
    :param title: what was installed.
    """
    changed = [
        f"{name} {version} to {after.get(name, 'nothing')}"
        for name, version in sorted(before.items()) if after.get(name) != version
    ]  # fmt: skip
    if changed:
        yield f"{title} changed packages that the server came with: {', '.join(changed)}"


def _versions(place: Place) -> dict[str, str]:
    folders = (place.root / "venv").glob("[Ll]ib*/**/site-packages")
    return {each.name.lower(): each.version for each in distributions(path=[str(folder) for folder in folders])}


async def _python(wanted: str | None, on_event: OnEvent) -> str:
    """The Python of the base's version, where this machine has it, else the one that runs us."""
    mine = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if wanted and wanted != mine:
        found = shutil.which(f"python{wanted}")
        if found and not (await run([found, "-c", "import venv"])).code:
            return found
        on_event(
            Message(
                f"the base image has Python {wanted}, but this is Python {mine}; add python{wanted} to PATH to use "
                "the same version"
            )
        )
    return sys.executable
