"""Image IDs in the store that Docker 29 has by default, where they are digests of manifests: recorded from 29.7.2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from attrs import evolve, frozen

from dagger_aml.backends.local.docker import Docker
from dagger_aml.backends.local.docker_cli import DockerCli
from dagger_aml.backends.local.image import LocalImage
from dagger_aml.backends.local.program import StoredImage, found_image
from dagger_aml.backends.result import Result
from dagger_aml.building.many import _merged
from dagger_aml.building.metadata import metadata, write_files
from dagger_aml.building.target import BuildTarget
from dagger_aml.process import CompletedProcess
from tests.support.calls import await_

MANIFEST = "sha256:6b251ec257331d76c6cb601a87833096c9049ef862f58622bdec1c1e786573d3"
CONFIG = f"sha256:{'c' * 64}"
OF_29 = {
    "Architecture": "amd64",
    "Config": {"Cmd": ["/bin/sh"], "User": "dockeruser"},
    "Descriptor": {
        "digest": MANIFEST, "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 751,
    },
    "GraphDriver": {"Data": None, "Name": "overlayfs"},
    "Id": MANIFEST,
    "Os": "linux",
    "RepoDigests": [f"tiny@{MANIFEST}"],
    "RepoTags": ["tiny:1"],
}  # fmt: skip
"""What `docker image inspect` prints of an image of the classic builder, shortened.

The stores before it have no Descriptor, and the config's digest."""
BUILT_BY_BUILDKIT = {**OF_29, "Descriptor": {**OF_29["Descriptor"], "annotations": {"config.digest": CONFIG}}}
OLDER = {**OF_29, "Id": CONFIG, "Descriptor": None, "RepoDigests": []}


@frozen
class Told(Docker):
    """A docker that answers with what was recorded."""

    said: str = ""

    async def inspect(self, reference: str) -> StoredImage | None:
        return found_image(json.loads(self.said))

    async def tag(self, image: str, reference: str) -> CompletedProcess:
        return CompletedProcess(0, "", "")


@pytest.mark.parametrize(("told", "config"), [(OF_29, None), (BUILT_BY_BUILDKIT, CONFIG), (OLDER, CONFIG)])
def test_an_id_of_a_manifest_is_no_config_s(told, config):
    found = found_image(told)
    assert (found.id, found.config_digest) == (told["Id"], config)


@pytest.mark.parametrize(("told", "config"), [(OF_29, None), (BUILT_BY_BUILDKIT, CONFIG), (OLDER, CONFIG)])
def test_the_files_have_each_digest_under_its_own_name(tmp_path: Path, told, config):
    image = LocalImage(Told("buildkit", said=json.dumps(told)), (told["Id"],))
    result = await_(image.load("tiny:1"))
    assert (result.image_id, result.config_digest) == (told["Id"], config)
    assert metadata(result).get("containerimage.config.digest") == config
    write_files(BuildTarget((), iidfile=tmp_path / "iid"), result)
    assert (tmp_path / "iid").read_text() == told["Id"], "what docker run takes"


def test_other_programs_ids_are_their_configs():
    assert await_(DockerCli("classic").config_digest(CONFIG)) == CONFIG


def test_the_id_of_the_local_store_is_told_whatever_else_the_image_went_to():
    loaded = Result(None, MANIFEST, ("tiny:1",), config_digest=None)
    pushed = Result(f"sha256:{'d' * 64}", CONFIG, ("r.example/tiny:1",), config_digest=CONFIG)
    for new, old in ((loaded, pushed), (pushed, loaded)):
        made = _merged(new, old)
        assert (made.image_id, made.config_digest, made.digest) == (MANIFEST, CONFIG, pushed.digest)
    older = evolve(loaded, image_id=CONFIG, config_digest=CONFIG)
    assert _merged(older, pushed).image_id == CONFIG
