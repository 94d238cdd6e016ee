"""Rules about what a list of packages says: what fetches them, what pip or uv reads and leaves, where it fits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ..base.facts import BaseFacts
from ..finding import Finding
from ..project.model import Project
from ..text import named
from .facts import Places
from .rule import rule

if TYPE_CHECKING:
    from ..requirements.model import Requirements

_APT: Final = {"git": "git", "hg": "mercurial", "svn": "subversion", "bzr": "brz"}


_LEFT_BY_UV: Final = ("--pre", "--prefer-binary", "--use-feature")


@rule("AML310", "warning")
def fetched_by_git(project: Project, requirements: Requirements) -> Iterator[Finding]:
    """A package is fetched by git, and nothing installs git.

    pip clones what `git+https://…` names, inside the base image. Azure ML's images are not known to have git, and pip
    ends with `Cannot find command 'git'`. With the recipe `extended`, apt packages are installed first. The same goes
    for `hg+`, `svn+` and `bzr+`.

    Bad `requirements.txt`:

        ours @ git+https://github.com/example/ours@v1

    Good `folder`:

        requirements.txt   # ours @ git+https://github.com/example/ours@v1
        apt.txt            # git

    Silent: where apt.txt, `apt` in the project file or `--apt` has the program, and for wheels and archives by URL.
    """
    for each in requirements.listed:
        if each.tool is None or each.constraint or _has(project, _APT[each.tool]):
            continue
        wheel = "build a wheel of it and list that (pip wheel --no-deps URL)"
        apt = f"Add `{named('apt', _APT[each.tool])}`, or {_APT[each.tool]} to apt.txt; or {wheel}."
        yield Finding(
            f"{each.text} is fetched by {each.tool}, which the base image may not have",
            location=_near(project, each.location),
            hint=apt if project.recipe != "preinstalled" else f"{wheel[0].upper()}{wheel[1:]}.",
        )


@rule("AML311", "warning")
def nothing_for_this_base(
    places: Places, requirements: Requirements, platform: str, added: tuple[str, ...], base: BaseFacts
) -> Iterator[Finding]:
    """Nothing of the list of packages is for the base's Python and platform.

    Each line has a marker that does not hold there. pip says so to nobody, and the image has no packages.

    Bad `requirements.txt`:

        pywin32 ; sys_platform == "win32"
        tomli ; python_version < "3.11"

    Good `requirements.txt`:

        joblib
        tomli ; python_version < "3.11"

    Silent: where one package is for the base, where `--pip` adds one, and for a base whose Python is not known.
    """
    from ..requirements.targets import Target, is_known

    if base.python is None or not is_known(platform) or added:
        return
    target = Target(base.python, platform)
    markers = [each.marker for each in requirements.listed if not each.constraint]
    markers += [each.marker for each in requirements.locked]
    if markers and not any(map(target.meets, markers)):
        count = f"none of its {len(markers)} packages is" if len(markers) > 1 else "its only package is not"
        yield Finding(
            f"{count} for Python {base.python} on {platform}, so nothing is installed",
            location=places.at(requirements.path),
            hint="Change the markers behind `;`, or use another base: `dagger-aml images`.",
        )


@rule("AML312", "warning")
def left_by_pip(places: Places, requirements: Requirements, installer: str) -> Iterator[Finding]:
    """An option is read by pip, which does nothing with it.

    On a package's line only `--hash` and `--config-settings` count, and what stands behind an option there is
    dropped, a marker too. Of several `-r`, `-c` or `-f` on one line the first counts.

    Bad `requirements.txt`:

        torch==2.3.1 --index-url https://download.pytorch.org/whl/cpu

    Good `requirements.txt`:

        --extra-index-url https://download.pytorch.org/whl/cpu
        torch==2.3.1+cpu

    Silent: options on lines of their own, and hashes.
    """
    for each in requirements.options:
        if each.ignored and installer == "pip":
            where = f" on the line of {each.listed}" if each.listed else ", since another option stands before it"
            yield Finding(
                f"pip does nothing with {each.written}{where}",
                location=places.near(each.location),
                hint="Write the marker before the options."
                if each.written[0] == ";"
                else "Put it on a line of its own.",
            )


@rule("AML313", "warning")
def left_by_uv(project: Project, requirements: Requirements) -> Iterator[Finding]:
    """An option of the requirements file is nothing to uv.

    uv warns of these in the build's output and goes on, so that other versions may be installed than pip would.

    Bad `requirements.txt`:

        --pre
        ours

    Good `requirements.txt`:

        ours==2.0rc1

    Silent: with `--installer pip`.
    """
    for each in requirements.options:
        if project.installer == "uv" and each.word in _LEFT_BY_UV and not each.ignored:
            yield Finding(
                f"uv does nothing with {each.written}",
                location=_near(project, each.location),
                hint=f"Name the versions that you want, or use `{named('installer', 'pip')}`.",
            )


@rule("AML314", "info")
def first_index_wins(project: Project, requirements: Requirements) -> Iterator[Finding]:
    """Each package is taken from the first index that knows its name.

    pip takes the best version that any index has. uv stops at the first index with a package of the name, extra
    indexes before the others, so that nobody can slip in a package of a private name. A list may have no solution
    then. Where every package is pinned and has a hash, uv looks in all.

    Bad `requirements.txt`:

        --extra-index-url https://download.pytorch.org/whl/cpu
        torch==2.3.1+cpu
        numpy==2.1.0

    Good `requirements.txt`:

        --extra-index-url https://download.pytorch.org/whl/cpu
        torch==2.3.1+cpu --hash=sha256:…
        numpy==2.1.0 --hash=sha256:…

    Silent: with one index, with `--installer pip`, and where every package is pinned and has a hash.
    """
    from ..requirements.installable import has_several_indexes, needs_best_match

    several = project.installer == "uv" and has_several_indexes(requirements, project.access)
    if several and (project.pip or not needs_best_match(requirements, project.access)):
        yield Finding(
            "uv takes each package from the first index that has its name, extra indexes before the others",
            location=project.at(requirements.path),
            hint="With versions and hashes for all packages it looks in all indexes, as pip does.",
        )


@rule("AML315", "info")
def all_indexes_searched(project: Project, requirements: Requirements) -> Iterator[Finding]:
    """Each package is looked for in all indexes, since all have hashes.

    The list is from several indexes, and uv would stop at the first that knows a name. It is given
    `--index-strategy unsafe-best-match --require-hashes`: no other file can come than those with these hashes.

    Bad `shell`:

        dagger-aml build --installer uv   # a lock made of PyPI's and PyTorch's index

    Good `shell`:

        dagger-aml build --installer uv   # a lock of one index

    Silent: with one index, without hashes, and with `--installer pip`.
    """
    from ..requirements.installable import needs_best_match

    if project.installer == "uv" and not project.pip and needs_best_match(requirements, project.access):
        yield Finding(
            "every package has a hash, so uv looks in all indexes (--index-strategy unsafe-best-match)",
            location=project.at(requirements.path),
        )


@rule("AML316", "warning")
def fetched_by_ssh(places: Places, requirements: Requirements) -> Iterator[Finding]:
    """A package is fetched by ssh, and the build has no key.

    Keys and agents of your shell are not in the build, and never are in an image.

    Bad `requirements.txt`:

        ours @ git+ssh://git@github.com/example/ours@v1

    Good `requirements.txt`:

        ./wheels/ours-1.0-py3-none-any.whl

    Silent: `git+https://`.
    """
    from urllib.parse import urlsplit

    for each in requirements.listed:
        if each.tool and not each.constraint and urlsplit(each.url).scheme.endswith("+ssh"):
            yield Finding(
                f"{each.text} is fetched by ssh, and the build has no key of yours",
                location=places.near(each.location),
                hint="Build a wheel of it and list that (pip wheel --no-deps URL), or use a URL with https.",
            )


def _has(project: Project, package: str) -> bool:
    """Whether an apt package is installed, whatever version or release stands behind its name."""
    return any(each.replace("=", "/").replace(":", "/").partition("/")[0] == package for each in project.apt)


def _near(project: Project, location: str) -> str:
    return Places(project.root).near(location)
