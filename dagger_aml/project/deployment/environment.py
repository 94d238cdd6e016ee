"""The environment of a deployment file: inline, by a file of its own, or registered."""

from __future__ import annotations

from collections.abc import Mapping

from ... import contract
from ...errors import ProjectError
from ...requirements.conda_yaml import is_conda
from .document import Document, read_document
from .keys import check_keys
from .model import Environment, Place, RegisteredEnvironment, Route
from .placeholders import refuse_placeholder
from .references import NotAReference, forms, is_reference, parse_reference

_FILE = "file:"


def read_environment(document: Document) -> Environment | RegisteredEnvironment | None:
    """What a deployment file's ``environment`` says; None without one.

    :raises ProjectError: it cannot be read, with its line.
    """
    value = document.data.get("environment")
    if value is None:
        return None
    if isinstance(value, Mapping):
        return _inline(document, ("environment",))
    refuse_placeholder(document, "environment")
    if value.startswith(_FILE):
        return _of_file(document, value.removeprefix(_FILE))
    if is_reference(value):
        return _registered(document, value)
    name = value if value.endswith((".yml", ".yaml")) else "env.yml"
    raise document.error(
        f"`environment` is a bare text, {value!r}, which Azure ML refuses",
        "environment",
        hint=f"Of a file write `environment: file:{name}`; of a registered one {forms('environment')}.",
    )


def check_routes(environment: Environment) -> None:
    """See that an environment's routes are those that the inference server answers on, as any image of ours does.

    :raises ProjectError: one is another.
    """
    for name, route in environment.routes.items():
        if (route.path, route.port) != (contract.ROUTES[name], contract.SCORING_PORT):
            place = environment.places.get(f"inference_config.{name}", environment.place)
            raise ProjectError(
                f"`{name}` is {route.path} at port {route.port}, but Azure ML's inference server, which serves the "
                f"code here, answers {contract.ROUTES[name]} at port {contract.SCORING_PORT}",
                location=place.location,
                hint="Leave `inference_config` out to have an image that Azure ML's server serves; an image with a "
                "server of its own is finished already, and needs nothing of dagger-aml.",
            )


def _of_file(document: Document, name: str) -> Environment:
    """The environment that a file of its own has."""
    path = document.beside(name)
    if not path.is_file():
        raise document.error(f"`environment` names {name}, which does not exist", "environment")
    if is_conda(path):
        raise document.error(
            f"`environment` names {name}, which is a conda file",
            "environment",
            hint=f"Write `environment:` with two keys below it: `image:`, and `conda_file: {name}`.",
        )
    inner = read_document(path)
    if path.parent != document.path.parent and not isinstance(inner.data.get("name"), str):
        raise inner.error(
            "the environment has no `name`",
            hint=f"Add one. Without it azure-ai-ml looks for {name} a second time, from the folder of that file.",
        )
    return _inline(inner, ())


def _registered(document: Document, text: str) -> RegisteredEnvironment:
    try:
        found = parse_reference(text, "environment")
    except NotAReference as error:
        raise document.error(f"{text!r} {error}", "environment", hint=f"Write {forms('environment')}.") from None
    return RegisteredEnvironment(
        text, found.name, found.version, found.label, found.registry, document.place("environment")
    )


def _inline(document: Document, at: tuple[str, ...]) -> Environment:
    """An environment that stands at a place of a document."""
    said = document.data["environment"] if at else document.data
    check_keys(document, "anonymous_environment", at)
    for key in ("image", "conda_file"):
        refuse_placeholder(document, *at, key)
    if str(said.get("os_type", "linux")).lower() != "linux":
        raise document.error("an image for Windows cannot be built", *at, "os_type")
    if ("image" in said) == ("build" in said):
        both = "both `image` and `build`" if "image" in said else "neither `image` nor `build`"
        raise document.error(f"the environment has {both}", *at, hint="Azure ML wants one of the two.")
    if "build" in said and not said["build"].get("path"):
        raise document.error("`build` has no `path`", *at, "build", hint="It is the folder that has the Dockerfile.")
    conda = said.get("conda_file")
    if "conda_file" in said and not (isinstance(conda, (str, Mapping)) and conda):
        raise document.error("`conda_file` must name a file, or hold one", *at, "conda_file")
    version = said.get("version")
    routes = {
        name: Route(str(route["path"]), int(route["port"]))
        for name, route in said.get("inference_config", {}).items()
    }
    places = {key: document.place(*at, key) for key in said}
    places |= {f"inference_config.{name}": document.place(*at, "inference_config", name) for name in routes}
    return Environment(
        name=said.get("name"),
        version=None if version is None else str(version),
        image=said.get("image"),
        conda=document.beside(conda) if isinstance(conda, str) else None,
        conda_inline=conda if isinstance(conda, Mapping) else None,
        build=said.get("build"),
        routes=routes,
        place=document.place(*at) if at else Place(document.path, 1),
        places=places,
    )
