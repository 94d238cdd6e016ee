"""``dagger-aml init``: what it finds by reading, what it writes, and that it never writes over anything."""

from __future__ import annotations

import os
import pickle
import re
import shutil
import struct
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger_aml import Options, load_project
from dagger_aml.artifacts.pickle import read_pickle
from dagger_aml.contract import APP_ROOT
from dagger_aml.graph.graph import Copy
from dagger_aml.init import make_draft, new_files
from dagger_aml.init.draft import NEEDED
from dagger_aml.init.installed import Installed, here
from dagger_aml.init.toml import _LIKELY, toml_text
from dagger_aml.project.file import read_project_file
from dagger_aml.project.keys import KEYS
from dagger_aml.pysource import entry_script
from dagger_aml.pysource.imports import read_code
from dagger_aml.requirements.read import read_requirements
from tests.support.calls import error_of
from tests.support.cases import for_each
from tests.support.projects import SCORE, laid_out, make, snapshot

from . import strings
from .test_docs import DOCS


def environment(folder: Path, packages: Mapping[str, str | tuple[str, Mapping[str, str]]]) -> Installed:
    """A ``site-packages`` folder: ``NAME VERSION`` -> the files of a package, and what else its metadata has."""
    for title, said in packages.items():
        files, more = (said, {}) if isinstance(said, str) else said
        name, version = title.split(" ")
        info = f"{name}-{version}.dist-info"
        make(
            folder,
            {
                f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
                f"{info}/RECORD": "".join(f"{file},,\n" for file in files.split()),
                **dict.fromkeys(files.split(), ""),  # From Python 3.12 on what is not there is not listed.
                **{f"{info}/{file}": text for file, text in more.items()},
            },
        )
    return Installed("3.12", (str(folder),), "a test")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What a data scientist has, which nobody changes."""
    return environment(
        tmp_path_factory.mktemp("installed") / "site-packages",
        {
            "scikit_learn 1.6.1": "sklearn/__init__.py sklearn/linear_model/__init__.py",
            "numpy 2.1.0": "numpy/__init__.py",
            "pandas 2.2.3": "pandas/__init__.py",
            "PyYAML 6.0.2": "yaml/__init__.py _yaml/__init__.py",
            "opencv-python 4.10.0.84": "cv2/__init__.py",
            "opencv-python-headless 4.10.0.84": "cv2/__init__.py",
            "azure-identity 1.19.0": "azure/identity/__init__.py",
            "azure-storage-blob 12.24.0": "azure/storage/blob/__init__.py",
            "torch 2.4.1+cpu": "torch/__init__.py",
            "next-big-thing 2.0rc1": "next_big_thing/__init__.py",
            "mine 0.1": ("mine.pth", {"direct_url.json": '{"url": "file:///x", "dir_info": {"editable": true}}'}),
            "forked 1.0": ("forked.py", {"direct_url.json": '{"url": "https://x/y", "vcs_info": {"vcs": "git"}}'}),
            "conda_built 1.0": ("conda_built.py", {"direct_url.json": '{"url": "file:///b", "dir_info": {}}',
                                                   "INSTALLER": "conda\n"}),
            "fast 3.0": "fast.cpython-312-x86_64-linux-gnu.so",
        },
    )  # fmt: skip


def drafted(root: Path, installed: Installed, **options: str) -> tuple[str, str]:
    """The project file and the requirements file."""
    files = make_draft(root, Options(**options), installed=installed).files
    return files.get("dagger-aml.toml", ""), files.get("requirements.txt", "")


def pins(text: str) -> list[str]:
    """What pip reads of a requirements file."""
    return [line.partition("  #")[0] for line in text.splitlines() if line and not line.startswith("#")]


# --- packages -----------------------------------------------------------------------------------------------------


@for_each(
    ("line", "pinned", "said"),
    [
        ("import numpy as np", ["numpy==2.1.0"], "imported by score.py:1"),
        ("import sklearn.linear_model", ["scikit_learn==1.6.1"], ""),
        ("from yaml import safe_load", ["PyYAML==6.0.2"], ""),
        ("def f():\n    import pandas", ["pandas==2.2.3"], "score.py:2"),
        ("import importlib\nimportlib.import_module('pandas.io')", ["pandas==2.2.3"], "score.py:2"),
        ("import fast", ["fast==3.0"], ""),
        ("from azure.identity import X", ["azure-identity==1.19.0"], ""),
        ("from azure import identity", ["azure-identity==1.19.0"], ""),
        ("import azure.storage.blob", ["azure-storage-blob==12.24.0"], ""),
        ("import conda_built", ["conda_built==1.0"], ""),
        ("import os, json, xml.etree", [], None),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas", [], None),
        ("try:\n    import pandas\nexcept ImportError:\n    pandas = None", [],
         "# pandas==2.2.3  # imported by score.py:2, where it is optional"),
        ("try:\n    import pandas\nexcept (ValueError, ModuleNotFoundError):\n    import numpy", [],
         "# numpy==2.1.0  # imported by score.py:4, where it is"),
        ("try:\n    import pandas\nexcept OSError:\n    raise", ["pandas==2.2.3"], ""),
        ("if __name__ == '__main__':\n    import pandas", [], "# pandas==2.2.3  # imported"),
        ("try:\n    import pandas\nexcept:\n    pass\nimport pandas", ["pandas==2.2.3"], "score.py:5\n"),
        ("import torch", [], "# torch==2.4.1+cpu  # imported by score.py:1; PyPI has no 2.4.1+cpu; "
         "write torch==2.4.1"),
        ("import next_big_thing", [], "# next-big-thing==2.0rc1  # imported by score.py:1; 2.0rc1 is a pre-release"),
        ("import mine", [], "# mine==0.1  # imported by score.py:1; installed from a folder; build a wheel"),
        ("import forked", [], "# forked==1.0  # imported by score.py:1; installed from git"),
        ("import cv2", [], "provided by opencv-python 4.10.0.84 and opencv-python-headless 4.10.0.84 here"),
        ("import never_heard_of_it", [],
         "# never_heard_of_it: imported by score.py:1; not installed here; add its package\n"),
        ("import PIL.Image", [], "# PIL: imported by score.py:1; not installed here; add its package, pillow\n"),
        ("import google.cloud.storage", [], "# google.cloud.storage: imported by score.py:1; not installed here; "
         "add its package, google-cloud-storage\n"),
        ("import pandas\nfrom azureml_inference_server_http.api.aml_response import AMLResponse", ["pandas==2.2.3"],
         "not to list these packages here.\n# azureml_inference_server_http: imported by score.py:2\n"),
        ("import pandas\nfrom azureml.contrib import services", ["pandas==2.2.3"], "# azureml.contrib.services: "),
        ("from azureml.core.model import Model", [], "# azureml.core.model: imported by score.py:1; not installed"),
    ],
)  # fmt: skip
def test_an_import_becomes(tmp_path, installed, line, pinned, said):
    root = make(tmp_path / "p", {"code/score.py": f"{line}\n{SCORE}"})
    _, text = drafted(root, installed)
    assert pins(text) == pinned
    assert (text == "") if said is None else (said in text)


def test_a_package_without_a_name_is_passed_over(tmp_path, installed):
    """What pip leaves of one that it removed half; from Python 3.15 on asking for the name raises."""
    own = tmp_path / "site-packages"
    shutil.copytree(installed.paths[0], own)
    make(own, {"~umpy-1.0.dist-info/METADATA": "Version: 1.0\n", "old-1.0.dist-info/RECORD": ""})
    changed = Installed(installed.python, (str(own),), installed.shown)
    _, text = drafted(make(tmp_path / "p", {"code/score.py": f"import pandas\n{SCORE}"}), changed)
    assert pins(text) == ["pandas==2.2.3"]


def test_only_what_the_entry_script_reaches_is_pinned(tmp_path, installed):
    root = make(
        tmp_path / "p",
        {
            "code/score.py": f"import features\nfrom lib import clean\nfrom lib.deep import x\n{SCORE}",
            "code/features.py": "import numpy\n",
            "code/lib/__init__.py": "",
            "code/lib/clean.py": "from . import other\nfrom .deep import x\n",
            "code/lib/other.py": "import yaml\n",
            "code/lib/deep/__init__.py": "from ..more import y\n",
            "code/lib/more.py": "import pandas\n",
            "code/train.py": "import sklearn\nimport features\nimport never_heard_of_it\n",
        },
    )
    _, text = drafted(root, installed)
    assert pins(text) == ["numpy==2.1.0", "pandas==2.2.3", "PyYAML==6.0.2"]
    assert "\n# scikit_learn==1.6.1  # imported by train.py:1, which the entry script does not import\n" in text
    assert "features" not in re.sub("by features.py", "", text)


def test_modules_on_a_changed_path_are_the_projects_own(tmp_path, installed):
    files = {
        "code/score.py": f"import sys\nsys.path.insert(0, 'src')\nimport helpers\nimport numpy\n{SCORE}",
        "code/src/helpers.py": "import pandas\n",
        "code/stubs/numpy/__init__.py": "import yaml\n",
    }
    _, text = drafted(make(tmp_path / "p", files), installed)
    assert pins(text) == ["numpy==2.1.0", "pandas==2.2.3"]


def test_what_does_not_travel_is_not_read(tmp_path, installed):
    files = {
        "score.py": SCORE,
        ".amlignore": "old/\n",
        "old/score_v1.py": "import pandas\n",
        ".venv/pyvenv.cfg": "",
        ".venv/x.py": "import numpy\n",
    }
    assert drafted(make(tmp_path / "p", files), installed)[1] == ""


def test_a_file_that_is_no_python_is_told(tmp_path, installed):
    root = make(tmp_path / "p", {"code/score.py": SCORE, "code/old.py": "ok = 1\nprint 'x'\n"})
    assert any("old.py:2" in each for each in make_draft(root, Options(), installed=installed).unknown)


@pytest.mark.parametrize("name", ["a.py", "sub/b.py", "sub/__init__.py", "sub/deep/c.py", "x/y.txt"])
def test_imports_in_a_circle_end(tmp_path, name):
    text = "import a\nfrom sub import b, deep\nfrom . import b\nfrom .. import c\nfrom ...... import d\n"
    make(tmp_path, {"score.py": "import a, sub.b\n", name: text})
    files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    read_code(tmp_path, files, "score.py", installed=lambda _: False)


# --- models -------------------------------------------------------------------------------------------------------


def pickled(module: str, state: Mapping[str, str] | None = None, *, protocol: int = 4) -> bytes:
    """A pickle that has an object of ``module.Thing``."""
    cls = type("Thing", (), {})
    cls.__module__ = module
    parts = module.split(".")
    modules = {".".join(parts[:end]): ModuleType("made up") for end in range(1, len(parts) + 1)}
    modules[module].Thing = cls
    thing = cls()
    thing.__dict__.update(state or {})
    with pytest.MonkeyPatch.context() as patch:
        for name, each in modules.items():
            patch.setitem(sys.modules, name, each)
        return pickle.dumps(thing, protocol)


def joblib_like(array: bytes, then: bytes) -> bytes:
    """What joblib writes: a pickle that is broken off for an array's bytes, and goes on behind them."""
    wrapper = b"\x8c\x13joblib.numpy_pickle\x94\x8c\x11NumpyArrayWrapper\x94\x93\x94)\x81\x94"
    return b"\x80\x04\x95" + struct.pack("<Q", len(wrapper)) + wrapper + b"}\x94b" + array + then


@for_each("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_names_its_modules(tmp_path, protocol):
    path = tmp_path / "m.pkl"
    path.write_bytes(pickled("sklearn.linear_model._ridge", {"_sklearn_version": "1.5.0"}, protocol=protocol))
    found = read_pickle(path)
    assert found and "sklearn.linear_model._ridge" in found.modules
    assert found.sklearn == "1.5.0" and found.unread is None


def test_names_that_a_pickle_repeats_from_its_memo_are_found(tmp_path):
    data = (
        b"\x80\x04\x8c\x05numpy\x940h\x00\x8c\x05dtype\x94\x93\x94."  # a text, dropped, and then taken for a module
    )
    (tmp_path / "m.bin").write_bytes(data)
    assert read_pickle(tmp_path / "m.bin").modules == ("numpy",)


@pytest.mark.parametrize(
    "array", [b"\0" * 64, bytes(range(256)) * 8, b"\x8c\xff" * 40, b"c" * 99, b"X\xff\xff\xff\x7f"]
)
def test_names_behind_an_array_of_joblibs_are_found(tmp_path, array):
    then = b"\x8c\x0elightgbm.basic\x94\x8c\x07Booster\x94\x93\x94\x8c\x10_sklearn_version\x94\x8c\x051.4.2\x94ub."
    (tmp_path / "m.joblib").write_bytes(joblib_like(array, then))
    found = read_pickle(tmp_path / "m.joblib")
    assert set(found.modules) == {"joblib.numpy_pickle", "lightgbm.basic"} and found.sklearn == "1.4.2"


def test_names_behind_an_array_in_an_old_protocol_are_found(tmp_path):
    wrapper = b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\nq\x00)\x81q\x01"
    then = b"cxgboost.core\nBooster\nq\x02X\x10\0\0\0_sklearn_versionq\x03X\x05\0\0\x001.3.2q\x04ub."
    (tmp_path / "m.joblib").write_bytes(wrapper + b"\0\xff" * 32 + then)
    found = read_pickle(tmp_path / "m.joblib")
    assert found.modules == ("joblib.numpy_pickle", "xgboost.core") and found.sklearn == "1.3.2"


@for_each(
    ("name", "data", "said"),
    [
        ("m.joblib", b"\x78\x9cwhatever", "compressed with zlib"),
        ("m.pkl", b"\x1f\x8bwhatever", "compressed with gzip"),
        ("m.pkl", b"not a pickle at all", "not a readable pickle"),
        ("m.pkl", b"\x80\x04\x95", "not a readable pickle"),
        ("m.txt", b"tree\nversion=v4\n", None),
        ("m.onnx", b"\x08\x07\x12", None),
        ("m.pkl", b"", None),
    ],
)
def test_what_is_no_pickle_is_told_or_passed_over(tmp_path, name, data, said):
    (tmp_path / name).write_bytes(data)
    found = read_pickle(tmp_path / name)
    assert (found is None) if said is None else (said in found.unread)


@given(data=st.one_of(st.binary(max_size=200), st.binary(max_size=99).map(lambda tail: b"\x80\x04" + tail)))
def test_any_bytes_are_read_without_an_exception(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("m") / "m.pkl"
    path.write_bytes(data)
    read_pickle(path)


def test_reading_a_pickle_runs_nothing(tmp_path):
    trap = f"cos\nsystem\n(S'touch {tmp_path}/ran'\ntR."
    (tmp_path / "m.pkl").write_text(trap)
    assert read_pickle(tmp_path / "m.pkl").modules == ("os",)
    assert not (tmp_path / "ran").exists()


def test_a_models_packages_are_pinned_at_the_version_that_made_it(tmp_path, installed):
    root = make(
        tmp_path / "p",
        {
            "code/score.py": f"import sklearn\n{SCORE}",
            "code/steps.py": "import pandas\n",
            "model/a.pkl": pickled("sklearn.linear_model", {"_sklearn_version": "1.5.0"}),
            "model/b.pkl": pickled("steps"),
            "model/c.pkl": pickled("__main__"),
        },
    )
    draft = make_draft(root, Options(), installed=installed)
    text = draft.files["requirements.txt"]
    assert pins(text) == ["pandas==2.2.3", "scikit_learn==1.5.0"], "a class of steps.py makes its imports needed"
    assert "needed by model/a.pkl, made with this version (1.6.1 is installed)" in text
    assert any(each.startswith("model/c.pkl") and "__main__" in each for each in draft.unknown)


def test_a_model_among_the_code_is_read_too(tmp_path, installed):
    files = {"score.py": SCORE, "model.pkl": pickled("sklearn.svm"), "lib/more.joblib": pickled("pandas.core")}
    draft = make_draft(make(tmp_path / "p", files), Options(), installed=installed)
    assert pins(draft.files["requirements.txt"]) == ["pandas==2.2.3", "scikit_learn==1.6.1"]
    assert not any("no model" in each for each in draft.unknown)


def test_one_reason_a_file_is_enough(tmp_path, installed):
    files = {
        "code/score.py": f"import numpy\nimport numpy.linalg\n{SCORE}",
        "code/x.py": "import numpy\nimport yaml\n",
    }
    _, text = drafted(make(tmp_path / "p", files), installed)
    assert "numpy==2.1.0  # imported by score.py:1\n" in text


def test_two_models_of_two_versions_are_left_to_the_user(tmp_path, installed):
    root = make(tmp_path / "p", {"code/score.py": SCORE})
    for version in ("1.4.0", "1.5.0"):
        make(root, {f"models/m{version}.pkl": pickled("sklearn.svm", {"_sklearn_version": version})})
    _, text = drafted(root, installed)
    assert pins(text) == [] and "different versions, 1.4.0 and 1.5.0" in text


# --- this environment ---------------------------------------------------------------------------------------------


def test_the_activated_environment_is_asked(tmp_path):
    folder = tmp_path / "venv" / "lib" / "python3.10" / "site-packages"
    environment(folder, {"thing 1.0": "thing.py"})
    found = here({"VIRTUAL_ENV": str(tmp_path / "venv")})
    assert found.python == "3.10" and [each.version for each in found.find("thing")] == ["1.0"]
    assert here({}).find("thing") == () and here({"VIRTUAL_ENV": str(tmp_path / "gone")}).shown == here({}).shown


def test_this_environment_has_what_it_has():
    assert [each.name for each in here({}).find("cattrs.gen")] == ["cattrs"]
    assert here({}).has("click") and not here({}).has("sklearn_that_is_not_there")


# --- the project file ---------------------------------------------------------------------------------------------


@given(text=st.one_of(strings.commands, st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_text_reads_back_from_toml(text):
    assert tomllib.loads(f"key = {toml_text(text)}\n") == {"key": text}
    assert "\n" not in toml_text(text)


def test_the_file_says_what_was_found(tmp_path, installed):
    files = {
        "code/score.py": f"import numpy\n{SCORE}",
        "model/m.bin": "m",
        "request.json": "{}",
        "apt.txt": "libgomp1\n",
    }
    root = make(tmp_path / "Demo", files)
    text, _ = drafted(root, installed, base="curated/minimal-py311-inference", recipe="package")
    assert tomllib.loads(text) == {
        "base": "curated/minimal-py311-inference",
        "recipe": "package",
        "requirements": "requirements.txt",
        "apt": "apt.txt",
        "request": "request.json",
        "code": {"path": "code", "entry-script": "score.py"},
        "models": [{"path": "model", "name": "Demo", "version": "1"}],
    }


def code_of(root: Path) -> list[str]:
    """The paths of the code that travels."""
    layers = [layer for layer in laid_out(root)[1].layers if isinstance(layer, Copy) and layer.dest == APP_ROOT]
    return [entry.path for layer in layers for entry in layer.source.entries]


@pytest.mark.parametrize(
    "files",
    [
        {"score.py": SCORE},
        {"score.py": SCORE, "model": "m"},
        {"code/score.py": SCORE, "models/a b.bin": "m", "models/ü": "m"},
        {"code/score.py": f"import numpy\n{SCORE}", "model/m": "m", "request.json": "{}", "answer.json": "{}"},
        {"code/score.py": f"import numpy\n{SCORE}", "code/requirements.txt": "numpy\n"},
    ],
)
def test_the_project_is_the_same_with_the_file_as_without(tmp_path, installed, files):
    root = make(tmp_path / "p", files)
    before, code = load_project(root), code_of(root)
    new_files(root, make_draft(root, Options(), installed=installed).files)
    after = load_project(root)
    assert code_of(root) == code
    for part in ("name", "base", "recipe", "code", "entry_script", "models", "request", "answer", "apt"):
        assert getattr(after, part) == getattr(before, part), part
    assert after.requirements == (
        before.requirements or (root / "requirements.txt" if "numpy" in str(files) else None)
    )


def test_every_commented_line_can_be_taken_in(tmp_path, installed):
    text, _ = drafted(make(tmp_path / "p", {"score.py": SCORE}), installed)
    whole = re.sub(r"^# (?=\[|[a-z-]+ = )", "", text, flags=re.M)
    read = read_project_file(make(tmp_path / "q", {"dagger-aml.toml": whole}))
    said = {record.key for record in KEYS if read.files[0].says(record.key)}
    assert said == {*_LIKELY, ("code", "path"), ("code", "entry-script")}
    assert read.tables.env and read.tables.code.path == "." and read.tables.pip.index_url


def test_the_file_fits_on_a_screen_and_a_line_of_it_in_the_width(tmp_path, installed):
    files = {"code/score.py": f"import numpy\n{SCORE}", "model/m": "m", "request.json": "{}", "apt.txt": "libgomp1\n"}
    lines = drafted(make(tmp_path / "p", files), installed)[0].splitlines()
    assert len(lines) < 30 and max(map(len, lines)) < 120
    assert not any("](" in line for line in lines)
    assert [line for line in lines if line.startswith("# apt")] == [], "what is said is not shown again"
    assert "docs/reference-file.md" in lines[2] and (DOCS / "reference-file.md").is_file()


def test_a_recipe_file_is_named_as_seen_from_the_project(tmp_path, installed, monkeypatch):
    recipe = "async def recipe(graph, project):\n    return graph\n"
    root = make(tmp_path / "p", {"score.py": SCORE, "mine.py": recipe})
    make(tmp_path, {"ours/shared.py": recipe})
    monkeypatch.chdir(tmp_path)
    assert tomllib.loads(drafted(root, installed, recipe="p/mine.py")[0])["recipe"] == "./mine.py"
    assert tomllib.loads(drafted(root, installed, recipe="./ours/shared.py")[0])["recipe"] == "../ours/shared.py"


# --- writing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "there", [(), ("dagger-aml.toml",), ("requirements.txt",), ("dagger-aml.toml", "requirements.txt")]
)
def test_nothing_is_overwritten(cli, tmp_path, monkeypatch, there):
    environment(tmp_path / "venv/lib/python3.10/site-packages", {"click 8.1.8": "click/__init__.py"})
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "venv"))
    root = make(tmp_path / "p", {"score.py": f"import click\n{SCORE}", **dict.fromkeys(there, "# mine\n")})
    before = snapshot(root)
    code, out, _ = cli("init", root)
    after = snapshot(root)
    new = {"dagger-aml.toml", "requirements.txt"} - set(there)
    assert code == 0 and {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == new
    assert ("Nothing to write" in out) == (not new)
    for name in there:
        assert name in re.search(r"^Not changed: (.*)$", out, flags=re.M)[1]
    for name in new:
        assert after[name][0] == "-rw-r--r--" and name in re.search(r"^Wrote (.*)$", out, flags=re.M)[1]
    if "requirements.txt" in new:
        assert read_requirements(root / "requirements.txt").names == ("click",)
    assert snapshot(root) == after and cli("init", root)[0] == 0 and snapshot(root) == after


def test_a_file_that_comes_between_stays(tmp_path, monkeypatch):
    make(tmp_path, {"b": "somebody's\n"})
    assert new_files(tmp_path, {"a": "new\n", "b": "new\n"}) == ("a",)
    assert (tmp_path / "b").read_text() == "somebody's\n" and sorted(os.listdir(tmp_path)) == ["a", "b"]
    monkeypatch.setattr(os, "link", _no_links)
    assert new_files(tmp_path, {"b": "new\n", "c": "new\n"}) == ("c",)
    assert (tmp_path / "b").read_text() == "somebody's\n" and sorted(os.listdir(tmp_path)) == ["a", "b", "c"]


def _no_links(*_: object) -> None:
    raise OSError(95, "Operation not supported")


def test_a_dangling_link_is_not_written_through(tmp_path):
    make(tmp_path, {"a": "->elsewhere"})
    assert new_files(tmp_path, {"a": "new\n"}) == ()
    assert not (tmp_path / "elsewhere").exists()


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(self: Path, data: bytes) -> int:
        if self.name == "b":
            raise OSError(28, "No space left on device")
        return real(self, data)

    real = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", full)
    error = error_of(new_files, tmp_path, {"a": "1", "b": "2"})
    assert "No space left" in str(error) and os.listdir(tmp_path) == []


def test_a_failure_between_two_files_takes_the_first_away(tmp_path, monkeypatch):
    def link(new: Path, path: Path) -> None:
        if path.name == "b":
            raise OSError(5, "Input/output error")
        real(new, path)

    real, opened = os.link, Path.open
    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(
        Path, "open", lambda self, mode="r", *more: opened(self, mode, *more) if mode != "xb" else _no_links()
    )
    error_of(new_files, tmp_path, {"a": "1", "b": "2"})
    assert os.listdir(tmp_path) == []


def test_a_dry_run_writes_nothing(cli, tmp_path):
    root = make(tmp_path / "p", {"score.py": f"import click\n{SCORE}"})
    before = snapshot(root)
    code, out, _ = cli("init", root, "--dry-run")
    assert code == 0 and snapshot(root) == before
    assert "\nclick==" in out and 'entry-script = "score.py"' in out and "Would write: requirements.txt" in out


def test_pyprojects_table_is_the_project_file(cli, tmp_path):
    files = {"score.py": SCORE, "pyproject.toml": "[tool.dagger-aml]\nname = 'x'\n"}
    code, out, _ = cli("init", make(tmp_path / "p", files))
    assert code == 0 and "Not changed: [tool.dagger-aml] of pyproject.toml" in out
    assert not (tmp_path / "p/dagger-aml.toml").exists()


def test_what_a_requirements_file_does_not_name_is_told(cli, tmp_path):
    files = {"score.py": f"import click, attrs, yaml\n{SCORE}", "requirements.txt": "Click==8\npyyaml\n"}
    _, out, _ = cli("init", make(tmp_path / "p", files))
    assert "does not list these packages" in out and "attrs: imported by score.py:1" in out
    assert "click" not in out and "yaml" not in out.lower()


def test_the_report_ends_with_what_to_do_next(cli, tmp_path):
    root = make(tmp_path / "My Model", {"score.py": SCORE})
    _, out, _ = cli("init", root)
    assert out.endswith(f"Next:\n  dagger-aml plan '{root}'\n  dagger-aml build '{root}' -t my-model:1 --load\n")
    assert "no request.json" in out and "no model was found" in out
    assert "Packages: none" in out


# --- wrong use ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "words", "said"),
    [
        ({}, [], "there is no entry script"),
        ({"code/": None}, [], "there is no entry script"),
        ({"train.py": "import numpy\n"}, [], "there is no entry script"),
        ({"code/score.py": "def init():\n    return (\n"}, [], "score.py:2: Python"),
        ({"code/score.py": "def init(): pass\n"}, [], "no run()"),
        ({"score.py": SCORE}, ["--base", "minimal-py313-inference"], "Similar names: "),
        ({"score.py": SCORE}, ["--recipe", "extend"], "Did you mean extended?"),
        ({"score.py": SCORE, "dagger-aml.toml": "bse = 'x'\n"}, [], "dagger-aml.toml:1: unknown key"),
        ({"score.py": SCORE, "requirements.txt": "numpy = 1\n"}, [], "requirements.txt:1: not a requirement"),
    ],
)
def test_wrong_use_is_one_message_and_writes_nothing(cli, tmp_path, files, words, said):
    root = make(tmp_path / "p", files)
    before = snapshot(root)
    code, out, err = cli("init", root, *words)
    assert (code, out) == (2, "") and said in err
    assert snapshot(root) == before


def test_the_example_that_an_error_shows_is_an_entry_script(tmp_path):
    text = NEEDED.partition("\n\n")[2]
    assert len(text.splitlines()) == 6
    make(tmp_path, {"score.py": text})
    entry_script.check(tmp_path, "score.py")


# --- a model that says more -----------------------------------------------------------------------------------------


def test_an_mlflow_models_own_list_is_taken(tmp_path, installed):
    mlflow = {"model/MLmodel": "flavors:\n", "model/requirements.txt": "mlflow==2.17.0\nscikit-learn==1.5.2\n"}
    root = make(tmp_path / "p", {"code/score.py": "import yaml\n" + SCORE, **mlflow})
    draft = make_draft(root, Options(), installed=installed)
    assert set(draft.files) == {"dagger-aml.toml"} and draft.kept == ("model/requirements.txt",)
    assert 'requirements = "model/requirements.txt"' in draft.files["dagger-aml.toml"].splitlines()
    assert [each.package for each in draft.unnamed] == ["PyYAML"]
    new_files(root, draft.files)
    assert load_project(root).requirements == root / "model" / "requirements.txt"


def test_a_list_of_the_projects_own_comes_first(tmp_path, installed):
    mlflow = {"model/MLmodel": "flavors:\n", "model/requirements.txt": "mlflow==2.17.0\n"}
    root = make(tmp_path / "p", {"code/score.py": SCORE, "requirements.txt": "idna\n", **mlflow})
    assert make_draft(root, Options(), installed=installed).kept == ("requirements.txt",)
    make(tmp_path / "q", {"code/score.py": SCORE, "model/a": "", "model/requirements.txt": "idna\n"})
    assert make_draft(tmp_path / "q", Options(), installed=installed).kept == ()


@pytest.mark.parametrize(("path", "said"), [("model/a.pkl", "true"), ("a.pkl", "false"), ("b.pkl", None)])
def test_how_the_models_folder_lies_is_written_down(tmp_path, installed, path, said):
    script = f"import os\nP = os.path.join(os.environ['AZUREML_MODEL_DIR'], '{path}')\n" + SCORE
    root = make(tmp_path / "p", {"code/score.py": script, "model/a.pkl": ""})
    draft = make_draft(root, Options(), installed=installed)
    written = [line for line in draft.files["dagger-aml.toml"].splitlines() if line.startswith("keep-folder")]
    assert written == ([f"keep-folder = {said}"] if said else [])
    before = load_project(root).models
    new_files(root, draft.files)
    assert load_project(root).models == before
