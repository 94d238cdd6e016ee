"""``check --output-format sarif`` held against OASIS's own schema, of every kind of input."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from dagger_aml.check.inputs.kinds import kind_of
from tests import corpus
from tests.support.checks import check
from tests.support.depth import depth_of
from tests.support.oracles import fetched, oracle
from tests.support.projects import make
from tools.oracles import SARIF


def _inputs(root: Path) -> list[tuple[list[str], dict[str, str]]]:
    """The words and variables of a call for each case of the corpus, which is laid out; and of what is refused."""
    made: list[tuple[list[str], dict[str, str]]] = [
        ([str(make(root / "refused", {"dagger-aml.toml": "[env\n"}))], {}),
        ([str(root / "nowhere"), str(root / "refused")], {}),
    ]
    for number, case in enumerate((corpus.read(corpus.HERE / "one-of-each.case"), *corpus.cases())):
        folder = root / str(number)
        folder.mkdir()
        for file in case.files:
            file.write(folder)
        made.append(([str(folder / case.input), *case.flags], dict(case.shell)))
    return made


def test_sarif_is_as_its_schema_says(
    tmp_path: Path, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``--depth nightly``: every kind of input, with findings, with silenced ones, and refused."""
    if not depth_of(pytestconfig).every_example:
        pytest.skip(f"{SARIF.name} and check-jsonschema: --depth nightly (./taskw oracles -- check-jsonschema)")
    python, schema = oracle("check-jsonschema", pytestconfig), fetched(SARIF)
    files, kinds = [], set()
    for number, (words, shell) in enumerate(_inputs(tmp_path)):
        more = [] if number % 3 else ["--ignore", "AML"]
        with monkeypatch.context() as context:
            for name, value in shell.items():
                context.setenv(name, value)
            text = check(*words, *more, "--output-format", "sarif").stdout
        if text:
            files.append(tmp_path / f"{number}.sarif")
            files[-1].write_text(text, encoding="utf-8")
            kinds.add(kind_of(words[0]).name)
    runs = [json.loads(each.read_text(encoding="utf-8"))["runs"][0] for each in files]
    results = [len(run["results"]) for run in runs]
    assert len(kinds) == 6 and max(results) > 50 and len(files) > 500
    silenced = {by["kind"] for run in runs for each in run["results"] for by in each["suppressions"]}
    notices = [each for run in runs for each in run["invocations"][0]["toolExecutionNotifications"]]
    assert silenced == {"inSource", "external"} and any("associatedRule" in each for each in notices)
    done = subprocess.run(
        [python, "-m", "check_jsonschema", "--schemafile", schema, *files],
        capture_output=True,
        text=True,
        check=False,
    )
    print(f"{len(files)} files, {sum(results)} findings")
    assert done.returncode == 0, done.stdout + done.stderr
