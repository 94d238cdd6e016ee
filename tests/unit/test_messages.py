"""What the program may say: the list of it is as the source has it, and is complete."""

from __future__ import annotations

import difflib

import pytest

from tests.golden import HERE
from tests.support.cases import for_each
from tools.messages import messages_of, messages_text


def test_the_messages_are_what_they_were():
    path = HERE / "messages.txt"
    before, now = path.read_text(encoding="utf-8") if path.is_file() else "", messages_text()
    if before != now:
        lines = difflib.unified_diff(before.splitlines(), now.splitlines(), "golden/messages.txt", "now", lineterm="")
        pytest.fail(
            "\n".join(lines) + "\n\nIf this is meant: ./taskw golden, and read them once more.", pytrace=False
        )


@for_each(
    ("source", "messages"),
    [
        ('raise E(f"{a.path} does not exist", do="Name a file.")', ["{path} does not exist", "Name a file."]),
        ('x = "one part " + name + " of it"', ["one part {name} of it"]),
        ('x = "is a folder" if a else "is a file"', ["is a folder ~or~ is a file"]),
        ('"""A docstring of words."""\nx = 1\n"""What x is for."""', []),
        ('x = r"\\d+ some pattern (?:a|b)"', []),
        ('x = "key"', []),
    ],
)
def test_texts_are_found_and_nothing_else(source, messages):
    assert list(messages_of(source)) == messages
