"""Asking a base what it holds: the script that runs in it, and its answer."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from .. import contract
from ..errors import BaseError
from .distributions import distribution_of
from .facts import BaseFacts, PathFact

PROBE = r"""
set -u
user=$1; env=$2; start=$3
look() {
  getent "$1" "$2" 2>/dev/null && return
  [ -r "/etc/$1" ] && while IFS=: read -r key x id more; do
    if [ "$key" = "$2" ] || [ "$id" = "$2" ]; then echo "$key:$x:$id:$more"; break; fi
  done <"/etc/$1"
}
name=${user%%:*}; group=; case $user in *:*) group=${user#*:};; esac
if [ -z "$name" ]; then uid=0; else uid=$(id -u "$name" 2>/dev/null || echo "$name"); fi
if [ -n "$group" ]; then
  gid=$(look group "$group" | cut -d: -f3); gid=${gid:-$group}
else
  gid=$(look passwd "$uid" | cut -d: -f4); gid=${gid:-$(id -g "$name" 2>/dev/null || echo 0)}
fi
echo "user $uid $gid"
python=
if [ -z "$env" ]; then python=$(command -v python3) || python=$(command -v python) || python=
elif [ -x "$env/bin/python" ]; then python=$env/bin/python
fi
if [ -n "$python" ]; then "$python" -I -c '
import importlib.util, os, sys, sysconfig
prefix = sys.argv[1] or sys.prefix
at = os.stat(prefix)
print("environment %d %d %d.%d" % (at.st_uid, at.st_gid, sys.version_info[0], sys.version_info[1]))
if not sys.argv[1]:
    print("prefix " + prefix)
    print("interpreter " + sys.argv[2])
print("pip " + ("yes" if importlib.util.find_spec("pip") else "no"))
of_system = os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))
print("managed " + ("yes" if of_system and sys.prefix == sys.base_prefix else "no"))
print("full_python %d.%d.%d" % sys.version_info[:3])
try:
    library, _, version = os.confstr("CS_GNU_LIBC_VERSION").partition(" ")
    print("glibc " + (version if library == "glibc" else ""))
except (AttributeError, OSError, TypeError, ValueError):
    pass
print("distributions")
for place in [path for path in sys.path if os.path.isdir(path)]:
    for folder in sorted(os.listdir(place)):
        if not folder.endswith(".dist-info"):
            continue
        try:
            with open(os.path.join(place, folder, "METADATA"), encoding="utf-8", errors="replace") as file:
                print("distribution")
                for line in file:
                    if not line.rstrip("\n"):
                        break
                    if line.lower().startswith(("name:", "version:", "requires-dist:")):
                        print("dist." + line.strip())
        except OSError:
            pass
' "$env" "$python"; fi
if [ -n "$python" ] && [ -x "${python%/*}/azmlinfsrv" ]; then echo "server ${python%/*}/azmlinfsrv"
else echo "server $(command -v azmlinfsrv)"
fi
if [ -f "$start" ] && command -v runsvdir >/dev/null; then echo "starts yes"; else echo "starts no"; fi
if [ -f "$start" ]; then
  if grep -q AZUREML_EXTRA_ "$start"; then echo "extras yes"; else echo "extras no"; fi
else
  echo "extras none"
fi
tr '\n' '\0' | xargs -0 -r sh -c 'for p do
  [ -e "$p" ] || [ -L "$p" ] || continue
  if [ -L "$p" ]; then echo "link 777 0 0 $(if [ -e "$p" ]; then readlink -f -- "$p"; fi)"; else
  if [ -d "$p" ]; then t=dir; elif [ -f "$p" ]; then t=file; else t=other; fi
  echo "$t $(stat -c "%a %u %g" -- "$p") "; fi
  printf "path %s\n" "$p"
done' sh
"""
"""A POSIX shell script that runs in the base as root: ``sh -c PROBE sh USER ENVIRONMENT START_SCRIPT``, with the
paths to ask for on its standard input, one a line. :func:`from_probe` reads what it prints."""


def probe_argv(user: str, environment: str | None) -> tuple[str, ...]:
    """The command that asks a base, given its config's user and Python environment."""
    return ("/bin/sh", "-c", PROBE, "sh", user, environment or "", contract.START_SCRIPT)


def probe_stdin(paths: Iterable[str]) -> str:
    """What the probe reads: one path a line. A path with a line break in it is not asked for."""
    return "".join(f"{path}\n" for path in paths if "\n" not in path and path.isprintable())


def from_probe(output: str, config: BaseFacts) -> BaseFacts:
    """Facts from what the probe printed, on top of those that the base's config gave.

    :raises BaseError: the output is not the probe's.
    """
    paths: dict[str, PathFact] = {}
    found: dict[str, object] = {}
    last: PathFact | None = None
    told: list[list[str]] | None = None
    for line in output.splitlines():
        word, _, rest = line.partition(" ")
        try:
            if word == "user":
                uid, gid = rest.rsplit(" ", 1)
                if not (uid.isdecimal() and gid.isdecimal()):
                    raise unknown_user(config.user)
                found["uid"], found["gid"] = int(uid), int(gid)
            elif word == "environment":
                uid, gid, python = rest.split()
                found |= {"environment_uid": int(uid), "environment_gid": int(gid), "python": python}
            elif word in ("prefix", "interpreter", "server"):
                found["environment" if word == "prefix" else word] = rest
            elif word in ("extras", "pip", "managed", "starts"):
                found[word] = rest == "yes"
            elif word in ("dir", "file", "other", "link"):
                mode, uid, gid, target = rest.split(" ", 3)
                last = PathFact(word, int(mode, 8), int(uid), int(gid), target)  # type: ignore[arg-type]
            elif word in ("full_python", "glibc"):
                found[word] = rest
            elif word == "distributions":
                told = []
            elif word == "distribution" and told is not None:
                told.append([])
            elif word.startswith("dist.") and told:
                told[-1].append(line.removeprefix("dist."))
            elif word == "path" and last is not None:
                paths[rest] = last
        except ValueError:
            raise BaseError(f"the base's answer to the probe is not understood: {line!r}") from None
    if "uid" not in found:
        raise BaseError(
            "the base did not answer the probe",
            hint="The base image needs a POSIX shell, id, getent, stat and xargs. "
            "Debian and Ubuntu images have them.",
        )
    if "python" not in found:
        found["environment"] = None
    if told is not None:
        found["distributions"] = tuple(each for lines in told if (each := distribution_of(lines)))
    return evolve(config, source="probed", paths=paths, **found)  # type: ignore[arg-type]


def unknown_user(user: str) -> BaseError:
    """The error for a base whose user nobody knows."""
    return BaseError(
        f"the base image runs as {user}, but its /etc/passwd and /etc/group do not contain that name",
        hint="In the base image's Dockerfile, set USER to an existing user or to a user number.",
    )
