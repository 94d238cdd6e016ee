"""Reading ``dagger-aml.toml`` or ``[tool.dagger-aml]``: types checked, and the line of every key known."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import Attribute, field, fields, frozen
from cattrs import ClassValidationError, Converter, transform_error
from cattrs.gen import make_dict_structure_fn, override

from .. import toml
from ..errors import ProjectError, unreadable
from ..graph.base import ARCHIVES
from ..toml import line_of

FILE_NAME = "dagger-aml.toml"


def _says(help: str, example: str, unsaid: str | None = None) -> dict[str, str | None]:
    """Metadata of a key, for its line in docs/reference-file.md.

    :param example: a value, as TOML.
    :param unsaid: what holds without the key, where the field's default does not tell.
    """
    return {"help": help, "example": example, "unsaid": unsaid}


@frozen
class CodeTable:
    """``[code]``"""

    path: str | None = field(default=None, metadata=_says("The code folder.", '"src"', "as found"))
    entry_script: str | None = field(
        default=None, metadata=_says("The entry script, relative to the code folder.", '"serve.py"', "as found")
    )


@frozen
class ModelTable:
    """``[[models]]``"""

    path: str = field(metadata=_says("A file or a folder.", '"model"'))
    name: str | None = field(
        default=None,
        metadata=_says("As it is registered with Azure ML.", '"diabetes"', "the file's or folder's name"),
    )
    version: str = field(default="1", metadata=_says("As it is registered with Azure ML.", '"3"'))
    flat: bool = field(
        default=False,
        metadata=_says("Straight into `azureml-models`, not `NAME/VERSION`; for one model only.", "true"),
    )
    keep_folder: bool = field(
        default=False, metadata=_says("Keep the folder's own name below `NAME/VERSION`.", "true")
    )


@frozen
class PreinstalledTable:
    """``[preinstalled]``"""

    path: str | None = field(
        default=None,
        metadata=_says("A site-packages folder of yours, for [preinstalled](preinstalled.md).", '"libs"', "none"),
    )
    via: str | None = field(
        default=None,
        metadata=_says(
            "How preinstalled packages are found: `start-script` or `pythonpath`.", '"pythonpath"', "`start-script`"
        ),
    )


@frozen
class PipTable:
    """``[pip]``"""

    installer: str | None = field(
        default=None, metadata=_says("What installs packages: `pip`, or `uv`, pinned.", '"uv"', "`pip`")
    )
    index_url: str | None = field(
        default=None,
        metadata=_says(
            "The index, in place of PyPI; its login is a secret.", '"https://pypi.example.com/simple/"', "PyPI"
        ),
    )
    extra_index_urls: tuple[str, ...] = field(
        default=(),
        metadata=_says("Indexes beside it.", '["https://pkgs.example.com/simple/"]', "none"),
    )
    find_links: tuple[str, ...] = field(
        default=(), metadata=_says("URLs of pages with archives.", '["https://example.com/wheels/"]', "none")
    )


@frozen
class NetworkTable:
    """``[network]``"""

    apt_mirror: str | None = field(
        default=None,
        metadata=_says("Replaces the archive's URL in the base's apt sources.", '"https://apt.example.com/ubuntu"'),
    )
    http_proxy: str | None = field(
        default=None, metadata=_says("Of the build's commands.", '"http://proxy.example.com:3128"', "`$HTTP_PROXY`")
    )
    https_proxy: str | None = field(
        default=None, metadata=_says("Of the build's commands.", '"http://proxy.example.com:3128"', "`$HTTPS_PROXY`")
    )
    no_proxy: str | None = field(
        default=None, metadata=_says("Hosts that need no proxy.", '"localhost,.example.com"', "`$NO_PROXY`")
    )
    ca: str | None = field(
        default=None,
        metadata=_says("Certificates in PEM to trust beside the public ones.", '"company-ca.pem"', "none"),
    )


@frozen
class Tables:
    """The whole file; every key is optional."""

    extends: str | tuple[str, ...] | None = field(
        default=None,
        metadata=_says("A file of shared defaults, or several; this file wins.", '"../company.toml"', "none"),
    )
    name: str | None = field(
        default=None,
        metadata=_says("Names the project in the plan and the Dockerfile.", '"diabetes"', "the folder's name"),
    )
    version: str | None = field(
        default=None,
        metadata=_says("What `{version}` stands for in a tag.", '"1.4.0"', "`[project] version` of pyproject.toml"),
    )
    base: str | None = field(
        default=None,
        metadata=_says(
            "A [catalog](bases.md) name, a reference, or an [image here](bases.md#an-image-on-this-machine).",
            '"curated/minimal-py311-inference"',
            "`minimal-py312-inference`",
        ),
    )
    recipe: str | None = field(
        default=None,
        metadata=_says("A recipe's name, or the path of a [file](own-recipe.md).", '"dynamic"', "`extended`"),
    )
    platform: str | None = field(
        default=None,
        metadata=_says("The image's platform, whatever the host's is.", '"linux/arm64"', "`linux/amd64`"),
    )
    apt: str | tuple[str, ...] | None = field(
        default=None,
        metadata=_says(
            "Debian packages, or the name of a file that lists them.", '["libgomp1"]', "`apt.txt`, if there is one"
        ),
    )
    requirements: str | None = field(
        default=None,
        metadata=_says(
            "What pip installs: a requirements file, or a lock.",
            '"requirements.txt"',
            "`requirements.txt`, if there is one",
        ),
    )
    request: str | None = field(
        default=None,
        metadata=_says(
            "A sample request; never part of the image.", '"request.json"', "`request.json`, if there is one"
        ),
    )
    answer: str | None = field(
        default=None,
        metadata=_says("What the sample request must give.", '"answer.json"', "`answer.json`, if there is one"),
    )
    env: dict[str, str] = field(factory=dict, metadata=_says("Variables of the image.", '{ WORKER_COUNT = "2" }'))
    labels: dict[str, str] = field(
        factory=dict, metadata=_says("Labels of the image.", '{ "org.opencontainers.image.vendor" = "Example" }')
    )
    code: CodeTable = field(factory=CodeTable)
    models: tuple[ModelTable, ...] | None = None
    preinstalled: PreinstalledTable = field(factory=PreinstalledTable)
    pip: PipTable = field(factory=PipTable)
    network: NetworkTable = field(factory=NetworkTable)
    secrets: dict[str, str] = field(
        factory=dict,
        metadata=_says("Where the value of a secret is: `env=NAME` or `src=FILE`.", '{ pip = "env=PIP_INDEX" }'),
    )


@frozen
class ProjectFile:
    """A project file as read, together with the files that it extends; an absent one is empty.

    :param tables: of all the files.
    :param files: the project's own first, then what it extends, the nearest first.
    """

    tables: Tables
    files: tuple[_File, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where the files lie."""
        return tuple(file.path for file in self.files)

    def where(self, *key: str | int) -> str:
        """``dagger-aml.toml:7`` for a key such as ``("models", 0, "path")``, in the file that says it."""
        if not self.files:
            return "default"
        return next((file for file in self.files if file.says(key)), self.files[0]).where(*key)


@frozen
class _File:
    """One TOML file.

    :param data: its keys, without what a pyproject.toml holds for others; ``tables`` the same, typed.
    :param shown: how messages name it.
    """

    path: Path
    data: dict[str, Any] = field(repr=False)
    tables: Tables = field(repr=False)
    text: str = field(repr=False)
    prefix: tuple[str, ...]
    shown: str

    def where(self, *key: str | int) -> str:
        return f"{self.shown}:{line_of(self.text, (*self.prefix, *key))}"

    def says(self, key: tuple[str | int, ...]) -> bool:
        """Whether a key stands in this file: by its table's key where the table is merged, else as a whole."""
        if not key or key[0] not in self.data:
            return False
        value = self.data[str(key[0])]
        return not isinstance(value, dict) or len(key) < 2 or key[1] in value


def read_project_file(root: Path) -> ProjectFile:
    """Read the project file of a folder, and the files that it extends.

    :raises ProjectError: both files declare the project; broken TOML; an unknown key, with the nearest known one; a
        value of a wrong type; an extended file that is missing or extends itself. Each with file:line.
    """
    own, pyproject = root / FILE_NAME, root / "pyproject.toml"
    found = _read(pyproject, pyproject.name) if pyproject.is_file() else None
    if own.exists() or own.is_symlink():
        if found:
            raise ProjectError(
                f"two candidates for the project file: {FILE_NAME} and [tool.dagger-aml] of pyproject.toml",
                where=str(root),
                do="Keep one of them.",
            )
        found = _read(own, own.name)
    if not found:
        return ProjectFile(Tables())
    files = (found, *_extended(found, root, (found,)))
    if len(files) == 1:
        return ProjectFile(found.tables, files)
    merged: dict[str, Any] = {}
    for file in reversed(files):
        for key, value in file.data.items() if file is found else _from_root(file, root).items():
            before = merged.get(key)
            both = isinstance(value, dict) and isinstance(before, dict)
            merged[key] = {**before, **value} if both else value  # type: ignore[dict-item]
    return ProjectFile(_converter().structure(merged, Tables), files)


_PYPROJECT = ("tool", "dagger-aml")


_TABLES = {
    "code": CodeTable,
    "models": ModelTable,
    "preinstalled": PreinstalledTable,
    "pip": PipTable,
    "network": NetworkTable,
}


_PATHS = frozenset(
    {
        ("apt",),
        ("requirements",),
        ("request",),
        ("answer",),
        ("code", "path"),
        ("preinstalled", "path"),
        ("models", "path"),
        ("network", "ca"),
    }
)
"""Keys whose texts are paths, relative to the folder of the file that says them; in tables, and in arrays of them."""


def _read(path: Path, shown: str) -> _File | None:
    """One file, its keys and types checked; None for a pyproject.toml that says nothing of us."""
    text, data = _parse(path, shown)
    prefix: tuple[str, ...] = ()
    if path.name == "pyproject.toml":
        tools = data.get("tool", {})
        table = tools.get("dagger-aml") if isinstance(tools, dict) else None
        if table is None:
            return None
        data, prefix = table, _PYPROJECT
    return _File(path, data, _structure(data, shown, text, prefix), text, prefix, shown)


def _extended(file: _File, root: Path, chain: tuple[_File, ...]) -> Iterator[_File]:
    """The files that a file extends, the nearest first: of several the last, and each before what it extends itself.

    :param chain: the files that led here, this one last.
    """
    said = file.data.get("extends", ())
    for name in reversed([said] if isinstance(said, str) else list(said)):
        where = file.where("extends")
        path = Path(os.path.normpath(file.path.parent / name)) if "\0" not in name else None
        if path is None or not path.is_file():
            raise ProjectError(
                f"the file that is extended does not exist: {name!r}",
                where=where,
                do=f"Paths in this file are relative to {file.path.parent}.",
            )
        if any(path.samefile(each.path) for each in chain):
            raise ProjectError(f"{name!r} is extended by itself", where=where, do="Take one of the two lines out.")
        names = [each.path.name for each in chain]
        shown = path.name if path.name not in names else Path(os.path.relpath(path, root)).as_posix()
        found = _read(path, shown)
        if found is None:
            raise ProjectError(f"{name!r} has no [tool.dagger-aml]", where=where)
        yield found
        yield from _extended(found, root, (*chain, found))


def _from_root(file: _File, root: Path) -> dict[str, Any]:
    """An extended file's keys, its paths as seen from the project."""

    def moved(value: Any, key: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            return {name: moved(inner, (*key, name)) for name, inner in value.items()}
        if isinstance(value, list):
            return [moved(item, key) if isinstance(item, dict) else item for item in value]
        if key == ("base",) and isinstance(value, str) and value.partition(":")[0] in ARCHIVES:
            kind, _, rest = value.partition(":")
            return f"{kind}:{Path(os.path.relpath(file.path.parent / rest, root)).as_posix()}"
        recipe = key == ("recipe",) and looks_like_path(value)
        if isinstance(value, str) and (recipe or key in _PATHS):
            return Path(os.path.relpath(file.path.parent / value, root)).as_posix()
        if key[0] == "secrets" and isinstance(value, str) and value.startswith("src=") and value[4:5] not in "~/":
            return f"src={Path(os.path.relpath(file.path.parent / value[4:], root)).as_posix()}"
        return value

    return {key: moved(value, (key,)) for key, value in file.data.items()}


def looks_like_path(recipe: str) -> bool:
    """Whether a recipe is named by its file, not by its name."""
    return recipe.endswith(".py") or "/" in recipe or "\\" in recipe


def _parse(path: Path, shown: str) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return text, toml.read(text)
    except OSError as error:
        raise unreadable(error, path) from None
    except UnicodeDecodeError:
        raise ProjectError("is not UTF-8", where=str(path)) from None
    except toml.NotToml as error:
        line = error.line or text.count("\n") + 1
        raise ProjectError(f"broken TOML: {error.reason}", where=f"{shown}:{line}") from None


def _structure(data: Any, shown: str, text: str, prefix: tuple[str, ...]) -> Tables:
    if not isinstance(data, dict):
        raise ProjectError("is not a table", where=f"{shown}:{line_of(text, prefix)}")
    _check_keys(data, Tables, shown, text, prefix)
    try:
        return _converter().structure(data, Tables)
    except ClassValidationError as error:
        message, _, at = transform_error(error, format_exception=_say)[0].rpartition(" @ $")
        key = tuple(int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]']+", at))
        renamed = tuple(part.replace("_", "-") if isinstance(part, str) else part for part in key)
        if item := _first_wrong_item(error):
            renamed = (*renamed, item.key)
        dotted = ".".join(str(part) for part in renamed)
        raise ProjectError(f"{dotted}: {message}", where=f"{shown}:{line_of(text, (*prefix, *renamed))}") from None


def _check_keys(data: dict[str, Any], cls: type, shown: str, text: str, prefix: tuple[str | int, ...]) -> None:
    """Refuse unknown keys, at every level, with the nearest known one."""
    known = {_key(attribute): attribute for attribute in fields(cls)}
    for key, value in data.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, 0.5)
            table = ".".join(str(part) for part in prefix if part not in _PYPROJECT)
            raise ProjectError(
                f"unknown key {key!r}" + (f" in {table}" if table else ""),
                where=f"{shown}:{line_of(text, (*prefix, key))}",
                do=f"Did you mean {near[0]!r}?" if near else "Known: " + ", ".join(known) + ".",
            )
        inner = _TABLES.get(key)
        if inner and isinstance(value, dict):
            _check_keys(value, inner, shown, text, (*prefix, key))
        elif inner and isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    _check_keys(item, inner, shown, text, (*prefix, key, index))


def _key(attribute: Attribute[Any]) -> str:
    return attribute.name.replace("_", "-")


def _converter() -> Converter:
    converter = Converter(detailed_validation=True, forbid_extra_keys=True)

    def strict(kind: type, words: str) -> None:
        def structure(value: Any, _: Any) -> Any:
            if type(value) is not kind:
                raise TypeError(f"must be {words}, not {_name(value)}{_in_quotes(value) if kind is str else ''}")
            return value

        converter.register_structure_hook(kind, structure)

    strict(str, "text")
    strict(bool, "true or false")

    def apt(value: Any, _: Any) -> Any:
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise TypeError("must be a list of package names, or the name of a file")

    converter.register_structure_hook_func(lambda kind: kind == str | tuple[str, ...] | None, apt)

    def extends(value: Any, kind: Any) -> Any:
        try:
            return apt(value, kind)
        except TypeError:
            raise TypeError("must be the name of a file, or a list of such") from None

    def texts(value: Any, _: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise TypeError("must be a list of texts")
        return tuple(value)

    converter.register_structure_hook_func(lambda kind: kind == tuple[str, ...], texts)

    def mapping(value: Any, _: Any) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise TypeError(f"must be a table, not {_name(value)}")
        for key, item in value.items():
            if not isinstance(item, str):
                raise _WrongItem(key, f"must be text, not {_name(item)}{_in_quotes(item)}")
        return dict(value)

    converter.register_structure_hook_func(lambda kind: kind == dict[str, str], mapping)

    def models(value: Any, _: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, list):
            raise TypeError("must be an array of tables: [[models]]")
        return converter.structure(value, tuple[ModelTable, ...])

    converter.register_structure_hook_func(lambda kind: kind == tuple[ModelTable, ...] | None, models)
    for cls in (*_TABLES.values(), Tables):
        names = {each.name: override(rename=_key(each)) for each in fields(cls)}
        if cls is Tables:
            names["extends"] = override(struct_hook=extends)
        generated: Any = make_dict_structure_fn(cls, converter, **names)  # type: ignore[arg-type]

        def table(value: Any, type_: Any, generated: Any = generated) -> Any:
            if not isinstance(value, dict):
                raise TypeError(f"must be a table, not {_name(value)}")
            return generated(value, type_)

        converter.register_structure_hook(cls, table)
    return converter


def _say(error: BaseException, _: type | None) -> str:
    if isinstance(error, KeyError):
        return f"the key {str(error.args[0])!r} is missing"
    return str(error)


class _WrongItem(TypeError):
    """A value of a table whose keys are the user's own."""

    def __init__(self, key: str, what: str) -> None:
        super().__init__(what)
        self.key = key


def _first_wrong_item(group: BaseException) -> _WrongItem | None:
    """The wrong item that the first of a group's errors is, if it is one."""
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group if isinstance(group, _WrongItem) else None


def _in_quotes(value: Any) -> str:
    if type(value) not in (int, float, bool):
        return ""
    return f'; write it in quotes: "{str(value).lower() if isinstance(value, bool) else value}"'


def _name(value: Any) -> str:
    names = {str: "text", int: "a number", float: "a number", bool: "true or false", list: "a list", dict: "a table"}
    return names.get(type(value), type(value).__name__)
