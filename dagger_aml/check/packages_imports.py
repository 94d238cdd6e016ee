"""Rules about packages that the code imports, and lists of packages that nobody reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..finding import Finding
from ..project import discover
from ..project.missing import Missing, Wanted
from ..project.model import Project
from ..requirements.read import is_yaml
from ..requirements.unread import unread_lists
from ..text import named
from .rule import rule

if TYPE_CHECKING:
    from ..requirements.model import Requirements
    from ..requirements.unread import UnreadList

_MOST = 8
"""Modules that one message names."""


@rule("AML330", "warning")
def list_unread(project: Project) -> Iterator[Finding]:
    """A file lists packages, and nothing is read that does.

    Packages are installed from requirements.txt, pylock.toml, uv.lock, the dependencies of pyproject.toml or a
    [conda file](conda.md). What another tool's file lists, or one of another name, will be missing in the image.

    Bad `folder`:

        score.py  Pipfile.lock  requirements-prod.txt

    Good `folder`:

        score.py  Pipfile.lock  requirements.txt   # pipenv requirements > requirements.txt

    Silent: where a list is read or `--pip` names packages (then AML335 names the others); files for tests, docs and
    training beside one that is for serving.
    """
    if project.requirements or project.pip:
        return
    found = _unread(project)
    for each in [each for each in found if not each.for_developers] or found:
        yield Finding("this list of packages is not read", location=project.at(each.path), hint=_sentence(each.hint))


@rule("AML331", "warning")
def lock_unread(project: Project) -> Iterator[Finding]:
    """The lock beside pyproject.toml is not read, so the versions are not the locked ones.

    The dependencies of `[project]` are read as they are written there; the lock of Poetry or PDM is in a format of
    its own.

    Bad `folder`:

        score.py  pyproject.toml  poetry.lock

    Good `folder`:

        score.py  pyproject.toml  poetry.lock  requirements.txt   # poetry export -o requirements.txt

    Silent: where another file than pyproject.toml lists the packages.
    """
    listed = project.requirements
    if listed and listed.name == "pyproject.toml":
        for each in _unread(project):
            if each.lock and each.path.parent == listed.parent and each.path.name != "Pipfile.lock":
                yield Finding(
                    f"{each.path.name} is not read: the packages are those of pyproject.toml, not in the versions of "
                    "the lock",
                    location=project.at(each.path),
                    hint=_sentence(each.hint),
                )


@rule("AML332", "warning")
def nothing_listed(wanted: Wanted) -> Iterator[Finding]:
    """The code imports packages, and nothing lists any.

    The base images bring the inference server and what it needs, and little else. The container would end at its
    first import of anything else.

    Bad `score.py`:

        import joblib
        import numpy

    Good `requirements.txt`:

        joblib==1.5.2
        numpy==2.3.5

    Silent: what the base brings, as far as it is known; imports in a function, a condition or a `try`; modules that
    lie anywhere in the project; code that runs pip; recipes of your own.
    """
    if wanted.listed is None:
        sure = [each for each in wanted.missing if each.sure and not wanted.may_bring(each)]
        if sure:
            yield Finding(
                f"the code imports {_names(sure)}, and no file lists packages: they will be missing in the image",
                location=sure[0].location,
                hint=_to_list(sure, wanted),
            )


@rule("AML333", "warning")
def not_listed(wanted: Wanted) -> Iterator[Finding]:
    """The code imports a module that neither the base nor the listed packages bring.

    What a listed package needs is installed with it, so numpy need not be listed beside scikit-learn. Which package
    brings what is known of the packages that projects use most.

    Bad `requirements.txt`:

        numpy==2.3.5        # and score.py imports pandas

    Good `requirements.txt`:

        numpy==2.3.5
        pandas==2.3.3

    Silent: where a listed package is not one of those that are known (then AML334 tells); imports in a function, a
    condition or a `try`; modules that lie anywhere in the project; code that runs pip; recipes of your own.
    """
    if wanted.listed is not None:
        for each in wanted.missing:
            if each.sure and not wanted.may_bring(each):
                yield Finding(
                    f"the code imports {each.module}, which neither the base image nor {_list(wanted)} brings",
                    location=each.location,
                    hint=_to_list([each], wanted),
                )


@rule("AML334", "info")
def perhaps_missing(wanted: Wanted) -> Iterator[Finding]:
    """The code imports a module that may be missing in the image.

    It may come with a listed package, or be in a base image, of which it is not known what they bring; or the import
    is in a function or a condition and may never run.

    Bad `requirements.txt`:

        our-models==1.4     # and score.py imports pandas

    Good `requirements.txt`:

        our-models==1.4
        pandas==2.3.3

    Silent: an import in a `try` that survives its failure; modules that lie anywhere in the project; recipes of your
    own.
    """
    unsaid = [each for each in wanted.missing if not each.sure or wanted.may_bring(each)]
    if unsaid:
        may = list(dict.fromkeys(what for each in unsaid if each.sure for what in wanted.may_bring(each)))
        brought = f"may come with {_listed(may)}" if may else "imported in a function or under a condition"
        yield Finding(
            f"nothing is known to bring {_names(unsaid)} ({brought})",
            location=unsaid[0].location,
            hint=_to_list(unsaid, wanted),
        )


@rule("AML335", "info")
def lists_beside(project: Project, requirements: Requirements) -> Iterator[Finding]:
    """Other files list packages too, and are not read.

    One list says what is installed. Another one, for production or of another tool, may be the one that was meant.

    Bad `folder`:

        score.py  requirements.txt  requirements-prod.txt

    Good `dagger-aml.toml`:

        requirements = "requirements-prod.txt"

    Silent: where a flag, a variable or the project file names the list; files for tests, docs and training; setup.py;
    what the list itself includes.
    """
    listed = project.requirements
    if not listed or project.origins.get("requirements") != "found":
        return
    lock = listed.name == "pyproject.toml"
    names = [
        project.at(each.path)
        for each in _unread(project, requirements.files)
        if not each.for_developers and not each.path.name.startswith("setup.") and not (lock and each.lock)
    ]
    if names:
        yield Finding(
            f"{project.at(listed)} is read for the packages, and not {', '.join(names)}",
            hint=f'To use another one, name it: {named("requirements", "FILE")}, or `requirements = "FILE"`.',
        )


def _unread(project: Project, included: Iterable[Path] = ()) -> tuple[UnreadList, ...]:
    own = [project.code] if project.code and project.code.is_dir() else []
    models = {model.path for model in project.models}
    folders = [
        each for each in discover.folders(project.root) if each not in models and not discover.model_kind(each)
    ]
    read = [*([project.requirements] if project.requirements else []), *project.notes.lists_left]
    return unread_lists([project.root, *own, *folders], root=project.root, read=[*read, *included])


def _list(wanted: Wanted) -> str:
    listed = wanted.project.requirements
    return wanted.project.at(listed) if listed else named("pip")


def _names(found: list[Missing]) -> str:
    return _listed([each.module for each in found])


def _listed(words: list[str]) -> str:
    """``a, b and 3 more``"""
    more = [f"{len(words) - _MOST} more"] if len(words) > _MOST else []
    *first, last = [*words[:_MOST], *more]
    return f"{', '.join(first)} and {last}" if first else last


def _to_list(found: list[Missing], wanted: Wanted) -> str:
    """What to write into the list; of a module whose package is not known, no name to install."""
    known = list(dict.fromkeys(each.packages[0] for each in found if each.packages))
    unknown = list(dict.fromkeys(each.module for each in found if not each.packages))
    lines = [f"Add to {_place_to_list(wanted)}, with their versions: {', '.join(known)}."] if known else []
    if unknown:
        lines.append(
            f"Perhaps packages of other names bring {', '.join(unknown)}: find out which, or put your own modules "
            "into the code folder."
        )
    return "\n".join(lines)


def _place_to_list(wanted: Wanted) -> str:
    """Where a person writes what the list of packages is to have."""
    listed = wanted.project.requirements
    if listed is None:
        return "requirements.txt"
    if wanted.locked:
        return f"what {listed.name} is made of"
    return f"the `pip:` part of {listed.name}" if is_yaml(listed.name) else listed.name


def _sentence(text: str) -> str:
    return f"{text}."
