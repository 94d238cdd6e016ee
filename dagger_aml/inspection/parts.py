"""The packages and the models of an image, found in its layers."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from .. import contract
from ..base.distributions import of_folder
from ..oci.layer_index import Unanswered
from ..plan.label import OpKey
from .layers import Contents
from .model import InspectedFile, InspectedLayer, InspectedModel, InspectedPackage


def packages(contents: Contents) -> tuple[InspectedPackage, ...]:
    """The Python packages that are there, by the folders of their metadata, each site's in the order of names."""
    return tuple(sorted(_packages(contents), key=lambda each: (each.site, each.name)))


def _packages(contents: Contents) -> Iterator[InspectedPackage]:
    found = {folder for index in contents.indexes for folder in index.folders if folder.endswith(".dist-info")}
    for folder in found:
        said = of_folder(posixpath.basename(folder))
        metadata = f"{folder}/METADATA"
        if said and _is_there(contents, metadata):
            number = contents.brought_by(metadata)
            if number is not None:
                yield InspectedPackage(*said, posixpath.dirname(folder), number)


def _is_there(contents: Contents, path: str) -> bool:
    try:
        return contents.tree.is_file(path)
    except Unanswered:
        return False


def models_folder(env: Mapping[str, str]) -> str:
    """Where the models of an image lie, by its variables."""
    app = posixpath.normpath(env.get(contract.APP) or contract.APP_ROOT)
    said = posixpath.normpath(posixpath.join(app, env.get(contract.MODEL_DIR) or contract.MODELS_ROOT))
    return contract.MODELS_ROOT if f"{said}/".startswith(f"{contract.MODELS_ROOT}/") else said


def models(
    contents: Contents, root: str, ops: Sequence[OpKey], layers: Sequence[InspectedLayer]
) -> tuple[InspectedModel, ...]:
    """The models of an image: those that its label tells of, and what else lies in their folder.

    :param root: that folder.
    """
    files = dict(_files(contents, root))
    places = {op.dest: op for op in ops if not op.runs and f"{op.dest}/".startswith(f"{root}/")}
    found = []
    for path, op in places.items():
        inside = {each: place for each, place in files.items() if each == path or each.startswith(f"{path}/")}
        for each in inside:
            del files[each]
        made_it = [number for number, each in enumerate(layers) if each.op == op.name]
        number = made_it[0] if len(made_it) == 1 else None
        there = None if not inside and not contents.whole else inside
        found.append(_model(contents, root, path, op.digest, number, there))
    others: defaultdict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    for each, place in files.items():
        others[_place(root, each)][each] = place
    for path, inside in others.items():
        numbers = {number for number, _ in inside.values()}
        number = numbers.pop() if len(numbers) == 1 else None
        found.append(_model(contents, root, path, None, number, inside))
    return tuple(sorted(found, key=lambda each: each.path))


def _model(
    contents: Contents,
    root: str,
    path: str,
    inputs: str | None,
    number: int | None,
    inside: Mapping[str, tuple[int, int]] | None,
) -> InspectedModel:
    parts = posixpath.relpath(path, root).split("/") if root == contract.MODELS_ROOT else []
    registered = parts[:2] if len(parts) > 1 else [None, None]
    told = None
    if inside is not None:
        told = tuple(
            InspectedFile(_below(path, each), size, contents.sha256(layer, each))
            for each, (layer, size) in sorted(inside.items())
        )
    return InspectedModel(path, registered[0], registered[1], inputs, number, told)


def _below(path: str, file: str) -> str:
    return posixpath.basename(file) if file == path else posixpath.relpath(file, path)


def _files(contents: Contents, root: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """The files that are in the folder of models, each with its layer and its bytes."""
    seen: set[str] = set()
    for number in reversed(range(len(contents.indexes))):
        for path, size in contents.files(number).items():
            if path.startswith(f"{root}/") and path not in seen and _is_there(contents, path):
                seen.add(path)
                yield path, (number, size)


def _place(root: str, file: str) -> str:
    """Where a model begins that has a file: NAME/VERSION, or what lies in the folder itself."""
    parts = posixpath.relpath(file, root).split("/")
    return posixpath.join(root, *parts[: 2 if len(parts) > 2 and root == contract.MODELS_ROOT else 1])
