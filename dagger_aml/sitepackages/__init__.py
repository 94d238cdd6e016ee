"""Folders of installed packages: what lies in them, read and never imported."""
