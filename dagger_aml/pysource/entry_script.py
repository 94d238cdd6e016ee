"""What can be told of an entry script without running it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from ..errors import ProjectError, unreadable
from ..finding import FileLocation
from ..fs.drafts import read_bytes
from ..fs.lookup import is_file
from ..text import named
from .pythons import Python
from .source import parsed, read_source
from .texts import LONGEST_NAME


def check_relative(script: str, location: str) -> str:
    """The entry script's path in its plain form, ``score.py`` for ``./score.py``.

    :param location: what says it, for the message.
    :raises ProjectError: absolute, outside the code folder, or longer than a path can be.
    """
    pure = PurePosixPath(script)
    if any(len(part.encode("utf-8", "surrogatepass")) > LONGEST_NAME for part in pure.parts):
        raise ProjectError(f"the entry script's name is too long for a file name: {script[:60]}…", location=location)
    if pure.is_absolute() or script.startswith("\\") or ":" in script[:2]:
        raise ProjectError(
            f"the entry script must be relative to the code folder: {script}",
            location=location,
            hint="The image's start script looks for it below the code folder and breaks on an absolute path.",
        )
    if ".." in pure.parts or not pure.parts:
        raise ProjectError(
            f"the entry script is outside the code folder: {script!r}",
            location=location,
            hint="Move it into the code folder, or use the folder above it as the code folder ([code] path).",
        )
    return pure.as_posix()


def check(folder: Path, script: str, python: Python | None = None) -> None:
    """Check that ``script`` is an entry script of the code folder.

    Azure ML's inference server loads the file and calls its ``init()`` once and ``run(data)`` for each request.

    What is wrong with its two functions beyond their being there is for rules (:mod:`dagger_aml.check`), and so is
    syntax of another Python than the base's.

    :param script: path relative to the folder, posix separators.
    :param python: the version that is to run it; ours unless given.
    :raises ProjectError: absolute, outside the folder, missing, not Python, or provably without ``init`` or ``run``.
    """
    pure = PurePosixPath(check_relative(script, str(folder)))
    path = folder / pure
    check_there(folder, script)
    if pure.suffix != ".py":
        raise ProjectError("the entry script must end in .py", location=FileLocation(str(path), path))
    if folder.resolve() not in path.resolve().parents:
        raise ProjectError("the entry script is a link that points outside the code folder", location=str(path))
    try:
        source = read_source(path, python)
    except OSError as error:
        raise unreadable(error, path) from None
    if source.problem and source.problem.kind in ("broken", "large"):
        line = source.problem.line
        raise ProjectError(source.problem.message, location=FileLocation(str(path), path, line))
    names = source.names | source.declared
    missing = [f"{name}()" for name in ("init", "run") if name not in names]
    if not missing or source.star or source.problem or source.scope.dynamic or source.scope.answers:
        return
    raise ProjectError(
        f"the entry script has no {' and no '.join(missing)}",
        location=FileLocation(str(path), path),
        hint="Azure ML's server calls init() once at start and run(data) for each request.",
    )


def check_there(folder: Path, script: str, said_at: str = "") -> None:
    """Check that there is such a file in the code folder.

    :param said_at: where it is named, if something names it.
    :raises ProjectError: there is none.
    """
    path = folder / script
    if path.is_file():
        return
    where = f"It is looked for at {path}." if said_at else ""
    hint = _candidates(folder, said_at) or f"Name it with {named('entry_script')} or `entry-script` of [code]."
    raise ProjectError(
        f"the entry script {script!r} does not exist" if said_at else "the entry script does not exist",
        location=said_at or str(path),
        hint="\n".join(filter(None, (where, hint))),
    )


def find(folder: Path, python: Python | None = None) -> tuple[str, ...]:
    """Names of the Python files of a folder that have ``init`` and ``run`` at their top level, sorted.

    Where a file defines both, those that only import or assign them (its tests, say) are none. What does not parse is
    none, and neither are ``__init__.py`` and tests by their names.

    :param python: the version that is to run them; ours unless given.
    """
    defined, bound = [], []
    for path in sorted(folder.glob("*.py")) if folder.is_dir() else ():
        if path.stem in ("__init__", "conftest") or path.stem.startswith("test_") or path.stem.endswith("_test"):
            continue
        if not is_file(path):  # A pipe would be waited for.
            continue
        try:
            data = read_bytes(path)
        except OSError:
            continue
        if b"init" not in data or b"run" not in data:
            continue
        source = parsed(data, str(path), python)
        if {"init", "run"} <= source.functions:
            defined.append(path.name)
        elif {"init", "run"} <= source.names:
            bound.append(path.name)
    return tuple(defined or bound)


def _candidates(folder: Path, said_at: str) -> str | None:
    """A sentence that names Python files of the folder which have both functions."""
    found = find(folder)
    if said_at:
        how = f"Name one of them there, or choose one with {named('entry_script')}."
    else:
        how = f"Choose one with {named('entry_script')}."
    return f"These files have init() and run(): {', '.join(found)}. {how}" if found else None
