#!/usr/bin/env bash
#
# What: an Azure ML entry script declares its input with inference-schema: a sample DataFrame whose column is int64.
#   A request sends 86400000 in that column. If the column is called "latency", run() gets 86400000. If it is called
#   "response_time" or "paid_at", run() gets 86400000000000000, a billion times as much; but 86400000 again if another
#   row of the same request holds a small number. A null becomes -9223372036854775808. No error, no warning.
#   With a float64 column of such a name the large number is a TypeError, the small one is fine.
#
# Seen with: inference-schema 1.8, the newest, which the inference server 1.5.1 brings, on pandas 2.3.3.
#   On pandas 3.1.1 the same code hands over each number as it was sent. Needs Python 3.11 to 3.13.
#
# Why one would guess otherwise: the sample says int64, inference-schema asks pandas to convert nothing (dtype=False)
#   and itself casts to the sample's types, int64 among them. But read_json has a second switch, on unless it is
#   switched off: columns with names like *_at, *_time, timestamp*, date, modified become dates, if all their numbers
#   are above 31536000 (a year of seconds). The cast then turns dates back into integers, of nanoseconds.
#
# In whose way: a model with a column of milliseconds, bytes or ids under such a name. Tests with one small row pass,
#   tests with mixed rows pass, production's single rows do not. Python 3.9 and 3.10 have no pandas 3.
#   Instead: other column names, NumpyParameterType, or pandas 3.

set -euo pipefail

if ! python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; then
    echo "this needs Python 3.11 to 3.13, for which all these versions have wheels"
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache" PIP_DISABLE_PIP_VERSION_CHECK=1

cat >"$work/score.py" <<'PYTHON'
import json
import sys
import warnings
from importlib.metadata import version

import pandas
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.schema_decorators import input_schema

warnings.simplefilter("error")
DAY = 86_400_000  # milliseconds
seen = {}


def served(name, sample):
    """A run() for one column, decorated as an entry script does it."""

    @input_schema("data", PandasParameterType(pandas.DataFrame({name: [sample]})))
    def run(data):
        return data.iloc[:, 0].tolist()

    return run


for name, sample, sent in (
    ("latency", 1, [DAY]),
    ("response_time", 1, [DAY]),
    ("paid_at", 1, [DAY]),
    ("response_time", 1, [DAY, 250]),
    ("response_time", 1, [31_536_000]),
    ("response_time", 1, [31_536_001]),
    ("response_time", 1, [DAY, None]),
    ("latency", 1.5, [DAY]),
    ("response_time", 1.5, [DAY]),
    ("response_time", 1.5, [250]),
):
    run = served(name, sample)
    try:
        got = run(data=[{name: each} for each in sent])
    except Exception as error:
        got = type(error).__name__
    kind = type(sample).__name__
    print(f"  {kind:5} {name:13} {json.dumps(sent):20} -> {got}")
    seen[f"{kind} {name} {json.dumps(sent)}"] = got

with open(sys.argv[1], "w") as file:
    json.dump(seen, file)
print(f"  (inference-schema {version('inference-schema')}, pandas {version('pandas')})")
PYTHON

cat >"$work/judge.py" <<'PYTHON'
import json
import sys

old, new = (json.load(open(each)) for each in sys.argv[1:])
times = 1_000_000_000
expected_old = {
    "int latency [86400000]": [86_400_000],
    "int response_time [86400000]": [86_400_000 * times],
    "int paid_at [86400000]": [86_400_000 * times],
    "int response_time [86400000, 250]": [86_400_000, 250],
    "int response_time [31536000]": [31_536_000],
    "int response_time [31536001]": [31_536_001 * times],
    "int response_time [86400000, null]": [86_400_000 * times, -(2**63)],
    "float latency [86400000]": [86_400_000.0],
    "float response_time [86400000]": "TypeError",
    "float response_time [250]": [250.0],
}
expected_new = {
    key: json.loads(key.split(" ", 2)[2]) for key in expected_old if "null" not in key
}
different = [f"{key}: {old.get(key)}" for key, value in expected_old.items() if old.get(key) != value]
different += [f"pandas 3, {key}: {new.get(key)}" for key, value in expected_new.items() if new.get(key) != value]
if different:
    print("changed: " + "; ".join(different))
    sys.exit(1)
print("as described")
PYTHON

for pandas in 2.3.3 3.1.1; do
    python3 -m venv "$work/$pandas"
    "$work/$pandas/bin/pip" install -q --only-binary :all: inference-schema==1.8 "pandas==$pandas" \
        numpy==2.3.5 python-dateutil==4.0.0 pytz==2026.6 tzdata==2026.6 wrapt==1.16.0
    echo "sent -> what run() gets, with pandas $pandas on $("$work/$pandas/bin/python" -V):"
    "$work/$pandas/bin/python" "$work/score.py" "$work/$pandas.json"
done
python3 "$work/judge.py" "$work/2.3.3.json" "$work/3.1.1.json"
