"""What tests on real builders need: the stand-in bases, an engine, and programs that may be missing."""

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import dagger_aml
from tests.standin import VARIANTS, StandInError, push, registry
from tests.standin.tiny import push_tiny
from tests.standin.tools import TOOLS
from tests.support.builders import Need, need_programs, required
from tests.support.depth import skip_twin
from tests.support.installed import environment_with, wheel_of_checkout
from tests.support.report import ENGINE_VERSION

if TYPE_CHECKING:
    from tests.builders.equality import Bench


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark those that need an engine."""
    for item in items:
        if item.path.parent != Path(__file__).parent:
            continue
        params = getattr(item, "callspec", None)
        if "engine" in getattr(item, "fixturenames", ()) or (params and "dagger" in params.params.values()):
            item.add_marker(pytest.mark.engine)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip by name what needs an engine where there is none, and what another parameter stands for."""
    skip_twin(item)
    if item.get_closest_marker("engine"):
        need_programs("dagger")


@pytest.fixture(scope="module", autouse=True)
def layers_of_the_builder(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests of builders are about images that these make; a module marked ``by_default`` says nothing of it."""
    if request.node.get_closest_marker("by_default"):
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGGER_AML_LAYERS", "builder")
        yield


@pytest.fixture(scope="session")
def need() -> Need:
    """`need("docker", "buildah")` skips the test, or fails it where they are required, when one cannot be used."""
    return need_programs


@pytest.fixture(scope="session", autouse=True)
def _own_store() -> Iterator[None]:
    """For root, podman and buildah keep what the tests make in a store of its own, which goes with them.

    Each layer that buildah makes is looked for in all images of its store: one that tests have filled is slow.
    """
    programs = [name for name in ("podman", "buildah") if shutil.which(name)]
    if not programs or os.geteuid() != 0 or "CONTAINERS_STORAGE_CONF" in os.environ:
        yield
        return
    # Short, since its names stand in the options of mounts; on a disk, as it gets large.
    folder = Path(tempfile.mkdtemp(prefix="dagger-aml-store-", dir="/var/tmp"))
    config = folder / "storage.conf"
    places = "".join(f'{name} = "{folder / name}"\n' for name in ("graphroot", "runroot"))
    config.write_text(f'[storage]\ndriver = "overlay"\n{places}')
    os.environ["CONTAINERS_STORAGE_CONF"] = str(config)
    try:
        yield
    finally:
        # Containers end; images go with the folder, which is seconds faster than asking for it.
        for program in programs:
            force = ["--force"] if program == "podman" else []
            subprocess.run([program, "rm", "--all", *force], capture_output=True, check=False)
        del os.environ["CONTAINERS_STORAGE_CONF"]
        for line in Path("/proc/self/mounts").read_text().splitlines():
            if (place := line.split()[1]).startswith(f"{folder}/"):
                subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)
        subprocess.run(["rm", "-rf", str(folder)], capture_output=True, check=False)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return wheel_of_checkout(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment in which the wheel, and what it needs from the index, is all there is."""
    return environment_with(tmp_path_factory.mktemp("env"), str(wheel))


@pytest.fixture(scope="session")
def bases() -> Iterator[dict[str, str]]:
    """References of the stand-in bases, `classic` and `curated`, in a registry on this machine."""
    need_programs(*TOOLS)
    try:
        with registry() as host:
            yield {variant: push(variant, host) for variant in VARIANTS}
    except StandInError as error:
        end = pytest.fail if required() & set(TOOLS) else pytest.skip
        end(f"there are no stand-in bases: {error}")


@pytest.fixture(scope="session")
def host() -> Iterator[str]:
    """A registry on this machine with the tiny base, `dagger-aml-test/tiny:1`."""
    need_programs(*TOOLS)
    try:
        with registry() as found:
            push_tiny(found)
            yield found
    except StandInError as error:
        pytest.skip(f"there is no tiny base: {error}")


@pytest.fixture(scope="session")
def tiny(host: str) -> str:
    """The tiny base with groups and `env`: for what needs commands and a user, but neither a Python nor a server."""
    more = [
        {"name": "usr/bin/env", "type": tarfile.SYMTYPE, "linkname": "/bin/busybox"},
        {"name": "etc/group", "data": b"root:x:0:\ndockeruser:x:1000:\n", "mode": 0o644},
    ]
    return push_tiny(host, "commands", more=more)


@pytest.fixture(scope="session")
async def engine(anyio_backend: str, request: pytest.FixtureRequest) -> AsyncIterator["dagger_aml.Engine"]:
    """A connection to the Dagger engine of these tests."""
    need_programs("dagger")
    async with dagger_aml.connect() as connected:
        request.config.stash[ENGINE_VERSION] = connected.version
        yield connected


@pytest.fixture(scope="session")
async def bench(engine: "dagger_aml.Engine", tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator["Bench"]:
    """Every builder of this machine, the engine first, on the odd base."""
    from tests.builders.equality import asked_for, opened
    from tests.standin.odd import push_odd

    need_programs(*TOOLS)
    with registry() as host, asked_for(tmp_path_factory.mktemp("asked-for")) as more:
        opened_ = await opened(engine, push_odd(host), tmp_path_factory.mktemp("bench"), more)
        yield opened_
        await opened_.closed()
