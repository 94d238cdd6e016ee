"""What the user declared, as frozen data; what recipes work from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import Factory, field

from .. import contract
from ..data import frozen
from ..errors import ProjectError
from ..finding import FileLocation
from ..graph.access import Access
from ..graph.base import From
from ..pysource.reached import Reached
from ..requirements.conda_twins import CondaSettings
from ..steps.installer import Installer
from ..steps.model import Model
from ..steps.packages import Via
from ..steps.packages_files import PackagesAs
from .companions import parts_of
from .discover import own
from .file_keys import ATOL, RTOL
from .layout import Layout
from .notes import Notes

if TYPE_CHECKING:
    from .deployment.taken import DeploymentFile
    from .mlflow import MLflowModel


@frozen
class Project:
    """A project folder, read and checked; what recipes work from.

    :param root: the folder, absolute.
    :param base: of the image, for the first platform.
    :param platforms: all of them; `build` makes an index of several.
    :param recipe: a recipe's name, or the path of a recipe file.
    :param apt: Debian packages.
    :param requirements: what pip installs: a requirements file, a lock file, ``pyproject.toml`` or a conda file.
    :param conda: how it is read, if it is a conda file.
    :param pip: requirements to install beside it.
    :param server: whether the inference server is added to the base.
    :param environment_only: whether the image is to have packages alone; then there is neither code nor model here.
    :param deployment: the deployment file that counts; None without.
    :param code: the code folder, in which the server starts; None where there is none.
    :param code_of: the folder that is copied, where the code folder is one in it; None where it is the code folder.
    :param entry_script: relative to it.
    :param models: in the order in which they were declared or found.
    :param models_root: where they go in the image.
    :param mlflow: the model, where it is MLflow's and served by a script of dagger-aml's, as there is none.
    :param layouts: how each of the models lies in the image, and what the code says of it.
    :param preinstalled: a site-packages folder of the user's.
    :param via: how preinstalled packages reach ``sys.path``.
    :param packages_as: ``files`` where the wheels of a lock are copied and nothing is installed.
    :param request: a sample request, and ``answer`` what it must give; never part of the image.
    :param rtol: how far a number of the answer may lie from the expected one, relative; ``atol`` the same, absolute.
    :param access: how the build's commands reach what they install from.
    :param installer: of the packages: ``pip`` or ``uv``.
    :param pip_check: whether ``pip check`` is run before and after packages are installed.
    :param excluded: what lies in the code folder and is neither code nor another part.
    :param kept: what of the code folder is taken whatever ignore files say.
    :param version: as the project's file says it, else its ``pyproject.toml``; None where neither does.
    :param used: what the entry script leads to; None without code.
    :param notes: what was learnt while it was read, for the rules.
    :param ignored: ids of the rules that are not to be told, or what these begin with.
    :param selected: ids of the rules that are run, likewise; empty for those that are on by default. ``extended``
        those that are run beside them.
    :param origins: for each value, where it is from: ``dagger-aml.toml:7``, ``Options(base=…)``,
        ``$DAGGER_AML_BASE``, ``found``, ``default``.
    """

    root: Path
    name: str
    base: From
    platforms: tuple[str, ...] = field(default=Factory(lambda self: (self.base.platform,), takes_self=True))
    recipe: str = "extended"
    apt: tuple[str, ...] = ()
    requirements: Path | None = None
    conda: CondaSettings = field(factory=CondaSettings)
    pip: tuple[str, ...] = ()
    env: Mapping[str, str] = field(factory=dict)
    labels: Mapping[str, str] = field(factory=dict)
    server: bool = False
    environment_only: bool = False
    deployment: DeploymentFile | None = field(default=None, eq=False, repr=False)
    code: Path | None = None
    code_of: Path | None = None
    entry_script: str = "score.py"
    models: tuple[Model, ...] = ()
    mlflow: MLflowModel | None = None
    layouts: tuple[Layout, ...] = field(default=(), eq=False, repr=False)
    models_root: str = contract.MODELS_ROOT
    preinstalled: Path | None = None
    via: Via = "start-script"
    packages_as: PackagesAs = "installed"
    request: Path | None = None
    answer: Path | None = None
    rtol: float = RTOL
    atol: float = ATOL
    access: Access = field(factory=Access)
    installer: Installer = "pip"
    pip_check: bool = True
    excluded: tuple[Path, ...] = ()
    kept: tuple[Path, ...] = ()
    version: str | None = None
    used: Reached | None = field(default=None, eq=False, repr=False)
    notes: Notes = field(factory=Notes, eq=False, repr=False)
    ignored: tuple[str, ...] = field(default=(), eq=False)
    selected: tuple[str, ...] = field(default=(), eq=False)
    extended: tuple[str, ...] = field(default=(), eq=False)
    origins: Mapping[str, str] = field(factory=dict, eq=False, repr=False)

    @property
    def serves(self) -> bool:
        """Whether the image has an entry script: the project's, or the one for MLflow models."""
        return self.code is not None or self.mlflow is not None

    @property
    def other_parts(self) -> tuple[Path, ...]:
        """What lies in the project and is not code, though it may lie in the code folder."""
        models = [path for model in self.models for path in (model.path, *parts_of(model.path))]
        if self.deployment and self.used and not self.used.reads_model_dir:
            models = []  # Azure ML leaves what lies among the code, where such code may look for its model.
        parts = [self.root / name for name in own(self.used)]
        parts += [part for part in (self.requirements, self.preinstalled, self.request, self.answer) if part]
        if (self.code_of or self.code) != self.root:
            parts = [part for part in parts if part == self.preinstalled]
        return (*parts, *self.excluded, *models)

    def at(self, path: Path, line: int | None = None) -> FileLocation:
        """A place as findings name it: ``code/score.py:7``, relative to the project where it lies in it."""
        return FileLocation.below(self.root, path, line)

    @property
    def source_directory(self) -> str:
        """The code folder's own name, which ``Model.package()`` keeps in the image."""
        return plain_name((self.code_of or self.code or self.root).name)

    @property
    def preinstalled_name(self) -> str:
        """The user's site-packages folder, relative to the project, as it will be relative to the entry script."""
        assert self.preinstalled is not None
        try:
            return self.preinstalled.relative_to(self.root).as_posix()
        except ValueError:
            raise ProjectError(
                "the folder of preinstalled packages must lie in the project", location=str(self.preinstalled)
            ) from None


def plain_name(text: str) -> str:
    """A name made of a folder's, of characters that image and model names may have."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._") or "project"
