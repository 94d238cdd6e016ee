"""docker buildx: how it is called, and what its output says where it fails."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ...data import frozen
from ...errors import DaggerAmlError, TransientError
from ...policy import Policy
from ...process import CompletedProcess, run
from ...text import named, pattern
from .program import OnLine, answer

INSTALL = (
    "Install Docker's buildx plugin (https://docs.docker.com/build/concepts/overview; "
    "Debian and Ubuntu: apt-get install docker-buildx-plugin, or docker-buildx)"
)

_ALONE = ("docker-buildx", "buildx")
"""What the program is called where it is no plugin of docker's."""

_GONE = pattern(
    r"code = Unavailable|error reading from server|failed to receive status|connection error: desc|"
    r"failed to (?:list workers|get status)|no worker|transport is closing|use of closed network connection|"
    r"listing workers|graceful_stop|\bdial (?:tcp|unix)\b.*(?:refused|no such file|timeout|no route)"
)
"""What it prints of a BuildKit that is not there, or went away. A registry's errors have an address of a registry."""

_REGISTRY = pattern(r"failed to (?:push|resolve|do request|copy|fetch)|/v2/")


@frozen
class Buildx:
    """Calls buildx.

    :param command: how it is called: as docker's plugin, or alone.
    :param instance: which of its builders builds; None for the one that it has chosen.
    """

    command: tuple[str, ...]
    instance: str | None = None

    @property
    def said(self) -> str:
        """What messages call it."""
        return f"buildx builder {self.instance}" if self.instance else "buildx"

    async def build(
        self,
        context: Path,
        work: Path,
        *,
        platform: str,
        output: str,
        flags: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
        heard: OnLine | None = None,
    ) -> tuple[CompletedProcess, str | None]:
        """Build the Dockerfile of a folder; the digest of the manifest or index too, where the output has one.

        :param work: a folder for what it tells; relative destinations of ``output`` lie there.
        :param output: as ``--output`` takes it.
        :param flags: besides.
        """
        told = work / "metadata.json"
        told.unlink(missing_ok=True)
        chosen = ["--builder", self.instance] if self.instance else []
        argv = [
            *self.command, "build", *chosen, "--progress", "plain", "--platform", platform, "--output", output,
            "--metadata-file", str(told), *flags, "--file", str(context / "Dockerfile"), str(context),
        ]  # fmt: skip
        # An attestation that nobody asked for would make an index of each image.
        more = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1", **(env or {})}
        done = await run(argv, on_line=on_line, heard=heard, cwd=work, env=more)
        return done, None if done.code else _digest(told)


def _digest(told: Path) -> str | None:
    try:
        found = json.loads(told.read_bytes())
    except (OSError, ValueError):
        return None
    digest = found.get("containerimage.digest") if isinstance(found, dict) else None
    return digest if isinstance(digest, str) else None


def found_buildx(instance: str | None, policy: Policy) -> tuple[Buildx, str]:
    """The buildx of this machine, and what it says of its version.

    :raises DaggerAmlError: there is none, or it does not answer.
    """
    ways: list[tuple[str, ...]] = [("docker", "buildx")] if shutil.which("docker") else []
    ways += [(name,) for name in _ALONE if shutil.which(name)]
    for way in ways:
        with suppress(DaggerAmlError):
            return Buildx(way, instance), answer(*way, "version", policy=policy).strip()
    which = f"{' and '.join(each[0] for each in ways)} {'have' if ways[1:] else 'has'} no buildx that works"
    raise DaggerAmlError(
        which if ways else "buildx is not installed", location=named("builder", "buildx"), hint=f"{INSTALL}."
    )


def gone(done: CompletedProcess, buildx: Buildx, location: str | None) -> TransientError | None:
    """The error where BuildKit itself is not there, or went away while it built; None for any other failure."""
    # Its own last word, never what a step has printed.
    own = [line for line in (done.err or done.out).splitlines() if line.startswith("ERROR: ")]
    last = own[-1] if own else ""
    if not _GONE.search(last) or _REGISTRY.search(last) or "did not complete successfully" in last:
        return None
    return TransientError(
        f"{buildx.said} does not answer, or went away: {last.strip()}",
        location=location,
        hint=f"See: {' '.join(buildx.command)} inspect {buildx.instance or ''}".rstrip()
        + "\nThen run the same command again. Finished steps are cached where the builder keeps them.",
        after=None,
    )
