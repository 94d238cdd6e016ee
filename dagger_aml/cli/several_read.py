"""The projects that ``build`` is given several of: read, checked, and held against each other."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve, field

from ..backends.outputs import check_file
from ..building.many import Outcome
from ..building.placeholders import placeholders
from ..building.request import BuildRequest
from ..building.target import BuildTarget
from ..data import frozen
from ..errors import DaggerAmlError, UsageError
from ..project.model import Project
from .build_target import checked, read_build


@frozen
class ReadProject:
    """A project that was named, and what is to be made of it; or why that cannot be."""

    folder: str
    project: Project | None = field(default=None, repr=False)
    target: BuildTarget | None = field(default=None, repr=False)
    error: DaggerAmlError | None = None

    @property
    def name(self) -> str | None:
        """The project's; of one that is refused it is not known."""
        return self.target.name if self.target else None

    @property
    def outcome(self) -> Outcome:
        """What came of it so far."""
        return Outcome("REFUSED", error=self.error) if self.error else Outcome()

    @property
    def text(self) -> str:
        """Why it cannot be, with its folder."""
        text = str(self.error)
        return text if text.startswith(f"{self.folder}: ") else f"{self.folder}: {text}"


def shared_file(request: BuildRequest) -> tuple[Path | None, BuildRequest]:
    """The file for the metadata of all, if there is to be one, and what is asked for of each.

    :raises UsageError: it cannot be written.
    """
    if not request.metadata_file or placeholders(request.metadata_file, "metadata_file"):
        return None, request
    shared = Path(request.metadata_file)
    check_file(shared)
    return shared, evolve(request, metadata_file=None)


def read_all(
    folders: Sequence[str], request: BuildRequest, given: dict[str, Any], *, stops: bool
) -> list[ReadProject]:
    """Read and check projects; one that is not in order stops no other."""
    read = []
    for folder in folders:
        try:
            project, target = read_build(folder, request, given, stops=stops)
            read.append(ReadProject(folder, project, checked(target, project, request)))
        except DaggerAmlError as error:
            read.append(ReadProject(folder, error=error))
    return read


def check_all(read: Sequence[ReadProject], *, keep_going: bool) -> None:
    """Refuse all where one is not in order, or two are in each other's way.

    :param keep_going: whether some are built where others are not in order. Of two that are in each other's way
        nobody knows which was meant.
    :raises UsageError: all that is wrong.
    """
    wrong = [each.text for each in read if each.error]
    collisions = list(_collisions([each.target for each in read if each.target]))
    in_order = len(wrong) < len(read) and not collisions
    if keep_going and in_order:
        return
    wrong += collisions
    if wrong:
        more = ["To build the others all the same: --keep-going"] if in_order else []
        raise UsageError(
            f"{len(wrong)} problem{'s' if len(wrong) > 1 else ''} to fix first; nothing is built",
            hint="\n".join([*wrong, *more]),
        )


def by_shown_name(read: Sequence[ReadProject]) -> dict[str, ReadProject]:
    """Projects by the name that each is shown by: of one that is refused its folder."""
    names = {each.name for each in read}
    return {each.name or _besides(each.folder, names): each for each in read}


def _besides(folder: str, names: Container[str | None]) -> str:
    """A folder where it is not the name of another project; none has a ``/``."""
    return f"./{folder}" if folder in names else folder


def _collisions(targets: Sequence[BuildTarget]) -> Iterator[str]:
    """What two projects would both be or write."""
    owners: dict[str, BuildTarget] = {}
    for target in targets:
        files = [each.path for each in target.exports] + [target.metadata_file, target.iidfile]
        names = [f"are both named {target.name}", *(f"would both be tagged {tag}" for tag in target.tags)]
        names += [f"would both be written to {path.absolute()}" for path in files if path]
        for name in dict.fromkeys(names):
            other = owners.setdefault(name, target)
            if other is not target:
                yield f"{other.folder} and {target.folder} {name}; set another name in one project's dagger-aml.toml"
                break
