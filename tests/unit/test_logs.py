"""Why an image failed, from what the real server printed (tests/unit/logs), whatever the container made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagger_aml.serving.causes import Cause, why_not_ready, why_not_scored, why_not_started
from dagger_aml.serving.failure import StartFailed
from dagger_aml.serving.log import Reader
from dagger_aml.serving.places import Locate, in_image
from dagger_aml.serving.traceback import tracebacks, users_own
from tests.support.cases import for_each

LOGS = Path(__file__).parent / "logs"
FILES = {"config-list-1": "config.json", "config-text-2": "config.json", "logging-json-1": "logging.json",
         "swagger-json-2": "swagger2.json"}  # fmt: skip


def read(name: str) -> tuple[list[str], int]:
    """A log's lines, and the server's exit code."""
    *lines, last = (LOGS / f"{name}.log").read_text().splitlines()
    return lines, int(last.removeprefix("[exit ").rstrip("]"))


def locate(name: str) -> Locate:
    """Of a project with an entry script and, in some cases, one file more."""
    there = {f"/var/azureml-app/{each}": f"code/{each}" for each in ("score.py", FILES.get(name, "score.py"))}
    return there.get


ENDS = ["alone", "111", "finish", "restarted"]


def started(name: str, end: str, network: str = "") -> Cause:
    """Why it did not start, where its end is one of :data:`ENDS`.

    ``alone``: the server's own exit code; ``111``: a container's, of which no line tells more; ``finish``: the base's
    finish script tells the server's; ``restarted``: it never ends, as runit starts it again and again.
    """
    lines, code = read(name)
    if end == "restarted":
        return why_not_ready([*lines, *lines], 20, locate(name), network=network)
    lines += [f"Exit code {code} is not normal. Killing image."] if end == "finish" else []
    return why_not_started(lines, code if end == "alone" else 111, locate(name), network=network)


@for_each("end", ENDS)
@for_each(
    ("name", "kind", "location", "message"),
    [
        ("import-1", "import", "code/score.py:1", "the entry script needs the module 'cv2', which is missing"),
        ("init-raises-2", "raised", "code/score.py:4", "init() raised ValueError: no model"),
        ("timeout-init-2", "raised", "code/score.py:2", "init() raised TimeoutError: the feature store did not "
         "answer"),
        ("group-init-1", "file", "code/score.py:5", "init() found no file /models/a (the first of 2 exceptions in an "
         "ExceptionGroup: models are missing)"),
        ("group-init-2", "file", "code/score.py:5", "init() found no file /models/a (the first of 2 exceptions in an "
         "ExceptionGroup: models are missing)"),
        ("taskgroup-1", "raised", "code/score.py:3", "init() raised ValueError: first (the exception in an "
         "ExceptionGroup: unhandled errors in a TaskGroup)"),
        ("config-list-1", "contract", "code/config.json", "the server cannot read config.json as its own settings: "
         "it must be a JSON object"),
        ("config-text-2", "contract", "code/config.json", "the server cannot read config.json as its own settings: "
         "JSONDecodeError: Expecting value: line 1 column 1 (char 0)"),
        ("config-value-1", "contract", None, "a setting of the server is not valid: SCORING_TIMEOUT_MS: Input should "
         "be a valid integer, unable to parse string as an integer"),
        ("logging-json-1", "contract", "code/logging.json", "the server cannot read logging.json as its settings of "
         "logging: ValueError: dictionary doesn't specify a version"),
        ("swagger-json-2", "contract", "code/swagger2.json", "the server cannot read swagger2.json as the "
         "description of its service: JSONDecodeError: Expecting property name enclosed in double quotes: line 2 "
         "column 1 (char 2)"),
        ("no-run-1", "script", "code/score.py", "the entry script has no run()"),
        ("no-run-2", "script", "code/score.py", "the entry script has no run()"),
        ("bad-run-1", "script", "code/score.py", "the server cannot use the entry script: run() cannot accept "
         "positional-only arguments, *args, or **kwargs"),
        ("worker-count-1", "contract", None, "WORKER_COUNT must be a number, not 'auto'"),
        ("worker-timeout-1", "contract", None, "WORKER_TIMEOUT must be a number, not 'never'"),
        ("no-script-1", "file", None, "the entry script /var/azureml-app/score.py is not in the image"),
        ("shadow-2", "import", "code/score.py:1", "the entry script gets the server's own module 'utils', not yours"),
        ("local-class-1", "raised", "code/score.py:4", "init() raised Mine: odd"),
        ("network-1", "network", "code/score.py:3", "init() raised URLError: <urlopen error [Errno -2] Name or "
         "service not known>"),
        ("caught-then-raise-1", "raised", "code/score.py:7", "init() raised KeyError: 'second'"),
        ("preload-1", "raised", "code/score.py:2", "init() raised ValueError: no model"),
    ],
)  # fmt: skip
def test_a_start_that_failed(name: str, kind: str, location: str | None, message: str, end: str) -> None:
    cause = started(name, end)
    assert (cause.message, cause.location, cause.kind) == (message, location, kind)
    assert "gunicorn" not in str(StartFailed(cause)) and "{" not in str(cause.location)
    if kind != "contract" and end != "restarted":
        assert cause.code == 3, "the server's own, not the container's"


@pytest.mark.parametrize(
    ("name", "kind", "location", "message"),
    [
        ("group-run-1", "file", "code/score.py:5", "run() found no file /models/a (the first of 2 exceptions in an "
         "ExceptionGroup: models are missing)"),
        ("network-run-1", "network", "code/score.py:3", "run() raised URLError: <urlopen error [Errno -2] Name or "
         "service not known>"),
        ("not-json-1", "answer", None, "run() returned a value that cannot be converted to JSON: set"),
        ("timeout-real-1", "timeout", None, "run() took longer than SCORING_TIMEOUT_MS allows (300 ms)"),
    ],
)  # fmt: skip
def test_a_request_that_failed(name: str, kind: str, location: str | None, message: str) -> None:
    cause = why_not_scored(read(name)[0], locate(name))
    assert cause and (cause.message, cause.location, cause.kind) == (message, location, kind)


def test_a_timeout_of_the_codes_own() -> None:
    """The server reports each TimeoutError as its own limit; how long it took tells them apart."""
    lines = read("timeout-run-1")[0]
    cause = why_not_scored(lines, locate(""))
    assert cause and cause.kind == "raised" and "logging.exception()" in cause.hint
    assert cause.message.startswith("run() raised TimeoutError after ")
    assert cause.message.endswith(" ms, before the server's own limit (SCORING_TIMEOUT_MS, 3600000 ms)")


@pytest.mark.parametrize("name", ["network-1", "network-run-1", "init-raises-2", "group-init-1"])
def test_an_image_that_is_tested_without_network(name: str) -> None:
    """It is told where the network is missing, and of nothing else."""
    lines, offline = read(name)[0], "without network"
    if name.endswith("run-1"):
        cause = why_not_scored(lines, locate(name), network=offline)
    else:
        cause = why_not_started(lines, 3, locate(name), network=offline)
    assert cause
    said = f"{cause.message} {cause.hint}"
    assert (
        ("started without network" in said) is ("could not reach the network" in said) is name.startswith("network")
    )


def test_of_an_image_that_nothing_is_known_of() -> None:
    lines, code = read("no-run-1")
    assert why_not_started(lines, code, in_image).location == "/var/azureml-app/score.py"
    lines, code = read("config-list-1")
    assert why_not_started(lines, code, in_image).location == "/var/azureml-app/config.json"
    assert why_not_started(read("swagger-json-2")[0], 1, in_image).location is None, "it is one of four"


def test_what_the_user_logged_and_survived_is_no_cause() -> None:
    """With another exit code than the server's for a script that failed, only what the server reports counts."""
    lines = [line for line in read("caught-then-raise-1")[0] if "init function failed" not in line]
    begin = next(at for at, line in enumerate(lines) if "Encountered Exception" in line)
    cause = why_not_started(lines[:begin], 137, locate(""))
    assert cause.kind == "memory" and cause.location is None


def test_groups_in_groups() -> None:
    def drawn() -> list[str]:
        import traceback

        try:
            try:
                raise KeyError("a")
            except KeyError:
                raise ExceptionGroup("out", [ExceptionGroup("in", [ValueError("b\nc"), OSError("d")]), TypeError()])  # noqa: B904
        except ExceptionGroup:
            return traceback.format_exc().splitlines()

    chain = tracebacks(drawn())[-1]
    group = users_own(chain)
    assert [each.type for each in chain] == ["KeyError", "ExceptionGroup"]
    assert [(each.type, each.text) for each in group.members] == [
        ("ValueError", "b\nc"),
        ("OSError", "d"),
        ("TypeError", ""),
    ]
    assert group.text == "out (2 sub-exceptions)" and group.frames[-1].name == "drawn"


def test_how_gunicorn_ends_is_noise() -> None:
    """It ends the other workers by SIGTERM where one could not begin; none of them crashed."""
    reader = Reader()
    kinds = {line: reader.read(line).kind for line in read("init-raises-2")[0]}
    assert {kind for line, kind in kinds.items() if "SIGTERM" in line} == {"server"}
