"""As much of an editor as attaches to a Python program: the Debug Adapter Protocol over a socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from types import TracebackType
from typing import Any


class Editor:
    """Attaches to what listens at a port, stops at breakpoints and goes on.

    :param mappings: pairs of a folder here and the one that stands for it there.
    """

    def __init__(self, port: int, mappings: Sequence[tuple[str, str]] = (), *, within: float = 30) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=within)
        self._file = self._socket.makefile("rb")
        self._number = 0
        self._events: list[dict[str, Any]] = []
        self._mappings = [{"localRoot": here, "remoteRoot": there} for here, there in mappings]

    def __enter__(self) -> Editor:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._file.close()
        self._socket.close()

    def attach(self, file: str, line: int) -> bool:
        """Attach, as ``"request": "attach"`` with ``"connect"`` does; whether the breakpoint was taken."""
        self.probe("initialize", adapterID="debugpy", clientID="tests", linesStartAt1=True, pathFormat="path")
        attached = self._send("attach", pathMappings=self._mappings, justMyCode=True)
        self.event("initialized")
        taken = self.probe("setBreakpoints", source={"path": file}, breakpoints=[{"line": line}])["breakpoints"]
        self.probe("configurationDone")
        self._answer(attached)
        return bool(taken[0]["verified"])

    def stopped(self) -> tuple[str, dict[str, str]]:
        """Wait for the breakpoint; where it stands, ``PATH:LINE`` as it is here, and the local variables."""
        thread = self.event("stopped")["threadId"]
        frame = self.probe("stackTrace", threadId=thread)["stackFrames"][0]
        scope = self.probe("scopes", frameId=frame["id"])["scopes"][0]
        found = self.probe("variables", variablesReference=scope["variablesReference"])["variables"]
        self._stopped = thread
        return f"{frame['source']['path']}:{frame['line']}", {each["name"]: each["value"] for each in found}

    def go_on(self) -> None:
        """Let it run."""
        self.probe("continue", threadId=self._stopped)

    def probe(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        return self._answer(self._send(command, **arguments))

    def event(self, name: str) -> dict[str, Any]:
        """The next event of a name."""
        while True:
            for at, each in enumerate(self._events):
                if each["event"] == name:
                    return self._events.pop(at).get("body", {})  # type: ignore[no-any-return]
            self._read()

    def _send(self, command: str, **arguments: Any) -> int:
        self._number += 1
        said = {"seq": self._number, "type": "request", "command": command, "arguments": arguments}
        data = json.dumps(said).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        return self._number

    def _answer(self, number: int) -> dict[str, Any]:
        while True:
            got = self._read()
            if got["type"] == "response" and got["request_seq"] == number:
                assert got["success"], got
                return got.get("body", {})  # type: ignore[no-any-return]

    def _read(self) -> dict[str, Any]:
        length = 0
        while line := self._file.readline().strip():
            length = int(line.partition(b":")[2])
        if not length:
            raise EOFError("the debug adapter hung up")
        got: dict[str, Any] = json.loads(self._file.read(length))
        if got["type"] == "event":
            self._events.append(got)
        return got
