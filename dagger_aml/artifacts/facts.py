"""What the files of a model say of the packages, the modules and the Python that made them. Nothing is unpickled."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import field

from ..data import frozen
from ..errors import DaggerAmlError
from ..text import pattern
from .names import MLMODEL, PICKLES

if TYPE_CHECKING:
    from .pickle import Pickled

MOST = 4 << 20
"""Bytes that are read of one file."""

_OPCODES = 20_000
"""Opcodes of a pickle that are followed; behind them only names are looked for. Two hundredths of a second."""

_TORCH = frozenset({".bin", ".ckpt", ".pt", ".pth"})

_KNOWN = PICKLES | _TORCH | {".skops", ".keras", ".json", ".xgb", ".bst"}

_ZIP = b"PK\x03\x04"
"""How an archive begins that torch takes."""

_FILES = 64
"""Files of one model that are looked at, the first by name."""

_SKLEARN = r'"_sklearn_version"[^{]*\{[^{}]*?"content":\s*"\\"([\w.+!-]+)\\""'
"""In the schema of a skops file; compiled where there is one, for that takes longer than reading most files."""

_XGBOOST = pattern(rb'"version"\s*:\s*\[(\d+),\s*(\d+),\s*(\d+)\]')


@frozen
class Artifact:
    """What one file says.

    :param modules: that its objects are of, ``__main__`` not among them.
    :param main: the classes and functions that it takes from ``__main__``.
    :param versions: of packages, by their names on an index, with which it was made.
    :param python: the Python with which it was made, as ``3.11.7``; None where it does not tell.
    :param bytecode: whether functions lie in it as the bytecode of that Python.
    """

    path: Path
    modules: tuple[str, ...] = ()
    main: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(factory=dict)
    python: str | None = None
    bytecode: bool = False


def read_artifacts(model: Path) -> tuple[Artifact, ...]:
    """What the files of a model say, by their names; what cannot be read says nothing.

    :param model: a file or a folder.
    """
    found = []
    for path in _files(model):
        try:
            artifact = _read(path)
        except (DaggerAmlError, OSError, ValueError, KeyError, RuntimeError, NotImplementedError):
            continue
        if artifact:
            found.append(artifact)
    return tuple(found)


def _files(model: Path) -> Iterator[Path]:
    if model.is_file():
        yield model
        return
    count = 0
    for folder, below, names in os.walk(model):
        below.sort()
        for name in sorted(names):
            if name == MLMODEL or Path(name).suffix.lower() in _KNOWN:
                yield Path(folder) / name
                count += 1
                if count == _FILES:
                    return


def _read(path: Path) -> Artifact | None:
    if path.name == MLMODEL:
        from .mlmodel import read_mlmodel

        said = read_mlmodel(path)
        return Artifact(path, versions=said.versions, python=said.python, bytecode=said.bytecode)
    kind = path.suffix.lower()
    if kind == ".skops":
        return _skops(path)
    if kind == ".keras":
        return _keras(path)
    if kind in (".json", ".xgb", ".bst"):
        return _xgboost(path)
    if kind in _TORCH:
        return _torch(path)
    if kind not in PICKLES:
        return None
    from .pickle import read_pickle

    return _pickled(path, read_pickle(path, longest=MOST, most=_OPCODES))


def _torch(path: Path) -> Artifact | None:
    """What ``torch.save`` wrote: an archive with a pickle, which names the classes of a whole model."""
    with path.open("rb") as file:
        if file.read(4) != _ZIP:
            return None
    from .pickle import read_opcodes

    data = _of_zip(path, "/data.pkl")
    return _pickled(path, read_opcodes(data, longest=MOST, most=_OPCODES, cut=len(data) == MOST))


def _pickled(path: Path, said: Pickled | None) -> Artifact | None:
    if said is None or not (said.modules or said.main):
        return None
    modules = tuple(each for each in said.modules if each != "__main__")
    versions = {"scikit-learn": said.sklearn} if said.sklearn else {}
    return Artifact(path, modules, said.main, versions)


def _skops(path: Path) -> Artifact:
    text = _of_zip(path, "schema.json").decode("utf-8", "replace")
    modules = dict.fromkeys(re.findall(r'"__module__":\s*"([A-Za-z_][\w.]*)"', text))
    main = re.findall(r'"__class__":\s*"(\w+)",\s*"__module__":\s*"__main__"', text)
    found = re.search(_SKLEARN, text)
    versions = {"scikit-learn": found[1]} if found else {}
    return Artifact(path, tuple(each for each in modules if each != "__main__"), tuple(dict.fromkeys(main)), versions)


def _keras(path: Path) -> Artifact | None:
    import json

    said = json.loads(_of_zip(path, "metadata.json"))
    version = said.get("keras_version") if isinstance(said, dict) else None
    return Artifact(path, ("keras",), versions={"keras": version}) if isinstance(version, str) else None


def _of_zip(path: Path, end: str) -> bytes:
    """The begin of the first file of an archive whose name ends so.

    :raises ValueError: it is no archive, or has no such file.
    """
    import zipfile

    try:
        with zipfile.ZipFile(path) as packed:
            name = next((each for each in packed.namelist() if each.endswith(end)), None)
            if name is None:
                raise ValueError(f"no {end} in {path}")
            with packed.open(name) as file:
                return file.read(MOST)
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from None


def _xgboost(path: Path) -> Artifact | None:
    """xgboost's own JSON, whose version stands at its end."""
    with path.open("rb") as file:
        begun = file.read(4096)
        if not begun.lstrip().startswith(b"{") or b'"learner"' not in begun:
            return None
        file.seek(max(0, path.stat().st_size - 4096))
        found = list(_XGBOOST.finditer(begun + file.read(4096)))
    version = b".".join(found[-1].groups()).decode() if found else None
    return Artifact(path, ("xgboost",), versions={"xgboost": version}) if version else None
