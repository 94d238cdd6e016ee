"""The program ends at once, with all said and done."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import atexit, os, sys, threading, time
from dagger_aml import __main__ as program

class Kept:
    def __del__(self, write=os.write):
        write(1, b"taken apart")

kept = Kept()
{more}

def main():
    print("said " * 20_000)
    atexit.register(print, "registered")
    raise SystemExit({code})

program.main = main
program.program()
"""


def ended(code: str = "3", more: str = "") -> subprocess.CompletedProcess[str]:
    """How a program ended whose command line ends with a code."""
    words = [sys.executable, "-c", _PROGRAM.format(code=code, more=more)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(("code", "number"), [("3", 3), ("0", 0), ("None", 0), ("", 0), ("143", 143)])
def test_all_is_said_and_what_was_registered_is_done(code, number):
    done = ended(code)
    assert done.returncode == number and not done.stderr
    assert done.stdout == "said " * 20_000 + "\nregistered\n"


@pytest.mark.parametrize(
    "more",
    ["sys.setprofile(lambda *_: None)", "sys.settrace(lambda *_: None)", "pass"],
    ids=["profiler", "debugger", "text"],
)
def test_who_looks_on_sees_python_end(more):
    done = ended("3" if more != "pass" else "'no number'", more)
    assert done.stdout.endswith("registered\ntaken apart")
    assert (done.returncode, done.stderr) == ((3, "") if more != "pass" else (1, "no number\n"))


def test_a_thread_that_goes_on_is_waited_for():
    thread = "threading.Thread(target=lambda: (time.sleep(0.4), print('late'))).start()"
    done = ended(more=thread)
    assert done.returncode == 3
    assert "late\n" in done.stdout and done.stdout.endswith("registered\ntaken apart")


@pytest.mark.parametrize("daemon", [True, False])
def test_one_that_ends_with_it_or_is_about_to_end_is_not(daemon):
    seconds = 60 if daemon else 0.01
    done = ended(more=f"threading.Thread(target=time.sleep, args=({seconds},), daemon={daemon}).start()")
    assert done.returncode == 3 and done.stdout.endswith("said \nregistered\n")


def test_an_error_is_shown():
    done = ended("1 / 0")
    assert done.returncode == 1 and done.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert done.stdout.startswith("said said")


def test_output_that_nobody_takes_does_not_hold_it_up():
    program = _PROGRAM.format(code=3, more="sys.stdout = None").replace("print(", "str(")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 3 and done.stdout == done.stderr == ""


def test_a_recipe_of_the_user_s_sees_python_end(tmp_path):
    """What it wrote to a file that it never closes is there."""
    recipe = f"kept = open({str(tmp_path / 'kept')!r}, 'w')\nkept.write('all')\nasync def recipe(graph, project): ..."
    (tmp_path / "mine.py").write_text(recipe)
    more = f"from dagger_aml.project.recipe import load_recipe; load_recipe({str(tmp_path / 'mine.py')!r})"
    done = ended(more=more)
    assert done.returncode == 3 and done.stdout.endswith("registered\ntaken apart")
    assert (tmp_path / "kept").read_text() == "all"


def test_a_recipe_of_ours_does_not():
    done = ended(more="from dagger_aml.project.recipe import load_recipe; load_recipe('extended')")
    assert done.returncode == 3 and done.stdout.endswith("\nregistered\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_output_that_cannot_be_written_is_told():
    program = _PROGRAM.format(code=0, more="")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program.replace('print("said " * 20_000)', 'sys.stdout.write("x")')],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
        )  # fmt: skip
    assert done.returncode == 120 and "No space left" in done.stderr, done.stderr
