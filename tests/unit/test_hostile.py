"""Every string that can enter a graph: it stands there exactly as it was given, or is refused and the field named.

What builders make of strings that stand in a graph is tested on real ones (tests/builders/test_hostile.py).
"""

from __future__ import annotations

import configparser
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dagger_aml import DaggerAmlError, From, Graph, GraphError
from dagger_aml.fs.tree import local
from dagger_aml.graph.access import Access
from dagger_aml.graph.config import Config
from dagger_aml.graph.graph import Built, Copy, Run
from dagger_aml.graph.source import Text
from dagger_aml.network.mounts import apt_mounts
from dagger_aml.network.pip_conf import pip_conf
from dagger_aml.steps import apt, base, code, pip
from dagger_aml.steps.model import Model
from tests.support.calls import await_
from tests.support.projects import SCORE

from .strings import HOSTILE, LINES, commands

BASE = await_(base(Graph(), "minimal-py312-inference"))

HARSH = ("\0", "a\0b", "\ud800", "../x", "/../x", "a/../b", "/a//b", "~", "-rf", "--no-index", "–r", "x" * 65_536)
HARSH += ("x" * (1 << 20), "\u202egpj.exe", "@{x}", "%(here)s", "file:///etc/passwd", "EOF", "\nEOF\n")

strings = st.one_of(commands, st.sampled_from([*HOSTILE, *LINES, *HARSH]))


def _config_value(text: str, section: str, name: str) -> str:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return parser.get(section, name)


def _entry_script(folder: Path, value: str) -> object:
    try:
        path = folder / value
        if ".." not in value and not os.path.lexists(path) and path.is_relative_to(folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(SCORE)
    except (OSError, ValueError):
        pass
    return await_(code(BASE, folder, script=value)).config.env["AZUREML_ENTRY_SCRIPT"]


def _reference(value: str) -> str:
    found = From.parse(value)
    return found.reference + (f"@{found.digest}" if found.digest else "")


FIELDS: dict[str, tuple[Callable[[str], object], tuple[str, ...]]] = {
    "apt package": (lambda value: await_(apt(BASE, [value])).layers[-1].argv[4:], ("apt", "package")),
    "requirement": (
        lambda value: await_(pip(BASE, more=[value])).layers[0].argv[-1],
        ("requirement", "Options(pip=…)"),
    ),
    "path": (lambda value: Copy(Text(b""), value, "file").dest, ("dest",)),
    "stage path": (lambda value: Built(BASE, value).path, ("path",)),
    "working directory": (lambda value: Config(workdir=value).workdir, ("workdir",)),
    "variable": (lambda value: Config(env={"A": value}).env["A"], ("env.A",)),
    "variable name": (lambda value: next(iter(Config(env={value: ""}).env)), ("env",)),
    "command's variable": (lambda value: Run(["/x"], env={"A": value}).env["A"], ("env.A",)),
    "label": (lambda value: Config(labels={"a": value}).labels["a"], ("label a",)),
    "label name": (lambda value: next(iter(Config(labels={value: ""}).labels)), ("label",)),
    "user": (lambda value: Config(user=value).user, ("user",)),
    "command's user": (lambda value: Run(["/x"], value).user, ("user",)),
    "word": (lambda value: Run(["/x", value]).argv[1], ("argv[1]",)),
    "program": (lambda value: Run([value]).argv[0], ("argv[0]",)),
    "cmd": (lambda value: Config(cmd=[value]).cmd, ("cmd",)),
    "entrypoint": (lambda value: Config(entrypoint=[value]).entrypoint, ("entrypoint",)),
    "touches": (lambda value: Run(["/x"], touches=[value]).touches, ("touches",)),
    "reference": (_reference, ("base",)),
    "platform": (lambda value: From.parse("a", value).platform, ("platform",)),
    "model name": (lambda value: Model("m", value).name, ("model name",)),
    "model version": (lambda value: Model("m", "n", value).version, ("model version",)),
    "text": (lambda value: Text(value.encode("utf-8", "surrogatepass")).data.decode(), ("Text",)),
    "index URL": (
        lambda value: _config_value(pip_conf(Access(index_url=value)), "global", "index-url"),
        ("index_url", "URL"),
    ),
    "apt mirror": (
        lambda value: apt_mounts(Access(apt_mirror=value))[0].value.reveal().decode().removesuffix("\n"),
        ("apt_mirror", "URL"),
    ),
}
"""What becomes of a string in each field, and the words of which one names the field where it is refused."""

_fields = settings(settings.get_profile("fields"))


@pytest.mark.parametrize("field", FIELDS)
@_fields
@given(value=strings)
@example(value="x" * 65_536)
@example(value="x" * (1 << 20))
@example(value="# syntax=docker/dockerfile:1")
@example(value="\u2013r\u202e")
def test_a_string_stands_as_it_is_or_is_refused(field: str, value: str) -> None:
    made, named = FIELDS[field]
    try:
        found = made(value)
    except DaggerAmlError as error:
        assert any(word in f"{error}" for word in named), f"{field} is not named: {error}"
        assert error.exit_code == 2
        return
    allowed = {"reference": f"{value}:latest", "requirement": value.strip()}.get(field, value)
    assert found in (value, (value,), allowed), field


@_fields
@given(value=strings)
def test_an_entry_script_stands_as_it_is_or_is_refused(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    folder = tmp_path_factory.mktemp("code")
    (folder / "score.py").write_text(SCORE)
    try:
        found = _entry_script(folder, value)
    except DaggerAmlError as error:
        assert error.exit_code == 2 and ("script" in f"{error}".lower() or str(folder) in f"{error}")
        return
    assert found == value and (folder / value).is_file()


@_fields
@given(names=st.lists(strings, min_size=1, max_size=4))
def test_file_names_stand_as_they_are(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("tree")
    made = set()
    for name in names:
        try:
            (folder / name.replace("/", "_")).write_bytes(b"")
        except (OSError, ValueError):
            continue
        made.add(name.replace("/", "_"))
    assert {entry.path for entry in local(folder, caches=True).entries} == made


def test_sources_that_no_image_holds(tmp_path: Path) -> None:
    """A link out of the project, a FIFO, a device, a socket: refused, and the source named."""
    (tmp_path / "outside").write_text("secret")
    for number, target in enumerate(("../outside", "/etc/passwd", "/", "sub/../../outside", "..", "/dev/null")):
        folder = tmp_path / f"links-{number}"
        (folder / "sub").mkdir(parents=True)
        (folder / "link").symlink_to(target)
        with pytest.raises(GraphError, match="points outside the folder") as caught:
            local(folder)
        assert str(folder / "link") in f"{caught.value}"
    twice = tmp_path / "twice"
    twice.mkdir()
    (twice / "a").symlink_to("b")
    (twice / "b").symlink_to("../outside")
    with pytest.raises(GraphError, match="points outside the folder"):
        local(twice)
    for name in ("fifo", "socket"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "fifo" / "x")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket" / "x"))
        for name in ("fifo", "socket"):
            with pytest.raises(GraphError, match="cannot be put into an image") as caught:
                local(tmp_path / name)
            assert str(tmp_path / name / "x") in f"{caught.value}"
    with pytest.raises(GraphError, match="a device"):
        local(Path("/dev/null"))
