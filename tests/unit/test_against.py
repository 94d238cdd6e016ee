"""A plan held against an earlier one: what would run again and which layers would be new, in so many words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import evolve
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from dagger_aml import Options, UsageError, load_project, make_plan
from dagger_aml.building.earlier import read_earlier
from dagger_aml.building.graphs import lay_out
from dagger_aml.cli.main import cli
from dagger_aml.fs.tree import local
from dagger_aml.graph.base import From
from dagger_aml.graph.config import Config
from dagger_aml.graph.graph import Copy, Graph, Run
from dagger_aml.graph.source import Text
from dagger_aml.graph.stages import pin
from dagger_aml.plan.compare import Earlier, against, of_image
from dagger_aml.plan.keys import ENCODING, labels, op_keys, runtime_key
from dagger_aml.plan.label import PLAN_LABEL, OpKey, read_label, write_label
from dagger_aml.plan.model import Plan
from dagger_aml.plan.render import plan_json
from tests.support.projects import SCORE, make

LOCAL = "docker, podman, buildah"
ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
BASE = From("ubuntu:22.04", ONE)
FILES: dict[str, str | bytes | None] = {
    "code/score.py": SCORE,
    "model/weights": "m" * 2000,
    "requirements.txt": "numpy==1.26.4\n",
    "apt.txt": "libgomp1\n",
}


def planned(root: Path, digest: str | None = ONE, **options: Any) -> Plan:
    """The plan of the project as it is now."""
    graph = anyio.run(lay_out, load_project(root, Options(**options)))
    return make_plan(pin(graph, {graph.from_: digest}))


def image_config(plan: Plan) -> dict[str, Any]:
    """What the config of its image would be."""
    return {
        "User": "dockeruser",
        "WorkingDir": "",
        "Env": ["PATH=/usr/bin", *(f"{name}={value}" for name, value in plan.config.env.items())],
        "Labels": {"of.the.base": "x", **labels(plan)},
        "Cmd": ["runsvdir", "/var/runit"],
        "ExposedPorts": {"5001/tcp": {}},
    }


def by_image(plan: Plan, _: Path) -> Earlier:
    return of_image("IT", plan.base.platform, image_config(plan))


def by_file(plan: Plan, folder: Path) -> Earlier:
    (folder / "plan.json").write_text(json.dumps(plan_json(plan)))
    return evolve(anyio.run(read_earlier, str(folder / "plan.json"), plan.base.platform), name="IT")


CHANGES: dict[str, tuple[dict[str, str], dict[str, Any], str, str]] = {
    "nothing": (
        {},
        {},
        "",
        """\
Compared with IT:
  base: the same
  1. apt libgomp1: reused
  2. copy requirements.txt: reused
  3. pip requirements.txt (1 package): reused
  4. model p 2.0 kB: reused
  5. code (1 file): reused

Expected: nothing runs, no layer is new
""",
    ),
    "code": (
        {"code/score.py": SCORE + "#\n"},
        {},
        "its files changed",
        """\
Compared with IT:
  base: the same
  1. apt libgomp1: reused
  2. copy requirements.txt: reused
  3. pip requirements.txt (1 package): reused
  4. model p 2.0 kB: reused
  5. code (1 file): new layer (56 B): {own}

Expected: nothing runs, 1 new layer of 56 B copied
""",
    ),
    "requirement": (
        {"requirements.txt": "numpy==1.26.5\n"},
        {},
        "its files changed",
        """\
Compared with IT:
  base: the same
  1. apt libgomp1: reused
  2. copy requirements.txt: new layer (14 B): {own}
  3. pip requirements.txt (1 package): runs again: step 'copy requirements.txt' changed
  4. model p 2.0 kB: copied again (2.0 kB), probably the same bytes, not sent again: step 'copy requirements.txt' changed
     docker, podman, buildah: new layer (2.0 kB): step 'copy requirements.txt' changed
  5. code (1 file): copied again (54 B), probably the same bytes, not sent again: step 'copy requirements.txt' changed
     docker, podman, buildah: new layer (54 B): step 'copy requirements.txt' changed

Expected with a Dagger engine: 1 step runs, 1 new layer of 14 B copied
Expected with docker, podman, buildah: 1 step runs, 3 new layers of 2.1 kB copied
""",  # noqa: E501
    ),
    "apt": (
        {"apt.txt": "libgomp1\ncurl\n"},
        {},
        "its command changed (+curl)",
        """\
Compared with IT:
  base: the same
  1. apt libgomp1 curl: runs again: {own}
  2. copy requirements.txt: copied again (14 B), probably the same bytes, not sent again: step 'apt libgomp1 curl' changed
     docker, podman, buildah: new layer (14 B): step 'apt libgomp1 curl' changed
  3. pip requirements.txt (1 package): runs again: step 'apt libgomp1 curl' changed
  4. model p 2.0 kB: copied again (2.0 kB), probably the same bytes, not sent again: step 'apt libgomp1 curl' changed
     docker, podman, buildah: new layer (2.0 kB): step 'apt libgomp1 curl' changed
  5. code (1 file): copied again (54 B), probably the same bytes, not sent again: step 'apt libgomp1 curl' changed
     docker, podman, buildah: new layer (54 B): step 'apt libgomp1 curl' changed

Expected with a Dagger engine: 2 steps run, no copied layer is new
Expected with docker, podman, buildah: 2 steps run, 3 new layers of 2.1 kB copied
""",  # noqa: E501
    ),
    "model": (
        {"model/weights": "n" * 3000},
        {},
        "its files changed",
        """\
Compared with IT:
  base: the same
  1. apt libgomp1: reused
  2. copy requirements.txt: reused
  3. pip requirements.txt (1 package): reused
  4. model p 3.0 kB: new layer (3.0 kB): {own}
  5. code (1 file): copied again (54 B), probably the same bytes, not sent again: step 'model p 3.0 kB' changed
     docker, podman, buildah: new layer (54 B): step 'model p 3.0 kB' changed

Expected with a Dagger engine: nothing runs, 1 new layer of 3.0 kB copied
Expected with docker, podman, buildah: nothing runs, 2 new layers of 3.1 kB copied
""",
    ),
    "env": (
        {},
        {"env": ("LOG=1",), "label": ("team=ml",)},
        "",
        """\
Compared with IT:
  base: the same
  1. apt libgomp1: reused
  2. copy requirements.txt: reused
  3. pip requirements.txt (1 package): reused
  4. model p 2.0 kB: reused
  5. code (1 file): reused
  image config changes, without a new layer: env LOG, label team

Expected: nothing runs, no layer is new, only the config changes
""",
    ),
    "base": (
        {},
        {"digest": TWO},
        "the base changed",
        """\
Compared with IT:
  base: the base changed
  1. apt libgomp1: runs again: {own}
  2. copy requirements.txt: copied again (14 B), probably the same bytes, not sent again: the base changed
     docker, podman, buildah: new layer (14 B): the base changed
  3. pip requirements.txt (1 package): runs again: the base changed
  4. model p 2.0 kB: copied again (2.0 kB), probably the same bytes, not sent again: the base changed
     docker, podman, buildah: new layer (2.0 kB): the base changed
  5. code (1 file): copied again (54 B), probably the same bytes, not sent again: the base changed
     docker, podman, buildah: new layer (54 B): the base changed

Expected with a Dagger engine: 2 steps run, no copied layer is new
Expected with docker, podman, buildah: 2 steps run, 3 new layers of 2.1 kB copied
""",
    ),
}
"""For each: the files and options that change, what is then said of the changed step, and the whole text."""

OF_A_LABEL = {
    "code": "it changed",
    "requirement": "it changed",
    "apt": "it changed, and was 'apt libgomp1'",
    "model": "it changed, and was 'model p 2.0 kB'",
}
"""What is said of the changed step where only an image's label tells of the earlier one."""


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", [by_image, by_file])
def test_what_each_change_would_do(tmp_path: Path, change: str, kind: Any) -> None:
    root = make(tmp_path / "p", FILES)
    earlier = kind(planned(root), tmp_path)
    files, options, own, text = CHANGES[change]
    make(root, files)
    if kind is by_image:
        own = OF_A_LABEL.get(change, own)
    assert against(planned(root, **options), earlier).text(LOCAL) == text.replace("{own}", own)


def test_a_step_that_is_new_or_gone(tmp_path: Path) -> None:
    root = make(tmp_path / "p", FILES)
    earlier = by_image(planned(root), tmp_path)
    (root / "apt.txt").unlink()
    less = planned(root)
    held = against(less, earlier)
    assert held.gone == ("apt libgomp1",)
    assert {each.why for each in held.ops} == {"step 'apt libgomp1' was removed"}
    assert [each.dagger for each in held.ops] == ["same bytes", "runs", "same bytes", "same bytes"]
    make(root, FILES)
    more = against(planned(root), by_image(less, tmp_path))
    assert [each.why for each in more.ops] == ["it is new", *["step 'apt libgomp1' is new"] * 4]
    assert "1. apt libgomp1: runs: it is new" in more.text(LOCAL)


def test_a_base_that_is_not_pinned_is_told_by_its_name(tmp_path: Path) -> None:
    root = make(tmp_path / "p", FILES)
    held = against(planned(root, None), by_image(planned(root, ONE), tmp_path))
    assert (held.base, held.base_known) == ("", False)
    assert "assumed to be the same because of its name; probe(graph, builder) gets" in held.text(LOCAL)
    other = against(planned(root, None, base="acme/other:1"), by_file(planned(root, None), tmp_path))
    assert other.base.startswith("the base is acme/other:1, was mcr.microsoft.com/")
    arm = against(planned(root, platform="linux/arm64"), by_image(planned(root), tmp_path))
    assert arm.base == "for linux/arm64, was for linux/amd64"


def test_what_the_image_would_say_otherwise(tmp_path: Path) -> None:
    root = make(tmp_path / "p", FILES)
    one = planned(root, env=("A=1", "B=1"), label=("x=1",))
    two = planned(root, env=("A=2",), label=("x=1", "y=2"))
    assert against(two, by_file(one, tmp_path)).says == ("env A", "label y", "env B (removed)")
    assert against(two, by_image(one, tmp_path)).says == ("env A", "label y")
    asked = evolve(two, facts=evolve(two.facts, source="probed", env={"PATH": "/usr/bin"}))
    assert against(asked, by_image(one, tmp_path)).says == ("env A", "label y", "env B (removed)")
    without = evolve(two, config=evolve(two.config, entrypoint=()))
    assert against(without, by_image(two, tmp_path)).says == (), "an empty one is none"


# --- the label ----------------------------------------------------------------------------------------------------


def test_the_label_has_neither_paths_nor_secrets_and_is_short(tmp_path: Path) -> None:
    plan = planned(make(tmp_path / "p", FILES))
    text = labels(plan)[PLAN_LABEL]
    assert len(text) < 500
    assert str(tmp_path) not in text
    assert read_label(labels(plan), ENCODING) == op_keys(plan)


def test_the_label_is_the_same_pinned_or_not_and_changes_no_fingerprint(tmp_path: Path) -> None:
    root = make(tmp_path / "p", FILES)
    pinned, loose = planned(root), planned(root, None)
    assert labels(pinned)[PLAN_LABEL] == labels(loose)[PLAN_LABEL]
    said = evolve(pinned, config=evolve(pinned.config, labels=labels(pinned)))
    assert runtime_key(said) == runtime_key(pinned)
    assert labels(said) == labels(pinned)


def test_each_input_is_in_its_step_s_digest(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    run = Run(("/bin/true",))
    copy = Copy(local(tmp_path / "f"), "/a/f", "file", 0, 0)
    plan = make_plan(Graph(From.parse("acme/base:1"), (run, copy)))
    changes = [
        evolve(run, argv=("/bin/false",)), evolve(run, user="1:1"), evolve(run, env={"A": "1"}),
        evolve(run, workdir="/tmp"), evolve(copy, dest="/a/g"), evolve(copy, uid=1, gid=0),
        evolve(copy, source=Text(b"y")),
    ]  # fmt: skip
    digests = {op_keys(evolve(plan, ops=(evolve(plan.ops[0], layer=each),)))[0].digest for each in changes}
    assert len(digests) == len(changes)
    assert not digests & {each.digest for each in op_keys(plan)}


def test_too_many_steps_leave_the_label_out_and_say_so() -> None:
    runs = [Run(("/bin/true", str(number)), name=f"step {number}" + "x" * 50) for number in range(60)]
    plan = make_plan(Graph(From.parse("acme/base:1"), runs))
    assert PLAN_LABEL not in labels(plan)
    assert [(each.id, each.message) for each in plan.warnings] == [
        ("AML604", f"the image gets no label {PLAN_LABEL}: the description of its 60 steps is too long for a label"),
    ]
    assert PLAN_LABEL in labels(make_plan(Graph(From.parse("acme/base:1"), runs[:30])))


def test_a_label_that_the_user_says_stays() -> None:
    plan = make_plan(Graph(From.parse("acme/base:1"), config=Config(labels={PLAN_LABEL: "mine"})))
    assert labels(plan)[PLAN_LABEL] == "mine"
    with pytest.raises(UsageError, match="of another version"):
        of_image("x", "linux/amd64", {"Labels": labels(plan)})


@given(st.lists(st.tuples(st.text(), st.sampled_from(["", "/a", "/ü b/\"'$x"])), max_size=8))
def test_the_label_says_what_it_was_given(ops: list[tuple[str, str]]) -> None:
    keys = tuple(OpKey(name, dest, f"{number:012x}") for number, (name, dest) in enumerate(ops))
    text = write_label(keys, 1)
    if text is not None:
        assert text.isascii() and "\n" not in text and len(text) <= 4096
        assert read_label({PLAN_LABEL: text}, 1) == keys
        assert read_label({PLAN_LABEL: text}, 2) is None


# --- the command --------------------------------------------------------------------------------------------------


def test_the_command(tmp_path: Path) -> None:
    root = make(tmp_path / "p", FILES)
    before = CliRunner().invoke(cli, ["plan", str(root), "--json"])
    (tmp_path / "plan.json").write_text(before.stdout)
    make(root, {"code/score.py": SCORE + "#\n"})
    done = CliRunner().invoke(cli, ["plan", str(root), "--why", "--against", str(tmp_path / "plan.json")])
    assert done.exit_code == 0, done.output
    assert "\n  5. code (1 file): new layer (56 B): its files changed\n" in done.stdout
    words = ["plan", str(root), "--json", "--against", str(tmp_path / "plan.json")]
    data = json.loads(CliRunner().invoke(cli, words).stdout)
    assert data["against"]["base"] == {"changed": False, "why": "", "digests_known": False}
    assert data["against"]["ops"][-1] == {
        "name": "code (1 file)", "why": "its files changed", "dagger": "new layer", "local": "new layer", "bytes": 56,
    }  # fmt: skip
    (tmp_path / "again.json").write_text(json.dumps(data))
    again = CliRunner().invoke(cli, ["plan", str(root), "--against", str(tmp_path / "again.json")])
    assert again.stdout.endswith("Expected: nothing runs, no layer is new\n")


def test_a_plan_file_of_0_1_0_is_read(tmp_path: Path) -> None:
    """Its form has other names for the same, and schema 1."""
    root = make(tmp_path / "p", FILES)
    plan = json.loads(CliRunner().invoke(cli, ["plan", str(root), "--json"]).stdout)
    ops = [{"step": each.pop("name"), "op": each.pop("kind"), **each} for each in plan.pop("ops")]
    for each in ops:
        if each["op"] == "copy":
            each["kind"] = "tree" if each.pop("tree") else "file"
        else:
            del each["verb"]
    (tmp_path / "old.json").write_text(json.dumps({**plan, "schema": 1, "steps": ops}))
    make(root, {"code/score.py": SCORE + "#\n"})
    done = CliRunner().invoke(cli, ["plan", str(root), "--against", str(tmp_path / "old.json")])
    assert done.exit_code == 0, done.output
    assert "\n  5. code (1 file): new layer (56 B): its files changed\n" in done.stdout
    assert "\n  1. apt libgomp1: reused\n" in done.stdout


def test_commands_of_a_recipe_s_own_are_told_apart_by_their_verb_not_their_names(tmp_path: Path) -> None:
    """A name's first word is the recipe's own, and says nothing; where only a label tells, it is all there is."""
    was, now = (
        make_plan(graph)
        for graph in (
            Graph(BASE).add(Run(("/bin/a",), name="apt of ours"), Run(("/bin/b",), name="word list")),
            Graph(BASE).add(Run(("/bin/c",), name="lists of words"), Run(("/bin/d",), name="apt curl", verb="apt")),
        )
    )
    assert [each.is_new for each in against(now, by_file(was, tmp_path)).ops] == [False, True]
    assert [each.is_new for each in against(now, by_image(was, tmp_path)).ops] == [True, False]


def test_an_op_of_the_same_name_comes_before_another_of_its_verb(tmp_path: Path) -> None:
    was, now = (
        make_plan(Graph(BASE).add(*(Run((path,), name=name, verb="pip") for name, path in each.items())))
        for each in ({"pip a": "/bin/a", "pip check": "/bin/b"}, {"pip check": "/bin/c"})
    )
    held = against(now, by_file(was, tmp_path))
    assert held.gone == ("pip a",) and not held.ops[0].is_new


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("{here}/p", "this folder is neither a plan file nor an image"),
        ("{here}/none.json", "there is no such file"),
        ("{here}/bad.json", "not a plan file as plan --json of this version writes it"),
        ("{here}/text", "not a tar"),
        ("oci:{here}/none", "no such folder"),
        ("Not A Name", "not an image reference"),
    ],
)
def test_what_it_cannot_be_held_against(tmp_path: Path, word: str, said: str) -> None:
    root = make(tmp_path / "p", FILES)
    make(tmp_path, {"bad.json": '{"schema": 1}', "text": "text"})
    done = CliRunner().invoke(cli, ["plan", str(root), "--against", word.format(here=tmp_path)])
    assert isinstance(done.exception, UsageError)
    assert said in str(done.exception)
    assert done.stdout == ""


def test_the_command_that_writes_a_folder_s_plan_is_quoted(tmp_path: Path) -> None:
    root = make(tmp_path / "a p", FILES)
    done = CliRunner().invoke(cli, ["plan", str(root), "--against", str(root)])
    assert isinstance(done.exception, UsageError)
    assert f"dagger-aml plan '{root}' --json > plan.json" in str(done.exception.hint)
