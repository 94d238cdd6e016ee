#!/usr/bin/env bash
#
# What: `sarif --check error diff OLD NEW` of sarif-tools is to fail where there is an increase. OLD has two errors of one
#   rule, "`os` imported but unused" and "`sys` imported but unused"; one of them is mended, and the check fails: a "New
#   issue". The other way, from two errors of that rule to five, it passes, and prints "2 -> 5 (+3)".
#
# Seen with: sarif-tools 3.0.5, the newest, on files that ruff 0.17.6 writes.
#
# Why one would guess otherwise: "fail if there are any new issue codes", says the README, and the code is F401 in all of
#   these. That more of one code do not count can be read out of it. But what is counted are names that sarif-tools makes
#   of the code and of what its messages begin with in common: "F401 `os` imported but unused" of one, "F401 ` ..." of
#   two. So another number can be another name, and a name that was not there is an increase.
#
# In whose way: a gate on what a linter or scanner finds that names something in its messages, as most do: it stops who
#   mends and lets through who adds. Instead: compare rule, file and message of the results (jq), and count.

set -euo pipefail

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))'; then
    echo "this needs Python 3.9 or newer"
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache" PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --only-binary :all: sarif-tools==3.0.5 ruff==0.17.6
cd "$work"

# Write NAME.sarif: what ruff says of a file that imports the modules after it and uses none.
lint() {
    local name=$1
    shift
    printf 'import %s\n' "$@" >unused.py
    venv/bin/ruff check -q --isolated --no-cache --select F401 --output-format sarif -o "$name.sarif" unused.py || true
}

lint one os
lint two os sys
lint five os sys re json csv

venv/bin/ruff --version
venv/bin/sarif --version
seen=""
for pair in "two one" "two five" "one two" "two two"; do
    read -r old new <<<"$pair"
    code=0
    venv/bin/sarif --check error diff "$old.sarif" "$new.sarif" >said 2>&1 || code=$?
    echo "from $old to $new: exit code $code"
    grep -E 'issue "|^Check' said | sed 's/^ */    /' || true
    seen="$seen$old to $new: $code; "
done

expected="two to one: 1; two to five: 0; one to two: 1; two to two: 0; "
if [ "$seen" != "$expected" ]; then
    echo "changed: $seen"
    exit 1
fi
echo "as described"
