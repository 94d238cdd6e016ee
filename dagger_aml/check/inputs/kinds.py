"""The kinds of input, and by what a word of the command line is told to be one of them.

A kind is a record in :data:`KINDS`: how it is recognised, and which facts there are of it. Which rules apply to it
follows from that, for a rule says by the names of its parameters what it needs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from ...data import frozen
from ...fs.lookup import is_folder, is_there
from ...project.deployment.place import is_project_file
from ...project.settings import Options
from ..facts import Facts, GraphFacts, PlanFacts
from ..known import Input, Known
from .names import is_dockerfile, is_image, is_in_registry, is_list, is_packages_folder


@frozen
class Kind:
    """A kind of input.

    :param name: as messages and tables have it.
    :param given: how it is named on the command line, for docs/rules.md.
    :param known: gives the :attr:`phases`, of which only those of an input that is there are loaded.
    :param is_one: whether a word of the command line names one. It looks at names before it looks into files.
    :param read: finds the facts, given the flags of the call; what it raises (``DaggerAmlError``, ``OSError``) is
        told as "could not be checked". None for what is read as a project.
    :param is_fetched: whether a word names one that ``fetch`` finds the facts of, by asking others for it.
    :param lacks: names in ``phases`` that an input of this kind never has.
    """

    name: Input
    given: str
    known: Callable[[], tuple[type[Known], ...]]
    is_one: Callable[[str], bool]
    read: Callable[[str, Options], Known] | None = None
    lacks: frozenset[str] = frozenset()
    is_fetched: Callable[[str], bool] = lambda text: False
    fetch: Callable[[str, Options], Awaitable[Known]] | None = None

    @property
    def phases(self) -> tuple[type[Known], ...]:
        """The classes of its facts, each with all that the one before has and more."""
        return self.known()

    def phase(self, takes: Collection[str]) -> type[Known] | None:
        """The first of the phases that has all facts that a rule takes; None where the rule does not apply."""
        if self.lacks & set(takes):
            return None
        return next((each for each in self.phases if each.names() >= set(takes)), None)


def _of_project() -> tuple[type[Known], ...]:
    return Facts, GraphFacts, PlanFacts


def _of_dockerfile() -> tuple[type[Known], ...]:
    from .dockerfile import DockerfileFacts

    return (DockerfileFacts,)


def _read_dockerfile(text: str, _: Options) -> Known:
    from .dockerfile import read_dockerfile

    return read_dockerfile(text)


DOCKERFILE = Kind(
    "Dockerfile",
    "a file `Dockerfile`, `Dockerfile.…`, `….Dockerfile`, `….dockerfile` or `Containerfile`",
    _of_dockerfile,
    is_dockerfile,
    _read_dockerfile,
)


def _of_folder() -> tuple[type[Known], ...]:
    from .site_packages import FolderFacts

    return (FolderFacts,)


def _read_folder(text: str, options: Options) -> Known:
    from .site_packages import read_packages_folder

    return read_packages_folder(text, options)


SITE_PACKAGES = Kind(
    "folder of packages",
    "a folder `site-packages`, one with `NAME.dist-info` folders and no project, or a virtual environment",
    _of_folder,
    is_packages_folder,
    _read_folder,
)


def _of_list() -> tuple[type[Known], ...]:
    from .lists import ListFacts

    return (ListFacts,)


def _read_list(text: str, options: Options) -> Known:
    from .lists import read_list

    return read_list(text, options)


LIST = Kind(
    "list of packages",
    "a file `…requirements….txt`, `pylock.toml`, `pylock.….toml` or `uv.lock`, or a conda file",
    _of_list,
    is_list,
    _read_list,
)


def _of_image() -> tuple[type[Known], ...]:
    from .image import ImageFacts

    return (ImageFacts,)


def _read_image(text: str, options: Options) -> Known:
    from .image_read import read_image

    return read_image(text, options)


async def _fetch_image(text: str, options: Options) -> Known:
    from .image_read import fetch_image

    return await fetch_image(text, options)


IMAGE = Kind(
    "image",
    "a file `….tar`, an OCI layout, `oci:FOLDER[:TAG]`, `oci-archive:FILE`, `docker-archive:FILE`, or `image:NAME`, "
    "which a registry has",
    _of_image,
    is_image,
    _read_image,
    is_fetched=is_in_registry,
    fetch=_fetch_image,
)

DEPLOYMENT = Kind(
    "deployment file",
    "a file `….yml` or `….yaml`, or a project that uses one",
    _of_project,
    lambda text: is_project_file(Path(text)),
)

PROJECT = Kind("project", "a folder", _of_project, lambda text: True, lacks=frozenset({"deployment"}))

KINDS = (PROJECT, DEPLOYMENT, DOCKERFILE, SITE_PACKAGES, LIST, IMAGE)
"""All of them, in the order of the table in docs/rules.md."""

_TOLD_APART = (IMAGE, DOCKERFILE, LIST, DEPLOYMENT, SITE_PACKAGES, PROJECT)
"""The same in the order in which they are tried; the last is what everything else is taken for."""


def kind_of(text: str) -> Kind:
    """What a word of the command line names."""
    return next(each for each in _TOLD_APART if each.is_one(text))


def folder_of(text: str) -> Path:
    """The folder whose project file chooses the rules for an input: its own, or the one that it lies in; the working
    directory for what is no path."""
    path = Path(text)
    if is_folder(path):
        return path.absolute().parent if is_packages_folder(text) or is_image(text) else path
    return path.parent if is_there(path) else Path()
