"""How a rule is declared: a function of facts, with an id, a severity, and a docstring that is its page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..data import frozen
from ..finding import Finding, Severity
from .known import Known

if TYPE_CHECKING:
    from .inputs.kinds import Kind

Check = Callable[..., Iterable[Finding]]

GROUPS = {
    "entry_script": 1,
    "variables": 2,
    "packages": 3,
    "models": 4,
    "code": 5,
    "base": 6,
    "dockerfile": 7,
    "deployment": 8,
    "site_packages": 9,
}
"""The first digit of an id by the file that has the rule, or by what the file's name begins with."""

RETIRED: frozenset[str] = frozenset()
"""Ids of rules that there were once. None of them is ever given to another rule."""


@frozen
class Rule:
    """A registered rule.

    :param id: ``AML`` and three digits, the first of them its group's.
    :param severity: of what it finds, but for errors that are not sure (:attr:`~dagger_aml.finding.Finding.sure`).
    :param check: takes facts by the names of its parameters, and yields findings; their id and severity are put in.
    :param takes: these names. It runs as soon as all of them are known, and not where one of them is None.
    """

    id: str
    severity: Severity
    check: Check
    takes: tuple[str, ...]

    def applies(self, kind: Kind) -> bool:
        """Whether an input of a kind can have all that it takes."""
        return kind.phase(self.takes) is not None

    @property
    def title(self) -> str:
        """The first line of the docstring, without its full stop."""
        return (self.check.__doc__ or self.check.__name__).strip().splitlines()[0].removesuffix(".")

    def run(self, facts: Known) -> list[Finding]:
        """What the rule finds; nothing where one of its facts is missing."""
        given, missing = {}, False
        for name in self.takes:
            given[name] = value = getattr(facts, name, None)
            missing = missing or value is None
        return [] if missing else list(self.check(**given))


RULES: dict[str, Rule] = {}
"""Every rule of the modules that are loaded, by its id; :func:`dagger_aml.check.modules.rules` loads them all."""


def rule(id: str, severity: Severity = "warning") -> Callable[[Check], Check]:
    """Register a function as a rule.

    Its parameters are named as the facts that it takes (:mod:`.facts`, :mod:`.inputs`), and so it applies to every
    kind of input that has them all. The docstring's first line is its title; the rest is its entry in docs/rules.md
    (tools/rules.py says how it is written).

    :param id: new, and of the file's group.
    :raises ValueError: the id is taken, retired, malformed or of another group; a parameter is no fact.
    """

    def registered(check: Check) -> Check:
        takes = check.__code__.co_varnames[: check.__code__.co_argcount]
        made = Rule(id, severity, check, takes)
        if not _are_facts(takes):
            raise ValueError(f"{id} takes what is no fact of any input: {', '.join(takes)}")
        _check_id(id, check.__module__.rpartition(".")[2])
        RULES[id] = made
        return check

    return registered


def _are_facts(takes: tuple[str, ...]) -> bool:
    """Whether an input of some kind can have all of these. The kinds that are loaded are asked first."""
    if _of_one(Known, frozenset(takes)):
        return True
    from .inputs.kinds import KINDS

    return any(each.phase(takes) is not None for each in KINDS)


def _of_one(known: type[Known], takes: frozenset[str]) -> bool:
    return known.names() >= takes or any(_of_one(each, takes) for each in known.__subclasses__())


def _check_id(id: str, module: str) -> None:
    if id in RULES or id in RETIRED:
        raise ValueError(f"{id} is taken")
    group = next((digit for name, digit in GROUPS.items() if module.startswith(name)), None)
    digits = id.removeprefix(f"AML{group}")
    if len(digits) != 2 or not digits.isdecimal():
        raise ValueError(f"{id} does not fit {module}, whose ids are AML{group}00 to AML{group}99")
