"""A plan as a Dockerfile and its context folder, for any builder: no engine, no network.

Copies are keeping copies (docs/builder-cases.md): an empty folder first makes missing parents as 0:0, then a
folder that holds exactly what is copied goes onto the destination. So every builder keeps the owner and mode of what
exists, replaces links by files, and gives parents the same owner.
"""

from __future__ import annotations

import posixpath
import shlex

from ...errors import GraphError, UsageError
from ...fs.stamps import unchanged
from ...graph.base import Given
from ...graph.graph import Built, Copy, Graph, Layer, Run
from ...graph.mount import Mount
from ...graph.stages import bases
from ...plan.keys import labels
from ...plan.model import Plan
from ...version import __version__
from ..base import Format
from . import encoder
from .context import EMPTY, Dockerfile

_ROOT = "0:0"


def render(plan: Plan, *, format: Format = "classic", title: str = "") -> Dockerfile:
    """Write a plan as a Dockerfile.

    :param format: ``classic`` is what any builder takes, ACR tasks included; ``buildkit`` may use mounts, which only
        steps with secrets need.
    :param title: what the first line names, such as the project's folder.
    :raises UsageError: ``format`` is none of the two, or the classic one and a command sees mounted files; a base
        that lies on this machine.
    :raises GraphError: the base is a container that somebody handed over.
    :raises ProjectError: a file to copy vanished or changed since it was walked.
    """
    if isinstance(plan.base, Given):
        raise GraphError("a graph on a container given has no Dockerfile form", do="Call the base step first.")
    _check_reachable(plan)
    if format not in ("classic", "buildkit"):
        raise UsageError(f"no such Dockerfile format: {format!r}", do="Take classic or buildkit.")
    mounts = _mounts(plan.layers)
    if mounts and format == "classic":
        step = next(iter(mounts.values()))
        raise UsageError(
            f"the step needs {', '.join(sorted(each.id for each in mounts))} mounted, which classic builders cannot",
            where=step,
            do="Take --format buildkit: index settings, CAs and secrets travel as mounts, so that nothing of them "
            "stays in the image.",
        )
    writer = _Writer()
    writer.lines.append(encoder.comment(_head(plan, title, tuple(mounts))))
    writer.stages(plan.layers)
    writer.lines += ["", encoder.from_(plan.base.pinned, plan.base.platform)]
    state = writer.layers(plan.layers, plan.facts.user or _ROOT, plan.facts.workdir)
    with unchanged(plan.layers):
        writer.config(plan, state)
        return Dockerfile("\n".join(writer.lines) + "\n", tuple(writer.copies), tuple(mounts))


def _check_reachable(plan: Plan) -> None:
    """Refuse a base that a Dockerfile cannot name: FROM takes what a registry or a builder's store has."""
    for base in bases(Graph(plan.base, plan.layers)):
        if base.archive:
            copy, file = f"skopeo copy {shlex.quote(str(base.archive))}", shlex.quote(base.archive.path)
            loads = {"oci": "", "oci-archive": "podman", "docker-archive": "docker, podman"}[base.archive.kind]
            raise UsageError(
                f"a Dockerfile cannot start from {base.archive}: FROM takes what a registry or a builder's store has",
                do="Load it first, and say --base with the name that it then has; `dagger-aml build` needs none of "
                f"this.\ndocker: {copy} docker-daemon:{base.reference}\n"
                f"podman, buildah: {copy} containers-storage:{base.reference}"
                + (f"\n{loads}, without skopeo: {loads.partition(',')[0]} load -i {file}" if loads else ""),
            )


def _mounts(layers: tuple[Layer, ...]) -> dict[Mount, str]:
    """The mounts of all commands, those of stages included, each with the first step that sees it."""
    found: dict[Mount, str] = {}
    for layer in layers:
        if isinstance(layer, Run):
            for mount in layer.mounts:
                found.setdefault(mount, layer.step)
        elif isinstance(layer.source, Built):
            found = {**_mounts(layer.source.graph.layers), **found}
    return found


def _head(plan: Plan, title: str, mounts: tuple[Mount, ...]) -> str:
    asked = plan.facts.source == "asked"
    secrets = "".join(f" --secret id={mount.name},src=FILE" for mount in mounts)
    lines = [
        f"Written by dagger-aml {__version__}" + (f" from {title}" if title else ""),
        f"Build it with: docker build{secrets} -t NAME THIS_FOLDER",
        *(f"- {mount.name}: {mount.holds}" for mount in mounts),
        "",
        f"{'Asked' if asked else 'Assumed'} of {plan.base.pinned}:",
        *(f"- {line}" for line in plan.facts.summary()),
    ]
    if not asked:
        lines.append("`dagger-aml build` asks the real base instead.")
    if not plan.base.digest:
        lines.append("The base is not pinned by its digest: `dagger-aml dockerfile --pin` asks the registry for it.")
    lines += [f"Note: {note}" for note in plan.notes]
    return "\n".join(lines)


class _Writer:
    """Collects instructions and the context's folders while a plan is walked."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.copies: list[tuple[str, Copy]] = []
        self.built: list[tuple[Graph, str]] = []

    def stages(self, layers: tuple[Layer, ...]) -> None:
        for layer in layers:
            if isinstance(layer, Run) or not isinstance(layer.source, Built):
                continue
            graph = layer.source.graph
            if self.stage_of(graph):
                continue
            self.stages(graph.layers)
            name = f"stage-{len(self.built) + 1}"
            self.built.append((graph, name))
            base = graph.from_
            self.lines += ["", encoder.from_(base.pinned, base.platform, name)]
            self.layers(graph.layers, "", None)

    def stage_of(self, graph: Graph) -> str | None:
        return next((name for known, name in self.built if known == graph), None)

    def layers(self, layers: tuple[Layer, ...], user: str, workdir: str | None) -> tuple[str, str | None]:
        """Write the ops; returns the user (empty: not known) and workdir in force after them."""
        for layer in layers:
            self.lines += ["", encoder.comment(layer.step)]
            if isinstance(layer, Copy):
                self.copy(layer)
                continue
            if layer.user != user:
                user = str(layer.user)
                self.lines.append(encoder.user(user))
            if layer.workdir != workdir:
                workdir = layer.workdir
                self.lines.append(encoder.workdir(workdir))
            mounts = [_secret_mount(each, user) for each in layer.mounts]
            self.lines.append(encoder.run([str(word) for word in layer.command], mounts))
        return user, workdir

    def copy(self, copy: Copy) -> None:
        owner = None if copy.uid is None or copy.gid is None else (int(str(copy.uid)), int(str(copy.gid)))
        into = posixpath.dirname(copy.dest) if copy.kind == "file" else copy.dest
        parent = posixpath.dirname(copy.dest)
        if owner and parent != "/":
            self.lines.append(encoder.copy(f"{EMPTY}/e", parent))
        name = f"context/{len(self.copies) + 1}"
        if copy.root is not None or not isinstance(copy.source, Built):
            self.copies.append((name, copy))
        if isinstance(copy.source, Built):
            stage = self.stage_of(copy.source.graph)
            self.lines.append(encoder.copy(copy.source.path, into, owner=owner, stage=stage))
        else:
            self.lines.append(encoder.copy(f"{name}/k", into, owner=owner))
        if copy.root is not None:
            self.lines.append(
                encoder.copy(f"{name}/root", posixpath.dirname(copy.dest), owner=(copy.root.uid, copy.root.gid))
            )

    def config(self, plan: Plan, state: tuple[str, str | None]) -> None:
        config, facts = plan.config, plan.facts
        lines = [encoder.env(name, str(value)) for name, value in config.env.items()]
        lines += [encoder.label(name, value) for name, value in sorted(labels(plan).items())]
        lines += [encoder.expose(port) for port in config.ports]
        workdir = config.workdir or facts.workdir
        if workdir != state[1]:
            lines.append(encoder.workdir(workdir))
        user = (facts.user if config.user is None else str(config.user)) or _ROOT
        if user != state[0]:
            lines.append(encoder.user(user))
        if config.entrypoint is not None:
            lines.append(encoder.entrypoint(config.entrypoint))
        if config.cmd is not None:
            lines.append(encoder.cmd(config.cmd))
        elif config.entrypoint is not None and facts.cmd:
            lines.append(encoder.cmd(facts.cmd))
        if lines:
            self.lines += ["", encoder.comment("what the image says of itself"), *lines]


def _secret_mount(mount: Mount, user: str) -> str:
    uid, _, gid = user.partition(":")
    return encoder.secret_mount(mount.name, mount.path, (int(uid), int(gid)), mount.mode)
