"""Flags of this one call that several commands take: they have neither a variable nor a key of the project's file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def json_option(help: str = "As JSON.") -> Decorator:
    """``--json``"""
    return click.option("--json", "as_json", is_flag=True, help=help)


def quiet_option(help: str) -> Decorator:
    """``-q``, with what it leaves of the command's output."""
    return click.option("-q", "--quiet", is_flag=True, help=help)


def verbose_option(help: str) -> Decorator:
    """``-v``, with what it adds to the command's output."""
    return click.option("-v", "--verbose", is_flag=True, help=help)


def force_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--force``"""
    text = "Replace FOLDER even if dagger-aml did not write it."
    return click.option("--force", is_flag=True, help=text)(function)


def no_check_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--no-check``"""
    text = "Go on where a rule says that it cannot work: its findings are only printed."
    return click.option("--no-check", is_flag=True, help=text)(function)


def ci_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--ci``"""
    return click.option(
        "--ci",
        type=click.Choice(("auto", "github", "azure", "gitlab", "none")),
        default="none",
        show_default=True,
        help="Also tell GitHub Actions, Azure Pipelines or GitLab what came of it: findings and failures as "
        "annotations, digests as outputs for later steps and jobs, a table of the layers. auto: the one "
        "that runs this, if one does.",
    )(function)
