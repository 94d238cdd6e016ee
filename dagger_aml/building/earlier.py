"""Reading what a plan is held against: a plan's JSON, a tar, a layout, a store's or a registry's image."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve

from ..errors import UsageError
from ..fs.cache_folder import cache_folder
from ..graph.base import ARCHIVES, From
from ..graph.stages import stages
from ..oci.content_store import ContentStore
from ..oci.reference import Reference
from ..plan.compare import Earlier, of_image, of_json
from ..plan.keys import runtime_key
from ..plan.making import Making, makings
from ..plan.model import Plan
from ..text import named


async def read_earlier(text: str, platform: str, store: str | None = None, project: str = "") -> Earlier:
    """Read what ``--against`` names: a file that ``plan --json`` wrote, a tar, ``oci:FOLDER``, or an image.

    An image whose name has no host is looked for in the local stores first, and :attr:`Earlier.name` says in which it
    was found; one with a host only in its registry.

    :param store: ``docker``, ``podman`` or ``buildah``: an image is taken from its store only.
    :param project: the name of the one that is meant, in a file of several plans.
    :raises UsageError: it is none of these, or an image that tells nothing of its steps.
    :raises RegistryDenied, TransientError, BuildError: the registry has it not.
    """
    path = Path(text)
    if path.is_file() and _is_json(path):
        return of_json(text, path.read_text(encoding="utf-8", errors="replace"), project)
    if path.is_dir() and not (path / "oci-layout").is_file():
        raise UsageError(
            "this folder is neither a plan file nor an image", location=named("against", text),
            hint=f"Write its plan first: dagger-aml plan {shlex.quote(text)} --json > plan.json",
        )  # fmt: skip
    if archive := _archive(text, path, platform):
        from ..oci import layout as oci_layout
        from ..oci.archive import platforms

        assert archive.archive
        return evolve(of_image(text, platform, oci_layout.config(archive)), platforms=platforms(archive.archive))
    where, config = await _config(text, platform, store)
    earlier = of_image(text, platform, config)
    return evolve(earlier, name=f"{text} in {where}'s store") if where else earlier


def is_image(text: str) -> bool:
    """Whether this names an image of a store or a registry, and no file or folder of this machine."""
    of_file = text.startswith((".", "/", "~")) or text.endswith((".tar", ".json"))
    return not (of_file or Path(text).exists() or text.partition(":")[0] in ARCHIVES)


def makings_after(plan: Plan, earlier: Earlier, max_age_days: float | None) -> tuple[Making, ...]:
    """How a plan's layers would be made where an image has been built, as far as the image and this machine tell.

    The base is taken for what it was then, unless the plan has it pinned; nothing is asked of a registry.

    :param max_age_days: for how long what ran is taken; None for as long as is usual.
    """
    from ..backends.direct.age import most_seconds
    from ..backends.direct.note import KEY_VARIABLE
    from ..backends.direct.runtime_image import ran_in

    base = plan.base
    if base.digest is None and base.reference == earlier.base and not any(stages(plan.layers)):
        base = evolve(base, digest=earlier.digest)
    if not plan.engine_part or base.digest is None or KEY_VARIABLE in os.environ:
        # With a key only an image whose layers are at hand can be held against it.
        return makings(plan)
    ran = ran_in(earlier.name, earlier.labels, runtime_key(evolve(plan, base=base)), ContentStore(cache_folder()))
    if ran is None or time.time() - ran.made > most_seconds(max_age_days, plan.engine_part):
        return makings(plan, "runs")
    return makings(plan, "found", ran.place, ran.made)


def _archive(text: str, path: Path, platform: str) -> From | None:
    """The image in a tar or a layout, where one of these is named."""
    if path.exists():
        from ..oci.image import found_in

        return found_in(path, platform)
    if text.partition(":")[0] in ARCHIVES:
        from ..oci.layout import base

        return base(text, platform, Path())
    return None


async def _config(text: str, platform: str, store: str | None) -> tuple[str, Mapping[str, Any]]:
    """The config of an image, and the store in which it was found, if it was in one."""
    if not is_image(text):
        raise UsageError("there is no such file", location=named("against", text))
    if store:
        from ..backends.local.find import local_builder

        return store, (await local_builder(store).stored(text)).config
    from ..backends.local.stores import find_stored, not_in_stores
    from ..oci.registry import image_config

    stored = await find_stored(text)
    if stored:
        return stored.store, stored.image.config
    with not_in_stores(text):
        return "", await image_config(text, Reference.parse(text, "the image").digest, platform)


def _is_json(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).lstrip()[:1] == b"{"
