"""What the image is made of that a Dockerfile's last stage gives: the base, the steps, and what holds at each.

Other stages count only as far as the last one begins with them (``FROM build``); what is copied out of them does not
bring their variables, users and commands along.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence

from ...data import frozen
from ...finding import FileLocation
from .expand import expanded
from .instructions import Dockerfile, Instruction, Word


@frozen
class Value:
    """A variable's value.

    :param text: None where it is not known.
    :param instruction: that sets it, and ``name`` and ``word`` in it.
    """

    text: str | None
    instruction: Instruction
    name: Word
    word: Word

    @property
    def location(self) -> FileLocation:
        """The place of the name and the value."""
        return self.instruction.at(Word("", self.name.begin, max(self.name.end, self.word.end)))


@frozen
class Step:
    """An instruction of the image, and what holds there.

    :param words: expanded, in step with the instruction's; None for one that cannot be told. Of commands they are as
        they stand, for a shell reads them.
    :param user: ``USER`` as said before; "" for the base's, None where that is not known.
    :param workdir: absolute; None where it is not known.
    :param stage: the number of its stage among those that the image is made of.
    """

    instruction: Instruction
    words: tuple[str | None, ...]
    user: str | None
    workdir: str | None
    stage: int = 0


@frozen
class Built:
    """The image.

    :param base: of the first stage it is made of, expanded; None where it is not known.
    :param base_at: where that stands.
    :param variables: that ``ENV`` sets, as they hold in the end.
    :param user: in the end, as of :class:`Step`.
    """

    base: str | None
    base_at: FileLocation
    steps: tuple[Step, ...]
    variables: Mapping[str, Value]
    user: str | None
    user_at: FileLocation | None

    @property
    def starts(self) -> tuple[Step | None, Step | None]:
        """The ``ENTRYPOINT`` and the ``CMD`` that hold: an entrypoint takes away what an earlier stage, or the base,
        says as its command."""
        entrypoint = command = None
        for each in self.steps:
            if each.instruction.keyword == "CMD":
                command = each
            elif each.instruction.keyword == "ENTRYPOINT":
                entrypoint, command = each, command if command and command.stage == each.stage else None
        return entrypoint, command

    def last(self, *keywords: str) -> Step | None:
        """The last instruction of some kinds."""
        return next((each for each in reversed(self.steps) if each.instruction.keyword in keywords), None)


_EXPANDED = frozenset({"ADD", "COPY", "ENV", "EXPOSE", "LABEL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"})
"""Instructions in whose words variables are replaced before they count."""


_SET_BY_BUILDKIT = tuple(
    f"{whose}{what}" for whose in ("BUILD", "TARGET") for what in ("PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT")
)
"""Arguments that `FROM` may name without an `ARG`, and whose values the build decides."""


_Stage = tuple[str | None, str | None, Instruction, list[Instruction]]
"""The base's name, the stage's own, its ``FROM`` and what follows."""


def built(file: Dockerfile) -> Built | None:
    """The image of the last stage; None where the file has none."""
    given: dict[str, str | None] = dict.fromkeys(_SET_BY_BUILDKIT)
    stages: list[_Stage] = []
    for each in file.instructions:
        if each.keyword == "FROM":
            stages.append((*_from(each, given, file.escape), each, []))
        elif stages:
            stages[-1][3].append(each)
        elif each.keyword == "ARG":
            given.update(_arguments(each, given, file.escape, whole=True))
    if not stages:
        return None
    chain = [stages[-1]]
    while (earlier := _earlier(chain[0], stages)) is not None:
        chain.insert(0, earlier)
    return _walked(chain, given, file.escape)


def _from(each: Instruction, given: Mapping[str, str | None], escape: str) -> tuple[str | None, str | None]:
    """The base's name, and the stage's own."""
    words = [word.text for word in each.words]
    base = expanded(words[0], given, escape, whole=True) if words else None
    named = len(words) == 3 and words[1].upper() == "AS"
    # Of other numbers of words BuildKit makes nothing; what is still to be filled in is told by all of them.
    return (base if len(words) == 1 or named else " ".join(words)), (words[2].lower() if named else None)


def _earlier(stage: _Stage, stages: Sequence[_Stage]) -> _Stage | None:
    """The stage with which another begins."""
    place = next(number for number, each in enumerate(stages) if each is stage)
    found = (each for each in reversed(stages[:place]) if each[1] is not None and each[1] == (stage[0] or "").lower())
    return next(found, None)


def _walked(chain: Sequence[_Stage], given: Mapping[str, str | None], escape: str) -> Built:
    steps: list[Step] = []
    variables: dict[str, Value] = {}
    user: str | None = ""
    user_at: FileLocation | None = None
    workdir: str | None = "/"
    for stage, (_, _, _, instructions) in enumerate(chain):
        values = {name: value.text for name, value in variables.items()}
        for each in instructions:
            words = tuple(
                expanded(word.text, values, escape) if each.keyword in _EXPANDED and not each.json else word.text
                for word in each.words
            )
            steps.append(Step(each, words, user, workdir, stage))
            if each.keyword == "ARG":
                said = list(_arguments(each, values, escape, given=given))
                values |= {name: value for name, value in said if name not in variables}
            elif each.keyword == "ENV":
                made = dict(_variables(each, words))
                variables |= made
                values |= {name: value.text for name, value in made.items()}
            elif each.keyword == "USER":
                user, user_at = words[0] if words else None, each.at(each.words[0] if each.words else None)
            elif each.keyword == "WORKDIR":
                workdir = below(workdir, words[0] if words else None)
    base, _, first, _ = chain[0]
    return Built(base, first.at(first.words[0] if first.words else None), tuple(steps), variables, user, user_at)


def below(workdir: str | None, path: str | None) -> str | None:
    """A path as it is absolute in the image; None where only the build knows it."""
    if path is None or (workdir is None and not path.startswith("/")):
        return None
    return posixpath.normpath(posixpath.join(workdir or "/", path))


def _variables(each: Instruction, words: Sequence[str | None]) -> Iterator[tuple[str, Value]]:
    for place in range(0, len(words) - 1, 2):
        name, word = each.words[place], each.words[place + 1]
        yield words[place] or name.text, Value(words[place + 1], each, name, word)


def _arguments(
    each: Instruction,
    values: Mapping[str, str | None],
    escape: str,
    *,
    given: Mapping[str, str | None] | None = None,
    whole: bool = False,
) -> Iterator[tuple[str, str | None]]:
    """What an ``ARG`` says, each with its default; one without is what the build says, which nobody knows here.

    :param given: of the ``ARG`` before the first stage, whose defaults hold for one without its own.
    """
    for word in each.words:
        name, equals, default = word.text.partition("=")
        if equals:
            yield name, expanded(default, values, escape, whole=whole)
        else:
            yield name, given.get(name) if given else None
