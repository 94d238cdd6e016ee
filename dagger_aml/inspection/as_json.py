"""What is told of an image, for programs; docs/schemas/inspect.schema.json has its form."""

from __future__ import annotations

from typing import Any

from attrs import asdict

from ..text import redact_urls
from .model import ImageTold

SCHEMA = 1


def document(told: ImageTold) -> dict[str, Any]:
    """All of it, as plain data; users and passwords in URLs are masked."""
    unread = list(told.unread)
    return {
        "schema": SCHEMA,
        "image": told.what,
        "place": told.place,
        "digest": told.digest,
        "image_id": told.image_id,
        "platform": told.platform,
        "created": told.created,
        "size": told.size,
        "recipe": told.recipe,
        "versions": {"dagger_aml": told.made_by, "python": told.python, "server": told.server},
        "base": {"name": told.base, "digest": told.base_digest, "layers": told.base_layers},
        "packages": {"complete": not unread, "found": [asdict(each) for each in told.packages]},
        "models": [{**asdict(each), "size": each.size} for each in told.models],
        "steps": None if told.steps is None else [asdict(each) for each in told.steps],
        "entry_script": told.entry_script,
        "env": {name: redact_urls(value) for name, value in told.env.items()},
        "user": told.user,
        "workdir": told.workdir,
        "ports": list(told.ports),
        "entrypoint": list(told.entrypoint),
        "cmd": list(told.cmd),
        "labels": {name: redact_urls(value) for name, value in told.labels.items()},
        "layers": [{"number": number, **asdict(each)} for number, each in enumerate(told.layers)],
        "unread": unread,
    }
