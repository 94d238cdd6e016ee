"""The settings of scope ``build``: how a command makes an image, whatever the project is.

They come from flags, from variables and from the table ``[build]`` of a project's file, as those of a project do. Of
several projects the files must say the same, for one builder and one engine make them all.

**The engine's address has no key in a file.** The engine gets the project's files, the values of its secrets and the
logins of the registries that are pushed to. A folder that somebody cloned or unpacked must not choose the machine
that these go to, so only who starts the command says it: by ``--engine`` or ``$DAGGER_AML_ENGINE``. ``with`` may
stand in a file that a project's own extends, since it only chooses among the programs that this machine has and its
user may run anyway; it tells of a machine and not of a model, so it does not stand in the project's own. Timeouts and
the number of jobs choose nothing but patience.
"""

from __future__ import annotations

from attrs import field

from ..data import frozen
from ..policy import DEFAULT
from .setting import setting, settings_of


@frozen
class BuildOptions:
    """What flags and environment variables may say of how something is built. None means not said."""

    builder: str | None = field(
        default=None,
        metadata=setting(
            flag="--with",
            variable="DAGGER_AML_WITH",
            key=("build", "with"),
            default="dagger",
            help="Builder to use. dagger-aml never switches to another one silently.",
            says="What builds: `dagger`, `docker`, `podman`, `buildah` or `buildx`. Only a file that the project's "
            "own extends may say it.",
            example='"podman"',
            unless_own="it tells of a machine, not of a model",
        ),
    )
    instance: str | None = field(
        default=None,
        metadata=setting(
            flag="--builder",
            variable="DAGGER_AML_BUILDER",
            key=("build", "builder"),
            help="With --with buildx: which of the builders that `docker buildx ls` lists. By default, the one that "
            "buildx has chosen.",
            metavar="NAME",
            unless_file="a file may not choose the machine that a project's files, secrets and logins go to",
        ),
    )
    layers: str | None = field(
        default=None,
        metadata=setting(
            key=("build", "layers"),
            default="direct",
            choices=("direct", "builder"),
            help="Who writes the layers of copied files: dagger-aml itself (direct), which then needs the builder "
            "only for commands that must run and for the smoke test; or the builder.",
            says="Who writes the layers of what is only copied: `direct`, dagger-aml itself, or `builder`. See "
            "[layers](layers.md).",
            example='"builder"',
        ),
    )
    cache_from: str | None = field(
        default=None,
        metadata=setting(
            key=("build", "cache-from"),
            help="A repository in which what runs is looked for, made by earlier builds. Not with --layers builder.",
            says="A repository in which what ran in earlier builds is looked for. See "
            "[layers](layers.md#what-ran-runtime-images).",
            metavar="REPO",
            example='"registry.example/cache"',
        ),
    )
    cache_to: str | None = field(
        default=None,
        metadata=setting(
            key=("build", "cache-to"),
            help="A repository that gets what ran, as a tag rt-… of its own. Who may push there decides what later "
            "builds contain. Not with --layers builder.",
            says="A repository that gets what ran, for later builds. Who may push there decides what these contain. "
            "See [layers](layers.md#what-ran-runtime-images).",
            metavar="REPO",
            example='"registry.example/cache"',
        ),
    )
    cache_repo: str | None = field(
        default=None,
        metadata=setting(
            key=("build", "cache-repo"),
            help="The same as --cache-from and --cache-to of one repository.",
            says="`cache-from` and `cache-to` of one repository.",
            metavar="REPO",
            example='"registry.example/cache"',
        ),
    )
    max_age: float | None = field(
        default=None,
        metadata=setting(
            key=("build", "max-age"),
            type=float | None,
            least=0,
            help="For how many days what ran is used again (default: 7 where apt or a requirement without a hash is "
            "in it, else no limit). Not with --layers builder.",
            says="For how many days what ran is used again. See [layers](layers.md#what-ran-runtime-images).",
            metavar="DAYS",
            example="30",
            unsaid="`7` where apt or a requirement without a hash is in it, else no limit",
        ),
    )
    engine: str | None = field(
        default=None,
        metadata=setting(
            key=("build", "engine"),
            help="Use only the Dagger engine at unix:///PATH or tcp://HOST:PORT. By default, the one that "
            "$_EXPERIMENTAL_DAGGER_RUNNER_HOST names, if it is set.",
            metavar="ADDRESS",
            unless_file="a file may not choose the engine that a project's files, secrets and logins go to",
        ),
    )
    engine_timeout: float | None = field(
        default=None,
        metadata=setting(
            key=("build", "engine-timeout"),
            type=float | None,
            default=DEFAULT.start_deadline_seconds,
            least=1,
            help="Time to download and start an engine in Docker (default: 300).",
            says="Seconds for getting and starting an engine in Docker.",
            metavar="SECONDS",
            example="600",
        ),
    )
    ready_timeout: float | None = field(
        default=None,
        metadata=setting(
            key=("build", "ready-timeout"),
            type=float | None,
            default=DEFAULT.ready_timeout_seconds,
            least=1,
            help="Time to wait until the server is ready, including init() (default: 300).",
            says="Seconds for a served image to be ready, `init()` included.",
            metavar="SECONDS",
            example="120",
        ),
    )
    jobs: int | None = field(
        default=None,
        metadata=setting(
            short="-j",
            key=("build", "jobs"),
            type=int | None,
            least=1,
            help="Number of projects to build in parallel (default: 4). podman and buildah build one at a time.",
            says="How many of several projects are built at once.",
            metavar="N",
            example="2",
            unsaid="`4`",
        ),
    )
    keep_going: bool | None = field(
        default=None,
        metadata=setting(
            key=("build", "keep-going"),
            type=bool | None,
            default=False,
            help="Of several projects, build those that are in order, and report the others at the end (exit code "
            "1). By default, nothing is built if one is not in order.",
            says="Whether those of several projects that are in order are built where another is not.",
            example="true",
        ),
    )
    format: str | None = field(
        default=None,
        metadata=setting(
            key=("build", "format"),
            choices=("classic", "buildkit"),
            help="Dockerfile format for --with docker. By default, it depends on what the daemon and client support.",
            says="Dockerfile form: `classic` or `buildkit`; for docker and `dagger-aml dockerfile`.",
            example='"buildkit"',
            unsaid="what docker can do",
        ),
    )
    progress: str | None = field(
        default=None,
        metadata=setting(
            key=("build", "progress"),
            default="auto",
            choices=("auto", "tty", "plain", "quiet", "json"),
            help="How progress is shown on standard error: tty for a terminal, plain lines, JSON objects, or not "
            "at all.",
            says="How progress is shown: `auto`, `tty`, `plain`, `quiet` or `json`.",
            example='"plain"',
        ),
    )
    fail_on: str | None = field(
        default=None,
        metadata=setting(
            key=("check", "fail-on"),
            default="error",
            choices=("error", "warning", "info"),
            help="Exit with 1 if there is a finding of this severity, or of a higher one.",
            says="The lowest severity with which `check` ends with exit code 1: `error`, `warning` or `info`.",
            example='"warning"',
        ),
    )


BUILD_SETTINGS = settings_of(BuildOptions, "build")
"""The settings of a build by the name of their field."""
