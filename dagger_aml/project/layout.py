"""Whether a model's folder keeps its name in the image, as Azure ML registers it, or lies there by its contents.

The code tells: ``os.path.join(os.environ["AZUREML_MODEL_DIR"], "model/regression.pkl")`` opens a file of a folder
``model`` that keeps its name, or one of a folder ``model`` in the folder that is the model. What lies there decides.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from attrs import evolve

from .. import contract
from ..data import frozen
from ..fs.lookup import is_there
from ..pysource.model_paths import ModelPath
from ..pysource.reached import Reached
from ..steps.model import Model, folder_name

Place = Literal["contents", "kept"]


@frozen
class Named:
    """A path below ``AZUREML_MODEL_DIR`` that the code names.

    :param file: of the code, relative to its folder; ``line`` from 1.
    :param whole: whether nothing unknown follows.
    """

    text: str
    file: str
    line: int
    whole: bool


@frozen
class Layout:
    """How a model lies in the image, and what the code says of it.

    :param said: whether the project file says it; else the code decides, or else the contents are laid out.
    :param kept: what the code names that is there only where the folder keeps its name.
    :param contents: what it names that is there only where its contents are laid out.
    :param either: what it names that is there both ways; a file has one way.
    :param missing: what it names that is there in no way.
    """

    model: Model
    said: bool = False
    kept: tuple[Named, ...] = ()
    contents: tuple[Named, ...] = ()
    either: tuple[Named, ...] = ()
    missing: tuple[Named, ...] = ()

    @property
    def decided_by(self) -> Named | None:
        """What the code names that decides, where it does and nothing else says it."""
        if self.said or not self.model.path.is_dir() or bool(self.kept) == bool(self.contents):
            return None
        return (self.kept or self.contents)[0]

    @property
    def found(self) -> tuple[Named, ...]:
        """What the code names and will find, as the model lies in the image."""
        return (*(self.kept if self.model.keep_folder else self.contents), *self.either)

    @property
    def other(self) -> tuple[Named, ...]:
        """What it would find if the model lay the other way."""
        return self.contents if self.model.keep_folder else self.kept

    def folder(self, *, kept: bool, root: str = contract.MODELS_ROOT) -> str:
        """Where the model lies in the image, with or without its folder's name.

        :param root: the folder of all models.
        """
        own = f"/{folder_name(self.model.path)}" if kept else ""
        below = "" if self.model.flat else f"/{self.model.name}/{self.model.version}"
        return f"{root}{below}{own}"


def lay_out(model: Model, *, said: bool, alone: bool, used: Reached | None) -> Layout:
    """How a model lies in the image; its ``keep_folder`` is settled where the project file does not say it.

    :param alone: whether it is the only model, so that ``AZUREML_MODEL_DIR`` is its own folder.
    :param used: what the entry script leads to; None without code.
    """
    found: dict[str, list[Named]] = {"kept": [], "contents": [], "either": [], "missing": []}
    before = () if alone else (model.name, model.version)
    for named, parts in _below(used.model_paths if used else (), before):
        found[_where(model, parts)].append(named)
    layout = Layout(model, said, **{name: tuple(each) for name, each in found.items()})
    return evolve(layout, model=evolve(model, keep_folder=bool(layout.kept))) if layout.decided_by else layout


def _below(
    paths: Iterable[tuple[str, ModelPath]], before: tuple[str, ...]
) -> Iterator[tuple[Named, tuple[str, ...]]]:
    """What is named of one model, and its parts below ``NAME/VERSION``; nothing known is nothing named."""
    for file, path in paths:
        own, rest = path.parts[: len(before)], path.parts[len(before) :]
        same = len(own) == len(before) and all(map(fnmatchcase, before, own))
        if same and rest:
            yield Named("/".join(path.parts), file, path.line, path.whole), rest


def _where(model: Model, parts: tuple[str, ...]) -> str:
    path = model.path
    if path.is_file():
        fits = len(parts) == 1 and any(fnmatchcase(each.name, parts[0]) for each in (path, *model.also))
        return "either" if fits else "missing"
    contents = _is_there(path, parts)
    first, *rest = parts
    kept = contents if first == "**" else fnmatchcase(folder_name(path), first) and _is_there(path, tuple(rest))
    if kept and contents:
        return "either"
    return "kept" if kept else "contents" if contents else "missing"


def _is_there(folder: Path, parts: tuple[str, ...]) -> bool:
    """Whether something of that name lies in the folder; names of any kind are texts of the user's code."""
    text = "/".join(parts)
    if is_there(folder / text):
        return True
    if not glob.has_magic(text):
        return False
    found = glob.iglob(text, root_dir=folder, recursive=True)  # noqa: PTH207 - takes any text
    return next(found, None) is not None
