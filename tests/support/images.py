"""Finished images as tars, for tests of what reads them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.layers import Put, file, link, program, tar_of

SITE = "opt/py/lib/python3.12/site-packages"

SERVES: Mapping[str, Put] = {
    "etc/passwd": file("root:x:0:0::/:/bin/sh\ndockeruser:x:1000:1000::/:/bin/sh\n"),
    "etc/group": file(""),
    "bin/sh": program(),
    "usr/bin/runsvdir": program(),
    "var/runit/gunicorn/run": program(b"#!/bin/bash\n# AZUREML_EXTRA_\n"),
    "opt/py/bin/python3.12": program(),
    "opt/py/bin/python": link("python3.12"),
    "opt/py/lib/python3.12/os.py": file(),
    "opt/py/lib/python3.12/site.py": file("x"),
    "opt/py/lib/python3.12/lib-dynload/x.so": file(),
    f"{SITE}/numpy/__init__.py": file(),
    f"{SITE}/google/auth/__init__.py": file(),
    f"{SITE}/_fast.cpython-312-x86_64-linux-gnu.so": file(),
}
"""The files of a base that serves, as far as they are looked at."""

ENV = {
    "PATH": "/usr/bin:/bin",
    "AZUREML_CONDA_ENVIRONMENT_PATH": "/opt/py",
    "AZUREML_ENTRY_SCRIPT": "score.py",
}


def app(files: Mapping[str, Put | str]) -> dict[str, Put]:
    """A layer of code, dockeruser's."""
    top = "var/azureml-app"
    put = {name: file(each, uid=1000, gid=1000) if isinstance(each, str) else each for name, each in files.items()}
    return {top: Put(0o755, 1000, 1000), **{f"{top}/{name}": each for name, each in put.items()}}


def put_tar(
    path: Path,
    *layers: Mapping[str, Put],
    env: Mapping[str, str] | None = None,
    history: Sequence[str] = (),
    **said: Any,
) -> Path:
    """Write an image in Docker's form, as ``docker save`` does.

    :param env: beside :data:`ENV`; a variable that is empty is left out.
    :param history: what made each layer.
    :param said: more of its config.
    """
    variables = {name: value for name, value in {**ENV, **(env or {})}.items() if value}
    config = {"User": "dockeruser", "Cmd": ["runsvdir", "/var/runit"]} | said
    config["Env"] = [f"{name}={value}" for name, value in variables.items()]
    return put_raw(path, [tar_of(each) for each in layers or (SERVES,)], config, history)


def tar_of_image(files: Mapping[str, Put | str], env: Mapping[str, str] | None = None, **said: Any) -> bytes:
    """The bytes of the tar of an image that serves this code; for cases of the corpus."""
    with tempfile.TemporaryDirectory() as folder:
        return put_tar(Path(folder) / "i.tar", SERVES, app(files), env=env, **said).read_bytes()


def put_raw(path: Path, layers: Sequence[bytes], config: object, history: Sequence[str] = ()) -> Path:
    """The same of blobs, whatever they hold."""
    digests = [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in layers]
    document = {"os": "linux", "architecture": "amd64", "config": config}
    if history:
        document["history"] = [{"created_by": each} for each in history]
    document |= {"rootfs": {"type": "layers", "diff_ids": digests}}
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    listed = [{"Config": "config.json", "RepoTags": [], "Layers": names}]
    files = {"config.json": json.dumps(document).encode(), **dict(zip(names, layers, strict=True))}
    with tarfile.open(path, "w") as tar:
        for name, data in {**files, "manifest.json": json.dumps(listed).encode()}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path
