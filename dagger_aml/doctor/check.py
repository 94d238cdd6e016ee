"""What a check finds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from attrs import field
from attrs.converters import optional

from ..data import frozen
from ..text import redact_urls

State = Literal["ok", "warning", "missing"]
"""``warning``: there, or not needed by all, and worth a look. ``missing``: not there, or of no use."""

AREAS = ("builders", "disk", "logins", "proxies", "certificates")

SCHEMA = 1
"""Of the JSON; a key is never renamed or removed within one."""


def _parts(found: str | Iterable[str]) -> tuple[str, ...]:
    return tuple(redact_urls(each) for each in ([found] if isinstance(found, str) else found))


@frozen
class Check:
    """One thing that was looked at.

    :param area: one of ``AREAS``.
    :param parts: what was found, each a sentence without a final full stop; never a secret.
    :param hint: what can be done about it, one or more lines.
    :param facts: what was measured, for programs: the same keys for every check of an area.
    """

    area: str
    name: str
    state: State
    parts: tuple[str, ...] = field(converter=_parts)
    hint: str | None = field(default=None, converter=optional(redact_urls))
    facts: Mapping[str, Any] = field(factory=dict)

    @property
    def says(self) -> str:
        """What was found, as one sentence."""
        return "; ".join(self.parts)


@frozen
class Diagnosis:
    """All that was found.

    :param versions: of the package, Python, the engine's SDK and the platform.
    """

    checks: tuple[Check, ...]
    versions: Mapping[str, str]

    @property
    def working(self) -> tuple[str, ...]:
        """The builders that can be used now, as ``--with`` names them."""
        return tuple(each.name for each in self.checks if each.area == "builders" and each.facts.get("works"))

    def of(self, area: str) -> tuple[Check, ...]:
        """The checks of one area."""
        return tuple(each for each in self.checks if each.area == area)

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        areas = {
            area: [
                {"name": each.name, "state": each.state, "says": each.says, "hint": each.hint, **each.facts}
                for each in self.of(area)
            ]
            for area in AREAS
        }
        return {"schema": SCHEMA, "working": list(self.working), "versions": dict(self.versions), **areas}
