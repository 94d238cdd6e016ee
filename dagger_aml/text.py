"""Text as people read it: sizes, what is masked or escaped, the home folder in a path, settings; patterns of it.

**Settings.** A person types a flag, a program gives an argument. A message says ``named("entry_script", "score.py")``
and no flag. To a program that is ``Options(entry_script="score.py")``, and where the command line :func:`speaks
<speaking>`, ``--entry-script score.py``. A message has the words of whom the call is made for, from when it is made:
nothing is replaced in a text afterwards.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, AnyStr, Final

if TYPE_CHECKING:

    def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
        """As :func:`re.compile` to a type checker: what it gives can do the same."""
        return re.compile(text, flags)
else:

    class pattern:
        """A regular expression as of :func:`re.compile`, compiled when it is first asked.

        Most of those that a command loads never are, and to compile them took a twentieth of its start.
        """

        def __init__(self, text: str | bytes, flags: int = 0) -> None:
            self._said = text, flags

        def __getattr__(self, name: str) -> Any:
            found = getattr(re.compile(*self._said), name)
            setattr(self, name, found)  # Which is then asked without this one.
            return found


def human_size(number: int) -> str:
    """Bytes as people say them: ``1.2 GB``."""
    amount = float(number)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def age_text(seconds: float) -> str:
    """How long something takes or took, as people say it: ``3 days``."""
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    whole = round(seconds)
    return f"{whole} second{'s' if whole > 1 else ''}" if whole else "less than a second"


def texts(value: str | Iterable[str]) -> tuple[str, ...]:
    """Texts as a tuple; one alone is one, not its letters."""
    return (value,) if isinstance(value, str) else tuple(value)


def redact_url(value: str) -> str:
    """A value without the user and password of its URL, whatever characters these hold."""
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", value)
    before = scheme[0] if scheme else ""
    _, at, host = value[len(before) :].rpartition("@")
    return f"{before}***@{host}" if at else value


def redact_urls(text: str) -> str:
    """A sentence, with whatever URLs it holds masked."""
    return re.sub(r"(?<=://)\S*@", "***@", text)


def redact(text: str, sensitive: Iterable[str]) -> str:
    """A builder's output without what must not be seen."""
    for each in sensitive:
        if each in text:
            text = text.replace(each, "***")
    return text


def short_word(word: str) -> str:
    """A word of a command as people read it: a script that begins with a comment by that line alone."""
    first, _, rest = word.partition("\n")
    return f"{first} …" if rest and first.startswith("# ") else word


def expanded(path: str) -> Path:
    """A path whose ``~`` is the home folder; left as it is where neither $HOME nor the system knows one."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path's own raises RuntimeError there


def visible(text: str) -> str:
    """A text without what a terminal takes for its own: what prints nothing, or breaks a line, by its escape."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def with_article(noun: str) -> str:
    """``an image``, ``a list of packages``."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def listed_words(words: Sequence[str]) -> str:
    """Words as a sentence lists them: ``1 error, 2 warnings and 1 info``."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


Voice = Callable[[str, Any], str]
"""From the name of a setting, and the value that it is to have (None for any), to how the reader says that."""

CALLS: Final = {
    "builder": "open_builder({})",
    "instance": "open_builder(instance={})",
    "layers": "open_builder(layers={})",
    "format": "open_builder(format={})",
    "engine": "open_builder(engine={})",
    "engine_timeout": "open_builder(engine_timeout={})",
    "cache_from": "open_builder(cache_from={})",
    "cache_to": "open_builder(cache_to={})",
    "max_age": "open_builder(max_age_days={})",
    "kept_max_age": "open_builder(max_age_days={})",
    "no_cache": "open_builder(no_cache={})",
    "tag": "build(tags=[{}])",
    "push": "build(push={})",
    "load": "build(load={})",
    "output": "build(output={})",
    "oci_output": 'build(output=Export(FILE, "oci"))',
    "smoke": "build(check=Smoke({}))",
    "no_smoke": "build(check=None)",
    "probe": "probe(graph, builder)",
    "pin": "probe(graph, builder)",
    "pin_or_probe": "probe(graph, builder)",
    "ready_timeout": "serve(ready_timeout={})",
    "publish": "serve(published=Published({}))",
    "debug": "serve(debug=Published({}))",
    "restricted": "serve(restricted={})",
}
"""What is an argument of a public function, and how a program gives it."""

ALONE: Final = frozenset(
    {
        *("against", "cache_repo", "force", "image", "iidfile", "instance_type", "local", "metadata_file", "name"),
        *("offline", "paths", "user", "without_image"),
    }
)
"""What no public function takes: the name alone tells a program's author what a part of the package was given."""


class Named(str):
    """The name of a setting, as a text: how the reader of the message says it.

    :param setting: its name, whatever the reader's words: of a field of :class:`~dagger_aml.Options`, as
        ``entry_script``; of an argument; or of a flag with ``_`` for ``-``.
    """

    __slots__ = ("setting",)

    setting: str

    def __new__(cls, text: str, setting: str) -> Named:
        made = super().__new__(cls, text)
        made.setting = setting
        return made

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        """What a copy is made of."""
        return str(self), self.setting


def named(setting: str, value: Any = None) -> Named:
    """A setting as the reader says it, as a part of a message or as its location.

    :param setting: its name, as ``entry_script``.
    :param value: what it is to have, or was given; a word in capitals stands for what the reader knows, as ``FILE``.
        None says nothing of its value.
    """
    return Named((_VOICE.get() or _elsewhere[-1])(setting, value), setting)


def in_python(setting: str, value: Any = None) -> str:
    """As a program says it: ``Options(base="minimal-py312-inference")``, or ``Options(base=…)`` of any value."""
    call = CALLS.get(setting) or (f"{setting}={{}}" if setting in ALONE else f"Options({setting}={{}})")
    return call.replace("{}", _literal(value))


def _literal(value: Any) -> str:
    if value is None:
        return "…"
    value = str(value) if isinstance(value, Path) else value
    if isinstance(value, str) and not (value.isupper() and value.replace("_", "").isalpha()):
        import json

        return json.dumps(value, ensure_ascii=False)
    return str(value)


_VOICE: ContextVar[Voice | None] = ContextVar("voice", default=None)

_elsewhere: list[Voice] = [in_python]
"""Last, the voice of threads that nobody told one, such as those of a pool."""


@contextmanager
def speaking(voice: Voice, *, everywhere: bool = False) -> Iterator[None]:
    """Messages that are made in the block, and in the tasks that it starts, name settings so.

    :param everywhere: in all other threads too, of a process that is the caller's alone.
    """
    before = _VOICE.set(voice)
    if everywhere:
        _elsewhere.append(voice)
    try:
        yield
    finally:
        _VOICE.reset(before)
        if everywhere:
            _elsewhere.pop()
