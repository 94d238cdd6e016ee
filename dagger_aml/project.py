"""What the user declared, and what was found in the folder; each value knows where it is from.

Precedence: flag, environment variable, project file (``dagger-aml.toml``, else ``[tool.dagger-aml]`` of
``pyproject.toml``), what lies in the folder, default.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import Attribute, field, fields, frozen

from . import catalog
from .entry_script import check_relative
from .errors import GraphError, ProjectError, UsageError
from .graph import DEFAULT_PLATFORM, From, Graph, check_platform, check_text
from .project_file import FILE_NAME, ProjectFile, read_project_file
from .requirements import check_apt, read_apt
from .steps.model import Model
from .steps.packages import Via


@frozen
class Options:
    """What flags and environment variables may say of a project, declared once: the flag's and the variable's name
    follow from the field's. None and empty mean not said."""

    base: str | None = field(
        default=None, metadata={"help": "A catalog name or any image reference.", "metavar": "IMAGE"}
    )
    recipe: str | None = field(
        default=None, metadata={"help": "extended, dynamic, preinstalled, package, or a file.", "metavar": "RECIPE"}
    )
    platform: str | None = field(
        default=None, metadata={"help": "Platform of the image, whatever the host is.", "metavar": "OS/ARCH"}
    )
    entry_script: str | None = field(
        default=None, metadata={"help": "Entry script, relative to the code folder.", "metavar": "FILE"}
    )
    requirements: str | None = field(
        default=None, metadata={"help": "pip requirements file, relative to the project.", "metavar": "FILE"}
    )
    via: str | None = field(
        default=None,
        metadata={"help": "How preinstalled packages are found: start-script or pythonpath.", "metavar": "WAY"},
    )
    env: tuple[str, ...] = field(
        default=(), converter=tuple, metadata={"help": "A variable of the image.", "metavar": "NAME=VALUE"}
    )
    label: tuple[str, ...] = field(
        default=(), converter=tuple, metadata={"help": "A label of the image.", "metavar": "NAME=VALUE"}
    )


def option_flag(option: Attribute[Any]) -> str:
    """``--entry-script`` of the field ``entry_script``."""
    return "--" + option.name.replace("_", "-")


def option_variable(option: Attribute[Any]) -> str | None:
    """``DAGGER_AML_ENTRY_SCRIPT``; none for fields that take several values."""
    return None if option.name in ("env", "label") else f"DAGGER_AML_{option.name.upper()}"


@frozen
class Project:
    """A project folder, read and checked; what recipes work from.

    :param root: the folder, absolute.
    :param base: of the image.
    :param recipe: a recipe's name, or the path of a recipe file.
    :param apt: Debian packages.
    :param requirements: pip requirements file.
    :param code: the code folder; None for an image of an environment only.
    :param entry_script: relative to it.
    :param models: in the order in which they were declared or found.
    :param preinstalled: a site-packages folder of the user's.
    :param via: how preinstalled packages reach ``sys.path``.
    :param request: a sample request, and ``answer`` what it must give; never part of the image.
    :param sources: for each value, where it is from: ``dagger-aml.toml:7``, ``--base``, ``$DAGGER_AML_BASE``,
        ``found``, ``default``.
    """

    root: Path
    name: str
    base: From
    recipe: str = "extended"
    apt: tuple[str, ...] = ()
    requirements: Path | None = None
    env: Mapping[str, str] = field(factory=dict)
    labels: Mapping[str, str] = field(factory=dict)
    code: Path | None = None
    entry_script: str = "score.py"
    models: tuple[Model, ...] = ()
    preinstalled: Path | None = None
    via: Via = "start-script"
    request: Path | None = None
    answer: Path | None = None
    sources: Mapping[str, str] = field(factory=dict, eq=False, repr=False)

    @property
    def other_parts(self) -> tuple[Path, ...]:
        """What lies in the project and is not code, though it may lie in the code folder."""
        parts = [self.root / FILE_NAME, self.root / "apt.txt", self.root / "answer.json", self.root / "request.json"]
        parts += [part for part in (self.requirements, self.preinstalled, self.request, self.answer) if part]
        if self.code != self.root:
            parts = [part for part in parts if part == self.preinstalled]
        return (*parts, *(model.path for model in self.models))

    @property
    def source_directory(self) -> str:
        """The code folder's own name, which ``Model.package()`` keeps in the image."""
        return _plain_name((self.code or self.root).name)

    @property
    def preinstalled_name(self) -> str:
        """The user's site-packages folder, relative to the project, as it will be relative to the entry script."""
        assert self.preinstalled is not None
        try:
            return self.preinstalled.relative_to(self.root).as_posix()
        except ValueError:
            raise ProjectError(
                "the folder of preinstalled packages must lie in the project", where=str(self.preinstalled)
            ) from None


def load_project(
    folder: str | os.PathLike[str] = ".", options: Options | None = None, *, preinstalled: bool = True
) -> Project:
    """Read a project folder.

    :param preinstalled: whether `[preinstalled] path` is looked at; the command that makes that folder does not.

    :raises ProjectError: missing or unreadable; a wrong file; two candidates for one part; a dangling part.
    :raises UsageError: an unknown base, platform or way.
    """
    root = Path(folder)
    try:
        if not root.is_dir():
            raise ProjectError(
                "is not a folder" if root.exists() else "the project folder does not exist", where=str(folder)
            )
        list(os.scandir(root))
    except PermissionError:
        raise ProjectError("cannot be read (permission denied)", where=str(folder)) from None
    try:
        return _Reader(root.resolve(), options or Options(), preinstalled=preinstalled).read()
    except OSError as error:
        raise ProjectError(f"cannot be read ({error.strerror})", where=str(error.filename or folder)) from None


class _Reader:
    """Puts a project together, noting where each value is from."""

    def __init__(self, root: Path, options: Options, *, preinstalled: bool) -> None:
        self.with_preinstalled = preinstalled
        self.root = root
        self.options = options
        self.file: ProjectFile = read_project_file(root)
        self.sources: dict[str, str] = {}

    def read(self) -> Project:
        file = self.file.tables
        platform = self.said("platform", file.platform, DEFAULT_PLATFORM)
        self.located("platform", lambda: check_platform(platform))
        base_text = self.said("base", file.base, catalog.DEFAULT.name)
        base = self.located("base", lambda: catalog.base(base_text, platform))
        in_file = file.recipe
        if in_file and looks_like_path(in_file):
            in_file = str(self.root / in_file)
        recipe = self.said("recipe", in_file, "extended")
        code, script = self.code()
        models = self.models()
        via = self.said("via", file.preinstalled.via, "start-script")
        if via not in ("start-script", "pythonpath"):
            raise UsageError(
                f"no such way: {via!r}", where=self.sources["via"], do="Take start-script or pythonpath."
            )
        project = Project(
            root=self.root,
            name=_plain_name(file.name or self.root.name),
            base=base,
            recipe=recipe,
            apt=self.apt(),
            requirements=self.requirements(code),
            env=self.pairs("env", file.env, self.options.env),
            labels=self.pairs("labels", file.labels, self.options.label),
            code=code,
            entry_script=script,
            models=models,
            preinstalled=self.preinstalled(),
            via="pythonpath" if via == "pythonpath" else "start-script",
            request=self.part("request", file.request, ("request.json",)),
            answer=self.part("answer", file.answer, ("answer.json",)),
            sources=self.sources,
        )
        return project

    # --- values ---

    def said(self, name: str, in_file: str | None, default: str) -> str:
        """One text value by precedence."""
        option = next(each for each in fields(Options) if each.name == name)
        flag, variable = getattr(self.options, name), option_variable(option)
        if flag:
            self.sources[name] = option_flag(option)
            return check_text(option_flag(option), flag, newline=False)
        if variable and os.environ.get(variable):
            self.sources[name] = f"${variable}"
            return check_text(f"${variable}", os.environ[variable], newline=False)
        if in_file is not None:
            key = ("preinstalled", "via") if name == "via" else (name,)
            self.sources[name] = self.file.where(*key)
            return in_file
        self.sources[name] = "default"
        return default

    def located(self, name: str, make: Any) -> Any:
        """The result of ``make``; an error of its gets the value's source as its place."""
        try:
            return make()
        except (UsageError, GraphError) as error:
            error.where = error.where or self.sources.get(name)
            raise

    def pairs(self, name: str, in_file: Mapping[str, str], flags: Sequence[str]) -> dict[str, str]:
        found = dict(in_file)
        for key in found:
            self.sources[f"{name}.{key}"] = self.file.where(name, key)
        flag = "--env" if name == "env" else "--label"
        for text in flags:
            key, equals, value = text.partition("=")
            if not equals or not key:
                raise UsageError(f"not NAME=VALUE: {text!r}", where=flag)
            found[key] = value
            self.sources[f"{name}.{key}"] = flag
        for key, value in found.items():
            self.located(f"{name}.{key}", lambda key=key, value=value: Graph().configure(**{name: {key: value}}))
        return found

    # --- parts of the folder ---

    def inside(self, text: str, where: str) -> Path:
        """A path that the project's file or a flag names; it must exist."""
        check_text(where, text, newline=False)
        path = self.root / text
        if not path.exists():
            reason = "is a link that leads nowhere" if path.is_symlink() else "does not exist"
            raise ProjectError(f"{text!r} {reason}", where=where, do=f"Paths are relative to {self.root}.")
        return path

    def declared_path(self, name: str, text: str | None, key: tuple[str | int, ...]) -> Path | None:
        if text is None:
            return None
        self.sources[name] = self.file.where(*key)
        return self.inside(text, self.sources[name])

    def one_of(self, name: str, candidates: Sequence[Path]) -> Path | None:
        """The one that exists.

        :raises ProjectError: several do, or one is a dangling link.
        """
        there = [path for path in candidates if path.exists() or path.is_symlink()]
        if len(there) > 1:
            listed = " and ".join(str(path.relative_to(self.root)) for path in there)
            raise ProjectError(
                f"two candidates for {name}: {listed}",
                where=str(self.root),
                do=f"Remove one, or name the one to take in {FILE_NAME}.",
            )
        if there and not there[0].exists():
            raise ProjectError(f"{there[0].name} is a link that leads nowhere", where=str(there[0]))
        if there:
            self.sources[name] = "found"
        return there[0] if there else None

    def part(self, name: str, text: str | None, names: tuple[str, ...]) -> Path | None:
        if text is not None:
            return self.declared_path(name, text, (name,))
        return self.one_of(name, [self.root / each for each in names])

    def code(self) -> tuple[Path | None, str]:
        table = self.file.tables.code
        script = self.options.entry_script or os.environ.get("DAGGER_AML_ENTRY_SCRIPT") or table.entry_script
        if script is not None:
            said = self.sources["entry_script"] = self.said_source("entry_script", ("code", "entry-script"))
            script = check_relative(check_text("the entry script", script, newline=False), said)
        folder = self.declared_path("code", table.path, ("code", "path"))
        if folder is None:
            name = script or "score.py"
            folder_there, script_there = self.root / "code", self.root / name
            if folder_there.is_dir() and script_there.is_file():
                inner = folder_there / name
                shown = inner if inner.is_file() else folder_there
                raise ProjectError(
                    f"two candidates for the code: {shown.relative_to(self.root)} and {name}",
                    where=str(self.root),
                    do=f"Move one away, or say `[code] path` in {FILE_NAME}.",
                )
            folder = self.one_of("code", [folder_there])
            if folder is None and script_there.is_file():
                folder, self.sources["code"] = self.root, "found"
        if folder is None:
            if script:
                raise ProjectError(
                    "an entry script is named, but there is no code",
                    where=self.sources["entry_script"],
                    do=f"Put it into {self.root / 'code'} or beside the project file.",
                )
            return None, "score.py"
        if not script:
            script = "score.py"
            self.sources["entry_script"] = "default"
        return folder, script

    def said_source(self, name: str, key: tuple[str | int, ...]) -> str:
        option = next(each for each in fields(Options) if each.name == name)
        if getattr(self.options, name):
            return option_flag(option)
        variable = option_variable(option)
        if variable and os.environ.get(variable):
            return f"${variable}"
        return self.file.where(*key)

    def models(self) -> tuple[Model, ...]:
        tables = self.file.tables.models
        if tables is not None:
            self.sources["models"] = self.file.where("models")
            return tuple(self.located("models", lambda t=t, i=i: self.model(t, i)) for i, t in enumerate(tables))
        found = self.one_of("models", [self.root / "model", self.root / "models"])
        if found is None:
            return ()
        if found.name == "model":
            return (Model(found, _plain_name(self.file.tables.name or self.root.name)),)
        if not found.is_dir():
            raise ProjectError(
                "is a file; a folder of models is meant", where=str(found), do="Call a single model `model`."
            )
        children = sorted(path for path in found.iterdir() if not path.name.startswith("."))
        return tuple(Model(path, _plain_name(path.stem if path.is_file() else path.name)) for path in children)

    def model(self, table: Any, index: int) -> Model:
        where = self.file.where("models", index)
        path = self.inside(table.path, self.file.where("models", index, "path"))
        name = _plain_name(path.stem if path.is_file() else path.name) if table.name is None else table.name
        try:
            return Model(path, name, table.version, table.flat, table.keep_folder)
        except GraphError as error:
            error.where = error.where or where
            raise

    def preinstalled(self) -> Path | None:
        if not self.with_preinstalled:
            return None
        return self.declared_path("preinstalled", self.file.tables.preinstalled.path, ("preinstalled", "path"))

    def apt(self) -> tuple[str, ...]:
        said = self.file.tables.apt
        if isinstance(said, tuple):
            self.sources["apt"] = self.file.where("apt")
            checked: tuple[str, ...] = self.located("apt", lambda: check_apt(said))
            return checked
        path = self.part("apt", said, ("apt.txt",))
        return read_apt(path) if path else ()

    def requirements(self, code: Path | None) -> Path | None:
        flag = self.options.requirements or os.environ.get("DAGGER_AML_REQUIREMENTS")
        if flag:
            self.sources["requirements"] = self.said_source("requirements", ("requirements",))
            return self.inside(flag, self.sources["requirements"])
        if self.file.tables.requirements is not None:
            return self.declared_path("requirements", self.file.tables.requirements, ("requirements",))
        places = dict.fromkeys([self.root, code or self.root])
        return self.one_of("requirements", [place / "requirements.txt" for place in places])


def looks_like_path(recipe: str) -> bool:
    """Whether a recipe is named by its file, not by its name."""
    return recipe.endswith(".py") or "/" in recipe or "\\" in recipe


def _plain_name(text: str) -> str:
    """A name made of a folder's, of characters that image and model names may have."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._") or "project"
