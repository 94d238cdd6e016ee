"""What a recipe that raised did wrong, in one error with the place in its file."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType

from ..errors import UsageError

_PACKAGE = Path(__file__).parents[1]


def recipe_error(error: Exception, recipe: str, code: CodeType) -> UsageError:
    """The error of a recipe that raised one that is not ours.

    A step that was called without ``await`` gives a coroutine, on which the next line stumbles with words of its own:
    then that is what is told.

    :param recipe: its name, told where no place is known.
    :param code: of the recipe's function; the place is the last line that ran outside of this package.
    """
    frames = [
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code is code or not _is_ours(frame)
    ]
    start = next((number for number, (frame, _) in enumerate(frames) if frame.f_code is code), 0)
    location = recipe
    if frames:
        own = [each for each in frames[start:] if each[0].f_code.co_filename == code.co_filename] or frames
        frame, line = own[-1]
        location = f"{frame.f_code.co_filename}:{line}"
    forgotten = next(_not_awaited(frame for frame, _ in frames[start:]), None)
    if forgotten:
        return UsageError(
            f"`await` is missing before the call of {forgotten}()",
            location=location,
            hint="Steps and recipes are async: write `graph = await step(graph, …)`.",
        )
    told = "".join(traceback.format_exception_only(error)).strip()
    lines = [f"{each.f_code.co_filename}:{number}, in {each.f_code.co_name}" for each, number in frames[start:]]
    return UsageError(f"the recipe failed: {told}", location=location, hint="Called from: " + "\n".join(lines[-5:-1]))


def not_awaited(returned: object, recipe: str) -> UsageError | None:
    """The error for a recipe that returned a step's coroutine; None for anything else."""
    if not inspect.iscoroutine(returned):
        return None
    name = returned.cr_code.co_name
    returned.close()
    return UsageError(
        f"the recipe returned {name}() without `await`", location=recipe, hint=f"Write `return await {name}(…)`."
    )


def _is_ours(frame: FrameType) -> bool:
    path = Path(frame.f_code.co_filename)
    return path.is_relative_to(_PACKAGE) and not path.is_relative_to(_PACKAGE / "recipes")


def _not_awaited(frames: Iterator[FrameType]) -> Iterator[str]:
    """Names of coroutine functions whose coroutine a frame holds and nobody has begun; each coroutine is closed."""
    for frame in frames:
        for value in frame.f_locals.values():
            if inspect.iscoroutine(value) and inspect.getcoroutinestate(value) == inspect.CORO_CREATED:
                value.close()
                yield value.cr_code.co_name
