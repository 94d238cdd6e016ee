"""What an engine's spans tell, read from spans that a real engine (v0.21.8) sent; see spans/README.md."""

from __future__ import annotations

import gzip
import http.client
import os
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest
from google.protobuf import json_format
from opentelemetry import propagate
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from dagger_aml.backends.dagger import spans as spans_module
from dagger_aml.backends.dagger.spans import Spans, Work, received
from dagger_aml.backends.dagger.timeline import Timeline, pushing
from dagger_aml.backends.transfers import ReadPosition, growing
from dagger_aml.events import Event, Message, OpDone, OpStarted, Transferred
from dagger_aml.policy import Policy

RECORDED = Path(__file__).parent / "spans"
EXEC, COPY = "Container.withExec", "Container.withDirectory"


def bodies(name: str) -> list[bytes]:
    """The recorded export requests, as the engine's command line sent them."""
    lines = (RECORDED / f"{name}.jsonl").read_text().splitlines()
    return [json_format.Parse(line, ExportTraceServiceRequest()).SerializeToString() for line in lines]


def works(spans: Spans, count: int = 3) -> list[Work]:
    """Works under the recorded traces' numbers: a command, a copy, a push."""
    made = [Work(f"{number:032x}") for number in range(1, count + 1)]
    spans._works.update({each.id: each for each in made})
    return made


def after(name: str, count: int | None = None) -> list[Work]:
    """The works after some of the requests."""
    spans = Spans()
    made = works(spans)
    for body in bodies(name)[:count]:
        spans.take(body)
    return made


def test_in_a_first_build_nothing_is_cached():
    command, copy, push = after("first")
    assert (command.finished(EXEC), command.cached(EXEC)) == (True, False)
    assert (copy.finished(COPY), copy.cached(COPY)) == (True, False)
    assert command.seconds == pytest.approx(2.19, abs=0.1)
    assert 3_000_000 < push.pushed < 100_000_000
    assert push.ended("Container.publish")


def test_in_a_second_build_everything_is():
    command, copy, push = after("second")
    assert (command.finished(EXEC), command.cached(EXEC)) == (True, True)
    assert (copy.finished(COPY), copy.cached(COPY)) == (True, True)
    assert command.seconds is not None
    assert command.seconds < 0.1
    assert push.pushed == 0
    assert push.ended("Container.publish")


def test_a_command_that_still_runs_is_not_finished():
    every = len(bodies("first"))
    states = [after("first", count)[0].finished(EXEC) for count in range(every + 1)]
    assert states[0] is False
    assert states[-1] is True
    assert states == sorted(states), "it never goes back"
    began = next(count for count in range(every + 1) if after("first", count)[0].spans)
    assert states[began] is False, "a call's own span ends at once; the command's end is that of what resumes it"


def test_the_order_of_begin_and_end_does_not_matter():
    spans = Spans()
    made = works(spans)
    for body in reversed(bodies("first")):
        spans.take(body)
    assert [each.seconds for each in made] == [each.seconds for each in after("first")]
    assert [each.finished(call) for each, call in zip(made, (EXEC, COPY), strict=False)] == [True, True]


def test_spans_of_others_are_not_kept():
    spans = Spans()
    for body in bodies("first"):
        spans.take(body)
    assert spans.work().spans == {}
    assert spans.work().seconds is None


def test_nothing_of_a_forgotten_work_is_kept():
    spans = Spans()
    command, *_ = works(spans)
    spans.forget(command)
    for body in bodies("first"):
        spans.take(body)
    assert command.spans == {}
    assert command.cached(EXEC) is None


def test_what_is_asked_inside_the_block_belongs_to_the_work():
    work = Spans().work()
    headers: dict[str, str] = {}
    with work.asking():
        propagate.inject(headers)
    outside: dict[str, str] = {}
    propagate.inject(outside)
    assert headers["traceparent"].split("-")[1] == work.id
    assert "traceparent" not in outside


def post(variables: dict[str, str], body: bytes, path: str | None = None, **headers: str) -> int:
    """Send to a receiver as the engine's command line does; the answer's status."""
    url = urlsplit(variables["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
    connection = http.client.HTTPConnection(url.netloc, timeout=10)
    try:
        connection.request("POST", path or url.path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_receiver_takes_spans_and_ends(clear_otel: None):
    with received() as (spans, variables):
        assert spans is not None
        command, copy, _ = works(spans)
        first, *more = bodies("first")
        assert post(variables, gzip.compress(first), **{"Content-Encoding": "gzip"}) == 200
        assert [post(variables, body) for body in more] == [200] * len(more)
        assert command.finished(EXEC)
        assert copy.finished(COPY)
    with pytest.raises(OSError):
        post(variables, b"")


def test_the_receiver_takes_nothing_from_strangers(monkeypatch: pytest.MonkeyPatch, clear_otel: None):
    with received() as (spans, variables):
        assert spans is not None
        command, *_ = works(spans)
        assert {post(variables, body, "/v1/traces") for body in bodies("first")} == {404}
        assert post(variables, b"\xff\xff nonsense") == 200
        assert post(variables, b"no gzip", **{"Content-Encoding": "gzip"}) == 200
        monkeypatch.setattr(spans_module, "_LARGEST", 10)
        assert post(variables, b"x" * 11) == 404
        assert command.spans == {}


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_a_users_own_receiver_is_left_alone(monkeypatch: pytest.MonkeyPatch, clear_otel: None, name: str):
    monkeypatch.setenv(name, "http://collector.example:4318")
    with received() as (spans, variables):
        assert (spans, variables) == (None, {})


@pytest.fixture
def clear_otel(monkeypatch: pytest.MonkeyPatch) -> None:
    """No OpenTelemetry variables."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


@pytest.mark.anyio
async def test_events_keep_their_order_though_spans_come_late():
    spans, told = Spans(), list[Event]()
    line = Timeline(told.append, spans)
    async with line.op("words", 1, 2, call=EXEC):
        (work,) = spans._works.values()
    async with line.op("copy", 2, 2, call=COPY):
        pass
    line.tell(Message("more"))
    assert told == [OpStarted("words", 1, 2)], "the rest waits for the first step's spans"
    recorded = after("second")[0]
    work.spans.update(recorded.spans)
    line.policy = Policy(span_deadline_seconds=0.1)  # Of the copy nothing will come.
    await line.settle()
    assert [type(each) for each in told] == [OpStarted, OpDone, OpStarted, OpDone, Message]
    done = told[1]
    assert isinstance(done, OpDone)
    assert done == OpDone("words", 1, 2, recorded.seconds or -1, cached=True)
    assert not spans._works, "nothing is kept of what is over"


@pytest.mark.anyio
async def test_without_spans_a_step_is_told_at_once():
    told: list[Event] = []
    line = Timeline(told.append)
    async with line.op("words", 1, 1, call=EXEC):
        pass
    assert told[0] == OpStarted("words", 1, 1)
    assert isinstance(told[1], OpDone)
    assert told[1].cached is None


@pytest.mark.anyio
async def test_spans_that_never_come_are_not_waited_for():
    told: list[Event] = []
    line = Timeline(told.append, Spans(), Policy(span_deadline_seconds=0.1))
    async with line.op("words", 1, 1, call=EXEC):
        pass
    with anyio.fail_after(5):
        await line.settle()
    done = told[-1]
    assert isinstance(done, OpDone)
    assert done.cached is None


@pytest.mark.anyio
async def test_a_call_that_the_session_made_before_is_cached():
    spans, told = Spans(), list[Event]()
    line = Timeline(told.append, spans, Policy(span_silence_seconds=0.05, span_deadline_seconds=60))
    async with line.op("words", 1, 1, call=EXEC):
        (work,) = spans._works.values()
        request = next(span for span in after("second")[0].spans.values() if span.name == "POST /query")
        work.spans[request.id] = request
    with anyio.fail_after(5):
        await line.settle()
    assert isinstance(told[-1], OpDone)
    assert told[-1].cached is True


@pytest.mark.anyio
async def test_a_step_that_fails_is_not_done_and_holds_nothing_back():
    spans, told = Spans(), list[Event]()
    line = Timeline(told.append, spans)
    async with line.op("words", 1, 2, call=EXEC):
        pass
    with pytest.raises(ValueError, match="broken"):
        async with line.op("copy", 2, 2, call=COPY):
            raise ValueError("broken")
    assert [type(each) for each in told] == [OpStarted, OpDone, OpStarted]


@pytest.mark.anyio
async def test_a_push_tells_what_the_registry_took():
    spans, told = Spans(), list[Event]()
    async with pushing("registry.example/x:1", spans, told.append):
        (work,) = spans._works.values()
        work.spans.update(after("first")[2].spans)
    assert told[0] == Transferred("pushed", "registry.example/x:1", 0)
    assert isinstance(told[-1], Transferred)
    assert told[-1].done == told[-1].total == after("first")[2].pushed
    assert not spans._works


@pytest.mark.anyio
async def test_a_file_is_told_as_it_grows(tmp_path: Path):
    told: list[Event] = []
    file = tmp_path / "image.tar"
    async with growing(file, "image.tar", told.append):
        file.write_bytes(b"x" * 10)
        await anyio.sleep(0.5)
        file.write_bytes(b"x" * 30)
    assert told == [
        Transferred("written", "image.tar", 0),
        Transferred("written", "image.tar", 10),
        Transferred("written", "image.tar", 30),
        Transferred("written", "image.tar", 30, 30),
    ]


@pytest.mark.skipif(not Path("/proc/self/fdinfo").is_dir(), reason="open files are only told on Linux")
def test_what_a_process_has_read_of_a_folder_is_told(tmp_path: Path):
    for name, size in (("a", 50_000), ("b", 70_000)):
        (tmp_path / name).write_bytes(b"x" * size)
    reading = ReadPosition(os.getpid(), str(tmp_path), "model", 120_000)
    assert reading.look() is None
    with (tmp_path / "a").open("rb", buffering=0) as file:
        file.read(20_000)
        assert reading.look() == Transferred("sent", "model", 20_000, 120_000)
        assert reading.look() is None, "nothing new"
        file.read(30_000)
        reading.look()
    with (tmp_path / "b").open("rb", buffering=0) as file, (tmp_path.parent / "other").open("wb"):
        file.read(10_000)
        assert reading.look() == Transferred("sent", "model", 60_000, 120_000)
    assert ReadPosition(2**22 + 1, str(tmp_path), "model", 1).look() is None, "a process that is gone"
