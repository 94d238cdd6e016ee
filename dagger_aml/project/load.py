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

from attrs import evolve, fields

from ..base import catalog
from ..contract import MODEL_DIR
from ..errors import GraphError, ProjectError, UsageError, unreadable
from ..graph.access import Access
from ..graph.base import DEFAULT_PLATFORM
from ..graph.checks import check_platform, check_text
from ..graph.graph import Graph
from ..pysource.entry_script import check_relative
from ..pysource.reached import Reached, reached
from ..requirements.apt import check_apt, read_apt
from ..requirements.discover import find_requirements
from ..steps.model import Model
from . import discover as conventions
from .file import FILE_NAME, ProjectFile, looks_like_path, read_project_file
from .model import Project, plain_name
from .network import read_access
from .settings import Options, option_flag, option_variable, variable_spellings
from .warnings import notes_on

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")
"""What may be part of a tag or a file's name, and what Python's own versions are made of."""


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
    except PermissionError as error:
        raise unreadable(error, folder) from None
    try:
        return _Reader(root.resolve(), options or Options(), preinstalled=preinstalled).read()
    except OSError as error:
        raise unreadable(error, error.filename or folder) from None


class _Reader:
    """Puts a project together, noting where each value is from."""

    def __init__(self, root: Path, options: Options, *, preinstalled: bool) -> None:
        self.with_preinstalled = preinstalled
        self.root = root
        self.options = options
        self.file: ProjectFile = read_project_file(root)
        self.sources: dict[str, str] = {}
        self.notes: list[str] = []
        self.kept: tuple[Path, ...] = ()
        self.models_folder: Path | None = None

    def read(self) -> Project:
        file = self.file.tables
        platform = self.said("platform", file.platform, DEFAULT_PLATFORM)
        platforms: tuple[str, ...] = self.located("platform", lambda: _platforms(platform))
        base_text = self.said("base", file.base, catalog.DEFAULT.name)
        beside = None if self.sources["base"].startswith(("--", "$")) else self.root
        base = self.located("base", lambda: catalog.base(base_text, platforms[0], folder=beside))
        in_file = file.recipe
        if in_file and looks_like_path(in_file):
            in_file = str(self.root / in_file)
        recipe = self.said("recipe", in_file, "extended")
        code, script = self.code()
        used = reached(code, script) if code and code.is_dir() else None
        models = self.models(code, used)
        via = self.said("via", file.preinstalled.via, "start-script", ("preinstalled", "via"))
        if via not in ("start-script", "pythonpath"):
            raise UsageError(
                f"no such way: {via!r}", where=self.sources["via"], do="Take start-script or pythonpath."
            )
        apt, requirements = self.apt(), self.requirements(code)
        installer = self.said("installer", file.pip.installer, "pip", ("pip", "installer"))
        if installer not in ("pip", "uv"):
            raise UsageError(
                f"no such installer: {installer!r}", where=self.sources["installer"], do="Take pip or uv."
            )
        preinstalled = self.preinstalled()
        if preinstalled and recipe == "preinstalled" and self.options.pip:
            raise UsageError(
                "packages cannot be added to a folder that is made already",
                where="--pip",
                do=f"Install it into {preinstalled}, or leave out [preinstalled] path.",
            )
        access = self.access()
        project = Project(
            root=self.root,
            name=plain_name(file.name or self.root.name),
            base=base,
            platforms=platforms,
            recipe=recipe,
            apt=apt,
            requirements=requirements,
            pip=self.added("pip", self.options.pip),
            env=self.pairs("env", file.env, self.options.env),
            labels=self.pairs("labels", file.labels, self.options.label),
            code=code,
            entry_script=script,
            models=models,
            preinstalled=preinstalled,
            via="pythonpath" if via == "pythonpath" else "start-script",
            request=self.part("request", file.request, ("request.json",)),
            answer=self.part("answer", file.answer, ("answer.json",)),
            beside=self.beside(recipe, used) if used and code == self.root else (),
            kept=self.kept,
            version=self.version(),
            access=access,
            installer="uv" if installer == "uv" else "pip",
            notes=tuple(self.notes),
            sources=self.sources,
        )
        return evolve(project, notes=(*project.notes, *notes_on(project, used)))

    # --- values ---

    def access(self) -> Access:
        lists = {name: getattr(self.options, name) for name in ("extra_index_url", "find_links", "secret")}
        found, notes = read_access(self.maybe, lists, self.file, self.root, self.sources)
        self.notes += notes
        return found

    def maybe(self, name: str, in_file: str | None, key: tuple[str, ...]) -> str | None:
        """One text value by precedence that has no default; it has no source then either."""
        value = self.said(name, in_file, "", key)
        if not value:
            del self.sources[name]
        return value or None

    def said(self, name: str, in_file: str | None, default: str, key: tuple[str, ...] = ()) -> str:
        """One text value by precedence."""
        option = next(each for each in fields(Options) if each.name == name)
        flag, variable = getattr(self.options, name), option_variable(option)
        if flag:
            self.sources[name] = option_flag(option)
            return check_text(option_flag(option), flag, newline=False)
        for spelt in variable_spellings(variable):
            if os.environ.get(spelt):
                self.sources[name] = f"${spelt}"
                return check_text(f"${spelt}", os.environ[spelt], newline=False)
        if in_file is not None:
            self.sources[name] = self.file.where(*(key or (name,)))
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

    def added(self, name: str, flags: tuple[str, ...]) -> tuple[str, ...]:
        for text in flags:
            check_text(f"--{name}", text, newline=False)
            self.sources[f"{name}.{text}"] = f"--{name}"
        return flags

    def version(self) -> str | None:
        """The project's own, for names of images; of a pyproject.toml only one that is written there as such."""
        said = self.file.tables.version
        if said is not None:
            self.sources["version"] = self.file.where("version")
            if not _VERSION.fullmatch(said):
                raise ProjectError(
                    f"not a version: {said!r}",
                    where=self.sources["version"],
                    do="Write letters, digits and . _ - + !, beginning with a letter or digit.",
                )
            return said
        path = self.root / "pyproject.toml"
        if not path.is_file():
            return None
        from ..requirements.pyproject import stated_version

        found = stated_version(path)
        if found is None or not _VERSION.fullmatch(found):
            return None
        self.sources["version"] = path.name
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
        if script is None:
            found = conventions.scripts(self.root) if folder is None else conventions.scripts_in(folder)
            if found:
                return self.found_script(conventions.only(found, self.root), folder)
            self.sources["entry_script"] = "default"
        elif folder is None:
            found = conventions.scripts_called(self.root, script)
            if found:
                folder, self.sources["code"] = conventions.only(found, self.root).folder, "found"
        if folder is None:
            folder = self.one_of("code", [self.root / "code"])
        if folder is None:
            del self.sources["entry_script"]
            if script:
                raise ProjectError(
                    "an entry script is named, but there is no code",
                    where=self.said_source("entry_script", ("code", "entry-script")),
                    do=f"Put it into {self.root / 'code'} or beside the project file.",
                )
        return folder, script or conventions.SCRIPT

    def found_script(self, script: conventions.Script, folder: Path | None) -> tuple[Path, str]:
        if folder is None:
            self.sources["code"] = "found"
        self.sources["entry_script"] = "default" if script.name == conventions.SCRIPT else "found"
        if not script.by_name:
            self.notes.append(f"entry script {script.name} (found by its init and run)")
        return script.folder, script.name

    def beside(self, recipe: str, used: Reached) -> tuple[Path, ...]:
        """What lies in a project folder that is the code, and is not taken as code."""
        own = [path for path in self.file.paths if path.is_relative_to(self.root)]
        if looks_like_path(recipe):
            own += [path for path in (Path(recipe).absolute(), self.root / recipe) if path.is_relative_to(self.root)]
        own += [self.models_folder] if self.models_folder else []
        own += [self.root / self.file.tables.apt] if isinstance(self.file.tables.apt, str) else []
        return tuple(dict.fromkeys((*conventions.not_code(self.root, used), *own)))

    def said_source(self, name: str, key: tuple[str | int, ...]) -> str:
        option = next(each for each in fields(Options) if each.name == name)
        if getattr(self.options, name):
            return option_flag(option)
        variable = option_variable(option)
        if variable and os.environ.get(variable):
            return f"${variable}"
        return self.file.where(*key)

    def models(self, code: Path | None, used: Reached | None) -> tuple[Model, ...]:
        tables = self.file.tables.models
        if tables is not None:
            self.sources["models"] = self.file.where("models")
            return tuple(self.located("models", lambda t=t, i=i: self.model(t, i)) for i, t in enumerate(tables))
        found = self.one_of("models", [self.root / "model", self.root / "models"])
        if found is None:
            return self.found_models(code, used)
        if code is None:
            conventions.check_has_script(self.root, found)
        if found.name == "model":
            return (Model(found, self.model_name(found)),)
        if not found.is_dir():
            raise ProjectError(
                "is a file; a folder of models is meant", where=str(found), do="Call a single model `model`."
            )
        self.models_folder = found
        children = sorted(path for path in found.iterdir() if not path.name.startswith("."))
        return tuple(Model(path, plain_name(path.stem if path.is_file() else path.name)) for path in children)

    def found_models(self, code: Path | None, used: Reached | None) -> tuple[Model, ...]:
        """The model that lies in the project folder under a name of its own, if there is one."""
        found = conventions.models(self.root, code)
        if code == self.root and used and not used.reads_model_dir:
            # Code that does not ask Azure ML for the folder of models finds its model where it is: beside itself.
            self.kept = tuple(found)
            self.notes += [f"{path.name} travels with the code, which does not read {MODEL_DIR}" for path in found]
            return ()
        model = conventions.only_model(self.root, found)
        if model is None:
            return ()
        if code is None:
            conventions.check_has_script(self.root, model)
        self.sources["models"] = "found"
        return (Model(model, self.model_name(model)),)

    def model_name(self, path: Path) -> str:
        """A single model's own name, or, where that is just ``model``, the project's."""
        own = path.stem if path.is_file() else path.name
        project = self.file.tables.name or self.root.name
        return plain_name(project if "model" in (own, path.name) else own)

    def model(self, table: Any, index: int) -> Model:
        where = self.file.where("models", index)
        path = self.inside(table.path, self.file.where("models", index, "path"))
        name = plain_name(path.stem if path.is_file() else path.name) if table.name is None else table.name
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
        found: tuple[str, ...] = ()
        if isinstance(said, tuple):
            self.sources["apt"] = self.file.where("apt")
            found = self.located("apt", lambda: check_apt(said))
        elif path := self.part("apt", said, ("apt.txt",)):
            found = read_apt(path)
        for package in self.added("apt", self.options.apt):
            self.located(f"apt.{package}", lambda package=package: check_apt((package,)))
        return tuple(dict.fromkeys((*found, *self.options.apt)))

    def requirements(self, code: Path | None) -> Path | None:
        flag = self.options.requirements or os.environ.get("DAGGER_AML_REQUIREMENTS")
        if flag:
            self.sources["requirements"] = self.said_source("requirements", ("requirements",))
            return self.inside(flag, self.sources["requirements"])
        if self.file.tables.requirements is not None:
            return self.declared_path("requirements", self.file.tables.requirements, ("requirements",))
        found = find_requirements([self.root, *([code] if code and code.is_dir() else [])], root=self.root)
        if found is None:
            return None
        self.sources["requirements"] = "found"
        if found.others:
            taken, *left = (path.relative_to(self.root).as_posix() for path in (found.path, *found.others))
            self.notes.append(f"{taken} was taken for the packages; left: {', '.join(left)}")
        return found.path


def _platforms(text: str) -> tuple[str, ...]:
    """Read ``linux/amd64,linux/arm64``; each once."""
    return tuple(dict.fromkeys(check_platform(each.strip()) for each in text.split(",")))
