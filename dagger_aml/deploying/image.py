"""The image that a deployment names: by its digest, as somebody says it or as ``build`` noted it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import UsageError, unreadable
from ..oci.reference import Reference
from ..text import named


def image_of(text: str) -> str:
    """A reference as a deployment has it: ``registry.example/diabetes@sha256:…``, without the tag.

    :raises GraphError: no reference. :raises UsageError: it names no registry or no digest.
    """
    found = Reference.parse(text, named("image"))
    if not found.digest:
        raise UsageError(
            f"names no digest: {text}. A tag may name another image tomorrow, and with it the replicas of one "
            "deployment would differ",
            location=named("image"),
            hint="Write it as NAME@sha256:…, or give the file of `dagger-aml build --push --metadata-file FILE` to "
            f"{named('metadata_file')}.\nA registry tells the digest of a tag: docker buildx imagetools inspect "
            f"{text}",
        )
    if not found.has_host:
        raise UsageError(
            f"names no registry: {text}",
            location=named("image"),
            hint="Write it as REGISTRY/NAME@sha256:…, as it was pushed.",
        )
    return f"{found.name}@{found.digest}"


def image_in(path: Path, project: str) -> str:
    """The image of a project in the file that ``build --metadata-file`` wrote, for one project or for several.

    :param project: its name, by which a file of several has it.
    :raises UsageError: the file is missing or another; it has no such project; the image was not pushed.
    """
    said = _read(path)
    own = said
    if not any(name.startswith(("containerimage.", "image.", "dagger-aml.")) for name in said):
        own = said.get(project, None)
        if not isinstance(own, Mapping):
            raise UsageError(
                f"has no image of {project}, only of: {', '.join(said) or 'nothing'}",
                location=named("metadata_file", path),
            )
    if "dagger-aml.error" in own:
        raise UsageError(
            f"the build of {project} failed: {own['dagger-aml.error']}", location=named("metadata_file", path)
        )
    digest, names = own.get("containerimage.digest"), own.get("image.name")
    if isinstance(digest, str) and isinstance(names, str):
        for name in filter(None, names.split(",")):
            found = Reference.parse(name.strip(), named("metadata_file", path))
            if found.has_host:
                return image_of(f"{found.name}@{digest}")
    raise UsageError(
        "names no image that was pushed to a registry",
        location=named("metadata_file", path),
        hint="Push it: dagger-aml build PROJECT -t REGISTRY/NAME:TAG --push --metadata-file FILE",
    )


def _read(path: Path) -> Mapping[str, Any]:
    location = named("metadata_file", path)
    try:
        said = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UsageError("there is no such file", location=location) from None
    except OSError as error:
        raise unreadable(error, path) from None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise UsageError("is not a file that `build --metadata-file` wrote", location=location)
    return said
