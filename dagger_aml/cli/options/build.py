"""The flags of a build's settings, and the values that variables and project files give them.

A command names its flags by the decorators here, and takes :func:`settled` as the innermost: what reaches its
function is then the value that wins, wherever it is from. :func:`~..common.by_flag` tells what was typed for this
very call, which is refused where it would mean nothing; what a variable or a file says is passed over there.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from ...backends import builders
from ...backends.builders import BUILDERS, kind_of
from ...backends.dagger.address import check_address
from ...errors import UsageError
from ...project.build_settings import BUILD_SETTINGS
from ...project.build_values import beaten, files_of, resolved
from ...project.file import ProjectFile
from ...project.origin import DEFAULT, Origin, Stated
from ...project.setting import Setting
from ..common import BEATEN, by_flag
from .types import Number, Truth, Whole

if TYPE_CHECKING:
    from ...backends.base import Layers, Opening

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]

PARAMETERS = {"format": "form", "progress": "mode"}
"""What commands call the value of a setting, where that is another name than its own."""


class SettingOption(click.Option):
    """The flag of a setting, which variables and files may say too."""

    def __init__(self, *args: Any, setting: Setting, **more: Any) -> None:
        super().__init__(*args, **more)
        self.setting = setting


def setting_option(
    name: str, *, choices: Sequence[str] = (), help: str | None = None, default: Any = ..., of_call: bool = False
) -> Decorator:
    """The flag of a setting, from its record.

    :param choices: where the command knows them and the record does not.
    :param help: where the command means something nearer than the record.
    :param default: where it is the command's own.
    :param of_call: whether the flag is of this one call here, so that neither variable nor file says it.
    """
    record = BUILD_SETTINGS[name]
    value = record.default if default is ... else default
    text = help or record.help
    more: dict[str, Any] = {} if of_call else {"cls": SettingOption, "setting": record}
    if record.type == bool | None:
        more["is_flag"] = True
    return click.option(
        *([record.short] if record.short else []),
        str(record.flag),
        PARAMETERS.get(name, name),
        type=_kind(record, choices),
        default=value,
        show_default=isinstance(value, str),
        metavar=record.metavar,
        help=text if of_call else f"{text} [env: {record.variable}]",
        **more,
    )


def _kind(record: Setting, choices: Sequence[str]) -> click.ParamType[Any]:
    if choices or record.choices:
        return click.Choice(choices or record.choices)
    if record.type == bool | None:
        return Truth()
    if record.least is None:
        return click.STRING
    return Whole(int(record.least)) if record.type == int | None else Number(record.least)


with_option: Decorator = setting_option("builder", choices=BUILDERS)
instance_option: Decorator = setting_option("instance")
layers_option: Decorator = setting_option("layers")
engine_option: Decorator = setting_option("engine")
engine_timeout_option: Decorator = setting_option("engine_timeout")
ready_option: Decorator = setting_option("ready_timeout")
jobs_option: Decorator = setting_option("jobs")
keep_going_option: Decorator = setting_option("keep_going")
format_option: Decorator = setting_option("format")
progress_option: Decorator = setting_option("progress")
fail_on_option: Decorator = setting_option("fail_on")


def cache_options(function: Command) -> Command:
    """Add ``--cache-from``, ``--cache-to``, ``--cache-repo`` and ``--max-age``."""
    for name in ("max_age", "cache_repo", "cache_to", "cache_from"):
        function = setting_option(name)(function)
    return function


def attestation_options(function: Command) -> Command:
    """Add ``--provenance`` and ``--sbom``."""
    for name, what in (("sbom", "a list of the packages in it"), ("provenance", "how it was built")):
        function = click.option(
            f"--{name}",
            metavar="VALUE",
            help=f"With --with buildx --layers builder: have BuildKit put {what} beside the pushed image. VALUE is "
            f"as `docker buildx build --{name}` takes it.",
        )(function)
    return function


def check_buildx(builder: str, layers: str, instance: str | None, attested: Mapping[str, str | None]) -> str | None:
    """Which of its builders a program is to take, where it has any.

    :param attested: the attestations that were asked for.
    :raises UsageError: a flag means nothing here.
    """
    capabilities = kind_of(builder).capabilities
    if instance is not None and not capabilities.has_instances:
        if by_flag("instance"):
            raise UsageError(
                f"--with {builder} has no builders to choose from", location="--builder", hint="Add --with buildx."
            )
        instance = None
    for name, value in attested.items():
        if value is not None and not (capabilities.attests and layers == "builder"):
            raise UsageError(
                f"--{name} is made only by a builder that makes the whole image",
                location=f"--{name}",
                hint="Add --with buildx --layers builder. For other images, add it to the pushed digest with a tool "
                "such as syft or cosign.",
            )
    return instance


def found_options(function: Command) -> Command:
    """Add ``--cache-from`` and ``--max-age``: what ran is looked for, and pushed nowhere."""
    for name in ("max_age", "cache_from"):
        function = setting_option(name)(function)
    return function


def cache_places(
    layers: str, cache_from: str | None, cache_to: str | None = None, cache_repo: str | None = None
) -> tuple[str | None, str | None]:
    """Where what ran is looked for, and where it goes.

    :raises UsageError: a flag means nothing here, or names no repository.
    """
    if layers != "direct":
        for name in ("cache_from", "cache_to", "cache_repo", "max_age"):
            if by_flag(name):
                flag = f"--{name.replace('_', '-')}"
                raise UsageError(
                    f"{flag} does not work with --layers builder",
                    location=flag,
                    hint=f"Remove {flag}, or add --layers direct.",
                )
    return builders.cache_places(layers, cache_from, cache_to, cache_repo)


def settled(function: Command) -> Command:
    """Give a command's function the value that wins of each of its :class:`SettingOption`.

    The project files are those of the folders that the command's words name.

    :raises UsageError: of a variable or a file: a value that the flag would not take either; of the files of several
        projects: different values, of which neither flag nor variable decides.
    """

    @functools.wraps(function)
    def with_settings(**given: Any) -> Any:
        context = click.get_current_context()
        files = files_of(_folders(given))
        for option in context.command.params:
            if isinstance(option, SettingOption):
                assert option.name is not None
                given[option.name] = _value(option, given[option.name], context, files)
        return function(**given)

    return with_settings


def value_of(name: str, folder: str) -> Any:
    """The value of a setting for a project where the command has no flag for it.

    :param name: of the setting's field.
    :raises UsageError: a variable or the project's file says something that it cannot be.
    """
    record = BUILD_SETTINGS[name]
    found = resolved(record, None, files_of([folder]), Stated(record.default, DEFAULT))
    if found.value is None:
        return None
    choices = BUILDERS if name == "builder" else ()
    return _converted(_kind(record, choices), found, None, click.get_current_context())


def opening_of(folder: str, layers: Layers, *, looks: bool) -> Opening:
    """How what is asked of a project's base is opened.

    :param looks: whether it is looked for what ran.
    """
    from ...backends.base import Opening

    if not looks:
        return Opening(layers=layers)
    place = value_of("cache_from", folder) or value_of("cache_repo", folder)
    return Opening(layers=layers, cache_from=place, max_age_days=value_of("max_age", folder))


def _folders(given: Mapping[str, Any]) -> Sequence[str]:
    if "projects" in given:
        return given["projects"] or (".",)
    return [given[name] for name in ("project", "target") if name in given]


def _value(option: SettingOption, value: Any, context: click.Context, files: Mapping[str, ProjectFile]) -> Any:
    assert option.name is not None
    flag = value if by_flag(option.name) else None
    found = resolved(option.setting, flag, files, Stated(value, DEFAULT))
    if flag is not None or not found.is_said:
        return value
    context.meta.setdefault(BEATEN, []).extend(beaten(option.setting, found, files))
    made = _converted(option.type, found, option, context)
    if check := _CHECKS.get(option.name):
        check(made, found.origin)
    return made


def _converted(kind: click.ParamType[Any], found: Stated, option: click.Option | None, context: click.Context) -> Any:
    try:
        return kind.convert(found.value, option, context)
    except click.BadParameter as error:
        raise UsageError(error.message.rstrip("."), location=str(found.origin)) from None


def _is_terminal(mode: str, origin: Origin) -> None:
    if mode == "tty" and not sys.stderr.isatty():
        raise UsageError("standard error is not a terminal", location=str(origin), hint="Use plain.")


_CHECKS: Mapping[str, Callable[[str, Origin], None]] = {
    "engine": lambda address, origin: check_address(address, str(origin)),
    "mode": _is_terminal,
}
"""What is checked of a value beside its type, as later of a flag's, with its own place."""
