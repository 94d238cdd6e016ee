"""Stand-in base images for the tests, in place of Microsoft's prebuilt inference images.

The images follow docs/azureml-images.md, sections 2 and 3; README.md says what in them is real and what is not.
"""

from .images import VARIANTS, ensure
from .serving import own_registry, push, reference, registry
from .tools import StandInError, missing

__all__ = ["VARIANTS", "StandInError", "ensure", "missing", "own_registry", "push", "reference", "registry"]
