"""From an image, wherever it lies, to what is told of it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .. import contract
from ..backends.direct.note import plain_note
from ..base.facts import BaseFacts, of_config
from ..base.from_layers import Unanswered, facts_in
from ..data import frozen
from ..diff.causes import making_of
from ..errors import BaseError
from ..oci.image import history_of
from ..plan.keys import ENCODING
from ..plan.label import read_label
from ..plan.resolve import BASE_DIGEST_LABEL, BASE_NAME_LABEL, VERSION_LABEL
from ..project.recipe import RECIPE_LABEL
from .layers import Blob, Contents
from .makers import attributed
from .model import InspectedPackage, InspectedStep, Inspection
from .parts import models, models_folder, packages

_OF_PYTHON = re.compile(r"/lib/python(3\.\d+)/site-packages\Z")


@frozen
class Found:
    """An image where it lies.

    :param what: as it was named. :param place: ``registry``, ``file``, or the name of a store.
    :param digest: of its manifest. :param image_id: of its config document, ``config``.
    """

    what: str
    place: str
    digest: str | None
    image_id: str
    config: Mapping[str, Any]
    blobs: tuple[Blob, ...]


def inspected(found: Found) -> Inspection:
    """What is told of an image.

    :raises BaseError: its config does not follow the specification.
    :raises Unanswered: a layer of it cannot be read.
    """
    said = found.config.get("config") or {}
    try:
        facts = of_config(said)
        labels: Mapping[str, str] = dict(said.get("Labels") or {})
        history = tuple(history_of(found.config))
        ports = tuple(sorted(said.get("ExposedPorts") or ()))
    except (AttributeError, TypeError, ValueError):
        raise BaseError("its config does not follow the specification", location=found.what) from None
    root = models_folder(facts.env)
    contents = Contents(found.blobs, root)
    ops = read_label(labels, ENCODING)
    making = making_of(history, len(found.blobs), labels, ops) if ops else None
    plain = [contents.told(number) for number in range(len(found.blobs))]
    layers = attributed(contents, plain, history, ops or (), making)
    has = packages(contents)
    note = plain_note(found.config)
    base = note.facts.facts if note and note.facts else None
    read = _facts(contents, said) or base
    return Inspection(
        what=found.what,
        place=found.place,
        digest=found.digest,
        image_id=found.image_id,
        platform="/".join(
            str(found.config[key]) for key in ("os", "architecture", "variant") if found.config.get(key)
        ),
        created=str(found.config["created"]) if found.config.get("created") else None,
        made_by=labels.get(VERSION_LABEL),
        recipe=labels.get(RECIPE_LABEL),
        base=labels.get(BASE_NAME_LABEL),
        base_digest=labels.get(BASE_DIGEST_LABEL) or (note.base if note else None),
        base_layers=making.base if making and making.exact else None,
        python=_python(facts, read, has),
        server=_server(facts, base, has),
        packages=has,
        models=models(contents, root, ops or (), layers),
        steps=tuple(InspectedStep(op.name, op.dest or None, op.digest) for op in ops) if ops else None,
        entry_script=_entry_script(facts),
        env=facts.env,
        user=facts.user,
        workdir=facts.workdir,
        ports=ports,
        entrypoint=facts.entrypoint,
        cmd=facts.cmd,
        labels=labels,
        layers=layers,
    )


def _facts(contents: Contents, said: Mapping[str, Any]) -> BaseFacts | None:
    """What its files tell, where all of them were read and leave no doubt."""
    if not contents.whole:
        return None
    try:
        return facts_in(contents.tree, said, packages=True)
    except (Unanswered, BaseError):
        return None


def _python(facts: BaseFacts, read: BaseFacts | None, has: Sequence[InspectedPackage]) -> str | None:
    """The version of its Python: as its files tell, or the base's as the image notes it, or by the folder of packages
    of its environment."""
    if read and (read.full_python or read.python):
        return read.full_python or read.python
    found = {
        match[1]
        for each in has
        if facts.environment
        and each.site.startswith(f"{facts.environment}/")
        and (match := _OF_PYTHON.search(each.site))
    }
    return found.pop() if len(found) == 1 else None


def _server(facts: BaseFacts, base: BaseFacts | None, has: Sequence[InspectedPackage]) -> str | None:
    """The version of the inference server: what lies in the layers read, above what the image notes of its base."""
    versions = {each.version for each in has if each.name == contract.SERVER}
    if not versions and base and base.distributions is not None:
        versions = {each.version for each in base.distributions if each.name.lower() == contract.SERVER}
    return versions.pop() if len(versions) == 1 else None


def _entry_script(facts: BaseFacts) -> str | None:
    said = facts.env.get(contract.ENTRY_SCRIPT)
    app = facts.env.get(contract.APP) or contract.APP_ROOT
    return posixpath.normpath(posixpath.join(app, said)) if said else None
