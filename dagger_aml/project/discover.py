"""What is found in a folder: the entry script and its code, models, and what lies beside the code and is none."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from ..data import frozen
from ..errors import ProjectError
from ..fs.lookup import is_file
from ..fs.tree import ALWAYS_LEFT_OUT, ENVIRONMENT, MARKER
from ..pysource import entry_script
from ..pysource.pythons import Python
from ..pysource.reached import Reached, reached
from ..text import named
from .companions import grouped
from .file import FILE_NAME

SCRIPT = "score.py"


REQUESTS = ("request.json", "sample-request.json", "sample_request.json", "test.json")
"""Names of sample requests; the first that is there counts."""


_OWN = (FILE_NAME, "apt.txt", "answer.json")


MODEL_SUFFIXES = frozenset(
    {".bst", ".cbm", ".gguf", ".h5", ".joblib", ".keras", ".model", ".onnx", ".pickle", ".pkl", ".pmml"}
    | {".pt", ".pth", ".safetensors", ".skops", ".tflite", ".ubj"}
)
"""Ends of the names of files that are models, where they lie in the project folder itself."""


RESULTS = (
    *("catboost_info/", "lightning_logs/", "mlartifacts/", "mlflow.db", "mlflow.db-shm", "mlflow.db-wal", "mlruns/"),
    *("multirun/", "ray_results/", "tb_logs/", "wandb/"),
)
"""Names of what training leaves behind: it is left out of every code folder's top, unless the code uses it."""


NOT_CODE = (
    *RESULTS,
    *("build/", "data/", "dataset/", "datasets/", "dist/", "doc/", "docs/", "logs/", "notebook/", "notebooks/"),
    *("outputs/", "test/", "tests/"),
    *(".*", "*.ipynb", "*.dvc", "dvc.lock", "dvc.yaml"),
    *("README*", "LICENSE*", "LICENCE*", "NOTICE*", "CHANGELOG*", "CONTRIBUTING*", "CODE_OF_CONDUCT*", "SECURITY*"),
    *("Dockerfile*", "*.Dockerfile", "docker-compose*.y*ml", "compose*.y*ml"),
    *("azure-pipelines*.y*ml", "Jenkinsfile", "Makefile", "Taskfile.y*ml", "conftest.py", "noxfile.py", "pytest.ini"),
    *("tox.ini", "mypy.ini", "setup.py", "setup.cfg", "MANIFEST.in", "pyproject.toml", "package.json"),
    *("package-lock.json", "requirements*.txt", "constraints*.txt", "Pipfile", "*.lock", "pylock*.toml"),
    *("conda*.y*ml", "environment*.y*ml"),
)
"""Names in the project folder that are not taken where that folder is the code, unless the code uses them; one that
ends in ``/`` is a folder's."""


CONDA = ("conda*.y*ml", "environment*.y*ml")


DOCKERFILES = ("Dockerfile*", "*.Dockerfile")


@frozen
class Script:
    """An entry script and the folder that is to be on ``sys.path`` for it.

    :param name: relative to the folder.
    :param by_name: whether it is called ``score.py``; else its ``init`` and ``run`` tell.
    """

    folder: Path
    name: str
    by_name: bool

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / self.name


def scripts(root: Path, python: Python | None = None) -> tuple[Script, ...]:
    """The project's entry scripts that rank first: one, or several that nothing ranks apart, or none.

    ``score.py`` in ``code``, in the project folder or in ``src`` ranks before files there that have ``init`` and
    ``run``; these before the same in other folders and in packages.
    """
    usual = [place for place in (root / "code", root, root / "src") if place.is_dir()]
    others = [(root, child.name) for child in packages(root)]
    others += [(place, child.name) for place in usual if place != root for child in packages(place)]
    plain = [(child, "") for child in folders(root) if not is_package(child) and child not in usual]
    for places in ([(place, "") for place in usual], [*others, *plain]):
        for look in (_by_name, _by_functions):
            found = tuple(
                _settled(script, root, python) for folder, below in places for script in look(folder, below, python)
            )
            if found:
                return found
    return ()


def _settled(script: Script, root: Path, python: Python | None) -> Script:
    """The script, seen from the project folder where it imports its own folder by name (``from src.a import b``)."""
    own = script.folder.name
    if script.folder.parent != root or own in sys.stdlib_module_names:
        return script
    if own in reached(script.folder, script.name, python).absent:
        return Script(root, f"{own}/{script.name}", script.by_name)
    return script


def scripts_called(root: Path, name: str) -> tuple[Script, ...]:
    """As :func:`scripts`, for a script whose path in the code folder is said."""
    usual = [root / "code", root, root / "src"]
    for places in (usual, [each for each in folders(root) if each not in usual]):
        found = tuple(Script(folder, name, by_name=True) for folder in places if (folder / name).is_file())
        if found:
            return found
    return ()


def is_mlflow(folder: Path) -> bool:
    """Whether a folder is an MLflow model."""
    return is_file(folder / "MLmodel")


def is_mlflow_alone(root: Path, python: Python | None) -> bool:
    """Whether the project folder itself is an MLflow model and has no entry script of its user's. A folder ``code``
    of modules that MLflow saved with a model is the model's."""
    if not is_mlflow(root):
        return False
    from ..artifacts.mlmodel_served import read_served

    own = read_served(root).code
    return all(own and each.folder.is_relative_to(root / own) for each in scripts(root, python))


def only(found: tuple[Script, ...], root: Path) -> Script:
    """The one that was found.

    :raises ProjectError: there are several.
    """
    if len(found) == 1:
        return found[0]
    listed = " and ".join(each.path.relative_to(root).as_posix() for each in found)
    part, hint = "the code", f"Move one of them away, or set `[code] path` in {FILE_NAME}."
    if len({each.folder for each in found}) == 1:
        part = "the entry script"
        hint = f"Choose one: {named('entry_script', found[0].name)}, or `entry-script` of [code] in {FILE_NAME}."
    raise ProjectError(f"several candidates for {part}: {listed}", location=str(root), hint=hint)


def scripts_in(folder: Path, python: Python | None = None) -> tuple[Script, ...]:
    """As :func:`scripts`, in a code folder that is settled."""
    for places in ([""], [child.name for child in packages(folder)]):
        for look in (_by_name, _by_functions):
            found = tuple(script for below in places for script in look(folder, below, python))
            if found:
                return found
    return ()


def _by_name(folder: Path, below: str, python: Python | None) -> Iterator[Script]:
    if os.path.isfile(folder / below / SCRIPT):  # noqa: PTH113 - no error where the folder cannot be read
        yield Script(folder, (Path(below) / SCRIPT).as_posix(), by_name=True)


def _by_functions(folder: Path, below: str, python: Python | None) -> Iterator[Script]:
    for name in entry_script.find(folder / below, python):
        yield Script(folder, (Path(below) / name).as_posix(), by_name=False)


def folders(root: Path) -> list[Path]:
    """Folders of the project that may hold code or a model, sorted; hidden ones and those of :data:`NOT_CODE` not."""
    found = []
    for item in sorted(os.scandir(root), key=lambda item: item.name):
        left_out = item.name in ALWAYS_LEFT_OUT or matches(item.name, NOT_CODE, folder=True)
        if left_out or not item.is_dir() or not os.access(item.path, os.R_OK | os.X_OK):
            continue
        if not any(os.path.isfile(f"{item.path}{os.sep}{name}") for name in (*ENVIRONMENT, MARKER)):  # noqa: PTH113
            found.append(Path(item.path))
    return found


def packages(root: Path) -> list[Path]:
    """The Python packages among a folder's folders."""
    return [each for each in folders(root) if is_package(each)]


def is_package(folder: Path) -> bool:
    """Whether a folder has ``__init__.py``."""
    return (folder / "__init__.py").is_file()


def models(root: Path, code: Path | None) -> list[Path]:
    """What in the project folder is a model by its name's end or, a folder, by what lies in it; links that lead
    nowhere too."""
    found = [each for each in folders(root) if each.name != "model" and not _holds(each, code) and model_kind(each)]
    for item in os.scandir(root):
        if Path(item.name).suffix.lower() in MODEL_SUFFIXES and not item.name.startswith(".") and not item.is_dir():
            found.append(Path(item.path))
    return grouped(found)


def only_model(root: Path, found: list[Path]) -> Path | None:
    """The one that was found.

    :raises ProjectError: there are several, it is a link that leads nowhere, or the project folder itself is a model.
    """
    kind = model_kind(root)
    if kind:
        raise ProjectError(
            f"the project folder itself is {kind}, so it is not clear which files are the model",
            location=str(root),
            hint="Move the model's files into a folder `model` here, and the entry script into `code`.",
        )
    if len(found) > 1:
        raise ProjectError(
            f"several candidates for the model: {' and '.join(path.name for path in found)}",
            location=str(root),
            hint="Move them into a folder `model` if they are one model, or `models` if each is a separate model; "
            f"or list them under [[models]] in {FILE_NAME}.",
        )
    if found and not found[0].exists():
        raise ProjectError(f"{found[0].name} is a broken link", location=str(found[0]))
    return found[0] if found else None


def check_has_script(root: Path, model: Path) -> None:
    """Refuse a folder with a found model and Python files of which none is an entry script.

    :raises ProjectError: it is one.
    """
    files = sorted(path.relative_to(root).as_posix() for place in (root, root / "src") for path in place.glob("*.py"))
    if files:
        raise ProjectError(
            f"there is a model, {model.name}, but no entry script: no file has init() and run()",
            location=str(root),
            hint="Write score.py with both functions, or name your entry script: "
            f"{named('entry_script', files[0])}. For an image without code, list the model under [[models]] in "
            f"{FILE_NAME}.",
        )


def own(used: Reached | None) -> tuple[str, ...]:
    """Names in the project folder of what is for dagger-aml alone, without what the code uses.

    :param used: by code among which they lie; None without such.
    """
    return (*_OWN, *requests(used))


def requests(used: Reached | None) -> tuple[str, ...]:
    """The names of sample requests, without what the code uses.

    :param used: by code among which they lie; None without such.
    """
    named = used.named_among(REQUESTS[1:]) if used else frozenset()
    return tuple(each for each in REQUESTS if each not in named)


def _holds(folder: Path, code: Path | None) -> bool:
    return code is not None and code.is_relative_to(folder)


def model_kind(folder: Path) -> str | None:
    """``an MLflow model``, if the folder is one, or of which other kind it is."""
    if is_mlflow(folder):
        return "an MLflow model"
    if (folder / "saved_model.pb").is_file():
        return "a TensorFlow model"
    if (folder / "config.json").is_file():
        for item in os.scandir(folder):
            if item.name.endswith(".safetensors") or fnmatchcase(item.name, "*model*.bin"):
                return "a Hugging Face model"
    return None


def not_code(folder: Path, used: Reached, names: tuple[str, ...] = NOT_CODE) -> tuple[Path, ...]:
    """What lies in a code folder and is left out of it: what is called so, less what is used."""
    with os.scandir(folder) as items:
        called = {item.name: Path(item.path) for item in items if matches(item.name, names, folder=item.is_dir())}
    apart = {name for name in called if name.removesuffix(".py") not in used.modules}
    return tuple(sorted(called[name] for name in apart - used.named_among(apart)))


def conda_files(root: Path, code: Path | None) -> Iterator[Path]:
    """conda's files in the project and its folders but those of saved models."""
    return _beside(root, code, CONDA)


def docker_files(root: Path, code: Path | None) -> Iterator[Path]:
    """Dockerfiles in the project and its folders but those of saved models."""
    return _beside(root, code, DOCKERFILES)


def _beside(root: Path, code: Path | None, names: tuple[str, ...]) -> Iterator[Path]:
    own = [code] if code and code.is_dir() else []
    for place in dict.fromkeys([root, *own, *(each for each in folders(root) if not model_kind(each))]):
        for item in sorted(os.scandir(place), key=lambda item: item.name):
            if item.is_file() and matches(item.name, names):
                yield Path(item.path)


def matches(name: str, patterns: tuple[str, ...], *, folder: bool = False) -> bool:
    """Whether one of the patterns, in any case, is that of a file's or folder's name."""
    name = name.lower()
    plain, others = _applied(patterns, folder)
    return name in plain or any(name.startswith(begin) and fnmatchcase(name, each) for begin, each in others)


@cache
def _applied(patterns: tuple[str, ...], folder: bool) -> tuple[frozenset[str], tuple[tuple[str, str], ...]]:
    """Patterns of files or folders in lower case: those that are names, and the others with how each begins, for to
    compile one takes longer than to see that most names begin otherwise."""
    apply = [each.removesuffix("/").lower() for each in patterns if each == ".*" or each.endswith("/") == folder]
    others = tuple((each.partition("*")[0], each) for each in apply if "*" in each)
    return frozenset(each for each in apply if "*" not in each), others
