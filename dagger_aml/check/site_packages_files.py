"""Rules about a folder of installed packages: what of it is not found, or not its own, where it is copied to."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from .. import contract
from ..finding import Finding
from ..text import listed_words
from .rule import rule
from .site_packages import at, named

if TYPE_CHECKING:
    from ..sitepackages.model import PackagesFolder, PathFile

_HARMLESS: Final = frozenset({"distutils-precedence.pth", "_virtualenv.pth", "coverage.pth", "a1_coverage.pth"})
"""Of setuptools, virtualenv and coverage, which work without them."""

_EDITABLE: Final = re.compile(r"__editable__|_editable_impl_|easy-install\.pth\Z|.+\.egg-link\Z")

_COPY = "Only this folder is copied or mounted."


@rule("AML910", "warning")
def path_file(packages_folder: PackagesFolder) -> Iterator[Finding]:
    """A `.pth` file of the folder brings packages, and is not read there.

    Python reads `.pth` files in the site-packages of its own environment alone, and not in a folder that PYTHONPATH
    or `AZUREML_EXTRA_PYTHON_LIB_PATH` names. What the file adds to `sys.path` is then not found.

    Bad `folder`:

        libs/ours.pth          # ./vendored

    Good `folder`:

        libs/ours/__init__.py  # the modules themselves

    Silent: files that add no folder, such as those of setuptools, of virtualenv and of namespace packages; editable
    installs (AML911 tells).
    """
    for each in packages_folder.path_files:
        if each.adds and each.name not in _HARMLESS and not _EDITABLE.match(each.name):
            yield Finding(
                f"Python reads {each.name} in its own site-packages alone, so {_short(each)} will not be on sys.path",
                location=at(packages_folder, each.name),
                hint="Put what it leads to into the folder itself.",
            )


def _short(each: PathFile) -> str:
    return each.adds[0] if len(each.adds) == 1 else f"{each.adds[0]} and {len(each.adds) - 1} more"


@rule("AML911", "error")
def editable(packages_folder: PackagesFolder) -> Iterator[Finding]:
    """A package of the folder is an editable install, whose code lies elsewhere.

    `pip install -e` leaves a note of where the code is, and the code stays there. In the image is the note alone.

    Bad `shell`:

        pip install -e . --target libs

    Good `shell`:

        pip install . --target libs

    Silent: packages that were installed from a folder and copied; a package of which the folder has the modules too.
    """
    notes = {each.name: each for each in packages_folder.path_files if _EDITABLE.match(each.name)}
    told = set()
    for package in packages_folder.packages:
        if package.editable:
            name = re.sub(r"[-_.]+", "_", package.name).lower()
            mine = [note for note in notes if name in re.sub(r"[-_.]+", "_", note).lower()]
            told.update(mine)
            if {f"{name}.py", f"{name}/__init__.py"} & packages_folder.files:
                continue
            place = mine[0] if mine else f"{package.folder}/direct_url.json"
            yield Finding(
                f"{package.title} is an editable install of {package.editable}, so its code will be missing",
                location=at(packages_folder, place),
                hint=f"{_COPY} Install the package into it without -e.",
            )
    for name, note in notes.items():
        if name not in told and note.adds:
            yield Finding(
                f"the packages in {_short(note)} are editable installs, so their code will be missing",
                location=at(packages_folder, name),
                hint=f"{_COPY} Install the packages into it without -e.",
            )


@rule("AML912", "error")
def link_out(packages_folder: PackagesFolder) -> Iterator[Finding]:
    """A link of the folder leads out of it.

    Where the folder is copied or mounted, the link ends nowhere, or at something else. uv's `--link-mode symlink`
    makes such links into its cache, and so do some build systems.

    Bad `folder`:

        libs/numpy -> /home/me/.cache/uv/…/numpy

    Good `shell`:

        uv pip install --link-mode copy --target libs numpy

    Silent: relative links between files of the folder; hard links.
    """
    names = list(packages_folder.links)
    if names:
        first = names[0]
        more = f", and {len(names) - 1} more do" if len(names) > 1 else ""
        yield Finding(
            f"the link leads out of the folder, to {packages_folder.links[first]}{more}",
            location=at(packages_folder, first),
            hint=f"{_COPY} Put the files themselves into it (cp -rL).",
        )


@rule("AML913", "warning")
def unreadable(packages_folder: PackagesFolder) -> Iterator[Finding]:
    """Files of the folder may be read by their owner alone.

    Azure ML's images run as `dockeruser`. A Dockerfile's COPY gives the files to root and keeps their modes, and a
    mount keeps their owner too, so the server cannot read them: `Permission denied`, or `No module named …`.

    Bad `shell`:

        umask 077; pip install --target libs numpy

    Good `shell`:

        chmod -R a+rX libs

    Silent: files that everybody may read; on Windows, which has no such modes.
    """
    found = packages_folder.unreadable
    if found:
        more = f", and {len(found) - 1} more like it" if len(found) > 1 else ""
        yield Finding(
            f"only its owner may read it{more}, and the image's user is another one",
            location=at(packages_folder, found[0]),
            hint=f"chmod -R a+rX {packages_folder.path.name}",
        )


@rule("AML914", "info")
def no_metadata(packages_folder: PackagesFolder) -> Iterator[Finding]:
    """The folder has modules, and no metadata of packages.

    pip leaves a folder `NAME-VERSION.dist-info` beside each package. Without them nobody knows which packages are
    there: not these rules, and not `importlib.metadata`, by which many packages find their own version and plugins.

    Bad `folder`:

        libs/yaml/__init__.py

    Good `folder`:

        libs/yaml/__init__.py  libs/pyyaml-6.0.3.dist-info/METADATA

    Silent: where one package has metadata; a folder without modules.
    """
    if packages_folder.modules and not packages_folder.packages:
        yield Finding(
            "has modules and no metadata of packages (NAME-VERSION.dist-info), so what they need cannot be checked",
            location=at(packages_folder, ""),
            hint="Copy the .dist-info folders too, or install the packages into the folder: pip install --target.",
        )


@rule("AML915", "warning")
def shadows_python(packages_folder: PackagesFolder) -> Iterator[Finding]:
    """A module of the folder has the name of one of Python's own, and takes its place.

    What PYTHONPATH or `AZUREML_EXTRA_PYTHON_LIB_PATH` names comes before Python's library, where site-packages comes
    behind it. A backport such as `dataclasses`, `enum34` or `typing` that does no harm in an environment is then
    imported by everything, the server too.

    Bad `folder`:

        libs/dataclasses.py   # the backport for Python 3.6

    Good `folder`:

        libs/attrs/…

    Silent: folders without a module's code; modules that the library of today's Pythons does not have any more.
    """
    found = [packages_folder.modules[name] for name in packages_folder.modules if name in sys.stdlib_module_names]
    if found:
        yield Finding(
            f"Python's own {listed_words(_modules(found))} will not be found: the folder comes before its library",
            location=at(packages_folder, found[0]),
            hint="Remove it: a backport that today's Pythons do not need, or a file that was not meant to be there.",
        )


def _modules(names: list[str]) -> list[str]:
    return [name.partition(".")[0] for name in names]


@rule("AML916", "warning")
def shadowed_by_server(packages_folder: PackagesFolder) -> Iterator[Finding]:
    """A module of the folder has the name of one of the inference server's own, and is not found.

    The server's program puts its own folder before everything else on `sys.path`, so `import utils` finds the
    server's `utils.py` and not the folder's.

    Bad `folder`:

        libs/utils/__init__.py

    Good `folder`:

        libs/ours/utils.py

    Silent: names that the server does not have, such as `tests` and `docs`.
    """
    found = [name for name in packages_folder.modules if name in contract.SERVER_MODULES]
    if found:
        yield Finding(
            f"the inference server has modules of its own called {listed_words(found)}, which are found instead",
            location=at(packages_folder, packages_folder.modules[found[0]]),
            hint="Rename the module if it is yours; of a package, take another version or leave it out.",
        )


@rule("AML917", "warning")
def two_versions(packages_folder: PackagesFolder) -> Iterator[Finding]:
    """A package is in the folder in two versions, of which one is half there.

    `pip install --target` into a folder that has the package already leaves its old files in place and adds the new
    metadata beside the old, so the code is of one version and says that it is the other.

    Bad `shell`:

        pip install --target libs numpy==2.2.6; pip install --target libs numpy==2.3.5

    Good `shell`:

        pip install --upgrade --target libs numpy==2.3.5

    Silent: where each package has one folder of metadata.
    """
    found: dict[str, list[str]] = {}
    for each in packages_folder.packages:
        found.setdefault(each.key, []).append(each.folder)
    twice = {name: folders for name, folders in found.items() if len(folders) > 1}
    for name, folders in twice.items():
        yield Finding(
            f"{name} is there {len(folders)} times: {named(folders)}",
            location=at(packages_folder, folders[0]),
            hint="Make the folder anew, from nothing: its files may be of either.",
        )
