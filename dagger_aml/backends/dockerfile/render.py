"""A plan as a Dockerfile and its context folder, for any builder: no engine, no network."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from itertools import groupby

from ...errors import GraphError, UsageError
from ...fs.stamps import unchanged
from ...graph.base import Given
from ...graph.graph import Graph
from ...graph.mount import Mount, mount_ids
from ...graph.stages import bases
from ...plan.model import Plan
from ...text import named
from ...version import __version__
from ..base import Format
from . import encoder
from .context import Dockerfile
from .instructions import Instruction, Script, mounts, script

_LOADERS = {"oci-archive": ("podman",), "docker-archive": ("docker", "podman")}
"""The programs whose ``load`` takes a kind of archive, the one to name in an example first."""


def render(
    plan: Plan, *, format: Format = "classic", title: str = "", folders: Mapping[str, str] | None = None
) -> Dockerfile:
    """Write a plan as a Dockerfile.

    :param format: ``classic`` is what any builder takes, ACR tasks included; ``buildkit`` may use mounts, which only
        steps with secrets need.
    :param title: what the first line names, such as the project's folder.
    :param folders: names in the context for folders of the image: what is copied below ``/var/azureml-app`` lies in
        the context as it will in the image, not in a folder with a number, where nothing else lies in its way.
    :raises UsageError: ``format`` is none of the two, or the classic one and a command sees mounted files; a base
        that lies on this machine.
    :raises GraphError: the base is a container that somebody handed over.
    :raises ProjectError: a file to copy vanished or changed since it was walked.
    """
    return rendered(plan, format=format, title=title, folders=folders)[0]


def rendered(
    plan: Plan, *, format: Format = "classic", title: str = "", folders: Mapping[str, str] | None = None
) -> tuple[Dockerfile, Script]:
    """The Dockerfile and what it was written of, for who follows a builder through it. Raises as :func:`render`."""
    _check_base(plan)
    if format not in ("classic", "buildkit"):
        raise UsageError(f"no such Dockerfile format: {format!r}", hint="Use classic or buildkit.")
    seen = mounts(plan.layers)
    if seen and format == "classic":
        location = next(iter(seen.values()))
        raise UsageError(
            f"the step needs {', '.join(sorted(each.id for each in seen))} mounted, but classic builders "
            "do not support mounts",
            location=location,
            hint=f"Use {named('format', 'buildkit')}: podman and buildah build it, and docker with its buildx "
            "plugin. It passes index settings, CAs and secrets as mounts, so they do not stay in the image.",
        )
    by_id: dict[str, Mount] = {}
    for mount, id in mount_ids(seen).items():
        by_id.setdefault(id, mount)
    head = encoder.comment(_head(plan, title, by_id))
    with unchanged(plan.layers):
        made = script(plan, folders)
        return Dockerfile(_text(head, made.instructions), made.copies, by_id), made


def _text(head: str, instructions: Iterable[Instruction]) -> str:
    """The instructions of each op together, beneath a comment that names it."""
    lines = [head]
    for (_, number, is_from), every in groupby(instructions, _block):
        block = list(every)
        lines.append("")
        if not is_from:
            lines.append(encoder.comment(block[0].op if number else "image config"))
        lines += [each.text for each in block]
    return "\n".join(lines) + "\n"


def _block(instruction: Instruction) -> tuple[str, int, bool]:
    return instruction.stage, instruction.number, instruction.keyword == "FROM"


def _check_base(plan: Plan) -> None:
    """Refuse a base that a Dockerfile cannot name: FROM takes what a registry or a builder's store has."""
    if isinstance(plan.base, Given):
        raise GraphError("a graph on a given container cannot become a Dockerfile", hint="Call the base step first.")
    for base in bases(Graph(plan.base, plan.layers)):
        if base.archive:
            copy, file = f"skopeo copy {shlex.quote(str(base.archive))}", shlex.quote(base.archive.path)
            loading = _LOADERS.get(base.archive.kind, ())
            raise UsageError(
                f"a Dockerfile cannot start from {base.archive}: FROM accepts only images from a registry or "
                "from a builder's store",
                hint=f"Load it first, then give its new name to {named('base')}. `dagger-aml build` does not need "
                "this.\n"
                f"docker: {copy} docker-daemon:{base.reference}\n"
                f"podman, buildah: {copy} containers-storage:{base.reference}"
                + (f"\n{', '.join(loading)}, without skopeo: {loading[0]} load -i {file}" if loading else ""),
            )


def _head(plan: Plan, title: str, by_id: Mapping[str, Mount]) -> str:
    asked = plan.facts.source == "probed"
    secrets = "".join(f" --secret id={id},src=FILE" for id in by_id)
    lines = [
        f"Written by dagger-aml {__version__}" + (f" from {title}" if title else ""),
        f"Build it with: docker build{secrets} -t NAME THIS_FOLDER",
        *(f"- {id}: {mount.holds}" for id, mount in by_id.items()),
        "",
        f"{'Probed' if asked else 'Assumed'} facts of {plan.base.pinned}:",
        *(f"- {line}" for line in plan.facts.summary()),
    ]
    if not asked:
        lines.append("`dagger-aml build` probes the real base image instead.")
    if not plan.base.digest:
        lines.append(
            "The base image is not pinned by its digest. `dagger-aml dockerfile --pin` gets the digest from "
            "the registry."
        )
    lines += [line for warning in plan.warnings for line in warning.titled.splitlines()]
    return "\n".join(lines)
