"""The examples through every recipe: built on a base by a builder, run as they are, scored, and the same by all.

By default a few cases that cover each recipe, base and builder; all of them with `--depth nightly`.
"""

import itertools
import json
from pathlib import Path
from typing import NamedTuple

import pytest

from dagger_aml import BaseError, Graph, Options, build, load_project, load_recipe
from dagger_aml.backends.base import Builder, Opening
from dagger_aml.backends.direct.builder import DirectBuilder
from dagger_aml.backends.direct.inner import Opened
from dagger_aml.building.plans import probe
from dagger_aml.diff import NOISE, ImageContents, Report, compare, read_image
from dagger_aml.events import ignore
from dagger_aml.oci.layer import LayerContents
from tests.support.builders import lacking, need_programs, required
from tests.support.depth import depth_of
from tests.support.scoring import Runtime, score_image, score_tar

pytestmark = [pytest.mark.builders, pytest.mark.anyio]

EXAMPLES = Path(__file__).parents[2] / "examples"

BUILDERS = ("dagger", "direct", "buildah", "docker")
"""In the order in which images are compared: each with those before it. Direct has the engine run what must run."""

RUNTIMES: dict[str, tuple[Runtime, ...]] = {
    "dagger": ("docker", "podman"),
    "direct": ("podman", "docker"),
    "buildah": ("podman",),
    "docker": ("docker",),
}
"""What runs the images of each builder: an engine's tar is loaded, the others' images are in the store already."""


class Case(NamedTuple):
    """One example by one recipe on one base."""

    example: str
    recipe: str
    base: str
    via: str = "start-script"

    def __str__(self) -> str:
        return "-".join((self.example, self.recipe, *([self.via] * (self.via == "pythonpath")), self.base))

    async def graph(self, bases: dict[str, str]) -> Graph:
        """Lay the example out."""
        options = Options(base=bases[self.base], recipe=self.recipe, via=self.via)
        return await load_recipe(self.recipe)(Graph(), load_project(EXAMPLES / self.example, options))


COVERING: dict[Case, tuple[str, ...]] = {
    Case("diabetes", "extended", "classic"): ("dagger", "direct", "buildah"),
    Case("diabetes", "dynamic", "classic"): ("buildah",),
    Case("diabetes", "preinstalled", "curated", "pythonpath"): ("dagger", "direct", "docker"),
    Case("diabetes", "package", "classic"): ("docker",),
    Case("churn", "extended", "curated"): ("dagger",),
}
"""The default: each recipe, both bases, each builder. What the engine lacks here, test_serve.py has on it."""

BY_BOTH = (Case("diabetes", "extended", "classic"),)
"""By default an engine's images are run by the first of its runtimes, this one by each."""


def every_case() -> dict[Case, tuple[str, ...]]:
    """All examples by all recipes on all bases that apply, by all builders."""
    cases = [Case(*each) for each in itertools.product(("diabetes", "churn", "two-models"), ("extended", "package"),
                                                       ("classic", "curated"))]  # fmt: skip
    for example in ("diabetes", "two-models"):  # The third one needs apt.
        cases += [Case(example, "dynamic", "classic"), Case(example, "preinstalled", "classic")]
        cases += [Case(example, "preinstalled", base, "pythonpath") for base in ("classic", "curated")]
    return dict.fromkeys(cases, BUILDERS)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Spread the tests over the cases and builders asked for."""
    cases = every_case() if depth_of(metafunc.config).every_example else COVERING
    if metafunc.function is test_an_example_scores:
        made = [(case, name) for case, names in cases.items() for name in names]
        metafunc.parametrize(
            ("case", "builder"),
            [pytest.param(case, name, marks=_marks(name), id=f"{case}-{name}") for case, name in made],
            indirect=["builder"],
        )
    elif metafunc.function is test_builders_agree:
        pairs = [(case, *pair) for case, names in cases.items() for pair in itertools.combinations(names, 2)]
        metafunc.parametrize(
            ("case", "builder", "other"),
            [
                pytest.param(case, one, two, marks=_marks(one, two), id=f"{case}-{one}-{two}")
                for case, one, two in pairs
            ],
            indirect=["builder", "other"],
        )


def _marks(*builders: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.engine] if {"dagger", "direct"} & set(builders) else []


def _builder(name: str, request: pytest.FixtureRequest) -> Builder:
    if name == "dagger":
        engine: Builder = request.getfixturevalue("engine")
        return engine
    if name == "direct":
        direct = DirectBuilder(Opened(request.getfixturevalue("engine")), Opening(layers="direct"), ignore)
        direct.name = name
        request.addfinalizer(direct.close)
        return direct
    from dagger_aml.backends.local.find import local_builder

    need_programs(name)
    return local_builder(name, format="classic")


@pytest.fixture
def builder(request: pytest.FixtureRequest) -> Builder:
    """The builder that the parameter names."""
    return _builder(request.param, request)


@pytest.fixture
def other(request: pytest.FixtureRequest) -> Builder:
    """A second one."""
    return _builder(request.param, request)


class Shop:
    """Builds each image once, and keeps what the comparer needs of it; the tars would fill a disk."""

    def __init__(self, folder: Path, bases: dict[str, str]) -> None:
        self.folder = folder
        self.bases = bases
        self.images: dict[tuple[Case, str], ImageContents | None] = {}
        self.ids: dict[tuple[Case, str], str | None] = {}
        self.layers: dict[str, LayerContents] = {}
        self.reports: list[tuple[frozenset[str], Report]] = []

    async def tar(self, case: Case, builder: Builder) -> Path:
        """Build and export; the caller removes the tar."""
        key = (case, builder.name)
        self.images[key] = None
        tar = self.folder / f"{case}-{builder.name}.tar"
        tag = f"localhost/dagger-aml-test/{case}:{builder.name}"
        result = await build(await case.graph(self.bases), builder, tags=[tag], output=tar)
        assert result.output == tar
        self.images[key] = read_image(tar, known=self.layers)
        self.ids[key] = result.image_id
        return tar

    async def image(self, case: Case, builder: Builder) -> ImageContents:
        """The image as the comparer reads it."""
        key = (case, builder.name)
        if key not in self.images:
            (await self.tar(case, builder)).unlink()
        image = self.images[key]
        if image is None:
            pytest.fail(f"{builder.name} did not build {case}")
        return image


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, bases: dict[str, str]) -> Shop:
    """Where the tests of this file get their images."""
    return Shop(tmp_path_factory.mktemp("tars"), bases)


async def test_an_example_scores(case: Case, builder: Builder, shop: Shop, pytestconfig: pytest.Config) -> None:
    """Built, loaded and run without network (but for `dynamic`), it gives the example's answer."""
    wanted = RUNTIMES[builder.name]
    if case not in BY_BOTH and not depth_of(pytestconfig).every_example:
        wanted = wanted[:1]
    need_programs(*required().intersection(wanted))
    usable = [runtime for runtime in wanted if not lacking(runtime)]
    if not usable:
        need_programs(*wanted)
    tar = await shop.tar(case, builder)
    try:
        for runtime in usable:
            example = EXAMPLES / case.example
            request, network = example / "request.json", case.recipe == "dynamic"
            if builder.name in ("dagger", "direct"):
                scored = score_tar(tar, request, runtime=runtime, network=network)
            else:
                image = shop.ids[case, builder.name]
                assert image
                scored = score_image(image, request, runtime=runtime, network=network)
            assert scored.status == 200, scored.logs
            assert scored.json == json.loads((example / "answer.json").read_text())
            assert ("pip install -r" in scored.logs) == (case.recipe == "dynamic")
    finally:
        tar.unlink()
    read = await shop.image(case, builder)
    assert read.config["user"] == "dockeruser"
    homes = [path for path in read.files if path.startswith(("/home/dockeruser/", "/root/"))]
    assert not {path.split("/")[-1] for path in homes} & {".local", ".cache"}, "something landed in a home"


async def test_builders_agree(case: Case, builder: Builder, other: Builder, shop: Shop) -> None:
    """Two builders make the same image, but for the listed noise."""
    one, two = await shop.image(case, builder), await shop.image(case, other)
    names = frozenset({builder.name, other.name})
    report = compare(one, two, builders=names)
    shop.reports.append((names, report))
    assert report.equal, f"{builder.name} | {other.name}\n{report}"


def test_each_noise_entry_is_needed(shop: Shop) -> None:
    """An entry that absorbs nothing hides something one day."""
    for noise in NOISE:
        reports = [report for names, report in shop.reports if names & noise.builders]
        assert not reports or any(noise in report.absorbed for report in reports), noise
    if not shop.reports:
        pytest.skip("no two images were compared")


@pytest.mark.parametrize("builder", [pytest.param(name, marks=_marks(name)) for name in BUILDERS], indirect=True)
@pytest.mark.parametrize("recipe", ["dynamic", "preinstalled"])
async def test_a_base_that_ignores_extra_packages_is_refused(
    recipe: str, builder: Builder, bases: dict[str, str]
) -> None:
    """Today's curated images would silently run without the packages; the builder asks the real one."""
    graph = await Case("diabetes", recipe, "curated").graph(bases)
    with pytest.raises(BaseError, match="extended") as found:
        await probe(graph, builder)
    assert "AZUREML_EXTRA_" in str(found.value)
    assert ("pythonpath" in str(found.value)) == (recipe == "preinstalled")
