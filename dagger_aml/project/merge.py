"""The values of a project's settings by precedence, each with where it is from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from attrs import field

from ..data import frozen
from ..errors import UsageError
from ..graph.checks import check_text
from ..graph.graph import Graph
from ..text import named
from .file import ProjectFile
from .notes import Beaten, Notes
from .origin import DEFAULT, Origin, Rank, Stated, best, located
from .setting import says_same, truth_of, typed
from .settings import PROJECT_SETTINGS, Options

if TYPE_CHECKING:
    from .deployment.taken import DeploymentFile

_Made = TypeVar("_Made")


@frozen
class Reading:
    """What a project is read from, and what was learnt on the way.

    :param deployment: the deployment file, if one is used.
    :param origins: where each value is from, by the names of :attr:`~.model.Project.origins`.
    :param notes: for the rules.
    """

    root: Path
    options: Options
    file: ProjectFile
    deployment: DeploymentFile | None = None
    origins: dict[str, Origin] = field(factory=dict)
    notes: Notes = field(factory=Notes)

    @property
    def sources(self) -> dict[str, str]:
        """The origins as people read them."""
        return {name: origin.location for name, origin in self.origins.items()}

    def located(self, name: str, make: Callable[[], _Made]) -> _Made:
        """The result of ``make``; an error of its gets the value's origin as its place."""
        with located(self.origins.get(name)):
            return make()


def beside(root: Path, text: str) -> Path:
    """A path as seen from a folder, without the ``..`` that it begins with.

    Others stay, for a link before one of them leads elsewhere than to the folder that it lies in.

    :param root: absolute, and no link leads to it.
    """
    path = Path(text)
    while path.parts[:1] == ("..",):
        root, path = root.parent, Path(*path.parts[1:])
    return root / path


def stated(reading: Reading, name: str) -> Stated:
    """What holds for a setting: what flag, variable or files say of it, else its default."""
    record = PROJECT_SETTINGS[name]
    default = Stated(record.default, DEFAULT)
    by_file = [*reading.file.says(record), *(reading.deployment.says(record) if reading.deployment else ())]
    found = best([*typed(record, getattr(reading.options, name)), *by_file, default])
    if found.origin.rank is Rank.VARIABLE:
        others = (each for each in by_file if not says_same(found.value, each.value))
        reading.notes.beaten += [Beaten(name, found, each) for each in others]
    return found


def said(reading: Reading, name: str) -> str:
    """A setting of one text that has a default, checked.

    :raises GraphError: a character that no image may hold. :raises UsageError: none of the record's choices.
    """
    found = stated(reading, name)
    reading.origins[name] = found.origin
    value: str = found.value
    if found.is_typed:
        check_text(str(found.origin), value, newline=False)
    return value


def chosen(reading: Reading, name: str, what: str) -> str:
    """As :func:`said`, of a few choices.

    :param what: they are, for the message.
    """
    value, choices = said(reading, name), PROJECT_SETTINGS[name].choices
    if value not in choices:
        location = str(reading.origins[name])
        raise UsageError(f"no such {what}: {value!r}", location=location, hint=f"Use {' or '.join(choices)}.")
    return value


def truth(reading: Reading, name: str) -> bool:
    """A setting that is true or false, which a variable says as a text.

    :raises UsageError: neither.
    """
    found = stated(reading, name)
    reading.origins[name] = found.origin
    try:
        return truth_of(found.value)
    except ValueError as error:
        raise UsageError(str(error), location=str(found.origin), hint="Use true or false.") from None


def maybe(reading: Reading, name: str) -> str | None:
    """As :func:`said`, of a setting without a default; it has no origin then either."""
    value = said(reading, name)
    if not value:
        del reading.origins[name]
    return value or None


def listed(reading: Reading, name: str) -> tuple[str, ...]:
    """A list by precedence: that of the flags, else the file's."""
    found = stated(reading, name)
    if found.is_said:
        reading.origins[name] = found.origin
    return tuple(found.value or ())


def added(reading: Reading, name: str) -> tuple[str, ...]:
    """What a repeatable flag adds to what is there."""
    flags: tuple[str, ...] = getattr(reading.options, name)
    for text in flags:
        check_text(named(name), text, newline=False)
        reading.origins[f"{name}.{text}"] = Origin(Rank.FLAG, setting=name)
    return flags


def pairs(reading: Reading, name: str, in_file: Mapping[str, str], option: str) -> dict[str, str]:
    """The files' pairs and those of a flag, which win.

    :param name: of the pairs in the file, as ``labels``; ``option`` is the setting's, as ``label``.
    :raises UsageError: a flag that is no NAME=VALUE. :raises GraphError: a name or value that no image may hold.
    """
    flags: Sequence[str] = getattr(reading.options, option)
    found: dict[str, str] = {}
    if name == "env" and reading.deployment:
        found |= reading.deployment.deployment.variables
        reading.origins.update({f"env.{key}": reading.deployment.variable(key) for key in found})
    found |= in_file
    for key in in_file:
        reading.origins[f"{name}.{key}"] = reading.file.origin(name, key)
    for text in flags:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"not NAME=VALUE: {text!r}", location=named(option))
        found[key] = value
        reading.origins[f"{name}.{key}"] = Origin(Rank.FLAG, setting=option)
    for key, value in found.items():
        with located(reading.origins[f"{name}.{key}"]):
            Graph().configure(**{name: {key: value}})
    return found
