"""Images written directly, pushed to registries of several makes; what is there then is read by skopeo."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dagger_aml.building.plans import probe
from dagger_aml.errors import BuildError
from dagger_aml.events import Event, Message
from dagger_aml.graph.base import From
from dagger_aml.oci.image import read_image
from tests.support.builders import need_programs
from tests.support.direct import Runner, blobs_of, direct_builder, put_base
from tests.support.direct_push import RAN, graph, project, pushed, running
from tests.support.faulty import Cut, Fault, Faulty, faulty
from tests.support.real_registries import MAKES, serving
from tests.support.registry import FakeRegistry, fake_registry

pytestmark = [pytest.mark.builders, pytest.mark.anyio]


@pytest.fixture(scope="module", params=MAKES)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One registry after the other."""
    need_programs("skopeo")
    with serving(request.param, tmp_path_factory.mktemp(request.param)) as found:
        yield found


@pytest.fixture
def proxy(host: str) -> Iterator[Faulty]:
    """The registry behind what breaks it."""
    with faulty(host) as found:
        yield found


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeRegistry]:
    """A registry of this process for bases, a cache of the test's own, and no logins."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "cache"))
    with fake_registry() as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path / "p")


def skopeo(*words: str) -> bytes:
    """What skopeo prints."""
    done = subprocess.run(["skopeo", *words], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def manifest(reference: str) -> dict:
    found: dict = json.loads(skopeo("inspect", "--tls-verify=false", "--raw", f"docker://{reference}"))
    return found


def same_as_pulled(reference: str, folder: Path, digest: str | None) -> None:
    """Every blob is there and right: skopeo copies the image, and we read all of it."""
    skopeo("copy", "--src-tls-verify=false", f"docker://{reference}", f"oci-archive:{folder / 'pulled.tar'}")
    read = read_image(folder / "pulled.tar")
    assert read.files["/var/app/score.py"].uid == 1000 and read.files["/var/app/old"].uid == 7
    told = json.loads(skopeo("inspect", "--tls-verify=false", "--no-tags", f"docker://{reference}"))
    assert told["Digest"] == digest
    (folder / "pulled.tar").unlink()


async def test_an_image_is_pushed_changed_and_mounted(
    host: str, elsewhere: FakeRegistry, folder: Path, tmp_path: Path
) -> None:
    (folder / "model/w.bin").write_bytes(os.urandom(6 << 20))  # Sent while it is read.
    base = put_base(elsewhere)
    first = await pushed(graph(base, folder), f"{host}/a/app:1")
    same_as_pulled(f"{host}/a/app:1", tmp_path, first.digest)
    (folder / "code/score.py").write_text("x = 2\n")
    second = await pushed(graph(base, folder), f"{host}/a/app:1")
    assert second.digest != first.digest
    same_as_pulled(f"{host}/a/app:1", tmp_path, second.digest)
    # On a base of this very registry, into another repository of it, and unchanged.
    for _ in range(2):
        inside = await pushed(graph(From.parse(f"{host}/a/app:1"), folder), f"{host}/b/app:1")
        same_as_pulled(f"{host}/b/app:1", tmp_path, inside.digest)


async def test_what_breaks_off_starts_again(
    proxy: Faulty, elsewhere: FakeRegistry, folder: Path, tmp_path: Path
) -> None:
    (folder / "model/w.bin").write_bytes(os.urandom(6 << 20))
    base = put_base(elsewhere)
    for on in (r"PATCH /v2/", r"PUT /v2/.*/blobs/uploads/", r"PUT /v2/.*/manifests/"):
        proxy.breaks(Fault(on, Cut(1000), times=1))
        (folder / "code/score.py").write_text(f"{on!r}\n")
        (folder / "model/w.bin").write_bytes(os.urandom(6 << 20))
        made = await pushed(graph(base, folder), f"{proxy.host}/cut/app:1")
        assert len(proxy.met) == 1
        same_as_pulled(f"{proxy.host}/cut/app:1", tmp_path, made.digest)


async def test_what_ran_is_found_in_its_tag_and_in_a_cache(
    host: str, elsewhere: FakeRegistry, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, runner, cache = put_base(elsewhere), Runner(blobs_of(), RAN), f"{host}/cache"
    await pushed(running(base, folder), f"{host}/ran/app:1", direct_builder(runner, cache_to=cache))
    for number, (tag, more) in enumerate((("1", {}), ("2", {"cache_from": cache}))):
        monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / f"cache-{number}"))
        made = await pushed(running(base, folder), f"{host}/ran/app:{tag}", direct_builder(runner, **more))
        assert len(runner.plans) == 1
        same_as_pulled(f"{host}/ran/app:{tag}", tmp_path, made.digest)


async def test_a_base_in_dockers_form_is_taken_or_becomes_ocis(
    host: str, elsewhere: FakeRegistry, folder: Path, tmp_path: Path
) -> None:
    events: list[Event] = []
    base = put_base(elsewhere, form="docker")
    made = await pushed(graph(base, folder), f"{host}/form/app:1", direct_builder(events=events))
    found = manifest(f"{host}/form/app:1")
    (form,) = {each["mediaType"].split(".")[1] for each in (found, found["config"], *found["layers"])}
    said = any(isinstance(each, Message) and "Docker's form" in each.text for each in events)
    assert form == ("oci" if said else "docker")
    same_as_pulled(f"{host}/form/app:1", tmp_path, made.digest)


async def test_an_index_is_taken(host: str, elsewhere: FakeRegistry, folder: Path) -> None:
    base, builder = put_base(elsewhere), direct_builder()
    image = await builder.image(await probe(graph(base, folder), builder))
    result = await builder.index([image]).publish(f"{host}/index/app:1")
    builder.close()
    (child,) = manifest(f"{host}/index/app:1")["manifests"]
    assert child["platform"] == {"os": "linux", "architecture": "amd64"} and result.digest
    assert manifest(f"{host}/index/app@{child['digest']}")["layers"]


async def test_a_tag_that_names_nothing_and_a_registry_without_the_base(host: str, folder: Path) -> None:
    with pytest.raises(BuildError, match="has no such image"):
        await pushed(graph(From.parse(f"{host}/nothing/base:1"), folder), f"{host}/nothing/app:1")
