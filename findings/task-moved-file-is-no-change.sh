#!/usr/bin/env bash
#
# What: a task has `sources: ['conf/**/*.yml']`. conf/test/limits.yml is moved to conf/live/, or the folder conf/test is
#   renamed to conf/live, and Task says that the task is up to date. A file that is renamed in its folder is seen, and so
#   is a changed byte.
#
# Seen with: Task 3.54.0 (go-task-bin on PyPI), with the default method, checksum.
#
# Why one would guess otherwise: that a new name of a file is seen looks as if its path were compared. But the checksum is
#   taken of each file's contents and of the last part of its path, in the order of the paths; folders are no part of it.
#   The documentation speaks of "the checksum of the source files"; no issue was found that tells of it.
#
# In whose way: sources whose place means something: a package's modules, pages of a site, settings per stage, migrations.
#   After the move the wheel, the site or the bundle is the old one, and a later change of any file mends it by chance.
#   Instead: `task --force` after a move; or a source that lists the paths, written by a task that always runs before; or
#   `method: timestamp`, as far as moving sets a new time of change, which mv does not.

set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache" PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --only-binary :all: go-task-bin==3.54.0
task=$work/venv/bin/task
mkdir -p "$work/project/conf/test"
cd "$work/project"
echo 'limit: 5' >conf/test/limits.yml

cat >Taskfile.yml <<'YAML'
version: '3'
tasks:
  bundle:
    sources: ['conf/**/*.yml']
    generates: [bundle.txt]
    cmds: ['ls conf/*/*.yml > bundle.txt']
YAML

echo "Task $("$task" --version)"
seen=""
try() {
    "$task" --silent bundle
    if [ "$(cat bundle.txt)" = "$(ls conf/*/*.yml)" ]; then right=right; else right=old; fi
    echo "  $1: bundle.txt says $(paste -sd' ' bundle.txt), there is $(ls conf/*/*.yml | paste -sd' ')"
    seen="$seen$1: $right; "
}
try "at first"
mkdir conf/live
mv conf/test/limits.yml conf/live/
try "moved to another folder"
rmdir conf/test
mv conf/live conf/stage
try "folder renamed"
mv conf/stage/limits.yml conf/stage/bounds.yml
try "file renamed"
echo 'limit: 6' >conf/stage/bounds.yml
mkdir conf/eu
mv conf/stage/bounds.yml conf/eu/
try "changed and moved"

expected="at first: right; moved to another folder: old; folder renamed: old; file renamed: right; "
expected="${expected}changed and moved: right; "
if [ "$seen" != "$expected" ]; then
    echo "changed: $seen"
    exit 1
fi
echo "as described"
