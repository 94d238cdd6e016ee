"""Progress of a build, on standard error: for a person who watches, as plain lines, or as JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal, cast

from ...errors import DaggerAmlError, UsageError, own_error
from ...events import Event, OpDone, Output, Warned
from ...finding import Finding

if TYPE_CHECKING:
    from ...backends.result import Result
    from .overall import Overall
    from .view import View

Mode = Literal["auto", "tty", "plain", "quiet", "json"]


class Progress:
    """Shows events; leaving its ``with`` block ends the moving line, so that an error is printed on its own.

    As JSON the error is an object as well, and the program ends there.

    :param mode: ``auto`` is ``tty`` on a terminal that can move its cursor, else ``plain``.
    :param quiet: makes ``auto`` show nothing.
    :param verbose: show also what the builder prints.
    :raises UsageError: ``tty`` without a terminal.
    """

    def __init__(self, mode: str = "auto", *, quiet: bool = False, verbose: bool = False) -> None:
        self.mode = _settled(cast("Mode", mode), quiet)
        self.quiet: bool = self.mode == "quiet"
        self.verbose = verbose
        self.ops: list[OpDone] = []
        self.told: list[Event] = []
        """All but what the builder prints."""
        self._view: View = _view(self.mode)
        self._overall: Overall | None = None
        self._ended: Callable[[bool], None] | None = None

    def expect(self, projects: Iterable[str]) -> None:
        """Show from now on how many of several projects have ended."""
        from .overall import Overall

        self._overall = Overall(projects)
        self._view.overall(self._overall.standing, ended=False)

    def of(self, project: str) -> Progress:
        """The progress of one of several projects, named in each line and object; its turn begins."""
        made = Progress(self.mode, verbose=self.verbose)
        made._view = self._view.of(project)
        overall = self._overall
        if overall:

            def ended(failed: bool) -> None:
                overall.ends(project, failed=failed)
                self._view.overall(overall.standing, ended=True)

            overall.begins(project)
            self._view.overall(overall.standing, ended=False)
            made._ended = ended
        return made

    def failed(self, error: DaggerAmlError, seconds: float) -> None:
        """Show that a project of several failed, the others going on."""
        self._view.failed(error, seconds)
        if self._ended:
            self._ended(True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.stop()
        ours = own_error(error) if error else None
        if self.mode == "json" and ours:
            from .as_json import error_parts, print_object

            print_object("failed", **error_parts(ours))
            raise SystemExit(ours.exit_code) from None

    def stop(self) -> None:
        """Let nothing move any longer."""
        self._view.stop()

    def on_event(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, OpDone):
            self.ops.append(event)
        if not isinstance(event, Output):
            self.told.append(event)
        if isinstance(event, Warned):
            self._view.warn(event.finding)
        elif not isinstance(event, Output) or self.verbose:
            self._view.show(event)

    def warn(self, found: Finding | str) -> None:
        """Show something worth knowing about what was asked for; a plain sentence is a warning of no rule."""
        finding = Finding(found) if isinstance(found, str) else found
        self.told.append(Warned(finding))
        self._view.warn(finding)

    def finish(self, result: Result) -> None:
        """Show what was made: the steps' seconds, what was reused, each layer's bytes."""
        # Steps that are done at one time end in any order.
        self._view.finish(result, sorted(self.ops, key=lambda op: op.number))
        if self._ended:
            self._ended(False)


def _view(mode: Mode) -> View:
    """What shows it; no other is loaded."""
    if mode == "quiet":
        from .quiet import Quiet

        return Quiet()
    if mode == "json":
        from .as_json import Json

        return Json()
    if mode == "tty":
        from .watched import Watched

        return Watched()
    from .plain import Plain

    return Plain()


def _settled(mode: Mode, quiet: bool) -> Mode:
    if mode == "tty" and not sys.stderr.isatty():
        raise UsageError("standard error is not a terminal", location="--progress tty", hint="Use --progress plain.")
    if mode != "auto":
        return mode
    if quiet:
        return "quiet"
    return "tty" if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" else "plain"
