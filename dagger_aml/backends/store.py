"""The local image store that ``--load`` puts an image into: docker's, else podman's."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import anyio
from attrs import evolve

from ..data import frozen
from ..errors import BuildError, DaggerAmlError
from ..events import Message, OnEvent
from ..fs.temporary import temporary_directory
from ..policy import DEFAULT, Policy
from ..text import named
from .outputs import Export
from .result import Result


@frozen
class Silence:
    """Why no Docker daemon answers.

    :param why: one sentence without a full stop.
    :param denied: whether there is one, and it refuses this user.
    """

    why: str
    denied: bool = False


async def docker_silence(policy: Policy = DEFAULT) -> Silence | None:
    """Why no Docker daemon answers, in ten seconds unless the policy says otherwise; None where one does."""
    if not shutil.which("docker"):
        return Silence("docker is not installed")
    try:
        with anyio.fail_after(policy.program_answer_timeout_seconds):
            asked = await anyio.run_process(["docker", "version", "--format", "{{.Server.Version}}"], check=False)
    except TimeoutError:
        return Silence(f"docker does not answer within {policy.program_answer_timeout_seconds:.0f} s")
    except OSError as error:
        return Silence(f"docker cannot be started ({error.strerror})")
    if asked.returncode == 0 and asked.stdout.strip():
        return None
    if says_denied(asked.stderr.decode(errors="replace")):
        return Silence("the Docker daemon refuses this user: permission denied", denied=True)
    return Silence("no Docker daemon answers (`docker version`)")


def says_denied(output: str) -> bool:
    """Whether docker's client says that it may not use the daemon's socket."""
    return "permission denied" in output.lower()


LET_IN = "Let this user use Docker: `sudo usermod -aG docker $USER`, then log in again."


async def docker_answers(policy: Policy = DEFAULT) -> bool:
    """Whether a Docker daemon answers, in ten seconds unless the policy says otherwise."""
    return await docker_silence(policy) is None


async def image_store(policy: Policy = DEFAULT) -> str:
    """``docker`` or ``podman``, whichever is there, docker first.

    :raises DaggerAmlError: neither.
    """
    silence = await docker_silence(policy)
    if silence is None:
        return "docker"
    if shutil.which("podman"):
        return "podman"
    raise DaggerAmlError(
        f"there is no local image store to load into: {silence.why}, and podman is not installed",
        location=named("load"),
        hint=f"{LET_IN if silence.denied else 'Start Docker.'} Or install podman, or write a tar with "
        f"{named('output', 'IMAGE.tar')}.",
    )


async def load_file(tar: Path, reference: str, on_event: OnEvent, policy: Policy = DEFAULT) -> str | None:
    """Load a tar; an event says into which store. The ID by which that has the image then, as far as it tells.

    :param reference: the image's name in it.
    :raises BuildError: it failed.
    """
    return await _load_tar(await _told_store(reference, on_event, policy), tar, reference)


async def load_image(
    write: Callable[[Export, Sequence[str]], Awaitable[Result]],
    reference: str,
    on_event: OnEvent,
    policy: Policy = DEFAULT,
) -> Result:
    """Have an image written to a tar, and load that. Raises as :func:`load_file`.

    :param write: writes it, with names, and tells nobody.
    """
    store = await _told_store(reference, on_event, policy)
    with temporary_directory() as work:
        tar = work / "image.tar"
        made = await write(Export(tar), (reference,))
        own = await _load_tar(store, tar, reference)
    return evolve(made, image_id=own or made.image_id, tags=(reference,), outputs=())


async def _told_store(reference: str, on_event: OnEvent, policy: Policy) -> str:
    store = await image_store(policy)
    on_event(Message(f"loading {reference} into {store}"))
    return store


async def _load_tar(store: str, tar: Path, reference: str) -> str | None:
    command = [store, "load", "-i", str(tar)]
    done = await anyio.run_process(command, check=False, stderr=subprocess.STDOUT)
    if done.returncode:
        output = done.stdout.decode(errors="replace")
        raise BuildError(f"{store} refused the image", location="load", command=tuple(command), output=output)
    asked = [store, "image", "inspect", "--format", "{{.Id}}", reference]
    told = await anyio.run_process(asked, check=False)
    found = told.stdout.decode(errors="replace").strip()
    if told.returncode or not found:
        return None
    return found if ":" in found else f"sha256:{found}"
