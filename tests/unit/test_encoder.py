"""Every builder reads back exactly what the encoder was given."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dagger_aml.backends.dockerfile import encoder
from tests.support.cases import for_each

from .reader import LONGEST_LINE, Instruction, Misread, expand, read
from .strings import HOSTILE, LINES, commands, paths, values

LONG = (
    "x" * 70_000,
    "x" * 300_000,
    "\\" * 70_000,
    " " * 70_000,
    "\t" * 70_000,
    "#" * 70_000,
    "# " * 40_000,
    '"' * 70_000,
    "$" * 70_000,
    "'" * 70_000,
    "é" * 70_000,
    "🦊" * 70_000,
    "\u2028" * 70_000,
    "\x01" * 70_000,
    "\\ #\t" * 20_000,
    "a" * 31_990 + "\\\\\\\\ # \\",
)

_numbers = st.integers(0, 2**31)


def read_one(text: str) -> Instruction:
    """The one instruction that every builder finds in the text, among others too if it is short."""
    among = [("# a comment\n\nFROM x\n", 'ENV LAST="x"\n')] if len(text) < 20_000 else []
    for before, after in (*among, ("", "")):
        found = [read(f"{before}{text}\n{after}", rules) for rules in ("moby", "imagebuilder")]
        assert found[0] == found[1], "builders differ"
        assert len(found[0]) == before.count("FROM") + 1 + after.count("ENV")
    return found[0][0]


@given(st.lists(commands, min_size=1, max_size=5))
@example(["/bin/sh", *HOSTILE, *LINES])
@pytest.mark.parametrize("write", [encoder.run, encoder.cmd, encoder.entrypoint])
def test_argv_reads_back(write, argv):
    one = read_one(write(argv))
    assert (one.name.lower(), one.flags, one.value) == (write.__name__, (), argv)


@given(values)
@pytest.mark.parametrize("name", ["A", "_x1", "PATH"])
def test_env_reads_back(name, value):
    assert read_one(encoder.env(name, value)) == Instruction("ENV", (), (name, value))


@for_each("value", HOSTILE)
def test_hostile_values_read_back(value):
    assert read_one(encoder.env("A", value)).value == ("A", value)
    assert read_one(encoder.label("a.b", value)).value == ("a.b", value)
    assert read_one(encoder.run(["/bin/sh", value])).value == ["/bin/sh", value]


@given(values)
def test_label_reads_back(value):
    assert read_one(encoder.label("org.example/a-b_c", value)) == Instruction(
        "LABEL", (), ("org.example/a-b_c", value)
    )


@given(paths)
@example("/ends in a blank ")
@example("/ends in a backslash\\")
@example("/\\")
@example("/ends in a wide blank\u3000")
@example("/a'b")
@example("/#")
def test_workdir_reads_back(path):
    assert read_one(encoder.workdir(path)) == Instruction("WORKDIR", (), path)


@given(
    paths, paths, st.none() | st.tuples(st.integers(0, 2**31), st.integers(0, 2**31)), st.sampled_from([None, "s-1"])
)
@example("/context/1/k", "/ends in a backslash\\", (1000, 1000), None)
@example("/<<EOF", "/--chown=0:0", None, "stage-1")
def test_copy_reads_back(source, dest, owner, stage):
    one = read_one(encoder.copy(source, dest, owner=owner, stage=stage))
    flags = [f"--from={stage}"] if stage else []
    flags += [f"--chown={owner[0]}:{owner[1]}"] if owner else []
    assert one == Instruction("COPY", tuple(flags), [f"{source}/", f"{dest}/"])


def test_copy_to_the_root():
    assert read_one(encoder.copy("context/1/k", "/")).value == ["context/1/k/", "/"]


@pytest.mark.parametrize("value", LONG, ids=lambda value: f"{value[:3]!r} x {len(value)}")
def test_long_values_read_back_from_short_lines(value):
    for text, meant in (
        (encoder.env("A", value), ("A", value)),
        (encoder.label("a", value), ("a", value)),
        (encoder.run(["/bin/sh", "-c", value]), ["/bin/sh", "-c", value]),
        (encoder.cmd([value]), [value]),
    ):
        assert max(len(line.encode()) for line in text.split("\n")) < LONGEST_LINE
        assert read_one(text).value == meant


@settings(max_examples=10)
@given(
    st.lists(
        st.tuples(st.sampled_from(["\\", " ", "#", '"', "$", "a", "é", "🦊", "\\ ", " #"]), st.integers(1, 40_000)),
        min_size=1,
        max_size=5,
    )
)
def test_any_mixture_of_long_runs_reads_back(parts):
    value = "".join(char * count for char, count in parts)
    assert read_one(encoder.env("A", value)).value == ("A", value)
    assert read_one(encoder.run(["/x", value])).value == ["/x", value]


def test_many_short_words_are_put_on_short_lines():
    words = ["/usr/bin/true", *(f"package-{number}" for number in range(20_000))]
    text = encoder.run(words)
    assert max(map(len, text.split("\n"))) < LONGEST_LINE
    assert read_one(text).value == words


@given(commands)
@example("syntax=docker/dockerfile:1")
@example("syntax = docker/dockerfile:1")
@example(" escape\t=`")
@example("check=skip=all")
@example("a\nsyntax=x\nRUN id")
@example("ends in a backslash\\")
@example("\u2028RUN id\rRUN id")
def test_a_comment_is_never_anything_else(text):
    written = encoder.comment(text) + "\n"
    for rules in ("moby", "imagebuilder"):
        assert read(written, rules) == []
        assert read(f'{written}ENV A="b"\n', rules) == [Instruction("ENV", (), ("A", "b"))]
    assert all(line.startswith("#") for line in written.rstrip("\n").split("\n"))
    assert written.removesuffix("\n").isprintable() or "\n" in text


@for_each("name", ["dockeruser", "0:0", "1000", "1000:1000", "a_b-c", "name$", "App:staff"])
def test_user_reads_back(name):
    assert read_one(encoder.user(name)) == Instruction("USER", (), name)


def test_plain_words_stay_readable():
    assert encoder.workdir("/var/azureml-app") == "WORKDIR /var/azureml-app"
    assert encoder.env("A", "b c") == 'ENV A="b c"'
    assert encoder.run(["/bin/sh", "-c", "é"]) == 'RUN ["/bin/sh", "-c", "é"]'
    assert encoder.expose(5001) == "EXPOSE 5001"
    assert encoder.from_("a/b:1", "linux/arm64", "s") == "FROM --platform=linux/arm64 a/b:1 AS s"


# --- BuildKit's own parser ------------------------------------------------------------------------------------------

_instructions = st.one_of(
    st.tuples(st.just("RUN"), st.lists(commands, min_size=1, max_size=4)),
    st.tuples(st.just("CMD"), st.lists(commands, max_size=3)),
    st.tuples(st.just("ENTRYPOINT"), st.lists(commands, max_size=3)),
    st.tuples(st.just("COPY"), st.tuples(paths, paths)),
    st.tuples(st.sampled_from(["ENV", "LABEL"]), values),
    st.tuples(st.just("WORKDIR"), paths),
    st.tuples(st.just("comment"), commands),
)


def _written(name: str, what) -> str:
    if name == "COPY":
        return encoder.copy(*what)
    if name in ("ENV", "LABEL"):
        return (encoder.env if name == "ENV" else encoder.label)("A", what)
    return {"RUN": encoder.run, "CMD": encoder.cmd, "ENTRYPOINT": encoder.entrypoint}.get(
        name, encoder.comment if name == "comment" else encoder.workdir
    )(what)


@settings(settings.get_profile("strings"))
@given(st.lists(_instructions, min_size=1, max_size=4))
def test_buildkits_own_parser_finds_each_instruction(instructions):
    """As many as were written, each beginning where it was written, and saying what was meant."""
    dockerfile = pytest.importorskip("dockerfile", reason="BuildKit's parser has no wheel for this machine")
    text, begins, line = "FROM x\n", [], 2
    for name, what in instructions:
        one = _written(name, what) + "\n"
        if name != "comment":
            begins.append(line)
        text, line = text + one, line + one.count("\n")
    found = dockerfile.parse_string(text)[1:]
    meant = [each for each in instructions if each[0] != "comment"]
    assert [(one.cmd.upper(), one.start_line) for one in found] == [
        (name, begin) for (name, _), begin in zip(meant, begins, strict=True)
    ]
    for one, (name, what) in zip(found, meant, strict=True):
        assert not one.flags and not one.heredocs
        assert one.json == (name in ("RUN", "CMD", "ENTRYPOINT", "COPY"))
        if name == "COPY":
            assert [expand(word) for word in one.value] == [f"{path.rstrip('/')}/" for path in what]
        elif one.json:
            assert list(one.value) == list(what)
        elif name == "WORKDIR":
            assert [expand(word) for word in one.value] == [what]
        else:
            assert [expand(word) for word in one.value[:2]] == ["A", what]


# --- the reader itself, so that the tests above mean something ----------------------------------------------------


@for_each(
    "text",
    [
        "# syntax=docker/dockerfile:1\nFROM x\n",
        "RUN [x]\n",
        'RUN ["a"] <<EOF\n',
        "ENV A=b C=d\n",
        "ENV A b\n",
        'ENV A="b\n',
        "WORKDIR /a${b\n",
        'ENV A="x\\\n# y"\n',
        'ENV A="x\\\n\n y"\n',
        "ENV A=x\\\n",
        f"ENV A={'x' * 70_000}\n",
    ],
)
def test_the_reader_refuses(text):
    with pytest.raises(Misread):
        read(text)


def test_the_reader_knows_where_builders_differ():
    text = "WORKDIR /a\\\\\nUSER b\n"
    assert [each.name for each in read(text, "moby")] == ["WORKDIR", "USER"]
    assert [each.name for each in read(text, "imagebuilder")] == ["WORKDIR"]


@for_each(
    ("word", "meant"),
    [
        ("a$HOME/b", "a/b"),
        ("a\\$HOME", "a$HOME"),
        ("'a$b'", "a$b"),
        ('"a\\$b\\n"', "a$b\\n"),
        ("${A:-d}x", "x"),
        ("a\\ b", "a b"),
        ('"a""b"', "ab"),
        ("$", "$"),
    ],
)
def test_the_reader_expands_words(word, meant):
    assert expand(word) == meant
