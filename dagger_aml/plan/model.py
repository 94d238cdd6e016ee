"""The plan: a scheduled, resolved graph, all that back ends see."""

from __future__ import annotations

from attrs import field

from ..base.facts import BaseFacts
from ..data import frozen
from ..finding import Finding
from ..graph.access import Access
from ..graph.base import From, Need
from ..graph.config import Config
from ..graph.graph import Copy, LayerOp, Run
from ..graph.stages import stage_of
from .conflicts import conflict_of
from .links import links_of


@frozen
class Op:
    """One layer op of a plan and why it stands where it does."""

    layer: LayerOp
    why: str

    @property
    def name(self) -> str:
        """The name shown for it, such as ``apt libgomp1``."""
        return self.layer.name


@frozen
class Plan:
    """The scheduled, resolved graph: literals only.

    :param base: pinned by digest in everything that ``build`` makes.
    :param facts: what the plan took for true of the base, and whether it was assumed or asked.
    :param ops: the layer ops in the order in which they are made.
    :param config: what the image says; the labels of base and version included.
    :param unconfirmed: what the base must have, and is not known to have.
    :param access: how its commands reach what they install from; of it, a back end sees proxies and what to hide.
    :param warnings: what the user should know.
    :param silenced: what was found by rules that are ignored.
    """

    base: From
    facts: BaseFacts
    ops: tuple[Op, ...]
    config: Config
    warnings: tuple[Finding, ...] = field(default=(), eq=False)
    silenced: tuple[Finding, ...] = field(default=(), eq=False)
    access: Access = field(factory=Access, eq=False)
    unconfirmed: tuple[Need, ...] = field(default=(), eq=False)

    @property
    def layers(self) -> tuple[LayerOp, ...]:
        """The layer ops in order."""
        return tuple(op.layer for op in self.ops)

    @property
    def engine_part(self) -> tuple[LayerOp, ...]:
        """All runs, copies from stages, and copies that may not come after these: what only a builder can make."""
        return tuple(self.layers[index] for index in sorted(self._engine_indices))

    @property
    def file_layers(self) -> tuple[Copy, ...]:
        """The copies that no run reads: files of this machine and nothing else, which may all come after the rest."""
        engine = self._engine_indices
        return tuple(
            layer for index, layer in enumerate(self.layers) if index not in engine and isinstance(layer, Copy)
        )

    @property
    def _engine_indices(self) -> set[int]:
        """Runs, copies from stages, and what may not change places with a later one of these, however indirectly."""
        found: set[int] = set()
        links = links_of(self.layers, self.facts)
        for index in reversed(range(len(self.layers))):
            layer = self.layers[index]
            if (
                isinstance(layer, Run)
                or stage_of(layer)
                or any(conflict_of(layer, self.layers[each], self.facts, links) for each in found)
            ):
                found.add(index)
        return found
