"""Rules of Dockerfiles where no case of the corpus can say it: places, fixes, modes, secrets, documented files."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dagger_aml.building.examine import examine_input
from dagger_aml.check.inputs.kinds import DOCKERFILE
from dagger_aml.check.inputs.shell import calls
from dagger_aml.check.inputs.stages import built
from dagger_aml.cli.common import at_once
from dagger_aml.cli.main import cli
from dagger_aml.errors import DaggerAmlError
from dagger_aml.project.settings import Options
from tests.support.cases import for_each
from tests.support.depth import depth_of
from tests.support.projects import make

PREFIX = "mcr.microsoft.com/azureml"
BASE = f"FROM {PREFIX}/minimal-py312-inference:latest\n"


def found(root: Path, text: str) -> list[dict[str, Any]]:
    """What is told of a Dockerfile, by its lines."""
    make(root, {"Dockerfile": text})
    said = CliRunner().invoke(cli, ["check", str(root / "Dockerfile"), "--output-format", "json"])
    findings: list[dict[str, Any]] = json.loads(said.stdout)["findings"]
    return sorted(findings, key=lambda each: (each["line"], each["id"]))


def ids(root: Path, text: str) -> list[tuple[str, int]]:
    return [(each["id"], each["line"]) for each in found(root, text)]


# --- the documented files ------------------------------------------------------------------------------------------

PIP = f"""\
FROM {PREFIX}/<image_name>:<tag>
COPY requirements.txt /tmp/requirements.txt
RUN pip install –r /tmp/requirements.txt
"""
APT = """\
FROM <prebuilt docker image from MCR>
USER root:root
RUN apt-get update && \\
    apt-get install -y libpng-tools && \\
    rm -rf /var/lib/apt/lists/*
USER dockeruser
"""
CODE = """\
FROM <prebuilt docker image from MCR>
COPY code /var/azureml-app
ENV AZUREML_ENTRY_SCRIPT=score.py
COPY model /var/azureml-app/azureml-models
ENV AZUREML_MODEL_DIR=/var/azureml-app/azureml-models
"""
WHOLE = f"""\
FROM {PREFIX}/pytorch-1.6-ubuntu18.04-py37-cpu-inference:latest\x20
USER root:root
RUN apt-get update && \\
    apt-get install -y \\
    libpng-tools \\
    python3-opencv && \\
    rm -rf /var/lib/apt/lists/*
USER dockeruser
COPY code /var/azureml-app
ENV AZUREML_ENTRY_SCRIPT=score.py
COPY model /var/azureml-app/azureml-models
ENV AZUREML_MODEL_DIR=/var/azureml-app/azureml-models
"""
PROSE = f"{BASE}ENV AZUREML_EXTRA_REQUIRMENTS_TXT=requirements.txt\n"


@for_each(
    ("text", "told"),
    [
        (PIP, [("AML701", 1), ("AML720", 3)]),
        (APT, [("AML701", 1)]),
        (CODE, [("AML701", 1)]),
        (WHOLE, [("AML702", 1), ("AML320", 6)]),
        (PROSE, [("AML201", 2)]),
        (WHOLE.replace("USER dockeruser\n", ""), [("AML702", 1), ("AML710", 2), ("AML320", 6)]),
        (WHOLE.replace("USER root:root\n", ""), [("AML702", 1), ("AML711", 2), ("AML320", 5)]),
        (
            WHOLE.replace("COPY code /var/azureml-app", "COPY code /app"),
            [("AML702", 1), ("AML320", 6), ("AML730", 9)],
        ),
    ],
)
def test_what_is_wrong_with_the_documented_files(tmp_path: Path, text: str, told: list[tuple[str, int]]) -> None:
    assert ids(tmp_path, text) == told


# --- places and fixes ---------------------------------------------------------------------------------------------


@for_each(
    ("text", "line", "marked"),
    [
        (f"{BASE}RUN pip install six==1.17.0 && \\\n  # why\n\n  pip install –r x\n", 5, "–r"),
        (
            f"{BASE}USER root\nRUN apt-get install -y libgomp1 \\\n      python3-numpy\nUSER 1000\n",
            4,
            "python3-numpy",
        ),
        (f"{BASE}RUN true; apt-get  update\n", 2, "apt-get"),
        (f"{BASE}RUN <<EOF\nset -e\napt-get update\nEOF\n", 4, "apt-get"),
        (f"{BASE}USER  0\n", 2, "0"),
        (f"{BASE}COPY --chown=dockeruser --chmod=600 a /b\nCOPY --chmod=600 a /var/azureml-app/\n", 3, "--chmod=600"),
        (f'{BASE}ENV A="x y" \\\n    AZUREML_APP_ROOT=/x\n', 3, "AZUREML_APP_ROOT=/x"),
        (f"ARG B\n{BASE}RUN pip install \\\r\n  –r x\r\n", 4, "–r"),
    ],
)
def test_carets_stand_below_what_is_meant(tmp_path: Path, text: str, line: int, marked: str) -> None:
    (each,) = found(tmp_path, text)
    lines = text.replace("\r\n", "\n").split("\n")
    assert (each["line"], lines[line - 1][each["column"] - 1 : each["end_column"] - 1]) == (line, marked)


def test_a_dash_is_mended_where_there_is_one_right_answer(tmp_path: Path) -> None:
    make(tmp_path, {"Dockerfile": f"{BASE}RUN pip install –r x && echo “–r” – '–r' && pip install –upgrade six\n"})
    CliRunner().invoke(cli, ["check", str(tmp_path / "Dockerfile"), "--fix"])
    after = (tmp_path / "Dockerfile").read_text(encoding="utf-8")
    assert "pip install -r x && echo “–r” – '–r' && pip install –upgrade six" in after


# --- secrets, modes -----------------------------------------------------------------------------------------------

TOKEN = "gh" + "p_" + "".join(chr(97 + each) for each in range(26)) + "0123456789"


@for_each("line", ["ENV T={}", "ARG T={}", "RUN curl -H 'Authorization: {}' https://example.com"])
@for_each("form", ["text", "json", "sarif", "github", "gitlab", "azure"])
def test_a_secret_is_found_and_shown_nowhere(tmp_path: Path, line: str, form: str) -> None:
    make(tmp_path, {"Dockerfile": f"FROM python:3.12\n{line.format(TOKEN)}\n"})
    said = CliRunner().invoke(cli, ["check", str(tmp_path / "Dockerfile"), "--output-format", form])
    assert said.output.count("(ghp_") == 1 and "AML744" in said.output and TOKEN[4:12] not in said.output


def test_the_modes_of_files_in_the_context_count(tmp_path: Path) -> None:
    make(tmp_path, {"code/score.py": "", "code/sub/data.json": "{}"})
    text = f"{BASE}COPY code /var/azureml-app\n"
    assert ids(tmp_path, text) == []
    (tmp_path / "code" / "sub" / "data.json").chmod(0o600)
    (each,) = found(tmp_path, text)
    assert each["id"] == "AML731" and "code/sub/data.json has the mode 0600" in each["message"]
    assert ids(tmp_path, text.replace("COPY", "COPY --chown=dockeruser")) == []
    assert ids(tmp_path, text.replace("COPY", "COPY --chmod=755")) == []
    assert ids(tmp_path, text + "USER root\n") == [("AML710", 3)]


def test_files_that_the_build_does_not_see_do_not_count(tmp_path: Path) -> None:
    make(tmp_path, {"context/code/data.json": "{}", "context/code/key": "", "outside/data.json": "{}"})
    for each in ("context/code/key", "outside/data.json"):
        (tmp_path / each).chmod(0o600)
    root = tmp_path / "context"
    assert ids(root, f"{BASE}COPY {tmp_path / 'outside'} /var/azureml-app\n") == []
    assert ids(root, f"{BASE}COPY ../outside /var/azureml-app\n") == []
    for source in ("code", "/code", "../code", "./code/"):
        (each,) = found(root, f"{BASE}COPY {source} /var/azureml-app\n")
        assert each["id"] == "AML731" and "code/key has the mode 0600" in each["message"]
    for change in ("chown -R dockeruser /var/azureml-app", "chmod -R a+rX /var/azureml-app"):
        text = f"{BASE}USER root\nCOPY code /var/azureml-app\nRUN {change}\nUSER dockeruser\n"
        assert ids(root, text) == []
    make(root, {".dockerignore": "code/key\n"})
    assert ids(root, f"{BASE}COPY . /var/azureml-app\n") == []
    assert ids(root, f"{BASE}COPY code/key /var/azureml-app/\n") == [("AML731", 2)]


SERVED = f"{BASE}ENV AZUREML_ENTRY_SCRIPT=score.py\n"
CURATED = f"FROM {PREFIX}/curated/"


@for_each(
    "text",
    [
        f"{BASE}HEALTHCHECK CMD curl -f http://localhost:${{SERVER_PORT:-5001}}/ || exit 1\n",
        f"{BASE}HEALTHCHECK CMD curl -f http://localhost:5001/score -d '{{}}'\n",
        f"{BASE}HEALTHCHECK CMD curl -f http://localhost:5001/$HEALTH\n",
        f"{BASE}ENV SEPERATE_HEALTH_ENDPOINT=true\nHEALTHCHECK CMD curl http://localhost:5000/\n",
        f"{BASE}RUN cat <<EOF > /tmp/notes\napt-get update\nuseradd me\nEOF\n",
        f"{BASE}RUN <<EOF\ncat <<TEXT > /tmp/notes\napt-get update\nTEXT\nEOF\n",
        f"{BASE}RUN python3 <<EOF\napt-get update\nEOF\n",
        f"{BASE}RUN <<EOF\n#!/usr/bin/env python3\napt-get update\nEOF\n",
        f'{SERVED}CMD ["supervisord", "-c", "/etc/server.conf"]\n',
        f"{CURATED}foundation-model-inference:latest\nRUN apt-get update\n",
        f"{CURATED}mlflow-py312-inference:latest\nENV AZUREML_EXTRA_PYTHON_LIB_PATH=lib\n",
    ],
)
def test_what_is_right_or_not_known_is_not_told(tmp_path: Path, text: str) -> None:
    assert ids(tmp_path, text) == []


@pytest.mark.parametrize("suffix", ["", "-${TARGETARCH}", "-$BUILDOS"])
def test_what_the_build_puts_into_a_name_is_not_taken_for_empty(tmp_path: Path, suffix: str) -> None:
    text = f"{BASE[:-1]} AS made\nENV WORKERS_COUNT=2\nFROM made{suffix}\n"
    assert ids(tmp_path, text) == ([] if suffix else [("AML201", 2)])
    assert ids(tmp_path, f"FROM {PREFIX}/minimal-py310{suffix}-inference\n") == ([] if suffix else [("AML703", 1)])


# --- what is read -------------------------------------------------------------------------------------------------


def called(tmp_path: Path, run: str) -> list[list[str]]:
    make(tmp_path, {"Dockerfile": f"{BASE}{run}\n"})
    facts = DOCKERFILE.read and DOCKERFILE.read(str(tmp_path / "Dockerfile"), Options())
    image = built(facts.dockerfile)  # type: ignore[union-attr]
    assert image is not None
    return [[word.text for word in each.words] for step in image.steps for each in calls(step.instruction)]


@for_each(
    ("run", "words"),
    [
        ("RUN a b && c | d; e", [["a", "b"], ["c"], ["d"], ["e"]]),
        ("RUN A=1 sudo -E a 'b c'\"d\"", [["a", "b cd"]]),
        ("RUN if [ -f x ]; then a; fi # b", [["[", "-f", "x", "]"], ["a"], ["fi"]]),
        ("RUN a 2>&1 && b $(c && d)", [["a", "2>&1"], ["b", "$(c && d)"]]),
        ('RUN ["a", "b c"]', [["a", "b c"]]),
        ('RUN ["/bin/bash", "-c", "a && b"]', [["a"], ["b"]]),
        ("RUN <<EOF\na\nb c\nEOF", [["a"], ["b", "c"], ["EOF"]]),
        ("RUN bash -e <<EOF\na\nEOF", [["bash", "-e", "<<EOF"], ["a"], ["EOF"]]),
        ("RUN a <<EOF | b\nc\nEOF\n", [["a", "<<EOF"], ["b"], ["EOF"]]),
        ("RUN a $((1 << b)) $(c $(d); e) f", [["a", "$((1 << b))", "$(c $(d); e)", "f"]]),
        ("RUN --mount=type=cache,target=/x a", [["a"]]),
        ("RUN a \\\n # b\n  c", [["a", "c"]]),
    ],
)
def test_commands_are_read_as_a_shell_reads_them(tmp_path: Path, run: str, words: list[list[str]]) -> None:
    assert called(tmp_path, run) == words


ATOMS = [
    *(
        "FROM a AS b",
        f"FROM {PREFIX}/minimal-py312-inference",
        "FROM ${X",
        "FROM",
        "ARG X=",
        "ARG",
        "ENV A=$B 'c",
        "ENV",
    ),
    *(
        "COPY --chmod=0600 --from=b a /c",
        "COPY [",
        'COPY ["a", "b"]',
        "ADD <<E /x\ny\nE",
        "RUN <<E\napt-get update\nE",
    ),
    *(
        "RUN apt-get install",
        "RUN pip install –r",
        "USER",
        "USER $U",
        "CMD [",
        'CMD ["a"]',
        "ENTRYPOINT",
        "HEALTHCHECK",
    ),
    *(
        "HEALTHCHECK CMD curl http://localhost:99999999/x",
        "ONBUILD RUN x",
        "WORKDIR ../..",
        "# escape=`",
        "\\",
        "é",
        '"',
    ),
    *("'", "`", "$(", "\t", "\r", "ENV AZUREML_ENTRY_SCRIPT=", "ENV AZUREML_MODEL_DIR=$M", "CMD", "VOLUME", "=", "–"),
]


@pytest.mark.parametrize("seed", range(4))
def test_nothing_that_is_written_raises(tmp_path: Path, seed: int, pytestconfig: pytest.Config) -> None:
    draw, drawn = random.Random(seed), depth_of(pytestconfig).drawn
    path = tmp_path / "Dockerfile"
    read = 0
    for _ in range(drawn):
        parts = [draw.choice(ATOMS) + draw.choice(["\n", "\n", " ", "", " \\\n"]) for _ in range(draw.randint(1, 9))]
        path.write_text(BASE * draw.randint(0, 1) + "".join(parts), encoding="utf-8", newline="")
        try:
            at_once(examine_input(str(path), DOCKERFILE, Options()))
        except DaggerAmlError:
            continue
        read += 1
    assert read > drawn / 6
