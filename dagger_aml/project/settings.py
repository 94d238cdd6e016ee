"""The settings of a project, one record each: what flags and variables say too, and what only its file says."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from attrs import field

from ..base import catalog
from ..data import frozen
from ..graph.base import DEFAULT_PLATFORM
from ..steps.installer import Installer
from ..steps.packages import Via
from ..steps.packages_files import PackagesAs
from ..text import texts
from .given import model_texts, pair_texts, path_text, secrets_given
from .setting import setting, settings_of

if TYPE_CHECKING:
    from ..graph.mount import Secret

APART = ("dynamic", "preinstalled")
"""Recipes that put packages beside the code, and not among those of the base and its server."""


@frozen
class Options:
    """What flags and environment variables may say of a project, declared once: the flag's and the variable's name
    follow from the field's. None and empty mean not said.

    Each field takes what its flag takes, several in any iterable. ``env`` and ``label`` take a mapping of names to
    values too, ``model`` one of ``NAME:VERSION`` to paths, ``secret`` one of ids to values (text or bytes) or a
    :class:`~dagger_aml.Secret` anywhere, and files may be paths.

    :raises UsageError: a mapping with a name, an id or a value that is none.
    """

    base: str | None = field(
        default=None,
        metadata=setting(
            key=("base",),
            default=catalog.DEFAULT.name,
            help="A catalog name, a reference, oci:FOLDER[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE.",
            says="A [catalog](bases.md) name, an image reference, or an [image on this "
            "machine](bases.md#an-image-on-this-machine).",
            metavar="IMAGE",
            example='"curated/minimal-py311-inference"',
        ),
    )
    keep_base: bool | None = field(
        default=None,
        metadata=setting(
            key=("keep-base",),
            type=bool | None,
            default=False,
            help="Keep an openmpi image that a deployment file names, and install the inference server.",
            says="Keep an openmpi image that a [deployment file](deployment-files.md) names, and install the "
            "inference server, instead of taking an inference base in its place.",
            example="true",
        ),
    )
    deployment: str | None = field(
        default=None,
        converter=path_text,
        metadata=setting(
            key=("deployment",),
            path=True,
            help="An Azure ML deployment file (CLI v2) of the project.",
            says="The [deployment file](deployment-files.md) of Azure ML's CLI v2 that counts behind this file.",
            metavar="FILE",
            example='"deployment.yml"',
            unsaid="the only one, where there is no project file",
        ),
    )
    model: tuple[str, ...] = field(
        default=(),
        converter=model_texts,
        metadata=setting(
            repeatable=True,
            help="Where a registered model that a deployment file names lies here.",
            metavar="NAME:VERSION=PATH",
        ),
    )
    recipe: str | None = field(
        default=None,
        converter=path_text,
        metadata=setting(
            key=("recipe",),
            default="extended",
            help="extended, dynamic, preinstalled, package, or a file.",
            says="A recipe's name, or the path of a [file](own-recipe.md).",
            metavar="RECIPE",
            example='"dynamic"',
        ),
    )
    platform: str | None = field(
        default=None,
        metadata=setting(
            key=("platform",),
            default=DEFAULT_PLATFORM,
            help="Platform of the image; it does not depend on the host. `build` accepts several.",
            says="The image's platform; it does not depend on the host's.",
            metavar="OS/ARCH[,…]",
            example='"linux/arm64"',
        ),
    )
    entry_script: str | None = field(
        default=None,
        converter=path_text,
        metadata=setting(
            key=("code", "entry-script"),
            help="Entry script, relative to the code folder.",
            says="The entry script, relative to the code folder.",
            metavar="FILE",
            example='"serve.py"',
            unsaid="found automatically",
        ),
    )
    requirements: str | None = field(
        default=None,
        converter=path_text,
        metadata=setting(
            key=("requirements",),
            path=True,
            help="A requirements file, pylock.toml, uv.lock, pyproject.toml or a conda file.",
            says="The file that pip installs from: a requirements file, a lock file or a [conda file](conda.md).",
            metavar="FILE",
            example='"requirements.txt"',
            unsaid="`requirements.txt`, if there is one",
        ),
    )
    python: str | None = field(
        default=None,
        metadata=setting(
            key=("python",),
            default="listed",
            choices=("listed", "base"),
            help="The Python that a conda file's packages are for: the one that it names (listed), or the base "
            "image's (base).",
            says="The Python that a [conda file](conda.md)'s packages are for: `listed`, the one that it names, or "
            "`base`, the base image's, whatever it names.",
            metavar="WHICH",
            example='"base"',
        ),
    )
    server: str | None = field(
        default=None,
        metadata=setting(
            key=("server",),
            default="auto",
            choices=("auto", "add", "base"),
            help="Where the inference server is from: added to the base image (add), or the base image's own (base). "
            "auto adds it to Docker's official images of Python.",
            says="Where the inference server is from: `add` [adds it](bases.md#bases-without-azure-mls-server) to a "
            "base image that has a Python and no server, `base` leaves it to the base image. `auto` adds it to "
            "Docker's official images of Python, such as `python:3.10-slim`.",
            metavar="WHERE",
            example='"add"',
        ),
    )
    environment_only: bool | str | None = field(
        default=None,
        metadata=setting(
            key=("environment-only",),
            type=bool | None,
            default=False,
            help="Install packages only: no code, no model and no entry script, as Azure ML mounts them.",
            says="An image of packages alone, without code, models and entry script, which Azure ML mounts.",
            example="true",
        ),
    )
    packages_as: str | None = field(
        default=None,
        metadata=setting(
            key=("packages", "as"),
            default="installed",
            choices=get_args(PackagesAs),
            help="Packages as pip installs them (installed), or as the unpacked wheels of a lock (files).",
            says="`installed`: a command of the build installs the packages. `files`: the wheels of a lock are "
            "[copied](packages-as-files.md), and nothing runs; so it is with the recipe `preinstalled`, unless said, "
            "where a lock has a wheel of each.",
            metavar="WAY",
            example='"files"',
        ),
    )
    via: str | None = field(
        default=None,
        metadata=setting(
            key=("preinstalled", "via"),
            default="start-script",
            choices=get_args(Via),
            help="How preinstalled packages are found: start-script or pythonpath.",
            says="How preinstalled packages are found: `start-script` or `pythonpath`.",
            metavar="WAY",
            example='"pythonpath"',
        ),
    )
    pip: tuple[str, ...] = field(
        default=(),
        converter=texts,
        metadata=setting(repeatable=True, help="An additional package to install with pip.", metavar="PKG"),
    )
    apt: tuple[str, ...] = field(
        default=(),
        converter=texts,
        metadata=setting(
            key=("apt",),
            type=str | tuple[str, ...] | None,
            path=True,
            repeatable=True,
            help="An additional Debian package to install.",
            says="Debian packages, or the name of a file that lists them.",
            metavar="PKG",
            example='["libgomp1"]',
            unsaid="`apt.txt`, if there is one",
        ),
    )
    env: tuple[str, ...] = field(
        default=(),
        converter=pair_texts,
        metadata=setting(
            key=("env",),
            type=dict[str, str],
            repeatable=True,
            help="An environment variable of the image.",
            says="Environment variables of the image.",
            metavar="NAME=VALUE",
            example='{ WORKER_COUNT = "2" }',
        ),
    )
    label: tuple[str, ...] = field(
        default=(),
        converter=pair_texts,
        metadata=setting(
            key=("labels",),
            type=dict[str, str],
            repeatable=True,
            help="A label of the image.",
            says="Labels of the image.",
            metavar="NAME=VALUE",
            example='{ "org.opencontainers.image.vendor" = "Example" }',
        ),
    )
    installer: str | None = field(
        default=None,
        metadata=setting(
            key=("pip", "installer"),
            default="pip",
            choices=get_args(Installer),
            help="Program that installs packages: pip, or uv (a pinned version).",
            says="Program that installs packages: `pip`, or `uv` (a pinned version).",
            metavar="NAME",
            example='"uv"',
        ),
    )
    no_pip_check: bool | None = field(
        default=None,
        metadata=setting(
            key=("pip", "no-check"),
            type=bool | None,
            default=False,
            help="Do not run `pip check` before and after packages are installed: versions that contradict each "
            "other are not found in the build.",
            says="Do not run `pip check` before and after packages are installed. Versions that contradict each "
            "other are then not found in the build.",
            example="true",
        ),
    )
    index_url: str | None = field(
        default=None,
        metadata=setting(
            key=("pip", "index-url"),
            help="The package index, in place of PyPI.",
            says="The package index, instead of PyPI. Give its login as a secret.",
            metavar="URL",
            example='"https://pypi.example.com/simple/"',
            unsaid="PyPI",
        ),
    )
    extra_index_url: tuple[str, ...] = field(
        default=(),
        converter=texts,
        metadata=setting(
            key=("pip", "extra-index-urls"),
            type=tuple[str, ...],
            repeatable=True,
            help="An additional package index.",
            says="Additional package indexes.",
            metavar="URL",
            example='["https://pkgs.example.com/simple/"]',
            unsaid="none",
        ),
    )
    find_links: tuple[str, ...] = field(
        default=(),
        converter=texts,
        metadata=setting(
            key=("pip", "find-links"),
            type=tuple[str, ...],
            repeatable=True,
            help="A page that links to package archives.",
            says="URLs of pages that link to package archives.",
            metavar="URL",
            example='["https://example.com/wheels/"]',
            unsaid="none",
        ),
    )
    apt_mirror: str | None = field(
        default=None,
        metadata=setting(
            key=("network", "apt-mirror"),
            help="URL of a mirror, instead of the archive in the base image's apt sources.",
            says="URL of a mirror, instead of the archive's URL in the base image's apt sources.",
            metavar="URL",
            example='"https://apt.example.com/ubuntu"',
        ),
    )
    http_proxy: str | None = field(
        default=None,
        metadata=setting(
            variable="HTTP_PROXY",
            key=("network", "http-proxy"),
            help="Proxy of the build's commands.",
            says="Proxy of the build's commands.",
            metavar="URL",
            example='"http://proxy.example.com:3128"',
            unsaid="`$HTTP_PROXY`",
        ),
    )
    https_proxy: str | None = field(
        default=None,
        metadata=setting(
            variable="HTTPS_PROXY",
            key=("network", "https-proxy"),
            help="Proxy of the build's commands.",
            says="Proxy of the build's commands.",
            metavar="URL",
            example='"http://proxy.example.com:3128"',
            unsaid="`$HTTPS_PROXY`",
        ),
    )
    no_proxy: str | None = field(
        default=None,
        metadata=setting(
            variable="NO_PROXY",
            key=("network", "no-proxy"),
            help="Hosts without proxy.",
            says="Hosts that need no proxy.",
            metavar="HOSTS",
            example='"localhost,.example.com"',
            unsaid="`$NO_PROXY`",
        ),
    )
    ca: str | None = field(
        default=None,
        converter=path_text,
        metadata=setting(
            key=("network", "ca"),
            path=True,
            help="Additional certificates (PEM) that the build's commands trust.",
            says="File with certificates in PEM format to trust in addition to the public ones.",
            metavar="FILE",
            example='"company-ca.pem"',
            unsaid="none",
        ),
    )
    secret: tuple[str | Secret, ...] = field(
        default=(),
        converter=secrets_given,
        repr=False,
        metadata=setting(
            key=("secrets",),
            type=dict[str, str],
            repeatable=True,
            help="id=pip|netrc|azure-artifacts|apt,env=NAME or src=FILE; mounted, never in the image.",
            says="Where the value of a secret is: `env=NAME` or `src=FILE`.",
            metavar="SECRET",
            example='{ pip = "env=PIP_INDEX" }',
        ),
    )
    ignore: tuple[str, ...] = field(
        default=(),
        converter=texts,
        metadata=setting(
            variable="DAGGER_AML_IGNORE",
            key=("check", "ignore"),
            type=tuple[str, ...],
            repeatable=True,
            help="A rule to ignore, or several: AML103,AML5. AML5 means all whose ids begin so.",
            says="[Rules](rules.md) to ignore, or what their ids begin with; flag and variable add to them.",
            metavar="ID[,…]",
            example='["AML103"]',
            unsaid="none",
        ),
    )
    select: tuple[str, ...] = field(
        default=(),
        converter=texts,
        metadata=setting(
            key=("check", "select"),
            type=tuple[str, ...],
            repeatable=True,
            help="A rule to run, or several, instead of all: AML1,AML203.",
            says="[Rules](rules.md) to run instead of all; a flag replaces them.",
            metavar="ID[,…]",
            example='["AML1", "AML203"]',
            unsaid="all",
        ),
    )
    extend_select: tuple[str, ...] = field(
        default=(),
        converter=texts,
        metadata=setting(
            key=("check", "extend-select"),
            type=tuple[str, ...],
            repeatable=True,
            help="A rule to run beside the others, or several.",
            says="Rules to run beside the others; the flag adds to them.",
            metavar="ID[,…]",
            example='["AML320"]',
            unsaid="none",
        ),
    )


PROJECT_SETTINGS = settings_of(Options, "project")
"""The settings of a project that a flag says, by the name of their field."""
