"""What rules say of a container's start, as it is: by running stand-ins, whose server is the real one.

The start script is a stand-in's, and so are the exit codes before the server starts (tests/standin/README.md).
"""

from __future__ import annotations

import io
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from dagger_aml import contract
from tests.support.builders import Need
from tests.support.cases import for_each

pytestmark = [pytest.mark.builders]

SCORE = "def init():\n    pass\n\n\ndef run(data):\n    return data\n"

REQUIREMENTS, LIBRARIES, CONDA = (
    f"AZUREML_EXTRA_{name}" for name in ("REQUIREMENTS_TXT", "PYTHON_LIB_PATH", "CONDA_YAML")
)

WRONG = {"requirements.txt": "this is no requirement\n"}

Files = Mapping[str, str]


@pytest.fixture(autouse=True)
def docker(need: Need) -> None:
    """Before the cases, of which none may skip by itself."""
    need("docker")


@contextmanager
def _started(image: str, env: Mapping[str, str], files: Files, mode: int = 0o644) -> Iterator[str]:
    """A container with variables, and with files of root's below the folder of the code."""
    said = {contract.ENTRY_SCRIPT: "score.py", "STANDIN_ERROR_SLEEP": "0", **env}
    words = [word for name, value in said.items() for word in ("--env", f"{name}={value}")]
    name = _docker("create", *words, image).strip()
    try:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for path, text in {"score.py": SCORE, **files}.items():
                info = tarfile.TarInfo(path)
                info.size, info.mode = len(text), mode
                tar.addfile(info, io.BytesIO(text.encode()))
        subprocess.run(["docker", "cp", "-", f"{name}:{contract.APP_ROOT}"], input=packed.getvalue(), check=True)
        _docker("start", name)
        yield name
    finally:
        _docker("rm", "--force", name)


def _docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=90, check=True)
    return done.stdout + (done.stderr if words[0] == "logs" else "")


def _answers(name: str) -> bool:
    """Whether the server answers within a minute; a container that has ended does not."""
    ask = "import urllib.request as r; r.urlopen('http://127.0.0.1:5001/', timeout=5)"
    until = time.monotonic() + 60
    while time.monotonic() < until and _docker("inspect", "--format", "{{.State.Running}}", name) == "true\n":
        if subprocess.run(["docker", "exec", name, "python", "-c", ask], capture_output=True).returncode == 0:
            return True
        time.sleep(0.5)
    return False


@for_each(
    ("rule", "env", "files", "mode", "code"),
    [
        ("AML304", {REQUIREMENTS: "missing.txt"}, {}, 0o644, 99),
        ("AML304", {REQUIREMENTS: "requirements.txt"}, WRONG, 0o644, 95),
        (
            "AML740",
            {REQUIREMENTS: "requirements.txt", contract.ENTRY_SCRIPT: "/var/azureml-app/score.py"},
            WRONG,
            0o644,
            99,
        ),
        ("AML742", {REQUIREMENTS: "/var/azureml-app/requirements.txt"}, WRONG, 0o644, 99),
        ("AML742", {LIBRARIES: "/var/azureml-app"}, {}, 0o644, 97),
        ("AML742", {CONDA: "/var/azureml-app/conda.yml"}, {"conda.yml": "dependencies: []\n"}, 0o644, 98),
        ("AML555", {}, {"config.json": "[]"}, 0o644, 3),
        ("AML731", {}, {}, 0o600, 3),
        ("AML203", {"WORKER_COUNT": "two"}, {}, 0o644, 1),
    ],
)
def test_what_is_said_not_to_start_ends(
    bases: dict[str, str], rule: str, env: Mapping[str, str], files: Files, mode: int, code: int
) -> None:
    with _started(bases["classic"], env, files, mode) as name:
        ended = int(_docker("wait", name))
        log = _docker("logs", name)
        assert ended == 111 and f"Exit code {code} is not normal" in log, f"{rule}: {ended}\n{log}"


@for_each(
    ("rule", "base", "env", "files", "says"),
    [
        ("AML741", "classic", {REQUIREMENTS: "requirements.txt", LIBRARIES: "."}, WRONG, ""),
        ("AML743", "curated", {REQUIREMENTS: "missing.txt"}, {}, ""),
        ("AML201", "classic", {"AZUREML_APP_ROOT": "/elsewhere"}, {}, ""),
        (
            "AML734",
            "classic",
            {contract.MODEL_DIR: "/var/azureml-app/azureml-models"},
            {"azureml-models/model.pkl": "x"},
            "Error while fetching model IDs",
        ),
    ],
)
def test_what_is_said_to_be_ignored_serves(
    bases: dict[str, str], rule: str, base: str, env: Mapping[str, str], files: Files, says: str
) -> None:
    with _started(bases[base], env, files) as name:
        answered = _answers(name)
        log = _docker("logs", name)
        assert answered and says in log, f"{rule}\n{log}"
