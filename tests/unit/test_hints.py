"""What is to be done, where the error alone leaves somebody new to it with nothing to try."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import anyio
import pytest

from dagger_aml.backends.direct.builder import DirectBuilder
from dagger_aml.building.outputs import Registry
from dagger_aml.errors import DaggerAmlError, TransientError
from dagger_aml.fs.disk_space import not_kept
from dagger_aml.oci.content_store import ContentStore
from dagger_aml.oci.reference import Reference
from tests.support.direct import Runner, blobs_of, direct_builder, put_base
from tests.support.direct_push import RAN, pushed, running
from tests.support.registry import FakeRegistry


class _Refusing:
    """An image that no registry takes."""

    async def publish(self, reference: str) -> Any:
        raise TransientError(f"{reference}: refused", hint="Try again.")


@pytest.mark.parametrize(
    ("tag", "hint"),
    [
        ("wine:1", "wine names no registry, so it is of Docker Hub, docker.io/library/wine"),
        ("me/wine:1", "me/wine names no registry, so it is of Docker Hub, docker.io/me/wine"),
        ("docker.io/me/wine:1", None),
        ("registry.example/wine:1", None),
    ],
)
def test_a_tag_without_a_registry_that_is_refused(tag, hint):
    with pytest.raises(TransientError) as error:
        anyio.run(Registry().write, _Refusing(), [Reference.parse(tag)])
    name = tag.partition(":")[0]
    assert error.value.hint == (f"{hint}: for another write HOST/{name}.\nTry again." if hint else "Try again.")


@pytest.mark.anyio
async def test_a_cache_on_a_full_disk_is_told_as_such(
    registry: FakeRegistry, folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    base, builder = put_base(registry), direct_builder(Runner(blobs_of(), RAN))
    assert isinstance(builder, DirectBuilder)
    monkeypatch.setattr(ContentStore, "put", full)
    with pytest.raises(DaggerAmlError) as error:
        await pushed(running(base, folder), f"{registry.host}/app:1", builder)
    hint = error.value.hint or ""
    assert error.value.exit_code == 1 and "Free disk space there" in hint
    assert hint.endswith("`dagger-aml cache prune` empties it, and DAGGER_AML_CACHE_DIR names another folder.")


def test_a_cache_that_may_not_be_written_names_its_variable(tmp_path):
    error = not_kept(PermissionError(errno.EACCES, "Permission denied"), tmp_path)
    assert error.location == str(tmp_path) and "DAGGER_AML_CACHE_DIR" in (error.hint or "") and error.exit_code == 2
