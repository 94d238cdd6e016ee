"""The gate of an image without code: each package that is required can be imported by the server's Python."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from ..backends.base import Builder, Image
from ..contract import SERVER
from ..data import frozen
from ..project.model import Project
from .cause import Cause
from .explained import for_library
from .failure import StartFailed

Argv = Callable[..., Sequence[str]]

_MARK = "dagger-aml-packages "

_IMPORT = f"""
import importlib, importlib.metadata as metadata, json, os, re, sys
IGNORED = {{"tests", "test", "docs", "doc", "examples", "benchmarks", "scripts"}}
def modules(found):
    declared = set((found.read_text("top_level.txt") or "").split())
    for file in found.files or ():
        top = file.parts[0]
        if len(file.parts) == 1 or file.parts[1].startswith("__init__."):
            declared.add(top.partition(".")[0])
    declared = sorted(each for each in declared if each.isidentifier() and each[0] != "_" and each not in IGNORED)
    own = re.sub("[-_.]+", "_", found.metadata.get("Name", "")).lower()
    return [each for each in declared if each.lower() == own] or declared
seen = []
for name in sys.argv[1:]:
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        seen.append([name, None, [], None])
        continue
    done, error = [], None
    for module in modules(found):
        try:
            importlib.import_module(module)
            done.append(module)
        except (Exception, SystemExit) as raised:
            error = error or [module, type(raised).__name__, str(raised)]
    seen.append([name, found.version, done, error])
print()
print("{_MARK}" + json.dumps([os.getuid() if hasattr(os, "getuid") else None, seen]))
"""
"""A package counts as imported if the module of its name can be, else any of its modules."""


@frozen
class Imported:
    """What was seen.

    :param uid: of the process.
    :param imported: packages, and ``absent`` those that are not installed: their markers are not for this image.
    """

    uid: int | None
    imported: tuple[str, ...]
    absent: tuple[str, ...]


def required(project: Project) -> tuple[str, ...]:
    """The packages that a project lists, and the server.

    :raises ProjectError: its list cannot be read.
    """
    from packaging.requirements import Requirement

    from ..requirements.read import read_requirements
    from ..requirements.requirements_txt import check_added

    listed: tuple[str, ...] = ()
    if project.requirements:
        listed = read_requirements(project.requirements, root=project.root, conda=project.conda).names
    added = (Requirement(text).name for text in check_added(project.pip))
    # The server too where the base has it: packages may have replaced what it needs.
    return tuple(dict.fromkeys((*listed, *added, SERVER)))


async def import_packages(image: Image, builder: Builder, packages: Sequence[str], argv_of: Argv) -> Imported:
    """Import packages in an image, without network.

    :param argv_of: makes the command that runs a Python script with some words in the image's environment.
    :raises StartFailed: one cannot be imported, or Python ends before it has said so.
    """
    lines, code = await builder.runtime().run_probe(image, argv_of("-c", _IMPORT, *packages), offline=True)
    said = next((line for line in reversed(lines) if line.startswith(_MARK)), None)
    if said is None:
        cause = Cause(
            code, "the packages could not be imported: Python ended", shown=tuple(lines[-14:]), kind="import"
        )
        raise StartFailed(cause, logs="\n".join(lines))
    uid, seen = json.loads(said.removeprefix(_MARK))
    for name, version, done, error in seen:
        if error and not done:
            module, kind, text = error
            cause = Cause(
                None,
                f"{name} {version} cannot be imported: `import {module}` raised {kind}: {text}",
                hint=_hint(text),
                kind="import",
            )
            raise StartFailed(cause, logs="\n".join(lines))
    return Imported(
        uid,
        tuple(name for name, version, _, _ in seen if version is not None),
        tuple(name for name, version, _, _ in seen if version is None and name != SERVER),
    )


def _hint(text: str) -> str:
    return for_library(text) or "Its packages may not fit each other: pin them, or lock them all."
