"""Rules about the code of an image that is made already."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from .. import contract
from ..finding import Finding
from ..pysource.reached import Reached
from .facts import Places, Script, Server
from .inputs.image import ImageRead, Unreadable
from .rule import rule


@rule("AML540", "error")
def unreadable_in_the_image(places: Places, unreadable: tuple[Unreadable, ...]) -> Iterator[Finding]:
    """The image's user cannot read a file of the code.

    What a Dockerfile copies keeps its mode, and belongs to root unless `--chown` says otherwise. A file of mode 0600
    is then shut for `dockeruser`, and loading it ends with `PermissionError`; so is a folder that it cannot enter.

    Bad `Dockerfile`:

        COPY --chmod=0600 score.py /var/azureml-app/

    Good `Dockerfile`:

        COPY --chmod=0644 score.py /var/azureml-app/

    Silent: an image of root's; what a group may read that the user may be in; what lies in the
    folder of the models.
    """
    for each in unreadable:
        more = f" (and {each.more} more)" if each.more else ""
        yield Finding(
            f"{each.what}: the image's user {each.user} cannot read it{more}",
            location=places.at(each.path),
            hint="Copy it with --chown=dockeruser, or with --chmod=a+rX.",
        )


@rule("AML541", "error")
def hidden_in_the_image(script: Script, used: Reached, image: ImageRead, server: Server) -> Iterator[Finding]:
    """An imported module of the image's code is hidden by one of the inference server's own.

    The server's program puts its own folder on `sys.path` before the code, so that `import utils` finds the server's
    `utils.py`. `PYTHONPATH` with the code's folder turns that round, and the image does not set it.

    Bad `folder`:

        score.py    # from utils import clean
        utils.py

    Good `folder`:

        score.py    # from cleaning import clean
        cleaning.py

    Silent: other names; an import that may not be carried out; where `PYTHONPATH` has the code's folder, for modules
    and for packages with `__init__.py`; a command that does not start Azure ML's server.
    """
    places = [posixpath.normpath(each or ".") for each in image.config.env.get("PYTHONPATH", "").split(":")]
    below = posixpath.normpath(
        posixpath.join(str(image.top), script.folder.relative_to(image.folder or "/").as_posix())
    )
    first = "PYTHONPATH" in image.config.env and bool({below, "."} & {*places})
    for name in sorted(used.certain & contract.SERVER_MODULES) if server == "azureml" else ():
        place = script.folder / name
        file = place.with_name(f"{name}.py")
        whole = file.is_file() or (place / "__init__.py").is_file()
        if not (first and whole):
            yield Finding(
                f"the code imports {name}, but the inference server has a module of its own with that name, and "
                "finds it first",
                location=script.at(file if file.is_file() else place),
                hint=f"Rename {name}." if not whole else f"Rename {name}, or set PYTHONPATH to {below} in the image.",
            )
