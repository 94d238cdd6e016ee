"""Looking for an image in the local stores of docker, podman and buildah, whichever are here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from ...data import frozen
from ...errors import DaggerAmlError, UsageError
from ...oci.reference import Reference, is_image_id
from ...policy import DEFAULT, Policy
from ..builders import BUILDERS, kind_of
from .find import local_kind
from .program import StoredImage


@frozen
class Stored:
    """An image that a store has.

    :param store: of which builder, by its name.
    """

    store: str
    image: StoredImage


def is_local_name(text: str) -> bool:
    """Whether an image is looked for in the local stores first: its name has no host, or is an ID.

    :raises GraphError: it is no name of an image.
    """
    return is_image_id(text) or not Reference.parse(text, "the image").has_host


async def find_stored(text: str, policy: Policy = DEFAULT) -> Stored | None:
    """The first of the local stores that has an image, docker's before others.

    None where none has it, or where its name has a host.

    :param text: a name or an ID.
    :raises UsageError: an ID that none of them has; no registry knows it.
    """
    if not is_local_name(text):
        return None
    asked = []
    for name in stores_here():
        try:
            found = await local_kind(name).tool(policy=policy).inspect(text)
        except DaggerAmlError:
            continue
        if found:
            return Stored(name, found)
        asked.append(name)
    if is_image_id(text):
        raise UsageError(f"no local store has an image {text}", hint=f"Asked: {', '.join(asked) or 'none is here'}.")
    return None


@contextmanager
def not_in_stores(text: str) -> Iterator[None]:
    """Let an error of the block, which asks a registry, say that the local stores have the image neither."""
    try:
        yield
    except DaggerAmlError as error:
        here = stores_here()
        if here and is_local_name(text):
            said = f"No local store has it either ({', '.join(here)})."
            error.hint = f"{said}\n{error.hint}" if error.hint else said
        raise


def stores_here() -> list[str]:
    """The builders with a store of their own whose programs are installed."""
    return [name for name in BUILDERS if kind_of(name).capabilities.own_store and shutil.which(name)]
