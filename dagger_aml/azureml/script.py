"""What a script says, as a project: so that the one way to an image is taken, rules and all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve, field

from ..base.training import is_training
from ..contract import EXTRA_LIB_PATH
from ..data import frozen
from ..errors import DaggerAmlError, FindingsError
from ..finding import Finding
from ..fs.disk_space import temporary_folder
from ..plan.conda import conda_text
from ..project.conda import with_server
from ..project.deployment.bases import beside, in_place_of, instead_of
from ..project.file import ProjectFile, read_project_file
from ..project.load import read_project
from ..project.merge import Reading
from ..project.model import Project
from ..project.origin import Origin, Rank
from ..project.settings import Options
from ..project.tables import ModelTable, Tables
from .conda import conda_file, python_of
from .dockerfile_base import base_of
from .exceptions import UserErrorException, WebserviceException
from .inference import InferenceConfig
from .models import Named

if TYPE_CHECKING:
    from .core.environment import Environment

_MODELS = Origin(Rank.FILE, file="models of Model.package")


@frozen
class ScriptFile(ProjectFile):
    """A project's file, with what the script says in the place of what it says.

    :param said: where the script says it, by the keys of the file.
    """

    said: Mapping[tuple[str | int, ...], Origin] = field(factory=dict)

    def origin(self, *key: str | int) -> Origin:
        """As of a file; what the script says, it says by the name of an argument."""
        found = self.said.get(key) or self.said.get(key[:1])
        return found or super().origin(*key)


@frozen
class Script:
    """What a script packages.

    :param project: with what the script says; and ``lines`` to tell of it.
    :param folder: of temporary files that the project names, gone with this object.
    """

    project: Project
    lines: tuple[str, ...]
    folder: Any = field(repr=False)

    @classmethod
    def of(cls, root: Path, models: Sequence[Named], config: InferenceConfig) -> Script:
        """Put it together.

        :param root: the project's folder.
        :raises WebserviceException: there is no environment.
        :raises UserErrorException: it says what cannot be done here.
        :raises ProjectError, UsageError: as :func:`dagger_aml.load_project`.
        """
        environment = _environment(config)
        folder = tempfile.TemporaryDirectory(prefix="dagger-aml-", dir=temporary_folder())
        code, script = _code(config)
        nothing = Path(folder.name, "none", "requirements.txt")
        nothing.parent.mkdir()
        nothing.write_text("", encoding="utf-8")
        options = Options(recipe="package" if config.source_directory else "extended", environment_only=False)
        reading = Reading(root, options, _file(root, models, environment, code, script, nothing))
        project = read_project(reading)
        alone = () if config.source_directory else tuple(each for each in code.iterdir() if each.name != script)
        listed = conda_file(environment, Path(folder.name))
        project = evolve(
            project,
            requirements=listed,
            pip=with_server(project.root, listed, project.conda, project.pip, project.recipe),
            excluded=(*alone, *(path for path in reading.file.paths if path.is_relative_to(code))),
            preinstalled=None,
            kept=(*project.kept, *_kept(code, environment)),
        )
        return cls(project, _told(project, environment), folder)

    def named(self, text: str) -> str:
        """A text without the folder of temporary files, of which nobody knows: ``conda_dependencies.yml:5``."""
        return text.replace(f"{self.folder.name}/", "")

    def named_in(self, finding: Finding) -> Finding:
        """A finding, so named."""
        location, hint = (text and self.named(text) for text in (finding.location, finding.hint))
        return evolve(finding, message=self.named(finding.message), location=location, hint=hint)

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Name it so in errors of the block, too."""
        try:
            yield
        except FindingsError as error:
            raise FindingsError(tuple(map(self.named_in, error.findings))) from None
        except DaggerAmlError as error:
            error.message = self.named(error.message)
            error.location = error.location and self.named(error.location)
            error.hint = error.hint and self.named(error.hint)
            raise

    @property
    def findings(self) -> Iterator[Finding]:
        """What of the script itself a user should know."""
        used = self.project.used
        others = sorted(used.loaded - {self.project.entry_script}) if used else []
        if self.project.recipe == "extended" and others:
            yield Finding(
                f"without a source_directory, {self.project.entry_script} alone goes into the image, and not what it "
                f"imports: {', '.join(others)}",
                location="source_directory of InferenceConfig",
                hint="Name the folder: InferenceConfig(source_directory=…, entry_script=…).",
            )


def _environment(config: InferenceConfig) -> Environment:
    """The environment of a config; of an older one, that which its other arguments describe.

    :raises WebserviceException: there is none. :raises UserErrorException: they ask for CUDA.
    """
    if config.environment:
        return config.environment
    if config.runtime != "python" or config.extra_docker_file_steps or config.cuda_version == "9.1":
        raise WebserviceException("an Environment is needed", location="inference_config.environment")
    if config.enable_gpu or config.cuda_version:
        raise UserErrorException(
            "a base with CUDA must be named",
            location="enable_gpu" if config.enable_gpu else "cuda_version",
            hint="Give an environment, with docker.base_image of `dagger-aml images`.",
        )
    from .core.environment import Environment

    folder = Path(config.source_directory or "")
    made = (
        Environment.from_conda_specification("package-env", folder / config.conda_file)
        if config.conda_file
        else Environment("package-env")
    )
    if config.base_image:
        made.docker.base_image = config.base_image
        if config.base_image_registry:
            made.docker.base_image_registry = config.base_image_registry
    return made


def _code(config: InferenceConfig) -> tuple[Path, str]:
    """The folder of the code, absolute, and the entry script in it.

    :raises UserErrorException: the script lies outside.
    """
    if not config.source_directory:
        path = Path(config.entry_script).absolute()
        return path.parent, path.name
    folder = Path(config.source_directory)
    path = Path(os.path.normpath(folder / config.entry_script))
    if not path.is_relative_to(folder):
        raise UserErrorException(
            f"{config.entry_script} lies outside of source_directory",
            location="entry_script",
            hint=f"It is {folder}.",
        )
    return folder, path.relative_to(folder).as_posix()


def _file(
    root: Path, models: Sequence[Named], environment: Environment, code: Path, script: str, requirements: Path
) -> ScriptFile:
    """The project's file, with what the script says over what it says.

    :param requirements: an empty list of packages, so that none is looked for.
    """
    file = read_project_file(root)
    name = f"of Environment {environment.name!r}"
    said: dict[tuple[str | int, ...], Origin] = {
        ("code", "path"): _argument("source_directory of InferenceConfig"),
        ("code", "entry-script"): _argument("entry_script of InferenceConfig"),
        ("requirements",): _argument(f"python.conda_dependencies {name}"),
        ("models",): _MODELS,
    }
    variables = _variables(environment)
    said |= {("env", key): _argument(f"environment_variables {name}") for key in variables}
    base = _base(environment)
    if base:
        said["base",] = _argument(f"docker.base_image {name}")
    there = file.tables if file.files else Tables()
    tables = evolve(
        there,
        base=base or there.base,
        code=evolve(there.code, path=str(code), entry_script=script),
        models=tuple(_table(each) for each in models),
        env={**there.env, **variables},
        requirements=str(requirements),
    )
    return ScriptFile(tables, file.files, said)


def _argument(text: str) -> Origin:
    return Origin(Rank.FILE, file=text)


def _table(named: Named) -> Any:
    model = named.model
    keep: Any = named.keep_folder
    return ModelTable(path=str(model.path), name=model.name, version=model.version, flat=model.flat, keep_folder=keep)


def _variables(environment: Environment) -> dict[str, str]:
    """The variables as texts; whole numbers are written as such.

    :raises UserErrorException: a value is neither.
    """
    found = {}
    for name, value in (environment.environment_variables or {}).items():
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise UserErrorException(
                f"the value of {name} is no text: {value!r}",
                location="environment_variables",
                hint="Put it in quotes.",
            )
        found[name] = value
    return found


def _base(environment: Environment) -> str | None:
    """The base that a script names; None where it leaves it to the default.

    :raises UserErrorException: it is made by a Dockerfile; docker has no login for its registry.
    """
    docker = environment.docker
    if docker.base_dockerfile:
        return base_of(docker.base_dockerfile)
    if docker.is_default or not docker.base_image:
        return None
    if is_training(docker.base_image):
        return beside(docker.base_image, instead_of(docker.base_image, python_of(environment)))
    address = docker.base_image_registry.address
    if not address:
        return docker.base_image
    if docker.base_image_registry.password:
        from ..oci.credentials import credentials

        if not any(credentials(address)):
            raise UserErrorException(
                f"docker has no login for {address}; none is taken from a script",
                location="docker.base_image_registry",
                hint=f"docker login {address}",
            )
    return docker.base_image if docker.base_image.startswith(f"{address}/") else f"{address}/{docker.base_image}"


def _told(project: Project, environment: Environment) -> tuple[str, ...]:
    """What to tell of the base and the packages."""
    lines = [f"Base image: {project.base.reference}"]
    image = environment.docker.base_image
    if image and is_training(image):
        lines[0] += f", {in_place_of(image)}"
    listed = [line for line in conda_text(project) if line]
    if not listed:
        listed = ["No packages are installed."]
    elif not python_of(environment):
        listed.insert(1, "  for the base image's Python: the script names none")
    return (*lines, *listed)


def _kept(code: Path, environment: Environment) -> tuple[Path, ...]:
    """The folder among the code of which a variable says that packages lie in it."""
    first = Path((environment.environment_variables or {}).get(EXTRA_LIB_PATH, "")).parts[:1]
    return (code / first[0],) if first and (code / first[0]).is_dir() else ()
