"""Help in which the flags of the command itself come first, and those of a project's settings after them."""

from __future__ import annotations

import click

_TITLE = "Options of the project, which its dagger-aml.toml may say too"


class ProjectOption(click.Option):
    """The flag of a project's setting."""


class Sectioned(click.Command):
    """A command with flags of its own and of a project: thirty of the latter would hide ``--push`` and its like."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write both sections."""
        own: list[tuple[str, str]] = []
        of_project: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            row = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if row:
                (of_project if isinstance(param, ProjectOption) else own).append(row)
        for title, rows in (("Options", own), (_TITLE, of_project)):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
