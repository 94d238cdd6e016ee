"""Reading conda environment files: their ``pip:`` part as pip reads it, conda's packages by their twins on PyPI."""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import Path

from attrs import evolve
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ..errors import ProjectError
from ..finding import FileLocation
from ..text import named
from .conda_spec import NotASpec, Spec, name_of, parse_spec
from .conda_twins import CondaSettings, table
from .conda_yaml import CondaFile, Entry, read_conda_file
from .lines import logical_lines
from .model import CondaLines, Listed, Requirements, Translated, as_a_secret, has_password
from .requirements_txt import read_pip_lines

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
"""Where PyTorch has its builds for the CPU; those of PyPI bring 2.5 GB of CUDA on Linux."""


_OF_TORCH = frozenset({"torch", "torchaudio", "torchvision"})


_CUDA_BUILD = re.compile(r"cuda|gpu|cu\d\d")


_LIMITS = frozenset({"==", "===", "~=", "<", "<="})


_OTHER = "Write its version another way, or move the package to the `pip:` part."


def read_conda(path: Path, root: Path, settings: CondaSettings | None = None) -> Requirements:
    """Read an environment file.

    What its ``pip:`` part names by paths is relative to the file's own folder, as conda has it. A package that both
    parts list is pip's alone, which conda runs last.

    :param root: the project; nothing outside it is taken.
    :raises ProjectError: it is none, names a package whose twin is not certain, or one for CUDA; whatever the reader
        of requirements files refuses. With file:line.
    """
    settings = settings or CondaSettings()
    file = read_conda_file(path)
    brought = {each: why for each in file.pip if (why := settings.brought.get(_unpinned(each.text)))}
    file = evolve(file, pip=tuple(each for each in file.pip if each not in brought))
    pip = read_pip_lines(path, [(each.line, each.text) for each in file.pip], root)
    by_pip = {canonicalize_name(each.name) for each in pip.listed if each.name and not each.constraint}
    lines: list[Translated] = []
    unknown: list[tuple[str, Entry]] = []
    python, named_at = Spec("python"), None
    for entry in file.dependencies:
        location = FileLocation(str(path), path, entry.line)
        if has_password(entry.text):
            raise ProjectError(
                "a URL with a password or token in it would stay in the image", location=location, hint=as_a_secret()
            )
        try:
            name = name_of(entry.text)
            if name == "python":
                python, named_at = parse_spec(entry.text), location.of(" ".join(entry.text.split()))
            elif made := _translated(name, entry, location, settings, by_pip):
                lines.append(made)
            else:
                unknown.append((name, entry))
        except NotASpec as error:
            raise ProjectError(
                f"not a package that pip can have: {entry.text!r} ({error})", location=location, hint=_OTHER
            ) from None
    if unknown:
        raise _not_known(unknown, path)
    lines += [
        Translated(each.text.strip(), FileLocation(str(path), path, each.line), why=why, for_server=True)
        for each, why in brought.items()
    ]
    return _put_together(file, pip, lines, (python, named_at), settings)


def _translated(
    name: str, entry: Entry, location: FileLocation, settings: CondaSettings, by_pip: Container[str]
) -> Translated | None:
    """What a package of conda's becomes; None where nobody knows.

    :raises ProjectError: it is for CUDA. :raises NotASpec: pip has no words for its versions.
    """
    known, written = table(), " ".join(entry.text.split())
    if why := settings.brought.get(_unpinned(entry.text)):
        return Translated(written, location, why=why, for_server=True)
    twin = settings.twins.get(name)
    if twin is None:
        if name in known.left_out:
            return Translated(written, location, why=known.left_out[name])
        if name in known.cuda or name.startswith("cuda-"):
            raise _for_cuda(name, location)
        twin = known.twins.get(name)
    if twin is None:
        return None
    if not twin:
        return Translated(written, location, why=f'twins = {{ {_key(name)} = "" }} leaves it out')
    if canonicalize_name(Requirement(twin).name) in by_pip:
        return Translated(written, location, why="the `pip:` part lists it")
    spec = parse_spec(entry.text)
    if settings.cpu and _CUDA_BUILD.search(spec.build) and name not in settings.twins:
        raise _for_cuda(name, location, spec.build)
    why = f"{spec.chosen} is the newest of the alternatives" if spec.chosen else ""
    return Translated(written, location, f"{twin}{spec.versions}", why)


def _unpinned(text: str) -> str:
    """The normalised name of a line that names a package and no version; of another line no package's name."""
    return str(canonicalize_name(text.partition(" #")[0].strip()))


def _put_together(
    file: CondaFile,
    pip: Requirements,
    lines: list[Translated],
    named: tuple[Spec, FileLocation | None],
    settings: CondaSettings,
) -> Requirements:
    python, location = named
    names = [Requirement(each.to).name for each in lines if each.to]
    taken = [each for each in lines if each.to]
    found = [Listed(each.to, each.location, name) for each, name in zip(taken, names, strict=True)]
    for_cpu = settings.cpu and any(canonicalize_name(name) in _OF_TORCH for name in names)
    listed = (*found, *pip.listed)
    of_base = settings.base_python or not any(map(_is_pinned, listed))
    source = "MLflow's python_env.yaml" if file.of_mlflow else "a conda file"
    text = [f"# dagger-aml made this from {source}.", *(f"{each.to}  # conda: {each.written}" for each in taken)]
    text += [line for entry in file.pip for _, line in logical_lines(entry.text)]
    return evolve(
        pip,
        names=(*names, *pip.names),
        text="\n".join(text) + "\n",
        indexes=(f"--extra-index-url {CPU_INDEX}",) if for_cpu else (),
        python="" if of_base else python.versions,
        listed=listed,
        conda=CondaLines(tuple(lines), python.versions, of_base, for_cpu, file.variables, location),
    )


def for_python(found: Requirements, settings: CondaSettings) -> Requirements:
    """A requirements file of an MLflow model, with the Python that another file of the model names."""
    of_base = settings.base_python or not any(map(_is_pinned, found.listed))
    file = settings.python_file
    lines = CondaLines((), settings.python, of_base, False, (), FileLocation(str(file), file) if file else None)
    return evolve(found, python="" if of_base else settings.python, conda=lines)


def _is_pinned(listed: Listed) -> bool:
    """Whether a line keeps newer versions out, so that what it names may be too old for another Python."""
    if listed.url or listed.name is None:
        return True
    try:
        specifiers = Requirement(listed.text).specifier
    except ValueError:
        return True
    return any(each.operator in _LIMITS for each in specifiers)


def _key(name: str) -> str:
    """A key of TOML."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"'


def _for_cuda(name: str, location: str, build: str = "") -> ProjectError:
    """The error for what no base image for CPUs can have.

    :param build: that is asked for, where the package is there for CPUs too.
    """
    without = (
        f'If the base image has CUDA, leave it out here, in dagger-aml.toml:\n[conda]\ntwins = {{ {name} = "" }}'
    )
    return ProjectError(
        f"{name} is wanted in its build for CUDA ({build}), and the base image has no CUDA"
        if build
        else f"{name} is a part of CUDA, and the image gets no packages of conda",
        location=location,
        hint="For a GPU, use a base image with CUDA, such as "
        f"{named('base', 'curated/minimal-py312-cuda12.4-inference')}; `dagger-aml images` lists them.\n"
        + ("Without that build string, it is installed for the CPU." if build else without),
    )


def _not_known(unknown: list[tuple[str, Entry]], path: Path) -> ProjectError:
    """The error for packages of which it is not certain what they are on PyPI, all at once."""
    known = table()
    pairs = [f'{_key(name)} = "{known.unsure.get(name, "NAME")}"' for name, _ in unknown]
    names = ", ".join(dict.fromkeys(name for name, _ in unknown))
    rest = "" if all(name in known.unsure for name, _ in unknown) else ", with the names on PyPI for NAME"
    return ProjectError(
        f"it is not certain which packages of PyPI these of conda are: {names}"
        if len(unknown) > 1
        else f"it is not certain which package of PyPI conda's {names} is",
        location=FileLocation(str(path), path, unknown[0][1].line),
        hint=f"Say it in dagger-aml.toml{rest}:\n[conda]\ntwins = {{ {', '.join(dict.fromkeys(pairs))} }}\n"
        'An empty name ("") leaves a package out: a program or library may be in apt.txt instead.',
    )
