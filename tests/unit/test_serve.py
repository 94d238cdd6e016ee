"""Reading what a served image prints, naming the cause of a failure, and comparing answers. No network."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger_aml import (
    DaggerAmlError,
    EngineGone,
    EngineNotFound,
    Graph,
    Options,
    ScoreFailed,
    StartFailed,
    UsageError,
    load_project,
    load_recipe,
)
from dagger_aml.cli.commands.run import _published
from dagger_aml.cli.gate import Gated, gate, smoke_options
from dagger_aml.cli.target import read_target
from dagger_aml.contract import EXIT_CODES
from dagger_aml.project.model import Project
from dagger_aml.requirements.import_names import apt_name, packages_of
from dagger_aml.serving.answer import EXACT, compare, compare_text
from dagger_aml.serving.causes import Cause, inner_exit_code, why_not_ready, why_not_scored, why_not_started
from dagger_aml.serving.endpoint import Endpoint
from dagger_aml.serving.http import Scored, as_body
from dagger_aml.serving.log import Log, Reader
from dagger_aml.serving.places import located
from dagger_aml.serving.smoke import Smoke, compared_with, default_smoke
from dagger_aml.serving.traceback import tracebacks, users_own
from tests.support.cases import for_each

SITE = "/opt/miniconda/envs/amlenv/lib/python3.11/site-packages"
SERVER = f"{SITE}/azureml_inference_server_http/server"


def stamp(logger: str, level: str, text: str) -> str:
    """A record as the server writes it."""
    return f"2026-11-21 10:30:04,123 {level} [23] {logger} - {text}"


BANNER = f"""stand-in image
Dynamic Python package installation is disabled.
{stamp("azmlinfsrv", "I", "Loaded logging config from x")}
{stamp("gunicorn.error", "I", "Starting gunicorn 27.0.1")}

Azure ML Inferencing HTTP server v1.5.1


Server Settings
---------------
Entry Script Name: /var/azureml-app/score.py
Worker Timeout (seconds): 300
Liveness Probe: GET   127.0.0.1:31311/
{stamp("azmlinfsrv", "W", "Found extra keys in the config file that are not supported by the server.")}
Extra keys = ['AZUREML_ENTRY_SCRIPT']
Initializing logger
""".splitlines()


def failed_script(error: str, *, frames: str = "", called: bool = False) -> list[str]:
    """The log of a script that raised, as the server writes it."""
    head = stamp("azmlinfsrv", "E", "User's init function failed") + "\n" if called else ""
    said = "Encountered Exception " if called else ""
    frames = frames or '  File "/var/azureml-app/score.py", line 7, in init\n    load()\n'
    wrapper = "UserScriptException" if called else "UserScriptImportException"
    text = f"""{head}{stamp("azmlinfsrv", "E", f"{said}Traceback (most recent call last):")}
  File "{SERVER}/user_script.py", line 77, in load_script
    main_module_spec.loader.exec_module(user_module)
  File "<frozen importlib._bootstrap>", line 241, in _call_with_frames_removed
{frames}{error}

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "{SERVER}/aml_blueprint.py", line 91, in setup
    self.user_script.load_script(config.app_root)
azureml_inference_server_http.server.user_script.{wrapper}: Failed to import user script
{stamp("gunicorn.error", "E", "Worker (pid:23) exited with code 3.")}
{stamp("gunicorn.error", "E", "Reason: Worker failed to boot.")}
Exit code 3 is not normal. Killing image."""
    return [*BANNER, *text.splitlines()]


def locate(path: str) -> str | None:
    """As of a project in the working directory."""
    below = path.removeprefix("/var/azureml-app/")
    return f"code/{below}" if below != path else None


# --- lines ---


def test_the_banner_is_the_servers() -> None:
    reader = Reader()
    assert {reader.read(line).kind for line in BANNER} == {"server"}


@for_each(
    ("raw", "kind", "shown"),
    [
        (stamp("azmlinfsrv.print", "I", "printed"), "user", "10:30:04 printed"),
        (stamp("azmlinfsrv.score", "I", "loaded"), "user", "10:30:04 I score: loaded"),
        (stamp("mine", "W", "careful"), "user", "10:30:04 W mine: careful"),
        (stamp("azmlinfsrv", "I", "POST /score 200 4.3ms 37"), "request", "10:30:04 POST /score 200 4.3ms 37"),
        (stamp("azmlinfsrv.user_script", "I", "Invoking user's init function"), "server", None),
        (stamp("azmlinfsrv.trace", "E", "Error while fetching model IDs"), "server", None),
        (stamp("gunicorn.access", "I", '127.0.0.1 - - "GET / HTTP/1.0" 200 7'), "server", None),
        (stamp("gunicorn.error", "C", "WORKER TIMEOUT (pid:23)"), "error", None),
        ("UserWarning: old", "user", "UserWarning: old"),
        ("Exit code 3 is not normal. Killing image.", "server", None),
    ],
)
def test_whose_a_line_is(raw: str, kind: str, shown: str | None) -> None:
    reader = Reader()
    for line in BANNER:
        reader.read(line)
    line = reader.read(raw)
    assert line.kind == kind
    assert shown is None or line.shown == shown


def test_a_traceback_belongs_to_its_record() -> None:
    log = [
        stamp("azmlinfsrv.trace", "E", "Error while fetching model IDs"),
        "Traceback (most recent call last):",
        f'  File "{SERVER}/appinsights_client.py", line 230, in _get_model_ids',
        "NotADirectoryError: [Errno 20] Not a directory: 'm.txt'",
        "said by the user's library",
        stamp("azmlinfsrv", "E", "Encountered Exception: Traceback (most recent call last):"),
        '  File "/var/azureml-app/score.py", line 3, in run',
        "KeyError: 'x'",
        "",
    ]
    reader = Reader()
    assert [reader.read(line).kind for line in log] == ["server"] * 4 + ["user"] + ["error"] * 4


@given(st.lists(st.text(max_size=30).map(lambda text: text.replace("\n", "")), max_size=20), st.integers(1, 7))
def test_pieces_of_output_come_out_as_lines(lines: list[str], size: int) -> None:
    log, text = Log(), "".join(f"{line}\n" for line in lines)
    for at in range(0, len(text), size):
        log.add_text(text[at : at + size])
    log.end(0)
    assert list(log.lines) == lines


# --- causes ---


def test_the_inner_exit_code_is_the_first_that_is_told() -> None:
    told = ["Exit code 95 is not normal. Killing image.", "x", "Exit code -1 is not normal. Killing image."]
    assert inner_exit_code(told) == 95
    assert inner_exit_code(["nothing"]) is None


def test_a_missing_module_names_the_line_and_the_requirement() -> None:
    frames = '  File "/var/azureml-app/score.py", line 1, in <module>\n    import cv2\n'
    cause = why_not_started(failed_script("ModuleNotFoundError: No module named 'cv2'", frames=frames), 111, locate)
    assert (cause.code, cause.kind, cause.location) == (3, "import", "code/score.py:1")
    assert "opencv-python-headless" in cause.hint
    assert cause.shown == (
        "code/score.py:1 in <module>",
        "    import cv2",
        "ModuleNotFoundError: No module named 'cv2'",
    )
    said = str(StartFailed(cause))
    assert said.startswith("code/score.py:1: the entry script needs the module 'cv2'")
    assert f"exit code 3: {EXIT_CODES[3]}" in said
    assert SITE not in said


@for_each(
    ("error", "kind", "what", "do"),
    [
        ("PermissionError: [Errno 13] Permission denied: '/var/azureml-app/azureml-models/m/1/c'", "write",
         "cannot write /var/azureml-app/azureml-models/m/1/c", "Only root can write"),
        ("OSError: [Errno 30] Read-only file system: '/data/x'", "write", "cannot write /data/x", "Write to /tmp"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/var/azureml-app/azureml-models/m/1/n'", "file",
         "found no file /var/azureml-app/azureml-models/m/1/n", "AZUREML_MODEL_DIR"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'model.pkl'", "file", "found no file model.pkl",
         "working directory"),
        ("KeyError: 'AZUREML_MODEL_DIR'", "file", "the image has no model", "[[models]]"),
        ("OSError: libgomp.so.1: cannot open shared object file: No such file or directory", "library",
         "libgomp.so.1 is missing", "Add libgomp1 to apt.txt"),
        ("ImportError: libmine.so.7: cannot open shared object file: No such file or directory", "library",
         "libmine.so.7 is missing", "apt-file search libmine.so.7"),
        ("ValueError: numpy.dtype size changed, may indicate binary incompatibility", "import", "init() raised",
         "pin numpy"),
        ("ModuleNotFoundError: No module named 'sklearn.svm._x'", "import", "sklearn.svm._x", "pin scikit-learn"),
        ("ModuleNotFoundError: No module named 'helpers'", "import", "'helpers'", "your own module"),
        ("MemoryError", "memory", "init() raised MemoryError", ""),
        ("RuntimeError: cannot load\nbecause of this", "raised", "init() raised RuntimeError: cannot load", ""),
    ],
)  # fmt: skip
def test_what_init_raised_is_explained(error: str, kind: str, what: str, do: str) -> None:
    cause = why_not_started(failed_script(error, called=True), 111, locate)
    assert (cause.code, cause.kind, cause.location) == (3, kind, "code/score.py:7")
    assert what in cause.message and do in cause.hint
    assert cause.shown[-1] in error


def test_the_users_exception_is_the_last_of_its_own_chain() -> None:
    error = """KeyError: 'a'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/var/azureml-app/score.py", line 9, in init
    raise RuntimeError("no") from error
RuntimeError: no"""
    cause = why_not_started(failed_script(error, called=True), 111, locate)
    assert cause.message == "init() raised RuntimeError: no" and cause.location == "code/score.py:9"


def test_noise_about_model_versions_is_no_cause() -> None:
    noise = [
        stamp("azmlinfsrv.trace", "E", "Error while fetching model IDs"),
        "Traceback (most recent call last):",
        f'  File "{SERVER}/appinsights_client.py", line 230, in _get_model_ids',
        "    versions = x",
        "NotADirectoryError: [Errno 20] Not a directory: 'm.txt'",
    ]
    log = [*noise, *failed_script("ValueError: mine", called=True)]
    assert why_not_started(log, 111, locate).message == "init() raised ValueError: mine"


def test_a_script_without_run() -> None:
    line = "User script at /var/azureml-app/score.py does not have a run() function defined."
    log = failed_script(f"azureml_inference_server_http.server.user_script.UserScriptError: {line}")
    cause = why_not_started(log, 111, locate)
    assert (cause.message, cause.location) == ("the entry script has no run()", "code/score.py")


@for_each("code", sorted(set(EXIT_CODES) - {3, 111}))
def test_each_exit_code_of_the_contract_has_its_words(code: int) -> None:
    cause = why_not_started(["told why", f"Exit code {code} is not normal. Killing image."], 111, locate)
    assert cause.code == code and EXIT_CODES[code] in cause.message
    assert "told why" in cause.shown


def test_pip_at_start_names_its_last_error() -> None:
    log = [
        "ERROR: one",
        "ERROR: No matching distribution found for nope==9",
        "Exit code 95 is not normal. Killing image.",
    ]
    assert why_not_started(log, 111, locate).message.endswith("No matching distribution found for nope==9")


def test_other_ends() -> None:
    assert why_not_started([], 137, locate).kind == "memory"
    assert "exit code 12" in why_not_started(["last words"], 12, locate).message
    assert why_not_started([], None, locate).message == "the server ended before it was ready"


def test_not_ready_tells_what_it_waits_for() -> None:
    log = [*BANNER, stamp("azmlinfsrv.user_script", "I", "Invoking user's init function")]
    assert why_not_ready(log, 20, locate).message == "init() still runs after 20 s"
    assert "within 20 s" in why_not_ready(BANNER, 20, locate).message
    slow = [*log, stamp("gunicorn.error", "C", "WORKER TIMEOUT (pid:23)")]
    assert 'Options(env="WORKER_TIMEOUT=SECONDS")' in why_not_ready(slow, 400, locate).hint


def test_workers_that_die_are_seen_at_once() -> None:
    died = stamp("gunicorn.error", "W", "Worker (pid:{}) was sent SIGSEGV!")
    crash = ["Fatal Python error: Segmentation fault", "", "Current thread 0x7f (most recent call first):",
             f'  File "{SITE}/x.py", line 5 in f', '  File "/var/azureml-app/score.py", line 3 in init']  # fmt: skip
    log = Log()
    for number in range(3):
        assert not log.dying.is_set()
        for line in [*crash, died.format(number)]:
            log.add(line)
    assert log.dying.is_set()
    cause = why_not_ready(list(log.lines), 9, locate)
    assert (cause.kind, cause.location) == ("crash", "code/score.py:3") and "SIGSEGV" in cause.message
    killed = stamp("gunicorn.error", "E", "Worker (pid:9) was sent SIGKILL! Perhaps out of memory?")
    assert why_not_ready([killed], 9, locate).kind == "memory"


def test_an_answer_that_json_cannot_say() -> None:
    log = [stamp("azmlinfsrv", "E", "Encountered Exception: Traceback (most recent call last):"),
           '  File "/usr/lib/python3.11/json/encoder.py", line 180, in default',
           "TypeError: Object of type ndarray is not JSON serializable", ""]  # fmt: skip
    cause = why_not_scored(log, locate)
    assert cause and cause.kind == "answer" and ".tolist()" in cause.hint
    assert why_not_scored(BANNER, locate) is None


def test_a_syntax_error_has_its_line() -> None:
    frames = '  File "/var/azureml-app/score.py", line 3\n    def init(:\n             ^\n'
    cause = why_not_started(failed_script("SyntaxError: invalid syntax", frames=frames), 111, locate)
    assert (cause.kind, cause.location) == ("script", "code/score.py:3")


@given(st.lists(st.text(max_size=40), max_size=30))
def test_any_output_can_be_read(lines: list[str]) -> None:
    for chain in tracebacks(lines):
        users_own(chain)
    for code in (3, 95, 100, 137, None):
        str(StartFailed(why_not_started(lines, code, locate)))


# --- names ---


@for_each(
    ("module", "package"),
    [("cv2", "opencv-python-headless"), ("sklearn.svm", "scikit-learn"), ("PIL", "pillow"), ("yaml", "PyYAML"),
     ("skimage", "scikit-image"), ("bs4", "beautifulsoup4"), ("dateutil.parser", "python-dateutil"),
     ("dotenv", "python-dotenv"), ("lightgbm", "lightgbm"), ("google.protobuf.message", "protobuf"),
     ("azure.storage.blob.aio", "azure-storage-blob"), ("numpy", "numpy"), ("ruamel.yaml", "ruamel-yaml")],
)  # fmt: skip
def test_import_names_and_packages(module: str, package: str) -> None:
    assert packages_of(module)[0] == package


@for_each(
    ("module", "package"),
    [("opencensus.ext.azure.log_exporter", "opencensus-ext-azure"), ("opencensus.stats", "opencensus"),
     ("azureml.train.automl.runtime.tools", "azureml-train-automl-runtime"),
     ("databricks.sql", "databricks-sql-connector"), ("backports.weakref", "backports-weakref"),
     ("mlflow.pyfunc", "mlflow")],
)  # fmt: skip
def test_of_packages_that_share_a_module_the_one_that_is_called_like_it_comes_first(
    module: str, package: str
) -> None:
    assert packages_of(module)[0] == package


@pytest.mark.parametrize("module", ["my_package.sub", "azure.ai.visions", "google.protobuffers", "azure", "google"])
def test_no_package_name_is_made_up_of_a_module(module: str) -> None:
    """Whoever registers a name that we compose would have his package installed."""
    assert packages_of(module) == ()


@pytest.mark.parametrize("module", ["mycompany.scoring", "google.protobuffers"])
def test_an_unknown_module_is_told_without_a_package_to_install(module: str) -> None:
    cause = why_not_started(failed_script(f"ModuleNotFoundError: No module named '{module}'"), 111, locate)
    assert cause.kind == "import" and "perhaps" in cause.hint
    assert module.replace(".", "-") not in cause.hint and f"Add {module.partition('.')[0]}" not in cause.hint


def test_libraries_and_packages() -> None:
    assert apt_name("libgomp.so.1") == "libgomp1" and apt_name("libGL.so.1") == "libgl1"
    assert apt_name("libnever.so.0") is None


# --- answers ---


@for_each(
    ("got", "expected", "said"),
    [
        ({"a": [1, 2]}, {"a": [1, 2]}, None),
        ({"a": 1}, {"a": 1.0}, None),
        ({"b": 1, "a": 2}, {"a": 2, "b": 1}, None),
        ({"a": [1, 2.5]}, {"a": [1, 2.4]}, "$.a[1] is 2.5, expected 2.4"),
        ({"a": 1}, {"a": True}, "$.a is 1, expected true"),
        ({}, {"a b": None}, '$["a b"] is missing, expected null'),
        ({"a": 1, "z": 2}, {"a": 1}, "$ has 'z', which is not expected: 2"),
        ([1], [1, 2], "$ has 1 items, expected 2"),
        ("1", 1, '$ is "1", expected 1'),
    ],
)
def test_the_first_difference_is_told(got: object, expected: object, said: str | None) -> None:
    assert compare(got, expected).difference == said


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(JSON, JSON)
def test_no_difference_means_equal(one: object, two: object) -> None:
    assert compare_text(json.dumps(one), json.dumps(one)).difference is None
    if compare(one, two).difference is None:
        assert one == two


def test_an_answer_that_is_not_json() -> None:
    assert "not JSON" in str(compare_text("<html>", "{}").difference)
    assert compared_with(Scored(200, "x"), None, EXACT) is None


def test_bodies() -> None:
    assert as_body(b"\xff") == b"\xff" and as_body("x") == b"x" and as_body({"a": 1}) == b'{"a": 1}'


# --- the gate and the flags ---


def project(
    root: Path, *, request: bool = True, base: str = "minimal-py312-inference", recipe: str = "extended"
) -> Project:
    """A small project."""
    (root / "code").mkdir()
    (root / "code/score.py").write_text("def init(): pass\ndef run(data): return 1\n")
    (root / "requirements.txt").write_text("joblib==1.4.2\n")
    if request:
        (root / "request.json").write_text("{}")
    return load_project(root, Options(base=base, recipe=recipe))


def graph_of(found: Project) -> Graph:
    """What its recipe lays out."""

    async def laid_out() -> Graph:
        return await load_recipe(found.recipe)(Graph(), found)

    return anyio.run(laid_out)


def test_the_gate_is_on_with_push_and_a_request(tmp_path: Path) -> None:
    found = project(tmp_path)
    smoke, note = default_smoke(found, graph_of(found), None, push=True)
    assert smoke and smoke.mode == "score" and smoke.offline and smoke.request and not note
    assert default_smoke(found, graph_of(found), None, push=False) == (None, None)
    assert default_smoke(found, graph_of(found), None, push=True, off=True) == (None, None)


def test_the_gate_is_off_without_a_request_and_says_so(tmp_path: Path) -> None:
    found = project(tmp_path, request=False)
    smoke, note = default_smoke(found, graph_of(found), None, push=True)
    assert smoke is None and note and "request.json" in note
    assert default_smoke(found, graph_of(found), "score", push=True)[0]


def test_the_gate_is_off_for_gpus(tmp_path: Path) -> None:
    found = project(tmp_path, base="curated/minimal-py312-cuda12.4-inference")
    smoke, note = default_smoke(found, graph_of(found), None, push=True)
    assert smoke is None and note and "GPU" in note
    assert default_smoke(found, graph_of(found), "import", push=True)[0]


def test_packages_installed_at_start_need_the_network(tmp_path: Path) -> None:
    found = project(tmp_path, recipe="dynamic")
    smoke, _ = default_smoke(found, graph_of(found), None, push=True)
    assert smoke and not smoke.offline
    with pytest.raises(UsageError, match="only when the image starts"):
        default_smoke(found, graph_of(found), "import", push=True)


@pytest.mark.parametrize(
    ("words", "smoke", "rest"),
    [(["--smoke", "P"], "score", "P"), (["--smoke=import", "P"], "import", "P"), (["P", "--smoke"], "score", "P"),
     (["P"], None, "P"), (["--", "--smoke"], None, "--smoke")],
)  # fmt: skip
def test_smoke_stands_alone_or_has_a_value(words: list[str], smoke: str | None, rest: str) -> None:
    @click.command(cls=Gated)
    @smoke_options
    @click.argument("target")
    def command(**_: object) -> None: ...

    read = command.make_context("build", words).params
    assert (read["smoke"], read["target"], read["no_smoke"]) == (smoke, rest, False)


def test_both_flags_contradict(tmp_path: Path) -> None:
    found = project(tmp_path)
    with pytest.raises(UsageError, match="contradict"):
        gate(found, graph_of(found), "score", True, builder="dagger", push=True, warning=print)


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("7000", "127.0.0.1:7000:5001"),
        ("7000:5001", "127.0.0.1:7000:5001"),
        ("0.0.0.0:7000:8080", "0.0.0.0:7000:8080"),
    ],
)
def test_ports(text: str, flag: str) -> None:
    assert _published(text).flag == flag


def test_what_to_do_when_there_is_nothing_to_ask_or_to_serve(tmp_path: Path, cli: Any) -> None:
    (tmp_path / "request.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    code, _, err = cli("score", "http://127.0.0.1:9", "--request", tmp_path / "request.json")
    assert code == 1 and "dagger-aml run starts one" in err
    code, _, err = cli("score", "http://127.0.0.1:9")
    assert code == 2 and "there is no request to post\n  Name a file: --request FILE.\n" in err
    (tmp_path / "empty" / "requirements.txt").write_text("idna==3.10\n")
    code, _, err = cli("run", tmp_path / "empty")
    assert code == 2 and "has no code to serve\n  Name a project's folder" in err


@for_each("text", ["", "x", "70000", "0", "1:2:3:4", "7000:", "-1", "7000:5001/udp"])
def test_what_is_not_a_port(text: str) -> None:
    with pytest.raises(UsageError, match="not a port"):
        _published(text)


def test_targets(tmp_path: Path) -> None:
    project(tmp_path)
    tar = tmp_path / "image.tar"
    tar.touch()
    assert read_target(str(tar), {}).image == tar
    assert read_target("acme/diabetes:1", {}).image == "acme/diabetes:1"
    assert read_target("53bad507aa7b", {}).image == "53bad507aa7b"
    assert read_target("http://h:1/score", {}, url=True).url == "http://h:1/score"
    for wrong in ("./nowhere", "missing.tar", "UPPER", "a b", "http://h:1"):
        with pytest.raises(DaggerAmlError):
            read_target(wrong, {})
    with pytest.raises(UsageError, match="--base works only with a project"):
        read_target("acme/diabetes:1", {"base": "x"})


def test_files_of_the_image_are_found_in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = project(tmp_path)
    monkeypatch.chdir(tmp_path)
    known = located(graph_of(found).layers)
    assert known("/var/azureml-app/score.py") == "code/score.py"
    assert known("/var/azureml-app/other.py") is None and known(f"{SITE}/x.py") is None


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ScoreFailed(Cause(None, "POST /score gave 500")), "the image failed the test"),
        (DaggerAmlError("the image runs as root"), "the image failed the test"),
        (EngineGone("the engine went away"), "the image could not be tested"),
        (EngineNotFound("no Dagger engine answers"), "the image could not be tested"),
        (UsageError("docker is not installed"), "the image could not be tested"),
    ],
    ids=["answer", "root", "engine", "no engine", "no docker"],
)
def test_a_gate_says_why_nothing_is_published(
    error: DaggerAmlError, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(Smoke, "_check", failing)
    told: list[Any] = []
    builder = SimpleNamespace(on_event=told.append)
    with pytest.raises(type(error)):
        anyio.run(Smoke().check, None, None, builder)
    assert [event.text for event in told] == [f"smoke: {said}, so nothing is published"]


# --- what was printed, once it has come ---------------------------------------------------------------------------


async def _late(log: Log, *lines: str) -> None:
    await anyio.sleep(0.9)
    for line in lines:
        log.add(line)


async def _waits_for_late_lines(status: int) -> None:
    log = Log()

    async def ask(*_: object, **__: object) -> Scored:
        return Scored(status, "")

    endpoint = Endpoint("http://test", "test", ask, log)
    await endpoint.score({})
    async with anyio.create_task_group() as tasks:
        said = stamp("azmlinfsrv", "I", f"POST /score {status} 1ms 2")
        tasks.start_soon(_late, log, stamp("azmlinfsrv.print", "I", "scored"), said)
        assert any("scored" in line for line in await endpoint.settled())


@pytest.mark.anyio
async def test_lines_that_come_late_are_waited_for() -> None:
    """Later than lines may be apart: what the server says of the request itself is the last of them."""
    async with anyio.create_task_group() as tasks:
        for status in (200, 500):
            tasks.start_soon(_waits_for_late_lines, status)


@pytest.mark.anyio
@pytest.mark.parametrize("why", ["ended", "no answer", "says nothing"])
async def test_lines_that_do_not_come_are_not_waited_for(monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    log = Log()

    async def ask(*_: object, **__: object) -> Scored:
        return Scored(0 if why == "no answer" else 200, "")

    endpoint = Endpoint("http://test", "test", ask, log)
    await endpoint.score({})
    pauses = []

    async def slept(seconds: float) -> None:
        pauses.append(seconds)

    if why == "ended":
        log.end(1)
    monkeypatch.setattr(anyio, "sleep", slept)
    assert await endpoint.settled() == []
    assert len(pauses) == (41 if why == "says nothing" else 1) and sum(pauses) < 5
