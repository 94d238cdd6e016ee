"""What the process loads of which the command line's processes are forked (tests/support/cli.py): everything."""

import gc
import importlib
import pkgutil

import dagger  # noqa: F401

import dagger_aml

for _each in pkgutil.walk_packages(dagger_aml.__path__, "dagger_aml."):
    if not _each.name.endswith("__main__"):
        importlib.import_module(_each.name)
gc.freeze()
