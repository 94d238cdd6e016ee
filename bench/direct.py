"""Pushes with `--layers direct` beside `--layers builder` and docker: `task bench:direct` prints a table in Markdown.

Every case is done by every way in turn, so that what else the machine does meets all alike; the figures are medians.
Docker builds the Dockerfile that `dagger-aml dockerfile` writes, which is made anew each time and counted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import frozen

from bench.machine import machine
from tests.standin import StandInError, push, registry
from tests.support.reuse.changes import size

SCORE = "def init():\n    pass\n\n\ndef run(data):\n    return data\n"

_CHUNK = 1 << 20


@frozen
class Place:
    """Where one way works: a project of its own, a repository and a cache.

    :param base: of the image.
    """

    folder: Path
    base: str
    tag: str

    @property
    def env(self) -> dict[str, str]:
        """The environment, with a cache of its own and docker's BuildKit."""
        return {**os.environ, "DAGGER_AML_CACHE_DIR": str(self.folder / "cache"), "DOCKER_BUILDKIT": "1"}

    def ours(self, *words: str) -> None:
        """Build and push by dagger-aml."""
        self._run(sys.executable, "-m", "dagger_aml", "build", self.project, "--base", self.base, "-t", self.tag,
                  "--push", "--no-smoke", "--quiet", *words)  # fmt: skip

    def docker(self) -> None:
        """Build and push by docker."""
        files = self.folder / "files"
        self._run(sys.executable, "-m", "dagger_aml", "dockerfile", self.project, "--base", self.base, "-o", files,
                  "--force", "--pin", "--format", "buildkit")  # fmt: skip
        docker = os.environ.get("BENCH_DOCKER", "docker")
        self._run(docker, "build", "--quiet", "-t", self.tag, files)
        self._run(docker, "push", "--quiet", self.tag)

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

    def forget(self) -> None:
        """Be a machine that has nothing but the registry, as far as files of ours go."""
        shutil.rmtree(self.folder / "cache", ignore_errors=True)

    def _run(self, *words: object) -> None:
        done = subprocess.run(
            [str(each) for each in words], env=self.env, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"bench.direct: {words}\n{done.stderr}")


WAYS: Mapping[str, Callable[[Place], None]] = {
    "direct": lambda place: place.ours("--layers", "direct"),
    "builder (Dagger)": lambda place: place.ours("--layers", "builder"),
    "docker": lambda place: place.docker(),
}


def cases(model: int) -> Mapping[str, Callable[[Place], None]]:
    """What is changed before each push."""
    return {
        "nothing changed": lambda place: None,
        "code changed": lambda place: place.new_code(),
        "code changed, nothing kept on this machine": lambda place: (place.new_code(), place.forget())[0],
        "model changed": lambda place: place.new_model(model),
    }


def main() -> None:
    """Print the table; each single figure goes to standard error."""
    parser = argparse.ArgumentParser(prog="python -m bench.direct", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model-size", type=size, default=size("200MB"), metavar="SIZE", help="of the model (200MB)")
    parser.add_argument("--times", type=int, default=7, metavar="N", help="of each (7)")
    parser.add_argument("--way", action="append", choices=WAYS, help="only this one; may be given several times")
    words = parser.parse_args()
    on, chosen = machine(), words.way or list(WAYS)
    seconds: dict[tuple[str, str], list[float]] = {}
    try:
        with tempfile.TemporaryDirectory(prefix="dagger-aml-bench-") as folder, registry() as host:
            base = push("classic", host)
            places = {way: Place(Path(folder) / str(number), base, f"{host}/bench/direct-{number}:1")
                      for number, way in enumerate(chosen)}  # fmt: skip
            for way, place in places.items():
                place.write(words.model_size)
                WAYS[way](place)
            for name, change in cases(words.model_size).items():
                for _ in range(words.times):
                    for way, place in places.items():
                        change(place)
                        begun = time.perf_counter()
                        WAYS[way](place)
                        seconds.setdefault((name, way), []).append(time.perf_counter() - begun)
                        print(f"{name} - {way}: {seconds[name, way][-1]:.2f} s", file=sys.stderr)
    except StandInError as error:
        sys.exit(f"bench.direct: {error}")
    print("| case | " + " | ".join(chosen) + " |")
    print("|---" * (len(chosen) + 1) + "|")
    for name in cases(0):
        print(f"| {name} | " + " | ".join(f"{statistics.median(seconds[name, way]):.2f} s" for way in chosen) + " |")
    print(f"\nMedians of {words.times}; a model of {words.model_size / 1e6:.0f} MB; {on}; "
          f"load {os.getloadavg()[0]:.1f} at the end.")  # fmt: skip


if __name__ == "__main__":
    main()
