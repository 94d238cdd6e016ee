"""What is told of an image, as data. What could not be read is None, never made up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from attrs import AttrsInstance, asdict, field

from ..data import frozen
from ..text import redact_urls

SCHEMA = 1

Kind = Literal["base", "run", "copy"]


@frozen
class InspectedLayer:
    """One layer of an image.

    :param diff_id: ``sha256:…`` of its tar. :param digest: of the blob; None where the image comes without blobs.
    :param size: bytes as it lies there, compressed if it is.
    :param kind: what made it; None where nothing tells.
    :param op: the step that made it, by its name.
    :param made_by: what the image's history says of it, in its builder's words.
    :param read: whether it was read; what follows is None otherwise.
    :param files: how many it has, and ``file_bytes`` of them together.
    :param removed: how many names it takes away from the layers below.
    :param owners: ``1000:1000``, most files first.
    :param holds: where its files lie: one folder, or the names at the top.
    """

    diff_id: str
    digest: str | None
    size: int
    kind: Kind | None = None
    op: str | None = None
    made_by: str = ""
    read: bool = False
    files: int | None = None
    file_bytes: int | None = None
    removed: int | None = None
    owners: tuple[str, ...] | None = None
    holds: tuple[str, ...] | None = None


@frozen
class InspectedPackage:
    """An installed package.

    :param site: the folder that it is in.
    :param layer: number of the layer that brought it, from 0.
    """

    name: str
    version: str
    site: str
    layer: int


@frozen
class InspectedFile:
    """A file of a model; ``path`` is below the model's own."""

    path: str
    size: int
    sha256: str | None


@frozen
class InspectedModel:
    """A model.

    :param path: where it lies in the image.
    :param name: with which it is registered, and ``version``; None where it lies elsewhere than such a one.
    :param inputs: twelve digits of the digest of what it was copied from; None without the label that tells.
    :param layer: number of the layer that has it; None where that is not known.
    :param files: of it; None where it lies in a layer that was not read.
    """

    path: str
    name: str | None
    version: str | None
    inputs: str | None
    layer: int | None
    files: tuple[InspectedFile, ...] | None

    @property
    def size(self) -> int | None:
        """Bytes of its files."""
        return None if self.files is None else sum(each.size for each in self.files)


@frozen
class InspectedStep:
    """A step of the plan, as the image's label tells of it.

    :param dest: of a copy. :param inputs: twelve digits of the digest of its inputs.
    """

    name: str
    dest: str | None
    inputs: str


@frozen
class Inspection:
    """What is told of an image; see :func:`dagger_aml.inspect`.

    :param what: as it was named. :param place: where it was found: ``registry``, a store's name, ``file``.
    :param digest: of its manifest; None of an image in Docker's form, which has none.
    :param image_id: the digest of its config.
    :param made_by: the version of dagger-aml that made it; None of any other.
    :param recipe: that laid it out; None where the image does not say, as before 0.2.0.
    :param base: name, and ``base_digest``, of what it was made on.
    :param base_layers: how many layers are the base's; None where that is not certain.
    :param python: ``3.12.4`` or ``3.12``. :param server: the version of the inference server.
    :param packages: of the layers that were read.
    :param entry_script: absolute; None where it is not said.
    """

    what: str
    place: str
    digest: str | None
    image_id: str
    platform: str
    created: str | None
    made_by: str | None
    recipe: str | None
    base: str | None
    base_digest: str | None
    base_layers: int | None
    python: str | None
    server: str | None
    packages: tuple[InspectedPackage, ...] = field(repr=False)
    models: tuple[InspectedModel, ...]
    steps: tuple[InspectedStep, ...] | None
    entry_script: str | None
    env: Mapping[str, str]
    user: str
    workdir: str
    ports: tuple[str, ...]
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    labels: Mapping[str, str]
    layers: tuple[InspectedLayer, ...]

    @property
    def unread(self) -> tuple[int, ...]:
        """Numbers of the layers that were not read, from 0."""
        return tuple(number for number, each in enumerate(self.layers) if not each.read)

    @property
    def size(self) -> int:
        """Bytes of all layers."""
        return sum(each.size for each in self.layers)

    def as_json(self) -> dict[str, Any]:
        """What ``inspect --json`` prints, as plain data in the form of docs/schemas/inspect.schema.json; users and
        passwords in URLs are masked."""
        unread = list(self.unread)
        return {
            "schema": SCHEMA,
            "image": self.what,
            "place": self.place,
            "digest": self.digest,
            "image_id": self.image_id,
            "platform": self.platform,
            "created": self.created,
            "size": self.size,
            "recipe": self.recipe,
            "versions": {"dagger_aml": self.made_by, "python": self.python, "server": self.server},
            "base": {"name": self.base, "digest": self.base_digest, "layers": self.base_layers},
            "packages": {"complete": not unread, "found": [_plain(each) for each in self.packages]},
            "models": [{**_plain(each), "size": each.size} for each in self.models],
            "steps": None if self.steps is None else [_plain(each) for each in self.steps],
            "entry_script": self.entry_script,
            "env": {name: redact_urls(value) for name, value in self.env.items()},
            "user": self.user,
            "workdir": self.workdir,
            "ports": list(self.ports),
            "entrypoint": list(self.entrypoint),
            "cmd": list(self.cmd),
            "labels": {name: redact_urls(value) for name, value in self.labels.items()},
            "layers": [{"number": number, **_plain(each)} for number, each in enumerate(self.layers)],
            "unread": unread,
        }


def _plain(part: AttrsInstance) -> dict[str, Any]:
    """A part with lists for its tuples, as JSON has them."""
    return asdict(part, value_serializer=lambda _, __, value: list(value) if isinstance(value, tuple) else value)
