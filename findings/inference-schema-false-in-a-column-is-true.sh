#!/usr/bin/env bash
#
# What: an Azure ML entry script declares its input with inference-schema. A parameter whose sample is True refuses the
#   text "false", 0 and null: it is to be a boolean. In a DataFrame whose sample column is boolean the same request is
#   taken, and run() gets True for "false", for "no" and for null. A whole number's column likewise: 3.7 arrives as 3,
#   true as 1; as a parameter of its own 3.7 is refused. No error, no warning.
#
# Seen with: inference-schema 1.8, the newest, on pandas 2.3.3 and on 3.1.1. Needs Python 3.11 to 3.13.
#
# Why one would guess otherwise: a sample is given so that requests are held against it, and the same library refuses
#   the same value one level higher. What a column holds is not compared, it is cast by astype(), and to Python's eye
#   every text that is not empty is true, and so is NaN, which pandas has for null.
#
# In whose way: clients that send form fields or CSV cells as text. The answer looks like one; all of them are of the
#   customers who said yes. Tests with JSON's own true and false pass.
#   Instead: PandasParameterType(…, enforce_column_type=False) and a check in run(), or a parameter per flag.

set -euo pipefail

if ! python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; then
    echo "this needs Python 3.11 to 3.13, for which all these versions have wheels"
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache" PIP_DISABLE_PIP_VERSION_CHECK=1

cat >"$work/score.py" <<'PYTHON'
import sys
import warnings
from importlib.metadata import version

import pandas
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema

warnings.simplefilter("error")


def of_column(sample):
    """A run() that takes a table of one column."""

    @input_schema("data", PandasParameterType(pandas.DataFrame({"x": [sample]})))
    def run(data):
        return data["x"].tolist()[0]

    return lambda value: run([{"x": value}])


def of_parameter(sample):
    """A run() that takes the value itself."""

    @input_schema("data", StandardPythonParameterType(sample))
    def run(data):
        return data

    return run


def asked(run, value):
    """What run() gets; "refused" where the schema does not let it through."""
    try:
        return run(value)
    except ValueError as error:
        return "refused" if "Expected: <class" in str(error) else f"refused otherwise: {error}"


print(
    f"Python {sys.version.split()[0]}, inference-schema {version('inference-schema')}, pandas {version('pandas')}"
)
different = []
for sample, sent, column, parameter in (
    (True, False, False, False),
    (True, "false", True, "refused"),
    (True, "no", True, "refused"),
    (True, 0, False, "refused"),
    (True, None, True, "refused"),
    (1, 4, 4, 4),
    (1, 3.7, 3, "refused"),
    (1, True, 1, True),
):
    got = asked(of_column(sample), sent), asked(of_parameter(sample), sent)
    print(f"  sample {sample!r:4}  sent {sent!r:7}  in a column {got[0]!r:7}  as a parameter {got[1]!r}")
    if [*map(repr, got)] != [repr(column), repr(parameter)]:
        different.append(f"{sent!r} for {sample!r}: {got}")
uncast = PandasParameterType(pandas.DataFrame({"x": [True]}), enforce_column_type=False)
kept = uncast.deserialize_input([{"x": "false"}])["x"].tolist()
print(f"  without enforce_column_type, sent 'false': {kept[0]!r}")
if kept != ["false"]:
    different.append(f"without enforce_column_type: {kept}")
print("changed: " + "; ".join(different) if different else "as described")
sys.exit(bool(different))
PYTHON

for pandas in 2.3.3 3.1.1; do
    python3 -m venv "$work/$pandas"
    "$work/$pandas/bin/pip" install -q --only-binary :all: inference-schema==1.8 pandas==$pandas numpy==2.3.5
    (cd "$work" && "$work/$pandas/bin/python" score.py)
done
