"""Rules about the users of a Dockerfile on one of Azure ML's images for inference, whose own user is dockeruser."""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Finding
from .inputs.dockerfile import InferenceBase, Ran
from .inputs.stages import Built
from .rule import rule

_NEEDS_ROOT = {
    "apt": ("install", "update", "upgrade", "remove"),
    "apt-get": ("install", "update", "upgrade", "dist-upgrade", "remove"),
    "dpkg": ("-i", "--install"),
    "useradd": (),
    "adduser": (),
    "groupadd": (),
    "addgroup": (),
    "usermod": (),
    "update-ca-certificates": (),
}
"""Programs that only root may run, with words of which one must be there; all calls where there are none."""


def is_root(user: str | None) -> bool:
    """Whether what ``USER`` says is root."""
    return user is not None and user.partition(":")[0] in ("root", "0")


@rule("AML710", "warning")
def left_as_root(inference: InferenceBase, built: Built) -> Iterator[Finding]:
    """The image is left as root.

    Azure ML's images run as `dockeruser`. A Dockerfile that becomes root to install something has to give it back:
    otherwise the server and the code run as root, and whatever breaks out of them is root in the container.

    Bad `Dockerfile`:

        FROM mcr.microsoft.com/azureml/minimal-py312-inference:latest
        USER root
        RUN apt-get update && apt-get install -y libgomp1

    Good `Dockerfile`:

        FROM mcr.microsoft.com/azureml/minimal-py312-inference:latest
        USER root
        RUN apt-get update && apt-get install -y libgomp1
        USER dockeruser

    Silent: any other user, no `USER` at all, and other images, such as those for training, which run as root anyway.
    """
    if is_root(built.user):
        yield Finding(
            "the image is left as root, in which the server and the code then run",
            location=built.user_at,
            hint="End with `USER dockeruser`, the user of the base image.",
        )


@rule("AML711", "error")
def needs_root(inference: InferenceBase, ran: tuple[Ran, ...]) -> Iterator[Finding]:
    """A command needs root, and does not run as root.

    Azure ML's images for inference run as `dockeruser`, so `apt-get` cannot write its lists: "Permission denied".

    Bad `Dockerfile`:

        FROM mcr.microsoft.com/azureml/minimal-py312-inference:latest
        RUN apt-get update && apt-get install -y libgomp1

    Good `Dockerfile`:

        FROM mcr.microsoft.com/azureml/minimal-py312-inference:latest
        USER root
        RUN apt-get update && apt-get install -y libgomp1
        USER dockeruser

    Silent: behind `USER root`, with `sudo`, where the user is a variable's, and on other images, of which nobody
    knows the user.
    """
    told = set()
    for each in ran:
        words = _NEEDS_ROOT.get(each.call.program)
        if words is None or each.call.sudo or each.step.user is None or is_root(each.step.user):
            continue
        if each.step.instruction in told or (words and not set(words) & set(each.call.texts)):
            continue
        told.add(each.step.instruction)
        who = each.step.user or "dockeruser, the user of the base"
        yield Finding(
            f"{each.call.program} needs root, and this runs as {who}",
            location=each.step.instruction.at(each.call.words[0]),
            hint="Write `USER root` above it, and `USER dockeruser` below.",
        )
