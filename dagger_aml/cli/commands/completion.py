"""``dagger-aml completion``"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ..main import cli


@click.command("completion", short_help="Print a completion script for your shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a completion script for SHELL.

    \b
    bash:  eval "$(dagger-aml completion bash)"
    zsh:   eval "$(dagger-aml completion zsh)"
    fish:  dagger-aml completion fish | source
    """
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(cli, {}, "dagger-aml", "_DAGGER_AML_COMPLETE").source())
