"""Strings that people and programs really write and that Dockerfiles, shells and builders trip over."""

from hypothesis import strategies as st

HOSTILE = (
    "",
    " ",
    "  two  blanks  ",
    "\ttab\t",
    '"quoted"',
    "it's",
    "'",
    '"',
    "`id`",
    "$HOME",
    "${HOME}",
    "${A:-d}",
    "$(id)",
    "$",
    "$$",
    "\\",
    "\\\\",
    "\\" * 7,
    "ends in a backslash\\",
    "\\$HOME",
    "C:\\new\\table",
    "#",
    "# a comment",
    "# syntax=docker/dockerfile:1",
    "--flag",
    "--mount=type=secret",
    "<<EOF",
    "cat <<-EOF",
    "0<<X",
    "[",
    '["a"]',
    "a=b=c",
    "a,b;c|d&e>f",
    "*?[x]!",
    "%s%n",
    "\u2028line\u2029",
    "\x85next\xa0blank",
    "\ufeffbom",
    "\x0b\x0c\x1b[31m",
    "\x7f",
    "日本語",
    "🦊",
    "e\u0301",
)

LINES = ("\n", "a\nb", "\r", "a\r\nb", "ends in CR\r", "\n# syntax=x\nFROM evil", "\\\nRUN id")
"""With line breaks: refused in variables, labels and paths, kept in commands."""

_letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
_words = st.one_of(st.sampled_from(HOSTILE), st.text(_letters, max_size=12))

commands = st.lists(st.one_of(_words, st.sampled_from(LINES)), max_size=6).map("".join)
"""Any text without NUL."""

values = commands.map(lambda text: text.replace("\n", "").replace("\r", ""))
"""Any text without NUL and line breaks."""


def _name(words: list[str]) -> str:
    return "".join(char for char in "".join(words) if ord(char) >= 32 and char not in "\x7f/")[:60]


_names = st.lists(_words, min_size=1, max_size=3).map(_name).filter(lambda name: name not in ("", ".", ".."))
paths = (
    st.lists(_names, min_size=1, max_size=4)
    .map(lambda names: "/" + "/".join(names))
    .filter(lambda path: all(len(name.encode()) < 256 for name in path.split("/")))
)
"""Absolute paths that an image can have."""
