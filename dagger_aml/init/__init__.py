"""A first project file and requirements file, made of what lies in a folder; nothing is overwritten."""

from ..fs.atomic import new_files
from .draft import Draft, make_draft, shown

__all__ = ["Draft", "make_draft", "new_files", "shown"]
