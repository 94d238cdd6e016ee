"""What a script says of an environment's packages, as a conda file has it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..exceptions import UserErrorException

__all__ = ["CondaDependencies"]

_PYTHON_OF_CREATE = "3.10.18"
_DEFAULT = {
    "name": "project_environment",
    "dependencies": ["python=3.8.13", {"pip": ["azureml-defaults"]}],
    "channels": ["anaconda", "conda-forge"],
}
"""What one without a file holds, in SDK v1 as here."""

_LISTS = ("channels", "dependencies")
_KEYS = ("name", "channels", "dependencies", "prefix", "variables")
_VERSION = re.compile(r"\d+\.\d+(\.\d+)?([ab]\d+)?$")


class CondaDependencies:
    """The packages of an environment: conda's, pip's and the Python.

    They are read by the rules of docs/conda.md when a model is packaged: conda's packages by their twins on PyPI.

    :param conda_dependencies_file_path: a conda file; without one there is ``azureml-defaults`` alone.
    :raises UserErrorException: the file is no conda file.
    """

    def __init__(self, conda_dependencies_file_path: str | os.PathLike[str] | None = None) -> None:
        self._file: Path | None = None
        self._folder = Path()  # Where what pip's lines name by relative paths lies.
        if conda_dependencies_file_path is None:
            import copy

            self._said: dict[str, Any] = copy.deepcopy(_DEFAULT)
        else:
            self._file = Path(os.path.normpath(conda_dependencies_file_path))
            self._folder = self._file.parent
            self._said = _read(self._file)
        self._in_file = repr(self._said)
        self._python_version = self.get_python_version()
        self._says_python = self._file is not None and self._lists_python

    @staticmethod
    def create(
        pip_indexurl: str | None = None,
        pip_packages: Iterable[str] | None = None,
        conda_packages: Iterable[str] | None = None,
        python_version: str = _PYTHON_OF_CREATE,
        pin_sdk_version: bool = True,
    ) -> CondaDependencies:
        """Those that are named.

        :param pip_indexurl: a page of links, as SDK v1 takes it: it becomes pip's ``--find-links``.
        :param pip_packages: ``azureml-defaults`` unless given.
        :param pin_sdk_version: without meaning here: the SDK has no version to pin packages to.
        """
        made = CondaDependencies()
        if pip_indexurl:
            made.set_pip_option(f"--find-links {pip_indexurl}")
            made.set_pip_option("--extra-index-url https://pypi.python.org/simple")
        made.set_python_version(python_version)
        made._says_python = python_version != _PYTHON_OF_CREATE
        if pip_packages is not None:
            for package in made.pip_packages:
                made.remove_pip_package(package)
        for package in ("azureml-defaults",) if pip_packages is None else pip_packages:
            made.add_pip_package(package)
        chosen = list(conda_packages or ())
        for package in chosen:
            made.remove_conda_package(package)
        for package in chosen:
            made.add_conda_package(package)
        return made

    @property
    def conda_channels(self) -> Iterator[str]:
        """The channels, of which nothing is taken here."""
        return iter(list(self._said.get("channels", ())))

    @property
    def conda_packages(self) -> Iterator[str]:
        """conda's packages, the Python among them."""
        return iter([each for each in self._said.get("dependencies", ()) if not isinstance(each, dict)])

    @property
    def pip_packages(self) -> Iterator[str]:
        """pip's packages, without its options."""
        return iter([each for each in self._pip() if not _is_option(each)])

    @property
    def pip_options(self) -> Iterator[str]:
        """pip's options, such as ``--find-links``."""
        return iter([each for each in self._pip() if _is_option(each)])

    def get_python_version(self) -> str | None:
        """The version of Python that is listed."""
        for each in self.conda_packages:
            if is_python(each):
                return _version(each)
        return None

    def set_python_version(self, version: str) -> None:
        """Name another Python."""
        if self._python_at is None:
            self._dependencies().append(f"python={version}")
        elif self._python_version != version:
            self._dependencies()[self._python_at] = f"python={version}"
        self._python_version = version
        self._says_python = True

    def _add_default_python(self, version: str) -> None:
        """List the Python that SDK v1 adds where a file has none; nobody says it."""
        self.set_python_version(version)
        self._says_python = False
        self._in_file = repr(self._said)

    def add_channel(self, channel: str) -> None:
        """Add a channel."""
        channels = self._said.setdefault("channels", [])
        if channel not in channels:
            channels.append(channel)

    def remove_channel(self, channel: str) -> None:
        """Remove one, if it is there."""
        if channel in self._said.get("channels", ()):
            self._said["channels"].remove(channel)

    def add_conda_package(self, conda_package: str) -> None:
        """Add one of conda's; of Python, take its version."""
        if "dependencies" not in self._said:
            self._said["dependencies"] = [conda_package]
        elif conda_package not in self._said["dependencies"]:
            if is_python(conda_package):
                found = _version(conda_package)
                if found is None:
                    raise UserErrorException(
                        f"no version of Python: {conda_package!r}",
                        location="conda_package",
                        hint="Write it as python=3.12.",
                    )
                self.set_python_version(found)
                if re.search(r"[<>!~*|]", conda_package):
                    self._said["dependencies"][self._python_at] = conda_package  # A range stays one.
            else:
                self._said["dependencies"].append(conda_package)

    def remove_conda_package(self, conda_package: str) -> None:
        """Remove one of conda's, as it is listed.

        :raises UserErrorException: it is the Python.
        """
        if conda_package in self._said.get("dependencies", ()):
            if is_python(conda_package):
                raise UserErrorException("Python cannot be removed", location="conda_package")
            self._said["dependencies"].remove(conda_package)

    def add_pip_package(self, pip_package: str) -> None:
        """Add one of pip's, in place of what is listed under its name.

        :raises UserErrorException: it is an option.
        """
        self.remove_pip_package(pip_package)
        listed = self._pip_part()
        if pip_package not in listed:
            listed.append(pip_package)

    def remove_pip_package(self, pip_package: str) -> None:
        """Remove one of pip's, whatever its version.

        :raises UserErrorException: it is an option.
        """
        _check_option(pip_package, False, "pip_package")
        listed = self._pip()
        found = [each for each in listed if _name(each) == _name(pip_package)]
        if found:
            listed.remove(found[-1])

    def set_pip_option(self, pip_option: str) -> None:
        """Set an option of pip's.

        :raises UserErrorException: it is none.
        """
        _check_option(pip_option, True, "pip_option")
        listed, word = self._pip_part(), pip_option.split()[0]
        there = [n for n, each in enumerate(listed) if each.split()[:1] == [word]]
        for at in there:
            listed[at] = pip_option
        if not there:
            listed.append(pip_option)

    def remove_pip_option(self, pip_option: str) -> None:
        """Remove an option of pip's, whatever its value.

        :raises UserErrorException: it is none.
        """
        _check_option(pip_option, True, "pip_option")
        listed, word = self._pip(), pip_option.split()[0]
        found = [each for each in listed if each.split()[:1] == [word]]
        if found:
            listed.remove(found[-1])

    def set_pip_requirements(self, pip_requirements: list[str]) -> None:
        """Put these lines in place of all that pip is told."""
        self._pip_part()[:] = pip_requirements

    def serialize_to_string(self) -> str:
        """The conda file that says this."""
        import yaml

        text: str = yaml.safe_dump(self._said, sort_keys=False, allow_unicode=True, width=10_000)
        return text

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        import copy

        return copy.deepcopy(self._said)

    def save(self, path: str | os.PathLike[str]) -> str:
        """Write the conda file.

        :raises UserErrorException: the path is a folder's, or in none; no Python is listed.
        """
        place = Path(path)
        if place.is_dir():
            raise UserErrorException("is a folder", location=str(path), hint="Name the file itself.")
        if not place.parent.is_dir():
            raise UserErrorException("its folder does not exist", location=str(path), hint="Create it.")
        if not self._lists_python:
            raise UserErrorException(
                "no Python is listed", location="conda_dependencies", hint="set_python_version()"
            )
        place.write_text(self.serialize_to_string(), encoding="utf-8")
        return str(path)

    @property
    def names_python(self) -> bool:
        """Whether the script, or its file, names a Python; else the one that is listed is SDK v1's default."""
        return self._says_python and self._lists_python

    @property
    def _lists_python(self) -> bool:
        """Whether there is a line for Python, with a version or without."""
        return self._python_at is not None

    @property
    def unchanged_file(self) -> Path | None:
        """The file that says exactly this, but for the Python that SDK v1 adds; None where there is none any more."""
        return self._file if repr(self._said) == self._in_file else None

    @property
    def _python_at(self) -> int | None:
        listed = enumerate(self._said.get("dependencies", ()))
        return next((at for at, each in listed if isinstance(each, str) and is_python(each)), None)

    def _dependencies(self) -> list[Any]:
        listed: list[Any] = self._said.setdefault("dependencies", [])
        return listed

    def _pip(self) -> list[str]:
        """pip's lines: the list itself, or an empty one where there is none."""
        parts = [each for each in self._said.get("dependencies", ()) if isinstance(each, dict) and "pip" in each]
        if not parts:
            return []
        if parts[-1]["pip"] is None:
            parts[-1]["pip"] = []
        listed: list[str] = parts[-1]["pip"]
        return listed

    def _pip_part(self) -> list[str]:
        """pip's lines: the list itself, added where there is none."""
        if not any(isinstance(each, dict) and "pip" in each for each in self._dependencies()):
            self._dependencies().append({"pip": []})
        return self._pip()


def _read(path: Path) -> dict[str, Any]:
    """A conda file's keys.

    :raises UserErrorException: it is no YAML, or has other keys. :raises OSError: it cannot be read.
    """
    import yaml

    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise UserErrorException("is not YAML", location=place) from None
    if not isinstance(said, dict):
        raise UserErrorException("is no conda file: it has no keys", location=str(path))
    for key in said:
        if str(key) not in _KEYS:
            raise UserErrorException(
                f"is no conda file: conda knows no key {str(key)!r}",
                location=str(path),
                hint=f"It has {', '.join(_KEYS)}.",
            )
    for key in _LISTS:
        if key in said:
            said[key] = _list(said[key], key, path)
    for each in said.get("dependencies", ()):
        if isinstance(each, dict) and "pip" in each:
            each["pip"] = _list(each["pip"], "pip", path)
    return said


def _list(value: Any, key: str, path: Path) -> list[Any]:
    """The list behind a key of a conda file; nothing behind it is an empty one.

    :raises UserErrorException: it is another thing, or holds one.
    """
    found: Any = [] if value is None else value
    kinds: Any = (str, dict) if key == "dependencies" else str
    wrong = [each for each in found if not isinstance(each, kinds)] if isinstance(found, list) else [found]
    if wrong:
        raise UserErrorException(
            f"is no conda file: {wrong[0]!r} cannot stand under `{key}`",
            location=str(path),
            hint=f"`{key}:` is a list of texts, each behind a dash.",
        )
    return list(found)


def is_python(line: Any) -> bool:
    """Whether a line of conda's is for Python, as the reader of conda files has it."""
    from ...requirements.conda_spec import NotASpec, name_of

    try:
        return isinstance(line, str) and name_of(line) == "python"
    except NotASpec:
        return False


def _version(line: str) -> str | None:
    """The version that a line for Python names; of a range the one that SDK v1 reads."""
    if found := _VERSION.search(line):
        return found.group()
    from ...requirements.conda_spec import NotASpec, parse_spec

    try:
        read = re.search(r"\d+(\.\d+)*", parse_spec(line).versions)
    except NotASpec:
        return None
    return read.group() if read else None


def _is_option(text: str) -> bool:
    return text.startswith("-")


def _check_option(text: str, wanted: bool, argument: str) -> None:
    if _is_option(text) is not wanted:
        kind = "an option of pip's" if wanted else "a package"
        raise UserErrorException(f"not {kind}: {text!r}", location=argument)


def _name(text: str) -> str:
    """The name in a package's line, as pip compares names, without version and extras; of a wheel, that of its file.

    SDK v1 compares them as they are written, so that ``numpy`` is another than ``numpy >=2``.
    """
    end = text.rpartition("/")[2].partition("-")[0] if text.endswith(".whl") else text.strip()
    return re.sub(r"[-_.]+", "-", re.split(r"[\[=|<>~!@;\s]", end, maxsplit=1)[0]).lower()
