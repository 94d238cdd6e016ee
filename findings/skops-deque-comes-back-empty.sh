#!/usr/bin/env bash
#
# What: an estimator keeps its last values in a collections.deque(…, maxlen=3). Saved by skops and loaded again, the deque
#   is empty and takes any number of values; numpy's SeedSequence(5) comes back without its seed. skops.io.dump() says
#   nothing, and load() only wants "collections.deque" to be trusted, and then says nothing. joblib gives both back.
#
# Seen with: skops 0.16.0, scikit-learn 1.9.1, numpy 2.3.5. Needs Python 3.11 to 3.13.
#
# Why one would guess otherwise: what skops cannot save it refuses, such as a complex number, and a list, a set, a Counter, a
#   UserList and an OrderedDict come back with all that is in them. But of an object that it does not know it saves the
#   attributes; what a class of C keeps elsewhere, and hands to pickle as items or arguments, is left out, and an object
#   without attributes is a new one.
#
# In whose way: models with a window of the last values, a buffer of residuals, a queue of batches. The file is written, the
#   model loads and answers, by another rule. Being asked to trust a name looks like the whole price of it.
#   Instead: a list, cut by hand; or compare the answers of the loaded model with the saved one's.

set -euo pipefail

if ! python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; then
    echo "this needs Python 3.11 to 3.13, for which all these versions have wheels"
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache" PIP_DISABLE_PIP_VERSION_CHECK=1

cat >"$work/try.py" <<'PYTHON'
import collections
import io
import sys
from importlib.metadata import version

import joblib
import numpy as np
import skops.io
from sklearn.base import BaseEstimator, RegressorMixin


class LastValues(RegressorMixin, BaseEstimator):
    """Answers with the mean of the last three values that it saw; with 0 if there are none."""

    def fit(self, rows, values):
        self.last_ = collections.deque(values, maxlen=3)
        return self

    def predict(self, rows):
        return np.full(len(rows), sum(self.last_) / max(1, len(self.last_)))


def by_skops(saved):
    data = skops.io.dumps(saved)
    return skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data))


def by_joblib(saved):
    file = io.BytesIO()
    joblib.dump(saved, file)
    file.seek(0)
    return joblib.load(file)


print(
    f"Python {sys.version.split()[0]}, skops {version('skops')}, scikit-learn {version('scikit-learn')}, "
    f"numpy {np.__version__}, joblib {version('joblib')}"
)
model = LastValues().fit([[0.0]] * 4, [1.0, 2.0, 3.0, 4.0])
different = []
for again, answer, window in (by_joblib, 3.0, ([2.0, 3.0, 4.0], 3)), (by_skops, 0.0, ([], None)):
    loaded = again(model)
    got = float(loaded.predict([[0.0]])[0])
    print(f"  {again.__name__}: {model.last_} -> {loaded.last_}; answers 3.0 -> {got}")
    if (got, [*loaded.last_], loaded.last_.maxlen) != (answer, *window):
        different.append(f"{again.__name__}: {loaded.last_}")
    seed = again(np.random.SeedSequence(5)).entropy
    print(f"  {again.__name__}: SeedSequence(5) -> entropy {seed}")
    if seed != (5 if again is by_joblib else None):
        different.append(f"{again.__name__}: entropy {seed}")

KEPT = [1, 2], {1, 2}, collections.Counter("aab"), collections.UserList([1, 2]), collections.OrderedDict(a=1)
for each in KEPT:
    if by_skops(each) != each:
        different.append(f"{each!r} is not kept")
print(f"  by_skops: {', '.join(type(each).__name__ for each in KEPT)} are kept")
try:
    by_skops(1j)
    different.append("a complex number is saved")
except TypeError as error:
    print(f"  by_skops: a complex number is refused: {error}")
print("changed: " + "; ".join(different) if different else "as described")
sys.exit(bool(different))
PYTHON

python3 -m venv "$work/env"
"$work/env/bin/pip" install -q --only-binary :all: skops==0.16.0 scikit-learn==1.9.1 numpy==2.3.5
"$work/env/bin/python" "$work/try.py"
