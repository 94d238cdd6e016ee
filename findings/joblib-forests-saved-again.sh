#!/usr/bin/env bash
#
# What: a random forest that joblib.load() gave becomes another file each time it is saved, in one process and the next,
#   though nothing was changed and it answers the same. Fitted and saved it is the same file each time. With pickle in
#   place of joblib, or with gradient boosting in place of a forest, the files become equal.
#
# Seen with: joblib 1.6.0, scikit-learn 1.9.1, numpy 2.4.6.
#
# Why one would guess otherwise: since 1.3.2 scikit-learn takes care that a fitted tree is saved to the same bytes, so a
#   digest of the file looks like a digest of the model. A tree's node has a byte at its end and room behind it; joblib
#   fills arrays field by field, so that this room is not the file's when a forest is loaded.
#
# In whose way: a job that loads a model, looks at it or adds a note, and saves it, makes a new version and a new layer of
#   an image each time. Instead: copy the file; or pickle.dump(), twice; or compare by answers.

set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q joblib==1.6.0 scikit-learn==1.9.1 numpy==2.4.6

cat > "$work/save.py" <<'PY'
import hashlib
import json
import pickle
import sys
from pathlib import Path

import joblib
import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingClassifier, RandomForestClassifier

rows, labels = np.random.RandomState(0).rand(200, 4), np.random.RandomState(1).randint(0, 2, 200)


def digests(model, library):
    """Of the fitted model, saved, and of five times loaded and saved."""
    found = []
    for number in range(6):
        file = Path(sys.argv[1], f"model-{number}")
        with file.open("wb") as opened:
            library.dump(model, opened)
        found.append(hashlib.sha256(file.read_bytes()).hexdigest()[:12])
        with file.open("rb") as opened:
            again = library.load(opened)
        assert (again.predict(rows) == model.predict(rows)).all()
        model = again
    return found


made = {}
for kind in RandomForestClassifier, ExtraTreesRegressor, GradientBoostingClassifier:
    for library in joblib, pickle:
        made[f"{kind.__name__} {library.__name__}"] = digests(kind(random_state=0).fit(rows, labels), library)
json.dump(made, sys.stdout)
PY

"$work/venv/bin/python" -c 'import joblib, numpy, sklearn; print("joblib", joblib.__version__, "scikit-learn", sklearn.__version__, "numpy", numpy.__version__)'
"$work/venv/bin/python" "$work/save.py" "$work" > "$work/first"
"$work/venv/bin/python" "$work/save.py" "$work" > "$work/second"

python3 - "$work/first" "$work/second" <<'PY'
import json
import sys

first, second = (json.load(open(each)) for each in sys.argv[1:])
problems = []
for name in first:
    fitted = first[name][0] == second[name][0]
    kinds = len({*first[name][2:], *second[name][2:]})
    print(f"{name}: fitted and saved in two processes: {'equal' if fitted else 'different'};", end=" ")
    print(f"then loaded and saved again, the last four of each: {kinds} different files of 8")
    if not fitted:
        problems.append(f"{name} is not saved to the same file when fitted")
    forest = name in ("RandomForestClassifier joblib", "ExtraTreesRegressor joblib")
    if forest and kinds < 3 or not forest and kinds != 1:
        problems.append(f"{name} makes {kinds}")
print("changed: " + "; ".join(problems) if problems else "as described")
sys.exit(bool(problems))
PY
