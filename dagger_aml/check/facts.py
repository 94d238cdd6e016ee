"""What a rule may know, each fact found once, when a rule first asks, and shared by all of them.

A rule takes facts by naming them as parameters. One that does not hold for a project (no code, no packages, a file
that cannot be read, which the steps tell of) is None, and the rule is silent. Of a project there are three kinds,
each with more than the one before: of the project, of the graph that its recipe laid out, and of the plan with the
base's facts. Other inputs have theirs in :mod:`.inputs`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .. import contract
from ..base import catalog
from ..base.facts import BaseFacts
from ..data import frozen
from ..errors import DaggerAmlError
from ..finding import FileLocation
from ..fs.drafts import read_bytes
from ..fs.lookup import is_file
from ..graph.base import From
from ..graph.graph import Graph
from ..plan.model import Plan
from ..project.missing import Wanted, wanted
from ..project.model import Project
from ..pysource.entry_points import EntryPoint, entry_points
from ..pysource.needed import Elsewhere, elsewhere
from ..pysource.pythons import Python
from ..pysource.reached import Reached, reached
from ..pysource.source import Source, read_sound
from ..pysource.versions import version_of
from ..steps.server import is_added
from .known import Input, Known

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

    from ..artifacts.facts import Artifact
    from ..project.deployment.model import Deployment
    from ..requirements.model import Requirements
    from .reserved import Reserved


@frozen
class Variable:
    """A variable of the image.

    :param location: of the project's file, or the flag, that says it; None where a step does.
    """

    value: str
    location: str | None = None


@frozen
class NamedBase:
    """A base image by its name alone.

    :param python: its version, as far as the name tells.
    :param location: of what says it.
    """

    reference: str
    python: str | None
    location: str | None


@frozen
class BasePython:
    """The Python of the base, or of the image itself, as far as it is known.

    :param version: ``3.12``.
    :param location: of what says it.
    """

    version: str | None
    location: str | None


@frozen
class StartScript:
    """What starts the server in Azure ML's images.

    :param installs: whether it installs the packages that variables ask for; None where that is not known.
    :param of: whose it is, as people call it.
    """

    installs: bool | None
    of: str


@frozen
class AptPackage:
    """A Debian package that is put on one of Azure ML's images.

    :param name: as it is written, with a version or not.
    """

    name: str
    location: str | None


Server = Literal["azureml", "perhaps", "another"]
"""Whether what an image starts is Azure ML's server."""


@frozen
class Places:
    """How files are named in findings.

    :param root: the folder that they are shown relative to, absolute.
    """

    root: Path

    def at(self, path: Path, line: int | None = None) -> FileLocation:
        """A place in a file: ``code/score.py:7``."""
        return FileLocation.below(self.root, path, line)

    def near(self, location: str) -> str:
        """A place that is named by the file's whole path, as it is shown."""
        if not isinstance(location, FileLocation):
            return location
        return location.named(FileLocation.below(self.root, location.path))


@frozen
class Script:
    """The entry script.

    :param folder: of the code, which is on ``sys.path`` in the image.
    :param name: relative to it.
    :param places: how files are named.
    """

    folder: Path
    name: str
    places: Places

    def at(self, file: str | Path, line: int | None = None) -> FileLocation:
        """A place in a file of the code, which is named relative to its folder or by its whole path."""
        return self.places.at(self.folder / file, line)


@frozen
class Sources:
    """The Python files of a code folder; of none, if there is no code."""

    folder: Path | None

    def having(self, words: Iterable[str]) -> frozenset[str]:
        """Which of these words stand in one of them, at whatever place; each file is read once at most."""
        left = {word: word.encode() for word in words}
        found: set[str] = set()
        for path in self.folder.rglob("*.py") if self.folder and left else ():
            with suppress(OSError):
                text = read_bytes(path) if is_file(path) else b""
                here = [word for word, sought in left.items() if sought in text]
                found.update(here)
                for word in here:
                    del left[word]
            if not left:
                break
        return frozenset(found)


@frozen(slots=False)
class Facts(Known):
    """What is known of a project before its recipe runs.

    :param project: as it was read; None for a graph that was made without one.
    :param one_platform: true where what is made is for the first of its platforms alone.
    :param stops: whether what an error finds ends the work.
    :param deployment_alone: a deployment file that is looked at without the project that it is.
    """

    project: Project | None = None
    one_platform: bool | None = None
    stops: bool = True
    deployment_alone: Deployment | None = None

    @property
    def input(self) -> Input:
        """The kind of input: a deployment file, or a project that uses none."""
        return "deployment file" if self.deployment else "project"

    @cached_property
    def deployment(self) -> Deployment | None:
        """The deployment file that the project uses."""
        file = self.project.deployment if self.project else None
        return file.deployment if file else self.deployment_alone

    @cached_property
    def places(self) -> Places | None:
        """How the project's files are named."""
        return Places(self.project.root) if self.project else None

    @cached_property
    def installer(self) -> str | None:
        """What installs the packages, ``pip`` or ``uv``."""
        return self.project.installer if self.project else None

    @cached_property
    def added(self) -> tuple[str, ...] | None:
        """Packages that are installed beside those of the list."""
        return tuple(self.project.pip) if self.project else None

    @cached_property
    def adds_server(self) -> bool | None:
        """Whether the inference server is added to the base."""
        return self.project.server if self.project else None

    @cached_property
    def reference(self) -> From | None:
        """The base, for the first of the platforms."""
        return self.project.base if self.project else None

    @cached_property
    def code(self) -> Path | None:
        """The code folder, if there is one."""
        folder = self.project.code if self.project else None
        return folder if folder and folder.is_dir() else None

    @cached_property
    def script(self) -> Script | None:
        """The entry script, if there is a code folder."""
        if self.project is None or self.code is None:
            return None
        return Script(self.code, self.project.entry_script, Places(self.project.root))

    @cached_property
    def given(self) -> Mapping[str, Variable] | None:
        """The variables that the project gives to the image."""
        if self.project is None:
            return None
        origins = self.project.origins
        return {name: Variable(value, origins.get(f"env.{name}")) for name, value in self.project.env.items()}

    @cached_property
    def used(self) -> Reached | None:
        """What the entry script leads to: modules, texts that may be paths."""
        return self.project.used if self.project else None

    @cached_property
    def python(self) -> Python | None:
        """The version of the base's Python, as far as the base's name tells."""
        return version_of(catalog.python(self.project.base)) if self.project else None

    @cached_property
    def named_base(self) -> NamedBase | None:
        """The base by its name."""
        if self.project is None:
            return None
        reference, location = self.project.base.reference, self.project.origins.get("base")
        return NamedBase(reference, catalog.python(self.project.base), location)

    @cached_property
    def base_python_named(self) -> BasePython | None:
        """The base's Python, as far as its name tells."""
        return BasePython(self.named_base.python, self.named_base.location) if self.named_base else None

    @cached_property
    def apt(self) -> tuple[AptPackage, ...] | None:
        """The Debian packages, where they are put on one of Azure ML's images."""
        if self.project is None or catalog.find(self.project.base.reference) is None:
            return () if self.project else None
        from ..project.apt_place import place_of_apt

        return tuple(AptPackage(each, place_of_apt(self.project, each)) for each in self.project.apt)

    @cached_property
    def points(self) -> tuple[EntryPoint, ...] | None:
        """What the server will find as ``init`` and ``run``; None where the entry script is not known."""
        if self.project is None or self.code is None or self.entry is None:
            return None
        return entry_points(self.code, self.project.entry_script, self.entry, self.python)

    @cached_property
    def entry(self) -> Source | None:
        """The entry script's source, parsed; None where it cannot be read or parsed."""
        if self.project is None or self.code is None:
            return None
        return read_sound(self.code / self.project.entry_script, self.python)

    @cached_property
    def sources(self) -> Sources | None:
        """The Python files of the code folder, read when they are asked for something."""
        return Sources(self.code)

    @cached_property
    def requirements(self) -> Requirements | None:
        """What lists the packages, read; None without, and where it cannot be read."""
        if self.project is None or self.project.requirements is None:
            return None
        from ..requirements.read import read_requirements

        try:
            return read_requirements(self.project.requirements, root=self.project.root, conda=self.project.conda)
        except (DaggerAmlError, OSError):
            return None

    @cached_property
    def needed_python(self) -> str:
        """The Pythons on which alone the list of packages may be installed; empty for any, and without a list."""
        return self.requirements.python if self.requirements else ""

    @cached_property
    def allowed(self) -> Mapping[str, SpecifierSet] | None:
        """The versions that the list of packages allows, by their normalised names; None without a list."""
        if self.requirements is None:
            return None
        from ..requirements.versions import allowed

        return allowed(self.requirements)

    @cached_property
    def artifacts(self) -> tuple[Artifact, ...]:
        """What the files of the models say of themselves, 4 MB of each read at most."""
        if self.project is None:
            return ()
        paths = (*(model.path for model in self.project.models), *self.project.kept)
        if not paths:
            return ()
        from ..artifacts.facts import read_artifacts

        return tuple(each for path in paths for each in read_artifacts(path))

    @cached_property
    def elsewhere(self) -> Elsewhere | None:
        """What the code imports from elsewhere; None without code."""
        if self.project is None or self.code is None:
            return None
        used = self.used if self.used and self.used.python == self.python else None
        return elsewhere(self.code, self.project.entry_script, self.python, used)

    @cached_property
    def wanted(self) -> Wanted | None:
        """What the code imports, met with what is installed; None where that cannot be told."""
        return wanted(self.project, self.elsewhere, self.requirements) if self.project else None


def _named(location: str | None, name: str) -> str | None:
    """The place of a variable's own name on its line."""
    return location.of(name) if isinstance(location, FileLocation) and location.columns is None else location


@frozen(slots=False)
class GraphFacts(Facts):
    """What is known once the recipe has run.

    :param graph: what it laid out, placeholders of the base in it.
    """

    graph: Graph | None = None

    @cached_property
    def variables(self) -> Mapping[str, Variable] | None:
        """The image's own variables by name, but for those whose value the base decides."""
        if self.graph is None:
            return None
        given, origins = (self.project.env, self.project.origins) if self.project else ({}, {})
        return {
            name: Variable(value, _named(origins.get(f"env.{name}"), name) if given.get(name) == value else None)
            for name, value in self.graph.config.env.items()
            if isinstance(value, str)
        }

    @cached_property
    def reserved(self) -> tuple[Reserved, ...] | None:
        """The files of the code that the server reads as its own."""
        if self.graph is None or self.script is None:
            return None
        from ..graph.stages import copied_files
        from ..steps.server_names import app_root
        from .reserved import reserved_in

        root, copied = app_root(self.graph), copied_files(self.graph)
        return tuple(reserved_in(self.script.folder, contract.APP_ROOT, root, self.script.name, copied.__contains__))

    @cached_property
    def server(self) -> Server | None:
        """Whether Azure ML's server is what starts; of an image without code, another counts."""
        if self.graph is None or self.project is None:
            return None
        config = self.graph.config
        own = (config.cmd is not None or config.entrypoint is not None) and not is_added(self.graph)
        if self.project.code is None or own or config.entrypoint:
            return "another"
        known = self.project.server or catalog.find(self.project.base.reference) is not None
        return "azureml" if known else "perhaps"


@frozen(slots=False)
class PlanFacts(GraphFacts):
    """What is known once the base is.

    :param plan: literals only; its ``facts`` are the base's.
    """

    plan: Plan | None = None

    @cached_property
    def platform(self) -> str | None:
        """The image's, ``linux/amd64``."""
        return self.plan.base.platform if self.plan else None

    @cached_property
    def base(self) -> BaseFacts | None:
        """What is known of the base: assumed from the catalog, or probed (``base.source``)."""
        return self.plan.facts if self.plan else None

    @cached_property
    def used_by_base(self) -> Reached | None:
        """What the entry script leads to, parsed for the base's Python."""
        if self.base is None or self.script is None or self.used is None:
            return None
        python = version_of(self.base.python)
        return self.used if python == self.used.python else reached(self.script.folder, self.script.name, python)
