"""A stand-in for Docker's official image of Python: `python:3.10-slim`, made of Debian and a Python of this machine.

The Python lies in /usr/local, root's, with pip, as in the real one. Which Pythons there are depends on the machine:
one on the PATH, or one of pyenv's.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

from .images import EPOCH, LEFT_OUT, MIRROR, OWN_CERTIFICATES, SUITE, _buildah, _workshop
from .serving import _digest, _is_local
from .tools import StandInError, cache_folder, call, lock, log

PACKAGES = (
    *("ca-certificates", "libbz2-1.0", "libexpat1", "libffi8", "liblzma5", "libncursesw6", "libreadline8"),
    *("libsqlite3-0", "libssl3", "libuuid1", "netbase", "tzdata", "zlib1g"),
)
"""What Python's own modules need, and what the real image has."""

_CONTAINERFILE = """\
FROM scratch
ADD rootfs.tar /
ADD python.tar /usr/local/
COPY ca/ /usr/local/share/ca-certificates/
RUN ["/bin/sh", "-euc", "ldconfig; update-ca-certificates --fresh"]
LABEL io.dagger-aml.standin=python
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
CMD ["python3"]
"""

_NOT_TAKEN = ("/__pycache__", "/test", "/tests", "/idlelib", "/lib2to3", "/tkinter", "/ensurepip", "/share")


WANTED = ("3.10", "3.9", "3.13", "3.8", "3.12")
"""Those that a test takes, the first that is there."""


def prefix_of(version: str) -> Path | None:
    """Where a Python of this machine lies that can be copied; None without one."""
    found = [shutil.which(f"python{version}")]
    if pyenv := shutil.which("pyenv"):
        names = subprocess.run([pyenv, "versions", "--bare"], capture_output=True, text=True, check=False).stdout
        found += [
            subprocess.run([pyenv, "prefix", name], capture_output=True, text=True, check=False).stdout.strip()
            + f"/bin/python{version}"
            for name in names.split()
            if name.startswith(f"{version}.")
        ]
    for program in filter(None, found):
        try:
            told = subprocess.run(
                [program, "-Ic", "import sys, pip; print(sys.base_prefix)"],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        except OSError:
            continue
        if told.returncode == 0 and told.stdout.strip() not in ("", "/usr"):
            return Path(told.stdout.strip())
    return None


def push_python(version: str, registry: str) -> str:
    """Build it if need be, put it into a registry (HOST:PORT), and return its reference (HOST:PORT/python:3.10-slim).

    :raises StandInError: this machine has no such Python, or the image cannot be built.
    """
    archive = _ensure(version)
    latest = f"{registry}/python:{version}-slim"
    kept = f"{registry}/python:{archive.stem}"
    if _digest(kept) is None or _digest(kept) != _digest(latest):
        plain = "false" if _is_local(registry) else "true"
        for reference in (kept, latest):
            call("skopeo", "copy", f"--dest-tls-verify={plain}", f"oci-archive:{archive}", f"docker://{reference}")
    return latest


def version_here() -> str:
    """The first of :data:`WANTED` that this machine has.

    :raises StandInError: it has none.
    """
    for version in WANTED:
        if prefix_of(version):
            return version
    raise StandInError(f"this machine has none of the Pythons {', '.join(WANTED)} that can be copied into an image")


def _ensure(version: str) -> Path:
    prefix = prefix_of(version)
    if prefix is None:
        raise StandInError(f"this machine has no Python {version} that can be copied into an image")
    text = Path(__file__).read_bytes() + repr((str(prefix), sorted(_certificates().items()))).encode()
    archive = cache_folder() / f"python-{version}-{hashlib.sha256(text).hexdigest()[:16]}.tar"
    with lock("build"):
        if not archive.exists():
            _build(prefix, version, archive)
    archive.touch()
    return archive


def _certificates() -> dict[str, bytes]:
    return {f"ca/{path.name}": path.read_bytes() for path in OWN_CERTIFICATES.glob("*.crt")}


def _build(prefix: Path, version: str, archive: Path) -> None:
    log.info("making the stand-in python:%s-slim (about a minute)", version)
    with _workshop({**_certificates(), "Containerfile": _CONTAINERFILE.encode()}) as folder:
        call(
            "env", f"SOURCE_DATE_EPOCH={EPOCH}",
            "mmdebstrap", "--variant=minbase", "--components=main", "--skip=output/dev",
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
            '--customize-hook=rm -f "$1/etc/resolv.conf" "$1/etc/hostname"',
            f"--include={','.join(PACKAGES)}", SUITE, folder / "context/rootfs.tar", MIRROR,
        )  # fmt: skip
        _pack(prefix, version, folder / "context/python.tar")
        _buildah(folder, archive, f"python:{version}-slim", f"--timestamp={EPOCH}")


def _pack(prefix: Path, version: str, to: Path) -> None:
    """The interpreter, its library and pip; no packages that somebody installed on this machine."""
    library = f"lib/python{version}"

    def entry(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        name = f"/{member.name}"
        site = f"/{library}/site-packages/"
        if name.endswith(_NOT_TAKEN) or f"/{library}/config-" in name:
            return None
        if name.startswith(site) and not name.removeprefix(site).startswith(("pip", "setuptools", "_distutils_hack")):
            return None
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        member.mtime = EPOCH
        return member

    with tarfile.open(to, "w") as tar:
        for path in sorted({*prefix.glob("lib/libpython*.so*"), prefix / library}):
            tar.add(path, path.relative_to(prefix).as_posix(), filter=entry)
        tar.add(prefix / f"bin/python{version}", f"bin/python{version}", filter=entry)
        for name in ("python", "python3"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname, link.mtime = tarfile.SYMTYPE, f"python{version}", EPOCH
            tar.addfile(link)
