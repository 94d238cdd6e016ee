"""The command that installs between two times ``pip check``: it fails on what it broke, and on nothing else."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pip as real_pip
import pytest
from attrs import frozen

from dagger_aml import From, Graph, Options, Run, load_project
from dagger_aml.building.graphs import lay_out
from dagger_aml.steps import packages, pip
from dagger_aml.steps.pip_check import checked
from tests.support.calls import await_
from tests.support.cases import for_each
from tests.support.forked_pip import forked_pip
from tests.support.package_index import wheel
from tests.support.projects import SCORE, make

SERVER = "azureml-inference-server-http"
HEAD = Graph(From.parse("example.org/base:1"))

TOLD = """\
import os, sys
here = os.path.dirname(__file__)
said = open(os.path.join(here, "folder" if os.environ.get("PYTHONPATH") else "check")).read()
if sys.argv[1] == "check":
    print(said or "No broken requirements found.")
    sys.exit(bool(said))
sys.exit(not os.path.exists(os.path.join(here, "fits")))
"""
"""A pip that says what a test has written down, for the real one takes half a second to start."""


@frozen
class Environment:
    """A Python, and what is in it."""

    folder: Path
    python: Path
    site: Path

    def has(self, name: str, version: str, *requires: str) -> None:
        """Put a package into the environment, whatever it contradicts."""
        info = self.site / f"{name.replace('-', '_')}-{version}.dist-info"
        needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
        record = "".join(f"{info.name}/{each},,\n" for each in ("METADATA", "RECORD", "INSTALLER"))
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
        make(info, {"METADATA": text, "RECORD": record, "INSTALLER": "test\n"})

    def run(self, *command: str, into: Path | str = "") -> subprocess.CompletedProcess[str]:
        """Run a command as a build does."""
        argv = [str(self.python), *map(str, checked(command, *([str(into)] if into else []))[1:])]
        env = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        env.pop("PYTHONPATH", None)
        return subprocess.run(argv, capture_output=True, text=True, env=env, check=False)

    def install(self, *words: str, into: Path | str = "") -> subprocess.CompletedProcess[str]:
        """Install wheels of the environment's folder by its pip."""
        pip = (str(self.python), "-m", "pip", "install", "--quiet", "--no-index", f"--find-links={self.folder}")
        return self.run(*pip, *(("--ignore-installed", f"--target={into}") if into else ()), *words, into=into)


def environment_in(folder: Path) -> Environment:
    venv.create(folder / "env", symlinks=True, with_pip=False)
    (site,) = folder.glob("env/lib/python*/site-packages")
    return Environment(folder, folder / "env/bin/python", site)


@pytest.fixture
def installed(tmp_path: Path) -> Environment:
    """One in which the real pip is installed, and a wheel that the tests install."""
    found = environment_in(tmp_path)
    (found.site / "pip").symlink_to(Path(real_pip.__file__).parent)
    wheel(tmp_path, "flask", "2.2.5", "two")
    return found


@pytest.fixture(scope="module")
def pip_call() -> Iterator[str]:
    """What calls the real pip, loaded once."""
    with forked_pip() as found:
        yield found


@pytest.fixture
def environment(tmp_path: Path, pip_call: str) -> Environment:
    """As :func:`installed`, and each pip is a fork of one that is loaded."""
    found = environment_in(tmp_path)
    make(found.site / "pip", {"__main__.py": pip_call})
    wheel(tmp_path, "flask", "2.2.5", "two")
    return found


@pytest.fixture(scope="module")
def one_told(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """One whose pip says what it is told."""
    found = environment_in(tmp_path_factory.mktemp("told"))
    make(found.site / "pip", {"__main__.py": TOLD})
    return found


@frozen
class Here(Environment):
    """One whose script runs in this process, where all that it imports is loaded; what it starts is started."""

    capfd: pytest.CaptureFixture[str]

    def run(self, *command: str, into: Path | str = "") -> subprocess.CompletedProcess[str]:
        """As a new Python of the environment would."""
        _, _, script, *words = map(str, checked(command, *([into] if into else [])))
        said: dict[str, object] = {
            "argv": ["-c", *words],
            "executable": str(self.python),
            "path": [*(each for each in sys.path if not each.endswith("site-packages")), str(self.site)],
        }
        code: object = None
        with patch.multiple(sys, **said), patch.dict(os.environ):
            os.environ.pop("PYTHONPATH", None)
            try:
                exec(script, {"__name__": "__main__"})  # noqa: S102 - it is ours
            except SystemExit as ended:
                code = ended.code
        out, err = self.capfd.readouterr()
        if isinstance(code, str):
            code, err = 1, f"{err}{code}\n"
        return subprocess.CompletedProcess(words, int(code or 0), out, err)


@pytest.fixture
def told(one_told: Environment, capfd: pytest.CaptureFixture[str]) -> Here:
    """That one, as :class:`Here`."""
    return Here(one_told.folder, one_told.python, one_told.site, capfd)


# --- by the real pip ------------------------------------------------------------------------------------------------


def test_a_base_that_was_inconsistent_is_no_fault_of_the_build(installed: Environment) -> None:
    installed.has("torch-stub", "1.0", "numpy<2", "absent")
    installed.has("numpy", "2.1")
    before = {path.name for path in installed.site.iterdir()}
    done = installed.install("flask==2.2.5")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    new = {path.name for path in installed.site.iterdir()} - before
    assert new == {"flask.py", "__pycache__", "flask-2.2.5.dist-info"}, "no list is left"


def test_a_package_that_cannot_be_read_is_no_fault_of_the_build(told: Environment) -> None:
    make(told.site / "pip", {"check": "", "folder": ""})
    told.has("odd", "1.0", "(what)", ">=1")
    make(told.site, {"left-1.0.dist-info/": None})
    done = told.run(str(told.python), "-c", "print('installs')")
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["installs"], "")


def test_what_the_build_broke_is_shown_with_the_pin(environment: Environment) -> None:
    environment.has(SERVER, "1.5.1", "flask<3.2,>=3.1")
    environment.has("flask", "3.1.3")
    environment.has("torch-stub", "1.0", "absent")
    done = environment.install("flask==2.2.5")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-4:] == [
        "Since these packages were installed, pip check finds:",
        f"  {SERVER} 1.5.1 has requirement flask<3.2,>=3.1, but you have flask 2.2.5.",
        "Change your requirements so that pip installs flask<3.2,>=3.1.",
        "Or build without this check: --no-pip-check.",
    ]


def test_the_preinstalled_recipe_is_named_where_it_helps_and_does(environment: Environment) -> None:
    environment.has(SERVER, "1.5.1", "idna>=3")
    environment.has("idna", "3.1")
    environment.has("reports", "1.0", "flask<3.2,>=3.1")
    environment.has("flask", "3.1.3")
    into = environment.folder / "into"
    apart = environment.install("flask==2.2.5", into=into)
    assert apart.returncode == 0, apart.stderr
    assert "reports 1.0 has requirement" in apart.stdout and "server needs none of" in apart.stdout
    assert (into / "flask.py").is_file() and not (environment.site / "flask.py").exists()
    done = environment.install("flask==2.2.5")
    assert done.returncode == 1 and "Or use the preinstalled recipe" in done.stderr


@pytest.fixture
def sample(environment: Environment) -> Environment:
    """A base whose server needs `sdk`, which needs one version of `api`; an older one needs neither, but `web`, which
    wants another `api`: as Azure's main sample does with its server 1.4.1 on a base with 1.5.1."""
    environment.has("server", "2", "exporter")
    environment.has("exporter", "1", "sdk")
    environment.has("sdk", "1", "api==1", "more; extra == 'x'")
    environment.has("api", "1")
    wheel(environment.folder, "server", "1", "one", requires=("web",))
    wheel(environment.folder, "web", "1", "web", requires=("api>=2",))
    wheel(environment.folder, "api", "2", "api")
    return environment


def test_what_a_replaced_package_left_behind_fails_nothing(sample: Environment) -> None:
    done = sample.install("server==1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "pip check finds of packages that nothing needs any more:",
        "  sdk 1 has requirement api==1, but you have api 2.",
    ]


def test_what_another_package_needs_too_fails(sample: Environment) -> None:
    sample.has("reports", "1", "sdk")
    done = sample.install("server==1")
    assert done.returncode == 1 and "  sdk 1 has requirement api==1, but you have api 2." in done.stderr.splitlines()


@pytest.mark.parametrize("name", ["sdk", "ours"])
def test_pip_itself_refuses_what_is_listed_and_cannot_be(sample: Environment, name: str) -> None:
    """So nothing that is left behind and listed comes as far as the check."""
    wheel(sample.folder, "ours", "1", "ours", requires=("exporter",))
    done = sample.install("server==1", name)
    assert done.returncode == 1 and "pip check" not in done.stdout + done.stderr


# --- by what pip may say --------------------------------------------------------------------------------------------

OLD = "a 1.0 has requirement b<2, but you have b 3.0."
STILL = "a 1.0 has requirement b<2, but you have b 3.1."
MISSING = "c 1.0 requires d, which is not installed."
ELSEWHERE = "e 1.0 is not supported on this platform"


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("", "", ()),
        (OLD, OLD, ()),
        (OLD, STILL, ()),
        (f"{OLD}\n{MISSING}", OLD, ()),
        (OLD, "", ()),
        (OLD, f"{MISSING}\n{OLD}", (MISSING,)),
        ("", f"{MISSING}\n{ELSEWHERE}", (MISSING, ELSEWHERE)),
        (MISSING, "c 1.0 has requirement d<2, but you have d 2.", ("c 1.0 has requirement d<2, but you have d 2.",)),
    ],
)
@pytest.mark.parametrize("into", ["", "/into"])
def test_only_new_lines_fail(told: Environment, before: str, after: str, shown: tuple[str, ...], into: str) -> None:
    make(told.site / "pip", {"check": before, "folder": after})
    done = told.run("/bin/sh", "-c", f"printf %s '{after}' >{told.site}/pip/check", into=into)
    assert done.returncode == bool(shown), done.stderr
    assert [line[2:] for line in done.stderr.splitlines() if line.startswith("  ")] == [*shown]


@pytest.mark.parametrize(
    ("into", "fits", "code"), [("", True, 1), ("/into", True, 0), ("", False, 1), ("/into", False, 1)]
)
def test_a_folder_may_contradict_what_the_server_does_not_need(
    told: Environment, into: str, fits: bool, code: int
) -> None:
    make(told.site / "pip", {"check": "", "folder": OLD})
    if fits:
        make(told.site / "pip", {"fits": ""})
    else:
        (told.site / "pip/fits").unlink(missing_ok=True)
    done = told.run("/bin/sh", "-c", f"echo '{OLD}' >{told.site}/pip/check", into=into)
    assert done.returncode == code and OLD in done.stdout + done.stderr
    assert ("preinstalled recipe" in done.stderr) == (fits and not into)


def test_a_pip_that_cannot_check_any_more_fails(told: Environment) -> None:
    make(told.site / "pip", {"check": ""})
    done = told.run("/bin/rm", f"{told.site}/pip/check")
    assert done.returncode == 1 and "  pip check ended with exit code 1" in done.stderr.splitlines()


@pytest.mark.parametrize(("ends", "code"), [("exit 7", 7), ("kill -9 $$", 137)])
def test_a_failing_command_ends_with_its_own_code_and_words(told: Environment, ends: str, code: int) -> None:
    make(told.site / "pip", {"check": OLD})
    done = told.run("/bin/sh", "-c", f"echo no; {ends}")
    assert (done.returncode, done.stdout, done.stderr) == (code, "no\n", "")


# --- in the graph ---------------------------------------------------------------------------------------------------


def test_the_script_is_short_and_reads_on_the_oldest_python_of_a_base() -> None:
    script = str(checked(("/x",))[2])
    ast.parse(script, feature_version=(3, 7))
    assert len(script) < 3500 and max(map(len, script.splitlines())) <= 120
    assert script.startswith("# "), "its first line stands for it in a plan"


@pytest.mark.parametrize("installer", ["pip", "uv"])
@pytest.mark.parametrize("step", [pip, packages])
def test_without_the_check_the_bare_command_is_left(tmp_path: Path, step, installer: str) -> None:
    make(tmp_path, {"requirements.txt": "idna==3.10\n"})
    graphs = [
        await_(step(HEAD, tmp_path / "requirements.txt", installer=installer, check=check)) for check in (True, False)
    ]
    one, other = map(_first_run, graphs)
    into = () if step is pip else ("/usr/share/dagger-aml/site-packages",)
    assert one.argv == checked(other.argv, *into) and one.mounts == other.mounts and one.name == other.name


RULE = "AML390"


@for_each(
    ("files", "options", "found"),
    [
        ({"requirements.txt": "idna\n"}, {"no_pip_check": True}, True),
        ({}, {"no_pip_check": True, "pip": ("idna",), "recipe": "preinstalled"}, True),
        ({"requirements.txt": "idna\n", "dagger-aml.toml": "[pip]\nno-check = true\n"}, {}, True),
        ({"requirements.txt": "idna\n"}, {}, False),
        ({}, {"no_pip_check": True}, False),
        ({"requirements.txt": "idna==3.10\n"}, {"no_pip_check": True, "recipe": "dynamic"}, False),
    ],
)
def test_what_is_not_checked_is_said(tmp_path: Path, files, options, found: bool) -> None:
    project = load_project(make(tmp_path / "p", {"score.py": SCORE, **files}), Options(**options))
    said = [each for each in await_(lay_out(project)).warnings if each.id == RULE]
    assert len(said) == found
    for each in said:
        assert each.severity == "info" and "contradict" in each.message and "pip check" in each.message
        assert each.location == ("dagger-aml.toml:2" if "dagger-aml.toml" in files else "Options(no_pip_check=…)")


def _first_run(graph: Graph) -> Run:
    layers = graph.layers if isinstance(graph.layers[-1], Run) else graph.layers[-1].source.graph.layers
    return next(layer for layer in layers if isinstance(layer, Run))
