"""What the container command lines have in common for the builder that drives them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from attrs import field

from ...data import frozen
from ...errors import BuildError, DaggerAmlError, TransientError
from ...events import Message, OnEvent
from ...graph.base import From
from ...oci.reference import Reference
from ...policy import DEFAULT, Policy
from ...process import CompletedProcess
from ...text import named, pattern
from ..base import Capabilities, Format, Runtime

if TYPE_CHECKING:
    from ...oci.messages import Peer
    from ...oci.offer import Served
    from ..conversation import News

_NO_CONTAINER = pattern(r"runc create failed|crun: |OCI permission denied|unable to start container process")


OnLine = Callable[[str], None]
"""Told each line of a program as it is printed."""


_TRIES_AGAIN = pattern(r"[Rr]etrying in (\d+)")
"""What the programs print when they try again by themselves, each up to five times, which then is enough."""


@frozen
class StoredImage:
    """An image of a local store.

    :param digests: what the store calls it by: a repository with its host, and a manifest's digest.
    :param platform: ``linux/amd64``, without a variant.
    :param config: User, Env, Cmd and so on.
    :param config_digest: of the image's config; None where the ID is a manifest's or an index's, as in the store that
        Docker 29 has by default, and nothing tells the config's.
    """

    id: str
    digests: tuple[tuple[str, str], ...]
    platform: str
    config: Mapping[str, Any] = field(repr=False)
    config_digest: str | None = None

    def digest(self, reference: str) -> str | None:
        """The digest that it has in the reference's repository, as far as the store knows."""
        name = full_name(reference).partition("@")[0]
        return next((digest for repository, digest in self.digests if repository == name), None)


class ContainerCli(Protocol):
    """One of the programs."""

    @property
    def name(self) -> str:
        """The builder's, which is the command's too."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """The builder's."""
        ...

    @property
    def tells_onbuild(self) -> bool:
        """Whether it tells an image's triggers where it has none."""
        ...

    @property
    def takes_isolation(self) -> bool:
        """Whether BUILDAH_ISOLATION says how it isolates the commands of a build."""
        ...

    def runtime(self) -> Runtime:
        """What starts its images.

        :raises UsageError: nothing that is installed can.
        """
        ...

    @property
    def form(self) -> Format:
        """Of the Dockerfiles that it is given."""
        ...

    async def pull(self, reference: str, platform: str, heard: OnLine | None = None) -> CompletedProcess:
        """Get an image from its registry; ``heard`` is told each line as it is printed."""
        ...

    def pulled_digest(self, output: str) -> str | None:
        """The digest that ``pull`` printed, where it prints one."""
        ...

    async def load_base(self, base: From, name: str, work: Path) -> CompletedProcess:
        """Put a base that lies on this machine into the local store under a name."""
        ...

    async def load(self, tar: Path, name: str) -> CompletedProcess:
        """Put the image of a tar in Docker's form, which calls it ``name``, into the local store."""
        ...

    def elsewhere(self) -> str | None:
        """Why its store cannot pull from a port of this machine, in one sentence without a full stop; None where it
        may be able to, as far as is known without asking it."""
        ...

    def served_as(self, served: Served) -> str:
        """The reference by which it pulls what this process serves."""
        ...

    def loaded_as(self, reference: str) -> tuple[str, ...]:
        """What an image is called once it was loaded under a name."""
        ...

    async def pull_served(self, served: Served, platform: str) -> CompletedProcess:
        """Get what this process serves; no login of the user's is sent."""
        ...

    async def untag(self, reference: str) -> CompletedProcess:
        """Take a name from an image of the local store; an image that has no other goes."""
        ...

    async def inspect(self, reference: str) -> StoredImage | None:
        """An image of the local store; None when it is not there."""
        ...

    async def config_digest(self, image: str) -> str | None:
        """The digest of an image's config; None where the store calls images by their manifests, and cannot tell."""
        ...

    async def probe(self, image: str, argv: Sequence[str], stdin: str) -> CompletedProcess:
        """Run a command in an image as 0:0, without network; nothing is left of it."""
        ...

    async def build(self, build: Build, on_line: Callable[[str], None]) -> CompletedProcess:
        """Build a context; the image's ID goes to ``build.id_file``."""
        ...

    async def push(
        self, images: Sequence[str], reference: str, work: Path, heard: OnLine | None = None
    ) -> tuple[CompletedProcess, str | None]:
        """Push an image, or several as one index, and tell its digest. docker cannot push an index."""
        ...

    async def save(self, image: str, tar: Path, reference: str | None, work: Path) -> CompletedProcess:
        """Write an image to a tar in Docker's form."""
        ...

    async def tag(self, image: str, reference: str) -> CompletedProcess:
        """Give an image a name in the local store."""
        ...

    async def copy_out(self, image: str, path: str, dest: Path, work: Path) -> CompletedProcess:
        """Copy what a folder of an image holds into a folder of this machine."""
        ...


@frozen
class Build:
    """One build.

    :param work: a temporary folder that holds ``context`` and is the build's own.
    :param plain_http: whether every base lies in a registry without TLS.
    :param secrets: names and files of what its commands see.
    :param proxies: variables of its commands alone.
    """

    work: Path
    platform: str
    no_cache: bool
    plain_http: bool
    secrets: tuple[tuple[str, Path], ...] = ()
    proxies: Mapping[str, str] = field(factory=dict, repr=False)

    @property
    def context(self) -> Path:
        return self.work / "context"

    @property
    def id_file(self) -> Path:
        return self.work / "id"

    @property
    def flags(self) -> tuple[str, ...]:
        """What all three understand alike, run in the context."""
        return (
            "--iidfile",
            str(self.id_file),
            *(("--no-cache",) if self.no_cache else ()),
            *given_flags(self.secrets, self.proxies, self.context),
        )

    @property
    def env(self) -> dict[str, str]:
        """Variables of the program, from which it takes the build arguments that are only named to it."""
        return dict(self.proxies)


def given_flags(secrets: Iterable[tuple[str, Path]], proxies: Iterable[str], folder: Path) -> Iterator[str]:
    """Flags for what the commands of a build see, and are not to have in the image.

    :param secrets: names and files.
    :param proxies: names of variables.
    :param folder: in which the program runs. Files are relative to it: a comma in the name of the folder for
        temporary files would end a secret's.
    """
    for name, path in secrets:
        yield from ("--secret", f"id={name},src={os.path.relpath(path.resolve(), folder)}")
    for name in proxies:
        yield from ("--build-arg", name)


def full_name(reference: str) -> str:
    """The reference without its tag, with its host and its digest, if it has one: how podman must be given it."""
    at = Reference.parse(reference)
    return f"{at.host}/{at.repository}" + (f"@{at.digest}" if at.digest else "")


def full_reference(reference: str) -> str:
    """The reference with its host, and its digest or else its tag."""
    at = Reference.parse(reference)
    return full_name(reference) if at.digest else at.canonical


def is_plain_http(reference: str) -> bool:
    """Whether docker and Dagger talk plain HTTP to the reference's registry."""
    return Reference.parse(reference).url.startswith("http:")


def telling(name: str, on_event: OnEvent, news: News) -> OnLine:
    """Tell when a program waits to try again by itself; it counts the seconds down, and does so for each layer.

    :param news: called for each line.
    """
    before = 0

    def heard(line: str) -> None:
        nonlocal before
        news()
        found = _TRIES_AGAIN.search(line)
        if found:
            seconds = int(found[1])
            if seconds > before:
                on_event(Message(f"{name} retries in {seconds} s"))
            before = seconds

    return heard


class ProgramFailed(Exception):
    """A program that pulled or pushed ended with another exit code than 0.

    :param command: its argv, as far as a message shows it.
    """

    def __init__(self, done: CompletedProcess, command: Sequence[str]) -> None:
        super().__init__(f"{command[0]} ended with exit code {done.code}")
        self.done = done
        self.command = command


def meaning(error: Exception, peer: Peer) -> DaggerAmlError | None:
    """What a program's failure to pull or push means; None for other errors."""
    return refused(error.done, peer, error.command) if isinstance(error, ProgramFailed) else None


def refused(done: CompletedProcess, peer: Peer, command: Sequence[str]) -> DaggerAmlError:
    """The error for a pull or push that failed."""
    from ...oci.messages import said_by_registry

    said = done.err.strip() or done.out.strip()
    last = "\n".join(said.splitlines()[-3:])
    known = said_by_registry(f"registry https://{peer.host}/ says: {last}", peer)
    if isinstance(known, TransientError) and _TRIES_AGAIN.search(done.out + done.err):
        known.after = None
    return known or failed(done, peer.location, command)


def failed(
    done: CompletedProcess, location: str, command: Sequence[str], *, takes_isolation: bool = False
) -> BuildError:
    """The error for anything else that failed."""
    said = done.err.strip() or done.out.strip()
    message, hint = f"{command[0]} ended with exit code {done.code}", hint_for(said, takes_isolation)
    return BuildError(message, location=location, command=tuple(command), output=said, hint=hint)


NEEDS_RANGES = "Your user needs ranges in /etc/subuid and /etc/subgid: usermod --add-subuids and --add-subgids."


_NOT_UTF_8 = "string field contains invalid UTF-8"


def no_other_names() -> str:
    """What to do where BuildKit does not take a file's name."""
    return (
        "Newer versions of BuildKit take no file whose name is not UTF-8. Rename it, let dagger-aml write its "
        f"layer ({named('layers', 'direct')}), or use podman, buildah or a Dagger engine."
    )


def hint_for(said: str, takes_isolation: bool = False) -> str | None:
    """What helps where a builder cannot do here what it does elsewhere, or where a disk is full.

    :param takes_isolation: see :attr:`ContainerCli.takes_isolation`.
    """
    from ...fs.disk_space import says_full, temporary_folder

    if says_full(said):
        temporary = temporary_folder()
        return (
            f"Free disk space where the message says: in the builder's store, or in {temporary} (set TMPDIR to use "
            "another folder)."
        )
    if "/etc/subuid" in said:
        return NEEDS_RANGES
    if _NOT_UTF_8 in said:
        return no_other_names()
    if takes_isolation and _NO_CONTAINER.search(said):
        return (
            "If containers cannot be created here, for example inside another container, set "
            "BUILDAH_ISOLATION=chroot."
        )
    return None


def random_name() -> str:
    """A container's name that nobody else has."""
    import secrets

    return f"dagger-aml-{secrets.token_hex(8)}"


def first_json(text: str) -> dict[str, Any]:
    """The object that a program printed, alone or first of a list."""
    read = json.loads(text)
    found: dict[str, Any] = read[0] if isinstance(read, list) else read
    return found


def found_image(read: Mapping[str, Any]) -> StoredImage:
    """What ``image inspect`` of docker and podman tells."""
    names = [name.partition("@") for name in read.get("RepoDigests") or ()]
    digests = [(full_name(name), digest) for name, _, digest in names if digest]
    own = read.get("Digest")
    digests.sort(key=lambda pair: pair[1] != own)
    platform = f"{read.get('Os')}/{read.get('Architecture')}"
    id_ = with_algorithm(read["Id"])
    described = read.get("Descriptor") or {}
    of_manifest = described.get("digest") == id_
    # BuildKit notes it where it makes the manifest; docker's classic builder does not.
    noted = (described.get("annotations") or {}).get("config.digest")
    return StoredImage(id_, tuple(digests), platform, read.get("Config") or {}, noted if of_manifest else id_)


def with_algorithm(image: str) -> str:
    """``sha256:…`` of an image's ID, which podman and buildah print bare."""
    return image if ":" in image else f"sha256:{image}"


def docker_config_file() -> Path | None:
    """The docker config that the environment names, which podman and buildah would not look for."""
    folder = os.environ.get("DOCKER_CONFIG")
    path = Path(folder) / "config.json" if folder else None
    return path if path and path.is_file() else None


def answer(*command: str, hint: str | None = None, denied: str | None = None, policy: Policy = DEFAULT) -> str:
    """What a short command prints.

    :param hint: what to try where it does not answer; its version unless given.
    :param denied: what to do where its daemon refuses this user; of a program without a daemon none.
    :raises DaggerAmlError: it fails, or takes longer than the policy says.
    """
    name, seconds = command[0], policy.program_answer_timeout_seconds
    hint = hint or f"Try: {name} version"
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        message = f"{name} does not answer within {seconds:.0f} s"
        raise DaggerAmlError(message, location=named("builder", name), hint=hint) from None
    except OSError as error:
        raise DaggerAmlError(
            f"{name} cannot be started ({error.strerror})", location=named("builder", name)
        ) from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
        from ..store import says_denied

        if denied and says_denied(done.stderr):
            message = f"{name} is refused by its daemon: permission denied for this user"
            raise DaggerAmlError(message, location=named("builder", name), hint=denied)
        raise DaggerAmlError(f"{name} does not answer: {last}", location=named("builder", name), hint=hint)
    return done.stdout
