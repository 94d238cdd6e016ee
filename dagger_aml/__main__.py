"""``dagger-aml`` and ``python -m dagger_aml``"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .building.unchanged import Pushed


def main() -> None:
    """Run the command line and exit. Ctrl-C while its modules are loaded ends it as it ends any program."""
    gc.set_threshold(200_000)  # Loading makes ten thousands of objects that stay, which are looked through in vain.
    by_python = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if by_python:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    pushed = _pushed_again(sys.argv[1:])
    if pushed and _printed(pushed):
        gc.freeze()
        return
    from .cli import main as run

    if by_python:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run(pushed=pushed)
    finally:
        gc.freeze()  # All memory is given back at once: nothing is gained by looking for cycles in it before.


def program() -> None:
    """Run the command line as the program that it is, which ends at once.

    Python takes apart what was loaded before it ends, 5 to 10 ms for memory that the system takes back anyway. What
    was registered to be done at the end is done; where another thread goes on, a debugger or a profiler looks on, a
    recipe of the user's was loaded, or the output cannot be written, Python ends as ever.
    """
    try:
        main()
        code: object = 0
    except SystemExit as end:
        code = 0 if end.code is None else end.code
    looked_on = sys.gettrace() or sys.getprofile() or sys.flags.interactive
    if looked_on or not isinstance(code, int) or not (_alone() and _ours() and _flushed()):
        sys.exit(code)  # type: ignore[arg-type]
    atexit._run_exitfuncs()
    _flushed()
    os._exit(code & 0xFF)


def _flushed() -> bool:
    """Whether all that was said is written, where somebody takes it."""
    with contextlib.suppress(OSError, ValueError):
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        return True
    return False


def _ours() -> bool:
    """Whether no code of the user's was loaded: a file that it left open is written to its end when Python ends."""
    recipe = sys.modules.get(f"{__package__}.project.recipe")
    return recipe is None or not recipe.loaded_others()


def _alone() -> bool:
    """Whether no other thread has something to end; one that is about to end is waited for."""
    if "threading" not in sys.modules:
        return True
    import threading

    for each in threading.enumerate():
        if not each.daemon and each is not threading.main_thread():
            each.join(0.05)
            if each.is_alive():
                return False
    return True


def _pushed_again(words: list[str]) -> Pushed | None:
    """What was pushed once more, since nothing has changed since the same call of before (docs/layers.md)."""
    if words[:1] != ["build"] or "--push" not in words or sys.platform == "win32":
        return None
    from .building.looked_at import HEARD
    from .building.unchanged import kept, pushed_again

    pushed = kept(words)
    if pushed and pushed_again(pushed):
        return pushed
    HEARD.begin()
    return None


def _printed(pushed: Pushed) -> bool:
    """Whether its lines were printed, where they are all; what goes wrong is the command line's to tell."""
    told = pushed.told
    if told["mode"] != "quiet" or told["lines"] is None:
        return False
    try:
        return bool(sys.stdout.write("".join(f"{each}\n" for each in told["lines"]))) and not sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        return False


if __name__ == "__main__":
    program()
