"""The project's entry script under the real inference server on this machine: no image, no container.

For the fast inner loop. apt packages, the base's own packages and its user are not there.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from attrs import evolve

from .. import contract
from ..backends.runtime import Published, port_taken
from ..data import define
from ..errors import ProjectError, UsageError
from ..events import OnEvent
from ..graph.access import Access
from ..graph.graph import Copy, Graph
from ..graph.source import Local, Text
from ..graph.values import FromBase, Value
from ..policy import DEFAULT
from ..process import run
from ..project.model import Project
from ..steps.packages import script_folder
from ..steps.server_names import app_root
from ..tasks import background_task
from ..text import named
from .debug import ENVIRONMENT
from .debug import debugged as with_debugger
from .endpoint import Endpoint
from .http import Http
from .local_packages import Place, install
from .local_pip import holders
from .log import Log
from .places import Locate

_OF_PYTHON = ("PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH", "VIRTUAL_ENV", "CONDA_PREFIX")
GUNICORN_ARGS = "GUNICORN_CMD_ARGS"
"""Words of gunicorn's command line, which it reads before those that it is given."""

_OF_GUNICORN = (GUNICORN_ARGS, "WEB_CONCURRENCY")

_SERVER = """
import os, sys
bin, host, port, script, *more = sys.argv[1:]
if sys.path[0] == "":
    sys.path[0] = bin
sys.argv = [os.path.join(bin, "azmlinfsrv"), "--port", port, "--entry_script", script]
if more:
    os.environ["GUNICORN_CMD_ARGS"] = " ".join([os.environ.get("GUNICORN_CMD_ARGS", ""), *more])
from azureml_inference_server_http import amlserver
if not hasattr(amlserver, "DEFAULT_HOST"):
    sys.exit("this version of azureml-inference-server-http cannot be kept to 127.0.0.1")
amlserver.DEFAULT_HOST = host
sys.exit(amlserver.run())
"""
"""The server's own program, azmlinfsrv, so with its worker options and its order of sys.path, but at one address: by
itself it listens at every one. What it runs is gunicorn, waitress on Windows."""


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

    Yields the endpoint, and the folder that stands for ``/var/azureml-app``. Raises as :func:`prepared`.
    """
    async with (
        prepared(project, graph, published=published, on_event=on_event, debug=debug) as here,
        here.served(graph, log) as endpoint,
    ):
        yield endpoint, here.app


@asynccontextmanager
async def prepared(
    project: Project, graph: Graph, *, published: Published, on_event: OnEvent, debug: Published | None = None
) -> AsyncIterator[Locally]:
    """A throw-away virtual environment with the packages of a project, to serve its code again and again.

    :param debug: the port at which a debugger may attach.
    :raises ProjectError: the project has no code.
    :raises BuildError: its requirements cannot be installed.
    :raises UsageError: models go elsewhere than beside the code; the port is taken; an address other than 127.0.0.1;
        a secret cannot be read.
    """
    if not project.serves:
        raise ProjectError("has no code to serve", location=str(project.root))
    if published.address != "127.0.0.1":
        raise UsageError(
            f"{named('local')} serves at 127.0.0.1 only, not at {published.address}",
            location=named("publish"),
            hint="Remove the address.",
        )
    if project.models and not project.models_root.startswith(contract.APP_ROOT + "/"):
        raise UsageError(
            f"{named('local')} cannot put models into {project.models_root}",
            location=project.origins.get("deployment"),
            hint=f"Run it in a container: {named('builder', 'docker')}.",
        )
    _check_free(published.port, debug)
    place = Place(Path(tempfile.mkdtemp(prefix="dagger-aml-local-")).resolve())
    try:
        here = Locally(place, 0, debug)
        await anyio.to_thread.run_sync(here.lay_out, graph)
        await install(project, graph, place, on_event, ["debugpy"] if debug else [])
        port = published.port or free_port()
        _check_free(port, debug)  # Once more, for packages take their time.
        yield evolve(here, port=port)
    finally:
        shutil.rmtree(place.root, ignore_errors=True)


def _check_free(port: int, debug: Published | None) -> None:
    """:raises UsageError: one of the ports is taken."""
    if port and not is_free(port):
        raise port_taken(port)
    if debug and not is_free(debug.port):
        raise port_taken(debug.port, "debug")


@define(eq=False)
class Locally:
    """Where a project is served without an image.

    :param port: at 127.0.0.1. :param debug: the port at which a debugger may attach.
    """

    _place: Place
    _port: int
    _debug: Published | None

    @property
    def app(self) -> Path:
        """The folder that stands for ``/var/azureml-app``."""
        return self._place.app

    def lay_out(self, graph: Graph) -> None:
        """Have the code as it lies there now, in place of what was laid out before."""
        if self.app.exists():
            shutil.rmtree(self.app)
        _lay_out(graph, self.app, Path(_moved(app_root(graph), self._place)) / _script(graph))

    @asynccontextmanager
    async def served(
        self, graph: Graph, log: Log, *, grace_seconds: float = DEFAULT.terminate_grace_seconds
    ) -> AsyncIterator[Endpoint]:
        """Serve what was laid out while the block runs.

        :param grace_seconds: that the server has to end then.
        """
        place, debug = self._place, self._debug
        command = _command(place, self._port, _script(graph), debugged=bool(debug))
        if debug:
            command = [place.python, *with_debugger(command, host=debug.address, port=debug.port)]
        url = f"http://127.0.0.1:{self._port}"

        async def server() -> None:
            done = await run(
                command,
                env={**_environment(graph, place), **(ENVIRONMENT if debug else {})},
                cwd=Path(_moved(app_root(graph), place)),
                on_line=log.add,
                grace_seconds=grace_seconds,
            )
            log.end(done.code)

        async with Http(url) as http, background_task(server):
            yield Endpoint(url, "local", http, log, getattr(os, "getuid", lambda: None)())


def moved(locate: Locate, app: Path) -> Locate:
    """What locates files of an image, for the throw-away folder."""
    return lambda path: locate(path.replace(str(app), contract.APP_ROOT, 1))


def _script(graph: Graph) -> str:
    """The entry script, relative to where the server starts."""
    return str(graph.config.env.get(contract.ENTRY_SCRIPT, "main.py")).lstrip("/")


def _lay_out(graph: Graph, app: Path, script: Path) -> None:
    """Folders of our own with links to the project's files, so that what is written beside the code goes away too.

    :param script: copied, for the server takes it by its real path.
    """
    app.mkdir(parents=True)
    for copy in graph.layers:
        if not isinstance(copy, Copy) or not isinstance(copy.source, Local | Text):
            continue
        if copy.dest != contract.APP_ROOT and not copy.dest.startswith(contract.APP_ROOT + "/"):
            continue
        dest = app / copy.dest.removeprefix(contract.APP_ROOT).lstrip("/")
        dest.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(copy.source, Text):
            dest.write_bytes(copy.source.data)
            continue
        if copy.kind == "file":
            _link(dest, Path(copy.source.path), script=dest == script)
            continue
        dest.mkdir(exist_ok=True)
        for entry in copy.source.entries:
            if entry.type == "dir":
                (dest / entry.path).mkdir(parents=True, exist_ok=True)
            else:
                here = dest / entry.path
                _link(here, Path(copy.source.path) / entry.path, script=here == script)


def _link(here: Path, path: Path, *, script: bool) -> None:
    if script:
        shutil.copyfile(path, here)
    else:
        here.symlink_to(path)


def _environment(graph: Graph, place: Place) -> dict[str, str | None]:
    """What the image says, for the throw-away folder; what this shell says of the server and of Python is gone."""
    env: dict[str, str | None] = dict.fromkeys((*_of_server(graph.access), *_OF_PYTHON))
    env.update({name: _moved(value, place) for name, value in graph.config.env.items()})
    libs = graph.config.env.get(contract.EXTRA_LIB_PATH)
    if isinstance(libs, str):
        # As the start script has it, which leaves a colon at the end: that is the working directory.
        folder = _moved(posixpath.join(script_folder(graph), libs), place)
        env["PYTHONPATH"] = os.pathsep.join([folder, env.get("PYTHONPATH") or ""])
    env["PATH"] = f"{place.bin}{os.pathsep}{os.environ.get('PATH', '')}"
    env[contract.APP] = _moved(app_root(graph), place)
    return env


def _of_server(access: Access) -> tuple[str, ...]:
    """Variables of this shell that the server would read, and the image has not; and those that hold a secret."""
    prefixes = ("AML_", "AZUREML_")
    read = contract.VARIABLES.union(_OF_GUNICORN)
    return (
        *(name for name in os.environ if name.upper() in read or name.upper().startswith(prefixes)),
        *holders(access),
    )


def _moved(value: Value, place: Place) -> str:
    """A value of the image, for the throw-away folder; what the base would add is not there."""
    text = f"{value.before}{value.after}" if isinstance(value, FromBase) else value
    return text.replace(contract.APP_ROOT, str(place.app))


def _command(place: Place, port: int, script: str, *, debugged: bool) -> list[str]:
    """The server's own program, at 127.0.0.1.

    :param debugged: it may stand still for as long as it likes, and is not waited for at the end.
    """
    more = ["--graceful-timeout", "1"] if debugged else []
    return [place.python, "-c", _SERVER, str(place.bin), "127.0.0.1", str(port), script, *more]


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
