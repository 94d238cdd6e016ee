"""README.md and docs/ as tests read them: blocks, tables, links, and a folder in which a page's blocks are run.

The words after a block's language say what is done with it:

| block | unit tests | tests on real builders |
|---|---|---|
| `console run` | each `$` command run (see below), its output compared | run, output not compared (another base) |
| `console builder` | - | run, output compared; a Dagger engine and docker are there |
| `console skip: WHY` | - | - |
| `python` | compiled | - |
| `python run`, `python builder` | the first executed | both executed |
| `toml`, `toml pyproject` | read as a project file | - |
| `dockerfile from ARGS` | its lines stand, in order, in what `dagger-aml dockerfile ARGS` prints | - |
| any `builder nightly` | as without | only with `--depth nightly`: another block of a page shows the same kind |
| any `file NAME` | written to NAME, where later blocks of the page find it | likewise |

The blocks of a page are run in order in one new folder, which holds a copy of `examples/`. A command must end with
exit code 0, unless the next one is `echo $?`. Of its output, `…` stands for any text and, alone on a line, for any
lines; a command without output shown is not compared. A line that begins with `> ` continues the command above it.
Unit tests run in their own process what is Python, and what only calls `dagger-aml`, with words that a shell takes as
they are; all else is bash's, as on real builders.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from unittest.mock import patch

from tests.support import cli

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))

Mode = Literal["run", "builder"]


@dataclass(frozen=True)
class Block:
    """A fenced block: the words of its info string, its text, and where it stands."""

    language: str
    words: tuple[str, ...]
    text: str
    page: Path
    line: int

    @property
    def location(self) -> str:
        """``docs/cli.md:12``, of the block's first line."""
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"

    @property
    def kind(self) -> str:
        """The first word after the language, or nothing."""
        return self.words[0] if self.words else ""


@dataclass(frozen=True)
class Command:
    """One command of a console block, and the output shown for it."""

    text: str
    output: tuple[str, ...]
    line: int


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    begun: int | None = None
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if begun is None:
            begun = number
            continue
        assert line == "```", f"{page.name}:{number + 1}: a block within a block"
        language, *words = lines[begun][3:].split() or [""]
        text = "\n".join(lines[begun + 1 : number]) + "\n"
        found.append(Block(language, tuple(words), text, page, begun + 2))
        begun = None
    assert begun is None, f"{page.name}:{begun}: a block without end"
    return found


def commands(block: Block) -> list[Command]:
    """The commands of a console block."""
    found: list[Command] = []
    for number, line in enumerate(block.text.splitlines(), block.line):
        if line.startswith("$ "):
            found.append(Command(line[2:], (), number))
            continue
        assert found, f"{block.location}: output before the first command"
        last = found[-1]
        if line.startswith("> ") and not last.output:
            found[-1] = Command(f"{last.text}\n{line[2:]}", (), last.line)
        else:
            found[-1] = Command(last.text, (*last.output, line), last.line)
    return found


def table(page: Path, heading: str) -> list[dict[str, str]]:
    """The rows of the first table under a heading, by column."""
    text = page.read_text(encoding="utf-8")
    _, found, after = text.partition(f"# {heading}\n")
    assert found, f"{page.name} has no heading {heading!r}"
    lines = re.split(r"^#", after, maxsplit=1, flags=re.M)[0].splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) > 2, f"{page.name} has no table under {heading!r}"
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def prose(page: Path) -> str:
    """A page without its blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def code_spans(text: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", text)


def matches(shown: tuple[str, ...], printed: str) -> bool:
    """Whether what a command printed is what a page shows, ``…`` standing for any text."""
    pattern = ""
    for line in shown:
        if line.strip() == "…":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += r"[^\n]*".join(re.escape(part) for part in line.rstrip().split("…")) + r"\n"
    lines = [line.rstrip() for line in printed.rstrip().splitlines()]
    while shown and shown[-1] != "" and lines and lines[-1] == "":
        lines.pop()
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)) is not None


class Session:
    """A folder in which the blocks of one page are run.

    :param bases: for the catalog names that ``--base`` may name in builder blocks, the references to take instead.
    """

    def __init__(self, folder: Path, env: Mapping[str, str], *, bases: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "examples", folder / "examples", ignore=skipped)
        programs = folder.parent / f"{folder.name}-bin"
        programs.mkdir()
        self._tool = cli.program(programs / "dagger-aml", bases)
        _program(
            programs / "python",
            f"import os, sys\nos.execv({sys.executable!r}, [{sys.executable!r}, *sys.argv[1:]])\n",
        )
        path = os.pathsep.join([str(programs), env.get("PATH", os.defpath)])
        self.env = {**env, "PATH": path, "COLUMNS": "100", "PYTHONDONTWRITEBYTECODE": "1"}

    def play(self, block: Block, mode: Mode) -> None:
        """Do what a block's words say, in unit tests (``run``) or on builders (``builder``).

        :raises AssertionError: it does not do what the page shows.
        """
        if "file" in block.words:
            path = self.folder / block.words[block.words.index("file") + 1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        wanted = ("run",) if mode == "run" else ("run", "builder")
        if block.kind not in wanted:
            return
        if block.language == "console":
            self._console(block, compare=block.kind == mode, here=mode == "run")
        elif block.language == "python":
            if mode == "run":
                self._run(block)
                return
            done = self._call([sys.executable, "-c", block.text])
            assert done.returncode == 0, f"{block.location}: exit code {done.returncode}\n{done.stdout}"

    def _run(self, block: Block) -> None:
        """Execute a block of Python in this process: most of a new one's time goes into loading the package."""
        with (
            patch.dict(os.environ, self.env, clear=True),
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            try:
                exec(compile(block.text, block.location, "exec"), {"__name__": "__main__"})  # noqa: S102 - a page's own
            except SystemExit as ended:
                assert not ended.code, f"{block.location}: exit code {ended.code}"

    def printed(self, *argv: str) -> str:
        """What ``dagger-aml ARGV`` prints to standard output."""
        with patch.dict(os.environ, self.env, clear=True):
            done = cli.run_here(*argv, cwd=self.folder)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def _console(self, block: Block, *, compare: bool, here: bool) -> None:
        listed = commands(block)
        calls = [_call_of(each.text) for each in listed]
        if not here or any(_KEPT.search(each.text) for each in listed):
            calls = [None] * len(listed)
        ended: list[tuple[str, int]] = []
        for is_call, together in itertools.groupby(zip(listed, calls, strict=True), lambda each: each[1] is not None):
            texts, words = zip(*((each.text, call) for each, call in together), strict=True)
            if is_call:
                ended += [self._here(*call) for call in words]
            else:
                ended += self._in_bash(texts, ended[-1][1] if ended else 0, block)
        for index, (each, (printed, code)) in enumerate(zip(listed, ended, strict=True)):
            where = f"{block.page.name}:{each.line}: $ {each.text}"
            asked = index + 1 < len(listed) and listed[index + 1].text == "echo $?"
            assert code == 0 or asked, f"{where}\nexit code {code}\n{printed}"
            if compare and each.output:
                shown = "\n".join(each.output)
                assert matches(each.output, printed), f"{where}\nshown:\n{shown}\nprinted:\n{printed}"

    def _in_bash(self, texts: Sequence[str], code: int, block: Block) -> list[tuple[str, int]]:
        """What each command printed, and its exit code.

        :param code: of the command before.
        """
        mark = "---- a command of the page has ended:"
        script = "\n".join(f"{each}\ncode=$?; echo; echo '{mark}' $code; (exit $code)" for each in texts)
        done = self._call(["bash", "-c", f"exec 2>&1\n(exit {code})\n{script}"])
        parts = re.split(rf"\n{mark} (\d+)\n", done.stdout)
        ended = list(zip(parts[:-1:2], map(int, parts[1::2]), strict=True))
        assert len(ended) == len(texts), f"{block.location}: $ {texts[len(ended)]}\ndid not end\n{done.stdout}"
        return ended

    def _here(self, variables: Mapping[str, str], words: Sequence[str]) -> tuple[str, int]:
        """What a command line prints in this process, in a sixth of the time of one of its own; and its exit code."""
        with patch.dict(os.environ, self.env, clear=True):
            done = cli.run_here(*words, env=variables, cwd=self.folder, in_one=True)
        return done.stdout, done.returncode

    def _call(self, argv: list[str], *, stderr: int = subprocess.STDOUT) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv,
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
            check=False,
        )


_KEPT = re.compile(
    r"(?:^|[;&|(] *)(?:cd|export|set|unset|source|\.|eval|alias|trap|umask) |^\w+=\S*$|^\w+=\$\(", re.M
)
"""What a shell keeps for the commands that come after it."""

_SHELLS = re.compile(r"[|&;<>()$`*?\[\]~#!\\\n]|\{[^}]*(?:,|\.\.)")
"""What a shell reads otherwise than as itself, outside quotes or within double ones."""


def _call_of(text: str) -> tuple[dict[str, str], list[str]] | None:
    """The variables and the words of a command that only calls ``dagger-aml``; None of any other."""
    if _SHELLS.search(text):
        return None
    words = shlex.split(text)
    variables = dict(each.split("=", 1) for each in itertools.takewhile(re.compile(r"[A-Z_]+=").match, words))
    program, *words = words[len(variables) :] or [""]
    return (variables, words) if program == "dagger-aml" else None


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!{sys.executable}\n{text}", encoding="utf-8")
    path.chmod(0o755)
