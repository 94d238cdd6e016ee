"""``run --local``: packages from where the build takes them and from nowhere else, and the server's own program."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import evolve, frozen

from dagger_aml import BuildError, Graph, Options, load_project
from dagger_aml.backends.runtime import Published
from dagger_aml.building.graphs import lay_out
from dagger_aml.errors import UsageError
from dagger_aml.events import Event, Message
from dagger_aml.graph.access import Access
from dagger_aml.graph.mount import Secret
from dagger_aml.graph.values import FromBase
from dagger_aml.network.alone import netrc_alone, pip_conf_alone
from dagger_aml.process import CompletedProcess
from dagger_aml.serving import local, local_pip
from dagger_aml.serving.http import Scored
from dagger_aml.serving.local_packages import Place, changes, install, left_out, wanted
from dagger_aml.serving.log import Log
from dagger_aml.serving.serve import ready
from dagger_aml.steps.installer import UV_VERSION
from tests.golden import PROJECTS
from tests.support import package_index
from tests.support.forked_pip import forked_pip
from tests.support.projects import SCORE, make

PASSWORD = "t0p-s3cret%Zebra=91"

SERVER = """
import http.server, json, os, sys, types
def run():
    sys.path.append(os.environ["AML_APP_ROOT"])
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            import acmeprices
            said = {"path": sys.path, "argv": sys.argv, "env": dict(os.environ), "says": acmeprices.SAYS,
                    "host": server.server_address[0], "cwd": os.getcwd(), "main": sys.modules["__main__"].__name__,
                    "script": os.path.realpath(sys.argv[-1])}
            body = json.dumps(said).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)
        do_POST = do_GET
    server = http.server.HTTPServer((amlserver.DEFAULT_HOST, int(sys.argv[sys.argv.index("--port") + 1])), Handler)
    server.serve_forever()
amlserver = types.SimpleNamespace(DEFAULT_HOST="0.0.0.0", run=run)
"""
"""Stands for the inference server: as much of it as is called; it answers what it sees."""


@frozen
class Served:
    """What a project that is served without an image has seen, and what was done for it."""

    said: dict[str, Any]
    asked: list[tuple[str, int]]
    commands: list[tuple[list[str], dict[str, str | None]]]
    modes: dict[str, int]
    events: list[Event]
    root: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Served from a private index that wants a login, on a machine whose every setting names another one.

    The environment gets this one's pip, each call a fork of it: to unpack and to start one takes most of the time.
    """
    tmp = tmp_path_factory.mktemp("local")
    company, public = make(tmp / "company", {}), make(tmp / "public", {})
    package_index.wheel(company, "acmeprices", "1.0", "the company's", ("acmebase",))
    package_index.wheel(company, "acmebase", "1.0", "the company's")
    package_index.wheel(company, "azureml_inference_server_http", "1.5.1", "", ("acmebase",), module=SERVER)
    package_index.wheel(public, "acmeprices", "9.0", "a stranger's")
    package_index.wheel(public, "acmebase", "9.0", "a stranger's")
    package_index.wheel(public, "azureml_inference_server_http", "1.9", "", module="raise SystemExit(1)")
    files = {
        "p/code/score.py": SCORE,
        "p/requirements.txt": "acmeprices\n",
        "p/dagger-aml.toml": 'base = "curated/minimal-py311-inference"\n[env]\nMINE = "/var/azureml-app/x"\n'
        '[secrets]\npip = "env=COMPANY_INDEX"\n',
    }
    pip = tmp / "pip"
    root, commands, modes, events = make(tmp / "project", files) / "p", [], {}, []  # type: ignore[var-annotated]

    async def main(public_url: str, private_url: str) -> dict[str, Any]:
        config = f"[global]\nextra-index-url = {public_url}\n[install]\nindex-url = {public_url}\nno-index = 1\n"
        make(tmp / "config", {"pip/pip.conf": config, "user.conf": config})
        before = local_pip.run

        async def seen(argv: list[str], *, env: dict[str, str | None], **more: Any) -> CompletedProcess:
            commands.append((list(argv), dict(env)))
            for name in ("PIP_CONFIG_FILE", "NETRC"):
                path = Path(str(env[name]))
                modes[name], modes[f"the folder of {name}"] = path.stat().st_mode, path.parent.stat().st_mode
            if "venv" not in argv:
                return await before(argv, env=env, **more)
            done = await before([*argv, "--without-pip"], env=env, **more)
            for site in Path(argv[-1]).glob("[Ll]ib/**/site-packages"):
                (site / "pip.pth").write_text(f"{pip}\n")
            return done

        with pytest.MonkeyPatch.context() as patch:
            for name in [each for each in os.environ if each.lower().endswith("_proxy")]:
                patch.delenv(name)
            patch.setattr(local_pip, "run", seen)
            patch.setenv("COMPANY_INDEX", private_url)
            patch.setenv("XDG_CONFIG_DIRS", str(tmp / "config"))
            patch.setenv("PIP_CONFIG_FILE", str(tmp / "config/user.conf"))
            for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "UV_DEFAULT_INDEX"):
                patch.setenv(name, public_url)
            for name in ("PIP_TARGET", "PIP_DRY_RUN", "WORKER_COUNT", "AML_SERVICE_NAME", "GUNICORN_CMD_ARGS"):
                patch.setenv(name, "1")
            patch.setenv("PYTHONPATH", str(tmp))
            project = load_project(root)
            graph, log = await lay_out(project), Log()
            async with local.locally(project, graph, log, published=Published(), on_event=events.append) as (
                endpoint,
                _,
            ):
                await ready(endpoint, 0.0 + anyio.current_time(), 30, str)
                scored: Scored = await endpoint.score("{}")
                return dict(scored.json)

    with (
        package_index.index(public) as stranger,
        package_index.index(company, password=PASSWORD) as private,
        forked_pip() as pip_call,
    ):
        make(pip, {"pip/__main__.py": pip_call})
        url = private.url.replace("://", f"://{private.user}:{PASSWORD.replace('%', '%25')}@")
        yield Served(anyio.run(main, stranger.url, url), stranger.answers, commands, modes, events, root)


def test_a_name_of_the_company_is_never_asked_of_another_index(served: Served) -> None:
    assert served.asked == []
    assert served.said["says"] == "the company's"


def test_secrets_are_in_files_of_this_user_that_are_gone(served: Served) -> None:
    assert {stat.S_IMODE(mode) for name, mode in served.modes.items() if name.isupper()} == {0o600}
    assert {stat.S_IMODE(mode) for name, mode in served.modes.items() if " " in name} == {0o700}
    files = {str(env["PIP_CONFIG_FILE"]) for _, env in served.commands}
    assert files and not any(Path(each).exists() for each in files)
    for argv, env in served.commands:
        assert not any(PASSWORD in str(each) or "builder:" in str(each) for each in (*argv, *env.values()))
        assert env["COMPANY_INDEX"] is None
    for seen in (served.said, *served.events):
        assert PASSWORD not in str(seen) and "Zebra" not in str(seen)


def test_the_server_is_its_own_program_at_one_address(served: Served) -> None:
    said, bin_folder = served.said, str(Path(served.said["argv"][0]).parent)
    assert said["host"] == "127.0.0.1" and said["argv"][0].endswith("azmlinfsrv")
    assert said["path"][0] == bin_folder and said["path"][-1] == said["cwd"] == said["env"]["AML_APP_ROOT"]
    assert said["script"] == f"{said['cwd']}/score.py"
    assert said["env"]["MINE"] == f"{said['cwd']}/x"


def test_what_this_shell_says_of_the_server_is_not_the_images(served: Served) -> None:
    gone = {"WORKER_COUNT", "AML_SERVICE_NAME", "GUNICORN_CMD_ARGS", "COMPANY_INDEX", "PYTHONPATH"}
    assert gone.isdisjoint(served.said["env"])


def test_the_server_comes_first_and_within_bounds(served: Served) -> None:
    installs = [argv[5:] for argv, _ in served.commands if argv[4:5] == ["install"]]
    assert installs == [["azureml-inference-server-http~=1.4"], ["--requirement", f"{served.root}/requirements.txt"]]


# --- settings that let nothing else in ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("secret", "said", "logins"),
    [
        ("https://u:p%2Fw@i.example/simple/", ["index-url = https://i.example/simple/"],
         "machine i.example login u password p/w\n"),
        ("[global]\nindex-url = https://t@i.example/a\nextra-index-url = https://s@i.example/b\n",
         ["index-url = https://t@i.example/a", "extra-index-url = https://s@i.example/b"], ""),
        ("https://u:p%20w@i.example/", ["index-url = https://u:p%20w@i.example/"], ""),
        ("https://i.example/", ["index-url = https://i.example/"], ""),
    ],
    ids=["a login", "two logins of a host", "what no .netrc holds", "none"],
)  # fmt: skip
def test_settings_that_let_nothing_else_in(secret: str, said: list[str], logins: str) -> None:
    """In both sections, and what is not said is there and empty; logins are where no argument shows them."""
    access = Access(secrets=(Secret.of("pip", secret),))
    text = pip_conf_alone(access).splitlines()
    half = len(text) // 2
    assert text[0] == "[global]" and text[half] == "[install]" and text[1:half] == text[half + 1 :]
    assert set(said) <= set(text)
    assert {line.partition(" =")[0] for line in text[1:half]} == {
        "index-url", "extra-index-url", "find-links", "trusted-host", "no-index"
    }  # fmt: skip
    assert netrc_alone(access).lstrip("\n") == logins


# --- what is said -------------------------------------------------------------------------------------------------


class Faked:
    """Commands that only say that they ran.

    :param fails: a word of the command that fails, and what it prints.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *fails: tuple[str, str]) -> None:
        self.argv: list[list[str]] = []
        self.env: dict[str, str | None] = {}
        self.fails = dict(fails)
        monkeypatch.setattr(local_pip, "run", self.run)

    async def run(self, argv: list[str], **more: Any) -> CompletedProcess:
        """Stand for :func:`dagger_aml.process.run`."""
        self.argv.append(argv)
        self.env = more["env"]
        word = next((each for each in self.fails if each in argv), None)
        out = self.fails.get(word or "", "")
        if more.get("on_line"):
            for line in out.splitlines():
                more["on_line"](line)
        return CompletedProcess(1 if word and word != "config" else 0, out)


def installed(project: Any, tmp_path: Path, *more: str) -> list[str]:
    """Install a project's packages; what was told."""
    events: list[Event] = []

    async def main() -> None:
        graph = await lay_out(project)
        await install(project, graph, Place(make(tmp_path / "place", {})), events.append, more)

    anyio.run(main)
    return [event.text for event in events if isinstance(event, Message)]


def of(root: Path, text: str = "", **options: Any) -> Any:
    """A small project."""
    files = {"code/score.py": SCORE, "requirements.txt": "six\n", "dagger-aml.toml": text}
    return load_project(make(root / "p", files), Options(**{"base": "curated/minimal-py311-inference", **options}))


def test_uv_installs_where_the_build_has_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip would take the highest version of all indexes, uv takes a name from the first that has it."""
    faked = Faked(monkeypatch)
    monkeypatch.setenv("UV_INDEX_STRATEGY", "unsafe-best-match")
    text = '[pip]\ninstaller = "uv"\nindex-url = "https://i.example/simple"\nextra-index-urls = ["https://e.example/x"]\n'
    installed(of(tmp_path, text), tmp_path)
    names = [[word for word in argv if not word.startswith("/")] for argv in faked.argv]
    assert ["-I", "-m", "pip", "install", f"uv=={UV_VERSION}"] == [names[2][at] for at in (0, 1, 2, 3, -1)]
    assert names[3][:3] == ["pip", "install", "--python"] and faked.argv[3][0].endswith("/uv/bin/uv")
    assert faked.env["UV_CONFIG_FILE"] and faked.env["UV_INDEX_STRATEGY"] is None


def test_an_index_without_the_server_is_told_and_no_other_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faked = Faked(
        monkeypatch, ("install", "ERROR: No matching distribution\nLooking in https://u:hush-hush@i.example")
    )
    project = of(tmp_path, '[secrets]\npip = "src=../url"\n')
    (tmp_path / "url").write_text("https://u:hush-hush@i.example/simple/")
    with pytest.raises(BuildError, match="the inference server cannot be installed here") as raised:
        installed(project, tmp_path)
    assert raised.value.hint and "must come from that index, too" in raised.value.hint
    assert "hush-hush" not in str(raised.value) and "No matching distribution" in str(raised.value)
    assert len(faked.argv) == 2


def test_this_machines_own_settings_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faked = Faked(
        monkeypatch, ("config", "global.index-url='https://u:p@i.example'\n:env:.find-links='x'\nglobal.cert='c'")
    )
    told = [text for text in installed(of(tmp_path), tmp_path) if "settings" in text]
    assert told == [
        "the project names no package index, so pip uses this machine's settings (find-links, index-url); "
        "the image's build does not see them"
    ]
    monkeypatch.setenv("PIP_INDEX_URL", "https://i.example")
    monkeypatch.setenv("PIP_TARGET", "/x")
    installed(of(tmp_path), tmp_path)
    assert "PIP_INDEX_URL" not in faked.env and faked.env["PIP_TARGET"] is None


def test_certificates_and_proxies_are_the_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faked = Faked(monkeypatch)
    monkeypatch.setenv("PIP_PROXY", "http://other.example:1")
    ca = tmp_path / "ca.pem"
    ca.write_text("-----BEGIN CERTIFICATE-----\n")
    installed(of(tmp_path, ca=str(ca), https_proxy="http://proxy.example:3128"), tmp_path)
    assert faked.env["https_proxy"] == faked.env["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert faked.env["PIP_PROXY"] is None and faked.env["PIP_CERT"] == faked.env["SSL_CERT_FILE"] != str(ca)


def test_conflicts_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = "a 1 has requirement b<2, but you have b 2."
    Faked(monkeypatch, ("check", found))
    told = installed(of(tmp_path), tmp_path)[-1]
    assert told == f"packages conflict, so the image's build is likely to fail at pip check: {found}"


def test_what_the_packages_change_is_told() -> None:
    before = {"flask": "3.1.3", "gunicorn": "27.0.1", "pydantic": "2.12.5"}
    assert list(changes(before, {**before, "six": "1"}, "r.txt")) == []
    assert list(changes(before, {"flask": "3.1.3", "pydantic": "2.13.0"}, "r.txt")) == [
        "r.txt changed packages that the server came with: gunicorn 27.0.1 to nothing, pydantic 2.12.5 to 2.13.0"
    ]


@pytest.mark.parametrize(
    ("base", "version"),
    [
        ("minimal-ubuntu20.04-py38-cpu-inference", "~=1.3.4"),
        ("curated/minimal-py311-inference", "~=1.4"),
        ("x.example/y:1", "~=1.4"),
    ],
)
def test_the_server_is_of_the_versions_that_bases_have(
    base: str, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faked = Faked(monkeypatch)
    installed(of(tmp_path, base=base), tmp_path)
    assert f"azureml-inference-server-http{version}" in faked.argv[2]


OWN = """
from dagger_aml import secret_mount
from dagger_aml.steps import base, code, run

async def recipe(graph, project):
    graph = await base(graph, project.base)
    mounts = (secret_mount(graph.access, "mine"),)
    graph = await run(graph, ["/bin/sh", "-c", "true"], name="compile the tokenizer", mounts=mounts)
    return await code(graph, project.code, script=project.entry_script)
"""


def test_what_is_not_done_without_a_container_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("platform.system", lambda: "Linux")
    plain = of(tmp_path / "a")
    assert list(left_out(plain, anyio.run(lay_out, plain))) == []
    recipe = make(tmp_path, {"mine.py": OWN}) / "mine.py"
    project = of(tmp_path / "b", recipe=str(recipe), platform="linux/arm64", secret=(f"id=mine,src={recipe}",))
    assert list(left_out(project, anyio.run(lay_out, project))) == [
        f"commands of the recipe {recipe} do not run without a container: compile the tokenizer",
        "local=… does not use the secret mine",
        "the image is for linux/arm64; pip chooses packages for this machine, which is linux/amd64",
    ]
    apt = of(tmp_path / "c", apt=("git",))
    assert list(left_out(apt, anyio.run(lay_out, apt))) == ["apt packages are not installed without a container: git"]


def test_an_address_that_it_does_not_serve_at(tmp_path: Path, cli: Any) -> None:
    of(tmp_path)
    code, _, err = cli("run", tmp_path / "p", "--local", "-p", "0.0.0.0:7000", "--base", "minimal-py312-inference")
    assert code == 2 and "-p: --local serves at 127.0.0.1 only, not at 0.0.0.0" in err


@pytest.mark.parametrize("flag", ["serve(published=Published(…))", "serve(debug=Published(…))"])
def test_a_port_that_is_taken_is_told_before_anything_is_installed(
    tmp_path: Path, flag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "install", None)
    project = of(tmp_path)
    graph = anyio.run(lay_out, project)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = Published(taken.getsockname()[1])
        how = (
            {"published": Published(0), "debug": port} if flag == "serve(debug=Published(…))" else {"published": port}
        )

        async def serve() -> None:
            async with local.prepared(project, graph, on_event=lambda _: None, **how):
                pass

        with pytest.raises(UsageError) as caught:
            anyio.run(serve)
    assert caught.value.location == flag and str(port.port) in str(caught.value)


def test_a_lock_does_not_bring_its_own_index_where_another_is_said(tmp_path: Path) -> None:
    """pip would let the lines of the file win over the index that the build has."""
    lock = make(tmp_path / "p", {"code/score.py": SCORE})
    text = (
        (PROJECTS / "uv-lock" / "uv.lock")
        .read_text()
        .replace("https://pypi.org/simple", "https://other.example/simple")
    )
    (lock / "uv.lock").write_text(text)
    project = evolve(load_project(lock, Options(base="minimal-py312-inference")), requirements=lock / "uv.lock")
    for access, there in ((Access(), True), (Access(index_url="https://i.example/"), False)):
        place = Place(make(tmp_path / str(there), {}))
        wanted(project, Graph(access=access), place)
        assert ("other.example" in (place.root / "requirements.txt").read_text()) is there


def test_the_path_that_an_image_says_is_this_folders(tmp_path: Path) -> None:
    """Behind a folder of preinstalled packages the start script leaves a colon, which means the working directory."""
    place = Place(tmp_path)
    graph = Graph().configure(env={"PYTHONPATH": FromBase("pythonpath", before="/var/azureml-app/a")})
    assert local._environment(graph, place)["PYTHONPATH"] == f"{place.app}/a"
    graph = Graph().configure(env={"AZUREML_ENTRY_SCRIPT": "sub/score.py", "AZUREML_EXTRA_PYTHON_LIB_PATH": "libs"})
    assert local._environment(graph, place)["PYTHONPATH"] == f"{place.app}/sub/libs:"
