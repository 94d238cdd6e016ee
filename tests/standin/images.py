"""Builds the stand-in base images from Debian's packages, once, into the cache folder.

The sources of an image are gathered in memory as its build context: what is hashed for its name in the cache
is exactly what the builder sees, so an edit makes another image. Both variants share one base layer.
"""

import contextlib
import hashlib
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .tools import StandInError, cache_folder, call, lock, log

VARIANTS = {
    "classic": "azureml/minimal-py312-inference",
    "curated": "azureml/curated/minimal-py311-inference",
}
"""Each variant, and the repository whose place it takes (docs/azureml-images.md, 1.1 and 1.2)."""

SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
LEFT_OUT = ("/usr/share/man/*", "/usr/share/info/*", "/usr/share/doc/*", "/usr/share/locale/*")
EPOCH = 1790000000
"""Seconds since 1970: the latest time that a file of the base has, and the time of a variant's own files."""

OWN_CERTIFICATES = Path("/usr/local/share/ca-certificates")
"""Where Debian keeps the authorities that the machine's owner added; a proxy there may be the way to PyPI."""

KEPT_SECONDS = 7 * 24 * 3600
"""How long an archive that nobody asks for stays in the cache."""

_IMAGE = Path(__file__).parent / "image"


def ensure(variant: str) -> Path:
    """Return the OCI archive of a variant, built now if the cache has none made from the present sources.

    The first build takes a minute or two and needs the network; a killed build leaves nothing that counts.
    """
    if variant not in VARIANTS:
        raise StandInError(f"There is no stand-in {variant!r}; there are {', '.join(VARIANTS)}.")
    base, own = _base_context(), _variant_context(variant)
    base_archive = cache_folder() / f"base-{_key(base)}.tar"
    archive = cache_folder() / f"{variant}-{_key(base, own)}.tar"
    if not archive.exists():
        with lock("build"):
            if not base_archive.exists():
                _build_base(base, base_archive)
            if not archive.exists():
                _build_variant(variant, own, base_archive, archive)
            _prune(base_archive, archive)
    archive.touch()
    return archive


def _base_context() -> dict[str, bytes]:
    context = {path.name: path.read_bytes() for path in (_IMAGE / "base").iterdir()}
    for path in OWN_CERTIFICATES.glob("*.crt"):
        context[f"ca/{path.name}"] = path.read_bytes()
    return context


def _variant_context(variant: str) -> dict[str, bytes]:
    folder = _IMAGE / "variant"
    names = ("server.txt", "make-environment", "gunicorn-run")
    context = {name: (folder / name).read_bytes() for name in names}
    context["Containerfile"] = (folder / f"{variant}.Containerfile").read_bytes()
    context["IMAGE_INFORMATION"] = f"dagger-aml stand-in ({variant}), not an image of Microsoft's\n".encode()
    if variant == "curated":
        context["gunicorn-run"] = _without_dynamic_packages(context["gunicorn-run"])
    return context


def _without_dynamic_packages(script: bytes) -> bytes:
    """Take the block out of the start script that today's curated images have lost (docs/azureml-images.md, 2.8)."""
    before, _, rest = script.partition(b"# >>> dynamic packages")
    _, _, after = rest.partition(b"# <<< dynamic packages\n")
    if b"AZUREML_EXTRA_" in before + after or not after:
        raise StandInError("The start script's dynamic packages are not between their two marks.")
    return before + after.lstrip(b"\n")


def _key(*contexts: dict[str, bytes]) -> str:
    """Hash the machine's kind, this file and the build contexts: all that decides what is built."""
    digest = hashlib.sha256(platform.machine().encode() + Path(__file__).read_bytes())
    for context in contexts:
        for name, content in sorted(context.items()):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _build_base(context: dict[str, bytes], archive: Path) -> None:
    log.info("making the common base with mmdebstrap (about half a minute)")
    with _workshop(context) as folder:
        call(
            "env", f"SOURCE_DATE_EPOCH={EPOCH}",
            "mmdebstrap", "--variant=minbase", "--components=main", "--skip=output/dev",
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
            '--customize-hook=rm -f "$1/etc/resolv.conf" "$1/etc/hostname"',
            f"--include={','.join(context['packages.txt'].decode().split())}",
            SUITE, folder / "context/rootfs.tar", MIRROR,
        )  # fmt: skip
        _buildah(folder, archive, "dagger-aml-standin-base")


def _build_variant(variant: str, context: dict[str, bytes], base: Path, archive: Path) -> None:
    log.info("making the %s stand-in (about half a minute)", variant)
    with _workshop(context) as folder:
        _buildah(folder, archive, VARIANTS[variant], f"--from=oci-archive:{base}", f"--timestamp={EPOCH}")


@contextlib.contextmanager
def _workshop(context: dict[str, bytes]) -> Iterator[Path]:
    """Lay a build context out in a folder of its own, which is gone afterwards."""
    for left in cache_folder().glob("building-*"):
        _discard(left)
    folder = Path(tempfile.mkdtemp(prefix="building-", dir=cache_folder()))
    try:
        (folder / "context/ca").mkdir(parents=True)
        for each, content in context.items():
            path = folder / "context" / each
            path.write_bytes(content)
            path.chmod(0o755 if content.startswith(b"#!") else 0o644)
        yield folder
    finally:
        _discard(folder)


def _discard(folder: Path) -> None:
    """Remove a folder, but nothing through what a killed builder may have left mounted in it."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed([point for point in mounts if point.startswith(f"{folder}/")]):
        try:
            call("umount", "--lazy", point)
        except StandInError as error:
            log.warning("%s stays: %s", folder, error)
            return
    shutil.rmtree(folder, ignore_errors=True)


def _buildah(folder: Path, archive: Path, name: str, *options: str) -> None:
    """Build the context in buildah's own storage beside it, and move the finished archive to its place."""
    buildah = ("buildah", "--root", folder / "storage", "--runroot", folder / "run")
    made = folder / "made.tar"
    try:
        call(
            *buildah, "build", "--isolation=chroot", "--layers=false", "--identity-label=false", *options,
            f"--tag=oci-archive:{made}:{name}:latest", folder / "context",
        )  # fmt: skip
    finally:
        with contextlib.suppress(StandInError):
            call(*buildah, "rm", "--all")
            call(*buildah, "rmi", "--all", "--force")
    os.replace(made, archive)


def _prune(*kept: Path) -> None:
    for archive in cache_folder().glob("*.tar"):
        if archive not in kept and time.time() - archive.stat().st_mtime > KEPT_SECONDS:
            archive.unlink(missing_ok=True)
