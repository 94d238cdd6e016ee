"""From placeholders to literals: what the base decides, put into a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve

from ..base.facts import BaseFacts, prefixes
from ..errors import BaseError, GraphError
from ..graph.base import From, Given, Need
from ..graph.config import Config
from ..graph.graph import Copy, Graph, LayerOp, Run
from ..graph.stages import stages, walk, with_stage
from ..graph.values import FromBase
from ..graph.wheels import LockedWheels
from ..graph.writes import written_paths
from ..text import pattern
from ..version import __version__
from .destinations import check_destinations, check_volumes, freed_of_links, with_workdirs
from .links import links_of

_NUMBERS = pattern(r"[0-9]+:[0-9]+\Z")


BASE_NAME_LABEL = "org.opencontainers.image.base.name"


BASE_DIGEST_LABEL = "org.opencontainers.image.base.digest"


VERSION_LABEL = "io.dagger-aml.version"


def probed_paths(graph: Graph) -> tuple[str, ...]:
    """The image paths whose facts :func:`resolve` and :func:`schedule` read.

    Every prefix of every destination and of what runs touch, and every copied path.
    """
    found: set[str] = set()
    for op in walk(graph.layers):
        layer = op.layer
        if isinstance(layer, Run):
            for path in (layer.workdir, *(each for each in layer.touches or () if isinstance(each, str))):
                found.update(prefixes(path))
            continue
        found.update(prefixes(layer.dest))
        found.update(path for path, _ in written_paths(layer))
    for each in (graph, *stages(graph.layers)):
        if each.config.workdir:
            found.update(prefixes(each.config.workdir))
    return tuple(sorted(found - {"/"}))


def resolve(graph: Graph, facts: Mapping[From, BaseFacts]) -> Graph:
    """The graph with literals for every placeholder and destinations freed of the base's symlinks.

    Of its needs those are left which the facts do not tell.

    :param facts: of the graph's base and of the base of every stage in it.
    :raises BaseError: the base has not what the graph needs, or ONBUILD, or a VOLUME that a run touches.
    :raises GraphError: a destination that no builder treats alike (docs/builder-cases.md, cases 6 to 8 and 28).
    """
    base = graph.from_
    known = facts[base]
    if known.onbuild:
        raise BaseError(
            "the base has ONBUILD triggers, which builders treat differently",
            location=base.pinned,
            hint="Use a base image without these triggers: " + "; ".join(known.onbuild),
        )
    unknown = []
    for need in graph.needs:
        is_now = known.literal(need.fact)
        if is_now is None:
            unknown.append(evolve(need, why=str(_literal(need.why, known))))
        elif not _meets(need, is_now):
            found = f": {is_now}" if need.fact == "python" else ""
            why = f"{_literal(need.why, known)}{found}"
            raise BaseError(why, location=need.location or base.pinned, hint=need.hint)
    _check_facts(base, known)
    layers = [_literal_layer(layer, known, facts) for layer in _with_wheels(graph.layers, base, known)]
    layers = with_workdirs(layers, graph.config.workdir, known)
    links = links_of((), known)
    layers = [freed_of_links(layer, links) if isinstance(layer, Copy) else layer for layer in layers]
    check_volumes(base, layers, known)
    check_destinations(layers, known)
    env = {name: str(_literal(value, known)) for name, value in graph.config.env.items()}
    user = None if graph.config.user is None else str(_literal(graph.config.user, known))
    labels = {VERSION_LABEL: __version__, **graph.config.labels}
    if not isinstance(base, Given):
        labels = {BASE_NAME_LABEL: base.reference, **labels}
    if base.digest:
        labels[BASE_DIGEST_LABEL] = base.digest
    entrypoint = graph.config.entrypoint
    if entrypoint == () and not known.entrypoint and known.source != "assumed":
        entrypoint = None  # There is none to take away.
    config = evolve(graph.config, env=env, user=user, labels=labels, entrypoint=entrypoint)
    return evolve(graph, layers=layers, config=config, needs=unknown)


def _with_wheels(layers: Sequence[LayerOp], base: From, known: BaseFacts) -> Sequence[LayerOp]:
    if not any(isinstance(each, Copy) and isinstance(each.source, LockedWheels) for each in layers):
        return layers
    from .fitting import with_wheels

    return with_wheels(layers, base, known)


def _meets(need: Need, is_now: object) -> bool:
    """Whether a base has what is needed. Its Python is known without the last number: any of these may be meant."""
    if isinstance(need.value, tuple):
        return is_now in need.value
    if need.fact != "python" or not isinstance(need.value, str) or need.value[:1].isdigit():
        return is_now == need.value
    from packaging.specifiers import SpecifierSet

    wanted = SpecifierSet(need.value)
    return any(wanted.contains(f"{is_now}.{number}") for number in range(100))


def _check_facts(base: From, known: BaseFacts) -> None:
    """A base's own config is as hostile as any other text."""
    try:
        Config(user=known.user or None, workdir=known.workdir, cmd=known.cmd, entrypoint=known.entrypoint)
    except GraphError as error:
        raise BaseError(
            f"the base image's config cannot be used in the new image: {error.message}",
            location=base.pinned,
            hint="Use another base image.",
        ) from None


def _number(value: Any, facts: BaseFacts) -> Any:
    """A user's or group's number, None left as it is."""
    if not isinstance(value, FromBase):
        return value
    text = _literal(value, facts)
    return int(text) if text.isdecimal() else text


def _literal(value: Any, facts: BaseFacts) -> Any:
    if not isinstance(value, FromBase):
        return value
    fact = facts.literal(value.fact)
    if fact is None:
        raise BaseError(
            f"the {value.fact} of the base image is not known",
            hint="Run `dagger-aml build`, which probes the base image, or use an image of the catalog.",
        )
    return f"{value.before}{fact}{value.after}"


def _literal_layer(layer: LayerOp, known: BaseFacts, facts: Mapping[From, BaseFacts]) -> LayerOp:
    if isinstance(layer, Run):
        user = _literal(layer.user, known)
        if layer.mounts and not _NUMBERS.match(user):
            raise GraphError(f"a command with mounts runs as UID:GID, not as {user!r}", location=layer.name)
        return evolve(
            layer,
            argv=[_literal(word, known) for word in layer.argv],
            user=user,
            env={name: _literal(value, known) for name, value in layer.env.items()},
            touches=None if layer.touches is None else [_literal(path, known) for path in layer.touches],
        )

    def resolved(stage: Graph) -> Graph:
        inner = resolve(stage, facts)
        return evolve(stage, base=inner.base, layers=inner.layers, config=inner.config)

    return evolve(with_stage(layer, resolved), uid=_number(layer.uid, known), gid=_number(layer.gid, known))
