"""Rules about files of the code that the inference server reads as its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .. import contract
from ..finding import Finding
from .facts import Script, Variable
from .reserved import BROKEN, SWAGGER, Reserved
from .rule import rule


@rule("AML555", "error")
def reserved_and_unreadable(script: Script, reserved: tuple[Reserved, ...]) -> Iterator[Finding]:
    """A file beside the code bears a name that the server reads, and is not what it expects there.

    The server takes `config.json` for its own settings, `logging.json` for those of its log, and `swagger.json`,
    `swagger2.json`, `swagger3.json` and `swagger3.1.json` for descriptions of the service. It does not start where
    one of them is no JSON, `config.json` is a list, or `logging.json` has no `version`.

    Bad `config.json`:

        ["age", "income"]

    Good `columns.json`:

        ["age", "income"]

    Silent: files of these names in other folders than the code's and the entry script's, objects such as those of
    Hugging Face in `config.json`, and an empty `config.json`.
    """
    for each in reserved:
        path, why = each.path, _why_unreadable(each.path.name, each.found)
        if why:
            yield Finding(
                f"the inference server reads {path.name} as its own and does not start: {why}",
                location=script.at(path),
                hint="Give the file another name, or move it into a folder below the code.",
            )


@rule("AML556", "warning")
def settings_in_config(
    script: Script, given: Mapping[str, Variable], reserved: tuple[Reserved, ...]
) -> Iterator[Finding]:
    """A config.json beside the code changes settings of the inference server.

    The server reads its settings from it, by the names of the variables. Others are not touched by it, but a key such
    as `SCORING_TIMEOUT_MS` takes effect where the variable is not set, though nothing of the image says so.

    Bad `config.json`:

        {"labels": ["no", "yes"], "SCORING_TIMEOUT_MS": 100}

    Good `dagger-aml.toml`:

        [env]
        SCORING_TIMEOUT_MS = "100"

    Silent: a file without such keys, and keys of variables that the image sets anyway.
    """
    for path, found in ((each.path, each.found) for each in reserved):
        if path.name != "config.json" or not isinstance(found, dict):
            continue
        keys = [each for each in contract.SETTINGS.values() if each in found and each not in given]
        if keys := [each for each in keys if each not in _NOT_OF_A_FILE]:
            yield Finding(
                f"the inference server reads {', '.join(keys)} from {path.name}",
                location=script.at(path),
                hint="Say it under [env] of the project's file, where it can be seen.",
            )


_NOT_OF_A_FILE = frozenset(
    {contract.APP, contract.ENTRY_SCRIPT, contract.MODEL_DIR}
    | {each for each in contract.SETTINGS.values() if each.startswith(("AML_APP_INSIGHTS", "AML_CORS", "AML_MDC"))}
)
"""Settings that the server does not read from the file, and those that an image sets, which come before it."""


def _why_unreadable(name: str, found: Any) -> str | None:
    if found is BROKEN:
        return "it is no JSON"
    if name in SWAGGER:
        return None
    if not isinstance(found, dict):
        return "it is no object"
    if name == "logging.json" and found.get("version") != 1:
        return 'it is no configuration of logging, whose "version" is 1'
    return None
