"""What ``--metadata-file`` and ``--iidfile`` are given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..backends.result import Result
from ..fs.atomic import replaced_file
from .target import BuildTarget


def metadata(result: Result) -> dict[str, Any]:
    """A result in the field names of ``docker buildx build --metadata-file``, and some of our own."""
    said = {
        "containerimage.config.digest": result.config_digest,
        "containerimage.digest": result.digest,
        "image.name": ",".join(result.tags),
        "dagger-aml.base": result.base,
        "dagger-aml.runtime_key": result.runtime_key,
        "dagger-aml.input_digest": result.input_digest.as_json() if result.input_digest else None,
        "dagger-aml.made": [each.as_json() for each in result.makings],
        "dagger-aml.outputs": [
            {"dest": str(each.path), "type": each.type, **({"digest": each.digest} if each.digest else {})}
            for each in result.outputs
        ],
        "dagger-aml.warnings": [each.as_json() for each in result.warnings],
    }
    told = {f"dagger-aml.{name}": value for name, value in report(result).items() if name not in _ELSEWHERE}
    return {**{name: value for name, value in said.items() if value}, **told}


_OF_BUILDX = ("digest", "image", "config", "tags")
_ELSEWHERE = (*_OF_BUILDX, "base", "runtime_key", "input_digest", "made", "outputs", "warnings")
"""What a metadata file has under names of its own."""


def report(result: Result) -> dict[str, Any]:
    """A result as ``build --json`` has it; what its builder does not tell is None."""
    return {
        "changed": result.changed,
        "pushed": result.pushed,
        "refs": list(result.refs),
        "digest": result.digest,
        "image": result.image_id,
        "config": result.config_digest,
        "tags": list(result.tags),
        "base": result.base,
        "runtime_key": result.runtime_key,
        "input_digest": result.input_digest.as_json() if result.input_digest else None,
        "bytes_sent": result.bytes_sent,
        "seconds": None if result.seconds is None else round(result.seconds, 3),
        "ops": [
            {
                "id": each.id,
                "name": each.name,
                "kind": each.kind,
                "cached": each.cached,
                "seconds": None if each.seconds is None else round(each.seconds, 3),
            }
            for each in result.ops
        ],
        "made": [each.as_json() for each in result.makings],
        "outputs": [{"path": str(each.path), "type": each.type, "digest": each.digest} for each in result.outputs],
        "warnings": [each.as_json() for each in result.warnings],
    }


def write_files(target: BuildTarget, result: Result) -> None:
    """The files that a target asks for."""
    if target.metadata_file:
        write_json(target.metadata_file, metadata(result))
    if target.iidfile:
        _write(target.iidfile, result.image_id or result.digest or "")


def write_json(path: Path, what: dict[str, Any]) -> None:
    """Write an object to a file, whole or not at all."""
    _write(path, json.dumps(what, indent=2) + "\n")


def _write(path: Path, text: str) -> None:
    with replaced_file(path) as new:
        new.write_text(text, encoding="utf-8")
