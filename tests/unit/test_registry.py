"""A registry that breaks, asked by dagger-aml itself: tried again where that may help, else one error."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import frozen

from dagger_aml.errors import BuildError, DaggerAmlError, RegistryDenied, TransientError, UsageError
from dagger_aml.events import Event, Message
from dagger_aml.oci.failures import NoImage
from dagger_aml.oci.messages import Peer, said_by_registry
from dagger_aml.oci.registry import download, image_config, manifest_layers
from dagger_aml.policy import Policy, retry
from tests.support.cases import for_each
from tests.support.faulty import PULL_BLOB, PULL_MANIFEST, Answer, Cut, Fault, Faulty, Hang, Slow, closed_port, faulty

from .test_download import Shelf, shelf, shelf_in_use

pytestmark = pytest.mark.anyio

__all__ = ["shelf"]

NOWHERE = "http://user:hush@127.0.0.1:{port}"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


SOON = Policy(
    connect_timeout_seconds=0.3,
    answer_timeout_seconds=0.3,
    blob_idle_timeout_seconds=0.3,
    retry_pauses_seconds=(0.01, 0.02),
)


def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """By no proxy of the machine's."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """By none in each test."""
    without_proxies(monkeypatch)


@contextlib.contextmanager
def before(shelf: Shelf) -> Iterator[Faulty]:
    """What breaks a registry, before it."""
    with faulty(shelf.host) as found:
        # The registry names itself in what it asks for: it must be by the name that it is asked by.
        shelf.host = found.host
        yield found


@pytest.fixture
def proxy(shelf: Shelf) -> Iterator[Faulty]:
    """A registry with one image, `x/y:1`, behind what breaks it."""
    with before(shelf) as found:
        yield found


async def asked(host: str, events: list[Event] | None = None) -> dict[str, Any]:
    """What an image's config says."""
    told = events if events is not None else []
    return await image_config(f"{host}/x/y:1", None, "linux/amd64", told.append, SOON)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(PULL_MANIFEST, Answer(500), times=2),
        Fault(PULL_MANIFEST, Answer(429), times=2),
        Fault(PULL_MANIFEST, Cut(), times=2),
        Fault(PULL_BLOB, Cut(10), times=2),
        Fault(PULL_BLOB, Hang(), times=2),
        Fault("GET /token", Answer(503), times=2),
    ],
    ids=str,
)
async def test_twice_broken_then_through(shelf: Shelf, proxy: Faulty, fault: Fault) -> None:
    shelf.token = "yes" if "token" in fault.on else ""
    proxy.breaks(fault)
    events: list[Event] = []
    assert (await asked(proxy.host, events))["User"]
    said = [event.text for event in events if isinstance(event, Message)]
    assert len(proxy.met) == 2
    assert [text.rpartition("; ")[2] for text in said] == [f"retrying in 0 s ({number} of 3)" for number in (2, 3)]
    assert all(proxy.host in text for text in said)


@pytest.mark.parametrize(
    ("do", "kind", "tries", "said"),
    [
        (Answer(500), TransientError, 3, "it answered 500"),
        (Answer(429), TransientError, 3, "it asks to slow down (429)"),
        (Answer(429, {"Retry-After": "31"}), TransientError, 1, "(429), and asks to wait 31 s"),
        (Cut(), TransientError, 3, "cannot be reached or is busy"),
        (Hang(), TransientError, 3, "no answer in time"),
        (Answer(401, {"WWW-Authenticate": 'Basic realm="x"'}), RegistryDenied, 2, "docker login {host}"),
        (Answer(401, {"WWW-Authenticate": "Bearer"}), RegistryDenied, 2, "docker login {host}"),
        (Answer(403), RegistryDenied, 1, "AcrPull"),
        (Answer(404), NoImage, 1, "has no such image"),
        (Answer(200), BuildError, 1, "did not answer like a registry"),
        (Answer(307, {"Location": "/v2/x/y/manifests/1"}), BuildError, 21, "did not answer like a registry"),
    ],
    ids=str,
)
async def test_broken_for_good(
    proxy: Faulty, do: Answer | Cut | Hang, kind: type[DaggerAmlError], tries: int, said: str
) -> None:
    proxy.breaks(Fault(PULL_MANIFEST, do))
    with pytest.raises(kind) as caught:
        await asked(proxy.host)
    assert caught.type is kind and said.format(host=proxy.host) in str(caught.value)
    assert proxy.host in str(caught.value) and len(proxy.met) == tries


THIRTIETH = Policy().scaled(1 / 30)
"""A registry's seconds, and so an answer has half of one and 30 of `Retry-After` are one."""


@frozen
class Waited:
    """A conversation with a registry that asked to wait.

    :param answer: what it said in the end. :param seconds: how long all took. :param times: that it asked to wait.
    """

    answer: Any
    seconds: float
    times: int
    events: list[Event]


Question = Callable[[Shelf, str, list[Event]], Awaitable[Any]]
"""Asks a registry, which has this name; what is told of it is listed."""


async def _once(shelf: Shelf, host: str, events: list[Event]) -> Any:
    return await asked(host, events)


async def _config(shelf: Shelf, host: str, events: list[Event]) -> Any:
    digest = json.loads(shelf.held["manifests/1"])["manifests"][0]["digest"]
    within = THIRTIETH.lookup_timeout_seconds
    reference = f"{host}/x/y:1"
    return await image_config(reference, digest, "linux/amd64", events.append, THIRTIETH, timeout_seconds=within)


async def _layers(shelf: Shelf, host: str, events: list[Event]) -> Any:
    digest = json.loads(shelf.held["manifests/1"])["manifests"][0]["digest"]
    return await manifest_layers(f"{host}/x/y:1", digest, events.append, THIRTIETH)


@pytest.fixture(scope="module")
def waited(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Waited]:
    """Each with a registry of its own, all at once: they only wait."""
    found: dict[str, Waited] = {}

    async def talk(name: str, question: Question, shelf: Shelf, proxy: Faulty) -> None:
        events, begun = list[Event](), time.monotonic()
        answer = await question(shelf, proxy.host, events)
        found[name] = Waited(answer, time.monotonic() - begun, len(proxy.met), events)

    async def talks() -> None:
        once = Fault(PULL_MANIFEST, Answer(429, {"Retry-After": "1"}), times=1)
        twice = Fault(PULL_MANIFEST, Answer(429, {"Retry-After": "1"}, after=0.2), times=2)
        asking = [("once", _once, once), ("config", _config, twice), ("layers", _layers, twice)]
        with contextlib.ExitStack() as ended:
            shelves = [ended.enter_context(shelf_in_use()) for _ in asking]
            proxies = [ended.enter_context(before(shelf)) for shelf in shelves]
            async with anyio.create_task_group() as tasks:
                for (name, question, fault), shelf, proxy in zip(asking, shelves, proxies, strict=True):
                    proxy.breaks(fault)
                    tasks.start_soon(talk, name, question, shelf, proxy)

    with pytest.MonkeyPatch.context() as patch:
        without_proxies(patch)
        patch.setenv("DOCKER_CONFIG", str(tmp_path_factory.mktemp("none")))
        anyio.run(talks)
    return found


def test_it_waits_as_long_as_it_is_asked_to(waited: Mapping[str, Waited]) -> None:
    assert waited["once"].answer["User"] and waited["once"].times == 1
    assert waited["once"].seconds >= 1


@pytest.mark.parametrize("question", ["config", "layers"])
def test_one_that_asks_twice_to_wait_is_asked_a_third_time(waited: Mapping[str, Waited], question: str) -> None:
    """Each try has its own time, so that three may take longer than one may, the pauses not counted."""
    found = waited[question]
    if question == "config":
        assert found.answer["User"]
    else:
        image_id, layers = found.answer
        assert image_id and len(layers) == 2
    assert found.times == 2
    assert [event.text.rpartition("(429), ")[2] for event in found.events if isinstance(event, Message)] == [
        f"and asks to wait 1 s; retrying in 1 s ({number} of 3)" for number in (2, 3)
    ]


async def test_what_a_build_can_do_without_is_not_asked_again_of_one_that_is_silent(
    shelf: Shelf, proxy: Faulty
) -> None:
    proxy.breaks(Fault(PULL_MANIFEST, Hang()))
    told: list[Event] = []
    assert await manifest_layers(f"{proxy.host}/x/y:1", "1", told.append, THIRTIETH) == (None, ())
    assert len(proxy.met) == 1 and not told


async def test_nobody_listens() -> None:
    with pytest.raises(TransientError, match="cannot be reached"):
        await asked(f"localhost:{closed_port()}")


async def test_a_slow_one_is_waited_for(proxy: Faulty) -> None:
    proxy.breaks(Fault("GET ", Slow(0.1)))
    assert (await asked(proxy.host))["User"] and len(proxy.met) == 3


async def test_a_blob_that_breaks_off_is_fetched_anew(proxy: Faulty, tmp_path: Path) -> None:
    events: list[Event] = []
    proxy.breaks(Fault(PULL_BLOB, Cut(100), times=2, skip=1))
    (tmp_path / "layout").mkdir()
    await download(f"{proxy.host}/x/y:1", "linux/amd64", tmp_path / "layout", events.append, SOON)
    assert len(proxy.met) == 2 and len(events) == 2
    assert not list(tmp_path.rglob("new"))


# --- proxies that lead nowhere --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_a_proxy_that_leads_nowhere_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, NOWHERE.format(port=closed_port()))
    with pytest.raises(TransientError) as caught:
        await asked("registry.invalid")
    text = str(caught.value)
    assert f"of ${name}: " in text and f"unset ${name}" in text and "$NO_PROXY" in text
    assert "hush" not in text and "user" not in text


async def test_a_host_of_no_proxy_is_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", NOWHERE.format(port=closed_port()))
    monkeypatch.setenv("NO_PROXY", ".invalid")
    with pytest.raises(TransientError) as caught:
        await asked("registry.invalid")
    assert "PROXY" not in str(caught.value)


async def test_a_registry_of_this_machine_needs_no_proxy(proxy: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES[:3]:
        monkeypatch.setenv(name, NOWHERE.format(port=closed_port()))
    assert (await asked(proxy.host))["User"]


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:1", "ftp://h:1"])
async def test_a_proxy_of_another_kind_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(UsageError) as caught:
        await asked("registry.invalid")
    assert caught.value.location == "$HTTPS_PROXY"


async def test_certificates_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with pytest.raises(UsageError, match="No such file") as caught:
        await asked("registry.invalid")
    assert "$SSL_CERT_FILE" in str(caught.value.location)


# --- what builders say ----------------------------------------------------------------------------------------------


@for_each(
    ("text", "kind", "said"),
    [
        (
            'failed to do request: Put "http://h.io/v2/x/blobs/uploads/1?_state=secret": EOF',
            TransientError,
            "(h.io): the connection was cut",
        ),
        (
            'Patch "http://h.io/v2/x/blobs/uploads/1?_state=secret": readfrom tcp 127.0.0.1:2->127.0.0.1:3: '
            "write tcp 127.0.0.1:2->127.0.0.1:3: use of closed network connection",
            TransientError,
            "(h.io): the connection was reset",
        ),
        (
            "short read: expected 669 bytes but got 0: unexpected EOF",
            TransientError,
            "(h.io): it did not accept all the data",
        ),
        ('Head "https://h.io/v2/x": dial tcp 1.2.3.4:443: i/o timeout', TransientError, "no answer in time"),
        ("registry https://h.io/ says: toomanyrequests: slow down", TransientError, "it asks to slow down (429)"),
        (
            'Get "https://h.io/v2/": proxyconnect tcp: dial tcp 127.0.0.1:9: connect: connection refused',
            TransientError,
            "HTTPS_PROXY",
        ),
        ("pull access denied: insufficient_scope: 401 Unauthorized", RegistryDenied, "docker login h.io"),
        ("push: unexpected status: 403 Forbidden", RegistryDenied, "AcrPush"),
        ('Get "https://h.io/v2/": x509: certificate signed by unknown authority', BuildError, "does not trust"),
    ],
)
def test_what_a_builder_says_is_put_in_words(text: str, kind: type[DaggerAmlError], said: str) -> None:
    error = said_by_registry(text, Peer("push", "h.io/x:1"))
    assert type(error) is kind and said in str(error) and "secret" not in str(error)


def test_the_registry_of_azure_is_named_for_its_login() -> None:
    error = said_by_registry("401 Unauthorized", Peer("push", "mine.azurecr.io/x:1"))
    assert "`docker login mine.azurecr.io` or `az acr login -n mine`" in str(error)


async def test_what_cannot_help_is_not_tried_again() -> None:
    tries: list[int] = []

    async def work() -> None:
        tries.append(1)
        raise TransientError("the engine went away", after=None)

    with pytest.raises(TransientError):
        await retry(work, [].append)
    assert len(tries) == 1
