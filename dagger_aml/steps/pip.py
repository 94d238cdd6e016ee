"""Python packages, installed into the base's own environment when the image is built."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..base import catalog
from ..errors import ProjectError
from ..fs.tree import local, some_files
from ..graph.base import Given, Need
from ..graph.graph import Copy, Graph, Run
from ..graph.source import Text
from ..graph.values import FromBase
from ..text import named

if TYPE_CHECKING:
    from ..requirements.conda_twins import CondaSettings
    from ..requirements.model import Requirements
    from .installer import Installer

SHARE: Final = "/usr/share/dagger-aml"
"""Where files that steps need in the image go; root's."""

_LOCK_AGAIN: Final = (
    "`uv lock` without `environments` in [tool.uv] covers all; `pip lock` covers the Python and the platform that it "
    "runs on, so run it in the base image."
)

HAS_PIP: Final = Need(
    "pip",
    True,
    FromBase("interpreter", before="the base's Python (", after=") has no pip"),
    "Use a base image whose environment has pip (`python -m ensurepip` in its Dockerfile adds it), or one of "
    "Azure ML's images: `dagger-aml images`.",
)

NOT_MANAGED: Final = Need(
    "managed",
    False,
    FromBase(
        "interpreter",
        before="the base image sets no environment, and the first Python on its PATH (",
        after=") is managed by the operating system, so pip refuses to install into it (PEP 668)",
    ),
    "Create a virtual environment in the base image's Dockerfile, and set its path: ENV "
    "AZUREML_CONDA_ENVIRONMENT_PATH=/opt/venv",
)


async def pip(
    graph: Graph,
    requirements: str | Path | None = None,
    *,
    more: Iterable[str] = (),
    root: Path | None = None,
    installer: Installer = "pip",
    check: bool = True,
    conda: CondaSettings | None = None,
) -> Graph:
    """Install what a file lists into the environment that runs the server, as its owner, and look at ``pip check``.

    Reads the file, the files that it includes and the wheels that it lists; they travel to
    ``/usr/share/dagger-aml``, owned by root, a lock or pyproject.toml as the lines that pip reads of it. Writes
    into the environment that the base names in ``AZUREML_CONDA_ENVIRONMENT_PATH``, without that into the first
    Python's on its PATH, and nowhere else. Fails where ``pip check`` finds what it did not find before; what the
    base lacks already is no fault of this step. Needs the network when it is built.
    The how-to's bare ``pip install`` would put packages into the user's home on curated images.

    :param requirements: a requirements file, pylock.toml, uv.lock, pyproject.toml or a conda file.
    :param more: requirements to install beside those of the file, such as ``idna==3.10``.
    :param root: the project, outside of which no included file may lie; the file's own folder unless given.
    :param installer: ``uv`` has a pinned uv install the packages, of which nothing stays; the graph's ``access`` says
        which indexes and secrets either sees.
    :param check: whether ``pip check`` is asked, before and after.
    :param conda: how a conda file is read.
    :raises ProjectError: a file is missing, unreadable or not a requirements file, with file:line.
    :raises UsageError: one of ``more`` is no requirement, or lacks the hash that the file's own have.
    """
    from ..requirements.installable import check_installable, needs_best_match
    from ..requirements.read import read_requirements
    from ..requirements.requirements_txt import check_added
    from .installer import install
    from .pip_check import checked

    found = read_requirements(Path(requirements), root=root, conda=conda) if requirements else None
    added = check_added(more, found)
    if not added and not (found and found.titles):
        return graph
    if found:
        check_installable(found, installer)
    graph, words, workdir = wanted(graph.need(HAS_PIP).need(NOT_MANAGED), found, added)
    best_match = found is not None and not added and needs_best_match(found, graph.access)
    made = install(installer, graph.access, best_match=best_match)
    command = (*made.argv, *words)
    run = Run(
        checked(command) if check else command,
        FromBase("environment_owner"),
        made.env,
        workdir,
        touches=(FromBase("environment"), SHARE, "/tmp"),
        mounts=made.mounts,
        name=f"{installer} {title(found, added)}",
        verb="pip",
        ages=ages(found),
    )
    return graph.add(run)


def ages(requirements: Requirements | None) -> bool:
    """Whether installing a list later may install something newer, since not all that it takes has a hash."""
    return requirements is None or not requirements.hashes


def count(names: Sequence[str]) -> str:
    """``12 packages``"""
    number = len(names)
    return f"{number} package{'s' if number != 1 else ''}"


def title(requirements: Requirements | None, more: tuple[str, ...]) -> str:
    """``requirements.txt (7 packages) and idna==3.10``"""
    shown = [", ".join(more)] if more else []
    if requirements and requirements.titles:
        shown.insert(0, f"{requirements.path.name} ({count(requirements.titles)})")
    return " and ".join(shown)


def wanted(graph: Graph, requirements: Requirements | None, more: tuple[str, ...]) -> tuple[Graph, list[str], str]:
    """Copy a requirements file to a place of its own in the image, if it lists anything.

    Returns also the words that tell ``pip install`` of it and of the added packages, and the folder to run pip in.
    """
    if requirements is None or not requirements.titles:
        return graph, [*more], "/"
    graph = needing_python(graph, requirements)
    graph, dest, workdir = place(graph, requirements)
    return graph, ["--requirement", dest, *more], workdir


def needing_python(graph: Graph, requirements: Requirements) -> Graph:
    """The graph with the Python versions that a lock or pyproject.toml is for asked of its base.

    :raises ProjectError: a lock has nothing for the base's platform, whatever its Python is.
    """
    name = requirements.path.name
    if requirements.python:
        wanted = requirements.conda.shown_python if requirements.conda else requirements.python
        location = requirements.conda.python_location if requirements.conda else None
        named_by = location.path.name if location else name
        why = f"{named_by} is for Python {wanted}, but the base image has another version"
        hint = f"Use a base image with that Python version, or change {name}."
        if requirements.conda:
            image = catalog.for_python(requirements.python)
            hint = (
                f"Install its packages for the base image's Python instead: {named('python', 'base')}, or python "
                '= "base" in '
                "dagger-aml.toml; versions that it pins may not exist for that Python."
            )
            if image:
                hint += f" Or use a base image with that Python: {named('base', image)} (docs/bases.md)."
        graph = graph.need(Need("python", requirements.python, why, hint, location))
    if graph.base is None or isinstance(graph.base, Given) or not requirements.locked:
        return graph
    from ..requirements.targets import fitting_pythons

    platform = graph.base.platform
    pythons, misfit = fitting_pythons(requirements, platform)
    if misfit is None:
        return graph
    if not pythons:
        raise ProjectError(
            f"{name} cannot be installed on {platform}: {misfit.reason}",
            location=misfit.location,
            hint=f"Lock again for {platform}: {_LOCK_AGAIN}",
        )
    why = (
        f"{name} can be installed on {platform} with Python {', '.join(pythons)} alone ({misfit.reason}), but the "
        "base image has another version"
    )
    hint = f"Use a base image with one of these Pythons, or lock again for the base's: {_LOCK_AGAIN}"
    return graph.need(Need("python", pythons, why, hint))


def place(graph: Graph, requirements: Requirements) -> tuple[Graph, str, str]:
    """Copy a requirements file, and what it names, to a place of its own in the image.

    Returns also the file's path there and the folder to run pip in, which archives that it lists are relative to.
    """
    taken = {layer.dest for layer in graph.layers if isinstance(layer, Copy)}
    name, number = "requirements", 1
    while f"{SHARE}/{name}" in taken or f"{SHARE}/{name}.txt" in taken:
        number += 1
        name = f"requirements-{number}"
    if requirements.text is not None:
        return _place_text(graph, requirements, name)
    path, shown = requirements.path, f"copy {requirements.path.name}"
    if len(requirements.files) == 1:
        dest = f"{SHARE}/{name}.txt"
        return graph.add(Copy(local(path, location="pip"), dest, "file", changes="often", name=shown)), dest, "/"
    folders = [file.parent.resolve() for file in requirements.files]
    root = Path(os.path.commonpath(folders))
    source = some_files(root, requirements.files, location="pip")
    shown += f" and {len(requirements.files) - 1} more"
    inside = (folders[0] / path.name).relative_to(root).as_posix()
    dest = f"{SHARE}/{name}/{inside}"
    return graph.add(Copy(source, f"{SHARE}/{name}", changes="often", name=shown)), dest, posixpath.dirname(dest)


def as_text(graph: Graph, requirements: Requirements) -> str:
    """The lines that pip reads of a lock or pyproject.toml, below those that name its indexes.

    An index that the user has said, which may need credentials, counts in the place of the lock's: pip would let the
    lines win.
    """
    from ..requirements.installable import says_index

    lines = () if says_index(graph.access) else requirements.indexes
    return "".join(f"{line}\n" for line in lines) + (requirements.text or "")


def _place_text(graph: Graph, requirements: Requirements, name: str) -> tuple[Graph, str, str]:
    """Copy the text made of a lock, into the folder of the files that it names if it names any."""
    source = Text(as_text(graph, requirements).encode())
    shown = f"copy {requirements.path.name} as requirements.txt"
    others = requirements.files[1:]
    if not others:
        dest = f"{SHARE}/{name}.txt"
        return graph.add(Copy(source, dest, "file", changes="often", name=shown)), dest, "/"
    from ..requirements.entries import is_archive

    root, made = beside_files(requirements)
    folder, dest = f"{SHARE}/{name}", f"{SHARE}/{name}/{made}"
    files = some_files(root, others, location="pip")
    what = "the archives" if all(is_archive(each.name) for each in others) else "the files"
    graph = graph.add(Copy(files, folder, changes="often", name=f"copy {what} of {requirements.path.name}"))
    return graph.add(Copy(source, dest, "file", changes="often", name=shown)), dest, posixpath.dirname(dest)


def beside_files(requirements: Requirements) -> tuple[Path, str]:
    """Where the text made of a list lies so that it finds the files which it names: the folder that holds all of
    them, and the text's own path there, which is none of theirs."""
    folder = requirements.path.parent.resolve()
    taken = {each.parent.resolve() / each.name for each in requirements.files[1:]}
    root = Path(os.path.commonpath([folder, *(each.parent for each in taken)]))
    name, number = "requirements.txt", 1
    while folder / name in taken:
        number += 1
        name = f"requirements-{number}.txt"
    return root, (folder.relative_to(root) / name).as_posix()
