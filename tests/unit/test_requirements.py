"""Requirements files and apt files: what they name, as pip and apt read them, or why they are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from dagger_aml import GraphError, ProjectError, UsageError
from dagger_aml.requirements.apt import check_apt, read_apt
from dagger_aml.requirements.read import read_requirements
from dagger_aml.requirements.requirements_txt import check_added
from tests.support.calls import error_of, short
from tests.support.cases import for_each
from tests.support.projects import make


def read(tmp_path, text: str | bytes) -> tuple[str, ...]:
    return read_requirements(make(tmp_path, {"requirements.txt": text}) / "requirements.txt").names


@for_each(
    ("text", "names"),
    [
        ("", ()),
        ("\n\n# only words\n   # indented\n", ()),
        ("numpy\nscipy==1.0\npandas[sql,aws]>=2,<3\n", ("numpy", "scipy", "pandas")),
        ("numpy==1.0 # why\nscipy==1.0\t#x\n", ("numpy", "scipy")),
        ("numpy ; python_version < '3.12'\n", ("numpy",)),
        ("a @ https://example.org/a-1.0.whl#sha256=0123\n", ("a",)),
        ("a @ git+https://github.com/x/a@main\n", ("a",)),
        (
            "numpy==1.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\nscipy==1 --hash=sha256:22\n",
            ("numpy", "scipy"),
        ),
        ("num\\\npy==1.\\\n0\n", ("numpy",)),
        ("numpy==1.0 \\\n# a comment ends it\nscipy==1\n", ("numpy", "scipy")),
        ("# a comment does not go on \\\nnumpy==1\n", ("numpy",)),
        ("numpy==1.0 \\", ("numpy",)),
        (
            "--index-url https://pypi.example/simple\n-i https://x.example\n--extra-index-url=https://y\nnumpy\n",
            ("numpy",),
        ),
        ("--only-binary :all:\n--pre\n--require-hashes\n--prefer-binary\n--no-index\nnumpy\n", ("numpy",)),
        ("\ufeffnumpy==1\r\nscipy==1\r\n", ("numpy", "scipy")),
        ("Numpy==1\nNUMPY==1\n", ("Numpy", "NUMPY")),
        ("--pre --index-url 'https://x.example/a b' -i https://y\nnumpy\n", ("numpy",)),
        ("-f https://example.org/wheels.html\n--find-links=http://example.org/\nnumpy\n", ("numpy",)),
        ("numpy==1 --hash sha256:00\n", ("numpy",)),
    ],
)
def test_what_pip_takes_is_taken(tmp_path, text, names):
    assert read(tmp_path, text) == names


@for_each(
    ("text", "line", "said"),
    [
        ("numpy==1\n\nscipy = 1.0\n", 3, "not a requirement: 'scipy = 1.0'"),
        ("-r other.txt\n", 1, "'other.txt' does not exist"),
        ("-rother.txt\n", 1, "'other.txt' does not exist"),
        ("numpy\n--requirement=x\n", 2, "'x' does not exist"),
        ("-c constraints.txt\n", 1, "'constraints.txt' does not exist"),
        ("-r ../out.txt\n", 1, "is outside the project"),
        ("-r https://example.org/r.txt\n", 1, "from the network"),
        ("-r requirements.txt\n", 1, "includes itself"),
        ("-e .\n", 1, "-e cannot be used here"),
        ("-e git+https://x.example/y#egg=z\n", 1, "-e cannot be used here"),
        ("-f ./wheels\n", 1, "'./wheels' does not exist"),
        ("numpy\n--find-links=wheels\n", 2, "'wheels' does not exist"),
        ("-f ..\n", 1, "is outside the project"),
        ("-f file:///wheels\n", 1, "a file URL cannot be used in the build"),
        ("-f requirements.txt\n", 1, "'requirements.txt' is not a folder"),
        ("-f .\n", 1, "there are no wheels or source archives in '.'"),
        ("--pre -e .\n", 1, "-e cannot be used here"),
        ("--no-index --find-links ../wheels\n", 1, "is outside the project"),
        ("--pre numpy\n", 1, "not an option of a requirements file: numpy"),
        ("--pre=yes\n", 1, "not an option of a requirements file: --pre=yes"),
        ("--index-url\n", 1, "the option --index-url needs a value"),
        ("-r 'half\n", 1, "not options of a requirements file"),
        ("--trusted-host x\n", 1, "--trusted-host cannot be used here"),
        ("-\n", 1, "not an option of a requirements file: -"),
        ("-=x\n", 1, "not an option of a requirements file: -"),
        ("-r\n", 1, "the option -r needs a value"),
        (f"-r {'x' * 5000}\n", 1, "does not exist"),
        (f"{'x' * 5000}.whl\n", 1, "does not exist"),
        ("--no-deps\n", 1, "not an option of a requirements file: --no-deps"),
        ("--target=/x\n", 1, "--target"),
        ("\u2013r requirements.txt\n", 1, "not a requirement"),
        ("./wheels/a.whl\n", 1, "does not exist"),
        ("/etc/a.whl\n", 1, "is outside the project"),
        ("a @ file:///etc/a.whl\n", 1, "cannot be used in the build"),
        ("../a\n", 1, "cannot be used in the build"),
        ("https://example.org/a.whl\n", 1, "not a requirement"),
        ("numpy 1.0\n", 1, "not a requirement"),
        ("numpy==1.0; rm -rf /\n", 1, "not a requirement"),
        ("numpy==1.0 && id\n", 1, "not a requirement"),
        ("<!DOCTYPE html>\n", 1, "not a requirement"),
        ("name: env\ndependencies:\n", 1, "not a requirement"),
        ('{"numpy": 1}\n', 1, "not a requirement"),
        ("a==1 \\\n  b==2\n", 1, "not a requirement"),
        ("ok\n\n\nbad line \\\n goes on\n", 4, "not a requirement"),
    ],
    ids=short,
)
def test_what_is_no_requirement_is_told_with_its_line(tmp_path, text, line, said):
    error = error_of(read, tmp_path, text)
    assert isinstance(error, ProjectError) and said in error.message
    assert error.location == f"{tmp_path}/requirements.txt:{line}"
    assert (
        error.hint
        or "option" in error.message
        or "is not a folder" in error.message
        or "cannot be used here: " in error.message
        or "include" in error.message
    )


@for_each(
    "line",
    [
        "--index-url https://me:hunter2@pypi.example/simple",
        "--extra-index-url=https://hunter2@pypi.example/simple",
        "-i https://__token__:hunter2@pypi.example/simple",
        "a @ https://me:hunter2@example.org/a.whl",
        "a @ git+https://hunter2@github.com/x/a",
        "numpy --index-url https://me:hunter2@x",
    ],
)
def test_passwords_are_refused_and_not_repeated(tmp_path, line):
    error = error_of(read, tmp_path, f"numpy==1\n{line}\n")
    assert "password" in error.message and error.location == f"{tmp_path}/requirements.txt:2"
    assert 'Options(secret="id=pip,' in str(error.hint)
    assert "hunter2" not in str(error)


def test_a_user_of_ssh_is_no_password(tmp_path):
    assert read(tmp_path, "a @ git+ssh://git@github.com/x/a\n") == ("a",)


@pytest.mark.parametrize("data", [b"\xff\xfen\0u", b"\xff\xfen\0\0\0", b"\xe9", b"a\0b", b"PK\x03\x04\xff\xff"])
def test_what_is_no_text_is_told(tmp_path, data):
    error = error_of(read, tmp_path, data)
    assert "not a text file" in error.message and error.location == f"{tmp_path}/requirements.txt"


def test_missing_and_folders(tmp_path):
    for function in (read_requirements, read_apt):
        assert "does not exist" in error_of(function, tmp_path / "absent").message
        assert "is a folder" in error_of(function, tmp_path).message
        assert error_of(function, tmp_path).location == str(tmp_path)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_is_a_file_or_one_clear_error(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_text(text, encoding="utf-8", newline="")
    for function in (lambda path: read_requirements(path).names, read_apt):
        try:
            found = function(path)
        except ProjectError as error:
            assert error.exit_code == 2 and str(path) in str(error.location)
        else:
            assert all(isinstance(name, str) and name for name in found)


# --- apt ------------------------------------------------------------------------------------------------------------

GOOD = (
    "curl=7.*",
    "curl",
    "libgomp1",
    "g++",
    "libstdc++6",
    "python3.11",
    "curl:amd64",
    "curl=7.88.1-10+deb12u5",
    "curl=1:2.0~rc1-1",
    "libc6:arm64=2.36-9",
    "curl/bookworm-backports",
    "0ad",
)
BAD = (
    "",
    "a",
    "-y",
    "--allow-downgrades",
    "-o=Dpkg::Options::=x",
    "Curl",
    "curl-",
    "cu rl",
    "curl;id",
    "$(id)",
    "curl*",
    "curl?",
    "^curl",
    "~ncurl",
    "curl=",
    "curl:",
    "curl/",
    "./curl.deb",
    "/tmp/curl.deb",
    "curl\n",
    "curl\0",
    "cürl",
    "curl=1 -y",
    "curl=*.1",
    "_curl",
    "https://x/y.deb",
)


@for_each("name", GOOD)
def test_packages_are_taken(tmp_path, name):
    assert check_apt((name,)) == (name,)
    assert read_apt(make(tmp_path, {"apt.txt": f"  {name} # why\n"}) / "apt.txt") == (name,)


@for_each("name", BAD)
def test_what_apt_would_take_for_something_else_is_refused(name):
    error = error_of(check_apt, ("curl", name))
    assert isinstance(error, GraphError) and repr(name) in error.message and "NAME=VERSION" in str(error.hint)


@for_each("name", [name for name in BAD if name.strip() == name and name and " " not in name])
def test_an_apt_file_with_such_a_word_is_refused(tmp_path, name):
    error = error_of(read_apt, make(tmp_path, {"apt.txt": f"curl\n\nvim {name}\n"}) / "apt.txt")
    assert isinstance(error, ProjectError)
    assert error.location in (f"{tmp_path}/apt.txt:3", f"{tmp_path}/apt.txt") and "apt" in str(error) + str(
        error.hint
    )


def test_an_apt_file_may_have_several_on_a_line_and_the_same_twice(tmp_path):
    text = "# tools\ncurl  vim\tgit\n\nvim#comment\nless\n"
    assert read_apt(make(tmp_path, {"apt.txt": text}) / "apt.txt") == ("curl", "vim", "git", "less")


def test_what_is_no_name_at_all():
    assert "not an apt package: 3" in error_of(check_apt, (3,)).message


def test_included_files_and_archives_travel(tmp_path):
    """Included files are relative to the one that includes them, archives to the folder of the first."""
    files = {
        "requirements.txt": "-r reqs/base.txt\n-c reqs/pins.txt\n./wheels/own-1.0-py3-none-any.whl\nnumpy\n",
        "reqs/base.txt": "--requirement more.txt\nscipy\n",
        "reqs/more.txt": "wheels/other-2.0.tar.gz ; python_version > '3'\n",
        "reqs/pins.txt": "pandas==2.0\n",
        "wheels/own-1.0-py3-none-any.whl": "x",
        "wheels/other-2.0.tar.gz": "x",
        "wheels/unused.whl": "x",
    }
    found = read_requirements(make(tmp_path, files) / "requirements.txt")
    assert found.names == ("other", "scipy", "own", "numpy")
    assert sorted(file.relative_to(tmp_path).as_posix() for file in found.files) == sorted(
        name for name in files if "unused" not in name
    )


def test_an_included_file_that_is_a_link_is_refused(tmp_path):
    make(tmp_path, {"requirements.txt": "-r link.txt\n", "real.txt": "numpy\n"})
    (tmp_path / "link.txt").symlink_to("real.txt")
    assert "is a link" in error_of(read_requirements, tmp_path / "requirements.txt").message


@for_each(
    ("text", "hashes"),
    [
        ("numpy==1\n", False),
        ("numpy==1 --hash=sha256:00\n", True),
        ("numpy==1 \\\n  --hash sha256:00\n", True),
        ("--require-hashes\nnumpy==1\n", True),
        ("--pre --require-hashes\n", True),
        ("# --require-hashes\nnumpy==1 # --hash=sha256:00\n", False),
        ("-c pins.txt\nnumpy\n", True),
        ("-r pins.txt\nnumpy\n", True),
    ],
    ids=short,
)
def test_whether_pip_will_demand_hashes_is_known(tmp_path, text, hashes):
    make(tmp_path, {"requirements.txt": text, "pins.txt": "numpy==1 --hash=sha256:00\n"})
    assert read_requirements(tmp_path / "requirements.txt").hashes is hashes


def test_folders_of_archives_travel_and_nothing_else_in_them(tmp_path):
    """As pip has it, a folder is beside the file that names it, else in the folder that pip runs in."""
    files = {
        "requirements.txt": "--no-index --find-links 'my wheels'\n-r reqs/more.txt\nown\n",
        "my wheels/own-1.0-py3-none-any.whl": "x",
        "my wheels/own-1.0.tar.gz": "x",
        "my wheels/notes.txt": "x",
        "my wheels/deeper/far-1.0-py3-none-any.whl": "x",
        "reqs/more.txt": "--find-links near\n--find-links=top\n",
        "reqs/near/near-1.0.zip": "x",
        "top/top-1.0.tar.bz2": "x",
    }
    found = read_requirements(make(tmp_path, files) / "requirements.txt")
    assert found.names == ("own",)
    assert sorted(file.relative_to(tmp_path).as_posix() for file in found.files) == sorted(
        name for name in files if "deeper" not in name and "notes" not in name
    )


def test_a_linked_archive_in_a_folder_of_archives_is_refused(tmp_path):
    make(tmp_path, {"requirements.txt": "-f wheels\n", "real.whl": "x", "wheels/a-1.0.whl": "->../real.whl"})
    error = error_of(read_requirements, tmp_path / "requirements.txt")
    assert "'wheels/a-1.0.whl' is a link" in error.message and error.location == f"{tmp_path}/requirements.txt:1"


# --- added by --pip -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["idna", "idna==3.10", "pandas[sql] >=2,<3", "a @ https://example.org/a.whl", "tomli; python_version < '3.11'"],
)
def test_requirements_may_be_added(text):
    assert check_added([text, f" {text} "]) == (text,)


@for_each(
    ("text", "said"),
    [
        ("-e .", "an option, not a package"),
        ("--index-url=https://x", "an option, not a package"),
        ("", "not a package"),
        ("a b", "not a package"),
        ("./a.whl", "not a package"),
        ("dir/a", "not a package"),
        ("a-1.0-py3-none-any.whl", "a path, not a package"),
        ("a.tar.gz", "a path, not a package"),
        ("a @ ./a.whl", "a path, not a package"),
        ("a @ file:///a.whl", "a file URL cannot be used in the build"),
        ("a\n--index-url https://x", "not a package"),
        ("a ;\npython_version < '3'", "not a package"),
        ("a @ https://x/a\n-e.", "not a package"),
        ("a\0", "not a package"),
        ("a==1 --hash=sha256:00", "not a package"),
        (3, "not a package"),
    ],
    ids=short,
)
def test_what_is_no_requirement_may_not_be_added(text, said):
    error = error_of(check_added, ["idna", text])
    assert said in error.message and error.location == "Options(pip=…)" and error.hint


def test_a_password_in_what_is_added_is_refused_and_not_repeated():
    error = error_of(check_added, ["a @ https://me:hunter2@example.org/a.whl"])
    assert (
        "hunter2" not in str(error)
        and 'Options(secret="id=pip,' in str(error.hint)
        and error.location == "Options(pip=…)"
    )


def test_nothing_without_a_hash_is_added_to_a_file_with_hashes(tmp_path):
    hashed = read_requirements(make(tmp_path, {"r.txt": "a==1 --hash=sha256:00\n"}) / "r.txt")
    error = error_of(check_added, ["idna"], hashed)
    assert "'idna' has no hash" in error.message and "r.txt" in error.message and error.location == "Options(pip=…)"
    assert check_added([], hashed) == ()


@given(st.text(max_size=30))
def test_what_is_added_is_one_word_that_pip_takes_for_a_package(text):
    try:
        (word,) = check_added([text])
    except UsageError as error:
        assert error.location == "Options(pip=…)"
    else:
        assert not word.startswith(("-", ".", "/")) and word.isprintable() and Requirement(word).name
