"""The project's entry script under the real inference server on this machine: no image, no container.

For the fast inner loop. apt packages, the base's own packages and its user are not there.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from attrs import frozen

from .. import contract
from ..backends.runtime import Published, port_taken
from ..base import catalog
from ..errors import BuildError, ProjectError
from ..events import Message, OnEvent, Output
from ..graph.graph import Copy, Graph
from ..graph.source import Local
from ..process import run
from ..project.model import Project
from ..requirements.read import read_requirements
from ..requirements.requirements_txt import check_added
from ..tasks import background_task
from .debug import ENVIRONMENT
from .debug import debugged as with_debugger
from .endpoint import Endpoint
from .http import Http
from .log import Log
from .places import Locate

SERVER = "azureml-inference-server-http"
_APP = "azureml_inference_server_http.server.entry:app"
_UNSET = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX")


@frozen
class _Place:
    """A throw-away folder.

    :param app: stands for ``/var/azureml-app``.
    :param bin: programs of the virtual environment.
    """

    root: Path

    @property
    def app(self) -> Path:
        return self.root / "azureml-app"

    @property
    def bin(self) -> Path:
        return self.root / "venv" / ("Scripts" if os.name == "nt" else "bin")


@asynccontextmanager
async def locally(
    project: Project,
    graph: Graph,
    log: Log,
    *,
    published: Published,
    on_event: OnEvent,
    debug: Published | None = None,
) -> AsyncIterator[tuple[Endpoint, Path]]:
    """Serve a project's code and models from links to them, in a throw-away virtual environment.

    :param debug: the port at which a debugger may attach.

    Yields the endpoint, and the folder that stands for ``/var/azureml-app``.

    :raises ProjectError: the project has no code.
    :raises BuildError: its requirements cannot be installed.
    :raises UsageError: the port is taken.
    """
    if not project.code:
        raise ProjectError("has no code to serve", location=str(project.root))
    place = _Place(Path(tempfile.mkdtemp(prefix="dagger-aml-local-")).resolve())
    try:
        await anyio.to_thread.run_sync(_lay_out, graph, place.app)
        await _install(project, place, on_event, [SERVER, "debugpy"] if debug else [SERVER])
        port = published.port or free_port()
        if not is_free(port):
            raise port_taken(port)
        if debug and not is_free(debug.port):
            raise port_taken(debug.port, "--debug")
        command = _command(place, port, project.entry_script, debugged=bool(debug))
        if debug:
            python = str(place.bin / "python")
            command = [python, *with_debugger(command, host=debug.address, port=debug.port)]
        url = f"http://127.0.0.1:{port}"

        async def server() -> None:
            done = await run(
                command,
                env={**_environment(project, graph, place), **(ENVIRONMENT if debug else {})},
                cwd=place.app,
                on_line=log.add,
            )
            log.end(done.code)

        async with Http(url) as http, background_task(server):
            endpoint = Endpoint(url, "local", http, log, getattr(os, "getuid", lambda: None)())
            yield endpoint, place.app
    finally:
        shutil.rmtree(place.root, ignore_errors=True)


def moved(locate: Locate, app: Path) -> Locate:
    """What locates files of an image, for the throw-away folder."""
    return lambda path: locate(path.replace(str(app), contract.APP_ROOT, 1))


def _lay_out(graph: Graph, app: Path) -> None:
    """Folders of our own with links to the project's files, so that what is written beside the code goes away too."""
    app.mkdir(parents=True)
    for copy in graph.layers:
        if not isinstance(copy, Copy) or not isinstance(copy.source, Local):
            continue
        if copy.dest != contract.APP_ROOT and not copy.dest.startswith(contract.APP_ROOT + "/"):
            continue
        dest = app / copy.dest.removeprefix(contract.APP_ROOT).lstrip("/")
        dest.parent.mkdir(parents=True, exist_ok=True)
        if copy.kind == "file":
            dest.symlink_to(copy.source.path)
            continue
        dest.mkdir(exist_ok=True)
        for entry in copy.source.entries:
            if entry.type == "dir":
                (dest / entry.path).mkdir(parents=True, exist_ok=True)
            else:
                (dest / entry.path).symlink_to(Path(copy.source.path) / entry.path)


async def _install(project: Project, place: _Place, on_event: OnEvent, ours: list[str]) -> None:
    python = await _python(project, on_event)
    if project.apt:
        on_event(Message(f"apt packages are not installed without a container: {' '.join(project.apt)}"))
    wanted, folder = _wanted(project, place, ours)
    listed = f" and {project.requirements.name}" if project.requirements else ""
    on_event(Message(f"installing {' '.join(ours)}{listed} into a temporary environment"))
    lines: list[str] = []

    def said(line: str) -> None:
        lines.append(line)
        on_event(Output(line))

    # In the folder of the requirements, whose modules must not stand in for pip's own: -I.
    pip = [str(place.bin / "python"), "-I", "-m", "pip", "install", "--disable-pip-version-check"]
    for command in ([python, "-I", "-m", "venv", str(place.root / "venv")], *([*pip, *words] for words in wanted)):
        done = await run(command, on_line=said, env={"PYTHONPATH": ""}, cwd=folder)
        if done.code:
            raise BuildError(
                "the requirements cannot be installed here", step="--local", command=tuple(command),
                output="\n".join(lines),
            )  # fmt: skip


def _wanted(project: Project, place: _Place, ours: list[str]) -> tuple[list[list[str]], Path]:
    """What pip is told, once or twice, and the folder to run it in, which archives are relative to.

    Where the project's packages have hashes, pip would want one of the server too, so that comes after them.

    :param ours: the server, and what else is to be there.
    """
    if not project.requirements:
        return [[*check_added(project.pip), *ours]], place.root
    found = read_requirements(project.requirements, root=project.root)
    file = found.path.resolve()
    if found.text is not None:
        file = place.root / "requirements.txt"
        file.write_text("".join(f"{line}\n" for line in found.indexes) + found.text, encoding="utf-8")
    words = ["--requirement", str(file), *check_added(project.pip, found)]
    folder = found.path.parent.resolve()
    return ([words, ours] if found.hashes else [[*words, *ours]]), folder


async def _python(project: Project, on_event: OnEvent) -> str:
    """The Python of the base's version, where this machine has it, else the one that runs us."""
    base = catalog.find(project.base.reference)
    mine = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if base and base.python != mine:
        found = shutil.which(f"python{base.python}")
        if found and not (await run([found, "-c", "import venv"])).code:
            return found
        on_event(
            Message(
                f"the base image has Python {base.python}, but this is Python {mine}; add python{base.python} to "
                "PATH to use the same version"
            )
        )
    return sys.executable


def _environment(project: Project, graph: Graph, place: _Place) -> dict[str, str]:
    said = {name: value for name, value in graph.config.env.items() if isinstance(value, str)}
    moved = {name: value.replace(contract.APP_ROOT, str(place.app)) for name, value in said.items()}
    return {
        **dict.fromkeys((name for name in _UNSET if name in os.environ), ""),
        **moved,
        "PYTHONPATH": str(project.preinstalled or ""),
        "PATH": f"{place.bin}{os.pathsep}{os.environ.get('PATH', '')}",
        "AML_APP_ROOT": str(place.app),
        "HTTP_X_MS_SERVER_VERSION": "azmlinfsrv",
    }


def _command(place: _Place, port: int, script: str, *, debugged: bool) -> list[str]:
    """gunicorn itself, at 127.0.0.1; the server's own program listens at every address. Windows has no gunicorn.

    :param debugged: it may stand still for as long as it likes, and is not waited for at the end.
    """
    if os.name == "nt":
        return [
            str(place.bin / "azmlinfsrv"),
            "--port",
            str(port),
            "--entry_script",
            script,
        ]
    flags = [
        "--bind",
        f"127.0.0.1:{port}",
        "--timeout",
        "0" if debugged else "300",
        "--graceful-timeout",
        "1" if debugged else "30",
        "--access-logfile",
        "-",
        "--error-logfile",
        os.devnull,
    ]
    return [str(place.bin / "python"), "-m", "gunicorn", *flags, _APP]


def free_port() -> int:
    """A port of this machine that nothing listens at."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as probe:
        number: int = probe.getsockname()[1]
        return number


def is_free(port: int) -> bool:
    """Whether nothing listens at a port of this machine."""
    import socket

    try:
        socket.create_server(("127.0.0.1", port)).close()
        return True
    except OSError:
        return False
