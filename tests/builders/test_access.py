"""A private index with a login and its own CA, and a proxy that lets nothing else by: reached, and nowhere left."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from dagger_aml import Options, load_project, sync
from dagger_aml.backends.local.docker import docker_form
from dagger_aml.diff import compare, read_image
from dagger_aml.steps.installer import UV_VERSION
from tests.support import leaks, package_index
from tests.support.builders import Need
from tests.support.cli import run as cli

pytestmark = pytest.mark.builders

PASSWORD = "t0p/s3cret+Zebra=91"
BUILDERS = ["dagger", "buildah", "docker"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a company's packages."""
    found = tmp_path_factory.mktemp("packages")
    package_index.wheel(found, "corpthing", "1.0", "from the company", ("corpbase>=1",))
    package_index.wheel(found, "corpbase", "1.2", "also")
    return found


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> package_index.Certificates:
    return package_index.certificates(tmp_path_factory.mktemp("ca"), package_index.own_address())


@pytest.fixture(scope="module")
def beneath(bases: dict[str, str]) -> list[str]:
    """The layers of the base."""
    words = ["skopeo", "inspect", "--config", "--tls-verify=false", f"docker://{bases['classic']}"]
    config = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    found: list[str] = config["rootfs"]["diff_ids"]
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    (made / "code").mkdir(parents=True)
    (made / "code" / "score.py").write_text(
        "import corpthing\n\n\ndef init():\n    pass\n\n\ndef run(data):\n    return corpthing.SAYS\n"
    )
    # No builder may remember it from another run whose index happened to have the same port.
    (made / "requirements.txt").write_text(f"# {uuid.uuid4()}\ncorpthing==1.0\n")
    return made


@pytest.fixture
def private_index(folder: Path, company: package_index.Certificates) -> Iterator[package_index.Index]:
    with package_index.index(folder, password=PASSWORD, address=package_index.own_address(), tls=company) as found:
        yield found


def run(builder: str, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """`dagger-aml build … --with BUILDER`"""
    form = ["--format", "buildkit"] if builder == "docker" else []
    more = {**(_with_buildkit() if builder == "docker" else {}), **(env or {})}
    return cli("build", *words, "--with", builder, *form, env=more, timeout=600)


@functools.cache
def _with_buildkit() -> dict[str, str]:
    """A PATH whose docker can build with BuildKit, since a machine may have two clients; empty if none can."""
    for folder in ["", *os.get_exec_path()]:
        path = os.pathsep.join(filter(None, [folder, os.environ.get("PATH", "")]))
        words = [shutil.which("docker", path=path) or "docker", "buildx", "version"]
        asked = subprocess.run([*words[:1], "version", "--format", "{{json .}}"], capture_output=True, text=True)
        buildx = subprocess.run(words, capture_output=True).returncode == 0
        if not asked.returncode and docker_form(json.loads(asked.stdout), buildx)[0] == "buildkit":
            return {"PATH": path}
    return {}


def need_builder(builder: str, need: Need, request: pytest.FixtureRequest) -> None:
    if builder == "dagger":
        request.getfixturevalue("engine")
        return
    need(builder)
    if builder == "docker" and not _with_buildkit():
        pytest.skip("docker has no BuildKit here")


def installed(tar: Path, beneath: Collection[str]) -> set[str]:
    """The company's files in an image's tar, above its base."""
    return {match[0] for name, _ in leaks.members(tar, beneath) if (match := re.search(r"corp[a-z]+\.py$", name))}


@pytest.mark.parametrize("builder", BUILDERS)
def test_a_private_index_with_a_login_and_a_ca(
    builder: str,
    bases: dict[str, str],
    beneath: list[str],
    need: Need,
    request: pytest.FixtureRequest,
    project: Path,
    private_index: package_index.Index,
    company: package_index.Certificates,
    tmp_path: Path,
) -> None:
    """Without the secret 401; with it the package is there, and nothing of index, login and CA is anywhere."""
    need_builder(builder, need, request)
    tar, metadata = tmp_path / "image.tar", tmp_path / "metadata.json"
    words = [str(project), "--base", bases["classic"], "-t", "private:1", "-o", str(tar), "-v"]
    words += ["--index-url", private_index.url, "--metadata-file", str(metadata)]

    without_ca = run(builder, *words)
    assert without_ca.returncode == 1, without_ca.stderr
    assert "certificate" in without_ca.stderr.lower() or "ssl" in without_ca.stderr.lower()
    assert not private_index.answers

    words += ["--ca", str(company.ca)]
    without = run(builder, *words)
    assert without.returncode == 1, without.stderr
    assert not tar.exists() and not metadata.exists()
    assert {status for _, status in private_index.answers} == {401}

    private_index.answers.clear()
    (tmp_path / "netrc").write_text(f"machine {package_index.own_address()} login builder password {PASSWORD}\n")
    secret = f"id=netrc,src={tmp_path / 'netrc'}"
    done = run(builder, *words, "--secret", secret)
    assert done.returncode == 0, done.stderr
    assert 200 in {status for _, status in private_index.answers}
    assert installed(tar, beneath) == {"corpthing.py", "corpbase.py"}

    values = {"the password": PASSWORD, "the CA": company.ca.read_text().splitlines()[2]}
    where = {**values, "the index": private_index.url}
    found = leaks.in_tar(tar, where, beneath)
    for name, text in (("stdout", done.stdout), ("stderr", done.stderr), ("stderr without", without.stderr)):
        found += leaks.in_bytes(text.encode(), values, name)
    found += leaks.in_bytes(metadata.read_bytes(), where, "the metadata file")
    assert not found, found


def test_a_secret_by_value(
    bases: dict[str, str],
    beneath: list[str],
    need: Need,
    project: Path,
    private_index: package_index.Index,
    company: package_index.Certificates,
    tmp_path: Path,
) -> None:
    """As a program gives it, that has it from a vault: the package is there, and the password is nowhere."""
    need("buildah")
    netrc = f"machine {package_index.own_address()} login builder password {PASSWORD}\n"
    tar, events = tmp_path / "image.tar", []
    options = Options(
        base=bases["classic"], index_url=private_index.url, ca=company.ca, env={"A": "b"}, secret={"netrc": netrc}
    )
    with sync.local_builder("buildah", on_event=events.append) as builder:
        result = builder.build(sync.lay_out(load_project(project, options)), output=tar)
    assert 200 in {status for _, status in private_index.answers}
    assert installed(tar, beneath) == {"corpthing.py", "corpbase.py"}
    values = {"the password": PASSWORD, "the CA": company.ca.read_text().splitlines()[2]}
    found = leaks.in_tar(tar, values, beneath)
    found += leaks.in_bytes(repr((options, events, result)).encode(), values, "what is told")
    assert not found, found
    assert sync.inspect(tar).env["A"] == "b"


def test_the_plan_and_the_dockerfile_tell_nothing(
    bases: dict[str, str],
    project: Path,
    private_index: package_index.Index,
    company: package_index.Certificates,
    tmp_path: Path,
) -> None:
    """Neither what `plan` prints nor the Dockerfile and its context hold login, index or CA; they name the secret."""
    words = [str(project), "--base", bases["classic"], "--ca", str(company.ca), "--secret", "id=pip,env=PIP_SETTINGS"]
    url = private_index.login_url.replace(PASSWORD, "t0p%2Fs3cret%2BZebra%3D91")
    values = {"the password": PASSWORD, "the URL": url, "the index": private_index.url}
    values["the CA"] = company.ca.read_text().splitlines()[2]
    written = tmp_path / "imagefiles"
    found = []
    for rest in (["plan"], ["plan", "--json"], ["dockerfile", "--format", "buildkit", "-o", str(written)]):
        done = cli(rest[0], *words, *rest[1:], env={"PIP_SETTINGS": url})
        assert done.returncode == 0, done.stderr
        found += leaks.in_bytes((done.stdout + done.stderr).encode(), values, " ".join(rest[:2]))
    assert "id=pip" in (written / "Dockerfile").read_text()
    assert not found + leaks.in_folder(written, values)
    assert not private_index.answers


@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize("form", ["a pip.conf", "a URL"])
def test_the_secret_pip(
    builder: str,
    form: str,
    bases: dict[str, str],
    beneath: list[str],
    need: Need,
    request: pytest.FixtureRequest,
    project: Path,
    private_index: package_index.Index,
    company: package_index.Certificates,
    tmp_path: Path,
) -> None:
    """The index and its login as one secret; the image tells neither."""
    need_builder(builder, need, request)
    if form == "a pip.conf" and builder != "dagger":
        pytest.skip("once is enough: the file is made before any builder sees it")
    tar = tmp_path / "image.tar"
    url = private_index.login_url.replace(PASSWORD, "t0p%2Fs3cret%2BZebra%3D91")
    value = f"[global]\nindex-url = {url}\n" if form == "a pip.conf" else url
    words = [str(project), "--base", bases["classic"], "-o", str(tar), "--ca", str(company.ca), "-v"]
    done = run(builder, *words, "--secret", "id=pip,env=PIP_SETTINGS", env={"PIP_SETTINGS": value})
    assert done.returncode == 0, done.stderr
    assert installed(tar, beneath) == {"corpthing.py", "corpbase.py"}
    values = {"the password": PASSWORD, "the URL": url}
    found = leaks.in_tar(tar, {**values, "the index": private_index.url}, beneath)
    found += leaks.in_bytes((done.stdout + done.stderr).encode(), values, "output")
    assert not found, found


@pytest.mark.parametrize("builder", BUILDERS)
def test_behind_a_proxy_that_allows_nothing_else(
    builder: str,
    bases: dict[str, str],
    beneath: list[str],
    need: Need,
    request: pytest.FixtureRequest,
    project: Path,
    folder: Path,
    tmp_path: Path,
) -> None:
    """The index listens where only the proxy reaches it; with the wrong host, the proxy refuses."""
    need_builder(builder, need, request)
    need("tinyproxy")
    tar = tmp_path / "image.tar"
    with (
        package_index.index(folder) as index,
        package_index.proxy(tmp_path, "127.0.0.1", login="agent:pr0xyword") as proxy,
    ):
        words = [str(project), "--base", bases["classic"], "-o", str(tar), "--index-url", index.url, "-v"]
        direct = run(builder, *words, env={"HTTP_PROXY": "", "http_proxy": ""})
        assert direct.returncode == 1, direct.stderr
        assert not index.answers

        done = run(builder, *words, "--http-proxy", proxy.url, "--no-proxy", "elsewhere.example")
        assert done.returncode == 0, done.stderr
        assert index.answers and {status for _, status in index.answers} <= {200, 303, 301}
        assert "127.0.0.1" in proxy.asked()
        assert installed(tar, beneath) == {"corpthing.py", "corpbase.py"}
        values = {"the proxy's password": "pr0xyword", "the proxy": proxy.url.rpartition("@")[2]}
        found = leaks.in_tar(tar, values, beneath)
        found += leaks.in_bytes((done.stdout + done.stderr).encode(), {"password": "pr0xyword"}, "output")
        assert not found, found

        # pip asks no other host by plain HTTP.
        other = run(builder, *words, "--http-proxy", proxy.url, "--index-url", "http://localhost:9/simple/")
        assert other.returncode == 1, other.stderr
        assert 'refused on filtered domain "localhost"' in proxy.asked()


@pytest.mark.engine
def test_uv_from_a_private_index(
    bases: dict[str, str],
    beneath: list[str],
    need: Need,
    request: pytest.FixtureRequest,
    project: Path,
    folder: Path,
    company: package_index.Certificates,
    tmp_path: Path,
) -> None:
    """uv itself comes from the private index, installs from it, leaves nothing of its own, and gives one image."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    subprocess.run([*pip, f"uv=={UV_VERSION}"], check=True, capture_output=True, timeout=300)
    (tmp_path / "netrc").write_text(f"machine {package_index.own_address()} login builder password {PASSWORD}\n")
    made = []
    with package_index.index(folder, password=PASSWORD, address=package_index.own_address(), tls=company) as index:
        for builder in ("dagger", "buildah"):
            need_builder(builder, need, request)
            made.append(tmp_path / f"{builder}.tar")
            words = [str(project), "--base", bases["classic"], "-o", str(made[-1]), "--installer", "uv", "-v"]
            words += ["--index-url", index.url, "--ca", str(company.ca)]
            done = run(builder, *words, "--secret", f"id=netrc,src={tmp_path / 'netrc'}")
            assert done.returncode == 0, done.stderr
    for tar in made:
        assert installed(tar, beneath) == {"corpthing.py", "corpbase.py"}
        names = {name.rpartition(": ")[2] for name, _ in leaks.members(tar, beneath)}
        assert any("site-packages/__pycache__/corpthing." in name for name in names), "not compiled"
        assert not {name for name in names if re.search(r"(^|/)(uv|uvx|uv-[0-9].*|\.lock|\.cache)(/|$)", name)}
        assert not leaks.in_tar(tar, {"the password": PASSWORD, "the index": index.url}, beneath)
    report = compare(read_image(made[0]), read_image(made[1]), builders=("dagger", "buildah"))
    assert report.equal, report.text()


@pytest.mark.twin("buildah", of="docker", why="with the same Dockerfile")
@pytest.mark.parametrize("builder", BUILDERS)
def test_an_apt_mirror_with_a_login(
    builder: str,
    bases: dict[str, str],
    beneath: list[str],
    need: Need,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    """The base's sources through a mirror that wants a login; the image's own sources stay as they are."""
    need_builder(builder, need, request)
    project, tar = tmp_path / "project", tmp_path / "image.tar"
    project.mkdir()
    (project / "apt.txt").write_text("hello\n")
    with package_index.apt_mirror(PASSWORD) as mirror:
        words = [str(project), "--base", bases["classic"], "-o", str(tar), "--apt-mirror", mirror.url, "-v"]
        without = run(builder, *words)
        assert without.returncode == 1, without.stderr
        assert {status for _, status in mirror.answers} == {401}, without.stderr
        mirror.answers.clear()
        login = f"machine {mirror.url} login builder password {PASSWORD}\n"
        done = run(builder, *words, "--secret", "id=apt,env=APT_AUTH", env={"APT_AUTH": login})
    assert done.returncode == 0, done.stderr
    assert any(path.endswith(".deb") and status == 200 for path, status in mirror.answers)
    names = {name.rpartition(": ")[2] for name, _ in leaks.members(tar, beneath)}
    assert "usr/bin/hello" in names
    assert not {name for name in _new_with_hello(tar) if name.startswith(("run/dagger", "tmp/", "etc/apt"))}
    values = {"the password": PASSWORD, "the login": login.strip()}
    found = leaks.in_tar(tar, {**values, "the mirror": mirror.url}, beneath)
    found += leaks.in_bytes((done.stdout + done.stderr).encode(), values, "output")
    assert not found, found


def _new_with_hello(tar: Path) -> set[str]:
    """The names that stand in the layer that brings usr/bin/hello and in no other."""
    layers: dict[str, set[str]] = {}
    for name, _ in leaks.members(tar):
        layer, _, inner = name.partition(": ")
        if inner:
            layers.setdefault(layer, set()).add(inner)
    above = next(layer for layer, names in layers.items() if "usr/bin/hello" in names)
    return layers[above].difference(*(names for layer, names in layers.items() if layer != above))
