"""The command line around plans and Dockerfiles: exit codes, messages without tracebacks, nothing half-written."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from dagger_aml import __version__
from tests.support.cli import argv, shared_program
from tests.support.projects import SCORE, make, snapshot

_MINE = {"dagger-aml.toml": "recipe = './mine.py'\n"}


@pytest.fixture
def root(tmp_path):
    return make(tmp_path / "demo", {"code/score.py": SCORE, "model/m.bin": "m", "requirements.txt": "numpy==1.0\n"})


def test_version_and_help(cli):
    assert cli("--version") == (0, f"dagger-aml, version {__version__}\n", "")
    code, out, _ = cli("--help")
    assert code == 0 and all(name in out for name in ("build", "dockerfile", "plan", "site-packages"))


def test_a_dockerfile_is_printed_or_written(cli, root, tmp_path):
    code, out, _ = cli("dockerfile", root)
    assert code == 0 and out.startswith(f"# Written by dagger-aml {__version__} from demo\n")
    code, nothing, err = cli("dockerfile", root, "-o", tmp_path / "out")
    assert (code, nothing) == (0, "") and f"docker build -t demo {tmp_path}/out" in err
    assert f"docker build -t demo '{tmp_path}/an out'" in cli("dockerfile", root, "-o", tmp_path / "an out")[2]
    assert (tmp_path / "out/Dockerfile").read_text() == out


def test_the_plan_as_json(cli, root):
    code, out, _ = cli("plan", root, "--json", "--env", "A=é\u2028")
    made = json.loads(out)
    assert code == 0 and made["schema"] == 2 and made["config"]["env"]["A"] == "é\u2028"
    assert made["project"]["origins"]["env.A"] == "--env"
    assert [op["kind"] for op in made["ops"]] == ["copy", "run", "copy", "copy"]
    assert made["runtime_key"].startswith("sha256:")


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
@pytest.mark.parametrize("words", [["plan"], ["plan", "--why"], ["plan", "--json"], ["dockerfile"]])
def test_names_that_are_no_text_can_be_shown(root, words):
    (root / "code").joinpath(b"odd-\xff".decode("utf-8", "surrogateescape")).write_text("x")
    (root / "code").joinpath(b"odd-\xfe.pyc".decode("utf-8", "surrogateescape")).write_text("x")
    tool = argv() if words == ["plan"] else [shared_program()]
    done = subprocess.run([*tool, words[0], root, *words[1:]], capture_output=True, check=False)
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr.decode()


def test_the_plan_says_why_and_where_from(cli, root):
    code, out, _ = cli("plan", root, "--why", "--base", "example.org/x:1")
    assert code == 0 and "why here: " in out and "base: --base" in out and "requirements: found" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan", "{root}/absent"], "the project folder does not exist"),
        (["plan", "{root}", "--base", "minimal-py313-inference"], "Similar names: minimal-py312-inference"),
        (["plan", "{root}", "--recipe", "extend"], "Did you mean extended?"),
        (["plan", "{root}", "--env", "A"], "--env: not NAME=VALUE"),
        (["plan", "{root}", "--env", "A=x\ny"], "line break"),
        (["plan", "{root}", "--entry-script", "../x.py"], "outside the code folder"),
        (["plan", "{root}", "--nonsense"], "nonsense"),
        (["plann"], "Did you mean 'plan'?"),
        (["dockerfile", "{root}", "--format", "magic"], "magic"),
        (["dockerfile", "{root}", "-o", "{root}/code"], "contains "),
        (["dockerfile", "{root}", "-o", "{root}/requirements.txt"], "not a folder"),
        (["dockerfile", "{root}", "-o", "{root}", "--force"], "is copied into the image"),
        (["build", "{root}", "-t", "A B"], "not an image reference"),
        (["build", "{root}", "--push"], "--push needs a tag"),
        (["build", "{root}", "-t", "a", "-o", "{root}"], "is a folder"),
        (["build", "{root}", "-t", "a", "-o", "{root}/no/such.tar"], "does not exist"),
        (["run", "nowhere", "--local"], "nowhere: is not the folder of a project, so it is taken for an image"),
        *([[each, ""], "PROJECT: is empty"] for each in ("build", "plan", "dockerfile", "deployment", "init")),
        (["check", "{root}", ""], "PATH: is empty"),
        (["score", ""], "PROJECT|IMAGE|TAR|URL: is empty"),
        (["diff", "{root}", ""], "B: is empty"),
        (["inspect", ""], "IMAGE: is empty"),
        (["build", "{root}", "-j", "x"], "'x' is not a whole number of at least 1."),
        (["build", "{root}", "-j", "0"], "'0' is not a whole number of at least 1."),
        (["build", "{root}", "--max-age", "-1"], "'-1' is not a number of at least 0."),
        (["build", "{root}", "--max-age", "nan"], "'nan' is not a number of at least 0."),
        (["build", "{root}", "--max-age", "inf"], "'inf' is not a number of at least 0."),
        (["run", "{root}", "--ready-timeout", "x"], "'x' is not a number of at least 1."),
        (["score", "{root}", "--rtol", "-0.5"], "'-0.5' is not a number of at least 0."),
        (["score", "{root}", "-n", "1.5"], "'1.5' is not a whole number of at least 1."),
    ],
)
def test_wrong_use_is_one_message_and_exit_code_2(cli, root, words, said):
    before = snapshot(root)
    code, out, err = cli(*(word.format(root=root) for word in words))
    assert (code, out) == (2, "") and said in err
    assert snapshot(root) == before


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"dagger-aml.toml": "bse = 'x'\n"}, "dagger-aml.toml:1: unknown key 'bse'\n  Did you mean 'base'?"),
        ({"dagger-aml.toml": "base = [\n"}, "broken TOML"),
        ({"code/score.py": "def init(): pass\n"}, "no run()"),
        ({"requirements.txt": "numpy = 1\n"}, "requirements.txt:1: not a requirement"),
        ({"apt.txt": "-y\n"}, "apt.txt:1: not an apt package"),
        ({"models/x": ""}, "several candidates"),
        ({"mine.py": "async def recipe(graph, project):\n    return None\n", **_MINE}, "did not return a Graph"),
        ({"mine.py": "1 / 0\n", **_MINE}, "mine.py:1: the recipe cannot be imported"),
    ],
)
def test_a_wrong_project_is_one_message_and_exit_code_2(cli, root, tmp_path, files, said):
    make(root, files)
    code, out, err = cli("dockerfile", root, "-o", tmp_path / "out")
    assert (code, out) == (2, "") and said in err and err.startswith("dagger-aml: error: ")
    assert not (tmp_path / "out").exists() and sorted(path.name for path in tmp_path.iterdir()) == ["demo"]


def test_only_a_probe_asks_a_builder(cli, root):
    for command in ("plan", "dockerfile"):
        code, out, err = cli(command, root, "--with", "buildah")
        assert (code, out) == (2, "") and "only --probe uses a builder" in err


def test_the_images_say_which_recipes_apply(cli):
    code, out, _ = cli("images", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0 and rows["minimal-py312-inference"]["recipes"]["dynamic"] == "unknown"
    curated = rows["curated/minimal-py311-inference"]
    assert curated["recipes"] == {
        "extended": "yes",
        "package": "yes",
        "dynamic": "no",
        "preinstalled": "pythonpath",
    }
    assert curated["python_ends"] == "2027-10" and curated["facts_of"]
    code, out, _ = cli("images")
    (line,) = [line for line in out.splitlines() if line.startswith("curated/minimal-py311")]
    assert code == 0 and line.split()[1:] == [
        "3.11",
        "2027-10",
        "CPU",
        "yes",
        "no",
        "extended",
        "package",
        "preinstalled*",
    ]


def test_ctrl_c_while_modules_are_loaded():
    """As any program ends by it, and without Python's traceback."""
    script = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
class Stop:
    def find_spec(self, name, path, target=None):
        if name == "dagger_aml.cli":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
sys.meta_path.insert(0, Stop())
from dagger_aml.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
