"""What a build made, as frozen data."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from attrs import field

from ..data import frozen
from ..finding import Finding
from ..oci.model import Layer
from ..oci.reference import Reference
from ..plan.inputs import InputDigest
from ..plan.making import Making


@frozen
class Written:
    """A file or folder that an image was written to.

    :param type: ``docker``, ``oci``, or ``tar`` for a tar without a type.
    :param digest: of the manifest or index in it; None where it has none, as what docker saves.
    """

    path: Path
    type: str
    digest: str | None


@frozen
class OpResult:
    """What came of one op.

    :param id: its kind and twelve digits of the digest of its inputs, such as ``copy-0123456789ab``.
    :param name: as the plan shows it.
    :param cached: whether it was there before; None where the builder does not tell.
    :param seconds: that it took; None where the builder does not tell.
    """

    id: str
    name: str
    kind: Literal["copy", "run"]
    cached: bool | None = None
    seconds: float | None = None


@frozen
class Result:
    """One image, or one index of images for several platforms. What came of the very call is not compared.

    :param digest: of the manifest or index, ``sha256:…``, as pushed, else as exported; None when it only went into a
        local store that knows none.
    :param image_id: what the local store that has it takes for ``docker run``: the config's digest, and in the store
        that Docker 29 has by default the manifest's. Of an image in no store it is the config's; None of an index.
    :param config_digest: of the config, as the manifest says it. None of an index, and where nobody tells it.
    :param tags: references that it was pushed, exported or loaded under.
    :param layers: base first.
    :param makings: how the layer of each op came to be; of an index, of each platform in turn.
    :param outputs: the files and folders written, in the order in which they were asked for.
    :param base: reference and digest of the base it was made on; of an index, each once, with commas.
    :param runtime_key: of what ran (:func:`dagger_aml.runtime_key`); of an index, one a platform, with commas.
    :param input_digest: of all that it is made of (:func:`dagger_aml.input_digest`); of an index, one for all.
    :param changed: whether a tag that was pushed named something else before; None where that is not told.
    :param pushed: whether tags were pushed.
    :param bytes_sent: of blobs, to registries; None where that is not told.
    :param seconds: from the first question to the end; None of an image that no build made.
    :param ops: what came of each op; of an index, of each platform in turn.
    :param warnings: what the user should know, of the project and of the bases.
    """

    digest: str | None
    image_id: str | None = None
    tags: tuple[str, ...] = ()
    layers: tuple[Layer, ...] = ()
    outputs: tuple[Written, ...] = ()
    base: str = ""
    runtime_key: str = ""
    warnings: tuple[Finding, ...] = ()
    config_digest: str | None = None
    makings: tuple[Making, ...] = ()
    input_digest: InputDigest | None = None
    changed: bool | None = field(default=None, eq=False)
    pushed: bool = field(default=False, eq=False)
    bytes_sent: int | None = field(default=None, eq=False)
    seconds: float | None = field(default=None, eq=False)
    ops: tuple[OpResult, ...] = field(default=(), eq=False)

    @property
    def refs(self) -> tuple[str, ...]:
        """Where it was pushed to, each ``name@sha256:…``."""
        if not self.pushed or not self.digest:
            return ()
        return tuple(dict.fromkeys(f"{Reference.parse(tag).name}@{self.digest}" for tag in self.tags))

    @property
    def output(self) -> Path | None:
        """The first file written, if one was."""
        return self.outputs[0].path if self.outputs else None
