#!/usr/bin/env bash
#
# What: in a requirements file the comment behind a requirement ends with a backslash. pip takes the next line for more
#   of the comment and does not install what it names; uv installs it. Both exit 0 and say nothing. The same comment
#   on a line of its own swallows nothing, in pip neither.
#
# Seen with: pip 26.3 and uv 0.13.9.
#
# Why one would guess otherwise: in shell, Python, TOML and Dockerfiles a comment ends with its line, and `uv pip`
#   reads these files as pip does. pip's page says that comments are stripped after lines are joined, which explains
#   the one comment and not the other.
#
# In whose way: a comment whose last word is a Windows path. It works for whoever uses uv; where pip installs, a
#   package is missing, or comes unpinned because another needs it. Instead: no backslash as a comment's last character.

set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache" UV_CACHE_DIR="$work/uv-cache" PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q pip==26.3 uv==0.13.9

cat >"$work/behind.txt" <<'TEXT'
idna==3.10  # wheel kept in C:\wheels\
six==1.17.0
iniconfig==2.1.0
TEXT

cat >"$work/own-line.txt" <<'TEXT'
idna==3.10
# wheel kept in C:\wheels\
six==1.17.0
iniconfig==2.1.0
TEXT

# The packages that lie in a directory, by their metadata.
packages() {
    find "$1" -maxdepth 1 -name '*.dist-info' -printf '%f\n' | sed 's/\.dist-info$//' | sort | paste -sd ' '
}

"$work/venv/bin/python" -V
"$work/venv/bin/pip" --version | cut -d ' ' -f 1,2
"$work/venv/bin/uv" --version
seen=""
for file in behind own-line; do
    echo "$file.txt:"
    sed 's/^/    | /' "$work/$file.txt"
    # -q keeps progress away; warnings and errors are shown.
    "$work/venv/bin/pip" install -q --target "$work/pip-$file" -r "$work/$file.txt" 2>&1 | sed 's/^/  pip says: /'
    "$work/venv/bin/uv" pip install -q --python "$work/venv/bin/python" --target "$work/uv-$file" \
        -r "$work/$file.txt" 2>&1 | sed 's/^/  uv says: /'
    for tool in pip uv; do
        echo "  $tool installs: $(packages "$work/$tool-$file")"
        seen="$seen$tool, $file: $(packages "$work/$tool-$file"); "
    done
done

all="idna-3.10 iniconfig-2.1.0 six-1.17.0"
expected="pip, behind: idna-3.10 iniconfig-2.1.0; uv, behind: $all; pip, own-line: $all; uv, own-line: $all; "
if [ "$seen" != "$expected" ]; then
    echo "changed: $seen"
    exit 1
fi
echo "as described"
