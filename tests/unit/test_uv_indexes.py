"""`--installer uv` with several indexes: when it looks in all of them, and that it never does without hashes.

tests/builders/test_uv_indexes.py has uv itself install from two.
"""

from __future__ import annotations

from pathlib import Path

from dagger_aml import Graph
from dagger_aml.graph.access import Access
from dagger_aml.graph.graph import Run
from dagger_aml.graph.mount import Secret
from dagger_aml.steps import base, packages, pip
from tests.support.calls import await_, short
from tests.support.cases import for_each
from tests.support.projects import make

DIGEST = "a" * 64
HASH = f"--hash=sha256:{DIGEST}"
EXTRA = "--extra-index-url https://download.pytorch.org/whl/cpu\n"
ACCESS = Access(extra_index_urls=("https://download.pytorch.org/whl/cpu",))
BEST = ("--index-strategy", "unsafe-best-match", "--require-hashes")


def uv_command(tmp_path: Path, text: str, access: Access, *, staged: bool = False, **how):
    how = {"installer": "uv", **how}
    make(tmp_path, {"requirements.txt": text, "c.txt": f"six==1 {HASH}\n"})
    graph = await_(base(Graph(access=access), "minimal-py312-inference"))
    if staged:
        graph = await_(packages(graph, tmp_path / "requirements.txt", via="pythonpath", **how))
        graph = graph.layers[0].source.graph  # type: ignore[union-attr]
    else:
        graph = await_(pip(graph, tmp_path / "requirements.txt", **how))
    return next(layer.argv for layer in graph.layers if isinstance(layer, Run))


@for_each(
    ("text", "access"),
    [
        (f"{EXTRA}torch==2.3.1+cpu {HASH}\nnumpy==2.1.0 \\\n  {HASH}\n", Access()),
        (f"torch==2.3.1+cpu {HASH}\n", ACCESS),
        (f"torch==2.3.1+cpu ; python_version > '3' {HASH}\n", Access(secrets=(Secret.of("pip", "x"),))),
        (f"{EXTRA}own @ https://x.example/own-1.0-py3-none-any.whl#sha256={DIGEST}\nsix===1 {HASH}\n", Access()),
    ],
    ids=short,
)
@for_each("staged", [False, True])
def test_uv_looks_in_all_indexes_where_every_package_has_a_hash(tmp_path, text, access, staged):
    words = uv_command(tmp_path, text, access, staged=staged)
    assert words[words.index(BEST[0]) :][:3] == BEST


@for_each(
    ("text", "access", "how"),
    [
        (f"torch==2.3.1 {HASH}\n", Access(), {}),
        (f"torch==2.3.1 {HASH}\n", Access(index_url="https://mirror.example/simple"), {}),
        (f"{EXTRA}torch==2.3.1 {HASH}\nnumpy==2.1.0\n", Access(), {}),
        (f"{EXTRA}torch>=2 {HASH}\n", Access(), {}),
        (f"{EXTRA}torch==2.* {HASH}\n", Access(), {}),
        (f"{EXTRA}-c c.txt\nsix\n", Access(), {}),
        (f"{EXTRA}torch==2.3.1\n", Access(), {}),
        (f"{EXTRA}torch==2.3.1\n", ACCESS, {"more": ("idna",)}),
        (f"{EXTRA}torch==2.3.1 {HASH}\n", ACCESS, {"installer": "pip"}),
        (f"six==1 {HASH} --extra-index-url https://x.example\n", Access(), {"installer": "pip"}),
    ],
    ids=short,
)
def test_uv_takes_the_first_index_else(tmp_path, text, access, how):
    words = uv_command(tmp_path, text, access, **how)
    assert "--index-strategy" not in words and "--require-hashes" not in words


def test_a_lock_from_several_indexes_is_looked_for_in_all(tmp_path):
    from tests.unit.test_locks import package, uv_lock, wheel

    torch = package("torch", source='registry = "https://download.pytorch.org/whl/cpu"', more=wheel("torch"))
    lock = uv_lock('{ name = "torch" }, { name = "numpy" }', torch, package("numpy", more=wheel("numpy")))
    make(tmp_path, {"uv.lock": lock})
    graph = await_(base(Graph(), "minimal-py312-inference"))
    graph = await_(pip(graph, tmp_path / "uv.lock", installer="uv"))
    words = next(layer.argv for layer in graph.layers if isinstance(layer, Run))
    assert words[words.index(BEST[0]) :][:3] == BEST
