"""Ids of the secrets that a Dockerfile asks for: what a person can type, the same in every build."""

from __future__ import annotations

import re
from pathlib import Path

from dagger_aml import From, Graph, Run, dockerfile, make_plan
from dagger_aml.backends.secret_files import secret_files
from dagger_aml.graph.access import Access
from dagger_aml.graph.graph import Built, Copy
from dagger_aml.graph.mount import Mount, Secret, mount_ids, seen_by
from dagger_aml.network.mounts import secret_mount
from dagger_aml.plan.keys import runtime_key
from dagger_aml.steps import apt, base, packages, pip
from tests.support.calls import await_
from tests.support.cases import for_each
from tests.support.projects import make

INDEX = "https://pypi.example.com/simple/"
ASKED = re.compile(r"^# Build it with: docker build(.*) -t ", re.MULTILINE)


def asked(text: str) -> list[str]:
    """The ids that the head of a Dockerfile tells to give."""
    found = ASKED.search(text)
    return re.findall(r"--secret id=(\S+),src=FILE", found[1]) if found else []


def mounted(text: str) -> list[str]:
    return re.findall(r"--mount=type=secret,id=([^,]+),", text)


def text_of(graph: Graph) -> str:
    return str(dockerfile(graph, format="buildkit"))


def installing(tmp_path: Path, **access: object) -> Graph:
    make(tmp_path, {"requirements.txt": "idna\n", "ca.pem": "-----BEGIN CERTIFICATE-----\n"})
    graph = await_(base(Graph(access=Access(**access)), "minimal-py312-inference"))  # type: ignore[arg-type]
    return await_(pip(graph, tmp_path / "requirements.txt"))


def test_ids_are_words_that_a_person_can_type(tmp_path):
    secrets = tuple(Secret.of(id, "x") for id in ("pip", "netrc", "apt", "mine"))
    graph = installing(tmp_path, secrets=secrets, index_url=INDEX, apt_mirror="https://m.example/debian",
                       ca=tmp_path / "ca.pem")  # fmt: skip
    graph = await_(apt(graph, ["libgomp1"]))
    graph = graph.add(Run(("/bin/true",), mounts=(secret_mount(graph.access, "mine"),)))
    text = text_of(graph)
    assert sorted(asked(text)) == ["apt", "apt-conf", "apt-mirror", "ca", "mine", "netrc", "pip"]
    assert set(mounted(text)) == set(asked(text))


def test_another_index_keeps_the_id_and_runs_the_command_again(tmp_path):
    """Builders remember a command by its words and by its mounts' ids."""
    texts = [text_of(installing(tmp_path, index_url=url)) for url in (INDEX, "https://other.example/simple/")]
    runs = [next(line for line in text.splitlines() if line.startswith("RUN --mount")) for text in texts]
    assert asked(texts[0]) == asked(texts[1]) == ["pip"] and runs[0] != runs[1]
    assert "other.example" not in runs[1]


def test_a_secret_s_value_and_a_ca_change_no_command(tmp_path):
    graphs = [
        installing(tmp_path, secrets=(Secret.of("pip", value),), ca=tmp_path / "ca.pem") for value in ("one", "two")
    ]
    assert text_of(graphs[0]) == text_of(graphs[1])
    assert runtime_key(make_plan(graphs[0])) == runtime_key(make_plan(graphs[1]))
    alone = Run(("/bin/true",), mounts=(secret_mount(graphs[0].access, "pip"),))
    assert alone.command == ("/bin/true",)


def test_two_files_of_one_id_are_numbered_in_their_order(tmp_path):
    graph = installing(tmp_path, secrets=(Secret.of("pip", "https://u:w0rdw0rd@x.example/simple/"),))
    whole = Run(("/bin/true",), mounts=(secret_mount(graph.access, "pip"),), name="own")
    before, behind = text_of(Graph(graph.base, (whole, *graph.layers))), text_of(graph.add(whole))
    assert asked(before) == asked(behind) == ["pip", "pip-2"]
    assert mounted(before) == ["pip", "pip-2"] == mounted(behind)
    assert "# - pip: the secret pip\n# - pip-2: a pip.conf" in before
    assert "# - pip: a pip.conf\n# - pip-2: the secret pip" in behind
    with secret_files(graph.access) as files:
        paths = {files.path(mount) for layer in (*graph.layers, whole) if isinstance(layer, Run)
                 for mount in layer.mounts}  # fmt: skip
        assert len({path.read_bytes() for path in paths}) == len(paths) == 2


def test_a_number_that_is_an_id_already_is_left_to_it():
    def mount(id: str, holds: str) -> Mount:
        return Mount(id, "/run/x", Secret.of("x", "x"), holds=holds)

    found = mount_ids([mount("a", "1"), mount("a", "2"), mount("a-2", "3"), mount("a", "1"), mount("a", "4")])
    assert list(found.values()) == ["a", "a-3", "a-2", "a-4"]


def test_one_file_at_two_places_has_one_id():
    secret = Secret.of("x", "x")
    found = mount_ids([Mount("a", "/run/x", secret), Mount("a", "/run/y", secret, mode=0o444)])
    assert list(found.values()) == ["a", "a"]


def test_what_a_stage_sees_has_the_same_ids(tmp_path):
    make(tmp_path, {"requirements.txt": "idna\n"})
    graph = await_(base(Graph(access=Access(index_url=INDEX)), "minimal-py312-inference"))
    staged = await_(packages(graph, tmp_path / "requirements.txt", via="pythonpath"))
    assert asked(text_of(staged)) == ["pip"]
    inner = Graph(From.parse("b:1"), (Run(("/bin/true",), mounts=(Mount("pip", "/run/x", Secret.of("x", "x")),)),))
    both = await_(pip(graph, tmp_path / "requirements.txt")).add(Copy(Built(inner, "/opt"), "/opt/stage"))
    assert sorted(asked(text_of(both))) == ["pip", "pip-2"]


@for_each(
    ("mounts", "told"),
    [
        ((), False),
        ((Mount("a", "/run/x", Secret.of("x", "x")),), False),
        ((Mount("a", "/run/x", Secret.of("x", "x"), secrets=("a",)),), False),
        ((Mount("a", "/run/x", Secret.of("x", "x"), secrets=("b",)),), True),
        ((Mount("a", "/run/x", Secret.of("x", "x"), key="mine"),), True),
        ((Mount("a", "/run/x", Secret.of("x", "x"), sources=(("index-url", INDEX),)),), True),
    ],
)
def test_only_what_decides_the_result_is_in_the_command(mounts, told):
    command = Run(("/bin/true",), mounts=mounts).command
    assert bool(seen_by(mounts)) is told
    assert (command == ("/bin/true",)) is not told
