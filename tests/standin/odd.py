"""The tiny base with what builders disagree about: folders of other owners and modes, links, odd names.

Everything odd lies in `/base`; :data:`TREE` says what, so that what is known of the base can be computed instead of
asked. Commands in it have busybox's usual programs.
"""

from __future__ import annotations

import hashlib
import inspect
import tarfile
from pathlib import Path
from typing import Any

from . import tiny
from .serving import _digest

_PROGRAMS = (
    *("chmod", "chown", "cp", "env", "find", "head", "ln", "mkfifo", "mv", "od", "printf", "pwd", "rm", "rmdir"),
    *("sed", "seq", "sort", "tee", "test", "touch", "wc"),
)
_CAPABILITY = b"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
"""cap_net_bind_service=ep, as the kernel keeps it."""


def _folder(name: str, mode: int, uid: int = 0, gid: int = 0) -> tiny.More:
    return {"name": name, "type": tarfile.DIRTYPE, "mode": mode, "uid": uid, "gid": gid}


def _file(name: str, mode: int, uid: int = 0, gid: int = 0, **more: Any) -> tiny.More:
    return {"name": name, "data": f"{name}\n".encode(), "mode": mode, "uid": uid, "gid": gid, **more}


def _link(name: str, target: str, type: bytes = tarfile.SYMTYPE) -> tiny.More:
    return {"name": name, "type": type, "linkname": target, "mode": 0o777 if type == tarfile.SYMTYPE else 0o640}


TREE: tuple[tiny.More, ...] = (
    _folder("base", 0o755),
    _folder("base/plain", 0o755),
    _folder("base/owned", 0o755, 1000, 1000),
    _folder("base/owned/sub", 0o700, 1001, 1002),
    _folder("base/owned/sub/deep", 0o775, 1000, 50),
    _file("base/owned/file", 0o640, 1000, 1000),
    {**_link("base/owned/hard", "base/owned/file", tarfile.LNKTYPE), "uid": 1000, "gid": 1000},
    _link("base/owned/link", "file"),
    _link("base/owned/gone", "missing"),
    _link("base/owned/to-sub", "sub"),
    _folder("base/setgid", 0o2775, 0, 50),
    _folder("base/sticky", 0o1777),
    _folder("base/private", 0o750, 1000, 1000),
    _folder("base/closed", 0o000),
    _link("base/link", "owned"),
    _link("base/absolute", "/base/private"),
    _link("base/twice", "link/sub"),
    _link("base/dangling", "nowhere"),
    _link("base/loop", "loop"),
    _file("base/setuid", 0o4755),
    _file("base/capable", 0o755, pax_headers={"SCHILY.xattr.security.capability": _CAPABILITY.decode("latin-1")}),
    {"name": "base/fifo", "type": tarfile.FIFOTYPE, "mode": 0o644},
    _folder("base/a b", 0o700, 1000, 1000),
    _folder("base/ends in a blank ", 0o700, 1000, 1000),
    _folder("base/ begins with one", 0o700, 1000, 1000),
    _folder("base/é日本", 0o711, 1001, 1001),
    _folder("base/a+b(c)|{d}^e", 0o711, 1001, 1001),
    _folder("base/[x]*?!", 0o711, 1001, 1001),
    _folder("base/$HOME\\", 0o711, 1001, 1001),
    _folder("base/#'\"`", 0o711, 1001, 1001),
)
"""Entries of the layer; `type`, `mode`, `uid`, `gid` and `linkname` as in a TarInfo."""


def push_odd(registry: str, **said: Any) -> str:
    """Put the base into a registry (HOST:PORT), unless it is there, and return its reference.

    :param said: what its config says besides, such as `OnBuild=["RUN id"]`.
    """
    sources = (inspect.getsource(tiny), Path(__file__).read_text(), repr(sorted(said.items())))
    tag = "odd-" + hashlib.sha256("\0".join(sources).encode()).hexdigest()[:16]
    reference = f"{registry}/dagger-aml-test/tiny:{tag}"
    if _digest(reference) is None:
        tiny.push_tiny(registry, tag, more=_more(), said=said)
    return reference


def write_odd(layout: Path, **said: Any) -> None:
    """Write the base as an OCI layout folder.

    :param said: as of :func:`push_odd`.
    """
    tiny.write_tiny(layout, more=_more(), said=said)


def _more() -> list[tiny.More]:
    programs = [_link(f"bin/{name}", "busybox") for name in _PROGRAMS]
    usual = [_folder(name, 0o755) for name in ("usr", "dev", "proc", "sys", "run")]
    usual += [_file(f"etc/{name}", 0o644) for name in ("hosts", "hostname", "resolv.conf", "group")]
    return [*programs, *usual, _link("usr/bin", "../bin"), *TREE]
