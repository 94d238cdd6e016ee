"""A debugger's way into a served image.

With ``AZUREML_DEBUG_PORT`` the inference server (its ``entry.py``) opens no port: it calls ``debugpy.connect()``, so
it wants somebody who listens at that port of the container's own loopback, and waits for a debugger before it loads
the entry script. That somebody is debugpy's adapter, which an editor reaches at a port of its own. So what runs first
is a program of ours, by the image's Python: it starts the adapter of the image's debugpy, sets the variable, and
becomes the image's own command. The adapter ends when that and all that it started have ended.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import contract

PORT = 5678
"""debugpy's usual port."""

WAITS = "** A debugger can attach; the server waits for it."
"""The line that the image prints when it is so."""

CANNOT = "** No debugger can attach: "
"""How the line begins that says why not; exit code 94, the contract's, follows it."""

ENVIRONMENT = {"WORKER_COUNT": "1", "WORKER_TIMEOUT": "0", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
"""For the run: one worker to attach to, which gunicorn does not end while it stands at a breakpoint; and no warning
that concerns those who step into Python itself."""

_FIRST = f"""
import sys
sys.path[:] = [each for each in sys.path if each]
import os, subprocess
adapter, host, port, argv = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
libs, env = os.environ.get("{contract.EXTRA_LIB_PATH}"), dict(os.environ)
if libs:
    root = os.environ.get("{contract.APP}") or "{contract.APP_ROOT}"
    script = os.environ.get("{contract.ENTRY_SCRIPT}", "").lstrip("/")
    libs = os.path.join(root, os.path.dirname(script), libs)
    env["PYTHONPATH"] = os.pathsep.join([libs, env.get("PYTHONPATH", "")])
words = [sys.executable, "-c", adapter, host, port]
child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
said = child.stdout.readline().decode().strip()
if not said.isdigit():
    print("{CANNOT}" + (said or "debugpy's adapter ended at once"), flush=True)
    sys.exit(94)
os.environ["{contract.DEBUG_PORT}"] = said
print("{WAITS}", flush=True)
if os.name == "nt":
    sys.exit(subprocess.call(argv))
os.set_inheritable(child.stdin.fileno(), True)
os.execvp(argv[0], argv)
"""

_ADAPTER = """
import sys
sys.path[:] = [each for each in sys.path if each]
import os
try:
    from debugpy.adapter import clients, servers
    clients.serve(sys.argv[1], int(sys.argv[2]))
    said = str(servers.serve("127.0.0.1", 0)[1])
except ModuleNotFoundError:
    said = "debugpy is not installed"
except Exception as error:
    said = f"port {sys.argv[2]}: {error}"
print(said, flush=True)
sys.stdin.buffer.read()
os._exit(0)
"""
"""debugpy's adapter, while its standard input is open; it prints the port for ``debugpy.connect()``, or why not."""


def debugged(command: Sequence[str], *, host: str = "0.0.0.0", port: int = PORT) -> tuple[str, ...]:
    """The words for a Python that runs a command and lets a debugger in.

    :param host: where the adapter listens, in the container.
    """
    return ("-c", _FIRST, _ADAPTER, host, str(port), *command)
