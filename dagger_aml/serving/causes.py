"""What went wrong in a served image, from what it printed: the cause in words, the user's own line, what to do."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from attrs import evolve, frozen

from .. import contract
from ..requirements.import_names import apt_name, packages_of
from .debug import CANNOT
from .log import WORKER_DIED, Reader
from .places import Locate
from .traceback import Frame, Raised, tracebacks, users_own

_INNER_CODE = re.compile(r"Exit code (-?\d+) is not normal\. Killing image\.")
_MODULE = re.compile(r"No module named '([\w.]+)'")
_LIBRARY = re.compile(r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object file")
_REFUSED = re.compile(
    r"\[Errno (?:13|30|1)\] (Permission denied|Read-only file system|Operation not permitted)"
    r"(?:: b?['\"](?P<path>[^'\"]+))?"
)
_MISSING = re.compile(r"\[Errno 2\] No such file or directory: b?['\"](?P<path>[^'\"]+)")
_NOT_JSON = re.compile(r"Object of type (\w+) is not JSON serializable")
_ABI = re.compile(
    r"numpy\.(dtype|ufunc) size changed|_ARRAY_API not found|compiled using NumPy 1\.x|numpy\.core\.multiarray"
)
_SCRIPT_ERROR = re.compile(r"User script at (\S+) does not have a (init|run)\(\) function")
_FATAL_FRAME = re.compile(r'\s*File "(?P<file>[^"]+)", line (?P<line>\d+) in ')
_NO_DEBUGPY, _CONNECTS = "because debugpy is not installed", "debugpy.connect(debug_port)"
_PIP_ERROR = re.compile(r"ERROR: (.+)")

_LONGEST = 14
"""Lines of a traceback that are shown."""

_TO_TMP = (
    "The server does not run as root. Write to /tmp (`tempfile` does this). Files in {root} next to the code "
    "can be written too."
)


@frozen
class Cause:
    """Why a served image failed.

    :param code: the start script's or the server's exit code, or None.
    :param message: one sentence without a final full stop.
    :param location: ``code/score.py:12``, or None.
    :param hint: what to do about it, one or more lines.
    :param shown: the user's own part of the traceback, innermost last, and other lines that tell something.
    :param kind: a word for programs: ``import``, ``library``, ``write``, ``file``, ``script``, ``pip``, ``contract``,
        ``memory``, ``crash``, ``timeout``, ``raised``, ``answer``, ``unknown``.
    """

    code: int | None
    message: str
    location: str | None = None
    hint: str = ""
    shown: tuple[str, ...] = ()
    kind: str = "unknown"


def inner_exit_code(lines: Sequence[str]) -> int | None:
    """The exit code that the image's own script tells before it ends the container (which then has 111).

    The first one: while the container ends, the server may be started and killed once more.
    """
    for line in lines:
        match = _INNER_CODE.search(line)
        if match:
            return int(match[1])
    return None


def why_not_started(lines: Sequence[str], container_code: int | None, locate: Locate) -> Cause:
    """Why an image's server ended before it was ready.

    :param container_code: exit code of the container, or of the server where there is no container.
    """
    code = inner_exit_code(lines)
    code = container_code if code is None else code
    found = _no_debugger(lines, code)
    if found:
        return found
    said = contract.EXIT_CODES.get(code) if code is not None else None
    if code == 3:
        found = _script_fault(lines, locate)
        if found:
            return evolve(found, code=code)
    if code == 95:
        errors = [match[1] for line in lines if (match := _PIP_ERROR.search(line))]
        return Cause(
            code, f"{said}: {errors[-1]}" if errors else str(said), shown=_tail(lines), kind="pip",
            hint="See the output of pip. docs/dynamic.md explains what is installed at start.",
        )  # fmt: skip
    if code in (137, -9):
        return Cause(
            code, "the server was killed; most likely it ran out of memory", shown=_tail(lines), kind="memory"
        )
    if said:
        return Cause(code, said, shown=_tail(lines), kind="contract", hint=_of_contract(code))
    ended = "the container ended" if code is None else f"the container ended with exit code {code}"
    return Cause(code, f"{ended} before the server was ready", shown=_tail(lines))


def why_not_ready(lines: Sequence[str], seconds: float, locate: Locate) -> Cause:
    """Why a server that still runs is not ready."""
    text = "\n".join(lines)
    if "WORKER TIMEOUT" in text:
        return Cause(
            None, "init() takes longer than WORKER_TIMEOUT, so it is stopped and started again", shown=_tail(lines),
            kind="timeout", hint="Make init() faster, or allow more time: --env WORKER_TIMEOUT=SECONDS.",
        )  # fmt: skip
    dead = _no_debugger(lines) or _why_dead(lines, locate)
    if dead:
        return dead
    if "Invoking user's init function" in text and "init has completed" not in text:
        return Cause(
            None, f"init() still runs after {seconds:.0f} s", shown=_tail(lines), kind="timeout",
            hint=f"Allow more time: --ready-timeout {2 * seconds:.0f}. gunicorn itself stops it after "
            "WORKER_TIMEOUT (300 s if the image does not set it).",
        )  # fmt: skip
    return Cause(
        None, f"GET / did not answer 200 within {seconds:.0f} s", shown=_tail(lines), kind="timeout",
        hint="Allow more time: --ready-timeout SECONDS.",
    )  # fmt: skip


def _no_debugger(lines: Sequence[str], code: int | None = None) -> Cause | None:
    """Why a server that was told to let a debugger in could not, or None."""
    message = contract.EXIT_CODES[94]
    why = next((line.removeprefix(CANNOT) for line in lines if line.startswith(CANNOT)), None)
    if any(_NO_DEBUGPY in line for line in lines):
        why = "debugpy is not installed"
    if why or code == 94:
        hint = "Add debugpy to requirements.txt, or for one run of a project: --pip debugpy."
        return Cause(
            94, f"{message}: {why}" if why else message, shown=() if why else _tail(lines), kind="contract",
            hint="Use another port: --debug=PORT." if why and why.startswith("port ") else hint,
        )  # fmt: skip
    if any(_CONNECTS in line for line in lines):
        return Cause(
            code, f"{message}: {contract.DEBUG_PORT} is set, but no debugger listens on that port", kind="contract",
            hint="Remove the variable from the image. `dagger-aml run --debug` sets it for one run.",
        )  # fmt: skip
    return None


def why_not_scored(lines: Sequence[str], locate: Locate) -> Cause | None:
    """What the last failing request raised, or None when the log tells nothing."""
    chains = tracebacks(lines)
    if not chains:
        return _why_dead(lines, locate)
    return _explained(users_own(chains[-1]), locate, "run()")


def why_not_imported(lines: Sequence[str], locate: Locate) -> Cause:
    """Why the entry script could not be imported, from what Python printed."""
    return _script_fault(lines, locate) or Cause(None, "the entry script cannot be imported", shown=_tail(lines))


def _why_dead(lines: Sequence[str], locate: Locate) -> Cause | None:
    """Why the last worker that ended without a traceback did, or None when none has."""
    died = next((match for line in reversed(lines) if (match := WORKER_DIED.search(line))), None)
    if not died:
        return None
    if died["signal"] == "SIGKILL":
        return Cause(
            None, "the server's worker was killed; most likely it ran out of memory", shown=_tail(lines),
            kind="memory", hint="Give it more memory, or load less.",
        )  # fmt: skip
    fatal = [index for index, line in enumerate(lines) if "Fatal Python error:" in line]
    frames = [match for line in lines[fatal[-1] :] if (match := _FATAL_FRAME.match(line))] if fatal else []
    own = [f"{path}:{match['line']}" for match in frames if (path := locate(match["file"]))]
    told = [lines[fatal[-1]], *(f"{each}" for each in reversed(own))] if fatal else []
    how = f"crashed ({died['signal']})" if died["signal"] else f"exited with code {died['code']}"
    hint = "Native code of a package crashed: use versions that were built for each other." if died["signal"] else ""
    return Cause(
        None, f"the server's worker {how}", own[0] if own else None, hint, (*told, died.string), kind="crash"
    )


def _script_fault(lines: Sequence[str], locate: Locate) -> Cause | None:
    """Why the entry script could not be loaded, or what its ``init()`` raised."""
    for line in lines:
        match = _SCRIPT_ERROR.search(line)
        if match:
            return Cause(
                3, f"the entry script has no {match[2]}()", locate(match[1]) or match[1], kind="script",
                hint="Azure ML calls init() once in each worker and run(data) for each request.",
            )  # fmt: skip
    chains = [chain for chain in tracebacks(lines) if not _is_noise(chain)]
    if not chains:
        config = next(
            (line for line in lines if "Configuration Error" in line or "Invalid config file" in line), None
        )
        if config:
            return Cause(
                3, "the server's configuration is not valid", shown=_tail(lines), kind="contract",
                hint="The server reads a config.json next to the code as its own configuration. Rename your file.",
            )  # fmt: skip
        return None
    called = any("User's init function failed" in line for line in lines)
    return _explained(users_own(chains[-1]), locate, "init()" if called else "the entry script")


def _is_noise(chain: tuple[Raised, ...]) -> bool:
    """The server's own trouble with a model folder that has no version, which it survives."""
    return any(frame.name == "_get_model_ids" for raised in chain for frame in raised.frames)


def _explained(raised: Raised, locate: Locate, called: str) -> Cause:
    frames = [(frame, locate(frame.file)) for frame in raised.frames]
    own = [(frame, path) for frame, path in frames if path]
    location = f"{own[-1][1]}:{own[-1][0].line}" if own else None
    shown = _shown(own, raised)
    text = f"{raised.type}: {raised.text}"
    message, hint, kind = f"{called} raised {raised.shown}", "", "raised"
    module, library = _MODULE.search(text), _LIBRARY.search(text)
    refused, missing = _REFUSED.search(text), _MISSING.search(text)
    if module and raised.name in ("ModuleNotFoundError", "ImportError"):
        message, hint, kind = (
            f"{called} needs the module {module[1]!r}, which is missing",
            _for_module(module[1]),
            "import",
        )
    elif library:
        message, kind = f"the shared library {library[1]} is missing", "library"
        hint = for_library(text) or ""
    elif refused:
        path = refused["path"] or "a file"
        message, kind = f"{called} cannot write {path} ({refused[1].lower()})", "write"
        hint = _for_refused(path)
    elif _ABI.search(text):
        hint, kind = (
            "Packages were built for another numpy: pin numpy to the version that they were built with.",
            "import",
        )
    elif missing:
        message, kind = f"{called} found no file {missing['path']}", "file"
        hint = _for_missing(missing["path"])
    elif raised.name == "KeyError" and contract.MODEL_DIR in raised.text:
        message, kind = f"{called} reads {contract.MODEL_DIR}, which is not set: the image has no model", "file"
        hint = "Put the model into the project's `model` folder, or name it in dagger-aml.toml under [[models]]."
    elif match := _NOT_JSON.search(text):
        message, kind = f"run() returned a value that cannot be converted to JSON: {match[1]}", "answer"
        hint = "Return plain Python values: `.tolist()` of an array, `.to_dict()` of a frame, `float()` of a number."
    elif raised.name in ("SyntaxError", "IndentationError", "TabError"):
        message, kind = f"the entry script cannot be parsed: {raised.shown}", "script"
    elif raised.name == "MemoryError":
        kind = "memory"
    return Cause(None, message, location, hint, shown, kind)


def for_library(text: str) -> str | None:
    """What to do about the shared library that a message of the linker names; None where it names none."""
    library = _LIBRARY.search(text)
    if not library:
        return None
    package = apt_name(library[1])
    if package:
        return f"Add {package} to apt.txt."
    return f"Find its package (apt-file search {library[1]}, or packages.debian.org) and add it to apt.txt."


def _shown(frames: Sequence[tuple[Frame, str | None]], raised: Raised) -> tuple[str, ...]:
    lines: list[str] = []
    for frame, path in frames:
        lines.append(f"{path or frame.file}:{frame.line}" + (f" in {frame.name}" if frame.name else ""))
        if frame.code:
            lines.append(f"    {frame.code}")
    said = f"{raised.type}: {raised.text}" if raised.text else raised.type
    return (*lines, *said.splitlines())[-_LONGEST:]


def _for_module(module: str) -> str:
    top = module.partition(".")[0]
    if module == "main":
        return f"No entry script was found: {contract.ENTRY_SCRIPT} does not name one, and main.py does not exist."
    known, of_top = packages_of(module), packages_of(top)
    if "." in module and known and known == of_top:
        return (
            f"{top} is missing, or its version differs from the one that the code or the model was made with: "
            f"pin {known[0]} in requirements.txt to the version used in training."
        )
    if known:
        return f"Add {known[0]} to requirements.txt: it is the package that provides `import {top}`."
    return (
        "If it is your own module, put it at the top level of the code folder. Otherwise perhaps a package is "
        f"missing: find out which one provides `import {module}` and add it to requirements.txt. Its name may differ."
    )


def _for_refused(path: str) -> str:
    if path.startswith(contract.MODELS_ROOT):
        return "Only root can write to the model folder. Write to /tmp (`tempfile` does this)."
    return _TO_TMP.format(root=contract.APP_ROOT)


def _for_missing(path: str) -> str:
    if "azureml-models" in path:
        return (
            "Check the path of the model with `dagger-aml plan`, and build the path from "
            f"${contract.MODEL_DIR}: with one model it is the folder NAME/VERSION, with several it is the "
            "folder above all of them."
        )
    if path == f"{contract.APP_ROOT}/main.py":
        return f"The image names no entry script ({contract.ENTRY_SCRIPT}): it has no code."
    if not posixpath.isabs(path):
        return (
            f"The working directory is {contract.APP_ROOT}. Build paths from Path(__file__).parent or, for a "
            f"model, from ${contract.MODEL_DIR}."
        )
    return "Copy it into the image: into the code folder, or as a model."


def _of_contract(code: int | None) -> str:
    if code in (97, 98, 99):
        return "The variable is relative to the entry script's folder; see docs/preinstalled.md and docs/dynamic.md."
    if code == 100:
        return "Use one of Azure ML's prebuilt inference images as the base image (dagger-aml images)."
    return ""


def _tail(lines: Sequence[str]) -> tuple[str, ...]:
    """The last lines that tell something: the entry script's own and errors, or else the start script's."""
    reader = Reader()
    read = [reader.read(line) for line in lines]
    told = [each.shown for each in read if each.kind in ("user", "error") and each.text.strip()]
    begun = any(each.time for each in read)
    return tuple(told or ([] if begun else [line for line in lines if line.strip()]))[-_LONGEST:]
