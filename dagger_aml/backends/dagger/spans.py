"""What a Dagger engine tells of its own work while it goes on: its OpenTelemetry spans.

``dagger session`` exports the engine's spans to where the OpenTelemetry variables say. Here that is a receiver in
this process, on a port of the loopback address. docs/progress.md says what each span is good for.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from attrs import field

from ...data import define, frozen

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent


_POLL = 0.05
"""Seconds after which the receiver sees that it shall end."""


_LARGEST = 64 << 20
"""Bytes of one batch of spans; a larger one is not the engine's."""


@frozen
class Span:
    """The little of one span that progress needs; headers and the like are never kept.

    :param began: seconds since 1970 by the engine's clock; so is ``ended``, which is 0 while it runs.
    :param cached: the engine found what is asked for and did nothing.
    :param resumes: spans of calls that are only carried out here.
    :param blob: bytes of a layer or config that a registry took.
    """

    id: str
    name: str
    began: float
    ended: float = 0.0
    cached: bool = False
    resumes: tuple[str, ...] = ()
    blob: int = 0


@define
class Work:
    """One piece of work, such as a step, and the spans of what was asked of the engine for it.

    :param id: the trace's, 16 bytes as hexadecimal digits.
    """

    id: str
    spans: dict[str, Span] = field(factory=dict)

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """What this task asks of the engine inside the block belongs to the work."""
        from opentelemetry import context, trace

        parent = trace.SpanContext(int(self.id, 16), secrets.randbits(63) + 1, True, trace.TraceFlags(1))
        token = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(parent)))
        try:
            yield
        finally:
            context.detach(token)

    def finished(self, call: str) -> bool:
        """Whether the last ``call``, such as ``Container.withExec``, is known to have been carried out or found."""
        last = self._last(call)
        if last is None or not last.ended:
            return False
        return last.cached or any(each.ended and last.id in each.resumes for each in list(self.spans.values()))

    def ended(self, call: str) -> bool:
        """Whether the last ``call`` has been answered."""
        last = self._last(call)
        return bool(last and last.ended)

    def repeats(self, call: str) -> bool:
        """Whether there are spans, all ended, and none of ``call``: the session has made that call before."""
        spans = list(self.spans.values())
        return bool(spans) and all(each.ended for each in spans) and self._last(call) is None

    def cached(self, call: str) -> bool | None:
        """Whether the engine had the result of the last ``call``; None where no span says."""
        last = self._last(call)
        if last:
            return last.cached
        if not self.spans:
            return None
        return not any(each.resumes for each in list(self.spans.values()))

    @property
    def seconds(self) -> float | None:
        """From the first span's beginning to the last one's end; None while there is none that has ended."""
        spans = list(self.spans.values())
        ended = [each.ended for each in spans if each.ended]
        return max(ended) - min(each.began for each in spans) if ended else None

    @property
    def pushed(self) -> int:
        """Bytes of the blobs that a registry took."""
        return sum(each.blob for each in list(self.spans.values()))

    def _last(self, call: str) -> Span | None:
        calls = [each for each in list(self.spans.values()) if each.name == call]
        return max(calls, key=lambda each: each.began, default=None)


@define
class Spans:
    """Takes a session's spans, in the receiver's threads, and sorts them by the work that they belong to."""

    _works: dict[str, Work] = field(factory=dict)

    def work(self) -> Work:
        """A new piece of work, whose spans are kept from now on."""
        made = Work(secrets.token_hex(16))
        self._works[made.id] = made
        return made

    def forget(self, work: Work) -> None:
        """Keep no more of its spans."""
        self._works.pop(work.id, None)

    def take(self, body: bytes) -> None:
        """Take one export request in OpenTelemetry's binary form.

        :raises ValueError: it is something else.
        """
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        try:
            request = ExportTraceServiceRequest.FromString(body)
        except DecodeError as error:
            raise ValueError(str(error)) from None
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for sent in scope.spans:
                    work = self._works.get(sent.trace_id.hex())
                    if work is not None:
                        _keep(work, _read(sent))


def _keep(work: Work, span: Span) -> None:
    """A span comes when it begins and again when it ends, in whatever order."""
    known = work.spans.get(span.id)
    if known is None or span.ended:
        work.spans[span.id] = span


def _read(sent: Sent) -> Span:
    said = {each.key: each.value for each in sent.attributes}
    ended = sent.end_time_unix_nano
    return Span(
        sent.span_id.hex(),
        sent.name,
        sent.start_time_unix_nano / 1e9,
        ended / 1e9 if ended > sent.start_time_unix_nano else 0.0,
        "dagger.io/dag.cached" in said and said["dagger.io/dag.cached"].bool_value,
        tuple(link.span_id.hex() for link in sent.links) if sent.name.startswith("resume ") else (),
        _blob(sent.name, said) if ended else 0,
    )


def _blob(name: str, said: Mapping[str, Any]) -> int:
    """Bytes that a request has brought to a registry, manifests aside."""
    if name not in ("HTTP PUT", "HTTP PATCH") or "url.full" not in said:
        return 0
    if "/blobs/uploads/" not in said["url.full"].string_value:
        return 0
    if "http.response.status_code" not in said or said["http.response.status_code"].int_value // 100 != 2:
        return 0
    length = said.get("http.request.header.content-length")
    return int(length.string_value) if length and length.string_value.isdigit() else 0


@contextlib.contextmanager
def received() -> Iterator[tuple[Spans | None, dict[str, str]]]:
    """A receiver, and the variables that make ``dagger session`` send it the engine's spans as they come.

    Neither where the user has the spans sent elsewhere, or there can be no receiver.
    """
    spans = Spans()
    made = None if _sent_elsewhere() else _server(spans)
    if made is None:
        yield None, {}
        return
    server, path = made
    thread = threading.Thread(target=server.serve_forever, args=(_POLL,), daemon=True)
    thread.start()
    variables = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}{path}",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_TRACES_LIVE": "1",
    }
    try:
        yield spans, variables
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _sent_elsewhere() -> bool:
    return any(os.environ.get(f"OTEL_EXPORTER_OTLP_{which}ENDPOINT") for which in ("", "TRACES_"))


def _server(spans: Spans) -> tuple[Any, str] | None:
    """A server on any free port, and the path that only who was told it can send to."""
    from http.server import BaseHTTPRequestHandler
    from socketserver import ThreadingTCPServer

    path = f"/{secrets.token_urlsafe(16)}"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            if self.path != path or size > _LARGEST:
                self.send_error(404)
                return
            body = self.rfile.read(size)
            with contextlib.suppress(ValueError, OSError, EOFError):
                spans.take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    class Server(ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A connection that ended early is of no matter."""

    try:
        return Server(("127.0.0.1", 0), Handler), path
    except OSError:
        return None
