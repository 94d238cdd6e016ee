"""What went wrong in a served image, from what it printed: the cause in words, the user's own line, what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import evolve

from .. import contract
from ..text import named
from .cause import Cause, tail
from .debug import CANNOT
from .explained import explained
from .log import WORKER_DIED
from .places import Locate
from .server_faults import of_files, of_settings, script_named
from .traceback import Raised, is_gunicorns, is_servers, tracebacks

__all__ = ["Cause", "inner_exit_code", "why_not_imported", "why_not_ready", "why_not_scored", "why_not_started"]

_INNER_CODE = re.compile(r"Exit code (-?\d+) is not normal\. Killing image\.")
_NO_BOOT = "Worker failed to boot"
_BOOT_CODE = 3
"""gunicorn's exit code then. Its master may end with another, in an error of its own, where several workers fail; and
a container's exit code is that of whatever ended it."""

_LACKS = re.compile(r"(?:[\w.]+: )?User script at (.+) does not have a (init|run)\(\) function")
_FOUND = re.compile(r"Found user script at (.+)$")
_FATAL_FRAME = re.compile(r'\s*File "(?P<file>[^"]+)", line (?P<line>\d+) in ')
_NO_DEBUGPY, _CONNECTS = "because debugpy is not installed", "debugpy.connect(debug_port)"
_PIP_ERROR = re.compile(r"ERROR: (.+)")
_LIMIT = re.compile(r"within the allocated time: (?P<ms>[\d.]+)ms")
_TOOK = re.compile(r" - (?:GET|POST) /score 500 (?P<ms>[\d.]+)ms ")

_BEFORE_THE_SERVER = frozenset({95, 96, 97, 98, 99, 100})
"""Exit codes of the start script: the server was not started at all."""


def inner_exit_code(lines: Sequence[str]) -> int | None:
    """The exit code that the image's own script tells before it ends the container (which then has 111).

    The first one: while the container ends, the server may be started and killed once more.
    """
    for line in lines:
        match = _INNER_CODE.search(line)
        if match:
            return int(match[1])
    return None


def why_not_started(lines: Sequence[str], container_code: int | None, locate: Locate, *, network: str = "") -> Cause:
    """Why an image's server ended before it was ready: what the log holds of the user's code counts most.

    :param container_code: exit code of the container, or of the server where there is no container.
    :param network: how it was started where it has no network; see :func:`~dagger_aml.serving.explained.explained`.
    """
    code = inner_exit_code(lines)
    code = container_code if code is None else code
    if code in (1, 111, None) and any(_NO_BOOT in line for line in lines):
        code = _BOOT_CODE
    found = _no_debugger(lines, code)
    if found:
        return found
    if code not in _BEFORE_THE_SERVER:
        found = _fault(lines, locate, network, any_raised=code == _BOOT_CODE)
        if found:
            unknown = code in (1, 111, None) and found.kind != "contract"
            return evolve(found, code=_BOOT_CODE if unknown else code)
    said = contract.EXIT_CODES.get(code) if code is not None else None
    if code == 95:
        errors = [match[1] for line in lines if (match := _PIP_ERROR.search(line))]
        return Cause(
            code, f"{said}: {errors[-1]}" if errors else str(said), shown=tail(lines), kind="pip",
            hint="See the output of pip. docs/dynamic.md explains what is installed at start.",
        )  # fmt: skip
    if code in (137, -9):
        return Cause(
            code, "the server was killed; most likely it ran out of memory", shown=tail(lines), kind="memory"
        )
    if said:
        return Cause(code, said, shown=tail(lines), kind="contract", hint=_of_contract(code))
    ended = "the server ended" if code is None else f"the server ended with exit code {code}"
    return Cause(code, f"{ended} before it was ready", shown=tail(lines))


def why_not_ready(lines: Sequence[str], seconds: float, locate: Locate, *, network: str = "") -> Cause:
    """Why a server that still runs is not ready.

    :param network: as of :func:`why_not_started`.
    """
    text = "\n".join(lines)
    if "WORKER TIMEOUT" in text:
        return Cause(
            None, "init() takes longer than WORKER_TIMEOUT, so it is stopped and started again", shown=tail(lines),
            kind="timeout", hint=f"Make init() faster, or allow more time: {named('env', 'WORKER_TIMEOUT=SECONDS')}.",
        )  # fmt: skip
    dead = _no_debugger(lines) or _fault(lines, locate, network, any_raised=False) or _why_dead(lines, locate)
    if dead:
        return dead
    if "Invoking user's init function" in text and "init has completed" not in text:
        return Cause(
            None, f"init() still runs after {seconds:.0f} s", shown=tail(lines), kind="timeout",
            hint=f"Allow more time: {named('ready_timeout', f'{2 * seconds:.0f}')}. gunicorn itself stops it after "
            "WORKER_TIMEOUT (300 s if the image does not set it).",
        )  # fmt: skip
    return Cause(
        None, f"GET / did not answer 200 within {seconds:.0f} s", shown=tail(lines), kind="timeout",
        hint=f"Allow more time: {named('ready_timeout', 'SECONDS')}.",
    )  # fmt: skip


def _no_debugger(lines: Sequence[str], code: int | None = None) -> Cause | None:
    """Why a server that was told to let a debugger in could not, or None."""
    message = contract.EXIT_CODES[94]
    why = next((line.removeprefix(CANNOT) for line in lines if line.startswith(CANNOT)), None)
    if any(_NO_DEBUGPY in line for line in lines):
        why = "debugpy is not installed"
    if why or code == 94:
        hint = f"Add debugpy to requirements.txt, or for one run of a project: {named('pip', 'debugpy')}."
        return Cause(
            94, f"{message}: {why}" if why else message, shown=() if why else tail(lines), kind="contract",
            hint=f"Use another port: {named('debug', 'PORT')}." if why and why.startswith("port ") else hint,
        )  # fmt: skip
    if any(_CONNECTS in line for line in lines):
        return Cause(
            code, f"{message}: {contract.DEBUG_PORT} is set, but no debugger listens on that port", kind="contract",
            hint="Remove the variable from the image. `dagger-aml run --debug` sets it for one run.",
        )  # fmt: skip
    return None


def why_not_scored(lines: Sequence[str], locate: Locate, *, network: str = "") -> Cause | None:
    """What the last failing request raised, or None when the log tells nothing.

    :param network: as of :func:`why_not_started`.
    """
    chains = [chain for chain in tracebacks(lines) if not is_gunicorns(chain)]
    if not chains:
        return _why_dead(lines, locate)
    if chains[-1][-1].name == "UserScriptTimeout":
        return _timed_out(lines, chains[-1][-1])
    return explained(chains[-1], locate, "run()", network)


def why_not_imported(lines: Sequence[str], locate: Locate, *, network: str = "") -> Cause:
    """Why the entry script could not be imported, from what Python printed.

    :param network: as of :func:`why_not_started`.
    """
    found = _fault(lines, locate, network, any_raised=True, called="the entry script")
    return found or Cause(None, "the entry script cannot be imported", shown=tail(lines))


def _timed_out(lines: Sequence[str], raised: Raised) -> Cause:
    """The server catches every TimeoutError of run(), and raises one of its own without a traceback of the first."""
    limit = match["ms"] if (match := _LIMIT.search(raised.text)) else ""
    took = next((found["ms"] for line in reversed(lines) if (found := _TOOK.search(line))), "")
    variable = "SCORING_TIMEOUT_MS"
    if limit and took and float(took) < float(limit):
        return Cause(
            None, f"run() raised TimeoutError after {float(took):.0f} ms, before the server's own limit "
            f"({variable}, {limit} ms)", kind="raised",
            hint="The server keeps no traceback of a TimeoutError. To see where it is raised, catch it in run() and "
            "log it with logging.exception().",
        )  # fmt: skip
    return Cause(
        None, f"run() took longer than {variable} allows ({limit} ms)", kind="timeout",
        hint=f"Make run() faster, or allow more time: {named('env', f'{variable}=MILLISECONDS')}.",
    )  # fmt: skip


def _why_dead(lines: Sequence[str], locate: Locate) -> Cause | None:
    """Why the last worker that ended without a traceback did, or None when none has."""
    died = next((match for line in reversed(lines) if (match := WORKER_DIED.search(line))), None)
    if not died:
        return None
    if died["signal"] == "SIGKILL":
        return Cause(
            None, "the server's worker was killed; most likely it ran out of memory", shown=tail(lines),
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


def _fault(lines: Sequence[str], locate: Locate, network: str, *, any_raised: bool, called: str = "") -> Cause | None:
    """Why the entry script could not be loaded, what its ``init()`` raised, or what of the server's own is wrong.

    :param any_raised: whether any traceback tells the cause, not only what the server reports of the user's code.
    :param called: what raised it, where that is known.
    """
    found = next((match for line in lines if (match := _LACKS.match(line))), None)
    if found:
        return Cause(
            _BOOT_CODE, f"the entry script has no {found[2]}()", locate(found[1]) or found[1], kind="script",
            hint="Azure ML calls init() once in each worker and run(data) for each request.",
        )  # fmt: skip
    chains = [chain for chain in tracebacks(lines) if not _is_noise(chain) and not is_gunicorns(chain)]
    reports = [chain for chain in chains if is_servers(chain)]
    if reports:
        return _reported(reports[-1], lines, locate, network)
    found_beside = next((cause for chain in chains if (cause := of_files(chain, lines, locate))), None)
    found_beside = found_beside or of_settings(lines)
    if found_beside or not chains or not any_raised:
        return found_beside
    ours = any(locate(frame.file) for raised in chains[-1] for frame in raised.frames)
    return explained(chains[-1], locate, called or ("the entry script" if ours else "the server"), network)


def _reported(chain: tuple[Raised, ...], lines: Sequence[str], locate: Locate, network: str) -> Cause:
    """What the server reports of the user's code."""
    last, script = chain[-1], script_named(lines)
    if last.name == "UserScriptError" and len(chain) == 1:
        place = next((match[1] for line in lines if (match := _FOUND.search(line))), script)
        return Cause(
            _BOOT_CODE, f"the server cannot use the entry script: {last.text.rstrip('.')}",
            (locate(place) if place else None) or place, kind="script",
            hint="Azure ML calls run(data) with the request; a second parameter may be request_headers.",
        )  # fmt: skip
    if script and any(each.name == "FileNotFoundError" and f"'{script}'" in each.text for each in chain):
        return Cause(
            _BOOT_CODE, f"the entry script {script} is not in the image", kind="file",
            hint=f"{contract.ENTRY_SCRIPT} names it, relative to {contract.APP_ROOT}.",
        )  # fmt: skip
    return explained(chain, locate, "init()" if last.name == "UserScriptException" else "the entry script", network)


def _is_noise(chain: tuple[Raised, ...]) -> bool:
    """The server's own trouble with a model folder that has no version, which it survives."""
    return any(frame.name == "_get_model_ids" for raised in chain for frame in raised.frames)


def _of_contract(code: int | None) -> str:
    if code in (97, 98, 99):
        return "The variable is relative to the entry script's folder; see docs/preinstalled.md and docs/dynamic.md."
    if code == 100:
        return "Use one of Azure ML's prebuilt inference images as the base image (dagger-aml images)."
    return ""
