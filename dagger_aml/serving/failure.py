"""The errors of serving: an image that does not start, and one that does not give the answer that it must."""

from __future__ import annotations

from ..contract import EXIT_CODES
from ..errors import DaggerAmlError
from .causes import Cause


class ServeError(DaggerAmlError):
    """A served image failed: exit code 1.

    :param cause: why.
    :param logs: all that the image printed.
    """

    def __init__(self, cause: Cause, *, logs: str = "", location: str | None = None) -> None:
        super().__init__(cause.message, location=cause.location or location, hint=cause.hint or None)
        self.cause = cause
        self.logs = logs

    def __str__(self) -> str:
        parts = [f"{self.location}: {self.message}" if self.location else self.message]
        parts += [f"  | {line[:300]}" for line in self.cause.shown]
        code = self.cause.code
        if code is not None:
            said = EXIT_CODES.get(code)
            parts.append(f"  exit code {code}" + (f": {said}" if said and said != self.message else ""))
        parts += [f"  {line}" for line in (self.hint or "").splitlines()]
        return "\n".join(parts)


class StartFailed(ServeError):
    """An image's server did not become ready; ``cause.code`` is the inner exit code, where there is one."""


class ScoreFailed(ServeError):
    """``POST /score`` gave another status than 200, or another answer than the expected one."""
