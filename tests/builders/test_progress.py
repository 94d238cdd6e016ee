"""Progress of real builds: what an engine's spans and local builders' lines make of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import pytest

import dagger_aml
from dagger_aml import Graph, build
from dagger_aml.events import Event, OpDone, Transferred
from dagger_aml.steps import base, copy, run
from tests.support.builders import Need
from tests.support.cli import argv
from tests.support.cli import run as cli
from tests.support.projects import small

pytestmark = [pytest.mark.anyio, pytest.mark.builders]

MODEL = 48_000_000
"""Bytes, so many that sending them takes longer than one look."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project whose code and model no builder has seen."""
    return small(tmp_path / "small", weights=200_000, mark=uuid4().hex)


def objects(text: str) -> list[dict[str, object]]:
    """What ``--progress json`` prints."""
    return [json.loads(line) for line in text.splitlines()]


def cached(events: Sequence[Event]) -> list[bool | None]:
    """Of each step."""
    return [each.cached for each in events if isinstance(each, OpDone)]


async def words(folder: Path, reference: str) -> Graph:
    """A graph that no engine has seen: a command, a copy out of a stage of its own, a folder."""
    inner = await run(
        await base(Graph(), reference), ["/bin/sh", "-c", f"mkdir /made; echo {uuid4()} >/made/it"], name="made"
    )
    graph = await run(await base(Graph(), reference), ["/bin/sh", "-c", f"echo {uuid4()} >/word"], name="word")
    graph = graph.add(dagger_aml.Copy(dagger_aml.Built(inner, "/made"), "/made", name="from stage"))
    return await copy(graph, folder, "/model")


@pytest.mark.engine
async def test_the_first_build_has_nothing_cached_and_the_second_everything(
    engine: dagger_aml.Engine, tiny: str, tmp_path: Path
) -> None:
    """In another session, and once more in the same one, where the engine sends no span of a call again."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(os.urandom(MODEL))
    graph = await words(folder, tiny)
    told: list[Event] = []
    reference = f"{tiny.split('/')[0]}/dagger-aml-test/progress-{uuid4().hex[:8]}:1"
    async with dagger_aml.connect(on_event=told.append) as first:
        made = await build(graph, first, tags=[reference], push=True, output=tmp_path / "image.tar")
    assert cached(told) == [False] * 4
    assert [each.op for each in made.layers[-3:]] == ["word", "from stage", "copy /model"]
    assert not any(each.op for each in made.layers[:-3])
    assert all(0 < each.seconds < 60 for each in told if isinstance(each, OpDone))
    sent = [each for each in told if isinstance(each, Transferred) and each.kind == "sent"]
    assert sent
    assert {each.total for each in sent} == {MODEL}
    assert [each.done for each in sent] == sorted({each.done for each in sent})
    assert 0 < sent[-1].done <= MODEL
    written = [each for each in told if isinstance(each, Transferred) and each.kind == "written"]
    assert written[-1].done == written[-1].total
    named = (tmp_path / "image.tar").stat().st_size
    assert 0 <= named - written[-1].done < 100_000, "its names are written into it afterwards"
    pushed = [each for each in told if isinstance(each, Transferred) and each.kind == "pushed"]
    assert pushed[-1].total == pushed[-1].done >= made.layers[-1].size

    told = []
    async with dagger_aml.connect(on_event=told.append) as second:
        await build(graph, second, tags=[reference], push=True)
        assert cached(told) == [True] * 4
        assert told[-1] == Transferred("pushed", reference, 0, 0)
        assert not [each for each in told if isinstance(each, Transferred) and each.kind == "sent"]
        await build(graph, second)
    assert cached(told) == [True] * 8


@pytest.mark.engine
def test_json_and_plain_lines_of_the_command(engine: dagger_aml.Engine, tiny: str, project: Path) -> None:
    first = cli("build", project, "--base", tiny, "--progress", "json")
    assert first.returncode == 0, first.stderr
    read = objects(first.stderr)
    assert [each["cached"] for each in read if each["event"] == "op_done"] == [False, False]
    assert read[-1]["event"] == "finished"
    assert str(read[0]["text"]).startswith("no output was requested")

    second = cli("build", project, "--base", tiny)
    assert "\x1b" not in second.stderr
    assert "\r" not in second.stderr
    assert len(re.findall(r"^\[\d/2\] .*  CACHED$", second.stderr, re.MULTILINE)) == 2
    assert "2 steps, 2 of them reused:" in second.stderr

    quiet = cli("build", project, "--base", tiny, "--progress", "quiet")
    assert (quiet.returncode, quiet.stderr) == (0, "")
    assert "base " in quiet.stdout


@pytest.mark.engine
def test_a_failure_is_an_object_and_an_exit_code(
    engine: dagger_aml.Engine, bases: dict[str, str], project: Path
) -> None:
    done = cli("build", project, "--base", bases["classic"], "--apt", "no-such-package-9", "--progress", "json")
    read = objects(done.stderr)
    assert (done.returncode, read[-1]["event"], read[-1]["exit_code"]) == (1, "failed", 1)
    assert "no-such-package-9" in str(read[-1]["text"])


@pytest.mark.engine
def test_without_spans_nothing_is_said_of_the_cache(engine: dagger_aml.Engine, tiny: str, project: Path) -> None:
    """A user's own collector gets the spans; here it is not even there."""
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    done = cli("build", project, "--base", tiny, "--progress", "json", env=env)
    assert done.returncode == 0, done.stderr
    assert [each["cached"] for each in objects(done.stderr) if each["event"] == "op_done"] == [None, None]


@pytest.mark.engine
@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_on_a_terminal_one_line_moves(engine: dagger_aml.Engine, tiny: str, project: Path, term: str) -> None:
    with (project / "model" / "weights.bin").open("wb") as file:
        file.write(os.urandom(MODEL))
    import pty

    ours, theirs = pty.openpty()
    seen: list[bytes] = []

    def read() -> None:
        try:
            while chunk := os.read(ours, 65536):
                seen.append(chunk)
        except OSError:
            pass

    reader = threading.Thread(target=read)
    reader.start()
    command = argv("build", project, "--base", tiny)
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "TERM": term}, check=False
    )
    os.close(theirs)
    reader.join(30)
    os.close(ours)
    text = b"".join(seen).decode()
    assert done.returncode == 0, text
    if term == "dumb":
        assert "\x1b" not in text
        return
    pictures = text.split("\r\x1b[K")
    assert any(re.search(r"\[1/2\] model .* MB of 48\.0 MB sent . \d s$", each) for each in pictures), text
    left = [line.rpartition("\r\x1b[K")[2] for line in text.replace("\r\n", "\n").split("\n")]
    assert len([line for line in left if re.fullmatch(r"\[1/2\] model .*  \d+\.\d s", line)]) == 1, left


@pytest.mark.parametrize("builder", ["docker", "podman", "buildah"])
def test_local_builders_tell_what_was_cached(need: Need, tiny: str, project: Path, builder: str) -> None:
    need(builder)
    command = ("build", project, "--base", tiny, "--with", builder, "--progress", "json")
    found = []
    for _ in range(2):
        done = cli(*command)
        assert done.returncode == 0, done.stderr
        found.append([each["cached"] for each in objects(done.stderr) if each["event"] == "op_done"])
    assert found == [[False, False], [True, True]]
