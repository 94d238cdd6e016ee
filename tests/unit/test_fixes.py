"""``check --fix``: what is mended, byte for byte, in what files, and that a second run changes nothing."""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dagger_aml.check.pins import pinned
from dagger_aml.cli.console import printable
from dagger_aml.cli.fixes import fixed, unified
from dagger_aml.cli.reports.model import shown
from dagger_aml.finding import Fix
from dagger_aml.requirements.read import read_requirements
from tests import corpus
from tests.support.cases import for_each
from tests.support.checks import check
from tests.support.depth import depth_of
from tests.support.projects import SCORE, make, snapshot

MENDED = (
    "AML201",
    "AML204",
    "AML210",
    "AML306",
    "AML317",
    "AML417",
    "AML420",
    "AML720",
    "AML732",
    "AML740",
    "AML742",
)
"""Rules of which some findings have one right answer (docs/check.md, "Mending")."""

_MLMODEL = (
    "flavors:\n  python_function:\n    python_version: 3.12.4\n  sklearn:\n    sklearn_version: 1.5.2\n"
    "  xgboost:\n    xgb_version: 2.1.1\n"
)
_BASE = "mcr.microsoft.com/azureml/minimal-py312-inference:latest"

# What stands in ⟦wrong│right⟧ is mended, and nothing else.
TEMPLATES: Mapping[str, list[str]] = {
    "dagger-aml.toml": [
        '# é: WORKER_TIMEOUTS = "1" is said below',
        "[env]",
        '⟦WORKER_TIMEOUTS│WORKER_TIMEOUT⟧ = "9"  # é of WORKER_TIMEOUTS = "9"',
        "\"⟦AZUREML_WORKER_PRELOAD│WORKER_PRELOAD⟧\"='⟦1│true⟧'# é",
        'OTHER = "é"',
    ],
    "pyproject.toml": [
        '[tool]\ndagger-aml = { env = { ⟦WORKERS_COUNT│WORKER_COUNT⟧ = "2", é = "WORKERS_COUNT = 1", '
        '⟦SCORING_TIMEOUTS_MS│SCORING_TIMEOUT_MS⟧ = "3" } } # é WORKERS_COUNT = "2"'.replace("é =", '"A" ='),
    ],
    "Dockerfile": [
        "# é –r",
        f"FROM {_BASE}",
        "RUN pip install ⟦–r│-r⟧ a.txt '–r é' ⟦–c│-c⟧ b.txt",
        "ENV ⟦WORKERS_COUNT│WORKER_COUNT⟧=2 OTHER=é WORKER_PRELOAD=⟦yes│true⟧",
        "ENV ⟦SCORING_TIMEOUTS_MS│SCORING_TIMEOUT_MS⟧=3 ⟦WORKER_TIMEOUTS│WORKER_TIMEOUT⟧=4",
        "COPY model /var/azureml-app/azureml-models",
        "ENV AZUREML_MODEL_DIR=⟦/var/azureml-app/azureml-model│/var/azureml-app/azureml-models⟧ AZUREML_ENTRY_SCRIPT="
        "⟦/var/azureml-app/src/score.py│src/score.py⟧",
        "ENV AZUREML_EXTRA_REQUIREMENTS_TXT ⟦/var/azureml-app/src/list/a.txt│list/a.txt⟧",
    ],
    "score.py": [
        "import os  # é AZUREML_APP_ROOT",
        'a = os.environ["⟦AZUREML_APP_ROOT│AML_APP_ROOT⟧"]  # é "AZUREML_APP_ROOT"',
        'b = "é", open("é/⟦azureml-model│azureml-models⟧/x")  # é "azureml-model/"',
        "c = os.getenv('⟦AZUREML_MODEL_DIRS│AZUREML_MODEL_DIR⟧'), 'AZUREML_MODEL_DIRS é', 'azureml-model'",
        *SCORE.splitlines(),
    ],
    "requirements.txt": [
        "# é scikit-learn==1.3.2",
        "⟦scikit-learn==1.3.2│scikit-learn==1.5.2⟧  # é scikit-learn==1.3.2",
        "  ⟦xgboost[scikit-learn] >=1,<2│xgboost[scikit-learn]==2.1.1⟧ # é",
        "six==1.17.0",
    ],
    "conda.yaml": [
        "# é",
        "dependencies:",
        "  - python=3.12",
        "  - ⟦conda-forge::xgboost  >=1.7, <2│conda-forge::xgboost==2.1.1⟧  # é xgboost=1.7",
        "  - pip:",
        "      - '⟦scikit-learn==1.3.2│scikit-learn==1.5.2⟧'  # é scikit-learn==1.3.2",
    ],
    "deployment.yml": [
        "name: blue",
        "instance_type: Standard_DS3_v2",
        "endpoint_name: rates",
        "code_configuration: {code: ., scoring_script: score.py}",
        f"environment: {{image: '{_BASE}'}}",
        "environment_variables: # é",
        "  ⟦WORKER_TIMEOUTS│WORKER_TIMEOUT⟧: '9'  # é WORKER_TIMEOUTS: 9",
    ],
}

_PLACE = re.compile("⟦(.*?)│(.*?)⟧")
_OF_CHOICE = {"score.py": ("latin-1", "utf-8"), "requirements.txt": ("latin-1", "utf-8", "utf-16")}


@st.composite
def files(draw: st.DrawFn) -> tuple[str, str, str, bool, str]:
    """A file's name, its line ends, its encoding, whether it has a byte order mark, and how it ends."""
    name = draw(st.sampled_from([*TEMPLATES]))
    encoding = draw(st.sampled_from(_OF_CHOICE.get(name, ("utf-8",))))
    ends = draw(st.sampled_from(["\n", "\r\n"]))
    return (
        name,
        ends,
        encoding,
        encoding == "utf-8" and draw(st.booleans()),
        draw(st.sampled_from(["", ends, ends * 2])),
    )


def _bytes(file: tuple[str, str, str, bool, str], side: int) -> bytes:
    name, ends, encoding, mark, last = file
    lines = "\n".join(TEMPLATES[name]).split("\n")
    lines = ["# -*- coding: latin-1 -*-", *lines] if encoding == "latin-1" else lines
    text = _PLACE.sub(lambda match: match[side], ends.join(lines) + last)
    return (b"\xef\xbb\xbf" if mark else b"") + text.encode(encoding)


@settings(max_examples=5)
@example(("dagger-aml.toml", "\r\n", "utf-8", True, ""))
@example(("Dockerfile", "\r\n", "utf-8", True, ""))
@example(("score.py", "\r\n", "latin-1", False, ""))
@example(("requirements.txt", "\r\n", "latin-1", False, ""))
@example(("deployment.yml", "\r\n", "utf-8", True, ""))
@given(files())
def test_a_file_is_mended_byte_for_byte_and_once(file: tuple[str, str, str, bool, str]) -> None:
    """What is wrong is gone; comments, encoding, mark and line ends stay; a second run writes nothing."""
    name = file[0]
    with tempfile.TemporaryDirectory() as folder:
        root = make(Path(folder), {"score.py": SCORE, "model/MLmodel": _MLMODEL, name: _bytes(file, 1)})
        input = root / name if name in ("Dockerfile", "deployment.yml") else root
        words = [str(input), "--select", ",".join(MENDED)]
        contents = _contents(root)
        difference = check(*words, "--diff").stdout
        assert _contents(root) == contents
        check(*words, "--fix")
        assert difference == "".join(_as_shown(contents, _contents(root)))
        assert (root / name).read_bytes() == _bytes(file, 2)
        before = snapshot(root)
        again = check(*words, "--fix")
        assert again.exit_code == 0 and "Nothing found." in again.stdout and snapshot(root) == before


# --- what is shown and not written --------------------------------------------------------------------------------


def _contents(root: Path) -> Mapping[Path, bytes]:
    return {each: each.read_bytes() for each in sorted(root.rglob("*")) if each.is_file()}


def _as_shown(before: Mapping[Path, bytes], after: Mapping[Path, bytes]) -> list[str]:
    """What `--diff` has to say of files that `--fix` makes of others, in any order."""
    changed = [each for each in before if before[each] != after[each]]
    texts = [printable(unified(shown(each), each, before[each], after[each]), sys.stdout) for each in changed]
    return sorted(each.replace("\r\n", "\n") for each in texts)  # As the runner of the tests has them.


def _differences(text: str) -> list[str]:
    return sorted(re.split(r"^(?=--- )", text, flags=re.MULTILINE)[1:])


def test_a_difference_is_all_that_fix_writes_in_however_many_rounds(tmp_path: Path) -> None:
    """The value is looked at when its name is right; the Dockerfile is an input and lies in one that is a project."""
    files = {
        "score.py": 'import os\n\nA = os.environ["AZUREML_APP_ROOT"]\n\n\n' + SCORE,
        "dagger-aml.toml": '[env]\nAZUREML_WORKER_PRELOAD = "1"\n',
        "Dockerfile": f"FROM {_BASE}\nENV AZUREML_ENTRYSCRIPT=/var/azureml-app/score.py "
        "AZUREML_EXTRA_REQUIREMENT_TXT=a.txt\n",
    }
    root = make(tmp_path, files)
    words = [str(root), str(root / "Dockerfile"), str(root)]
    before = _contents(root)
    said = check(*words, "--diff")
    assert said.exit_code == 1 and _contents(root) == before
    check(*words, "--fix")
    after = _contents(root)
    assert after[root / "dagger-aml.toml"] == b'[env]\nWORKER_PRELOAD = "true"\n'
    assert b"SCRIPT=score.py" in after[root / "Dockerfile"], "in a second round"
    assert _differences(said.stdout) == _as_shown(before, after) and len(_differences(said.stdout)) == 3
    assert check(*words, "--diff").stdout == ""


def test_a_difference_is_in_the_file_s_own_encoding(tmp_path: Path) -> None:
    text = f"# -*- coding: latin-1 -*-\n# é \x0c é\nimport os\nA = os.environ['AZUREML_APP_ROOT']\n\n\n{SCORE}"
    root = make(tmp_path, {"score.py": text.encode("latin-1")})
    lines = check(str(root), "--diff").stdout.split("\n")
    assert " # é \x0c é" in lines and "+A = os.environ['AML_APP_ROOT']" in lines


def test_a_difference_is_shown_though_more_cannot_be_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make(tmp_path, {"score.py": SCORE, "dagger-aml.toml": '[env]\nWORKERS_COUNT = "2"\n'})
    monkeypatch.chdir(tmp_path.parent)
    said = check(root.name, "nowhere", "--diff")
    assert said.exit_code == 2 and "nowhere: " in said.stderr and '+WORKER_COUNT = "2"\n' in said.stdout


# --- what is not mended -------------------------------------------------------------------------------------------

_OLD = "scikit-learn==1.3.2"
_LOCK = (
    "lock-version = '1.0'\ncreated-by = 'x'\n[[packages]]\nname = 'scikit-learn'\nversion = '1.3.2'\n"
    "wheels = [{url = 'https://x.example/scikit_learn-1.3.2-py3-none-any.whl', "
    f"hashes = {{sha256 = '{'0' * 64}'}}}}]\n"
)


@for_each(
    ("files", "why"),
    [
        ({"requirements.txt": "# This file is autogenerated by pip-compile\nscikit-learn==1.3.2\n"}, "is generated"),
        ({"requirements.txt": "scikit-learn==1.3.2; python_version > '3'\n"}, "has a marker"),
        ({"requirements.txt": "scikit-learn==1.3.2\nscikit-learn>1\n"}, "is listed twice"),
        ({"requirements.txt": "scikit-learn==1.3.2 \\\n --hash=sha256:" + "0" * 64}, "has a hash"),
        ({"pylock.toml": _LOCK}, "is a lock"),
        ({"pyproject.toml": f"[project]\nname='x'\ndependencies=['{_OLD}']\n", "poetry.lock": ""}, "is locked"),
        ({"conda.yaml": "dependencies:\n  - python=3.12\n  - scikit-learn=1.3.2=py312_0\n"}, "is of a build"),
        ({"conda.yaml": "dependencies:\n  - python=3.12\n  - scikit-learn=1.2|=1.3\n"}, "has alternatives"),
        ({"conda.yaml": "dependencies:\n  - python=3.12\n  - scikit-learn[version='=1.3']\n"}, "has brackets"),
        ({"requirements.txt": _OLD, "more/MLmodel": _MLMODEL.replace("1.5.2", "1.4.1")}, "is of two versions"),
        ({"requirements.txt": _OLD, "model/MLmodel": _MLMODEL.replace("1.5.2", "1.5.dev0")}, "is of a day"),
        ({"requirements.txt": "scikit-learn==1.7.0"}, "is newer, and an older one may not be for the base's Python"),
        ({"dagger-aml.toml": 'requirements = "model/r.txt"', "model/r.txt": _OLD}, "is MLflow's"),
    ],
)  # fmt: skip
def test_a_version_is_left_where(tmp_path: Path, files: dict[str, str], why: str) -> None:
    root = make(tmp_path, {"score.py": SCORE, "model/MLmodel": _MLMODEL, **files})
    make(root, {"dagger-aml.toml": files.get("dagger-aml.toml", "") + '\n[[models]]\npath="model"\n'})
    if "more/MLmodel" in files:
        make(root, {"dagger-aml.toml": '[[models]]\npath="model"\n[[models]]\npath="more"\n'})
    before = snapshot(root)
    said = check(str(root), "--fix", "--select", "AML417", "--fail-on", "warning")
    assert said.exit_code == 1 and snapshot(root) == before, why


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("- scikit-learn=1.3.2", "- scikit-learn==1.5.2"),
        ("- scikit-learn 1.3.*   # é", "- scikit-learn==1.5.2   # é"),
        ('-  "scikit-learn >=1.2,<1.4"', '-  "scikit-learn==1.5.2"'),
        ("- &a 'conda-forge::scikit-learn==1.3.2'", "- &a 'conda-forge::scikit-learn==1.5.2'"),
        ("- scikit-learn=1.3.2  # aml: ignore[AML417]", None),
        ("- pytorch=2.0", None),
    ],
)
def test_a_line_of_conda_s_is_mended_in_its_own_form(tmp_path: Path, line: str, after: str | None) -> None:
    """A twin of another name may count its versions otherwise; what is written is read by conda too."""
    model = _MLMODEL + "  pytorch:\n    pytorch_version: 2.5.1\n"
    text = "name: é\ndependencies:\n  - python=3.12\n  LINE\n  - pip:\n      - six==1.17.0\n"
    root = make(tmp_path, {"score.py": SCORE, "model/MLmodel": model, "conda.yaml": text.replace("LINE", line)})
    make(root, {"dagger-aml.toml": '[[models]]\npath = "model"\n'})
    check(str(root), "--fix", "--select", "AML417")
    assert (root / "conda.yaml").read_text(encoding="utf-8") == text.replace("LINE", after or line)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("dependencies:\n- python=3.9\n- flask=2.3.3\n", "dependencies:\n- python=3.9\n- flask==2.1\n"),
        ("dependencies: [python=3.9, flask=2.3.3]\n", "dependencies: [python=3.9, flask==2.1]\n"),
        ("dependencies:\n- python=3.9\n- pydantic=2.3\n", "dependencies:\n- python=3.9\n- pydantic>=1.9,<1.11\n"),
        ("dependencies: [python=3.9, pydantic=2.3]\n", None),
        ("dependencies:\n- python=3.9\n- pip: [pydantic==2.3]\n", None),
    ],
)
def test_a_version_with_a_comma_is_not_written_into_brackets(tmp_path: Path, text: str, after: str | None) -> None:
    """There it would be two entries. Server 1.0.0 needs `pydantic>=1.9,<1.11`."""
    path = make(tmp_path, {"conda.yaml": text}) / "conda.yaml"
    found = read_requirements(path, root=tmp_path)
    name = "flask" if "flask" in text else "pydantic"
    changes = fixed(tmp_path, pinned(found, name, "==2.1" if name == "flask" else ">=1.9,<1.11"))
    assert {each: data.decode() for each, (_, data) in changes.items()} == ({path: after} if after else {})


def test_of_two_answers_for_one_place_none_is_written(tmp_path: Path) -> None:
    path = make(tmp_path, {"a.txt": "one two three\n"}) / "a.txt"
    fixes = [Fix(path, 1, "two", "2", 5), Fix(path, 1, "o t", "x", 7), Fix(path, 1, "one", "1", 1)]
    assert fixed(tmp_path, fixes)[path][1] == b"1 two three\n"
    assert fixed(tmp_path, [fixes[0], fixes[0]])[path][1] == b"one 2 three\n"
    assert fixed(tmp_path, [Fix(path, 1, "six", "6", 5), Fix(path, 9, "one", "1", 1)]) == {}


def test_a_folder_that_dagger_aml_wrote_is_left(tmp_path: Path) -> None:
    root = make(tmp_path / "out", {".dagger-aml": "", "Dockerfile": f"FROM {_BASE}\nENV WORKERS_COUNT=2\n"})
    before = snapshot(root)
    check(str(root / "Dockerfile"), "--fix")
    assert snapshot(root) == before
    (root / ".dagger-aml").unlink()
    check(str(root / "Dockerfile"), "--fix")
    assert (root / "Dockerfile").read_text() == f"FROM {_BASE}\nENV WORKER_COUNT=2\n"


@pytest.mark.parametrize(
    ("listed", "flags", "after"),
    [
        ("pydantic==1.10.13\n", [], "pydantic==1.10.13\n"),
        ("pydantic==1.10.13 # é\n", ["--server", "add"], "pydantic~=2.12.0 # é\n"),
        ("opentelemetry-api>=1.40\n", ["--server", "add"], "opentelemetry-api==1.33.0\n"),
        ("azureml-inference-server-http==1.5.1\npydantic==1.10.13\n", [], None),
    ],
)
def test_a_version_that_fights_the_server_s_is_mended_where_the_server_is_known(
    tmp_path: Path, listed: str, flags: list[str], after: str | None
) -> None:
    base = ["--base", "python:3.12-slim"] if flags else []
    root = make(tmp_path, {"score.py": SCORE, "requirements.txt": listed})
    check(str(root), "--fix", "--select", "AML317", *flags, *base)
    assert (root / "requirements.txt").read_text() == (after or listed)


def test_what_each_start_would_install_gets_the_version_of_the_lock_or_the_model(tmp_path: Path) -> None:
    packages = [("six", "1.17.0"), ("idna", "3.10")]
    lock = (
        "version = 1\nrequires-python = '>=3.9'\n[[package]]\nname = 'x'\nversion = '1'\nsource = {virtual = '.'}\n"
    )
    lock += f"dependencies = [{', '.join(f'{{name = {name!r}}}' for name, _ in packages)}]\n"
    lock += "".join(
        f"[[package]]\nname = '{name}'\nversion = '{version}'\nsource = {{registry = 'https://pypi.org/simple'}}\n"
        for name, version in packages
    )
    listed = "six  # é\nIdna>=4\nscikit-learn\npackaging\nflask\n"
    root = make(tmp_path, {"score.py": SCORE, "requirements.txt": listed, "model/MLmodel": _MLMODEL})
    make(root, {"uv.lock": lock})
    older = ("--base", "minimal-ubuntu22.04-py39-cpu-inference")
    check(str(root), "--fix", "--select", "AML306", "--recipe", "dynamic", *older)
    assert "scikit-learn\n" in (root / "requirements.txt").read_text(), "the model is of another Python"
    check(str(root), "--fix", "--select", "AML306", "--recipe", "dynamic")
    assert (
        root / "requirements.txt"
    ).read_text() == "six==1.17.0  # é\nIdna>=4\nscikit-learn==1.5.2\npackaging\nflask\n"


# --- the corpus ---------------------------------------------------------------------------------------------------


def _to_mend(*, every: bool) -> Iterator[corpus.Case]:
    """Cases with such a finding, four of each rule at the most; or all that there are."""
    seen: Counter[str] = Counter()
    for case in corpus.cases():
        ids = case.expect & {*MENDED}
        if not (case.probed or case.shell) and (every or any(seen[id] < 4 for id in ids)):
            seen.update(ids)
            yield case


def test_the_corpus_is_mended_and_still_planned(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """What can be mended is gone (nightly: of all), nothing is refused for it, and a second run writes nothing."""
    mended: Counter[str] = Counter()
    for case in _to_mend(every=depth_of(pytestconfig).every_example):
        root = tmp_path / case.name
        root.mkdir(parents=True)
        before = corpus.run(case, root)
        words = (str(root / case.input), "--fix", *case.flags)
        contents = _contents(root)
        difference = check(str(root / case.input), "--diff", *case.flags).stdout
        if "dagger-aml: mended " not in check(*words).stderr:
            assert difference == "", case.name
            continue
        assert _differences(difference) == _as_shown(contents, _contents(root)), case.name
        after = corpus.said(case, root)
        assert before.ids - after.ids and corpus.ERROR not in after.ids, case.name
        whole = snapshot(root)
        check(*words)
        assert snapshot(root) == whole, case.name
        mended.update(before.ids - after.ids)
    assert mended["AML201"] >= 3 and mended.keys() >= {*MENDED} - {"AML306", "AML317"}
