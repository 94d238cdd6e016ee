"""What a graph refuses, so that what exists can be carried out; and that it never changes."""

from __future__ import annotations

import posixpath
import subprocess

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dagger_aml import Built, Config, Copy, Empty, From, FromBase, Graph, GraphError, Local, Run, Text
from dagger_aml.finding import Finding
from dagger_aml.graph.base import Need
from dagger_aml.graph.checks import parse_reference
from dagger_aml.graph.graph import Root
from dagger_aml.graph.source import Entry
from dagger_aml.graph.stages import StagedOp, map_stages, stages, walk
from tests.support.cases import for_each

from .strings import HOSTILE, commands, paths, values

DIGEST = "sha256:" + "0123456789abcdef" * 4


def refused(make, *said: str) -> GraphError:
    """The error of a call that must be refused as wrong use, its message naming what is wrong."""
    with pytest.raises(GraphError) as caught:
        make()
    assert caught.value.exit_code == 2
    for text in said:
        assert text in str(caught.value)
    return caught.value


# --- any string -----------------------------------------------------------------------------------------------------


@given(commands, commands)
def test_nul_is_refused_everywhere_and_the_field_is_named(before, after):
    text = f"{before}\0{after}"
    refused(lambda: Run(["/bin/sh", text]), "argv[1]", "NUL")
    refused(lambda: Run(["/bin/sh"], env={"A": text}), "env.A", "NUL")
    refused(lambda: Config(env={"A": text}), "env.A", "NUL")
    refused(lambda: Config(labels={"a": text}), "label a", "NUL")
    refused(lambda: Config(cmd=[text]), "cmd", "NUL")
    refused(lambda: Config(entrypoint=[text]), "entrypoint", "NUL")
    refused(lambda: Copy(Empty(), f"/{text}"), "dest", "NUL")
    refused(lambda: Run(["/bin/sh"], workdir=f"/{text}"), "workdir", "NUL")
    refused(lambda: Run(["/bin/sh"], touches=[f"/{text}"]), "touches[0]", "NUL")
    refused(lambda: Run(["/bin/sh", FromBase("user", before=text)]), "argv[1]", "NUL")
    refused(lambda: Config(env={"A": FromBase("user", after=text)}), "env.A", "NUL")
    refused(lambda: From.parse(text), "base", "NUL")


@given(values, st.sampled_from(["\n", "\r", "\r\n"]), values)
def test_line_breaks_are_refused_where_a_dockerfile_cannot_carry_them(before, end, after):
    text = before + end + after
    refused(lambda: Config(env={"A": text}), "env.A", "line break", "file")
    refused(lambda: Config(labels={"a.b": text}), "label a.b", "line break")
    refused(lambda: Run(["/x"], env={"A": text}), "env.A", "line break")
    refused(lambda: Config(env={"A": FromBase("user", before=text)}), "env.A", "line break")
    assert Run(["/bin/sh", "-c", text]).argv[2] == text
    assert Config(cmd=["x", text]).cmd == ("x", text)


@given(values)
def test_all_else_is_kept_as_it_is(text):
    assert Config(env={"A": text}).env["A"] == text
    assert Config(labels={"a": text}).labels["a"] == text
    assert Run(["/x", text], env={"A": text}).command == ("/usr/bin/env", f"A={text}", "/x", text)


@pytest.mark.parametrize("text", ["\ud800", "a\udc80b"])
def test_what_is_not_utf8_is_refused(text):
    refused(lambda: Run(["/x", text]), "argv[1]", "UTF-8")
    refused(lambda: Config(env={"A": text}), "env.A", "UTF-8")
    refused(lambda: Copy(Empty(), f"/{text}"), "dest", "UTF-8")


@pytest.mark.parametrize("value", [1, None, b"x", ["x"], True])
def test_what_is_not_text_is_refused(value):
    refused(lambda: Run(["/x", value]), "argv[1]", "must be text")
    refused(lambda: Config(env={"A": value}), "env.A", "must be text")
    refused(lambda: Config(labels={"a": value}), "label a", "must be text")
    refused(lambda: Copy(Empty(), value), "dest", "must be text")
    refused(lambda: Built(Graph(), value), "path", "must be text")


def test_long_values_are_shown_short():
    error = refused(lambda: Config(env={"A": "x" * 100_000 + "\n"}))
    assert len(str(error)) < 300 and "100001 characters" in str(error)


# --- paths ----------------------------------------------------------------------------------------------------------


@for_each(
    "path",
    [
        "",
        "x",
        "x/y",
        "./x",
        "../x",
        "/..",
        "/x/../y",
        "/x/.",
        "/./x",
        "//x",
        "/x//y",
        "/x/",
        "~/x",
        "C:\\x",
        "/a\nb",
        "/a\tb",
        "/a\x7fb",
        "/a\x1bb",
        "/" + "n" * 256,
        "/" + "é" * 128,
        "/n" * 2048,
    ],
)
def test_paths_that_are_not_plain_are_refused(path):
    refused(lambda: Copy(Empty(), path), "dest")
    refused(lambda: Copy(Text(b""), path, "file"), "dest")
    refused(lambda: Run(["/x"], workdir=path), "workdir")
    refused(lambda: Run(["/x"], touches=["/ok", path]), "touches[1]")
    refused(lambda: Run([path]), "argv[0]")
    refused(lambda: Config(workdir=path), "workdir")
    refused(lambda: Built(Graph(), path), "path")


@given(paths)
def test_plain_paths_are_kept(path):
    assert Copy(Empty(), path).dest == path
    assert Config(workdir=path).workdir == path


@given(st.text(st.sampled_from("/.ab "), max_size=12))
def test_a_path_is_taken_just_if_it_is_its_own_plain_form(path):
    plain = path.startswith("/") and not path.startswith("//") and posixpath.normpath(path) == path
    try:
        Config(workdir=path)
    except GraphError:
        assert not plain
    else:
        assert plain


@pytest.mark.parametrize("path", ["/a*b", "/a?", "/[a]", "/a\\b"])
def test_what_builders_take_for_a_pattern_is_refused_of_a_stage(path):
    refused(lambda: Built(Graph(), path), "pattern")


@for_each("path", ["", "/etc/passwd", "..", "../x", "a/../../x", "a//b", "a/", "./a", "a\0b"])
def test_entries_stay_below_their_folder(path):
    refused(lambda: Entry(path, "file", 0o644), "inside a folder")


# --- users, modes, ports, names -------------------------------------------------------------------------------------


@for_each("user", ["root", "dockeruser", "_apt", "a-b", "1000", "0:0", "1000:1000", "me:staff", "App"])
def test_users_are_kept(user):
    assert Run(["/x"], user).user == user
    assert Config(user=user).user == user


@for_each(
    "user", ["", "a b", "$USER", "a:b:c", ":0", "0:", "-1", "a\n", "a\nRUN id", "${X}", '"a"', "a\\", "#", "a=b", "ü"]
)
def test_what_is_no_user_is_refused(user):
    refused(lambda: Run(["/x"], user), "user")
    refused(lambda: Config(user=user), "user")


@for_each("number", [-1, 2**32 - 1, 2**40, "1000", "0; id", 1.0, True])
def test_owners_are_numbers(number):
    refused(lambda: Copy(Empty(), "/x", "tree", number, 0), "uid")
    refused(lambda: Copy(Empty(), "/x", "tree", 0, number), "gid")
    refused(lambda: Root(number, 0), "uid")


def test_an_owner_is_whole():
    refused(lambda: Copy(Empty(), "/x", "tree", 1000), "uid and gid")
    refused(lambda: Copy(Empty(), "/x", "tree", None, 1000), "uid and gid")


@for_each("mode", [0o4755, 0o2755, 0o1777, -1, "755", True])
def test_a_stated_root_has_permission_bits_alone(mode):
    refused(lambda: Root(0, 0, mode), "mode")


@for_each("name", ["", "1A", "A-B", "A B", "A=B", "A\n", "Ä", "$A", "A" * 300])
def test_variable_names(name):
    refused(lambda: Config(env={name: "x"}), "variable name")
    refused(lambda: Run(["/x"], env={name: "x"}), "variable name")


@for_each("name", ["", " ", "a b", "a=b", '"', "a\n", "-a", "a.", "ä", "$a", "a" * 300])
def test_label_names(name):
    refused(lambda: Config(labels={name: "x"}), "label name")


@for_each("port", [0, -1, 65536, "80", "80/udp", 80.0, True])
def test_ports(port):
    refused(lambda: Config(ports=[port]), "port")


@pytest.mark.parametrize("field", ["cmd", "entrypoint"])
def test_a_command_is_a_list(field):
    refused(lambda: Config(**{field: "sleep 1"}), "list", "brackets")


def test_argv_is_a_list_with_an_absolute_program():
    refused(lambda: Run("/bin/true"), "list")
    refused(lambda: Run([]), "argv is empty")
    refused(lambda: Run(["sh", "-c", "true"]), "argv[0]", "absolute")
    refused(lambda: Run(["/x"], touches="/tmp"), "list")


# --- references -----------------------------------------------------------------------------------------------------

_part = st.from_regex(r"[a-z0-9]+((\.|_|__|-{1,3})[a-z0-9]+){0,2}", fullmatch=True)
_host = st.one_of(
    st.just(""),
    st.from_regex(r"(localhost|[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?\.[a-z]{2,5})(:[0-9]{1,5})?/", fullmatch=True),
)
_tag = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True)
_digest = st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True)


@given(_host, st.lists(_part, min_size=1, max_size=3).map("/".join), st.none() | _tag, st.none() | _digest)
def test_references_are_split(host, repository, tag, digest):
    assume(len(host + repository) <= 255)
    text = host + repository + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    assert parse_reference(text) == (host + repository, tag, digest)
    found = From.parse(text)
    if digest:
        assert found.pinned == f"{host}{repository}@{digest}"
    else:
        assert found.pinned == f"{host}{repository}:{tag or 'latest'}"


@given(st.sampled_from(HOSTILE).filter(bool), st.sampled_from(["a", "a/b:1", "x.io:5000/a"]), st.booleans())
def test_nothing_hostile_hides_in_a_reference(text, good, first):
    bad = text + good if first else good + text
    try:
        name, tag, digest = parse_reference(bad)
    except GraphError as error:
        assert error.exit_code == 2
    else:
        assert bad == name + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
        assert not set(bad) & set(" \t\"'$\\#`<>|&;*?()")


@for_each(
    "text",
    [
        "",
        ":1",
        "A",
        "a/B",
        "a:",
        "a@",
        "a@sha256:1",
        f"a@{DIGEST.upper()}",
        "a//b",
        "/a",
        "a/",
        "a:b:c",
        "-a",
        "a..b",
        "http://a/b",
        "a b",
        "a\nRUN id",
        "a\n",
        "a --platform=x",
        "a AS b",
        "a:" + "t" * 129,
        "a" * 256,
    ],
)
def test_what_is_no_reference_is_refused(text):
    refused(lambda: From.parse(text), "base", "reference" if "\n" not in text else "line break")


def test_a_long_reference_is_refused_quickly():
    for text in ("a-" * 50_000 + "!", "a." * 50_000, "a" * 100_000 + "!", "a/" * 50_000):
        refused(lambda text=text: From.parse(text), "base")


@for_each("platform", ["", "linux", "windows/amd64", "linux/amd64 x", "linux/AMD64", "linux/arm64\n"])
def test_platforms(platform):
    refused(lambda: From("a:1", None, platform), "platform")


def test_a_digest_is_kept_apart():
    assert From.parse(f"a:1@{DIGEST}") == From("a:1", DIGEST)
    assert From("a:1", DIGEST).pinned == f"a@{DIGEST}"
    refused(lambda: From(f"a:1@{DIGEST}"), "From.parse")
    refused(lambda: From("a:1", "sha256:abc"), "digest")


# --- ops that fit together ------------------------------------------------------------------------------------------


def test_sources_and_kinds():
    stage = Built(Graph(From("a:1")), "/x")
    refused(lambda: Copy(stage, "/x", "file"), "Built")
    refused(lambda: Copy(Text(b""), "/x", "tree"), "Text")
    refused(lambda: Copy(Empty(), "/x", "file"), "Empty")
    refused(lambda: Copy(Text(b""), "/", "file"), "dest")
    refused(lambda: Copy(Empty(), "/", root=Root(0, 0)), "root")
    refused(lambda: Copy(Text(b""), "/x", "file", root=Root(0, 0)), "root")
    refused(lambda: Text(b"\xff"), "UTF-8")
    refused(lambda: Text("text"), "bytes")


def test_the_command_sets_its_variables_by_env_and_nothing_else():
    assert Run(["/bin/sh", "-c", "x"]).command == ("/bin/sh", "-c", "x")
    run = Run(
        [FromBase("environment", after="/bin/python")], env={"B": "2", "A": FromBase("pythonpath", before="/x")}
    )
    assert run.command == (
        "/usr/bin/env",
        "B=2",
        FromBase("pythonpath", before="A=/x"),
        FromBase("environment", after="/bin/python"),
    )


@given(
    st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,5}", fullmatch=True), values, min_size=1, max_size=3),
    st.lists(commands, max_size=3),
)
def test_env_hands_on_exactly_the_words(env, words):
    run = Run(["/usr/bin/printf", "%s\\0", *words], env=env)
    if len(words):
        said = subprocess.run(run.command, capture_output=True, check=True).stdout
        assert said == b"".join(word.encode() + b"\0" for word in words)


def test_a_program_that_env_would_take_for_a_variable_is_refused():
    assert Run(["/opt/a=b/x"]).command == ("/opt/a=b/x",)
    refused(lambda: Run(["/opt/a=b/x"], env={"A": "1"}), "argv[0]", "=")


# --- immutability ---------------------------------------------------------------------------------------------------


def test_nothing_can_be_changed():
    env, argv, labels = {"A": "1"}, ["/x"], {"a": "1"}
    run, config = Run(argv, env=env), Config(env=env, labels=labels)
    graph = Graph(From("a:1"), [run], config)
    env["A"], labels["a"] = "2", "2"
    argv.append("y")
    assert run.argv == ("/x",) and run.env == {"A": "1"}
    assert config.env == {"A": "1"} and config.labels == {"a": "1"}
    with pytest.raises(TypeError):
        config.env["A"] = "3"
    with pytest.raises(TypeError):
        run.env["A"] = "3"
    for thing, name in ((graph, "layers"), (run, "argv"), (config, "user"), (graph.from_, "digest")):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(thing, name, None)


def test_every_method_gives_a_new_graph():
    empty = Graph(From("a:1"))
    run, copy = Run(["/x"]), Copy(Empty(), "/y")
    one = empty.add(run)
    two = one.add(copy).configure(env={"A": "1"}, user="me").configure(env={"B": "2"}, labels={"a": "b"}, ports=[80])
    three = two.configure(ports=[80, 81]).warn("n").need(Need("extras", True, "why", "do"))
    assert empty.layers == () and one.layers == (run,) and two.layers == (run, copy)
    assert (
        dict(two.config.env) == {"A": "1", "B": "2"} and two.config.user == "me" and two.config.labels == {"a": "b"}
    )
    assert three.config.ports == (80, 81) and two.config.ports == (80,)
    assert (three.warnings, two.warnings) == ((Finding("n"),), ()) and len(three.needs) == 1
    assert one == Graph(From("a:1"), (Run(["/x"], name="another name"),)), (
        "names and notes are no part of what is made"
    )


def test_a_typing_error_is_an_error():
    with pytest.raises(TypeError):
        Graph().configure(envs={"A": "1"})


def test_a_graph_without_a_base_says_so():
    refused(lambda: Graph().from_, "no base", "base step")


def test_a_local_source_knows_its_size():
    assert Local("/x", [Entry("a", "file", 0o644, 3), Entry("b", "file", 0o755, 4)]).size == 7


# --- stages ---------------------------------------------------------------------------------------------------------


def test_one_walk_sees_the_ops_of_stages_and_of_their_stages():
    inner = Graph(From("a:1")).add(Run(["/inner"]))
    outer = Graph(From("b:1")).add(Copy(Built(inner, "/x"), "/y"), Run(["/outer"]))
    graph = Graph(From("c:1")).add(Run(["/first"]), Copy(Built(outer, "/y"), "/z"), Run(["/last"]))
    assert list(walk(graph.layers)) == [
        StagedOp(graph.layers[0]),
        StagedOp(graph.layers[1]),
        StagedOp(outer.layers[0], outer, 1),
        StagedOp(inner.layers[0], inner, 2),
        StagedOp(outer.layers[1], outer, 1),
        StagedOp(graph.layers[2]),
    ]
    assert list(stages(graph.layers)) == [outer, inner]


def test_every_stage_is_changed_once_the_innermost_first():
    inner = Graph(From("a:1"))
    outer = Graph(From("b:1")).add(Copy(Built(inner, "/x"), "/y"))
    graph = Graph(From("c:1")).add(Run(["/first"]), Copy(Built(outer, "/y"), "/z"))
    seen = []

    def change(stage):
        seen.append(stage)
        return stage.add(Run(["/more"]))

    changed = map_stages(graph, change)
    inside = outer.layers[0]
    whole = attrs.evolve(inside, source=Built(inner.add(Run(["/more"])), "/x"))
    assert seen == [inner, attrs.evolve(outer, layers=[whole])]
    assert list(walk(changed.layers)) != list(walk(graph.layers)) and changed.base == graph.base
    assert [op.layer.argv[0] for op in walk(changed.layers) if isinstance(op.layer, Run)] == [
        "/first",
        "/more",
        "/more",
    ]
