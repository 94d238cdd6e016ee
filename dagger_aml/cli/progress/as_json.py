"""Progress as one JSON object a line, for programs; docs/progress.md lists them."""

from __future__ import annotations

import json
from typing import Any

import click
from attrs import asdict

from ...backends.result import Result
from ...errors import DaggerAmlError
from ...events import Event, Message, OpDone, OpStarted, Output, RanBefore, Transferred, Warned
from ...finding import Finding
from .overall import Standing
from .view import View

_NAMES = {
    OpStarted: "op_started",
    OpDone: "op_done",
    RanBefore: "ran_before",
    Transferred: "transferred",
    Message: "message",
    Warned: "warning",
    Output: "output",
}


class Json:
    """One object a line, for programs; docs/progress.md lists them.

    :param more: fields of every object.
    """

    def __init__(self, **more: str) -> None:
        self.more = more

    def of(self, project: str) -> View:
        return Json(project=project)

    def failed(self, error: DaggerAmlError, seconds: float) -> None:
        print_object("failed", **self.more, seconds=seconds, **error_parts(error))

    def overall(self, standing: Standing, *, ended: bool) -> None:
        if ended:
            print_object(
                "progress",
                done=len(standing.done),
                total=standing.total,
                failed=len(standing.failed),
                running=list(standing.running),
                waiting=list(standing.waiting),
                seconds=standing.seconds,
            )

    def show(self, event: Event) -> None:
        print_object(_NAMES[type(event)], **self.more, **asdict(event))

    def warn(self, found: Finding) -> None:
        print_object(_NAMES[Warned], **self.more, text=str(found), **found.as_json())

    def stop(self) -> None:
        """Nothing moves."""

    def finish(self, result: Result, ops: list[OpDone]) -> None:
        print_object(
            "finished",
            **self.more,
            image=result.image_id,
            config=result.config_digest,
            digest=result.digest,
            base=result.base,
            tags=list(result.tags),
            layers=[asdict(each) for each in result.layers],
            ops=[asdict(each) for each in ops],
            made=[each.as_json() for each in result.makings],
            outputs=[{"path": str(each.path), "type": each.type, "digest": each.digest} for each in result.outputs],
        )


def error_parts(error: DaggerAmlError) -> dict[str, Any]:
    """An error as data."""
    return {
        "error": type(error).__name__,
        "text": str(error),
        "message": error.message,
        "location": error.location,
        "hint": error.hint,
        "exit_code": error.exit_code,
    }


def print_object(event: str, **fields: Any) -> None:
    """Print one object on standard error."""
    click.echo(json.dumps({"event": event, **fields}), err=True)
