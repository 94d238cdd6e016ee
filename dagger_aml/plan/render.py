"""A plan as people and programs read it: text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve

from ..base.facts import BaseFacts
from ..fs.digest import NOTHING, Digests, digest
from ..graph.base import From
from ..graph.config import Config
from ..graph.graph import Built, Copy, Graph, LayerOp, Run
from ..graph.source import Local, Text
from ..graph.wheels import Wheels
from ..project.model import Project
from ..steps.server_names import PYTHONPATH, names_in
from ..text import human_size, short_word
from .conda import conda_json, conda_text
from .inputs import InputDigest, input_digest
from .keys import SCHEMA, op_keys, runtime_key
from .making import Making
from .model import Op, Plan

if TYPE_CHECKING:
    from ..graph.mount import Mount


def plan_json(
    plan: Plan,
    project: Project | None = None,
    how: Sequence[Making] = (),
    known: Digests = NOTHING,
    inputs: InputDigest | None = None,
) -> dict[str, Any]:
    """The plan as plain data for ``json.dumps``; reads every local byte for the digests.

    Local paths are relative to the project where they lie in it.

    :param how: the layer of each op would be made, in the order of the ops.
    :param known: digests of files, as :func:`dagger_aml.fs.digest.digest` takes them.
    :param inputs: the digest of all inputs of an image for several platforms; that of this plan's unless given.
    """
    root = project.root if project else None
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "base": {
            "reference": plan.base.reference,
            "digest": plan.base.digest,
            "platform": plan.base.platform,
            "archive": _archive(plan.base, root),
        },
        "facts": facts_json(plan.facts),
        "runtime_key": runtime_key(plan),
        "input_digest": (inputs or _inputs(plan, project, known)).as_json(),
        "ops": [
            {**op_json(op.layer, root, known), "inputs": key.digest, "why": op.why}
            for op, key in zip(plan.ops, op_keys(plan, known), strict=True)
        ],
        "config": config_json(plan.config),
        **({"made": [each.as_json() for each in how]} if how else {}),
        "warnings": [each.as_json() for each in plan.warnings],
        "silenced": [each.as_json() for each in plan.silenced],
    }
    if project:
        found["project"] = {
            "name": project.name,
            "recipe": project.recipe,
            "platforms": [*project.platforms],
            "origins": dict(project.origins),
        }
        if project.deployment:
            from .deployment import deployment_json

            found["project"]["deployment"] = deployment_json(project, project.deployment)
        if (lines := conda_json(project)) is not None:
            found["project"]["packages"] = lines
        if project.mlflow:
            from .mlflow import mlflow_json

            found["project"]["mlflow"] = mlflow_json(project, project.mlflow)
    return found


def _inputs(plan: Plan, project: Project | None, known: Digests) -> InputDigest:
    found, platform = input_digest(plan, known), plan.base.platform
    others = [each for each in project.platforms if each != platform] if project else []
    if not others:
        return found
    return evolve(found, reasons=(*found.reasons, f"it is of {platform} alone, without {', '.join(others)}"))


def config_json(config: Config) -> dict[str, Any]:
    """What the image says of itself, but for the label that tells of its steps."""
    return {
        "user": config.user,
        "env": dict(config.env),
        "workdir": config.workdir,
        "labels": dict(sorted(config.labels.items())),
        "ports": list(config.ports),
        "cmd": None if config.cmd is None else list(config.cmd),
        "entrypoint": None if config.entrypoint is None else list(config.entrypoint),
    }


def facts_json(facts: BaseFacts) -> dict[str, Any]:
    """What is taken for true of the base."""
    return {
        "source": facts.source,
        "user": facts.user,
        "uid": facts.uid,
        "gid": facts.gid,
        "workdir": facts.workdir,
        "environment": facts.environment,
        "environment_owner": f"{facts.environment_uid}:{facts.environment_gid}",
        "interpreter": facts.literal("interpreter") if facts.environment else None,
        "python": facts.python,
        "pip": facts.pip,
        "externally_managed": facts.managed,
        "server": facts.server,
        "start_script": facts.starts,
        "start_script_honours_extras": facts.extras,
        "onbuild": None if facts.onbuild is None else list(facts.onbuild),
        "volumes": None if facts.volumes is None else list(facts.volumes),
    }


def plan_text(plan: Plan, project: Project, *, why: bool = False, how: Sequence[Making] = ()) -> str:
    """The plan as a person reads it.

    :param why: add the reason of each step's place, and where each value of the project is from.
    :param how: the layer of each op would be made; of one that the builder makes like all else nothing is said.
    """
    return "\n".join(_lines(plan, project, why, how)) + "\n"


def _lines(plan: Plan, project: Project, why: bool, how: Sequence[Making]) -> Iterator[str]:
    location = _archive(plan.base, project.root)
    base = f"{plan.base.pinned} ({plan.base.platform})" + (f", taken from {location}" if location else "")
    head = f"{project.name}: recipe {project.recipe} on {base}"
    if project.deployment:
        from .deployment import deployment_text, deployment_title

        yield head + deployment_title(project.deployment)
        yield from deployment_text(project, project.deployment)
    else:
        yield head
    yield ""
    yield f"{'Probed' if plan.facts.source == 'probed' else 'Assumed'} facts of the base image:"
    yield from (f"  {line}" for line in plan.facts.summary())
    if project.server:
        said_by = project.origins.get("server", "Docker's official images of Python have none")
        yield f"  no inference server, so it is added ({said_by})"
    yield ""
    yield "Steps:"
    for number, op in enumerate(plan.ops, 1):
        yield f"  {number}. {op.name}"
        yield f"     {_what(op)}"
        yield from (f"     {line}" for line in _wheels_text(op.layer, plan.facts))
        if how and how[number - 1].way != "builder":
            yield f"     {how[number - 1].text()}"
        if why:
            yield f"     why here: {op.why}"
    for path, names in left_out(plan.layers):
        yield f"  left out of {_relative(path, project.root)}: {', '.join(names)}"
    yield from conda_text(project)
    if project.mlflow:
        from .mlflow import mlflow_text

        yield from mlflow_text(project, project.mlflow, why=why)
    yield ""
    yield "Image config:"
    for name, value in plan.config.env.items():
        yield f"  {name}={value}" + (_from(project.origins, f"env.{name}") if why else "")
        if why and name == PYTHONPATH and (shadowed := _code_first(plan)):
            yield f"     why: the inference server has modules of its own called as {shadowed} of the code"
    for name, value in sorted(plan.config.labels.items()):
        yield f"  label {name}={value}"
    if why:
        yield ""
        yield "Where each value is from:"
        for name, source in sorted(project.origins.items()):
            yield f"  {name}: {source}"
    for warning in plan.warnings:
        yield ""
        yield warning.titled
    if plan.silenced:
        yield ""
        yield "Silenced:"
        yield from (f"  {line}" for each in plan.silenced for line in each.titled.splitlines())


def _code_first(plan: Plan) -> str:
    """The files of the code for which it comes first on ``sys.path``."""
    graph = Graph(plan.base, plan.layers, plan.config)
    return ", ".join(file for names in names_in(graph) if names.code_first for file in names.shadowed)


def left_out(layers: tuple[LayerOp, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Local folders of which something is not taken, and what."""
    for layer in layers:
        if isinstance(layer, Copy) and isinstance(layer.source, Local) and layer.source.left_out:
            yield layer.source.path, layer.source.left_out


def _from(origins: Mapping[str, str], name: str) -> str:
    return f"  ({origins[name]})" if name in origins else ""


def _what(op: Op) -> str:
    layer = op.layer
    if isinstance(layer, Run):
        words = [short_word(str(word)).replace("\n", "; ") for word in layer.argv]
        sees = f", sees {', '.join(mount_text(each) for each in layer.mounts)}" if layer.mounts else ""
        return f"as {layer.user}{sees}: {' '.join(words)}"
    owner = "original owners" if isinstance(layer.source, Built) else f"owner {layer.uid or 0}:{layer.gid or 0}"
    return f"to {layer.dest}{'/' if layer.kind == 'tree' else ''}, {owner}, {source_text(layer)}"


def _wheels_text(layer: LayerOp, facts: BaseFacts) -> Iterator[str]:
    """Each wheel that a copy puts into the image, and what of the base it is found before."""
    if not isinstance(layer, Copy) or not isinstance(layer.source, Wheels):
        return
    from .fitting import chosen_for, shadowed

    yield from chosen_for(layer.source, facts)
    before = shadowed(layer.source, facts.distributions or ())
    for each in layer.source.wheels:
        size = f", {human_size(each.file.size)}" if each.file.size is not None else ""
        there = f", before the base image's {before[each.name]}" if each.name in before else ""
        yield f"{each.file.filename}{size}{there}"


def mount_text(mount: Mount) -> str:
    """What a command sees that no layer holds: its id, and what of it decides the result."""
    return f"{mount.id} ({', '.join(mount.keys)})" if mount.keys else mount.id


def source_text(copy: Copy) -> str:
    """What is copied, and how much of it."""
    source = copy.source
    if isinstance(source, Local):
        files = sum(entry.type == "file" for entry in source.entries)
        return f"{files} file{'s' if files != 1 else ''}, {human_size(source.size)}"
    if isinstance(source, Built):
        return "made in a stage: " + ", ".join(layer.name for layer in source.graph.layers)
    if isinstance(source, Wheels):
        return f"{_count(source)}{', compiled' if source.bytecode else ''}"
    return f"{len(source.data)} B" if isinstance(source, Text) else "an empty folder"


def _count(source: Wheels) -> str:
    number = len(source.wheels)
    return f"{number} wheel{'s' if number != 1 else ''}"


def op_json(layer: LayerOp, root: Path | None = None, known: Digests = NOTHING) -> dict[str, Any]:
    """One op as plain data.

    :param root: what local paths are relative to.
    :param known: digests of files.
    """
    if isinstance(layer, Run):
        return {
            "kind": "run",
            "name": layer.name,
            "verb": layer.verb,
            "argv": [str(word) for word in layer.argv],
            "user": layer.user,
            "env": dict(layer.env),
            "workdir": layer.workdir,
            "touches": None if layer.touches is None else [str(path) for path in layer.touches],
            **({"mounts": mounts} if (mounts := [_mount_json(each) for each in layer.mounts]) else {}),
        }
    return {
        "kind": "copy",
        "name": layer.name,
        "source": _source(layer, root, known),
        "dest": layer.dest,
        "tree": layer.kind == "tree",
        "owner": None if layer.uid is None else f"{layer.uid}:{layer.gid}",
        "changes": layer.changes,
    }


def _mount_json(mount: Mount) -> dict[str, Any]:
    return {"id": mount.id, "path": mount.path, "key": list(mount.keys)}


def _source(copy: Copy, root: Path | None, known: Digests) -> dict[str, Any]:
    source = copy.source
    if isinstance(source, Built):
        inner = source.graph
        return {
            "built": [op_json(layer, root, known) for layer in inner.layers],
            "base": inner.from_.pinned,
            "path": source.path,
        }
    if isinstance(source, Local):
        return {
            "local": _relative(source.path, root),
            "files": sum(entry.type == "file" for entry in source.entries),
            "bytes": source.size,
            "digest": digest(source, known),
            "left_out": list(source.left_out),
        }
    if isinstance(source, Wheels):
        return {
            "wheels": [{"filename": each.file.filename, "sha256": each.file.sha256} for each in source.wheels],
            "python": source.python,
            "bytecode": source.bytecode,
            "digest": digest(source),
        }
    if isinstance(source, Text):
        return {"text": source.data.decode(), "digest": digest(source)}
    return {"empty": True}


def _archive(base: From, root: Path | None) -> str | None:
    """Where a base lies that is taken from no registry."""
    if base.archive is None:
        return None
    return str(evolve(base.archive, path=_relative(base.archive.path, root)))


def _relative(path: str, root: Path | None) -> str:
    if root is not None and Path(path).is_relative_to(root):
        return Path(path).relative_to(root).as_posix()
    return path
