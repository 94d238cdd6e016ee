"""A registry that breaks while a base is pulled from it or an image pushed to it: docs/faults.md, "The registry".

Each time: the exit code, one error that names the cause and the next step, the tag where it was, nothing left, and
the same command working once the registry does. The command line runs in this process, by a policy of shorter times.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from attrs import evolve, frozen

from dagger_aml import Policy
from dagger_aml.cli import main
from tests.standin import own_registry
from tests.standin.tiny import push_tiny
from tests.standin.tools import TOOLS, StandInError
from tests.support.builders import Need, need_programs
from tests.support.faulty import (
    PULL_BLOB,
    PULL_MANIFEST,
    PUSH,
    PUSH_BLOB,
    PUSH_MANIFEST,
    Answer,
    Cut,
    Fault,
    Faulty,
    Hang,
    Slow,
    Trickle,
    closed_port,
    faulty,
)
from tests.support.projects import small

pytestmark = pytest.mark.builders

BUILDERS = ("dagger", "docker", "podman", "buildah")

GONE, NO_IMAGE = Answer(404, {}, "MANIFEST_UNKNOWN"), "no such image ({host})\n  Check the name and the tag."
SOON = Policy(retry_pauses_seconds=(0.1, 0.2))

OF_REGISTRIES = (
    "answer_timeout_seconds",
    "blob_idle_timeout_seconds",
    "connect_timeout_seconds",
    "layer_idle_timeout_seconds",
    "longest_retry_after_seconds",
    "lookup_timeout_seconds",
    "manifest_timeout_seconds",
    "retry_pauses_seconds",
    "stall_notice_after_seconds",
)
"""What of a policy is about a registry, not about the engine and the programs, which are as slow as ever here."""

LOGIN = Answer(401, {"WWW-Authenticate": 'Basic realm="x"'}, "UNAUTHORIZED")


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that holds a tiny base, `dagger-aml-test/tiny:1`."""
    need_programs(*TOOLS)
    with own_registry(tmp_path_factory.mktemp("registry")) as host:
        try:
            push_tiny(host)
        except StandInError as error:
            pytest.skip(f"there is no tiny base: {error}")
        yield host


@pytest.fixture(scope="module")
def proxy(upstream: str) -> Iterator[Faulty]:
    """What breaks the registry; between tests it breaks nothing."""
    with faulty(upstream) as found:
        yield found


@frozen
class Ended:
    """A command that ended.

    :param lines: of the progress that a retry made.
    """

    code: int
    err: str

    @property
    def lines(self) -> list[str]:
        return [line for line in self.err.splitlines() if "; retrying in " in line or " retries in " in line]


Call = Callable[..., Ended]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Call]:
    """Build a small project with some flags; a failure leaves one error, and nothing else."""
    before = signal.getsignal(signal.SIGTERM)
    # Its own text, so that every test has a layer of its own to push.
    small(tmp_path / "project", mark=str(uuid.uuid4()))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))

    def call(*words: object, policy: Policy = SOON) -> Ended:
        made = tmp_path / "made.json"
        made.unlink(missing_ok=True)
        command = ["dagger-aml", "build", tmp_path / "project", "--metadata-file", made, *words]
        monkeypatch.setattr(sys, "argv", list(map(str, command)))
        with pytest.raises(SystemExit) as ended:
            main(policy)
        err = capsys.readouterr().err
        code = ended.value.code if isinstance(ended.value.code, int) else 0
        assert "Traceback" not in err and "_state=" not in err
        assert len(re.findall("^dagger-aml: error: ", err, re.M)) == (code != 0), err
        assert made.exists() == (code == 0)
        assert not list((tmp_path / "tmp").glob("dagger-aml-*"))
        return Ended(code, err)

    yield call
    signal.signal(signal.SIGTERM, before)


def fresh_base(upstream: str) -> str:
    """A base that no builder has seen, as `REPOSITORY:TAG`."""
    tag = uuid.uuid4().hex[:12]
    push_tiny(upstream, tag, tag)
    return f"dagger-aml-test/tiny:{tag}"


def held(upstream: str) -> str:
    """A tag that stands for another image already, as `REPOSITORY:TAG`."""
    name = f"dagger-aml-test/{uuid.uuid4().hex[:12]}:1"
    flags = ("--src-tls-verify=false", "--dest-tls-verify=false")
    command = ["skopeo", "copy", *flags, f"docker://{upstream}/dagger-aml-test/tiny:1", f"docker://{upstream}/{name}"]
    subprocess.run(command, check=True, capture_output=True)
    return name


# --- pushing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("builder", "fault", "said"),
    [
        pytest.param("dagger", Fault(PUSH_MANIFEST, Answer(500), times=2), "retrying in"),
        # The engine waits for this one by itself.
        pytest.param("dagger", Fault(PUSH, Answer(429), times=3), None),
        pytest.param("dagger", Fault(PUSH_BLOB, Cut(100), times=1), "the connection was cut"),
        ("podman", Fault(PUSH_MANIFEST, Answer(500), times=1), "it answered 500"),
        ("docker", Fault(PUSH, Answer(500), times=1), "docker retries in 5 s"),
    ],
    ids=["dagger 500", "dagger 429", "dagger cut", "podman 500", "docker 500"],
)
def test_a_push_that_breaks_at_first_goes_through(
    cli: Call, need: Need, upstream: str, proxy: Faulty, builder: str, fault: Fault, said: str | None
) -> None:
    need(builder)
    name = held(upstream)
    before = proxy.digest(name)
    proxy.breaks(fault)
    base = f"{upstream}/dagger-aml-test/tiny:1"
    done = cli("--base", base, "-t", f"{proxy.host}/{name}", "--push", "--with", builder)
    assert done.code == 0 and len(proxy.met) == fault.times, done.err
    assert said is None or any(said in line for line in done.lines), done.err
    assert proxy.digest(name) not in (before, None)


DENIED = Fault(PUSH, Answer(403, {}, "DENIED"))


@pytest.mark.parametrize(
    ("builder", "fault", "code", "said", "retried"),
    [
        pytest.param("dagger", Fault(PUSH, LOGIN), 1, "docker login {host}", 0),
        pytest.param("dagger", DENIED, 1, "AcrPush", 0),
        pytest.param("dagger", Fault(PUSH_MANIFEST, Answer(500)), 75, "reached or is busy ({host})", 2),
        pytest.param("dagger", None, 75, "connection refused", 2),
        ("docker", Fault(PUSH, LOGIN), 1, "docker login {host}", 0),
        ("docker", DENIED, 1, "AcrPush", 0),
        ("docker", None, 75, "connection refused", 2),
    ],
    ids=["dagger 401", "dagger 403", "dagger 500", "dagger down", "docker 401", "docker 403", "docker down"],
)
def test_a_push_that_fails(
    cli: Call,
    need: Need,
    upstream: str,
    proxy: Faulty,
    builder: str,
    fault: Fault | None,
    code: int,
    said: str,
    retried: int,
) -> None:
    """The tag stays where it was, though blobs may have come; the next push moves it."""
    need(builder)
    name = held(upstream)
    before = proxy.digest(name)
    proxy.breaks(*([fault] if fault else []))
    host = proxy.host if fault else f"localhost:{closed_port()}"
    words = ("--base", f"{upstream}/dagger-aml-test/tiny:1", "--push", "--with", builder)
    failed = cli(*words, "-t", f"{host}/{name}")
    assert failed.code == code, failed.err
    assert said.format(host=host) in failed.err and f"error: push {host}/{name}: " in failed.err, failed.err
    assert len(failed.lines) == retried, failed.err
    assert proxy.digest(name) == before
    proxy.breaks()
    done = cli(*words, "-t", f"{proxy.host}/{name}")
    assert done.code == 0 and not done.lines, done.err
    assert proxy.digest(name) not in (before, None)


@pytest.mark.engine
@pytest.mark.parametrize(
    "fault", [Fault(PUSH_BLOB, Cut(100)), Fault(PUSH, Answer(429, {}, "TOOMANYREQUESTS"))], ids=["cut", "429"]
)
def test_a_push_of_a_new_tag_that_fails_leaves_none(
    cli: Call, need: Need, upstream: str, proxy: Faulty, fault: Fault
) -> None:
    proxy.breaks(fault)
    name = f"dagger-aml-test/{uuid.uuid4().hex[:12]}:1"
    failed = cli("--base", f"{upstream}/dagger-aml-test/tiny:1", "-t", f"{proxy.host}/{name}", "--push")
    assert (failed.code, len(failed.lines)) == (75, 2), failed.err
    assert proxy.digest(name) is None


@pytest.mark.engine
def test_a_slow_push_is_waited_for(cli: Call, upstream: str, proxy: Faulty) -> None:
    """What an engine waits for without a word is told: nothing moves while the registry holds the manifest back."""
    proxy.breaks(Fault(PUSH_MANIFEST, Slow(2), times=1))
    name = f"dagger-aml-test/{uuid.uuid4().hex[:12]}:1"
    words = ("--base", f"{upstream}/dagger-aml-test/tiny:1", "-t", f"{proxy.host}/{name}", "--push")
    done = cli(*words, policy=evolve(SOON, stall_notice_after_seconds=0.5))
    assert done.code == 0 and proxy.met, done.err
    assert f"push {proxy.host}/{name}: no data from the registry for " in done.err


@pytest.mark.twin("podman", of="buildah", why="by the same code on the same store")
@pytest.mark.parametrize("builder", BUILDERS)
def test_a_slow_line(cli: Call, need: Need, upstream: str, proxy: Faulty, builder: str, tmp_path: Path) -> None:
    """Layers that trickle, of the base and of the image, are waited for, and it is told that nothing has come."""
    need(builder)
    (tmp_path / "project/code/data").write_bytes(os.urandom(1_000_000))
    base, name = fresh_base(upstream), f"dagger-aml-test/{uuid.uuid4().hex[:12]}:1"
    slow = Trickle(400_000)
    proxy.breaks(Fault(PULL_BLOB, slow), Fault(PUSH_BLOB, slow))
    words = ("--base", f"{proxy.host}/{base}", "-t", f"{proxy.host}/{name}", "--push", "--with", builder)
    begun = time.monotonic()
    done = cli(*words, policy=evolve(SOON, stall_notice_after_seconds=0.5))
    assert done.code == 0 and not done.lines, done.err
    assert time.monotonic() - begun > 2
    assert f"base {proxy.host}/{base}: no data from the registry for " in done.err
    assert f"push {proxy.host}/{name}: no data from the registry for " in done.err
    assert proxy.digest(name)


# --- pulling --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("builder", "fault"),
    [
        pytest.param("dagger", Fault(PULL_MANIFEST, Answer(500), times=2)),
        ("docker", Fault(PULL_MANIFEST, Answer(500), times=3)),
        ("buildah", Fault(PULL_MANIFEST, Answer(500), times=1)),
    ],
    ids=str,
)
def test_a_pull_that_breaks_at_first_goes_through(
    cli: Call, need: Need, upstream: str, proxy: Faulty, builder: str, fault: Fault, tmp_path: Path
) -> None:
    need(builder)
    base = fresh_base(upstream)
    proxy.breaks(fault)
    done = cli("--base", f"{proxy.host}/{base}", "--with", builder, "-o", tmp_path / "made.tar")
    assert done.code == 0 and (tmp_path / "made.tar").exists(), done.err
    assert len(proxy.met) == fault.times
    assert done.lines and all("it answered 500; retrying in 0 s" in line for line in done.lines), done.err


@pytest.mark.engine
def test_a_blob_that_breaks_off_is_gone_on_with(cli: Call, upstream: str, proxy: Faulty, tmp_path: Path) -> None:
    """By the engine itself, from where it broke off."""
    base = fresh_base(upstream)
    proxy.breaks(Fault(PULL_BLOB, Cut(1000), times=2, skip=1))
    done = cli("--base", f"{proxy.host}/{base}", "-o", tmp_path / "made.tar")
    assert done.code == 0 and len(proxy.met) == 2, done.err


@pytest.mark.parametrize(
    ("builder", "do", "code", "said", "retried"),
    [
        pytest.param("dagger", LOGIN, 1, "docker login {host}", 0),
        pytest.param("dagger", Answer(403, {}, "DENIED"), 1, "AcrPull", 0),
        pytest.param("dagger", GONE, 1, NO_IMAGE, 0),
        pytest.param("dagger", Answer(500), 75, "it answered 500", 2),
        pytest.param("dagger", None, 75, "connection refused", 2),
        ("docker", LOGIN, 1, "docker login {host}", 0),
        ("docker", GONE, 1, NO_IMAGE, 0),
        ("docker", None, 75, "connection refused", 2),
    ],
    ids=[
        *("dagger 401", "dagger 403", "dagger 404", "dagger 500", "dagger down"),
        *("docker 401", "docker 404", "docker down"),
    ],
)
def test_a_pull_that_fails(
    cli: Call,
    need: Need,
    upstream: str,
    proxy: Faulty,
    builder: str,
    do: Answer | None,
    code: int,
    said: str,
    retried: int,
    tmp_path: Path,
) -> None:
    """No tar, nor a part of one; the next build writes it."""
    need(builder)
    name = fresh_base(upstream)
    proxy.breaks(*([Fault(PULL_MANIFEST, do)] if do else []))
    host = proxy.host if do else f"localhost:{closed_port()}"
    words = ("--with", builder, "-o", tmp_path / "made.tar")
    failed = cli("--base", f"{host}/{name}", *words)
    assert failed.code == code, failed.err
    assert f"error: base {host}/{name}: " in failed.err and said.format(host=host) in failed.err, failed.err
    assert len(failed.lines) == retried, failed.err
    assert not list(tmp_path.glob("*made.tar*"))
    proxy.breaks()
    done = cli("--base", f"{proxy.host}/{name}", *words)
    assert done.code == 0 and (tmp_path / "made.tar").exists(), done.err


# --- registries that ask to wait ------------------------------------------------------------------------------------


def check_waits(cli: Call, upstream: str, proxy: Faulty, policy: Policy) -> None:
    """A base is resolved and an image pushed, though each was told twice to slow down, after more than half the time
    that a try may take: each try has its own.

    How often the engine asks in one try is its own matter. For a base that number is found out first. A manifest it
    puts once or, by a race of its own, twice; there the first answer of each try takes all the time.
    """
    slow = 0.6 * policy.manifest_timeout_seconds
    headers = {"Retry-After": f"{policy.longest_retry_after_seconds:.0f}"}
    name = f"dagger-aml-test/{uuid.uuid4().hex[:12]}:1"

    def build(policy: Policy) -> Ended:
        base = fresh_base(upstream)
        return cli("--base", f"{proxy.host}/{base}", "-t", f"{proxy.host}/{name}", "--push", policy=policy)

    def busy(asked: Sequence[str]) -> Answer | None:
        tries = puts_of_tries(asked, name)
        return Answer(429, headers, after=slow if tries[-1] == 1 else 0) if len(tries) <= 2 else None

    proxy.breaks(Fault(PULL_MANIFEST, Answer(429, headers)))
    once = build(evolve(policy, retry_pauses_seconds=()))
    asks = len(proxy.met)
    assert once.code == 75 and asks and not once.lines, once.err
    proxy.breaks(
        Fault(PULL_MANIFEST, Answer(429, headers, after=slow / asks), times=2 * asks), Fault(PUSH_MANIFEST, busy)
    )
    done = build(policy)
    assert done.code == 0, done.err
    puts = puts_of_tries(proxy.asked, name)
    assert len(puts) == 3 and all(puts) and len(proxy.met) == 2 * asks + puts[0] + puts[1], (puts, done.err)
    assert len(done.lines) == 4, done.err
    # Of a manifest that the engine sends again it says "short read", as it has read it to its end before.
    assert all("it asks to slow down (429)" in line for line in done.lines[:2]), done.err
    assert proxy.digest(name)


def puts_of_tries(asked: Sequence[str], name: str) -> list[int]:
    """How often a manifest was put in each try; before the first time the engine looks whether it is there."""
    tries: list[int] = []
    for request in asked:
        method, _, path = request.partition(" ")
        if path.startswith(f"/v2/{name.partition(':')[0]}/manifests/"):
            if method == "HEAD" and (not tries or tries[-1]):
                tries.append(0)
            elif method == "PUT" and tries:
                tries[-1] += 1
    return tries


@pytest.mark.engine
def test_a_registry_that_asks_twice_to_wait(cli: Call, upstream: str, proxy: Faulty) -> None:
    check_waits(cli, upstream, proxy, Policy().scaled(1 / 30, *OF_REGISTRIES))


@pytest.mark.engine
def test_a_registry_that_asks_twice_to_wait_for_half_a_minute(
    cli: Call, upstream: str, proxy: Faulty, request: pytest.FixtureRequest
) -> None:
    if request.config.getoption("--depth", default="ci") != "nightly":
        pytest.skip("--depth nightly: with the true seconds it takes three minutes")
    check_waits(cli, upstream, proxy, Policy())


# --- registries that take a request and never answer ----------------------------------------------------------------


@pytest.mark.twin("podman", of="buildah", why="by the same code on the same store")
@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize(
    ("fault", "place", "seconds"),
    [
        (Fault(PULL_MANIFEST, Hang()), "base", 3),
        (Fault(PULL_BLOB, Hang(), skip=1), "base", 4),
        (Fault(PUSH_BLOB, Hang()), "push", 4),
    ],
    ids=["manifest", "layer", "push"],
)
def test_a_registry_that_never_answers(
    cli: Call,
    need: Need,
    upstream: str,
    proxy: Faulty,
    fault: Fault,
    place: str,
    seconds: int,
    builder: str,
) -> None:
    """The builders themselves would wait for ever."""
    need(builder)
    base = fresh_base(upstream)
    policy = evolve(SOON, stall_notice_after_seconds=0.7, manifest_timeout_seconds=3, layer_idle_timeout_seconds=4)
    proxy.breaks(fault)
    tag = f"dagger-aml-test/{uuid.uuid4().hex[:12]}:1"
    where = f"base {proxy.host}/{base}" if place == "base" else f"push {proxy.host}/{tag}"
    words = ("--base", f"{proxy.host}/{base}", "-t", f"{proxy.host}/{tag}", "--push", "--with", builder)
    failed = cli(*words, policy=policy)
    assert failed.code == 75 and proxy.met, failed.err
    assert f"{where}: no data from the registry for 1 s; still waiting" in failed.err
    waited = seconds if builder == "dagger" else 4
    assert f"error: {where}: the registry does not answer: no data received for {waited} s" in failed.err
    assert not failed.lines and proxy.digest(tag) is None


# --- proxies that lead nowhere --------------------------------------------------------------------------------------


@pytest.mark.parametrize("builder", ["dagger", "docker"])
def test_a_proxy_of_the_commands_that_leads_nowhere(
    cli: Call, need: Need, bases: dict[str, str], tmp_path: Path, builder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable's own proxy on this machine is not handed to the commands; a flag's, or another's, is."""
    need(builder)
    (tmp_path / "project" / "requirements.txt").write_text("six==1.16.0\n")
    at = f"127.0.0.1:{closed_port()}"
    failed = cli("--base", bases["classic"], "--https-proxy", f"http://bob:hush@{at}", "--with", builder)
    assert failed.code == 1 and "error: pip requirements.txt" in failed.err, failed.err
    assert f"The build's commands cannot reach their proxy {at}. Correct $HTTPS_PROXY" in failed.err
    assert "hush" not in failed.err


def test_a_proxy_of_the_builder_that_leads_nowhere(cli: Call, need: Need, monkeypatch: pytest.MonkeyPatch) -> None:
    """podman and buildah take the shell's variable."""
    need("buildah")
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
    failed = cli("--base", "registry.invalid/x:1", "--with", "buildah")
    assert failed.code == 75 and "the builder cannot reach its proxy" in failed.err, failed.err
    assert "HTTPS_PROXY and NO_PROXY in the builder's environment" in failed.err
