"""Wheels as trees of files: fetched, kept by their digests, unpacked, compiled; nothing of theirs is run."""
