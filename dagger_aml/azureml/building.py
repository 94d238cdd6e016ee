"""The builder of a project's images, as its file and the environment variables say it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from .. import sync
from ..backends.builders import cache_places, kind_of
from ..errors import UsageError
from ..events import OnEvent
from ..project.build_settings import BUILD_SETTINGS
from ..project.build_values import files_of, resolved
from ..project.file import ProjectFile
from ..project.origin import DEFAULT, Stated


def opened(root: Path, on_event: OnEvent) -> AbstractContextManager[sync.Builder]:
    """What ``dagger-aml build`` would build a project with, where no flag says it otherwise.

    :param root: the project.
    :raises UsageError: a variable or the project's file says something that it cannot be.
    """
    files = files_of([str(root)])
    layers = _value("layers", files)
    looked_in, put_into = cache_places(layers, *(_value(f"cache_{each}", files) for each in ("from", "to", "repo")))
    return sync.open_builder(
        _value("builder", files),
        layers=layers,
        format=_value("format", files),
        engine=_value("engine", files),
        engine_timeout=_value("engine_timeout", files),
        cache_from=looked_in,
        cache_to=put_into,
        max_age_days=_value("max_age", files),
        instance=_value("instance", files),
        on_event=on_event,
    )


def program_of(root: Path) -> str | None:
    """The program whose store that builder loads images into; None where it has none of its own.

    :raises UsageError: there is no such builder.
    """
    name = _value("builder", files_of([str(root)]))
    return name if kind_of(name).capabilities.own_store else None


def _value(name: str, files: Mapping[str, ProjectFile]) -> Any:
    """The value of a setting that wins.

    :raises UsageError: it cannot be one of it.
    """
    record = BUILD_SETTINGS[name]
    found = resolved(record, None, files, Stated(record.default, DEFAULT))
    if record.choices and found.value not in (None, *record.choices):
        raise UsageError(f"not one of {', '.join(record.choices)}: {found.value!r}", location=str(found.origin))
    if record.type == float | None and found.value is not None:
        try:
            number = float(found.value)
        except ValueError:
            number = math.nan
        least = record.least or 0
        if not (math.isfinite(number) and number >= least):
            raise UsageError(f"not a number of at least {least:g}: {found.value!r}", location=str(found.origin))
        return number
    return found.value
