"""What a project wants of pip, as frozen data."""

from __future__ import annotations

from pathlib import Path

from ..data import frozen
from ..finding import FileLocation
from ..text import named, pattern

_PASSWORD = pattern(r"://[^/\s]*:[^/\s]*@|https?://[^/\s@]+@")


def as_a_secret() -> str:
    """What to do with a password that stands in a file which goes into the image."""
    return (
        f"Remove it from the file, and give it when you build: `{named('secret', 'id=pip,env=NAME')}`, or `src=FILE`."
    )


@frozen
class Listed:
    """One package as a file lists it.

    :param text: the requirement as it is written, without options.
    :param location: ``file:line``, the file by its whole path.
    :param name: None where nobody can tell it before it is fetched, as of ``git+https://host/repository``.
    :param tool: the program that fetches it: ``git``, ``hg``, ``svn`` or ``bzr``; None for what pip fetches itself.
    :param url: where it is fetched from; empty for what an index has and for a file of the project.
    :param marker: where it is to be installed; empty for everywhere.
    :param hashed: whether a hash is given, in an option or in the URL.
    :param constraint: whether it is in a constraints file, and so only limits what others list.
    """

    text: str
    location: str
    name: str | None = None
    tool: str | None = None
    url: str = ""
    marker: str = ""
    hashed: bool = False
    constraint: bool = False


@frozen
class LockedFile:
    """One wheel of a lock, and where it is.

    :param url: where it is fetched from; empty for a file of the project.
    :param path: of a file of the project, absolute; empty for what is fetched.
    :param sha256: in hexadecimal; empty where the lock has none.
    :param size: bytes; None where the lock does not say.
    """

    filename: str
    url: str = ""
    path: str = ""
    sha256: str = ""
    size: int | None = None


@frozen
class Locked:
    """One package of a lock, and the files that it may be installed from.

    :param marker: where it is to be installed; empty for everywhere.
    :param files: its wheels, for whatever Python and platform.
    :param source: whether there is a source archive too, or a file whose name does not tell where it fits.
    :param python: the Pythons that it is for, such as ``>=3.11``; empty for any.
    :param location: ``file:line``, the file by its whole path.
    :param version: empty where the lock does not say.
    """

    name: str
    marker: str
    files: tuple[LockedFile, ...]
    source: bool
    python: str
    location: str
    version: str = ""

    @property
    def wheels(self) -> tuple[str, ...]:
        """The names of its wheels."""
        return tuple(each.filename for each in self.files)


@frozen
class Option:
    """An option that a requirements file says.

    :param word: its long name, however it is written: ``--index-url`` for ``-i``.
    :param value: empty where it has none.
    :param location: ``file:line``, the file by its whole path.
    :param written: as the file has it, without the value.
    :param listed: the package on whose line it stands; empty on a line of options.
    :param ignored: whether pip reads it and does nothing with it.
    """

    word: str
    value: str
    location: str
    written: str
    listed: str = ""
    ignored: bool = False


@frozen
class Translated:
    """A line of a conda file, and what pip is told in its place.

    :param written: as the file has it.
    :param location: its line, the file by its whole path.
    :param to: the requirement; empty where the line is left out.
    :param why: why it is left out, or what is to be known of the translation; half a sentence, or empty.
    :param for_server: whether it is left out since the image has the inference server without it.
    """

    written: str
    location: FileLocation
    to: str = ""
    why: str = ""
    for_server: bool = False


def plain_version(versions: str) -> str:
    """``3.10`` for ``==3.10.*``; a range as it is."""
    only = versions.removeprefix("==").removesuffix(".*")
    return only if versions.startswith("==") and "," not in only else versions


@frozen
class CondaLines:
    """What a conda file, or the files of an MLflow model, say beside the packages.

    :param lines: conda's packages; those of the ``pip:`` part are not among them.
    :param python: the Pythons that it names, such as ``==3.10.*``; empty where it names none.
    :param of_base: whether its packages are installed for the base's Python, whatever that is.
    :param cpu_index: whether PyTorch is taken from its index for the CPU.
    :param variables: the names of those that conda would set, and nobody does here.
    :param python_location: of what names the Python: a line, or another file where MLflow wrote the list.
    """

    lines: tuple[Translated, ...]
    python: str
    of_base: bool
    cpu_index: bool
    variables: tuple[str, ...]
    python_location: FileLocation | None = None

    @property
    def shown_python(self) -> str:
        """``3.10`` for ``==3.10.*``; a range as it is."""
        return plain_version(self.python)


@frozen
class Requirements:
    """What a project wants of pip, and all the files on this machine that it names.

    :param path: the file that was read: a requirements file, a lock, ``pyproject.toml`` or a conda file.
    :param names: the packages that it and the files it includes list, in order; constraints not among them, nor
        those whose names nobody can tell.
    :param files: the file itself, files that it includes, wheels and source archives.
    :param text: what goes into the image in the file's place: pip's lines, made from a lock, ``pyproject.toml`` or a
        conda file; None for a requirements file, which goes as it is.
    :param indexes: option lines, to stand above ``text``, for the package indexes that the lock was made with.
    :param hashes: whether pip will take only what has a hash in the file.
    :param python: the Python versions that the file is for, such as ``>=3.10``; empty for any.
    :param listed: each package with its line, constraints among them; empty for locks.
    :param options: what a requirements file says to pip beside packages.
    :param locked: the packages of a lock.
    :param environments: markers, of which one must hold where the lock is used; none where it is for anywhere.
    :param conda: what a conda file or an MLflow model says besides; None of any other.
    """

    path: Path
    names: tuple[str, ...]
    files: tuple[Path, ...]
    text: str | None = None
    indexes: tuple[str, ...] = ()
    hashes: bool = False
    python: str = ""
    listed: tuple[Listed, ...] = ()
    options: tuple[Option, ...] = ()
    locked: tuple[Locked, ...] = ()
    environments: tuple[str, ...] = ()
    conda: CondaLines | None = None

    @property
    def titles(self) -> tuple[str, ...]:
        """What is to be installed: names, and the lines of those whose names nobody can tell."""
        return (*self.names, *(each.text for each in self.listed if each.name is None and not each.constraint))


def has_password(text: str) -> bool:
    """Whether a URL in a text has a password or token in it."""
    return _PASSWORD.search(text) is not None


LONGEST_PACKAGE = 4096
"""Characters of one package as it is written, its URL included."""
