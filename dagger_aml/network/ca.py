"""Certificates that a build's commands trust."""

from __future__ import annotations

from pathlib import Path

from ..errors import UsageError


def ca_bundle(path: Path) -> bytes:
    """Public certificates and those of a file.

    :raises UsageError: unreadable, or no certificate in it.
    """
    import certifi

    own = check_ca(path)
    return certifi.contents().encode() + b"\n" + own


def check_ca(path: Path) -> bytes:
    """The certificates of a file in PEM.

    :raises UsageError: unreadable, or no certificate in it; a private key in it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})", location=f"--ca {path}") from None
    if b"-----BEGIN CERTIFICATE-----" not in data:
        raise UsageError(
            "holds no certificate in PEM form",
            location=f"--ca {path}",
            hint="Convert it: openssl x509 -inform der -in FILE",
        )
    if b"PRIVATE KEY-----" in data:
        raise UsageError("contains a private key; give only the certificates", location=f"--ca {path}")
    return data
