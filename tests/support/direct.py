"""Images written directly, in a registry of this process: a base, and a builder that makes what runs."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, evolve, field

from dagger_aml.backends.base import Capabilities, Opening
from dagger_aml.backends.dagger.capabilities import CAPABILITIES
from dagger_aml.backends.direct.builder import DirectBuilder
from dagger_aml.backends.direct.inner import Opened
from dagger_aml.backends.outputs import Export
from dagger_aml.events import Event, Message, OnEvent, Transferred, ignore
from dagger_aml.graph.base import From
from dagger_aml.oci.manifest import MANIFESTS, BlobLayer, Form, manifest_document
from dagger_aml.plan.model import Plan
from dagger_aml.policy import Policy
from tests.support.layers import Put, file, program, tar_of
from tests.support.registry import FakeRegistry

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"

PLATFORM = {"os": "linux", "architecture": "amd64"}

LAYERS: Sequence[Mapping[str, Put]] = (
    {
        "etc": Put(),
        "etc/passwd": file("root:x:0:0::/:/bin/sh\nme:x:1000:1001::/:/bin/sh\n"),
        "etc/group": file("me:x:1001:\n"),
        "bin": Put(),
        "bin/sh": program(),
        "var": Put(),
        "var/app": Put(0o750, 1000, 1001),
    },
    {"var": Put(), "var/app": Put(0o750, 1000, 1001), "var/app/old": file("old", uid=7, gid=7)},
)

SOON = Policy(
    connect_timeout_seconds=2.0,
    answer_timeout_seconds=2.0,
    blob_idle_timeout_seconds=2.0,
    retry_pauses_seconds=(0.01, 0.02),
)


def zipped(entries: Mapping[str, Put]) -> tuple[bytes, str]:
    """A layer's blob and its diff ID."""
    tar = tar_of(entries)
    return gzip.compress(tar, 1, mtime=0), f"sha256:{hashlib.sha256(tar).hexdigest()}"


def put_base(
    registry: FakeRegistry,
    *layers: Mapping[str, Put],
    repository: str = "base",
    form: Form = "oci",
    user: str = "me",
    architecture: str = "amd64",
) -> From:
    """An image in a registry; the two of :data:`LAYERS` unless others are given."""
    blobs, diff_ids = zip(*map(zipped, layers or LAYERS), strict=True)
    config = json.dumps(
        {
            **PLATFORM,
            "architecture": architecture,
            "created": "2026-01-01T00:00:00Z",
            "config": {"User": user, "Env": ["PATH=/bin"], "Cmd": ["sh"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [{"created_by": "base"} for _ in blobs],
        }
    ).encode()
    registry.put(repository, config)
    made = [
        BlobLayer(diff_id, registry.put(repository, blob), len(blob), "gzip")
        for blob, diff_id in zip(blobs, diff_ids, strict=True)
    ]
    manifest = manifest_document(form, config, made)
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    for name in ("1", digest):
        registry.manifests.setdefault(repository, {})[name] = (manifest, MANIFESTS[form])
    return From.parse(f"{registry.host}/{repository}:1")


@define(eq=False)
class RunImage:
    """What :class:`Runner` makes: the base's layers, and one with what ran."""

    base: Sequence[bytes]
    ran: Mapping[str, Put]
    zipped: bool
    on_event: OnEvent = ignore

    async def export(self, output: Export, references: Sequence[str] = ()) -> None:
        """Write a layout, and tell of it."""
        self.on_event(Message(f"writing {output.path}"))
        self.on_event(Transferred("written", str(output.path), 1, 1))
        blobs = output.path / "blobs/sha256"
        blobs.mkdir(parents=True)

        def put(data: bytes) -> dict[str, Any]:
            name = hashlib.sha256(data).hexdigest()
            (blobs / name).write_bytes(data)
            return {"digest": f"sha256:{name}", "size": len(data), "mediaType": "x"}

        tar = tar_of(self.ran)
        layers = [*self.base, gzip.compress(tar, mtime=0) if self.zipped else tar]
        tars = [gzip.decompress(each) if each[:2] == b"\x1f\x8b" else each for each in layers]
        diff_ids = [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in tars]
        config = {**PLATFORM, "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        manifest = {"config": put(json.dumps(config).encode()), "layers": [put(each) for each in layers]}
        index = {"manifests": [{**put(json.dumps(manifest).encode()), "mediaType": OCI_MANIFEST}]}
        (output.path / "index.json").write_text(json.dumps(index))
        (output.path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


@define(eq=False)
class Runner:
    """A builder that makes what runs, and says how often it was asked; it can do nothing else.

    :param ran: entries of the layer that a command makes.
    """

    base: Sequence[bytes] = ()
    ran: Mapping[str, Put] = field(factory=dict)
    zipped: bool = True
    plans: list[Plan] = field(factory=list)
    fresh: list[bool] = field(factory=list)
    """For each plan whether it was to run again, whatever is remembered."""
    name: str = "runner"
    capabilities: Capabilities = CAPABILITIES
    again: bool = False
    on_event: OnEvent = ignore

    def with_events(self, on_event: OnEvent) -> Runner:
        """Itself."""
        self.on_event = on_event
        return self

    def afresh(self) -> Runner:
        """The same, which notes it."""
        return evolve(self, again=True)

    def runtime(self) -> None:
        """Nothing: no test here starts an image."""

    async def image(self, plan: Plan, *, title: str = "") -> RunImage:
        """What ran."""
        self.plans.append(plan)
        self.fresh.append(self.again)
        return RunImage(self.base, self.ran, self.zipped, self.on_event)


def blobs_of(*layers: Mapping[str, Put]) -> list[bytes]:
    """The blobs of a base's layers."""
    return [zipped(each)[0] for each in layers or LAYERS]


def direct_builder(runner: Runner | None = None, events: list[Event] | None = None, **opening_: Any) -> DirectBuilder:
    """A builder that writes layers; without a runner nothing may run."""
    opening = Opening(layers="direct", policy=SOON, **opening_)
    inner = Opened(runner or Runner())  # type: ignore[arg-type]
    return DirectBuilder(inner, opening, (events if events is not None else []).append)


def code(folder: Path, **files: str) -> Path:
    """A folder of files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder
