"""Inputs that are wrong in every way, made from a number, and the check of projects with them.

``python -m tests.support.fuzz COUNT [FIRST]`` checks the inputs of as many numbers, and prints how long the slowest
took and how much memory the process had. Nothing of it is kept: a number makes its input again.
"""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from dagger_aml import load_project
from dagger_aml.building.examine import examine
from dagger_aml.errors import DaggerAmlError

from .. import corpus
from .calls import await_

_SCORE = "import helper\n\n\ndef init():\n    pass\n\n\ndef run(data):\n    return data\n"

_FILES = (
    *("score.py", "score.py", "helper.py", "helper.py", "requirements.txt", "requirements.txt", "dagger-aml.toml"),
    *("pyproject.toml", "pylock.toml", "uv.lock", "environment.yml", "deployment.yml", "model/MLmodel", "apt.txt"),
    *("config.json", "logging.json", ".amlignore", ".gitignore", "request.json"),
)
"""What one of the inputs is written to; the others of the project are right."""

_WORDS = (
    "def init():\n", "def run(data):\n", "    return ", "{", "}", "[", "]", "(", ")", "lambda: ", "not ", "-",
    "a.b", "import ", "from . import x", "class A:\n", "@", '"""', "'", "f'{", "\\", "#", "\t", "    ", "\n",
    "\r\n", "\r", "\x00", "é", "\ufeff", "\u2028", "= ", ": ", "- ", "&a ", "*a ", "<<: ", "!!python/x ",
    "[[x]]\n", "[a.b]\n", "x = 1\n", "-r ", "-c ", "six==1.0", " ; python_version", "--hash=sha256:",
    "git+https://", "@ ", "{{", "}}", "%", "0x", "1e999", "environment:\n", "model:\n",
    "code_configuration:\n", "dependencies:\n", "[project]\n", "[[packages]]\n", "**/", "!",
)  # fmt: skip


def made(number: int) -> tuple[str, bytes]:
    """The file of a number, and what stands in it."""
    chance = random.Random(number)
    name = chance.choice(_FILES)
    way: Callable[[random.Random], bytes] = chance.choice((_bytes, _words, _words, _deep, _changed, _changed, _long))
    data = way(chance)
    dressed = chance.random()
    if dressed < 0.1:
        data = b"\xef\xbb\xbf" + data
    elif dressed < 0.2:
        data = data.replace(b"\n", b"\r\n")
    elif dressed < 0.25:
        data = data[: len(data) // 2] + b"\0" + data[len(data) // 2 :]
    return name, data


def _bytes(chance: random.Random) -> bytes:
    return chance.randbytes(chance.randrange(2000))


def _words(chance: random.Random) -> bytes:
    return "".join(chance.choices(_WORDS, k=chance.randrange(1, 200))).encode()


def _deep(chance: random.Random) -> bytes:
    opened, closed = chance.choice(
        (("[", "]"), ("{", "}"), ("(", ")"), ("{a: ", "}"), ("[a", "]"), ("- ", ""), ("not ", ""))
    )
    begin = chance.choice(("", "a = ", "x: ", "def run(a): return "))
    times = chance.choice((10, 100, 1000, 10_000))
    return f"{begin}{opened * times}1{closed * times}\n".encode()


def _long(chance: random.Random) -> bytes:
    word = chance.choice(_WORDS).encode()
    return (word * (chance.choice((1_000, 20_000, 300_000)) // len(word))) + chance.choice(_WORDS).encode()


_CASES: list[bytes] = []


def _changed(chance: random.Random) -> bytes:
    """A file of the corpus with some bytes changed, gone or twice."""
    if not _CASES:
        texts = [file.body for case in corpus.cases() for file in case.files if not file.form and file.body]
        _CASES.extend(text.encode() for text in texts)
    data = bytearray(chance.choice(_CASES))
    for _ in range(chance.randrange(1, 8)):
        place, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        way = chance.randrange(3)
        if way == 0:
            data[place : place + 1] = chance.randbytes(1)
        elif way == 1:
            del data[place : min(end, place + 20)]
        else:
            data[place:place] = data[place:end] * chance.randrange(1, 4)
    return bytes(data[:200_000])


def tried(number: int, root: Path) -> str:
    """Check a project with the file of a number; how it ended: a class of error, or nothing.

    :raises Exception: what nobody foresaw.
    """
    name, data = made(number)
    files = {"score.py": _SCORE.encode(), "helper.py": b"", name: data}
    for each, content in files.items():
        path = root / each
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    try:
        await_(examine(load_project(str(root))))
    except DaggerAmlError as error:
        return type(error).__name__
    return "checked"


def numbers(count: int, first: int) -> Iterator[tuple[int, str, float]]:
    """Each with how it ended and the seconds of the processor that it took."""
    for number in range(first, first + count):
        with tempfile.TemporaryDirectory() as folder:
            begun = time.process_time()
            try:
                ended = tried(number, Path(folder))
            except Exception as error:
                ended = f"{type(error).__name__}: {error}"[:100]
            yield number, ended, time.process_time() - begun


def main() -> int:
    """Check inputs, and tell of those that were not foreseen, too slow or too large."""
    count, first = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    ends: Counter[str] = Counter()
    slowest, most, failed = (0.0, 0), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
    for number, ended, seconds in numbers(count, first):
        ends[ended] += 1
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if ": " in ended or seconds > 1 or grown - most > 200_000:
            failed += 1
            print(
                f"{number} {made(number)[0]}: {ended}, {seconds:.2f} s, {(grown - most) // 1000} MB more", flush=True
            )
        slowest, most = max(slowest, (seconds, number)), max(most, grown)
    print(f"{count} inputs from {first}: {dict(ends.most_common())}")
    print(f"slowest {slowest[0]:.2f} s (number {slowest[1]}), {most // 1000} MB in all, {failed} not as they must be")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
