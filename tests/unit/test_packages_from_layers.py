"""What a base has installed, from its layers: packages, and the exact versions of Python and the C library."""

from __future__ import annotations

import io

import pytest
from attrs import evolve

from dagger_aml.base.distributions import distribution_of, lines_of_metadata
from dagger_aml.base.facts import BaseFacts, Distribution
from dagger_aml.base.from_layers import facts_from_layers
from dagger_aml.base.known import KnownFacts
from dagger_aml.base.probe import from_probe
from dagger_aml.base.versions import pythons_of_dpkg, version_of_libc
from tests.support.cases import for_each
from tests.support.layers import Put, file, hard, layers, link, package, program

ENV = "AZUREML_CONDA_ENVIRONMENT_PATH="
SITE = "/env/lib/python3.12/site-packages"
BANNER = "x\0GNU C Library (Ubuntu GLIBC 2.35-0ubuntu3.8) stable release version 2.35.\nCopyright"
SYSTEM = {
    **{"usr/bin": Put(), "lib": link("usr/lib"), "lib64": link("usr/lib64"), "usr/lib64": Put(), "etc": Put()},
    "usr/lib/x86_64-linux-gnu/libc.so.6": file(BANNER),
}
ELF = b"\x7fELF\0\0/lib64/ld-linux-x86-64.so.2\0"
HEADER = (
    "#define PY_MAJOR_VERSION\t3\n#define PY_MINOR_VERSION 12\n# define PY_MICRO_VERSION        {}\n#define X 9\n"
)


def python(prefix: str = "env", version: str = "3.12", site_py: str = "") -> dict[str, Put]:
    """A Python below a prefix that tells its version by its header."""
    lib = f"{prefix}/lib/python{version}"
    return {
        **{prefix: Put(), f"{prefix}/bin/python": link(f"python{version}"), f"{lib}/os.py": file()},
        **{f"{prefix}/bin/python{version}": program(ELF), f"{lib}/lib-dynload/x.so": file()},
        **{f"{lib}/site.py": file(site_py), f"{lib}/site-packages/pip/__init__.py": file()},
        f"{prefix}/include/python{version}/patchlevel.h": file(HEADER.format(4)),
    }


def debians() -> dict[str, Put]:
    """Debian's own Python, of which dpkg knows."""
    status = "Package: python3.12-minimal\nStatus: install ok installed\nVersion: 3.12.3-1ubuntu0.5\n\nPackage: z\n"
    found = python("usr", site_py="dist-packages") | {"usr/lib/python3/dist-packages/pip/__init__.py": file()}
    del found["usr/include/python3.12/patchlevel.h"], found["usr/lib/python3.12/site-packages/pip/__init__.py"]
    return {**found, "var/lib/dpkg/status": file(status)}


def venv(more: str = "include-system-site-packages = false\n", **changed: Put) -> dict[str, Put]:
    """A virtual environment of Debian's Python."""
    return {
        **{"env": Put(), "env/bin/python": link("/usr/bin/python3.12"), "env/lib64": link("lib")},
        **{"env/pyvenv.cfg": file(f"home = /usr/bin\nversion = 3.12.3\n{more}")},
        f"{SITE[1:]}/pip/__init__.py": file(),
        **changed,
    }


def facts(*each: dict[str, Put], environment: str = "/env") -> BaseFacts:
    config = {"Env": ["PATH=/usr/bin", f"{ENV}{environment}"]}
    return facts_from_layers(config, layers(SYSTEM, *each), (), packages=True)


def tells(of: BaseFacts) -> bool:
    return KnownFacts(of, frozenset()).tells_packages


def names(*each: dict[str, Put], environment: str = "/env") -> list[str] | None:
    found = facts(*each, environment=environment).distributions
    return None if found is None else [f"{one.name} {one.version}" for one in found]


# --- packages -----------------------------------------------------------------------------------------------------


def test_the_packages_of_an_environment_in_the_order_of_their_folders():
    low = {
        **python(),
        **package(SITE, "b", "2", "a>=1", 'c; extra == "d"'),
        **package(SITE, "a"),
        **package("/x", "y"),
    }
    found = facts(low)
    assert found.distributions == (
        Distribution("a", "1"),
        Distribution("b", "2", ("a>=1", 'c; extra == "d"')),
    )
    config = {"Env": ["PATH=/usr/bin", f"{ENV}/env"]}
    without = facts_from_layers(config, layers(SYSTEM, low), ())
    assert (without.full_python, without.glibc, without.distributions) == (
        "",
        "",
        None,
    ) and not tells(without)
    assert tells(found) and tells(facts()), "of a base without Python too"
    assert names(python()) == []


def test_what_upper_layers_take_away_or_replace():
    low = {**python(), **package(SITE, "a"), **package(SITE, "b"), **package(SITE, "c")}
    top = {
        f"{SITE[1:]}/.wh.a-1.dist-info": file(),
        f"{SITE[1:]}/b-1.dist-info/METADATA": file("Name: b\nVersion: 1.0\n"),
        f"{SITE[1:]}/c-1.dist-info/.wh.METADATA": file(),
        **package(SITE, "d"),
    }
    assert names(low, top, {f"{SITE[1:]}/bare-1.dist-info/RECORD": file()}) == ["b 1.0", "d 1"]
    assert names(low, {f"{SITE[1:]}/.wh..wh..opq": file(), **package(SITE, "e")}) == ["e 1"]
    assert names(low, {f"{SITE[1:]}/a-1.dist-info": link("b-1.dist-info")}) == ["b 1", "b 1", "c 1"]


def test_metadata_that_is_a_hard_link_into_condas_cache():
    cached = package("/pkgs/a-1-0/site-packages", "a")
    (path,) = cached
    assert names({**python(), **cached, f"{SITE[1:]}/a-1.dist-info/METADATA": hard(path)}) == ["a 1"]


def test_where_debians_python_looks():
    shared, local = "/usr/lib/python3/dist-packages", "/usr/local/lib/python3.12/dist-packages"
    system = {**debians(), **package(shared, "a"), **package(local, "z")}
    assert names(system, environment="/usr") == ["z 1", "a 1"]
    own = package(SITE, "m") | package("/env/lib/python3/dist-packages", "odd")
    assert names(system, venv(), own) == ["m 1", "odd 1"]
    assert names(system, venv("include-system-site-packages = true\n"), own) == ["m 1", "odd 1", "z 1", "a 1"]
    for doubtful in ("/usr/lib/python3.12/dist-packages", "/usr/lib/python3.12/site-packages"):
        assert names(system, package(doubtful, "b"), environment="/usr") is None


def test_a_python_of_its_own_does_not_look_where_debians_does():
    beside = package("/usr/local/lib/python3.12/dist-packages", "b") | package("/usr/local/lib/python3.12/x", "x")
    own = python("usr/local") | package("/usr/local/lib/python3.12/site-packages", "a")
    assert names(own, beside, environment="/usr/local") == ["a 1"]


NAMESPACE = "import sys, types, os;p = os.path.join(sys._getframe(1).f_locals['sitedir'], 'google')\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("google_api_core-2.11.0-py3.9-nspkg.pth", NAMESPACE),
        ("distutils-precedence.pth", "import os; x\n"),
        ("_virtualenv.pth", "import _virtualenv"),
        ("a.pth", "# x\n\n  \n/nowhere\n.\n../empty\n"),
        ("readme.txt", "import x"),
    ],
)
def test_pth_files_that_bring_no_packages(name, text):
    more = {f"{SITE[1:]}/{name}": file(text), "env/lib/python3.12/empty": Put()}
    assert names(python(), package(SITE, "a"), more) == ["a 1"]


@for_each(
    "more",
    [
        {f"{SITE}/a.pth": file("import finder\n")},
        {f"{SITE}/x-nspkg.pth": file(NAMESPACE.replace("p =", "sys.path.append; p ="))},
        {f"{SITE}/x-nspkg.pth": file("import x\n")},
        {f"{SITE}/a.pth": file("/more\n"), **package("/more", "b")},
        {f"{SITE}/a.pth": file("/more\n"), "more/sitecustomize.py": file("import os.path\n")},
        {f"{SITE}/.hidden.pth": file("")},
        {f"{SITE}/a.pth": file("# é\n")},
        {f"{SITE}/sitecustomize.py": file("import sys; sys.path.append('x')")},
        {f"{SITE}/sitecustomize/__init__.py": file()},
        {"env/lib/python3.12/sitecustomize.cpython-312.so": file()},
        {"env/lib/python3.12/lib-dynload/sitecustomize.py": file("path")},
        package("/env/lib/python3.12", "stdlib"),
        package("/env/lib/python3.12/lib-dynload", "stdlib"),
        package("/env/lib64/python3.12/site-packages", "b"),
        package("/env/local/lib/python3.12/site-packages", "b"),
        {"env/lib/python3.12/.wh.site.py": file()},
        {"env/lib/python3.12/.wh.lib-dynload": file()},
        {"env/lib/python3.12/orig-prefix.txt": file("/usr")},
        {"env/bin/python3._pth": file()},
        {f"{SITE}/a-1.dist-info/METADATA": file("Name: a\n" + "Requires-Dist: b\n" * 20_000)},
        {f"{SITE}/a-1.dist-info/METADATA": file("x" * 70_000)},
    ],
)
def test_what_leaves_a_doubt_about_packages_leaves_them_unknown(more):
    found = facts(python(), package(SITE, "a"), {path.lstrip("/"): put for path, put in more.items()})
    assert found.distributions is None and not tells(found)
    assert (found.python, found.full_python, found.pip) == ("3.12", "3.12.4", True)


def test_a_standard_library_in_lib64_leaves_packages_unknown():
    fedoras = {
        "usr/bin/python3.12": program(ELF),
        "usr/bin/python": link("python3.12"),
        "usr/lib64/python3.12/os.py": file(),
    }
    more = {"usr/lib64/python3.12/site.py": file(), "usr/lib64/python3.12/lib-dynload/x": file()}
    assert names(fedoras, more, {"usr/lib/python3.12/site-packages/pip": Put()}, environment="/usr") is None


# --- metadata -----------------------------------------------------------------------------------------------------


def lines(text: str | bytes) -> list[str]:
    told = lines_of_metadata(io.BytesIO(text.encode() if isinstance(text, str) else text))
    assert told is not None
    return told.decode().split("\n")


def test_the_lines_of_metadata_that_count():
    text = "Metadata: 2.1\nNAME: a \nversion:1\nLicense: x\n        \n   y\nRequires-Dist: b (>=1)\r\n\r\nName: c\n"
    assert lines(text) == ["NAME: a", "version:1", "Requires-Dist: b (>=1)"]
    assert distribution_of(lines(text)) == Distribution("a", "1", ("b (>=1)",))
    assert lines(b"Name: \xff\rVersion: 1") == ["Name: \ufffd", "Version: 1"]
    assert distribution_of(["Name: a", "Version:"]) is None is distribution_of(["Version: 1"])
    long = "Name: a\nVersion: 1\n" + "Classifier: x\n" * 10_000
    assert distribution_of(lines(f"{long}Requires-Dist: b\n\nVersion: 2\n")) == Distribution("a", "1", ("b",))


def test_the_probe_understands_the_same_lines():
    printed = "".join(f"dist.{line}\n" for line in ("Name:a", "VERSION: 1", "Requires-Dist:b", "requires-dist: c"))
    answer = f"user 0 0\nenvironment 0 0 3.12\ndistributions\ndistribution\n{printed}distribution\ndist.Name: x\n"
    assert from_probe(answer, BaseFacts("probed")).distributions == (Distribution("a", "1", ("b", "c")),)


# --- versions -----------------------------------------------------------------------------------------------------


def versions(*each: dict[str, Put], environment: str = "/env") -> tuple[str, str]:
    found = facts(*each, environment=environment)
    assert found.python == "3.12"
    return found.full_python, found.glibc


def header(micro: str, prefix: str = "env") -> dict[str, Put]:
    return {f"{prefix}/include/python3.12/patchlevel.h": file(HEADER.format(micro))}


def test_the_version_of_python_is_what_all_files_agree_on():
    conda = {
        "env/conda-meta/python-3.12.4-h955ad1f_1.json": file(),
        "env/conda-meta/python-dateutil-2.9.0-x.json": file(),
    }
    assert versions(python(), conda) == versions(python()) == ("3.12.4", "2.35")
    assert versions(python(), conda, header("5")) == ("", "2.35")
    assert versions(python(), {"env/include/.wh.python3.12": file()}) == ("", "2.35")
    assert versions(python(), {"env/include/.wh.python3.12": file()}, conda) == ("3.12.4", "2.35")
    for other in ("#define PY_MAJOR_VERSION 3\n#define PY_MINOR_VERSION 12\n", HEADER.format(4).replace("12", "11")):
        assert versions(python(), {"env/include/python3.12/patchlevel.h": file(other)}) == ("", "2.35")


def test_dpkg_knows_the_version_of_debians_python_alone():
    assert versions(debians(), environment="/usr") == versions(debians(), venv()) == ("3.12.3", "2.35")
    assert versions(debians(), header("3", "usr"), environment="/usr") == ("3.12.3", "2.35")
    assert versions(debians(), header("4", "usr"), environment="/usr") == ("", "2.35")
    elsewhere = python("opt/p")
    del elsewhere["opt/p/include/python3.12/patchlevel.h"]
    assert versions(debians(), elsewhere, environment="/opt/p") == ("", "2.35")


def test_a_copied_interpreter_is_what_its_environment_was_made_with():
    copied = venv() | {"env/bin/python": program(ELF)}
    assert versions(debians(), copied) == ("3.12.3", "2.35")
    older = {**copied, "env/pyvenv.cfg": file("home = /usr/bin\nversion_info = 3.12.1.final.0\n")}
    assert versions(debians(), older) == ("", "2.35"), "the base's was replaced since, or not"
    assert versions(debians(), {"var/lib/dpkg/.wh.status": file()}, older) == ("3.12.1", "2.35")
    early = {**older, "env/pyvenv.cfg": file("home = /usr/bin\nversion_info = 3.12.0.candidate.1\n")}
    assert versions(debians(), {"var/lib/dpkg/.wh.status": file()}, early) == ("", "2.35")


def test_what_dpkg_lists():
    status = (
        b"Package: python3.12-minimal\nStatus: install ok installed\nX: y\n z\nVersion: 3.12.3-1\n\n"
        b"Package: python3.11-minimal\nStatus: deinstall ok config-files\nVersion: 3.11.2\n\nPackage: python3.9\n"
    )
    assert pythons_of_dpkg(io.BytesIO(status)) == b"python3.12-minimal 3.12.3-1"
    assert pythons_of_dpkg(io.BytesIO(b"x" * (8 * 1024 * 1024 + 1))) is None


LIBC = "usr/lib/x86_64-linux-gnu/libc.so.6"


def test_the_version_of_glibc():
    named = {
        LIBC: link("libc-2.31.so"),
        "usr/lib/x86_64-linux-gnu/libc-2.31.so": file(BANNER.replace("2.35.", "2.31.")),
    }
    assert versions(python(), named) == ("3.12.4", "2.31")
    assert versions(python(), {"lib64/libc.so.6": file(BANNER), "lib64": Put()}) == ("3.12.4", "2.35")
    second = {"usr/lib64": Put(), "usr/lib64/libc.so.6": file(BANNER.replace("2.35.", "2.34."))}
    for doubtful in (second, {LIBC: file("no banner")}, {LIBC: link("gone")}, {"env/bin/python3.12": program()}):
        assert versions(python(), doubtful) == ("", ""), "the version of Python alone tells of another library"


def test_the_c_library_may_be_another_one():
    musl = {"env/bin/python3.12": program(b"\x7fELF/lib/ld-musl-x86_64.so.1\0")}
    assert versions(python(), musl) == ("3.12.4", "")
    assert versions(python(), musl, {"env/include/.wh.python3.12": file()}) == ("", "")


@pytest.mark.parametrize("before", [0, 262_100, 262_144, 700_000])
def test_glibc_tells_its_version_anywhere(before):
    assert version_of_libc(io.BytesIO(b"\0" * before + BANNER.encode())) == b"2.35"
    assert version_of_libc(io.BytesIO(b"\0" * before + b"GNU C Library release version 2.\n")) == b""


# --- asked for ----------------------------------------------------------------------------------------------------


def test_facts_without_packages_do_not_answer_for_them():
    whole = KnownFacts(facts(python(), package(SITE, "a")), frozenset({"/a"}))
    for less in ({"distributions": None}, {"full_python": "", "glibc": ""}):
        short = evolve(whole, facts=evolve(whole.facts, **less))
        assert short.for_paths(["/a"]) is not None and short.for_paths(["/a"], packages=True) is None
        for merged in (short.merged(whole), whole.merged(short)):
            assert merged.for_paths(["/a"], packages=True).distributions == (Distribution("a", "1"),)
            assert merged.facts.full_python == "3.12.4"
    assert KnownFacts(facts(), frozenset()).for_paths([], packages=True).distributions is None
