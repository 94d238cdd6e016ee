"""Rules about where a model lies in the image, and what the code names there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from glob import has_magic
from pathlib import Path

from ..contract import MODEL_DIR
from ..finding import Finding
from ..fs.lookup import is_there
from ..project.layout import Named
from ..project.model import Project
from ..pysource.reached import Reached
from ..pysource.texts import places_of_part
from . import mending
from .rule import rule

_WITHOUT_ITS_S = "azureml-model"
"""How people write the folder ``azureml-models``."""

_PART = rf"""(?:^|(?<=[/\\"']))(?P<old>{_WITHOUT_ITS_S})(?=[/\\"']|$)"""


@rule("AML410", "warning")
def layout_unclear(project: Project, code: Path) -> Iterator[Finding]:
    """The code does not tell whether a model's folder keeps its name.

    Azure ML registers a folder with its name: `model/regression.pkl` lies at
    `$AZUREML_MODEL_DIR/model/regression.pkl`. Where the code names such a path, dagger-aml keeps the name, and where
    it names `regression.pkl` it lays the folder's contents out. Here it names neither, or both, so the contents are
    laid out.

    Bad `score.py`:

        # the model is the folder model with regression.pkl in it
        path = os.path.join(os.environ["AZUREML_MODEL_DIR"], "outputs", "regression.pkl")

    Good `score.py`:

        path = os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "regression.pkl")

    Silent: where `keep-folder` of `[[models]]` is `true` or `false`, and for code that names no path below the
    folder, or only patterns such as `*.pkl`.
    """
    for each in project.layouts:
        named = [*each.contents, *each.kept] if each.contents and each.kept else _sure(each.missing)
        if each.said or not each.model.path.is_dir() or each.decided_by or each.either or not named:
            continue
        place = f"{each.folder(kept=False)}/; with its folder's name it would be at {each.folder(kept=True)}/"
        if each.contents and each.kept:
            texts = f"{each.contents[0].text} and {each.kept[0].text}"
            message = f"the code names {texts} below {MODEL_DIR}, and only one of them can be there: the model is at "
            hint = "Set `keep-folder` of the model to true or false, or change the path in the code."
        else:
            message = f"the code names {named[0].text} below {MODEL_DIR}, which is not there: the model is at "
            hint = "Change the path in the code: it is in the model's folder neither with its name nor without it."
        yield Finding(
            message + place,
            location=project.at(code / named[0].file, named[0].line),
            hint=hint,
        )


@rule("AML411", "warning")
def path_not_in_the_image(project: Project, code: Path) -> Iterator[Finding]:
    """The code names a path below AZUREML_MODEL_DIR, and the model lies elsewhere in the image.

    A model that is a file lies directly in the folder, and a folder lies as `keep-folder` says.

    Bad `score.py`:

        # the model is the file regression.pkl
        path = os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "regression.pkl")

    Good `score.py`:

        path = os.path.join(os.environ["AZUREML_MODEL_DIR"], "regression.pkl")

    Silent: where the code also names a path that is there, and for patterns such as `*.pkl`.
    """
    for each in project.layouts:
        if each.found or (each.model.path.is_dir() and not each.said):
            continue
        named = each.other or _sure(each.missing)
        if not named:
            continue
        is_file = each.model.path.is_file()
        place = f"{each.folder(kept=not is_file and each.model.keep_folder, root=project.models_root)}/"
        place += each.model.path.name if is_file else ""
        deployed = project.deployment is not None and project.deployment.deployment.model is not None
        by_key = each.said and not is_file and not deployed
        said = f", since keep-folder is {str(each.model.keep_folder).lower()}" if by_key else ""
        hint = "Change `keep-folder`, or the path in the code."
        if deployed:
            hint = "Azure ML puts it there too: change the path in the code, or the model's folder."
        if is_file:
            hint = f"Change the path in the code to {each.model.path.name}."
        yield Finding(
            f"the code names {named[0].text} below {MODEL_DIR}, which is not there: the model is at {place}{said}",
            location=project.at(code / named[0].file, named[0].line),
            hint=hint,
        )


@rule("AML413", "info")
def taken_together(project: Project) -> Iterator[Finding]:
    """Files that lie beside a model's file are taken with it.

    A network and the file of its weights, the shards of one model, a tokenizer beside weights, and what the code
    opens beside the model below AZUREML_MODEL_DIR are one model. Files in a folder of their own leave no doubt.

    Bad `folder`:

        score.py  model.onnx  model.onnx.data  tokenizer.json

    Good `folder`:

        score.py  model/model.onnx  model/model.onnx.data  model/tokenizer.json

    Silent: a model that is a folder, or a file alone.
    """
    for model in project.models:
        if model.also:
            names = ", ".join(path.name for path in model.also)
            yield Finding(f"{model.path.name} is taken as one model with {names}", location=project.at(model.path))


def _sure(named: Iterable[Named]) -> list[Named]:
    """Without patterns, which may well find nothing."""
    return [each for each in named if not has_magic(each.text)]


@rule("AML420", "warning")
def folder_without_its_s(project: Project, code: Path, used: Reached) -> Iterator[Finding]:
    """A path of the code says azureml-model where models are in azureml-models.

    Azure ML mounts models below `/var/azureml-app/azureml-models`, and the images of dagger-aml have them there.

    Bad `score.py`:

        path = "/var/azureml-app/azureml-model/rates/1/rates.pkl"

    Good `score.py`:

        path = os.path.join(os.environ["AZUREML_MODEL_DIR"], "rates.pkl")

    Silent: the word where it is no part of a path, and names that only begin so; a folder of the code that is called
    so.
    """
    if is_there(code / _WITHOUT_ITS_S):
        return
    for path, source in used.sources.items():
        if _WITHOUT_ITS_S.encode() in source.data and source.tree is not None:
            for line, column in places_of_part(source.tree, _WITHOUT_ITS_S):
                place = project.at(Path(path), line)
                yield Finding(
                    f"the path has {_WITHOUT_ITS_S}, and models are in azureml-models",
                    location=place,
                    hint=f"Better take the folder that {MODEL_DIR} names.",
                    fixes=mending.in_text(place, _PART, "azureml-models", column),
                )
