"""What is learnt while a project is read and is no value of it: facts for the rules."""

from __future__ import annotations

from pathlib import Path

from attrs import field

from ..data import define
from .origin import Stated


@define
class Notes:
    """Filled while a project is read, and left alone afterwards.

    :param script_by_content: whether the entry script was found by its ``init`` and ``run``, not by its name.
    :param lists_left: files that list packages and rank behind the one that is taken.
    :param models_with_code: models that travel with the code, since it does not ask Azure ML for their folder.
    :param proxies_here: proxies that a variable names and only this machine reaches, by the setting's name.
    :param deployments: deployment files of the folder, of which none is used since there are several.
    :param mlflow_refused: why the MLflow model is not served without an entry script, half a sentence.
    :param installed_since: why the packages of a lock are installed where they would be copied; else empty.
    :param above: the file of a project above, whose code this folder is, though it is taken as a project; of a folder
        without code the file of the nearest one.
    :param beaten: values of the project's file that a variable overrides.
    """

    script_by_content: bool = False
    lists_left: tuple[Path, ...] = ()
    models_with_code: tuple[Path, ...] = ()
    deployments: tuple[Path, ...] = ()
    mlflow_refused: str = ""
    installed_since: str = ""
    above: Path | None = None
    proxies_here: dict[str, Stated] = field(factory=dict)
    beaten: list[Beaten] = field(factory=list)


@define
class Beaten:
    """A variable's value that holds in place of a file's.

    :param setting: the name of what it is the value of.
    :param holds: the variable's.
    :param beats: the file's.
    """

    setting: str
    holds: Stated
    beats: Stated
