"""Giving a container that serves new code: its files are replaced, and gunicorn starts other workers.

A restart would end the container: where the server ends, the image's ``finish`` script ends all of it
(docs/azureml-images.md). So gunicorn's master gets SIGHUP: it starts new workers, which load the entry script, and
ends the old ones.
"""

from __future__ import annotations

import base64
import io
import json
import tarfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

import anyio
from attrs import field

from ..backends.local.containers import run_inside
from ..base.python import python_argv
from ..data import define
from ..errors import BuildError, DaggerAmlError
from ..process import CompletedProcess, run
from .changes import Changes, CodeFile

_OWNERS = """
import json, os, sys
found = {}
for top, paths in json.load(sys.stdin).items():
    there = [path for path in paths if os.path.lexists(path)] or ["/"]
    info = os.lstat(there[0])
    found[top] = [info.st_uid, info.st_gid]
json.dump(found, sys.stdout)
"""
"""What tells whose the code is."""

_RENEW = r"""
import base64, json, os, signal, stat, sys, time
asked = json.load(sys.stdin)

def folder(path, of):
    if not os.path.isdir(path):
        folder(os.path.dirname(path), of)
        os.mkdir(path)
        os.chown(path, *of)
        os.chmod(path, 0o755)

def forget(path):
    where, name = os.path.split(path)
    cache, stem = os.path.join(where, "__pycache__"), name[:-2]
    for each in os.listdir(cache) if name.endswith(".py") and os.path.isdir(cache) else ():
        if each.startswith(stem) and each.endswith(".pyc"):
            os.remove(os.path.join(cache, each))

for path in asked["removed"]:
    forget(path)
    try:
        os.rmdir(path) if stat.S_ISDIR(os.lstat(path).st_mode) else os.remove(path)
    except OSError:
        pass
for each in asked["put"]:
    path, of = each["path"], each["owner"]
    folder(os.path.dirname(path), of)
    if each["type"] == "dir":
        folder(path, of)
        continue
    new = os.path.join(os.path.dirname(path), ".dagger-aml-new")
    if os.path.lexists(new):
        os.remove(new)
    if each["type"] == "link":
        os.symlink(each["target"], new)
    else:
        with open(new, "wb") as file:
            file.write(base64.b64decode(each["data"]))
        os.chmod(new, each["mode"])
    os.chown(new, *of, follow_symlinks=False)
    forget(path)
    os.replace(new, path)

def processes():
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
                with open("/proc/%s/cmdline" % name, "rb") as file:
                    yield int(name), parent, file.read().split(b"\0")
            except (OSError, ValueError, IndexError):
                pass

def master():
    found = list(processes())
    server = {pid for pid, _, words in found if any(os.path.basename(word) == b"azmlinfsrv" for word in words[:3])
              or words[0].startswith(b"gunicorn: master")}
    try:
        with open("/var/runit/gunicorn/supervise/pid") as file:
            server.add(int(file.read()))
    except (OSError, ValueError):
        pass
    parents = {pid: parent for pid, parent, _ in found}
    tops = [pid for pid in server if pid in parents and parents[pid] not in server]
    return min(tops) if tops else None

def workers(pid):
    return {each for each, parent, _ in processes() if parent == pid}

pid = master()
if pid is None:
    sys.exit("no server runs in the container")
old = workers(pid)
os.kill(pid, signal.SIGHUP)
end = time.monotonic() + asked["seconds"]
while time.monotonic() < end and os.path.isdir("/proc/%d" % pid):
    now = workers(pid)
    if now - old and not now & old:
        sys.exit()
    time.sleep(0.02)
sys.exit("the server did not take the new code" if os.path.isdir("/proc/%d" % pid) else "the server ended")
"""
"""What replaces files and has the server load them, by the image's own Python, as root."""

_WORKERS_SECONDS = 40.0
"""In which the old workers must have ended; gunicorn gives a request that one of them still answers 30 s."""


@define
class Renewal:
    """A container that serves, and is given new code.

    :param runtime: ``docker`` or ``podman``. :param container: its name.
    """

    runtime: str
    container: str
    _owners: Mapping[str, Sequence[int]] = field(factory=dict)

    async def learn(self, served: Mapping[str, CodeFile]) -> None:
        """Ask whose the code is, which new files of it are then too.

        :raises BuildError: the container does not tell.
        """
        paths: dict[str, list[str]] = {}
        for each in served.values():
            paths.setdefault(each.top, []).append(each.path)
        done = await self._inside(_OWNERS, json.dumps({top: [*some[:3], top] for top, some in paths.items()}))
        try:
            self._owners = json.loads(done.out)
        except ValueError:
            raise self._refused(done, "does not tell whose its code is") from None

    async def give(self, wanted: Changes) -> None:
        """Replace what has changed, and let the server load it. Whether it then answers is for others to ask.

        :raises BuildError: files cannot be replaced, or the server has ended.
        """
        asked = {
            "put": [self._put(each) for each in wanted.put],
            "removed": list(wanted.removed),
            "seconds": _WORKERS_SECONDS,
        }
        done = await self._inside(_RENEW, json.dumps(asked))
        if done.code:
            raise self._refused(done, "could not be given the new code")

    async def revive(self, wanted: Changes) -> None:
        """Put files into a container that has ended, and start it again. Nothing can be removed from it meanwhile.

        :raises BuildError: it cannot be started.
        """
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as file:
            for each in wanted.put:
                file.addfile(self._member(each), io.BytesIO(each.data))
        command = [self.runtime, "cp", "--archive=false", "-", f"{self.container}:/"]
        done = await anyio.run_process(command, input=tar.getvalue(), check=False)
        if done.returncode:
            said = CompletedProcess(done.returncode, err=done.stderr.decode(errors="replace"))
            raise self._refused(said, "could not be given the new code")
        started = await run([self.runtime, "restart", "--time", "1", self.container])
        if started.code:
            raise self._refused(started, "cannot be started again")

    def _member(self, each: CodeFile) -> tarfile.TarInfo:
        member = tarfile.TarInfo(each.path.lstrip("/"))
        member.uid, member.gid = self._owner(each)
        member.mode, member.size, member.mtime = each.mode, len(each.data), int(time.time())
        if each.type != "file":
            member.type = tarfile.DIRTYPE if each.type == "dir" else tarfile.SYMTYPE
            member.linkname = each.content
        return member

    def _owner(self, each: CodeFile) -> Sequence[int]:
        return each.owner or self._owners.get(each.top) or (0, 0)

    def _put(self, each: CodeFile) -> dict[str, Any]:
        return {
            "path": each.path,
            "type": each.type,
            "mode": each.mode,
            "data": base64.b64encode(each.data).decode(),
            "target": each.content if each.type == "link" else "",
            "owner": list(self._owner(each)),
        }

    async def _inside(self, script: str, text: str) -> CompletedProcess:
        command = python_argv("-I", "-c", script)
        try:
            return await run_inside(self.runtime, self.container, command, text, user="0:0")
        except DaggerAmlError as error:
            return CompletedProcess(1, err=error.message)

    def _refused(self, done: CompletedProcess, what: str) -> BuildError:
        said = (done.err.strip() or done.out.strip() or f"exit code {done.code}").splitlines()[-1]
        return BuildError(f"the container {what}: {said}", location=self.container)
