"""Workspaces: the project folder in the place of one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..exceptions import UserErrorException, raising

if TYPE_CHECKING:
    from .model import Model

__all__ = ["Workspace"]

_CONFIG = ("config.json", ".azureml/config.json", "aml_config/config.json")


class Workspace:
    """Stands for a workspace and asks none: its models are those of a project folder (docs/project-file.md).

    :ivar name: as a ``config.json`` in the folder says it, else the folder's; ``subscription_id`` and
        ``resource_group`` are None without one.
    :ivar project: the folder: where the script runs, unless ``from_config`` is given another.
    """

    def __init__(
        self,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        workspace_name: str | None = None,
        **_: Any,
    ) -> None:
        self.subscription_id = subscription_id
        self.resource_group = resource_group
        self.project: Path = Path.cwd()
        self.name: str = workspace_name or self.project.name

    def __repr__(self) -> str:
        """The name and the folder."""
        return f"Workspace(name={self.name!r}, project={str(self.project)!r})"

    @property
    def models(self) -> Mapping[str, Model]:
        """The newest of each model of the project, by its name.

        Of a name that is not among them it says, when it is asked for, what ``Model(ws, NAME)`` does.
        """
        from .model import Model

        return _Models(self, {each.name: each for each in Model.list(self, latest=True)})

    @staticmethod
    def from_config(path: str | os.PathLike[str] | None = None, auth: Any = None, **_: Any) -> Workspace:
        """The folder in which the script runs, or another.

        :param path: a folder, or the ``config.json`` in it; the file need not be there.
        :param auth: without meaning.
        :raises UserErrorException: there is no such path, or the file is not what Azure writes.
        """
        place = Path(path or ".").resolve()
        if not place.exists():
            raise UserErrorException("does not exist", location=str(path))
        files = [place] if place.is_file() else [place / each for each in _CONFIG]
        folder = place.parent if place.is_file() else place
        if place.is_file() and folder.name in (".azureml", "aml_config"):
            folder = folder.parent
        said = next((_read(each) for each in files if each.is_file()), {})
        made = Workspace(said.get("subscription_id"), said.get("resource_group"), said.get("workspace_name"))
        made.project = folder
        made.name = said.get("workspace_name") or folder.name
        return made

    @staticmethod
    def get(
        name: str, auth: Any = None, subscription_id: str | None = None, resource_group: str | None = None, **_: Any
    ) -> Workspace:
        """As ``from_config``, with the names that are given."""
        return Workspace(subscription_id, resource_group, name)


class _Models(dict[str, "Model"]):
    """Models by their names, of which one that is not there is looked for as a script's other models are."""

    def __init__(self, workspace: Workspace, found: Mapping[str, Model]) -> None:
        super().__init__(found)
        self._workspace = workspace

    def __missing__(self, name: str) -> Model:
        from .model import Model

        return Model(self._workspace, name)


_ONLY_AZURE = {
    "create": "`az ml workspace create` makes one; none is needed here.",
    "delete": "`az ml workspace delete` deletes one.",
    "get_default_datastore": "Copy the data to this machine: `az ml data`, or azcopy.",
    "get_default_keyvault": "Give secrets when you build: `dagger-aml build --secret`.",
    "get_details": "`az ml workspace show` has them.",
    "list": "`az ml workspace list` has them.",
    "list_keys": "`az ml workspace list-keys` has them.",
    "set_default_datastore": "Copy the data to this machine: `az ml data`, or azcopy.",
    "write_config": "No config.json is needed here.",
}
for _name, _how in _ONLY_AZURE.items():
    setattr(Workspace, _name, staticmethod(raising(f"Workspace.{_name}", _how)))


def _read(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        said = None
    if not isinstance(said, dict):
        raise UserErrorException("is no config.json of a workspace", location=str(path))
    return said
