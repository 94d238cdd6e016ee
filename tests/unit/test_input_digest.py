"""The input digest: which inputs change it and which do not, one by one, as the table of docs/changed.md has them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from dagger_aml import InputDigest, Plan, input_digest
from dagger_aml.base import catalog
from dagger_aml.building.plans import make_plan
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Graph, Run
from dagger_aml.plan import inputs, keys, resolve
from dagger_aml.plan.render import plan_json
from tests.support.markdown import ROOT, table
from tests.support.projects import SCORE, make, planned

BASE = f"mcr.microsoft.com/azureml/minimal-py312-inference@sha256:{'1' * 64}"
FILES: dict[str, str | bytes | None] = {
    "dagger-aml.toml": '[env]\nA = "1"\n[labels]\nb = "2"\n[[models]]\npath = "model"\n',
    "code/score.py": SCORE,
    "code/tools/part.py": "x = 1\n",
    "model/weights": b"m" * 2000,
    "requirements.txt": "numpy==1.26.4\n",
    "apt.txt": "libgomp1\n",
    "request.json": "{}\n",
    "ca.pem": "-----BEGIN CERTIFICATE-----\n",
}

Change = Callable[[Path, pytest.MonkeyPatch], Mapping[str, Any] | None]
"""What is done to a project and to what surrounds it; the options with which it is read then."""


def write(name: str, text: str) -> Change:
    return lambda root, _: make(root, {name: text}) and None


def said(**options: Any) -> Change:
    return lambda root, _: options


def toml(old: str, new: str) -> Change:
    def change(root: Path, _: pytest.MonkeyPatch) -> None:
        path = root / "dagger-aml.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


def variables(**values: str) -> Change:
    def change(_: Path, patch: pytest.MonkeyPatch) -> None:
        for name, value in values.items():
            patch.setenv(name, value)
        time.tzset()

    return change


def umask(root: Path, _: pytest.MonkeyPatch) -> None:
    for path in root.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)


def times(root: Path, _: pytest.MonkeyPatch) -> None:
    for path in root.rglob("*"):
        os.utime(path, (1, 1))


def secret(value: str) -> Change:
    def change(_: Path, patch: pytest.MonkeyPatch) -> Mapping[str, Any]:
        patch.setenv("PIP_INDEX", value)
        return {"secret": ("id=pip,env=PIP_INDEX",)}

    return change


CHANGED: Mapping[str, Change] = {
    "a byte of the code": write("code/score.py", SCORE + "#"),
    "one more file, or an empty folder": lambda root, _: (root / "code/new").mkdir(),
    "that a file may be executed": lambda root, _: (root / "code/score.py").chmod(0o755),
    "the name of a file": lambda root, _: (root / "model/weights").rename(root / "model/other") and None,
    "a byte of a model": write("model/weights", "n" * 2000),
    "the name or version of a model": toml('path = "model"', 'path = "model"\nversion = "2"'),
    "a required package": write("requirements.txt", "numpy==1.26.5\n"),
    "a package of apt": write("apt.txt", "libgomp1\ncurl\n"),
    "a variable of the image": toml('A = "1"', 'A = "2"'),
    "a label": toml('b = "2"', 'b = "3"'),
    "the base's digest": said(base=BASE[:-1] + "2"),
    "the base's name": said(base=BASE.replace("mcr.microsoft.com", "registry.example")),
    "the platform": said(platform="linux/arm64"),
    "the recipe": said(recipe="package"),
    "how packages are installed": said(installer="uv"),
    "an index of packages": said(index_url="https://pypi.example/simple"),
    "a mirror of apt": said(apt_mirror="https://apt.example/ubuntu"),
    "that a secret is used": secret("https://user:one@pypi.example/simple"),
    "the number of the encoder": lambda _, patch: patch.setattr(inputs, "ENCODING", 1000),
}
"""Each changes the digest."""

SAME: Mapping[str, Change] = {
    "times of files": times,
    "owners and umask": umask,
    "the folder that the project lies in": lambda root, _: None,
    "the language, the time zone, the user's name, the home": variables(
        LC_ALL="tr_TR.UTF-8", TZ="Pacific/Chatham", USER="other", HOME="/nowhere", HOSTNAME="other"
    ),
    "the value of a secret": lambda root, patch: secret("https://user:two@pypi.example/simple")(root, patch),
    "dagger-aml's version": lambda _, patch: (
        [patch.setattr(each, "__version__", "9.9") for each in (keys, resolve)] and None
    ),
    "a proxy": said(http_proxy="http://proxy.example:3128"),
    "the sample request and its answer": write("request.json", '{"x": 1}'),
    "what is left out, such as `__pycache__`": write("code/__pycache__/score.pyc", "x"),
    "rules that are ignored": said(ignore=("AML103",)),
    "how it is built: `[build]`": toml("[env]", "[build]\njobs = 2\n[env]"),
}
"""None changes the digest."""


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> InputDigest:
    """The digest of before any change, of a project that lies elsewhere under the same name."""
    return input_digest(planned(make(tmp_path_factory.mktemp("before") / "p", FILES), base=BASE))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make(tmp_path / "here" / "p", FILES)


def found(root: Path, change: Change, patch: pytest.MonkeyPatch) -> InputDigest:
    """The digest after a change."""
    options = change(root, patch)
    return input_digest(planned(root, **{"base": BASE, **(options or {})}))


@pytest.mark.parametrize("name", CHANGED)
def test_what_the_image_is_made_of_changes_the_digest(
    name: str, root: Path, before: InputDigest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(root, CHANGED[name], monkeypatch).digest != before.digest


@pytest.mark.parametrize("name", SAME)
def test_nothing_else_changes_the_digest(
    name: str, root: Path, before: InputDigest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "the value of a secret":
        before = found(root, secret("https://user:one@pypi.example/simple"), monkeypatch)
    assert found(root, SAME[name], monkeypatch) == before


def test_the_page_has_every_case_and_no_other() -> None:
    page = ROOT / "docs" / "changed.md"
    rows = [(row["what is changed"], row["input digest"]) for row in table(page, "The input digest")]
    assert rows == [(name, "changes") for name in CHANGED] + [(name, "stays") for name in SAME]


def test_it_tells_why_it_is_not_complete(root: Path) -> None:
    pinned = input_digest(planned(root, base=BASE))
    assert pinned.reasons == (
        "step 'apt libgomp1' may install newer packages when it runs again",
        "step 'pip requirements.txt (1 package)' may install newer packages when it runs again",
    )
    assert pinned.as_json() == {"digest": pinned.digest, "complete": False, "reasons": list(pinned.reasons)}
    for name in ("apt.txt", "requirements.txt"):
        (root / name).unlink()
    assert input_digest(planned(root, base=BASE)).complete
    moves = input_digest(planned(root))
    assert moves.reasons == (
        "the base mcr.microsoft.com/azureml/minimal-py312-inference:latest is not pinned by a digest",
    )


def test_a_label_of_the_version_that_the_user_says_counts(root: Path) -> None:
    plain = input_digest(planned(root, base=BASE))
    assert input_digest(planned(root, base=BASE, label=("io.dagger-aml.version=mine",))).digest != plain.digest


def test_stages_and_their_bases_count() -> None:
    from dagger_aml import Built, Copy

    def plan(inner: str, word: str) -> Plan:
        stage = Graph(From.parse(inner), (Run(("/bin/echo", word), ages=True, name="made"),))
        graph = Graph(From.parse(f"acme/base@sha256:{'1' * 64}"), (Copy(Built(stage, "/a"), "/b"),))
        bases = [stage.from_, graph.from_]
        return make_plan(graph, {each: catalog.assumed(each) for each in bases})

    one = input_digest(plan("acme/stage:1", "one"))
    assert one.reasons == (
        "the base acme/stage:1 is not pinned by a digest",
        "step 'made' may install newer packages when it runs again",
    )
    others = {input_digest(plan(*each)).digest for each in (("acme/stage:2", "one"), ("acme/stage:1", "two"))}
    assert len({one.digest, *others}) == 3


def test_of_several_platforms_it_is_one(root: Path) -> None:
    each = [input_digest(planned(root, base=BASE, platform=name)) for name in ("linux/amd64", "linux/arm64")]
    both = InputDigest.of_all(each)
    assert both.digest not in {one.digest for one in each} and both.reasons == each[0].reasons
    assert InputDigest.of_all(each[:1]) == each[0]
    assert InputDigest.of_all(each[::-1]).digest != both.digest


def test_the_plan_s_json_has_it(root: Path) -> None:
    plan = planned(root, base=BASE)
    assert plan_json(plan)["input_digest"] == input_digest(plan).as_json()


def test_the_order_of_ports_is_no_input(root: Path) -> None:
    plan = planned(root, base=BASE)
    ports = [evolve(plan, config=evolve(plan.config, ports=each)) for each in ((1, 2), (2, 1))]
    assert input_digest(ports[0]) == input_digest(ports[1]) != input_digest(plan)
