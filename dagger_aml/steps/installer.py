"""What installs Python packages: the base environment's own pip, or a uv that is there for the one command alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

from ..data import frozen
from ..graph.values import FromBase, Value

if TYPE_CHECKING:
    from ..graph.access import Access
    from ..graph.mount import Mount

Installer = Literal["pip", "uv"]

PYTHON: Final = FromBase("interpreter")

PIP_ENV: Final[Mapping[str, str]] = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_CACHE_DIR": "1",
    "PIP_NO_INPUT": "1",
    "PIP_PROGRESS_BAR": "off",
    "PIP_USER": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    "SOURCE_DATE_EPOCH": "315532800",
}
"""Variables of every pip command: nothing in a home folder, no questions, compiled files that are the same in every
build (with SOURCE_DATE_EPOCH set, CPython's ``py_compile`` writes a hash of the source instead of its time)."""

UV_VERSION: Final = "0.13.8"
"""Pinned, so that the same requirements give the same image until a release of ours says otherwise."""

_UV_ENV: Final[Mapping[str, str]] = {
    **PIP_ENV,
    "PYC_INVALIDATION_MODE": "CHECKED_HASH",
    "UV_LINK_MODE": "copy",
    "UV_NO_CACHE": "1",
    "UV_NO_PROGRESS": "1",
    "UV_PYTHON_DOWNLOADS": "never",
    "UV_SYSTEM_CERTS": "1",
}
"""As for pip: compiled files hold a hash of their source, and certificates are those of the base."""

_UV = """\
uv=$(mktemp -d)
trap 'rm -rf "$uv"' EXIT
python=$1 version=$2
shift 2
"$python" -m pip install --quiet --no-deps --no-compile --only-binary :all: --target "$uv" "uv==$version"
lock=$("$python" -c 'import sys; print(sys.prefix)')/.lock
[ -e "$lock" ] || trap 'rm -rf "$uv" "$lock"' EXIT
"$uv/bin/uv" pip install --python "$python" "$@"\
"""


@frozen
class Install:
    """A command that installs packages.

    :param argv: the command, but for what it is to install.
    :param env: its variables.
    :param mounts: what it sees.
    """

    argv: tuple[Value, ...]
    env: Mapping[str, str]
    mounts: tuple[Mount, ...]


BEST_MATCH: Final = ("--index-strategy", "unsafe-best-match", "--require-hashes")
"""uv looks in every index for every package, as pip does. Only with hashes, which say what files may come, is that
safe: without them, whoever publishes a private package's name on a public index would be asked for it."""


def install(installer: Installer, access: Access, *, target: str | None = None, best_match: bool = False) -> Install:
    """The command that installs into the base's environment, or into a folder of its own.

    uv is itself installed by pip, from the same index, into a temporary folder that goes when the command ends.

    :param target: the folder; then everything is installed anew, whatever the base has.
    :param best_match: whether uv shall look in all indexes for each package, and demand a hash of each; else it takes
        a package from the first index that has its name. pip always looks in all.
    """
    from ..network.mounts import pip_mounts, uv_mounts

    if installer == "uv":
        into: tuple[str, ...] = ("--target", target) if target else ("--compile-bytecode",)
        into = (*into, *(BEST_MATCH if best_match else ()))
        mounts = tuple(dict.fromkeys((*pip_mounts(access), *uv_mounts(access))))
        return Install(("/bin/sh", "-euc", _UV, "uv", PYTHON, UV_VERSION, *into), _UV_ENV, mounts)
    into = ("--ignore-installed", "--no-compile", "--target", target) if target else ()
    return Install((PYTHON, "-m", "pip", "install", *into), PIP_ENV, pip_mounts(access))
