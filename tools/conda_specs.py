"""How conda's own tools read specs, written into ``tests/unit/conda_specs.json``: ``python -m tools.conda_specs``.

It asks py-rattler, the matcher of conda's newer tools, which of some versions each spec takes. py-rattler is large
and no part of the development environment: run this by hand in one that has it (``pip install py-rattler``), when it
has a new version or a spec is added here.
"""

from __future__ import annotations

import datetime
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ANSWERS = Path(__file__).parent.parent / "tests" / "unit" / "conda_specs.json"

VERSIONS = (
    *("0.9", "1", "1.7", "1.7.9", "1.8", "1.8.0", "1.8.1", "1.8.10", "1.9", "1.9.1", "1.10", "1.80", "1.81"),
    *("2.0rc1", "2.0", "2.0.1", "2.3.4", "3.0", "10.1", "1!1.8"),
)
"""Of each it is recorded whether a spec takes it."""

_OPERATORS = ("=", "==", "!=", ">=", "<=", ">", "<", "~=")

_MORE = (
    *("numpy", "numpy *", "numpy=*", "numpy 1.8", "numpy 1.8.*", "numpy 1.8*", "numpy=1.8*", "NumPy=1.8"),
    *("numpy=1.8=py27_0", "numpy=1.8.1=py27_0", "numpy==1.8=py27_0", "numpy 1.8 py27_0", "numpy=1.8 py27_0"),
    *("numpy=1.8.*=py27_0", "numpy 1.8.* py27_0", "numpy=1.8=*mkl*", "numpy >=1.8 py27_0", "numpy>=1.8,<2=py27_0"),
    *(
        "numpy>=1.8,<2",
        "numpy >=1.8, <2",
        "numpy >=1.8 , <2",
        "numpy >= 1.8,< 2",
        "numpy=1.8,<1.8.5",
        "numpy>1.8,!=1.9",
    ),
    *("numpy<2.0a0", "numpy>=1.8,<2.0a0", "numpy>=1.8,<2.0.0a0", "numpy<2.0.dev0", "numpy==2.0rc1", "numpy>=2.0rc1"),
    *(
        "numpy=1.8|1.9",
        "numpy=1.8|=1.9",
        "numpy 1.8|1.9",
        "numpy>=1.8,<1.9|>=2",
        "numpy==1.8|==1.9.1|>3",
        "numpy 1.8 | 1.9",
    ),
    *("numpy<1.8|=1.9", "numpy=1.7|=1.10|=1.9", "numpy ==1.8|==1.9 py_0", "numpy=1.9.1|1.8"),
    *(
        "conda-forge::numpy",
        "conda-forge::numpy=1.8",
        "conda-forge/linux-64::numpy 1.8",
        "defaults::numpy[version='>=1.8,<2']",
    ),
    *(
        "numpy[version='>=1.8,<2']",
        "numpy[version='1.8.*', build='py27*']",
        'numpy[version="1.8"]',
        "numpy[version=1.8]",
    ),
    *("numpy[version='=1.8',channel=conda-forge]", "numpy[build=py27*]", "numpy[version='==1.8|==1.9']"),
    *("numpy  1.8   py27_0", "numpy # a comment", "numpy=1.8 # a comment", "numpy=1!1.8", "numpy>=1!1.0"),
    *("scikit-learn=1.8", "ruamel.yaml=1.8", "_libgcc_mutex=1.8", "category_encoders >=1.8"),
    *(
        "(numpy)",
        "numpy=^1.*$",
        "numpy=>1.8",
        "numpy=~1.8",
        "numpy==",
        "numpy=",
        "numpy>",
        "=1.8",
        "numpy 1.8 a b",
        "numpy,1.8",
    ),
    *("numpy>=1.8 <2", "numpy >1|(<3,>2)", "numpy==1.8==b", "numpy 1.*.1", "https://x.example/numpy-1.8-0.tar.bz2"),
)


def specs() -> Iterator[str]:
    """Specs of all forms: each operator with versions of each kind, with blanks and without, and all the others."""
    for operator, version in itertools.product(_OPERATORS, ("1", "1.8", "1.8.1", "1.08", "1.8.*", "1.8.0")):
        yield f"numpy{operator}{version}"
        yield f"numpy {operator}{version}"
        yield f"numpy {operator} {version}"
    yield from _MORE


def answer(spec: str) -> dict[str, Any]:
    """How py-rattler reads a spec, and the versions that it takes."""
    from rattler import MatchSpec, Version, VersionSpec

    try:
        read = MatchSpec(spec)
        takes = VersionSpec(read.version) if read.version else None
    except Exception as error:  # All that it raises, of classes that it does not export, means that it is no spec.
        return {"error": type(error).__name__}
    return {
        "name": read.name.normalized,
        "build": str(read.build or ""),
        "takes": [each for each in VERSIONS if takes is None or takes.matches(Version(each))],
    }


def main() -> None:
    """Write the file."""
    import rattler

    answers = {spec: answer(spec) for spec in dict.fromkeys(specs())}
    date = datetime.date.today().isoformat()
    data = {"py-rattler": rattler.__version__, "date": date, "versions": VERSIONS, "answers": answers}
    lines = ",\n".join(f"  {json.dumps(spec)}: {json.dumps(found)}" for spec, found in answers.items())
    head = {key: value for key, value in data.items() if key != "answers"}
    text = json.dumps(head)[:-1] + ', "answers": {\n' + lines + "\n}}\n"
    ANSWERS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
