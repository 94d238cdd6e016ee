"""Where one way of a benchmark works: a project of its own, a name and a cache."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from attrs import frozen

SCORE = "def init():\n    pass\n\n\ndef run(data):\n    return data\n"

_CHUNK = 1 << 20

_SETS = itertools.product(range(2, 11), ("1.0.1", "1.1.1", "2.0.0", "2.1.0"))


@frozen
class Place:
    """Where one way works: a project of its own, a repository and a cache.

    :param base: of the image.
    :param home: of the user, if not this one's.
    """

    folder: Path
    base: str
    tag: str
    home: Path | None = None

    @property
    def env(self) -> dict[str, str]:
        """The environment, with a cache of its own and docker's BuildKit."""
        home = {"HOME": str(self.home)} if self.home else {}
        return {**os.environ, **home, "DAGGER_AML_CACHE_DIR": str(self.folder / "cache"), "DOCKER_BUILDKIT": "1"}

    def ours(self, *words: str) -> None:
        """Build by dagger-aml."""
        self.run(sys.executable, "-m", "dagger_aml", "build", self.project, "--base", self.base, "-t", self.tag,
                 "--no-smoke", "--quiet", *words)  # fmt: skip

    def dockerfile(self) -> None:
        """Write the Dockerfile and its context, to ``files``."""
        self.run(sys.executable, "-m", "dagger_aml", "dockerfile", self.project, "--base", self.base, "-o",
                 self.folder / "files", "--force", "--pin", "--format", "buildkit")  # fmt: skip

    def docker(self) -> None:
        """Build and push by docker what ``dockerfile`` wrote."""
        docker = os.environ.get("BENCH_DOCKER", "docker")
        self.run(docker, "build", "--quiet", "-t", self.tag, self.folder / "files")
        self.run(docker, "push", "--quiet", self.tag)

    def buildx(self, *more: str) -> None:
        """Build and push by buildx what ``dockerfile`` wrote, in one command.

        :param more: flags.
        """
        alone = shutil.which("docker-buildx")
        program = [alone] if alone else [os.environ.get("BENCH_DOCKER", "docker"), "buildx"]
        more = (*os.environ.get("BENCH_BUILDX_FLAGS", "").split(), *more)
        self.run(*program, "build", "--quiet", "--push", "--provenance=false", *more, "-t", self.tag,
                 self.folder / "files")  # fmt: skip

    @property
    def project(self) -> Path:
        """The project's folder."""
        return self.folder / "project"

    def write(self, model: int) -> None:
        """Make the project, with a model of so many random bytes."""
        (self.project / "code").mkdir(parents=True)
        (self.project / "model").mkdir()
        (self.project / "code/score.py").write_text(SCORE)
        self.new_model(model)

    def new_model(self, model: int) -> None:
        """Another model."""
        with (self.project / "model/weights.bin").open("wb") as file:
            for start in range(0, model, _CHUNK):
                file.write(os.urandom(min(_CHUNK, model - start)))

    def new_code(self) -> None:
        """Other code."""
        (self.project / "code/score.py").write_text(f"{SCORE}# {time.time_ns()}\n")

    def new_requirement(self) -> None:
        """Small packages that no way has installed yet: docker and buildx share a store, and others an engine."""
        one, other = next(_SETS)
        (self.project / "requirements.txt").write_text(f"idna==3.{one}\niniconfig=={other}\n")

    def forget(self) -> None:
        """Be a machine that has nothing but the registry, as far as files of ours go."""
        shutil.rmtree(self.folder / "cache", ignore_errors=True)

    def run(self, *words: object) -> None:
        """Run a program; the benchmark ends where it fails."""
        done = subprocess.run(
            [str(each) for each in words], env=self.env, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"bench: {words}\n{done.stderr}")
