"""Writes the outputs beside it anew: real pip and uv, made to fail on projects of our own.

    python -m tests.unit.pip_output.regenerate PYTHON

PYTHON is a virtual environment's, with pip and uv, which it changes in nothing. No network: the index is a folder's.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.support import package_index
from tests.support.projects import make

_INDEX = ("--retries", "1", "--index-url")

HERE = Path(__file__).parent

SETUP = (
    "from setuptools import Extension, setup\n"
    "setup(name='own', version='1.0', ext_modules=[Extension('own', ['own.{0}'])])\n"
)
PYPROJECT = "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n"
HEADER = "#include <nosuchheader.h>\nint main(void) { return 0; }\n"


def renamed(wheel: Path, tag: str) -> None:
    """A wheel of another Python or platform, by its name."""
    wheel.rename(wheel.with_name(wheel.name.replace("py3-none-any", tag)))


def cases(place: Path) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Each case's words behind ``pip install`` or ``uv pip install``, and variables; an uv case begins with uv."""
    wheels = place / "wheels"
    make(wheels, {})
    for name, version in (("plain", "1.0"), ("plain", "2.0"), ("torch", "2.3.1")):
        package_index.wheel(wheels, name, version, "x")
    package_index.wheel(wheels, "needs", "1.0", "x", ("plain<2",))
    digest = hashlib.sha256((wheels / "needs-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    renamed(package_index.wheel(wheels, "old", "1.0", "x"), "cp36-cp36m-manylinux2014_x86_64")
    lines = {
        "git": "git+https://example.invalid/own\n",
        "no-file": "nowhere==1.0\n",
        "other-version": "plain==3.0\n",
        "other-python": "old==1.0\n",
        "local-version": "torch==2.3.1+cpu\n",
        "hash": f"plain==1.0 --hash=sha256:{'0' * 64}\n",
        "unpinned": f"needs==1.0 --hash=sha256:{digest}\n",
        "conflict": "plain==2.0\nneeds==1.0\n",
        "option": "--no-such-option\nplain\n",
        "not-supported": "./wheels/old-1.0-cp36-cp36m-manylinux2014_x86_64.whl\n",
        "compiler-c": "./c\n",
        "compiler-cpp": "./cpp\n",
        "header": "./header\n",
    }
    for name, source in (("c", "c"), ("cpp", "cpp"), ("header", "c")):
        text = HEADER if name == "header" else "int main(void) { return 0; }\n"
        make(place / name, {"setup.py": SETUP.format(source), "pyproject.toml": PYPROJECT, f"own.{source}": text})
    make(place, {f"{name}.txt": text for name, text in lines.items()})
    bare = str(make(place / "bin", {}))
    offline = ["--no-index", "--find-links", "wheels"]
    found: dict[str, tuple[list[str], dict[str, str]]] = {}
    for name in lines:
        builds = name.startswith("compiler") or name == "header"
        words = ["--no-build-isolation"] if builds else []
        path = {"PATH": bare} if name == "git" or name.startswith("compiler") else {}
        found[name] = ([*offline, *words, "--requirement", f"{name}.txt"], path)
    closed = "https://127.0.0.1:9/simple"
    found["unreachable"] = ([*_INDEX, closed, "plain"], {})
    found["unresolved"] = ([*_INDEX, "https://example.invalid/simple", "plain"], {})
    for name in ("git", "other-version", "other-python", "local-version", "hash", "conflict"):
        found[f"uv-{name}"] = found[name]
    return found


def main(python: Path) -> None:
    with tempfile.TemporaryDirectory() as made, ExitStack() as stack:
        place = Path(made) / "project"
        asked = [str(python), "-c", "import sys; print(sys.base_prefix)"]
        prefix = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
        found = cases(make(place, {}))
        closed = stack.enter_context(package_index.index(place / "wheels", password="right")).url
        found["login"] = ([*_INDEX, closed, "plain"], {})
        tls = package_index.certificates(make(place / "tls", {}), package_index.LOOPBACK)
        secure = stack.enter_context(package_index.index(place / "wheels", tls=tls)).url
        found["certificate"] = ([*_INDEX, secure, "plain"], {})
        found["uv-login"], found["uv-certificate"] = found["login"], found["certificate"]
        for name, (words, variables) in found.items():
            program = [python, "-m", "uv", "pip"] if name.startswith("uv-") else [python, "-m", "pip"]
            words = [each for each in words if not (name.startswith("uv-") and each in ("--retries", "1"))]
            kept = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "UV_"))}
            kept |= {"PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_CONFIG_FILE": "/dev/null"}
            environment = {**kept, "UV_NO_PROGRESS": "1", "VIRTUAL_ENV": str(python.parent.parent), **variables}
            target = ["--target", str(place / "target")]
            done = subprocess.run(
                [*map(str, program), "install", *target, *words],
                cwd=place,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode, (name, done.stdout)
            text = f"{done.stdout}\n{done.stderr}".replace(made, "").replace(str(python.parent.parent), "/opt/venv")
            text = text.replace(prefix, "/opt/python")
            (HERE / f"{name}.txt").write_text(text)
            print(f"--- {name}\n{text}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
