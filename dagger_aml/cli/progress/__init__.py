"""Progress of a build, each way of showing it in its own file."""

from .progress import Progress

__all__ = ["Progress"]
