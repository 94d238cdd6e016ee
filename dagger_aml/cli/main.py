"""The group of commands, and the boundary at which errors become messages and exit codes."""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ..errors import DaggerAmlError, UsageError, first_of, own_error
from ..text import speaking
from ..version import __version__
from .console import tell
from .flags import in_flags

if TYPE_CHECKING:
    from ..building.unchanged import Pushed
    from ..policy import Policy

_COMMANDS = {
    "init": "Write a first dagger-aml.toml and requirements.txt.",
    "build": "Build an image and push, export or load it.",
    "run": "Serve a project, an image or a tar, until Ctrl-C.",
    "score": "Post a request and show, time and check the answer.",
    "dockerfile": "Write a Dockerfile and its context: no engine, no network.",
    "deployment": "Write the file that deploys an image, to Azure or a cluster.",
    "check": "Find mistakes in projects before anything is built.",
    "plan": "Show what would be done, in what order and why.",
    "inspect": "Show what an image is and holds.",
    "diff": "Compare two images from any source.",
    "site-packages": "Make the preinstalled-packages folder inside the base image.",
    "images": "List the prebuilt images that are known.",
    "cache": "Show or empty the cache of this machine.",
    "doctor": "Show what this machine can build with.",
    "completion": "Print a completion script for your shell.",
}

INTERRUPTED, TERMINATED = 130, 143


class _Lazy(click.Group):
    """Commands are imported when they are used, so that ``--help`` and ``--version`` stay fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f".commands.{cmd_name.replace('-', '_')}", __package__)
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], _COMMANDS, 1)
            hint = f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(_COMMANDS)}."
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with speaking(in_flags):
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 success, 1 the build failed, 2 wrong usage, 3 (plan --exit-code) a project needs a build, "
    "75 temporary error (retry), 130 interrupted, 143 terminated.",
)
@click.version_option(__version__, prog_name="dagger-aml")
def cli() -> None:
    """Put a model on Azure ML's prebuilt inference images.

    PROJECT is a folder with code/score.py (or score.py), model/, requirements.txt and, if need be, apt.txt; the
    current one unless given.

    \b
    dagger-aml build PROJECT -t registry.example/diabetes:1 --push
    dagger-aml build PROJECT -t diabetes:1 -o diabetes.tar
    dagger-aml dockerfile PROJECT -o imagefiles
    """
    try:
        os.getcwd()  # noqa: PTH109 - so that --version need not load pathlib
    except FileNotFoundError:
        raise UsageError("the current folder was removed", hint="Change to a folder that exists.") from None


def main(policy: Policy | None = None, pushed: Pushed | None = None) -> NoReturn:
    """Run the command line; never returns.

    :param policy: how long everything is waited for, in place of what is usual.
    :param pushed: what was pushed once more, since nothing has changed: only to be told.
    """
    _open_streams()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        with speaking(in_flags, everywhere=True), _errors_told():
            if pushed:
                from .replay import replay

                replay(pushed)
            else:
                cli.main(prog_name="dagger-aml", standalone_mode=False, obj=policy)
            sys.stdout.flush()
        sys.exit(0)
    finally:
        _drop_unwritten()


def _open_streams() -> None:
    """Where the caller closed a standard stream, open the null device in its place; no output fails for its letters.

    Else a file that is opened later gets the stream's number, and what a program prints goes into that file.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


_terminated: list[bool] = []


def _terminate(_: int, __: FrameType | None) -> None:
    """SIGTERM is handled as Ctrl-C is, so that everything is cleaned up; only the exit code is its own."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As a shell's script has it for what it runs in the background, where Ctrl-C is not meant for that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _terminated.append(True)
    signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def _errors_told() -> Iterator[None]:
    try:
        yield
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        with contextlib.suppress(OSError):
            error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        _stopped()
    except BrokenPipeError:
        sys.exit(1)  # Nobody reads what is printed any longer.
    except DaggerAmlError as error:
        _fail(error)
    except OSError as error:
        _fail(_refused(error))
    except BaseExceptionGroup as group:
        ours = own_error(group)
        if ours:
            _fail(ours)
        if first_of(group, KeyboardInterrupt):
            _stopped()
        if first_of(group, BrokenPipeError):
            sys.exit(1)
        refused = first_of(group, OSError)
        if isinstance(refused, OSError):
            _fail(_refused(refused))
        raise


def _drop_unwritten() -> None:
    """Give what a stream does not take to the null device: Python tries it again at its end, and exits with 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _refused(error: OSError) -> DaggerAmlError:
    """What the system refused and nothing nearer told of, such as a full disk behind standard output."""
    location = os.fspath(error.filename) if isinstance(error.filename, str | os.PathLike) else None
    if error.errno == errno.ENOSPC and location is None:
        location = "standard output or a temporary file"
    hint = "Free disk space there." if error.errno == errno.ENOSPC else None
    # What a command answers by 1, such as `check` and `diff`, it has not answered where nobody can read it.
    kind = UsageError if _is_unread() else DaggerAmlError
    return kind(f"the operating system reported an error ({error.strerror or error})", location=location, hint=hint)


def _is_unread() -> bool:
    """Whether standard output does not take what was printed."""
    try:
        sys.stdout.flush()
    except OSError:
        return True
    return False


def _stopped() -> NoReturn:
    tell("terminated" if _terminated else "interrupted")
    sys.exit(TERMINATED if _terminated else INTERRUPTED)


def _fail(error: DaggerAmlError) -> NoReturn:
    tell(f"error: {error}")
    sys.exit(error.exit_code)
