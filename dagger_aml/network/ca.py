"""Certificates: those that a build's commands trust, and those that dagger-aml itself does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..text import named

if TYPE_CHECKING:
    import ssl


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
        raise UsageError(f"{path} cannot be read ({error.strerror})", location=named("ca", path)) from None
    if b"-----BEGIN CERTIFICATE-----" not in data:
        raise UsageError(
            "holds no certificate in PEM form",
            location=named("ca", path),
            hint="Convert it: openssl x509 -inform der -in FILE",
        )
    if b"PRIVATE KEY-----" in data:
        raise UsageError("contains a private key; give only the certificates", location=named("ca", path))
    return data


def tls_context() -> ssl.SSLContext:
    """What dagger-aml itself trusts: ``$SSL_CERT_FILE``, else ``$SSL_CERT_DIR``, else the public certificates.

    :raises UsageError: a variable names what cannot be read.
    """
    import ssl

    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    try:
        if file:
            context = ssl.create_default_context(cafile=file)
        elif folder:
            context = ssl.create_default_context(capath=folder)
        else:
            import certifi

            context = ssl.create_default_context(cafile=certifi.where())
    except OSError as error:
        raise UsageError(
            f"certificates cannot be read ({error.strerror or error})", location="$SSL_CERT_FILE, $SSL_CERT_DIR"
        ) from None
    context.set_alpn_protocols(["http/1.1"])
    return context
