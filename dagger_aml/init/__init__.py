"""A first project file and requirements file, made of what lies in a folder; nothing is overwritten."""

from .draft import Draft, make_draft, shown
from .write import new_files

__all__ = ["Draft", "make_draft", "new_files", "shown"]
