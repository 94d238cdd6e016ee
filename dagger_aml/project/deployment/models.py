"""The model of a deployment file: what lies here, or what a flag gives for one that is registered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ...data import frozen
from ...errors import ProjectError, UsageError
from ...fs.nearby import meant
from ...pysource.reached import Reached
from ...steps.model import Model
from ...text import named
from ..layout import Layout, lay_out
from ..model import plain_name
from ..origin import Origin, Rank, located
from .model import LocalModel, RegisteredModel
from .place import shown
from .taken import DeploymentFile

_GIVEN = re.compile(r"(?P<name>[^:=@]+):(?P<version>[^:=@]+)=(?P<path>.+)", re.DOTALL)


@frozen
class GivenModel:
    """What ``--model NAME:VERSION=PATH`` says.

    :param path: relative to the working directory.
    """

    name: str
    version: str
    path: Path
    text: str


def given_models(texts: Sequence[str]) -> tuple[GivenModel, ...]:
    """Read the flags.

    :raises UsageError: one is not NAME:VERSION=PATH, or two give one model.
    """
    found: dict[tuple[str, str], GivenModel] = {}
    for text in texts:
        match = _GIVEN.fullmatch(text)
        if match is None:
            raise UsageError(f"not NAME:VERSION=PATH: {text!r}", location=named("model"))
        each = GivenModel(match["name"], match["version"], Path(match["path"]).expanduser(), text)
        if found.setdefault((each.name, each.version), each) is not each:
            raise UsageError(f"the model {each.name}:{each.version} is given twice", location=named("model"))
    return tuple(found.values())


def deployed_model(file: DeploymentFile, texts: Sequence[str], used: Reached | None) -> tuple[Layout, Origin] | None:
    """The model as Azure ML puts it: below its name and version, a folder by its own name.

    :param texts: what ``--model`` says.
    :param used: what the entry script leads to; None without code.
    :raises ProjectError: it does not exist, or is for a server of its own. :raises UsageError: it is registered and
        no flag gives it; a flag gives what the file does not name, or two give it.
    """
    model, given = file.deployment.model, given_models(texts)
    if not isinstance(model, RegisteredModel):
        if given:
            raise UsageError(
                f"{file.shown} names no registered model",
                location=named("model", given[0].text),
                hint=f"Remove {named('model')}: the model is the one of the file."
                if model
                else f"Remove {named('model')}.",
            )
        return _local(file, model, used) if model else None
    found = next((each for each in given if _is_meant(each, model)), None)
    if found is None:
        raise _not_given(file, model, given)
    if other := next((each for each in given if each is not found), None):
        raise UsageError(
            f"{file.shown} names one model, {model.text}, which another {named('model')} gives already: {found.text}",
            location=named("model", other.text),
            hint=f"Remove one of the two {named('model')}.",
        )
    origin = Origin(Rank.FLAG, setting="model")
    if not found.path.exists():
        raise ProjectError(f"{str(found.path)!r} does not exist", location=named("model", found.text))
    path = found.path.absolute()
    with located(named("model", found.text), always=True):
        plain, kept = (Model(path, found.name, found.version, keep_folder=keep) for keep in (False, True))
    if not path.is_dir():
        return lay_out(plain, said=True, alone=True, used=used), origin
    by_code = lay_out(plain, said=False, alone=True, used=used)
    if by_code.decided_by:
        return by_code, origin
    made = plain if is_download(path, found.name) else kept
    return lay_out(made, said=True, alone=True, used=used), origin


def is_download(path: Path, name: str) -> bool:
    """Whether a folder is one that ``az ml model download`` makes: called as the model, and with the registered file
    or folder in it."""
    return path.name == name and len(list(path.iterdir())) == 1


def _local(file: DeploymentFile, model: LocalModel, used: Reached | None) -> tuple[Layout, Origin]:
    origin = file.at(model.place)
    if not model.path.exists():
        raise ProjectError(
            f"the model {shown(model.path, file.root)!r} does not exist",
            location=origin.location,
            hint=f"{meant(model.path, file.root)}Paths in this file are relative to {model.place.file.parent}.",
        )
    if model.type == "triton_model":
        raise ProjectError(
            "a triton_model is served by NVIDIA's Triton, and what is made here has Azure ML's inference server",
            location=origin.location,
        )
    path = model.path.resolve() if model.path.name in ("", "..") else model.path
    name = model.name or plain_name(path.stem if path.is_file() else path.name)
    with located(origin, always=True):
        made = Model(path, name, model.version or "1", keep_folder=path.is_dir())
    return lay_out(made, said=True, alone=True, used=used), origin


def _is_meant(given: GivenModel, model: RegisteredModel) -> bool:
    return given.name == model.name and model.version in (None, given.version)


def _not_given(file: DeploymentFile, model: RegisteredModel, given: Sequence[GivenModel]) -> UsageError:
    """The error for a registered model, with the commands that get it."""
    registry = f" --registry-name {model.registry}" if model.registry else ""
    version = model.version or "VERSION"
    lines = [f"az ml model download --name {model.name} --version {version}{registry}"]
    if model.version is None:
        which = f"--label {model.label}" if model.label else ""
        lines.insert(0, f"az ml model show --name {model.name} {which}{registry}   # tells the VERSION")
    lines.append(f"Then add: {named('model', f'{model.name}:{version}={model.name}')}")
    other = (
        f", and {named('model')} gives {', '.join(f'{each.name}:{each.version}' for each in given)}" if given else ""
    )
    return UsageError(
        f"the model {model.text} is registered in Azure ML and does not lie here{other}",
        location=file.at(model.place).location,
        hint="Get it, and say where it is:\n" + "\n".join(lines),
    )
