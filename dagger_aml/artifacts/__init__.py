"""Models' files, read without running them."""
