"""Specs of conda read as conda reads them: beside what py-rattler said of each (tools/conda_specs.py)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from dagger_aml.requirements.conda_spec import NotASpec, parse_spec
from tests.support.cases import for_each
from tools.conda_specs import ANSWERS, VERSIONS, specs

RECORDED = json.loads(Path(ANSWERS).read_text(encoding="utf-8"))
ANSWER = RECORDED["answers"]

REFUSED_HERE = {
    "numpy 1.8 a b": "rattler takes the build for 'a b', which no build is called",
    "numpy>=1.8 <2": "the limit would be a build: surely a comma is meant",
    "numpy==1.8==b": "the build would be '=b'",
    **dict.fromkeys(("numpy>1.8.*", "numpy >1.8.*", "numpy > 1.8.*"), "conda itself takes it for >1.8"),
    "numpy >1|(<3,>2)": "brackets within versions",
    "https://x.example/numpy-1.8-0.tar.bz2": "a file of conda's own",
}  # fmt: skip
"""What rattler reads and we refuse, and why."""

ONE_NUMBER = {spec for spec in ANSWER if "~=" in spec and spec.endswith("1")}
"""``~=1`` means nothing to pip, and is refused; rattler takes it for ``>=1``."""


def takes(spec: str) -> list[str]:
    versions = SpecifierSet(parse_spec(spec).versions)
    return [each for each in VERSIONS if versions.contains(each, prereleases=True)]


def test_the_record_is_of_all_specs():
    assert list(ANSWER) == list(dict.fromkeys(specs())) and RECORDED["versions"] == list(VERSIONS)
    assert RECORDED["py-rattler"] and RECORDED["date"] >= "2026-11-29" and len(ANSWER) > 200


def test_each_spec_is_read_as_conda_reads_it():
    differ = {}
    for spec, said in ANSWER.items():
        if "error" in said or spec in REFUSED_HERE or (spec in ONE_NUMBER and spec[-2] in "= "):
            continue
        read = parse_spec(spec)
        assert (read.name, read.build) == (said["name"], said["build"]), spec
        # pip takes no pre-release that is not asked for; conda does where the newest is none.
        ours, theirs = ([each for each in found if each != "2.0rc1"] for found in (takes(spec), said["takes"]))
        if read.chosen:
            assert ours and set(ours) <= set(theirs), spec
            assert max(map(Version, ours)) == max(map(Version, theirs)), spec
        elif ours != theirs:
            differ[spec] = (ours, theirs)
    assert not differ


@for_each("spec", [spec for spec, said in ANSWER.items() if "error" in said])
def test_what_conda_refuses_is_refused(spec):
    with pytest.raises(NotASpec):
        parse_spec(spec)


@for_each("spec", [*REFUSED_HERE, "numpy~=1", "numpy >=1.8 <2", "numpy=1.8k", "numpy[md5=abc]"])
def test_what_pip_has_no_words_for_is_refused(spec):
    with pytest.raises(NotASpec):
        parse_spec(spec)


@for_each(
    ("spec", "versions"),
    [
        ("numpy=2.3", "==2.3.*"),
        ("numpy==2.3", "==2.3"),
        ("numpy 2.3", "==2.3"),
        ("numpy=2.3=py312h123_0", "==2.3"),
        ("numpy=2.3.*=*openblas", "==2.3.*"),
        ("numpy=*", ""),
        ("numpy>=1.26,<3.0a0", ">=1.26,<3.0"),
        ("numpy >=1.26.*", ">=1.26"),
        ("numpy=1.8|>=2", ">=2"),
        ("numpy=2.0rc1", "==2.0rc1"),
    ],
)
def test_what_pip_is_told(spec, versions):
    assert parse_spec(spec).versions == versions


def test_a_pre_release_as_a_limit_lets_no_pre_releases_in():
    limited = SpecifierSet(parse_spec("numpy<2.0a0").versions)
    assert list(limited.filter(["1.8", "1.9rc1", "2.0a1"])) == ["1.8"]
