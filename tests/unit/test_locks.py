"""Lock files and pyproject.toml: what pip is told of them, or why it cannot be."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from dagger_aml import BaseError, Graph, GraphError, Options, ProjectError, UsageError, load_project, make_plan
from dagger_aml.graph.access import Access
from dagger_aml.graph.graph import Copy, Run
from dagger_aml.graph.mount import Secret
from dagger_aml.graph.source import Local, Text
from dagger_aml.requirements.discover import find_requirements
from dagger_aml.requirements.read import read_requirements
from dagger_aml.serving.local_packages import Place, wanted
from dagger_aml.steps import base, code, packages, pip, startup_packages
from tests.golden import PROJECTS
from tests.support.calls import await_, error_of, short
from tests.support.cases import for_each
from tests.support.projects import SCORE, make

A, B = "a" * 64, "b" * 64


def lines(text: str | None) -> list[str]:
    """The lines that pip reads, without hashes and comments."""
    assert text is not None
    whole = text.replace("\\\n", " ").splitlines()
    return [line.partition(" --hash")[0].strip() for line in whole if line and not line.startswith("#")]


def read(tmp_path: Path, name: str, text: str, files: dict[str, str | bytes | None] | None = None):
    return read_requirements(make(tmp_path, {name: text, **(files or {})}) / name, root=tmp_path)


# --- uv.lock --------------------------------------------------------------------------------------------------------


def package(
    name: str, version: str = "1", source: str = 'registry = "https://pypi.org/simple"', more: str = ""
) -> str:
    return f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ {source} }}\n{more}\n'


def wheel(name: str, version: str = "1", digest: str = A) -> str:
    return f'wheels = [{{ url = "https://x/{name}-{version}-py3-none-any.whl", hash = "sha256:{digest}" }}]\n'


def uv_lock(needs: str, *others: str, head: str = "", own: str = "") -> str:
    """A lock whose project needs what is said."""
    root = package("own", source='virtual = "."', more=f"dependencies = [{needs}]\n{own}")
    return "\n".join(['version = 1\nrequires-python = ">=3.10"', head, root, *others])


def test_a_uv_lock_is_what_uv_itself_exports():
    """The pylock.toml beside it is uv's own export of the same lock."""
    one, two = (read_requirements(PROJECTS / name) for name in ("uv-lock/uv.lock", "pylock/pylock.toml"))
    assert one.text is not None and two.text is not None
    assert one.text.splitlines()[1:] == two.text.splitlines()[1:]
    assert one.names == two.names == ("colorama", "idna", "six")
    assert one.hashes and two.hashes and one.python == two.python == ">=3.11"
    assert one.indexes == two.indexes == () and len(one.files) == len(two.files) == 1
    assert lines(one.text) == ['colorama==0.4.6 ; sys_platform == "win32"', "idna==3.10", "six==1.17.0"]
    assert one.text.count("--hash=sha256:") == 6


def test_only_what_the_project_itself_needs_is_taken(tmp_path):
    own = (
        '[package.optional-dependencies]\nplot = [{ name = "c" }]\n[package.dev-dependencies]\ndev = [{ name = "d" }]'
    )
    others = [package(name, more=wheel(name)) for name in "bcde"]
    found = read(tmp_path, "uv.lock", uv_lock('{ name = "b" }', *others, own=own))
    assert found.names == ("b",) and lines(found.text) == ["b==1"]


def test_extras_bring_what_they_need(tmp_path):
    b = 'dependencies = [{ name = "c" }]\n[package.optional-dependencies]\nx = [{ name = "d" }]\ny = [{ name = "e" }]'
    others = [package("b", more=wheel("b") + b), *(package(name, more=wheel(name)) for name in "cde")]
    found = read(tmp_path, "uv.lock", uv_lock('{ name = "b", extra = ["x"] }', *others))
    assert lines(found.text) == ["b==1", "c==1", "d==1"]


@for_each(
    ("needs", "of_b", "marker"),
    [
        ('{ name = "b" }, { name = "c" }', "", ""),
        ('{ name = "b", marker = "os_name == \'nt\'" }', '{ name = "c" }', 'os_name == "nt"'),
        (
            '{ name = "b", marker = "os_name == \'nt\'" }',
            '{ name = "c", marker = "python_version < \'3\'" }',
            'os_name == "nt" and python_version < "3"',
        ),
        ('{ name = "b" }, { name = "c", marker = "os_name == \'nt\'" }', '{ name = "c" }', ""),
        (
            '{ name = "b" }, { name = "c", marker = "os_name == \'nt\'" }',
            '{ name = "c", marker = "python_version < \'3\'" }',
            '(os_name == "nt") or (python_version < "3")',
        ),
        (
            "{ name = \"b\", marker = \"os_name == 'nt' or os_name == 'x'\" }",
            '{ name = "c", marker = "python_version < \'3\'" }',
            '(os_name == "nt" or os_name == "x") and python_version < "3"',
        ),
        (
            '{ name = "b", marker = "os_name == \'nt\'" }, { name = "c", marker = "os_name == \'nt\'" }',
            '{ name = "c", marker = "python_version < \'3\'" }',
            'os_name == "nt"',
        ),
    ],
)
def test_a_package_is_taken_where_it_is_reached(tmp_path, needs, of_b, marker):
    """Along each way all markers hold, and one of the ways is enough; circles are no matter."""
    b = package("b", more=wheel("b") + f"dependencies = [{of_b}]")
    c = package("c", more=wheel("c") + 'dependencies = [{ name = "b" }, { name = "c" }]')
    found = read(tmp_path, "uv.lock", uv_lock(needs, b, c))
    assert lines(found.text)[1] == (f"c==1 ; {marker}" if marker else "c==1")
    for line in lines(found.text):
        Requirement(line)


def test_several_versions_of_a_package_stay_apart(tmp_path):
    needs = (
        '{ name = "b", version = "1", marker = "python_version < \'3.12\'" }, '
        '{ name = "b", version = "2", marker = "python_version >= \'3.12\'" }'
    )
    others = [package("b", version, more=wheel("b", version)) for version in "12"]
    found = read(tmp_path, "uv.lock", uv_lock(needs, *others))
    assert lines(found.text) == ['b==1 ; python_version < "3.12"', 'b==2 ; python_version >= "3.12"']


SOURCES = {
    'registry = "https://pypi.org/simple"': ("b==1", ()),
    'registry = "https://pypi.org/simple/"': ("b==1", ()),
    'url = "https://x.example/b-1-py3-none-any.whl"': ("b @ https://x.example/b-1-py3-none-any.whl", ()),
    'url = "https://x.example/b.tar.gz", subdirectory = "sub"': (
        "b @ https://x.example/b.tar.gz#subdirectory=sub",
        (),
    ),
    'path = "wheels/b-1-py3-none-any.whl"': ("./wheels/b-1-py3-none-any.whl", ("wheels/b-1-py3-none-any.whl",)),
}


@pytest.mark.parametrize(("source", "wanted"), SOURCES.items(), ids=short)
def test_where_a_package_is_from_is_told_to_pip(tmp_path, source, wanted):
    line, archives = wanted
    lock = uv_lock('{ name = "b" }', package("b", source=source, more=wheel("b")))
    found = read(tmp_path, "uv.lock", lock, {"wheels/b-1-py3-none-any.whl": "x"})
    assert lines(found.text) == [line] and found.indexes == ()
    assert found.files == (tmp_path / "uv.lock", *(tmp_path / each for each in archives))


def test_indexes_other_than_pypi_are_named(tmp_path):
    mine = 'registry = "https://mine.example/simple"'
    b, c = package("b", source=mine, more=wheel("b")), package("c", more=wheel("c"))
    assert read(tmp_path / "1", "uv.lock", uv_lock('{ name = "b" }', b)).indexes == (
        "--index-url https://mine.example/simple",
    )
    assert read(tmp_path / "2", "uv.lock", uv_lock('{ name = "b" }, { name = "c" }', b, c)).indexes == (
        "--extra-index-url https://mine.example/simple",
    )


@for_each(
    ("text", "line", "said"),
    [
        ("version = 2\n", 1, "version 2 of uv.lock is not known"),
        ("", 1, "version None of uv.lock is not known"),
        ("version = 1\n= 3\n", 2, "not TOML"),
        ("version = 1\n", None, "whose root is not a project"),
        ("version = 1\npackage = 3\n", None, "not a file that uv wrote"),
        ("version = 1\n[[package]]\nname = 'x'\n", None, "not a file that uv wrote"),
        (uv_lock("", package("b", source='editable = "."')), None, "two roots"),
        (uv_lock('{ name = "b" }'), 4, "b, which own needs, is listed 0 times"),
        (uv_lock('{ name = "b" }', package("b"), package("b", "2")), 4, "is listed 2 times"),
        (uv_lock('{ name = "b", marker = "bad" }', package("b")), 4, "not a marker: 'bad'"),
        (uv_lock('{ name = "b" }', package("b", source='git = "https://x/y?rev=1#2"')), 11, "b is from git"),
        (uv_lock('{ name = "b" }', package("b", source='editable = "b"')), 11, "b is from a folder"),
        (uv_lock('{ name = "b" }', package("b", source='directory = "../b"')), 11, "b is from a folder"),
        (
            uv_lock('{ name = "b" }', package("b", source='registry = "../wheels"')),
            11,
            "an index that the build cannot",
        ),
        (uv_lock('{ name = "b" }', package("b", source='path = "../b-1.whl"')), 11, "is outside the project"),
        (uv_lock('{ name = "b" }', package("b", source='path = "b-1.whl"')), 11, "does not exist"),
        (
            uv_lock('{ name = "b" }', package("b", source='path = "b 1.whl"')),
            11,
            "cannot be written in a requirements file",
        ),
        (
            uv_lock('{ name = "b" }', package("b", source='path = "b\\n1.whl"')),
            11,
            "cannot be written in a requirements file",
        ),
        (uv_lock('{ name = "b" }', package("b", "1 ; x")), 11, "not a requirement: 'b==1 ; x'"),
        (uv_lock('{ name = "b" }', package("b", "1\\n-e .")), 11, "not a requirement"),
        (uv_lock('{ name = "b" }', package("b", source='url = "https://x/b\\n-e."')), 11, "not a requirement"),
        (
            uv_lock('{ name = "b" }, { name = "c" }', package("b", more=wheel("b")), package("c")),
            18,
            "c has no hash that pip supports",
        ),
        (
            uv_lock('{ name = "b" }', package("b"), head="").replace(">=3.10", "3.x"),
            2,
            "not a range of Python versions",
        ),
    ],
    ids=short,
)
def test_what_of_a_uv_lock_cannot_be_taken_is_told_with_its_line(tmp_path, text, line, said):
    error = error_of(read, tmp_path, "uv.lock", text)
    assert isinstance(error, ProjectError) and said in error.message
    assert error.location == f"{tmp_path}/uv.lock" + (f":{line}" if line else "")


@pytest.mark.parametrize("source", ['registry = "https://me:hunter2@x/simple"', 'url = "https://hunter2@x/b.whl"'])
def test_a_password_in_a_lock_is_refused_and_not_repeated(tmp_path, source):
    error = error_of(read, tmp_path, "uv.lock", uv_lock('{ name = "b" }', package("b", source=source)))
    assert "hunter2" not in str(error) and 'Options(secret="id=pip,' in str(error.hint)
    assert error.location == f"{tmp_path}/uv.lock:11"


def test_a_lock_without_any_hashes_is_taken_without(tmp_path):
    found = read(tmp_path, "uv.lock", uv_lock('{ name = "b" }', package("b")))
    assert found.hashes is False and lines(found.text) == ["b==1"]


def test_a_lock_that_is_older_than_its_pyproject_is_refused(tmp_path):
    own = '[package.metadata]\nrequires-dist = [{ name = "b-c", specifier = ">=1" }]'
    lock = uv_lock('{ name = "b-c" }', package("b-c", more=wheel("b-c")), own=own)
    project = '[project]\nname = "own"\nversion = "1"\ndependencies = ["B_c>=1"{}]\n'
    assert read(tmp_path, "uv.lock", lock, {"pyproject.toml": project.format("")}).names == ("b-c",)
    error = error_of(read, tmp_path, "uv.lock", lock, {"pyproject.toml": project.format(', "New.one"')})
    assert "older than pyproject.toml, which requires new-one" in error.message and error.hint == "Run: uv lock"


def test_a_lock_of_endless_ways_is_refused(tmp_path):
    names = [f"p{number}" for number in range(12)]
    chain = [
        package(name, more="dependencies = [" + ", ".join(
            f"{{ name = \"{later}\", marker = \"os_name == '{name}{later}'\" }}" for later in names[at + 1:]
        ) + "]")
        for at, name in enumerate(names)
    ]  # fmt: skip
    error = error_of(read, tmp_path, "uv.lock", uv_lock('{ name = "p0" }', *chain))
    assert "too many dependency paths" in error.message and "uv export" in str(error.hint)


# --- pylock.toml ----------------------------------------------------------------------------------------------------

HEAD = 'lock-version = "1.0"\ncreated-by = "me"\n'


def pylock(*parts: str, head: str = "") -> str:
    return HEAD + head + "".join(f'[[packages]]\nname = "b"\n{part}\n' for part in parts)


def a_wheel(**more: str) -> str:
    said = {"url": "https://x/b-1-py3-none-any.whl", **more}
    return (
        "{ " + ", ".join(f'{key} = "{value}"' for key, value in said.items()) + f', hashes = {{ sha256 = "{A}" }} }}'
    )


@for_each(
    ("part", "line", "archives"),
    [
        (f'version = "1"\nwheels = [{a_wheel()}]', "b==1", ()),
        (f"wheels = [{a_wheel()}]", "b==1", ()),
        (f'sdist = {{ url = "https://x/b-2.tar.gz", hashes = {{ sha256 = "{A}" }} }}', "b==2", ()),
        (f'archive = {{ url = "https://x/b.zip", hashes = {{ sha256 = "{A}" }} }}', "b @ https://x/b.zip", ()),
        (
            f'archive = {{ url = "https://x/b.zip", subdirectory = "s", hashes = {{ sha256 = "{A}" }} }}',
            "b @ https://x/b.zip#subdirectory=s",
            (),
        ),
        (
            f'archive = {{ path = "w/b-1-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }}',
            "./w/b-1-py3-none-any.whl",
            ("w/b-1-py3-none-any.whl",),
        ),
    ],
    ids=short,
)
def test_a_pylock_is_told_to_pip(tmp_path, part, line, archives):
    found = read(tmp_path, "pylock.toml", pylock(part), {"w/b-1-py3-none-any.whl": "x"})
    assert lines(found.text) == [line] and found.names == ("b",) and found.hashes
    assert f"--hash=sha256:{A}" in str(found.text)
    assert found.files == (tmp_path / "pylock.toml", *(tmp_path / each for each in archives))


def test_wheels_beside_a_pylock_travel_and_pip_chooses_among_them(tmp_path):
    names = ("w/b-1-py3-none-any.whl", "./w/b-1-cp312-cp312-linux_x86_64.whl")
    wheels = ", ".join(f'{{ path = "{name}", hashes = {{ sha256 = "{A}" }} }}' for name in names)
    files: dict[str, str | bytes | None] = {name.removeprefix("./"): "x" for name in names}
    found = read(tmp_path, "pylock.dev.toml", pylock(f"wheels = [{wheels}]"), files)
    assert lines(found.text) == ["--find-links ./w", "b==1"]
    assert found.files[1:] == tuple(tmp_path / name for name in files)


@for_each(
    ("marker", "true"),
    [
        ("'dev' in dependency_groups", True),
        ("'other' in dependency_groups", False),
        ("'dev' not in dependency_groups", False),
        ("'plot' in extras", False),
        ("'plot' not in extras and sys_platform == 'linux'", True),
        ("'plot' in extras or ('dev' in dependency_groups and sys_platform == 'win32')", False),
    ],
)
def test_groups_and_extras_of_a_pylock_are_settled_before_pip_reads_it(tmp_path, marker, true):
    head = 'default-groups = ["dev"]\ndependency-groups = ["dev", "other"]\nextras = ["plot"]\n'
    found = read(tmp_path, "pylock.toml", pylock(f'marker = "{marker}"\nwheels = [{a_wheel()}]', head=head))
    (line,) = lines(found.text)
    settled = Requirement(line).marker
    assert settled is not None and settled.evaluate({"sys_platform": "linux"}) is true


def test_the_project_itself_is_left_to_the_code(tmp_path):
    found = read(tmp_path, "pylock.toml", pylock('directory = { path = ".", editable = true }'))
    assert found.names == () and lines(found.text) == []


def test_hashes_that_pip_does_not_know_are_none(tmp_path):
    part = f'wheels = [{{ url = "https://x/b-1-py3-none-any.whl", hashes = {{ blake2b = "{A}" }} }}]'
    found = read(tmp_path, "pylock.toml", pylock(part))
    assert found.hashes is False and "--hash" not in str(found.text)


@for_each(
    ("text", "line", "said"),
    [
        ("", 1, "Missing required value"),
        (HEAD.replace("1.0", "2.0") + "packages = []\n", 1, "pylock version 2.0 is not supported"),
        (pylock("version = 3"), 5, "Unexpected type int"),
        (pylock(f'version = "2"\nwheels = [{a_wheel()}]'), 6, "not consistent with package version"),
        (
            pylock(f"wheels = [{a_wheel()}]", 'vcs = { type = "git", url = "x", commit-id = "1" }'),
            6,
            "version control",
        ),
        (pylock('directory = { path = "b" }'), 3, "b is from a folder"),
        (
            pylock(f'archive = {{ path = "/b.zip", hashes = {{ sha256 = "{A}" }} }}'),
            3,
            "cannot be written in a requirements file",
        ),
        (pylock(f'archive = {{ path = "../b.zip", hashes = {{ sha256 = "{A}" }} }}'), 3, "is outside the project"),
        (pylock(f'archive = {{ path = "w/../../b.zip", hashes = {{ sha256 = "{A}" }} }}'), 3, "outside the project"),
        (
            pylock(f'wheels = [{{ path = "b-1-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }}]'),
            3,
            "does not exist",
        ),
        (pylock(f'index = "ftp://x"\nwheels = [{a_wheel()}]'), 3, "an index that the build cannot reach"),
    ],
    ids=short,
)
def test_what_of_a_pylock_cannot_be_taken_is_told_with_its_line(tmp_path, text, line, said):
    error = error_of(read, tmp_path, "pylock.toml", text)
    assert isinstance(error, ProjectError) and said in error.message
    assert error.location == f"{tmp_path}/pylock.toml:{line}"


# --- pyproject.toml -------------------------------------------------------------------------------------------------


def test_the_dependencies_of_a_pyproject_are_taken_as_written(tmp_path):
    text = (
        '[project]\nname = "p"\nrequires-python = ">= 3.10"\n'
        'dependencies = ["idna>=3", " six ; os_name == \'nt\' "]\n'
        '[project.optional-dependencies]\nplot = ["matplotlib"]\n[dependency-groups]\ndev = ["pytest"]\n'
    )
    found = read(tmp_path, "pyproject.toml", text)
    assert found.names == ("idna", "six") and lines(found.text) == ["idna>=3", "six ; os_name == 'nt'"]
    assert found.python == ">=3.10" and not found.hashes and found.files == (tmp_path / "pyproject.toml",)


@for_each(
    ("text", "line", "said"),
    [
        ("[project]\nx\n", 2, "not TOML"),
        ('[project]\nname = "p"\ndynamic = ["dependencies"]\n', 3, "its dependencies are dynamic"),
        ('[tool.poetry.dependencies]\npython = "^3.12"\nidna = "^3"\n', 1, "Poetry's own"),
        ('[project]\ndependencies = "idna"\n', 2, "must be a list"),
        ("[project]\ndependencies = [3]\n", 2, "not a requirement: 3"),
        ('[project]\ndependencies = ["idna = 3"]\n', 2, "not a requirement: 'idna = 3'"),
        ('[project]\ndependencies = ["idna\\n-e ."]\n', 2, "not a requirement"),
        ('[project]\ndependencies = ["a @ https://x/a\\n-e."]\n', 2, "not a requirement"),
        ('[project]\ndependencies = ["a @ file:///b"]\n', 2, "cannot be used in the build"),
        ('[project]\ndependencies = ["a @ ./b"]\n', 2, "cannot be used in the build"),
        ('[project]\nrequires-python = "3.x"\n', 2, "not a range of Python versions"),
    ],
    ids=short,
)
def test_what_of_a_pyproject_cannot_be_taken_is_told_with_its_line(tmp_path, text, line, said):
    error = error_of(read, tmp_path, "pyproject.toml", text)
    assert isinstance(error, ProjectError) and said in error.message
    assert error.location == f"{tmp_path}/pyproject.toml:{line}"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_dependency_is_one_line_for_pip_or_one_clear_error(tmp_path_factory, text):
    escaped = "".join(f"\\U{ord(character):08x}" for character in text)
    path = tmp_path_factory.getbasetemp() / "any" / "pyproject.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'[project]\ndependencies = ["{escaped}"]\n')
    assert tomllib.loads(path.read_text())["project"]["dependencies"] == [text]
    try:
        found = read_requirements(path)
    except ProjectError as error:
        assert error.location == f"{path}:2"
    else:
        assert len(str(found.text).splitlines()) == 2 and len(found.names) == 1


# --- finding --------------------------------------------------------------------------------------------------------

WITH = '[project]\nname = "p"\ndependencies = ["idna"]\n'
WITHOUT = "[tool.ruff]\nline-length = 100\n"


@for_each(
    ("files", "taken", "left"),
    [
        ({}, None, ()),
        ({"pyproject.toml": WITHOUT}, None, ()),
        ({"pyproject.toml": "not TOML"}, None, ()),
        ({"pyproject.toml": '[project]\nname = "p"\n'}, None, ()),
        ({"pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.12"\n'}, None, ()),
        ({"pyproject.toml": '[tool.poetry.dependencies]\nidna = "^3"\n'}, "pyproject.toml", ()),
        ({"pyproject.toml": '[project]\ndynamic = ["dependencies"]\n'}, "pyproject.toml", ()),
        ({"pyproject.toml": WITH}, "pyproject.toml", ()),
        ({"pyproject.toml": WITH, "uv.lock": ""}, "uv.lock", ()),
        ({"pyproject.toml": WITH, "uv.lock": "", "code/pyproject.toml": WITH}, "uv.lock", ("code/pyproject.toml",)),
        (
            {"pyproject.toml": WITH, "uv.lock": "", "pylock.x.toml": ""},
            "pylock.x.toml",
            ("uv.lock", "pyproject.toml"),
        ),
        (
            {"pyproject.toml": WITH, "uv.lock": "", "pylock.toml": "", "code/requirements.txt": ""},
            "code/requirements.txt",
            ("pylock.toml", "uv.lock", "pyproject.toml"),
        ),
        ({"requirements.txt": "", "code/uv.lock": ""}, "requirements.txt", ("code/uv.lock",)),
        (
            {"requirements.txt": "", "code/uv.lock": "", "uv.lock": ""},
            "requirements.txt",
            ("uv.lock", "code/uv.lock"),
        ),
        ({"requirements.txt/": None, "uv.lock": ""}, "requirements.txt", ("uv.lock",)),
        ({"pylock.a.b.toml": "", "Requirements.txt": "", "pyproject.toml/": None}, None, ()),
    ],
    ids=short,
)
def test_the_first_in_order_is_taken(tmp_path, files, taken, left):
    make(tmp_path, {"code/": None, **files})
    found = find_requirements([tmp_path, tmp_path / "code", tmp_path], root=tmp_path)
    if found is None:
        assert taken is None
    else:
        assert found.path.relative_to(tmp_path).as_posix() == taken
        assert tuple(path.relative_to(tmp_path).as_posix() for path in found.others) == left


@pytest.mark.parametrize(
    "files",
    [
        ("requirements.txt", "code/requirements.txt"),
        ("pylock.prod.toml", "pylock.toml"),
        ("pylock.a.toml", "code/pylock.b.toml"),
        ("uv.lock", "code/uv.lock"),
    ],
)
def test_two_of_one_rank_are_an_error_that_names_both(tmp_path, files):
    make(tmp_path, {"code/": None, **dict.fromkeys(files, "")})
    error = error_of(find_requirements, [tmp_path, tmp_path / "code"], root=tmp_path)
    assert f"{files[0]} and {files[1]}" in error.message and "Options(requirements=…)" in str(error.hint)


def test_a_dangling_link_is_told(tmp_path):
    make(tmp_path, {"requirements.txt": "->nowhere", "uv.lock": ""})
    assert "broken link" in error_of(find_requirements, [tmp_path], root=tmp_path).message


# --- steps ----------------------------------------------------------------------------------------------------------


def step(function, *args, **kwargs) -> Graph:
    graph = await_(base(Graph(access=kwargs.pop("access", Access())), kwargs.pop("on", "minimal-py312-inference")))
    return await_(function(graph, *args, **kwargs))


def installing(graph: Graph) -> Run:
    """The command of the first pip step."""
    return next(layer for layer in graph.layers if isinstance(layer, Run) and "install" in layer.argv)


def test_pip_installs_what_the_lock_says(tmp_path):
    graph = step(pip, PROJECTS / "uv-lock" / "uv.lock")
    (copy,) = (layer for layer in graph.layers if isinstance(layer, Copy))
    assert isinstance(copy.source, Text) and copy.dest == "/usr/share/dagger-aml/requirements.txt"
    assert copy.source.data.decode() == read_requirements(PROJECTS / "uv-lock" / "uv.lock").text
    assert installing(graph).argv[-2:] == ("--requirement", copy.dest)
    assert installing(graph).name == "pip uv.lock (3 packages)"


def test_archives_of_a_lock_lie_beside_its_lines(tmp_path):
    part = f'archive = {{ path = "w/b-1-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }}'
    make(tmp_path, {"pylock.toml": pylock(part), "w/b-1-py3-none-any.whl": "x"})
    graph = step(pip, tmp_path / "pylock.toml")
    files, text = (layer for layer in graph.layers if isinstance(layer, Copy))
    assert isinstance(files.source, Local) and [entry.path for entry in files.source.entries] == [
        "w",
        "w/b-1-py3-none-any.whl",
    ]
    assert text.dest == f"{files.dest}/requirements.txt"
    assert installing(graph).workdir == files.dest


def test_an_index_that_the_user_says_takes_the_place_of_the_lock_s(tmp_path):
    mine = package("b", source='registry = "https://mine.example/simple"', more=wheel("b"))
    make(tmp_path, {"uv.lock": uv_lock('{ name = "b" }', mine)})
    said = (Access(), Access(index_url="https://mirror.example/simple"), Access(secrets=(Secret.of("pip", "x"),)))
    texts = []
    for access in said:
        copy = step(pip, tmp_path / "uv.lock", access=access).layers[0]
        assert isinstance(copy, Copy) and isinstance(copy.source, Text)
        texts.append(lines(copy.source.data.decode()))
    assert texts == [["--index-url https://mine.example/simple", "b==1"], ["b==1"], ["b==1"]]


def test_packages_are_added_behind_the_file_or_alone(tmp_path):
    file = make(tmp_path, {"requirements.txt": "six\n", "empty.txt": "# nothing\n"}) / "requirements.txt"
    graph = step(pip, file, more=["idna==3.10", "tomli; python_version < '3.11'"])
    assert installing(graph).argv[-4:] == (
        "--requirement", "/usr/share/dagger-aml/requirements.txt", "idna==3.10", "tomli; python_version < '3.11'"
    )  # fmt: skip
    assert "requirements.txt (1 package) and idna==3.10, tomli" in installing(graph).name
    for nothing in (None, tmp_path / "empty.txt"):
        alone = step(pip, nothing, more=["idna==3.10"])
        assert not [layer for layer in alone.layers if isinstance(layer, Copy)]
        assert installing(alone).argv[-2:] == ("install", "idna==3.10")
        assert not step(pip, nothing).layers
    assert isinstance(error_of(step, pip, PROJECTS / "uv-lock" / "uv.lock", more=["idna"]), UsageError)


def test_preinstalled_packages_take_locks_and_additions_too(tmp_path):
    graph = step(packages, PROJECTS / "pylock" / "pylock.toml", via="pythonpath")
    stage = graph.layers[0].source.graph  # type: ignore[union-attr]
    assert "/usr/share/dagger-aml/requirements.txt" in stage.layers[1].argv
    alone = step(packages, more=["idna==3.10"], via="pythonpath")
    assert alone.layers[0].source.graph.layers[0].argv[-1] == "idna==3.10"  # type: ignore[union-attr]
    assert "lists no packages" in error_of(step, packages, via="pythonpath").message


@for_each(
    ("files", "requirements", "more", "name", "wanted"),
    [
        ({"r.txt": "six\n"}, "r.txt", [], "r.txt", None),
        ({"r.txt": "six"}, "r.txt", ["idna"], "requirements.txt", "six\nidna\n"),
        ({"r.txt": b"\xef\xbb\xbfsix \\\r\n"}, "r.txt", ["idna"], "requirements.txt", "six \nidna\n"),
        ({}, None, ["idna"], "requirements.txt", "idna\n"),
        ({"pyproject.toml": WITH}, "pyproject.toml", ["six"], "requirements.txt", "idna\nsix\n"),
        ({"code/requirements.txt": "six\n"}, "code/requirements.txt", [], "requirements.txt", None),
        ({"code/requirements.txt": "six\n"}, "code/requirements.txt", ["idna"], "requirements-2.txt", "six\nidna\n"),
    ],
    ids=short,
)
def test_packages_installed_at_start_are_one_file(tmp_path, files, requirements, more, name, wanted):
    make(tmp_path, {"code/score.py": SCORE, **files})
    graph = await_(code(await_(base(Graph(), "minimal-py312-inference")), tmp_path / "code"))
    graph = await_(startup_packages(graph, tmp_path / requirements if requirements else None, more=more))
    assert graph.config.env["AZUREML_EXTRA_REQUIREMENTS_TXT"] == name
    last = graph.layers[-1]
    assert isinstance(last, Copy)
    if wanted is None:
        assert isinstance(last.source, Local)
    else:
        assert last.dest == f"/var/azureml-app/{name}" and isinstance(last.source, Text)
        text = last.source.data.decode().removeprefix("# dagger-aml made this from pyproject.toml.\n")
        assert text == wanted


def test_a_base_of_another_python_than_the_lock_s_is_refused(tmp_path):
    make(tmp_path, {"pyproject.toml": WITH.replace("[project]", '[project]\nrequires-python = ">=3.11.7"')})
    make_plan(step(pip, tmp_path / "pyproject.toml", on="curated/minimal-py311-inference"))
    make_plan(step(pip, tmp_path / "pyproject.toml"))
    make(tmp_path, {"pyproject.toml": WITH.replace("[project]", '[project]\nrequires-python = ">=3.13"')})
    error = error_of(make_plan, step(pip, tmp_path / "pyproject.toml"))
    assert isinstance(error, BaseError) and "pyproject.toml is for Python >=3.13" in error.message and error.hint


def test_locks_at_start_name_no_other_files(tmp_path):
    part = f'archive = {{ path = "b-1-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }}'
    make(tmp_path, {"pylock.toml": pylock(part), "b-1-py3-none-any.whl": "x"})
    assert "refers to other files" in error_of(step, startup_packages, tmp_path / "pylock.toml").message
    make(tmp_path, {"code/score.py": SCORE, "code/r.txt": "x", "r.txt": "six\n"})
    graph = await_(code(await_(base(Graph(), "minimal-py312-inference")), tmp_path / "code"))
    with pytest.raises(GraphError, match="a different file"):
        await_(startup_packages(graph, tmp_path / "r.txt"))


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("requirements.txt", ("six",), ["--requirement", "{project}/requirements.txt", "six"]),
        ("uv.lock", (), ["--requirement", "{place}/requirements.txt"]),
        (None, ("six",), ["six"]),
    ],
)
def test_without_an_image_the_same_packages_are_installed(tmp_path, name, more, words):
    """By `run --local`, behind the server, which no lock has a hash of."""
    project = make(tmp_path / "p", {"requirements.txt": "idna\n"})
    (project / "uv.lock").write_text((PROJECTS / "uv-lock" / "uv.lock").read_text())
    loaded = load_project(make(tmp_path / "empty", {}), Options(pip=more))
    place = Place(make(tmp_path / "place", {}))
    found = wanted(evolve(loaded, requirements=project / name if name else None), Graph(), place)
    assert list(found.words) == [word.format(project=project, place=place.root) for word in words]
    assert found.folder == (project if name else place.root)
    if name == "uv.lock":
        assert lines((place.root / "requirements.txt").read_text())[1:] == ["idna==3.10", "six==1.17.0"]
