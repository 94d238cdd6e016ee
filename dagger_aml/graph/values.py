"""Values that the base decides: placeholders until ``resolve`` puts literals in their place."""

from __future__ import annotations

from typing import Any

from attrs import field

from ..data import frozen
from ..errors import GraphError

FACTS = frozenset(
    {"environment", "environment_uid", "environment_gid", "environment_owner", "interpreter", "python", "pip"}
    | {"managed", "user", "uid", "gid", "pythonpath", "extras", "starts"}
    | {"service_user", "service_uid", "service_gid"}
)
"""What a base is asked for by name; :meth:`dagger_aml.base.facts.BaseFacts.literal` gives each."""


def valid_fact(_: Any, attribute: Any, name: Any) -> None:
    """Refuse a name that is none of :data:`FACTS`.

    :raises GraphError: it is none.
    """
    if name not in FACTS:
        raise GraphError(f"unknown property of the base image: {name}")


@frozen
class FromBase:
    """A placeholder for a fact of the base image; ``resolve`` puts a literal in its place.

    :param fact: a name in :data:`FACTS`, such as ``environment``; any other is refused.
    :param before: text put before the fact's value.
    :param after: text put after it.
    """

    fact: str = field(validator=valid_fact)
    before: str = ""
    after: str = ""


Value = str | FromBase


Number = int | FromBase
