"""Models."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from attrs import field

from .. import contract
from ..data import frozen
from ..errors import GraphError, ProjectError
from ..fs.ignore import ignore_files
from ..fs.tree import check_pulled, is_file, local, some_files
from ..graph.graph import Copy, Graph
from ..text import human_size, pattern

_NAME = pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}\Z")


_VERSION = pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,29}\Z")


def _check_name(_: object, __: object, name: str) -> None:
    if not isinstance(name, str) or not _NAME.match(name):
        raise GraphError(
            f"not a model name: {name!r}",
            hint="Use only letters, digits, '.', '_' and '-', at most 255 characters, as Azure ML requires.",
        )


def _paths(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(paths)


def _check_version(_: object, __: object, version: str) -> None:
    if not isinstance(version, str) or not _VERSION.match(version):
        raise GraphError(
            f"not a model version: {version!r}",
            hint="Use only letters, digits, '.', '_' and '-', at most 30 characters. Usually it is a number.",
        )


@frozen
class Model:
    """A model and where it goes.

    :param path: a file, or a folder whose contents are taken.
    :param name: as registered with Azure ML.
    :param version: likewise.
    :param flat: straight into ``azureml-models``, as the how-to's Dockerfile does, instead of ``NAME/VERSION``.
    :param also: other files of its folder that belong to a model that is a file, such as a network's weights.
    :param leave_out: paths in a folder that are no part of the model.
    :param keep_folder: below ``NAME/VERSION``, keep a folder's own name, as a registered folder has it.
    :param project: the project's folder, where the model's folder is that one or contains it: version control,
        caches, ``.env``, environments, and what ignore files say, are then no part of the model, as they are none of
        a code folder.
    :param keep: paths in the folder's top that are taken whatever ignore files say.
    """

    path: Path = field(converter=Path)
    name: str = field(validator=_check_name)
    version: str = field(default="1", validator=_check_version)
    flat: bool = False
    keep_folder: bool = False
    also: tuple[Path, ...] = field(default=(), converter=_paths)
    leave_out: tuple[Path, ...] = field(default=(), converter=_paths)
    project: Path | None = None
    keep: tuple[Path, ...] = field(default=(), converter=_paths)


def folder_name(path: Path) -> str:
    """The name that a folder keeps: as it is given, so that one given as a link keeps the link's."""
    return path.resolve().name if path.name in ("", "..") else path.name


async def model(graph: Graph, model: Model, *, root: str = contract.MODELS_ROOT) -> Graph:
    """Copy a model to ``/var/azureml-app/azureml-models/NAME/VERSION``, owned by root, readable by all.

    Sets ``AZUREML_MODEL_DIR``: that folder for one model, ``azureml-models`` for several or a flat one. Needs no
    network.

    :param root: the folder to use in place of ``azureml-models``, as ``model_mount_path`` of a deployment says it.
    :raises ProjectError: missing, empty, unreadable, or a Git LFS pointer.
    :raises GraphError: a special file, a link that leaves the folder, two models in one place, flat among several.
    """
    which = f"model {model.name}"
    if model.also:
        source = some_files(model.path.parent, sorted([model.path, *model.also]), location=which)
    else:
        mine = model.project
        source = local(
            model.path,
            leave_out=model.leave_out,
            caches=mine is None,
            ignore=ignore_files(mine.resolve(), model.path.resolve()) if mine else None,
            keep=model.keep,
            location=which,
        )
    if not any(entry.type != "dir" for entry in source.entries):
        raise ProjectError("the model folder is empty", location=str(model.path))
    check_pulled(source)
    single = is_file(source)
    folder = root if model.flat else f"{root}/{model.name}/{model.version}"
    before = graph.config.env.get(contract.MODEL_DIR)
    there = [layer.dest for layer in graph.layers if isinstance(layer, Copy)]
    if (model.flat and any(_beneath(dest, root) for dest in there)) or any(
        root in (dest, posixpath.dirname(dest)) for dest in there
    ):
        raise GraphError(
            "a flat model must be the only one",
            location=which,
            hint="Remove `flat`: each model then goes to a folder with its own name and version.",
        )
    if any(_beneath(dest, folder) for dest in there):
        raise GraphError(
            f"two models go to {folder}",
            location=which,
            hint="Give them different names or versions.",
        )
    kind: Literal["file", "tree"] = "file" if single else "tree"
    if single:
        dest = f"{folder}/{Path(source.path).name}"
    else:
        dest = f"{folder}/{folder_name(model.path)}" if model.keep_folder and not model.also else folder
    shown = f"{which} {human_size(source.size)}"
    graph = graph.add(Copy(source, dest, kind, changes="rarely", name=shown))
    return graph.configure(env={contract.MODEL_DIR: root if before else folder})


def _beneath(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
