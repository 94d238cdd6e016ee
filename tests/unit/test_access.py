"""How a build reaches what it installs from: what is read, refused, mounted, hidden, and never written."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import anyio
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from dagger_aml import Graph, Options, dockerfile, load_project, make_plan, runtime_key
from dagger_aml.backends.secret_files import secret_files
from dagger_aml.building.graphs import lay_out
from dagger_aml.errors import GraphError, UsageError
from dagger_aml.graph.access import Access
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Run
from dagger_aml.graph.mount import Mount, Secret
from dagger_aml.network.ca import ca_bundle
from dagger_aml.network.mounts import apt_mounts, pip_mounts, secret_mount, uv_mounts
from dagger_aml.network.pip_conf import netrc, pip_conf, uv_toml
from dagger_aml.plan.render import plan_json, plan_text
from dagger_aml.steps import apt, base, run
from dagger_aml.text import redact
from tests.support.cases import for_each
from tests.support.projects import small

INDEX = "https://pypi.example.com/simple/"
FEED = "https://pkgs.dev.azure.com/org/_packaging/feed/pypi/simple/"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def secret(id: str, value: str) -> Secret:
    return Secret.of(id, value)


# --- secrets ---


def test_a_secret_cannot_be_seen() -> None:
    made = secret("pip", "hunter2-hunter2")
    assert "hunter2" not in repr(made) + str(made) + f"{made}"
    for write in (pickle.dumps, json.dumps):
        with pytest.raises(TypeError):
            write(made)
    assert made.reveal() == b"hunter2-hunter2"
    assert "hunter2" not in repr(Access(secrets=(made,), https_proxy="http://u:hunter2@p:1"))


@for_each(
    "text",
    ["hunter2", "id=pip", "id=pip,env=A,src=b", "env=A", "id=pip,env=", "id=pip,env=A,env=B", "id=pip,value=hunter2"],
)
def test_a_malformed_secret_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(UsageError) as error:
        Secret.parse(text)
    assert "hunter2" not in str(error.value)


@for_each("id", ["PIP", "a b", "", "../x", "-a", "a" * 65])
def test_an_id_is_plain(id: str) -> None:
    with pytest.raises(UsageError):
        Secret.parse(f"id={id},env=A")


def test_where_a_secret_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"from a file\n")
    monkeypatch.setenv("TOKEN", "from a variable")
    assert Secret.parse("id=pip,src=file", root=tmp_path).reveal() == b"from a file\n"
    assert Secret.parse("type=env,id=pip,env=TOKEN").reveal() == b"from a variable"
    for missing in ("id=pip,env=NOT_SET_HERE", f"id=pip,src={tmp_path / 'absent'}"):
        with pytest.raises(UsageError, match="pip"):
            Secret.parse(missing).reveal()
    (tmp_path / "large").write_bytes(b"x" * (500 * 1024 + 1))
    with pytest.raises(UsageError, match="500 KiB"):
        Secret.parse("id=pip,src=large", root=tmp_path).reveal()


def test_a_secret_is_given_once() -> None:
    with pytest.raises(UsageError, match="twice"):
        Access(secrets=(secret("pip", "a"), secret("pip", "b")))


# --- URLs ---


@for_each("field", ["index_url", "apt_mirror"])
@for_each("url", ["https://u:p@x/simple", "https://token@x/", "ftp://x/", "x", "https://x/ y", "https://x\n/"])
def test_a_url_that_is_refused(field: str, url: str) -> None:
    with pytest.raises(UsageError) as error:
        Access(**{field: url})
    assert "u:p" not in str(error.value) and "token@" not in str(error.value)


def test_a_folder_of_wheels_is_told_where_to_go() -> None:
    with pytest.raises(UsageError) as error:
        Access(find_links=("wheels",))
    assert "--find-links wheels" in (error.value.hint or "")


# --- what commands see ---


def test_nothing_said_is_nothing_mounted() -> None:
    assert pip_mounts(Access()) == () == apt_mounts(Access())
    assert pip_mounts(Access(http_proxy="http://proxy:1")) == (), "proxies are the builder's own settings"


def test_pip_conf() -> None:
    access = Access(
        index_url=INDEX, extra_index_urls=("https://a.example/", "https://b.example/"), find_links=(FEED,)
    )
    assert pip_conf(access) == (
        f"[global]\nindex-url = {INDEX}\nextra-index-url = https://a.example/\n    https://b.example/\n"
        f"find-links = {FEED}\n"
    )


def test_the_secret_pip_is_a_url_or_a_pip_conf() -> None:
    url = "https://me:pa%2Fss@pypi.example.com/simple/"
    for value in (url, url + "\n", f"[global]\nindex-url={url}\n", f"[install]\nindex_url = {url}\n"):
        assert pip_conf(Access(secrets=(secret("pip", value),))) == f"[global]\nindex-url = {url}\n"
        # The same index said in the open does not take its login away.
        assert pip_conf(Access(index_url=INDEX, secrets=(secret("pip", value),))) == f"[global]\nindex-url = {url}\n"
    other = Access(index_url="https://other.example/", secrets=(secret("pip", url),))
    assert pip_conf(other) == "[global]\nindex-url = https://other.example/\n"
    with pytest.raises(UsageError, match=r"neither a pip\.conf"):
        pip_conf(Access(secrets=(secret("pip", "just-a-token"),)))


def test_uv_toml() -> None:
    import tomllib

    read = tomllib.loads(
        uv_toml(Access(index_url=INDEX, extra_index_urls=(FEED,), find_links=("https://c.example/",)))
    )
    assert read == {"find-links": ["https://c.example/"], "index": [{"url": FEED}, {"url": INDEX, "default": True}]}


def test_netrc() -> None:
    token = secret("azure-artifacts", "t0ken\n")
    own = secret("netrc", "machine a login b password c")
    assert netrc(Access(index_url=FEED, secrets=(own, token))) == (
        "machine a login b password c\nmachine pkgs.dev.azure.com login azure-artifacts password t0ken\n"
    )
    with pytest.raises(UsageError, match="no index is an Azure Artifacts feed"):
        netrc(Access(index_url="https://pkgs.dev.azure.com.evil.example/", secrets=(token,)))


def test_a_ca(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(CERTIFICATE)
    bundle = ca_bundle(file)
    assert bundle.endswith(CERTIFICATE.encode()) and bundle.count(b"BEGIN CERTIFICATE") > 50
    for text, why in (("nothing", "no certificate"), (CERTIFICATE + "-----BEGIN PRIVATE KEY-----", "private key")):
        file.write_text(text)
        with pytest.raises(UsageError, match=why):
            ca_bundle(file)


@pytest.mark.parametrize(("id", "path"), [("a b", "/run/x"), ("a", "/run/x,uid=0"), ("a", "run/x"), ("a", "/run/$X")])
def test_a_mount_is_plain(id: str, path: str) -> None:
    """Both stand unquoted in a flag of RUN."""
    with pytest.raises(UsageError):
        Mount(id, path, secret("x", "x"))


def test_what_of_a_mount_decides_the_result() -> None:
    typed = Mount("x", "/run/x", secret("x", "x"), secrets=["a", "b"], sources=(("index-url", INDEX),))
    assert typed.keys == (f"index-url {INDEX}", "secret a b") and typed.key == f"index-url {INDEX}\nsecret a b"
    said = Mount("x", "/run/x", secret("x", "x"), typed.key)
    assert (said.key, said.keys, said.cache_key) == (typed.key, typed.keys, typed.cache_key)
    assert Mount("x", "/run/x", secret("x", "x")).keys == ()
    assert evolve(typed, key="1").keys == ("1", *typed.keys)
    assert Mount("x", "/run/x", secret("x", "x"), sources=[["index-url", INDEX]]).sources == typed.sources  # type: ignore[list-item]
    with pytest.raises(GraphError, match="expected a list"):
        Mount("x", "/run/x", secret("x", "x"), secrets="pip")


def test_the_mounts_say_which_secrets_they_hold() -> None:
    secrets = [secret(id, "v") for id in ("pip", "netrc", "azure-artifacts", "apt", "mine")]
    access = Access(index_url=INDEX, apt_mirror="https://mirror.example/", secrets=secrets)
    held = {each.id: each.secrets for each in (*uv_mounts(access), *apt_mounts(access), secret_mount(access, "mine"))}
    assert held == {
        "uv": ("pip",),
        "netrc": ("netrc", "azure-artifacts"),
        "apt-mirror": (),
        "apt": ("apt",),
        "apt-conf": (),
        "mine": ("mine",),
    }


def test_a_key_that_reads_like_a_secret_is_none(tmp_path: Path) -> None:
    """The text of a key is for digests alone: it says nothing of what a command sees."""
    (tmp_path / "recipe.py").write_text(
        "from dagger_aml import Graph, Mount, Project, Run, Secret\n\n\n"
        "async def recipe(graph: Graph, project: Project) -> Graph:\n"
        "    mount = Mount('x', '/run/x', Secret.of('x', 'x'), 'secret mine')\n"
        "    return graph.add(Run(['/bin/true'], mounts=[mount]))\n"
    )
    (tmp_path / "code").mkdir()
    options = Options(recipe="./recipe.py", secret=("id=mine,env=A",))
    with pytest.raises(UsageError, match="no step of this build uses a secret 'mine'"):
        anyio.run(lay_out, load_project(tmp_path, options))


# --- output ---


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":@/"), min_size=4))
def test_output_is_hidden(password: str) -> None:
    access = Access(secrets=(secret("netrc", f"machine a login b password {password}\n"),))
    said = f"trying https://b:{password}@a/ and {password}"
    assert password not in redact(said, access.sensitive()) or password in "***"


def test_a_proxy_s_password_is_hidden() -> None:
    access = Access(http_proxy="http://me:pr0xy%2Fword@p.example:1")
    shown = redact("407 for pr0xy%2Fword and pr0xy/word", access.sensitive())
    assert shown == "407 for *** and ***"


# --- in a graph, a plan, a Dockerfile ---


def laid_out(folder: Path, **options: object) -> Graph:
    small(folder)
    (folder / "requirements.txt").write_text("idna==3.10\n")
    (folder / "apt.txt").write_text("libgomp1\n")
    return anyio.run(lay_out, load_project(folder, Options(**options)))  # type: ignore[arg-type]


def test_the_classic_form_refuses_and_names_the_other(tmp_path: Path) -> None:
    graph = laid_out(tmp_path, index_url=INDEX)
    with pytest.raises(UsageError, match="pip mounted") as error:
        dockerfile(graph)
    assert 'open_builder(format="buildkit"): podman and buildah build it, and docker' in (error.value.hint or "")
    text = str(dockerfile(graph, format="buildkit"))
    assert "docker build --secret id=pip,src=FILE -t" in text and f"index-url {INDEX}" in text


def test_proxies_need_no_mount(tmp_path: Path) -> None:
    graph = laid_out(tmp_path, http_proxy="http://u:pr0xyword@p.example:1", no_proxy="a.example")
    text = str(dockerfile(graph))
    assert "p.example" not in text and "proxy" not in text.lower()
    assert "pr0xyword" not in plan_text(make_plan(graph), load_project(tmp_path))


def test_values_are_in_nothing_that_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "https://me:hunter2hunter2@pypi.example.com/simple/")
    (tmp_path / "ca.pem").write_text(CERTIFICATE)
    graph = laid_out(tmp_path, secret=("id=pip,env=TOKEN", "id=apt,env=TOKEN"), ca=str(tmp_path / "ca.pem"))
    planned, project = make_plan(graph), load_project(tmp_path)
    shown = (
        json.dumps(plan_json(planned, project)) + plan_text(planned, project, why=True) + repr(planned) + repr(graph)
    )
    rendered = dockerfile(graph, format="buildkit")
    rendered.save(tmp_path / "out")
    shown += "".join(path.read_text(errors="replace") for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert "hunter2" not in shown and "MIIB" not in shown
    assert "secret pip" in shown and "secret apt" in shown


def test_the_fingerprint_knows_indexes_and_ids_but_no_values_proxies_or_cas(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(CERTIFICATE)

    def of(**options: object) -> str:
        return runtime_key(make_plan(laid_out(tmp_path, **options)))

    plain = of()
    assert of(http_proxy="http://p.example:1", ca=str(tmp_path / "ca.pem")) == plain
    assert len({plain, of(index_url=INDEX), of(index_url=FEED), of(secret=("id=netrc,env=A",))}) == 4
    assert of(secret=("id=netrc,env=A",)) == of(secret=("id=netrc,src=B",))


def test_a_command_of_ones_own_sees_a_secret() -> None:
    async def made() -> Graph:
        graph = await base(Graph(access=Access(secrets=(secret("mine", "v"),))), From.parse("base.example/x:1"))
        mount = secret_mount(graph.access, "mine", variable="TOKEN_FILE")
        return await run(graph, ["/bin/cat", "/run/dagger-aml.mine"], mounts=[mount])

    graph = anyio.run(made)
    layer = graph.layers[0]
    assert isinstance(layer, Run)
    assert layer.command[:3] == ("/usr/bin/env", "TOKEN_FILE=/run/dagger-aml.mine", "/bin/cat")
    with pytest.raises(UsageError, match="needs the secret other"):
        secret_mount(graph.access, "other")


def test_a_command_with_mounts_runs_as_numbers() -> None:
    mount = Mount("x", "/run/x", secret("x", "x"))
    graph = Graph(From.parse("base.example/x:1"), (Run(("/bin/true",), "someone", mounts=(mount,)),))
    with pytest.raises(GraphError, match="UID:GID"):
        make_plan(graph)


def test_the_files_of_a_build_are_this_users_alone_and_go() -> None:
    access = Access(index_url=INDEX)
    with secret_files(access) as files:
        path = files.path(pip_mounts(access)[0])
        assert path.stat().st_mode & 0o777 == 0o600 and INDEX in path.read_text()
        assert files.path(pip_mounts(access)[0]) == path
    assert not path.exists() and not path.parent.exists()


def test_an_apt_mirror_takes_the_archives_place(tmp_path: Path) -> None:
    """The script's own rewriting, run by a shell on sources as Debian and Ubuntu have them."""
    import re
    import subprocess

    graph = anyio.run(
        apt, Graph(From.parse("b.example/x:1"), access=Access(apt_mirror="http://m.example/debian")), ["xz-utils"]
    )
    script = str(graph.layers[0].argv[2])  # type: ignore[union-attr]
    expression = re.search(r'sed -E "(.*?)" "\$file"', script)
    assert expression
    sources = (
        "deb http://deb.debian.org/debian bookworm main\n"
        "deb http://deb.debian.org/debian-security bookworm-security main\n"
        "URIs: https://security.debian.org/debian-security\n"
        "deb http://azure.archive.ubuntu.com/ubuntu/ jammy main\n"
        "deb https://packages.microsoft.com/ubuntu/22.04/prod jammy main\n"
    )
    done = subprocess.run(
        ["/bin/sh", "-euc", f'mirror=http://m.example/debian/; sed -E "{expression[1]}"'],
        input=sources, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == (
        "deb http://m.example/debian bookworm main\n"
        "deb http://m.example/debian-security bookworm-security main\n"
        "URIs: http://m.example/debian-security\n"
        "deb http://m.example/debian/ jammy main\n"
        "deb https://packages.microsoft.com/ubuntu/22.04/prod jammy main\n"
    )
