"""Two bases that no builder has seen: the stand-in with one more small layer, each with another."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import secrets
import tarfile
import urllib.request
from typing import Any

from tests.standin.images import EPOCH
from tests.standin.tiny import CREATED
from tests.standin.tools import call


def bases(standin: str, registry: int) -> tuple[str, str]:
    """Put them into a registry on this machine, by its port; their references.

    :raises tests.standin.StandInError: skopeo cannot copy the stand-in.
    """
    name = f"localhost:{registry}/base"
    call(
        "skopeo", "copy", "--format=v2s2", "--src-tls-verify=false", "--dest-tls-verify=false",
        f"docker://{standin}", f"docker://{name}:plain",
    )  # fmt: skip
    for tag in ("one", "two"):
        _derived(f"http://127.0.0.1:{registry}/v2/base", tag)
    return f"{name}:one", f"{name}:two"


def _derived(url: str, tag: str) -> None:
    """Put `plain` with a layer of one file under another tag."""
    media = "application/vnd.docker.distribution.manifest.v2+json"
    manifest: dict[str, Any] = json.loads(_asked(f"{url}/manifests/plain", Accept=media)[0])
    config: dict[str, Any] = json.loads(_asked(f"{url}/blobs/{manifest['config']['digest']}")[0])
    tar = _tar("etc/bench-mark", secrets.token_bytes(16))
    config["rootfs"]["diff_ids"].append(_digest(tar))
    config["history"].append({"created": CREATED, "created_by": "tests.support.reuse.bases"})
    layer = {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", **_put(url, gzip.compress(tar))}
    manifest["layers"].append(layer)
    manifest["config"].update(_put(url, json.dumps(config).encode()))
    data = json.dumps(manifest).encode()
    _asked(f"{url}/manifests/{tag}", "PUT", data, **{"Content-Type": media})


def _tar(name: str, data: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        folder, file = tarfile.TarInfo(name.rpartition("/")[0]), tarfile.TarInfo(name)
        folder.type, folder.mode, folder.mtime = tarfile.DIRTYPE, 0o755, EPOCH
        file.size, file.mode, file.mtime = len(data), 0o644, EPOCH
        tar.addfile(folder)
        tar.addfile(file, io.BytesIO(data))
    return made.getvalue()


def _put(url: str, data: bytes) -> dict[str, Any]:
    """Upload a blob; what a manifest says of it."""
    where = _asked(f"{url}/blobs/uploads/", "POST")[1]["Location"]
    digest = _digest(data)
    _asked(f"{where}&digest={digest}", "PUT", data, **{"Content-Type": "application/octet-stream"})
    return {"digest": digest, "size": len(data)}


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _asked(url: str, method: str = "GET", data: bytes | None = None, **headers: str) -> tuple[bytes, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, data, headers, method=method), timeout=30) as answer:
        return answer.read(), answer.headers
