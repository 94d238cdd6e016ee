"""What the user's code raised, in words: the cause, the user's own line, what to do."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from attrs import evolve

from .. import contract
from ..requirements.import_names import apt_name, packages_of
from ..text import named
from .cause import LONGEST, Cause
from .places import Locate
from .traceback import Frame, Raised, users_own

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
_NETWORK = re.compile(
    r"Name or service not known|emporary failure in name resolution|getaddrinfo failed|nodename nor servname"
    r"|No address associated with hostname|Network is unreachable|No route to host|Connection refused"
    r"|Connection timed out|Failed to establish a new connection|Max retries exceeded with url|Cannot connect to host"
    r"|All connection attempts failed|couldn't connect to|Failed to resolve|ould not resolve host"
)
_SHADOWED = re.compile(
    r"cannot import name '(?P<name>\w+)' from '(?P<module>\w+)' \(\S*azureml_inference_server_http/server/"
)

_LIST = "requirements.txt, or wherever your packages are listed"

_TO_TMP = (
    "The server does not run as root. Write to /tmp (`tempfile` does this). Files in {root} next to the code "
    "can be written too."
)


def explained(chain: Sequence[Raised], locate: Locate, called: str, network: str = "") -> Cause:
    """What a chain of exceptions means. Of an ExceptionGroup it is the first exception in it that counts.

    :param called: what raised it, for the message: ``init()``.
    :param network: how the image was started where it has no network, such as ``without network``; else empty.
    """
    raised = users_own(tuple(chain))
    if not raised.members:
        return _of_network(_explained(raised, locate, called), raised, chain, called, network)
    first = next((each for each in raised.members if _own(each, locate)), raised.members[0])
    found = _of_network(_explained(first, locate, called), first, [first], called, network)
    count = len(raised.members)
    which = f"the first of {count} exceptions" if count > 1 else "the exception"
    return evolve(
        found,
        message=f"{found.message} ({which} in an ExceptionGroup: {raised.text.partition(' (')[0]})",
        location=found.location or _location(_own(raised, locate)),
        shown=(*_shown(_own(raised, locate), raised), *found.shown)[-LONGEST:],
    )


def _of_network(cause: Cause, raised: Raised, chain: Sequence[Raised], called: str, network: str) -> Cause:
    """The same, where what it says is that the network is missing; without one, what led to it may say so too."""
    if cause.kind != "raised" or not any(_NETWORK.search(each.text) for each in (chain if network else [raised])):
        return cause
    if network:
        return evolve(
            cause, kind="network", message=f"{called} could not reach the network: {raised.shown}",
            hint=f"To be tested, the image was started {network}. Put what it fetches into the image, as a model or "
            f"in the code folder. {named('smoke', 'import')} tests less, {named('no_smoke')} nothing.",
        )  # fmt: skip
    return evolve(
        cause, kind="network",
        hint="Where the image runs, this address does not answer: check its name and port, and the proxy.",
    )  # fmt: skip


def _own(raised: Raised, locate: Locate) -> list[tuple[Frame, str | None]]:
    return [(frame, path) for frame in raised.frames if (path := locate(frame.file))]


def _location(own: Sequence[tuple[Frame, str | None]]) -> str | None:
    return f"{own[-1][1]}:{own[-1][0].line}" if own else None


def _explained(raised: Raised, locate: Locate, called: str) -> Cause:
    own = _own(raised, locate)
    location, shown = _location(own), _shown(own, raised)
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
    elif match := _SHADOWED.search(text):
        message, kind = f"{called} gets the server's own module {match['module']!r}, not yours", "import"
        hint = f"Rename your {match['module']}: the server has a module of that name, which Python finds first."
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
    return (*lines, *said.splitlines())[-LONGEST:]


def _for_module(module: str) -> str:
    top = module.partition(".")[0]
    if module == "main":
        return f"No entry script was found: {contract.ENTRY_SCRIPT} does not name one, and main.py does not exist."
    known, of_top = packages_of(module), packages_of(top)
    if "." in module and known and known == of_top:
        return (
            f"{top} is missing, or its version differs from the one that the code or the model was made with: "
            f"pin {known[0]} to the version used in training, in {_LIST}."
        )
    if known:
        return f"Add {known[0]} to {_LIST}: it provides `import {top}`."
    return (
        "If it is your own module, put it at the top level of the code folder. Otherwise perhaps a package is "
        f"missing: find out which one provides `import {module}` and add it to {_LIST}. Its name may differ."
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
