"""What a build made, as frozen data."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen


@frozen
class Layer:
    """One layer of an image as it travels.

    :param digest: of the blob, ``sha256:…``.
    :param size: bytes of the blob (compressed, if it is).
    """

    digest: str
    size: int


@frozen
class Result:
    """One image.

    :param digest: of the manifest, ``sha256:…``, as pushed or exported; None when it only went into a local store
        that knows none.
    :param image_id: digest of the config; what docker and podman call the image's ID.
    :param tags: references that it was pushed, exported or loaded under.
    :param layers: base first.
    :param output: the tar written, if one was.
    :param base: reference and digest of the base it was made on.
    :param fingerprint: of what ran (:func:`dagger_aml.fingerprint`).
    """

    digest: str | None
    image_id: str | None = None
    tags: tuple[str, ...] = ()
    layers: tuple[Layer, ...] = ()
    output: Path | None = None
    base: str = ""
    fingerprint: str = ""
