"""What packages as files require, looked for among them and in the base: ``pip check`` without running anything."""

from __future__ import annotations

from collections.abc import Sequence

from packaging.utils import canonicalize_name

from ..base.facts import BaseFacts, Distribution
from ..errors import ProjectError
from ..events import Message, OnEvent
from ..plan.fitting import needed_by_server, unmet
from ..text import named
from .manifest import Unpacked

_MOST = 10
"""Lines of an error."""


def check_requirements(packages: Sequence[Unpacked], facts: BaseFacts, on_event: OnEvent) -> None:
    """Refuse packages that require what is not there; tell what of the base they contradict.

    Where it is not known what the base has, only what they require of each other is looked at.

    :raises ProjectError: one requires a version that is not there, or a package that is nowhere.
    """
    own = [Distribution(each.name, each.version, each.requires) for each in packages]
    there = {canonicalize_name(each.name): each.version for each in facts.distributions or ()}
    versions = {**there, **{canonicalize_name(each.name): each.version for each in own}}
    server = needed_by_server(facts)
    if facts.distributions is None:
        found = list(unmet(own, versions, facts, only=versions))
    else:
        found = list(unmet((*own, *server), versions, facts, only=_Anything()))
        before = {id(owner) for owner, _ in unmet(server, there, facts, only=_Anything())}
        found = [each for each in found if id(each[0]) not in before]
    if found:
        lines = [
            f"{owner.name} {owner.version} requires {requirement}, and "
            + (f"{requirement.name} {now} is there" if (now := versions.get(canonicalize_name(requirement.name)))
               else "that is neither in the lock nor in the base image")
            for owner, requirement in found
        ]  # fmt: skip
        shown = lines[:_MOST] + ([f"and {len(lines) - _MOST} more"] if len(lines) > _MOST else [])
        raise ProjectError(
            "the packages do not have what they require",
            hint="\n".join([*shown, f"Lock again, or build without this check: {named('no_pip_check')}."]),
        )
    names = {canonicalize_name(each.name) for each in (*own, *server)}
    others = [each for each in facts.distributions or () if canonicalize_name(each.name) not in names]
    ours = {canonicalize_name(each.name) for each in own}
    at_odds = {(owner.name, str(each)) for owner, each in unmet(others, there, facts, only=ours)}
    now_broken = [
        f"{owner.name} {owner.version} requires {requirement}"
        for owner, requirement in unmet(others, versions, facts, only=ours)
        if (owner.name, str(requirement)) not in at_odds
    ]
    if now_broken:
        on_event(
            Message(
                "the inference server does not need these packages of the base image, which the lock contradicts: "
                + "; ".join(now_broken[:_MOST])
            )
        )


class _Anything:
    """A collection that has everything."""

    def __contains__(self, item: object) -> bool:
        return True
