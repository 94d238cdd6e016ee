"""Conda files in the styles of Azure's public examples, each rebuilt small: what becomes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import field, frozen

from dagger_aml import Options, load_project, make_plan
from dagger_aml.building.graphs import lay_out
from dagger_aml.cli.flags import in_flags
from dagger_aml.errors import UsageError
from dagger_aml.requirements.read import read_requirements
from dagger_aml.text import speaking
from tests.support.calls import await_
from tests.support.cases import for_each
from tests.support.markdown import ROOT, table
from tests.support.projects import SCORE, make
from tests.unit.test_conda import HASH, conda, lines_of

GPU = {"base": "curated/minimal-py312-cuda12.4-inference"}
FOR_BASE = {"python": "base"}
SLIM = {"base": "python:3.10-slim"}
CHECKED = (f"azureml-inference-server-http==1.5.1 {HASH}", f"joblib==1.5.2 {HASH}")


@frozen
class Style:
    """A file and what becomes of it.

    :param told: the lines that pip gets; None where it is refused.
    :param refused: a part of the message or its hint, in the command line's words.
    :param warnings: ids of what the plan says.
    :param files: what lies beside it; ``options`` are flags.
    """

    name: str
    text: str
    told: tuple[str, ...] | None = None
    refused: str = ""
    warnings: tuple[str, ...] = ()
    files: dict[str, str] = field(factory=dict)
    options: dict[str, str] = field(factory=dict)

    @property
    def outcome(self) -> str:
        """As the table in docs/conda.md has it."""
        if self.told is None:
            return f'refused: "{self.refused}"'
        ways = ((FOR_BASE, " with `--python base`"), (GPU, " on a GPU base"), (SLIM, " on `python:3.10-slim`"))
        how = next((how for options, how in ways if self.options == options), "")
        told = f", warned of ({', '.join(self.warnings)})" if self.warnings else ""
        return f"planned{how}{told}"


SKLEARN = ("numpy=2.3", "pip=24.2", "scikit-learn=1.7", "scipy=1.16")
SKLEARN_TOLD = ("numpy==2.3.*", "scikit-learn==1.7.*", "scipy==1.16.*", "azureml-defaults==1.60.0", "joblib==1.5.2")
SKLEARN_PIP = ("azureml-defaults==1.60.0", "joblib==1.5.2")
OTHER_PYTHON = "--python base, or"
NOT_CERTAIN = "it is not certain"

STYLES = (
    # --- scikit-learn behind an online endpoint
    Style(
        "scikit-learn from conda, the server in the `pip:` part",
        conda("python=3.12", *SKLEARN, pip=SKLEARN_PIP),
        SKLEARN_TOLD,
    ),
    Style("the same, `python=3.10`", conda("python=3.10", *SKLEARN, pip=SKLEARN_PIP), refused=OTHER_PYTHON),
    Style(
        "the same, `python=3.10`, on Docker's image of it",
        conda("python=3.10", *SKLEARN, pip=SKLEARN_PIP),
        SKLEARN_TOLD,
        warnings=("AML620",),
        options=SLIM,
    ),
    Style("the same, `python=3.8`", conda("python=3.8", *SKLEARN, pip=SKLEARN_PIP), refused=OTHER_PYTHON),
    Style(
        "the same, `python=3.7.6`, for the base's",
        conda("python=3.7.6", *SKLEARN, pip=SKLEARN_PIP),
        SKLEARN_TOLD,
        warnings=("AML340",),
        options=FOR_BASE,
    ),
    Style(
        "`python=3.8` and nothing pinned",
        conda("python=3.8", "numpy", "scikit-learn>=1.0"),
        ("numpy", "scikit-learn>=1.0"),
        warnings=("AML340",),
    ),
    Style(
        "only conda's packages, no `pip:` part",
        conda("python=3.12", "joblib=1.5", "pandas=2.3"),
        ("joblib==1.5.*", "pandas==2.3.*"),
    ),
    # --- all in the pip part
    Style(
        "only `python` and `pip` from conda",
        conda("python=3.12", "pip", pip=("mlflow==3.1.0", "pandas")),
        ("mlflow==3.1.0", "pandas"),
    ),
    Style("a `pip:` part without `pip` and `python`", conda(pip=("joblib==1.5.2",)), ("joblib==1.5.2",)),
    Style(
        "`python=3.12.3`, of a saved MLflow model",
        conda("python=3.12.3", "pip<=24.0", pip=("mlflow==3.1.0", "cloudpickle==3.1.1")),
        ("mlflow==3.1.0", "cloudpickle==3.1.1"),
    ),
    Style("`python>=3.10,<3.13`", conda("python>=3.10,<3.13", pip=("joblib==1.5.2",)), ("joblib==1.5.2",)),
    Style(
        "SDK v1's myenv.yml, `python=3.6.2`, a pin",
        conda("python=3.6.2", pip=("azureml-defaults~=1.60",)),
        refused=OTHER_PYTHON,
    ),
    Style(
        "SDK v1's myenv.yml, `python=3.6.2`, no pin",
        conda("python=3.6.2", pip=("azureml-defaults",)),
        (),
        warnings=("AML340",),
    ),
    Style("a `pip:` part of one text", "dependencies:\n  - pip\n  - pip: joblib\n", refused="`pip` must be a list"),
    # --- how specs are written
    Style(
        "blanks: `numpy 2.3.5`, `scipy >=1.16, <2`",
        conda("numpy 2.3.5", "scipy >=1.16, <2"),
        ("numpy==2.3.5", "scipy>=1.16,<2"),
    ),
    Style("exact: `numpy==2.3.5`", conda("numpy==2.3.5"), ("numpy==2.3.5",)),
    Style(
        "channels in front: `conda-forge::scikit-learn`",
        conda("conda-forge::scikit-learn=1.7"),
        ("scikit-learn==1.7.*",),
    ),
    Style("brackets: `numpy[version='>=2,<3']`", conda("numpy[version='>=2,<3']"), ("numpy>=2,<3",)),
    Style(
        "quoted, with a comment",
        "dependencies:\n  - \"numpy=2.3\"  # the newest\n  - 'six'\n",
        ("numpy==2.3.*", "six"),
    ),
    Style("alternatives: `numpy=1.26|=2.3`", conda("numpy=1.26|=2.3"), ("numpy==2.3.*",)),
    Style("conda-build's limit: `numpy>=2,<3.0a0`", conda("numpy>=2,<3.0a0"), ("numpy>=2,<3.0",)),
    Style("a comma forgotten: `numpy>=1.26 <2`", conda("numpy>=1.26 <2"), refused="there must be a comma"),
    Style("pip's own `numpy~=2.3`", conda("numpy~=2.3"), ("numpy~=2.3",)),
    Style(
        "of `conda env export`, with builds",
        conda(
            "_libgcc_mutex=0.1=main",
            "ca-certificates=2025.2.25=h06a4308_0",
            "openssl=3.0.16=h5eee18b_0",
            "python=3.12.9=h5148396_0",
            "numpy=2.3.5=py312_0",
            "tzdata=2025b=h04d1e81_0",
            pip=("joblib==1.5.2",),
        )
        + "prefix: /home/me/envs/m\n",
        ("numpy==2.3.5", "joblib==1.5.2"),
    ),
    # --- frameworks
    Style(
        "PyTorch for the CPU, `cpuonly`",
        conda("python=3.12", "pytorch=2.5.1", "torchvision=0.20.1", "cpuonly"),
        ("torch==2.5.1.*", "torchvision==0.20.1.*"),
        warnings=("AML342",),
    ),
    Style(
        "PyTorch with a build for the CPU",
        conda("pytorch=2.5.1=py3.12_cpu_0"),
        ("torch==2.5.1",),
        warnings=("AML342",),
    ),
    Style(
        "PyTorch with a build for CUDA",
        conda("pytorch=2.5.1=py3.12_cuda12.4_cudnn9.1.0_0"),
        refused="wanted in its build for CUDA",
    ),
    Style(
        "PyTorch with `pytorch-cuda`",
        conda("pytorch=2.5.1", "pytorch-cuda=12.4"),
        refused="pytorch-cuda is a part of CUDA",
    ),
    Style("`cudatoolkit=11.3`", conda("pytorch=1.12", "cudatoolkit=11.3"), refused="cudatoolkit is a part of CUDA"),
    Style("PyTorch", conda("python=3.12", "pytorch=2.5.1"), ("torch==2.5.1.*",), options=GPU),
    Style(
        "PyTorch in the `pip:` part, with its index",
        conda("pip", pip=("--extra-index-url https://download.pytorch.org/whl/cpu", "torch==2.5.1+cpu")),
        ("--extra-index-url https://download.pytorch.org/whl/cpu", "torch==2.5.1+cpu"),
    ),
    Style("TensorFlow and Keras", conda("tensorflow=2.19", "keras=3.10"), ("tensorflow==2.19.*", "keras==3.10.*")),
    Style("`tensorflow-gpu`", conda("tensorflow-gpu=2.6"), refused="tensorflow-gpu is a part of CUDA"),
    Style("LightGBM", conda("lightgbm=4.6"), ("lightgbm==4.6.*",)),
    Style("XGBoost as `py-xgboost`", conda("py-xgboost=3.0"), ("xgboost==3.0.*",)),
    Style(
        "`matplotlib-base`, `pillow`, `pyyaml`",
        conda("matplotlib-base", "pillow=11", "pyyaml"),
        ("matplotlib", "pillow==11.*", "pyyaml"),
    ),
    Style(
        "`spacy`, `nltk`, `transformers`",
        conda("spacy=3.8", "nltk", "transformers"),
        ("spacy==3.8.*", "nltk", "transformers"),
    ),
    # --- names that are not certain
    Style("OpenCV", conda("opencv=4.9"), refused='twins = { opencv = "opencv-python-headless" }'),
    Style(
        "OpenCV, with its twin in dagger-aml.toml",
        conda("opencv=4.9"),
        ("opencv-python-headless==4.9.*",),
        files={"dagger-aml.toml": '[conda]\ntwins = { opencv = "opencv-python-headless" }\n'},
    ),
    Style("Graphviz, the program", conda("graphviz", "python-graphviz"), refused=NOT_CERTAIN),
    Style("`ffmpeg`, a program", conda("ffmpeg", "librosa"), refused="may be in apt.txt instead"),
    Style("R", conda("r-base=4.3", "r-essentials"), refused=NOT_CERTAIN),
    Style("`dask`, which is more than PyPI's", conda("dask=2025.5"), refused='twins = { dask = "dask[complete]" }'),
    # --- what a pip part may hold
    Style(
        "`-r requirements.txt`",
        conda("python=3.12", pip=("-r more.txt",)),
        ("-r more.txt",),
        files={"more.txt": "six\n"},
    ),
    Style(
        "`-r ../requirements.txt`, out of the project",
        conda(pip=("-r ../more.txt",)),
        refused="is outside the project",
    ),
    Style(
        "`-c limits.txt`",
        conda(pip=("six", "-c limits.txt")),
        ("six", "-c limits.txt"),
        files={"limits.txt": "six<2\n"},
    ),
    Style(
        "an index of one's own",
        conda(pip=("--extra-index-url https://pypi.example.com/simple/", "ours==1.0")),
        ("--extra-index-url https://pypi.example.com/simple/", "ours==1.0"),
    ),
    Style(
        "an index with a password",
        conda(pip=("--extra-index-url https://me:x@pypi.example.com/simple/",)),
        refused="--secret id=pip",
    ),
    Style("hashes for all", conda("python=3.12", "pip", pip=CHECKED), CHECKED),
    Style("hashes, and conda's packages beside them", conda("numpy=2.3", pip=CHECKED), refused="has no hash"),
    Style(
        "a wheel of the project",
        conda(pip=("./ours-1.0-py3-none-any.whl",)),
        ("./ours-1.0-py3-none-any.whl",),
        files={"ours-1.0-py3-none-any.whl": ""},
    ),
    Style(
        "`git+https://…`",
        conda(pip=("git+https://github.com/example/ours@v1",)),
        ("git+https://github.com/example/ours@v1",),
        warnings=("AML310",),
    ),
    Style("`-e .`", conda(pip=("-e .",)), refused="build a wheel"),
    Style(
        "a variable, `${TOKEN}`",
        conda(pip=("ours @ https://x.example/${TOKEN}/ours-1.0.zip",)),
        refused="uses the environment variable",
    ),
    Style(
        "a template, `{{latest-pypi-version}}`",
        conda(pip=('"azureml-core=={{latest-pypi-version}}"',)),
        refused="This is a template",
    ),
    # --- other files
    Style(
        "with `variables`",
        conda("numpy", more='variables:\n  OMP_NUM_THREADS: "1"\n'),
        ("numpy",),
        warnings=("AML341",),
    ),
    Style(
        "Azure ML's environment file, with `conda_file`",
        "name: e\nimage: mcr.microsoft.com/azureml/x\nconda_file: conda.yml\n",
        refused="it has no list `dependencies`",
    ),
    Style("indented by tabs", "dependencies:\n\t- numpy\n", refused="is not YAML"),
    Style("nothing listed", "name: e\ndependencies: []\n", ()),
)


def planned(style: Style, folder: Path) -> tuple[list[str], list[str]]:
    """The lines that pip gets, and the ids of what the plan says."""
    root = make(folder, {"score.py": SCORE, "environment.yml": style.text, **style.files})
    project = load_project(root, Options(requirements="environment.yml", **style.options))
    plan = make_plan(await_(lay_out(project)))
    found = read_requirements(root / "environment.yml", root=root, conda=project.conda)
    return lines_of(found), [str(each.id) for each in plan.warnings]


@for_each("style", STYLES, ids=lambda style: style.name[:40])
def test_what_becomes_of_a_style(tmp_path, style):
    if style.told is None:
        with speaking(in_flags), pytest.raises(UsageError) as caught:
            planned(style, tmp_path)
        assert style.refused in f"{caught.value.message}\n{caught.value.hint}"
        return
    assert planned(style, tmp_path) == ([*style.told], [*style.warnings])


def test_the_page_says_what_becomes_of_each():
    rows = [(style.name.replace("|", "\\|"), style.outcome) for style in STYLES]
    assert len(rows) >= 40 and len({name for name, _ in rows}) == len(rows)
    assert [tuple(row.values()) for row in table(ROOT / "docs" / "conda.md", "Styles of Azure's examples")] == rows
