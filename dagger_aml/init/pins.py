"""The requirements of a project: what its code imports and its models name, met with what is installed here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from attrs import evolve, field
from packaging.utils import canonicalize_name
from packaging.version import Version

from ..artifacts.pickle import Pickled
from ..data import frozen
from ..pysource.import_statements import is_within
from ..pysource.imports import STANDARD, Code, Import
from ..requirements.import_names import packages_of
from ..requirements.versions import is_version
from ..text import named
from ..version import __version__
from .installed import Installed, Package

OF_THE_BASE = ("azureml_inference_server_http", "azureml.contrib.services", "inference_schema", "flask")
"""What every prebuilt image has for its server: another version of it would only break that."""

_MOST_PLACES = 3


@frozen
class Requirement:
    """A line of the requirements file.

    :param text: ``numpy==2.4.6``, or None when there is nothing that pip could take.
    :param why: which files want it.
    :param todo: what is not known or has to be done first; the line is a comment then.
    """

    name: str
    text: str | None
    why: str
    todo: str | None = None

    @property
    def package(self) -> str:
        """The package's name on PyPI, where that is known; else what is imported."""
        return self.name if self.text else re.split("[<>=]", (*packages_of(self.name), self.name)[0])[0]


@frozen
class Pins:
    """What a requirements file is made of.

    :param needed: each either pinned or, with a ``todo``, missing from the image until somebody sees to it.
    :param perhaps: what the entry script does not need, as far as can be told.
    :param with_base: what comes with the base.
    """

    needed: tuple[Requirement, ...] = ()
    perhaps: tuple[Requirement, ...] = ()
    with_base: tuple[Requirement, ...] = ()

    @property
    def pinned(self) -> tuple[Requirement, ...]:
        """The lines that pip will read."""
        return tuple(each for each in self.needed if not each.todo)

    @property
    def todo(self) -> tuple[Requirement, ...]:
        """What is needed and could not be pinned."""
        return tuple(each for each in self.needed if each.todo)

    def file_text(self, python: str | None) -> str | None:
        """The requirements file, or None when it would say nothing."""
        if not self.needed and not self.perhaps:
            return None
        of = f" (Python {python})" if python else ""
        lines = [
            f"# Written by dagger-aml {__version__}: packages that the entry script and the model need, with the",
            f"# versions installed where dagger-aml ran{of}. Dependencies of these packages are not pinned.",
            *(f"{each.text}  # {each.why}" for each in self.pinned),
        ]
        if self.todo:
            lines += ["", "# To do: complete these lines, or the image will not have these packages."]
            lines += [_comment(each) for each in self.todo]
        if self.perhaps:
            lines += ["", "# Optional: remove the # if the entry script needs the package."]
            lines += [_comment(each) for each in self.perhaps]
        if self.with_base:
            lines += ["", "# Included in the prebuilt images. It is best not to list these packages here."]
            lines += [_comment(each) for each in self.with_base]
        return "\n".join(lines) + "\n"


@frozen
class _Want:
    """One reason to want a package."""

    place: str
    needed: bool
    version: str | None = None


def make_pins(code: Code, models: Mapping[str, Pickled], installed: Installed) -> Pins:
    """Meet imports and models' modules with what is installed.

    :param models: what was read of each model's file, by its path in the project.
    """
    wants: dict[str, _Wanted] = {}
    with_base: dict[str, list[str]] = {}
    for each in code.imports:
        of_base = next((name for name in OF_THE_BASE if is_within(each.module, each.names, name)), None)
        if of_base:
            with_base.setdefault(of_base, []).append(f"imported by {each.file}:{each.line}")
        else:
            want = _Want(_of_import(each), each.reached and not each.optional)
            _note(wants, each.module, installed.find(each.module, each.names), want)
    for path, pickled in models.items():
        for module in pickled.modules:
            if module in code.own or module.partition(".")[0] in STANDARD:
                continue
            found = installed.find(module)
            of_sklearn = module.partition(".")[0] == "sklearn"
            if of_sklearn and pickled.sklearn and not found:
                found = (Package("scikit-learn", pickled.sklearn),)
            _note(
                wants,
                module,
                found,
                _Want(f"needed by {_plain(path)}", True, pickled.sklearn if of_sklearn else None),
            )
    made = [(wanted, _requirement(wanted)) for _, wanted in sorted(wants.items())]
    return Pins(
        needed=tuple(line for wanted, line in made if wanted.needed),
        perhaps=tuple(line for wanted, line in made if not wanted.needed),
        with_base=tuple(Requirement(name, None, _listed(places)) for name, places in with_base.items()),
    )


@frozen
class _Wanted:
    """A package, or a module of which no package is known, and all reasons to want it."""

    module: str
    packages: tuple[Package, ...]
    wants: list[_Want] = field(factory=list)

    @property
    def needed(self) -> bool:
        return any(each.needed for each in self.wants)


def _note(wants: dict[str, _Wanted], module: str, packages: tuple[Package, ...], want: _Want) -> None:
    key = " ".join(canonicalize_name(each.name) for each in packages) or _unknown(module)
    wants.setdefault(key, _Wanted(module, packages)).wants.append(want)


def _unknown(module: str) -> str:
    """What a module that nothing here gives is called: by its top name, but for the namespaces of many packages."""
    parts = module.split(".")
    return ".".join(parts[:3] if parts[0] in ("azure", "azureml", "google") else parts[:1])


def _requirement(wanted: _Wanted) -> Requirement:
    needed = [each for each in wanted.wants if each.needed]
    why = _listed(each.place for each in needed or wanted.wants)
    if not wanted.packages:
        line = Requirement(_unknown(wanted.module), None, why, "not installed here; add its package")
        return evolve(line, todo=f"{line.todo}, {line.package}") if packages_of(line.name) else line
    if len(wanted.packages) > 1:
        names = " and ".join(f"{each.name} {each.version}" for each in wanted.packages)
        return Requirement(wanted.module, None, why, f"provided by {names} here; list one of them")
    package = wanted.packages[0]
    made_with = {each.version for each in wanted.wants if each.version and is_version(each.version)}
    version = package.version
    if len(made_with) > 1:
        listed = " and ".join(sorted(made_with))
        return Requirement(
            package.name, None, why, f"the models were made with different versions, {listed}; choose one"
        )
    if made_with:
        version = made_with.pop()
        why += ", made with this version" + (
            f" ({package.version} is installed)" if package.version != version else ""
        )
        package = Package(package.name, version, package.source if package.version == version else None)
    return Requirement(package.name, f"{package.name}=={version}", why, _not_on_an_index(package))


def _not_on_an_index(package: Package) -> str | None:
    """Why pip would not find just this version, and what to do."""
    if package.source == "a folder":
        return "installed from a folder; build a wheel from it (pip wheel --no-deps FOLDER) and list the wheel's path"
    if package.source:
        return f"installed from {package.source}; list its source URL, or a version from the index"
    if not is_version(package.version):
        return "pip does not accept its version; list a version that pip accepts"
    version = Version(package.version)
    if version.local:
        plain = f"{package.name}=={version.public}"
        return (
            f"PyPI has no {package.version}; write {plain}, or add the index that it is from "
            f"({named('extra_index_url')})"
        )
    if version.is_prerelease:
        return f"{package.version} is a pre-release; remove the # if your index has it"
    return None


def _of_import(each: Import) -> str:
    place = f"imported by {_plain(each.file)}:{each.line}"
    if not each.reached:
        return f"{place}, which the entry script does not import"
    return f"{place}, where it is optional" if each.optional else place


def _listed(places: Iterable[str]) -> str:
    """The places, of each file the first."""
    by_file = {re.sub(r":\d+", "", place): place for place in reversed(list(places))}
    found = list(reversed(by_file.values()))
    more = [f"{len(found) - _MOST_PLACES} more"] if len(found) > _MOST_PLACES else []
    return "; ".join([*found[:_MOST_PLACES], *more])


def _comment(each: Requirement) -> str:
    parts = [each.text or each.name, f"  # {each.why}" if each.text else f": {each.why}"]
    return "# " + "".join(parts) + (f"; {each.todo}" if each.todo else "")


def _plain(text: str) -> str:
    """A path in a comment: on one line, and of characters that a file in UTF-8 can have."""
    return text if text.isprintable() else repr(text)[1:-1]
