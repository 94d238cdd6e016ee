"""Which package of PyPI is a package of conda's: a table of what is certain, and what the user says."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from attrs import field

from ..data import frozen

TABLE = Path(__file__).with_name("conda_twins.toml")


@frozen
class CondaSettings:
    """What is said beside a conda file, or the list of an MLflow model, of how it is to be read.

    :param twins: packages of PyPI by conda's names, before all that is known here; an empty one leaves a package out.
    :param base_python: whether the packages are for the base's Python, whatever Python the file names.
    :param cpu: whether the base has no CUDA, so that PyTorch is taken from its index for the CPU.
    :param brought: packages that the image has no need of where no version of them is named, by their normalised
        names, and why; half a sentence.
    :param python: the Pythons that a requirements file is for though it cannot say it, such as ``==3.12.*``; and
        ``python_file``, which says it for MLflow's.
    """

    twins: Mapping[str, str] = field(factory=dict)
    base_python: bool = False
    cpu: bool = True
    brought: Mapping[str, str] = field(factory=dict)
    python: str = ""
    python_file: Path | None = None


@frozen
class Table:
    """What is known of conda's names.

    :param twins: the package of PyPI.
    :param left_out: why a package has no place in pip's list, half a sentence.
    :param cuda: packages that bring CUDA or choose it.
    :param unsure: the package of PyPI that may be meant.
    :param sources: where each was looked up and when, by the name.
    """

    twins: Mapping[str, str]
    left_out: Mapping[str, str]
    cuda: frozenset[str]
    unsure: Mapping[str, str]
    sources: Mapping[str, tuple[str, str]]


@cache
def table() -> Table:
    """The table, read once."""
    import tomllib

    data = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    twins: dict[str, str] = {}
    left_out: dict[str, str] = {}
    unsure: dict[str, str] = {}
    sources: dict[str, tuple[str, str]] = {}
    for kind in ("twins", "left_out", "cuda", "unsure"):
        for group in data[kind]:
            if kind == "twins":
                names = {**{name: name for name in group["same"]}, **group["other"]}
                twins |= names
            elif kind == "unsure":
                names = group["names"]
                unsure |= names
            else:
                names = dict.fromkeys(group["names"], group.get("why", ""))
                left_out |= names if kind == "left_out" else {}
            sources |= dict.fromkeys(names, (group["source"], str(group["date"])))
    cuda = frozenset(name for group in data["cuda"] for name in group["names"])
    return Table(twins, left_out, cuda, unsure, sources)
