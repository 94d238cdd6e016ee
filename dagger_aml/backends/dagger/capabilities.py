"""What a Dagger engine can."""

from __future__ import annotations

from ..base import Capabilities

CAPABILITIES = Capabilities(
    name="dagger",
    install="Start Docker, in which the SDK starts an engine, or name one that runs",
    forms=(),
    connects_to_engine=True,
    own_store=False,
    pushes_index=True,
    one_at_a_time=False,
    serves=True,
    leaves_containers=False,
    keeps_base=False,
    offline="with a package index and proxies that do not work (a Dagger engine cannot disable the network)",
)
