"""What is known of a Dockerfile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ... import contract
from ...base import catalog
from ...base.former import inference_name, is_former, python_of_name
from ...data import frozen
from ...errors import DaggerAmlError
from ...graph.base import From
from ..facts import AptPackage, BasePython, NamedBase, Server, Sources, StartScript, Variable
from ..known import Input, Known
from .started import started

if TYPE_CHECKING:
    from .copies import Copied
    from .instructions import Dockerfile
    from .shell import Call
    from .stages import Built, Step


def read_dockerfile(text: str) -> DockerfileFacts:
    """The facts of a Dockerfile.

    :raises DaggerAmlError: as :func:`.instructions.read`.
    """
    from .instructions import read

    return DockerfileFacts(read(Path(text)))


@frozen
class InferenceBase:
    """One of Azure ML's images for inference, by its name.

    :param name: behind ``azureml/``.
    :param python: as the name tells it.
    """

    reference: str
    name: str
    python: str | None

    @property
    def is_curated(self) -> bool:
        """Whether it is one of the curated images, of whose start scripts not all install packages."""
        return self.name.startswith("curated/")

    @property
    def installs_nothing(self) -> bool:
        """Whether it is one whose start script is known to install no packages."""
        return self.name.startswith("curated/minimal-")


@frozen
class Ran:
    """A call of a program in a ``RUN``.

    :param step: the instruction, and what holds there.
    """

    call: Call
    step: Step


@frozen(slots=False)
class DockerfileFacts(Known):
    """What is known of a Dockerfile that nobody builds.

    :param dockerfile: its instructions.
    """

    dockerfile: Dockerfile | None = None

    @property
    def input(self) -> Input:
        """The kind of input."""
        return "Dockerfile"

    @cached_property
    def built(self) -> Built | None:
        """The image of its last stage."""
        from .stages import built

        return built(self.dockerfile) if self.dockerfile else None

    @cached_property
    def ran(self) -> tuple[Ran, ...] | None:
        """The programs that are called to make it, in order."""
        from .shell import calls

        if self.built is None:
            return None
        steps = (each for each in self.built.steps if each.instruction.keyword == "RUN")
        return tuple(Ran(call, step) for step in steps for call in calls(step.instruction))

    @cached_property
    def copied(self) -> tuple[Copied, ...] | None:
        """What is copied into it, in order."""
        from .copies import copies

        return tuple(copies(self.built)) if self.built else None

    @cached_property
    def named_base(self) -> NamedBase | None:
        """The base by its name; None where only the build knows it."""
        if self.built is None or self.built.base is None:
            return None
        reference = self.built.base
        try:
            python = catalog.python(From.parse(reference))
        except DaggerAmlError:
            python = None
        if is_former(inference_name(reference) or ""):
            python = None  # One thing is said of a base that was dropped, not two.
        return NamedBase(reference, python, self.built.base_at)

    @cached_property
    def base_python_named(self) -> BasePython | None:
        """The base's Python, as far as its name tells."""
        return BasePython(self.named_base.python, self.named_base.location) if self.named_base else None

    @cached_property
    def needed_python(self) -> str:
        """Nothing of the Dockerfile says for which Pythons alone its packages are."""
        return ""

    @cached_property
    def inference(self) -> InferenceBase | None:
        """The base, if it is one of Azure ML's images for inference."""
        name = inference_name(self.named_base.reference) if self.named_base else None
        return (
            InferenceBase(self.named_base.reference, name, python_of_name(name)) if self.named_base and name else None
        )

    @cached_property
    def start_script(self) -> StartScript | None:
        """That of the base, if it is one of Azure ML's images for inference."""
        if self.inference is None:
            return None
        installs = False if self.inference.installs_nothing else None if self.inference.is_curated else True
        return StartScript(installs, self.inference.name)

    @cached_property
    def azureml(self) -> bool | None:
        """Whether the image serves on Azure ML, by its base or by what it sets; None where nothing says so."""
        if self.built is None:
            return None
        named = self.inference is not None
        return named or any(name.startswith(contract.OF_AZURE_ML) for name in self.built.variables) or None

    @cached_property
    def variables(self) -> Mapping[str, Variable] | None:
        """The image's own variables by name, as far as their values are known; None for one that does not serve on
        Azure ML."""
        if self.built is None or not self.azureml:
            return None
        return {
            name: Variable(each.text, each.location)
            for name, each in self.built.variables.items()
            if each.text is not None
        }

    @cached_property
    def sources(self) -> Sources | None:
        """The Python files beside it."""
        return Sources(self.dockerfile.path.parent) if self.dockerfile else None

    @cached_property
    def server(self) -> Server | None:
        """Whether Azure ML's server is what starts."""
        if self.built is None or not self.azureml:
            return None
        said = [each for each in self.built.starts if each is not None]
        texts = [word.text for each in said for word in each.instruction.words]
        own = (started(texts) or "another") if said else None
        return own or ("azureml" if self.inference else "perhaps")

    @cached_property
    def apt(self) -> tuple[AptPackage, ...] | None:
        """The Debian packages that are put on one of Azure ML's images for inference."""
        if self.ran is None or self.inference is None:
            return None
        return tuple(package for each in self.ran for package in _by_apt(each))


def _by_apt(ran: Ran) -> Iterator[AptPackage]:
    """The packages of ``apt-get install``."""
    words = ran.call.words
    if ran.call.program not in ("apt-get", "apt") or "install" not in ran.call.texts:
        return
    for word in words[1 + ran.call.texts.index("install") + 1 :]:
        if not word.text.startswith("-"):
            yield AptPackage(word.text, ran.step.instruction.at(word))
