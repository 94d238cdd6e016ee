"""What an image says of itself, as the document that its manifest names."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ...data import frozen
from ...plan.model import Plan

_OF_ONE_BUILD = ("id", "parent", "container", "container_config", "docker_version", "throwaway", "author")
"""What docker notes of the container that a base was made in; of no meaning in another image."""


COMMENT = "dagger-aml"
"""What the history notes of each layer above the base."""


@frozen
class AddedLayer:
    """A layer on top of the base.

    :param diff_id: ``sha256:…`` of its tar.
    :param made_by: what made it, for the image's history.
    """

    diff_id: str
    made_by: str


def config_document(
    base: Mapping[str, Any], plan: Plan, labels: Mapping[str, str], added: Sequence[AddedLayer]
) -> bytes:
    """The config of a plan's image, as bytes; the same plan on the same base gives the same.

    Its time is the base's: a time of our own would give the same files another image ID each time.

    :param base: the config document of the image beneath.
    :param labels: all that the plan's image gets.
    """
    document = {name: value for name, value in base.items() if name not in _OF_ONE_BUILD}
    diff_ids = list(base["rootfs"]["diff_ids"])
    document["rootfs"] = {"type": "layers", "diff_ids": [*diff_ids, *(each.diff_id for each in added)]}
    document["config"] = _said(base.get("config") or {}, plan, labels)
    document.pop("history", None)
    history = _history(base, len(diff_ids), added)
    if history:
        document["history"] = history
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def _said(base: Mapping[str, Any], plan: Plan, labels: Mapping[str, str]) -> dict[str, Any]:
    config, facts = plan.config, plan.facts
    said = dict(base)
    env = dict(pair.partition("=")[::2] for pair in base.get("Env") or ())
    env |= {name: str(value) for name, value in config.env.items()}
    said["Env"] = [f"{name}={value}" for name, value in env.items()]
    if config.user is not None:
        said["User"] = str(config.user)
    said["WorkingDir"] = config.workdir or facts.workdir
    if config.entrypoint is not None:
        said["Entrypoint"] = list(config.entrypoint)
    if config.cmd is not None:
        said["Cmd"] = list(config.cmd)
    if labels:
        said["Labels"] = {**(base.get("Labels") or {}), **labels}
    if config.ports:
        said["ExposedPorts"] = {**(base.get("ExposedPorts") or {}), **{f"{port}/tcp": {} for port in config.ports}}
    return said


def _history(base: Mapping[str, Any], layers: int, added: Sequence[AddedLayer]) -> list[dict[str, Any]]:
    """One entry for each layer, or none: docker refuses an image with more, buildah one with fewer."""
    before = list(base.get("history") or ())
    if sum(not each.get("empty_layer") for each in before) != layers:
        return []
    created = {"created": base["created"]} if base.get("created") else {}
    return [*before, *({**created, "created_by": each.made_by, "comment": COMMENT} for each in added)]
