#!/usr/bin/env bash
#
# What: CondaDependencies of Azure ML's SDK v1 compares the names of pip packages as they are written. `remove_pip_package`
#   leaves "numpy >=1.26" where "numpy" is to be removed, and "scikit_learn==1.7.2" for "scikit-learn", without a word. So
#   `add_pip_package`, which is to take the place of an earlier line for the same package, adds a second one; pip refuses
#   the two.
#
# Seen with: azureml-core 1.61.0.post4, pip 26.0.
#
# Why one would guess otherwise: its documentation says that adding a package that is already there removes the earlier
#   line. "numpy>=1.26", without the blank, is removed as expected. pip takes all these spellings for one name.
#
# In whose way: whoever loads a conda file that people wrote, with a blank before the version as many do, and pins or
#   removes a package of it. What comes of it is seen when the image is built. Instead: look through `pip_packages`,
#   compare by packaging's canonicalize_name(Requirement(line).name), and remove each line as it is written.

set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q pip==26.0
"$work/venv/bin/pip" install -q azureml-core==1.61.0.post4

cat > "$work/ask.py" <<'PY'
from azureml.core.conda_dependencies import CondaDependencies

LINES = ["numpy>=1.26", "numpy >=1.26", "scikit_learn==1.7.2", "Pillow==12.0.0"]
NAMES = {"numpy>=1.26": "numpy", "numpy >=1.26": "numpy", "scikit_learn==1.7.2": "scikit-learn", "Pillow==12.0.0": "pillow"}
for line in LINES:
    packages = CondaDependencies.create(pip_packages=[line])
    packages.remove_pip_package(NAMES[line])
    print(f"{line}, remove {NAMES[line]}: {list(packages.pip_packages)}")
packages = CondaDependencies.create(pip_packages=["idna ==3.10"])
packages.add_pip_package("idna==3.11")
print(f"idna ==3.10, add idna==3.11: {list(packages.pip_packages)}")
PY

"$work/venv/bin/python" -V
"$work/venv/bin/pip" list 2> /dev/null | grep -E '^(azureml-core|pip) '
seen=$("$work/venv/bin/python" "$work/ask.py")
echo "$seen"
if "$work/venv/bin/pip" install -q --dry-run --ignore-installed 'idna ==3.10' 'idna==3.11' 2> "$work/pip.txt"; then
    pip=takes
else
    pip=refuses
fi
echo "pip $pip the two lines: $(grep -m1 -E 'Cannot|conflict|double' "$work/pip.txt" || true)"

expected="numpy>=1.26, remove numpy: []
numpy >=1.26, remove numpy: ['numpy >=1.26']
scikit_learn==1.7.2, remove scikit-learn: ['scikit_learn==1.7.2']
Pillow==12.0.0, remove pillow: ['Pillow==12.0.0']
idna ==3.10, add idna==3.11: ['idna ==3.10', 'idna==3.11']"
if [ "$seen" != "$expected" ] || [ "$pip" != refuses ]; then
    echo "changed: names are compared in another way, or pip takes both lines"
    exit 1
fi
echo "as described"
