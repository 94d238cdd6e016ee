"""A store that pulls from this process as docker and podman do, kept in memory."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import urllib.request
from typing import Any

import anyio.to_thread
from attrs import define, field

from dagger_aml.backends.local.program import StoredImage
from dagger_aml.oci.offer import Served
from dagger_aml.process import CompletedProcess

OK = CompletedProcess(0)


@define(eq=False)
class FakeStore:
    """Pulls what it lacks, and holds each blob against its digest.

    :param away: why it cannot pull, where it knows that before.
    :param refuses: what it prints in the place of pulling.
    :param layers: blobs that it has, by their digests.
    :param images: digests of configs, by their names.
    :param log: what it was told to do.
    """

    name: str = "docker"
    away: str | None = None
    refuses: str | None = None
    layers: dict[str, bytes] = field(factory=dict)
    images: dict[str, str] = field(factory=dict)
    configs: dict[str, dict[str, Any]] = field(factory=dict)
    log: list[str] = field(factory=list)
    by_tag: bool = False
    pulling: anyio.Event | None = None
    """Where it is given, pulling never ends once it is set."""

    def elsewhere(self) -> str | None:
        return self.away

    def served_as(self, served: Served) -> str:
        return served.by_tag if self.by_tag else served.by_digest

    def loaded_as(self, reference: str) -> tuple[str, ...]:
        return (reference,)

    async def pull_served(self, served: Served, platform: str) -> CompletedProcess:
        self.log.append(f"pull {platform}")
        if self.pulling:
            self.pulling.set()
            await anyio.sleep_forever()
        if self.refuses is not None:
            return CompletedProcess(1, "", self.refuses)
        return await anyio.to_thread.run_sync(self._pulled, served, abandon_on_cancel=True)

    async def tag(self, image: str, reference: str) -> CompletedProcess:
        self.log.append("tag")
        self.images[reference] = self.images[image]
        return OK

    async def untag(self, reference: str) -> CompletedProcess:
        self.log.append("untag")
        return OK if self.images.pop(reference, None) else CompletedProcess(1, "", "no such image")

    async def inspect(self, reference: str) -> StoredImage | None:
        found = self.images.get(reference)
        return StoredImage(found, (), "linux/amd64", self.configs[found], found) if found else None

    def _pulled(self, served: Served) -> CompletedProcess:
        root = f"http://{served.host}/v2/{served.repository}"

        def get(path: str) -> bytes:
            request = urllib.request.Request(root + path, headers={"Authorization": f"Basic {served.login}"})
            with urllib.request.urlopen(request, timeout=5) as answer:
                found: bytes = answer.read()
            return found

        def blob(digest: str) -> bytes:
            found = get(f"/blobs/{digest}")
            assert f"sha256:{hashlib.sha256(found).hexdigest()}" == digest
            return found

        try:
            manifest = json.loads(get(f"/manifests/{served.digest}"))
            config = json.loads(blob(manifest["config"]["digest"]))
            for layer, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
                held = self.layers.get(layer["digest"]) or blob(layer["digest"])
                tar = gzip.decompress(held) if layer["mediaType"].endswith("gzip") else held
                assert f"sha256:{hashlib.sha256(tar).hexdigest()}" == diff_id
                self.layers[layer["digest"]] = held
        except (OSError, http.client.HTTPException, AssertionError) as error:
            return CompletedProcess(1, "", f"pulling failed: {type(error).__name__}")
        self.images[self.served_as(served)] = manifest["config"]["digest"]
        self.configs[manifest["config"]["digest"]] = config
        return OK
