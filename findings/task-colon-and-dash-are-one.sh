#!/usr/bin/env bash
#
# What: a Taskfile has the tasks `lint:py` and `lint-py`, which do other things with the same sources. `task lint:py` runs;
#   `task lint-py`, which never ran, then says that it is up to date and exits 0. So it is with an included Taskfile: its
#   task `build` under the name `docs`, and the outer one's `docs-build`. Where the two have other sources, each makes the
#   other stale, and both run each time. With `method: timestamp` it is the same.
#
# Seen with: Task 3.54.0 (go-task-bin on PyPI).
#
# Why one would guess otherwise: the names are two, `task --list` shows both, and neither is an alias. What was last seen of
#   a task's sources is kept in .task/checksum, in a file of the task's name, where each character but letters and digits
#   is written as a dash; so two names are one file. The documentation says where that folder is, and nothing of names; no
#   issue was found that tells of it.
#
# In whose way: who goes over from `lint-py` to `lint:py` and keeps the old one for a while, or includes a Taskfile whose
#   namespace is the start of a name. The step that was left out is green, in CI where .task is cached.
#   Instead: names that differ in more than dashes, dots, blanks and colons; or a `label`, which is used in the name's place.

set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache" PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --only-binary :all: go-task-bin==3.54.0
task=$work/venv/bin/task
cd "$work"
mkdir project project/docs
cd project
echo 'print("hello")' >main.py
echo 'hello' >docs/page.md

cat >Taskfile.yml <<'YAML'
version: '3'
includes:
  docs: docs
tasks:
  lint:py:
    sources: [main.py]
    cmds: [echo ran]
  lint-py:
    sources: [main.py]
    cmds: [echo ran]
  labelled:py:
    sources: [main.py]
    cmds: [echo ran]
  labelled-py:
    label: the other
    sources: [main.py]
    cmds: [echo ran]
  docs-build:
    sources: [main.py]
    cmds: [echo ran]
YAML
cat >docs/Taskfile.yml <<'YAML'
version: '3'
tasks:
  build:
    sources: ['docs/*.md']
    cmds: [echo ran]
YAML

echo "Task $("$task" --version)"
seen=""
try() {
    local said
    said=$("$task" --silent "$@") # an exit code other than 0 ends the script
    said=${said:-"did not run"}
    echo "  task $*: $said"
    seen="$seen$*: $said; "
}
for name in lint:py lint-py labelled:py labelled-py docs:build docs:build docs-build docs:build docs-build; do
    try "$name"
done
rm -r .task
sed -i.before 's/^tasks:/method: timestamp\ntasks:/' Taskfile.yml
echo "  with method: timestamp"
try lint:py
try lint-py

expected="lint:py: ran; lint-py: did not run; labelled:py: ran; labelled-py: ran; "
expected="${expected}docs:build: ran; docs:build: did not run; docs-build: ran; docs:build: ran; docs-build: ran; "
expected="${expected}lint:py: ran; lint-py: did not run; "
if [ "$seen" != "$expected" ]; then
    echo "changed: $seen"
    exit 1
fi
echo "as described"
