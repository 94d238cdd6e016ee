"""Why the inference server does not start by what lies beside the code or is set, though the code is not to blame."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from .. import contract
from .cause import Cause
from .places import Locate
from .traceback import Raised

_OF_SERVER = "azureml_inference_server_http"
_SETTING = re.compile(r"=+Configuration Error=+$")
_TIMEOUT = re.compile(r"error: argument \S*--timeout: invalid int value: (?P<value>.+)")
_NOT_A_NUMBER = re.compile(r"invalid literal for int\(\) with base 10: (?P<value>.+)")
_FILES = {
    "get_field_value": (("config.json",), "as its own settings"),
    "load_logging_config": (("logging.json",), "as its settings of logging"),
    "_read_swagger": (
        ("swagger.json", "swagger2.json", "swagger3.json", "swagger3.1.json"), "as the description of its service"
    ),
}  # fmt: skip
"""By the server's function that reads them: names of files beside the code, and what the server takes them for."""


def of_settings(lines: Sequence[str]) -> Cause | None:
    """What is wrong with a variable, or with a value in config.json; None where the log tells nothing of that."""
    for number, line in enumerate(lines):
        if _SETTING.search(line):
            found = [each for each in lines[number + 1 : number + 9] if each.strip(" =")]
            said = re.sub(r" \(environment variable: .*\)$", "", found[0]) if found else "no more is known"
            return Cause(
                3, f"a setting of the server is not valid: {said}", kind="contract",
                hint="It is a variable of the image, or it is in a config.json next to the code, which the server "
                "reads as its own settings.",
            )  # fmt: skip
        match = _TIMEOUT.search(line)
        if match:
            return _not_a_number("WORKER_TIMEOUT", match["value"])
    return None


def of_files(chain: Sequence[Raised], lines: Sequence[str], locate: Locate) -> Cause | None:
    """What is wrong with a file beside the code that the server reads, or with WORKER_COUNT; else None.

    :param chain: of a traceback that ends in no exception of the server's own.
    """
    raised = chain[-1]
    frames = [frame for frame in raised.frames if _OF_SERVER in frame.file]
    for frame in frames:
        if frame.name in _FILES:
            names, taken = _FILES[frame.name]
            location = _place(lines, locate, *names)
            name = posixpath.basename(location) if location else " or ".join(names)
            said = raised.shown if raised.name != "AttributeError" else "it must be a JSON object"
            return Cause(
                3, f"the server cannot read {name} {taken}: {said}", location, kind="contract",
                hint="The server looks for a file of this name next to the code. Rename it if it is not for the "
                "server, or correct it.",
            )  # fmt: skip
    match = _NOT_A_NUMBER.search(raised.text)
    if match and frames and frames[-1].file.endswith("/amlserver.py"):
        return _not_a_number("WORKER_COUNT", match["value"])
    return None


def script_named(lines: Sequence[str]) -> str | None:
    """The entry script's path, as the server tells it when it starts."""
    start = "Entry Script Name: "
    return next((line.removeprefix(start).strip() for line in lines if line.startswith(start)), None)


def _not_a_number(variable: str, value: str) -> Cause:
    return Cause(
        None, f"{variable} must be a number, not {value}", kind="contract",
        hint=f"Correct it where it is set, for example in [env] of the project file: {variable} = 1",
    )  # fmt: skip


def _place(lines: Sequence[str], locate: Locate, *names: str) -> str | None:
    """The only one of some files beside the code that is there."""
    script = script_named(lines)
    folders = dict.fromkeys([contract.APP_ROOT, *([posixpath.dirname(script)] if script else [])])
    found = {path for folder in folders for name in names if (path := locate(f"{folder}/{name}"))}
    return found.pop() if len(found) == 1 else None
