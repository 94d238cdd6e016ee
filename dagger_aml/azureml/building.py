"""The builder of a project's images, as its file and the environment variables say it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from .. import sync
from ..errors import UsageError
from ..events import OnEvent
from ..project.build_settings import BUILD_SETTINGS
from ..project.build_values import files_of, resolved
from ..project.origin import DEFAULT, Stated


def opened(root: Path, on_event: OnEvent) -> AbstractContextManager[sync.Builder]:
    """What ``dagger-aml build`` would build a project with, where no flag says it otherwise.

    :param root: the project.
    :raises UsageError: a variable or the project's file says something that it cannot be.
    """
    files = files_of([str(root)])

    def value(name: str) -> Any:
        record = BUILD_SETTINGS[name]
        found = resolved(record, None, files, Stated(record.default, DEFAULT))
        if record.choices and found.value not in (None, *record.choices):
            raise UsageError(f"not one of {', '.join(record.choices)}: {found.value!r}", location=str(found.origin))
        if record.type == float | None and found.value is not None:
            try:
                return float(found.value)
            except ValueError:
                raise UsageError(f"not a number: {found.value!r}", location=str(found.origin)) from None
        return found.value

    repository = value("cache_repo")
    direct = value("layers") == "direct"
    return sync.open_builder(
        value("builder"),
        layers=value("layers"),
        format=value("format"),
        engine=value("engine"),
        engine_timeout=value("engine_timeout"),
        cache_from=(value("cache_from") or repository) if direct else None,
        cache_to=(value("cache_to") or repository) if direct else None,
        max_age_days=value("max_age"),
        on_event=on_event,
    )
