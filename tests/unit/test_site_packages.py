"""Folders of installed packages: how they are read, and what is said of one on the command line."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterable
from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from dagger_aml.base import catalog
from dagger_aml.base.facts import BaseFacts, Distribution
from dagger_aml.base.glibc import glibc_of
from dagger_aml.building.examine import examine, examine_input
from dagger_aml.check.inputs.kinds import DOCKERFILE, SITE_PACKAGES, kind_of
from dagger_aml.check.inputs.site_packages import FolderFacts
from dagger_aml.check.run import run
from dagger_aml.cli.common import at_once
from dagger_aml.cli.main import cli
from dagger_aml.errors import ProjectError, UsageError
from dagger_aml.graph.base import From
from dagger_aml.project.load import load_project
from dagger_aml.project.settings import Options
from dagger_aml.sitepackages import read as reading
from dagger_aml.sitepackages.elf import Elf, read_elf
from dagger_aml.sitepackages.read import read_folder
from tests.support.cases import for_each
from tests.support.compiled import elf, macho


def check(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["check", str(folder), *words])


def packed(folder: Path, name: str = "six", version: str = "1.17.0", *lines: str) -> Path:
    """A package's metadata."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(
        "\n".join(["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *lines])
    )
    return info


# --- compiled files -----------------------------------------------------------------------------------------------


@for_each(
    ("data", "found"),
    [
        (elf("x86_64", "2.17"), Elf("x86_64", (2, 17))),
        (elf("aarch64", "2.38"), Elf("aarch64", (2, 38))),
        (elf(more=("GLIBC_2.4", "GLIBC_PRIVATE", "GLIBC_2.2.5")), Elf("x86_64", (2, 17))),
        (elf(more=("GLIBC_ABI_DT_RELR",)), Elf("x86_64", (2, 36))),
        (elf(needs="libc.musl-x86_64.so.1"), Elf("x86_64", musl=True)),
        (b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HH", 3, 0x28) + bytes(44), Elf("armv7l")),
        (b"\x7fELF\x02\x02\x01" + bytes(9) + struct.pack(">HH", 3, 22) + bytes(44), Elf("machine 22")),
        (elf()[:100], None),
        (b"\x7fELF", None),
        (b"not one", None),
    ],
)
def test_a_compiled_file_says_where_it_can_be_loaded(data: bytes, found: Elf | None):
    assert read_elf(io.BytesIO(data)) == found


@given(st.integers(16, 400), st.binary(min_size=1, max_size=24))
def test_a_broken_file_is_read_or_left(place: int, junk: bytes):
    data = bytearray(elf(more=("GLIBC_2.30", "GLIBC_2.31")))
    data[place : place + len(junk)] = junk
    assert isinstance(read_elf(io.BytesIO(bytes(data))), Elf | None)


@pytest.mark.parametrize("place", [1 << 45, 1 << 60, (1 << 64) - 1])
def test_a_place_that_no_file_has_is_not_looked_at(tmp_path: Path, place: int):
    data = bytearray(elf())
    struct.pack_into("<Q", data, 32, place)
    (tmp_path / "a.so").write_bytes(data)
    with (tmp_path / "a.so").open("rb", buffering=0) as file:
        assert read_elf(file) is None


def test_our_own_interpreter_s_modules_fit_it():
    """The reader beside what this machine can load."""
    import _ctypes
    import platform

    path = getattr(_ctypes, "__file__", None)
    if path is None:
        pytest.fail("this Python has no compiled module")
    with Path(path).open("rb") as file:
        found = read_elf(file)
    if os.uname().sysname == "Linux" and platform.libc_ver()[0] == "glibc":
        assert found
        assert found.machine == platform.machine()
        assert found.glibc
        assert found.glibc <= tuple(int(part) for part in platform.libc_ver()[1].split(".")[:2])


# --- the folder ---------------------------------------------------------------------------------------------------


def test_a_folder_is_read(tmp_path: Path):
    info = packed(tmp_path, "fast-math", "1.0", "Requires-Python: >=3.9", "Requires-Dist: six", "", "Name: not this")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nTag: cp312-cp312-linux_x86_64\n")
    (info / "RECORD").write_text('"fast/a,b.abi3.so",,\n../../bin/fast,,\nfast/__init__.py,sha256=x,2\n')
    (tmp_path / "fast").mkdir()
    (tmp_path / "fast" / "__init__.py").touch()
    (tmp_path / "fast" / "a,b.abi3.so").write_bytes(elf())
    (tmp_path / "lost.cpython-313t-x86_64-linux-gnu.so").write_bytes(elf())
    (tmp_path / "fake.so").write_bytes(b"INPUT(libreal.so)")
    (tmp_path / "fast" / "__pycache__").mkdir()
    (tmp_path / "fast" / "__pycache__" / "x.so").write_bytes(elf())
    found = read_folder(tmp_path)
    (package,) = found.packages
    assert package.distribution == Distribution("fast-math", "1.0", ("six",))
    assert (package.python, package.tags, package.modules) == (">=3.9", ("cp312-cp312-linux_x86_64",), {"fast"})
    assert [(each.path, each.module, each.python) for each in package.binaries] == [
        ("fast/a,b.abi3.so", "fast/a,b", "")
    ]
    assert [(each.module, each.python) for each in found.loose] == [("lost", "3.13t")]
    assert found.modules == {"fast": "fast", "lost": "lost.cpython-313t-x86_64-linux-gnu.so", "fake": "fake.so"}


def test_metadata_with_other_line_ends_and_of_eggs_are_read(tmp_path: Path):
    info = packed(tmp_path)
    (info / "METADATA").write_bytes(b"Name: six\r\nVersion: 1.17.0\r\nRequires-Dist: a\r\n\r\nRequires-Dist: b\r\n")
    (tmp_path / "old-1.0.egg-info").write_text("Name: old\nVersion: 1.0\n")
    (tmp_path / "older-1.0.egg-info").mkdir()
    (tmp_path / "older-1.0.egg-info" / "PKG-INFO").write_text("Name: older\nVersion: 1.0\n")
    assert [each.title for each in read_folder(tmp_path).packages] == ["old 1.0", "older 1.0", "six 1.17.0"]
    assert read_folder(tmp_path).packages[2].distribution.requires == ("a",)


@for_each("text", ["", "{", "[1]", '{"dir_info": 1, "url": "x"}', '{"dir_info": {"editable": 1}}', "[" * 99_999])
def test_a_strange_direct_url_is_no_editable_install(tmp_path: Path, text: str):
    (packed(tmp_path) / "direct_url.json").write_text(text)
    assert read_folder(tmp_path).packages[0].editable == ""


def test_links_are_followed_inside_and_told_outside(tmp_path: Path):
    folder = tmp_path / "libs"
    packed(folder)
    (folder / "lib.so.1").write_bytes(elf())
    (folder / "lib.so").symlink_to("lib.so.1")
    (folder / "out").symlink_to("../elsewhere")
    (folder / "loop").symlink_to("loop")
    (folder / "self").symlink_to(".")
    (folder / "absolute.so").symlink_to(folder / "lib.so.1")
    found = read_folder(folder)
    assert found.links == {"absolute.so": str(folder / "lib.so.1"), "out": "../elsewhere"}
    assert [each.path for each in found.loose] == ["lib.so", "lib.so.1"]


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_what_only_its_owner_may_read_is_told(tmp_path: Path):
    info = packed(tmp_path / "libs")
    (info / "METADATA").chmod(0o600)
    (tmp_path / "libs" / "inner").mkdir(mode=0o744)
    (tmp_path / "libs").chmod(0o755)
    info.chmod(0o755)
    assert read_folder(tmp_path / "libs").unreadable == ("inner", "six-1.17.0.dist-info/METADATA")
    result = check(tmp_path / "libs", "--select", "AML913")
    assert (
        "only its owner may read it, and 1 more like it, and the image's user is another one [AML913]"
        in result.stdout
    )
    info.joinpath("METADATA").chmod(0o644)
    (tmp_path / "libs" / "inner").chmod(0o755)
    assert "Nothing found." in check(tmp_path / "libs", "--select", "AML913").stdout


def test_a_folder_without_end_is_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(reading, "_MOST_FILES", 2)
    for name in "abcd":
        (tmp_path / name).touch()
    with pytest.raises(ProjectError, match="more than 2 files"):
        read_folder(tmp_path)


# --- the command --------------------------------------------------------------------------------------------------


def test_what_is_a_folder_of_packages(tmp_path: Path):
    def is_one(path: Path) -> bool:
        return kind_of(str(path)) is SITE_PACKAGES

    packed(tmp_path / "libs")
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "empty").mkdir()
    packed(tmp_path / "lambda")
    (tmp_path / "lambda" / "score.py").touch()
    packed(tmp_path / "venv" / "lib" / "python3.12" / "site-packages")
    assert not is_one(tmp_path / "venv")
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    (tmp_path / "file").touch()
    names = [path.name for path in sorted(tmp_path.iterdir()) if is_one(path)]
    assert names == ["libs", "site-packages", "venv"]


def test_the_project_file_beside_the_folder_says_the_base(tmp_path: Path):
    packed(tmp_path / "libs", "ours", "1", "Requires-Python: <3.12")
    assert "AML904" in check(tmp_path / "libs").stdout
    (tmp_path / "dagger-aml.toml").write_text('base = "curated/minimal-py311-inference"\n')
    result = check(tmp_path / "libs")
    assert result.stdout.splitlines()[-1] == "Nothing found."
    (tmp_path / "dagger-aml.toml").write_text('[check]\nignore = ["AML904"]\n')
    assert check(tmp_path / "libs").stdout.splitlines()[-1] == "Nothing found (1 silenced)."


def test_what_cannot_be_known_is_listed(tmp_path: Path):
    packed(tmp_path / "libs")
    result = check(tmp_path / "libs", "--base", "registry.example/ours/base:1", "--platform", "linux/s390x")
    lines = [line for line in result.stdout.splitlines() if line.startswith("not checked")]
    assert lines == [
        "not checked, since the Python of the base is not known: AML901, AML904, AML920, AML921, AML922",
        "not checked, since the processor of the base is not known: AML902, AML903",
    ]


def of_a_real_base(folder: Path, **known: object) -> list[str]:
    """What is found with facts that a probe gives."""
    base = catalog.base("minimal-py312-inference")
    facts = evolve(catalog.assumed(base), source="probed", **known)
    return [str(each) for each in run(FolderFacts(read_folder(folder), base, facts)).told]


def test_a_probe_tells_what_the_base_has(tmp_path: Path):
    packed(tmp_path, "ours", "1", "Requires-Dist: joblib>=1")
    server = Distribution("azureml-inference-server-http", "1.4.1", ("ours~=2.0",))
    has = (server, Distribution("joblib", "1.5.2"))
    (told,) = of_a_real_base(tmp_path, full_python="3.12.4", glibc="2.35", distributions=has)
    assert "azureml-inference-server-http 1.4.1 requires ours~=2.0 [AML922]" in told
    assert (
        "requires joblib" in of_a_real_base(tmp_path, full_python="3.12.4", glibc="2.35", distributions=(server,))[0]
    )


def test_a_probe_tells_the_c_library(tmp_path: Path):
    packed(tmp_path)
    (tmp_path / "fast.cpython-312-x86_64-linux-gnu.so").write_bytes(elf(glibc="2.35"))
    assert of_a_real_base(tmp_path, full_python="3.12.4", glibc="2.35") == []
    assert (
        "fast needs glibc 2.35, and the base image has 2.31 [AML903]"
        in of_a_real_base(tmp_path, full_python="3.12.4", glibc="2.31.1")[0]
    )
    assert of_a_real_base(tmp_path, full_python="3.12.4", glibc="") == []


@for_each(
    ("base", "glibc"),
    [
        ("minimal-ubuntu22.04-py39-cpu-inference", (2, 35)),
        ("minimal-ubuntu20.04-py38-cpu-inference", (2, 31)),
        ("curated/minimal-py311-inference", (2, 35)),
        ("ours.azurecr.io/mirror/azureml/curated/mlflow-py312-inference:3", (2, 35)),
        ("python:3.12-slim-bookworm", (2, 36)),
        ("python:3.12-trixie", (2, 41)),
        ("python:3.12-slim", None),
        ("python:3.12-alpine", None),
        ("minimal-py312-inference", None),
        ("registry.example/ubuntu22.04:1", None),
    ],
)
def test_some_names_of_bases_tell_the_c_library(base: str, glibc: tuple[int, int] | None):
    assert glibc_of(catalog.base(base)) == glibc


def test_a_mac_s_modules_beside_linux_s_are_no_fault(tmp_path: Path):
    packed(tmp_path)
    for name, data in (("darwin", macho()), ("x86_64-linux-gnu", elf())):
        (tmp_path / f"fast.cpython-312-{name}.so").write_bytes(data)
    assert of_a_real_base(tmp_path) == []


def test_facts_without_a_base_check_nothing(tmp_path: Path):
    packed(tmp_path)
    facts = FolderFacts(read_folder(tmp_path))
    assert (facts.base_python, facts.machine, facts.base_glibc, facts.base_packages) == (None,) * 4
    assert isinstance(catalog.assumed(catalog.base("minimal-py312-inference")), BaseFacts)


# --- the base is asked --------------------------------------------------------------------------------------------


class Answers:
    """A base that has what it is said to have."""

    def __init__(self, facts: BaseFacts, *, packages: bool = False) -> None:
        self.facts, self.packages = facts, packages

    def for_packages(self) -> Answers:
        return Answers(self.facts, packages=True)

    async def probe(self, base: From, paths: Iterable[str]) -> tuple[str | None, BaseFacts]:
        assert self.packages
        return f"sha256:{'a' * 64}", evolve(self.facts, source="probed")


def answering(**known: object) -> Answers:
    return Answers(evolve(catalog.assumed(catalog.base("minimal-py312-inference")), **known))


def test_a_base_that_is_asked_tells_what_a_folder_needs(tmp_path: Path):
    packed(tmp_path / "libs")
    (tmp_path / "libs" / "fast.cpython-312-x86_64-linux-gnu.so").write_bytes(elf(glibc="2.38"))
    name = str(tmp_path / "libs")
    assumed = at_once(examine_input(name, SITE_PACKAGES, Options()))
    assert (assumed.told, assumed.unchecked) == ((), {"AML903": ("base_glibc",)})
    probes = answering(full_python="3.12.4", glibc="2.35", distributions=())
    asked = at_once(examine_input(name, SITE_PACKAGES, Options(), probes))
    assert ([each.id for each in asked.told], asked.unchecked) == (["AML903"], {})


def test_a_base_that_is_asked_tells_of_a_project(tmp_path: Path):
    (tmp_path / "score.py").write_text("def init():\n    pass\n\n\ndef run(data):\n    return match(data)\n")
    project = load_project(tmp_path)
    assert at_once(examine(project)).told == ()
    told = at_once(examine(project, answering(uid=0, user=""))).told
    assert "AML601" in {each.id for each in told}


def test_the_base_of_a_dockerfile_is_not_asked(tmp_path: Path):
    (tmp_path / "Dockerfile").write_text("FROM python:3.12\n")
    with pytest.raises(UsageError, match="the base of a Dockerfile is not asked"):
        at_once(examine_input(str(tmp_path / "Dockerfile"), DOCKERFILE, Options(), answering()))


def test_only_a_probe_asks_a_builder(tmp_path: Path):
    packed(tmp_path / "libs")
    result = check(tmp_path / "libs", "--with", "docker")
    assert isinstance(result.exception, UsageError)
    assert "only --probe uses a builder" in str(result.exception)
