"""Images within the limits of a restricted pod: the container's flags, who refuses, what is told of a failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dagger_aml import contract
from dagger_aml.backends.local import containers, docker, podman
from dagger_aml.backends.local.containers import Containers
from dagger_aml.backends.local.kind import LocalKind
from dagger_aml.backends.runtime import Start
from dagger_aml.cli.main import cli
from dagger_aml.errors import ProjectError, UsageError
from dagger_aml.process import CompletedProcess
from dagger_aml.serving.cause import Cause
from dagger_aml.serving.log import Log
from dagger_aml.serving.restricted import limited
from dagger_aml.serving.smoke import Smoke, default_smoke
from tests.support.calls import await_, error_of
from tests.support.projects import SCORE, laid_out, make

TIMEOUT = Cause(None, "GET / did not answer 200 within 60 s", kind="timeout", hint="Allow more time.")
NGINX = 'nginx: [emerg] mkdir() "/var/lib/nginx/body" failed (13: Permission denied)'
IMAGE = "0" * 64


@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize(("kind", "option"), [(docker.KIND, "uid=12345,gid=0"), (podman.KIND, "notmpcopyup,U")])
def test_a_container_gets_the_limits_of_a_restricted_pod(
    monkeypatch: pytest.MonkeyPatch, kind: LocalKind, option: str, restricted: bool
) -> None:
    ran: list[list[str]] = []

    async def run(argv: list[str], **_: Any) -> CompletedProcess:
        ran.append(argv)
        return CompletedProcess(0, "false 0" if "inspect" in argv else "12345", "")

    monkeypatch.setattr(containers, "run", run)

    runtime = kind.runtime()
    assert isinstance(runtime, Containers)

    async def serve() -> None:
        async with runtime.serve(IMAGE, Start(restricted=restricted, env={"HOME": "/home/me"}), Log(None)):
            pass

    await_(serve())
    (words,) = [argv for argv in ran if argv[:3] == [runtime.name, "run", "--detach"]]
    limits = {"--user=12345:0", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only"}
    folders = {f"--tmpfs={path}:rw,exec,{option}" for path in contract.WRITABLE}
    assert (limits | folders <= {*words}) is restricted
    assert any(word.startswith(("--tmpfs", "--user", "--read")) for word in words) is restricted
    homes = [word for word in words if word.startswith("--env=HOME=")]
    assert homes == [*(["--env=HOME=/tmp"] if restricted else []), "--env=HOME=/home/me"]


def test_an_engine_has_no_such_limits(tmp_path: Path) -> None:
    root = make(tmp_path, {"score.py": SCORE})
    for words in (["run", str(root), "--restricted"], ["build", str(root), "-t", "a:1", "--smoke=restricted"]):
        done = CliRunner().invoke(cli, [*words, "--with", "dagger"], env={"DAGGER_AML_WITH": None})
        assert isinstance(done.exception, UsageError) and "--with docker" in str(done.exception.hint), done.output
    for more in ("--local", "--restricted"):
        done = CliRunner().invoke(cli, ["run", str(root), "--local", "--restricted", more])
        assert isinstance(done.exception, UsageError) and "starts no image" in done.exception.message


def test_the_gate_starts_it_so_only_where_it_is_asked_for(tmp_path: Path) -> None:
    project, graph = laid_out(make(tmp_path / "code", {"score.py": SCORE, "request.json": "1"}))
    for asked, mode in (("restricted", "restricted"), ("score", "score"), (None, "score")):
        smoke, _ = default_smoke(project, graph, asked, push=True)  # type: ignore[arg-type]
        assert isinstance(smoke, Smoke) and smoke.mode == mode
    alone, graph = laid_out(make(tmp_path / "alone", {"requirements.txt": "idna\n"}), environment_only=True)
    error = error_of(default_smoke, alone, graph, "restricted", push=False)
    assert isinstance(error, ProjectError) and "build(check=Smoke(…)), which imports" in str(error.hint)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "the limits of a restricted pod stop the image, without a word of its own"),
        (["", "  "], "the limits of a restricted pod stop the image, without a word of its own"),
        (["starting", NGINX], f"the limits of a restricted pod stop the image: {NGINX}"),
        (["Invoking user's init function"], TIMEOUT.message),
    ],
)
def test_a_start_that_the_limits_stop_is_told_as_that(lines: list[str], message: str) -> None:
    found = limited(TIMEOUT, lines)
    assert found.message == message
    if message == TIMEOUT.message:
        assert found == TIMEOUT
    else:
        assert (
            found.kind == "restricted"
            and "/var/log/nginx" in found.hint
            and "Without serve(restricted=…)" in found.hint
        )


def test_what_the_code_cannot_write_is_told_with_where_it_can() -> None:
    cause = Cause(
        3, "init() cannot write /var/azureml-app/x (read-only file system)", kind="write", hint="Files beside."
    )
    found = limited(cause, ["OSError: [Errno 30] Read-only file system: '/var/azureml-app/x'"])
    assert found.message == cause.message and found.code == 3
    assert "beside" not in found.hint and "Write to /tmp" in found.hint
    raised = Cause(3, "init() raised KeyError: 'x'", kind="raised", hint="Look.")
    assert limited(raised, ["KeyError: 'x'"]) == raised
    assert limited(raised, [NGINX]).hint.startswith("Look. In a restricted pod")
