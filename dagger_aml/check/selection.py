"""Which rules are run and told: by ids, or by what ids begin with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from ..data import frozen
from ..errors import UsageError
from ..finding import FileLocation
from ..fs.drafts import read_bytes
from ..text import pattern

_PREFIX = pattern(r"AML[0-9]{0,3}")


@frozen
class Selection:
    """What was chosen, each an id or its beginning, such as ``AML2`` for all rules on variables.

    Of what fits a rule, the longest decides; of two that are as long, the one that ignores.

    :param select: the rules that are run; empty for all.
    :param extend: rules that are run beside them.
    :param ignore: rules whose findings are set aside.
    """

    select: tuple[str, ...] = ()
    extend: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    def runs(self, id: str) -> bool:
        """Whether a rule is run."""
        return not self.select or _longest((*self.select, *self.extend), id) >= 0

    def ignores(self, id: str) -> bool:
        """Whether what a rule found is set aside."""
        ignored = _longest(self.ignore, id)
        return ignored >= 0 and ignored >= _longest((*self.select, *self.extend), id)

    def fits(self, known: Collection[str]) -> bool:
        """Whether each is one of these ids, or begins one."""
        return all(_begins(text, known) for text in (*self.select, *self.extend, *self.ignore))

    def check(self, known: Collection[str], origins: Mapping[str, str]) -> None:
        """See that each is an id, or begins one.

        :param known: the ids that there are.
        :param origins: where each is said, by ``ignore.AML201``, ``select.AML201`` and ``extend_select.AML201``.
        :raises UsageError: one is neither.
        """
        for kind, texts in (("select", self.select), ("extend_select", self.extend), ("ignore", self.ignore)):
            for text in texts:
                if not _begins(text, known):
                    raise unknown(text, known, origins.get(f"{kind}.{text}"))


def _begins(text: str, known: Iterable[str]) -> bool:
    return bool(_PREFIX.fullmatch(text)) and any(id.startswith(text) for id in known)


def _longest(texts: Iterable[str], id: str) -> int:
    return max((len(text) for text in texts if id.startswith(text)), default=-1)


def unknown(id: str, known: Iterable[str], location: str | None) -> UsageError:
    """The error for an id that no rule has, with the nearest that one has."""
    import difflib

    near = difflib.get_close_matches(id.upper().replace("O", "0").replace("I", "1"), list(known), 1, 0.5)
    return UsageError(
        f"no rule is called {id!r}",
        location=location,
        hint=(f"Did you mean {near[0]}? " if near else "") + "docs/rules.md lists them.",
    )


_COMMENT = pattern(r"(?:^|\s)#\s*aml:\s*ignore\[([^\]]*)\]")


class Comments:
    """What comments of the form ``# aml: ignore[AML201]`` say of the lines on which they stand.

    A Dockerfile has no comments beside an instruction: one that stands on a line of its own speaks for the next line.
    """

    def __init__(self) -> None:
        self._known: dict[Path, dict[int, frozenset[str]]] = {}

    def ignores(self, location: str | None, id: str) -> bool:
        """Whether a comment on a finding's own line says that its rule is not told there."""
        if not isinstance(location, FileLocation) or location.line is None:
            return False
        if location.path not in self._known:
            self._known[location.path] = dict(_comments(location))
        return any(id.startswith(text) for text in self._known[location.path].get(location.line, ()))


def _comments(place: FileLocation) -> Iterator[tuple[int, frozenset[str]]]:
    """The lines of a file with such comments, and what these name."""
    try:
        data = read_bytes(place.path)
    except OSError:
        return
    if b"aml:" not in data:
        return
    lines = data.decode("utf-8", "replace").splitlines()
    from .inputs.names import is_dockerfile

    below = place.path.suffix != ".py" and is_dockerfile(str(place.path))
    for number, comment in _of_python(data) if place.path.suffix == ".py" else enumerate(lines, 1):
        match = _COMMENT.search(comment)
        if match:
            yield (
                number + below,
                frozenset(each.strip() for each in match[1].split(",") if _PREFIX.fullmatch(each.strip())),
            )


def _of_python(data: bytes) -> Iterator[tuple[int, str]]:
    """The comments of a script, each with its line; those before what is no Python."""
    import io
    import tokenize

    try:
        for token in tokenize.tokenize(io.BytesIO(data).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
    except (tokenize.TokenError, SyntaxError, UnicodeError):
        return
