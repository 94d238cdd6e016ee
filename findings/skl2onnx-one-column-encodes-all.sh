#!/usr/bin/env bash
#
# What: an OrdinalEncoder(min_frequency=10) learns a table of two columns, in each of which a category is rare. Converted by
#   skl2onnx, the second column is encoded by what was learned of the first: bus, car and tram are 0, 1, 2 for
#   scikit-learn and 2, 0, 1 for ONNX, as Oslo, Paris and Rome are. Nothing is said, by the conversion or by onnxruntime.
#   With max_categories it is the same; with one column, or without rare categories, all is right.
#
# Seen with: skl2onnx 1.20.0, scikit-learn 1.9.1, onnx 1.23.2, onnxruntime 1.32.0. Needs Python 3.11 to 3.13.
#
# Why one would guess otherwise: rare categories are supported (newly: before, they were left apart, which an issue
#   tells), and an encoder of several columns is the usual one. One expects each column to be right, or the conversion to
#   be refused, as OneHotEncoder's is with rare categories. What was learned is looked up by the number of the model's
#   input, and a table is one input. No issue was found that tells of it.
#
# In whose way: tables with many categories, for which rare ones are put together. The codes are small whole numbers in any
#   case, and the tree or the network behind them answers. Instead: an encoder per column in a ColumnTransformer, or an input
#   per column; and compare transform() with ONNX on all categories.

set -euo pipefail

if ! python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; then
    echo "this needs Python 3.11 to 3.13, for which all these versions have wheels"
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache" PIP_DISABLE_PIP_VERSION_CHECK=1

cat >"$work/try.py" <<'PYTHON'
import sys
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")

import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from skl2onnx.common.data_types import Int64TensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OrdinalEncoder

onnxruntime.set_default_logger_severity(3)
print(
    f"Python {sys.version.split()[0]}, "
    + ", ".join(f"{each} {version(each)}" for each in ("skl2onnx", "scikit-learn", "onnx", "onnxruntime"))
)


def column_of(*counts, names=(0, 1, 2)):
    return [name for name, count in zip(names, counts) for _ in range(count)]


# Two columns of three categories each, with one rare one in each: the first by alphabet, and the last.
CITIES, WAYS = ("Oslo", "Paris", "Rome"), ("bus", "car", "tram")
NAMES = np.array([column_of(3, 50, 47, names=CITIES), column_of(50, 47, 3, names=WAYS)], dtype=object).T
ASKED = np.array([CITIES, WAYS], dtype=object).T
# The same as numbers.
NUMBERS = np.array([column_of(*counts) for counts in ((3, 50, 47), (50, 47, 3))]).T
COUNT = np.array([[0, 1, 2], [0, 1, 2]]).T


def codes(encoder, learned, asked, kind, inputs):
    """What scikit-learn and ONNX make of the columns, which the ONNX model takes as that many inputs."""
    encoder.fit(learned)
    parts = dict(zip("ab", np.hsplit(asked, inputs)))
    converted = to_onnx(encoder, initial_types=[(name, kind([None, part.shape[1]])) for name, part in parts.items()])
    session = onnxruntime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
    return [found.astype(int).T.tolist() for found in (encoder.transform(asked), session.run(None, parts)[0])]


each = ColumnTransformer([(f"only {at}", OrdinalEncoder(min_frequency=10), [at]) for at in (0, 1)])
RIGHT, WRONG = [[2, 0, 1], [0, 1, 2]], [[2, 0, 1], [2, 0, 1]]
SHOWN = {
    "min_frequency=10": (OrdinalEncoder(min_frequency=10), NAMES, ASKED, StringTensorType, 1, RIGHT, WRONG),
    "min_frequency=10, numbers": (OrdinalEncoder(min_frequency=10), NUMBERS, COUNT, Int64TensorType, 1, RIGHT, WRONG),
    "max_categories=2": (
        OrdinalEncoder(max_categories=2), NAMES, ASKED, StringTensorType, 1, [[1, 0, 1], [0, 1, 1]], [[1, 0, 1], [1, 0, 1]]
    ),
    "one column": (
        OrdinalEncoder(min_frequency=10), NAMES[:, 1:], ASKED[:, 1:], StringTensorType, 1, [[0, 1, 2]], [[0, 1, 2]]
    ),
    "no rare categories": (OrdinalEncoder(), NAMES, ASKED, StringTensorType, 1, [[0, 1, 2]] * 2, [[0, 1, 2]] * 2),
    "an encoder per column": (each, NAMES, ASKED, StringTensorType, 1, RIGHT, RIGHT),
    "an input per column": (OrdinalEncoder(min_frequency=10), NAMES, ASKED, StringTensorType, 2, RIGHT, RIGHT),
}
different = []
for name, (*given, right, got) in SHOWN.items():
    try:
        found = codes(*given)
    except Exception as error:
        different.append(f"{name}: {type(error).__name__}: {error}")
        continue
    print(f"  {name}: scikit-learn {found[0]}, ONNX {found[1]}")
    if found != [right, got]:
        different.append(f"{name}: {found}")
print("changed: " + "; ".join(different) if different else "as described")
sys.exit(bool(different))
PYTHON

python3 -m venv "$work/env"
"$work/env/bin/pip" install -q --only-binary :all: \
    skl2onnx==1.20.0 scikit-learn==1.9.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
"$work/env/bin/python" "$work/try.py"
