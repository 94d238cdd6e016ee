"""Rules about variables of a Dockerfile, about secrets in it, and about its ports."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from .. import contract
from ..finding import Finding, Fix
from . import mending
from .dockerfile_or_project import asked
from .facts import Server, StartScript, Variable
from .rule import rule
from .secret_texts import secrets_in

if TYPE_CHECKING:
    from .inputs.dockerfile import InferenceBase
    from .inputs.instructions import Dockerfile
    from .inputs.stages import Built

_EXTRAS = {contract.EXTRA_LIB_PATH: 97, contract.EXTRA_CONDA_YAML: 98, contract.EXTRA_REQUIREMENTS: 99}
"""The variables that ask for packages at start, with the exit code where what they name is not found."""

_LOGIN = re.compile(r"https?://[^\s/:@'\"]+:([^\s/@'\"]+)@")
_LOCAL = re.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::([^\s/'\"|;)]+))?(/[^\s'\"|;)]*)?")

_PORTS = {str(contract.SCORING_PORT), "31311"}
"""Where nginx and the server listen."""

_PATHS = ("/", "/score", "/swagger.json")

_MOVED = {"HEALTH_PORT", "SEPERATE_HEALTH_ENDPOINT", "SERVICE_PATH_PREFIX"}
"""Variables by which the server answers elsewhere too."""


@rule("AML740", "warning")
def absolute_script_with_extras(start_script: StartScript, variables: Mapping[str, Variable]) -> Iterator[Finding]:
    """AZUREML_ENTRY_SCRIPT is absolute, and packages are to be installed at start.

    The start script looks for the list or folder of packages beside the entry script, and takes its path for one
    below `/var/azureml-app` all the same: the container ends with exit code 97, 98 or 99.

    Bad `Dockerfile`:

        ENV AZUREML_ENTRY_SCRIPT=/var/azureml-app/score.py
        ENV AZUREML_EXTRA_REQUIREMENTS_TXT=requirements.txt

    Good `Dockerfile`:

        ENV AZUREML_ENTRY_SCRIPT=score.py
        ENV AZUREML_EXTRA_REQUIREMENTS_TXT=requirements.txt

    Silent: where no packages are asked for, since the server itself takes an absolute path.
    """
    script = variables.get(contract.ENTRY_SCRIPT)
    if script and script.value.startswith("/") and asked(variables) and start_script.installs:
        relative = script.value.removeprefix(contract.APP_ROOT).lstrip("/")
        yield Finding(
            f"{contract.ENTRY_SCRIPT} is absolute, so what {asked(variables)[0]} names is not found at start",
            location=script.location,
            hint=f"Write it relative to {contract.APP_ROOT}, such as {relative}.",
            fixes=mending.value(script.location, contract.ENTRY_SCRIPT, script.value, relative)
            if _below_root(script.value, variables)
            else (),
        )


@rule("AML742", "error")
def absolute_extras(start_script: StartScript, variables: Mapping[str, Variable]) -> Iterator[Finding]:
    """The path of packages that are asked for at start is absolute.

    The start script puts it behind the entry script's folder, where there is no such file, and the container ends.

    Bad `Dockerfile`:

        ENV AZUREML_EXTRA_REQUIREMENTS_TXT=/var/azureml-app/requirements.txt

    Good `Dockerfile`:

        ENV AZUREML_EXTRA_REQUIREMENTS_TXT=requirements.txt

    Silent: relative paths, and `AZUREML_EXTRA_CONDA_YAML_ABS_PATH`, which is meant to be absolute.
    """
    for name in asked(variables)[:1]:
        if variables[name].value.startswith("/") and start_script.installs:
            yield Finding(
                f"{name} is absolute, and is looked for below the entry script's folder: the container ends with "
                f"exit code {_EXTRAS[name]}",
                location=variables[name].location,
                hint="Write it relative to the entry script's folder.",
                fixes=_relative(name, variables),
            )


def _below_root(path: str, variables: Mapping[str, Variable]) -> bool:
    """Whether a path lies below the folder that the start script begins in, and is written without detours."""
    return (
        path.startswith(f"{contract.APP_ROOT}/")
        and path == posixpath.normpath(path)
        and contract.APP not in variables
    )


def _relative(name: str, variables: Mapping[str, Variable]) -> tuple[Fix, ...]:
    """What a variable of packages names, relative to the entry script's folder, where it lies in that."""
    path, script = variables[name], variables.get(contract.ENTRY_SCRIPT)
    said = script.value.removeprefix(contract.APP_ROOT).lstrip("/") if script else ""
    folder = posixpath.normpath(posixpath.join(contract.APP_ROOT, posixpath.dirname(said)))
    if not _below_root(path.value, variables) or not path.value.startswith(f"{folder}/"):
        return ()
    return mending.value(path.location, name, path.value, path.value.removeprefix(f"{folder}/"))


@rule("AML743", "warning")
def extras_of_a_curated_image(start_script: StartScript, variables: Mapping[str, Variable]) -> Iterator[Finding]:
    """Packages are asked for at start on an image that installs none.

    Azure ML's minimal curated images have a start script without that part: it ignores the variables without a word.

    Bad `Dockerfile`:

        FROM mcr.microsoft.com/azureml/curated/minimal-py311-inference:latest
        ENV AZUREML_EXTRA_REQUIREMENTS_TXT=requirements.txt

    Good `Dockerfile`:

        FROM mcr.microsoft.com/azureml/curated/minimal-py311-inference:latest
        COPY requirements.txt /tmp/requirements.txt
        RUN pip install --no-cache-dir -r /tmp/requirements.txt

    Silent: other images.
    """
    if start_script.installs is False:
        for name in asked(variables):
            yield Finding(
                f"{name} is ignored: the start script of {start_script.of} installs nothing",
                location=variables[name].location,
                hint="Install the packages in the Dockerfile.",
            )


@rule("AML744", "warning")
def secret_in_an_instruction(dockerfile: Dockerfile) -> Iterator[Finding]:
    """A secret stands in the Dockerfile.

    Variables, arguments and commands are part of the image's history, which everyone who can pull it can read.

    Bad `Dockerfile`:

        RUN pip install --index-url https://user:…@pypi.example.com/simple …

    Good `Dockerfile`:

        RUN --mount=type=secret,id=pip,target=/etc/pip.conf pip install …

    Silent: variables in place of a secret, texts that only stand for one, and all whose form does not say what they
    are. The message shows four letters, and never the line.
    """
    for each in dockerfile.instructions:
        found = [f"{kind} ({begin})" for kind, begin, _ in secrets_in(each.text)]
        found += [
            f"the password of a URL ({match[1][:2]}…)"
            for match in _LOGIN.finditer(each.text)
            if match[1][0] not in "$<{[%" and len(set(match[1])) > 4 and match[1].lower() not in _NO_PASSWORDS
        ]
        for what in dict.fromkeys(found):
            yield Finding(
                f"{each.keyword} holds {what}, which everyone who can pull the image can read",
                location=each.at().hidden,
                hint="Replace it, since it may have been read, and mount the new one as a secret of the build, or "
                "give it to the endpoint as a variable.",
            )


_NO_PASSWORDS = frozenset({"password", "passwd", "token", "secret", "your-token", "your_token", "x-oauth-basic"})


@rule("AML746", "warning")
def another_port(inference: InferenceBase, built: Built, server: Server) -> Iterator[Finding]:
    """The port that is exposed is none at which the server answers.

    `EXPOSE` opens nothing: it says where the image answers, and Azure ML's answers at 5001, whatever stands there.
    Who publishes or probes the port that it names finds nothing.

    Bad `Dockerfile`:

        EXPOSE 8080

    Good `Dockerfile`:

        EXPOSE 5001

    Silent: an image with a command of its own, or that exposes 5001 too; ports that a variable has; where a variable
    says that health is asked at a port of its own.
    """
    if server != "azureml" or built.starts != (None, None) or _MOVED & built.variables.keys():
        return
    said = [
        (step, word, text)
        for step in built.steps
        if step.instruction.keyword == "EXPOSE"
        for word, text in zip(step.instruction.words, step.words, strict=True)
    ]
    ports = [(text or "").partition("/")[0] for _, _, text in said]
    if not all(re.fullmatch(r"\d+(-\d+)?", port) for port in ports) or any(map(_has_a_port, ports)):
        return
    for (step, word, _), port in zip(said, ports, strict=True):
        yield Finding(
            f"nothing answers at port {port}: the server does at {contract.SCORING_PORT}",
            location=step.instruction.at(word),
            hint=f"Write EXPOSE {contract.SCORING_PORT}, or nothing: the base says it.",
        )


def _has_a_port(said: str) -> bool:
    """Whether a port, or a range, has one where something answers."""
    first, _, last = said.partition("-")
    return any(int(first) <= int(port) <= int(last or first) for port in _PORTS)


@rule("AML745", "warning")
def health_elsewhere(inference: InferenceBase, built: Built, server: Server) -> Iterator[Finding]:
    """The health check asks at a port or path at which nothing answers.

    Azure ML's server answers at port 5001, with the paths `/`, `/score` and `/swagger.json` alone.

    Bad `Dockerfile`:

        HEALTHCHECK CMD curl -f http://localhost:8080/health

    Good `Dockerfile`:

        HEALTHCHECK CMD curl -f http://localhost:5001/

    Silent: an image with a command of its own, checks that ask no URL of the container, ports and paths that a
    variable has, and where `HEALTH_PORT` or `SERVICE_PATH_PREFIX` is set.
    """
    said = built.last("HEALTHCHECK")
    if said is None or server != "azureml" or _MOVED & built.variables.keys():
        return
    for match in _LOCAL.finditer(said.instruction.text):
        port, path = match[1] or "80", (match[2] or "/").partition("?")[0]
        if "$" in path or not port.isdecimal():
            continue
        if port not in _PORTS or path not in _PATHS:
            yield Finding(
                f"nothing answers at port {port} with the path {path}, so the container is never healthy",
                location=said.instruction.at(),
                hint=f"Ask http://localhost:{contract.SCORING_PORT}/.",
            )
