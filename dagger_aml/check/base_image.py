"""Rules about an image that is made already: who runs in it, what it starts, how much of it was read."""

from __future__ import annotations

import json
from collections.abc import Iterator

from .. import contract
from ..finding import Finding
from .facts import Server
from .inputs.image import ImageRead
from .rule import rule

_START = json.dumps(contract.START_COMMAND)


@rule("AML610", "warning")
def image_of_root(image: ImageRead, azureml: bool) -> Iterator[Finding]:
    """The image is root's.

    Azure ML's own images run as `dockeruser`. An image that is made from one of them and left as root runs the server
    and the code as root, and whatever breaks out of them is root in the container.

    Bad `Dockerfile`:

        FROM mcr.microsoft.com/azureml/minimal-py312-inference:latest
        USER root
        RUN apt-get update && apt-get install -y libgomp1

    Good `Dockerfile`:

        FROM mcr.microsoft.com/azureml/minimal-py312-inference:latest
        USER root
        RUN apt-get update && apt-get install -y libgomp1
        USER dockeruser

    Silent: any other user, and an image of which nothing says that it is for Azure ML.
    """
    user = image.config.user
    if user.partition(":")[0] in ("", "root", "0"):
        yield Finding(
            f"the image's user is {user or 'not said, and so root'}: the server and the code run as root",
            hint="End its Dockerfile with a USER of its own; Azure ML's images have dockeruser.",
        )


@rule("AML611", "warning")
def server_not_started(image: ImageRead, server: Server) -> Iterator[Finding]:
    """The image's entrypoint and command do not start Azure ML's server.

    The base images start it by `runsvdir /var/runit`. A command of one's own takes its place, and an entrypoint takes
    the base's command away.

    Bad `Dockerfile`:

        ENV AZUREML_ENTRY_SCRIPT=score.py
        CMD ["python", "score.py"]

    Good `Dockerfile`:

        ENV AZUREML_ENTRY_SCRIPT=score.py

    Silent: commands that name `runsvdir`, `azmlinfsrv` or `gunicorn`; scripts, of which nobody knows what they start;
    images that name no entry script.
    """
    if server != "another" or contract.ENTRY_SCRIPT not in image.config.env:
        return
    entrypoint, command = image.config.entrypoint, image.config.cmd
    said = f"its {'entrypoint' if entrypoint else 'command'} is `{' '.join((*entrypoint, *command))}`"
    yield Finding(
        f"nothing starts the server: {said if entrypoint or command else 'the image has no command'}",
        hint=f"Let the Dockerfile set no ENTRYPOINT, and CMD {_START} or none.",
    )


@rule("AML612", "info")
def layers_left(image: ImageRead) -> Iterator[Finding]:
    """Layers of the image are too large to be fetched, and were not read.

    `check` fetches layers of at most 64 MiB. What others hold is not known, and rules that need it are listed as not
    checked; files that they would change are taken as the other layers have them.

    Bad `shell`:

        dagger-aml check image:registry.example/ours:1   # with a layer of 2 GB

    Good `shell`:

        skopeo copy docker://registry.example/ours:1 oci:ours
        dagger-aml check ours

    Silent: images whose layers are all smaller, and those that lie on this machine.
    """
    if image.unread:
        sizes = ", ".join(f"{each.digest[:19]} ({each.size / 1e6:,.0f} MB)" for each in image.unread)
        many = len(image.unread) > 1
        yield Finding(
            f"{len(image.unread)} layer{'s' * many} of the image {'are' if many else 'is'} larger than 64 MiB and "
            f"{'were' if many else 'was'} not read: {sizes}",
            hint="To have all of it checked, copy it here: skopeo copy docker://NAME:TAG oci:FOLDER.",
        )
