"""Facts of real bases, read from their layers: the same as the probe finds in a container."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from dagger_aml.backends.local.find import local_builder
from dagger_aml.base import catalog
from dagger_aml.base.facts import BaseFacts, Distribution, prefixes
from dagger_aml.base.from_layers import Unanswered, facts_from_layers
from dagger_aml.base.known import KnownFacts
from dagger_aml.errors import BaseError
from dagger_aml.graph.base import From
from dagger_aml.oci import layout
from dagger_aml.oci.image import image_of
from dagger_aml.oci.layer_tree import LayerTree
from tests.standin import VARIANTS, StandInError, ensure
from tests.standin.odd import TREE, write_odd
from tests.standin.tools import TOOLS
from tests.support.builders import Need
from tests.support.layers import Put, file, hard, link, package, put_image

pytestmark = [pytest.mark.builders, pytest.mark.anyio]

UNNAMED = {"AZUREML_CONDA_ENVIRONMENT_PATH": ""}
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
SYSTEM = {**UNNAMED, "PATH": SYSTEM_PATH}
RUN = "var/runit/gunicorn/run"
OWN_PYTHON = "python3.11"
"""Stands for a copy of the base's interpreter."""


def named(path: str) -> dict[str, str]:
    return {"AZUREML_CONDA_ENVIRONMENT_PATH": path}


def venv(more: str = "include-system-site-packages = false\n") -> dict[str, Put]:
    return {
        **{"v": Put(uid=7, gid=8), "v/bin/python3": link("/usr/bin/python3.11"), "v/bin/python": link("python3")},
        **{"v/pyvenv.cfg": file(f"home = /usr/bin\nversion = 3.11.2\n{more}")},
        "v/lib/python3.11/site-packages": Put(),
    }


PARENTS = {
    **{
        path: Put(uid=1000, gid=1000) for path in ("opt/miniconda", "opt/miniconda/envs", "opt/miniconda/envs/amlenv")
    },
    **{
        path: Put(uid=1000, gid=1000) for path in ("opt/miniconda/envs/amlenv/bin", "var/runit", "var/runit/gunicorn")
    },
}
PIP = {"usr/lib/python3/dist-packages/pip/__init__.py": file()}
COPIED = {"p/bin/python3": link("python3.11"), "p/bin/python3.11": file(OWN_PYTHON, 0o755)}

DEBIANS, LOCAL = "usr/lib/python3/dist-packages", "usr/local/lib/python3.11/dist-packages"
ENV_SITE, V_SITE = "opt/miniconda/envs/amlenv/lib/python3.11/site-packages", "v/lib/python3.11/site-packages"
LICENSE = "License: first\n        \n         second\nRequires-Dist:without-space\nname-of: no key\n"
OF_SYSTEM = {
    **package(DEBIANS, "zlib-like", "2.0", 'a>=1; extra == "x"', "b", more=LICENSE),
    **package(LOCAL, "local", "1.0+x", more="summary: small\r\nREQUIRES-DIST:  c (>=2)  \r\n"),
    **package(LOCAL, "other-name", more="Name: Later\n"),
    f"{DEBIANS}/none.dist-info": Put(),
    f"{DEBIANS}/folder.dist-info/METADATA": Put(),
    f"{DEBIANS}/nameless.dist-info/METADATA": file("Version: 1\n\n"),
    f"{DEBIANS}/linked.dist-info": link("../../../local/lib/python3.11/dist-packages/local-1.0+x.dist-info"),
    f"{DEBIANS}/binary.dist-info/METADATA": file(b"Name: bin\xff\nVersion: 1\rRequires-Dist: cr\n\r\nVersion: 9\n"),
}
NAMESPACE = "import sys, types, os;p = os.path.join(sys._getframe(1).f_locals['sitedir'], 'ns')\n"

CASES: dict[str, tuple[dict[str, Put], dict[str, Any]]] = {
    "unnamed-root": ({}, {"env": UNNAMED, "User": ""}),
    "misnamed-no-passwd": ({"etc/.wh.passwd": file()}, {"env": named("/nowhere"), "User": "12"}),
    "without-pip-number": ({}, {"env": SYSTEM, "User": "1000"}),
    "managed-no-number": (
        {**PIP, "usr/lib/python3.11/EXTERNALLY-MANAGED": file()},
        {"env": SYSTEM, "User": "4321"},
    ),
    "usr-numbers": ({}, {"env": named("/usr"), "User": "4321:50"}),
    "venv-group": (venv(), {"env": named("/v"), "User": "dockeruser:www-data"}),
    "venv-with-system-other-user": (venv("") | PIP, {"env": named("/v/"), "User": "games"}),
    "venv-on-path-zero": (venv(), {"env": {**UNNAMED, "PATH": "/nowhere:/v/bin:/usr/bin"}, "User": "0"}),
    "venv-behind-link": ({**venv(), "l": link("/v")}, {"env": {**UNNAMED, "PATH": f"/l/bin:{SYSTEM_PATH}"}}),
    "link-to-venv": (
        {**venv(), "l/bin/python": link("/v/bin/python")},
        {"env": {**UNNAMED, "PATH": f"/l/bin:{SYSTEM_PATH}"}},
    ),
    "copied-venv": ({**venv(), "v/bin/python3": file(OWN_PYTHON, 0o755)}, {"env": named("/v")}),
    "relocated": (
        {**COPIED, "p/lib/python3.11": link("/usr/lib/python3.11")},
        {"env": {**UNNAMED, "PATH": f"/p/bin:{SYSTEM_PATH}"}},
    ),
    "without-server": (
        {
            **PARENTS,
            f"{RUN.rpartition('/')[0]}/.wh.run": file(),
            "opt/miniconda/envs/amlenv/bin/.wh.azmlinfsrv": file(),
        },
        {},
    ),
    "without-runsvdir": ({"usr/bin/.wh.runsvdir": file()}, {}),
    "other-server": (
        {
            **PARENTS,
            "opt/miniconda/envs/amlenv/bin/.wh.azmlinfsrv": file(),
            "usr/local/bin/azmlinfsrv": file("x", 0o755),
        },
        {"env": {"PATH": SYSTEM_PATH}},
    ),
    "not-executable": ({"v/bin/python": file("x")}, {"env": named("/v")}),
    "debians-packages": (
        {
            **PIP,
            **OF_SYSTEM,
            f"{LOCAL}/x.pth": file("# x\n\n/no\n.\n"),
        },
        {"env": SYSTEM},
    ),
    "venv-with-packages-of-both": (
        {
            **{
                **venv(""),
                **PIP,
                **OF_SYSTEM,
                **package(V_SITE, "own", "3", "local"),
                **package(V_SITE, "local", "0.1"),
            },
            **{
                f"{V_SITE}/ns-1-nspkg.pth": file(NAMESPACE),
                f"{V_SITE}/a.pth": file("other\n"),
                f"{V_SITE}/other": Put(),
            },
            **{"v/lib64": link("lib"), "v/local/lib/python3.11/dist-packages": Put()},
            **package("v/lib/python3/dist-packages", "odd-place"),
        },
        {"env": named("/v")},
    ),
    "venv-with-its-own-packages": (
        {**venv(), **OF_SYSTEM, **package(V_SITE, "Own.Name", "3")},
        {"env": {**UNNAMED, "PATH": f"/v/bin:{SYSTEM_PATH}"}},
    ),
    "changed-packages": (
        {
            **PARENTS,
            f"{ENV_SITE}/.wh.idna": file(),
            **package(ENV_SITE, "zipp", "99", "new>=1"),
            **package(ENV_SITE, "Added", "0"),
        },
        {},
    ),
    "without-packages": ({**PARENTS, f"{ENV_SITE}/.wh..wh..opq": file(), f"{ENV_SITE}/pip": Put()}, {}),
    "replaced": (
        {
            **PARENTS,
            **{"var/.wh.log": file(), "var/log": link("../opt"), "var/runit/nginx/.wh..wh..opq": file()},
            **{"var/runit/nginx": Put(0o2770, 5, 6), "var/runit/nginx/x": file("x", 0o4711, 3, 4)},
            **{
                "opt/hard": hard("var/runit/nginx/x", 0o4711, 3, 4),
                "usr/bin/.wh.python3": file(),
                "tmp": link("var/tmp"),
            },
            **{"usr/bin/python": link("python3.11"), "new/sub/file": file()},
        },
        {"env": SYSTEM},
    ),
}
"""What is done to the classic stand-in base: a layer more, and other values in its config."""

UNTOLD = {"relocated"}
"""Of these no file tells the whole version of the Python."""

PATHS = (
    *(
        "/var/azureml-app",
        "/var/azureml-app/score.py",
        "/bin/sh",
        "/lib64/x",
        "/etc/shadow",
        "/tmp/x",
        "/root",
        "/no/x",
    ),
    *("/var/runit/gunicorn/run", "/opt/miniconda/envs/amlenv/bin/python", "/usr/bin/awk", "/var/run", "/var/log/x"),
    *(
        "/var/runit/nginx/x",
        "/var/runit/nginx/run",
        "/opt/hard",
        "/usr/bin/python3",
        "/v/bin/python",
        "/new/sub/file",
    ),
)
ASKED = tuple(sorted({each for path in PATHS for each in prefixes(path)}))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, need: Need) -> Path:
    """An OCI layout with the classic stand-in, to which the cases are added."""
    need(*TOOLS)
    folder = tmp_path_factory.mktemp("layers") / "layout"
    folder.mkdir()
    try:
        layout.write_layout(catalog.base(f"oci-archive:{ensure('classic')}"), folder)
    except StandInError as error:
        pytest.skip(f"there are no stand-in bases: {error}")
    return folder


def made(place: Path, name: str, entries: dict[str, Put], said: dict[str, Any]) -> From:
    """One of the cases."""
    with layout.opened(catalog.base(f"oci:{place}:base")) as (_, layers):
        interpreter = LayerTree(layers, lambda path, size: 0).head("/usr/bin/python3.11", 10_000_000)
    own = {
        path: file(interpreter, 0o755) if put.data == OWN_PYTHON.encode() else put for path, put in entries.items()
    }
    put_image(place, name, own, **said)
    return catalog.base(f"oci:{place}:{name}")


async def probed(base: From, paths: tuple[str, ...]) -> BaseFacts:
    return (await local_builder("buildah", on_event=lambda _: None).probe(base, paths))[1]


def read(base: From, paths: tuple[str, ...]) -> BaseFacts:
    with layout.opened(base) as (document, layers):
        return facts_from_layers(document["config"], layers, paths, packages=True)


def tells(of: BaseFacts) -> bool:
    return KnownFacts(of, frozenset()).tells_packages


def of_packages(facts: BaseFacts) -> tuple[str, str, tuple[Distribution, ...] | None]:
    """What does not count for whether facts are equal."""
    return facts.full_python, facts.glibc, facts.distributions


@pytest.mark.parametrize("variant", VARIANTS)
async def test_the_stand_in_bases(variant: str, place: Path) -> None:
    base = catalog.base(f"oci-archive:{ensure(variant)}")
    files = image_of(base).files
    links = [path for path, node in files.items() if node.type == "link"]
    paths = {*ASKED, *links[::3], *list(files)[::80], *(path for path, node in files.items() if node.mode > 0o777)}
    asked = tuple(sorted(path for path in paths if not path.startswith(("/dev", "/proc", "/sys"))))
    assert len(asked) > 300
    found = read(base, asked)
    assert found.python == "3.11" and found.pip and found.starts
    answer = await probed(base, asked)
    assert found == answer
    assert of_packages(found) == of_packages(answer)
    assert tells(found) and len(found.distributions or ()) > 30


@pytest.mark.parametrize("name", CASES)
async def test_odd_bases(name: str, place: Path) -> None:
    base = made(place, name, *CASES[name])
    found, answer = read(base, ASKED), await probed(base, ASKED)
    assert found == answer
    assert of_packages(found) == of_packages(evolve(answer, full_python="") if name in UNTOLD else answer)
    assert tells(answer) and tells(found) == (name not in UNTOLD)


@pytest.mark.parametrize("user", ["dockeruser", "1000", "1000:50"])
async def test_a_base_of_busybox_with_odd_paths(user: str, place: Path) -> None:
    folder = place.parent / user.replace(":", "-")
    write_odd(folder, User=user)
    base = catalog.base(f"oci:{folder}")
    more = ("/base/link/sub/deep", "/base/closed/x", "/usr/bin/cat", "/usr")
    asked = (*(f"/{each['name']}" for each in TREE), *more)
    found = read(base, asked)
    assert found.uid == 1000 and found.environment is None and found.server == ""
    assert found == await probed(base, asked)


@pytest.mark.parametrize(
    ("name", "entries", "said", "why"),
    [
        (
            "wrapper",
            {"v/bin/python": file('#!/bin/sh\nexec /usr/bin/python3.11 "$@"\n', 0o755)},
            {"env": named("/v")},
            "is a script",
        ),
        (
            "behind-link",
            {**COPIED, "p/lib/python3.11": link("/usr/lib/python3.11"), "q": link("p")},
            {"env": {**UNNAMED, "PATH": f"/q/bin:{SYSTEM_PATH}"}},
            "how it was built",
        ),
        ("bare-parents", {"opt/miniconda/envs/amlenv/new": file()}, {}, "depend on who unpacks"),
        ("first-bin", {}, {"env": {**UNNAMED, "PATH": "/bin"}}, "how it was built"),
    ],
)
async def test_what_files_do_not_tell_is_not_guessed(
    name: str, entries: dict[str, Put], said: dict[str, Any], why: str, place: Path
) -> None:
    base = made(place, name, entries, said)
    with pytest.raises(Unanswered, match=why):
        read(base, ASKED)
    assert (await probed(base, ASKED)).python == "3.11"


@pytest.mark.parametrize("user", ["nobody-here", "dockeruser:nobody-here"])
async def test_a_user_that_nobody_knows_is_the_same_error(user: str, place: Path) -> None:
    base = made(place, user.replace(":", "-"), {}, {"User": user})
    with pytest.raises(BaseError) as caught:
        read(base, ASKED)
    with pytest.raises(BaseError) as of_probe:
        await probed(base, ASKED)
    assert str(caught.value) == str(of_probe.value)
