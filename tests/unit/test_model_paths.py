"""What code names below AZUREML_MODEL_DIR, told from its text."""

from __future__ import annotations

from dagger_aml.pysource.source import parsed
from tests.support.cases import for_each

BEGUN = 'import glob, os\nfrom pathlib import Path\nD = os.environ["AZUREML_MODEL_DIR"]\n'


def named(text: str) -> list[str]:
    """The paths; one that something unknown follows ends in ``…``."""
    found = parsed((BEGUN + text).encode(), "score.py").model_paths
    return ["/".join(each.parts) + ("" if each.whole else "/…") for each in found]


@for_each(
    ("text", "paths"),
    [
        ('os.path.join(os.getenv("AZUREML_MODEL_DIR"), "model/regression.pkl")', ["model/regression.pkl"]),
        ('os.path.join(os.environ.get("AZUREML_MODEL_DIR", "."), "a", "b.pkl")', ["a/b.pkl"]),
        ('p = Path(D) / "a" / "b.pkl"', ["a/b.pkl"]),
        ('p = Path(D, "a").resolve().joinpath("b.pkl")', ["a/b.pkl"]),
        ('open(D + "/a.txt")', ["a.txt"]),
        ('open(f"{D}/a/b.txt")', ["a/b.txt"]),
        ('open("{}/a.txt".format(D))', ["a.txt"]),
        ('"/".join([D, "a.txt"])', ["a.txt"]),
        ('NAME = "a.txt"\ndef init():\n    open(os.path.join(D, NAME))', ["a.txt"]),
        (
            'class M:\n    def __init__(self):\n        self.d = D\n    def f(self):\n        open(self.d + "/a")',
            ["a"],
        ),
        ('base = os.environ.get("AZUREML_MODEL_DIR") or "model"\nopen(os.path.join(base, "a"))', ["a"]),
        ('open(os.path.join(D, "a" if fast else "b"))', ["a", "b"]),
        ('glob.glob(os.path.join(D, "*.pkl"))', ["*.pkl"]),
        ('list(Path(D).rglob("*.onnx"))', ["**/*.onnx"]),
        ('os.path.join(D, "model", name)', ["model/…"]),
        ('f"{D}/model/{name}.pkl"', ["model/…"]),
        ('f"{D}/model-{name}.pkl"', ["/…"]),
        ('os.path.join(D, "./a//b")', ["a/b"]),
        # Nothing is said of these.
        ("load(D)", []),
        ("os.listdir(D)", []),
        ('os.path.join(D, "..", "b")', []),
        ('os.path.join(D, "/etc/x")', []),
        ('os.path.join(HERE, "a.txt")', []),
        ('def f(D):\n    pass\nD = other()\nos.path.join(E, "a")', []),
        ('", ".join([D, "a"])', []),
        ("D = D\nE = E + F\nF = E", []),
    ],
)
def test_paths_are_followed_through_names_and_calls(text, paths):
    assert named(text) == paths


def test_the_line_is_told():
    assert [each.line for each in parsed((BEGUN + '\nopen(D + "/a")').encode(), "score.py").model_paths] == [5]


def test_a_long_sum_of_texts_stops_nothing():
    text = "x = D + " + " + ".join(["'a'"] * 900)
    assert parsed((BEGUN + text).encode(), "score.py").problem is None
