"""Rules about the base image, as far as it is known: assumed from the catalog, or probed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from .. import contract
from ..base import catalog
from ..base.facts import BaseFacts
from ..base.plain_python import is_for
from ..base.training import is_training
from ..finding import Finding
from ..plan.keys import ENCODING, op_key
from ..plan.label import PLAN_LABEL, fits
from ..plan.model import Plan
from ..project.model import Project
from ..steps.server import START
from ..text import named
from .facts import BasePython
from .rule import rule


def _instead_of_training() -> str:
    return (
        "It is an image for training. Take an inference base, which has a user and the server: leave "
        f"{named('keep_base')} or {named('base')} out, or name one of `dagger-aml images`. {named('smoke')} and "
        f"{named('push')} refuse an image of root's; {named('no_smoke')} publishes it all the same."
    )


@rule("AML601", "warning")
def runs_as_root(plan: Plan, base: BaseFacts) -> Iterator[Finding]:
    """The image runs as root, like its base image.

    Azure ML's own images have a user of their own. Whatever breaks out of the server is root in the container, and
    the code belongs to root.

    Bad `base.Dockerfile`:

        FROM python:3.12-slim
        RUN pip install azureml-inference-server-http

    Good `base.Dockerfile`:

        FROM python:3.12-slim
        RUN pip install azureml-inference-server-http && useradd --create-home scorer
        USER scorer

    Silent: where the base's user is another, or a recipe sets one.
    """
    if plan.config.user is None and base.uid == 0:
        yield Finding(
            "the image runs as root, like its base image, and the code belongs to root",
            hint=_instead_of_training()
            if is_training(plan.base.reference)
            else "Azure ML's own images have another user; in your own base image, set one with USER in its "
            "Dockerfile.",
        )


@rule("AML602", "warning")
def nothing_serves(plan: Plan, base: BaseFacts) -> Iterator[Finding]:
    """Nothing in the image starts the server.

    Azure ML's images start the server by a script of runit. A base without it starts whatever its own command says.

    Bad `dagger-aml.toml`:

        base = "registry.example/ours/python:3"

    Good `dagger-aml.toml`:

        base = "registry.example/ours/python:3"
        server = "add"

    Silent: where the start script is there, or is not known; where a recipe sets a command, as the step that adds the
    server does; on a base whose command is that step's.
    """
    command = plan.config.cmd is not None or plan.config.entrypoint is not None
    if contract.ENTRY_SCRIPT in plan.config.env and not command and base.starts is False and base.cmd != (START,):
        have = f"has {base.server}, but" if base.server else "has no azureml-inference-server-http, and"
        add = "To serve, " if base.server else "Add azureml-inference-server-http to the requirements, and "
        yield Finding(
            f"the base image {have} no start script ({contract.START_SCRIPT} and runsvdir): only a command of the "
            "base image itself could serve the code",
            hint=f"{add}set a command in your own recipe; or have both done: {named('server', 'add')} "
            '(docs/bases.md, "Bases without Azure ML\'s server").',
        )


@rule("AML603", "warning")
def unconfirmed(plan: Plan) -> Iterator[Finding]:
    """The image needs something of its base that only a probe can confirm.

    `plan` and `dockerfile` ask no base unless `--probe` is said. `build` always does, and refuses a base that lacks
    it.

    Bad `shell`:

        dagger-aml dockerfile --recipe dynamic --base registry.example/ours:1

    Good `shell`:

        dagger-aml dockerfile --recipe dynamic --base registry.example/ours:1 --probe

    Silent: where the base is known from the catalog, or was probed.
    """
    for need in plan.unconfirmed:
        yield Finding(
            f"possible problem, which only a probe of the base image can confirm: {need.why}", hint=need.hint
        )


@rule("AML604", "info")
def no_label(plan: Plan) -> Iterator[Finding]:
    """The image gets no label that tells of its steps.

    The label lets `plan --against` and `diff` say why a layer is new. An image of very many steps has no room for it.

    Bad `recipe.py`:

        for each in thousands:
            graph = graph.add(Copy(Local(each), f"/data/{each}"))

    Good `recipe.py`:

        graph = graph.add(Copy(Local("data"), "/data"))

    Silent: an image whose label fits.
    """
    if not fits((op_key(op.layer, "") for op in plan.ops), ENCODING):
        yield Finding(
            f"the image gets no label {PLAN_LABEL}: the description of its {len(plan.ops)} steps is too long for a "
            "label"
        )


@rule("AML606", "info")
def another_base(project: Project) -> Iterator[Finding]:
    """An inference base takes the place of the image that the deployment file names.

    Azure ML's `openmpi` images are made for training: they run as root and have no inference server, which Azure adds
    with the conda file. An inference base has both a user and the server, and the packages go into it.

    Bad `deployment.yml`:

        environment:
          image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest

    Good `deployment.yml`:

        environment:
          image: mcr.microsoft.com/azureml/minimal-py312-inference:latest

    Silent: any other image; `--keep-base`; a base that a flag, a variable or the project file names.
    """
    file = project.deployment
    if file and file.base and file.why_base and file.environment:
        yield Finding(f"the base is {project.base.reference}, {file.why_base}", location=file.base.origin.location)


@rule("AML605", "warning")
def other_platforms(project: Project, one_platform: bool) -> Iterator[Finding]:
    """What is made is for the first of the project's platforms alone.

    Only `build` makes an index of several.

    Bad `shell`:

        dagger-aml dockerfile --platform linux/amd64,linux/arm64

    Good `shell`:

        dagger-aml build --platform linux/amd64,linux/arm64 --push -t registry.example/ours:1

    Silent: `build`, and projects of one platform.
    """
    if one_platform and len(project.platforms) > 1:
        yield Finding(
            f"this output is only for {project.base.platform}",
            location=project.origins.get("platform"),
            hint=f"Only `build` supports {', '.join(project.platforms)}.",
        )


def today() -> date:
    """The day by which it is judged what has ended."""
    return date.today()


@rule("AML620", "warning")
def python_has_ended(base_python_named: BasePython, needed_python: str) -> Iterator[Finding]:
    """The Python of the base image gets no security fixes any more.

    Packages drop it soon after, so what is installed grows old as well.

    Bad `dagger-aml.toml`:

        base = "minimal-ubuntu22.04-py39-cpu-inference"

    Good `dagger-aml.toml`:

        base = "minimal-py312-inference"

    Silent: a Python that is supported, and bases whose Python is not known by their name.
    """
    found = base_python_named.version
    ended = catalog.PYTHON_ENDS.get(found or "")
    if ended and f"{today():%Y-%m}" > ended:
        yield Finding(
            f"the base image has Python {found}, whose support ended in {ended}",
            location=base_python_named.location,
            hint=f"Take a newer base, such as {catalog.DEFAULT.name}."
            if is_for(needed_python, catalog.DEFAULT.python)
            else "The list of packages is for that Python: retrain the model with a newer one, list that, and take a "
            "base that has it.",
        )
