"""Compares images: every path's type, mode, owner, bytes, links and capabilities, and the config.

    python -m tests.imagediff A.tar B.tar --builders dagger,buildah

Standard library only. Not compared: times, history, the number of layers, `/` itself (the design's law 1). What may
differ all the same is listed in noise.py and nowhere else.
"""

from .compare import Difference, Report, compare
from .image import Image, ImageError, read_image
from .layer import Node
from .noise import NOISE, Noise

__all__ = ["NOISE", "Difference", "Image", "ImageError", "Node", "Noise", "Report", "compare", "read_image"]
