"""What flags and environment variables may say of a project."""

from __future__ import annotations

from typing import Any

from attrs import Attribute, field, frozen


@frozen
class Options:
    """What flags and environment variables may say of a project, declared once: the flag's and the variable's name
    follow from the field's. None and empty mean not said."""

    base: str | None = field(
        default=None,
        metadata={
            "help": "A catalog name, a reference, oci:FOLDER[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE.",
            "metavar": "IMAGE",
        },
    )
    recipe: str | None = field(
        default=None, metadata={"help": "extended, dynamic, preinstalled, package, or a file.", "metavar": "RECIPE"}
    )
    platform: str | None = field(
        default=None,
        metadata={
            "help": "Platform of the image, whatever the host is; several for `build`.",
            "metavar": "OS/ARCH[,…]",
        },
    )
    entry_script: str | None = field(
        default=None, metadata={"help": "Entry script, relative to the code folder.", "metavar": "FILE"}
    )
    requirements: str | None = field(
        default=None,
        metadata={"help": "A requirements file, pylock.toml, uv.lock or pyproject.toml.", "metavar": "FILE"},
    )
    via: str | None = field(
        default=None,
        metadata={"help": "How preinstalled packages are found: start-script or pythonpath.", "metavar": "WAY"},
    )
    pip: tuple[str, ...] = field(
        default=(), converter=tuple, metadata={"help": "A package for pip to install too.", "metavar": "PKG"}
    )
    apt: tuple[str, ...] = field(
        default=(), converter=tuple, metadata={"help": "A Debian package to install too.", "metavar": "PKG"}
    )
    env: tuple[str, ...] = field(
        default=(), converter=tuple, metadata={"help": "A variable of the image.", "metavar": "NAME=VALUE"}
    )
    label: tuple[str, ...] = field(
        default=(), converter=tuple, metadata={"help": "A label of the image.", "metavar": "NAME=VALUE"}
    )
    installer: str | None = field(
        default=None, metadata={"help": "What installs packages: pip, or uv, pinned.", "metavar": "NAME"}
    )
    index_url: str | None = field(
        default=None, metadata={"help": "The package index, in place of PyPI.", "metavar": "URL"}
    )
    extra_index_url: tuple[str, ...] = field(
        default=(), converter=tuple, metadata={"help": "A package index beside it.", "metavar": "URL"}
    )
    find_links: tuple[str, ...] = field(
        default=(), converter=tuple, metadata={"help": "A page with archives.", "metavar": "URL"}
    )
    apt_mirror: str | None = field(
        default=None, metadata={"help": "Takes the archive's place in the base's apt sources.", "metavar": "URL"}
    )
    http_proxy: str | None = field(
        default=None,
        metadata={"help": "Proxy of the build's commands.", "metavar": "URL", "variable": "HTTP_PROXY"},
    )
    https_proxy: str | None = field(
        default=None,
        metadata={"help": "Proxy of the build's commands.", "metavar": "URL", "variable": "HTTPS_PROXY"},
    )
    no_proxy: str | None = field(
        default=None, metadata={"help": "Hosts without proxy.", "metavar": "HOSTS", "variable": "NO_PROXY"}
    )
    ca: str | None = field(
        default=None,
        metadata={"help": "Certificates (PEM) that the build's commands trust too.", "metavar": "FILE"},
    )
    secret: tuple[str, ...] = field(
        default=(),
        converter=tuple,
        repr=False,
        metadata={
            "help": "id=pip|netrc|azure-artifacts|apt,env=NAME or src=FILE; mounted, never in the image.",
            "metavar": "SECRET",
        },
    )


def option_flag(option: Attribute[Any]) -> str:
    """``--entry-script`` of the field ``entry_script``."""
    return "--" + option.name.replace("_", "-")


def takes_several(option: Attribute[Any]) -> bool:
    """Whether the flag may be given several times."""
    return option.default == ()


def option_variable(option: Attribute[Any]) -> str | None:
    """``DAGGER_AML_ENTRY_SCRIPT``, or the standard one of a proxy; none for fields that take several values."""
    if takes_several(option):
        return None
    name: str = option.metadata.get("variable", f"DAGGER_AML_{option.name.upper()}")
    return name


def variable_spellings(variable: str | None) -> tuple[str, ...]:
    """A variable's name as programs look for it: those of proxies in lower case first."""
    if variable is None or variable.startswith("DAGGER_AML_"):
        return (variable,) if variable else ()
    return (variable.lower(), variable)
