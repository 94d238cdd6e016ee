"""What is not needed is not imported: a Dockerfile is there before an engine's SDK would be."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import frozen

import dagger_aml
from dagger_aml import requirements
from dagger_aml.check import inputs
from dagger_aml.check.modules import MODULES
from dagger_aml.text import pattern
from tests.support.direct import put_base
from tests.support.projects import SCORE, make
from tests.support.registry import fake_registry

HEAVY = ("dagger", "rich", "gql", "httpx", "pydantic", "yaml", "asyncio.subprocess")

_PRINT = "import sys; print(' '.join(n for n in sys.argv[1].split(',') if n in sys.modules))"
_RENDER = """
import anyio
from dagger_aml import Graph, dockerfile, load_project, load_recipe
project = load_project({root!r})
text = dockerfile(anyio.run(load_recipe(project.recipe), Graph(), project)).text
assert "FROM --platform" in text
dockerfile(anyio.run(load_recipe(project.recipe), Graph(), project)).save({out!r})
"""


_PLAN = """
import contextlib, io
from dagger_aml.cli.main import cli
for words in {calls!r}:
    with contextlib.redirect_stdout(io.StringIO()):
        cli.main(words, standalone_mode=False)
"""

UNASKED = ("cattrs", "tomllib", "packaging", "csv", "pickletools", "dagger_aml.fs.gitignore")
"""What no command needs for a project of code and a model, without a file of its own and a list of packages."""


def loaded(program: str, heavy: tuple[str, ...] = HEAVY) -> set[str]:
    """The heavy modules that a program loads."""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{_PRINT}", ",".join(heavy)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


_SERVER = """
import os, sys
for line in sys.stdin:
    program, path, env, *words = eval(line)
    if os.fork() == 0:
        for stream, suffix in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{path}.{suffix}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
        os.environ.clear()
        os.environ.update(env)
        sys.argv = ["-c", *words]
        exec(program, {"__name__": "__main__"})
        sys.stdout.flush()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


@frozen
class Planned:
    """A Python that has planned a folder of code, and so has loaded what all plans load: it forks for each program.

    :param folder: for what programs print.
    :param process: reads a program, files for what it prints, its variables and words; prints its exit code.
    """

    folder: Path
    process: subprocess.Popen[str]

    def loaded(self, program: str, heavy: tuple[str, ...] = HEAVY) -> set[str]:
        """As :func:`loaded`, what was loaded before included."""
        asked = [f"{program}\n{_PRINT}", f"{self.folder}/said", dict(os.environ), ",".join(heavy)]
        print(asked, file=self.process.stdin, flush=True)
        assert self.process.stdout.readline() == "0\n", (self.folder / "said.err").read_text()
        return set((self.folder / "said.out").read_text().split())


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """One for all tests of plans, each of which would load the same anew."""
    folder = tmp_path_factory.mktemp("planned")
    program = _PLAN.format(calls=[["plan", str(make(folder / "p", {"score.py": SCORE}))]])
    with subprocess.Popen(
        [sys.executable, "-c", f"{program}\n{_SERVER}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Planned(folder, process)
        process.stdin.close()


def test_importing_loads_nothing():
    assert loaded("import dagger_aml, sys; assert not [n for n in sys.modules if n.startswith('dagger_aml.') "
                  "and n != 'dagger_aml.version']") == set()  # fmt: skip


def test_asking_a_registry_loads_no_other_client():
    assert loaded("import dagger_aml.oci.push, dagger_aml.oci.registry") == set()


def test_looking_for_an_engine_does_not_load_its_sdk():
    assert loaded("import dagger_aml.backends.dagger.connect, dagger_aml.doctor.builders") <= {"asyncio.subprocess"}


def test_rendering_loads_no_engine_and_no_terminal(tmp_path, planned):
    files = {"code/score.py": SCORE, "model/m": "m", "requirements.txt": "numpy==1\n", "environment.yml": "x: 1\n"}
    root = make(tmp_path / "p", files)
    assert planned.loaded(_RENDER.format(root=str(root), out=str(tmp_path / "out"))) <= {"asyncio.subprocess"}


def test_commands_that_need_no_engine_load_none(tmp_path, planned):
    """One after the other in one process: none of them loads any."""
    root = str(make(tmp_path / "p", {"code/score.py": SCORE, "requirements.txt": "numpy==1\n"}))
    calls = [["--version"], ["--help"], ["dockerfile", root], ["plan", root, "--json"]]
    program = f"""
import contextlib, io, sys
names = sys.argv[1]
from dagger_aml.cli import main
for words in {calls!r}:
    sys.argv = ["dagger-aml", *words]
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
        main()
    assert said.getvalue()
sys.argv = ["x", names]
"""
    assert planned.loaded(program) <= {"asyncio.subprocess"}


LOOP = ("asyncio", "ssl")

DEPLOYMENTS = tuple(
    f"dagger_aml.{each}"
    for each in (
        "project.deployment.model",
        "project.deployment.taken",
        "project.deployment.use",
        "project.deployment.models",
        "project.deployment.bases",
        "project.deployment.read",
        "plan.deployment",
    )
)
"""What only a project with a YAML file has a use for."""

MLFLOW = tuple(
    f"dagger_aml.{each}"
    for each in ("plan.mlflow", "project.mlflow", "project.mlflow_found", "artifacts.mlmodel_served")
)
"""What only a project with an MLmodel has a use for."""


OTHER_KINDS = tuple(
    f"dagger_aml.{each}"
    for each in (
        *(f"check.{module}" for module, inputs in MODULES.items() if "project" not in inputs),
        *(
            f"check.inputs.{path.stem}"
            for path in Path(inputs.__file__).parent.glob("*.py")
            if path.stem != "__init__"
        ),
        *("building.examine", "base.former", "base.glibc"),
    )
)
"""What only a Dockerfile, a deployment file, a folder of packages or a list has a use for, and ``check``."""

OF_LISTS = tuple(
    f"dagger_aml.{each}"
    for each in (
        *(f"requirements.{path.stem}" for path in Path(requirements.__file__).parent.glob("*.py")),
        *("network.mounts", "network.pip_conf", "network.alone", "graph.mount", "steps.pip_check"),
    )
    if each.rpartition(".")[2] not in ("__init__", "conda_twins", "discover", "read", "unread")
)
"""What only a project that lists packages has a use for; not what looks for a list."""

OF_FILES = ("cattrs", "dagger_aml.project.tables", "dagger_aml.project.structure")
"""What only a project file has a use for."""

OF_MODELS = tuple(f"dagger_aml.artifacts.{each}" for each in ("facts", "pickle", "mlmodel"))
"""What only models have a use for."""


def test_a_plan_of_files_alone_loads_no_event_loop(tmp_path, planned):
    root = make(tmp_path / "p", {"code/score.py": SCORE, "model/m.bin": "m"})
    calls = [["plan", str(root), "--recipe", recipe] for recipe in ("extended", "dynamic", "package")]
    unasked = {*HEAVY, *UNASKED, *LOOP, *DEPLOYMENTS, *MLFLOW, *OTHER_KINDS, "logging", "subprocess"}
    unasked |= {*OF_LISTS, *OF_FILES, "dagger_aml.artifacts.pickle", "dagger_aml.artifacts.mlmodel"}
    unasked |= {"anyio", "dagger_aml.events", "base64"}
    # Before Python 3.12 pathlib has a use for it.
    unasked |= {"urllib.parse", "ipaddress"} if sys.version_info >= (3, 12) else set()
    assert planned.loaded(_PLAN.format(calls=calls), tuple(unasked)) == set()


def test_a_check_of_code_alone_loads_what_reads_no_other_input(tmp_path):
    root = make(tmp_path / "p", {"score.py": SCORE})
    asked = {*HEAVY, *UNASKED, *LOOP, *DEPLOYMENTS, *MLFLOW, *OF_LISTS, *OF_FILES, *OF_MODELS, "anyio", "base64"}
    asked |= {"dagger_aml.backends.base", "dagger_aml.events", "dagger_aml.oci.reference", "traceback", "subprocess"}
    # Its rules are those of a project; of the other kinds of input it knows the names.
    asked |= {each for each in OTHER_KINDS if each.startswith("dagger_aml.check.")} - {
        "dagger_aml.check.inputs.kinds",
        "dagger_aml.check.inputs.names",
    }
    assert loaded(_PLAN.format(calls=[["check", str(root)]]), tuple(asked)) == set()


def test_nor_does_one_that_installs(tmp_path, planned):
    files = {"code/score.py": SCORE, "requirements.txt": "numpy==1\n"}
    plain, apt = make(tmp_path / "p", files), make(tmp_path / "a", {**files, "apt.txt": "jq\n"})
    more = ["--pip", "pandas", "--platform", "linux/amd64,linux/arm64"]
    ways = {"extended": apt, "preinstalled": plain, "dynamic": plain}
    calls = [["plan", str(root), "--recipe", recipe, *more] for recipe, root in ways.items()]
    calls += [["dockerfile", str(root), "--recipe", recipe] for recipe, root in ways.items()]
    assert planned.loaded(_PLAN.format(calls=calls), (*HEAVY, *LOOP, *DEPLOYMENTS, *MLFLOW, *OTHER_KINDS)) == set()


@pytest.mark.parametrize(
    ("files", "unasked"),
    [
        (
            {"endpoint.yml": "name: a\nauth_mode: key\n"},
            ("dagger_aml.project.deployment.read", *MLFLOW, *OTHER_KINDS),
        ),
        (
            {
                "blue.yml": "name: blue\nendpoint_name: shop\nmodel:\n  path: model\n"
                "code_configuration:\n  code: code\n  scoring_script: score.py\n"
                "environment:\n  image: mcr.microsoft.com/azureml/minimal-py312-inference:latest\n"
                "instance_type: Standard_DS3_v2\ninstance_count: 1\n"
            },
            MLFLOW,
        ),
    ],
    ids=["no deployment", "a deployment"],
)
def test_what_reads_deployment_files_is_loaded_where_there_is_one(tmp_path, planned, files, unasked):
    root = make(tmp_path / "p", {"code/score.py": SCORE, "model/m.bin": "m", **files})
    asked = (*DEPLOYMENTS, *MLFLOW, *OTHER_KINDS, "yaml")
    found = planned.loaded(_PLAN.format(calls=[["plan", str(root)]]), asked)
    assert found.isdisjoint(unasked) and "dagger_aml.project.deployment.use" in found
    rules = "dagger_aml.check.deployment_image" in found
    assert ("yaml" in found) == ("dagger_aml.plan.deployment" in found) == rules == ("blue.yml" in files)


def test_a_recipe_of_the_users_has_one(tmp_path, planned):
    mine = (
        "import anyio\nfrom dagger_aml.steps import base\n\n\nasync def recipe(graph, project):\n"
        "    await anyio.sleep(0)\n    return await base(graph, project.base)\n"
    )
    root = make(
        tmp_path / "p", {"code/score.py": SCORE, "mine.py": mine, "dagger-aml.toml": 'recipe = "./mine.py"\n'}
    )
    assert planned.loaded(_PLAN.format(calls=[["plan", str(root)]]), LOOP) == set(LOOP)


def test_every_public_name_is_there():
    for name in dagger_aml.__all__:
        assert getattr(dagger_aml, name) is not None
    assert sorted(dagger_aml.__all__) == dir(dagger_aml)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = dagger_aml.nonsense


def test_a_direct_push_loads_no_engine_and_no_terminal(tmp_path, monkeypatch, planned):
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    root = make(tmp_path / "p", {"code/score.py": SCORE, "model/m": "m"})
    with fake_registry() as registry:
        base = put_base(registry)
        words = ["build", str(root), "--base", base.reference, "-t", f"{registry.host}/app:1", "--push", "--no-smoke"]
        program = f"""
import contextlib, io
from dagger_aml.cli.main import cli
with contextlib.redirect_stdout(io.StringIO()):
    cli.main({[*words, "--quiet"]!r}, standalone_mode=False)
"""
        others = {f"dagger_aml.cli.progress.{each}" for each in ("as_json", "live", "overall", "plain", "watched")}
        others |= {f"dagger_aml.building.{each}" for each in ("gate", "hashing")}
        others |= {"dagger_aml.backends.runtime", "dagger_aml.backends.direct.runtime_image", "dagger_aml.process"}
        others |= {"dagger_aml.network.proxy", "dagger_aml.oci.registry", "encodings.idna", *OF_LISTS, *OF_FILES}
        assert planned.loaded(program, (*HEAVY, *others)) <= {"asyncio.subprocess"}
        # Now the base is known, and nothing is read of its layers.
        unasked = {*UNASKED, "tarfile", "dagger_aml.base.from_layers", "dagger_aml.oci.layer"} - {"cattrs"}
        assert planned.loaded(program, tuple(unasked)) == set()
        assert "1" in registry.manifests["app"]


OF_LOCAL_BUILDS = tuple(
    f"dagger_aml.{each}"
    for each in (
        *(f"backends.local.{each}" for each in ("builder", "bases", "output", "image", "containers", "limits")),
        *("backends.dockerfile.render", "backends.install_hints", "backends.secret_files", "backends.store"),
        *("backends.runtime", "base.probe", "graph.mount", "oci.layout", "oci.docker_archive", "fs.temporary"),
    )
)
"""What only a build by docker, podman or buildah has a use for, and what starts images."""


def test_what_drives_docker_s_store_loads_nothing_that_builds():
    program = "from dagger_aml.backends.builders import kind_of; assert kind_of('docker').store().at_socket"
    unasked = (*HEAVY, *UNASKED, *OF_LOCAL_BUILDS, "shutil", "tempfile", "tarfile", "http.server", "secrets")
    assert loaded(f"{program}; import dagger_aml.oci.loopback", unasked) == set()


@pytest.mark.parametrize("name", ["podman", "buildah"])
def test_nor_does_what_drives_podman_s(name):
    program = f"from dagger_aml.backends.builders import kind_of; assert kind_of({name!r}).store().name == {name!r}"
    others = {"dagger_aml.fs.temporary", "dagger_aml.backends.local.limits"}
    assert loaded(program, (*HEAVY, *UNASKED, *{*OF_LOCAL_BUILDS} - others, "tarfile", "http.server")) == set()


def test_a_push_of_what_has_not_changed_loads_no_event_loop_and_reads_no_project(tmp_path, monkeypatch, planned):
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    root = make(tmp_path / "p", {"code/score.py": SCORE, "model/m": "m"})
    with fake_registry() as registry:
        base = put_base(registry)
        words = ["build", str(root), "--base", base.reference, "-t", f"{registry.host}/app:1", "--push", "--no-smoke"]
        program = f"""
import contextlib, gc, io, sys
import dagger_aml.building.unchanged as unchanged
from dagger_aml.__main__ import main
unchanged.STILL_NS, asked, sys.argv = -10**12, sys.argv, ["dagger-aml", *{[*words, "--quiet"]!r}]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
assert gc.get_freeze_count(), "what is loaded is looked through at the end"
sys.argv = asked
"""
        unasked = (*HEAVY, *UNASKED, "asyncio", "anyio", "click", "dagger_aml.project", "dagger_aml.graph.graph",
                   "dagger_aml.events", "dagger_aml.network.proxy", "subprocess", "encodings.idna")  # fmt: skip
        assert "anyio" in planned.loaded(program, unasked)
        assert "anyio" in loaded(program, unasked)
        registry.asked.clear()
        assert loaded(program, unasked) == set()
        assert registry.requests()[-1] == "PUT /v2/app/manifests/1"


def test_a_pattern_is_compiled_when_it_is_asked_first(monkeypatch):
    compiled = []

    def counted(*said, compile=re.compile):
        compiled.append(said)
        return compile(*said)

    monkeypatch.setattr(re, "compile", counted)
    made = pattern(rb"(a)(?P<rest>B*)", re.IGNORECASE)
    assert not compiled
    for _ in range(3):
        assert made.fullmatch(b"abb")["rest"] == b"bb" and made.match(b"b") is None
    assert compiled == [(rb"(a)(?P<rest>B*)", re.IGNORECASE)] * 2  # Once for each method.
    assert made.pattern == rb"(a)(?P<rest>B*)" and made.flags & re.IGNORECASE
    with pytest.raises(AttributeError):
        _ = made.nonsense


_COMPILED = """
import importlib, re, sys
compiled, real = [], re.compile
def noted(*said):
    name = sys._getframe(1).f_globals["__name__"]
    if name.startswith("dagger_aml."):
        compiled.append(name)
    return real(*said)
re.compile = noted
from dagger_aml.backends.builders import kinds
from dagger_aml.check.modules import MODULES
kinds()
backends = ("direct.builder", "direct.loading", "local.builder", "dockerfile.render")
for name in ("cli.commands.build", "base.from_layers", "oci.registry", *(f"backends.{each}" for each in backends),
             *(f"check.{each}" for each, of in MODULES.items() if "project" in of)):
    importlib.import_module(f"dagger_aml.{name}")
print(*sorted({*compiled}))
"""


def test_nothing_that_a_build_loads_compiles_a_pattern_then():
    done = subprocess.run([sys.executable, "-c", _COMPILED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_every_pattern_of_the_package_is_one():
    package = Path(dagger_aml.__file__).parent
    having = [path for path in package.rglob("*.py") if " = pattern(" in path.read_text(encoding="utf-8")]
    names = [".".join(path.relative_to(package.parent).with_suffix("").parts) for path in having]
    values = [value for name in names for value in vars(importlib.import_module(name)).values()]
    inner = [each for value in values if isinstance(value, dict) for each in value.values()]
    inner += [each for value in values if isinstance(value, tuple) for each in value]
    found = [each for each in (*values, *inner) if type(each) is pattern]
    assert len(found) > len(having) > 30
    for each in found:
        assert each.pattern
