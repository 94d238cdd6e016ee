"""Compares images: every path's type, mode, owner, bytes, links and capabilities, and the config.

Not compared: times, history, the number of layers, ``/`` itself (docs/design.md, law 1). What may differ all the same
is listed in noise.py and nowhere else.
"""

from ..oci.image import ImageContents, image_of, read_image
from ..oci.layer import Node
from ..oci.model import ImageError
from .compare import Difference, Report, compare
from .noise import NOISE, Noise

__all__ = [
    "NOISE",
    "Difference",
    "ImageContents",
    "ImageError",
    "Node",
    "Noise",
    "Report",
    "compare",
    "image_of",
    "read_image",
]
