"""Where an image is written to: what ``-o`` says, in buildx's words."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ..data import frozen
from ..errors import UsageError
from ..text import named

STDOUT = Path("/dev/stdout")
"""What ``-o -`` means; the command line alone writes there."""


_KINDS = "type=docker,dest=FILE, type=oci,dest=FILE, type=oci,dest=FOLDER,tar=false, type=registry, or FILE"


def _instead(type_: str) -> str:
    """What to write in place of a type that there is not."""
    return {
        "tar": f"To get a tar of the image, use {named('output', 'FILE.tar')}. An export of only the files is not "
        "supported.",
        "local": (
            f"To get the image in a folder, use {named('output', 'type=oci,dest=FOLDER,tar=false')}. An export of "
            "only the files is not supported."
        ),
        "image": f"Write {named('load')}, or {named('push')}.",
        "cacheonly": f"Remove {named('output')}: the image then stays in the builder.",
    }.get(type_, f"Write {_KINDS}.")


@frozen
class Export:
    """A file that an image is written to, or a folder.

    :param type: ``docker`` for docker and podman to load, in Docker's media types where the builder writes any;
        ``oci`` for an OCI layout; None for a tar that is both, as far as the builder goes.
    :param folder: the layout as a folder, not as a tar.
    """

    path: Path
    type: Literal["docker", "oci"] | None = None
    folder: bool = False

    def check(self) -> None:
        """Refuse what cannot be written, before anything is built.

        :raises UsageError: a folder where a file goes or the reverse, a device, a parent that is not there.
        """
        if not self.folder:
            check_file(self.path)
        elif self.path.is_symlink() or (self.path.exists() and not self.path.is_dir()):
            raise UsageError("is not a folder", location=str(self.path))
        elif self.path.is_dir() and any(self.path.iterdir()):
            raise _not_empty(self.path)
        else:
            _check_parent(self.path)


def _not_empty(path: Path) -> UsageError:
    return UsageError("is not empty", location=str(path), hint="Name a new folder for the layout.")


def as_export(what: Export | Path | str) -> Export:
    """A path is a tar that is both."""
    return what if isinstance(what, Export) else Export(Path(what))


def check_file(path: Path) -> None:
    """Refuse a file that cannot be written; raises as :meth:`Export.check`."""
    if path.is_dir():
        raise UsageError("is a folder; a file name is needed", location=str(path))
    if path.exists() and not path.is_file():
        raise UsageError(
            "is not a regular file", location=str(path), hint=f"For standard output, use {named('output', '-')}."
        )
    _check_parent(path)


def _check_parent(path: Path) -> None:
    parent = path.absolute().parent
    if not parent.is_dir():
        hint = f"Make it: mkdir -p {shlex.quote(str(path.parent))}"
        raise UsageError("is in a folder that does not exist", location=str(path), hint=hint)
    if not os.access(parent, os.W_OK | os.X_OK):
        raise UsageError(
            f"cannot be written: new files are not allowed in its folder, {parent}",
            location=str(path),
            hint="Use another path.",
        )


def check_platforms(output: Export, platforms: int) -> None:
    """Refuse several platforms in a form that holds one.

    :param platforms: how many the image is for.
    :raises UsageError: it does.
    """
    if platforms > 1 and output.type != "oci":
        raise UsageError(
            "an image for docker to load can have only one platform",
            location=named("output"),
            hint=f"Write {named('oci_output')}, or push, or build one {named('platform')} at a time.",
        )


def parse_export(text: str) -> Export | Literal["push", "load"]:
    """Read what ``-o`` says: a file, ``-``, or buildx's ``type=…,dest=…``.

    :raises UsageError: an unknown type or attribute, a missing ``dest``; with what there is instead.
    """
    fields = _fields(text) if "type=" in text else []
    if not any(each.strip().startswith("type=") for each in fields):
        if not text:
            raise UsageError("is empty", location=named("output"), hint=f"Write {_KINDS}.")
        return Export(STDOUT if text == "-" else Path(text))
    said: dict[str, str] = {}
    for each in fields:
        key, equals, value = each.strip().partition("=")
        if not equals or key in said:
            raise UsageError(
                f"not KEY=VALUE, or given twice: {each!r}", location=named("output", text), hint=f"Write {_KINDS}."
            )
        said[key] = value
    return _read(said, named("output", text))


def _fields(text: str) -> list[str]:
    import csv

    return next(csv.reader([text]), [])


def _read(said: dict[str, str], location: str) -> Export | Literal["push", "load"]:
    type_, dest = said.pop("type"), said.pop("dest", None)
    if type_ == "registry" or (type_ == "image" and said.get("push") == "true"):
        said.pop("push", None)
        _no_more(said, location, f"Name the image with {named('tag')}. The builder chooses the layer compression.")
        return "push"
    if type_ not in ("docker", "oci"):
        what = f"unknown output type {type_!r}"
        raise UsageError(what, location=location, hint=_instead(type_))
    tar = said.pop("tar", "true")
    if tar not in ("true", "false") or (tar == "false" and (type_ == "docker" or dest == "-")):
        raise UsageError(
            "tar=false works only with type=oci and a folder", location=location, hint=f"Write {_KINDS}."
        )
    _no_more(said, location, f"Name the image with {named('tag')}. The builder chooses the layer compression.")
    if type_ == "docker" and dest is None:
        return "load"
    if not dest:
        raise UsageError("dest is missing", location=location, hint=f"Write {_KINDS}; dest=- is standard output.")
    return Export(STDOUT if dest == "-" else Path(dest), "docker" if type_ == "docker" else "oci", tar == "false")


def _no_more(said: dict[str, str], location: str, hint: str) -> None:
    if said:
        raise UsageError(f"unknown: {', '.join(sorted(said))}", location=location, hint=hint)


@contextlib.contextmanager
def output_tar(output: Export) -> Iterator[Path]:
    """The path of a tar to write, which becomes the output, file or folder, when the block ends well.

    :raises UsageError: it cannot be written. :raises DaggerAmlError: its disk is full.
    """
    from ..fs.atomic import beside_path, replaced_file, umask_of
    from ..oci.docker_archive import unpack_layout

    if not output.folder:
        with replaced_file(output.path) as tar:
            yield tar
        return
    with beside_path(output.path) as folder:
        yield folder / "image.tar"
        layout = folder / "layout"
        unpack_layout(folder / "image.tar", layout)
        layout.chmod(0o777 & ~umask_of(folder))
        try:
            layout.replace(output.path)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):  # Another call has written there in the meantime.
                raise _not_empty(output.path) from None
            raise
