"""Models, and what packages them."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..exceptions import UserErrorException, WebserviceException, raising
from ..inference import InferenceConfig
from ..package import ModelPackage
from .webservice import RUN

if TYPE_CHECKING:
    from ..models import Named, OfProject

__all__ = ["InferenceConfig", "Model", "ModelPackage"]


class Model:
    """A model of the project, by its name.

    :param workspace: the project.
    :param name: as the project's file declares it. A single model that is found in the folder, and declared by
        nothing, has the name that the script gives it.
    :param id: ``NAME:VERSION``, in place of the name.
    :param version: the newest unless given.
    :raises WebserviceException: the project has no such model.
    """

    tags: dict[str, Any]
    properties: dict[str, Any]

    def __init__(
        self,
        workspace: OfProject,
        name: str | None = None,
        id: str | None = None,
        tags: Any = None,
        properties: Any = None,
        version: int | str | None = None,
        **_: Any,
    ) -> None:
        if id is not None:
            name, _colon, of_id = id.partition(":")
            version = of_id or version
        self._set(workspace, _found(workspace, name, None if version is None else str(version)))
        self.tags, self.properties = tags or {}, properties or {}

    def _set(self, workspace: OfProject, named: Named) -> None:
        self.workspace = workspace
        self._named = named
        self.name: str = named.model.name
        self.version: int | str = int(named.model.version) if named.model.version.isdecimal() else named.model.version
        self.id: str = f"{self.name}:{self.version}"
        self.description: str | None = None
        self.tags, self.properties = {}, {}

    def __repr__(self) -> str:
        """The name and the version."""
        return f"Model(name={self.name!r}, version={self.version!r})"

    @staticmethod
    def list(
        workspace: OfProject,
        name: str | None = None,
        tags: Any = None,
        properties: Any = None,
        run_id: str | None = None,
        latest: bool = False,
        dataset_id: str | None = None,
        expand: bool = True,
        page_count: int = 255,
        model_framework: str | None = None,
    ) -> builtins.list[Model]:
        """The models of the project, those that its file declares or that are found; none of a workspace.

        :param name: only those that are called so; ``latest`` only the newest of each name.
        :param expand: without meaning, as is ``page_count``.
        :raises WebserviceException: the project has none of that name, as of ``Model(workspace, name)``.
        :raises UserErrorException: it has none at all; it is asked for what only the workspace knows: tags,
            properties, a run, a data set or a framework.
        """
        of_azure = {"tags": tags, "properties": properties, "run_id": run_id, "dataset_id": dataset_id}
        for argument, said in {**of_azure, "model_framework": model_framework}.items():
            if said:
                raise UserErrorException(
                    "only the workspace knows which models have it, and nothing here asks that",
                    location=argument,
                    hint=f"Leave {argument} out, or see `az ml model list`.",
                )
        from ..models import project_models

        there = [each for each in project_models(workspace.project) if name in (None, each.model.name)]
        if not there and name:
            return [Model(workspace, name)]
        if not there:
            raise UserErrorException(
                "the project has no models, and registered models lie in Azure",
                location="workspace",
                hint=_get(workspace, "NAME", None),
            )
        there.sort(key=_age)
        if latest:
            there = [*{each.model.name: each for each in there}.values()]
        return [_model(workspace, each) for each in there]

    @staticmethod
    def package(
        workspace: OfProject,
        models: Sequence[Model | str],
        inference_config: InferenceConfig | None = None,
        generate_dockerfile: bool = False,
        image_name: str | None = None,
        image_label: str | None = None,
    ) -> ModelPackage:
        """Package models with what serves them, by the recipe ``package`` (docs/package.md).

        What is wrong with the models or the project is raised here; an image is built by ``wait_for_creation``.

        :param models: models of the project, by their names too, or paths of files and folders; may be empty.
        :param generate_dockerfile: whether a Dockerfile and its folder are made, not an image.
        :param image_name: of the image: ``package`` unless given. One with a registry before it is pushed there.
        :param image_label: its tag: the time, ``yyyymmddhhmmss``, unless given.
        :raises WebserviceException: something is no model, or there is no environment.
        :raises UserErrorException: there is no inference config; something cannot be done here.
        :raises ProjectError, GraphError, FindingsError: what the recipe refuses.
        """
        from ..script import Script

        named = [_resolved(workspace, each) for each in models]
        if inference_config is None:
            raise UserErrorException(
                "an InferenceConfig is needed: what is packaged is served by an entry script",
                location="inference_config",
                hint="Write a score.py with init() and run(), and name it in InferenceConfig. A folder that MLflow "
                "saved needs none: build it by `dagger-aml build` (docs/mlflow.md).",
            )
        script = Script.of(workspace.project, named, inference_config)
        return ModelPackage(
            workspace, script, generate_dockerfile=generate_dockerfile, image_name=image_name, image_label=image_label
        )


_ONLY_AZURE = {
    "deploy": f"{RUN} A managed endpoint takes the image by `az ml online-deployment create`.",
    "download": "`az ml model download` gets one; then name it in the project's file.",
    "profile": "Run the packaged image, and measure there.",
    "register": "Name its file or folder under [[models]] in dagger-aml.toml. `az ml model create` registers it.",
    "update": "Change dagger-aml.toml, [[models]].",
    "delete": "`az ml model archive` takes one out of the workspace.",
    "get_model_path": "In the image the model is in the folder that AZUREML_MODEL_DIR names.",
}
for _name, _how in _ONLY_AZURE.items():
    setattr(Model, _name, staticmethod(raising(f"Model.{_name}", _how)))


def _model(workspace: OfProject, named: Named) -> Model:
    made = Model.__new__(Model)
    made._set(workspace, named)
    return made


def _age(named: Named) -> tuple[bool, int]:
    """Orders the versions of a model, the newest last."""
    version = named.model.version
    return version.isdecimal(), int(version) if version.isdecimal() else 0


def _get(workspace: OfProject, name: str, version: str | None) -> str:
    """How a registered model is got and named."""
    return (
        f"A registered one: az ml model download --name {name} --version {version or 'VERSION'}\n"
        f"Then declare it in {workspace.project / 'dagger-aml.toml'}:\n"
        f'[[models]]\npath = "{name}"\nname = "{name}"\nversion = "{version or 1}"'
    )


def _resolved(workspace: OfProject, model: Model | str) -> Named:
    if isinstance(model, Model):
        return model._named
    if not isinstance(model, str):
        raise WebserviceException(
            f"neither a Model nor a text: {type(model).__name__}", location="models", hint="Give Model(ws, NAME)."
        )
    from ..models import by_path, project_models

    name, _, version = model.partition(":")
    for each in project_models(workspace.project):
        if each.model.name == name and version in ("", each.model.version):
            return each
    found = by_path(model)
    if found is None:
        raise WebserviceException(
            f"the project has no model {model!r}, and there is no such file or folder",
            location="models",
            hint=f"Models are looked for in {workspace.project}.",
        )
    return found


def _found(workspace: OfProject, name: str | None, version: str | None) -> Named:
    """The model of a project by its name."""
    from attrs import evolve

    from ..models import project_models

    if not name:
        raise WebserviceException("a model is named by its name or its id", location="name")
    there = project_models(workspace.project)
    alike = [each for each in there if each.model.name == name and version in (None, each.model.version)]
    if alike:
        return max(alike, key=_age)
    if len(there) == 1 and not there[0].declared:
        only = there[0].model
        return evolve(there[0], model=evolve(only, name=name, version=version or only.version))
    known = ", ".join(f"{each.model.name}:{each.model.version}" for each in there)
    raise WebserviceException(
        f"ModelNotFound: the project has no model {name}" + (f":{version}" if version else ""),
        location="name",
        hint=(f"It has {known}.\n" if known else "") + _get(workspace, name, version),
    )
