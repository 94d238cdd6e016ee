"""``--debug`` of ``run``: where a debugger attaches, and what an editor must be told for it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import click

from .. import contract
from ..errors import UsageError
from ..graph.graph import Copy
from ..graph.source import Local
from .common import MayStandAlone
from .console import tell

if TYPE_CHECKING:
    from ..backends.runtime import Published
    from .target import Target


class Debugged(MayStandAlone):
    """A command whose ``--debug`` may stand alone."""

    alone: ClassVar[Mapping[str, str]] = {"--debug": ""}


def debug_option(function: Any) -> Any:
    """Add the flag."""
    return click.option(
        "--debug",
        metavar="[=[ADDRESS:]PORT]",
        help="Wait until a debugger attaches, without a time limit (default address: 127.0.0.1:5678). The image "
        "must have debugpy: --pip debugpy adds it for this run.",
    )(function)


def debug_port(text: str | None, target: Target, *, local: bool) -> Published | None:
    """What ``--debug`` means; without a port the usual one, or any where that is taken.

    :raises UsageError: it is no port, it is taken, or the image has no packages before it starts.
    """
    if text is None:
        return None
    from ..backends.runtime import Published, port_taken
    from ..serving.debug import PORT
    from ..serving.local import free_port, is_free

    match = re.fullmatch(r"(?:(?P<address>\d+(?:\.\d+){3}|\[[0-9a-f:]+\]):)?(?P<port>\d{1,5})", text or str(PORT))
    if not match or not 0 < int(match["port"]) < 65536:
        raise UsageError(
            f"not a port: {text!r}", location="--debug", hint="Write --debug, --debug=PORT or ADDRESS:PORT."
        )
    at_start = {contract.EXTRA_REQUIREMENTS, contract.EXTRA_CONDA_YAML}
    if target.graph and at_start & set(target.graph.config.env) and not local:
        raise UsageError(
            "this image installs its packages, including debugpy, only when it starts", location="--debug",
            hint="Use another recipe (--recipe extended), or --local.",
        )  # fmt: skip
    port = int(match["port"])
    if not is_free(port):
        if text:
            raise port_taken(port, "debug")
        tell(f"port {port} is in use; using another for the debugger")
        port = free_port()
    return Published(port, match["address"] or "127.0.0.1", PORT)


def how_to_attach(debug: Published, target: Target, *, everywhere: bool, app: str = contract.APP_ROOT) -> str:
    """What is printed once a debugger can attach: the way in, in VS Code's words.

    :param everywhere: whether the port is open at every address of this machine.
    :param app: where the folder for code is, for the served program.
    """
    host = "127.0.0.1" if debug.address == "0.0.0.0" else debug.address
    configuration = {
        "name": f"dagger-aml: {target.project.name if target.project else 'score.py'}",
        "type": "debugpy",
        "request": "attach",
        "connect": {"host": host, "port": debug.port},
        "pathMappings": _mappings(target, app),
    }
    lines = [
        f"the server waits for a debugger at {host}:{debug.port}; a configuration for .vscode/launch.json:",
        json.dumps(configuration, indent=2, ensure_ascii=False),
    ]
    if everywhere:
        lines.append(
            "(the engine's tunnel listens on every address of this machine, and whoever attaches can run any code)"
        )
    return "\n".join(lines)


def _mappings(target: Target, app: str) -> list[dict[str, str]]:
    """The folders with Python files here, and what stands for them there."""
    folders = {
        each.source.path: each.dest
        for each in (target.graph.layers if target.graph else ())
        if isinstance(each, Copy) and isinstance(each.source, Local) and each.kind == "tree"
        and (each.dest == contract.APP_ROOT or each.dest.startswith(contract.APP_ROOT + "/"))
        and any(entry.path.endswith(".py") for entry in each.source.entries)
    } or {"${workspaceFolder}/code": contract.APP_ROOT}  # fmt: skip
    return [
        {"localRoot": str(here), "remoteRoot": there.replace(contract.APP_ROOT, app, 1)}
        for here, there in folders.items()
    ]
