"""Layers written directly, with real registries and stores: without rights, for several platforms, before a gate."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dagger_aml.oci.image import read_image
from tests.builders.test_wheels import SCORE
from tests.standin.tiny import push_tiny
from tests.support.builders import need_programs
from tests.support.cli import run
from tests.support.depth import depth_of
from tests.support.projects import make, small
from tests.support.scoring import score_image
from tests.support.users import NOBODY, linux_root, open_to_all, readable_package
from tests.support.wheels import lock_of, made_wheel

pytestmark = [pytest.mark.builders, pytest.mark.by_default]

LIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")
"""For podman under a root that may not raise them."""

ROOT = Path(__file__).parents[2]

RUNS = """
from dagger_aml import Graph, Project
from dagger_aml.steps import base, code, run

async def recipe(graph: Graph, project: Project) -> Graph:
    graph = await base(graph, project.base)
    graph = await run(graph, ["/bin/sh", "-c", "mkdir -m 700 /opt; echo ran >/opt/mark"], name="mark")
    return await code(graph, project.code)
"""


def python_for_all() -> str:
    """A Python of this version that another user may run too; the test is skipped where there is none."""
    for place in filter(os.path.exists, (sys.executable, "/usr/bin/python3")):
        with contextlib.suppress(PermissionError):
            asked = subprocess.run(
                [place, "-c", "import sys, encodings.utf_8_sig; print(sys.version_info[:2])"],
                user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True, check=False,
            )  # fmt: skip
            if asked.stdout.strip() == str(sys.version_info[:2]):
                return place
    pytest.skip("no Python of this version that another user may run")


def skopeo(reference: str, *flags: str) -> dict:
    """What skopeo tells of an image."""
    command = ["skopeo", "inspect", "--tls-verify=false", *flags, f"docker://{reference}"]
    found: dict = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


@linux_root
@readable_package
def test_without_rights_and_without_a_program(tmp_path: Path, bases: dict[str, str]) -> None:
    """Packages and code pushed by a user without rights on whose PATH there is nothing; then scored by podman."""
    need_programs("podman")
    folder = tmp_path / "p"
    plain = made_wheel(folder / "wheels", "plain", "2.0", requires=("flask",))
    one = made_wheel(folder / "wheels", "one", files={"ns/one.py": "A = 1\n"})
    two = made_wheel(folder / "wheels", "two", files={"ns/two.py": "B = 2\n"})
    files = {"pylock.toml": lock_of(*(each.table() for each in (plain, one, two))), "code/score.py": SCORE}
    make(folder, {**files, "request.json": "{}", "dagger-aml.toml": '[packages]\nas = "files"\n'})
    home = tmp_path / "home"
    home.mkdir(mode=0o777)
    home.chmod(0o777)
    open_to_all(folder)
    host = bases["classic"].partition("/")[0]
    reference = f"{host}/direct/nobody:1"

    words = ["build", str(folder), "--base", bases["classic"], "-t", reference, "--push"]
    built = subprocess.run(
        [python_for_all(), "-m", "dagger_aml", *words, "--no-smoke"],
        env={"HOME": str(home), "PATH": "/nonexistent", "PYTHONPATH": ":".join(filter(None, sys.path))},
        cwd=home, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    subprocess.run(["podman", "pull", "--quiet", "--tls-verify=false", reference], check=True)
    scored = score_image(reference, folder / "request.json", runtime="podman")
    assert scored.status == 200, scored.logs
    assert scored.json == ["2.0", 3, True, "/var/azureml-app/python-packages"]


@linux_root
@readable_package
def test_the_demo_with_nothing(tmp_path: Path, bases: dict[str, str], pytestconfig: pytest.Config) -> None:
    """No engine, no builder, no rights: `./taskw demo` writes the image, and the server's own program answers."""
    if not depth_of(pytestconfig).every_example:
        pytest.skip("only with --depth nightly: it installs scikit-learn and the server (a minute)")
    home = tmp_path / "home"
    home.mkdir()
    open_to_all(home)
    home.chmod(0o777)
    env = {"HOME": str(home), "PATH": "/nonexistent", "TMPDIR": str(home), "DAGGER_AML_BASE": bases["classic"]}
    index = {name: value for name, value in os.environ.items() if name in ("PIP_INDEX_URL", "SSL_CERT_FILE")}
    done = subprocess.run(
        [python_for_all(), "-m", "tools.demo"], env={**env, **index, "PYTHONPATH": ":".join(filter(None, sys.path))},
        cwd=ROOT, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True, check=False,
    )  # fmt: skip
    last = done.stdout.splitlines()[-1]
    assert last.startswith("demo: scored examples/diabetes by the inference server, image written directly"), (
        done.stdout
    )


def test_several_platforms_become_one_index(tmp_path: Path, host: str) -> None:
    base = push_tiny(host, "platforms")
    folder, reference = small(tmp_path / "p"), f"{host}/direct/platforms:1"
    words = ["--platform", "linux/amd64,linux/arm64", "--with", "docker", "-t", reference]
    done = run("build", folder, "--base", base, *words, "--push", "-o", f"type=oci,dest={tmp_path / 'both.tar'}")
    assert done.returncode == 0, done.stderr
    index = skopeo(reference, "--raw")
    assert [each["platform"]["architecture"] for each in index["manifests"]] == ["amd64", "arm64"]
    for architecture in ("amd64", "arm64"):
        config = json.loads(
            subprocess.run(
                ["skopeo", f"--override-arch={architecture}", "inspect", "--config",
                 f"oci-archive:{tmp_path}/both.tar"], capture_output=True, check=True,
            ).stdout
        )  # fmt: skip
        assert config["architecture"] == architecture


@pytest.mark.parametrize("builder", ["docker", "podman", "buildah"])
def test_it_is_loaded_into_the_builders_store(tmp_path: Path, tiny: str, builder: str) -> None:
    need_programs(builder)
    (tmp_path / "mine.py").write_text(RUNS)
    folder, name = small(tmp_path / "p"), f"localhost/dagger-aml-test/direct-{builder}:1"
    words = ["--base", tiny, "--recipe", tmp_path / "mine.py", "--with", builder, "-t", name]
    iid = tmp_path / "iid"
    done = run("build", folder, *words, "--load", "--iidfile", iid)
    assert done.returncode == 0, done.stderr
    try:
        format_ = "{{.FromImageID}}" if builder == "buildah" else "{{.Id}}"
        inspect = ["inspect", "--type", "image"] if builder == "buildah" else ["image", "inspect"]
        asked = subprocess.run([builder, *inspect, "--format", format_, name], capture_output=True, check=True)
        assert asked.stdout.decode().strip().removeprefix("sha256:") == iid.read_text().removeprefix("sha256:")
        if builder != "buildah":
            ran = subprocess.run(
                [builder, "run", "--rm", "--network=none", *LIMITS, "--user=0:0", "--entrypoint=/bin/sh", name, "-c",
                 "cat /opt/mark; stat -c %a /opt; cat /var/azureml-app/score.py"],
                capture_output=True, check=True,
            )  # fmt: skip
            assert ran.stdout.decode().startswith("ran\n700\n") and "def run" in ran.stdout.decode()
    finally:
        subprocess.run([builder, "rmi", "--force", name], capture_output=True, check=False)


@pytest.mark.parametrize("builder", ["dagger", "docker"])
def test_what_is_too_old_is_made_anew_though_the_builder_remembers_it(
    tmp_path: Path, tiny: str, builder: str
) -> None:
    need_programs(builder)
    text = RUNS.replace("echo ran >/opt/mark", "cat /proc/sys/kernel/random/uuid >/opt/mark")
    (tmp_path / "mine.py").write_text(text)
    folder, env = small(tmp_path / "p"), {"DAGGER_AML_CACHE_DIR": tmp_path / "cache"}
    words = [
        "build",
        folder,
        "--base",
        tiny,
        "--recipe",
        tmp_path / "mine.py",
        "--layers",
        "direct",
        "--with",
        builder,
    ]

    def mark(*more: str) -> str:
        done = run(*words, "-o", tmp_path / "image.tar", *more, env=env)
        assert done.returncode == 0, done.stderr
        assert ("the commands run again" in done.stderr) == bool(more)
        return read_image(tmp_path / "image.tar").files["/opt/mark"].sha256

    first, kept = mark(), mark()
    anew = mark("--max-age", "0")
    assert first == kept != anew == mark()


@pytest.mark.parametrize("holds", [True, False])
def test_the_gate_is_asked_of_the_very_object(tmp_path: Path, bases: dict[str, str], holds: bool) -> None:
    need_programs("podman")
    host = bases["curated"].partition("/")[0]
    reference = f"{host}/direct/gate-{holds}:1".lower()
    score = "def init():\n    pass\n\n\ndef run(raw):\n    return [1]\n"
    folder = make(tmp_path / "p", {"score.py": score, "request.json": "{}", "answer.json": "[1]" if holds else "[2]"})
    words = ["--base", bases["curated"], "--with", "podman", "-t", reference, "--push"]
    done = run("build", folder, *words)
    tags = subprocess.run(
        ["skopeo", "inspect", "--tls-verify=false", f"docker://{reference}"], capture_output=True, check=False
    )
    assert done.returncode == (0 if holds else 1), done.stderr
    assert (tags.returncode == 0) == holds
    if not holds:
        staged = done.stderr.partition("stays in the registry without one: ")[2].split()[0]
        assert skopeo(staged, "--no-tags")["Digest"] == staged.partition("@")[2]
