"""Rules about variables that the code reads, and about secrets that stand in files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from .. import contract
from ..finding import FileLocation, Finding
from ..pysource.reached import Reached
from . import mending
from .facts import Places, Script, Variable
from .rule import rule
from .secret_texts import may_have_secrets, secrets_in

_GIVEN = (contract.MODEL_DIR, contract.ENTRY_SCRIPT, contract.APP)
"""Variables that Azure ML's images and endpoints set for the code, as far as people read them."""

_PREFIXES = ("AZUREML_", "AML_", "AZURE_ML_")

_SHORT = "AZURE_"
"""Stands before many names of other services: the rest has to be one of :data:`_GIVEN`'s."""


@rule("AML210", "warning")
def misread_name(script: Script, used: Reached, variables: Mapping[str, Variable]) -> Iterator[Finding]:
    """The code reads a variable that only looks like one of Azure ML's.

    Nobody sets it, so `os.environ[…]` raises, or `os.getenv` gives None.

    Bad `score.py`:

        root = os.environ["AZUREML_APP_ROOT"]

    Good `score.py`:

        root = os.environ["AML_APP_ROOT"]

    Silent: a variable that the code or the project sets, and one for which the code has something to take in its
    place. Others that begin with `AZUREML_` or `AZURE_`.
    """
    for path, name, line in used.environment:
        near = _near(name)
        if near and name not in variables:
            place = script.at(path, line)
            yield Finding(
                f"the code reads {name}, which is not a variable of Azure ML's",
                location=place.of(name),
                hint=f"Did you mean {near}?",
                fixes=mending.on_line(place, rf"""[\[(]\s*(["'])(?P<old>{name})\1\s*[\]),]""", near),
            )


def _near(name: str) -> str | None:
    """The variable for which a name was taken: another prefix before the same rest, or a letter or two."""
    if contract.is_read(name):
        return None
    if not name.startswith(_PREFIXES):
        return next((each for each in _GIVEN if name == f"{_SHORT}{each.partition('_')[2]}"), None)
    rest = name.removeprefix(next(each for each in _PREFIXES if name.startswith(each)))
    for each in _GIVEN:
        if each.partition("_")[2] == rest:
            return each
    import difflib

    near = difflib.get_close_matches(name, _GIVEN, 1, 0.9)
    return near[0] if near else None


@rule("AML211", "warning")
def secret_in_a_file(places: Places, given: Mapping[str, Variable], used: Reached) -> Iterator[Finding]:
    """A secret stands in the code or in the variables of the image.

    Whoever can pull the image can read it, and so can whoever reads the repository. An endpoint gets secrets from
    its own variables, a managed identity or a key vault.

    Bad `score.py`:

        store = "…;AccountKey=…"

    Good `score.py`:

        store = BlobServiceClient(url, credential=DefaultAzureCredential())

    Silent: texts that only stand for a secret, such as `<your-key>`, and all whose form does not say what they are.
    The message shows four letters, and never the line.
    """
    for name, each in given.items():
        for kind, begin, _ in secrets_in(each.value):
            message = f"{name} holds {kind} ({begin}), which everyone who can pull the image can read"
            yield _secret(message, each.location)
    for path, source in used.sources.items():
        for kind, begin, line in (
            secrets_in(source.data.decode("utf-8", "replace")) if may_have_secrets(source.data) else ()
        ):
            yield _secret(f"the code holds {kind} ({begin})", places.at(Path(path), line + 1))


def _secret(message: str, location: str | None) -> Finding:
    return Finding(
        message,
        location=location.hidden if isinstance(location, FileLocation) else location,
        hint="Replace it, since it may have been read, and give the new one to the endpoint as a variable, or let a "
        "managed identity log in.",
    )
