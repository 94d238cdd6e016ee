"""A hundred projects, four at once: seconds, memory, and what is left where the builder is killed in the middle.

``python -m bench.many [--projects N] [--jobs N] [--with dagger|buildx] [--layers direct|builder] [--kill]``. For
buildx a BuildKit with TLS is started (docs/testing.md, "The newest builders"), and for ``--kill`` by dagger an engine
beside the machine's own. Each project has a command of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from uuid import uuid4

from tests.builders.second_engine import SecondEngine, second_engine
from tests.standin import registry
from tests.standin.tiny import push_tiny
from tests.support.buildkitd import RemoteBuilder, remote_builder

_RECIPE = """
from dagger_aml.steps import base, code, run

async def recipe(graph, project):
    graph = await run(await base(graph, project.base), ["/bin/sh", "-c", "sleep 0.5; echo {mark}"], name="own")
    return await code(graph, project.code)
"""


def projects(root: Path, count: int, mark: str) -> list[Path]:
    """Folders of projects of which each runs something else."""
    made = []
    for number in range(count):
        folder = root / f"p{number:03}"
        (folder / "code").mkdir(parents=True)
        (folder / "code/score.py").write_text(f"def init():\n    pass\n\n\ndef run(data):\n    return {number}\n")
        (folder / "mine.py").write_text(_RECIPE.replace("{mark}", f"{mark}-{number}"))
        (folder / "dagger-aml.toml").write_text('recipe = "./mine.py"\n')
        made.append(folder)
    return made


def built(
    folders: list[Path],
    base: str,
    tag: str,
    words: list[str],
    log: Path,
    kill: Callable[[], None],
    kill_after: int,
) -> tuple[int, float, int, str]:
    """One call: exit code, seconds, peak memory in kB, its report.

    :param kill: the builder, and start it again.
    :param kill_after: so many projects are done; 0 for never.
    """
    argv = [sys.executable, "-m", "dagger_aml", "build", *map(str, folders), "--base", base, "-t", tag, "--push",
            "--no-smoke", "--progress", "json", *words]  # fmt: skip
    begun = time.monotonic()
    with log.open("w+") as said:
        process = subprocess.Popen(argv, stdout=said, stderr=subprocess.PIPE, text=True)
        assert process.stderr
        done = 0
        lines = []
        for line in process.stderr:
            lines.append(line)
            done += '"event": "finished"' in line
            if kill_after and done >= kill_after:
                kill_after = 0
                kill()
        _, status, usage = os.wait4(process.pid, 0)
        said.seek(0)
        return (
            os.waitstatus_to_exitcode(status),
            time.monotonic() - begun,
            usage.ru_maxrss,
            "".join(lines) + said.read(),
        )


def _nothing() -> None:
    """Kill nobody."""


def _kill_remote(remote: RemoteBuilder) -> None:
    remote.process.kill()
    remote.process.wait()
    remote.start()


def _kill_engine(engine: SecondEngine) -> None:
    engine.kill()
    engine.start()


def main() -> None:
    """Run, and print what was measured as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--with", dest="builder", default="dagger", choices=["dagger", "buildx"])
    parser.add_argument("--layers", default="direct", choices=["direct", "builder"])
    parser.add_argument("--kill", action="store_true", help="kill the builder in the middle, and call again")
    given = parser.parse_args()
    with ExitStack() as stack:
        host = stack.enter_context(registry())
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dagger-aml-many-", dir="/var/tmp")))
        base, mark, kill = push_tiny(host), uuid4().hex[:10], _nothing
        words = ["--with", given.builder, "--layers", given.layers, "--jobs", str(given.jobs)]
        if given.builder == "buildx":
            (root / "remote").mkdir()
            remote = stack.enter_context(remote_builder(root / "remote"))
            os.environ.update(remote.env)
            words += ["--builder", remote.name]
            kill = partial(_kill_remote, remote)
        elif given.kill:
            engine = stack.enter_context(second_engine(host))
            os.environ["_EXPERIMENTAL_DAGGER_RUNNER_HOST"] = engine.address
            kill = partial(_kill_engine, engine)
        os.environ["DAGGER_AML_CACHE"] = str(root / "cache")
        folders = projects(root, given.projects, mark)
        tag = f"{host}/dagger-aml-many-{mark}/{{name}}:1"
        for round_ in ("first", "again"):
            after = given.projects // 2 if given.kill and round_ == "first" else 0
            code, seconds, memory, said = built(folders, base, tag, words, root / "log", kill, after)
            ends = re.findall(r"^(?:p\d+\s+)?.*?\b(ok|FAILED)\b", said, re.M)
            print(json.dumps({
                "call": round_, "builder": given.builder, "layers": given.layers, "exit code": code,
                "seconds": round(seconds, 1), "peak MB": memory // 1024,
                "ok": ends.count("ok"), "failed": ends.count("FAILED"),
                "published": published(host, mark, folders),
            }), flush=True)  # fmt: skip
            if os.environ.get("BENCH_LOG"):
                Path(f"{os.environ['BENCH_LOG']}-{round_}").write_text(said)


def published(host: str, mark: str, folders: list[Path]) -> int:
    """How many of the images a registry has."""
    from dagger_aml.oci.client import RegistryClient
    from dagger_aml.oci.reference import Reference

    with RegistryClient() as client:
        tags = [Reference.parse(f"{host}/dagger-aml-many-{mark}/{each.name}:1") for each in folders]
        return sum(client.manifest_digest(tag) is not None for tag in tags)


if __name__ == "__main__":
    main()
