#!/usr/bin/env bash
#
# What: a pyproject.toml has `lint.select = […]`, `lint.ignore = […]` and `line-length = 100` below [tool.ruff]. With
#   tomlkit one adds a table, doc["tool"]["ruff"]["lint"]["per-file-ignores"] = {…}, and writes the file. It then has the
#   header [lint.per-file-ignores], without "tool.ruff", in the midst of these lines: lint.ignore and line-length, which
#   nobody touched, are now in that table. The document in memory is right, and nothing is raised.
#
# Seen with: tomlkit 0.15.2, the newest. Needs Python 3.11 or newer, whose tomllib reads what was written.
#
# Why one would guess otherwise: tomlkit is there to change a file and keep the rest of it, and `lint.select` under
#   [tool.ruff] is TOML's other way to write [tool.ruff.lint], in which the same line of Python does well. What is
#   written should be what is in memory. But a table gets a header, and behind a header no line is of the outer one.
#
# In whose way: whoever changes settings by a script, or by a tool that uses tomlkit, as Poetry and PDM do. ruff takes
#   [tool.ruff] as it is and says nothing of a [lint]: from then on it ignores no E501, and lines may have 88 characters.
#   Instead: an inline table (tomlkit.inline_table()); or compare tomllib.loads(dumps(doc)) with doc.unwrap() before it
#   is written.

set -euo pipefail

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "this needs Python 3.11 or newer"
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache" PIP_DISABLE_PIP_VERSION_CHECK=1

cat >"$work/try.py" <<'PYTHON'
import sys
import tomllib
from importlib.metadata import version

import tomlkit

DOTTED = """\
[tool.ruff]
lint.select = ["E", "F"]
lint.ignore = ["E501"]
line-length = 100

[tool.mypy]
strict = true
"""
HEADER = """\
[tool.ruff]
line-length = 100

[tool.ruff.lint]
select = ["E", "F"]
ignore = ["E501"]

[tool.mypy]
strict = true
"""
ADDED = {"tests/*": ["S101"]}


def inline():
    table = tomlkit.inline_table()
    table.update(ADDED)
    return table


print(f"Python {sys.version.split()[0]}, tomlkit {version('tomlkit')}")
wanted = tomllib.loads(DOTTED)
wanted["tool"]["ruff"]["lint"]["per-file-ignores"] = ADDED
different = []
for name, text, value, right in (
    ("dotted keys, a dict", DOTTED, ADDED, False),
    ("dotted keys, an inline table", DOTTED, inline(), True),
    ("a header, a dict", HEADER, ADDED, True),
):
    document = tomlkit.parse(text)
    document["tool"]["ruff"]["lint"]["per-file-ignores"] = value
    written = tomlkit.dumps(document)
    found = tomllib.loads(written)
    print(f"{name}: in memory {'right' if document.unwrap() == wanted else 'wrong'}, written:")
    print("\n".join(f"    | {line}" for line in written.splitlines()))
    print(f"  read again: tool.ruff has {', '.join(found['tool']['ruff'])}; outside of tool: {[*found][1:] or 'nothing'}")
    if document.unwrap() != wanted:
        different.append(f"{name}: in memory it is another")
    if (found == wanted) is not right:
        different.append(f"{name}: {'wrong' if right else 'right'} when written")
    if not right and found.get("lint", {}).get("per-file-ignores", {}).get("line-length") != 100:
        different.append(f"{name}: line-length is elsewhere")
print("changed: " + "; ".join(different) if different else "as described")
sys.exit(bool(different))
PYTHON

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q tomlkit==0.15.2
"$work/venv/bin/python" "$work/try.py"
