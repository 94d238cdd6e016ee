#!/usr/bin/env bash
#
# What: dockerfile-parse fills variables into the values of a Dockerfile's labels, variables and bases, unless told not
#   to. Of `${TAG:-latest}` with TAG=3.11 it makes `3.11:-latest}`: the name is replaced, the rest is kept as text, brace
#   included. Where TAG is not set, `:-latest}`. So baseimage is `python:3.11:-latest}`, where docker takes python:3.11.
#   Nothing is raised and nothing is logged.
#
# Seen with: dockerfile-parse 2.0.1, the newest. Its README does not speak of it.
#
# Why one would guess otherwise: `${name:-word}` and `${name:+word}` stand in Docker's reference beside `$name` and
#   `${name}`, which it fills in rightly, quotes, escapes and the order of one line's assignments included. What cannot
#   be read one expects as an error, or as it was written.
#
# In whose way: whoever asks a Dockerfile for its base, to mirror it, scan it or pin it. An ARG with a default in the FROM
#   line is what makes one Dockerfile serve several Pythons.
#   Instead: DockerfileParser(…, env_replace=False), which gives variables and labels as written (baseimage is filled in
#   all the same), and a reading of one's own.

set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache" PIP_DISABLE_PIP_VERSION_CHECK=1

cat >"$work/read.py" <<'PYTHON'
import logging
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

from dockerfile_parse import DockerfileParser

warnings.simplefilter("error")
logged = []
handler = logging.Handler()
handler.emit = logged.append
logging.getLogger("dockerfile_parse").addHandler(handler)
logging.getLogger("dockerfile_parse").setLevel(logging.WARNING)

TEXT = """\
ARG TAG=3.11
FROM python:${TAG:-latest}
ENV PORT=5001
ENV PORT=5002 NAME="a $PORT b" KEPT='$PORT'
ENV BOUND=${PORT:-80} FREE=${HOST:-localhost} SET=${PORT:+yes}
LABEL plain=${PORT} bound=${PORT:-80}
"""
Path("Dockerfile").write_text(TEXT)
print(f"Python {sys.version.split()[0]}, dockerfile-parse {version('dockerfile-parse')}")

filled = DockerfileParser("Dockerfile")
written = DockerfileParser("Dockerfile", env_replace=False)
got = {
    "base": filled.baseimage,
    **filled.envs,
    **{f"label {name}": value for name, value in filled.labels.items()},
    "BOUND, as written": written.envs["BOUND"],
    "logged": len(logged),
}
expected = {
    "base": "python:3.11:-latest}",  # docker: python:3.11
    "PORT": "5002",
    "NAME": "a 5001 b",
    "KEPT": "$PORT",
    "BOUND": "5002:-80}",  # docker: 5002
    "FREE": ":-localhost}",  # docker: localhost
    "SET": "5002:+yes}",  # docker: yes
    "label plain": "5002",
    "label bound": "5002:-80}",  # docker: 5002
    "BOUND, as written": "${PORT:-80}",
    "logged": 0,
}
for name, value in got.items():
    print(f"  {name:18} {value}")
different = [f"{name}: {got.get(name)!r}" for name in expected if got.get(name) != expected[name]]
print("changed: " + "; ".join(different) if different else "as described")
sys.exit(bool(different))
PYTHON

python3 -m venv "$work/env"
"$work/env/bin/pip" install -q dockerfile-parse==2.0.1
cd "$work"
"$work/env/bin/python" read.py
