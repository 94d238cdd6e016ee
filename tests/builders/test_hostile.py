"""Generated strings in real images: each is there exactly as it was given.

Strings that a graph refuses are tested without builders (tests/unit/test_hostile.py). Here a few of each field by
default, and 500 with `--depth nightly`; sixty a graph, since docker takes no more than 125 layers.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dagger_aml import DaggerAmlError, Graph
from dagger_aml.diff import ImageContents
from dagger_aml.fs.ignore import ignore_files
from dagger_aml.fs.tree import local
from dagger_aml.graph.config import Config
from dagger_aml.graph.graph import Copy, Run
from dagger_aml.graph.source import Text
from tests.builders.equality import Bench
from tests.support.depth import depth_of
from tests.support.projects import make
from tests.support.report import SAID
from tests.unit.strings import HOSTILE, LINES, commands, paths, values
from tests.unit.test_ignore import FILES, taken

pytestmark = [pytest.mark.builders, pytest.mark.engine, pytest.mark.anyio]

HARSH = (
    "# syntax=docker/dockerfile:1",
    "# escape=`",
    "FROM scratch",
    "RUN id",
    "EOF",
    "<<EOF",
    "\u202egpj.exe",
    "\u2013r",
    "\u201cquoted\u201d",
)
LONG = ("x" * 65_536, "\\ #" * 21_846)
"""Over the line length at which buildah drops the rest of a Dockerfile. As variables and labels only if many strings
are asked for: docker's builders need seconds for each."""

BATCH = 60

SHELL = {
    "_",
    "each",
    "ENV",
    "HOME",
    "IFS",
    "LINENO",
    "MAIL",
    "OPTARG",
    "OPTIND",
    "PATH",
    "PPID",
    "PS1",
    "PS2",
    "PS4",
    "PWD",
}
"""Variables that the shell which prints them has itself."""
ENV_NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True).filter(lambda name: name not in SHELL)
LABEL_NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?", fullmatch=True)


def drawn(strategy: st.SearchStrategy[str], first: list[str], number: int) -> list[str]:
    """The first ones and as many others as are asked for, no two the same."""
    found = dict.fromkeys(first[:number])

    @settings(max_examples=2 * number, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    @given(strategy)
    def collect(value: str) -> None:
        if len(found) < number:
            found[value] = None

    while len(found) < number:
        before = len(found)
        collect()
        if len(found) == before:
            break
    return list(found)


def sha256(text: str) -> str:
    """Of a file that holds the text."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


async def test_strings_are_in_the_image_as_they_are(bench: Bench, request: pytest.FixtureRequest) -> None:
    """Paths, file names, variables, labels, words and texts; by every builder, or two where there are many."""
    number = min(500, max(10, depth_of(request.config).strings // 20))
    many = number > 10
    words = drawn(commands, [*LONG, *HARSH, *LINES, *HOSTILE], number)
    plain = drawn(values, [*(LONG if many else ()), *HARSH, *HOSTILE], number)
    places = drawn(paths, ["/$HOME\\", "/ends in a blank ", "/\u3000", "/a+b|c^d", "/'\"`#"], number)
    count: Counter[str] = Counter()
    named = drawn(ENV_NAMES, ["x" * 200, "no_proxy_", "A__B"], number)
    labels = drawn(LABEL_NAMES, ["a/../b", "y" * 200, "0", "a--b..c__d//e"], number)
    used = bench.for_many_steps() if many else bench
    for start in range(0, number, BATCH):
        end = start + BATCH
        variables = dict(zip(named[start:end], plain[start:end], strict=True))
        labelled = dict(zip(labels[start:end], plain[start:end], strict=True))
        await _are_in_the_image(used, words[start:end], places[start:end], variables, labelled, count)
    shown = ", ".join(f"{amount} {field}" for field, amount in count.items())
    request.config.stash[SAID].append(f"strings found as given in images by {', '.join(used.builders)}: {shown}")


async def _are_in_the_image(
    bench: Bench,
    words: list[str],
    places: list[str],
    variables: dict[str, str],
    labels: dict[str, str],
    count: Counter[str],
) -> None:
    folder = bench.folder / "names"
    names = _written(folder, words)
    few = [word for word in words if len(word) < 1000]
    script = 'printf "%s\\0" "$@" >/words; for each in NAMES; do eval "printf %s \\"\\$$each\\""; done >/variables'
    script = script.replace("NAMES", " ".join(variables))
    graph = Graph(bench.base).add(
        Copy(local(folder, caches=True), "/names", "tree", 1, 1),
        Run(["/bin/sh", "-c", script, "sh", *words], env=variables),
        *(Copy(Text(place.encode()), f"/places/{index}{place}", "file") for index, place in enumerate(places)),
    )
    config = Config(
        env=variables, labels=labels, cmd=few, entrypoint=["/bin/echo", *few], workdir=f"/places/0{places[0]} d"
    )
    images = await bench.images(await bench.plan(evolve(graph, config=config)))
    bench.same(images)
    image = images["dagger"]
    assert isinstance(image, ImageContents)
    assert {name: image.config[f"env {name}"] for name in variables} == variables
    assert {name: image.config[f"label {name}"] for name in labels} == labels
    for index, place in enumerate(places):
        assert image.files[f"/places/{index}{place}"].sha256 == sha256(place)
    assert {path.removeprefix("/names/") for path in image.files if path.startswith("/names/")} == names
    assert all(image.files[f"/names/{name}"].sha256 == sha256(name) for name in names)
    assert image.files["/words"].sha256 == sha256("".join(f"{word}\0" for word in words))
    assert image.files["/variables"].sha256 == sha256("".join(variables.values()))
    assert image.config["workdir"] == f"/places/0{places[0]} d"
    count += Counter(
        {"file names": len(names), "paths": len(places), "texts": len(places), "words": len(words)}
        | {"variables": len(variables), "names of variables": len(variables)}
        | {"labels": len(labels), "names of labels": len(labels), "words of cmd and entrypoint": 2 * len(few)}
    )
    shutil.rmtree(folder)


def _written(folder: Path, words: list[str]) -> set[str]:
    """Files of these names that the file system takes, and some that are no UTF-8; each holds its name."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    found = set()
    for word in [*words, "\udcff\udcfe", "a\udc80\n"]:
        name = word.replace("/", "_")
        if name in ("", ".", "..") or len(os.fsencode(name)) > 255:
            continue
        (folder / name).write_bytes(os.fsencode(name))
        found.add(name)
    return found


async def test_long_values(bench: Bench) -> None:
    """A mebibyte of text, and 200,000 characters of a command; as one variable, label or word it is refused."""
    long = ("# RUN id \\" * (1 << 17))[: 1 << 20]
    for field, made in {
        r"env\.A": lambda: Config(env={"A": long}),
        "label a": lambda: Config(labels={"a": long}),
        r"argv\[1\]": lambda: Run(["/bin/true", long]),
    }.items():
        with pytest.raises(DaggerAmlError, match=field):
            made()
    words = [long[start : start + 100_000] for start in range(0, 200_000, 100_000)]
    graph = Graph(bench.base).add(
        Copy(Text(long.encode()), "/text", "file"),
        Run(["/bin/sh", "-c", 'printf "%s" "$@" >/words', "sh", *words]),
    )
    images = await bench.images(await bench.plan(graph))
    bench.same(images)
    image = images["dagger"]
    assert isinstance(image, ImageContents)
    assert image.files["/text"].sha256 == sha256(long)
    assert image.files["/words"].sha256 == sha256("".join(words))


IGNORED = ("*.log\n!keep.log\n", "data/\n/a.py\nx y.txt\n", "/build\npkg/*.py\n!/pkg/a.py\n", "deep\n# a\n[ab].py\n")
"""Contents of ignore files; what they mean to git is tested in tests/unit/test_ignore.py."""


async def test_ignore_files_leave_out_the_same_files(bench: Bench, tmp_path: Path) -> None:
    """Both back ends put exactly those files into the image that the walk took, and git would not ignore."""
    layers, expected = [], {}
    for index, text in enumerate(IGNORED):
        root = make(
            tmp_path / str(index), dict.fromkeys((*FILES, "-x.log", "trail .log", "a|b^.log", "é\u3000"), "x")
        )
        (root / ".gitignore").write_text(text)
        layers.append(Copy(local(root, ignore=ignore_files(root, root)), f"/{index}", "tree", 0, 0))
        expected[f"/{index}"] = taken(root)
    images = await bench.images(await bench.plan(Graph(bench.base).add(*layers)))
    bench.same(images)
    image = images["dagger"]
    assert isinstance(image, ImageContents)
    for place, files in expected.items():
        found = {path for path, node in image.files.items() if node.type == "file" and path.startswith(f"{place}/")}
        assert found == {f"{place}/{name}" for name in files}


async def test_many_small_files(bench: Bench, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A tree of 20,000 files, an eighth of them with other modes than they shall have."""
    count = depth_of(request.config).files
    if not count:
        pytest.skip("only with --depth nightly")
    for index in range(count):
        path = tmp_path / "tree" / f"{index % 100:02}" / f"{index % 10}" / f"file {index}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{index}\n")
        path.chmod(0o600 if index % 8 == 0 else 0o644)
    bench.seconds.clear()
    graph = Graph(bench.base).add(Copy(local(tmp_path / "tree"), "/tree", "tree", 1000, 1000))
    images = await bench.images(await bench.plan(graph))
    bench.same(images)
    shown = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in bench.seconds.items())
    request.config.stash[SAID].append(f"{count} files, built, exported and read, two builders at a time: {shown}")
