"""Requirements files beside pip's own reader: what it takes is taken, or refused by a rule that has a name."""

from __future__ import annotations

import codecs
import logging
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from pip._internal.exceptions import PipError
from pip._internal.network.session import PipSession
from pip._internal.req.constructors import install_req_from_parsed_requirement
from pip._internal.req.req_file import parse_requirements

from dagger_aml import Graph, ProjectError
from dagger_aml.requirements.installable import check_installable
from dagger_aml.requirements.read import read_requirements
from dagger_aml.steps import base, code, pip, startup_packages
from tests.support.calls import await_, error_of, short
from tests.support.cases import for_each
from tests.support.projects import SCORE, make

WHEEL = "own-1.0-py3-none-any.whl"
DIGEST = "0" * 64

FILES: dict[str, str | bytes | None] = {
    "constraints.txt": "idna<4\n",
    "common.txt": "-c constraints.txt\nidna\n",
    "more.txt": "-c constraints.txt\n-r common.txt\nsix\n",
    WHEEL: "x",
    "wheels/other-2.0.tar.gz": "x",
    "folder/setup.py": "",
}


def read(tmp_path: Path, text: str | bytes):
    return read_requirements(make(tmp_path, {**FILES, "requirements.txt": text}) / "requirements.txt")


@for_each(
    ("text", "names", "titles"),
    [
        ("https://x.example/six-1.17.0-py2.py3-none-any.whl\n", ("six",), ()),
        (f"https://x.example/own_pkg-1.0.dev1%2Bcpu-py3-none-any.whl#sha256={DIGEST}\n", ("own-pkg",), ()),
        ("https://x.example/six-1.17.0.tar.gz#egg=six\n", ("six",), ()),
        ("https://x.example/main.zip\n", (), ("https://x.example/main.zip",)),
        ("git+https://x.example/a/b@v1\n", (), ("git+https://x.example/a/b@v1",)),
        ("git+https://x.example/a/b#egg=c\n", ("c",), ()),
        ("git+https://x.example/a/b@v1#subdirectory=d&egg=c ; python_version > '3'\n", ("c",), ()),
        ("hg+https://x.example/a/b#egg=c\n", ("c",), ()),
        ("-r common.txt\n-r more.txt\n", ("idna", "six"), ()),
        ("-c constraints.txt\n-r common.txt\nown\n", ("idna", "own"), ()),
        (codecs.BOM_UTF16_LE + "idna # é\n".encode("utf-16-le"), ("idna",), ()),
        (codecs.BOM_UTF16_BE + "idna\r\nsix\r\n".encode("utf-16-be"), ("idna", "six"), ()),
        (codecs.BOM_UTF32_LE + "idna\n".encode("utf-32-le"), ("idna",), ()),
        (b"# -*- coding: latin-1 -*-\n# caf\xe9\nidna\n", ("idna",), ()),
        ("--only-final=:all:\n--all-releases idna\n--no-require-hashes\nidna\n", ("idna",), ()),
        ("idna==3.10 --config-settings a=b -C c=d\n", ("idna",), ()),
        ("--extra-index https://x.example\n--only-b :all:\nidna\n", ("idna",), ()),
        (f"./{WHEEL}[extra] ; python_version > '3'\n", ("own",), ()),
        ("wheels/other-2.0.tar.gz\n", ("other",), ()),
        (f"--no-require-hashes\nsix --hash=sha256:{DIGEST}\nidna\n", ("six", "idna"), ()),
        ("idna==3.10 --index-url https://x.example\n", ("idna",), ()),
    ],
    ids=short,
)
def test_pip_s_own_forms_are_taken(tmp_path, text, names, titles):
    found = read(tmp_path, text)
    assert found.names == names and found.titles == (*names, *titles)
    check_installable(found, "pip")


@for_each(
    ("text", "said", "do"),
    [
        ("six==1 --hash=md5:00\n", "pip takes no hash of this kind: 'md5:00'", "sha256"),
        ("six==1 --hash=sha256\n", "pip takes no hash of this kind", "sha256"),
        ("{root}/own-1.0-py3-none-any.whl\n", "is an absolute path, and the build does not have it", "relative"),
        ("-r {root}/common.txt\n", "is an absolute path", "relative"),
        ("-f {root}/wheels\n", "is an absolute path", "relative"),
        ("-f file:///wheels\n", "a file URL cannot be used in the build", "relative path"),
        ("-r file:common.txt\n", "a file URL cannot be used in the build", "relative path"),
        (
            "--index-url file:///simple\n",
            "the build cannot reach this index: 'file:///simple'",
            "--find-links",
        ),
        ("--extra-index-url=./simple\n", "the build cannot reach this index", "--find-links"),
        ("six @ FILE:///six.whl\n", "cannot be used in the build", "wheel"),
        ("file:./six.whl\n", "cannot be used in the build", "wheel"),
        ("git+file:///home/me/six\n", "cannot be used in the build", "wheel"),
        ("six @ git+file:///home/me/six\n", "cannot be used in the build", "wheel"),
        (f"own @ ./{WHEEL}\n", "not a URL that pip can fetch", "path alone"),
        ("six @ ftp://x.example/six-1.0.tar.gz\n", "pip cannot fetch ftp URLs", "https"),
        ("git://x.example/six\n", "pip cannot fetch git URLs", "git+git://x.example/six"),
        ("./folder\n", "a path to a folder or a file URL cannot be used", "wheel"),
        (
            "--index-url https://${{USER}}:${{TOKEN}}@x.example/simple\n",
            "variable ${USER}",
            'Options(secret="id=pip,',
        ),
        ("six==${{SIX_VERSION}}\n", "uses the environment variable ${SIX_VERSION}", "Write its value"),
        ("git+https://x.example/a#egg=c[d]\n", "not a package's name after #egg=", "NAME[EXTRA] @ URL"),
        ("https://x.example/own.whl\n", "not the name of a wheel", "NAME==VERSION"),
        ("--uploaded-prior-to=2026-01-01\n", "not an option of a requirements file: --uploaded-prior-to=", ""),
        ("six==1\t--hash=sha256:00\n", "not a requirement", "NAME==VERSION"),
        ("six=={{{{ version }}}}\n", "not a requirement", "This is a template"),
        ("https://[x/a.whl\n", "not a requirement", "NAME==VERSION"),
        ("# coding: nonsense\nsix\n", "its coding line names an unknown encoding: nonsense", "UTF-8"),
    ],
    ids=short,
)
def test_what_no_build_can_have_is_refused_with_a_remedy(tmp_path, text, said, do):
    error = error_of(read, tmp_path, text.format(root=tmp_path))
    assert isinstance(error, ProjectError) and said in error.message and do in str(error.hint)
    assert str(error.location).startswith(f"{tmp_path}/requirements.txt") and "hunter2" not in str(error)


@pytest.mark.parametrize("text", ["git+https://x.example/y\n", "six[a]\n"])
def test_constraints_that_pip_refuses_are_refused(tmp_path, text):
    make(tmp_path, {"odd.txt": text})
    error = error_of(read, tmp_path, "-c odd.txt\nidna\n")
    assert "in a constraints file" in error.message and error.location == f"{tmp_path}/odd.txt:1"


def test_what_conda_s_pip_freeze_writes_is_told_at_once(tmp_path):
    text = "numpy @ file:///croot/numpy_1\nidna==3.10\nscipy @ file:///home/conda/scipy_2\n"
    error = error_of(read, tmp_path, text)
    assert "2 packages are taken from folders or file URLs" in error.message
    assert "pip list --format=freeze > requirements.txt" in str(error.hint)
    assert f"{tmp_path}/requirements.txt:1: numpy @ file:///croot/numpy_1" in str(error.hint)
    assert f"{tmp_path}/requirements.txt:3: scipy @" in str(error.hint) and "idna" not in str(error.hint)
    assert error.location == f"{tmp_path}/requirements.txt:1"


def test_a_file_that_includes_itself_by_another_is_refused(tmp_path):
    make(tmp_path, {"a.txt": "-c b.txt\n", "b.txt": "-r a.txt\n"})
    error = error_of(read, tmp_path, "-r a.txt\n")
    assert "includes itself" in error.message and error.location == f"{tmp_path}/b.txt:1"


def test_files_that_include_each_other_often_are_read_once(tmp_path):
    """Thirty files, of which each includes the next one twice."""
    make(tmp_path, {f"f{n}.txt": f"-r f{n + 1}.txt\n-r f{n + 1}.txt\n" for n in range(30)} | {"f30.txt": "six\n"})
    assert read(tmp_path, "-r f0.txt\n").names == ("six",)


@for_each(
    ("text", "said"),
    [
        (f"six==1 --hash=sha256:{DIGEST}\nidna==3.10\n", "'idna==3.10' has no hash"),
        ("--require-hashes\nsix==1\n", "'six==1' has no hash"),
        (f"./{WHEEL}\nsix==1 --hash=sha256:{DIGEST}\n", f"'./{WHEEL}' has no hash"),
        (f"git+https://x.example/y\nsix --hash=sha256:{DIGEST}\n", "comes from git, which has no hash"),
        ("-c hashed.txt\nidna\n", "'idna' has no hash"),
        ("-c hashed.txt\nSIX\n", None),
        (f"six==1 --hash=sha256:{DIGEST}\nidna ; python_version < '3'\n", None),
        (f"six==1 --hash=sha256:{DIGEST}\nsix\n", None),
        (f"https://x.example/{WHEEL}#sha256={DIGEST}\nsix==1 --hash=sha256:{DIGEST}\n", None),
    ],
    ids=short,
)
def test_a_missing_hash_is_told_before_pip_tells_it(tmp_path, text, said):
    """Each was tried on pip 26.3, which ends with: Hashes are required in --require-hashes mode."""
    make(tmp_path, {"hashed.txt": f"six==1 --hash=sha256:{DIGEST}\n"})
    found = read(tmp_path, text)
    assert found.hashes
    if said is None:
        check_installable(found, "pip")
    else:
        error = error_of(check_installable, found, "pip")
        assert said in error.message and str(error.location).startswith(f"{tmp_path}/requirements.txt:")
        assert error.hint


@for_each(
    ("text", "said"),
    [
        ("--only-final :all:\nidna\n", "uv does not take --only-final"),
        ("--extra-index https://x.example\nidna\n", "uv does not take --extra-index"),
        ("-rcommon.txt\n", "uv does not take -rcommon.txt"),
        ("-f wheels --no-index\nidna\n", "uv takes --no-index for a part of the value before it"),
        ("--no-index -f wheels\nidna\n", None),
        (f"-i https://x.example\nsix==1 --hash=sha256:{DIGEST} --hash=sha256:{DIGEST}\n", None),
        ("idna -C a=b\n", "uv does not take -C on the line of 'idna'"),
        ("idna --pre\n", "uv does not take --pre on the line of 'idna'"),
        (b"# coding: latin-1\n# \xe9\nidna\n", "is not a text file in UTF-8"),
        (codecs.BOM_UTF16_LE + "idna\n".encode("utf-16-le"), None),
        (f"-i https://x.example\n--pre\nidna --hash=sha256:{DIGEST}\nsix\n", None),
    ],
    ids=short,
)
def test_what_uv_does_not_take_is_refused_for_uv_alone(tmp_path, text, said):
    found = read(tmp_path, text)
    if said is None:
        check_installable(found, "uv")
    else:
        assert said in error_of(check_installable, found, "uv").message


def test_a_package_without_a_name_is_installed_and_counted(tmp_path):
    make(tmp_path, {"requirements.txt": "git+https://x.example/a\n"})
    graph = await_(pip(await_(base(Graph(), "minimal-py312-inference")), tmp_path / "requirements.txt"))
    assert "pip requirements.txt (1 package)" in [layer.name for layer in graph.layers]


def test_a_text_in_another_encoding_keeps_its_meaning_where_packages_are_added(tmp_path):
    text = "# coding: latin-1\nidna # café\n"
    make(tmp_path, {"code/score.py": SCORE, "r.txt": text.encode("latin-1")})
    graph = await_(code(await_(base(Graph(), "minimal-py312-inference")), tmp_path / "code"))
    graph = await_(startup_packages(graph, tmp_path / "r.txt", more=["six"]))
    data = graph.layers[-1].source.data  # type: ignore[union-attr]
    assert data == codecs.BOM_UTF8 + f"{text}six\n".encode()


# --- pip itself -----------------------------------------------------------------------------------------------------

NAMED = (
    "-e cannot be used here",
    "--editable cannot be used here",
    "--trusted-host cannot be used here",
    "not an option of a requirements file: ",  # a word behind options, which pip drops
    "a URL with a password or token in it",
    "uses the environment variable",
    "a path to a folder or a file URL",
    "packages are taken from folders or file URLs",
    "a file URL cannot be used",
    "a file from the network cannot be included",
    "is outside the project",
    "is an absolute path",
    "does not exist",
    "is a link",
    "is not a folder",
    "there are no wheels or source archives",
    "the build cannot reach this index",
    "not a URL that pip can fetch",
    "pip cannot fetch",
    "in a constraints file",
)
"""Rules by which we refuse what pip's reader takes, since no build can have it or since pip itself ends later."""

LINES = (
    "idna",
    "idna==3.10",
    "Six[a,b]>=1,<2 ; python_version > '3'",
    "idna ;python_version<'3'",
    "six==1.0 # why",
    "six#x",
    "  # comment \\",
    "idna \\",
    "\\",
    "",
    "\u2028six",
    "idna = 3",
    "idna 3",
    "idna; x",
    "name: env",
    "-e .",
    "-e git+https://x.example/y#egg=z",
    "-r common.txt",
    "-rcommon.txt",
    "--requirement=more.txt",
    "--req more.txt",
    "-r requirements.txt",
    "-r absent.txt",
    "-r common.txt -r absent.txt",
    "-c constraints.txt --pre",
    "--constraint 'constraints.txt'",
    "-c constraints.txt -r common.txt",
    "--index-url https://x.example/simple",
    "-i https://x.example --extra-index https://y.example",
    "--index-url",
    "--index-url ./simple",
    "--pypi-url https://x.example",
    "--no-index -f wheels",
    "-f wheels -f absent",
    "--find-links=https://x.example/w.html",
    "--no",
    "--pre",
    "--pre=yes",
    "--pre idna",
    "--prefer",
    "--only-binary=:all: --no-binary six",
    "--only-binary -x",
    "--only-final :all:",
    "--all-releases six,idna",
    "--uploaded-prior-to=2026-01-01",
    "--use-feature fast-deps",
    "--trusted-host x.example",
    "--require-hashes",
    "--no-require-hashes",
    "--no-deps",
    "--target=/x",
    "-x",
    "-",
    "--pre 'half",
    "six==1 --hash=sha256:00 --hash sha384:11",
    "six==1 --hash=md5:00",
    "six==1 --hash=00",
    "six==1\t--hash=sha256:00",
    "six==1 --hash=sha256:00 ; python_version > '3'",
    "six==1 --config-settings=a=b",
    "six==1 -C a",
    "six==1 --global-option=x",
    "six==1 --pre -e .",
    "--hash=sha256:00",
    f"./{WHEEL}",
    WHEEL,
    f"{WHEEL}[a] ; python_version > '3'",
    f"own @ ./{WHEEL}",
    f"own @ {WHEEL}",
    "wheels/other-2.0.tar.gz",
    "absent-1.0-py3-none-any.whl",
    "./folder",
    "folder",
    ".",
    "../x",
    "/etc",
    "https://x.example/six-1.0-py3-none-any.whl",
    "https://x.example/six-1.0-py3-none-any.whl ; python_version > '3'",
    "https://x.example/six-1.0-py3-none-any.whl;x",
    "https://x.example/a.whl",
    "https://x.example/a.zip#egg=b",
    "https://me:x@x.example/a.zip",
    "HTTPS://x.example/a.tar.gz",
    "git+https://x.example/a/b@v1",
    "git+https://x.example/a/b#egg=c",
    "git+https://x.example/a/b#egg=c[d]",
    "git+ssh://git@x.example/a/b",
    "git+file:///a/b",
    "svn+https://x.example/a#egg=b",
    "git://x.example/a",
    "git@x.example:a/b.git",
    "file:///a/b.whl",
    "ftp://x.example/a.zip",
    "six @ https://x.example/six-1.0.tar.gz#md5=00",
    "six@https://x.example/a.zip",
    "six @ git+https://x.example/a@b ; python_version > '3'",
    "six @ file:///croot/x",
    "six @ ftp://x.example/a.zip",
    "six @ nowhere",
    "${X}",
    "six==${SIX}",
    "https://[x",
)


def pip_reads(path: Path) -> list[str | None] | None:
    """The packages that pip's own reader finds, constraints aside; None where it refuses the file."""
    session = PipSession()
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        parsed = list(parse_requirements(path.name, session=session))
        found = [(each.constraint, install_req_from_parsed_requirement(each)) for each in parsed]
    except (PipError, ValueError, OSError):
        return None
    finally:
        os.chdir(before)
    return [None if each.req is None else canonicalize_name(each.req.name) for limits, each in found if not limits]


def compared(path: Path) -> None:
    theirs = pip_reads(path)
    try:
        found = read_requirements(path)
    except ProjectError as error:
        assert theirs is None or any(rule in error.message for rule in NAMED), (theirs, error)
        return
    ours = [*map(canonicalize_name, found.names), *(None for each in found.titles[len(found.names) :])]
    assert theirs is not None, ("pip refuses it", found)
    # A file that two others include is read twice by pip; and of an archive pip learns the name when it builds it.
    unknown = set(theirs) - {None} if None in theirs else set(theirs)
    assert unknown <= set(ours) and (set(ours) == set(theirs) or None in theirs), (ours, theirs)
    assert bool(ours) == bool(theirs)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    logging.getLogger("pip").setLevel(logging.CRITICAL)
    return make(tmp_path_factory.mktemp("pip"), FILES)


@for_each("line", LINES, ids=short)
def test_each_line_is_read_as_pip_reads_it(place, line):
    (place / "requirements.txt").write_text(f"{line}\n", encoding="utf-8", newline="")
    compared(place / "requirements.txt")


@pytest.fixture(scope="module")
def taken(place):
    """The lines that pip takes when each stands alone."""
    path, found = place / "requirements.txt", []
    for line in LINES:
        path.write_text(f"{line}\n", encoding="utf-8", newline="")
        if pip_reads(path) is not None:
            found.append(line)
    return found


@given(
    st.lists(st.integers(0, 10_000), min_size=1, max_size=6),
    st.sampled_from(("", "", "", *LINES)),
    st.sampled_from(("\n", "\n", "\r\n", "\n ", " \\\n", " ")),
    st.sampled_from(("utf-8", "utf-8-sig", "utf-16", "utf-32")),
)
def test_generated_files_are_read_as_pip_reads_them(place, taken, numbers, odd, between, encoding):
    lines = [*(taken[number % len(taken)] for number in numbers), odd]
    (place / "requirements.txt").write_bytes(between.join(lines).encode(encoding))
    compared(place / "requirements.txt")
