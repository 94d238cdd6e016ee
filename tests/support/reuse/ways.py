"""The ways to build and push the image of one project, each by its own commands, and what each did again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from attrs import field, frozen

ORDER = ("apt", "pip", "requirements", "model", "code")
"""What is told of a build: first the commands, then the copies."""

COMMANDS = ORDER[:2]

DOCUMENTED = r"""FROM {base}
USER root:root
RUN apt-get update && \
    apt-get install -y \
    {apt} && \
    apt-get clean -y && \
    rm -rf /var/lib/apt/lists/*
USER dockeruser
COPY requirements.txt /tmp/requirements.txt
RUN pip install -r /tmp/requirements.txt
# Code
COPY code /var/azureml-app
ENV AZUREML_ENTRY_SCRIPT=score.py
# Model
COPY model /var/azureml-app/azureml-models
ENV AZUREML_MODEL_DIR=/var/azureml-app/azureml-models
"""
"""The example of "Extend a prebuilt Docker image" with the pip lines of the same page, a hyphen for their dash."""


class WayError(Exception):
    """A command of a way failed; the last lines that it printed."""


@frozen
class Wanted:
    """What is built and pushed.

    :param folder: with ``code``, ``model``, ``requirements.txt`` and ``apt.txt``.
    """

    folder: Path
    base: str
    env: Mapping[str, str] = field(factory=dict)
    labels: Mapping[str, str] = field(factory=dict)


Way = Callable[[Wanted, str, Path], set[str]]
"""Builds and pushes under a reference, with a folder to work in; gives what was done again, named as in `ORDER`."""


def _run(*command: str | Path, env: Mapping[str, str] | None = None) -> tuple[str, str]:
    """What a command prints on standard output, and on both.

    :raises WayError: it failed.
    """
    argv = [str(word) for word in command]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})})
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise WayError(f"exit code {done.returncode} from {' '.join(argv)}\n{last}")
    return done.stdout, done.stdout + done.stderr


def _said(wanted: Wanted) -> list[str]:
    """The flags of dagger-aml for what is wanted."""
    flags = [str(wanted.folder), "--base", wanted.base]
    for name, value in wanted.env.items():
        flags += ["--env", f"{name}={value}"]
    for name, value in wanted.labels.items():
        flags += ["--label", f"{name}={value}"]
    return flags


def dagger_aml(wanted: Wanted, reference: str, _: Path) -> set[str]:
    """`dagger-aml build` on the engine."""
    tool = [sys.executable, "-m", "dagger_aml", "build", *_said(wanted)]
    flags = ("--push", "--with", "dagger", "--layers", "builder", "--progress", "json")
    printed = _run(*tool, "--tag", reference, *flags)[1]
    events = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    done = [each for each in events if each["event"] == "op_done"]
    unknown = [each["name"] for each in done if each["cached"] is None]
    assert not unknown, f"the engine has not told whether it had these from before: {unknown}"
    return {_step(each["name"]) for each in done if not each["cached"]}


def _step(name: str) -> str:
    """A step of our plan as it is called here."""
    return next(each for each in ORDER if name.removeprefix("copy ").startswith(each))


def raw_dagger(wanted: Wanted, reference: str, _: Path) -> set[str]:
    """dagger-io alone: `bench/raw_dagger.py`."""
    words = [json.dumps(wanted.env), json.dumps(wanted.labels), reference]
    out = _run(sys.executable, "-m", "bench.raw_dagger", wanted.folder, wanted.base, *words)[0]
    return set(json.loads(out))


def ours(wanted: Wanted, work: Path, form: str) -> Path:
    """The folder that `dagger-aml dockerfile` writes."""
    folder = work / f"ours-{form}"
    tool = [sys.executable, "-m", "dagger_aml", "dockerfile", *_said(wanted)]
    _run(*tool, "--format", form, "-o", folder)
    return folder


def documented(wanted: Wanted, work: Path) -> Path:
    """The Dockerfile of Microsoft's page, edited for what is wanted; variables and labels come last."""
    apt = " \\\n    ".join((wanted.folder / "apt.txt").read_text().split())
    text = DOCUMENTED.format(base=wanted.base, apt=apt)
    text += "".join(f"ENV {name}={value}\n" for name, value in wanted.env.items())
    text += "".join(f"LABEL {name}={value}\n" for name, value in wanted.labels.items())
    file = work / "documented.Dockerfile"
    file.write_text(text)
    return file


def docker(wanted: Wanted, reference: str, work: Path, *, whose: str, form: str, client: str) -> set[str]:
    """`docker build` and `docker push` of a Dockerfile.

    :param whose: ``documented`` or ``ours``.
    :param form: ``buildkit`` or ``classic``.
    """
    flags = ["--progress", "plain"] if form == "buildkit" else []
    if whose == "ours":
        flags += [str(ours(wanted, work, form))]
    else:
        flags += ["--file", str(documented(wanted, work)), str(wanted.folder)]
    env = {"DOCKER_BUILDKIT": "1" if form == "buildkit" else "0"}
    printed = _run(client, "build", "--tag", reference, *flags, env=env)[1]
    _run(client, "push", reference)
    return again(printed)


def buildah(wanted: Wanted, reference: str, work: Path, *, whose: str) -> set[str]:
    """`buildah build` with its cache, and `buildah push`, in a store of the bench's own."""
    tool = buildah_in(work)
    if whose == "ours":
        flags = [str(ours(wanted, work, "classic"))]
    else:
        flags = ["--file", str(documented(wanted, work)), str(wanted.folder)]
    build = [*tool, "build", "--isolation=chroot", "--layers", "--tls-verify=false"]
    printed = _run(*build, "--tag", reference, *flags)[1]
    _run(*tool, "push", "--tls-verify=false", reference)
    return again(printed)


def buildah_in(work: Path) -> list[str]:
    """buildah with its store in a folder, where nobody else's builds disturb it."""
    return ["buildah", "--root", str(work / "store"), "--runroot", str(work / "run")]


def removed(way: str, references: Sequence[str], work: Path) -> None:
    """Remove images from the store of a way, if it has one; those that are not there do no harm."""
    tool = buildah_in(work) if way.startswith("buildah") else ["docker"]
    if references and way.startswith(("buildah", "classic", "buildkit")):
        subprocess.run([*tool, "rmi", "--force", *references], capture_output=True, check=False)


_STEP = re.compile(r"(?:Step |STEP |#(?P<vertex>\d+) \[)[^\]:]*?\d+/\d+(?:\]| ?:) (?P<text>[A-Z]+ .*)")
_CACHED = re.compile(r"#(?P<vertex>\d+) CACHED$| ?-{2,3}> Using cache\b")


def again(printed: str) -> set[str]:
    """What a builder did again, by the lines that it printed: docker's classic ones, BuildKit's, buildah's."""
    texts: dict[str, str] = {}
    cached: set[str] = set()
    last = ""
    for number, line in enumerate(printed.splitlines()):
        if step := _STEP.match(line):
            last = step["vertex"] or f"line {number}"
            texts[last] = step["text"]
        elif found := _CACHED.match(line):
            cached.add(found["vertex"] or last)
    new = [text for vertex, text in texts.items() if vertex not in cached]
    return {_instruction(text) for text in new if text.startswith(("RUN ", "COPY "))}


def _instruction(text: str) -> str:
    """An instruction as it is called here."""
    if text.startswith("RUN "):
        return "apt" if "apt-get" in text else "pip"
    if "requirements.txt" in text or "/usr/share/dagger-aml/" in text:
        return "requirements"
    return "model" if "azureml-models" in text else "code"


def clients() -> dict[str, str]:
    """Docker's clients here: one for its classic builder, one for BuildKit, if there are such."""
    found: dict[str, str] = {}
    for folder in os.get_exec_path():
        client = shutil.which("docker", path=folder)
        if client is None or subprocess.run([client, "version"], capture_output=True, check=False).returncode:
            continue
        found.setdefault("classic", client)
        probe = subprocess.run(
            [client, "build", "--quiet", "-"],
            input=b"FROM scratch\nLABEL probe=1\n",
            env={**os.environ, "DOCKER_BUILDKIT": "1"},
            capture_output=True,
            check=False,
        )
        if not probe.returncode:
            found.setdefault("buildkit", client)
            subprocess.run([client, "rmi", probe.stdout.decode().strip()], capture_output=True, check=False)
    return found


def ways(chosen: Sequence[str] = ()) -> dict[str, Way]:
    """The ways that this machine has, all or those chosen, by name.

    :raises WayError: a chosen one is not to be had.
    """
    found: dict[str, Way] = {"dagger-aml": dagger_aml, "dagger-io": raw_dagger}
    usable = clients() if shutil.which("docker") else {}
    for whose in ("documented", "ours"):
        for form, client in usable.items():
            found[f"{form}, {whose}"] = partial(docker, whose=whose, form=form, client=client)
    if shutil.which("buildah"):
        found["buildah, ours"] = partial(buildah, whose="ours")
    missing = [name for name in chosen if name not in found]
    if missing:
        raise WayError(f"this machine has no way called {missing[0]!r}; there are: {'; '.join(found)}")
    return {name: way for name, way in found.items() if name in chosen or not chosen}
