"""Resolving a graph on what is known of its base, ordering it, and naming what runs."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from dagger_aml import (
    BaseError,
    Built,
    Copy,
    Empty,
    From,
    FromBase,
    Graph,
    GraphError,
    Run,
    Text,
    make_plan,
    runtime_key,
)
from dagger_aml.base.facts import BaseFacts, PathFact, prefixes
from dagger_aml.base.probe import from_probe, probe_stdin
from dagger_aml.fs.tree import local
from dagger_aml.graph.base import Need
from dagger_aml.graph.graph import Root
from dagger_aml.graph.stages import bases, pin
from dagger_aml.graph.values import FACTS as NAMES
from dagger_aml.plan.make import plan
from dagger_aml.plan.resolve import probed_paths
from dagger_aml.plan.schedule import schedule
from tests.support.calls import error_of
from tests.support.cases import for_each
from tests.support.projects import make

BASE = From.parse("example.org/base:1")
OTHER = From.parse("example.org/tools:2")
HEAD = Graph(BASE)
DIGEST = "sha256:" + "0" * 64
DIR, FILE, LINK = PathFact("dir"), PathFact("file", 0o644), PathFact("link", 0o777)
FACTS = BaseFacts(
    "probed",
    uid=1234,
    gid=4321,
    environment="/opt/env",
    environment_uid=77,
    environment_gid=88,
    python="3.12",
    starts=True,
    extras=True,
    env={"PATH": "/usr/bin"},
    paths={"/app": PathFact("dir", 0o755, 1234, 4321), "/opt": DIR, "/opt/env": DIR, "/usr": DIR, "/tmp": DIR},
)


def planned(graph: Graph, **facts):
    return plan(graph, {base: evolve(FACTS, **facts) for base in bases(graph)})


def with_paths(**paths: PathFact):
    """Facts of a base in which further paths exist; ``__`` stands for ``/``."""
    return {"paths": {**FACTS.paths, **{name.replace("__", "/"): fact for name, fact in paths.items()}}}


def tree(tmp_path, name: str, *files: str):
    return local(make(tmp_path / name, {file: "x" for file in files}))


# --- placeholders ---------------------------------------------------------------------------------------------------


def test_placeholders_become_literals():
    made = planned(
        HEAD.add(
            Run(
                [FromBase("environment", after="/bin/python"), FromBase("uid"), FromBase("user", before="-")],
                FromBase("environment_owner"),
                {"PYTHONPATH": FromBase("pythonpath", before="/x")},
                touches=[FromBase("environment")],
            ),
            Copy(Empty(), "/app", uid=FromBase("uid"), gid=FromBase("gid")),
        ).configure(env={"E": FromBase("environment", after="/lib")}, user=FromBase("uid"))
    )
    run, copy = made.layers
    assert run.argv == ("/opt/env/bin/python", "1234", "-dockeruser")
    assert (run.user, run.touches, dict(run.env)) == ("77:88", ("/opt/env",), {"PYTHONPATH": "/x"})
    assert (copy.uid, copy.gid) == (1234, 4321)
    assert made.config.env["E"] == "/opt/env/lib" and made.config.user == "1234"
    assert "FromBase" not in repr((made.layers, made.config))


def test_a_runs_user_may_be_a_number_of_the_base():
    assert planned(HEAD.add(Run(["/x"], FromBase("uid")))).layers[0].user == "1234"
    assert planned(HEAD.add(Run(["/x"], FromBase("user"))), user="").layers[0].user == "0:0"


def test_pythonpath_keeps_what_the_base_has():
    graph = HEAD.configure(env={"PYTHONPATH": FromBase("pythonpath", before="/libs")})
    assert planned(graph).config.env["PYTHONPATH"] == "/libs"
    assert planned(graph, env={"PYTHONPATH": "/a:/b"}).config.env["PYTHONPATH"] == "/libs:/a:/b"


def test_what_is_not_known_never_becomes_a_word():
    for graph in (
        HEAD.configure(env={"V": FromBase("python")}),
        HEAD.add(Run(["/x", FromBase("python", before="python")])),
    ):
        error = error_of(planned, graph, python=None)
        assert isinstance(error, BaseError) and "python" in error.message and error.hint


def test_a_base_without_an_environment():
    error = error_of(planned, HEAD.add(Run([FromBase("environment", after="/bin/python")])), environment=None)
    assert isinstance(error, BaseError) and "AZUREML_CONDA_ENVIRONMENT_PATH" in error.message and error.hint
    assert error_of(FromBase, "colour").message == "unknown property of the base image: colour"


def test_every_fact_that_a_graph_may_name_is_known_of_a_base():
    for name in NAMES:
        assert planned(HEAD.configure(env={"A": FromBase(name, before="is ")})).config.env["A"].startswith("is ")


def test_what_a_base_answers_is_checked_as_any_text():
    error_of(planned, HEAD.configure(env={"A": FromBase("environment")}), environment="/a\nb")
    error_of(planned, HEAD.add(Run([FromBase("environment", after="/bin/python")])), environment="opt/env")


@pytest.mark.parametrize("environment", ["/opt/env/", "//opt/env", "/opt//env"])
def test_a_sloppily_written_environment_is_understood(environment):
    assert planned(HEAD.add(Run([FromBase("environment", after="/x")])), environment=environment).layers[0].argv == (
        "/opt/env/x",
    )


def test_the_plan_says_where_the_image_is_from():
    labels = planned(HEAD.configure(labels={"a": "b"})).config.labels
    assert labels["org.opencontainers.image.base.name"] == "example.org/base:1" and labels["a"] == "b"
    assert "org.opencontainers.image.base.digest" not in labels
    pinned = planned(pin(HEAD, {BASE: DIGEST}))
    assert pinned.config.labels["org.opencontainers.image.base.digest"] == DIGEST
    assert pinned.base == From("example.org/base:1", DIGEST)


# --- needs, ONBUILD, VOLUME -----------------------------------------------------------------------------------------


def test_needs():
    graph = HEAD.need(Need("extras", True, "it would be ignored", "Do this."))
    assert planned(graph, extras=True).unconfirmed == ()
    error = error_of(planned, graph, extras=False)
    assert isinstance(error, BaseError)
    assert (error.message, error.hint, error.location) == ("it would be ignored", "Do this.", BASE.pinned)
    (need,) = planned(graph, extras=None).unconfirmed
    (note,) = make_plan(graph, {BASE: evolve(FACTS, extras=None)}).warnings
    assert note.id == "AML603" and need.why in note.message and note.hint == need.hint == "Do this."


def test_onbuild_is_refused():
    error = error_of(planned, HEAD, onbuild=("RUN id",))
    assert "ONBUILD" in error.message and error.location == BASE.pinned and "RUN id" in str(error.hint)
    planned(HEAD, onbuild=None)


@for_each(
    ("touches", "workdir", "refused"),
    [
        (None, "/", True),
        (["/data"], "/", True),
        (["/data/x"], "/", True),
        (["/"], "/", True),
        (["/database"], "/", False),
        (["/tmp"], "/", False),
        ([], "/", False),
        (["/tmp"], "/data/x", True),
    ],
)
def test_a_run_may_not_touch_a_volume(touches, workdir, refused):
    graph = HEAD.add(Run(["/x"], touches=touches, workdir=workdir, name="my step"))
    facts = {"volumes": ("/data/",), **with_paths(__data=DIR, __data__x=DIR)}
    if refused:
        error = error_of(planned, graph, **facts)
        assert (
            isinstance(error, BaseError)
            and "VOLUME /data" in error.message
            and error.location == "my step"
            and error.hint
        )
    else:
        planned(graph, **facts)


def test_a_copy_may_go_to_a_volume():
    planned(HEAD.add(Copy(Text(b""), "/data/x", "file")), volumes=("/data",))


# --- destinations ---------------------------------------------------------------------------------------------------


def test_a_destination_through_a_link_is_freed_of_it():
    facts = with_paths(__lnk=PathFact("link", target="/opt"), __opt__sub=PathFact("link", target="/usr/real"))
    dests = [
        copy.dest
        for copy in planned(
            HEAD.add(
                Copy(Empty(), "/lnk"),
                Copy(Empty(), "/lnk/a/b"),
                Copy(Text(b""), "/lnk/f", "file"),
                Copy(Text(b""), "/lnk/sub/f", "file"),
            ),
            **facts,
        ).layers
    ]
    assert dests == ["/opt", "/opt/a/b", "/opt/f", "/usr/real/f"]


def test_a_file_replaces_a_link_of_its_own_name():
    graph = HEAD.add(Copy(Text(b""), "/opt/l", "file"))
    assert planned(graph, **with_paths(__opt__l=PathFact("link", target="/usr/x"))).layers[0].dest == "/opt/l"
    error = error_of(planned, graph, **with_paths(__opt__l=LINK))
    assert "broken link" in error.message, "the engine cannot replace a link that leads to itself"


def test_a_destination_through_a_dangling_or_endless_link_is_refused():
    loop = with_paths(__l=PathFact("link", target="/l"))
    for facts in (with_paths(__l=LINK), loop):
        for copy in (Copy(Empty(), "/l", name="s"), Copy(Text(b""), "/l/x", "file", name="s")):
            error = error_of(planned, HEAD.add(copy), **facts)
            assert isinstance(error, GraphError) and "/l" in error.message and error.location == "s"


def test_a_link_to_the_root_is_followed():
    facts = with_paths(__l=PathFact("link", target="/"))
    assert planned(HEAD.add(Copy(Text(b""), "/l/x", "file")), **facts).layers[0].dest == "/x"
    assert planned(HEAD.add(Copy(Empty(), "/l")), **facts).layers[0].dest == "/"


@for_each(
    ("copy", "path", "fact", "said"),
    [
        (Copy(Text(b""), "/a/x", "file"), "/a/x", DIR, "/a/x is already a dir"),
        (Copy(Empty(), "/a/x"), "/a/x", FILE, "/a/x is already a file"),
        (Copy(Empty(), "/a/x"), "/a/x", PathFact("other"), "/a/x is already a other"),
        (Copy(Text(b""), "/a/x", "file"), "/a/x", PathFact("other"), "/a/x is already a other"),
        (Copy(Empty(), "/a/x/y"), "/a", FILE, "/a is a file, not a folder"),
        (Copy(Text(b""), "/a/x", "file"), "/a", FILE, "/a is a file, not a folder"),
    ],
)
def test_conflicts_with_what_the_base_has_are_refused(copy, path, fact, said):
    error = error_of(planned, HEAD.add(evolve(copy, name="my step")), paths={path: fact})
    assert isinstance(error, GraphError) and said in error.message and error.location == "my step"


@for_each(
    ("path", "fact", "refused"),
    [
        ("/app/d", FILE, True),
        ("/app/d", PathFact("link", target="/opt"), True),
        ("/app/d", DIR, False),
        ("/app/d/f", DIR, True),
        ("/app/d/f", FILE, False),
        ("/app/d/f", PathFact("link", target="/usr/x"), False),
        ("/app/d/f", LINK, True),
        ("/app/l", DIR, True),
        ("/app/l", FILE, False),
    ],
)
def test_entries_of_a_tree_conflict_too(tmp_path, path, fact, refused):
    source = local(make(tmp_path, {"d/f": "x", "l": "->d"}))
    graph, facts = HEAD.add(Copy(source, "/app")), {"paths": {**FACTS.paths, path: fact}}
    if refused:
        assert path in error_of(planned, graph, **facts).message
    else:
        planned(graph, **facts)


def test_ops_conflict_with_each_other(tmp_path):
    file, folder = Copy(Text(b""), "/n/x", "file", name="one"), Copy(Empty(), "/n/x", name="two")
    for pair in itertools.permutations((file, folder)):
        assert "/n/x" in error_of(planned, HEAD.add(*pair)).message
    beneath = Copy(Text(b""), "/n/x/y", "file")
    assert "/n/x is a file, not a folder" in error_of(planned, HEAD.add(file, beneath)).message
    link = Copy(local(make(tmp_path, {"d/f": "", "l": "->d"})), "/n")
    assert "/n/l is a link" in error_of(planned, HEAD.add(link, Copy(Empty(), "/n/l/x"))).message


def test_kind_and_source_must_fit(tmp_path):
    make(tmp_path, {"f": "x", "d/f": "x"})
    assert "'tree'" in error_of(planned, HEAD.add(Copy(local(tmp_path / "f"), "/x"))).message
    assert "'file'" in error_of(planned, HEAD.add(Copy(local(tmp_path / "d"), "/x", "file"))).message


def test_missing_working_directories_are_made_for_root_first():
    graph = HEAD.add(Run(["/a"], "5:5", workdir="/w/x", touches=["/tmp"]), Run(["/b"], workdir="/w/x")).configure(
        workdir="/home/me"
    )
    made = planned(graph)
    assert [getattr(layer, "dest", None) or layer.argv[0] for layer in made.layers] == [
        "/w/x",
        "/a",
        "/b",
        "/home/me",
    ]
    assert all(layer.uid is None for layer in made.layers if isinstance(layer, Copy))
    assert len(planned(HEAD.add(Run(["/a"], workdir="/opt/env")).configure(workdir="/app")).layers) == 1
    for fact in (FILE, LINK, PathFact("other")):
        assert "/w" in error_of(planned, HEAD.add(Run(["/a"], workdir="/w")), **with_paths(__w=fact)).message


def test_what_is_asked_of_a_base(tmp_path):
    inner = Graph(OTHER, [Run(["/x"], workdir="/inner/dir"), Copy(Empty(), "/made")])
    graph = HEAD.add(
        Run(["/x"], workdir="/work"),
        Copy(tree(tmp_path, "t", "d/f"), "/a/b"),
        Copy(Built(inner, "/made"), "/from"),
    ).configure(workdir="/home/me")
    assert probed_paths(graph) == (
        "/a", "/a/b", "/a/b/d", "/a/b/d/f", "/from", "/home", "/home/me", "/inner", "/inner/dir", "/made", "/work"
    )  # fmt: skip
    assert prefixes("/a/b/c") == ("/a", "/a/b", "/a/b/c") and prefixes("/") == ()


# --- nested stages --------------------------------------------------------------------------------------------------


def test_a_stage_is_resolved_on_its_own_base():
    inner = Graph(OTHER, [Run([FromBase("environment", after="/x")], FromBase("environment_owner"))])
    graph = HEAD.add(Copy(Built(Graph(BASE, [Copy(Built(inner, "/out"), "/mid")]), "/mid"), "/end"))
    assert bases(graph) == (BASE, OTHER)
    made = plan(graph, {BASE: FACTS, OTHER: evolve(FACTS, environment="/other", environment_uid=5)})
    stage = made.layers[0].source.graph.layers[0].source.graph
    assert stage.layers[0].argv == ("/other/x",) and stage.layers[0].user == "5:88"
    pinned = pin(graph, {OTHER: DIGEST})
    assert pinned.base == BASE and bases(pinned) == (BASE, From(OTHER.reference, DIGEST))


def test_a_stages_base_is_checked_too():
    inner = Graph(OTHER, [Run(["/x"])])
    facts = {BASE: FACTS, OTHER: evolve(FACTS, onbuild=("RUN x",))}
    error = error_of(plan, HEAD.add(Copy(Built(inner, "/out"), "/x")), facts)
    assert "ONBUILD" in error.message and error.location == OTHER.pinned


# --- the order ------------------------------------------------------------------------------------------------------


def names(graph: Graph, **facts) -> list[str]:
    return [op.name for op in planned(graph, **facts).ops]


def test_what_runs_is_first_then_what_changes_rarely_then_often(tmp_path):
    graph = HEAD.add(
        Copy(tree(tmp_path, "c", "score.py"), "/app", uid=1, gid=1, changes="often", name="code"),
        Copy(Text(b"w"), "/app/models/m", "file", name="model"),
        Run(["/x"], touches=["/opt/env"], name="pip"),
        Copy(Text(b"w"), "/usr/x", "file", name="rest"),
    )
    made = planned(graph)
    assert [op.name for op in made.ops] == ["pip", "model", "rest", "code"]
    assert "runs a command" in made.ops[0].why and "rarely" in made.ops[1].why and "often" in made.ops[3].why


def test_a_run_that_may_touch_anything_is_a_barrier():
    code = Copy(Text(b"c"), "/app/c", "file", changes="often", name="code")
    model = Copy(Text(b"m"), "/app/m", "file", name="model")
    graph = HEAD.add(code, Run(["/x"], name="anything"), model)
    assert names(graph) == ["code", "anything", "model"]
    made = planned(graph)
    assert "anything" in made.ops[0].why and "may read or write" in made.ops[0].why
    assert made.engine_part == made.layers[:2] and made.file_layers == made.layers[2:]


def test_a_run_keeps_its_place_among_what_it_touches():
    early, late = (Copy(Text(text), "/opt/env/x", "file", name=text.decode()) for text in (b"early", b"late"))
    graph = HEAD.add(early, Run(["/x"], touches=["/opt/env"], name="pip"), late)
    assert names(graph) == ["early", "pip", "late"]
    assert planned(graph).engine_part == planned(graph).layers[:2]


def test_the_same_copy_before_and_after_a_run_stays_twice():
    copy = Copy(Text(b""), "/opt/env/x", "file", name="again")
    made = planned(HEAD.add(copy, Run(["/x"], touches=["/opt/env"]), copy))
    assert len(made.layers) == 3 and made.file_layers == (copy,)


def test_a_copy_beneath_a_missing_parent_that_a_run_may_write_stays():
    run = Run(["/x"], touches=["/new/log"], name="run")
    copy = Copy(Text(b""), "/new/dir/file", "file", name="copy")
    assert names(HEAD.add(copy, run)) == ["copy", "run"], "the run's folder is there only after the copy"
    assert names(HEAD.add(copy, run), **with_paths(__new=DIR)) == ["run", "copy"]


STAGE = Built(Graph(BASE, [Run(["/make"])]), "/out")


@for_each(
    ("first", "second"),
    [
        (Copy(STAGE, "/app/a"), Copy(STAGE, "/app/a/b")),
        (Copy(STAGE, "/app/a/b"), Copy(STAGE, "/app/a")),
        (Copy(STAGE, "/app"), Copy(STAGE, "/app")),
        (Copy(STAGE, "/app"), Copy(Text(b""), "/app/a", "file")),
        (Copy(Empty(), "/app/a"), Copy(Text(b""), "/app/a/b", "file")),
        (Copy(Text(b""), "/app/a/b", "file"), Copy(Empty(), "/app/a")),
        (Copy(Text(b"1"), "/app/a", "file"), Copy(Text(b"2"), "/app/a", "file")),
    ],
    ids=lambda each: f"{type(each.source).__name__} to {each.dest}",
)
def test_copies_that_write_the_same_keep_their_order(first, second):
    first, second = evolve(first, name="first", changes="often"), evolve(second, name="second")

    def order(*copies: Copy) -> list[str]:
        return [op.name for op in schedule(Graph(BASE, copies), FACTS)]

    assert order(first, second) == ["first", "second"]
    assert order(first, evolve(second, dest="/other")) == ["second", "first"]


@for_each(
    ("touches", "workdir", "end", "kept"),
    [
        ("/via", "/", "/data", True),
        ("/tmp", "/via", "/data", True),
        ("/via/x", "/", "/data/deep", True),
        ("/via/x", "/", "/other", False),
        ("/via/x", "/", "/via", True),
        ("/via/x", "/", "", True),
    ],
    ids=["touched", "working directory", "beneath", "elsewhere", "circle", "nowhere"],
)
def test_a_run_keeps_its_place_also_by_the_base_s_links(touches, workdir, end, kept):
    """Where a link's end is not known it may be anywhere."""
    copy = Copy(Empty(), "/data/deep/x", name="copy")
    graph = HEAD.add(copy, Run(["/x"], workdir=workdir, touches=[touches], name="run"))
    paths = with_paths(__via=evolve(LINK, target=end), __data=DIR, __data__deep=DIR, __other=DIR)
    assert names(graph, **paths) == (["copy", "run"] if kept else ["run", "copy"])
    assert {"/via"} <= set(probed_paths(graph))


def test_a_run_keeps_its_place_also_by_a_copied_link(tmp_path):
    folder = tree(tmp_path, "folder", "real/a")
    (tmp_path / "folder/link").symlink_to("real")
    folder = local(tmp_path / "folder")
    first = Copy(folder, "/data", name="folder")
    second = Copy(Text(b""), "/data/real/b", "file", name="copy")
    run = Run(["/x"], touches=["/data/link/b"], name="run")
    assert names(HEAD.add(first, second, run)) == ["folder", "copy", "run"]


def test_a_run_is_not_moved_before_what_makes_its_working_directory():
    copy = Copy(Empty(), "/w", uid=5, gid=5, name="copy")
    graph = HEAD.add(copy, Run(["/x"], workdir="/w", touches=["/tmp"], name="run"))
    assert names(graph)[0] == "copy" and names(graph)[-1] == "run"


def test_engine_part_holds_what_a_copy_that_is_read_lies_upon(tmp_path):
    under = Copy(Text(b"1"), "/app/a", "file", name="under")
    tree_ = Copy(tree(tmp_path, "t", "a", "b"), "/app", name="tree")
    made = planned(HEAD.add(under, tree_, Run(["/x"], touches=["/app/b"], name="run")))
    assert [layer.name for layer in made.engine_part] == ["under", "tree", "run"] and made.file_layers == ()


def test_stages_stay_apart():
    one, two = (Built(Graph(BASE, [Run([f"/{name}"])]), "/out") for name in "ab")
    first = Copy(one, "/new", changes="often", name="first")
    assert names(HEAD.add(first, Copy(two, "/usr/x", name="second"))) == ["second", "first"]
    for dest in ("/new", "/new/sub"):
        error = error_of(lambda dest=dest: names(HEAD.add(first, Copy(two, dest, name="second"))))
        assert isinstance(error, GraphError) and error.location == "second" and "stage" in error.message
    error = error_of(lambda: names(HEAD.add(first, Copy(Empty(), "/new/sub", name="second"))))
    assert isinstance(error, GraphError) and error.location == "second"
    for dest, known in (("/", {}), ("/app", with_paths(__app=DIR))):
        error = error_of(lambda dest=dest, known=known: names(HEAD.add(Copy(one, dest, name="over")), **known))
        assert isinstance(error, GraphError) and "already exists" in error.message


def test_new_folders_in_one_with_the_setgid_bit_are_refused():
    known = with_paths(__srv=PathFact("dir", 0o2775, 0, 50), __srv__there=DIR)
    for op in (
        Copy(Empty(), "/srv/new"),
        Copy(Empty(), "/srv/new/deeper", uid=1, gid=1),
        Copy(Text(b""), "/srv/new/f", "file"),
    ):
        assert "setgid" in error_of(lambda op=op: names(HEAD.add(op), **known)).message
    assert names(HEAD.add(Copy(Text(b""), "/srv/f", "file"), Copy(Empty(), "/srv/there/new")), **known)


def test_a_file_onto_a_link_to_a_folder_is_refused(tmp_path):
    known = with_paths(__link=PathFact("link", target="/app"), __app=DIR, __to_file=PathFact("link", target="/f"))
    onto_folder = error_of(lambda: names(HEAD.add(Copy(Text(b""), "/link", "file")), **known))
    assert "link to a folder" in onto_folder.message
    assert names(HEAD.add(Copy(Text(b""), "/to_file", "file")), **known)
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "link").symlink_to("sub")
    tree = Copy(local(tmp_path / "tree"), "/new")
    assert "link to a folder" in error_of(lambda: names(HEAD.add(tree, Copy(Text(b""), "/new/link", "file")))).message


_PATHS = ["/app", "/app/a", "/app/a/b", "/new", "/new/a", "/new/a/b", "/usr/x"]
_files = st.sampled_from(_PATHS[1:]).map(lambda path: Copy(Text(path.encode()), path + ".f", "file"))
_trees = st.builds(
    lambda path, owner, root: Copy(Empty(), path, uid=owner, gid=owner, root=root),
    st.sampled_from(_PATHS),
    st.sampled_from([None, 5]),
    st.sampled_from([None, Root(6, 6, 0o700)]),
)
_stages = st.sampled_from(_PATHS).map(lambda path: Copy(Built(Graph(BASE, [Run(["/make"])]), "/out"), path))
_runs = st.one_of(st.none(), st.lists(st.sampled_from(_PATHS), max_size=2)).map(lambda at: Run(["/x"], touches=at))
_layers = st.lists(
    st.tuples(st.one_of(_files, _trees, _stages, _runs), st.sampled_from(["rarely", "often"])), max_size=7
).map(
    lambda pairs: [
        evolve(layer, name=str(n), **({} if isinstance(layer, Run) else {"changes": changes}))
        for n, (layer, changes) in enumerate(pairs)
    ]
)


def effects(layer, facts: BaseFacts) -> tuple[set[str], set[str], str | None]:
    """Told apart from the scheduler: paths that an op sets, those it makes if missing, a folder that it fills."""
    made = {path for path in prefixes(layer.dest)[:-1] if path not in facts.paths}
    if isinstance(layer.source, Built):
        return {layer.dest} if layer.dest not in facts.paths else set(), made, layer.dest
    kept = layer.kind == "tree" and layer.root is None and layer.dest in facts.paths
    return (set() if kept else {layer.dest}), made, None


def may_swap(one, two, facts: BaseFacts) -> bool:
    """docs/design.md, law 4, written down once more."""
    if isinstance(one, Run) and isinstance(two, Run):
        return False
    if isinstance(one, Run) or isinstance(two, Run):
        run, copy = (one, two) if isinstance(one, Run) else (two, one)
        if run.touches is None:
            return False
        sets, made, _ = effects(copy, facts)
        near = {copy.dest, *sets, *made}
        return not any(a == b or a.startswith(f"{b}/") or b.startswith(f"{a}/") for a in near for b in run.touches)
    (sets1, made1, fill1), (sets2, made2, fill2) = effects(one, facts), effects(two, facts)
    if sets1 & sets2 or sets1 & made2 or made1 & sets2:
        return False
    for fill, others, their_fill in ((fill1, sets2 | made2, fill2), (fill2, sets1 | made1, fill1)):
        if fill and any(path.startswith(f"{fill}/") for path in others):
            return False
        if fill and their_fill and (fill == their_fill or their_fill.startswith(f"{fill}/")):
            return False
    return True


@settings(settings.get_profile("orders"))
@given(_layers)
def test_the_order_is_a_permutation_in_which_what_conflicts_keeps_its_order(layers):
    ops = schedule(Graph(BASE, layers), FACTS)
    order = [int(op.name) for op in ops]
    assert Counter(order) == Counter(range(len(layers))), "nothing is lost, nothing is made"
    assert all(op.why for op in ops)
    for i, j in itertools.combinations(range(len(layers)), 2):
        if not may_swap(layers[i], layers[j], FACTS):
            assert order.index(i) < order.index(j), (layers[i], layers[j])


@settings(settings.get_profile("orders"))
@given(_layers)
def test_runs_keep_their_order_and_barriers_their_sides(layers):
    order = [int(op.name) for op in schedule(Graph(BASE, layers), FACTS)]
    runs = [n for n in order if isinstance(layers[n], Run)]
    assert runs == sorted(runs)
    for n, layer in enumerate(layers):
        if isinstance(layer, Run) and layer.touches is None:
            assert set(order[: order.index(n)]) == set(range(n))


@settings(settings.get_profile("orders"))
@given(_layers)
def test_the_order_is_settled_and_the_parts_may_be_apart(layers):
    graph = Graph(BASE, layers)
    try:
        made = planned(graph)
    except GraphError:
        return
    assert [op.layer for op in schedule(Graph(BASE, made.layers), FACTS)] == list(made.layers)
    parts = [*made.engine_part, *made.file_layers]
    assert Counter(layer.name for layer in parts) == Counter(layer.name for layer in made.layers)
    places = [next(n for n, layer in enumerate(parts) if layer is each) for each in made.layers]
    for i, j in itertools.combinations(range(len(places)), 2):
        if places[i] > places[j]:
            assert may_swap(made.layers[i], made.layers[j], FACTS)
    assert not any(isinstance(layer, Run) for layer in made.file_layers)


@settings(settings.get_profile("orders"))
@given(_layers)
def test_what_changes_often_is_late(layers):
    """Without conflicts, what changes often comes last."""
    order = schedule(Graph(BASE, layers), FACTS)
    for earlier, later in itertools.pairwise(order):
        if getattr(earlier.layer, "changes", "") == "often" and getattr(later.layer, "changes", "") == "rarely":
            assert any(not may_swap(earlier.layer, op.layer, FACTS) for op in order if op is not earlier)


# --- the runtime key ------------------------------------------------------------------------------------------------


def recipe(tmp_path, requirements="numpy==1\n", code="c", model="m", base=BASE, **config) -> Graph:
    make(tmp_path, {"requirements.txt": requirements, "code/score.py": code, "model/m": model})
    at = "/usr/share/dagger-aml/requirements.txt"
    return (
        Graph(base)
        .add(
            Copy(local(tmp_path / "requirements.txt"), at, "file", name="requirements"),
            Run(["/opt/env/bin/pip", "-r", at], "5:5", {"A": "1"}, touches=["/opt/env", "/usr/share/dagger-aml"]),
            Copy(local(tmp_path / "code"), "/app", uid=1, gid=1, changes="often", name="code"),
            Copy(local(tmp_path / "model"), "/app/models", name="model"),
        )
        .configure(**config)
    )


def test_code_model_and_config_leave_the_runtime_key_alone(tmp_path):
    before = runtime_key(planned(recipe(tmp_path)))
    assert before.startswith("sha256:")
    for changed in (
        {"code": "other"},
        {"model": "other and longer"},
        {"env": {"A": "2"}},
        {"labels": {"a": "b"}},
        {"user": "me"},
        {"ports": [80]},
        {"cmd": ["x"]},
    ):
        assert runtime_key(planned(recipe(tmp_path, **changed))) == before, changed


def test_what_runs_and_what_it_reads_change_the_runtime_key(tmp_path):
    def changed(index: int, **changes) -> Graph:
        graph = recipe(tmp_path)
        layers = [evolve(layer, **changes) if n == index else layer for n, layer in enumerate(graph.layers)]
        return evolve(graph, layers=layers)

    makers = {
        "nothing": lambda: recipe(tmp_path),
        "requirements": lambda: recipe(tmp_path, requirements="numpy==2\n"),
        "base": lambda: recipe(tmp_path, base=OTHER),
        "digest": lambda: recipe(tmp_path, base=From("example.org/base:1", DIGEST)),
        "platform": lambda: recipe(tmp_path, base=evolve(BASE, platform="linux/arm64")),
        "argv": lambda: changed(1, argv=["/x"]),
        "user": lambda: changed(1, user="6:6"),
        "env": lambda: changed(1, env={"A": "2"}),
        "workdir": lambda: changed(1, workdir="/tmp"),
        "what it may read": lambda: changed(1, touches=None),
        "owner": lambda: changed(0, uid=3, gid=3),
        "one more": lambda: recipe(tmp_path).add(Run(["/y"])),
    }
    found = {what: runtime_key(planned(make())) for what, make in makers.items()}
    # What a run may read counts by the copies that it then reads: here it reads no others, as they come later.
    assert found.pop("what it may read") == found["nothing"]
    assert len(set(found.values())) == len(found), found


def test_a_pinned_base_is_known_by_its_digest_alone():
    graph = HEAD.add(Run(["/x"]))
    mirrored = Graph(From("mirror.example/base:1", DIGEST), graph.layers)
    assert runtime_key(planned(pin(graph, {BASE: DIGEST}))) == runtime_key(planned(mirrored))


def test_a_stages_inputs_are_part_of_it(tmp_path):
    """Whether or not a command of the image reads what the stage made: the stage's own commands run all the same."""

    def graph(word: str, read: bool = True) -> Graph:
        stage = Graph(OTHER, [Copy(Text(word.encode()), "/in", "file"), Run(["/make"])])
        return HEAD.add(Copy(Built(stage, "/out"), "/app/x"), Run(["/x"], touches=["/app/x"] if read else ["/tmp"]))

    assert runtime_key(planned(graph("a"))) != runtime_key(planned(graph("b")))
    assert runtime_key(planned(graph("a", False))) != runtime_key(planned(graph("b", False)))


def test_a_known_runtime_key_is_still_the_same():
    """If this fails, images made before are not found again: raise SCHEMA, and only then change the number here."""
    stage = Graph(OTHER, [Copy(Text(b"in"), "/in", "file"), Run(["/make"])])
    graph = HEAD.add(
        Copy(Built(stage, "/out"), "/opt/env/x", root=Root(5, 6, 0o700)),
        Run(["/opt/env/bin/python", "é"], "5:6", {"A": "1"}, "/tmp", ["/opt/env"]),
    )
    found = runtime_key(planned(pin(graph, {BASE: DIGEST})))
    assert found == "sha256:c4b20bff9875b9d25e0a45166c7588ff184bc842ce818d02e31f276ad8e6b2ed"


def test_names_shown_are_no_part_of_it():
    one, two = (HEAD.add(Run(["/x"], name=name)) for name in ("one", "two"))
    assert runtime_key(planned(one)) == runtime_key(planned(two))


# --- facts ----------------------------------------------------------------------------------------------------------


def test_the_answer_of_a_base_is_read():
    answer = (
        "user 1000 1001\nenvironment 5 6 3.12\nextras yes\n"
        "dir 755 0 0 \npath /var\nlink 777 0 0 /data/real\npath /var/l\nlink 777 0 0 \npath /gone\n"
        "other 666 0 0 \npath /dev/null\ndir 1777 0 0 \npath /a b \n"
    )
    found = from_probe(answer, BaseFacts("probed", environment="/env"))
    assert (found.uid, found.gid, found.environment_uid, found.environment_gid) == (1000, 1001, 5, 6)
    assert (found.python, found.extras, found.environment) == ("3.12", True, "/env")
    assert found.path("/var/l") == PathFact("link", 0o777, 0, 0, "/data/real")
    assert found.path("/gone").target == "" and found.path("/dev/null").type == "other"
    assert found.path("/a b ").mode == 0o1777 and found.path("/absent") is None


def test_a_base_without_python_or_start_script():
    found = from_probe("user 0 0\nextras none\n", BaseFacts("probed", environment="/env"))
    assert found.environment is None and found.python is None and found.extras is False


@pytest.mark.parametrize(
    "answer", ["", "sh: not found\n", "user a b\n", "user 1\n", "user 1 2\nextras yes\ndir x 0 0 \n"]
)
def test_what_is_no_answer_is_told(answer):
    assert isinstance(error_of(from_probe, answer, BaseFacts("probed")), BaseError)


def test_only_paths_that_fit_on_a_line_are_asked_for():
    assert probe_stdin(["/a", "/b\nc", "/d\u2028", "/e f"]) == "/a\n/e f\n"


def test_make_plan_assumes_what_it_is_not_told():
    made = make_plan(HEAD)
    assert made.facts.source == "assumed" and make_plan(HEAD, {BASE: FACTS}).facts is FACTS
