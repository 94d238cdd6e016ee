#!/usr/bin/env bash
#
# What: in a requirements file pip drops every word behind an option, without a word of its own. `--pre six==1.17.0`
#   installs nothing and exits 0, in uv too. A marker behind `--hash` is dropped as well, so that pip installs a package
#   "for Windows" on Linux; that line uv refuses, with its place.
#
# Seen with: pip 26.3 and uv 0.13.9.
#
# Why one would guess otherwise: on pip's command line `pip install --pre six==1.17.0` is how it is written, and options
#   and packages may stand in any order. pip's page says that per-requirement options stand at the end of a line; it
#   does not say that what follows them is not read.
#
# In whose way: lines that are copied from a command, and lists made by a program that adds markers last. The package is
#   missing, or is installed where it should not be; no exit code tells. Instead: options on lines of their own, and
#   markers before `--hash`.

set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache" UV_CACHE_DIR="$work/uv-cache" PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q pip==26.3 uv==0.13.9

cat >"$work/package.txt" <<'TEXT'
--pre six==1.17.0
TEXT

cat >"$work/marker.txt" <<'TEXT'
six==1.17.0 --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274 ; sys_platform == "win32"
TEXT

# The packages that lie in a directory, by their metadata.
packages() {
    [ ! -d "$1" ] || find "$1" -maxdepth 1 -name '*.dist-info' -printf '%f\n' | sed 's/\.dist-info$//' | sort
}

"$work/venv/bin/python" -V
"$work/venv/bin/pip" --version | cut -d ' ' -f 1,2
"$work/venv/bin/uv" --version
seen=""
for file in package marker; do
    echo "$file.txt:"
    sed 's/^/    | /' "$work/$file.txt"
    pip_code=0 uv_code=0
    # -q keeps progress away; warnings and errors are shown.
    "$work/venv/bin/pip" install -q --target "$work/pip-$file" -r "$work/$file.txt" >"$work/out" 2>&1 || pip_code=$?
    sed 's/^/  pip says: /' "$work/out"
    "$work/venv/bin/uv" pip install -q --python "$work/venv/bin/python" --target "$work/uv-$file" \
        -r "$work/$file.txt" >"$work/out" 2>&1 || uv_code=$?
    sed 's/^/  uv says: /' "$work/out"
    echo "  pip: exit code $pip_code, installs: $(packages "$work/pip-$file")"
    echo "  uv: exit code $uv_code, installs: $(packages "$work/uv-$file")"
    seen="$seen$file: pip $pip_code $(packages "$work/pip-$file"), uv $uv_code $(packages "$work/uv-$file"); "
done

expected="package: pip 0 , uv 0 ; marker: pip 0 six-1.17.0, uv 2 ; "
if [ "$seen" != "$expected" ]; then
    echo "changed: $seen"
    exit 1
fi
echo "as described"
