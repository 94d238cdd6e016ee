"""Locks for elsewhere and locks that are out of date: refused by the plan, with the base's platform and Python."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from packaging.pylock import Pylock, PylockSelectError

from dagger_aml import BaseError, Graph, ProjectError, make_plan
from dagger_aml.errors import DaggerAmlError
from dagger_aml.requirements.outdated import outdated
from dagger_aml.requirements.read import read_requirements
from dagger_aml.requirements.targets import PYTHONS, Target, _tags, fitting_pythons, misfit
from dagger_aml.steps import base, packages, pip
from dagger_aml.toml import read as read_toml
from tests.support.calls import await_, error_of, short
from tests.support.cases import for_each
from tests.support.projects import make
from tests.unit.test_locks import A, package, pylock, uv_lock, wheel


def a_wheel(name: str) -> str:
    return f'{{ name = "{name}", url = "https://x.example/{name}", hashes = {{ sha256 = "{A}" }} }}'


def wheels(*names: str, more: str = "") -> str:
    return f'version = "1"\nwheels = [{", ".join(map(a_wheel, names))}]\n{more}'


MANYLINUX = "b-1-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
SDIST = f'sdist = {{ url = "https://x.example/b-1.tar.gz", hashes = {{ sha256 = "{A}" }} }}'

LOCKS = {
    "any": (pylock(wheels("b-1-py3-none-any.whl")), "3.8 3.12 3.16", True),
    "one Python, as pip lock writes it": (pylock(wheels(MANYLINUX)), "3.12", False),
    "several": (pylock(wheels(MANYLINUX, MANYLINUX.replace("312", "311"))), "3.11 3.12", False),
    "a stable ABI": (pylock(wheels("b-1-cp39-abi3-manylinux2014_x86_64.whl")), "3.9 3.10 3.12 3.16", False),
    "a source archive too": (pylock(wheels(MANYLINUX, more=SDIST)), "3.8 3.12 3.16", True),
    "Windows": (pylock(wheels("b-1-cp312-cp312-win_amd64.whl")), "", False),
    "a Mac": (pylock(wheels("b-1-cp312-cp312-macosx_11_0_arm64.whl")), "", False),
    "Arm": (pylock(wheels(MANYLINUX.replace("x86_64", "aarch64"))), "", True),
    "a very new C library": (pylock(wheels("b-1-cp312-cp312-manylinux_2_39_x86_64.whl")), "3.12", False),
    "not needed on Linux": (
        pylock(wheels("b-1-cp312-cp312-win_amd64.whl", more="marker = \"sys_platform == 'win32'\"")),
        "3.8 3.12 3.16",
        True,
    ),
    "environments": (
        pylock(wheels("b-1-py3-none-any.whl"), head="environments = [\"sys_platform == 'win32'\"]\n"),
        "",
        False,
    ),
    "environments of one Python": (
        pylock(wheels("b-1-py3-none-any.whl"), head="environments = [\"python_version == '3.11'\"]\n"),
        "3.11",
        True,
    ),
    "environments of a machine": (
        pylock(wheels("b-1-py3-none-any.whl"), head="environments = [\"platform_machine == 'aarch64'\"]\n"),
        "",
        True,
    ),
    "a late patch": (
        pylock(wheels("b-1-py3-none-any.whl"), head="environments = [\"python_full_version >= '3.11.4'\"]\n"),
        "3.11 3.12 3.16",
        True,
    ),
    "a package for some Pythons": (
        pylock(wheels("b-1-py3-none-any.whl", more='requires-python = ">=3.11"')),
        "3.11 3.12 3.16",
        True,
    ),
}


@functools.cache
def tags_of(target: Target) -> list[Any]:
    return sorted(_tags(target), key=str)


@for_each(("text", "pythons", "on_arm"), LOCKS.values(), ids=LOCKS)
def test_where_a_pylock_fits(tmp_path, text, pythons, on_arm):
    """Beside packaging's own selection, for every Python that a base may have."""
    found = read_requirements(make(tmp_path, {"pylock.toml": text}) / "pylock.toml")
    fitting, why = fitting_pythons(found, "linux/amd64")
    assert set(pythons.split()) <= set(fitting) and (why is None) == (fitting == PYTHONS)
    assert bool(fitting_pythons(found, "linux/arm64")[0]) is on_arm
    lock = Pylock.from_dict(read_toml(text))
    for python in PYTHONS:
        for platform in ("linux/amd64", "linux/arm64"):
            target, taken = Target(python, platform), []
            for environment in target.environments():
                try:
                    list(lock.select(environment=environment, tags=tags_of(target)))  # type: ignore[arg-type]
                    taken.append(True)
                except PylockSelectError:
                    taken.append(False)
            assert any(taken) is (misfit(found, target) is None), (python, platform)


@for_each("name", ["Windows", "a Mac", "environments", "Arm", "environments of a machine"])
@for_each("step", [pip, packages])
def test_a_lock_for_another_platform_is_refused_when_it_is_planned(tmp_path, name, step):
    make(tmp_path, {"pylock.toml": LOCKS[name][0]})
    graph = await_(base(Graph(), "minimal-py312-inference"))
    how = {"via": "pythonpath"} if step is packages else {}
    error = error_of(lambda: await_(step(graph, tmp_path / "pylock.toml", **how)))
    assert isinstance(error, ProjectError) and "cannot be installed on linux/amd64" in error.message
    assert str(error.location).startswith(f"{tmp_path}/pylock.toml") and "pip lock" in str(error.hint)


def planned(path: Path, on: str) -> DaggerAmlError | None:
    graph = await_(pip(await_(base(Graph(), on)), path))
    try:
        make_plan(graph)
    except DaggerAmlError as error:
        return error
    return None


def test_a_lock_of_one_python_is_refused_on_a_base_of_another(tmp_path):
    path = make(tmp_path, {"pylock.toml": LOCKS["one Python, as pip lock writes it"][0]}) / "pylock.toml"
    assert planned(path, "minimal-py312-inference") is None
    error = planned(path, "curated/minimal-py311-inference")
    assert isinstance(error, BaseError) and "with Python 3.12 alone" in error.message
    assert f"of b it has only {MANYLINUX}" in error.message and "pip lock" in str(error.hint)


# --- uv.lock --------------------------------------------------------------------------------------------------------

WIN = "supported-markers = [\"sys_platform == 'win32'\"]"
FORKS = "resolution-markers = [\"python_version >= '3.12'\", \"python_version < '3.12'\"]"


@for_each(
    ("head", "more", "fits"),
    [
        ("", wheel("b"), True),
        (FORKS, wheel("b"), True),
        (WIN, wheel("b"), False),
        (f"{WIN}\n{FORKS}", wheel("b"), False),
        ("supported-markers = [\"sys_platform == 'linux'\"]", wheel("b"), True),
        ("", 'wheels = [{ url = "https://x/b-1-cp312-cp312-win_amd64.whl" }]', False),
        ("", 'wheels = [{ filename = "b-1-cp312-cp312-win_amd64.whl", url = "https://x/download" }]', False),
        (
            "",
            'sdist = { url = "https://x/b.tgz" }\nwheels = [{ url = "https://x/b-1-cp312-cp312-win_amd64.whl" }]',
            True,
        ),
    ],
    ids=short,
)
def test_where_a_uv_lock_fits(tmp_path, head, more, fits):
    lock = uv_lock('{ name = "b" }', package("b", more=more), head=head)
    found = read_requirements(make(tmp_path, {"uv.lock": lock}) / "uv.lock")
    assert (misfit(found, Target("3.12", "linux/amd64")) is None) is fits
    graph = await_(base(Graph(), "minimal-py312-inference"))
    if fits:
        await_(pip(graph, tmp_path / "uv.lock"))
    else:
        error = error_of(lambda: await_(pip(graph, tmp_path / "uv.lock")))
        assert "uv.lock cannot be installed on linux/amd64" in error.message and "uv lock" in str(error.hint)


def test_a_broken_marker_of_a_uv_lock_is_told(tmp_path):
    make(tmp_path, {"uv.lock": uv_lock("", head='supported-markers = ["x"]')})
    assert "not a marker: 'x'" in error_of(read_requirements, tmp_path / "uv.lock").message


B = {"name": "b"}


@for_each(
    ("wanted", "recorded", "said"),
    [
        (["b"], [B], None),
        ([], [], None),
        (["B >= 1, <2"], [{"name": "b", "specifier": "<2,>=1"}], None),
        (["b==1.0"], [{"name": "b", "specifier": "==1.0.0"}], None),
        (["b[X]==1"], [{"name": "b", "extras": ["x"], "specifier": "==1"}], None),
        (["b<2; python_version<'3.12'", "b>2; python_version>='3.12'"],
         [{"name": "b", "specifier": "<2"}, {"name": "b", "specifier": ">2"}], None),
        (["b ; python_version>='3.8'"], [B], None),
        (["b"], [B, {"name": "c", "marker": "extra == 'plot'"}], None),
        (["b>=1"], [{"name": "b", "git": "https://x.example/b"}], None),
        (["b @ https://x.example/b.whl"], [{"name": "b", "url": "https://x.example/b.whl"}], None),
        (["b ="], [], None),
        (["b", "c"], [B], "requires c"),
        (["b>=2"], [{"name": "b", "specifier": ">=1"}], "requires b>=2"),
        (["b>=2"], [B], "requires b>=2"),
        (["b"], [{"name": "b", "specifier": ">=1"}], "requires b"),
        (["b[x]"], [B], "requires b[x]"),
        (["b"], [{"name": "b", "extras": ["x"]}], "requires b"),
        (["b"], [B, {"name": "c", "specifier": "==1"}], "no longer requires c"),
        ([], [B], "no longer requires b"),
        (["c"], [{"name": "c", "marker": "extra == 'plot'"}], "requires c"),
    ],
    ids=short,
)  # fmt: skip
def test_what_of_the_dependencies_changed_is_told(wanted, recorded, said):
    assert outdated(wanted, recorded) == said


def test_a_uv_lock_that_is_out_of_date_is_refused(tmp_path):
    """Its package is there and its version is another: pip would have taken the lock's."""
    own = '[package.metadata]\nrequires-dist = [{ name = "b", specifier = "<2" }]'
    lock = uv_lock('{ name = "b" }', package("b", more=wheel("b")), own=own)
    project = '[project]\nname = "own"\nversion = "1"\ndependencies = ["b{}"]\n'
    make(tmp_path, {"uv.lock": lock, "pyproject.toml": project.format("<2")})
    assert read_requirements(tmp_path / "uv.lock").names == ("b",)
    make(tmp_path, {"pyproject.toml": project.format(">=2")})
    error = error_of(read_requirements, tmp_path / "uv.lock")
    assert "is older than pyproject.toml, which requires b>=2" in error.message and error.hint == "Run: uv lock"
    make(tmp_path, {"pyproject.toml": '[project]\nname = "own"\ndynamic = ["dependencies"]\n'})
    assert read_requirements(tmp_path / "uv.lock").names == ("b",)
