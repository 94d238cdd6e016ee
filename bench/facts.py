"""What it costs to learn the facts of a large base from its layers: `task bench:direct -- --facts`.

The base is a stand-in with one more layer, as large as is said: libraries that gzip halves, as it does those of CUDA,
and tens of thousands of small files. Its facts are asked for by `plan --probe`, with an empty cache and again.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve

from bench.loads import Seconds
from bench.place import Place
from dagger_aml.graph.base import From
from dagger_aml.oci.blobs import digest_of
from dagger_aml.oci.content_store import ContentStore
from dagger_aml.oci.entries import TarEntry
from dagger_aml.oci.layer_writer import LayerStream
from dagger_aml.oci.manifest import MANIFESTS, BlobLayer, manifest_document
from dagger_aml.oci.push import PushClient
from dagger_aml.oci.reference import Reference

ROW = "facts of a base"

_LIBRARY, _FILE, _FILES = 32 << 20, 4 << 10, 40_000


def measure(folder: Path, base: str, host: str, size: int, times: int) -> None:
    """Print how long it takes.

    :param folder: where a project and the caches are.
    :param size: bytes of the large layer, before it is compressed.
    """
    large = f"{host}/bench/large-base:1"
    blob = _push(base, large, size, folder / "pushing")
    found = Seconds()
    places = {"ordinary": base, f"and {size / 1e9:.1f} GB more": large}
    for number, (name, at) in enumerate(places.items()):
        place = Place(folder / str(number), at, f"{host}/bench/facts-{number}:1")
        place.write(1000)
        for _ in range(times):
            shutil.rmtree(place.folder / "cache", ignore_errors=True)
            for column in (f"{name}, nothing known", f"{name}, known"):
                found.take(ROW, column, lambda place=place: _ask(place))  # type: ignore[misc]
    print(found.table(tuple(column for _, column in found.found)))
    print(f"\nThe large layer has {_FILES} small files, and {blob.size / 1e6:.0f} MB when it is compressed.")


def _ask(place: Place) -> None:
    place.run(sys.executable, "-m", "dagger_aml", "plan", place.project, "--base", place.base, "--probe", "--json")


def _push(base: str, large: str, size: int, folder: Path) -> BlobLayer:
    """The base with a large layer, under another name; that layer."""
    from dagger_aml.backends.direct.beneath import find_base

    client, at = PushClient(), Reference.parse(large)
    try:
        _, beneath = find_base(From.parse(base), client, ContentStore(folder))
        stream = LayerStream(list(_entries(size)), "gzip")
        client.upload(at, lambda: stream, lambda: stream.written.digest)
        made = stream.written
        blob = BlobLayer(made.diff_id, made.digest, made.size, "gzip")
        for each in beneath.layers:
            client.mount(at, each.digest, Reference.parse(base).repository)
        config = json.loads(json.dumps(beneath.config))
        config["rootfs"]["diff_ids"].append(made.diff_id)
        config.pop("history", None)
        raw = json.dumps(config).encode()
        client.upload(at, lambda: [raw], digest_of(raw), size=len(raw))
        document = manifest_document(beneath.form, raw, (*beneath.layers, blob))
        client.put_manifest(evolve(at, tag=None), document, MANIFESTS[beneath.form], tag=at.tag)
        return blob
    finally:
        client.close()
        shutil.rmtree(folder, ignore_errors=True)


def _entries(size: int) -> Iterator[TarEntry]:
    """A folder of libraries and one of small files, below `/opt`."""
    halved = bytes(each & 15 for each in range(256))
    library, small = os.urandom(_LIBRARY).translate(halved), os.urandom(_FILE).translate(halved)
    for each in ("/opt", "/opt/large", "/opt/large/lib", "/opt/large/packages"):
        yield TarEntry(each, "dir", 0o755, 0, 0)
    for number in range(max(size - _FILES * _FILE, 0) // _LIBRARY):
        yield TarEntry(f"/opt/large/lib/lib{number}.so", "file", 0o644, 0, 0, len(library), library)
    for number in range(_FILES):
        if number % 200 == 0:
            yield TarEntry(f"/opt/large/packages/p{number // 200}", "dir", 0o755, 0, 0)
        path = f"/opt/large/packages/p{number // 200}/m{number}.py"
        yield TarEntry(path, "file", 0o644, 0, 0, len(small), small)
