"""The tests; whoever imports one of them has this done first."""

import os
import sys

# What is compiled is kept, whatever the machine's settings say: else each of some hundred processes compiles all of it.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
