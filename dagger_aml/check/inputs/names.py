"""What files and folders are, by names alone."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ...fs.lookup import is_file, is_folder, is_there
from ...graph.base import ARCHIVES
from ...requirements.read import is_pylock
from ...text import pattern

_NAMES = ("dockerfile", "containerfile")


def is_dockerfile(text: str) -> bool:
    """Whether a path is that of a Dockerfile, by its name."""
    name = Path(text).name.lower()
    named = name in _NAMES or name.startswith(("dockerfile.", "dockerfile-")) or name.endswith(".dockerfile")
    return named and not name.endswith((".dockerignore", ".md", ".py")) and not is_folder(text)


IN_REGISTRY = "image:"
"""Stands before the name of an image of a registry."""


def is_image(text: str) -> bool:
    """Whether a word names an image that is made already: a tar or a layout, or one of a registry."""
    path = Path(text)
    if is_there(path):
        return is_file(path / "oci-layout") if is_folder(path) else text.lower().endswith(_TARS)
    kind, colon, _ = text.partition(":")
    return (bool(colon) and kind in (*ARCHIVES, IN_REGISTRY[:-1])) or text.lower().endswith(_TARS)


def is_in_registry(text: str) -> bool:
    """Whether a word names an image of a registry, which is asked for it."""
    return text.startswith(IN_REGISTRY) and not is_there(text)


_TARS = (".tar", ".tar.gz", ".tgz")

_SITES = ("site-packages", "dist-packages")

_OF_PROJECTS = ("dagger-aml.toml", "pyproject.toml", "requirements.txt", "score.py", "main.py")
"""Files of which one tells that a folder is a project, into which somebody installed packages too."""


_CONDA = pattern(rb"(?m)^dependencies[ \t]*:")
_AZURE = pattern(rb"(?m)^[\"']?\$schema[\"']?[ \t]*:")
_HEAD = 64 * 1024
"""Bytes of a file by which it is told what it is."""


def is_list(text: str) -> bool:
    """Whether a path is that of a list of packages: a requirements file or a lock by its name, a conda file by what
    its first lines say."""
    path = Path(text)
    name = path.name.lower()
    if name.endswith((".yml", ".yaml")):
        if not is_file(path):
            return False
        try:
            with path.open("rb") as file:
                head = file.read(_HEAD)
        except OSError:
            return False
        return bool(_CONDA.search(head)) and not _AZURE.search(head)
    named = ("requirements" in name and name.endswith((".txt", ".in"))) or name == "uv.lock" or is_pylock(name)
    return named and is_file(path)


def is_packages_folder(text: str) -> bool:
    """Whether a path is that of a folder of installed packages, or of the environment that has one."""
    path = Path(text)
    if not is_folder(path):
        return False
    if path.resolve().name in _SITES or in_environment(path):
        return True
    try:
        names = os.listdir(path)  # noqa: PTH208 - no paths are made of them
    except OSError:
        return False
    return any(name.endswith(".dist-info") for name in names) and not set(names) & {*_OF_PROJECTS}


def in_environment(path: Path) -> Path | None:
    """The folder of packages of an environment; None where there is not one."""
    if not (is_file(path / "pyvenv.cfg") or is_folder(path / "conda-meta")):
        return None
    found = [*path.glob("lib/python3*/site-packages"), *path.glob("Lib/site-packages")]
    return found[0] if len(found) == 1 else None


def plain_path(path: str) -> str:
    """A path, or a name, without what people get wrong in it: case, dashes, the s of a plural."""
    return "/".join(part.rstrip("s") for part in re.sub(r"[-_]", "", path.lower()).split("/"))
