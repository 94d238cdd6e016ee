"""Values that the base decides: placeholders until ``resolve`` puts literals in their place."""

from __future__ import annotations

from attrs import frozen


@frozen
class FromBase:
    """A placeholder for a fact of the base image; ``resolve`` puts a literal in its place.

    :param fact: a name in :attr:`dagger_aml.base.facts.BaseFacts.literals`, such as ``environment``.
    :param before: text put before the fact's value.
    :param after: text put after it.
    """

    fact: str
    before: str = ""
    after: str = ""


Value = str | FromBase


Number = int | FromBase
