"""A tiny base for several platforms: Debian's busybox and its links, put together without running any of it.

It is no stand-in for Microsoft's images: it has a shell and a user `dockeruser` (1000:1000), no Python and no server.
Its arm64 half holds real arm64 programs, so what runs in it needs emulation on another machine.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .images import EPOCH, MIRROR, SUITE
from .tools import call, lock

PLATFORMS = ("linux/amd64", "linux/arm64")

More = Mapping[str, Any]
"""An entry of a layer: `name`, `data` if it is a file, and fields of a TarInfo."""

CREATED = "2026-09-21T13:33:20Z"
"""buildah finds nothing in its cache that is built on an image without a time."""

RECIPE = """
from dagger_aml import Graph, Project
from dagger_aml.steps import base, code, model

async def recipe(graph: Graph, project: Project) -> Graph:
    graph = await base(graph, project.base)
    for each in project.models:
        graph = await model(graph, each)
    return await code(graph, project.code)
"""
"""A project's recipe that wants nothing of its base: code and models."""

_APPLETS = (
    *("sh", "cat", "cut", "date", "echo", "grep", "id", "ls", "mkdir", "readlink", "sleep", "stat", "tr", "true"),
    *("uname", "xargs"),
)
_PASSWD = "root:x:0:0::/:/bin/sh\ndockeruser:x:1000:1000::/home/dockeruser:/bin/sh\n"


def push_tiny(
    registry: str, tag: str = "1", mark: str = "", more: Sequence[More] = (), said: Mapping[str, Any] = {}
) -> str:
    """Put the base into a registry (HOST:PORT) as one index, and return its reference there.

    :param mark: what `/mark` holds, to tell one push under a tag from another.
    :param more: further entries of its layer.
    :param said: what its config says besides, such as `{"Volumes": {"/data": {}}}`.
    """
    reference = f"{registry}/dagger-aml-test/tiny:{tag}"
    with lock("tiny"), tempfile.TemporaryDirectory() as folder:
        layout = Path(folder) / "layout"
        write_tiny(layout, mark, more, said)
        call("skopeo", "copy", "--all", "--dest-tls-verify=false", f"oci:{layout}:tiny", f"docker://{reference}")
    return reference


def write_tiny(layout: Path, mark: str = "", more: Sequence[More] = (), said: Mapping[str, Any] = {}) -> None:
    """Write the base as an OCI layout folder, named `tiny` in it."""
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(data: bytes, media: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{media}", "digest": f"sha256:{digest}", "size": len(data)}

    manifests = []
    for platform in PLATFORMS:
        architecture = platform.partition("/")[2]
        layer = _layer(architecture, mark, more)
        config = {
            "created": CREATED,
            "architecture": architecture,
            "os": "linux",
            "config": {"User": "dockeruser", "Env": ["PATH=/bin"], "Cmd": ["/bin/sh"], **said},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
            "history": [{"created": CREATED, "created_by": "tests.standin.tiny"}],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": blob(json.dumps(config).encode(), "config.v1+json"),
            "layers": [blob(gzip.compress(layer, mtime=EPOCH), "layer.v1.tar+gzip")],
        }
        described = blob(json.dumps(manifest).encode(), "manifest.v1+json")
        manifests.append({**described, "platform": {"os": "linux", "architecture": architecture}})
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests}
    described = blob(json.dumps(index).encode(), "index.v1+json")
    described["annotations"] = {"org.opencontainers.image.ref.name": "tiny"}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [described]}))


def _layer(architecture: str, mark: str, more: Sequence[More]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:

        def add(name: str, data: bytes = b"", **kind: Any) -> None:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(data), EPOCH, 0o755
            for field, value in kind.items():
                setattr(entry, field, value)
            tar.addfile(entry, io.BytesIO(data))

        for name in ("bin", "etc", "var", "home"):
            add(name, type=tarfile.DIRTYPE)
        add("tmp", type=tarfile.DIRTYPE, mode=0o1777)
        for name in ("home/dockeruser", "var/azureml-app"):
            add(name, type=tarfile.DIRTYPE, uid=1000, gid=1000)
        add("etc/passwd", _PASSWD.encode(), mode=0o644)
        add("mark", mark.encode(), mode=0o644)
        add("bin/busybox", _busybox(architecture))
        for name in _APPLETS:
            add(f"bin/{name}", type=tarfile.SYMTYPE, linkname="busybox")
        for entry in more:
            add(**{"type": tarfile.REGTYPE, **entry})
    return made.getvalue()


@functools.cache
def _busybox(architecture: str) -> bytes:
    """Debian's static busybox for a processor; unpacked, not installed, so nothing of it need run here."""
    with tempfile.TemporaryDirectory() as folder:
        unpacked = Path(folder) / "rootfs.tar"
        call(
            "mmdebstrap", f"--architectures={architecture}", "--variant=extract", "--include=busybox-static",
            "--skip=output/dev", SUITE, unpacked, MIRROR,
        )  # fmt: skip
        with tarfile.open(unpacked) as tar:
            file = next(each for each in tar if each.name.endswith("bin/busybox"))
            data = tar.extractfile(file)
            assert data is not None
            return data.read()


def can_run(architecture: str) -> bool:
    """Whether the kernel runs programs of a processor here, by itself or by emulation that containers see too."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "busybox"
        program.write_bytes(_busybox(architecture))
        program.chmod(0o755)
        try:
            return subprocess.run([program, "true"], capture_output=True, check=False).returncode == 0
        except OSError:
            return False
