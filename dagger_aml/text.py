"""Text as people read it: sizes, what is masked or escaped, and the home folder in a path; patterns of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, AnyStr

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
    return f"{seconds:.0f} seconds"


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
