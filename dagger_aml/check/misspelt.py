"""What a variable's name was meant to be."""

from __future__ import annotations

from .. import contract

_PREFIXES = ("AZUREML_INFERENCE_SERVER_", "AZUREML_", "AML_", "AZURE_ML_", "GUNICORN_", "")

_LIKE = ("AZUREML", "AML_", "AZURE_ML_", "WORKER", "SCORING")
"""What names begin with that can only have been meant for Azure ML's server."""


def meant(name: str) -> str | None:
    """The variable that a name is a near miss of: in another case, with another prefix, or by a letter or two.

    None for a name that the server reads, and for one that is nobody's near miss.
    """
    if contract.is_read(name):
        return None
    upper = name.upper()
    if upper in contract.VARIABLES:
        return upper
    if not upper.startswith((*_LIKE, "GUNICORN_")):
        return None
    bare = upper.removeprefix(next(each for each in _PREFIXES if upper.startswith(each)))
    for prefix in _PREFIXES:
        if f"{prefix}{bare}" in contract.VARIABLES:
            return f"{prefix}{bare}"
    if not upper.startswith(_LIKE):
        return None
    import difflib

    near = difflib.get_close_matches(name, sorted(contract.VARIABLES), 1, 0.85)
    return near[0] if near else None
