"""What packages bring, written into ``dagger_aml/requirements/packages.json``: ``python -m tools.packages``.

For each package of ``package_names.txt``, and each that these need, in the newest version that pip would take here:
the modules that it gives, and the packages that it needs on Linux. pip says which wheel and what it needs; of a wheel
only the list of its files is read, so nothing is installed or run. It takes some minutes and a few thousand small
requests, and is run by hand, a few times a year.
"""

from __future__ import annotations

import datetime
import io
import json
import re
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NAMES = Path(__file__).with_name("package_names.txt")
TABLE = Path(__file__).parent.parent / "dagger_aml" / "requirements" / "packages.json"

BATCH = 60
"""Packages of one run of pip."""

NO_WHEEL: Mapping[str, tuple[list[str], list[str]]] = {
    "antlr4-python3-runtime": (["antlr4"], []),
    "azureml-monitoring": (["azureml.monitoring"], ["azureml-telemetry"]),
    "fasttext": (["fasttext"], ["pybind11", "setuptools", "numpy"]),
    "fusepy": (["fuse"], []),
    "langdetect": (["langdetect"], ["six"]),
    "lime": (["lime"], ["matplotlib", "numpy", "scipy", "tqdm", "scikit-learn", "scikit-image"]),
    "openai-whisper": (["whisper"], ["more-itertools", "numba", "numpy", "tiktoken", "torch", "tqdm", "triton"]),
    "psycopg2": (["psycopg2"], []),
    "pybars4": (["pybars"], ["pymeta3"]),
    "pymeta3": (["pymeta"], []),
    "pyspark": (["pyspark"], ["py4j"]),
}
"""Modules and needs of packages that have no wheel, as their source archives said on 2026-11-29: pip has to run code
of theirs to learn it."""

NAMESPACES = frozenset({"azure", "azure.ai", "azure.storage", "azureml", "azureml.contrib", "google", "google.cloud"})
"""Folders that several packages fill, though old wheels give them an ``__init__.py``."""

NOT_MODULES = frozenset(
    {"tests", "test", "testing", "docs", "doc", "examples", "example", "benchmarks", "benchmark", "scripts", "tools"}
)
"""Top folders that packages give by mistake."""

ENVIRONMENTS = tuple(
    {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "implementation_name": "cpython",
        "implementation_version": f"{python}.9",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "platform_python_implementation": "CPython",
        "sys_platform": "linux",
    }
    for python in ("3.9", "3.10", "3.11", "3.12")
)
"""Where a need counts: of any Python that a base may have, for a false alarm is worse than a miss."""


def main() -> None:
    """Write the table anew."""
    listed = [line for line in NAMES.read_text().splitlines() if line and not line.startswith("#")]
    found: dict[str, dict[str, Any]] = {}
    waiting = set(listed)
    while waiting:
        names = sorted(waiting - NO_WHEEL.keys())
        for start in range(0, len(names), BATCH):
            found |= _reported(names[start : start + BATCH])
            print(f"{len(found)} packages", file=sys.stderr, flush=True)
        for name in waiting - found.keys():
            gives, needs = NO_WHEEL.get(name, ([], []))
            found[name] = {"requires_dist": needs, "modules": gives, "missing": name not in NO_WHEEL}
        waiting = {need for each in found.values() for need in _needs(each, frozenset(), found)} - found.keys()
    with ThreadPoolExecutor(4) as pool:
        wheels = [name for name, each in found.items() if "url" in each]
        for name, modules in zip(wheels, pool.map(lambda name: _modules(found[name]["url"]), wheels), strict=True):
            found[name]["modules"] = modules
    missing = sorted(name for name, each in found.items() if each.get("missing"))
    if missing:
        print("no wheel, not in the table:", *missing, file=sys.stderr)
    rows = {
        name: [each["modules"], sorted(set(_needs(each, frozenset(), found)))]
        for name, each in sorted(found.items())
        if name not in missing
    }
    head = json.dumps({"date": datetime.date.today().isoformat(), "listed": len(set(listed) - set(missing))})
    lines = ",\n".join(f"{json.dumps(name)}:{json.dumps(row, separators=(',', ':'))}" for name, row in rows.items())
    TABLE.write_text(f'{head[:-1]}, "packages": {{\n{lines}\n}}}}\n')
    print(f"{len(rows)} packages in {TABLE.name}", file=sys.stderr)


def _reported(names: list[str]) -> dict[str, dict[str, Any]]:
    """What pip says of the newest wheel of each package; of one without, nothing."""
    names = list(names)
    while names:
        with tempfile.TemporaryDirectory() as work:
            report = Path(work) / "report.json"
            flags = ["--dry-run", "--ignore-installed", "--no-deps", "--only-binary", ":all:", "--quiet"]
            argv = [sys.executable, "-m", "pip", "install", *flags, "--report", str(report), "--target", work, *names]
            done = subprocess.run(argv, capture_output=True, text=True)
            if done.returncode == 0:
                items = json.loads(report.read_text())["install"]
                return {
                    canonicalize_name(each["metadata"]["name"]): {
                        "url": each["download_info"]["url"],
                        "requires_dist": each["metadata"].get("requires_dist", []),
                    }
                    for each in items
                }
        without = re.search(r"No matching distribution found for (\S+)", done.stderr)
        if not without:
            sys.exit(done.stderr)
        names.remove(without[1])
    return {}


def _needs(each: Mapping[str, Any], extras: frozenset[str], found: Mapping[str, Any]) -> Iterator[str]:
    """The packages that one needs, and what these need for the extras that it asks for."""
    for text in each["requires_dist"]:
        wanted = Requirement(text)
        if wanted.marker and not any(
            wanted.marker.evaluate({**environment, "extra": extra})
            for environment in ENVIRONMENTS
            for extra in (extras or {""})
        ):
            continue
        if extras and not (wanted.marker and "extra" in str(wanted.marker)):
            continue
        name = canonicalize_name(wanted.name)
        yield name
        if wanted.extras and name in found and not extras:
            yield from _needs(found[name], frozenset(wanted.extras), found)


def _modules(url: str) -> list[str]:
    """The modules that a wheel gives: top names, and of a namespace the names in it."""
    with zipfile.ZipFile(io.BufferedReader(_Remote(url), 1 << 16)) as wheel:
        files = [_installed(name) for name in wheel.namelist()]
    return sorted(modules_of(path for path in files if path))


def _installed(name: str) -> str | None:
    """Where in site-packages a wheel's file goes; None for nowhere."""
    top, _, rest = name.partition("/")
    if top.endswith(".data"):
        kind, _, rest = rest.partition("/")
        return rest if kind in ("purelib", "platlib") else None
    return None if top.endswith((".dist-info", ".libs", ".egg-info")) else name


def modules_of(files: Iterable[str]) -> set[str]:
    """The modules among the files of a site-packages folder.

    >>> sorted(modules_of(["google/protobuf/__init__.py", "six.py", "a/__init__.py", "a/b.py", "_c.abi3.so"]))
    ['a', 'google.protobuf', 'six']
    """
    modules = {dotted for file in files if (dotted := _dotted(file))}
    whole = {name.removesuffix(".__init__") for name in modules if name.endswith(".__init__")} - NAMESPACES
    found = set()
    for name in modules:
        parts = name.removesuffix(".__init__").split(".")
        tops = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
        first = next((top for top in tops if top in whole), tops[-1])
        private = any(part.startswith("_") for part in first.split("."))
        if first not in NAMESPACES and parts[0] not in NOT_MODULES and not private:
            found.add(first)
    return found


def _dotted(file: str) -> str | None:
    """``a.b`` for ``a/b.py`` or ``a/b.cpython-311-x86_64-linux-gnu.so``; None for what is no module."""
    *folders, name = file.split("/")
    stem, _, end = name.partition(".")
    parts = [*folders, stem]
    is_module = end == "py" or end == "so" or (end.startswith(("cpython-", "abi3.")) and end.endswith(".so"))
    return ".".join(parts) if is_module and all(part.isidentifier() for part in parts) else None


class _Remote(io.RawIOBase):
    """A file behind a URL, of which only the parts that are read are fetched."""

    def __init__(self, url: str) -> None:
        self._url, self._at = url, 0
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=60) as answer:
            self._size = int(answer.headers["Content-Length"])

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        last = min(self._at + len(buffer), self._size) - 1
        if last < self._at:
            return 0
        request = urllib.request.Request(self._url, headers={"Range": f"bytes={self._at}-{last}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            data = answer.read()
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


if __name__ == "__main__":
    main()
