"""The runtime key of what runs, and digests of each step's inputs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from attrs import evolve

from ..fs.digest import NOTHING, Digests, digest
from ..graph.base import From
from ..graph.config import Config
from ..graph.graph import Built, Copy, LayerOp, Run
from ..project.recipe import RECIPE_LABEL
from ..version import __version__
from .label import PLAN_LABEL, OpKey, write_label
from .model import Plan
from .resolve import BASE_DIGEST_LABEL, BASE_NAME_LABEL, VERSION_LABEL

SCHEMA = 2
"""Number of the runtime key's and the plan JSON's form; raised when either changes its meaning."""


ENCODING = 1
"""Number of the way in which back ends carry ops out; raised when the same graph would give another image."""


def runtime_key(plan: Plan) -> str:
    """``sha256:…`` of what runs: its inputs, not its bytes (docs/design.md, law 7).

    Two plans with the same runtime key need the same engine-built image beneath their file layers. Labels, the final
    environment, code and models are not in it.
    """
    runs = list(canonical(plan.engine_part))
    return sha256_of(
        {
            "schema": SCHEMA,
            "encoding": ENCODING,
            "base": base_key(plan.base),
            "platform": plan.base.platform,
            "runs": runs,
        }
    )


def op_keys(plan: Plan, known: Digests = NOTHING) -> tuple[OpKey, ...]:
    """Each step with a digest of what it is made of, what lies beneath apart; reads every byte that is copied.

    :param known: digests of files that were just read, as :func:`dagger_aml.fs.digest.digest` takes them.
    """
    return tuple(op_key(layer, sha256_of(next(canonical((layer,), known)))) for layer in plan.layers)


def op_key(layer: LayerOp, digest: str) -> OpKey:
    """What a label tells of a step.

    :param digest: of what the step is made of.
    """
    if isinstance(layer, Copy):
        return OpKey(layer.name, layer.dest, digest)
    return OpKey(layer.name, "", digest, layer.verb)


def labels(plan: Plan, known: Digests = NOTHING) -> dict[str, str]:
    """The labels that the image gets: those of its config, and what tells of its steps.

    The latter is not in the plan's config, since it takes the digest of every byte; one that is there already stays.

    :param known: digests of files that were just read, as :func:`dagger_aml.fs.digest.digest` takes them.
    """
    told = PLAN_LABEL in plan.config.labels
    text = None if told else write_label(op_keys(plan, known), ENCODING, config_digest(plan.config))
    return {**plan.config.labels, **({PLAN_LABEL: text} if text else {})}


_TOLD_OTHERWISE = frozenset((PLAN_LABEL, BASE_DIGEST_LABEL, RECIPE_LABEL))
"""Labels that derive from what is digested anyway. What a recipe lays out counts, not what it is called."""


def config_inputs(config: Config) -> dict[str, Any]:
    """What an image says of itself because somebody wants it so, as plain data."""
    labels = {name: value for name, value in config.labels.items() if name not in _TOLD_OTHERWISE}
    if labels.get(VERSION_LABEL) == __version__:
        del labels[VERSION_LABEL]  # An update of dagger-aml alone is no reason to build.
    return {
        "user": config.user,
        "env": dict(config.env),
        "workdir": config.workdir,
        "labels": labels,
        "ports": sorted(config.ports),
        "cmd": None if config.cmd is None else list(config.cmd),
        "entrypoint": None if config.entrypoint is None else list(config.entrypoint),
    }


def config_digest(config: Config) -> str:
    """``sha256:…`` of the same, but for the name of the base, of which a label of its own tells."""
    labels = {name: value for name, value in config.labels.items() if name != BASE_NAME_LABEL}
    return sha256_of(config_inputs(evolve(config, labels=labels)))


def base_key(base: From) -> str:
    """What tells a base from any other: its digest, or the reference as it was written."""
    return base.digest or (base.archive and base.archive.image_id) or f"unpinned {base.reference}"


def canonical(layers: tuple[LayerOp, ...], known: Digests = NOTHING) -> Iterator[dict[str, Any]]:
    """What each op is made of, as plain data: no names, and no paths of this machine."""
    for layer in layers:
        if isinstance(layer, Run):
            yield {
                "argv": list(layer.argv),
                "user": layer.user,
                "env": dict(layer.env),
                "workdir": layer.workdir,
                **({"mounts": keys} if (keys := [mount.key for mount in layer.mounts if mount.key]) else {}),
            }
        else:
            yield {
                "copy": _source_key(layer, known),
                "dest": layer.dest,
                "kind": layer.kind,
                "owner": [layer.uid, layer.gid],
                "root": None if layer.root is None else [layer.root.uid, layer.root.gid, layer.root.mode],
            }


def _source_key(copy: Copy, known: Digests) -> Any:
    source = copy.source
    if isinstance(source, Built):
        inner = source.graph
        return {
            "base": base_key(inner.from_),
            "platform": inner.from_.platform,
            "layers": list(canonical(inner.layers, known)),
            "path": source.path,
        }
    return digest(source, known)


def sha256_of(value: Any) -> str:
    """``sha256:…`` of plain data."""
    import hashlib

    return "sha256:" + hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
