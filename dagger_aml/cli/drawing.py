"""Plans as pictures, in the forms that the command line has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..plan.dot import dot
from ..plan.mermaid import mermaid
from ..plan.picture import Drawn, picture

Form = Literal["text", "json", "mermaid", "dot"]
"""In which plans are told; those of :data:`DRAWN` are pictures."""

DRAWN = {"mermaid": mermaid, "dot": dot}


def drawing(projects: Sequence[Drawn], form: Form) -> str:
    """Projects as a picture, in a form of :data:`DRAWN`."""
    return DRAWN[form](picture(projects))
