#!/usr/bin/env bash
#
# What: in a conda version spec, py-rattler drops the star behind a comparison. For `>` it then compares by `>=`, so
#   `>1.8.*` takes 1.8 itself; `==1.8.*` refuses 1.8.5, which both `=1.8.*` and Python's `==1.8.*` take. Nothing is said.
#
# Seen with: py-rattler 0.28.0 (the matcher of pixi and rattler-build), packaging 26.0.
#
# Why one would guess otherwise: the same text with `!=` keeps its star (`!=1.8.*` refuses 1.8.5), and for Python `==1.8.*`
#   and `!=1.8.*` are each other's opposite; here 1.8.5 is refused by both. A strict `>` that takes the very version named
#   in it is not expected of any notation.
#
# In whose way: whoever turns environment.yml into requirements, or writes bounds for both. Instead: `=1.8` for all of 1.8,
#   `>=1.9` for what comes after it, and no star behind a comparison.

set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q py-rattler==0.28.0 packaging==26.0

cat > "$work/ask.py" <<'PY'
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from rattler import Version, VersionSpec

VERSIONS = ["1.8", "1.8.5", "1.9"]
for spec in ["=1.8.*", "==1.8.*", "!=1.8.*", ">1.8", ">1.8.*"]:
    conda = [each for each in VERSIONS if VersionSpec(spec).matches(Version(each))]
    try:
        python = [each for each in VERSIONS if each in SpecifierSet(spec)]
    except InvalidSpecifier:
        python = ["no spec"]
    print(f"{spec} conda: {' '.join(conda)}; Python: {' '.join(python)}")
PY

"$work/venv/bin/python" -V
"$work/venv/bin/pip" list 2> /dev/null | grep -E 'rattler|packaging'
seen=$("$work/venv/bin/python" "$work/ask.py")
echo "$seen"

expected='=1.8.* conda: 1.8 1.8.5; Python: no spec
==1.8.* conda: 1.8; Python: 1.8 1.8.5
!=1.8.* conda: 1.9; Python: 1.9
>1.8 conda: 1.8.5 1.9; Python: 1.8.5 1.9
>1.8.* conda: 1.8 1.8.5 1.9; Python: no spec'
if [ "$seen" != "$expected" ]; then
    echo "changed: other versions are taken"
    exit 1
fi
echo "as described"
