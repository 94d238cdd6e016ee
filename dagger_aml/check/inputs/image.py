"""What is known of an image that is made already: its config, and what its layers hold."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import field

from ... import contract
from ...base.facts import BaseFacts
from ...data import frozen
from ...project.missing import BRING_AT_START, OF_ENVIRONMENTS
from ...pysource.entry_points import EntryPoint, entry_points
from ...pysource.needed import Needed, elsewhere
from ...pysource.pythons import Python
from ...pysource.reached import Reached, reached
from ...pysource.source import Source, read_sound
from ...pysource.versions import version_of
from ..facts import BasePython, Places, Script, Server, Sources, StartScript, Variable
from ..known import Input, Known
from ..reserved import Reserved, reserved_in
from .image_places import PlacesInImage
from .names import plain_path
from .started import started

if TYPE_CHECKING:
    from ...oci.layer_tree import LayerTree
    from ...oci.manifest import BlobLayer
    from .image_code import InImage

_NOT_LOOKED_FOR = contract.SERVER_MODULES | OF_ENVIRONMENTS | {"azureml"}
"""Modules that the server brings or answers for, and such as an environment is made with."""


@frozen
class ImageRead:
    """An image as far as it was read.

    :param name: as the command line has it.
    :param config: what its config says. :param base: that, with what its files say; None where these leave a doubt.
    :param top: the folder in which the server starts; None where nothing can be said of it.
    :param folder: a copy of its code; None without.
    :param entries: what lies in that folder.
    :param tree: its files, where all layers were read.
    :param sites: the folders into which its Python looks for packages; None where that is not certain.
    :param unread: layers that are too large to be fetched.
    :param aside: what keeps the copies as long as they are needed.
    """

    name: str
    config: BaseFacts
    base: BaseFacts | None = None
    top: str | None = None
    folder: Path | None = None
    entries: tuple[InImage, ...] = ()
    tree: LayerTree | None = field(default=None, repr=False, eq=False)
    sites: tuple[str, ...] | None = None
    unread: tuple[BlobLayer, ...] = ()
    aside: object = field(default=None, repr=False, eq=False)


@frozen
class Unreadable:
    """What the image's user cannot read.

    :param what: it and its mode and owner, as a sentence begins with it. :param user: who it is.
    :param more: how many others there are.
    """

    what: str
    path: Path
    user: str
    more: int


@frozen
class NearFolder:
    """A folder that is there in place of the one that a variable names."""

    said: str
    there: str


@frozen(slots=False)
class ImageFacts(Known):
    """What is known of an image.

    :param image: what was read of it.
    """

    image: ImageRead | None = None
    needed_python: str | None = ""

    @property
    def input(self) -> Input:
        """The kind of input."""
        return "image"

    @cached_property
    def azureml(self) -> bool | None:
        """Whether the image serves on Azure ML, by what it sets or has; None where nothing says so."""
        if self.image is None:
            return None
        named = any(name.startswith(contract.OF_AZURE_ML) for name in self.image.config.env)
        return named or (self.base is not None and bool(self.base.starts)) or None

    @cached_property
    def base(self) -> BaseFacts | None:
        """What its files tell: its Python, its user's number, its start script."""
        return self.image.base if self.image else None

    @cached_property
    def python(self) -> Python | None:
        """The version of its Python."""
        return version_of(self.base.python) if self.base else None

    @cached_property
    def base_python_named(self) -> BasePython | None:
        """The same, of an image that serves on Azure ML."""
        return BasePython(self.base.python, None) if self.base and self.azureml else None

    @cached_property
    def start_script(self) -> StartScript | None:
        """Its start script, if it can be started."""
        return StartScript(bool(self.base.extras), "the image") if self.base and self.base.starts else None

    @cached_property
    def given(self) -> Mapping[str, Variable] | None:
        """All variables that it sets."""
        return {name: Variable(value) for name, value in self.image.config.env.items()} if self.image else None

    @cached_property
    def variables(self) -> Mapping[str, Variable] | None:
        """The same of an image that serves on Azure ML; None for another."""
        return self.given if self.azureml else None

    @cached_property
    def server(self) -> Server | None:
        """Whether Azure ML's server is what starts; None where nothing says that the image is for Azure ML."""
        if self.image is None or not self.azureml:
            return None
        return started((*self.image.config.entrypoint, *self.image.config.cmd)) or "another"

    @cached_property
    def places(self) -> Places | None:
        """How files of its code are named."""
        if self.image is None or self.image.folder is None or self.image.top is None:
            return None
        return PlacesInImage(self.image.folder, self.image.name, self.image.top)

    @cached_property
    def script(self) -> Script | None:
        """The entry script, where its code has it."""
        if self.image is None or self.image.folder is None or self.places is None:
            return None
        env, folder, top = self.image.config.env, self.image.folder, str(self.image.top)
        name = posixpath.relpath(posixpath.join(top, env.get(contract.ENTRY_SCRIPT) or "main.py"), top)
        source = posixpath.normpath(env.get(contract.SOURCE_DIRECTORY) or ".")
        if source != "." and name.startswith(f"{source}/"):
            folder, name = folder / source, name.removeprefix(f"{source}/")
        there = not name.startswith("..") and (folder / name).is_file()
        return Script(folder, name, self.places) if there else None

    @cached_property
    def lost_script(self) -> tuple[str, ...] | None:
        """The path of an entry script that is not there, though other code is."""
        image = self.image
        if image is None or image.tree is None or image.folder is None or self.server is None:
            return None
        said = image.config.env.get(contract.ENTRY_SCRIPT)
        path = posixpath.normpath(posixpath.join(str(image.top), said or ""))
        has_code = any(each.path.endswith(".py") for each in image.entries)
        return (path,) if said and has_code and image.tree.real(path) is None else ()

    @cached_property
    def reserved(self) -> tuple[Reserved, ...] | None:
        """The files of its code that the server reads as its own."""
        if self.image is None or self.image.folder is None or self.script is None:
            return None
        top, folder = str(self.image.top), self.image.folder
        name = (self.script.folder / self.script.name).relative_to(folder).as_posix()
        return tuple(reserved_in(folder, top, top, name, lambda path: True))

    @cached_property
    def sources(self) -> Sources | None:
        """The Python files of its code."""
        return Sources(self.image.folder) if self.image and (self.image.folder or not self.image.unread) else None

    @cached_property
    def entry(self) -> Source | None:
        """The entry script's source, parsed; None where it cannot be parsed."""
        return read_sound(self.script.folder / self.script.name, self.python) if self.script else None

    @cached_property
    def points(self) -> tuple[EntryPoint, ...] | None:
        """What the server will find as ``init`` and ``run``."""
        if self.script is None or self.entry is None:
            return None
        return entry_points(self.script.folder, self.script.name, self.entry, self.python)

    @cached_property
    def used(self) -> Reached | None:
        """What the entry script leads to."""
        return reached(self.script.folder, self.script.name, self.python) if self.script else None

    @cached_property
    def used_by_base(self) -> Reached | None:
        """The same, where the image's Python is known."""
        return self.used if self.base else None

    @cached_property
    def no_packages(self) -> tuple[Needed, ...] | None:
        """What the code imports for certain and no folder of packages has; None where others may bring it."""
        image = self.image
        if image is None or image.tree is None or image.sites is None or self.script is None or self.used is None:
            return None
        env = image.config.env
        own = [posixpath.normpath(each) for each in env.get("PYTHONPATH", "").split(":") if each]
        if any(env.get(name) for name in BRING_AT_START) or any(
            not f"{each}/".startswith(f"{image.top}/") for each in own
        ):
            return None
        found = elsewhere(self.script.folder, self.script.name, self.python, self.used)
        if found.installs or any(source.changes_path for source in self.used.sources.values()):
            return None
        return tuple(
            each
            for each in found.imports
            if each.sure
            and each.top not in _NOT_LOOKED_FOR
            and not any(_has(image.tree, place, each.module) for place in (*image.sites, str(image.top)))
        )

    @cached_property
    def unreadable(self) -> tuple[Unreadable, ...] | None:
        """What of the code the image's user cannot read, the first of it."""
        if self.image is None or self.base is None or self.image.folder is None or not self.azureml:
            return None
        base, top = self.base, str(self.image.top)
        shut = [each for each in self.image.entries if base.uid and _is_shut(each, base.uid, base.gid)]
        if not shut:
            return ()
        first = shut[0]
        entry = first.entry
        what = f"{first.path} has the mode {entry.mode:04o} and belongs to {entry.uid}:{entry.gid}"
        path = self.image.folder / posixpath.relpath(first.path, top)
        return (Unreadable(what, path, f"{base.user} ({base.uid}:{base.gid})", len(shut) - 1),)

    @cached_property
    def near_model_folder(self) -> tuple[NearFolder, ...] | None:
        """A folder of nearly the name that AZUREML_MODEL_DIR has, where that itself is not there."""
        if self.image is None or self.image.tree is None or self.variables is None:
            return None
        said = self.image.config.env.get(contract.MODEL_DIR)
        if not said:
            return ()
        folder = posixpath.normpath(posixpath.join(self.image.top or contract.APP_ROOT, said))
        tree = self.image.tree
        if not folder.startswith("/") or tree.real(folder):
            return ()
        above, name = posixpath.split(folder)
        near = [each for each in sorted(tree.names(above)) if plain_path(each) == plain_path(name)]
        return tuple(NearFolder(said, posixpath.join(above, each)) for each in near[:1])


def _is_shut(each: InImage, uid: int, gid: int) -> bool:
    """Whether a user surely cannot read a file, or enter a folder; of other groups of the user nothing is known."""
    entry = each.entry
    if not entry.sure or entry.type not in ("dir", "file"):
        return False
    needs = 0o5 if entry.type == "dir" else 0o4
    if entry.uid == uid:
        return entry.mode >> 6 & needs != needs
    by_group, by_others = (bits & needs == needs for bits in (entry.mode >> 3, entry.mode))
    return not by_group if entry.gid == gid else not (by_group or by_others)


def _has(tree: LayerTree, site: str, module: str) -> bool:
    """Whether a folder of packages has a module, or a package of which it is a part."""
    here = site
    for part in module.split("."):
        names = tree.names(here)
        if any(name == f"{part}.py" or (name.startswith(f"{part}.") and name.endswith(".so")) for name in names):
            return True
        if part not in names:
            return False
        here = posixpath.join(here, part)
        if "__init__.py" in tree.names(here):
            return True
    return True
