"""Packages as files: the same tree by every builder, found before the base's packages, and with nothing run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dagger_aml import Options, build, load_project
from dagger_aml.backends.base import Builder
from dagger_aml.backends.local.find import local_builder
from dagger_aml.base.facts import BaseFacts
from dagger_aml.building.graphs import lay_out
from dagger_aml.building.plans import probe
from dagger_aml.diff import compare, read_image
from dagger_aml.errors import DaggerAmlError, GraphError
from dagger_aml.graph.access import Access
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Copy, Graph
from dagger_aml.graph.mount import Secret
from dagger_aml.graph.wheels import Wheels
from dagger_aml.plan.make import plan
from dagger_aml.wheels.cache import WheelCache
from dagger_aml.wheels.trees import with_trees
from tests.support import package_index
from tests.support.builders import need_programs
from tests.support.projects import make
from tests.support.scoring import score_tar
from tests.support.wheels import lock_of, made_wheel, tunnel

pytestmark = [pytest.mark.builders, pytest.mark.anyio]

SCORE = """\
import importlib.metadata as m, os
import flask, plain, ns.one, ns.two

def init():
    pass

def run(data):
    return [m.version("plain"), ns.one.A + ns.two.B, flask.__file__ != "", os.path.dirname(plain.__file__)]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with four wheels, one of which is a layer of its own."""
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "p" / "wheels"
    big = "X = 1\n" + "".join(f"# {number:0100d}\n" for number in range(200_000))
    made = [
        made_wheel(folder, "plain", "2.0", requires=("flask",)),
        made_wheel(folder, "one", files={"ns/one.py": "A = 1\n"}, modes={"ns/one.py": 0o100755}),
        made_wheel(folder, "two", files={"ns/two.py": "B = 2\n", "two-1.0.data/data/share/x y.txt": "é"}),
        made_wheel(folder, "big", files={"big/__init__.py": big}),
    ]
    files = {"pylock.toml": lock_of(*(each.table() for each in made)), "code/score.py": SCORE}
    return make(tmp_path / "p", {**files, "request.json": "{}", "dagger-aml.toml": '[packages]\nas = "files"\n'})


async def _graph(project: Path, base: str, **more: str) -> Graph:
    return await lay_out(load_project(project, Options(base=base, **more)))


@pytest.mark.engine
async def test_every_builder_copies_the_same_tree(
    project: Path, bases: dict[str, str], engine: Builder, tmp_path: Path
) -> None:
    need_programs("buildah", "docker")
    graph = await _graph(project, bases["classic"])
    tars = {}
    for name, builder in {
        "dagger": engine,
        "buildah": local_builder("buildah", format="classic"),
        "docker": local_builder("docker", format="classic"),
    }.items():
        tars[name] = tmp_path / f"{name}.tar"
        await build(graph, builder, tags=["localhost/dagger-aml-test/wheels:1"], output=tars[name])
    one, *others = [read_image(tar) for tar in tars.values()]
    for other in others:
        report = compare(one, other)
        assert report.equal, str(report)
    places = [path for path in one.files if path.startswith("/var/azureml-app/python-packages/")]
    assert "/var/azureml-app/python-packages/share/x y.txt" in places


async def test_it_scores_without_a_command(project: Path, bases: dict[str, str], tmp_path: Path) -> None:
    need_programs("buildah", "podman")
    graph, builder, tar = await _graph(project, bases["curated"]), local_builder("buildah"), tmp_path / "image.tar"
    assert (await probe(graph, builder)).engine_part == ()
    await build(graph, builder, tags=["localhost/dagger-aml-test/wheels:2"], output=tar)
    scored = score_tar(tar, project / "request.json", runtime="podman")
    assert scored.status == 200, scored.logs
    assert json.loads(json.dumps(scored.json)) == ["2.0", 3, True, "/var/azureml-app/python-packages"]


async def test_the_bases_server_keeps_what_it_needs(project: Path, bases: dict[str, str]) -> None:
    """The real base is asked what it has: its server needs an older flask than this one."""
    need_programs("buildah")
    flask = made_wheel(project / "wheels", "flask", "99.0")
    make(project, {"pylock.toml": lock_of(flask.table())})
    with pytest.raises(
        GraphError, match=r"azureml-inference-server-http .* requires flask.*but the lock has .*99\.0"
    ):
        await probe(await _graph(project, bases["classic"]), local_builder("buildah"))


async def test_wheels_come_by_login_certificate_and_proxy(tmp_path: Path) -> None:
    """An index with a login and a certificate of the company's, asked by a proxy with a login."""
    need_programs("openssl")
    address, password = package_index.own_address(), "s3cret/+ password"
    made = made_wheel(tmp_path / "packages", "corpthing")
    company = package_index.certificates(tmp_path, address)
    base = From.parse("example.org/base:1")
    source = Wheels("3.12", "linux/amd64", [made.wheel("https://nowhere.invalid/one.whl")])
    netrc = Secret.of("netrc", f'machine {address} login builder password "{password}"\n')
    with (
        package_index.index(tmp_path / "packages", password=password, address=address, tls=company) as index,
        tunnel("me:pass") as (proxy, asked),
    ):
        whole = {"index_url": index.url, "ca": company.ca, "https_proxy": proxy, "secrets": (netrc,)}
        for left_out, words in {"": "", "ca": "certificate is not trusted", "secrets": "refused access"}.items():
            access = Access(**{name: value for name, value in whole.items() if name != left_out})
            graph = Graph(base, access=access).add(Copy(source, "/packages"))
            facts = BaseFacts("probed", environment="/env", python="3.12")
            work = with_trees(plan(graph, {base: facts}), cache=WheelCache(tmp_path / f"cache{left_out}"))
            if not left_out:
                (layer,) = (await work).layers
                assert isinstance(layer, Copy)
                assert asked and set(asked) == {index.url.split("/")[2]}
                continue
            with pytest.raises(DaggerAmlError, match=words) as caught:
                await work
            assert password not in str(caught.value) and "pass@" not in str(caught.value)
