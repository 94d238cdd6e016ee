"""Conda files as lists of packages: what is found, what pip is told, what is refused and with which words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from dagger_aml import DaggerAmlError, Options, Project, load_project, make_plan
from dagger_aml.building.graphs import lay_out
from dagger_aml.cli.main import cli
from dagger_aml.graph.graph import Copy
from dagger_aml.graph.source import Text
from dagger_aml.init import make_draft, new_files
from dagger_aml.plan.render import plan_json, plan_text
from dagger_aml.requirements import conda_yaml
from dagger_aml.requirements.conda_spec import NotASpec, parse_spec
from dagger_aml.requirements.conda_twins import CondaSettings, table
from dagger_aml.requirements.conda_yaml import is_conda
from dagger_aml.requirements.model import Requirements
from dagger_aml.requirements.read import read_requirements
from dagger_aml.serving.local_packages import Place, wanted
from tests.support.calls import await_, error_of, short
from tests.support.cases import for_each
from tests.support.cli import printed
from tests.support.projects import SCORE, laid_out, make, planned

HASH = f"--hash=sha256:{'a' * 64}"
HEAD = "# dagger-aml made this from a conda file.\n"


def conda(*lines: str, pip: tuple[str, ...] = (), more: str = "") -> str:
    """An environment file that lists these packages."""
    listed = "".join(f"  - {line}\n" for line in lines)
    listed += "  - pip:\n" + "".join(f"      - {line}\n" for line in pip) if pip else ""
    return f"name: m\nchannels:\n  - conda-forge\n{more}dependencies:\n{listed}"


def read(folder: Path, text: str, settings: CondaSettings | None = None, **files: str) -> Requirements:
    make(folder, {"environment.yml": text, **{name.replace("_", "."): each for name, each in files.items()}})
    return read_requirements(folder / "environment.yml", root=folder, conda=settings)


def lines_of(found: Requirements) -> list[str]:
    """What pip reads, without comments."""
    return [line.partition("  #")[0] for line in (found.text or "").removeprefix(HEAD).splitlines()]


@for_each(
    ("lines", "pip", "told"),
    [
        (("python=3.12", "pip"), ("numpy==2.3.5",), ["numpy==2.3.5"]),
        (("numpy=2.3", "scipy==1.16.1", "pandas"), (), ["numpy==2.3.*", "scipy==1.16.1", "pandas"]),
        (("scikit-learn 1.7.2", "conda-forge::joblib>=1.4,<2"), (), ["scikit-learn==1.7.2", "joblib>=1.4,<2"]),
        (("numpy=1.26.4=py312heda63a1_0",), (), ["numpy==1.26.4"]),
        (("'py-xgboost=3.*'", "matplotlib-base", "python-graphviz"), (), ["xgboost==3.*", "matplotlib", "graphviz"]),
        (("numpy=2.3", "pip"), ("Numpy==2.3.5",), ["Numpy==2.3.5"]),
        (("libgcc-ng=13", "mkl", "openssl=1.1.1k"), ("six",), ["six"]),
        (("pip",), ("a @ https://x.example/a-1.0.whl", "six  # why"), ["a @ https://x.example/a-1.0.whl", "six"]),
        ((), (f"six==1 {HASH}", "--extra-index-url https://x.example/simple"), [f"six==1 {HASH}",
         "--extra-index-url https://x.example/simple"]),
    ],
    ids=short,
)  # fmt: skip
def test_what_pip_is_told(tmp_path, lines, pip, told):
    assert lines_of(read(tmp_path, conda(*lines, pip=pip))) == told


def test_each_line_says_what_it_was(tmp_path):
    found = read(tmp_path, conda("pytorch::pytorch  2.5.1   *cpu*", "numpy"))
    assert found.text == f"{HEAD}torch==2.5.1  # conda: pytorch::pytorch 2.5.1 *cpu*\nnumpy  # conda: numpy\n"
    assert found.names == ("torch", "numpy") and [each.location for each in found.listed] == [
        f"{tmp_path}/environment.yml:5", f"{tmp_path}/environment.yml:6"]  # fmt: skip


def test_files_of_the_pip_part_are_relative_to_the_conda_file(tmp_path):
    root = make(tmp_path, {
        "score.py": SCORE,
        "environment/conda.yml": conda("python=3.12", pip=("-r requirements.txt", "-c ../limits.txt")),
        "environment/requirements.txt": "idna==3.10\n", "limits.txt": "idna<4\n"})  # fmt: skip
    plan = planned(root)
    copies = {op.layer.dest: op.layer for op in plan.ops if isinstance(op.layer, Copy)}
    made = copies["/usr/share/dagger-aml/requirements/environment/requirements-2.txt"]
    assert isinstance(made.source, Text)
    assert made.source.data.decode() == f"{HEAD}-r requirements.txt\n-c ../limits.txt\n"
    others = copies["/usr/share/dagger-aml/requirements"].source
    assert [entry.path for entry in others.entries if entry.type == "file"] == [
        "environment/requirements.txt", "limits.txt"]  # fmt: skip


@for_each(
    ("text", "line", "said", "hint"),
    [
        (conda("numpy", "graphviz"), 6, "it is not certain which package of PyPI conda's graphviz is",
         'twins = { graphviz = "NAME" }'),
        (conda("opencv=4.9", "somelib.x"), 5, "which packages of PyPI these of conda are: opencv, somelib.x",
         'twins = { opencv = "opencv-python-headless", "somelib.x" = "NAME" }'),
        (conda("cudatoolkit=11.3"), 5, "cudatoolkit is a part of CUDA", "curated/minimal-py312-cuda12.4-inference"),
        (conda("cuda-nvcc"), 5, "cuda-nvcc is a part of CUDA", 'twins = { cuda-nvcc = "" }'),
        (conda("pytorch=1.13=py3.8_cuda11.7"), 5, "build for CUDA (py3.8_cuda11.7)", "Without that build string"),
        (conda("numpy>=1 <2"), 5, "not a package that pip can have: 'numpy>=1 <2'", "there must be a comma"),
        (conda("pip", pip=("numpy==1", "scipy = 1")), 8, "not a requirement: 'scipy = 1'", "NAME==VERSION"),
        (conda("pip", pip=("|\n        numpy==1\n        scipy = 1",)), 9, "not a requirement: 'scipy = 1'", ""),
        (conda("pip", pip=("-r other.txt",)), 7, "'other.txt' does not exist", ""),
        (conda("pip", pip=("-e .",)), 7, "-e cannot be used here", ""),
        (conda("pip", pip=("x @ https://u:p@x.example/x.whl",)), 7, "a URL with a password", ""),
        (conda("https://u:p@x.example/x::numpy"), 5, "a URL with a password", ""),
        (conda("https://x.example/numpy-1-0.tar.bz2"), 5, "not a package that pip can have", ""),
        (conda("3.10"), 5, "not a package: '3.10'", ""),
        (conda("numpy: 1.26"), 5, "'numpy' is not known here", ""),
        ("dependencies:\n  - pip:\n    - six\n  - pip: six\n", 4, "`pip` must be a list", ""),
        ("dependencies: numpy\n", 1, "`dependencies` must be a list", ""),
        ("dependencies:\n  - numpy\ndependencies:\n  - scipy\n", 3, "the key 'dependencies' stands here twice", ""),
        ("dependencies:\n  - numpy\n - scipy\n", 3, "is not YAML", ""),
        ("name: x\n", None, "it has no list `dependencies`", ""),
        ("- numpy\n", 1, "the file must be a mapping", ""),
        ("a: [\0]", None, "NUL", ""),
        ("a: \1", None, "is not YAML: unacceptable character #x0001: special characters are not allowed", ""),
        ("dependencies: &a\n  - *a\n", 1, "not a package", ""),
        ("dependencies: !!python/name:os.system\n", 1, "`dependencies` must be a list", ""),
    ],
    ids=short,
)  # fmt: skip
def test_what_is_refused_and_where(tmp_path, text, line, said, hint):
    error = error_of(read, tmp_path, text)
    assert said in error.message and hint in f"{error.message} {error.hint}"
    assert error.location == f"{tmp_path}/environment.yml" + (f":{line}" if line else "")
    assert "u:p" not in str(error)


def test_deep_yaml_is_refused(tmp_path):
    deep = "dependencies: " + "[" * 17 + "]" * 17
    assert "nested too deep" in error_of(read, tmp_path, deep).message
    assert "longer than" in error_of(read, tmp_path, conda(*["numpy"] * 30_000)).message


def test_hashes_are_demanded_of_conda_s_packages_too(tmp_path):
    root = make(tmp_path, {"score.py": SCORE, "environment.yml": conda("numpy=2.3", pip=(f"six==1 {HASH}",))})
    error = error_of(laid_out, root)
    assert "'numpy==2.3.*' has no hash" in error.message and error.location == f"{root}/environment.yml:5"


# --- the table of twins ---------------------------------------------------------------------------------------------


def test_the_table_says_of_each_name_where_it_is_from():
    known = table()
    for name in (*known.twins, *known.left_out, *known.cuda, *known.unsure):
        source, date = known.sources[name]
        assert source and re.fullmatch(r"2026-\d\d-\d\d", date) and name == name.lower()
    kinds = [set(known.twins), set(known.left_out), set(known.cuda), set(known.unsure)]
    assert sum(map(len, kinds)) == len(set().union(*kinds))
    assert len(known.twins) > 100
    for name in known.twins:
        assert parse_spec(name).name == name


def test_the_user_s_twins_come_first(tmp_path):
    said = CondaSettings(
        {"opencv": "opencv-python-headless", "cudatoolkit": "", "dask": "dask[complete]", "six": "seven"}
    )
    found = read(tmp_path, conda("opencv=4.9", "cudatoolkit=11.3", "dask>=2025", "six"), said)
    assert lines_of(found) == ["opencv-python-headless==4.9.*", "dask[complete]>=2025", "seven"]


@pytest.mark.parametrize("name", ["opencv-python==4", "a b", "x @ https://x.example/x.whl", "x;y", "../x"])
def test_a_twin_is_a_name(tmp_path, name):
    files = {"score.py": SCORE, "dagger-aml.toml": f'name = "p"\n[conda]\ntwins = {{ opencv = "{name}" }}\n'}
    error = error_of(load_project, make(tmp_path, files))
    assert "not the name of a package" in error.message and error.location == "dagger-aml.toml:3"


def test_pytorch_on_a_base_for_cpus_comes_from_the_index_for_cpus(tmp_path):
    files = {"score.py": SCORE, "conda.yml": conda("pytorch=2.5.1", "cpuonly", "torchvision")}
    root = make(tmp_path, files)
    index = "--extra-index-url https://download.pytorch.org/whl/cpu"

    def text(**options: object) -> str:
        plan = planned(root, **options)
        return next(op.layer.source.data.decode() for op in plan.ops if "conda.yml as" in op.name)

    assert text().splitlines()[0] == index
    assert [each.id for each in planned(root).warnings] == ["AML342"]
    assert index not in text(base="curated/minimal-py312-cuda12.4-inference")
    assert index not in text(index_url="https://pypi.example/simple")
    assert planned(root, index_url="https://pypi.example/simple").warnings == ()
    assert index in printed("plan", root, here=True)
    assert index not in printed("plan", root, "--index-url", "https://pypi.example/simple", here=True)


def test_a_conda_file_that_is_named_by_a_roundabout_path_is_read(tmp_path):
    root = make(tmp_path, {"score.py": SCORE, "conda.yaml": conda("python=3.12", pip=("idna==3.10",))})
    said = printed("plan", root, "--requirements", f"../{root.name}/conda.yaml", here=True)
    assert "Packages of" in said and "AML302" not in said


# --- which file is taken --------------------------------------------------------------------------------------------

ONE = conda("python=3.12", pip=("idna==3.10",))

FOUND = [
    ({"environment.yml": ONE}, "environment.yml"),
    ({"env.yml": ONE}, "env.yml"),
    ({"myenv.yml": ONE}, "myenv.yml"),
    ({"conda_dependencies.yml": ONE}, "conda_dependencies.yml"),
    ({"sklearn-1.5.yaml": ONE}, "sklearn-1.5.yaml"),
    ({"code/conda.yaml": ONE, "code/score.py": SCORE}, "code/conda.yaml"),
    ({"environment/conda.yaml": ONE}, "environment/conda.yaml"),
    ({"environment.yml": ONE, "conda.yml": ONE}, "environment.yml"),
    ({"environment.yml": ONE, "environment-dev.yml": ONE, "other.yml": ONE}, "environment.yml"),
    ({"environment.yml": "dependencies: []\n", "b.yml": ONE}, "b.yml"),
    ({"requirements.txt": "idna\n", "environment.yml": ONE}, "requirements.txt"),
    ({"pyproject.toml": '[project]\nname = "p"\ndependencies = ["idna"]\n', "conda.yml": ONE}, "pyproject.toml"),
    ({"pyproject.toml": '[project]\nname = "p"\n', "conda.yml": ONE}, "conda.yml"),
    ({"environment-dev.yml": ONE}, None),
    ({"train/conda.yml": ONE}, None),
    ({"a/conda.yml": ONE, "b/conda.yml": ONE}, None),
    ({"iris/MLmodel": "", "iris/conda.yaml": ONE}, None),
    ({"mlflow/MLmodel": "", "mlflow/conda.yaml": ONE, "env/conda.yml": ONE}, "env/conda.yml"),
    ({"environment.yml": "image: x\nconda_file: conda.yml\n", "conda.yml": ONE}, "conda.yml"),
    ({"Chart.yaml": "apiVersion: v2\ndependencies:\n  - name: redis\n    version: 1.2.3\n"}, None),
    ({"pubspec.yml": "dependencies:\n  http: 1.0\n"}, None),
    ({"blue.yml": "model:\n  path: x\nenvironment:\n  conda_file:\n    dependencies:\n      - pip\n"}, None),
    ({"tasks.yml": "dependencies:\n  - build\n  - test\n"}, None),
    (
        {"python_env.yaml": "python: 3.8.5\nbuild_dependencies:\n- pip==23\ndependencies:\n- -r requirements.txt\n"},
        None,
    ),
    ({"broken.yml": "dependencies:\n  - python\n  - [\n"}, "broken.yml"),
    ({"latin.yml": b"dependencies:\n  - python # \xff\n"}, None),
]


@for_each(("files", "taken"), FOUND, ids=short)
def test_which_file_is_taken(tmp_path, files, taken):
    project = load_project(make(tmp_path, {**({} if "code/score.py" in files else {"score.py": SCORE}), **files}))
    assert (project.at(project.requirements) if project.requirements else None) == taken
    assert (project.origins.get("requirements") == "found") == (taken is not None)
    if taken != "broken.yml" and project.code == project.root:
        assert taken not in files_of_code(project)


def files_of_code(project: Project) -> list[str]:
    graph = await_(lay_out(project))
    return [
        entry.path
        for layer in graph.layers
        if isinstance(layer, Copy) and layer.dest == "/var/azureml-app" and not isinstance(layer.source, Text)
        for entry in layer.source.entries
    ]


def test_two_that_nothing_ranks_apart(tmp_path):
    root = make(tmp_path, {"score.py": SCORE, "a.yml": ONE, "b.yml": ONE})
    error = error_of(load_project, root)
    assert "several candidates for requirements: a.yml and b.yml" in error.message
    assert load_project(root, Options(requirements="b.yml")).requirements == root / "b.yml"


@pytest.mark.parametrize("text", ["dependencies: [python=3.12, six]\n", "dependencies: [\n  six,\n]\n"])
def test_a_list_in_brackets_is_one(tmp_path, text):
    root = make(tmp_path, {"score.py": SCORE, "conda.yaml": text, "other.yml": text})
    assert load_project(root).requirements == root / "conda.yaml" and not is_conda(root / "other.yml")
    assert any(op.name == "pip conda.yaml (1 package)" for op in planned(root).ops)


def test_a_named_file_is_read_whatever_it_is_called(tmp_path):
    root = make(tmp_path, {"score.py": SCORE, "requirements.txt": "idna\n", "deps.YAML": conda("six")})
    plan = planned(root, requirements="deps.YAML")
    assert any(op.name == "copy deps.YAML as requirements.txt" for op in plan.ops)


def test_yaml_is_not_parsed_to_tell_what_it_is(tmp_path, monkeypatch):
    import yaml

    monkeypatch.setattr(yaml, "compose", None)
    make(tmp_path, {"a.yml": ONE, "b.yml": "x: 1\n"})
    assert is_conda(tmp_path / "a.yml") and not is_conda(tmp_path / "b.yml")


# --- its Python -----------------------------------------------------------------------------------------------------


def with_python(root: Path, python: str, *pip: str) -> Path:
    return make(root, {"score.py": SCORE, "conda.yml": conda(f"python{python}", "pip", pip=pip)})


@for_each("python", ["", "=3.12", "=3.12.4", "==3.12.1", ">=3.10", "=3", " 3.12", ">=3.9,<3.13"])
def test_the_base_s_own_python_is_taken(tmp_path, python):
    assert planned(with_python(tmp_path, python, "idna==3.10")).warnings == ()


@pytest.mark.parametrize(("python", "shown"), [("=3.8", "3.8"), ("==3.10.4", "3.10.4"), ("<3.12", "<3.12")])
def test_another_python_is_refused_with_both_ways_out(tmp_path, python, shown):
    error = error_of(planned, with_python(tmp_path, python, "idna==3.10"))
    assert f"conda.yml is for Python {shown}, but the base image has another version: 3.12" in error.message
    assert 'Options(python="base")' in (error.hint or "") and "docs/bases.md" in (error.hint or "")
    assert error.exit_code == 2 and str(error.location).endswith("conda.yml:5")


@pytest.mark.parametrize("way", ["flag", "file", "implied"])
def test_packages_for_the_base_s_python_are_said(tmp_path, way):
    root = with_python(tmp_path, "=3.8", "idna>=3" if way == "implied" else "idna==3.10")
    make(root, {"dagger-aml.toml": 'python = "base"\n' if way == "file" else None})
    plan = planned(root, **({"python": "base"} if way == "flag" else {}))
    (one,) = plan.warnings
    assert one.id == "AML340" and one.severity == "warning" and one.location == "conda.yml:5"
    assert one.message == "it names Python 3.8, and its packages are installed for the base image's Python 3.12"


def test_another_word_for_the_python(tmp_path):
    error = error_of(load_project, with_python(tmp_path, "=3.8"), Options(python="3.8"))
    assert error.location == "Options(python=…)" and "listed or base" in (error.hint or "")


# --- what is said of it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("=3.12", "3.12"),
        (">=3.8,<3.13", ">=3.8,<3.13"),
        ("=3", "3"),
        ("=3.11", "3.11, but the base image's is used"),
        ("<3.12", "<3.12, but the base image's is used"),
    ],
)
def test_a_python_that_is_the_bases_is_no_other(tmp_path, python, said):
    project, graph = laid_out(with_python(tmp_path, python, "idna>=3"))
    assert f"\n  Python {said}\n" in plan_text(make_plan(graph), project)


def test_the_plan_shows_each_line(tmp_path):
    text = conda("python=3.8", "pip=22", "numpy=2.3", "scipy=1.1|>=1.2", pip=("six", "idna"))
    root = make(tmp_path, {"score.py": SCORE, "conda.yml": text})
    project, graph = laid_out(root, python="base")
    plan = make_plan(graph)
    assert """
Packages of conda.yml, which pip installs from PyPI:
  Python 3.8, but the base image's is used
  pip=22 is left out: the base's own pip is used
  numpy=2.3 is numpy==2.3.*
  scipy=1.1|>=1.2 is scipy>=1.2 (>=1.2 is the newest of the alternatives)
  the pip part, as it is written: 2 packages
""" in plan_text(plan, project)
    assert plan_json(plan, project)["project"]["packages"][1] == {
        "conda": "numpy=2.3", "pip": "numpy==2.3.*", "why": "", "line": 7}  # fmt: skip
    make(root, {"conda.yml": None, "requirements.txt": "six\n"})
    project, graph = laid_out(root)
    assert "packages" not in plan_json(make_plan(graph), project)["project"]


def test_the_plan_shows_the_lines_of_a_file_outside_the_project_too(tmp_path):
    files = {"shared/conda.yml": conda("numpy=2.3", pip=("-r more.txt",)), "shared/more.txt": "six\n"}
    make(tmp_path, {**files, "shop/score.py": SCORE})
    project, graph = laid_out(tmp_path / "shop", requirements=str(tmp_path / "shared/conda.yml"))
    assert "  numpy=2.3 is numpy==2.3.*\n" in plan_text(make_plan(graph), project)


def test_variables_of_the_file_are_told(tmp_path):
    text = conda("numpy", more="variables:\n  A: b\n  C: d\n")
    root = make(tmp_path, {"score.py": SCORE, "conda.yml": text})
    assert [(each.id, each.message) for each in planned(root).warnings] == [
        ("AML341", "its variables are not set in the image: A, C")]  # fmt: skip
    assert planned(root, env=("A=b", "C=x")).warnings == ()


@pytest.mark.parametrize("recipe", ["package", "dynamic", "preinstalled"])
def test_every_recipe_reads_it(tmp_path, recipe):
    root = make(tmp_path, {"score.py": SCORE, "conda.yml": conda("opencv=4.9"), "dagger-aml.toml":
                           '[conda]\ntwins = { opencv = "opencv-python-headless" }\n'})  # fmt: skip
    assert "opencv-python-headless==4.9.*" in str(plan_json(planned(root, recipe=recipe)))


def test_as_files_it_is_refused(tmp_path):
    root = make(tmp_path, {"score.py": SCORE, "conda.yml": conda("numpy=2.3")})
    error = error_of(laid_out, root, packages_as="files")
    assert "does not name each wheel with its digest" in error.message


WORDS = st.text(alphabet="abnpy-:=<>!~|,.*[]'\"{} \n\t#&%@\\019", max_size=60)


@settings(max_examples=50)
@given(WORDS)
def test_any_text_is_read_or_refused(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("any")
    try:
        found = read(folder, "dependencies:\n- " + text)
    except DaggerAmlError:
        return
    assert found.text is not None and found.text.startswith(HEAD)


@settings(max_examples=100)
@given(WORDS)
def test_any_spec_is_read_or_refused(text):
    try:
        found = parse_spec(text)
    except NotASpec:
        return
    assert re.fullmatch(r"[a-z0-9_][a-z0-9_.-]*", found.name)


# --- init and run --local -------------------------------------------------------------------------------------------


def test_init_writes_requirements_txt_of_it(tmp_path):
    text = conda("pytorch=2.5.1", "python=3.12", pip=("joblib==1.5.2",))
    root = make(tmp_path, {"score.py": SCORE, "environment/conda.yml": text})
    draft = make_draft(root, Options())
    assert draft.files["requirements.txt"].splitlines() == [
        "--extra-index-url https://download.pytorch.org/whl/cpu", HEAD.strip(),
        "torch==2.5.1.*  # conda: pytorch=2.5.1", "joblib==1.5.2"]  # fmt: skip
    assert draft.kept == ("environment/conda.yml",)
    assert 'requirements = "requirements.txt"' in draft.files["dagger-aml.toml"]
    new_files(root, draft.files)
    assert load_project(root).requirements == root / "requirements.txt"
    assert [each.message for each in planned(root).warnings] == ["the conda file is not read"]


def test_init_leaves_a_conda_file_whose_paths_would_lead_elsewhere(tmp_path):
    root = make(tmp_path, {"score.py": SCORE, "environment/conda.yml": conda("pip", pip=("-r more.txt",)),
                           "environment/more.txt": "six\n"})  # fmt: skip
    draft = make_draft(root, Options())
    assert list(draft.files) == ["dagger-aml.toml"]
    assert 'requirements = "environment/conda.yml"' in draft.files["dagger-aml.toml"]


def test_without_an_image_its_files_lie_beside_its_lines(tmp_path):
    root = make(tmp_path / "p", {"score.py": SCORE, "environment/conda.yml": conda("pip", pip=("-r more.txt",)),
                                 "environment/more.txt": "six\n"})  # fmt: skip
    project, graph = laid_out(root)
    needed = wanted(project, graph, Place(tmp_path / "place"))
    listed = Path(needed.words[1])
    assert listed.read_text(encoding="utf-8") == f"{HEAD}-r more.txt\n"
    assert (listed.parent / "more.txt").read_text(encoding="utf-8") == "six\n"
    assert needed.folder == root / "environment"


def test_a_plan_parses_a_conda_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list, the rules and what is shown of its translation need it."""
    parsed = []
    compose = conda_yaml.compose

    def counted(path: Path, text: str) -> object:
        parsed.append(path)
        return compose(path, text)

    monkeypatch.setattr(conda_yaml, "compose", counted)
    text = "dependencies:\n- python=3.12\n- pip\n- pip:\n  - six==1.17.0\n"
    root = make(tmp_path / "p", {"code/score.py": SCORE, "conda.yaml": text})
    for version, times in (("1.17.0", 1), ("1.17.0", 1), ("1.16.0", 2)):
        (root / "conda.yaml").write_text(text.replace("1.17.0", version))
        said = CliRunner().invoke(cli, ["plan", str(root)])
        assert said.exit_code == 0 and "conda.yaml" in said.output, said.output
        assert parsed == times * [root / "conda.yaml"]
