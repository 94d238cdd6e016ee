"""Graphs that are pushed by a builder that writes layers, and what a registry has then."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dagger_aml.backends.direct.builder import DirectBuilder
from dagger_aml.backends.result import Result
from dagger_aml.building.many import build_all
from dagger_aml.building.outputs import Registry
from dagger_aml.building.target import BuildTarget, tags_of
from dagger_aml.fs.tree import local
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Copy, Graph, Run
from dagger_aml.oci.layer import Node, read_layer
from tests.support.direct import code, direct_builder
from tests.support.layers import Put, file
from tests.support.registry import FakeRegistry, digest_of


def project(folder: Path) -> Path:
    """Files of a model and of code, for :func:`graph`."""
    code(folder / "code", **{"score.py": "x = 1\n", "util.py": "y = 2\n"})
    code(folder / "model", **{"w.bin": "weights"})
    return folder


def graph(base: From, folder: Path) -> Graph:
    """A model and code."""
    copies = [
        Copy(local(folder / "model"), "/var/app/models/m", name="model"),
        Copy(local(folder / "code"), "/var/app", uid=1000, gid=1001, changes="often", name="code"),
    ]
    return Graph(base, copies).configure(env={"A": "1"}, user="me")


async def pushed(graph: Graph, tag: str, builder: DirectBuilder | None = None, gate: Any = None) -> Result:
    """Build and push; the result."""
    builder = builder or direct_builder()
    target = BuildTarget((graph,), "p", tags_of([tag]), (Registry(),), gate)
    try:
        (result,) = await build_all([target], builder)
    finally:
        builder.close()
    return result


def sent(registry: FakeRegistry) -> list[str]:
    """The requests that put something there, and forget them."""
    found = [each for each in registry.requests() if each.split()[0] in ("PUT", "POST", "PATCH")]
    registry.asked.clear()
    return found


def image_in(registry: FakeRegistry, repository: str, tag: str) -> tuple[dict[str, Any], list[bytes]]:
    """Config and layers of what a tag names: each layer's entries."""
    manifest = json.loads(registry.manifests[repository][tag][0])
    held = registry.blobs[repository]
    layers = [held[each["digest"]] for each in manifest["layers"]]
    for each, blob in zip(manifest["layers"], layers, strict=True):
        assert each["size"] == len(blob)
    return json.loads(held[manifest["config"]["digest"]]), layers


def named(registry: FakeRegistry) -> str | None:
    """The digest of what ``app:1`` names, all of which is there and right; None where it names nothing."""
    if "1" not in registry.manifests.get("app", {}):
        return None
    config, layers = image_in(registry, "app", "1")
    assert len(layers) == len(config["rootfs"]["diff_ids"])
    raw = registry.manifests["app"]["1"][0]
    manifest = json.loads(raw)
    for each in (manifest["config"], *manifest["layers"]):
        assert digest_of(registry.blobs["app"][each["digest"]]) == each["digest"]
    return digest_of(raw)


def changes_of(blob: bytes) -> Mapping[str, Node | str]:
    """What a layer puts there."""
    return dict(read_layer(io.BytesIO(blob))[0].added)


RAN: Mapping[str, Put] = {"opt": Put(), "opt/lib": file("made by a command"), "var/app": Put(0o700, 5, 5)}
"""What a command leaves."""


def running(base: From, folder: Path, *, ages: bool = True) -> Graph:
    """The same with a command before, whose result gets old unless told otherwise."""
    inner = graph(base, folder)
    return Graph(base, (Run(["/bin/make"], touches=["/opt"], ages=ages), *inner.layers), inner.config)
