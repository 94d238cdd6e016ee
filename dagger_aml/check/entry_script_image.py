"""Rules about the entry script of an image that is made already."""

from __future__ import annotations

from collections.abc import Iterator

from .. import contract
from ..finding import Finding
from ..pysource.entry_points import EntryPoint
from ..pysource.source import Source
from .facts import Script
from .inputs.image import ImageRead
from .rule import rule


@rule("AML104", "warning")
def script_not_in_the_image(image: ImageRead, lost_script: tuple[str, ...]) -> Iterator[Finding]:
    """AZUREML_ENTRY_SCRIPT names a file that the image does not have.

    The server starts in `AML_APP_ROOT`, which is `/var/azureml-app` where nothing says otherwise, looks for the entry
    script from there, and ends without it.

    Bad `Dockerfile`:

        COPY src /var/azureml-app/src
        ENV AZUREML_ENTRY_SCRIPT=score.py

    Good `Dockerfile`:

        COPY src /var/azureml-app/src
        ENV AZUREML_ENTRY_SCRIPT=src/score.py

    Silent: an image without any Python file in that folder, into which Azure ML mounts the code; where not all layers
    were read.
    """
    for path in lost_script:
        yield Finding(
            f"{contract.ENTRY_SCRIPT} is {image.config.env[contract.ENTRY_SCRIPT]}, and the image has no {path}",
            hint=f"Write it relative to {image.top}, as the code lies there.",
        )


@rule("AML105", "error")
def lacks_a_function(
    image: ImageRead, script: Script, entry: Source, points: tuple[EntryPoint, ...]
) -> Iterator[Finding]:
    """The entry script of the image has no init() or no run().

    The server calls `init()` once and `run()` for each request, and does not start without one of them.

    Bad `score.py`:

        def run(data): ...

    Good `score.py`:

        def init(): ...

        def run(data): ...

    Silent: what is imported, or may be bound while the code runs. What is there and never bound has AML114. A project
    whose entry script lacks one is refused anyway.
    """
    for each in points:
        if each.is_missing and each.name not in entry.names | entry.declared and not entry.star:
            yield Finding(
                f"the entry script has no {each.name}(), and the server does not start without it",
                location=script.at(script.name),
                hint=f"Define {each.name}() at the top level of the entry script.",
            )
