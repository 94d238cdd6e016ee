"""``score``: numbers within a tolerance, and what a request's file holds."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import anyio
import pytest

from dagger_aml import Options, UsageError, lay_out, load_project
from dagger_aml.serving.answer import EXACT, Tolerance, compare, compare_text
from dagger_aml.serving.http import content_type
from dagger_aml.serving.smoke import as_expected, default_smoke
from tests.support.cases import for_each
from tests.support.projects import SCORE, make
from tests.support.servers import answering

NEAR = Tolerance(1e-6)


@for_each(
    ("got", "expected", "tolerance", "inexact", "said"),
    [
        ("[241.28780000000003]", "[241.2878]", NEAR, 1, None),
        ("[241.28780000000003]", "[241.2878]", EXACT, 0, "$[0] is 241.28780000000003, expected 241.2878"),
        ("[1.0, [2.5, [0.30000000000000004]]]", "[1, [2.5, [0.3]]]", NEAR, 1, None),
        ("[1.001]", "[1.0]", NEAR, 0, "$[0] is 1.001, expected 1.0"),
        ("[1.001]", "[1.0]", Tolerance(1e-2), 1, None),
        ("[1e-12]", "[0.0]", NEAR, 0, "$[0] is 1e-12, expected 0.0"),
        ("[1e-12]", "[0]", Tolerance(1e-6, 1e-9), 1, None),
        ("1", "1.0", NEAR, 0, None),
        ("1.0000001", "1", NEAR, 1, None),
        ("1000001", "1000000", NEAR, 0, "$ is 1000001, expected 1000000"),
        ("[NaN, Infinity, -Infinity]", "[NaN, Infinity, -Infinity]", NEAR, 0, None),
        ("NaN", "1.0", NEAR, 0, "$ is NaN, expected 1.0"),
        ("1.0", "NaN", NEAR, 0, "$ is 1.0, expected NaN"),
        ("Infinity", "-Infinity", NEAR, 0, "$ is Infinity, expected -Infinity"),
        ("1e308", "Infinity", Tolerance(0.5, 1e308), 0, "$ is 1e+308, expected Infinity"),
        (f"1{'0' * 400}", "1.5", NEAR, 0, f"$ is {'1' + '0' * 118}…, expected 1.5"),
        ('"1"', "1", NEAR, 0, '$ is "1", expected 1'),
        ('"NaN"', "NaN", NEAR, 0, '$ is "NaN", expected NaN'),
        ("true", "1", NEAR, 0, "$ is true, expected 1"),
        ("null", "NaN", NEAR, 0, "$ is null, expected NaN"),
        ('{"a": 1.0}', '{"a": 1.0, "b": NaN}', NEAR, 0, "$.b is missing, expected NaN"),
    ],
)
def test_numbers_within_a_tolerance(
    got: str, expected: str, tolerance: Tolerance, inexact: int, said: str | None
) -> None:
    found = compare_text(got, expected, tolerance)
    assert (found.difference, found.inexact) == (said, inexact)


def test_that_a_tolerance_was_needed_is_told() -> None:
    found = compare({"a": [1.0, 2.0000001, 3.0000001]}, {"a": [1, 2.0, 3.0]}, Tolerance(1e-6, 1e-9))
    assert as_expected(found, Tolerance(1e-6, 1e-9), " (answer.json)") == (
        "the answer is the expected one (answer.json) within rtol 1e-06, atol 1e-09: 2 numbers are not exactly "
        "equal; $.a[1] is 2.0000001, expected 2.0"
    )
    assert as_expected(compare(1, 1), NEAR) == "the answer is the expected one"


@for_each(
    ("name", "kind"),
    [("a.csv", "text/csv"), ("a.CSV", "text/csv"), ("a.json", "application/json"), ("a", "application/json"),
     ("a.png", "image/png"), ("a.parquet", "application/vnd.apache.parquet"), ("a.other", "application/json")],
)  # fmt: skip
def test_what_a_file_holds_is_the_same_on_every_machine(
    name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mimetypes.guess_type", lambda *_, **__: ("x/y", None))
    assert content_type(Path(name)) == kind


class Scoring(BaseHTTPRequestHandler):
    """Answers with what it was asked, or with a fixed text."""

    answer = ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kinds, extra = self.headers.get_all("Content-Type"), self.headers.get("X-Mine")
        text = self.answer or json.dumps({"kinds": kinds, "mine": extra, "body": body.decode()})
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("flags", "name", "kind"),
    [
        ([], "r.csv", "text/csv"),
        (["-H", "Content-Type: application/x-mine"], "r.csv", "application/x-mine"),
        (["-H", "content-type:text/csv", "-H", "X-Mine: 1"], "r.json", "text/csv"),
    ],
)
def test_the_content_type_that_is_given_is_sent(
    flags: list[str], name: str, kind: str, tmp_path: Path, cli: Any
) -> None:
    (tmp_path / name).write_text("a,b\n")
    server = HTTPServer(("127.0.0.1", 0), Scoring)
    with answering(server):
        url = f"http://127.0.0.1:{server.server_port}"
        code, out, err = cli("score", url, "--request", tmp_path / name, "--json", *flags)
    assert code == 0, err
    body = json.loads(out)["body"]
    assert body["kinds"] == [kind] and body["mine"] == ("1" if "X-Mine: 1" in flags else None)


def test_score_with_a_tolerance(tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scoring, "answer", '{"y": [0.30000000000000004, NaN]}')
    (tmp_path / "request.json").write_text("{}")
    (tmp_path / "answer.json").write_text('{"y": [0.3, NaN]}')
    server = HTTPServer(("127.0.0.1", 0), Scoring)
    files = ("--request", tmp_path / "request.json", "--expect", tmp_path / "answer.json")
    with answering(server):
        url = f"http://127.0.0.1:{server.server_port}"
        code, out, _ = cli("score", url, *files)
        assert code == 0 and "within rtol 1e-06: 1 number is not exactly equal; $.y[0] is 0.30000000000000004" in out
        code, out, _ = cli("score", url, *files, "--rtol", "0")
        assert code == 1 and "$.y[0] is 0.30000000000000004, expected 0.3" in out
        code, out, _ = cli("score", url, *files, "--json")
        said = json.loads(out)
        assert (said["as_expected"], said["difference"], said["tolerance"]) == (
            True,
            None,
            {"rtol": 1e-6, "atol": 0.0},
        )
        assert said["inexact"]["numbers"] == 1
        for wrong in ("nan", "inf", "-1"):
            assert cli("score", url, *files, "--rtol", wrong)[0] == 2


def test_the_projects_tolerance(tmp_path: Path) -> None:
    root = make(tmp_path / "p", {"code/score.py": SCORE, "request.json": "{}"})
    plain = load_project(root, Options(base="minimal-py312-inference"))
    assert (plain.rtol, plain.atol) == (1e-6, 0.0)
    (root / "dagger-aml.toml").write_text("[score]\nrtol = 1\natol = 1e-9\n")
    found = load_project(root, Options(base="minimal-py312-inference"))
    assert (found.rtol, found.atol, found.origins["atol"]) == (1.0, 1e-9, "dagger-aml.toml:3")
    smoke, _ = default_smoke(found, anyio.run(lay_out, found), None, push=True)
    assert smoke and (smoke.rtol, smoke.atol) == (1.0, 1e-9)
    for wrong in ("-1", "inf", "nan"):
        (root / "dagger-aml.toml").write_text(f"[score]\nrtol = {wrong}\n")
        with pytest.raises(UsageError, match=r"dagger-aml.toml:2: score.rtol: must be 0 or more"):
            load_project(root, Options(base="minimal-py312-inference"))


def test_only_a_content_type_is_for_an_image(tmp_path: Path, cli: Any) -> None:
    (tmp_path / "request.json").write_text("{}")
    code, _, err = cli("score", "acme/x:1", "--request", tmp_path / "request.json", "-H", "X-Mine: 1")
    assert code == 2 and "headers can be sent only to a URL" in err
