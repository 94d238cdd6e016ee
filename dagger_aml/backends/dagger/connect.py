"""Finding a Dagger engine, connecting to it with a deadline, saying what is missing.

An engine that the caller names is the only one that is asked. Otherwise looked for in this order: an existing
session, the engine that ``_EXPERIMENTAL_DAGGER_RUNNER_HOST`` names, and the SDK's own way, which starts an engine in
Docker. A session here is our own child process with our own deadline; the SDK's start cannot be interrupted and has
none.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from attrs import evolve

from ...data import frozen
from ...errors import DaggerAmlError, EngineGone, EngineNotFound
from ...events import Message, OnEvent, ignore
from ...policy import DEFAULT, Policy
from ...text import named, redact_url
from ..store import LET_IN, docker_silence
from .address import TESTED, check_address
from .spans import Spans, received

if TYPE_CHECKING:
    from .builder import Engine

SESSION_PORT, SESSION_TOKEN = "DAGGER_SESSION_PORT", "DAGGER_SESSION_TOKEN"


RUNNER_HOST = "_EXPERIMENTAL_DAGGER_RUNNER_HOST"


CLI_BIN = "_EXPERIMENTAL_DAGGER_CLI_BIN"


_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""How an HTTP/2 connection begins (RFC 9113, 3.4). An engine that works answers it at once."""


_QUIET = {"DO_NOT_TRACK": "1", "DAGGER_NO_UPDATE_CHECK": "1", "DAGGER_NO_NAG": "1", "DAGGER_PROGRESS": "plain"}
"""Set for the engine's command line unless the user set them: no analytics, no update checks."""


_PATHS = ("DOCKER_CONFIG", "DOCKER_CERT_PATH", "SSL_CERT_FILE")
"""Variables by which the engine's command line, which works in another folder than this process, finds files."""


_PATH_LISTS = ("KUBECONFIG", "SSL_CERT_DIR")
"""The same of several paths."""


_NOWHERE = os.path.abspath(os.sep)  # noqa: PTH100 - a path's text
"""Where the engine's command line works: in no git clone. A folder made for it would stay behind a SIGKILL."""


@frozen
class _Session:
    port: str
    token: str
    way: str
    deadline_seconds: float
    """For the engine behind it to answer the first question."""
    spans: Spans | None = None
    pid: int | None = None
    named_by: str = ""


@frozen
class Connected:
    """An engine that answers.

    :param way: which it is: an existing session, the engine at an address, one in Docker.
    :param attempts: the ways that were tried before and led nowhere, each with why.
    :param named_by: the flag or the variable that names it; empty where none does.
    """

    engine: Engine
    way: str
    attempts: tuple[str, ...]
    named_by: str = ""


@frozen
class _Asked:
    """What every way to an engine is given.

    :param stack: takes what must end with the connection.
    :param start_seconds: for the download of Dagger's command line and the start of an engine; 0: neither is tried.
    """

    stack: AsyncExitStack
    start_seconds: float
    policy: Policy
    on_event: OnEvent


_Way = Callable[[_Asked], Awaitable[_Session]]
"""What makes a session, or says why not."""


class _NoAnswer(Exception):
    """One way to an engine did not lead anywhere; the text says why."""


class _NoCli(_NoAnswer):
    """Without Dagger's command line no engine can be asked at all."""


class _Denied(_NoAnswer):
    """The Docker daemon refuses this user."""


@asynccontextmanager
async def connect(
    *,
    engine: str | None = None,
    engine_timeout: float | None = None,
    no_cache: bool = False,
    on_event: OnEvent = ignore,
    policy: Policy = DEFAULT,
) -> AsyncIterator[Engine]:
    """Connect to a Dagger engine; the session ends with the block.

    :param engine: address of one, ``unix:///PATH`` or ``tcp://HOST:PORT``: then no session and no other engine is
        taken, whatever the environment says. Addresses of other schemes go to Dagger's command line as they are.
    :param engine_timeout: seconds for the download of Dagger's CLI and the start of an engine in Docker: the policy's
        ``start_deadline_seconds`` unless given. An existing session and a named engine get 10 seconds each to answer.
    :param no_cache: run every command again, whatever the engine remembers.
    :param policy: how long everything is waited for, now and in what is built.
    :raises EngineNotFound: nothing answers; the message says what was tried and how to get each.
    :raises EngineGone: the engine went away while the block ran.
    :raises UsageError: ``engine`` is no address.
    """
    patience = policy.start_deadline_seconds if engine_timeout is None else engine_timeout
    async with reach(
        engine=engine, engine_timeout=patience, no_cache=no_cache, on_event=on_event, policy=policy
    ) as reached:
        yield reached.engine


@asynccontextmanager
async def reach(
    *,
    engine: str | None = None,
    engine_timeout: float,
    no_cache: bool = False,
    on_event: OnEvent = ignore,
    policy: Policy = DEFAULT,
) -> AsyncIterator[Connected]:
    """Connect as :func:`connect` does, and tell by which way.

    :param engine_timeout: as there; with 0 nothing is downloaded and no engine started.
    """
    ways: tuple[_Way, ...] = (_existing_session, _named_engine, _engine_in_docker)
    if engine is not None:
        check_address(engine)
        ways = (partial(_engine_at, engine),)
    attempts: list[_NoAnswer] = []
    async with AsyncExitStack() as stack:
        asked = _Asked(stack, engine_timeout, policy, on_event)
        for way in ways:
            try:
                session = await way(asked)
            except _NoAnswer as error:
                attempts.append(error)
                continue
            # The engine's SDK takes half a second to load: only for an engine, and not out of its time to answer.
            importlib.import_module(".builder", __package__)
            try:
                with anyio.fail_after(session.deadline_seconds):
                    client = await _client(asked, session, no_cache)
            except _NoAnswer as error:
                attempts.append(error)
                continue
            except TimeoutError:
                attempts.append(_NoAnswer(f"the session at port {session.port} does not answer"))
                continue
            yield Connected(
                client,
                session.way,
                tuple(map(str, attempts)),
                named("engine") if engine is not None else session.named_by,
            )
            return
        raise _not_found(attempts, engine)


async def _existing_session(asked: _Asked) -> _Session:
    port, token = os.environ.get(SESSION_PORT), os.environ.get(SESSION_TOKEN)
    if not port:
        raise _NoAnswer(f"an existing session: ${SESSION_PORT} is not set (`dagger run` sets it)")
    if not token or not port.isdigit():
        raise _NoAnswer(
            f"an existing session: ${SESSION_PORT} and ${SESSION_TOKEN} must both be set, and ${SESSION_PORT} "
            "must be a number"
        )
    seconds = asked.policy.engine_answer_timeout_seconds
    await _answers("an existing session", "127.0.0.1", int(port), seconds=seconds)
    return _Session(port, token, f"the session at port {port}", seconds, named_by=f"${SESSION_PORT}")


async def _named_engine(asked: _Asked) -> _Session:
    host = os.environ.get(RUNNER_HOST)
    if not host:
        raise _NoAnswer(
            f"a named engine: neither {named('engine')} nor ${RUNNER_HOST} is set (unix:///run/dagger/engine.sock, "
            "tcp://HOST:PORT)"
        )
    return evolve(await _engine_at(host, asked), named_by=f"${RUNNER_HOST}")


async def _engine_at(address: str, asked: _Asked) -> _Session:
    """A session of the engine at an address; one to be started gets the time for it."""
    url = urlsplit(address)
    way = f"the engine at {redact_url(address)}"
    within = asked.policy.engine_answer_timeout_seconds
    if url.scheme == "unix":
        await _answers(way, url.path or url.netloc, hello=_HELLO, seconds=within)
    elif url.scheme == "tcp" and url.hostname and url.port:
        await _answers(way, url.hostname, url.port, hello=_HELLO, seconds=within)
    cli = os.environ.get(CLI_BIN) or shutil.which("dagger")
    if not cli:
        cli = await _downloaded_cli(asked)
    answers = asked.policy.session_deadline_seconds
    deadline = answers if url.scheme in TESTED else max(asked.start_seconds, answers)
    return await _spawned(asked, cli, way, deadline, answers, address)


async def _engine_in_docker(asked: _Asked) -> _Session:
    if os.environ.get(RUNNER_HOST):
        raise _NoAnswer(f"an engine in Docker: not tried, because ${RUNNER_HOST} names another engine")
    silence = await docker_silence(asked.policy)
    if silence:
        raise (_Denied if silence.denied else _NoAnswer)(f"an engine in Docker: {silence.why}")
    if not asked.start_seconds:
        raise _NoAnswer(f"an engine in Docker: not started, because {named('engine_timeout')} allows no time for it")
    cli = os.environ.get(CLI_BIN) or await _downloaded_cli(asked)
    asked.on_event(Message("starting a Dagger engine in Docker; the first start includes the download"))
    answers = asked.policy.session_deadline_seconds + asked.start_seconds
    return await _spawned(asked, cli, "an engine in Docker", asked.start_seconds, answers)


async def _answers(way: str, host: str, port: int | None = None, *, hello: bytes = b"", seconds: float) -> None:
    """Connect and hang up; a socket that nobody listens at is known at once.

    :param hello: what must be answered, with whatever.
    :param seconds: for all of it.
    """
    try:
        with anyio.fail_after(seconds):
            stream: anyio.abc.ByteStream
            if port is None:
                stream = await anyio.connect_unix(host)
            else:
                stream = await anyio.connect_tcp(host, port)
            if hello:
                await stream.send(hello)
                await stream.receive(1)
            await stream.aclose()
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        raise _NoAnswer(f"{way}: it closed the connection") from None
    except TimeoutError:
        raise _NoAnswer(f"{way}: it does not answer within {seconds:.0f} s") from None
    except OSError as error:
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        raise _NoAnswer(f"{way}: {os.strerror(cause.errno) if cause.errno else cause}") from None


async def _downloaded_cli(asked: _Asked) -> str:
    """Dagger's command line, downloaded by the SDK into its cache."""
    if not asked.start_seconds:
        raise _NoCli(f"Dagger CLI: not installed, and {named('engine_timeout')} allows no time to download it")
    import dagger
    from dagger.provisioning._download import Downloader

    asked.on_event(Message("downloading the Dagger CLI from dl.dagger.io"))
    try:
        with anyio.fail_after(asked.start_seconds):
            path: str = await anyio.to_thread.run_sync(Downloader().get_sync, abandon_on_cancel=True)
            return path
    except TimeoutError:
        late = f"not downloaded within {asked.start_seconds:.0f} s ({named('engine_timeout')})"
        raise _NoCli(f"Dagger CLI: {late}") from None
    except (dagger.DaggerError, OSError) as error:
        raise _NoCli(f"Dagger CLI: {str(error).splitlines()[0]}") from None


async def _spawned(
    asked: _Asked, cli: str, way: str, deadline: float, answers: float, address: str | None = None
) -> _Session:
    """Start ``dagger session`` and read its port and token; it ends when its standard input closes.

    It sends the engine's spans where somebody wants to know how the work goes on. It learns nothing of a session that
    this process's environment tells of, which would have been taken, nor of the folder that this process works in: in
    a git clone Dagger 1.0 would take the digests of bases from a ``dagger.lock`` (docs/builders.md).

    :param deadline: seconds for the session to be made. :param answers: seconds for the engine behind it to answer.
    :param address: of the engine; None for Dagger's own way.
    """
    stack = asked.stack
    spans, exports = (None, {}) if asked.on_event is ignore else stack.enter_context(received())
    environment = {**_QUIET, **os.environ, **exports, **({RUNNER_HOST: address} if address else {})}
    for name in (SESSION_PORT, SESSION_TOKEN):
        environment.pop(name, None)
    for name in (*_PATHS, *_PATH_LISTS):
        if said := environment.get(name):
            paths = said.split(os.pathsep) if name in _PATH_LISTS else [said]
            environment[name] = os.pathsep.join(each and str(Path(each).absolute()) for each in paths)
    log = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    try:
        process = await anyio.open_process(
            [Path(shutil.which(cli) or cli).absolute(), "session"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=_NOWHERE,
            env=environment,
        )
    except OSError as error:
        raise _NoAnswer(f"{way}: the Dagger CLI {cli} cannot be started ({error.strerror})") from None
    stack.push_async_exit(partial(_ended, process, asked.policy))
    try:
        with anyio.fail_after(deadline):
            line = b""
            assert process.stdout
            while not line.endswith(b"\n"):
                line += await process.stdout.receive()
        made = json.loads(line)
        return _Session(str(made["port"]), made["session_token"], way, answers, spans, process.pid)
    except TimeoutError:
        process.kill()
        raise _NoAnswer(f"{way}: no session within {deadline:.0f} s") from None
    except (anyio.EndOfStream, ValueError, KeyError):
        await process.wait()
        log.seek(0)
        lines = log.read().decode(errors="replace").strip().splitlines()
        raise _NoAnswer(f"{way}: {lines[-1] if lines else 'the session ended at once'}") from None


async def _ended(
    process: anyio.abc.Process, policy: Policy, _: object, error: BaseException | None, __: object
) -> None:
    """End a session by closing its standard input, so that the engine flushes what it must; then by force.

    At once by force where the engine is gone: the session would wait for it for a quarter of a minute.
    """
    gone = error.subgroup(EngineGone) if isinstance(error, BaseExceptionGroup) else isinstance(error, EngineGone)
    with anyio.CancelScope(shield=True):
        if gone and process.returncode is None:
            process.kill()
        if process.stdin:
            await process.stdin.aclose()
        with anyio.move_on_after(policy.session_end_grace_seconds):
            await process.wait()
        for end in (process.terminate, process.kill):
            if process.returncode is None:
                end()
                with anyio.move_on_after(policy.terminate_grace_seconds):
                    await process.wait()


async def _client(asked: _Asked, session: _Session, no_cache: bool) -> Engine:
    """An isolated dagger-io client on a session. It sends nothing twice: our own retries know what may be.

    The SDK's public ways to a given session lead through this process's environment, where another connection, or a
    program started meanwhile, would take it for its own; and they set OpenTelemetry up for the whole process.
    """
    import dagger
    from dagger.client._config import ConnectConfig
    from dagger.client._session import ConnectParams, SingleConnection

    from .builder import Engine

    params = ConnectParams(port=int(session.port), session_token=session.token)
    connection = SingleConnection(params, ConnectConfig(retry=None))
    asked.stack.push_async_callback(connection.close)
    try:
        await connection.connect()
        client = dagger.Client.from_connection(connection)
        version = await client.version()
    except (dagger.DaggerError, OSError) as error:
        raise _NoAnswer(f"the session at port {session.port}: {str(error).splitlines()[0]}") from None
    return Engine(
        client,
        version=version,
        no_cache=no_cache,
        on_event=asked.on_event,
        spans=session.spans,
        sender=session.pid,
        policy=asked.policy,
    )


def _not_found(attempts: list[_NoAnswer], address: str | None) -> DaggerAmlError:
    no_cli, denied = (any(isinstance(each, kind) for each in attempts) for kind in (_NoCli, _Denied))
    lines = ["Tried:", *(f"- {each}" for each in attempts), "To get an engine:"]
    if no_cli:
        lines.append(
            f"- install Dagger's command line (https://docs.dagger.io/install), or name it by ${CLI_BIN}; or"
        )
    if address:
        lines.append(
            f"- remove {named('engine')}: dagger-aml then tries the engine that ${RUNNER_HOST} names, or Docker; or"
        )
    else:
        start = f"- {LET_IN[0].lower()}{LET_IN[1:-1]}" if denied else "- start Docker"
        lines += [
            f"{start}: the SDK then starts an engine in it; or" if not denied else f"{start}; or",
            f"- name a running engine: {named('engine', 'tcp://HOST:PORT')}, or ${RUNNER_HOST}; or",
        ]
    # Docker, the first of them, may be there and not be this user's; that was just found out.
    here = [name for name in ("docker", "podman", "buildah")[denied:] if shutil.which(name)]
    found = f" (installed here: {', '.join(here)})" if here else ""
    lines += [
        f"- build without an engine: `{named('builder', 'docker')}`, `{named('builder', 'podman')}` or "
        f"`{named('builder', 'buildah')}`{found}; or",
        "- write a Dockerfile and its context for any builder: `dagger-aml dockerfile PROJECT -o imagefiles`.",
    ]
    message = f"the engine that {named('engine')} names does not answer" if address else "no Dagger engine answers"
    if no_cli:
        message = "no Dagger engine could be asked, because Dagger's command line is missing"
    return EngineNotFound(message, attempts=tuple(map(str, attempts)), hint="\n".join(lines))
