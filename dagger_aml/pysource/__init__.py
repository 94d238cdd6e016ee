"""Python source, read and never run."""
