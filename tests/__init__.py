"""The tests; whoever imports one of them has this done first."""

import os
import sys

# What is compiled is kept, whatever this machine says: else some hundred processes compile all that they load.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
