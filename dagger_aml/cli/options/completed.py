"""What a shell offers for the value of a project's setting. Each is looked up when a shell asks, and not before."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

from ...project.setting import Setting

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Complete = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]


def completed(record: Setting) -> Complete:
    """What completes the value of a flag: its choices, the names that it takes, or files."""
    if record.name in _SEVERAL:
        return rule_ids
    names = _NAMES.get(record.name)

    def complete(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        known = names() if names else record.choices
        found = [CompletionItem(name) for name in known if name.startswith(begun)]
        # A recipe or a base may be a file too; a list of names ends where none of them fits.
        return found or ([CompletionItem(begun, type="file")] if "FILE" in (record.metavar or "") or names else [])

    return complete


def rule_ids(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """The ids of rules; behind a comma the next of several."""
    from click.shell_completion import CompletionItem

    before, comma, last = begun.rpartition(",")
    return [CompletionItem(before + comma + id) for id in _rules() if id.startswith(last.upper())]


def _rules() -> Iterable[str]:
    from ...check.modules import rules

    return sorted(rules())


def _bases() -> Iterable[str]:
    from ...base.catalog import IMAGES

    return [each.name for each in IMAGES]


def _recipes() -> Iterable[str]:
    from ...project.recipe import recipe_names

    return recipe_names()


_NAMES: dict[str, Callable[[], Iterable[str]]] = {"base": _bases, "recipe": _recipes}
_SEVERAL = ("ignore", "select", "extend_select")
