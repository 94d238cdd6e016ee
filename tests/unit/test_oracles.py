"""What the nightly tests compare with, and that it is told plainly where that cannot be had."""

from __future__ import annotations

import sys
import urllib.error
from typing import Any, NoReturn

import pytest

from tools import oracles


def test_a_file_that_cannot_be_fetched_is_told_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    def unreachable(url: str, timeout: float) -> NoReturn:
        raise urllib.error.URLError("no such host")

    monkeypatch.setattr(oracles, "HERE", tmp_path)
    monkeypatch.setattr(oracles, "make", lambda name: tmp_path / name)
    monkeypatch.setattr(oracles.urllib.request, "urlopen", unreachable)
    for files in oracles.FILES.values():
        for file, _ in files:
            monkeypatch.delenv(file.variable, raising=False)
    monkeypatch.setattr(sys, "argv", ["oracles", "check-jsonschema", "mlflow"])
    with pytest.raises(SystemExit) as ended:
        oracles.main()
    lines = str(ended.value.code).splitlines()
    assert len(lines) == 2 and all(each.startswith("oracles - not fetched: ") for each in lines)
    assert all("no such host" in each for each in lines)
    assert "$SARIF_SCHEMA" in lines[0] and oracles.SARIF.url in lines[0] and "$MLFLOW_ORACLE_SCRIPT" in lines[1]


def test_an_environment_without_files_is_made_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(oracles, "make", lambda name: tmp_path / name)
    monkeypatch.setattr(oracles, "fetch", lambda file: pytest.fail("nothing is fetched for it"))
    monkeypatch.setattr(sys, "argv", ["oracles", "azure-ai-ml"])
    oracles.main()
