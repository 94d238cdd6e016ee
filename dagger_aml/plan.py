"""From a graph to a plan: resolve, schedule, fingerprint. Pure functions, with the reasons that they found.

    graph ── resolve (facts of the base) ──▶ literals only ── schedule ──▶ Plan

The plan is the only thing that back ends, the ``plan`` command and the fingerprint see.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import evolve, field, frozen

from .access import Access
from .content import digest, is_file, written
from .errors import BaseError, GraphError
from .facts import BaseFacts, PathFact, prefixes
from .graph import Built, Config, Copy, Empty, From, FromBase, Given, Graph, Layer, Local, Need, Run
from .plan_label import PLAN_LABEL, StepKey, fits, write_label
from .version import __version__

_NUMBERS = re.compile(r"[0-9]+:[0-9]+\Z")
_MOST_LINKS = 40
"""As many as Linux follows."""

SCHEMA = 1
"""Number of the fingerprint's and the plan JSON's form; raised when either changes its meaning."""

ENCODING = 1
"""Number of the way in which back ends carry ops out; raised when the same graph would give another image."""

BASE_NAME_LABEL = "org.opencontainers.image.base.name"
BASE_DIGEST_LABEL = "org.opencontainers.image.base.digest"
VERSION_LABEL = "io.dagger-aml.version"


@frozen
class Step:
    """One layer op of a plan and why it stands where it does."""

    layer: Layer
    why: str

    @property
    def name(self) -> str:
        """The name shown for it, such as ``apt libgomp1``."""
        return self.layer.step


@frozen
class Plan:
    """The scheduled, resolved graph: literals only.

    :param base: pinned by digest in everything that ``build`` makes.
    :param facts: what the plan took for true of the base, and whether it was assumed or asked.
    :param steps: the layer ops in the order in which they are made.
    :param config: what the image says; the labels of base and version included.
    :param access: how its commands reach what they install from; of it, a back end sees proxies and what to hide.
    :param notes: what the user should know.
    """

    base: From
    facts: BaseFacts
    steps: tuple[Step, ...]
    config: Config
    notes: tuple[str, ...] = field(default=(), eq=False)
    access: Access = field(factory=Access, eq=False)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layer ops in order."""
        return tuple(step.layer for step in self.steps)

    @property
    def engine_part(self) -> tuple[Layer, ...]:
        """All runs, and the copies that may not come after one: what only a builder can make."""
        return tuple(self.layers[index] for index in sorted(self._engine_indices))

    @property
    def file_layers(self) -> tuple[Copy, ...]:
        """The copies that no run reads: files and nothing else, which may all come after the engine part."""
        engine = self._engine_indices
        return tuple(
            layer for index, layer in enumerate(self.layers) if index not in engine and isinstance(layer, Copy)
        )

    @property
    def _engine_indices(self) -> set[int]:
        """Runs, and what may not change places with a later one of these, however indirectly."""
        found: set[int] = set()
        links = _links(self.layers, self.facts)
        for index in reversed(range(len(self.layers))):
            layer = self.layers[index]
            if isinstance(layer, Run) or any(
                _conflict(layer, self.layers[each], self.facts, links) for each in found
            ):
                found.add(index)
        return found


# --- resolve ------------------------------------------------------------------------------------------------------


def asked_paths(graph: Graph) -> tuple[str, ...]:
    """The image paths whose facts :func:`resolve` and :func:`schedule` read.

    Every prefix of every destination and of what runs touch, and every copied path.
    """
    found: set[str] = set()
    for layer in graph.layers:
        if isinstance(layer, Run):
            for path in (layer.workdir, *(each for each in layer.touches or () if isinstance(each, str))):
                found.update(prefixes(path))
            continue
        found.update(prefixes(layer.dest))
        found.update(path for path, _ in written(layer))
        if isinstance(layer.source, Built):
            found.update(asked_paths(layer.source.graph))
    if graph.config.workdir:
        found.update(prefixes(graph.config.workdir))
    return tuple(sorted(found - {"/"}))


def resolve(graph: Graph, facts: Mapping[From, BaseFacts]) -> Graph:
    """The graph with literals for every placeholder and destinations freed of the base's symlinks.

    :param facts: of the graph's base and of the base of every stage in it.
    :raises BaseError: the base has not what the graph needs, or ONBUILD, or a VOLUME that a run touches.
    :raises GraphError: a destination that no builder treats alike (builders' facts 6 to 8 and 28).
    """
    base = graph.from_
    known = facts[base]
    if known.onbuild:
        raise BaseError(
            "the base has ONBUILD triggers, which builders treat differently",
            where=base.pinned,
            do="Base on an image without them: " + "; ".join(known.onbuild),
        )
    notes = list(graph.notes)
    for need in graph.needs:
        is_now = known.literal(need.fact)
        if is_now is None:
            why = _literal(need.why, known)
            notes.append(f"it may be, and only the base itself can tell, that {why}. {need.do}")
        elif not _meets(need, is_now):
            raise BaseError(_literal(need.why, known), where=base.pinned, do=need.do)
    _check_facts(base, known)
    layers = [_literal_layer(layer, known, facts) for layer in graph.layers]
    layers = _with_workdirs(layers, graph.config.workdir, known)
    links = _links((), known)
    layers = [_freed_of_links(layer, links) if isinstance(layer, Copy) else layer for layer in layers]
    _check_volumes(base, layers, known)
    _check_destinations(layers, known)
    env = {name: str(_literal(value, known)) for name, value in graph.config.env.items()}
    user = None if graph.config.user is None else str(_literal(graph.config.user, known))
    labels = {VERSION_LABEL: __version__, **graph.config.labels}
    if not isinstance(base, Given):
        labels = {BASE_NAME_LABEL: base.reference, **labels}
    if base.digest:
        labels[BASE_DIGEST_LABEL] = base.digest
    config = evolve(graph.config, env=env, user=user, labels=labels)
    command = config.cmd is not None or config.entrypoint is not None
    notes += known.remarks(user=user is not None, command=command, env=env)
    return evolve(graph, layers=layers, config=config, needs=(), notes=notes)


def _meets(need: Need, is_now: object) -> bool:
    """Whether a base has what is needed. Its Python is known without the last number: any of these may be meant."""
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
            f"the base's config cannot be carried over: {error.what}", where=base.pinned, do="Take another base."
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
            f"not known of the base: its {value.fact}",
            do="`dagger-aml build` asks the base; or take one of the catalog.",
        )
    return f"{value.before}{fact}{value.after}"


def _literal_layer(layer: Layer, known: BaseFacts, facts: Mapping[From, BaseFacts]) -> Layer:
    if isinstance(layer, Run):
        user = _literal(layer.user, known)
        if layer.mounts and not _NUMBERS.match(user):
            raise GraphError(f"a command with mounts runs as UID:GID, not as {user!r}", where=layer.step)
        return evolve(
            layer,
            argv=[_literal(word, known) for word in layer.argv],
            user=user,
            env={name: _literal(value, known) for name, value in layer.env.items()},
            touches=None if layer.touches is None else [_literal(path, known) for path in layer.touches],
        )
    source = layer.source
    if isinstance(source, Built):
        inner = resolve(source.graph, facts)
        source = evolve(source, graph=evolve(source.graph, base=inner.base, layers=inner.layers, config=inner.config))
    return evolve(layer, source=source, uid=_number(layer.uid, known), gid=_number(layer.gid, known))


def _with_workdirs(layers: list[Layer], workdir: str | None, facts: BaseFacts) -> list[Layer]:
    """The layers, each working directory that the base lacks made first, as root's.

    Left to the builders, one makes it for root, another for the user of the moment, a third not at all (builders'
    facts 15).
    """
    found: list[Layer] = []
    for layer in (*layers, workdir):
        path = layer.workdir if isinstance(layer, Run) else layer if isinstance(layer, str) else None
        there = facts.path(path) if path else None
        if there and (there.type in ("file", "other") or (there.type == "link" and not there.target)):
            raise GraphError(f"the working directory {path} is a {there.type} of the base, not a folder")
        if path and path != "/" and not there and not any(_makes_folder(each, path) for each in found):
            found.append(Copy(Empty(), path, "tree", step=f"working directory {path}"))
        if layer is not None and not isinstance(layer, str):
            found.append(layer)
    return found


def _makes_folder(layer: Layer, path: str) -> bool:
    if isinstance(layer, Run):
        return False
    return (path, "dir") in written(layer) or path in prefixes(posixpath.dirname(layer.dest))


def _freed_of_links(copy: Copy, links: Mapping[str, str]) -> Copy:
    """Resolve a destination through the base's links, or refuse it (builders' facts 7 and 28)."""
    folder, name = (copy.dest, "") if copy.kind == "tree" else posixpath.split(copy.dest)
    path, broken = _followed(folder, links)
    if broken:
        raise GraphError(f"the destination goes through a link that leads nowhere: {broken}", where=copy.step)
    return copy if path == folder else evolve(copy, dest=posixpath.join(path, name) if name else path)


def _check_volumes(base: From, layers: list[Layer], facts: BaseFacts) -> None:
    if not facts.volumes:
        return
    links = _links(layers, facts)
    for volume in facts.volumes:
        for layer in layers:
            touched = _touched(layer, links) if isinstance(layer, Run) else ()
            if touched is None or any(_overlap(volume, path) for path in touched):
                raise BaseError(
                    f"the base declares VOLUME {volume} and the step may write there; some builders lose such writes",
                    where=layer.step,
                    do=f"Base on an image without that VOLUME ({base.pinned}), or leave the step out.",
                )


def _check_destinations(layers: list[Layer], facts: BaseFacts) -> None:
    seen: dict[str, str] = {path: fact.type for path, fact in facts.paths.items()}
    ends = _links((), facts)
    stages: list[str] = []
    for layer in layers:
        if isinstance(layer, Run):
            continue
        if isinstance(layer.source, Local) and is_file(layer.source) != (layer.kind == "file"):
            raise GraphError(
                f"kind is {layer.kind!r}, but the source is a {'file' if layer.kind == 'tree' else 'folder'}",
                where=layer.step,
            )
        folder = layer.dest if layer.kind == "tree" else posixpath.dirname(layer.dest)
        _check_setgid(layer, folder, seen, facts)
        _check_stages(layer, seen, stages)
        for prefix in prefixes(posixpath.dirname(layer.dest)):
            if seen.setdefault(prefix, "dir") != "dir":
                raise GraphError(f"{prefix} is a {seen[prefix]}, not a folder", where=layer.step)
        links = _link_ends(layer)
        for path, type_ in written(layer):
            before = seen.get(path)
            if before == "link" and type_ != "dir" and (not ends.get(path) or _loops(path, ends)):
                raise GraphError(
                    f"{path} is a link already, leads nowhere, and would become a {type_}; not all builders do that",
                    where=layer.step,
                    do="Rename it, or put the part elsewhere.",
                )
            if before == "link" and type_ != "dir" and seen.get(ends.get(path, "")) == "dir":
                raise GraphError(
                    f"{path} is a link to a folder already and would become a {type_}; not all builders do that",
                    where=layer.step,
                    do="Rename it, or put the part elsewhere.",
                )
            if before and before != type_ and ("dir" in (before, type_) or "other" in (before, type_)):
                raise GraphError(
                    f"{path} is a {before} already and would become a {type_}; builders treat that differently",
                    where=layer.step,
                    do="Rename it, or put the part elsewhere.",
                )
            seen[path] = type_
        ends |= links
        if isinstance(layer.source, Built):
            stages.append(layer.dest)


def _check_stages(copy: Copy, seen: Mapping[str, str], stages: list[str]) -> None:
    """Refuse what puts a stage's files, which nobody knows before they are made, over others, or others over them.

    A folder over a link, say, is written through it by one builder, replaces it by another, and is an error to a
    third (builders' facts 8).
    """
    if isinstance(copy.source, Built) and (copy.dest == "/" or copy.dest in seen):
        raise GraphError(
            f"{copy.dest} is there already, and what a stage would put over it is not known before it is built",
            where=copy.step,
            do="Copy it into a new folder; from there a command of the image can move it.",
        )
    for path, _ in written(copy):
        if any(path.startswith(f"{stage}/") for stage in stages):
            raise GraphError(
                f"{path} lies in a folder that comes from a stage, and what is there is not known before it is built",
                where=copy.step,
                do="Copy it elsewhere, or put it into the stage.",
            )


def _loops(path: str, ends: Mapping[str, str]) -> bool:
    """Whether a link leads to itself, at last."""
    hops = 0
    while path in ends and hops <= _MOST_LINKS:
        path, hops = ends[path], hops + 1
    return hops > _MOST_LINKS


def _link_ends(copy: Copy) -> dict[str, str]:
    """Where the links of a copied folder lead; none leads out of it."""
    if not isinstance(copy.source, Local) or copy.kind == "file":
        return {}
    links = {posixpath.join(copy.dest, each.path): each.target for each in copy.source.entries if each.type == "link"}
    return {path: posixpath.normpath(posixpath.join(posixpath.dirname(path), end)) for path, end in links.items()}


def _check_setgid(copy: Copy, folder: str, seen: Mapping[str, str], facts: BaseFacts) -> None:
    """Refuse new folders in one with the setgid bit: some builders pass bit and group on to them."""
    new = next((prefix for prefix in prefixes(folder) if prefix not in seen), None)
    above = facts.path(posixpath.dirname(new)) if new else None
    if above and above.type == "dir" and above.mode & 0o2000:
        raise GraphError(
            f"{new} would be a new folder in one with the setgid bit, which some builders pass on and others do not",
            where=copy.step,
            do="Put the part elsewhere, or make the folder by a command first.",
        )


# --- schedule -----------------------------------------------------------------------------------------------------


def schedule(graph: Graph, facts: BaseFacts) -> tuple[Step, ...]:
    """Order the layers of a resolved graph: runs, then what changes rarely, then what changes often.

    Two ops change places only if neither writes what the other reads or writes; a run without ``touches`` changes
    places with nothing. The image is the same in any order this gives (the design's law 4).
    """
    layers = graph.layers
    links = _links(layers, facts)
    before: list[dict[int, str]] = [
        {earlier: why for earlier in range(index) if (why := _conflict(layers[earlier], layers[index], facts, links))}
        for index in range(len(layers))
    ]
    order: list[int] = []
    reasons: dict[int, str] = {}

    def emit(index: int, reason: str) -> None:
        for earlier, why in before[index].items():
            if earlier not in reasons:
                emit(earlier, f"before {layers[index].step!r}: {why}")
        reasons[index] = reason
        order.append(index)

    for index, layer in enumerate(layers):
        if isinstance(layer, Run) and index not in reasons:
            emit(index, "runs a command: before what is only copied")
    copies = [index for index in range(len(layers)) if index not in reasons]
    for index in sorted(copies, key=lambda index: (_often(layers[index]), index)):
        if index not in reasons:
            kept = [f"after {layers[earlier].step!r}: {why}" for earlier, why in before[index].items()]
            often = "changes often: last, so that a change of it redoes nothing else"
            rarely = "changes rarely: before what changes often"
            emit(index, "; ".join([often if _often(layers[index]) else rarely, *kept]))
    return tuple(Step(layers[index], reasons[index]) for index in order)


def _often(layer: Layer) -> bool:
    return isinstance(layer, Copy) and layer.changes == "often"


def _conflict(one: Layer, two: Layer, facts: BaseFacts, links: Mapping[str, str]) -> str | None:
    """Why two ops may not change places, or None."""
    if isinstance(one, Run) and isinstance(two, Run):
        return "commands keep their order"
    if isinstance(one, Run) or isinstance(two, Run):
        run, copy = (one, two) if isinstance(one, Run) else (two, one)
        assert isinstance(run, Run)
        if run.touches is None:
            return f"{run.step!r} may read or write anything"
        assert isinstance(copy, Copy)
        return f"{run.step!r} may read or write there" if _touches(run, copy, facts, links) else None
    assert isinstance(one, Copy) and isinstance(two, Copy)
    shared = _shared_path(one, two, facts)
    return f"both write {shared}" if shared else None


def _shared_path(one: Copy, two: Copy, facts: BaseFacts) -> str | None:
    sets = []
    for copy in (one, two):
        made = {path for path, type_ in written(copy) if not (path == copy.dest and _keeps_root(copy, facts))}
        parents = {p for p in prefixes(posixpath.dirname(copy.dest)) if facts.path(p) is None}
        sets.append((made, parents, f"{copy.dest}/" if isinstance(copy.source, Built) else None))
    (made_a, parents_a, beneath_a), (made_b, parents_b, beneath_b) = sets
    shared = (made_a & made_b) | (made_a & parents_b) | (parents_a & made_b)
    if beneath_a and beneath_b and _overlap(one.dest, two.dest):
        shared.add(max(one.dest, two.dest))
    for beneath, others in ((beneath_a, made_b | parents_b), (beneath_b, made_a | parents_a)):
        if beneath:
            shared |= {path for path in others if path.startswith(beneath)}
    return min(shared) if shared else None


def _keeps_root(copy: Copy, facts: BaseFacts) -> bool:
    fact: PathFact | None = facts.path(copy.dest)
    return copy.kind == "tree" and copy.root is None and fact is not None and fact.type == "dir"


def _touches(run: Run, copy: Copy, facts: BaseFacts, links: Mapping[str, str]) -> bool:
    """Whether a run may read or write what a copy does: its destination, or a parent that it has to make."""
    touched = _touched(run, links)
    if touched is None:
        return True
    made = next((prefix for prefix in prefixes(copy.dest) if facts.path(prefix) is None), copy.dest)
    return any(_overlap(made, path) for path in touched)


def _touched(run: Run, links: Mapping[str, str]) -> tuple[str, ...] | None:
    """What a run may read or write, by its name and by where links lead; None if that may be anything.

    Where it runs is read too, save ``/``, which is always there.
    """
    if run.touches is None:
        return None
    named = (*map(str, run.touches), *([run.workdir] if run.workdir != "/" else []))
    ends = [_followed(path, links) for path in named]
    return None if any(broken for _, broken in ends) else (*named, *(end for end, _ in ends))


def _links(layers: Iterable[Layer], facts: BaseFacts) -> dict[str, str]:
    """The links of the base and of copied folders, and where they lead; nowhere if that is not known."""
    found = {path: fact.target for path, fact in facts.paths.items() if fact.type == "link"}
    for layer in layers:
        if isinstance(layer, Copy):
            found |= _link_ends(layer)
    return found


def _followed(path: str, links: Mapping[str, str]) -> tuple[str, str | None]:
    """A path freed of links, and the link at which that came to nothing or to a circle."""
    hops = 0
    while via := next((prefix for prefix in prefixes(path) if prefix in links), None):
        if not links[via] or hops > _MOST_LINKS:
            return path, via
        path, hops = links[via].rstrip("/") + path[len(via) :] or "/", hops + 1
    return path, None


def _overlap(one: str, two: str) -> bool:
    one, two = one.rstrip("/") + "/", two.rstrip("/") + "/"
    return one.startswith(two) or two.startswith(one)


# --- plan and fingerprint -----------------------------------------------------------------------------------------


def plan(graph: Graph, facts: Mapping[From, BaseFacts]) -> Plan:
    """Resolve and schedule a graph. Raises what :func:`resolve` raises."""
    resolved = _with_stages_scheduled(resolve(graph, facts), facts)
    base = resolved.from_
    steps = schedule(resolved, facts[base])
    notes = resolved.notes
    if not fits((_step_key(step.layer, "") for step in steps), ENCODING):
        notes += (f"the image bears no label {PLAN_LABEL}: what tells of its {len(steps)} steps is too long for it",)
    return Plan(base, facts[base], steps, resolved.config, notes, resolved.access)


def _with_stages_scheduled(graph: Graph, facts: Mapping[From, BaseFacts]) -> Graph:
    """The graph with the layers of its stages in the order in which they are made."""
    layers: list[Layer] = []
    for layer in graph.layers:
        if isinstance(layer, Copy) and isinstance(layer.source, Built):
            inner = _with_stages_scheduled(layer.source.graph, facts)
            inner = evolve(inner, layers=[step.layer for step in schedule(inner, facts[inner.from_])])
            layer = evolve(layer, source=evolve(layer.source, graph=inner))
        layers.append(layer)
    return evolve(graph, layers=layers)


def bases(graph: Graph) -> tuple[From, ...]:
    """Every base of a graph: its own and those of its stages."""
    found = [graph.from_]
    for layer in graph.layers:
        if isinstance(layer, Copy) and isinstance(layer.source, Built):
            found += bases(layer.source.graph)
    return tuple(dict.fromkeys(found))


def based_on(graph: Graph, base: From, *, old: From | None = None) -> Graph:
    """The graph on another base, in place of its own or of none; stages on its own base move with it.

    :param old: the base that is replaced wherever it stands, if that is not the graph's own.
    """
    return _moved(graph, old or graph.base, base)


def _moved(graph: Graph, old: From | None, new: From) -> Graph:
    layers = [
        evolve(layer, source=evolve(layer.source, graph=_moved(layer.source.graph, old, new)))
        if isinstance(layer, Copy) and isinstance(layer.source, Built)
        else layer
        for layer in graph.layers
    ]
    return evolve(graph, base=new if graph.base == old else graph.base, layers=layers)


def pin(graph: Graph, digests: Mapping[From, str | None]) -> Graph:
    """The graph with its base, and those of its stages, pinned to the digests given."""
    base = graph.from_
    digest_ = digests.get(base)
    layers = [
        evolve(layer, source=evolve(layer.source, graph=pin(layer.source.graph, digests)))
        if isinstance(layer, Copy) and isinstance(layer.source, Built)
        else layer
        for layer in graph.layers
    ]
    return evolve(graph, base=evolve(base, digest=digest_) if digest_ else base, layers=layers)


def fingerprint(plan: Plan) -> str:
    """``sha256:…`` of what runs: its inputs, not its bytes (the design's law 7).

    Two plans with the same fingerprint need the same engine-built image beneath their file layers. Labels, the final
    environment, code and models are not in it.
    """
    runs = list(_canonical(plan.engine_part))
    return _sha256(
        {
            "schema": SCHEMA,
            "encoding": ENCODING,
            "base": _base_key(plan.base),
            "platform": plan.base.platform,
            "runs": runs,
        }
    )


def step_keys(plan: Plan) -> tuple[StepKey, ...]:
    """Each step with a digest of what it is made of, what lies beneath apart; reads every byte that is copied."""
    return tuple(_step_key(layer, _sha256(next(_canonical((layer,))))) for layer in plan.layers)


def _step_key(layer: Layer, digest: str) -> StepKey:
    return StepKey(layer.step, layer.dest if isinstance(layer, Copy) else "", digest)


def labels(plan: Plan) -> dict[str, str]:
    """The labels that the image gets: those of its config, and what tells of its steps.

    The latter is not in the plan's config, since it takes the digest of every byte; one that is there already stays.
    """
    text = None if PLAN_LABEL in plan.config.labels else write_label(step_keys(plan), ENCODING)
    return {**plan.config.labels, **({PLAN_LABEL: text} if text else {})}


def _base_key(base: From) -> str:
    return base.digest or (base.archive and base.archive.image_id) or f"unpinned {base.reference}"


def _canonical(layers: tuple[Layer, ...]) -> Iterator[dict[str, Any]]:
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
                "copy": _source_key(layer),
                "dest": layer.dest,
                "kind": layer.kind,
                "owner": [layer.uid, layer.gid],
                "root": None if layer.root is None else [layer.root.uid, layer.root.gid, layer.root.mode],
            }


def _source_key(copy: Copy) -> Any:
    source = copy.source
    if isinstance(source, Built):
        inner = source.graph
        return {
            "base": _base_key(inner.from_),
            "platform": inner.from_.platform,
            "layers": list(_canonical(inner.layers)),
            "path": source.path,
        }
    return digest(source)


def _sha256(value: Any) -> str:
    return "sha256:" + hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
