"""Rules about Debian packages."""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Finding
from .facts import AptPackage
from .rule import rule

_HARMLESS = frozenset(
    {"python3-apt", "python3-dev", "python3-distutils", "python3-full", "python3-minimal", "python3-pip"}
    | {"python3-software-properties", "python3-venv"}
)
"""Of use to others than to Python code."""

_PYPI = {
    "lxml": "lxml",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "opencv": "opencv-python-headless",
    "pandas": "pandas",
    "pil": "pillow",
    "requests": "requests",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""The names on PyPI of what people install most; no others are made up."""


@rule("AML320", "warning")
def python_by_apt(apt: tuple[AptPackage, ...]) -> Iterator[Finding]:
    """A package for the system's Python is installed, which does not run the entry script.

    In Azure ML's images a Python of its own environment runs the server. What apt installs as `python3-…` goes to
    the system's, and `import` fails all the same.

    Bad `apt.txt`:

        python3-opencv

    Good `requirements.txt`:

        opencv-python-headless==4.12.0.88

    Silent: libraries and programs, parts of the system's Python itself such as `python3-dev`, and bases that are not
    Azure ML's.
    """
    for package in apt:
        name = package.name.replace("=", "/").replace(":", "/").partition("/")[0]
        if not name.startswith("python3-") or name in _HARMLESS:
            continue
        twin = _PYPI.get(name.removeprefix("python3-"))
        yield Finding(
            f"{name} is for the system's Python, and another one runs the entry script, which will not find it",
            location=package.location,
            hint=f"List {twin or 'its package of PyPI'} in the requirements instead.",
        )
