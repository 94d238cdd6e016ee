#!/usr/bin/env bash
#
# What: with SOURCE_DATE_EPOCH set, pip makes the same .pyc files each time it installs a wheel, but not with --target:
#   there each .pyc holds the random name of the folder in which pip had the files before it moved them to their place.
#
# Seen with: pip 26.3, CPython 3.11.
#
# Why one would guess otherwise: SOURCE_DATE_EPOCH makes CPython write .pyc files that are checked by the source's hash,
#   without a time, and `pip install --prefix` gives them bit for bit again. --target is the same install to a place of
#   one's own, and `import` shows the right path in tracebacks, since it corrects the name as it loads the file.
#
# In whose way: layers of images, zip files of serverless functions and caches that are made by `pip install --target`
#   and compared or reused by their digest: new bytes each time, though no package changed. Instead: --no-compile, and
#   `python -m compileall` where the files lie.

set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache" PIP_DISABLE_PIP_VERSION_CHECK=1 SOURCE_DATE_EPOCH=1700000000

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q pip==26.3

# Install into the same place, $1 by the option $2, and print the digest of the .pyc and what folder of pip's it names.
made() {
    "$work/venv/bin/pip" install -q --no-deps "$2" "$work/$1" six==1.17.0
    local file
    file=$(find "$work/$1" -name 'six.*.pyc')
    sha256sum "$file" | cut -c 1-16
    grep -ao 'pip-target-[a-z0-9_]*' "$file" | sort -u || true
    rm -rf "${work:?}/$1"
}

"$work/venv/bin/python" -V
"$work/venv/bin/pip" --version | cut -d ' ' -f 1,2
seen=""
for option in --prefix --target; do
    first=$(made "place" "$option") second=$(made "place" "$option")
    echo "$option, twice:" $first "and" $second
    [ "$first" = "$second" ] && same="the same" || same="another"
    case $first in *pip-target-*) names="names its folder" ;; *) names="names none" ;; esac
    seen="$seen$option: $same, $names; "
done

expected="--prefix: the same, names none; --target: another, names its folder; "
if [ "$seen" != "$expected" ]; then
    echo "changed: $seen"
    exit 1
fi
echo "as described"
