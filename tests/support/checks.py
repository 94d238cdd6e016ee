"""``dagger-aml check`` in this process, and what it says as JSON."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner, Result

from dagger_aml.cli.main import cli


def check(*words: str) -> Result:
    """Call it with these words."""
    return CliRunner().invoke(cli, ["check", *words])


def found(*words: str) -> dict[str, Any]:
    """What it says."""
    data: dict[str, Any] = json.loads(check(*words, "--output-format", "json").stdout)
    return data


def ids(*words: str) -> list[str]:
    """The ids of what it finds."""
    return [each["id"] for each in found(*words)["findings"]]
