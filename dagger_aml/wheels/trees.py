"""A plan's wheels as trees on this machine: from the cache, else fetched and unpacked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import evolve

from ..events import Message, OnEvent, ignore
from ..fs.digest import digest
from ..graph.graph import Copy, LayerOp
from ..graph.source import Entry, Local
from ..graph.stages import walk, with_stage
from ..graph.wheels import Wheels
from ..plan.model import Plan
from ..policy import DEFAULT, Policy
from .cache import Tree, WheelCache
from .check import check_requirements
from .paths import check_paths, parents
from .store import TreeStore


async def with_trees(
    plan: Plan,
    *,
    fetch: bool = True,
    on_event: OnEvent = ignore,
    policy: Policy = DEFAULT,
    cache: WheelCache | None = None,
) -> Plan:
    """The plan with a tree on this machine in the place of all wheels; it stays as it is where there are none.

    :param fetch: whether what the cache lacks is fetched.
    :param cache: the user's own unless given.
    :raises UsageError: the cache lacks a wheel that may not be fetched.
    :raises ProjectError: a wheel cannot work from a folder; two have one path of different bytes; what one requires
        is neither among them nor in the base.
    :raises RegistryDenied, TransientError, DaggerAmlError: one cannot be fetched.
    """
    copies = [op.layer for op in walk(plan.layers) if isinstance(op.layer, Copy)]
    sources = {each.source: each.dest for each in copies if isinstance(each.source, Wheels)}
    if not sources:
        return plan
    store = TreeStore(cache or WheelCache.of_user(), plan.access, fetch, on_event, policy)
    made = await store.trees(list(sources))
    for dest in dict.fromkeys(sources.values()):
        here = [source for source, each in sources.items() if each == dest]
        packages = [made[source] for source in here]
        check_paths([package.manifest for package in packages])
        _tell(packages, on_event)
        if all(source.checked for source in here):
            check_requirements([each for tree in packages for each in tree.manifest.packages], plan.facts, on_event)
    locals_ = {source: _local(tree, digest(source)) for source, tree in made.items()}
    ops = [evolve(op, layer=_replaced(op.layer, locals_)) for op in plan.ops]
    return evolve(plan, ops=tuple(ops))


def _replaced(layer: LayerOp, trees: Mapping[Wheels, Local]) -> LayerOp:
    if isinstance(layer, Copy) and isinstance(layer.source, Wheels):
        return evolve(layer, source=trees[layer.source])
    return with_stage(layer, lambda stage: evolve(stage, layers=[_replaced(each, trees) for each in stage.layers]))


def _local(tree: Tree, digest: str) -> Local:
    """A tree as any folder of this machine."""
    entries: dict[str, Entry] = {}
    for each in tree.manifest.files:
        for folder in parents(each.path):
            entries.setdefault(folder, Entry(folder, "dir", 0o755, disk_mode=0o755))
        entries[each.path] = Entry(each.path, "file", each.mode, each.size, disk_mode=each.mode)
    return Local(str(tree.path), [entries[path] for path in sorted(entries)], digest=digest)


def _tell(trees: Sequence[Tree], on_event: OnEvent) -> None:
    """Tell what of the wheels is not there, and what lies beside their modules."""
    packages = [each for tree in trees for each in tree.manifest.packages]
    for what, words in (("left_out", "scripts left out of the packages"), ("data", "data files of the packages")):
        found = [f"{each.name}: {', '.join(names[:3])}{' …' if len(names) > 3 else ''}"
                 for each in packages if (names := getattr(each, what))]  # fmt: skip
        if found:
            on_event(Message(f"{words}: {'; '.join(found)}"))
